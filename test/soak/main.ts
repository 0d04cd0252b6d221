/**
 * The long forms of the lifetime tests, in each runtime: wake-ups under forced garbage collection, workers and processes
 * that end in every way with work in flight, and everything at once from a seed, with faults.
 *
 * `npm run soak -- [--seconds N] [--full] [--seed N] [--wakeups N] [--ends N] [--mixed SECONDS] [runtime…]`
 *
 * By default all of it takes 600 seconds, the same share for each runtime: a few wake-ups and ends, and everything at
 * once for what is left. `--full` is a million wake-ups, 200 ends of each kind, and ten minutes of everything at once,
 * for each runtime: an hour. A number of its own overrides either; 0 leaves a part out.
 *
 * The last line counts as `npm test`'s does. A child that hangs is ended and counts as failed.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { RUNTIME_TITLES, type RuntimeName } from "../../src/cli/runtimes.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { runChild } from "./child.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "600" },
    full: { type: "boolean", default: false },
    wakeups: { type: "string" },
    ends: { type: "string" },
    mixed: { type: "string" },
    seed: { type: "string" },
  },
});
const runtimes = runtimesOf(positionals);
const share = natural(values.seconds, "--seconds") / runtimes.length;
/** In so many seconds, on a machine as they usually are, what is counted leaves most of the time to the rest. */
const USUAL_SHARE = 200;
const fraction = Math.min(1, share / USUAL_SHARE) / TIME_SCALE;
const wakeups = natural(values.wakeups ?? (values.full ? 1_000_000 : Math.ceil(500 * fraction) * 100), "--wakeups");
const ends = natural(values.ends ?? (values.full ? 200 : Math.ceil(10 * fraction)), "--ends");
const mixedSeconds = values.mixed === undefined && !values.full ? undefined : natural(values.mixed ?? 600, "--mixed");
const seed = values.seed === undefined ? Date.now() % 1_000_000 : natural(values.seed, "--seed");

/** Growth of a process's memory that is noise: a heap's next size step. */
const SLACK_MIB = 32;
const WORKER_ENDS = ["terminate", "end", "throw", "close"];
const PROCESS_ENDS: Record<string, number | string> = {
  return: 0,
  exit: 3,
  worker: 3,
  throw: 1,
  reject: 1,
  sigterm: "SIGTERM",
};

/** Everything at once is run in pieces of about so long: each begins and ends with nothing. */
const PIECE_SECONDS = 60;
/** What a piece takes besides: its start, and waiting for what has ended to be gone. */
const AROUND_SECONDS = 2;
/** A child over its time by this much hangs. */
const LIMIT_SECONDS = 120 * TIME_SCALE;

let passed = 0;
let failed = 0;

console.log(`seed ${seed}`);
for (const name of runtimes) {
  const started = performance.now();
  if (wakeups > 0) {
    await check(name, `${wakeups} wake-ups`, () => wakeUp(name));
    // The waker interrupts the event loop wherever that is.
    await check(name, `${wakeups} urgent wake-ups`, () => wakeUp(name, "urgent"));
  }
  if (ends > 0) {
    for (const how of WORKER_ENDS) await check(name, `${ends} workers: ${how}`, () => endWorkers(name, how));
    for (const [how, expected] of Object.entries(PROCESS_ENDS)) {
      await check(name, `${ends} processes: ${how}`, () => endProcesses(name, how, expected));
    }
  }
  const left = mixedSeconds ?? Math.max(share - (performance.now() - started) / 1000, AROUND_SECONDS + 1);
  const pieces = Math.ceil(left / PIECE_SECONDS);
  for (let piece = 0; piece < pieces; piece++) {
    const seconds = Math.max(1, Math.floor(left / pieces - AROUND_SECONDS));
    const what = `everything at once for ${seconds} s, seed ${seed + piece}`;
    await check(name, what, () => mix(name, seed + piece, seconds));
  }
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;

async function check(name: RuntimeName, what: string, run: () => Promise<string>): Promise<void> {
  const started = performance.now();
  const time = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  try {
    const note = await run();
    passed++;
    console.log(`ok      ${RUNTIME_TITLES[name]}  ${what}  ${time()}  ${note}`);
  } catch (error) {
    failed++;
    const message = error instanceof Error ? error.message : error;
    console.log(`FAILED  ${RUNTIME_TITLES[name]}  ${what}  ${time()}  seed ${seed}: ${message}`);
  }
}

async function wakeUp(name: RuntimeName, ...how: string[]): Promise<string> {
  const args = [String(wakeups), ...how];
  const { end, stdout, stderr } = await runChild(name, "wakeups", args, wakeups / 1000 + LIMIT_SECONDS);
  if (end !== 0) throw new Error(`ended with ${end}: ${stderr}`);
  const result = JSON.parse(stdout) as Record<string, number>;
  const { submitted, completed, startMiB = 0, endMiB = 0 } = result;
  if (result["wakeups"]! < wakeups) throw new Error(`only ${result["wakeups"]} wake-ups`);
  if (submitted !== completed) throw new Error(`${submitted} submitted, ${completed} completed`);
  if (endMiB > startMiB + SLACK_MIB) throw new Error(`memory grew: from ${startMiB} MiB to ${endMiB}`);
  return stdout.trim();
}

async function endWorkers(name: RuntimeName, how: string): Promise<string> {
  const { end, stdout, stderr } = await runChild(name, "worker_ends", [how, String(ends)], ends + LIMIT_SECONDS);
  if (end !== 0) throw new Error(`ended with ${end}: ${stderr.slice(-1000)}`);
  return stdout.trim();
}

async function endProcesses(name: RuntimeName, how: string, expected: number | string): Promise<string> {
  for (let i = 0; i < ends; i++) {
    const { end, stderr } = await runChild(name, "exits", [how], LIMIT_SECONDS);
    if (end !== expected) throw new Error(`number ${i} ended with ${end} instead of ${expected}: ${stderr}`);
  }
  return "";
}

async function mix(name: RuntimeName, seed: number, seconds: number): Promise<string> {
  const args = [String(seed), String(seconds * 1000)];
  const { end, stdout, stderr } = await runChild(name, "mixed", args, seconds + LIMIT_SECONDS);
  const again = `npm run soak -- --seed ${seed} --mixed ${seconds + AROUND_SECONDS} --wakeups 0 --ends 0 ${name}`;
  if (end !== 0) throw new Error(`ended with ${end}: ${stderr.slice(-3000).trim()}\n        again: ${again}`);
  const { submitted, completed } = JSON.parse(stdout) as Record<string, number>;
  if (submitted !== completed) throw new Error(`${submitted} submitted, ${completed} completed; again: ${again}`);
  return stdout.trim();
}

function runtimesOf(names: readonly string[]): RuntimeName[] {
  const unknown = names.find((name) => !Object.hasOwn(RUNTIME_TITLES, name));
  if (unknown !== undefined) throw new TypeError(`a runtime is deno, bun or node, not ${unknown}`);
  return names.length > 0 ? names as RuntimeName[] : ["deno", "bun", "node"];
}

function natural(text: string | number, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${name} must be an integer from 0 on, not ${text}`);
  return value;
}
