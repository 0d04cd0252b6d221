import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  AT,
  BufferPool,
  FileTable,
  IORING_FSYNC,
  IOSQE,
  O,
  type OpOptions,
  POLL,
  Ring,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, chainsGoOnAfterTimeouts, hasOp } from "../support/kernel.ts";
import { NEVER, Stage, supportedOperations } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";

function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** What each promise came to: a number, or an error's code. */
function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map((promise) => promise.catch((error: UringError) => error.code)));
}

/** Rejections that nobody handled in a test. */
const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
let listeners: NodeJS.UnhandledRejectionListener[] = [];

beforeEach(() => {
  unhandled.length = 0;
  listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
});

afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.removeAllListeners("unhandledRejection");
  for (const listener of listeners) process.on("unhandledRejection", listener);
  expect(unhandled).toEqual([]);
});

describe("link()", () => {
  test("starts each operation when the one before has succeeded", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const buffer = new Uint8Array(16);
    for (let round = 0; round < 20; round++) {
      const [written, synced, read] = await Promise.all(ring.link((ring) =>
        [
          ring.write(fd, text(`round ${round}`.padEnd(8)), 0),
          ring.fsync(fd, IORING_FSYNC.DATASYNC),
          ring.read(fd, buffer.subarray(0, 8), 0),
        ] as const
      ));
      expect([written, synced, read]).toEqual([8, 0, 8]);
      expect(new TextDecoder().decode(buffer.subarray(0, 8))).toBe(`round ${round}`.padEnd(8));
    }
  });

  test("gives on what its function gives", async () => {
    await using ring = new Ring();
    expect(ring.link(() => "anything")).toBe("anything");
    expect(ring.link(() => undefined)).toBeUndefined();
    const chain = ring.link((same) => ({ same, nop: same.nop() }));
    expect(chain.same).toBe(ring);
    expect(await chain.nop).toBe(0);
    expect(ring.stats.submitted).toBe(1);
  });

  test("holds what follows back until its turn comes", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const chain = ring.link((ring) => [ring.pollAdd(pipe.readEnd, POLL.IN), ring.nop(), ring.nop()]).map(watch);
    expect(await ring.nop(), "what is not of the chain overtakes it").toBe(0);
    expect(chain.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    pipe.write("x");
    expect(ring.submitAndWait(3)).toBe(3);
    await Promise.resolve();
    expect(chain.map(({ state }) => state)).toEqual(["resolved", "resolved", "resolved"]);
  });

  test.skipIf(!chainsEndAtBadFiles)("cancels the rest when one fails", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const chain = ring.link((ring) => [
      ring.write(fd, text("kept"), 0),
      ring.write(99_999, text("lost"), 0),
      ring.write(fd, text("never"), 0),
      ring.fsync(fd),
    ]);
    expect(await outcomes(chain)).toEqual([4, "EBADF", "ECANCELED", "ECANCELED"]);
    expect(folder.text("file")).toBe("kept");
    expect(ring.stats.inFlight).toBe(0);
  });

  test("ends at a short read and at a short write", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "four");
    const fd = folder.open("file");
    const reads = ring.link((ring) => [ring.read(fd, new Uint8Array(8), 0), ring.nop()]);
    expect(await outcomes(reads)).toEqual([4, "ECANCELED"]);
    const whole = ring.link((ring) => [ring.read(fd, new Uint8Array(4), 0), ring.nop()]);
    expect(await outcomes(whole)).toEqual([4, 0]);
    const vectors = ring.link((ring) => [ring.readv(fd, [new Uint8Array(2), new Uint8Array(3)], 0), ring.nop()]);
    expect(await outcomes(vectors)).toEqual([4, "ECANCELED"]);
    // Older kernels leave a blocking pipe's write to a worker, which waits for room; ended, it tells how far it came.
    const limit = { timeout: 500 };
    const writes = ring.link((ring) => [
      ring.write(pipe.writeEnd, new Uint8Array(2 ** 20), undefined, limit),
      ring.nop(),
    ]);
    const [written, next] = await outcomes(writes);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(2 ** 20);
    expect(next).toBe("ECANCELED");
  });

  test.skipIf(!chainsEndAtBadFiles)("goes on after a failure with { hard: true }", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "four");
    const fd = folder.open("file", "r+");
    const order: number[] = [];
    const chain = ring.link((ring) => [
      ring.read(99_999, new Uint8Array(4), 0),
      ring.read(fd, new Uint8Array(8), 0),
      ring.unlinkat(AT.FDCWD, folder.at("none")),
      ring.write(fd, text("five!"), 0),
    ], { hard: true });
    chain.forEach((promise, i) => promise.then(() => order.push(i), () => order.push(i)));
    expect(await outcomes(chain)).toEqual(["EBADF", 4, "ENOENT", 5]);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(folder.text("file")).toBe("five!");
  });

  test("takes every operation, in any place", async () => {
    await using stage = await new Stage().open(3);
    const { ring } = stage;
    for (const { name, op, start, isRight } of supportedOperations(ring)) {
      // Opening is followed by a close that comes later; removing needs a timeout that never ends before it.
      if (op === "TIMEOUT_REMOVE" || (op === "TIMEOUT" && !chainsGoOnAfterTimeouts)) continue;
      const [before, result, after] = await Promise.all(
        ring.link((ring) => [ring.nop(), start(stage), ring.nop()] as const),
      );
      expect([before, after], name).toEqual([0, 0]);
      expect(result, name).toSatisfy(isRight);
    }
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });

  test.skipIf(!chainsEndAtBadFiles)("is independent of chains before, after and beside it", async () => {
    await using ring = new Ring();
    // Heard at once: the event loop may turn before the last of them has settled.
    const chains = times(200, (i) =>
      outcomes(ring.link((ring) => [
        ring.nop(),
        i % 3 === 0 ? ring.read(99_999, new Uint8Array(1)) : ring.nop(),
        ring.nop(),
      ])));
    const single = ring.nop();
    for (const [i, chain] of chains.entries()) {
      expect(await chain).toEqual(i % 3 === 0 ? [0, "EBADF", "ECANCELED"] : [0, 0, 0]);
    }
    expect(await single).toBe(0);
  });

  test("takes a chain of one", async () => {
    await using ring = new Ring();
    const [only] = ring.link((ring) => [ring.read(99_999, new Uint8Array(1))]);
    expect(await failure(only!, UringError)).toMatchObject({ code: "EBADF" });
    expect(await ring.nop(), "what comes next is no part of it").toBe(0);
  });

  test.skipIf(!chainsEndAtBadFiles)(
    "leaves the operation after it alone, though its last had IO_LINK or IO_HARDLINK by hand",
    async () => {
      await using ring = new Ring();
      for (const flags of [IOSQE.IO_LINK, IOSQE.IO_HARDLINK]) {
        for (const hard of [false, true]) {
          const chain = ring.link((ring) => [ring.nop(), ring.read(99_999, new Uint8Array(1), 0, { flags })], { hard });
          const next = ring.nop();
          expect(await outcomes(chain)).toEqual([0, "EBADF"]);
          expect(await next).toBe(0);
        }
      }
    },
  );

  test("stays open when its function catches an error of an argument", async () => {
    await using ring = new Ring();
    const chain = ring.link((ring) => {
      const first = ring.nop();
      thrown(() => ring.read(1.5, new Uint8Array(1)), TypeError);
      return [first, ring.nop()];
    });
    expect(await outcomes(chain)).toEqual([0, 0]);
  });

  test("refuses what is no function", async () => {
    await using ring = new Ring();
    for (const build of [undefined, null, 1, {}, Promise.resolve()]) {
      expect(thrown(() => ring.link(build as () => void), TypeError).message).toMatch(/build must be a function/);
    }
  });

  test("refuses what would queue a part of the chain later, before it queues anything", async () => {
    await using ring = new Ring();
    const later: ((ring: Ring) => unknown)[] = [
      async (ring: Ring) => void await ring.nop(),
      function* (ring: Ring) {
        yield ring.nop();
      },
      async function* (ring: Ring) {
        yield ring.nop();
      },
    ];
    for (const build of later) {
      expect(thrown(() => ring.link(build), TypeError).message).toMatch(/build must queue the whole chain at once/);
    }
    expect(ring.stats).toMatchObject({ inFlight: 0, submitted: 0 });
    expect(await Promise.all(ring.link(((ring: Ring) => [ring.nop(), ring.nop()]).bind(null)))).toEqual([0, 0]);
  });
});

