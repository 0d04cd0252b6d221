/**
 * The long forms of the lifetime tests, in each runtime: a million wake-ups under forced garbage collection, workers and
 * processes that end in every way with work in flight, everything at once from a seed. Bounded;
 * `npm run soak -- [--wakeups N] [--ends N] [--mixed SECONDS] [--seed N] [runtime…]`; 0 leaves a part out.
 *
 * The last line counts as `npm test`'s does. A child that hangs is killed and counts as failed.
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";
import { commandFor, findRuntime, RUNTIME_TITLES, type RuntimeName } from "../../src/cli/runtimes.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    wakeups: { type: "string", default: "1000000" },
    ends: { type: "string", default: "200" },
    mixed: { type: "string", default: "60" },
    seed: { type: "string" },
  },
});
const wakeups = natural(values.wakeups, "--wakeups");
const ends = natural(values.ends, "--ends");
const mixedSeconds = natural(values.mixed, "--mixed");
const seed = values.seed === undefined ? Date.now() % 1_000_000 : natural(values.seed, "--seed");
const runtimes = (positionals.length > 0 ? positionals : ["deno", "bun", "node"]) as RuntimeName[];

/** Growth of a process's memory that is noise: a heap's next size step. */
const SLACK_MIB = 32;
const WORKER_ENDS = ["terminate", "end", "throw", "close"];
const PROCESS_ENDS: Record<string, number | string> = { return: 0, exit: 3, throw: 1, reject: 1, sigterm: "SIGTERM" };

let passed = 0;
let failed = 0;

for (const name of runtimes) {
  await check(name, `everything at once, seed ${seed}`, async () => {
    const { end, stdout, stderr } = await child(
      name,
      "mixed",
      [`${seed}`, `${mixedSeconds * 1000}`],
      mixedSeconds + 60,
    );
    if (end !== 0) throw new Error(`ended with ${end}: ${stderr.slice(-1000)}`);
    const { submitted, completed } = JSON.parse(stdout) as Record<string, number>;
    if (submitted !== completed) throw new Error(`${submitted} submitted, ${completed} completed`);
    return stdout.trim();
  });
  await check(name, `${wakeups} wake-ups`, async () => {
    const { end, stdout, stderr } = await child(name, "wakeups", [String(wakeups)], wakeups / 1000 + 60);
    if (end !== 0) throw new Error(`ended with ${end}: ${stderr}`);
    const result = JSON.parse(stdout) as Record<string, number>;
    if (result["wakeups"]! < wakeups) throw new Error(`only ${result["wakeups"]} wake-ups`);
    if (result["submitted"] !== result["completed"]) throw new Error("not every operation completed");
    if (result["endMiB"]! > result["startMiB"]! + SLACK_MIB) throw new Error("memory grew");
    return stdout.trim();
  });
  for (const how of WORKER_ENDS) {
    await check(name, `${ends} workers: ${how}`, async () => {
      const { end, stdout, stderr } = await child(name, "worker_ends", [how, String(ends)], ends + 60);
      if (end !== 0) throw new Error(`ended with ${end}: ${stderr.slice(-1000)}`);
      return stdout.trim();
    });
  }
  for (const [how, expected] of Object.entries(PROCESS_ENDS)) {
    await check(name, `${ends} processes: ${how}`, async () => {
      for (let i = 0; i < ends; i++) {
        const { end, stderr } = await child(name, "exits", [how], 30);
        if (end !== expected) throw new Error(`number ${i} ended with ${end} instead of ${expected}: ${stderr}`);
      }
      return "";
    });
  }
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;

async function check(name: RuntimeName, what: string, run: () => Promise<string>): Promise<void> {
  if (what.startsWith("0 ") || (mixedSeconds === 0 && what.startsWith("everything"))) return;
  const started = performance.now();
  const time = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  try {
    const note = await run();
    passed++;
    console.log(`ok      ${RUNTIME_TITLES[name]}  ${what}  ${time()}  ${note}`);
  } catch (error) {
    failed++;
    console.log(
      `FAILED  ${RUNTIME_TITLES[name]}  ${what}  ${time()}  ${error instanceof Error ? error.message : error}`,
    );
  }
}

interface Ended {
  readonly end: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function child(name: RuntimeName, module: string, args: readonly string[], limitSeconds: number): Promise<Ended> {
  const runtime = findRuntime(name);
  if (runtime.path === undefined) throw new Error(runtime.reason);
  const [command = "", ...rest] = commandFor(name, runtime.path, `test/children/${module}`, args);
  const started = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  started.stdout.on("data", (data) => stdout += data);
  started.stderr.on("data", (data) => stderr += data);
  const limit = setTimeout(() => started.kill("SIGKILL"), limitSeconds * 1000);
  return new Promise((resolve, reject) => {
    started.on("error", reject);
    started.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ end: code ?? signal, stdout, stderr });
    });
  });
}

function natural(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${name} must be an integer from 0 on, not ${text}`);
  return value;
}
