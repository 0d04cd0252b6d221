import { describe, expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** `npm run soak -- --full` makes a million. */
const WAKEUPS = TIME_SCALE > 1 ? 2_000 : 30_000;
/** Growth that is noise: a heap's next size step. */
const SLACK_MIB = 24;

describe("waking up", () => {
  test.each([
    ["", []],
    [", nor with a waker that interrupts the event loop", ["urgent"]],
  ])(`${WAKEUPS} times under forced garbage collection loses none%s, and memory stays`, async (_, how) => {
    const ended = await runChild("wakeups", [String(WAKEUPS), ...how], { exposeGc: true, limitMs: 120_000 });
    expect({ code: ended.code, signal: ended.signal }, ended.stderr).toEqual({ code: 0, signal: null });
    const { wakeups, submitted, completed, inFlight, startMiB, endMiB } = JSON.parse(ended.stdout);
    expect(wakeups).toBeGreaterThanOrEqual(WAKEUPS);
    expect({ completed, inFlight }).toEqual({ completed: submitted, inFlight: 0 });
    expect(endMiB).toBeLessThan(startMiB + SLACK_MIB);
  }, 120_000 * TIME_SCALE);
});
