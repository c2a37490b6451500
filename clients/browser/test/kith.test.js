// kith.js in a real browser, on a shop's page, with the real bundle behind it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { touchesIn } from "@kith/client";
import { cookieOf, html, kept, makeWorld, state, tag } from "./world.js";

const GZIPPED_BYTES_MAX = 3_000;
const NOTHING = { tokens: [], token: undefined, code: undefined };
const TOKEN = `AQ${"a".repeat(60)}`;

let world;
/** Asks nobody. */
let open;
/** Asks for consent. */
let asking;

before(async () => {
  world = await makeWorld();
  open = await world.program();
  asking = await world.program({ consent: "required" });
});
after(() => world?.stop());
afterEach(() => world?.clear());

/** A visitor on the shop's landing page, by a link or at an address. */
async function landing({ settings, at = "/landing", body, context, options, init }) {
  world.shop.page("/landing", html(settings, body));
  world.shop.page("/cakes", html(settings, body));
  const visitor = context ?? (await world.visitor(options));
  const page = await visitor.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  if (init) {
    await page.addInitScript(init);
  }
  await page.goto(at.startsWith("http") ? at : world.shop.url + at);
  await page.waitForFunction(() => window.kith);
  return { page, context: visitor };
}

const NOT_REQUIRED = () => ({ ...open.settings, consent: "not_required" });
const REQUIRED = () => ({ ...asking.settings, consent: "required" });
const decided = (page, given) => page.evaluate((given) => window.kith.consent(given), given);
/** The click calls of a page, as the browser made them. */
function clicksOf(context) {
  const calls = [];
  context.on("request", (request) => request.url().endsWith("/clicks") && request.method() === "POST" && calls.push(request));
  return calls;
}
const simulateGpc = () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });

test("what is handed out is small", () => {
  for (const name of ["kith.js", "kith.mjs"]) {
    const bytes = gzipSync(readFileSync(new URL(`../dist/${name}`, import.meta.url)), { level: 9 }).length;
    console.log(`${name}: ${bytes} bytes gzipped`);
    assert.ok(bytes < GZIPPED_BYTES_MAX, `${name} has ${bytes} bytes`);
  }
});

test("from a link to an attributed order", async () => {
  const { page, context } = await landing({ settings: NOT_REQUIRED(), at: `${open.links.ANN}?ch=email` });
  assert.equal(page.url(), `${world.shop.url}/landing?shop=1&ref=${open.codes.ANN}#cakes`, "only the token is gone");
  const { tokens, code } = await state(page);
  assert.equal(tokens.length, 1);
  assert.equal(code, open.codes.ANN);

  const cookie = await cookieOf(context);
  assert.deepEqual([cookie.path, cookie.sameSite, cookie.secure, cookie.domain], ["/", "Lax", false, "127.0.0.1"]);
  const days = (cookie.expires - Date.now() / 1000) / 86_400;
  assert.ok(days > 29.9 && days <= 30.1, `${days} days`);

  await page.goto(`${world.shop.url}/cakes`);
  assert.deepEqual((await state(page)).tokens, tokens, "on the next page too");
  const touches = touchesIn(world.shop.at("/cakes")[0].headers.cookie);
  assert.deepEqual(touches, { click_tokens: tokens, codes: [code] });
  const { reason, referrer_id, channel } = await open.attribution(touches);
  assert.deepEqual([reason, referrer_id, channel], ["click_token", open.referrers.ANN, "email"]);
  assert.deepEqual(page.faults, []);
});

