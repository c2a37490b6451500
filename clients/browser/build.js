// Makes what is handed out: `dist/kith.js` for a script tag, `dist/kith.mjs` and `dist/kith.d.ts` for bundlers.

import { copyFile, readFile } from "node:fs/promises";
import { build } from "esbuild";

const at = (path) => new URL(path, import.meta.url).pathname;
const { version } = JSON.parse(await readFile(at("package.json"), "utf8"));
const common = {
  bundle: true,
  minify: true,
  target: "es2020",
  charset: "utf8",
  banner: { js: `/* kith.js ${version}, MIT OR Apache-2.0 */` },
  define: { VERSION: JSON.stringify(version) },
};

await build({ ...common, entryPoints: [at("src/script.js")], format: "iife", outfile: at("dist/kith.js") });
await build({ ...common, entryPoints: [at("src/kith.js")], format: "esm", outfile: at("dist/kith.mjs") });
await copyFile(at("src/kith.d.ts"), at("dist/kith.d.ts"));
