import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const WORKERS = TIME_SCALE > 1 ? 3 : 20;

test(
  "a pool's memory that a worker gave away with reads in flight outlives it, and goes with its last holder",
  async () => {
    const { code, signal, stdout, stderr } = await runChild("moved_pool", [String(WORKERS)], { exposeGc: true });
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    const { count, given, left } = JSON.parse(stdout);
    expect(count).toBe(WORKERS);
    expect([0, count]).toContain(given);
    // A collector that searches the stack may find one there still.
    expect(left).toBeLessThanOrEqual(1);
  },
  60_000 * TIME_SCALE,
);
