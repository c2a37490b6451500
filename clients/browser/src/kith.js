// Carries a referral from the landing page to the order.
//
// Nothing is kept, sent or handed out without a basis: the visitor's word ("y"), or, where the program asks nobody, that
// the browser does not object ("n"). What is kept is one cookie: `kith=basis~code~token:expiry~token:expiry…`.

const COOKIE = "kith";
/** The names in the landing URL; forms get the first as it is, and `kith_ref`. */
const TOKEN = "kith_click";
const CODE = "kith_ref";
/** A conversion takes no more. */
const TOKENS_MAX = 5;
/** Shared by all copies on a page, whatever their version. */
const SELF = Symbol.for("kith");

const IS_TOKEN = /^[\w-]{1,512}$/;
const IS_CODE = /^[\w-]{3,40}$/;
const IS_CHANNEL = /^(link|email|whatsapp|sms|facebook|x|linkedin|qr|app|other)$/;

/** What opens for a share button. Text and link are encoded; the link says its channel. */
const SHARE = {
  __proto__: null,
  email: (text, link) => `mailto:?subject=${text}&body=${text}%0D%0A%0D%0A${link}`,
  whatsapp: (text, link) => `https://wa.me/?text=${text}%20${link}`,
  x: (text, link) => `https://x.com/intent/post?text=${text}&url=${link}`,
  facebook: (_, link) => `https://www.facebook.com/sharer/sharer.php?u=${link}`,
  linkedin: (_, link) => `https://www.linkedin.com/sharing/share-offsite/?url=${link}`,
};

const seconds = () => Math.floor(Date.now() / 1000);

/** What throws here (cookies and history in a sandbox, addresses that are none) is no reason to disturb the page. */
const attempt = (action) => {
  try {
    return action();
  } catch {
    return undefined;
  }
};

/** Whether a URL stays with the page that says it. */
const isOwn = (url) =>
  attempt(() => self.origin !== "null" && new URL(url, document.baseURI).origin === self.origin);

export function start(settings = {}) {
  return (window[SELF] ??= begin(settings));
}

