import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE_MS, CAP_MS, retryAfter, waitMs } from "../src/waits.js";

test("waits have full jitter below a bound that doubles and ends", () => {
  for (const [attempts, bound] of [[1, BASE_MS], [2, 2 * BASE_MS], [3, 4 * BASE_MS], [6, CAP_MS], [20, CAP_MS]] as const) {
    assert.equal(waitMs(attempts, 0, undefined), 0);
    assert.equal(waitMs(attempts, 0.5, undefined), bound / 2);
  }
});

test("what the API asks for is waited for, and a little more", () => {
  assert.equal(waitMs(1, 0, 3), 3000);
  assert.equal(waitMs(1, 0.5, 3), 3000 + BASE_MS / 2);
});

test("Retry-After is seconds or a date, and everything else nothing", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  for (const [header, seconds] of [
    ["0", 0], ["7", 7], [" 7 ", 7],
    ["Sun, 01 Mar 2026 12:00:30 GMT", 30], ["Sun, 01 Mar 2026 11:00:00 GMT", 0],
    [null, undefined], ["", undefined], ["-1", undefined], ["1.5", undefined], ["soon", undefined], ["2026-03-01", undefined],
    ["99999999999999", undefined],
  ] as const) {
    assert.equal(retryAfter(header, now), seconds, String(header));
  }
});