describe("a chain that can't be", () => {
  test("may be as long as the queue, and no longer", async () => {
    await using ring = new Ring({ entries: 8 });
    using pipe = new Pipe();
    const waiting = ring.pollAdd(pipe.readEnd, POLL.IN);
    expect(await outcomes(ring.link((ring) => times(8, () => ring.nop())))).toEqual(times(8, () => 0));
    thrown(() => ring.link((ring) => times(9, () => ring.nop())), RangeError);
    // A limit in time takes a place, too.
    const limited = (ring: Ring) => times(4, () => ring.nop({ timeout: NEVER }));
    expect(await outcomes(ring.link(limited))).toEqual(times(4, () => 0));
    thrown(() => ring.link((ring) => [...limited(ring), ring.nop()]), RangeError);
    pipe.write("x");
    expect(await waiting & POLL.IN).toBe(POLL.IN);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });

  test("lets an abort get through that came within its function, though that throws", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const controller = new AbortController();
    const { signal } = controller;
    const read = failure(ring.read(pipe.readEnd, text("12345678"), undefined, { signal }), Error);
    await ring.nop();
    await new Promise((resolve) => setTimeout(resolve, 5)); // the ring sleeps
    const build = () =>
      ring.link((ring) => {
        void ring.nop();
        controller.abort(new Error("enough"));
        throw new Error("no chain");
      });
    expect(thrown(build, Error).message).toBe("no chain");
    expect((await read).message).toBe("enough");
  });

  test("gives back what its function had queued when that throws", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const before = ring.write(fd, text("before"), 0);
    const promises: Promise<unknown>[] = [];
    const reason = new Error("on purpose");
    const { signal } = new AbortController();
    expect(thrown(() =>
      ring.link((ring) => {
        promises.push(ring.write(fd, text("lost"), 10));
        promises.push(ring.statx(AT.FDCWD, folder.at("file"), 0, 1));
        promises.push(ring.nop({ signal }));
        promises.push(ring.openat(AT.FDCWD, folder.at("made"), O.CREAT | O.WRONLY, 0o600, { timeout: NEVER }));
        promises.push(ring.cancel("all"));
        throw reason;
      }), Error)).toBe(reason);
    const after = ring.write(fd, text(" after"), 6);
    expect(await outcomes([...promises, before, after])).toEqual([...times(5, () => "ECANCELED"), 6, 6]);
    expect(folder.text("file")).toBe("before after");
    expect(ring.stats).toMatchObject({ submitted: 2, inFlight: 0 });
  });

  test("leaves no rejection unhandled, though nobody looks at its promises", async () => {
    await using ring = new Ring({ entries: 4 });
    thrown(() => ring.link((ring) => times(9, () => ring.nop({ timeout: 1 }))), RangeError);
    thrown(() =>
      ring.link((ring) => {
        ring.nop({ timeout: 1 });
        ring.cancel("all");
        throw new Error("on purpose");
      }), Error);
    await ring.nop();
    // afterEach looks for unhandled rejections.
  });

  test("leaves none of what is made from its promises unhandled, either", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const fd = pipe.readEnd;
    const pending = [ring.read(fd, new Uint8Array(4)), ring.pollAdd(fd, POLL.IN), ring.timeout(NEVER)].map(watch);
    const timeout = ring.timeout(NEVER);
    const poll = ring.pollAdd(fd, POLL.IN);
    const polls = ring.pollMultishot(fd, POLL.IN);
    const queue: ((ring: Ring) => unknown)[] = [
      (ring) => ring.cancel({ op: "READ" }),
      (ring) => ring.cancel({ op: "READ" }, { all: false }),
      (ring) => ring.cancel({ fd }),
      (ring) => ring.cancel({ fd }, { all: false }),
      (ring) => ring.cancel("all"),
      (ring) => ring.cancel(timeout),
      (ring) => ring.cancel(polls),
      (ring) => ring.pollRemove(poll),
      (ring) => ring.timeoutRemove(timeout),
      ...chainsGoOnAfterTimeouts ? [(ring: Ring) => ring.timeout(1)] : [],
      (ring) => ring.timeoutUpdate(timeout, NEVER),
      (ring) => ring.pollUpdate(poll, POLL.IN),
      (ring) => ring.provideBuffers(new BufferPool({ size: 8, count: 1 }), 1),
      (ring) => ring.pipe(),
      (ring) => ring.openat(AT.FDCWD, "/nowhere", 0, 0, { timeout: NEVER, signal: new AbortController().signal }),
      ...hasOp("GETXATTR") ? [(ring: Ring) => ring.getxattr("/", "user.none")] : [],
    ];
    for (const start of queue) {
      thrown(() =>
        ring.link((ring) => {
          ring.nop();
          start(ring);
          throw new Error("on purpose");
        }), Error);
    }
    await ring.nop();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(unhandled.splice(0)).toEqual([]);
    expect(pending.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    const ended = outcomes([timeout, poll, polls.next()]);
    await ring.cancel("all");
    await ended;
  });

  test("is given up as a whole where buffers can't be provided", async () => {
    await using ring = new Ring();
    const pool = new BufferPool({ size: 8, count: 1 });
    const reason = new Error("enough");
    const options = { signal: AbortSignal.abort(reason) };
    expect(thrown(() => ring.link((ring) => [ring.provideBuffers(pool, 1, options), ring.nop()]), Error)).toBe(reason);
    thrown(() => ring.link((ring) => [ring.provideBuffers(pool, -1), ring.nop()]), RangeError);
    expect(ring.stats).toMatchObject({ submitted: 0, inFlight: 0 });
  });

  test("with a signal that is aborted already is given up as a whole, with the signal's reason", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const reason = new Error("enough");
    const promises: Promise<number>[] = [];
    const given = thrown(() =>
      ring.link((ring) => {
        promises.push(ring.write(fd, text("lost"), 0));
        promises.push(ring.write(fd, text("lost"), 0, { signal: AbortSignal.abort(reason) }));
        promises.push(ring.write(fd, text("lost"), 0));
      }), Error);
    expect(given).toBe(reason);
    expect(await outcomes(promises)).toEqual(["ECANCELED"]);
    await ring.nop();
    expect(folder.text("file")).toBe("");
    expect(ring.stats).toMatchObject({ submitted: 1, inFlight: 0 });
  });
});

