// What scripts/kernels.mjs runs inside a virtual machine: the demo, then the tests in each runtime. Every result is a
// line of its own on standard output, at once, so that a machine that breaks down later takes none of them along.
import { join } from "node:path";
import process from "node:process";
import { counts } from "./counts.mjs";
import { complaint, run } from "./processes.mjs";
import { ROOT, RUNTIMES } from "./runtimes.mjs";
import { runSuite } from "./suite.mjs";

export const RESULT_MARK = "RESULT ";
export const DEMO = "demo";

/**
 * @typedef {{ step: string, seconds: number } & import("./suite.mjs").SuiteResult} GuestResult
 */

/** @returns {Promise<import("./suite.mjs").SuiteResult>} */
async function runDemo() {
  const outcome = await run(process.execPath, [join("dist", "src", "cli", "main.js"), "demo", "ffi"], {
    cwd: ROOT,
    show: true,
  });
  const problem = complaint(outcome);
  return { ...counts(problem ? { failed: 1 } : { passed: 1 }), problems: problem ? [`demo: ${problem}`] : [] };
}

/** @param {string} step @param {Promise<import("./suite.mjs").SuiteResult>} work */
async function report(step, work) {
  const started = performance.now();
  const result = await work;
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(RESULT_MARK + JSON.stringify({ step, seconds, ...result }));
}

/** @param {string[]} args the steps, "--", filters of test files */
async function main(args) {
  const separator = args.indexOf("--");
  const steps = args.slice(0, separator), filters = args.slice(separator + 1);
  if (steps.includes(DEMO)) await report(DEMO, runDemo());
  for (const name of RUNTIMES.filter((each) => steps.includes(each))) {
    await report(name, runSuite(name, filters, { timeoutMs: 3_600_000, together: true }));
  }
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
