// docs/INTEGRATION.md as it is printed: its terminal, its shop, and a person with a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { snippets } from "@kith/testing";
import { makeWorld } from "./world.js";

const ROOT = new URL("../../../", import.meta.url);
const GUIDE = new URL("docs/INTEGRATION.md", ROOT);

let world;
let folder;
before(async () => {
  world = await makeWorld();
  folder = mkdtempSync(join(tmpdir(), "kith-guide-"));
});
after(async () => {
  await world?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A port that nobody has. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A terminal that stays open. Each snippet answers what it printed, and has to succeed. */
function terminal(env) {
  const bash = spawn("bash", ["--norc", "--noprofile"], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"], detached: true });
  let printed = "";
  let complained = "";
  let wake = () => {};
  bash.stdout.on("data", (text) => {
    printed += text;
    wake();
  });
  bash.stderr.on("data", (text) => (complained += text));
  return {
    run: async (snippet) => {
      printed = "";
      complained = "";
      bash.stdin.write(`set -eo pipefail\n${snippet}\nset +e\necho "[done]"\n`);
      while (!printed.endsWith("[done]\n")) {
        await new Promise((resolve, reject) => {
          wake = resolve;
          bash.once("exit", (status) => reject(new Error(`${snippet}\nended with ${status}:\n${printed}\n${complained}`)));
        });
        bash.removeAllListeners("exit");
      }
      return printed.slice(0, -"[done]\n".length);
    },
    // With whatever it started.
    end: () => process.kill(-bash.pid, "SIGKILL"),
  };
}

test("the guide works as it is printed", { timeout: 240_000 }, async () => {
  const port = await freePort();
  const page = readFileSync(GUIDE, "utf8");
  assert.ok(page.includes("KITH_TEST_OPERATOR_KEY=kith_test_for-the-guide-and-nothing-else cargo run -- --ephemeral"));
  // The test's own bundle, port and folder; nothing else is changed.
  const here = (text) =>
    text
      .replaceAll("http://127.0.0.1:8787", world.bundle.url)
      .replaceAll("kith_test_for-the-guide-and-nothing-else", world.bundle.testKey)
      .replaceAll("127.0.0.1:3000", `127.0.0.1:${port}`)
      .replaceAll("/tmp", folder)
      .replace("npm ci --silent && ", "");
  // The packages that the clients are built with are there already, and other tests use them.
  assert.ok(page.includes("npm ci --silent && "));
  const [variables, program, keys, packages, start, join_, webhook, later, refund, ...more] = snippets(GUIDE, "bash").map(here);
  assert.deepEqual(more, [], "there is a snippet that this test does not know");
  const [shop, ...others] = snippets(GUIDE, "js");
  assert.deepEqual(others, []);

  const shell = terminal({ PORT: String(port) });
  try {
    await shell.run(variables);
    assert.match(await shell.run(program), /^prg_/);
    await shell.run(keys);
    await shell.run(packages);
    writeFileSync(join(folder, "shop/shop.mjs"), shop);
    await shell.run(start);
    const link = (await shell.run(join_)).trim();

    const visitor = await (await world.visitor()).newPage();
    await visitor.goto(link);
    await visitor.waitForFunction(() => window.kith?.tokens().length === 1);
    assert.ok(!visitor.url().includes("kith_click"), visitor.url());
    await visitor.getByRole("button").click();
    const explained = await visitor.locator("p").innerText();
    assert.match(explained, /^The order belongs to par_\w+\. The link with the code \w+ was opened on /);

    await shell.run(webhook);
    const heard = await shell.run(later);
    assert.equal(heard.match(/heard reward\.issued of rwd_/g)?.length, 2, heard);
    const refunded = await shell.run(refund);
    assert.match(refunded, /heard reward\.clawed_back of rwd_/, refunded);
    assert.match(refunded, /"after":\{"state":"issued","value":\{"amount":250,/, "half of an order, half of the reward");
    assert.doesNotMatch(refunded, /Error/);
  } finally {
    shell.end();
  }
});
