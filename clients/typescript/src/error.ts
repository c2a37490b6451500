import type { Schemas } from "./types.js";

/** One fault of a request: where, and what to change. */
export type Fault = Schemas["Fault"];

/** A refusal as the API words it (RFC 9457). */
export type Problem = Schemas["Problem"];

/** What is known of a failed call. */
export interface Failure {
  /** The call as the contract names it, such as `POST /v1/programs/{program}/conversions`: without ids. */
  call: string;
  /** The status of the answer; 0 when there was none. */
  status: number;
  /** The stable name of the refusal, or one of the client's own: `network_error`, `timeout`, `gateway`, `unexpected_answer`. */
  code: string;
  /** Why, for people. */
  detail: string;
  /** Whether the same call may succeed later. */
  retryable: boolean;
  /** How often it was sent. */
  attempts: number;
  /** How long the API asks to wait, in seconds; absent when it does not say. */
  retryAfterSeconds?: number | undefined;
  /** The whole refusal, if it was one of the API's. */
  problem?: Problem | undefined;
  /** What lies behind it. */
  cause?: unknown;
}

/**
 * A call that did not succeed, after the last attempt.
 *
 * `code` is a contract and may be decided upon; `message` and `detail` are for people. None of them holds the key, a body
 * or an id of the path.
 */
export class KithError extends Error {
  override readonly name = "KithError";
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly attempts: number;
  readonly retryAfterSeconds: number | undefined;
  readonly problem: Problem | undefined;

  constructor(failure: Failure) {
    const places = (failure.problem?.errors ?? []).map((fault) => `; ${fault.pointer} ${fault.detail}`).join("");
    const status = failure.status === 0 ? "" : `${failure.status} `;
    super(`${failure.call}: ${status}${failure.code}: ${failure.detail}${places}`, { cause: failure.cause });
    this.status = failure.status;
    this.code = failure.code;
    this.detail = failure.detail;
    this.retryable = failure.retryable;
    this.attempts = failure.attempts;
    this.retryAfterSeconds = failure.retryAfterSeconds;
    this.problem = failure.problem;
  }

  /** Every fault of a request that was refused with 422, or of a conversion that differs; else empty. */
  get errors(): readonly Fault[] {
    return this.problem?.errors ?? [];
  }

  /** The id of the refused request, to be named when asking somebody about it. */
  get instance(): string | undefined {
    return this.problem?.instance;
  }
}
