import { expect, test } from "vitest";
import { nextAction } from "../soak/plan.ts";
import { runChild } from "../support/child.ts";
import { hasStreams } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Each must have had at least so many turns in that time. */
const TURNS = {
  files: 4,
  openings: 1,
  sockets: 1,
  zeroCopy: 1,
  timers: 4,
  waits: 4,
  rings: 2,
  calls: 2,
  transfers: 2,
  workers: 1,
};
const MILLISECONDS = 4000;

test.skipIf(!hasStreams)(
  "everything at once, under forced collections and with faults: every byte right, nothing lost, nothing left",
  async () => {
    const time = MILLISECONDS * Math.sqrt(TIME_SCALE);
    const { code, signal, stdout, stderr } = await runChild("mixed", ["7", String(time)], {
      exposeGc: true,
      limitMs: 60_000,
    });
    // Deno tells on standard error of workers that threw on purpose.
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    const counts = JSON.parse(stdout) as Record<string, number>;
    expect(counts["submitted"]).toBe(counts["completed"]);
    expect(counts["submitted"]).toBeGreaterThan(1000);
    for (const [what, least] of Object.entries(TURNS)) {
      expect(counts[what], what).toBeGreaterThanOrEqual(TIME_SCALE > 1 ? 1 : least);
    }
    expect(counts["struck"], "faults that the workload recovered from").toBeGreaterThan(10);
    expect(counts["collections"]).toBeGreaterThan(3);
  },
  120_000 * TIME_SCALE,
);

test("a seed gives the same plan each time, whatever came of the turns before; another seed another one", () => {
  const names = ["read", "write", "close", "chain"];
  const plan = (seed: number, task: number) =>
    Array.from({ length: 50 }, (_, turn) => {
      const { name, random } = nextAction(seed, task, turn, names);
      return `${name} ${random.next()}`;
    });
  expect(plan(7, 2)).toEqual(plan(7, 2));
  expect(plan(7, 2)).not.toEqual(plan(8, 2));
  expect(plan(7, 2)).not.toEqual(plan(7, 3));
  expect(new Set(plan(7, 2)).size).toBe(50);
  expect(names.filter((name) => !plan(7, 2).some((action) => action.startsWith(name)))).toEqual([]);
});