describe("a failed operation of a chain that went in", () => {
  test("is an unhandled rejection when nobody looks at it, as outside a chain", async () => {
    await using ring = new Ring();
    ring.link((ring) => [ring.read(99_999, new Uint8Array(1))]);
    await ring.nop();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(unhandled.splice(0)).toMatchObject([{ code: "EBADF" }]);
  });
});

describe("a chain and the queue", () => {
  test("goes in whole when it does not fit behind what is staged", async () => {
    await using ring = new Ring({ entries: 8 });
    using pipe = new Pipe();
    for (let before = 0; before <= 8; before++) {
      const nops = times(before, () => ring.nop());
      const chain = ring.link((ring) => [
        ring.pollAdd(pipe.readEnd, POLL.IN),
        ...times(5, () => ring.nop()),
      ]).map(watch);
      expect(await Promise.all(nops)).toEqual(times(before, () => 0));
      expect(await ring.nop()).toBe(0);
      expect(chain.map(({ state }) => state), `${before} before it`).toEqual(times(6, () => "pending"));
      pipe.write("x");
      ring.submitAndWait(6);
      await Promise.resolve();
      expect(chain.map(({ state }) => state)).toEqual(times(6, () => "resolved"));
      pipe.read(1);
    }
  });

  test("keeps its contents when it is moved to the front of the queue", async () => {
    await using ring = new Ring({ entries: 8 });
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const nops = times(5, () => ring.nop());
    const chain = ring.link((ring) => times(8, (i) => ring.write(fd, pattern(100, i * 100), i * 100)));
    expect(await Promise.all(nops)).toEqual([0, 0, 0, 0, 0]);
    expect(await outcomes(chain)).toEqual(times(8, () => 100));
    expect(folder.read("file")).toEqual(pattern(800));
  });

  test("thousands of chains pass through a small queue", async () => {
    await using ring = new Ring({ entries: 16 });
    const chains = times(2000, (i) => ring.link((ring) => times(1 + i % 16, () => ring.nop())));
    const results = await Promise.all(chains.flat());
    expect(results.every((result) => result === 0)).toBe(true);
    expect(ring.stats.inFlight).toBe(0);
  });
});

