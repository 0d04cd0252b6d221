import { describe, expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** The bar is set for ten seconds; the other kinds of work show the same in less. */
const CASES = [["reads, 128 in flight", "reads", 10], ["one NOP after another", "nop", 3], [
  "sleeps",
  "sleeps",
  3,
]] as const;

describe("a 10 ms interval beside a busy ring fires at least half as often as beside an idle one", () => {
  test.each(CASES)("%s", async (_, kind, seconds) => {
    const { code, stdout, stderr } = await runChild("fairness", [String(seconds), kind, String(10 * TIME_SCALE)]);
    expect(code, stderr).toBe(0);
    const { idle, busy, ops } = JSON.parse(stdout);
    expect(busy).toBeGreaterThanOrEqual(idle / 2);
    expect(ops).toBeGreaterThan(1000);
  }, 60_000 * TIME_SCALE);
});
