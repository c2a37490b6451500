// A local bundle to test the clients against, and their READMEs to test too.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const START_MS = 60_000;

/** The project's folder: the bundle reads its template from there. */
const ROOT = new URL("../../", import.meta.url);

export async function startBundle() {
  const binary = process.env.KITH_LOCAL;
  if (!binary) {
    throw new Error("KITH_LOCAL must name the local bundle: `cargo build`, then KITH_LOCAL=$PWD/target/debug/kith-local");
  }
  const liveKey = `kith_live_for-the-clients-${randomUUID()}`;
  const testKey = `kith_test_for-the-clients-${randomUUID()}`;
  const child = spawn(binary, ["--ephemeral", "--port", "0"], {
    cwd: ROOT,
    env: { ...process.env, KITH_OPERATOR_KEY: liveKey, KITH_TEST_OPERATOR_KEY: testKey },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  // Whatever ends the tests, the bundle goes with them.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    process.off("exit", kill);
  };

  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the bundle did not start:\n${said}`)), START_MS);
    child.once("error", reject);
    ended.then((status) => reject(new Error(`the bundle ended with ${status}:\n${said}`)));
    // Read to the end: a full pipe would stop it.
    createInterface({ input: child.stdout }).on("line", (line) => {
      said += `${line}\n`;
      const found = /\bAPI +(http:\/\/[^/\s]+)/.exec(line);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    });
  });
  return { url, liveKey, testKey, stop };
}

export function snippets(file, language) {
  const fences = readFileSync(file, "utf8").matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"));
  return [...fences].map(([, code]) => code);
}