test.skipIf(chainsGoOnAfterTimeouts)(
  "timeout() in a chain is refused by name where it would end the chain",
  async () => {
    await using ring = new Ring();
    const error = thrown(() => ring.link((ring) => [ring.timeout(1), ring.nop()]), UnsupportedError);
    expect(error).toMatchObject({ feature: "timeout() in a chain", needs: "Linux 5.16" });
    expect(ring.stats.inFlight).toBe(0);
  },
);

describe("time in a chain", () => {
  test.skipIf(!chainsGoOnAfterTimeouts)("timeout() delays what comes after it", async () => {
    await using ring = new Ring();
    const start = performance.now();
    const order: string[] = [];
    let afterMs = 0;
    const chain = ring.link((ring) => [
      ring.nop().then(() => order.push("before")),
      ring.timeout(10).then(() => order.push("delay")),
      ring.nop().then(() => {
        afterMs = performance.now() - start;
        order.push("after");
      }),
    ]);
    await Promise.all(chain);
    // The next operation starts before its predecessor's completion is told, where completion work does not wait.
    expect(order[0]).toBe("before");
    expect(afterMs).toBeGreaterThan(9.9);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("timeout() that is removed cancels what comes after it", async () => {
    await using ring = new Ring();
    const [delay, next] = ring.link((ring) => [ring.timeout(NEVER), ring.nop()]);
    const results = outcomes([delay!, next!]);
    expect(await ring.timeoutRemove(delay!)).toBe(1);
    expect(await results).toEqual(["ECANCELED", "ECANCELED"]);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("timeout() delays in a hard chain, too", async () => {
    await using ring = new Ring();
    const start = performance.now();
    const chain = ring.link((ring) => [ring.timeout(5), ring.timeout(5), ring.nop()], { hard: true });
    expect(await outcomes(chain)).toEqual([0, 0, 0]);
    expect(performance.now() - start).toBeGreaterThan(9.9);
  });

  test("a limit that expires ends the chain there", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const chain = ring.link((ring) => [
      ring.nop({ timeout: NEVER }),
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { timeout: 3 }),
      ring.nop({ timeout: NEVER }),
      ring.nop(),
    ]);
    expect(await outcomes(chain)).toEqual([0, "ETIME", "ECANCELED", "ECANCELED"]);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("a limit counts from when its operation starts", async () => {
    await using ring = new Ring();
    const chain = ring.link((ring) => [
      ring.timeout(15),
      ring.timeout(2, { timeout: 10 }),
      ring.nop(),
    ]);
    expect(await outcomes(chain)).toEqual([0, 0, 0]);
  });

  test("a limit on the last operation of a chain limits it alone", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const chain = ring.link((ring) => [
      ring.nop(),
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { timeout: 3 }),
    ]);
    const next = ring.nop();
    expect(await outcomes([...chain, next])).toEqual([0, "ETIME", 0]);
  });

  test("a signal ends its operation, and with it the rest of the chain", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (const when of ["inside", "same turn", "later"]) {
      const controller = new AbortController();
      const chain = ring.link((ring) => {
        const operations = [
          ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal: controller.signal }),
          ring.nop(),
        ];
        if (when === "inside") controller.abort({ code: "enough" });
        return operations;
      });
      const results = outcomes(chain);
      if (when === "later") await ring.nop();
      controller.abort({ code: "enough" });
      expect(await results, when).toEqual(["enough", "ECANCELED"]);
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("cancel() of an operation that has not started yet ends the chain there", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const chain = ring.link((ring) => [
      ring.pollAdd(pipe.readEnd, POLL.IN),
      ring.read(pipe.readEnd, new Uint8Array(4)),
      ring.nop(),
    ]);
    const results = outcomes(chain);
    await ring.nop();
    expect(await ring.cancel(chain[0]!)).toBe(1);
    expect(await results).toEqual(["ECANCELED", "ECANCELED", "ECANCELED"]);
  });
});

describe("a time limit in a chain", () => {
  test.skipIf(!chainsGoOnAfterTimeouts)("counts from when its operation begins, whatever that waits in", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const started = performance.now();
    const [first, last] = await Promise.all(
      ring.link((ring) => [
        ring.timeout(60),
        ring.splice(pipe.readEnd, "current", other.writeEnd, "current", 10, 0, { timeout: 5 }).catch((error) => error),
      ]),
    );
    expect(first).toBe(0);
    expect(last.code).toBe("ETIME");
    expect(performance.now() - started).toBeGreaterThanOrEqual(64);
  });
});

