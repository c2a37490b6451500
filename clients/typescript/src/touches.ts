import type { Schemas } from "./types.js";

/** What a conversion says of how the buyer came: a part of the body of `POST …/conversions`. */
export type Touches = Required<Pick<Schemas["NewConversion"], "click_tokens" | "codes">>;

/** A conversion takes no more. */
const TOKENS_MAX = 5;

/**
 * The click tokens and the code in a `Cookie` header, ready to be spread into a conversion.
 *
 * Read are `kith`, which `kith.js` keeps for the shop's own domain, and `kith_click`, which the link itself sets where
 * links and shop share a host. What is not readable is left out: whoever buys must never fail for it.
 */
export function touchesIn(cookieHeader: string | null | undefined): { click_tokens: string[]; codes: string[] } {
  const cookies = new Map(
    (cookieHeader ?? "").split(";").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
  const [, code = "", ...entries] = (cookies.get("kith") ?? "").split("~");
  const tokens = entries.map((entry) => entry.split(":")[0] ?? "");
  const own = [...tokens, cookies.get("kith_click") ?? ""].filter((token) => /^[\w-]{1,512}$/.test(token));
  // The oldest is the first touch; of the others the newest count.
  const different = [...new Set(own)];
  const click_tokens = different.length > TOKENS_MAX ? [...different.slice(0, 1), ...different.slice(1 - TOKENS_MAX)] : different;
  return { click_tokens, codes: /^[\w-]{3,40}$/.test(code) ? [code] : [] };
}
