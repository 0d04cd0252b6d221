// A vitest reporter: what happens, a line of JSON each, written as it happens into the file that URING_SUITE_LOG names.
// vitest's own JSON comes at the end only, and shows a file whose process died as pending.
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/**
 * @typedef {{ event: "module", file: string }
 *   | { event: "case", file: string, name: string, state: string }
 *   | { event: "moduleEnd", file: string, errors: string[] }
 *   | { event: "stalled", file: string, seconds: number }
 *   | { event: "end", errors: string[] }} SuiteEvent
 */

/** So long without an event is a hang that vitest's own time limits cannot end: JavaScript does not get to run. */
const STALL_SECONDS = Number(process.env["URING_STALL_SECONDS"] ?? 180);

/** Kills the process of the test file that is running: vitest sees it die, and goes on with the next file. */
function killWorker() {
  const children = readdirSync("/proc/self/task")
    .flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, "utf8").split(" "))
    .filter(Boolean);
  for (const pid of children) {
    const isWorker = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/vitest/dist/workers/");
    if (isWorker) process.kill(Number(pid), "SIGKILL");
  }
}

export default class SuiteReporter {
  #log = process.env["URING_SUITE_LOG"] ?? "/dev/null";
  #file = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stall;

  /** @param {SuiteEvent} event */
  #write(event) {
    appendFileSync(this.#log, JSON.stringify(event) + "\n");
    clearTimeout(this.#stall);
    if (event.event === "end" || event.event === "stalled") return;
    this.#stall = setTimeout(() => {
      this.#write({ event: "stalled", file: this.#file, seconds: STALL_SECONDS });
      killWorker();
    }, STALL_SECONDS * 1000);
  }

  /** @param {import("vitest/node").TestModule} module */
  onTestModuleStart(module) {
    this.#file = module.relativeModuleId;
    this.#write({ event: "module", file: module.relativeModuleId });
  }

  /** @param {import("vitest/node").TestCase} test */
  onTestCaseResult(test) {
    for (const error of test.result().errors ?? []) tellSuppressed(error);
    this.#write({
      event: "case",
      file: test.module.relativeModuleId,
      name: test.fullName,
      state: test.result().state,
    });
  }

  /** @param {import("vitest/node").TestModule} module */
  onTestModuleEnd(module) {
    const suites = [...module.children.allSuites()];
    const errors = [module, ...suites].flatMap((each) => each.errors()).map(({ message }) => message);
    this.#write({ event: "moduleEnd", file: module.relativeModuleId, errors });
  }

  /**
   * @param {readonly import("vitest/node").TestModule[]} _modules
   * @param {readonly import("vitest/node").SerializedError[]} errors
   */
  onTestRunEnd(_modules, errors) {
    this.#write({ event: "end", errors: errors.map(({ message }) => message) });
  }
}

/**
 * What failed first, where the end of a `using` failed, too: vitest shows where, but not what.
 * @param {any} error
 */
function tellSuppressed({ error, suppressed }) {
  for (const each of [error, suppressed]) {
    if (each?.stack === undefined) continue;
    console.error(each === error ? "as it ended:" : "before that:", each.stack);
    tellSuppressed(each);
  }
}
