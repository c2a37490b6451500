import { KithError } from "./error.js";
import { send, type Patience, type Received } from "./send.js";
import type { Accepts, ApiPath, Data, Entry, ListPath, Method, Particulars, PathOf } from "./types.js";
import { VERSION } from "./version.js";

const PATIENCE: Patience = { retries: 4, timeoutMs: 10_000, deadlineMs: 30_000 };
const RETRIES_MAX = 20;
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** What a client knows. */
export interface KithOptions extends Partial<Patience> {
  /** Where the API is, such as `https://refer.bakery.example`, without `/v1`. `https`, or `http` on this machine. */
  baseUrl: string;
  /** A secret key, `kith_live_…` or `kith_test_…`. It never leaves for another host. */
  key: string;
  /** The program of calls that name none. */
  program?: string;
  /** Another `fetch`, to count calls or to go through a proxy. */
  fetch?: typeof fetch;
}

/** What may be said with every call. */
export interface CallOptions extends Partial<Patience> {
  /**
   * The idempotency key of a write, 1 to 255 visible ASCII characters. Without one each call gets a random one, which
   * makes its own retries safe; name one of your own (`order-1001-refund-1`) when your process may die and start over.
   */
  idempotencyKey?: string;
  /** The `version` that a change is based on: refused with 412 when there is a newer one. */
  ifMatch?: number;
  /** Ends the call; its reason is thrown. */
  signal?: AbortSignal;
}

/** An answer with what stood around it. */
export interface Answer<T> {
  data: T;
  /** 200 for what was there already, 201 for what is new, 202 for what waits. */
  status: number;
  headers: Headers;
  /** Whether this is the stored answer of an earlier call with the same idempotency key. */
  replayed: boolean;
}

/** A page of a list. */
export interface Page<T> {
  data: T[];
  /** Where the list goes on; `null` at its end. Of events, never `null`: where the next event will be. */
  next_cursor: string | null;
}

type Options<M extends Method, P extends ApiPath> = CallOptions & Particulars<M, P>;

/** The options may be left out where nothing in them is needed. */
type Given<T> = Record<never, never> extends T ? [options?: T] : [options: T];

/** What the typed methods hand on. */
type Untyped = CallOptions & {
  path?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
  accept?: string;
};

/** The API of one bundle, with one key. */
export class Kith {
  readonly #base: URL;
  readonly #key: string;
  readonly #program: string | undefined;
  readonly #patience: Patience;
  readonly #fetch: typeof fetch;

  /** @throws TypeError when an option cannot be right */
  constructor(options: KithOptions) {
    this.#base = baseOf(options.baseUrl);
    // A key with a line break in it (a file read whole) would fail in every call, and in a way that shows it.
    if (!/^[!-~]+$/.test(options.key)) {
      throw new TypeError("key must be visible ASCII characters, without spaces or line breaks");
    }
    this.#key = options.key;
    this.#program = options.program;
    this.#patience = patienceOf(options, PATIENCE);
    this.#fetch = options.fetch ?? ((...call) => fetch(...call));
  }

