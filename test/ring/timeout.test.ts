import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { IOSQE, Ring, UringError } from "../../mod.ts";
import { failure, watch } from "../support/failure.ts";
import { Pipe } from "../support/pipe.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Longer than any test takes. */
const NEVER = 3_600_000;

function milliseconds(from: number): number {
  return performance.now() - from;
}

/** Milliseconds since the machine was started, suspends included. */
function sinceBoot(): number {
  return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
}

describe("timeout()", () => {
  test("resolves to 0, and not before its time", async () => {
    await using ring = new Ring();
    const start = performance.now();
    expect(await ring.timeout(15)).toBe(0);
    expect(milliseconds(start)).toBeGreaterThan(14.9);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("takes 0, fractions of a millisecond, and times of years", async () => {
    await using ring = new Ring();
    expect(await ring.timeout(0)).toBe(0);
    const start = performance.now();
    expect(await ring.timeout(1.5)).toBe(0);
    expect(milliseconds(start)).toBeGreaterThan(1.49);
    const years = [Number.MAX_SAFE_INTEGER, 1e12].map((ms) => ring.timeout(ms));
    expect(await Promise.all(years.map((timeout) => ring.timeoutRemove(timeout)))).toEqual([1, 1]);
    for (const timeout of years) expect(await failure(timeout, UringError)).toMatchObject({ code: "ECANCELED" });
  });

  test("ends in the order of times, not in that of calls", async () => {
    await using ring = new Ring();
    const order: number[] = [];
    await Promise.all([30, 10, 20, 0].map((ms) => ring.timeout(ms * TIME_SCALE).then(() => order.push(ms))));
    expect(order).toEqual([0, 10, 20, 30]);
  });

  test("ends when so many other completions have come", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(NEVER, { count: 2 });
    const outcome = watch(timeout);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    await ring.nop();
    expect(await timeout).toBe(0);
  });

  test("does not wait for its count when its time comes first", async () => {
    await using ring = new Ring();
    expect(await ring.timeout(1, { count: 100 })).toBe(0);
  });

  test("takes a moment of the monotonic clock for its end", async () => {
    await using ring = new Ring();
    // Any machine has been up for a second; as a span that would end last.
    const order: string[] = [];
    await Promise.all([
      ring.timeout(50).then(() => order.push("span")),
      ring.timeout(1000, { absolute: true }).then(() => order.push("moment")),
      ring.timeout(1000, { absolute: true, clock: "monotonic" }).then(() => order.push("moment")),
    ]);
    expect(order).toEqual(["moment", "moment", "span"]);
    const future = watch(ring.timeout(NEVER + sinceBoot(), { absolute: true }));
    await ring.timeout(5);
    expect(future.state).toBe("pending");
    await ring.cancel("all");
  });

  test.each(["boottime", "realtime"] as const)("takes a moment of the %s clock for its end", async (clock) => {
    await using ring = new Ring();
    const clockNow = clock === "realtime" ? Date.now : sinceBoot;
    const end = clockNow() + 30;
    expect(await ring.timeout(end, { absolute: true, clock })).toBe(0);
    expect(clockNow(), "/proc/uptime has hundredths").toBeGreaterThan(end - 10);
    expect(await ring.timeout(clockNow() - 100, { absolute: true, clock })).toBe(0);
  });

  test("keeps clocks apart: a date is far in the monotonic clock's future", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(Date.now(), { absolute: true });
    const outcome = watch(timeout);
    expect(await ring.timeout(Date.now(), { absolute: true, clock: "realtime" })).toBe(0);
    await ring.timeout(5);
    expect(outcome.state).toBe("pending");
    expect(await ring.timeoutRemove(timeout)).toBe(1);
    await failure(timeout, UringError);
  });

  test.each(["monotonic", "boottime", "realtime"] as const)("takes a span on the %s clock", async (clock) => {
    await using ring = new Ring();
    const start = performance.now();
    expect(await ring.timeout(5, { clock })).toBe(0);
    expect(milliseconds(start)).toBeGreaterThan(4.9);
  });

  test("rejects with ETIME when its own time limit comes first", async () => {
    await using ring = new Ring();
    const error = await failure(ring.timeout(NEVER, { timeout: 5 }), UringError);
    expect(error).toMatchObject({ code: "ETIME", syscall: "timeout" });
    expect(error.message).toMatch("timed out after 5 ms");
    expect(await ring.timeout(1, { timeout: NEVER })).toBe(0);
  });

  test("rejects with its signal's reason", async () => {
    await using ring = new Ring();
    const controller = new AbortController();
    const timeout = ring.timeout(NEVER, { signal: controller.signal });
    await ring.nop();
    controller.abort("enough");
    await expect(timeout).rejects.toBe("enough");
  });

  test("runs thousands at once", async () => {
    await using ring = new Ring();
    const results = await Promise.all(Array.from({ length: 2000 }, (_, i) => ring.timeout(i % 20)));
    expect(results.every((result) => result === 0)).toBe(true);
  });
});

