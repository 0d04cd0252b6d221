/**
 * `uring demo [folder]`: reads a folder's files in Deno, Bun and Node, through a ring and with what each runtime has
 * itself, and prints one table.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { availableParallelism, freemem, release } from "node:os";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Measurement, Way } from "./demo_measure.ts";
import { commandFor, findRuntime, packageRoot, type Runtime, type RuntimeName, thisRuntime } from "./runtimes.ts";
import { bytes, duration, grouped, paint, plural, times, wrap } from "./terminal.ts";

const USAGE = `Usage: uring demo [options] [folder]

Reads every regular file below the folder through io_uring, compares every byte
with what node:fs reads, and shows how that compares with the asynchronous reads
that Deno, Bun and Node have themselves. Without a folder: this package's own.

  --in-flight N      files being read at a time (64)
  --runtime NAME     deno, bun or node alone; may be given more than once
  --json             what was measured, as JSON
`;

const RUNTIMES: readonly RuntimeName[] = ["node", "deno", "bun"];

/** What a runtime's own way is called in the table. */
const OWN: Readonly<Record<RuntimeName, string>> = {
  node: "fs.promises.readFile",
  deno: "Deno.readFile",
  bun: "fs.promises.readFile",
};

interface Options {
  readonly folder: string;
  readonly inFlight: number;
  readonly runtimes: readonly RuntimeName[];
  /** Each of them has to be there. */
  readonly isAsked: boolean;
  readonly json: boolean;
}

/** A runtime's measurement, or why there is none. */
interface Row {
  readonly runtime: Runtime;
  readonly measured?: Measurement;
  readonly failure?: string;
}

type Supported = Extract<Measurement, { supported: true }>;

/**
 * Runs the demo with a command line's arguments.
 *
 * @returns The exit code: 1 when a byte differed, or when a runtime could not show anything: one that was asked for, in a
 * checkout any of the three.
 */