  /** Reads. @throws KithError */
  async get<P extends PathOf<"get">>(path: P, ...[options]: Given<Options<"get", P>>): Promise<Data<"get", P>> {
    return (await this.#call("get", path, options)).data as Data<"get", P>;
  }

  /** Makes or does something, once, however often it has to be sent. @throws KithError */
  async post<P extends PathOf<"post">>(path: P, ...[options]: Given<Options<"post", P>>): Promise<Data<"post", P>> {
    return (await this.#call("post", path, options)).data as Data<"post", P>;
  }

  /** Changes what is named and keeps the rest (a JSON merge patch). @throws KithError */
  async patch<P extends PathOf<"patch">>(path: P, ...[options]: Given<Options<"patch", P>>): Promise<Data<"patch", P>> {
    return (await this.#call("patch", path, options)).data as Data<"patch", P>;
  }

  /** Removes. @throws KithError */
  async delete<P extends PathOf<"delete">>(path: P, ...[options]: Given<Options<"delete", P>>): Promise<Data<"delete", P>> {
    return (await this.#call("delete", path, options)).data as Data<"delete", P>;
  }

  /** As the methods above, with status and headers, and in another media type where the call has one. @throws KithError */
  async call<M extends Method, P extends PathOf<M>, A extends string = "application/json">(
    method: M,
    path: P,
    ...[options]: Given<Options<M, P> & { accept?: A & Accepts<M, P> }>
  ): Promise<Answer<Data<M, P, A>>> {
    return (await this.#call(method, path, options)) as Answer<Data<M, P, A>>;
  }

  /**
   * The entries of a list, page after page, as they are asked for. Of `…/events` it ends where there is nothing yet; to
   * come back later, take `pages` and keep the last `next_cursor`.
   *
   * @throws KithError
   */
  async *paginate<P extends ListPath>(path: P, ...given: Given<Options<"get", P>>): AsyncGenerator<Entry<P>, void, void> {
    for await (const page of this.pages(path, ...given)) {
      yield* page.data;
    }
  }

  /** The pages of a list. A page may be empty and another one follow. @throws KithError */
  async *pages<P extends ListPath>(path: P, ...[options]: Given<Options<"get", P>>): AsyncGenerator<Page<Entry<P>>, void, void> {
    // Events have no end to come to; their list goes on `after` a place.
    const parameter = path.endsWith("/events") ? "after" : "cursor";
    const untyped = (options ?? {}) as Untyped;
    let cursor = untyped.query?.[parameter];
    for (;;) {
      const query = { ...untyped.query, [parameter]: cursor };
      const { data } = await this.#call("get", path, { ...untyped, query });
      const page = data as Page<Entry<P>>;
      const next = page.next_cursor;
      const stands = next === cursor;
      // The end of the events is an empty page that leads nowhere; it repeats the place for whoever keeps it.
      yield page;
      if (next === null || (parameter === "after" && page.data.length === 0 && stands)) {
        return;
      }
      if (stands) {
        throw unexpected(`GET ${path}`, 200, "the list leads back to the same page");
      }
      cursor = next;
    }
  }

  async #call(method: Method, path: string, given: object | undefined): Promise<Answer<unknown>> {
    const options = (given ?? {}) as Untyped;
    const call = `${method.toUpperCase()} ${path}`;
    const accept = options.accept ?? "application/json";
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#key}`,
      accept: accept === "application/json" ? "application/json, application/problem+json" : `${accept}, application/problem+json`,
      "user-agent": `kith-client/${VERSION}`,
    };
    let body: string | undefined;
    if (options.body !== undefined) {
      const isText = typeof options.body === "string";
      body = isText ? (options.body as string) : JSON.stringify(options.body);
      headers["content-type"] = isText ? "application/x-ndjson" : "application/json";
    }
    if (method !== "get") {
      headers["idempotency-key"] = options.idempotencyKey ?? crypto.randomUUID();
    }
    if (options.ifMatch !== undefined) {
      headers["if-match"] = `"${options.ifMatch}"`;
    }
    const received = await send({
      call, method: method.toUpperCase(), url: this.#url(path, options), headers, body, signal: options.signal,
      patience: patienceOf(options, this.#patience), fetch: this.#fetch,
    });
    return {
      data: read(call, received, options.accept),
      status: received.status,
      headers: received.headers,
      replayed: received.headers.get("idempotent-replayed") === "true",
    };
  }

  #url(template: string, options: Untyped): URL {
    const given: Record<string, string | undefined> = { program: this.#program, ...options.path };
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = given[name];
      // An empty part, or one of dots, would make another path of it.
      if (typeof value !== "string" || /^\.{0,2}$/.test(value)) {
        throw new TypeError(`${template} needs ${name}`);
      }
      return encodeURIComponent(value);
    });
    const url = new URL(this.#base.pathname.replace(/\/$/, "") + path, this.#base);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined && value !== null) {
        url.searchParams.set(name, String(value));
      }
    }
    return url;
  }
}

/** What was answered. Something between us and the API may have answered in its place. */
function read(call: string, received: Received, accept: string | undefined): unknown {
  const { status, headers, text } = received;
  if (status === 204) {
    return undefined;
  }
  const type = headers.get("content-type")?.split(";")[0]?.trim() ?? "";
  if (accept === undefined ? type === "application/x-ndjson" : type === accept && type !== "application/json") {
    return text;
  }
  try {
    if (type === "application/json") {
      return JSON.parse(text);
    }
  } catch (cause) {
    throw unexpected(call, status, "the answer is not the JSON that it says it is", cause);
  }
  throw unexpected(call, status, `the answer is of another type: ${type || "none"}`);
}

function unexpected(call: string, status: number, detail: string, cause?: unknown): KithError {
  return new KithError({ call, status, code: "unexpected_answer", detail, retryable: false, attempts: 1, cause });
}

function baseOf(text: string): URL {
  if (!URL.canParse(text)) {
    throw new TypeError("baseUrl must be a whole URL such as https://refer.bakery.example");
  }
  const url = new URL(text);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && LOOPBACK_HOSTS.has(url.hostname))) {
    throw new TypeError("baseUrl must begin with https:// (http:// only for this machine): the key would be read on the way");
  }
  if (url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "") {
    throw new TypeError("baseUrl must have no query, fragment or credentials");
  }
  return url;
}

function patienceOf(options: Partial<Patience>, otherwise: Patience): Patience {
  const patience = {
    retries: options.retries ?? otherwise.retries,
    timeoutMs: options.timeoutMs ?? otherwise.timeoutMs,
    deadlineMs: options.deadlineMs ?? otherwise.deadlineMs,
  };
  if (!Number.isInteger(patience.retries) || patience.retries < 0 || patience.retries > RETRIES_MAX) {
    throw new TypeError(`retries must be a whole number from 0 to ${RETRIES_MAX}`);
  }
  for (const name of ["timeoutMs", "deadlineMs"] as const) {
    // Beyond that a timer of JavaScript fires at once.
    if (!(patience[name] > 0 && patience[name] < 2 ** 31)) {
      throw new TypeError(`${name} must be a positive number of milliseconds`);
    }
  }
  return patience;
}
