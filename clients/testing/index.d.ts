/** A local bundle of its own, empty, in memory. */
export interface Bundle {
  /** Where it is: `http://127.0.0.1:PORT`. */
  url: string;
  /** The operator's key for live programs. */
  liveKey: string;
  /** The operator's key for test programs. */
  testKey: string;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts the local bundle that `KITH_LOCAL` names. */
export function startBundle(): Promise<Bundle>;

/** The code in the fences of a README: the text of each fence in this language, in order. */
export function snippets(file: URL, language: string): string[];
