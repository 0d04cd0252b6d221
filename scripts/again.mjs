// npm run test:again: the tests of test/ again and again, in each runtime in turn, to find what fails now and then. Stops
// at nothing; the last line counts all runs. One process for all files of a run: what one leaves behind, others find.
// A run ends 50 workers in each way where npm test ends 200: a fifth of its time less, and there is a next run.
//
//   node scripts/again.mjs [--times 20] [--minutes M] [--json FILE] [RUNTIME...] [FILTER...]
//
// --minutes: begins no run after so many. --json: what came of the runs so far, written after each.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { countsLine, sum } from "./counts.mjs";
import { complaint, run } from "./processes.mjs";
import { ROOT, RUNTIMES } from "./runtimes.mjs";
import { runSuite } from "./suite.mjs";

/** @typedef {import("./runtimes.mjs").RuntimeName} RuntimeName */
/** @typedef {{ run: number, runtime: RuntimeName, seconds: number } & import("./suite.mjs").SuiteResult} Row */
/**
 * @typedef {object} Order
 * @property {number} times
 * @property {number} minutes Infinity: no limit
 * @property {string | undefined} json
 * @property {readonly RuntimeName[]} runtimes
 * @property {string[]} filters
 */

/**
 * What the command line asks for. Its first words that are runtimes choose those; the others are filters.
 * @param {string[]} args
 * @returns {Order}
 */
export function readOrder(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      times: { type: "string", default: "20" },
      minutes: { type: "string" },
      json: { type: "string" },
    },
  });
  const first = positionals.findIndex((word) => !isRuntime(word));
  const words = first < 0 ? positionals : positionals.slice(0, first);
  const runtimes = RUNTIMES.filter((name) => words.includes(name));
  return {
    times: atLeast(Number(values.times), 1, "--times", true),
    minutes: values.minutes === undefined ? Infinity : atLeast(Number(values.minutes), 0, "--minutes", false),
    json: values.json,
    runtimes: runtimes.length > 0 ? runtimes : RUNTIMES,
    filters: first < 0 ? [] : positionals.slice(first),
  };
}

/** @param {string} word */
function isRuntime(word) {
  return RUNTIMES.some((name) => name === word);
}

/** @param {number} value @param {number} least @param {string} name @param {boolean} whole */
function atLeast(value, least, name, whole) {
  if (value >= least && (!whole || Number.isInteger(value))) return value;
  throw new RangeError(`${name} takes ${whole ? "a whole number" : "a number"} from ${least} on`);
}

const HEADINGS = ["run", "runtime", "passed", "failed", "skipped", "seconds"];
const WIDTHS = [4, 8, 7, 7, 8, 8];

/** A line of the table. @param {(string | number)[]} cells */
function line(cells) {
  return cells.map((cell, i) => String(cell).padStart(WIDTHS[i] ?? 0)).join("");
}

/** The table of all runs, with each failing test's name below its run. @param {Row[]} rows @returns {string} */
export function table(rows) {
  return [
    line(HEADINGS),
    ...rows.flatMap(({ run, runtime, passed, failed, skipped, seconds, problems }) => [
      line([run, runtime, passed, failed, skipped, seconds.toFixed(1)]),
      ...problems.map((problem) => `      ${problem}`),
    ]),
  ].join("\n");
}

/** Which tests failed, how often and where, the most frequent first. @param {Row[]} rows @returns {string[]} */
export function failures(rows) {
  /** @type {Map<string, string[]>} */
  const where = new Map();
  for (const { run, runtime, problems } of rows) {
    for (const problem of problems) where.set(problem, [...where.get(problem) ?? [], `${runtime} ${run}`]);
  }
  return [...where].sort(([, a], [, b]) => b.length - a.length)
    .map(([problem, runs]) => `${runs.length} times (${runs.join(", ")}): ${problem}`);
}

/** @param {Order} order @param {Row[]} rows */
function save(order, rows) {
  if (order.json === undefined) return;
  writeFileSync(order.json, JSON.stringify({ filters: order.filters, runs: rows, total: sum(rows) }, null, 2) + "\n");
}

/** @param {Order} order @returns {Promise<Row[]>} */
async function runAll(order) {
  const { times, minutes, runtimes, filters } = order;
  const end = performance.now() + minutes * 60_000;
  /** @type {Row[]} */
  const rows = [];
  console.log(line(HEADINGS));
  for (let number = 1; number <= times; number++) {
    for (const runtime of runtimes) {
      if (performance.now() > end) return rows;
      const started = performance.now();
      const result = await runSuite(runtime, filters, { show: false, together: true });
      const row = { run: number, runtime, ...result, seconds: (performance.now() - started) / 1000 };
      rows.push(row);
      console.log(table([row]).split("\n").slice(1).join("\n"));
      save(order, rows);
    }
  }
  return rows;
}

async function main() {
  const order = readOrder(process.argv.slice(2));
  process.env["URING_WORKERS"] ??= "50";
  // Node runs what tests start as a child process from dist/.
  const built = await run(process.execPath, [join(ROOT, "scripts", "build.mjs"), "--quiet"], { show: true });
  const problem = complaint(built);
  if (problem) throw new Error(`the build of dist/: ${problem}`);
  const rows = await runAll(order);
  const wanted = order.times * order.runtimes.length;
  if (rows.length < wanted) console.log(`the time was over after ${rows.length} of ${wanted} runs`);
  const total = sum(rows);
  if (total.failed > 0) {
    const clean = rows.filter(({ failed }) => failed === 0).length;
    console.log(`\n${clean} of ${rows.length} runs without a failure; what failed:`);
    for (const failure of failures(rows)) console.log(`  ${failure}`);
  }
  process.exitCode = total.failed > 0 || rows.length < wanted ? 1 : 0;
  console.log(countsLine(total));
}

if (process.argv[1] === import.meta.filename) {
  try {
    await main();
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    console.log("0 passed, 1 failed, 0 skipped");
    process.exitCode = 1;
  }
}
