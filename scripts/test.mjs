// npm test: everything that has to hold, one heavy thing at a time. The last line counts it; each check is a test, too.
//
//   node scripts/test.mjs [--only static,zig,node,deno,bun] [FILTER...]
//
// A filter is part of a test file's path; with one, only the runtimes' tests run.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { counts, countsLine, sum } from "./counts.mjs";
import { complaint, run } from "./processes.mjs";
import { ROOT, runtimePath, RUNTIMES } from "./runtimes.mjs";
import { runSuite } from "./suite.mjs";
import { zigCommand } from "./zig.mjs";

const GROUPS = ["static", "zig", ...RUNTIMES];
const SHOWN_LINES = 150;

/** @typedef {import("./suite.mjs").SuiteResult} Result */
/**
 * @typedef {object} Step
 * @property {string} group
 * @property {string} title
 * @property {() => Promise<Result>} work
 */

/** @param {string} problem @returns {Result} */
const failed = (problem) => ({ ...counts({ failed: 1 }), problems: [problem] });

/**
 * A command that passes when its exit code is 0; its output is shown when it fails.
 * @param {string} command @param {string[]} args @param {string} [cwd] @returns {Promise<Result>}
 */
async function check(command, args, cwd = ROOT) {
  const outcome = await run(command, args, { cwd });
  const problem = complaint(outcome);
  if (!problem) return { ...counts({ passed: 1 }), problems: [] };
  show(outcome.output);
  return failed(problem);
}

/** Shows the beginning of a long output: tools repeat themselves for every line that is amiss. @param {string} output */
function show(output) {
  const lines = output.trimEnd().split("\n");
  console.log(lines.slice(0, SHOWN_LINES).join("\n"));
  if (lines.length > SHOWN_LINES) console.log(`... and ${lines.length - SHOWN_LINES} more lines`);
}

/** @param {string[]} args */
const node = (...args) => check(process.execPath, args);

/** @param {string[]} args */
function deno(...args) {
  const path = runtimePath("deno");
  return path ? check(path, args) : Promise.resolve(failed("deno is neither in node_modules nor on PATH"));
}

/** @param {string[]} args */
function zig(...args) {
  const [program = "", ...before] = zigCommand();
  return check(program, [...before, ...args], join(ROOT, "zig"));
}

/** Counts from the build summary: "3/3 steps succeeded; 24/25 tests passed (1 skipped)". @returns {Promise<Result>} */
async function zigTests() {
  const [program = "", ...before] = zigCommand();
  const outcome = await run(program, [...before, "build", "test", "--summary", "all"], { cwd: join(ROOT, "zig") });
  const problem = complaint(outcome);
  const [, passed, total, details = ""] = outcome.output.match(/(\d+)\/(\d+) tests passed(?: \((.*)\))?/) ?? [];
  if (problem || !total) show(outcome.output);
  if (!total) return failed(problem ?? "no tests were counted");
  const skipped = Number(details.match(/(\d+) skipped/)?.[1] ?? 0);
  const result = { ...counts({ passed: Number(passed), skipped }), problems: /** @type {string[]} */ ([]) };
  result.failed = Number(total) - result.passed - skipped;
  return problem && result.failed === 0 ? { ...result, failed: 1, problems: [problem] } : result;
}

/** @returns {Step[]} */
function staticSteps() {
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  return [
    { group: "static", title: "types (tsc)", work: () => node(tsc, "-p", "tsconfig.json") },
    { group: "static", title: "types (deno check)", work: () => deno("check") },
    { group: "static", title: "format (deno fmt)", work: () => deno("fmt", "--check") },
    { group: "static", title: "lint (deno lint)", work: () => deno("lint") },
  ];
}

/** @returns {Step[]} */
function zigSteps() {
  return [
    { group: "zig", title: "format (zig fmt)", work: () => zig("fmt", "--check", "build.zig", "src") },
    { group: "zig", title: "committed cores (cores check)", work: () => node("scripts/cores.mjs", "check") },
    { group: "zig", title: "kernel constants (abi check)", work: () => deno("run", "-A", "scripts/abi_check.ts") },
    { group: "zig", title: "Zig unit tests", work: zigTests },
  ];
}

/** @param {string[]} filters @returns {Step[]} */
function runtimeSteps(filters) {
  return RUNTIMES.map((name) => ({ group: name, title: `tests in ${name}`, work: () => runSuite(name, filters) }));
}

/** @param {string[]} groups @param {string[]} filters @returns {Step[]} */
function stepsOf(groups, filters) {
  const runtimes = runtimeSteps(filters).filter(({ group }) => groups.includes(group));
  return [
    ...[...staticSteps(), ...zigSteps()].filter(({ group }) => groups.includes(group)),
    // Node runs what tests start as a child process from dist/.
    ...runtimes.length > 0 ? [{ group: "build", title: "build of dist/", work: () => node("scripts/build.mjs") }] : [],
    ...runtimes,
  ];
}

/** @param {Step} step */
async function runStep({ title, work }) {
  console.log(`\n=== ${title}`);
  const started = performance.now();
  const result = await work().catch((error) => failed(error instanceof Error ? error.message : String(error)));
  const seconds = (performance.now() - started) / 1000;
  for (const problem of result.problems) console.log(`FAILED: ${problem}`);
  console.log(`${countsLine(result)} in ${seconds.toFixed(1)} s`);
  return { title, result, seconds };
}

/** Installs the development dependencies when they are missing or not those of the lock file. */
async function install() {
  const [lock, installed] = ["package-lock.json", "node_modules/.package-lock.json"].map((path) => join(ROOT, path));
  if (!lock || !installed) return;
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log("\n=== npm ci");
  const problem = complaint(await run("npm", ["ci"], { cwd: ROOT, show: true }));
  if (problem) throw new Error(`npm ci: ${problem}`);
}

/** What to run: everything, or what --only names; with a filter the runtimes' tests alone. */
function readCommandLine() {
  const { values, positionals: filters } = parseArgs({ allowPositionals: true, options: { only: { type: "string" } } });
  const groups = values.only?.split(",") ?? (filters.length > 0 ? [...RUNTIMES] : GROUPS);
  const unknown = groups.find((group) => !GROUPS.includes(group));
  if (unknown !== undefined) throw new Error(`--only takes ${GROUPS.join(", ")}, not "${unknown}"`);
  return { groups, filters };
}

async function main() {
  const { groups, filters } = readCommandLine();
  await install();
  const done = [];
  for (const step of stepsOf(groups, filters)) done.push(await runStep(step));

  console.log("\n=== summary");
  for (const { title, result, seconds } of done) {
    console.log(
      `${result.failed > 0 ? "FAILED" : "ok    "} ${seconds.toFixed(1).padStart(7)} s  ${title}: ${countsLine(result)}`,
    );
    for (const problem of result.problems) console.log(`                 ${problem}`);
  }
  const total = sum(done.map(({ result }) => result));
  process.exitCode = total.failed > 0 ? 1 : 0;
  console.log(countsLine(total));
}

try {
  await main();
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
  console.log(countsLine(counts({ failed: 1 })));
  process.exitCode = 1;
}
