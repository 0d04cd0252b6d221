// The tests of test/ in one runtime, as vitest runs them there: a process a file.
//
//   node scripts/suite.mjs RUNTIME [FILTER...]    prints a line of JSON counts last
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { counts } from "./counts.mjs";
import { complaint, run } from "./processes.mjs";
import { commandFor, ROOT, runtimePath, RUNTIMES } from "./runtimes.mjs";

const VITEST = join(ROOT, "node_modules", "vitest", "vitest.mjs");
const REPORTER = join(ROOT, "scripts", "suite_reporter.mjs");

/** What every test process finds in its environment, and the programs that it starts. */
const TEST_ENVIRONMENT = {
  // Pages around pool memory that nobody may touch: a byte beyond is a crash, or an EFAULT.
  URING_GUARD: "1",
  // Half a second after its start Deno would look for a newer one, and tests count descriptors.
  DENO_NO_UPDATE_CHECK: "1",
};

/** @typedef {import("./suite_reporter.mjs").SuiteEvent} SuiteEvent */
/** @typedef {import("./counts.mjs").Counts & { problems: string[] }} SuiteResult problems: a line for each failure */

/**
 * The test files whose path contains one of the filters; all of them without a filter.
 * @param {string[]} filters
 */
export function testFiles(filters) {
  return readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => `test/${path}`)
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

/** @param {string} log @returns {SuiteEvent[]} */
function readEvents(log) {
  if (!existsSync(log)) return [];
  return readFileSync(log, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/**
 * Counts what the reporter wrote. A file that did not come to its end, or was never begun, is a failure of its own.
 * @param {SuiteEvent[]} events
 * @param {string[]} files the files that were to run
 * @returns {SuiteResult}
 */
export function evaluate(events, files) {
  const cases = ofKind(events, "case");
  const passed = cases.filter(({ state }) => state === "passed").length;
  const failedCases = cases.filter(({ state }) => state === "failed");
  const lost = unfinished(events, files);
  const problems = [
    ...failedCases.map(({ file, name }) => `${file}: ${name}`),
    ...ofKind(events, "moduleEnd").filter(({ errors }) => errors.length > 0)
      .map(({ file, errors }) => `${file}: ${errors.join("; ")}`),
    ...lost,
  ];
  const end = ofKind(events, "end").at(-1);
  if (!end) problems.push("the test run did not come to its end");
  for (const message of end?.errors ?? []) {
    // The death of a file's process is told already, unless it came after the file's last test.
    if (!/^\[vitest-pool\]/.test(message) || lost.length === 0) problems.push(`outside a test: ${message}`);
  }
  return { passed, failed: problems.length, skipped: cases.length - passed - failedCases.length, problems };
}

/** @template {SuiteEvent["event"]} K @param {SuiteEvent[]} events @param {K} kind */
function ofKind(events, kind) {
  return /** @type {Extract<SuiteEvent, { event: K }>[]} */ (events.filter(({ event }) => event === kind));
}

/** The files without an end, and why. @param {SuiteEvent[]} events @param {string[]} files @returns {string[]} */
function unfinished(events, files) {
  const begun = new Set(ofKind(events, "module").map(({ file }) => file));
  const ended = new Set(ofKind(events, "moduleEnd").map(({ file }) => file));
  return files.filter((file) => !ended.has(file)).map((file) => {
    if (!begun.has(file)) return `${file} did not run`;
    const stall = ofKind(events, "stalled").find((event) => event.file === file);
    const last = ofKind(events, "case").findLast((event) => event.file === file);
    const end = stall ? `gave no sign of life for ${stall.seconds} s and was ended` : "died";
    return `${file}: its process ${end}${last ? `, after "${last.name}"` : ""}`;
  });
}

/**
 * Runs the test files in one runtime, showing vitest's own output.
 * @param {import("./runtimes.mjs").RuntimeName} name
 * @param {string[]} filters
 * @param {{ timeoutMs?: number, show?: boolean }} [options] show: false: its output only where something failed
 * @returns {Promise<SuiteResult>}
 */
export async function runSuite(name, filters, { timeoutMs = 1_800_000, show = true } = {}) {
  const path = runtimePath(name);
  if (!path) return failure(`${name} is neither in node_modules nor on PATH: run npm ci`);
  const files = testFiles(filters);
  if (files.length === 0) return failure(`no test file's path contains ${filters.join(" or ")}`);
  const folder = mkdtempSync(join(tmpdir(), "uring-suite-"));
  try {
    const log = join(folder, "events");
    const [command, args] = commandFor(name, path, VITEST, [
      "run",
      "--reporter=default",
      `--reporter=${REPORTER}`,
      ...files,
    ]);
    const outcome = await run(command, args, {
      cwd: ROOT,
      env: { ...TEST_ENVIRONMENT, URING_SUITE_LOG: log, URING_EXPECT_RUNTIME: name },
      timeoutMs,
      show,
    });
    const result = withExit(evaluate(readEvents(log), files), complaint(outcome));
    if (!show && result.failed > 0) console.log(outcome.output);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} problem @returns {SuiteResult} */
function failure(problem) {
  return { ...counts({ failed: 1 }), problems: [problem] };
}

/** A bad exit is a failure even if every test passed. @param {SuiteResult} result @param {string | undefined} problem */
function withExit(result, problem) {
  if (!problem || result.failed > 0) return result;
  return { ...result, failed: 1, problems: [`vitest: ${problem}`] };
}

async function main() {
  const [name, ...filters] = process.argv.slice(2);
  const known = RUNTIMES.find((each) => each === name);
  if (!known) throw new Error(`the first argument is one of ${RUNTIMES.join(", ")}`);
  const result = await runSuite(known, filters);
  console.log(JSON.stringify(result));
  process.exitCode = result.failed > 0 ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) await main();
