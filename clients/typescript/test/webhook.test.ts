import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { verifyWebhook, WebhookError, type WebhookFault, type WebhookOptions } from "../src/index.js";

/** Made with OpenSSL: see `webhook-vectors.json`. */
interface Vector {
  name: string;
  secrets: string[];
  headers: Record<string, string>;
  payload: string;
  now: number;
  /** `accepted`, or why not. */
  outcome: "accepted" | WebhookFault;
}
const file = new URL("../../../test/webhook-vectors.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: Vector[] };

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const NOW = 1_772_366_400;

/** Signs as a sender does, with another implementation than the one that verifies. */
function signature(payload: string | Buffer, id = "dlv_1", at = NOW, secret = SECRET): string {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${at}.`).update(payload).digest("base64")}`;
}

function webhook(changes: Partial<WebhookOptions> & { signed?: string } = {}): WebhookOptions {
  const { signed, ...others } = changes;
  const payload = '{"type":"reward.issued"}';
  return {
    payload,
    headers: { "webhook-id": "dlv_1", "webhook-timestamp": String(NOW), "webhook-signature": signed ?? signature(payload) },
    secrets: SECRET,
    now: new Date(NOW * 1000),
    ...others,
  };
}

async function outcome(options: WebhookOptions): Promise<string> {
  try {
    await verifyWebhook(options);
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof WebhookError, String(error));
    return error.code;
  }
}

test("vectors", async (t) => {
  assert.ok(vectors.length >= 10);
  for (const { name, now, outcome: expected, ...vector } of vectors) {
    await t.test(name, async () => {
      assert.equal(await outcome({ ...vector, now: new Date(now * 1000) }), expected);
    });
  }
});

test("what is genuine is read", async () => {
  const { id, sentAt, event } = await verifyWebhook(webhook());
  assert.equal(id, "dlv_1");
  assert.equal(sentAt.toISOString(), "2026-03-01T12:00:00.000Z");
  assert.equal(event.type, "reward.issued");
});

test("headers come in every shape that servers have", async () => {
  const { headers } = webhook();
  const plain = headers as Record<string, string>;
  const upper = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name.toUpperCase(), value]));
  const lists = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, [value]]));
  for (const shape of [plain, new Headers(plain), upper, lists, { ...plain, "x-other": undefined }]) {
    assert.equal(await outcome(webhook({ headers: shape })), "accepted");
  }
  const twice = { ...plain, "webhook-id": ["dlv_1", "dlv_2"] };
  assert.equal(await outcome(webhook({ headers: twice })), "malformed_header");
});

test("bytes are what is signed, also where they are no text", async () => {
  const payload = Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const signed = signature(payload);
  assert.equal(await outcome(webhook({ payload, signed })), "not_json");
  assert.equal(await outcome(webhook({ payload: payload.toString(), signed })), "no_matching_signature");
  const text = Buffer.from('{"type":"ü"}');
  const copy = text.buffer.slice(text.byteOffset, text.byteOffset + text.length) as ArrayBuffer;
  for (const body of [text, new Uint8Array(text), copy, text.toString()]) {
    assert.equal(await outcome(webhook({ payload: body, signed: signature(text) })), "accepted");
  }
});

test("whatever is changed, it is refused", async () => {
  const { payload, headers } = webhook();
  const body = payload as string;
  for (let at = 0; at < body.length; at += 1) {
    const changed = body.slice(0, at) + String.fromCharCode(body.charCodeAt(at) ^ 1) + body.slice(at + 1);
    assert.equal(await outcome(webhook({ payload: changed })), "no_matching_signature", changed);
  }
  for (const [name, value] of Object.entries({ "webhook-id": "dlv_2", "webhook-timestamp": String(NOW - 1) })) {
    assert.equal(await outcome(webhook({ headers: { ...headers, [name]: value } })), "no_matching_signature", name);
  }
  for (const name of Object.keys(headers)) {
    assert.equal(await outcome(webhook({ headers: { ...headers, [name]: undefined } })), "missing_header", name);
    assert.equal(await outcome(webhook({ headers: { ...headers, [name]: "" } })), "missing_header", name);
  }
});

test("while a secret is replaced, both are good", async () => {
  const other = `whsec_${randomBytes(24).toString("base64")}`;
  const both = `${signature('{"type":"reward.issued"}', "dlv_1", NOW, other)} ${signature('{"type":"reward.issued"}')}`;
  assert.equal(await outcome(webhook({ secrets: [other, SECRET] })), "accepted");
  assert.equal(await outcome(webhook({ secrets: [SECRET, other] })), "accepted");
  assert.equal(await outcome(webhook({ signed: both })), "accepted");
  assert.equal(await outcome(webhook({ secrets: other })), "no_matching_signature");
});

test("five minutes either way, to the second", async () => {
  for (const [seconds, expected] of [[300, "accepted"], [301, "too_old"], [-300, "accepted"], [-301, "too_new"]] as const) {
    assert.equal(await outcome(webhook({ now: new Date((NOW + seconds) * 1000) })), expected, String(seconds));
  }
  assert.equal(await outcome(webhook({ now: new Date((NOW + 11) * 1000), toleranceSeconds: 10 })), "too_old");
  assert.equal(await outcome(webhook({ now: new Date((NOW + 300) * 1000 + 999) })), "accepted", "whole seconds are compared");
});

/** With a dot in the id, `a.1` sent at `2` signs the same text as `a` sent at `1` with another body. */
test("an id with a dot is refused although the signature is right", async () => {
  const payload = "{}";
  const headers = {
    "webhook-id": "dlv.1", "webhook-timestamp": String(NOW), "webhook-signature": signature(payload, "dlv.1"),
  };
  assert.equal(await outcome(webhook({ payload, headers })), "malformed_header");
});

test("mistakes of the receiver's are no refusals", async () => {
  const wrong: [Partial<Record<keyof WebhookOptions, unknown>>, RegExp][] = [
    [{ payload: { type: "reward.issued" } }, /as it came/],
    [{ secrets: [] }, /secrets/],
    [{ secrets: undefined }, /secrets/],
    [{ secrets: "" }, /whsec_/],
    [{ secrets: "whsec_" }, /whsec_/],
    [{ secrets: "whsec_c2hvcnQ=" }, /24 to 64 bytes/],
    [{ secrets: "whsec_not base64 at all, and long enough" }, /Base64/],
  ];
  for (const [changes, message] of wrong) {
    await assert.rejects(verifyWebhook({ ...webhook(), ...changes } as WebhookOptions), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, message);
      return true;
    });
  }
});
