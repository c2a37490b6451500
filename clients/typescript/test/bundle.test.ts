// Against the real bundle: what the types promise is what it answers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBundle, type Bundle } from "@kith/testing";
import { Kith, KithError, touchesIn, type Query, type Schemas } from "../src/index.js";

let bundle: Bundle;
let operator: Kith;
let kith: Kith;

const EUR = (amount: number): Schemas["MoneyInput"] => ({ amount, currency: "EUR" });

before(async () => {
  bundle = await startBundle();
  operator = new Kith({ baseUrl: bundle.url, key: bundle.testKey });
  const program = await operator.post("/v1/programs", {
    body: {
      name: "Bakery",
      destination_url: "https://bakery.example/welcome",
      hold_days: 0,
      incentives: [{ id: "thank-you", on: "purchase", beneficiary: "referrer", reward: { kind: "cash", amount: EUR(500) } }],
    },
  });
  const key = await operator.post("/v1/keys", {
    body: {
      name: "shop",
      program_id: program.id,
      scopes: [
        "programs:read", "programs:write", "participants:read", "participants:write", "conversions:read",
        "conversions:write", "refunds:write", "rewards:read", "rewards:write", "events:read", "clicks:write",
      ],
    },
  });
  assert.ok(key.key);
  kith = new Kith({ baseUrl: bundle.url, key: key.key, program: program.id });
});

after(() => bundle.stop());

function join(external_id: string): Promise<Schemas["Participant"]> {
  return kith.post("/v1/programs/{program}/participants", { body: { external_id } });
}

/** The whole way that a shop takes, with every call typed. */
test("a referral from the click to the refund", async () => {
  const ann = await join("ann");
  const click = await kith.post("/v1/programs/{program}/clicks", { body: { code: ann.code ?? "" } });

  const conversion = await kith.post("/v1/programs/{program}/conversions", {
    body: {
      ...touchesIn(`session=1; kith=y~${ann.code}~${click.click_token}:zzzzzz`),
      event: "purchase",
      external_id: "order-1",
      referee: { external_id: "bob" },
      amount: EUR(4500),
    },
  });
  assert.equal(conversion.state, "qualified");
  assert.equal(conversion.attribution.reason, "click_token");
  assert.equal(conversion.attribution.referrer_id, ann.id);

  const refund = await kith.call("post", "/v1/programs/{program}/conversions/{conversion}/refunds", {
    path: { conversion: conversion.id },
    body: { external_id: "refund-1", amount: EUR(4500) },
  });
  assert.equal(refund.status, 201);
  assert.equal(refund.data.state, "applied");
});

test("a write that is repeated with its idempotency key is answered from memory, and has happened once", async () => {
  const body = { external_id: "ida" };
  const first = await kith.call("post", "/v1/programs/{program}/participants", { body, idempotencyKey: "ida-joins" });
  const again = await kith.call("post", "/v1/programs/{program}/participants", { body, idempotencyKey: "ida-joins" });
  assert.deepEqual([first.status, first.replayed], [201, false]);
  assert.deepEqual([again.status, again.replayed], [201, true]);
  assert.deepEqual(again.data, first.data);

  await assert.rejects(
    kith.post("/v1/programs/{program}/participants", { body: { external_id: "eve" }, idempotencyKey: "ida-joins" }),
    (error: KithError) => error.code === "idempotency_key_reused" && error.status === 422 && error.attempts === 1,
  );
});

test("a refusal carries all that the API says, and no secret", async () => {
  const wrong = kith.post("/v1/programs/{program}/conversions", {
    body: { event: "purchase", external_id: "", referee: {}, amount: { amount: -1, currency: "EURO" as "EUR" } },
  });
  const error: unknown = await wrong.catch((caught: unknown) => caught);
  assert.ok(error instanceof KithError);
  assert.deepEqual([error.status, error.code, error.retryable, error.attempts], [422, "invalid_request", false, 1]);
  assert.match(error.instance ?? "", /^[\w-]{20,64}$/);
  const pointers = error.errors.map((fault) => fault.pointer);
  assert.ok(pointers.includes("/external_id") && pointers.includes("/amount/currency"), pointers.join());
  assert.match(error.message, /^POST \/v1\/programs\/\{program\}\/conversions: 422 invalid_request: .*\/amount\/currency /);
  assert.ok(!JSON.stringify({ ...error, stack: error.stack }).includes("kith_test_"));
});

test("a key of one program does not make programs", async () => {
  await assert.rejects(
    kith.post("/v1/programs", { body: { name: "Other", destination_url: "https://other.example" } }),
    (error: KithError) => error.status === 403,
  );
});

test("a change that is based on an old version is refused", async () => {
  const program = await kith.get("/v1/programs/{program}");
  const changed = await kith.patch("/v1/programs/{program}", { body: { name: "Bäckerei" }, ifMatch: program.version });
  assert.equal(changed.version, program.version + 1);
  await assert.rejects(
    kith.patch("/v1/programs/{program}", { body: { name: "Boulangerie" }, ifMatch: program.version }),
    (error: KithError) => error.code === "version_conflict" && error.status === 412,
  );
});

test("what is removed answers nothing", async () => {
  const key = await operator.post("/v1/keys", { body: { name: "short-lived", scopes: ["rewards:read"] } });
  const removed = await operator.call("delete", "/v1/keys/{key}", { path: { key: key.id } });
  assert.deepEqual([removed.status, removed.data], [204, undefined]);
});

