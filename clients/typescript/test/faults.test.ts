// A server that misbehaves on cue, alone or in front of the real bundle: what is repeated, with what, how often, how long.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import type { AddressInfo } from "node:net";
import { startBundle, type Bundle } from "@kith/testing";
import { Kith, KithError } from "../src/index.js";

/** What the server does with one request; `undefined` hands it on to the bundle. */
type Step = ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

/** One request as it arrived. */
interface Seen {
  method: string | undefined;
  key: string | undefined;
  at: number;
}

let bundle: Bundle;
let server: Server;
let url: string;
let script: Step[] = [];
let seen: Seen[] = [];

before(async () => {
  bundle = await startBundle();
  server = createServer((request, response) => {
    seen.push({ method: request.method, key: request.headers["idempotency-key"] as string, at: performance.now() });
    const step = script.shift();
    if (step) {
      request.resume();
      step(request, response);
    } else {
      void handOn(request, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(async () => {
  server.closeAllConnections();
  server.close();
  await bundle.stop();
});

beforeEach(() => {
  script = [];
  seen = [];
});

async function handOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await ask(request);
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
  response.end(await answer.text());
}

/** The bundle's own answer. */
async function ask(request: IncomingMessage): Promise<Response> {
  const parts: Buffer[] = [];
  for await (const part of request) {
    parts.push(part as Buffer);
  }
  const headers: Record<string, string> = {};
  for (const name of ["authorization", "content-type", "idempotency-key"]) {
    const value = request.headers[name];
    if (typeof value === "string") {
      headers[name] = value;
    }
  }
  return fetch(bundle.url + request.url, {
    method: request.method ?? "GET", headers, body: parts.length > 0 ? Buffer.concat(parts) : null,
  });
}

const answer = (status: number, headers: Record<string, string> = {}, body = "{}"): Step => (_, response) => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body);
};
const problem = (status: number, code: string, retryable: boolean, headers: Record<string, string> = {}): Step =>
  answer(
    status,
    { "content-type": "application/problem+json", ...headers },
    JSON.stringify({ type: "about:blank", title: "No", status, detail: "no", instance: "i", code, retryable }),
  );
const hangUp: Step = (request) => request.socket.destroy();
const breakOff: Step = (request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  response.write('{"data": [');
  setTimeout(() => request.socket.destroy(), 20);
};
const stall: Step = () => undefined;
const stallInTheBody: Step = (_, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.write("{");
};
/** The write takes place, and nobody hears of it. */
const losesTheAnswer: Step = (request) => void ask(request).then(() => request.socket.destroy());

const client = (options: object = {}): Kith => new Kith({ baseUrl: url, key: bundle.testKey, ...options });
const list = (options: object = {}): Promise<unknown> => client(options).get("/v1/programs");
const failure = async (call: Promise<unknown>): Promise<KithError> => {
  const error: unknown = await call.then(() => assert.fail("it succeeded"), (caught: unknown) => caught);
  assert.ok(error instanceof KithError, String(error));
  return error;
};

test("what passes is waited out", async (t) => {
  const steps: Record<string, Step> = {
    "a connection that is closed": hangUp,
    "an answer that breaks off": breakOff,
    "a gateway without a function": answer(503, {}, '{"message":"Service Unavailable"}'),
    "a gateway that is asked too much": answer(429, {}, '{"message":"Too Many Requests"}'),
    "a gateway that lost the function": answer(502),
    "a gateway that waited too long": answer(504),
    "a table that does not answer": problem(503, "unavailable", true),
    "a race that was lost": problem(409, "concurrent_change", true),
    "a limit that was reached": problem(429, "too_many_requests", true),
  };
  for (const [name, step] of Object.entries(steps)) {
    await t.test(name, async () => {
      seen = [];
      script = [step, step];
      await list();
      assert.equal(seen.length, 3);
    });
  }
});

test("what stands is not asked again", async (t) => {
  const steps: Record<string, [Step, string]> = {
    "a rule": [problem(409, "reward_state", false), "reward_state"],
    "a fault of the request": [problem(422, "invalid_request", false), "invalid_request"],
    "an idempotency key used twice": [problem(422, "idempotency_key_reused", false), "idempotency_key_reused"],
    "no key": [problem(401, "unauthenticated", false), "unauthenticated"],
    "nothing there": [problem(404, "not_found", false), "not_found"],
    "503 that says so": [problem(503, "not_today", false), "not_today"],
    "a bug": [problem(500, "internal", false), "internal"],
    "a bug seen by the gateway": [answer(500, {}, '{"message":"Internal Server Error"}'), "gateway"],
    "a gateway that refuses": [answer(413, {}, '{"message":"Request Entity Too Large"}'), "gateway"],
    "a page in its place": [answer(200, { "content-type": "text/html" }, "<p>Log in"), "unexpected_answer"],
    "half an answer that calls itself whole": [answer(200, {}, '{"data": ['), "unexpected_answer"],
    "an empty answer": [answer(200, {}, ""), "unexpected_answer"],
  };
  for (const [name, [step, code]] of Object.entries(steps)) {
    await t.test(name, async () => {
      seen = [];
      script = [step];
      const error = await failure(list());
      assert.deepEqual([seen.length, error.code, error.attempts], [1, code, 1]);
    });
  }
});

/** The key would go along. */
test("nobody is followed elsewhere", async () => {
  script = [answer(307, { location: "/v1/keys" })];
  const error = await failure(list());
  assert.deepEqual([seen.length, error.status, error.code], [1, 307, "unexpected_answer"]);
});

test("a write keeps its idempotency key over its attempts, another call has another, and a read has none", async () => {
  script = [hangUp, answer(503)];
  const body = { name: "Bakery", destination_url: "https://bakery.example" };
  const kith = client();
  await kith.post("/v1/programs", { body });
  await kith.post("/v1/programs", { body, idempotencyKey: "mine" });
  await kith.get("/v1/programs");
  const [first, second, third, fourth, fifth] = seen.map(({ key }) => key);
  assert.match(first ?? "", /^[0-9a-f-]{36}$/);
  assert.deepEqual([second, third, fourth, fifth], [first, first, "mine", undefined]);
});

/** The worst that a network does: the first attempt took place and nobody was told. */
test("a write whose answer was lost has happened once", async () => {
  const kith = client();
  const body = { name: "Once", destination_url: "https://bakery.example" };
  script = [losesTheAnswer, losesTheAnswer];
  const { data } = await kith.call("post", "/v1/programs", { body });
  assert.equal(seen.length, 3);
  const made = [];
  for await (const program of client({ baseUrl: bundle.url }).paginate("/v1/programs")) {
    if (program.name === "Once") {
      made.push(program.id);
    }
  }
  assert.deepEqual(made, [data.id]);
});

test("Retry-After is honoured", async () => {
  script = [answer(429, { "retry-after": "1" })];
  await list();
  const [first, second] = seen;
  assert.ok(second!.at - first!.at >= 1000, `${second!.at - first!.at} ms`);
});

test("a Retry-After beyond the deadline is told at once instead of being waited for", async () => {
  script = [problem(429, "too_many_requests", true, { "retry-after": "3600" })];
  const started = performance.now();
  const error = await failure(list());
  assert.ok(performance.now() - started < 10_000);
  assert.deepEqual([seen.length, error.retryable, error.retryAfterSeconds], [1, true, 3600]);
});

test("attempts are bounded in number", async () => {
  for (const retries of [0, 2]) {
    seen = [];
    script = Array<Step>(9).fill(hangUp);
    const error = await failure(list({ retries }));
    assert.deepEqual([seen.length, error.attempts, error.code, error.status], [retries + 1, retries + 1, "network_error", 0]);
    assert.ok(error.cause instanceof Error);
  }
});

test("attempts are bounded in time, one by one and together", async () => {
  for (const step of [stall, stallInTheBody]) {
    seen = [];
    script = Array<Step>(50).fill(step);
    const started = performance.now();
    const error = await failure(list({ timeoutMs: 100, deadlineMs: 1_500, retries: 20 }));
    const took = performance.now() - started;
    assert.equal(error.code, "timeout");
    assert.ok(took < 5_000, `${took} ms`);
    assert.ok(seen.length > 1 && seen.length <= 16, `${seen.length} attempts`);
  }
});

test("the last attempt ends with the deadline, however long one attempt may take", async () => {
  script = [stall];
  const started = performance.now();
  const error = await failure(list({ timeoutMs: 60_000, deadlineMs: 300 }));
  assert.equal(error.code, "timeout");
  assert.ok(performance.now() - started < 20_000);
});

test("whoever calls may end it, while it waits and while it is sent", async () => {
  for (const step of [stall, answer(503, { "retry-after": "20" })]) {
    seen = [];
    script = [step];
    const started = performance.now();
    const reason = new Error("no longer needed");
    const control = new AbortController();
    setTimeout(() => control.abort(reason), 100);
    const call = client().get("/v1/programs", { signal: control.signal });
    await assert.rejects(call, (error) => error === reason);
    assert.ok(performance.now() - started < 8_000);
    assert.equal(seen.length, 1);
  }
  const over = AbortSignal.abort(new Error("over before it began"));
  seen = [];
  await assert.rejects(client().get("/v1/programs", { signal: over }), /over before/);
  assert.equal(seen.length, 0);
});

test("a list that leads in a circle ends", async () => {
  const page = answer(200, {}, '{"data": [], "next_cursor": "same"}');
  script = [page, page, page];
  const read = async (): Promise<void> => {
    for await (const _ of client().paginate("/v1/programs")) {
      assert.fail("there is nothing");
    }
  };
  assert.equal((await failure(read())).code, "unexpected_answer");
  assert.equal(seen.length, 2);
});

/** Events are searched for so long at a time: a page without any, that leads on, is not their end. */
test("an empty page of events that leads on is followed", async () => {
  const page = (data: unknown[], next_cursor: string): Step => answer(200, {}, JSON.stringify({ data, next_cursor }));
  script = [page([], "one"), page([{ id: "evt_1" }], "two"), page([], "three"), page([], "three")];
  const found: string[] = [];
  for await (const event of client({ program: "prg_1" }).paginate("/v1/programs/{program}/events")) {
    found.push(event.id);
  }
  assert.deepEqual(found, ["evt_1"]);
  assert.equal(seen.length, 4);
});
