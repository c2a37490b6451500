// One call over HTTP: attempts, waits between them, and the end of it. Knows nothing of paths and shapes.

import { KithError, type Problem } from "./error.js";
import { retryAfter, waitMs } from "./waits.js";

/** How long and how often. */
export interface Patience {
  /** Attempts after the first one. */
  retries: number;
  /** The longest that one attempt may take, its answer read to the end, in milliseconds. */
  timeoutMs: number;
  /** The longest that the whole call may take, waits included, in milliseconds. */
  deadlineMs: number;
}

/** A request, ready to be sent as often as it takes. A write has its `Idempotency-Key` among the headers. */
export interface Sending {
  /** The call as the contract names it, for messages. */
  call: string;
  method: string;
  url: URL;
  headers: Record<string, string>;
  body: string | undefined;
  signal: AbortSignal | undefined;
  patience: Patience;
  fetch: typeof fetch;
}

/** An answer, read to its end. */
export interface Received {
  status: number;
  headers: Headers;
  text: string;
}

/** What a gateway says in front of a function that is gone or busy, without a problem to go by. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Sends until there is an answer that stands. Every call may be repeated: a read changes nothing, and a write carries the
 * same idempotency key each time.
 *
 * @throws KithError when the API refuses, or does not answer in time
 */
export async function send(sending: Sending): Promise<Received> {
  const { patience, signal } = sending;
  const endsAt = performance.now() + patience.deadlineMs;
  for (let attempts = 1; ; attempts += 1) {
    signal?.throwIfAborted();
    const left = endsAt - performance.now();
    const outcome = await attempt(sending, attempts, Math.min(patience.timeoutMs, Math.max(left, 1)));
    if (!(outcome instanceof KithError)) {
      return outcome;
    }
    const wait = waitMs(attempts, Math.random(), outcome.retryAfterSeconds);
    // Waiting is of no use when the next attempt would come too late.
    if (!outcome.retryable || attempts > patience.retries || performance.now() + wait >= endsAt) {
      throw outcome;
    }
    await sleep(wait, signal);
  }
}

/** One attempt: an answer that succeeded, or why there is none. What the caller ended itself is thrown. */
async function attempt(sending: Sending, attempts: number, timeoutMs: number): Promise<Received | KithError> {
  const { call, signal } = sending;
  const control = new AbortController();
  const abort = (): void => control.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const response = await sending.fetch(sending.url, {
      method: sending.method,
      headers: sending.headers,
      body: sending.body ?? null,
      // The API sends nobody elsewhere, and the key would go along.
      redirect: "manual",
      signal: control.signal,
    });
    const received = { status: response.status, headers: response.headers, text: await response.text() };
    return response.ok ? received : refusal(call, received, attempts);
  } catch (cause) {
    signal?.throwIfAborted();
    const [code, detail] = control.signal.aborted
      ? ["timeout", `no answer within ${Math.round(timeoutMs)} ms`]
      : ["network_error", "the API could not be reached, or the connection broke"];
    return new KithError({ call, status: 0, code, detail, retryable: true, attempts, cause });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function refusal(call: string, received: Received, attempts: number): KithError {
  const { status, headers } = received;
  const retryAfterSeconds = retryAfter(headers.get("retry-after"), Date.now());
  const known = { call, status, attempts, retryAfterSeconds };
  const problem = problemIn(received);
  if (problem !== undefined) {
    const { code, detail, retryable } = problem;
    return new KithError({ ...known, code, detail, retryable, problem });
  }
  if (status < 400) {
    return new KithError({ ...known, code: "unexpected_answer", detail: "not an answer of the API", retryable: false });
  }
  const retryable = PASSING_STATUSES.has(status);
  return new KithError({ ...known, code: "gateway", detail: "refused before it reached the API", retryable });
}

function problemIn(received: Received): Problem | undefined {
  if (!received.headers.get("content-type")?.startsWith("application/problem+json")) {
    return undefined;
  }
  try {
    const problem = JSON.parse(received.text) as Partial<Problem> | null;
    return typeof problem?.code === "string" && typeof problem.retryable === "boolean" ? (problem as Problem) : undefined;
  } catch {
    return undefined;
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
