// How long to wait between attempts. Pure: the caller reads the clock and the dice.

/** The first wait is at most this long, and each further one at most twice the one before. */
export const BASE_MS = 200;
/** No wait that nobody asked for is longer. */
export const CAP_MS = 5_000;

/**
 * The wait before the next attempt in milliseconds, with full jitter: anything from nothing to a bound that doubles.
 * What the API asked for comes first, and the jitter on top, so that those who were sent away together do not come back
 * together.
 *
 * @param attempts how many there were, from 1
 * @param random a number from 0 up to, not including, 1
 */
export function waitMs(attempts: number, random: number, retryAfterSeconds: number | undefined): number {
  const bound = Math.min(CAP_MS, BASE_MS * 2 ** (attempts - 1));
  return (retryAfterSeconds ?? 0) * 1000 + random * bound;
}

/** `Retry-After` in seconds: it is a number of them, or a date (RFC 9110, section 10.2.3). Anything else says nothing. */
export function retryAfter(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) {
    return Number(text);
  }
  // `Date.parse` takes much for a date that is none here.
  const at = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, (at - nowMs) / 1000);
}
