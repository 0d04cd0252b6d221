/**
 * The table of operations, docs/operations.md: of the description in src/abi, of the classes as they are, and of a
 * record of what a run of all tests has really used (docs/operations.json, made by test/support/coverage.ts).
 *
 *     npm run docs:table               the table, from the record that is there
 *     npm run docs:table -- --record   runs every test in each runtime first, and writes a new record
 *     npm run docs:table -- --merge=FOLDER   makes the record of what such a run has left in a folder
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { OPS, PREPS, REGISTERS } from "../src/abi/mod.ts";
import { RawRing } from "../src/ring/raw.ts";
import { Ring } from "../src/ring/ring.ts";
import type { Coverage, Used } from "../test/support/coverage.ts";

/** The runtimes, by the names that they go by, in the order of the table's columns. */
const RUNTIMES = { deno: "Deno", bun: "Bun", node: "Node" } as const;
type Runtime = keyof typeof RUNTIMES;

/** How an op, or a register op, fared in a runtime, door by door: `"ok"`, and the names of errors. */
export interface Fared {
  readonly raw: readonly string[];
  readonly ring: readonly string[];
}

/** An op in the record. */
export interface Recorded {
  /** The methods that asked for it, in any runtime. */
  readonly methods: readonly string[];
  readonly runtimes: Readonly<Partial<Record<Runtime, Fared>>>;
}

/** What docs/operations.json holds. */
export interface OperationsRecord {
  /** The kernel's release, two numbers of it. */
  readonly kernel: string;
  /** Ops that it has. */
  readonly available: readonly string[];
  readonly ops: Readonly<Record<string, Recorded>>;
  readonly registers: Readonly<Record<string, Recorded>>;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RECORD = join(ROOT, "docs", "operations.json");
const TABLE = join(ROOT, "docs", "operations.md");

/** Methods of `Ring` that stand for no op; two of them only say what does it instead. */
export const NO_OPS: ReadonlySet<string> = new Set([
  ...["close", "link", "ref", "unref", "submitAndWait"],
  ...["registerEventfd", "registerBpfFilter"],
]);

// What there is

/** liburing's name of a prep → RawRing's: `io_uring_prep_poll_add` → `prepPollAdd`. */
export function rawName(prep: string): string {
  return prep.replace(/^io_uring_/, "").replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `RECV_ZC` → `recvZc`. */
function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Op → names of RawRing's preps that make one. */
export function rawPreps(): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  const byCode = new Map<number, string>(Object.values(OPS).map(({ code, name }) => [code, name]));
  // liburing has no prep for some.
  for (const op of Object.keys(OPS)) {
    const name = `prep${capital(camelCase(op))}`;
    if (name in RawRing.prototype && !Object.keys(PREPS).some((prep) => rawName(prep) === name)) found.set(op, [name]);
  }
  for (const [prep, { params, encode }] of Object.entries(PREPS)) {
    const name = rawName(prep);
    // Any op; and what completes a send.
    if (!prep.startsWith("io_uring_prep_") || ["prepRw", "prepSendSetAddr"].includes(name)) continue;
    if (!(name in RawRing.prototype)) continue;
    const words = new Int32Array(32);
    encode(words, 0, ...params.map(() => 0));
    const op = byCode.get(words[0]! & 0xff)!;
    found.set(op, [...found.get(op) ?? [], name]);
  }
  return found;
}

/** Public methods of a class and those that it extends. */
export function methodsOf(prototype: object): string[] {
  const names = new Set<string>();
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function" && name !== "constructor") names.add(name);
    }
  }
  return [...names].sort();
}

/**
 * Methods of `Ring` in the record, and those named for it, which the kernel may not let come so far; where there is
 * none, those of the classes beside it: `Class.method`.
 */
function publicMethods(recorded: Recorded | undefined, namesake: string): readonly string[] {
  const methods = sortedUnion(recorded?.methods ?? [], [namesake]);
  const own = methods.filter((name) => name in Ring.prototype);
  return own.length > 0 ? own : methods.filter((name) => name.includes("."));
}