test("the rest of an address stays as it is, letter by letter", async () => {
  for (const [query, rest] of [
    [`?a=%20b+c&&kith_click=${TOKEN}&d&e=%C3%BC#h?kith_click=y`, "?a=%20b+c&&d&e=%C3%BC#h?kith_click=y"],
    [`?kith_click=${TOKEN}`, ""],
    [`?kith_click=${TOKEN}#top`, "#top"],
    [`?kith%5Fclick=${TOKEN}&kith_clicks=1`, "?kith_clicks=1"],
    ["?kith_click=&x=1", "?x=1"],
    ["?kith_click=%3Cscript%3E&ref=%3Cscript%3E", "?ref=%3Cscript%3E"],
    ["?x=kith_click", "?x=kith_click"],
  ]) {
    const { page } = await landing({
      settings: { consent: "not_required" }, at: `/landing${query}`, init: () => history.replaceState({ mine: 1 }, ""),
    });
    assert.equal(page.url(), `${world.shop.url}/landing${rest}`);
    assert.equal(await page.evaluate(() => history.state?.mine), 1, "the page's own state stays");
    assert.equal(await page.evaluate(() => history.length), 2, "no entry is added");
    assert.equal((await state(page)).tokens.length, query.includes(TOKEN) ? 1 : 0);
    assert.equal((await state(page)).code, undefined);
  }
});

test("a path that looks like a host stays with the page", async () => {
  world.shop.page("//elsewhere.example/x", html({ consent: "not_required" }));
  const page = await (await world.visitor()).newPage();
  await page.goto(`${world.shop.url}//elsewhere.example/x?kith_click=${TOKEN}`);
  assert.equal(page.url(), `${world.shop.url}//elsewhere.example/x`);
  assert.equal((await state(page)).token, TOKEN);
});

test("before consent nothing is kept, sent or handed on; after it everything is", async () => {
  const body = '<form data-kith method="post" action="/order"><button>Buy</button></form>';
  const { page, context } = await landing({ settings: { ...NOT_REQUIRED(), consent: "required" }, at: open.links.ANN, body });
  const clicks = clicksOf(context);
  assert.doesNotMatch(page.url(), /kith_click/, "out of the address bar in any case");
  assert.deepEqual(await state(page), NOTHING);
  assert.equal(await cookieOf(context), undefined);
  assert.deepEqual(await kept(page), []);
  assert.equal(await page.locator("input").count(), 0);
  await page.evaluate(() => window.kith.fetch("/api"));
  assert.equal(world.shop.at("/api")[0].headers["kith-click"], undefined);

  await decided(page, true);
  const { tokens } = await state(page);
  assert.equal(tokens.length, 1);
  assert.match((await cookieOf(context)).value, new RegExp(`^y~${open.codes.ANN}~${tokens[0]}:`));
  assert.equal(await page.locator("input[type=hidden][name=kith_click]").inputValue(), tokens[0]);
  assert.deepEqual(await kept(page), [], "the cookie is all");
  assert.equal(clicks.length, 0, "the link made the click");

  await page.goto(`${world.shop.url}/cakes`);
  assert.deepEqual((await state(page)).tokens, tokens, "what was agreed to holds on the next page");
});

test("whoever takes consent back is forgotten", async () => {
  const body = '<form data-kith method="post" action="/order"><button>Buy</button></form>';
  const { page, context } = await landing({ settings: NOT_REQUIRED(), at: open.links.ANN, body });
  assert.equal(await page.locator("input[name=kith_click]").count(), 1);
  await decided(page, false);
  assert.deepEqual(await state(page), NOTHING);
  assert.equal(await cookieOf(context), undefined);
  assert.equal(await page.locator("input").count(), 0);
  await page.goto(`${world.shop.url}/cakes`);
  assert.deepEqual(await state(page), NOTHING);
});

test("consent that was taken back and given again makes a click of the code in the address", async () => {
  const { page, context } = await landing({ settings: NOT_REQUIRED(), at: open.links.ANN });
  const clicks = clicksOf(context);
  await decided(page, false);
  await decided(page, true);
  assert.equal(clicks.length, 1);
  const { tokens, code } = await state(page);
  assert.deepEqual([tokens.length, code], [1, open.codes.ANN]);
});

