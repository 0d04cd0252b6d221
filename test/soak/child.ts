/** Programs of test/children, run to their end in a runtime of choice. */

import { spawn } from "node:child_process";
import process from "node:process";
import { commandFor, findRuntime, type RuntimeName } from "../../src/cli/runtimes.ts";

/** How a child ended. */
export interface Ended {
  /** The exit code, or the signal. */
  readonly end: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const ENVIRONMENT = {
  // Pages around pool memory that nobody may touch.
  URING_GUARD: "1",
  // Half a second after its start Deno would look for a newer one, and descriptors are counted.
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

/** One that is asked to end may say where it stands. */
const LAST_WORDS_MS = 5000;

/** Runs `test/children/MODULE`. One that has not ended by then is ended: a hang is a failure. */
export function runChild(
  name: RuntimeName,
  module: string,
  args: readonly string[],
  limitSeconds: number,
): Promise<Ended> {
  const runtime = findRuntime(name);
  if (runtime.path === undefined) throw new Error(runtime.reason);
  const [command = "", ...rest] = commandFor(name, runtime.path, `test/children/${module}`, args);
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...ENVIRONMENT },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => stdout += data);
  child.stderr.on("data", (data) => stderr += data);
  let kill: ReturnType<typeof setTimeout> | undefined;
  const limit = setTimeout(() => {
    stderr += `\nnot at its end after ${limitSeconds} s\n`;
    child.kill("SIGTERM");
    kill = setTimeout(() => child.kill("SIGKILL"), LAST_WORDS_MS);
  }, limitSeconds * 1000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      clearTimeout(kill);
      resolve({ end: code ?? signal, stdout, stderr });
    });
  });
}
