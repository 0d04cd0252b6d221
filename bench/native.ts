/** The C side of the benchmark: compiles it where a compiler and liburing are, and keeps the data file in memory. */

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { packageRoot } from "../src/cli/runtimes.ts";

/** Where compiled programs and the data file go. */
export const BUILD: string = join(packageRoot() ?? ".", "bench", "build");

/** A program, or why there is none. */
export type Compiled = { readonly program: string } | { readonly program?: never; readonly reason: string };

/** Compiles bench/native/`name`.c, unless the program is newer. */
export function compile(name: string, libraries: readonly string[] = []): Compiled {
  const source = join(BUILD, "..", "native", `${name}.c`), program = join(BUILD, name);
  mkdirSync(BUILD, { recursive: true });
  const built = statSync(program, { throwIfNoEntry: false });
  if (built !== undefined && built.mtimeMs > statSync(source).mtimeMs) return { program };
  const compiler = process.env["CC"] || "gcc";
  const ran = spawnSync(compiler, ["-O2", "-Wall", "-Wextra", "-o", program, source, ...libraries], {
    encoding: "utf8",
  });
  if (ran.status === 0) return { program };
  if (ran.error) return { reason: `there is no ${compiler} (${ran.error.message}); on Debian: apt install gcc` };
  const missing = /liburing\.h|-luring/.test(ran.stderr);
  return { reason: missing ? "there is no liburing; on Debian: apt install liburing-dev" : ran.stderr.trim() };
}

/** A file that is kept in memory. */
export interface Held {
  /** For the report. */
  readonly how: string;
  /** Before each run that reads the file. */
  refresh(): void;
  release(): void;
}

/**
 * Keeps a file in the page cache until it is released: idle pages may be reclaimed between two rounds, and a "hot" read
 * is no longer one.
 */
export async function hold(file: string): Promise<Held> {
  const { program } = compile("hold");
  if (program !== undefined) {
    const holder = spawn(program, [file], { stdio: ["pipe", "pipe", "inherit"] });
    const said = await new Promise<string>((resolve) => {
      holder.stdout.once("data", (bytes) => resolve(String(bytes).trim()));
      holder.once("error", () => resolve(""));
      holder.once("exit", () => resolve(""));
    });
    if (said !== "") {
      const how = said === "held" ? "locked in memory" : "touched every second (locking memory is not permitted)";
      return { how, refresh: () => {}, release: () => void holder.stdin.end() };
    }
  }
  return { how: "read again before each run", refresh: () => void readFileSync(file), release: () => {} };
}
