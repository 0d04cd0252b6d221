/** Programs that tests run in a process of their own, in the runtime that runs the test. */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { whereItHangs } from "./hang.ts";
import { TIME_SCALE } from "./time_scale.ts";

/** Few of these seen within a limit: it was this machine that stood still, not the child. */
const TICK_MS = 100;

/** How a child ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a child is to be. */
export interface ChildOptions {
  /** Whether it may force garbage collections. */
  readonly exposeGc?: boolean;
  /** A child that has not ended by then is killed: a hang is a failure. Its `stderr` tells where it was. */
  readonly limitMs?: number;
  readonly env?: Record<string, string>;
}

/** The command line of `test/children/NAME.ts` in this runtime. */
export function childCommand(name: string, exposeGc = false): [command: string, args: string[]] {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  if (typeof Deno !== "undefined") {
    const flags = exposeGc ? ["--v8-flags=--expose-gc"] : [];
    return [Deno.execPath(), ["run", "-A", "--quiet", ...flags, path(`../children/${name}.ts`)]];
  }
  if ("bun" in process.versions) return [process.execPath, [path(`../children/${name}.ts`)]];
  const flags = exposeGc ? ["--expose-gc"] : [];
  return [process.execPath, [...flags, path(`../../dist/test/children/${name}.js`)]];
}

/** Runs `test/children/NAME.ts` to its end. */
export function runChild(name: string, args: readonly string[], options: ChildOptions = {}): Promise<Ended> {
  const { exposeGc = false, limitMs = 60_000, env = {} } = options;
  const [command, before] = childCommand(name, exposeGc);
  // What the test runner sets for its own workers is not for the children.
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const child = spawn(command, [...before, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => stdout += data);
  child.stderr.on("data", (data) => stderr += data);
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      const seen = `${ticks} of ${Math.floor(limitMs * TIME_SCALE / TICK_MS)} ticks seen`;
      stderr += `\nnot at its end after ${limitMs * TIME_SCALE} ms (${seen})\n${whereItHangs(child.pid!)}`;
      child.kill("SIGKILL");
    }, limitMs * TIME_SCALE);
    let ticks = 0;
    const ticking = setInterval(() => ticks++, TICK_MS);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      clearInterval(ticking);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
