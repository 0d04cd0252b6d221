/**
 * `uring bench`: in a checkout, all of bench/; elsewhere a short benchmark in this runtime alone, without C.
 *
 * @module
 */

import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Ring } from "../../mod.ts";
import { thisRuntime } from "./runtimes.ts";
import { median, paint } from "./terminal.ts";
import * as workloads from "./workloads.ts";

const USAGE = `Usage: uring bench [options] [name...]

  name...        those whose name begins so: nop, read, "read ring"
  --rounds N     how often everyone runs (5)
  --json         every value measured, as JSON
`;

/** A power of two. */
const FILE_BYTES = 64 * 1024 * 1024;

/** How long one run should take. */
const RUN_MS = 150;

interface Contestant {
  readonly name: string;
  readonly title: string;
  make(file: string): workloads.Workload | Promise<workloads.Workload>;
}

interface Result {
  readonly name: string;
  readonly title: string;
  readonly timings: workloads.Timing[];
}

function contestants(): Contestant[] {
  const depth = 128;
  const own: Contestant = thisRuntime().name === "deno"
    ? { name: "read promises", title: "FsFile.read, 128 in flight", make: (file) => workloads.ownDeno(file, depth) }
    : {
      name: "read promises",
      title: "FileHandle.read, 128 in flight",
      make: (file) => workloads.ownPromises(file, depth),
    };
  return [
    { name: "nop raw", title: "NOP, RawRing, batches of 32", make: () => workloads.nopRaw(32) },
    { name: "nop ring", title: "NOP, Ring, batches of 32", make: () => workloads.nopRing(32) },
    { name: "read raw", title: "4 KiB read, RawRing, 128 in flight", make: (file) => workloads.readRaw(file, depth) },
    { name: "read ring", title: "4 KiB read, Ring, 128 in flight", make: (file) => workloads.readRing(file, depth) },
    { ...own, title: `4 KiB read, ${own.title}` },
    { name: "read sync", title: "4 KiB read, fs.readSync", make: (file) => workloads.ownSync(file) },
  ];
}

/**
 * Runs the benchmark with a command line's arguments.
 *
 * @returns The exit code.
 */
export async function bench(args: readonly string[]): Promise<number> {
  // Not part of the package: the name is computed, so that nothing follows it there.
  const whole = new URL(`../../bench/run${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  if (whole.protocol === "file:" && existsSync(fileURLToPath(whole))) {
    const { runBenchmark } = await import(whole.href) as { runBenchmark(args: readonly string[]): Promise<number> };
    return await runBenchmark(args);
  }
  return await short(args);
}

async function short(args: readonly string[]): Promise<number> {
  let rounds: number, json: boolean, names: string[];
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "5" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError("--rounds takes a positive integer");
    ({ json } = values);
    names = positionals;
  } catch (error) {
    process.stderr.write(`uring bench: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }

  const support = Ring.supported();
  if (!support.ok) {
    process.stderr.write(`uring bench: ${support.reason}\n${support.fix}\n`);
    return 1;
  }
  const chosen = contestants().filter(({ name }) => names.length === 0 || names.some((each) => name.startsWith(each)));
  if (chosen.length === 0) {
    const known = contestants().map(({ name }) => JSON.stringify(name)).join(", ");
    process.stderr.write(`uring bench: no name begins with ${names.join(" or ")}: there are ${known}\n`);
    return 2;
  }
  const fd = unnamedFile(Buffer.alloc(FILE_BYTES, "uring"));
  try {
    const results = await rounded(chosen, rounds, `/proc/self/fd/${fd}`);
    if (json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    else print(results, rounds);
  } finally {
    closeSync(fd);
  }
  return 0;
}

/** A file that goes with its process, however that ends. */
function unnamedFile(content: Uint8Array): number {
  const path = join(tmpdir(), `uring-bench-${process.pid}`);
  const fd = openSync(path, "wx+", 0o600);
  rmSync(path);
  writeFileSync(fd, content);
  return fd;
}

/** One after another, round after round: what slows a minute slows everyone. */
async function rounded(chosen: readonly Contestant[], rounds: number, file: string): Promise<Result[]> {
  const running = [];
  for (const { name, title, make } of chosen) {
    const workload = await make(file);
    const operations = await calibrate(workload);
    running.push({ workload, operations, result: { name, title, timings: [] as workloads.Timing[] } });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { workload, operations, result } of running) {
      result.timings.push(await workloads.time(workload, operations));
    }
  }
  for (const { workload } of running) await workload.close();
  return running.map(({ result }) => result);
}

/** Warms up, and finds how many operations take {@link RUN_MS}. */
async function calibrate(workload: workloads.Workload): Promise<number> {
  await workload.run(5_000);
  for (let operations = 5_000;; operations *= 2) {
    const { wallNs } = await workloads.time(workload, operations);
    if (wallNs > RUN_MS * 0.2 * 1e6) return Math.ceil(operations * RUN_MS * 1e6 / wallNs);
  }
}

function print(results: readonly Result[], rounds: number): void {
  const { title, version } = thisRuntime();
  const lines = [
    "",
    `${paint.bold(`${title} ${version}`)}, Linux ${release()}: medians of ${rounds} rounds, page cache warm`,
    "",
    paint.dim(`${"".padEnd(44)}${"time".padStart(12)}${"CPU".padStart(12)}${"a second".padStart(12)}`),
  ];
  for (const { title, timings } of results) {
    const wall = median(timings.map(({ ops, wallNs }) => wallNs / ops));
    const cpu = median(timings.map(({ ops, cpuNs }) => cpuNs / ops));
    const cells = [perOperation(wall), perOperation(cpu), `${(1e6 / wall).toFixed(0)} k`];
    lines.push(title.padEnd(44) + cells.map((cell) => cell.padStart(12)).join(""));
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

function perOperation(ns: number): string {
  return ns < 1000 ? `${ns.toFixed(0)} ns` : `${(ns / 1000).toFixed(2)} µs`;
}
