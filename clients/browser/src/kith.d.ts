/** What the page says; in a script tag, attributes such as `data-window-days`. */
export interface Settings {
  /** Where the API is, such as `https://refer.bakery.example`. Without it no click is recorded from the page. */
  url?: string;
  /** The program, `prg_…`. */
  program?: string;
  /** A publishable key, `kith_pub_…`. */
  key?: string;
  /** Whether the visitor has to agree before anything is kept or handed on. `required` unless said. */
  consent?: "required" | "not_required";
  /** How long a click counts, in days: the program's window. 30 unless said. */
  windowDays?: number | string;
}

export interface KithInBrowser {
  /** The version of the script that is in charge. */
  readonly version: string;
  /** Settles when the landing is dealt with: at once, or after the click is recorded. Never rejects. */
  readonly ready: Promise<void>;
  /**
   * Says what the visitor decided. `true` keeps what the landing brought, and records the click if it brought only a code;
   * settles when that is done. `false` forgets everything, on this page and in the cookie. Never rejects.
   */
  consent(given: boolean): Promise<void>;
  /** The click tokens, oldest first, at most five. Empty without the visitor's consent where it is needed. */
  tokens(): string[];
  /** The newest of them. */
  token(): string | undefined;
  /** The referral code of the landing. */
  code(): string | undefined;
  /** As `fetch`; calls to the page's own origin carry tokens and code in `Kith-Click` and `Kith-Ref`. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

/** Begins. However often it is called on a page, by however many copies: the first one is in charge. */
export function start(settings?: Settings): KithInBrowser;

declare global {
  interface Window {
    kith?: KithInBrowser;
    /** What the visitor decided, if that is known before the script runs. */
    kithConsent?: boolean;
  }

  interface GlobalEventHandlersEventMap {
    /** A share button did its work, or could not. */
    "kith-share": CustomEvent<{ how: string; done: boolean }>;
  }
}
