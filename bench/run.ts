/**
 * `npm run bench`: the library beside C with liburing, and beside what each runtime has itself, in Deno, Bun and Node.
 *
 * All contestants run once a round, each in a process of its own, one after another. Ratios are taken within a round,
 * so that a slow minute of the machine weighs on both sides. CPU time counts all threads, and is the steadier figure.
 */

import { spawnSync } from "node:child_process";
import { fsyncSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandFor, findRuntime, type RuntimeName } from "../src/cli/runtimes.ts";
import { contest, type Contestant, type Figure, type Group, only } from "./contestants.ts";
import { BUILD, compile, type Held, hold } from "./native.ts";
import { OtherWork, pairedRatio, type Rounds, type Spread, spread } from "./statistics.ts";

const USAGE = `Usage: npm run bench -- [options] [name...]

  name...          only those whose id begins with a name, and those they are
                   compared with: nop, nop/32/raw/bun, read/ring, startup
  --only PATTERN   only those whose id matches the regular expression, likewise
  --rounds N       how often everyone runs (7)
  --quick          3 rounds of half of the operations
  --json[=FILE]    writes every value measured; without FILE, or with "-", to
                   standard output, and the tables to standard error
  --data FOLDER    where the data file of 256 MiB goes (bench/build)
  --list           prints the ids
`;

/** A power of two. */
const DATA_BYTES = 256 * 1024 * 1024;

const RUN_TIMEOUT_MS = 120_000;

interface Options {
  readonly rounds: number;
  readonly pattern: RegExp;
  readonly quick: boolean;
  readonly json: string | undefined;
  readonly folder: string;
  readonly list: boolean;
}

/** Nanoseconds an operation, by round. */
interface Measured {
  readonly wall: (number | undefined)[];
  readonly cpu: (number | undefined)[];
}

/** What the reads read. */
interface DataFile {
  readonly path: string;
  readonly held: Held;
}

interface Ratio extends Figure {
  readonly ratio: Spread;
}

type Results = ReadonlyMap<string, Measured>;
type Outcome = { readonly wall: number; readonly cpu?: number } | { readonly failure: string };

/** The command line of a case. */
type Command = (program: string, args: readonly string[]) => string[];

let say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(options: Options): Promise<number> {
  if (options.json === "-") say = (text) => void process.stderr.write(`${text}\n`);
  const all = contest(options.quick), chosen = only(all, options.pattern);
  if (options.list) {
    for (const { id } of chosen.contestants) process.stdout.write(`${id}\n`);
    return 0;
  }
  if (chosen.contestants.length === 0) {
    process.stderr.write(`bench: no id matches ${options.pattern}; --list prints them\n`);
    return 2;
  }

  const { commands, versions } = findPrograms(chosen.contestants);
  const running = chosen.contestants.filter(({ runtime }) => commands.has(runtime));
  const readsFile = running.some(({ args }) => args.includes("FILE"));
  const load = loadavg()[0] ?? 0;
  const processors = cpus();
  say(
    `Linux ${release()}, ${processors.length} × ${processors[0]?.model.trim() || process.arch}; ${versions.join(", ")}`,
  );
  say(`${running.length} contestants, ${options.rounds} rounds${options.quick ? ", quick" : ""}, in turn`);
  if (load > 0.7) say(`Something else is running here (load ${load.toFixed(1)}): expect noise.`);

  const others = new OtherWork();
  let data: DataFile | undefined, results: Results, failures: ReadonlyMap<string, string>;
  try {
    if (readsFile) {
      data = await prepare(options.folder);
      say(`The data file is ${data.held.how}.`);
    }
    ({ results, failures } = runRounds(options.rounds, running, commands, data));
  } finally {
    progress("");
    data?.held.release();
  }

  for (const group of chosen.groups) printGroup(group, running.filter((each) => each.group === group.id), results);
  const ratios = chosen.figures.flatMap((figure): Ratio[] => {
    const ratio = pairedRatio(results.get(figure.of)?.[figure.what] ?? [], results.get(figure.to)?.[figure.what] ?? []);
    return ratio === undefined ? [] : [{ ...figure, ratio }];
  });
  printRatios(ratios);
  const share = others.share();
  if (share !== undefined) say(`\nOther processes took ${(share * 100).toFixed(1)} % of the processors meanwhile.`);
  for (const [id, failure] of failures) say(`\n${id} failed: ${failure}`);
  if (options.json !== undefined) {
    const machine = { kernel: release(), processors: processors.length, model: processors[0]?.model.trim(), versions };
    writeJson(options.json, {
      machine,
      load,
      othersShare: share,
      rounds: options.rounds,
      quick: options.quick,
      unit: "ns an operation; startup: ns",
      results: Object.fromEntries(results),
      figures: ratios,
      failures: Object.fromEntries(failures),
    });
  }
  return failures.size === 0 ? 0 : 1;
}

