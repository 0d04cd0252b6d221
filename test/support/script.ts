import { execFileSync } from "node:child_process";
import process from "node:process";

const RUNTIME = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** The front door as a program outside the tests imports it: Node runs what the build made. */
export const MOD: string = new URL(RUNTIME === "node" ? "../../dist/mod.js" : "../../mod.ts", import.meta.url).href;

const ARGUMENTS = {
  node: ["--input-type=module", "-e"],
  deno: ["eval", "--quiet"],
  bun: ["-e"],
};

/**
 * Runs JavaScript in a process of its own, in this runtime, and gives what it printed.
 *
 * @param script may use top-level await
 * @param prepare shell commands to run before, such as "ulimit -n 50"
 */
export function runScript(script: string, prepare = ":"): string {
  const command = [process.execPath, ...ARGUMENTS[RUNTIME], script];
  const env = { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" };
  return execFileSync("sh", ["-c", `${prepare}; exec "$@"`, "sh", ...command], { encoding: "utf8", env }).trim();
}