test("where the program asks for consent, the click is recorded once it is given, across origins and once", async () => {
  const { page, context } = await landing({ settings: REQUIRED(), at: asking.links.ANN });
  const clicks = clicksOf(context);
  assert.equal(page.url(), `${world.shop.url}/landing?shop=1&ref=${asking.codes.ANN}#cakes`);
  assert.deepEqual(await state(page), NOTHING);
  assert.equal(clicks.length, 0);

  await page.evaluate(() => Promise.all([window.kith.consent(true), window.kith.consent(true)]));
  const { tokens, code } = await state(page);
  assert.equal(tokens.length, 1);
  await decided(page, true);
  await page.reload();
  await state(page);
  await decided(page, true);
  assert.equal(clicks.length, 1, "once, also after a reload with `ref` still in the address");
  assert.deepEqual(JSON.parse(clicks[0].postData()), { code, consent: { tracking: true } });
  const headers = await clicks[0].allHeaders();
  assert.notEqual(headers.origin, world.bundle.url);
  assert.equal(headers.cookie, undefined);
  assert.equal((await clicks[0].response()).status(), 201);

  const [, , entry] = (await cookieOf(context)).value.split("~");
  const expiry = parseInt(entry.split(":")[1], 36);
  assert.ok(Math.abs(expiry - Date.now() / 1000 - 30 * 86_400) < 120, "as long as the API says");
  const { reason, referrer_id } = await asking.attribution({ click_tokens: tokens });
  assert.deepEqual([reason, referrer_id], ["click_token", asking.referrers.ANN]);
  assert.deepEqual(page.faults, []);
});

test("a code on the shop's own page becomes a click with its channel, where nobody has to be asked", async () => {
  const { page, context } = await landing({ settings: NOT_REQUIRED(), at: `/landing?ref=${open.codes.ANN.toLowerCase()}&ch=qr` });
  const { tokens } = await state(page);
  assert.equal(tokens.length, 1);
  const { channel } = await open.attribution(touchesIn(`kith=${(await cookieOf(context)).value}`));
  assert.equal(channel, "qr");
});

test("an unknown channel does not cost the click", async () => {
  const { page } = await landing({ settings: NOT_REQUIRED(), at: `/landing?ref=${open.codes.ANN}&ch=pigeon` });
  assert.equal((await state(page)).tokens.length, 1);
});

/** Many sites have a `ref` of their own. */
test("a ref that is nobody's code is forgotten, and the code before it stays", async () => {
  const settings = NOT_REQUIRED();
  const { page, context } = await landing({ settings, at: "/landing?ref=newsletter" });
  assert.deepEqual(await state(page), NOTHING);
  assert.equal(await cookieOf(context), undefined);

  await page.goto(open.links.ANN);
  const before = await state(page);
  await page.goto(`${world.shop.url}/landing?ref=newsletter`);
  assert.deepEqual(await state(page), before);
  await page.goto(`${world.shop.url}/cakes`);
  assert.deepEqual(await state(page), before);
});

test("a click that could not be recorded is recorded from the next page", async () => {
  const context = await world.visitor();
  await context.route("**/clicks", (route) => route.abort());
  const { page } = await landing({ settings: NOT_REQUIRED(), at: `/landing?ref=${open.codes.ANN}`, context });
  assert.deepEqual(await state(page), { ...NOTHING, code: open.codes.ANN });
  await context.unroute("**/clicks");
  await page.goto(`${world.shop.url}/cakes`);
  assert.equal((await state(page)).tokens.length, 1);
  assert.deepEqual(page.faults, []);
});

test("Global Privacy Control counts as no consent, until the visitor gives it", async () => {
  const { page, context } = await landing({
    settings: NOT_REQUIRED(), at: open.links.ANN, init: simulateGpc, options: { extraHTTPHeaders: { "sec-gpc": "1" } },
  });
  const clicks = clicksOf(context);
  assert.deepEqual(await state(page), NOTHING);
  assert.deepEqual([await cookieOf(context), clicks.length], [undefined, 0]);

  await decided(page, true);
  assert.equal((await state(page)).tokens.length, 1, "the API accepts the visitor's word, although the browser opts out");
  assert.deepEqual(JSON.parse(clicks[0].postData()).consent, { tracking: true });
  await page.goto(`${world.shop.url}/cakes`);
  assert.equal((await state(page)).tokens.length, 1, "and it holds");
});

