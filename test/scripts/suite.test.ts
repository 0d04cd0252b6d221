import { expect, test } from "vitest";
import { evaluate, notBegun } from "../../scripts/suite.mjs";
import type { SuiteEvent } from "../../scripts/suite_reporter.mjs";

const FILE = "test/some.test.ts";

/** The events of a file whose cases ended in the given states. */
function fileEvents(states: string[]): SuiteEvent[] {
  const cases = states.map((state, i) => ({ event: "case", file: FILE, name: `case ${i}`, state }) as const);
  return [{ event: "module", file: FILE }, ...cases, { event: "moduleEnd", file: FILE, errors: [] }];
}

const END: SuiteEvent = { event: "end", errors: [] };

test("evaluate() counts passed, failed and skipped tests and names the failed ones", () => {
  expect(evaluate([...fileEvents(["passed", "failed", "skipped", "passed"]), END], [FILE])).toEqual({
    passed: 2,
    failed: 1,
    skipped: 1,
    problems: [`${FILE}: case 1`],
  });
});

test("evaluate() counts a file that did not run as a failure", () => {
  expect(evaluate([END], [FILE]).problems).toEqual([`${FILE} did not run`]);
});

test("evaluate() counts a file whose process died as a failure", () => {
  const events = fileEvents(["passed"]).slice(0, 2);
  const lostWorker = "[vitest-pool]: Worker forks emitted error.";
  expect(evaluate([...events, { event: "end", errors: [lostWorker] }], [FILE])).toEqual({
    passed: 1,
    failed: 1,
    skipped: 0,
    problems: [`${FILE}: its process died, after "case 0"`],
  });
});

test("evaluate() counts a process that died after its last test as a failure", () => {
  const events: SuiteEvent[] = [
    ...fileEvents(["passed"]),
    { event: "end", errors: ["[vitest-pool]: Worker exited."] },
  ];
  expect(evaluate(events, [FILE]).failed).toBe(1);
});

test("evaluate() says which file stood still", () => {
  const events: SuiteEvent[] = [{ event: "module", file: FILE }, { event: "stalled", file: FILE, seconds: 9 }, END];
  expect(evaluate(events, [FILE]).problems).toEqual([
    `${FILE}: its process gave no sign of life for 9 s and was ended`,
  ]);
});

test("evaluate() counts errors outside of tests, in a file and in the run", () => {
  const events: SuiteEvent[] = [
    { event: "module", file: FILE },
    { event: "moduleEnd", file: FILE, errors: ["cannot be imported"] },
    { event: "end", errors: ["nobody caught this"] },
  ];
  expect(evaluate(events, [FILE]).problems).toEqual([
    `${FILE}: cannot be imported`,
    "outside a test: nobody caught this",
  ]);
});

test("evaluate() counts a run without an end as a failure", () => {
  expect(evaluate(fileEvents(["passed"]), [FILE]).problems).toEqual(["the test run did not come to its end"]);
});

test("notBegun() tells which files a process that died took along, and not the one that it died in", () => {
  const events = fileEvents(["passed"]).slice(0, 2);
  expect(notBegun(events, ["test/before.test.ts", FILE, "test/after.test.ts"])).toEqual([
    "test/before.test.ts",
    "test/after.test.ts",
  ]);
});