test("a list is read to its end, whatever the size of its pages, and no further than asked", async () => {
  const wanted = new Set<string>();
  for (let number = 0; number < 7; number += 1) {
    wanted.add((await join(`listed-${number}`)).id);
  }
  for (const limit of [1, 3, 100]) {
    const found: string[] = [];
    for await (const participant of kith.paginate("/v1/programs/{program}/participants", { query: { limit } })) {
      found.push(participant.id);
    }
    assert.equal(new Set(found).size, found.length, "nobody comes twice");
    assert.ok([...wanted].every((id) => found.includes(id)), `pages of ${limit}`);
  }

  let calls = 0;
  const counted = new Kith({
    baseUrl: bundle.url, key: bundle.testKey, fetch: (...call) => ((calls += 1), fetch(...call)),
  });
  const { id } = await kith.get("/v1/programs/{program}");
  for await (const _ of counted.paginate("/v1/programs/{program}/participants", { path: { program: id }, query: { limit: 2 } })) {
    break;
  }
  assert.equal(calls, 1, "one page is enough for one entry");
});

/** The list of events never says that it is over: its end is a page that leads nowhere. */
test("events are read to their end, and from there when more has happened", async () => {
  const path = "/v1/programs/{program}/events";
  const queries: Query<"get", typeof path>[] = [{}, { limit: 1 }, { type: "participant.created", limit: 2 }, { type: "survey.closed" }];
  for (const query of queries) {
    let cursor: string | null = null;
    const seen = new Set<string>();
    for await (const page of kith.pages(path, { query })) {
      page.data.forEach((event) => seen.add(event.id));
      cursor = page.next_cursor;
    }
    assert.ok(cursor, "there is a place to come back to");
    assert.equal(seen.size >= 3, query.type !== "survey.closed");

    const late = await join(`late-${Object.values(query).join("-")}`);
    const more: Schemas["Event"][] = [];
    for await (const event of kith.paginate(path, { query: { ...query, after: cursor } })) {
      more.push(event);
    }
    assert.ok(more.every((event) => !seen.has(event.id)));
    const isTold = more.some((event) => event.type === "participant.created" && event.data.participant_id === late.id);
    assert.equal(isTold, query.type !== "survey.closed");
  }
});

test("many lines go in one call, and a list comes as a file", async () => {
  const lines = ["a", "b", "c"].map((name) => JSON.stringify({ external_id: `bulk-${name}` })).join("\n");
  const answer = await kith.post("/v1/programs/{program}/participants/bulk", { body: `${lines}\n` });
  assert.deepEqual(answer.trim().split("\n").map((line) => (JSON.parse(line) as { status: number }).status), [201, 201, 201]);

  const file = await kith.call("get", "/v1/programs/{program}/participants", { accept: "text/csv" });
  assert.match(file.data, /^id,.*\n.*bulk-/s);
});

test("what cannot be right is said before anything is sent", async () => {
  const make = (options: object) => () => new Kith({ baseUrl: bundle.url, key: "kith_test_x", ...options });
  assert.throws(make({ baseUrl: "http://refer.bakery.example" }), /https/);
  assert.throws(make({ baseUrl: "refer.bakery.example" }), /whole URL/);
  assert.throws(make({ baseUrl: "https://key@refer.bakery.example" }), /credentials/);
  assert.throws(make({ key: "kith_test_x\n" }), /line breaks/);
  assert.throws(make({ retries: -1 }), /retries/);
  assert.throws(make({ timeoutMs: 2 ** 31 }), /timeoutMs/);
  const bare = new Kith({ baseUrl: bundle.url, key: bundle.testKey });
  await assert.rejects(bare.get("/v1/programs/{program}"), /needs program/);
  await assert.rejects(kith.get("/v1/programs/{program}/rewards/{reward}", { path: { reward: ".." } }), /needs reward/);
});

test("a part of a path stays one part, whatever stands in it", async () => {
  let asked = "";
  const watched = new Kith({
    baseUrl: `${bundle.url}/`, key: bundle.testKey, program: "prg_1", fetch: (url, init) => ((asked = String(url)), fetch(url, init)),
  });
  await assert.rejects(
    watched.get("/v1/programs/{program}/rewards/{reward}", { path: { reward: "../../keys?x#y" } }),
    (error: KithError) => error.status === 404 && error.code === "not_found",
  );
  assert.equal(asked, `${bundle.url}/v1/programs/prg_1/rewards/..%2F..%2Fkeys%3Fx%23y`);
});

/** Held by the compiler: were one of these allowed, it would complain of the comment above it. */
test("what the contract does not have does not compile", () => {
  const never = async (): Promise<void> => {
    // @ts-expect-error: no such path
    await kith.get("/v1/programs/{program}/rewardz");
    // @ts-expect-error: no such method there
    await kith.delete("/v1/programs/{program}/rewards");
    // @ts-expect-error: no such parameter
    await kith.get("/v1/programs/{program}/rewards", { query: { stat: "approved" } });
    // @ts-expect-error: the body lacks the referee
    await kith.post("/v1/programs/{program}/conversions", { body: { event: "purchase", external_id: "order-1" } });
    // @ts-expect-error: the reward has to be named
    await kith.get("/v1/programs/{program}/rewards/{reward}");
    // @ts-expect-error: not a list
    kith.paginate("/v1/programs/{program}");
    // @ts-expect-error: does not come as CSV
    await kith.call("get", "/v1/programs/{program}", { accept: "text/csv" });
  };
  assert.equal(typeof never, "function");
});