/** Says who is left out, and why. */
function findPrograms(contestants: readonly Contestant[]) {
  const commands = new Map<Contestant["runtime"], Command>();
  const versions: string[] = [];
  const wanted = new Set(contestants.map(({ runtime }) => runtime));
  if (wanted.has("c")) {
    const native = compile("bench", ["-luring"]);
    if (native.program === undefined) say(`C is left out: ${native.reason}`);
    else commands.set("c", (_program, args) => [native.program, ...args]);
  }
  for (const name of ["deno", "bun", "node"] satisfies RuntimeName[]) {
    if (!wanted.has(name)) continue;
    const runtime = findRuntime(name);
    if (runtime.path === undefined) {
      say(`${runtime.title} is left out: ${runtime.reason}`);
      continue;
    }
    versions.push(`${runtime.title} ${runtime.version}`);
    commands.set(name, (program, args) => commandFor(name, runtime.path, `bench/cases/${program}`, args));
  }
  return { commands, versions };
}

/** Writes the data file, in full and on disk, and keeps it in memory. It has no name: it goes when we do, however. */
async function prepare(folder: string): Promise<DataFile> {
  progress("writing the data file");
  const name = join(folder, `data.${process.pid}`);
  const fd = openSync(name, "wx+", 0o600);
  rmSync(name);
  const chunk = Buffer.alloc(1 << 20, "uring");
  for (let at = 0; at < DATA_BYTES; at += chunk.length) writeSync(fd, chunk);
  fsyncSync(fd);
  const path = `/proc/${process.pid}/fd/${fd}`;
  const held = await hold(path);
  progress("");
  return { path, held };
}

function runRounds(
  rounds: number,
  running: readonly Contestant[],
  commands: ReadonlyMap<Contestant["runtime"], Command>,
  data: DataFile | undefined,
): { results: Results; failures: ReadonlyMap<string, string> } {
  const results = new Map(running.map(({ id }): [string, Measured] => [id, { wall: [], cpu: [] }]));
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const [at, contestant] of running.entries()) {
      if (failures.has(contestant.id)) continue;
      progress(`round ${round + 1} of ${rounds}, ${at + 1} of ${running.length}: ${contestant.id}`);
      if (contestant.args.includes("FILE")) data?.held.refresh();
      const outcome = run(contestant, commands.get(contestant.runtime)!, data?.path ?? "");
      if ("failure" in outcome) {
        failures.set(contestant.id, outcome.failure);
        continue;
      }
      const measured = results.get(contestant.id)!;
      measured.wall[round] = outcome.wall;
      measured.cpu[round] = outcome.cpu;
    }
  }
  return { results, failures };
}

