import { describe, expect, test } from "vitest";
import { IOSQE, Ring } from "../../mod.ts";
import { catchUncaught, watch } from "../support/failure.ts";
import { Pipe } from "../support/pipe.ts";

const POLLIN = 1;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

describe("nop()", () => {
  test("resolves to 0", async () => {
    await using ring = new Ring();
    expect(await ring.nop()).toBe(0);
    expect(await ring.nop({})).toBe(0);
    expect(await ring.nop({ flags: IOSQE.ASYNC, timeout: 60_000, signal: new AbortController().signal })).toBe(0);
  });
});

describe("a turn", () => {
  test("takes everything that one turn of the event loop asked for into the kernel with one system call", async () => {
    await using ring = new Ring();
    await ring.nop();
    const before = ring.stats;
    const pending = times(64, () => ring.nop());
    expect(ring.stats.inFlight).toBe(64);
    expect(ring.stats.submitted, "nothing goes in before the microtask").toBe(before.submitted);
    expect(await Promise.all(pending)).toEqual(times(64, () => 0));
    const after = ring.stats;
    expect(after.enters - before.enters).toBe(1);
    expect(after.submitted - before.submitted).toBe(64);
    expect(after.completed - before.completed).toBe(64);
    expect(after.turns).toBeGreaterThan(before.turns);
    expect(after.inFlight).toBe(0);
  });

  test("calls all that waited for its end, though one of them throws", async () => {
    await using ring = new Ring();
    const uncaught = catchUncaught();
    let called = false;
    ring.afterTurn(() => {
      throw new Error("on purpose");
    });
    ring.afterTurn(() => called = true);
    expect((await uncaught).message).toBe("on purpose");
    expect(called).toBe(true);
    expect(await ring.nop()).toBe(0);
  });

  test("takes what continuations asked for", async () => {
    await using ring = new Ring();
    const { submitted } = ring.stats;
    for (let i = 0; i < 1000; i++) await ring.nop();
    expect(ring.stats.submitted - submitted).toBe(1000);
  });

  test("completes 100,000 operations that were asked for at once", async () => {
    await using ring = new Ring();
    const results = await Promise.all(times(100_000, () => ring.nop()));
    expect(results.length).toBe(100_000);
    expect(results.every((result) => result === 0)).toBe(true);
    expect(ring.stats.submitted).toBe(100_000);
    expect(ring.stats.completed).toBe(100_000);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("takes any number of operations through a queue of one entry", async () => {
    await using ring = new Ring({ entries: 1 });
    expect(ring.entries).toBe(1);
    const settled: number[] = [];
    await Promise.all(times(50, (index) => ring.nop().then(() => settled.push(index))));
    expect(settled).toEqual(times(50, (index) => index));
    expect(await ring.timeout(1)).toBe(0);
    expect(ring.stats.completed).toBe(51);
  });

  test("delivers completions that found the completion queue full", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 4 });
    using pipe = new Pipe();
    const polls = times(12, () => ring.pollAdd(pipe.readEnd, POLLIN));
    ring.submitAndWait(0);
    expect(ring.stats).toMatchObject({ submitted: 12, inFlight: 12, overflows: 0 });
    pipe.write("x");
    const results = await Promise.all(polls);
    expect(results.every((events) => (events & POLLIN) !== 0)).toBe(true);
    expect(ring.stats.overflows).toBeGreaterThan(0);
    expect(ring.stats.completed).toBe(12);
  });

  test("goes on when continuations throw", async () => {
    await using ring = new Ring();
    const outcomes = await Promise.allSettled(times(300, (index) =>
      ring.nop().then(() => {
        if (index % 3 === 0) throw new Error(`on purpose ${index}`);
        return ring.nop();
      })));
    expect(outcomes.filter(({ status }) => status === "rejected").length).toBe(100);
    expect(await ring.timeout(0.1)).toBe(0);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("lets timers have their turn while continuations keep asking for more", async () => {
    await using ring = new Ring();
    let fired = false;
    setTimeout(() => fired = true, 1);
    while (!fired) await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });

  test("sleeps until something completes, and counts the wake-up", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLLIN);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const { enters, wakeups } = ring.stats;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ring.stats, "it does not spin while it waits").toMatchObject({ enters, wakeups });
    pipe.write("x");
    await poll;
    expect(ring.stats.wakeups).toBeGreaterThan(wakeups);
  });
});

