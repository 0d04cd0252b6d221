// The tests of test/ in one runtime, as vitest runs them there: a process a file, or one for all.
//
//   node scripts/suite.mjs RUNTIME [--together] [FILTER...]    prints a line of JSON counts last
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { counts, sum } from "./counts.mjs";
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
  // Certificates make Node's start three times as long, and no test leaves this machine.
  NODE_EXTRA_CA_CERTS: undefined,
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
 * Which of the files a run left aside: where one process runs them all, its death takes along those after.
 * @param {SuiteEvent[]} events
 * @param {string[]} files
 */
export function notBegun(events, files) {
  const begun = new Set(ofKind(events, "module").map(({ file }) => file));
  return files.filter((file) => !begun.has(file));
}

/**
 * @typedef {object} SuiteOptions
 * @property {number} [timeoutMs]
 * @property {boolean} [show] false: vitest's own output only where something failed
 * @property {boolean} [together] all files in one process, which saves most of the time where processes start slowly;
 *   after a crash another one goes on with the next file
 */

/**
 * Runs the test files in one runtime, showing vitest's own output.
 * @param {import("./runtimes.mjs").RuntimeName} name
 * @param {string[]} filters
 * @param {SuiteOptions} [options]
 * @returns {Promise<SuiteResult>}
 */
export async function runSuite(name, filters, { timeoutMs = 1_800_000, show = true, together = false } = {}) {
  const path = runtimePath(name);
  if (!path) return failure(`${name} is neither in node_modules nor on PATH: run npm ci`);
  let files = testFiles(filters);
  if (files.length === 0) return failure(`no test file's path contains ${filters.join(" or ")}`);
  const deadline = performance.now() + timeoutMs;
  /** @type {SuiteResult[]} */
  const parts = [];
  while (files.length > 0) {
    const run = { files, together, show, timeoutMs: deadline - performance.now() };
    const { events, problem } = await runFiles(name, path, run);
    const left = together ? notBegun(events, files) : [];
    // Where not even one began, or the time is over, they count as files that did not run.
    const goesOn = left.length < files.length && performance.now() < deadline;
    const ran = goesOn ? files.filter((file) => !left.includes(file)) : files;
    parts.push(withExit(evaluate(events, ran), problem));
    files = goesOn ? left : [];
  }
  return { ...sum(parts), problems: parts.flatMap(({ problems }) => problems) };
}

/**
 * @param {import("./runtimes.mjs").RuntimeName} name
 * @param {string} path the runtime's
 * @param {Required<SuiteOptions> & { files: string[] }} how
 */
async function runFiles(name, path, { files, together, show, timeoutMs }) {
  const folder = mkdtempSync(join(tmpdir(), "uring-suite-"));
  try {
    const log = join(folder, "events");
    const [command, args] = commandFor(name, path, VITEST, [
      "run",
      ...together ? ["--no-isolate"] : [],
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
    const problem = complaint(outcome);
    if (!show && problem !== undefined) console.log(outcome.output);
    return { events: readEvents(log), problem };
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
  const [name, ...rest] = process.argv.slice(2);
  const known = RUNTIMES.find((each) => each === name);
  if (!known) throw new Error(`the first argument is one of ${RUNTIMES.join(", ")}`);
  const filters = rest.filter((word) => word !== "--together");
  const result = await runSuite(known, filters, { together: filters.length < rest.length });
  console.log(JSON.stringify(result));
  process.exitCode = result.failed > 0 ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) await main();