test("what was kept without asking is dropped once the browser objects, or the shop begins to ask", async () => {
  for (const [settings, init] of [[NOT_REQUIRED(), simulateGpc], [REQUIRED(), undefined]]) {
    const { context } = await landing({ settings: NOT_REQUIRED(), at: open.links.ANN });
    assert.match((await cookieOf(context)).value, /^n~/);
    const { page } = await landing({ settings, at: "/cakes", context, init });
    assert.deepEqual(await state(page), NOTHING);
    assert.equal(await cookieOf(context), undefined);
  }
});

/** Clicks after consent do not know the visitor's earlier token, so the page brings both. */
test("a later visit does not cost the first touch", async () => {
  for (const [model, chosen] of [["first_click", "ANN"], ["last_click", "BOB"]]) {
    const program = await world.program({ consent: "required", model, codes: ["ANN", "BOB"] });
    const { page, context } = await landing({ settings: { ...program.settings, consent: "required" }, at: program.links.ANN });
    await decided(page, true);
    await world.api("POST", `/v1/programs/${program.id}/test-clock/advance`, { seconds: 3600 });
    await page.goto(program.links.BOB);
    await decided(page, true);
    const { tokens } = await state(page);
    assert.equal(tokens.length, 2);
    const { referrer_id } = await program.attribution(touchesIn(`kith=${(await cookieOf(context)).value}`));
    assert.equal(referrer_id, program.referrers[chosen], model);
  }
});

test("of many tokens the first and the newest stay", async () => {
  const { page, context } = await landing({ settings: { consent: "not_required" }, at: "/landing?kith_click=t0" });
  for (let number = 1; number < 8; number += 1) {
    await page.goto(`${world.shop.url}/landing?kith_click=t${number}`);
  }
  const { tokens } = await state(page);
  assert.deepEqual(tokens, ["t0", "t4", "t5", "t6", "t7"]);
  assert.deepEqual(touchesIn(`kith=${(await cookieOf(context)).value}`).click_tokens, tokens);
  await page.goto(`${world.shop.url}/landing?kith_click=t5`);
  assert.deepEqual((await state(page)).tokens, ["t0", "t4", "t5", "t6", "t7"], "none comes twice, and one that is known is no new touch");
});

test("a token lasts as long as the program's window, and no longer", async () => {
  const settings = { consent: "not_required", windowDays: 7 };
  const { page, context } = await landing({ settings, at: `/landing?kith_click=${TOKEN}` });
  const cookie = await cookieOf(context);
  assert.ok(Math.abs(cookie.expires - Date.now() / 1000 - 7 * 86_400) < 60);

  const over = `${Math.floor(Date.now() / 1000 - 1).toString(36)}`;
  const good = `${Math.floor(Date.now() / 1000 + 60).toString(36)}`;
  await context.addCookies([{ name: "kith", value: `n~~old:${over}~new:${good}`, url: world.shop.url }]);
  await page.goto(`${world.shop.url}/cakes`);
  assert.deepEqual((await state(page)).tokens, ["new"]);
  assert.ok((await cookieOf(context)).expires - Date.now() / 1000 <= 60);
});

test("two tabs do not cost each other's touch", async () => {
  const { page: first, context } = await landing({ settings: REQUIRED(), at: `/landing?ref=${asking.codes.ANN}` });
  const { page: second } = await landing({ settings: { consent: "required" }, at: "/landing?kith_click=other", context });
  await decided(second, true);
  await decided(first, true);
  const { tokens } = await state(first);
  assert.deepEqual([tokens.length, tokens[0]], [2, "other"]);
  assert.equal(touchesIn(`kith=${(await cookieOf(context)).value}`).click_tokens.length, 2);
});

test("a decision that was made before the script ran counts", async () => {
  for (const given of [true, false]) {
    const init = given ? () => (window.kithConsent = true) : () => (window.kithConsent = false);
    const settings = { consent: given ? "required" : "not_required" };
    const { page, context } = await landing({ settings, at: `/landing?kith_click=${TOKEN}`, init });
    assert.equal((await state(page)).token, given ? TOKEN : undefined);
    assert.equal((await cookieOf(context)) !== undefined, given);
  }
});

