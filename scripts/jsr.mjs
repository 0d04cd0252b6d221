// Makes jsr/, what is published to Deno's registry: the library in one piece, with its declarations. As sources it is
// more than a hundred modules, of which each costs Deno 0.2 ms whenever a program begins.
//
//   node scripts/jsr.mjs [--quiet]        then: cd jsr && deno publish
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { build } from "./build.mjs";
import { bundleWhole } from "./bundles.mjs";
import { ROOT } from "./runtimes.mjs";

const JSR = join(ROOT, "jsr");
const DIST = join(ROOT, "dist");

/** @param {string} path @param {string} text */
function write(path, text) {
  mkdirSync(dirname(join(JSR, path)), { recursive: true });
  writeFileSync(join(JSR, path), text);
}

/** Names the declarations beside a module, behind its shebang where it has one. @param {string} path */
function withTypes(path) {
  const text = readFileSync(join(JSR, path), "utf8");
  const [shebang = ""] = /^#!.*\n/.exec(text) ?? [];
  const types = `/* @ts-self-types="./${path.split("/").at(-1)?.replace(/\.js$/, ".d.ts")}" */\n`;
  write(path, shebang + types + text.slice(shebang.length));
}

export async function buildJsr() {
  await build();
  rmSync(JSR, { recursive: true, force: true });
  await bundleWhole(JSR, "[dir]/[name]");
  const built = readdirSync(DIST, { recursive: true, encoding: "utf8" });
  for (const path of built.filter((path) => /^src\/(abi|cli)\/.*\.js$/.test(path))) {
    write(path, readFileSync(join(DIST, path), "utf8"));
  }
  for (const path of built.filter((path) => /^(mod|src\/.*|ffi\/.*)\.d\.ts$/.test(path))) {
    const text = readFileSync(join(DIST, path), "utf8").replace(/^\/\/\/ <reference .*\n/, "");
    write(path, text.replaceAll(/((?:from|import\()\s*"\.{1,2}\/[^"]*)(?<!\.d)\.ts"/g, '$1.d.ts"'));
  }
  /** @type {Record<string, unknown> & { exports: Record<string, string> }} */
  const { name, version, license, exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  const entries = Object.entries(exports).map(([key, path]) => [key, path.replace(/\.ts$/, ".js")]);
  for (const [, path = ""] of entries) withTypes(path.replace("./", ""));
  // It is of no interest that git ignores the folder.
  const publish = { exclude: ["!**"] };
  write(
    "deno.json",
    JSON.stringify({ name, version, license, exports: Object.fromEntries(entries), publish }, null, 2),
  );
  for (const file of ["README.md", "LICENSE"]) copyFileSync(join(ROOT, file), join(JSR, file));
  return JSR;
}

if (process.argv[1] === import.meta.filename) {
  await buildJsr();
  if (!process.argv.includes("--quiet")) console.log("jsr/ is made: cd jsr && deno publish");
}