describe("an operation whose signal is aborted already, in a chain by IO_LINK in its flags,", () => {
  const aborted = () => ({ signal: AbortSignal.abort({ code: "enough" }) });
  const linked = { flags: IOSQE.IO_LINK };

  test("ends the chain in its place, first or in between", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const write = (options: OpOptions) => ring.write(pipe.writeEnd, text("four"), undefined, options);
    expect(await outcomes([write(linked), write({ ...linked, ...aborted() }), write(linked), write({})]))
      .toEqual([4, "enough", "ECANCELED", "ECANCELED"]);
    expect(await outcomes([write({ ...linked, ...aborted() }), write({})])).toEqual(["enough", "ECANCELED"]);
    expect(pipe.read()).toBe("four");
    expect(ring.stats.inFlight).toBe(0);
  });

  test("ends it as its last, and what is queued next is no part of it", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4), undefined, linked);
    const last = outcomes([ring.nop(aborted())]);
    expect(await ring.nop()).toBe(0);
    pipe.write("four");
    expect(await read).toBe(4);
    expect(await last).toEqual(["enough"]);
  });

  test("lets the rest of a hard chain run, as any that fails", async () => {
    await using ring = new Ring();
    const hard = { flags: IOSQE.IO_HARDLINK };
    expect(await outcomes([ring.nop(hard), ring.nop({ ...hard, ...aborted() }), ring.nop()])).toEqual([0, "enough", 0]);
  });

  test("takes one place in the queue, with a time limit, too", async () => {
    await using ring = new Ring({ entries: 4 });
    const chain = [
      ring.nop(linked),
      ring.nop(linked),
      ring.nop({ ...linked, ...aborted(), timeout: NEVER }),
      ring.nop(),
    ];
    expect(await outcomes(chain)).toEqual([0, 0, "enough", "ECANCELED"]);
  });

  test("is refused where the chain does not fit the queue", async () => {
    await using ring = new Ring({ entries: 2 });
    const chain = [ring.nop(linked), ring.nop(linked)];
    expect(thrown(() => ring.nop(aborted()), RangeError).message).toMatch(/chain of 3 .* queue of 2/);
    expect(await outcomes(chain)).toEqual([0, 0]);
  });

  test("is nothing to the kernel outside a chain", async () => {
    await using ring = new Ring();
    expect(await outcomes([ring.nop(aborted())])).toEqual(["enough"]);
    expect(ring.stats).toMatchObject({ submitted: 0, inFlight: 0 });
  });
});

test("a registration between two operations of a chain made by flags leaves it whole", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  using files = new FileTable(ring, { size: 1 });
  const order: string[] = [];
  const before = ring.nop().then(() => order.push("before"));
  const read = ring.read(pipe.readEnd, new Uint8Array(1), undefined, { flags: IOSQE.IO_LINK }).then(() =>
    order.push("read")
  );
  files.set(0, pipe.readEnd);
  const tied = ring.nop().then(() => order.push("tied"));
  await ring.timeout(1);
  expect(order).toEqual(["before"]);
  pipe.write("x");
  await Promise.all([before, read, tied]);
  expect(order).toEqual(["before", "read", "tied"]);
});
