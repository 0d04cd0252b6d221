import { describe, expect, test } from "vitest";
import { POLL, Ring, type RingOptions, UnsupportedError, UringError } from "../../mod.ts";
import { runChild } from "../support/child.ts";
import { failure, thrown } from "../support/failure.ts";
import { hasFeature } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** A ring with options, or undefined where this kernel lacks them and says so. */
function open(options: RingOptions): Ring | undefined {
  try {
    return new Ring(options);
  } catch (error) {
    expect(error).toBeInstanceOf(UnsupportedError);
    expect((error as Error).message).toMatch(/needs Linux/);
    return undefined;
  }
}

const now = () => performance.now();

describe.each([{}, { waitRegion: true }, { sqpoll: { idle: 5 } }])("waiting on a ring with %o", (options) => {
  test("ends at its timeout", async () => {
    await using ring = open(options);
    if (ring === undefined) return;
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    for (const timeout of [5, 0.5, 0]) {
      const start = now();
      expect(ring.submitAndWait(1, { timeout })).toBe(0);
      expect(now() - start).toBeGreaterThanOrEqual(timeout);
    }
    pipe.write("x");
    expect(ring.submitAndWait(1, { timeout: 60_000 })).toBe(1);
    expect(await poll & POLL.IN).toBe(POLL.IN);
  });

  test("ends at its deadline, and at once when that is past", async () => {
    await using ring = open(options);
    if (ring === undefined) return;
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    const deadline = now() + 10;
    expect(ring.submitAndWait(1, { deadline })).toBe(0);
    expect(now()).toBeGreaterThanOrEqual(deadline);
    const start = now();
    expect(ring.submitAndWait(1, { deadline })).toBe(0);
    expect(ring.submitAndWait(1, { deadline: 0 })).toBe(0);
    expect(now() - start).toBeLessThan(1000 * TIME_SCALE);
    pipe.write("x");
    expect(ring.submitAndWait(1, { deadline: now() + 60_000 })).toBe(1);
    expect(await poll & POLL.IN).toBe(POLL.IN);
  });

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("with minWait gathers for that long, then takes what there is", async () => {
    await using ring = open(options);
    if (ring === undefined) return;
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    const nops = [ring.nop(), ring.nop()];
    const start = now();
    expect(ring.submitAndWait(3, { minWait: 20, timeout: 60_000 })).toBe(2);
    expect(now() - start).toBeGreaterThanOrEqual(20);
    expect(now() - start).toBeLessThan(20_000);
    expect(await Promise.all(nops)).toEqual([0, 0]);
    pipe.write("x");
    expect(ring.submitAndWait(1, { minWait: 60_000 }), "all that was asked for ends it at once").toBe(1);
    expect(await poll & POLL.IN).toBe(POLL.IN);
    expect(now() - start).toBeLessThan(20_000);
  });

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("with minWait and nothing there ends at its timeout", async () => {
    await using ring = open(options);
    if (ring === undefined) return;
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    for (const limitFrom of [() => ({ timeout: 10 }), (start: number) => ({ deadline: start + 20 })]) {
      const start = now();
      const limit = limitFrom(start);
      expect(ring.submitAndWait(1, { minWait: 1, ...limit })).toBe(0);
      expect(now() - start).toBeGreaterThanOrEqual(1);
      expect(now() - start).toBeLessThan(20_000);
    }
    pipe.write("x");
    await poll;
  });
});

describe("limits of a wait that can't be", () => {
  const REFUSED: [unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    [{ timeout: 1, deadline: 1 }, TypeError, /timeout and deadline exclude each other/],
    [{ deadline: 5n }, TypeError, /deadline must be a number of milliseconds, not 5n/],
    [{ deadline: -1 }, RangeError, /deadline must be from 0/],
    [{ deadline: NaN }, RangeError, /deadline must be from 0/],
    [{ minWait: -1 }, RangeError, /minWait must be from 0/],
    [{ minWait: "1" }, TypeError, /minWait must be a number of milliseconds/],
    [{ minWait: 4294968 }, RangeError, /minWait must be at most 4294967/],
    [{ timeout: -1 }, RangeError, /timeout must be from 0/],
  ];
  test.each(REFUSED)("%o", async (limits, type, message) => {
    await using ring = new Ring({ entries: 2 });
    const nop = ring.nop();
    expect(thrown(() => ring.submitAndWait(1, limits as never), type).message).toMatch(message);
    expect(await nop).toBe(0);
  });

  test.skipIf(hasFeature("MIN_TIMEOUT"))("minWait where the kernel has none", async () => {
    await using ring = new Ring({ entries: 2 });
    const error = thrown(() => ring.submitAndWait(0, { minWait: 1 }), UnsupportedError);
    expect(error.message).toMatch(/minWait.*needs Linux 6.12/);
  });
});

test("limits and sizes are read once, so what was checked is what is done", async () => {
  await using ring = new Ring({ entries: 4, ...(CAN_RESIZE && RESIZABLE) });
  using pipe = new Pipe();
  const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
  /** Good when it is looked at first, and never again. */
  const once = <T>(value: T) => {
    let reads = 0;
    return () => ++reads === 1 ? value : NaN as T;
  };
  const [timeout, deadline, entries] = [once(1), once(now() + 1), once(8)];
  expect(ring.submitAndWait(1, {
    get timeout() {
      return timeout();
    },
  })).toBe(0);
  expect(ring.submitAndWait(1, {
    get deadline() {
      return deadline();
    },
  })).toBe(0);
  if (CAN_RESIZE) {
    ring.resize({
      get entries() {
        return entries();
      },
    });
    expect(ring.entries).toBe(8);
  }
  // Heard of by itself: no wait has left the waker as it was amid a turn.
  pipe.write("x");
  expect(await poll & POLL.IN).toBe(POLL.IN);
});

test("time limits are no operations that are waited for", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  const nop = ring.nop({ timeout: 60_000 });
  const read = ring.read(pipe.readEnd, new Uint8Array(4));
  expect(ring.stats.inFlight).toBe(2);
  expect(thrown(() => ring.submitAndWait(3), RangeError).message).toMatch(/^count 3 is more than the 2 operations/);
  expect(ring.submitAndWait(2, { timeout: 1 })).toBe(1);
  pipe.write("x");
  expect(ring.submitAndWait(1)).toBe(1);
  expect([await nop, await read]).toEqual([0, 1]);
});

test.each([["splice", false], ["tee", true]])(
  "a time limit of %s() ends it though the thread is kept waiting",
  async (_, tees) => {
    await using ring = new Ring();
    using from = new Pipe();
    using to = new Pipe();
    const limit = { timeout: 5 };
    const moved = tees
      ? ring.tee(from.readEnd, to.writeEnd, 8, 0, limit)
      : ring.splice(from.readEnd, "current", to.writeEnd, "current", 8, 0, limit);
    const ended = failure(moved, UringError);
    expect(ring.submitAndWait(1)).toBe(1);
    expect((await ended).code).toBe("ETIME");
  },
);

test("a worker that waits without a limit can be terminated, and the process ends", async () => {
  expect(await runChild("wait_terminated", [])).toEqual({ code: 0, signal: null, stdout: "terminated\n", stderr: "" });
});