describe("timeoutRemove()", () => {
  test("resolves to 1, and the timeout rejects with ECANCELED", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(NEVER);
    const rejected = failure(timeout, UringError);
    await ring.nop();
    expect(await ring.timeoutRemove(timeout)).toBe(1);
    expect(await rejected).toMatchObject({ code: "ECANCELED", syscall: "timeout" });
    expect(ring.stats.inFlight).toBe(0);
  });

  test("finds a timeout that was asked for in the same turn", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(NEVER);
    const removed = ring.timeoutRemove(timeout);
    expect(await failure(timeout, UringError)).toMatchObject({ code: "ECANCELED" });
    expect(await removed).toBe(1);
  });

  test("resolves to 0 when it had ended, or is no timeout of this ring's", async () => {
    await using ring = new Ring();
    await using other = new Ring();
    const ended = ring.timeout(0);
    await ended;
    const elsewhere = other.timeout(NEVER);
    const settled = failure(elsewhere, UringError);
    expect(await ring.timeoutRemove(ended)).toBe(0);
    expect(await ring.timeoutRemove(elsewhere)).toBe(0);
    expect(await ring.timeoutRemove(Promise.resolve())).toBe(0);
    expect(await other.timeoutRemove(elsewhere)).toBe(1);
    await settled;
  });

  test("finds timeouts alone, no other operations", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4));
    await ring.nop();
    expect(await ring.timeoutRemove(read)).toBe(0);
    expect(await ring.timeoutUpdate(read, 0)).toBe(0);
    pipe.write("x");
    expect(await read).toBe(1);
  });
});

describe("timeoutUpdate()", () => {
  test("ends a timeout earlier, and later", async () => {
    await using ring = new Ring();
    const long = ring.timeout(NEVER);
    const short = ring.timeout(1);
    expect(await Promise.all([ring.timeoutUpdate(long, 2), ring.timeoutUpdate(short, NEVER)])).toEqual([1, 1]);
    const outcome = watch(short);
    expect(await long).toBe(0);
    await ring.timeout(5);
    expect(outcome.state).toBe("pending");
    expect(await ring.timeoutUpdate(short, 0)).toBe(1);
    expect(await short).toBe(0);
  });

  test.each(["monotonic", "boottime", "realtime"] as const)(
    "takes a moment of the timeout's clock: %s",
    async (clock) => {
      await using ring = new Ring();
      const timeout = ring.timeout(NEVER, { clock });
      const clockNow = clock === "realtime" ? Date.now : sinceBoot;
      expect(await ring.timeoutUpdate(timeout, clockNow() + NEVER, { absolute: true })).toBe(1);
      const outcome = watch(timeout);
      await ring.timeout(5);
      expect(outcome.state).toBe("pending");
      expect(await ring.timeoutUpdate(timeout, clockNow() - 1000, { absolute: true })).toBe(1);
      expect(await timeout).toBe(0);
    },
  );

  test("resolves to 0 when the timeout had ended", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(0);
    await timeout;
    expect(await ring.timeoutUpdate(timeout, NEVER)).toBe(0);
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe("the time limit of an operation", () => {
  // Beyond 2^31 − 1 ms a runtime's own timer ends after 1 ms.
  test.each([0x7fffffff - 11, 0x7fffffff - 10, 0x7fffffff - 9.5, 0x7fffffff - 1, 0x7fffffff, 2 ** 32, 2 ** 53 - 1])(
    "may be as long as it likes (%d ms)",
    async (timeout) => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const reads = [0, IOSQE.ASYNC].map((flags) =>
        watch(ring.read(pipe.readEnd, new Uint8Array(4), undefined, { timeout, flags }))
      );
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(reads.map(({ state }) => state)).toEqual(["pending", "pending"]);
      expect(await ring.cancel("all")).toBe(2);
    },
  );
});
