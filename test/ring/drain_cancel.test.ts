import { describe, expect, test } from "vitest";
import { closeSync, openSync } from "node:fs";
import { IOSQE, POLL, Ring, RingClosedError, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { hasSyncCancel } from "../support/kernel.ts";
import { spin } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD, runScript } from "../support/script.ts";

const NEVER = 3_600_000;
const DRAIN = { flags: IOSQE.IO_DRAIN };

/** How promises ended: a value, or an error's name and message. */
async function ends(promises: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((end) => end.status === "fulfilled" ? end.value : end.reason.message);
}

test.skipIf(hasSyncCancel)("IO_DRAIN is refused where an abort would wait behind it", async () => {
  await using ring = new Ring();
  expect(thrown(() => ring.nop(DRAIN), UnsupportedError)).toMatchObject({
    feature: "IO_DRAIN on a Ring",
    needs: "Linux 6.0",
  });
});

// The core tries out how the kernel signals on the first ring that sleeps: that must leave no trace.
test.skipIf(!hasSyncCancel)("IO_DRAIN works on the first ring of a process, and on the next", () => {
  const script = `
    const { IOSQE, Ring } = await import(${JSON.stringify(MOD)});
    const rings = [Ring.default(), new Ring()];
    console.log(JSON.stringify(await Promise.all(rings.map((ring) => ring.nop({ flags: IOSQE.IO_DRAIN })))));`;
  expect(JSON.parse(runScript(script))).toEqual([0, 0]);
});

describe.skipIf(!hasSyncCancel)("behind an operation with IO_DRAIN, which waits for all before it", () => {
  test("an abort still gets through", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    const drain = ring.nop(DRAIN);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error("on purpose"));
    expect(await ends([read, drain])).toEqual(["on purpose", 0]);
  });

  test("an abort in the same turn gets through, too", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    const drain = ring.nop(DRAIN);
    controller.abort(new Error("on purpose"));
    expect(await ends([read, drain])).toEqual(["on purpose", 0]);
  });

  test("close() ends what is pending", async () => {
    using pipe = new Pipe();
    const ring = new Ring();
    const pending = [
      ring.read(pipe.readEnd, new Uint8Array(8)),
      ring.nop(DRAIN),
      ring.read(pipe.readEnd, new Uint8Array(8)),
    ];
    const ended = ends(pending);
    await new Promise((resolve) => setImmediate(resolve));
    await ring.close();
    const [first, , third] = await ended;
    expect([first, third]).toEqual([expect.stringContaining("closed"), expect.stringContaining("closed")]);
  });

  test("a synchronous close ends what is pending", async () => {
    using pipe = new Pipe();
    const ring = new Ring();
    const ended = ends([ring.read(pipe.readEnd, new Uint8Array(8)), ring.nop(DRAIN)]);
    ring[Symbol.dispose]();
    expect((await ended)[0]).toContain("closed");
  });
});

type Ask = (ring: Ring, pending: Promise<unknown>, fd: number) => Promise<number>;

