// What is handed out: the tarball, installed in an empty folder, with the README's own code.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { snippets, startBundle, type Bundle } from "@kith/testing";
import { Kith, VERSION } from "../src/index.js";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../../../", import.meta.url));
const README = pathToFileURL(join(PACKAGE, "README.md"));
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const SECRET = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;

/** What the README's code exports. */
interface Readme {
  ordered(order: object, cookieHeader: string | null): Promise<{ state: string }>;
  refund(order: string, number: number): Promise<{ state: string } | null>;
  newEvents(after?: string): Promise<{ types: string[]; after?: string }>;
  receive(request: Request): Promise<Response>;
}

let bundle: Bundle;
let folder: string;
let tarball: string;

before(async () => {
  bundle = await startBundle();
  folder = await mkdtemp(join(tmpdir(), "kith-client-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: PACKAGE });
  // What the build says comes first.
  const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as unknown;
  const [entry] = Object.values(packed as Record<string, { filename: string }>);
  tarball = join(folder, entry!.filename);
  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  await run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: folder });
});

after(async () => {
  await bundle.stop();
  await rm(folder, { recursive: true, force: true });
});

test("the version is the same wherever it stands", async () => {
  const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as { version: string };
  assert.equal(VERSION, version);
  assert.match(tarball, new RegExp(`kith-client-${version.replaceAll(".", "\\.")}\\.tgz$`));
  assert.ok((await readFile(README, "utf8")).includes(`kith-client-${version}.tgz`));
});

test("the tarball has what is needed and nothing else, and brings nobody along", async () => {
  assert.deepEqual((await readdir(join(folder, "node_modules"))).filter((name) => !name.startsWith(".")), ["@kith"]);
  const installed = join(folder, "node_modules/@kith/client");
  assert.deepEqual((await readdir(installed)).sort(), ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist", "package.json"]);
  const kinds = (await readdir(join(installed, "dist"))).map((name) => name.replace(/^\w+/, ""));
  assert.deepEqual([...new Set(kinds)].sort(), [".d.ts", ".js"]);
});

test("the README's code compiles against the installed package, strictly, and does what the README says", async () => {
  const operator = new Kith({ baseUrl: bundle.url, key: bundle.testKey });
  const program = await operator.post("/v1/programs", {
    body: {
      name: "Bakery", destination_url: "https://bakery.example", hold_days: 0,
      incentives: [
        { id: "thanks", on: "purchase", beneficiary: "referrer", reward: { kind: "cash", amount: { amount: 500, currency: "EUR" } } },
      ],
    },
  });
  const code = snippets(README, "ts");
  assert.equal(code.length, 6, "each fence is a part of one program");
  await writeFile(join(folder, "readme.ts"), code.join("\n"));
  const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--target", "es2022"];
  const types = ["--module", "nodenext", "--typeRoots", join(PACKAGE, "../node_modules/@types"), "--types", "node"];
  await run(process.execPath, [TSC, ...strict, ...types, "readme.ts"], { cwd: folder }).catch((error: { stdout: string }) =>
    assert.fail(error.stdout),
  );

  Object.assign(process.env, {
    KITH_URL: bundle.url, KITH_KEY: bundle.testKey, KITH_PROGRAM: program.id, KITH_WEBHOOK_SECRETS: SECRET,
  });
  const readme = (await import(pathToFileURL(join(folder, "readme.js")).href)) as Readme;

  const path = { program: program.id };
  const [ann] = (await operator.post("/v1/programs/{program}/participants/search", { path, body: { external_id: "cust-42" } })).data;
  const order = await readme.ordered({ id: "order-1", customer: "cust-77", cents: 4500 }, `kith=y~${ann?.code}`);
  assert.equal(order.state, "qualified");
  assert.equal((await readme.ordered({ id: "order-2", customer: "cust-78", cents: 4500 }, null)).state, "unattributed");

  assert.equal((await readme.refund("order-1", 1))?.state, "applied");
  assert.equal((await readme.refund("order-1", 1))?.state, "applied", "asked again");
  assert.equal(await readme.refund("order-1", 2), null, "there is nothing left to give back");

  const first = await readme.newEvents();
  assert.ok(first.types.includes("refund.recorded"), first.types.join());
  assert.deepEqual((await readme.newEvents(first.after)).types, []);

  const body = '{"type": "reward.issued"}';
  const at = Math.floor(Date.now() / 1000);
  const hmac = createHmac("sha256", Buffer.alloc(24, 1)).update(`dlv_1.${at}.${body}`).digest("base64");
  const request = (signature: string): Request =>
    new Request("https://shop.example/kith", {
      method: "POST",
      body,
      headers: { "webhook-id": "dlv_1", "webhook-timestamp": String(at), "webhook-signature": signature },
    });
  assert.equal((await readme.receive(request(`v1,${hmac}`))).status, 204);
  const refused = await readme.receive(request("v1,AAAA"));
  assert.deepEqual([refused.status, await refused.text()], [400, "no_matching_signature"]);
});
