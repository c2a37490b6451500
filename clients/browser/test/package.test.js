// What is handed out: the tarball, installed in an empty folder, and the README's own code with it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { snippets } from "@kith/testing";
import { cookieOf, makeWorld, state } from "./world.js";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const README = new URL("../README.md", import.meta.url);
const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"));

let world;
let folder;
let installed;

before(async () => {
  world = await makeWorld();
  folder = await mkdtemp(join(tmpdir(), "kith-browser-"));
  await run("npm", ["pack", "--pack-destination", folder], { cwd: PACKAGE });
  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  const tarball = join(folder, `kith-browser-${version}.tgz`);
  await run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: folder });
  installed = join(folder, "node_modules/@kith/browser");
});
after(async () => {
  await world?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("the tarball has what is needed and nothing else", async () => {
  const files = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist", "package.json"];
  assert.deepEqual((await readdir(installed)).sort(), files);
  assert.deepEqual((await readdir(join(installed, "dist"))).sort(), ["kith.d.ts", "kith.js", "kith.mjs"]);
  assert.ok((await readFile(README, "utf8")).includes(`kith-browser-${version}.tgz`));
  assert.match(await readFile(join(installed, "dist/kith.js"), "utf8"), new RegExp(`^/\\* kith\\.js ${version.replaceAll(".", "\\.")},`));
});

/** The README with this world's program instead of the baker's. */
async function readme(program, language) {
  const { url, program: id, key } = program.settings;
  return snippets(README, language).map((code) =>
    code.replaceAll("https://refer.bakery.example", url).replaceAll("prg_…", id).replaceAll("kith_pub_live_…", key),
  );
}

test("the README's page does what the README says", async () => {
  const program = await world.program({ consent: "required" });
  const html = await readme(program, "html");
  const [, onConsent, ordering, sharing] = await readme(program, "js");
  assert.equal(html.length, 3);
  world.shop.page("/kith.js", await readFile(join(installed, "dist/kith.js"), "utf8"), { type: "text/javascript" });
  world.shop.page("/landing", `<!doctype html><title>Bakery</title>${html.join("\n")}`);

  const context = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  await page.goto(program.links.ANN);
  assert.equal(await page.evaluate(() => window.kith.version), version);
  await page.evaluate(`(() => { ${onConsent} onConsent(true); })()`);
  await page.waitForFunction(() => window.kith.token());
  assert.match((await cookieOf(context)).value, /^y~/);

  await page.evaluate(`(async () => { ${ordering} })()`);
  assert.equal(world.shop.at("/api/order")[0].headers["kith-click"], (await state(page)).token);

  await page.evaluate(`(() => { ${sharing} })()`);
  await page.click("text=Copy the link");
  await page.waitForSelector("text=Thank you");

  await Promise.all([page.waitForURL("**/order"), page.click("text=Buy")]);
  assert.match(world.shop.at("/order")[0].body, /^kith_click=.*&kith_ref=/);
});

test("the README's module goes through a bundler, with its types", async () => {
  const program = await world.program();
  const [starting] = await readme(program, "js");
  await writeFile(join(folder, "shop.ts"), `${starting}\nconst tokens: string[] = kith.tokens();\ndocument.title = String(tokens.length);\n`);
  const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "esnext", "--moduleResolution", "bundler"];
  await run(process.execPath, [tsc, ...options, "shop.ts"], { cwd: folder }).catch(({ stdout }) => assert.fail(stdout));
  await build({ entryPoints: [join(folder, "shop.ts")], bundle: true, outfile: join(folder, "shop.js"), logLevel: "error" });
  world.shop.page("/shop.js", await readFile(join(folder, "shop.js"), "utf8"), { type: "text/javascript" });
  world.shop.page("/landing", '<!doctype html><script src="/shop.js" defer></script>');
  const page = await (await world.visitor()).newPage();
  await page.goto(program.links.ANN);
  assert.equal(await page.title(), "0", "nothing is handed on without consent");
  assert.doesNotMatch(page.url(), /kith_click/);
});