test("several copies on a page do one thing", async () => {
  const settings = REQUIRED();
  const module = `<script type="module">
    import { start } from "/kith.mjs";
    window.sameAsModule = start({ consent: "not_required" }) === window.kith;
  </script>`;
  const body = `${tag(settings)}${tag({ consent: "not_required" })}${module}
    <button data-kith-share="whatsapp" data-link="https://refer.example/r/ANN">Share</button>
    <form data-kith method="post" action="/order"><button id="buy">Buy</button></form>`;
  const context = await world.visitor();
  await context.route("https://wa.me/**", (route) => route.fulfill({ body: "" }));
  const { page } = await landing({ settings, at: asking.links.ANN, body, context });
  const clicks = clicksOf(context);
  await page.waitForFunction(() => "sameAsModule" in window);
  assert.equal(await page.evaluate(() => window.sameAsModule), true);
  assert.deepEqual(await state(page), NOTHING, "the first copy's settings count");
  await decided(page, true);
  assert.equal(clicks.length, 1);
  assert.equal(await page.locator("input[name=kith_click]").count(), 1);
  const shares = await page.evaluate(() => {
    window.shares = 0;
    addEventListener("kith-share", () => (window.shares += 1));
    document.querySelector("[data-kith-share]").click();
    return new Promise((resolve) => setTimeout(() => resolve(window.shares), 500));
  });
  assert.equal(shares, 1);
  await Promise.all([page.waitForURL("**/order"), page.click("#buy")]);
  const sent = new URLSearchParams(world.shop.at("/order")[0].body);
  assert.equal(sent.getAll("kith_click").length, 1);
});

test("an element that is called kith is no script", async () => {
  const { page } = await landing({
    settings: { consent: "not_required" }, at: `/landing?kith_click=${TOKEN}`, body: '<div id="kith"></div><form name="kith"></form>',
  });
  assert.equal((await state(page)).token, TOKEN);
});

test("forms take tokens and code along: to the shop itself, in the body, and nowhere else", async (t) => {
  const foreign = `${world.stranger.url}/order`;
  const body = `
    <form id="own" data-kith method="post" action="/order"><input name="cake" value="1"><button>Buy</button>
      <button id="elsewhere" formaction="${foreign}">Elsewhere</button>
      <button id="as-get" formmethod="get">As GET</button></form>
    <form id="unmarked" method="post" action="/order"><button>Buy</button></form>
    <form id="get" data-kith action="/order"><button>Buy</button></form>
    <form id="foreign" data-kith method="post" action="${foreign}"><button>Buy</button></form>
    <form id="own-by-button" data-kith method="post" action="${foreign}"><button formaction="/order">Buy</button></form>
    <form id="clobbered" data-kith method="post" action="${foreign}"><input name="action" value="/order"><input name="method"><button>Buy</button></form>
    <form id="turned" data-kith method="post" action="/order"><button>Buy</button></form>`;
  const at = `/landing?ref=ANN-BAKES&kith_click=${TOKEN}`;
  const cases = {
    "a button of an own form": [(page) => page.click("#own button"), true],
    "a form that is sent by a script": [(page) => page.evaluate(() => document.querySelector("#own").submit()), true],
    "a form that was added later": [
      (page) => page.evaluate(() => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: "/order" });
        form.dataset.kith = "";
        document.body.append(form);
        form.requestSubmit();
      }),
      true,
    ],
    "a form that was added later and is sent by a script": [
      (page) => page.evaluate(() => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: "/order" });
        form.dataset.kith = "";
        document.body.append(form);
        form.submit();
      }),
      true,
    ],
    "a form whose button leads home": [(page) => page.click("#own-by-button button"), true],
    "a form that nobody marked": [(page) => page.click("#unmarked button"), false],
    "a form that goes into the address": [(page) => page.click("#get button"), false],
    "a button that goes into the address": [(page) => page.click("#as-get"), false],
    "a form that goes elsewhere": [(page) => page.click("#foreign button"), false],
    "a form that goes elsewhere by a script": [(page) => page.evaluate(() => document.querySelector("#foreign").submit()), false],
    "a button that leads elsewhere": [(page) => page.click("#elsewhere"), false],
    "a form whose fields hide where it goes": [(page) => page.click("#clobbered button"), false],
    "a form that a script turns elsewhere at the last moment": [
      (page) => page.evaluate((foreign) => {
        const form = document.querySelector("#turned");
        form.addEventListener("submit", () => form.setAttribute("action", foreign));
        form.requestSubmit();
      }, foreign),
      false,
    ],
  };
  for (const [name, [send, isTaken]] of Object.entries(cases)) {
    await t.test(name, async () => {
      await world.clear();
      const { page } = await landing({ settings: { consent: "not_required" }, at, body });
      await Promise.all([page.waitForURL("**/order*"), send(page)]);
      const [{ body: sent, url }] = [...world.shop.at("/order"), ...world.stranger.at("/order")];
      const fields = new URLSearchParams(sent);
      assert.deepEqual(fields.getAll("kith_click"), isTaken ? [TOKEN] : []);
      assert.deepEqual(fields.getAll("kith_ref"), isTaken ? ["ANN-BAKES"] : []);
      assert.doesNotMatch(url, /kith_click/);
      assert.deepEqual(page.faults, []);
    });
  }
  await t.test("what a page reads out of a form", async () => {
    const { page } = await landing({ settings: { consent: "not_required" }, at, body });
    const read = (id) => page.evaluate((id) => [...new FormData(document.querySelector(id)).keys()], id);
    assert.deepEqual(await read("#own"), ["cake", "kith_click", "kith_ref"]);
    assert.deepEqual(await read("#foreign"), []);
  });
});

