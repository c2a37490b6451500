import assert from "node:assert/strict";
import { test } from "node:test";
import { touchesIn } from "../src/index.js";

test("a cookie header is read as a conversion takes it, and never fails", () => {
  const none = { click_tokens: [], codes: [] };
  for (const [header, expected] of [
    [undefined, none],
    [null, none],
    ["", none],
    ["session=kith=1; other", none],
    ["kith=", none],
    ["kith=y", none],
    ["kith=y~ANN-BAKES", { click_tokens: [], codes: ["ANN-BAKES"] }],
    ["a=b; kith=n~ANN~AQ_one:zz~AQ-two:zz; c=d", { click_tokens: ["AQ_one", "AQ-two"], codes: ["ANN"] }],
    ["kith=y~~AQone:zz", { click_tokens: ["AQone"], codes: [] }],
    ["kith_click=AQhost", { click_tokens: ["AQhost"], codes: [] }],
    ["kith_click=AQone; kith=y~~AQone:zz", { click_tokens: ["AQone"], codes: [] }],
    ['kith=y~<script>~"x":1~AQone:zz', { click_tokens: ["AQone"], codes: [] }],
    // No more than a conversion takes: the first touch and the newest ones.
    ["kith=y~~a:1~b:1~c:1~d:1~e:1; kith_click=f", { click_tokens: ["a", "c", "d", "e", "f"], codes: [] }],
  ] as const) {
    assert.deepEqual(touchesIn(header), expected, String(header));
  }
});
