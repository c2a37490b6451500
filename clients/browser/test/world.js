// What the tests stand in: the real bundle, a shop and a stranger on origins of their own, and a real browser.

import { once } from "node:events";
import { accessSync, constants, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { delimiter, join } from "node:path";
import { startBundle } from "@kith/testing";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/** As a person's browser says it: links do not count machines, and a headless browser calls itself one. */
const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const SCRIPTS = ["kith.js", "kith.mjs"].map((name) => [`/${name}`, readFileSync(new URL(`../dist/${name}`, import.meta.url))]);

/** The browser: the one that KITH_CHROMIUM names, or the first one on the path. Without one nothing here is proved. */
function browserPath() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = process.env.KITH_CHROMIUM ? [process.env.KITH_CHROMIUM] : NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) {
    throw new Error("kith.js is tested in Chromium, and there is none: install the package `chromium`, or name one in KITH_CHROMIUM");
  }
  return found;
}

/** A server that answers with pages and remembers what it was asked. */
async function serve() {
  const pages = new Map(SCRIPTS.map(([path, body]) => [path, { body, type: "text/javascript" }]));
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) {
      body += part;
    }
    const path = request.url.split("?")[0];
    const { headers, method } = request;
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "*, kith-click, kith-ref" };
    if (method === "OPTIONS") {
      response.writeHead(204, cors).end();
      return;
    }
    asked.push({ method, path, url: request.url, headers, body });
    const page = pages.get(path) ?? { body: "<!doctype html><title>Thanks</title>" };
    response.writeHead(page.status ?? 200, { "content-type": page.type ?? "text/html; charset=utf-8", ...cors, ...page.headers });
    response.end(page.body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    /** What was asked at a path. */
    at: (path) => asked.filter((request) => request.path === path),
    page: (path, body, more = {}) => pages.set(path, { body, ...more }),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function makeWorld() {
  const executablePath = browserPath();
  const [bundle, shop, stranger] = await Promise.all([startBundle(), serve(), serve()]);
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });

  const api = async (method, path, body) => {
    const response = await fetch(bundle.url + path, {
      method,
      headers: { authorization: `Bearer ${bundle.testKey}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) {
      throw new Error(JSON.stringify(answer));
    }
    return answer;
  };

  let orders = 0;
  /** A program with a referrer for each code, and what a page needs to know of it. */
  const program = async ({ consent = "not_required", model = "last_click", codes = ["ANN"] } = {}) => {
    const made = await api("POST", "/v1/programs", {
      name: "Bakery",
      destination_url: `${shop.url}/landing?shop=1#cakes`,
      consent: { tracking: consent },
      attribution: { model },
    });
    const { key } = await api("POST", "/v1/keys", { name: "page", program_id: made.id, publishable: true });
    const at = `/v1/programs/${made.id}`;
    const links = {};
    const referrers = {};
    const own = {};
    for (const name of codes) {
      const person = await api("POST", `${at}/participants`, { external_id: name });
      [links[name], referrers[name], own[name]] = [person.link, person.id, person.code];
    }
    return {
      id: made.id,
      links,
      referrers,
      codes: own,
      settings: { url: bundle.url, program: made.id, key },
      /** Who a purchase is attributed to that comes with these touches, and why. */
      attribution: async (touches) => {
        orders += 1;
        const conversion = await api("POST", `${at}/conversions`, {
          event: "purchase", external_id: `order-${orders}`, referee: { external_id: `buyer-${orders}` }, ...touches,
        });
        return conversion.attribution;
      },
    };
  };

  const contexts = [];
  /** A visitor with a browser of their own. */
  const visitor = async (options = {}) => {
    const context = await browser.newContext({ userAgent: USER_AGENT, ...options });
    // Longer than anything takes on a busy machine: no test is decided by it.
    context.setDefaultTimeout(120_000);
    contexts.push(context);
    return context;
  };

  return {
    bundle, shop, stranger, program, visitor, api,
    /** What every test leaves behind. */
    clear: async () => {
      await Promise.all(contexts.splice(0).map((context) => context.close()));
      shop.asked.length = 0;
      stranger.asked.length = 0;
    },
    stop: async () => {
      await browser.close();
      shop.stop();
      stranger.stop();
      await bundle.stop();
    },
  };
}

/** The tag that a shop puts into its pages. */
export function tag(settings, src = "/kith.js") {
  const names = { url: "data-url", program: "data-program", key: "data-key", consent: "data-consent", windowDays: "data-window-days" };
  const attributes = Object.entries(settings).map(([name, value]) => `${names[name]}="${value}"`);
  return `<script src="${src}" defer ${attributes.join(" ")}></script>`;
}

/** A page with the tag. */
export function html(settings, body = "") {
  return `<!doctype html><html lang="en"><title>Bakery</title>${tag(settings)}<body>${body}</body></html>`;
}

/** What `kith.js` says on a page. */
export const state = (page) =>
  page.evaluate(async () => {
    await window.kith.ready;
    return { tokens: window.kith.tokens(), token: window.kith.token(), code: window.kith.code() };
  });

/** The cookie, if there is one. */
export async function cookieOf(context) {
  return (await context.cookies()).find(({ name }) => name === "kith");
}

/** Everything that a page could keep besides cookies. */
export const kept = (page) =>
  page.evaluate(async () => [
    ...Object.keys(localStorage), ...Object.keys(sessionStorage), ...(await indexedDB.databases()), ...(await caches.keys()),
  ]);