test("fetch takes them along to the shop itself, and nobody else learns them", async () => {
  const { page } = await landing({ settings: { consent: "not_required" }, at: `/landing?ref=ANN-BAKES&kith_click=${TOKEN}` });
  world.shop.page("/moved", "", { status: 307, headers: { location: "/api/moved" } });
  world.shop.page("/away", "", { status: 307, headers: { location: `${world.stranger.url}/api` } });
  const outcomes = await page.evaluate(async (foreign) => {
    const { fetch } = window.kith;
    const tried = [
      () => fetch("/api/text", { method: "POST", body: "{}", headers: { "x-mine": "1" } }),
      () => fetch(new URL("/api/url", location.href)),
      () => fetch(new Request("/api/request", { method: "POST", body: "{}", headers: { "x-mine": "1" } })),
      () => fetch("/moved"),
      () => fetch(`${foreign}/api`),
      () => fetch(new Request(`${foreign}/api`)),
      () => fetch("/away"),
    ];
    return Promise.all(tried.map((call) => call().then((response) => response.status, () => "refused")));
  }, world.stranger.url);
  assert.deepEqual(outcomes, [200, 200, 200, 200, 200, 200, "refused"]);
  for (const path of ["/api/text", "/api/url", "/api/request", "/api/moved"]) {
    const [{ headers }] = world.shop.at(path);
    assert.deepEqual([headers["kith-click"], headers["kith-ref"]], [TOKEN, "ANN-BAKES"], path);
  }
  assert.deepEqual(world.shop.at("/api/request").map(({ body, headers }) => [body, headers["x-mine"]]), [["{}", "1"]]);
  assert.equal(world.stranger.at("/api").length, 2, "the one that would have been sent on never arrived");
  assert.doesNotMatch(JSON.stringify(world.stranger.asked), new RegExp(`${TOKEN}|kith-ref`));
});

