// Where each runtime is. Deno's and Bun's packages move their binary into place with an install script, which package
// managers increasingly block; the binaries are whole in the platform packages, so they are run from there.
//
// src/cli/runtimes.ts knows these places, too, and has to: it is TypeScript that goes out with the package, which has no
// scripts/, and this runs before there is anything built that the oldest Node could import.
//
//   node scripts/runtimes.mjs deno|bun|node ARGUMENTS...    runs it
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** @typedef {"node" | "deno" | "bun"} RuntimeName */

/** @type {readonly RuntimeName[]} */
export const RUNTIMES = ["node", "deno", "bun"];

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** @type {Record<"deno" | "bun", Record<string, string>>} */
const BINARIES = {
  deno: { x64: "@deno/linux-x64-glibc/deno", arm64: "@deno/linux-arm64-glibc/deno" },
  bun: { x64: "@oven/bun-linux-x64/bin/bun", arm64: "@oven/bun-linux-aarch64/bin/bun" },
};

/** @param {string} name */
function onPath(name) {
  return (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)).find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The path of a runtime's binary: URING_NODE, URING_DENO or URING_BUN, else the pinned one in node_modules, else PATH's.
 * Node is the one that runs this script.
 * @param {RuntimeName} name
 * @returns {string | undefined}
 */
export function runtimePath(name) {
  const chosen = process.env[`URING_${name.toUpperCase()}`];
  if (chosen) return chosen;
  if (name === "node") return process.execPath;
  const binary = BINARIES[name][process.arch];
  const installed = binary && join(ROOT, "node_modules", binary);
  return installed && existsSync(installed) ? installed : onPath(name);
}

/**
 * The command line that runs a program of an npm package in a runtime.
 * @param {RuntimeName} name
 * @param {string} path the runtime's binary
 * @param {string} script the program
 * @param {string[]} args
 * @returns {[command: string, args: string[]]}
 */
export function commandFor(name, path, script, args) {
  switch (name) {
    case "node":
      return [path, [script, ...args]];
    case "deno":
      return [path, ["run", "-A", script, ...args]];
    case "bun":
      // --bun: also what the script starts as "node" is Bun
      return [path, ["--bun", script, ...args]];
  }
}

function main() {
  const [name, ...args] = process.argv.slice(2);
  const known = RUNTIMES.find((each) => each === name);
  if (!known) throw new Error(`the first argument is one of ${RUNTIMES.join(", ")}`);
  const path = runtimePath(known);
  if (!path) throw new Error(`${known} is neither in node_modules nor on PATH: run npm ci`);
  const { status, error } = spawnSync(path, args, { stdio: "inherit" });
  if (error) throw error;
  process.exitCode = status ?? 1;
}

if (process.argv[1] === import.meta.filename) main();
