import { describe, expect, test } from "vitest";
import { failures, readOrder, type Row, table } from "../../scripts/again.mjs";

function row(run: number, runtime: Row["runtime"], problems: string[] = []): Row {
  return { run, runtime, passed: 10, failed: problems.length, skipped: 2, seconds: 3.14, problems };
}

describe("readOrder()", () => {
  test("asks for 20 runs of everything in each runtime, when nothing else is said", () => {
    expect(readOrder([])).toEqual({
      times: 20,
      minutes: Infinity,
      json: undefined,
      runtimes: ["node", "deno", "bun"],
      filters: [],
    });
  });

  test("takes runtimes first, then filters, a runtime's name among them", () => {
    expect(readOrder(["--times", "3", "bun", "deno", "test/ring", "node", "--minutes", "1.5", "--json", "out"]))
      .toEqual({
        times: 3,
        minutes: 1.5,
        json: "out",
        runtimes: ["deno", "bun"],
        filters: ["test/ring", "node"],
      });
  });

  test.each([
    [["--times", "0"], "--times takes a whole number from 1 on"],
    [["--times", "1.5"], "--times takes a whole number from 1 on"],
    [["--times", "often"], "--times takes a whole number from 1 on"],
    [["--minutes", "-1"], "--minutes"],
    [["--seconds", "3"], "--seconds"],
  ])("refuses %j", (args, message) => {
    expect(() => readOrder(args)).toThrow(message);
  });
});

test("table() has a line for each run, and below it the name of each failing test", () => {
  expect(table([row(1, "node"), row(1, "bun", ["a.test.ts: one", "b.test.ts: two"])]).split("\n")).toEqual([
    " run runtime passed failed skipped seconds",
    "   1    node     10      0       2     3.1",
    "   1     bun     10      2       2     3.1",
    "      a.test.ts: one",
    "      b.test.ts: two",
  ]);
});

test("failures() counts how often each test failed, the most frequent first", () => {
  const rows = [row(1, "node", ["one"]), row(1, "bun", ["two"]), row(2, "node"), row(2, "bun", ["two", "one"])];
  expect(failures([...rows, row(3, "deno", ["two"])])).toEqual([
    "3 times (bun 1, bun 2, deno 3): two",
    "2 times (node 1, bun 2): one",
  ]);
});