// The table

const ABSENT = "not in its kernel";

/** A cell: through which doors it worked; else how it was refused. Empty: nobody has tried. */
function fared({ raw, ring }: Fared = { raw: [], ring: [] }): string {
  const doors = [raw.includes("ok") && "RawRing", ring.includes("ok") && "Ring"].filter((door) => door !== false);
  if (doors.length === 2) return "both";
  if (doors.length === 1) return doors[0]!;
  const errors = [...new Set([...raw, ...ring])].sort();
  return errors.length === 0 ? "" : `refused: ${errors.join(", ")}`;
}

function code(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(" ");
}

/** An op's row of the table. */
export interface Row {
  readonly name: string;
  readonly code: number;
  readonly since: string;
  /** RawRing's preps. */
  readonly raw: readonly string[];
  /** Ring's methods. */
  readonly ring: readonly string[];
  /** Runtime → how it fared. */
  readonly tested: Readonly<Record<Runtime, string>>;
  /** Whether the kernel of the record has it. */
  readonly available: boolean;
}

const EVERY_RUNTIME = Object.keys(RUNTIMES) as Runtime[];

function testedIn(recorded: Recorded | undefined): Row["tested"] {
  const cells = EVERY_RUNTIME.map((runtime) => [runtime, fared(recorded?.runtimes[runtime])]);
  return Object.fromEntries(cells) as Row["tested"];
}

function everywhere(cell: string): Row["tested"] {
  return Object.fromEntries(EVERY_RUNTIME.map((runtime) => [runtime, cell])) as Row["tested"];
}

/** The rows of all ops, by their numbers. */
export function opRows(record: OperationsRecord): Row[] {
  const preps = rawPreps();
  return Object.values(OPS).sort((a, b) => a.code - b.code).map(({ name, code, since }): Row => {
    const available = record.available.includes(name);
    // A time limit is an option of every operation.
    const ring = name === "LINK_TIMEOUT" ? ["{ timeout }"] : publicMethods(record.ops[name], camelCase(name));
    const tested = available ? testedIn(record.ops[name]) : everywhere(ABSENT);
    return { name, code, since, raw: preps.get(name) ?? [], ring, tested, available };
  });
}

/** The rows of all register ops, by their numbers. */
export function registerRows(record: OperationsRecord): Row[] {
  return Object.values(REGISTERS).sort((a, b) => a.code - b.code).map(({ name, code, since }): Row => {
    const recorded = record.registers[name];
    const ring = recorded?.methods ?? [];
    return { name, code, since, raw: [], ring, tested: testedIn(recorded), available: true };
  });
}

/** A Markdown table whose columns are as wide as their longest cell. */
function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** The whole of docs/operations.md. */
export function operationsTable(record: OperationsRecord): string {
  const names = Object.values(RUNTIMES);
  const tested = (row: Row) => EVERY_RUNTIME.map((runtime) => row.tested[runtime]);
  const ops = markdownTable(
    ["op", "code", "since", "`RawRing`", "`Ring`", ...names],
    opRows(record).map((row) => [row.name, `${row.code}`, row.since, code(row.raw), code(row.ring), ...tested(row)]),
  );
  const registers = markdownTable(
    ["register op", "code", "since", "`Ring`", ...names],
    registerRows(record).map((row) => [row.name, `${row.code}`, row.since, code(row.ring), ...tested(row)]),
  );
  return `# Operations

<!-- Made by \`npm run docs:table\`: don't edit. -->

${
    wrap(
      "Every op of io_uring, since which Linux there is one, what makes one, and how it fared in the tests: through " +
        "`both` doors, or one of them, it completed without an error; or the kernel `refused` it, with these errors. " +
        `Recorded on Linux ${record.kernel} by running all tests in each runtime. What that kernel does not have is ` +
        "tested there up to its bytes and its `UnsupportedError`, and for real in a virtual machine with a newer one.",
    )
  }

${ops}

## Register ops

${
    wrap(
      "`RawRing.register()` makes every call of io_uring_register(2). Beside it, these have methods that make them; " +
        "the core makes others by itself.",
    )
  }

${registers}
`;
}

