import type { Schemas } from "./types.js";

const TOLERANCE_SECONDS = 300;
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
/** A sender has one signature for each secret of a rotation; more is somebody's try. */
const SIGNATURES_MAX = 10;

/** Why a webhook is not to be trusted. */
export type WebhookFault =
  | "missing_header"
  | "malformed_header"
  | "too_old"
  | "too_new"
  | "no_matching_signature"
  | "not_json";

/** A webhook that must not be acted upon. Answer it with 400. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
  readonly code: WebhookFault;

  constructor(code: WebhookFault, message: string) {
    super(message);
    this.code = code;
  }
}

/** A webhook as it came. */
export interface WebhookOptions {
  /** The body as it came, byte by byte: one that was parsed and written again has another signature. */
  payload: string | Uint8Array | ArrayBuffer;
  /** The headers as any server has them. */
  headers: Headers | Record<string, string | readonly string[] | undefined>;
  /** The endpoint's secrets, `whsec_…`: while one is being replaced, both. */
  secrets: string | readonly string[];
  /** How far the sender's clock may be from ours, either way, in seconds; 300 unless said. */
  toleranceSeconds?: number;
  /** What time it is; for tests. */
  now?: Date;
}

/** A webhook that is genuine and recent. */
export interface VerifiedWebhook<T> {
  /** Stays the same when the webhook is sent again: keep it, and do nothing the second time. */
  id: string;
  /** When this attempt was sent. */
  sentAt: Date;
  event: T;
}

/**
 * Verifies a webhook as the Standard Webhooks specification says (HMAC-SHA256, `v1`) and reads it.
 *
 * @throws WebhookError when it is not genuine, or not recent
 * @throws TypeError when an option cannot be right: a secret that is none, a body that was parsed before
 */
export async function verifyWebhook<T = Schemas["Event"]>(options: WebhookOptions): Promise<VerifiedWebhook<T>> {
  const payload = bytesOf(options.payload);
  const keys = secretsOf(options.secrets).map(keyBytes);
  const id = headerOf(options.headers, "webhook-id");
  const timestamp = headerOf(options.headers, "webhook-timestamp");
  const signatures = headerOf(options.headers, "webhook-signature");

  // With a dot in the id, the same signed text could be cut in another place.
  if (id.includes(".")) {
    throw new WebhookError("malformed_header", "webhook-id has a dot");
  }
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new WebhookError("malformed_header", "webhook-timestamp is not a number of seconds");
  }
  const sentAt = new Date(Number(timestamp) * 1000);
  const age = Math.floor((options.now ?? new Date()).getTime() / 1000) - Number(timestamp);
  const tolerance = options.toleranceSeconds ?? TOLERANCE_SECONDS;
  if (age > tolerance) {
    throw new WebhookError("too_old", "the webhook was sent too long ago");
  }
  if (age < -tolerance) {
    throw new WebhookError("too_new", "the webhook was sent in the future");
  }

  const signed = concatenated(new TextEncoder().encode(`${id}.${timestamp}.`), payload);
  if (!(await isSigned(signed, signaturesIn(signatures), keys))) {
    throw new WebhookError("no_matching_signature", "no signature matches");
  }
  try {
    return { id, sentAt, event: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)) as T };
  } catch {
    throw new WebhookError("not_json", "the webhook is genuine and not JSON");
  }
}

/** Whether any key made any of the signatures. `verify` compares in constant time. */
async function isSigned(signed: Bytes, signatures: Bytes[], keys: Bytes[]): Promise<boolean> {
  for (const bytes of keys) {
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of signatures) {
      if (await crypto.subtle.verify("HMAC", key, signature, signed)) {
        return true;
      }
    }
  }
  return false;
}

/** The `v1` signatures; those of other versions are for others. */
function signaturesIn(header: string): Bytes[] {
  const found = [];
  for (const part of header.split(" ").slice(0, SIGNATURES_MAX)) {
    const bytes = part.startsWith("v1,") ? fromBase64(part.slice(3)) : undefined;
    if (bytes !== undefined) {
      found.push(bytes);
    }
  }
  return found;
}

type Bytes = Uint8Array<ArrayBuffer>;

function secretsOf(given: string | readonly string[]): readonly string[] {
  const secrets = typeof given === "string" ? [given] : given;
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new TypeError("secrets must be one secret or a list of them");
  }
  return secrets;
}

function keyBytes(secret: string): Bytes {
  const bytes = fromBase64(secret.replace(/^whsec_/, ""));
  if (bytes === undefined || bytes.length < SECRET_BYTES_MIN || bytes.length > SECRET_BYTES_MAX) {
    throw new TypeError(`a secret is whsec_ and ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes in Base64`);
  }
  return bytes;
}

function bytesOf(payload: unknown): Bytes {
  if (typeof payload === "string") {
    return new TextEncoder().encode(payload);
  }
  if (payload instanceof Uint8Array) {
    return new Uint8Array(payload);
  }
  if (payload instanceof ArrayBuffer) {
    return new Uint8Array(payload);
  }
  throw new TypeError("payload must be the body as it came: text or bytes, not what a parser made of it");
}

function headerOf(headers: WebhookOptions["headers"], name: string): string {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const values = entries.filter(([other]) => other.toLowerCase() === name).flatMap(([, value]) => value ?? []);
  const [value] = values;
  if (value === undefined || value === "") {
    throw new WebhookError("missing_header", `${name} is missing`);
  }
  if (values.length > 1) {
    throw new WebhookError("malformed_header", `${name} came more than once`);
  }
  return value;
}

function fromBase64(text: string): Bytes | undefined {
  if (text === "" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    return undefined;
  }
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function concatenated(first: Bytes, second: Bytes): Bytes {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