function begin({ url, program, key, consent, windowDays }) {
  const windowSeconds = (windowDays > 0 ? windowDays : 30) * 86_400;
  /** "y", "n", or empty: then all there is stays in these variables. */
  let basis = "";
  let code = "";
  /** The code before it, in case that one is nobody's. */
  let codeBefore = "";
  /** Pairs of token and expiry, oldest first. */
  let tokens = [];
  let channel;
  /** The code has not become a click yet. */
  let isPending = false;
  let recording;

  const asksNobody = () => consent === "not_required" && !navigator.globalPrivacyControl;

  // The cookie.

  const cookie = () =>
    attempt(() => document.cookie.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`)).slice(COOKIE.length + 1).split("~")) ?? [];

  const write = (value, maxAge) =>
    attempt(() => {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `${COOKIE}=${value}; Path=/; Max-Age=${maxAge}; SameSite=Lax${secure}`;
    });

  /** Adds what is good and new: the first touch stays, and of the others the newest. */
  const add = (token, expiry) => {
    if (token && IS_TOKEN.test(token) && expiry > seconds() && !tokens.some(([known]) => known === token)) {
      tokens.push([token, expiry]);
      tokens.length > TOKENS_MAX && tokens.splice(1, 1);
    }
  };

  const addKept = (entries) =>
    entries.forEach((entry) => {
      const [token, expiry] = entry.split(":");
      add(token, parseInt(expiry, 36));
    });

  const keep = () => {
    if (basis) {
      // Another tab may have kept something meanwhile: it is older than what we are about to add.
      const ours = tokens;
      tokens = [];
      addKept(cookie().slice(2));
      ours.forEach((pair) => add(...pair));
      const lasts = Math.max(...tokens.map(([, expiry]) => expiry - seconds()), tokens[0] || !code ? 0 : windowSeconds);
      write([basis, code, ...tokens.map(([token, expiry]) => `${token}:${expiry.toString(36)}`)].join("~"), lasts);
    }
    fillAll();
  };

  // The landing.

  const land = () => {
    const [kept, keptCode = "", ...entries] = cookie();
    if (kept === "y" || (kept === "n" && asksNobody())) {
      basis = kept;
      code = IS_CODE.test(keptCode) ? keptCode : "";
      addKept(entries);
    } else if (kept) {
      // Nobody was asked then, and now they have to be.
      write("", 0);
    }
    basis ||= asksNobody() ? "n" : "";

    const token = new URLSearchParams(location.search).getAll(TOKEN).pop();
    // What was kept has not become a click: the network failed, perhaps.
    isPending = code && !tokens[0];
    readCode(token);
    if (token !== undefined) {
      add(token, seconds() + windowSeconds);
      hide();
    }
    if (window.kithConsent !== undefined) {
      return decide(window.kithConsent);
    }
    keep();
    return record();
  };

  /** A code that comes alone, and is not the one that the tokens are of, has to become a click. */
  const readCode = (token) => {
    const query = new URLSearchParams(location.search);
    const ref = query.get("ref") ?? "";
    if (IS_CODE.test(ref)) {
      const isKnown = ref.toLowerCase() === code.toLowerCase();
      isPending = !token && !(isKnown && tokens[0]);
      channel = IS_CHANNEL.test(query.get("ch")) ? query.get("ch") : undefined;
      codeBefore = isKnown ? "" : code;
      code = ref;
    }
  };

  /** Takes the token, and nothing else, out of the address bar: addresses are copied, logged and shown to other scripts. */
  const hide = () =>
    attempt(() => {
      const clean = new URL(location.href);
      clean.search = clean.search.slice(1).split("&").filter((part) => !new URLSearchParams(part).has(TOKEN)).join("&");
      history.replaceState(history.state, "", clean);
    });

  /** Makes a click of a code, once. */
  const record = () => {
    if (isPending && basis && url && program && key) {
      isPending = false;
      recording = click(code).catch(() => {});
    }
    return recording;
  };

  const click = async (clicked) => {
    const response = await fetch(`${url.replace(/\/$/, "")}/v1/programs/${encodeURIComponent(program)}/clicks`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      // Only who was asked has said yes.
      body: JSON.stringify({ code: clicked, channel, consent: basis === "y" ? { tracking: true } : undefined }),
      credentials: "omit",
      // The visitor may go on to the next page meanwhile.
      keepalive: true,
    });
    const answer = await response.json();
    if (!basis || code !== clicked) {
      // Taken back while we asked.
    } else if (response.ok) {
      add(answer.click_token, Math.floor(Date.parse(answer.expires_at) / 1000));
      keep();
    } else if (answer.errors?.some((fault) => fault.pointer === "/code")) {
      // Nobody's code: other tools use `ref` too.
      code = codeBefore;
      keep();
    }
  };

  const decide = (given) => {
    if (given) {
      basis = "y";
      // Taken back before: what stands in the address is there still.
      code || readCode();
      keep();
      return record();
    }
    basis = code = codeBefore = "";
    tokens = [];
    isPending = false;
    write("", 0);
    fillAll();
  };

  // Handing on.

  const fields = () => (basis ? [...tokens.map(([token]) => [TOKEN, token]), ...(code ? [[CODE, code]] : [])] : []);

  /** What goes along when a form is sent by a button: in the body only, and to nobody else. */
  const fieldsOf = (form, button) => {
    const said = (name) => button?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? "";
    return said("method").toLowerCase() === "post" && isOwn(said("action")) ? fields() : [];
  };

  const fill = (form, button) => {
    form.querySelectorAll("input[data-kith-field]").forEach((input) => input.remove());
    fieldsOf(form, button).forEach(([name, value]) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name, value });
      input.dataset.kithField = "";
      form.append(input);
    });
  };

  const fillAll = () => document.querySelectorAll("form[data-kith]").forEach((form) => fill(form));

  const isMarked = (form) => form.matches?.("form[data-kith]");
  const buttons = new WeakMap();

  addEventListener(
    "submit",
    ({ target, submitter }) => {
      if (isMarked(target)) {
        fill(target, submitter);
        buttons.set(target, submitter);
        setTimeout(() => buttons.delete(target));
      }
    },
    true,
  );
  // `form.submit()` says nothing before; and where a form goes may have been changed since.
  addEventListener(
    "formdata",
    ({ target, formData }) => {
      if (isMarked(target)) {
        const going = fieldsOf(target, buttons.get(target));
        const has = new Set(formData.keys());
        going.forEach(([name, value]) => has.has(name) || formData.append(name, value));
        going[0] || [TOKEN, CODE].forEach((name) => formData.delete(name));
      }
    },
    true,
  );
  document.addEventListener("DOMContentLoaded", fillAll);

  // Sharing.

  const share = async (button) => {
    const { kithShare: how, link, text = document.title } = button.dataset;
    const target = new URL(link);
    if (!/^https?:$/.test(target.protocol)) {
      throw target;
    }
    if (SHARE[how]) {
      target.searchParams.set("ch", how);
      const address = SHARE[how](encodeURIComponent(text), encodeURIComponent(target));
      how === "email" ? location.assign(address) : open(address, "_blank", "noopener,noreferrer");
    } else if (how === "native" && navigator.share) {
      await navigator.share({ text, url: target.href });
    } else {
      await navigator.clipboard.writeText(target.href);
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-kith-share]");
    if (button) {
      event.preventDefault();
      const told = (done) =>
        button.dispatchEvent(new CustomEvent("kith-share", { bubbles: true, detail: { how: button.dataset.kithShare, done } }));
      share(button).then(() => told(true), () => told(false));
    }
  });

  // A page that is prepared in advance is no visit yet.
  const ready = document.prerendering
    ? new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true })).then(land)
    : Promise.resolve(land());

  return {
    version: VERSION,
    ready,
    consent: async (given) => (document.prerendering ? ((window.kithConsent = given), ready) : decide(given)),
    tokens: () => (basis ? tokens.map(([token]) => token) : []),
    token: () => (basis ? tokens[tokens.length - 1]?.[0] : undefined),
    code: () => (basis && code) || undefined,
    fetch(input, init) {
      if (!isOwn(input.url ?? input)) {
        return fetch(input, init);
      }
      // A redirect to somebody else would take the headers along; so there is none.
      const request = new Request(input, { ...init, mode: "same-origin" });
      fields().forEach(([name, value]) => request.headers.append(name === TOKEN ? "Kith-Click" : "Kith-Ref", value));
      return fetch(request);
    },
  };
}