describe.skipIf(!hasSyncCancel)("behind an operation with IO_DRAIN, which waits for all before it,", () => {
  const read = (ring: Ring, fd: number, flags = 0) => ring.read(fd, new Uint8Array(8), undefined, { flags });
  const ASKING: [name: string, start: (ring: Ring, fd: number) => Promise<unknown>, ask: Ask][] = [
    ["cancel() of a timeout", (ring) => ring.timeout(NEVER), (ring, pending) => ring.cancel(pending)],
    ["cancel() of a read", read, (ring, pending) => ring.cancel(pending)],
    [
      "cancel() of what a worker thread runs",
      (ring, fd) => read(ring, fd, IOSQE.ASYNC),
      (ring, pending) => ring.cancel(pending),
    ],
    ["cancel() of an fd", read, (ring, _, fd) => ring.cancel({ fd })],
    ["cancel() of an fd, one alone", read, (ring, _, fd) => ring.cancel({ fd }, { all: false })],
    ["cancel() of an op", read, (ring) => ring.cancel({ op: "READ" })],
    ["cancel() of a poll's op", (ring, fd) => ring.pollAdd(fd, POLL.IN), (ring) => ring.cancel({ op: "POLL_ADD" })],
    ["pollRemove()", (ring, fd) => ring.pollAdd(fd, POLL.IN), (ring, pending) => ring.pollRemove(pending)],
    ["timeoutRemove()", (ring) => ring.timeout(NEVER), (ring, pending) => ring.timeoutRemove(pending)],
    [
      "timeoutRemove() with options that change nothing",
      (ring) => ring.timeout(NEVER),
      (ring, pending) => ring.timeoutRemove(pending, { signal: new AbortController().signal, flags: 0 }),
    ],
  ];

  describe.each(ASKING)("%s gets through", (_, start, ask) => {
    test.each(["in the same turn", "later"])("%s, and finds one", async (when) => {
      using pipe = new Pipe();
      await using ring = new Ring();
      const pending = start(ring, pipe.readEnd);
      const ended = pending.catch((error) => error.code);
      const drain = ring.nop(DRAIN);
      if (when === "later") await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await ask(ring, pending, pipe.readEnd)).toBe(1);
      expect(["ECANCELED", "EINTR"]).toContain(await ended);
      expect(await drain).toBe(0);
      expect(await ask(ring, pending, pipe.readEnd)).toBe(0);
      expect(ring.stats.inFlight).toBe(0);
    });
  });

  test("cancel() of all gets through, and counts", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const pending = [ring.timeout(NEVER), read(ring, pipe.readEnd), read(ring, pipe.readEnd, IOSQE.ASYNC)];
    const drained = watch(ring.nop(DRAIN));
    const ended = ends([...pending, ring.pollAdd(pipe.readEnd, POLL.IN)]);
    expect(await ring.cancel("all")).toBeGreaterThanOrEqual(4);
    for (const message of await ended) expect(message).toMatch(/ECANCELED|EINTR/);
    // The fifth, which waited for the others, may have begun instead.
    expect(drained.state).not.toBe("pending");
    expect(await ring.cancel("all")).toBe(0);
  });

  test("cancel() of an fd finds what was started on a duplicate, and refuses one that is not open", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const duplicate = openSync(`/proc/self/fd/${pipe.readEnd}`, "r");
    const polls = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.pollAdd(pipe.readEnd, POLL.IN)];
    const ended = ends(polls);
    const drain = ring.nop(DRAIN);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await ring.cancel({ fd: duplicate })).toBe(0);
    closeSync(duplicate);
    expect(await failure(ring.cancel({ fd: 99_999 }), UringError)).toMatchObject({
      code: "EBADF",
      syscall: "async_cancel",
    });
    expect(await ring.cancel({ fd: pipe.readEnd })).toBe(2);
    expect(await ended).toEqual([expect.stringContaining("ECANCELED"), expect.stringContaining("ECANCELED")]);
    expect(await drain).toBe(0);
  });

  test("cancel() ends a stream", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN);
    const next = failure(polls.next(), UringError);
    const drain = ring.nop(DRAIN);
    expect(await ring.cancel(polls)).toBe(1);
    expect((await next).code).toBe("ECANCELED");
    expect(await drain).toBe(0);
  });

  test("cancel() does not count what had ended, though nobody has looked", async () => {
    await using ring = new Ring();
    const long = ring.timeout(NEVER);
    const cancelled = long.catch((error) => error.code);
    const drain = ring.nop(DRAIN);
    const short = ring.timeout(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await ring.cancel(long)).toBe(1);
    expect(await cancelled).toBe("ECANCELED");
    expect(await Promise.all([drain, short])).toEqual([0, 0]);
    const early = ring.timeout(1);
    ring.submitAndWait(0);
    spin(20_000);
    expect(await ring.cancel(early)).toBe(0);
    expect(await early).toBe(0);
  });

  test("timeoutRemove() and pollRemove() end nothing else", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    await ring.nop(DRAIN);
    const pending = read(ring, pipe.readEnd);
    expect(await Promise.all([ring.timeoutRemove(pending), ring.pollRemove(pending)])).toEqual([0, 0]);
    pipe.write("four");
    expect(await pending).toBe(4);
  });

  test("cancel() is a part of a chain that it is asked for in", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    await ring.nop(DRAIN);
    const pending = read(ring, pipe.readEnd);
    const ended = ends([pending]);
    // After a drain the kernel may hand the read to a worker: told to stop (EALREADY), a cancellation would break a soft chain.
    const chain = ring.link((ring) => [ring.nop(), ring.cancel(pending), ring.nop()], { hard: true });
    expect(await Promise.all(chain)).toEqual([0, 1, 0]);
    expect(await ended).toEqual([expect.stringContaining("ECANCELED")]);
  });

  test("cancel() gets through with a submission thread, too", async () => {
    using pipe = new Pipe();
    await using ring = new Ring({ sqpoll: { idle: 5 } });
    for (const wait of [false, true]) {
      const pending = [ring.timeout(NEVER), read(ring, pipe.readEnd)];
      const ended = ends(pending);
      const drain = ring.nop(DRAIN);
      if (wait) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await Promise.all(pending.map((promise) => ring.cancel(promise)))).toEqual([1, 1]);
      expect(await ended).toEqual([expect.stringContaining("ECANCELED"), expect.stringContaining("ECANCELED")]);
      expect(await drain).toBe(0);
      expect(await ring.timeoutRemove(pending[0]!)).toBe(0);
    }
    const removed = ring.timeout(NEVER);
    const ended = ends([removed]);
    expect(await ring.timeoutRemove(removed)).toBe(1);
    await ended;
  });

  test("cancel() on a ring that is closed is refused", async () => {
    const ring = new Ring();
    await ring.nop(DRAIN);
    const pending = watch(ring.timeout(NEVER));
    await ring.close();
    thrown(() => ring.cancel("all"), RingClosedError);
    expect(pending.state).toBe("rejected");
  });
});

describe("an abort while a chain is open does not become a part of it", () => {
  test("inside link()", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const chain = ring.link((ring) => {
      const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
      controller.abort(new Error("on purpose"));
      return [read, ring.nop()];
    });
    expect(await ends(chain)).toEqual(["on purpose", expect.stringContaining("ECANCELED")]);
  });

  test("after an operation with IO_LINK in its flags", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const options = { signal: controller.signal, flags: IOSQE.IO_LINK };
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, options);
    controller.abort(new Error("on purpose"));
    const nop = ring.nop();
    expect(await ends([read, nop])).toEqual(["on purpose", expect.stringContaining("ECANCELED")]);
  });
});
