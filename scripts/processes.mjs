// Child processes for the scripts: a time limit that takes the whole process group down, output shown or collected.
import { spawn } from "node:child_process";
import process from "node:process";

/**
 * @typedef {object} Outcome
 * @property {number | null} code exit code, null when a signal ended it
 * @property {string | null} signal
 * @property {boolean} timedOut
 * @property {string} output standard output and error as they came; empty when they were shown instead
 * @property {string} [error] why it could not be started
 */

/** Process groups that are running, so that an interrupt leaves none behind. @type {Set<number>} */
const groups = new Set();

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    for (const group of groups) killGroup(group);
    process.exit(130);
  });
}

/** @param {number} group */
function killGroup(group) {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/**
 * Runs a program to its end; never throws.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeoutMs?: number, show?: boolean }} [options]
 *   show: pass its output through instead of collecting it
 * @returns {Promise<Outcome>}
 */
export function run(command, args, { cwd, env, timeoutMs = 600_000, show = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...process.stdout.isTTY ? {} : { NO_COLOR: "1" }, ...env },
      stdio: ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "pipe"],
      detached: true,
    });
    let output = "", timedOut = false;
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text) => output += text);
    const group = child.pid;
    if (group !== undefined) groups.add(group);
    const timer = setTimeout(() => {
      timedOut = true;
      if (group !== undefined) killGroup(group);
    }, timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: null, signal: null, timedOut, output, error: error.message });
    });
    child.on("exit", () => {
      // What it started and left running must not outlive it, nor hold its output open, nor take a core from the next.
      if (group === undefined) return;
      killGroup(group);
      groups.delete(group);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, timedOut, output });
    });
  });
}

/**
 * What to say of an outcome that is not exit code 0; undefined when all is well.
 * @param {Outcome} outcome
 * @returns {string | undefined}
 */
export function complaint(outcome) {
  if (outcome.error !== undefined) return outcome.error;
  if (outcome.timedOut) return "over its time limit";
  if (outcome.signal !== null) return `ended by ${outcome.signal}`;
  if (outcome.code !== 0) return `exit code ${outcome.code}`;
  return undefined;
}