/** One run: what the case measured itself; for a startup, from start to exit. */
function run({ group, program, args }: Contestant, command: Command, file: string): Outcome {
  const [executable, ...rest] = command(program, args.map((arg) => arg === "FILE" ? file : arg));
  const before = performance.now();
  const ran = spawnSync(executable!, rest, { encoding: "utf8", timeout: RUN_TIMEOUT_MS, killSignal: "SIGKILL" });
  const elapsed = (performance.now() - before) * 1e6;
  if (ran.status !== 0) {
    const how = ran.error?.message ?? (ran.signal ? `ended by ${ran.signal}` : `exit code ${ran.status}`);
    return { failure: `${how}\n${(ran.stderr ?? "").trim()}`.trim() };
  }
  if (group === "startup") return { wall: elapsed };
  const { ops, wallNs, cpuNs } = JSON.parse(ran.stdout) as { ops: number; wallNs: number; cpuNs: number };
  return { wall: wallNs / ops, cpu: cpuNs / ops };
}

const TITLE_WIDTH = 26;
const VALUES_WIDTH = 20;

function printGroup({ id, title, unit }: Group, members: readonly Contestant[], results: Results): void {
  if (members.length === 0) return;
  const hasCpu = id !== "startup";
  const each = hasCpu ? `${unit} an operation` : unit;
  say(`\n${title} (${each}: min, median, max)`);
  const heads = hasCpu ? ["wall", "CPU", "wall/C  CPU/C"] : ["wall", "more than empty"];
  say(" ".repeat(TITLE_WIDTH) + heads.map((head, at) => head.padStart(at === 2 ? 14 : VALUES_WIDTH)).join(""));
  for (const { id, title, beside } of members) {
    const { wall, cpu } = results.get(id)!;
    const reference = beside === undefined ? undefined : results.get(beside);
    let row = title.padEnd(TITLE_WIDTH) + showSpread(wall, unit).padStart(VALUES_WIDTH);
    if (hasCpu) {
      const ratios = [pairedRatio(wall, reference?.wall ?? []), pairedRatio(cpu, reference?.cpu ?? [])];
      row += showSpread(cpu, unit).padStart(VALUES_WIDTH);
      for (const ratio of ratios) row += (ratio?.median.toFixed(2) ?? "").padStart(7);
    } else if (reference !== undefined) {
      const more = wall.map((value, round) => {
        const empty = reference.wall[round];
        return value === undefined || empty === undefined ? undefined : value - empty;
      });
      row += showSpread(more, unit).padStart(VALUES_WIDTH);
    }
    say(row.trimEnd());
  }
}

const SCALE = { ns: { divisor: 1, digits: 0 }, µs: { divisor: 1e3, digits: 2 }, ms: { divisor: 1e6, digits: 1 } };

function showSpread(values: Rounds, unit: Group["unit"]): string {
  const found = spread(values);
  if (found === undefined) return "failed";
  const { divisor, digits } = SCALE[unit];
  return [found.min, found.median, found.max].map((value) => (value / divisor).toFixed(digits).padStart(6)).join(" ");
}

function printRatios(ratios: readonly Ratio[]): void {
  if (ratios.length === 0) return;
  say(`\n${"Ratios of runs in the same round".padEnd(44)} median      min     max       bar`);
  for (const { title, ratio: { min, median, max }, bar } of ratios) {
    const shown = [median, min, max].map((value) => value.toFixed(2).padStart(7));
    say(`${title.padEnd(43)}${shown[0]}  ${shown[1]} ${shown[2]}   ${bar.toFixed(2).padStart(7)}`);
  }
}

function writeJson(to: string, report: unknown): void {
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (to === "-") process.stdout.write(text);
  else writeFileSync(to, text);
}

/** One line on a terminal, written over by the next. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: args.map((arg, at) => arg === "--json" && !/^-$|^[./]|\.json$/.test(args[at + 1] ?? "") ? "--json=-" : arg),
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      data: { type: "string", default: BUILD },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError("--rounds takes a positive integer");
  const { quick, json, data: folder, list } = values;
  const names = positionals.map((name) => `^${name.replace(/[^\w/]/g, "\\$&")}`);
  mkdirSync(folder, { recursive: true });
  return { rounds, pattern: new RegExp([values.only, ...names].filter(Boolean).join("|")), quick, json, folder, list };
}

/** Runs the benchmark with a command line's arguments. Returns the exit code. */
export async function runBenchmark(args: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  return await main(options);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await runBenchmark(process.argv.slice(2));