describe("two rings", () => {
  test("count their own operations, and wake up for their own", async () => {
    await using one = new Ring();
    await using other = new Ring({ entries: 8 });
    expect(one.fd).not.toBe(other.fd);
    using pipe = new Pipe();
    const buffer = new Uint8Array(8);
    const read = one.read(pipe.readEnd, buffer);
    await one.nop();
    expect(await other.write(pipe.writeEnd, new TextEncoder().encode("hello"))).toBe(5);
    expect(await read).toBe(5);
    expect(one.stats.submitted).toBe(2);
    expect(other.stats.submitted).toBe(1);
  });
});

describe("submitAndWait()", () => {
  test("gives how many completed; their promises settle after the current code", async () => {
    await using ring = new Ring();
    const outcomes = times(3, () => watch(ring.nop()));
    expect(ring.submitAndWait(3)).toBe(3);
    expect(ring.stats).toMatchObject({ submitted: 3, completed: 3, inFlight: 0, enters: 1 });
    expect(outcomes.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    await Promise.resolve();
    expect(outcomes.map(({ value }) => value)).toEqual([0, 0, 0]);
  });

  test("submits and does not wait for a count of 0", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLLIN);
    expect(ring.submitAndWait(0)).toBe(0);
    expect(ring.stats).toMatchObject({ submitted: 1, inFlight: 1 });
    pipe.write("x");
    expect(await poll & POLLIN).toBe(POLLIN);
  });

  test("blocks until so many have completed", async () => {
    await using ring = new Ring();
    const order: string[] = [];
    const slow = ring.timeout(20).then(() => order.push("slow"));
    const fast = ring.timeout(5).then(() => order.push("fast"));
    expect(ring.submitAndWait(1)).toBe(1);
    expect(ring.submitAndWait(1)).toBe(1);
    expect(ring.stats.inFlight).toBe(0);
    await Promise.all([slow, fast]);
    expect(order).toEqual(["fast", "slow"]);
  });

  test("ends at its timeout, and leaves what is in flight as it is", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4));
    const start = performance.now();
    expect(ring.submitAndWait(1, { timeout: 20 })).toBe(0);
    expect(performance.now() - start).toBeGreaterThan(19);
    expect(ring.submitAndWait(1, { timeout: 0 })).toBe(0);
    expect(ring.stats.inFlight).toBe(1);
    pipe.write("ok");
    expect(ring.submitAndWait(1, { timeout: 60_000 })).toBe(1);
    expect(await read).toBe(2);
  });

  test("counts what had completed before its timeout", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4));
    const nop = ring.nop();
    expect(ring.submitAndWait(2, { timeout: 1 })).toBe(1);
    expect(await nop).toBe(0);
    pipe.write("ok");
    expect(await read).toBe(2);
  });

  test("waits for more than the completion queue holds", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 4 });
    using pipe = new Pipe();
    const polls = times(20, () => ring.pollAdd(pipe.readEnd, POLLIN));
    ring.submitAndWait(0);
    pipe.write("x");
    expect(ring.submitAndWait(20)).toBe(20);
    expect((await Promise.all(polls)).length).toBe(20);
  });

  test("works while nothing but it runs the ring, and leaves the ring as usable as before", async () => {
    await using ring = new Ring();
    for (let i = 0; i < 20; i++) {
      const pending = times(10, () => ring.nop());
      expect(ring.submitAndWait(10)).toBe(10);
      await Promise.all(pending);
      expect(await ring.nop()).toBe(0);
    }
    expect(await ring.timeout(1)).toBe(0);
  });
});