/** A paragraph in lines of 120 columns, broken as `deno fmt` breaks them. */
function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > 120) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

// The record

/** What docs/operations.json holds. */
export function readRecord(): OperationsRecord {
  return JSON.parse(readFileSync(RECORD, "utf8"));
}

/** docs/operations.md as it is. */
export function readTable(): string {
  return readFileSync(TABLE, "utf8");
}

type Merged = Record<
  string,
  { methods: string[]; runtimes: Partial<Record<Runtime, { raw: string[]; ring: string[] }>> }
>;

function mergeUsed(into: Merged, runtime: Runtime, table: Readonly<Record<string, Used>>): void {
  for (const [name, { methods, raw, ring }] of Object.entries(table)) {
    const entry = into[name] ??= { methods: [], runtimes: {} };
    entry.methods = sortedUnion(entry.methods, methods);
    const fared = entry.runtimes[runtime] ??= { raw: [], ring: [] };
    fared.raw = sortedUnion(fared.raw, raw);
    fared.ring = sortedUnion(fared.ring, ring);
  }
}

function sortedUnion(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])].sort();
}

/** Once an op has worked, its errors are of no interest: they would only make each record differ from the last. */
function settle(table: Merged): Merged {
  const only = (list: string[]) => list.includes("ok") ? ["ok"] : list;
  const sorted = Object.entries(table).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(sorted.map(([name, { methods, runtimes }]) => {
    const kept = EVERY_RUNTIME.flatMap((runtime) => {
      const fared = runtimes[runtime];
      return fared === undefined ? [] : [[runtime, { raw: only(fared.raw), ring: only(fared.ring) }]];
    });
    return [name, { methods, runtimes: Object.fromEntries(kept) }];
  }));
}

/** One record of what the tests of all runtimes have left in a folder, a file for each test file. */
export function mergeRecords(folder: string): OperationsRecord {
  const ops: Merged = {};
  const registers: Merged = {};
  let last: Coverage | undefined;
  for (const file of readdirSync(folder).sort()) {
    last = JSON.parse(readFileSync(join(folder, file), "utf8")) as Coverage;
    mergeUsed(ops, last.runtime as Runtime, last.ops);
    mergeUsed(registers, last.runtime as Runtime, last.registers);
  }
  if (last === undefined) throw new Error(`${folder} is empty: no test left a record`);
  const kernel = last.kernel.split(".").slice(0, 2).join(".");
  return { kernel, available: last.available, ops: settle(ops), registers: settle(registers) };
}

/** Runs the tests of every runtime, and gives the folder of what they have left. Failures are shown, and no more. */
function runTests(filters: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "uring-record-"));
  for (const runtime of EVERY_RUNTIME) {
    console.log(`\n=== ${RUNTIMES[runtime]}`);
    try {
      execFileSync("node", [join(ROOT, "scripts", "suite.mjs"), runtime, ...filters], {
        stdio: "inherit",
        env: { ...process.env, URING_COVERAGE_DIR: folder },
      });
    } catch {
      console.log(`${RUNTIMES[runtime]}: some tests failed; what the others used is recorded`);
    }
  }
  return folder;
}

function main(args: readonly string[]): void {
  const merge = args.find((arg) => arg.startsWith("--merge="))?.slice("--merge=".length);
  const filters = args.filter((arg) => !arg.startsWith("--"));
  mkdirSync(join(ROOT, "docs"), { recursive: true });
  if (merge !== undefined || args.includes("--record")) {
    const record = mergeRecords(merge ?? runTests(filters));
    writeFileSync(RECORD, `${JSON.stringify(record, null, 2)}\n`);
  }
  writeFileSync(TABLE, operationsTable(readRecord()));
}

if (import.meta.main) main(process.argv.slice(2));