test("share buttons open what they say, safely, with the channel in the link", async (t) => {
  const button = (how, more = 'data-link="https://refer.example/r/ANN?a=1"') =>
    `<button id="${how}" data-kith-share="${how}" data-text="Cakes &amp; more: 5 €" ${more}><b>Share</b></button>`;
  const body = ["email", "whatsapp", "x", "facebook", "linkedin", "copy", "native"].map((how) => button(how)).join("") +
    button("script", 'data-link="javascript:alert(1)"').replace('share="script"', 'share="whatsapp"') +
    button("empty", "").replace('share="empty"', 'share="copy"') + button("constructor");
  const sharing = async () => {
    const context = await world.visitor({ permissions: ["clipboard-read", "clipboard-write"] });
    await context.route(/^https:/, (route) => route.fulfill({ contentType: "text/html", body: "<title>Elsewhere</title>" }));
    const { page } = await landing({ settings: { consent: "required" }, body, context });
    await page.evaluate(() => {
      addEventListener("kith-share", ({ target, detail }) => (target.title = `${detail.how} ${detail.done}`));
    });
    /** What a button reports after a click. */
    const click = async (id, place = "") => {
      await page.click(`#${id}${place}`);
      return (await page.waitForFunction((id) => document.getElementById(id).title, id)).jsonValue();
    };
    return { page, context, click, copied: () => page.evaluate(() => navigator.clipboard.readText()) };
  };
  /** Gives the page a `navigator.share`, or takes it away. */
  const native = (page, isThere) =>
    page.evaluate((isThere) => {
      const value = isThere ? async (what) => (window.shared = what) : undefined;
      Object.defineProperty(navigator, "share", { configurable: true, value });
    }, isThere);
  const link = (how) => encodeURIComponent(`https://refer.example/r/ANN?a=1&ch=${how}`);
  const text = encodeURIComponent("Cakes & more: 5 €");
  for (const [how, address] of Object.entries({
    whatsapp: `https://wa.me/?text=${text}%20${link("whatsapp")}`,
    x: `https://x.com/intent/post?text=${text}&url=${link("x")}`,
    facebook: `https://www.facebook.com/sharer/sharer.php?u=${link("facebook")}`,
    linkedin: `https://www.linkedin.com/sharing/share-offsite/?url=${link("linkedin")}`,
  })) {
    await t.test(how, async () => {
      const { context, click, page } = await sharing();
      const [popup, told] = await Promise.all([context.waitForEvent("page"), click(how, " b")]);
      await popup.waitForURL(address);
      assert.equal(await popup.evaluate(() => window.opener), null);
      assert.equal(await popup.evaluate(() => document.referrer), "");
      assert.equal(told, `${how} true`);
      assert.deepEqual(page.faults, []);
    });
  }
  await t.test("email", async () => {
    const { context, click, page } = await sharing();
    const session = await context.newCDPSession(page);
    await session.send("Page.enable");
    const asked = new Promise((resolve) => session.on("Page.frameRequestedNavigation", ({ url }) => resolve(url)));
    assert.equal(await click("email"), "email true");
    assert.equal(await asked, `mailto:?subject=${text}&body=${text}%0D%0A%0D%0A${link("email")}`);
  });
  await t.test("copy", async () => {
    const { click, copied } = await sharing();
    assert.equal(await click("copy"), "copy true");
    assert.equal(await copied(), "https://refer.example/r/ANN?a=1");
  });
  await t.test("native, where the browser has it", async () => {
    const { page, click } = await sharing();
    await native(page, true);
    assert.equal(await click("native"), "native true");
    assert.deepEqual(await page.evaluate(() => window.shared), { text: "Cakes & more: 5 €", url: "https://refer.example/r/ANN?a=1" });
  });
  await t.test("native, where the browser has it not: the link is copied", async () => {
    const { page, click, copied } = await sharing();
    await native(page, false);
    assert.equal(await click("native"), "native true");
    assert.equal(await copied(), "https://refer.example/r/ANN?a=1");
  });
  await t.test("a link that is none opens nothing, and says so; what nobody knows copies the link", async () => {
    const { context, click, page } = await sharing();
    assert.match(await click("script"), / false$/);
    assert.match(await click("empty"), / false$/);
    assert.equal(await click("constructor"), "constructor true");
    assert.equal(context.pages().length, 1);
    assert.deepEqual(page.faults, []);
  });
});

