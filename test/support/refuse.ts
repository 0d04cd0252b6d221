/** Programs under a real seccomp filter. Made with a compiler, which guests have not. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { runScript } from "./script.ts";

/**
 * Which calls a filter answers: all of io_uring's, those of io_uring_enter that are to submit so many operations, or
 * those that map a ring's queue of operations (of so many bytes).
 */
export type Refused = "all" | "maps" | `maps=${number}` | number;

/** Builds the program that installs the filter; `while`: the one that refuses for as long as a file exists. */
export function buildRefuse(path: string, when?: "while"): void {
  const name = when === undefined ? "refuse.c" : "refuse_while.c";
  const source = fileURLToPath(new URL(`../native/${name}`, import.meta.url).href.replace("/dist/test/", "/test/"));
  execFileSync("gcc", ["-O1", "-Wall", "-Werror", "-o", path, source]);
}

/** What a script prints that runs under a filter which answers an errno. */
export function runRefused(refuse: string, errno: number, refused: Refused, script: string): string {
  return runScript(script, `set -- ${refuse} ${errno} ${refused} "$@"`);
}