export async function demo(args: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`uring demo: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }

  const rows: Row[] = [];
  for (const name of options.runtimes) rows.push(await measureIn(findRuntime(name), options));
  if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else print(rows, options);
  const measured = rows.flatMap(supportedOnly);
  const isShown = options.isAsked ? measured.length === rows.length : measured.length > 0;
  const failed = rows.some(({ failure }) => failure !== undefined);
  return isShown && !failed && measured.every(isRight) ? 0 : 1;
}

function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      "in-flight": { type: "string", default: "64" },
      runtime: { type: "string", multiple: true },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  if (positionals.length > 1) throw new TypeError("one folder, please");
  const folder = resolve(positionals[0] ?? packageRoot() ?? ".");
  if (!statSync(folder).isDirectory()) throw new TypeError(`${folder} is not a folder`);
  const inFlight = Number(values["in-flight"]);
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > 1024) {
    throw new RangeError("--in-flight takes a number from 1 to 1024");
  }
  const root = packageRoot();
  const all = root === undefined ? [thisRuntime().name] : RUNTIMES;
  const runtimes = (values.runtime ?? all).map((name) => {
    const known = RUNTIMES.find((each) => each === name);
    if (known === undefined) throw new TypeError(`--runtime takes ${RUNTIMES.join(", ")}; not ${name}`);
    return known;
  });
  const isAsked = values.runtime !== undefined || root !== undefined && existsSync(join(root, "src"));
  return { folder, inFlight, runtimes, isAsked, json: values.json };
}

/** Runs demo_measure in a process of the runtime. Its progress goes to our terminal. */
async function measureIn(runtime: Runtime, { folder, inFlight }: Options): Promise<Row> {
  if (runtime.path === undefined) return { runtime };
  const command = commandFor(runtime.name, runtime.path, "src/cli/demo_measure", [folder, String(inFlight)]);
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const failure = await new Promise<string | undefined>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("close", (code, signal) => done(code === 0 ? undefined : signal ?? `exit code ${code}`));
  });
  if (failure !== undefined) return { runtime, failure };
  return { runtime, measured: JSON.parse(output) as Measurement };
}

function isRight(measured: Supported): boolean {
  return measured.mismatches.length === 0 && measured.failures.length === 0 && !couldReadNothing(measured);
}

function couldReadNothing({ files, skipped }: Supported): boolean {
  return files === 0 && skipped.length > 0;
}

function supportedOnly({ measured }: Row): Supported[] {
  return measured?.supported ? [measured] : [];
}

const NAME = 32;
const COLUMN = 11;
const CALLS = 15;

function print(rows: readonly Row[], { folder, inFlight }: Options): void {
  const lines: string[] = [""];
  const measured = rows.flatMap(supportedOnly);
  const [first] = measured;
  if (first !== undefined) {
    lines.push(`${paint.bold(`${plural(first.files, "file")}, ${bytes(first.bytes)}`)} below ${folder}`);
    lines.push(
      paint.dim(`${inFlight} files in flight, page cache warm; Linux ${release()}, ${availableParallelism()} CPUs`),
    );
    lines.push("");
    const heads = [
      "time".padStart(COLUMN),
      "CPU".padStart(COLUMN),
      "MB/s".padStart(COLUMN),
      "system calls".padStart(CALLS),
    ];
    lines.push(paint.dim(" ".repeat(NAME) + heads.join("")));
  }
  for (const row of rows) lines.push(...rowLines(row), "");
  if (first !== undefined) lines.push(...verdict(measured), ...footnotes(measured, folder));
  process.stdout.write(`${lines.join("\n")}\n`);
}

function rowLines({ runtime, measured, failure }: Row): string[] {
  const name = paint.bold(runtime.path === undefined ? runtime.title : `${runtime.title} ${runtime.version}`);
  if (runtime.path === undefined) return [`${name}  ${runtime.reason}`];
  if (failure !== undefined) return [`${name}  ${paint.red(`failed: ${failure}`)}`];
  if (!measured?.supported) {
    const rows = [...wrap(measured?.reason ?? "", 76), ...wrap(`→ ${measured?.fix}`, 76)];
    return [`${name}  ${paint.red("io_uring does not work here")}`, ...rows.map((row) => `  ${row}`)];
  }
  const { ring, own } = measured;
  const faster = times(own.ms / ring.ms), less = times(own.cpuMs / ring.cpuMs);
  const calls = ring.systemCalls !== undefined && own.systemCalls !== undefined
    ? times(own.systemCalls / ring.systemCalls)
    : "";
  const ratios = faster.padStart(COLUMN) + less.padStart(COLUMN) + " ".repeat(COLUMN) + calls.padStart(CALLS);
  return [
    name,
    wayLine("uring", ring, measured.bytes),
    wayLine(OWN[runtime.name], own, measured.bytes),
    "  " + paint.dim("its own ÷ uring".padEnd(NAME - 2)) + paint.green(ratios.trimEnd()),
  ];
}

function wayLine(title: string, { ms, cpuMs, systemCalls }: Way, total: number): string {
  return `  ${title.padEnd(NAME - 2)}` + duration(ms).padStart(COLUMN) + duration(cpuMs).padStart(COLUMN) +
    grouped(total / 1000 / ms).padStart(COLUMN) +
    (systemCalls === undefined ? "–" : `≥ ${grouped(systemCalls)}`).padStart(CALLS);
}

function verdict(measured: readonly Supported[]): string[] {
  const mismatches = measured.flatMap((each) => each.mismatches);
  const failures = measured.flatMap((each) => each.failures);
  if (measured.some(couldReadNothing)) return [`${paint.red("✗")} no file could be read: see below`];
  if (mismatches.length === 0 && failures.length === 0) {
    if (measured.every(({ files }) => files === 0)) return ["there was nothing to read"];
    return [`${paint.green("✓")} every byte that uring read is the byte that fs.readFileSync reads`];
  }
  return [
    ...mismatches.map(({ path, at }) => `${path} differs from what fs.readFileSync reads at byte ${at}`),
    ...failures.map(({ path, message }) => `${path}, which fs.readFileSync reads: ${message}`),
  ].map((line) => `${paint.red("✗")} ${line}`);
}

function footnotes(measured: readonly Supported[], folder: string): string[] {
  const notes: string[] = [];
  const [first] = measured;
  if (first === undefined) return notes;
  const left = [
    first.symlinks > 0 ? plural(first.symlinks, "symbolic link") : "",
    first.special > 0 ? plural(first.special, "special file") : "",
  ].filter(Boolean);
  if (left.length > 0) notes.push(`left out: ${left.join(", ")}`);
  const skipped = new Map(measured.flatMap((each) => each.skipped).map(({ path, code }) => [path, code]));
  for (const code of new Set(skipped.values())) {
    const paths = [...skipped.keys()].filter((path) => skipped.get(path) === code);
    const others = paths.length > 1 ? ` and ${plural(paths.length - 1, "other")}` : "";
    notes.push(`skipped, ${code}: ${relative(folder, paths[0]!) || folder}${others}`);
  }
  const vanished = Math.max(...measured.map((each) => each.vanished));
  if (vanished > 0) notes.push(`went away while being timed: ${plural(vanished, "file")}`);
  const passes = [...new Set(measured.map((each) => each.passes))].join(" or ");
  notes.push(
    `time and CPU (all threads): median of ${passes} runs of each, in turn`,
    "system calls, at least: of uring its io_uring_enter and the waker's reads; of the",
    "others the reads the kernel counted, and an open and a close for each file",
  );
  if (first.bytes > freemem()) {
    notes.push("the files are larger than free memory: the times have waiting for the disk in them");
  }
  return notes.map((note) => paint.dim(`  ${note}`));
}