test("blocked cookies cost nothing but memory", async (t) => {
  await t.test("where cookies throw", async () => {
    const { page } = await landing({
      settings: NOT_REQUIRED(),
      at: open.links.ANN,
      init: () => {
        const blocked = () => {
          throw new DOMException("blocked", "SecurityError");
        };
        Object.defineProperty(Document.prototype, "cookie", { get: blocked, set: blocked });
        for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
          Object.defineProperty(window, name, { get: blocked });
        }
      },
    });
    assert.equal((await state(page)).tokens.length, 1);
    await page.evaluate(() => window.kith.fetch("/api"));
    assert.ok(world.shop.at("/api")[0].headers["kith-click"]);
    await decided(page, true);
    await decided(page, false);
    assert.deepEqual(page.faults, []);
  });
  await t.test("in a sandbox without an origin", async () => {
    // Addresses without an origin are not the page's own because it has none either.
    const sandboxed = '<form data-kith method="post" action="/order"></form><form data-kith method="post" action="data:,x"></form>';
    world.shop.page("/sandboxed", html(REQUIRED(), sandboxed), {
      headers: { "content-security-policy": "sandbox allow-scripts" },
    });
    const page = await (await world.visitor()).newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    await page.goto(`${world.shop.url}/sandboxed?kith_click=${TOKEN}`);
    assert.equal(await page.evaluate(() => self.origin), "null");
    await decided(page, true);
    assert.equal((await state(page)).token, TOKEN);
    assert.equal(await page.locator("input").count(), 0, "a page without an origin has nobody of its own to give it to");
    assert.deepEqual(faults, []);
  });
});

test("works under a strict content security policy", async () => {
  const settings = REQUIRED();
  world.shop.page(
    "/strict",
    html(settings, '<form data-kith method="post" action="/order"></form><button data-kith-share="copy" data-link="https://a.example">S</button>'),
    {
      headers: {
        "content-security-policy": `default-src 'none'; script-src 'self'; connect-src 'self' ${world.bundle.url}; form-action 'self'; ` +
          "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      },
    },
  );
  const page = await (await world.visitor({ permissions: ["clipboard-write"] })).newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  });
  await page.goto(`${world.shop.url}/strict?ref=${asking.codes.ANN}`);
  await decided(page, true);
  assert.equal((await state(page)).tokens.length, 1);
  assert.equal(await page.locator("input[name=kith_click]").count(), 1);
  await page.evaluate(() => window.kith.fetch("/api"));
  await page.click("[data-kith-share]");
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  // The browser asks for an icon, which the policy of the test has no room for.
  assert.deepEqual(faults.filter((fault) => !fault.includes("favicon")), []);
});

test("on https the cookie is for https only", async () => {
  const context = await world.visitor();
  const pages = { "/": html({ consent: "not_required" }), "/kith.js": readFileSync(new URL("../dist/kith.js", import.meta.url), "utf8") };
  await context.route("https://shop.example/**", (route) => {
    const path = new URL(route.request().url()).pathname;
    return route.fulfill({ contentType: path === "/" ? "text/html" : "text/javascript", body: pages[path] ?? "" });
  });
  const page = await context.newPage();
  await page.goto(`https://shop.example/?kith_click=${TOKEN}`);
  assert.equal((await state(page)).token, TOKEN);
  assert.deepEqual([(await cookieOf(context)).secure, (await cookieOf(context)).domain], [true, "shop.example"]);
});

/** Browsers prepare pages that nobody may ever see. */
test("a page that is prepared in advance is no visit until it is shown", async () => {
  const { page, context } = await landing({
    settings: NOT_REQUIRED(),
    at: `/landing?ref=${open.codes.ANN}`,
    init: () => {
      window.isPrepared = true;
      Object.defineProperty(Document.prototype, "prerendering", { get: () => window.isPrepared });
    },
  });
  const clicks = clicksOf(context);
  // A call of the page's own comes back, and none of the script's was sent before it.
  await page.evaluate(() => fetch("/api"));
  assert.equal(clicks.length, 0);
  assert.equal(await cookieOf(context), undefined);
  await page.evaluate(() => {
    window.isPrepared = false;
    document.dispatchEvent(new Event("prerenderingchange"));
  });
  assert.equal((await state(page)).tokens.length, 1);
  assert.equal(clicks.length, 1);
});
