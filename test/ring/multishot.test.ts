import { createConnection, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import {
  AF,
  AT,
  type BorrowedBuffer,
  BufferRing,
  FileTable,
  IOSQE,
  type Multishot,
  type MultishotOptions,
  POLL,
  Ring,
  RingClosedError,
  SHUT,
  SOCK,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { collectMost } from "../support/garbage.ts";
import { hasOp, hasStreams, hasSyncCancel, hasTicks } from "../support/kernel.ts";
import { closeFd, Listener } from "../support/listener.ts";
import { Pipe } from "../support/pipe.ts";
import { Net } from "../support/sockaddr.ts";
import { take } from "../support/stream.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** What is left of a stream that is cancelled. */
async function* upToItsEnd<T>(stream: Multishot<T>): AsyncGenerator<T> {
  try {
    yield* stream;
  } catch (error) {
    expect(error).toMatchObject({ code: "ECANCELED" });
  }
}

async function clients(path: string, count: number): Promise<Socket[]> {
  return await Promise.all(Array.from({ length: count }, () => {
    return new Promise<Socket>((resolve, reject) => {
      const socket = createConnection(path);
      socket.once("connect", () => resolve(socket));
      socket.once("error", reject);
    });
  }));
}

describe("pollMultishot()", () => {
  test("tells each time, from one submission", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    await using polls = ring.pollMultishot(pipe.readEnd, POLL.IN);
    await ring.nop();
    const { submitted } = ring.stats;
    for (let i = 0; i < 5; i++) {
      pipe.write("x");
      const [events] = await take(polls, 1);
      expect(events! & POLL.IN).toBe(POLL.IN);
      pipe.read();
    }
    expect(ring.stats.submitted).toBe(submitted);
    expect(polls.arms).toBe(1);
  });

  test("gives its values to a callback, in the same turn in which they come", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const seen: number[] = [];
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { each: (events) => seen.push(events) });
    await ring.nop();
    pipe.write("x");
    ring.submitAndWait(1);
    expect(seen).toHaveLength(1);
    expect(await polls.next().catch((error) => error)).toBeInstanceOf(TypeError);
    await polls.return();
    await polls.ended;
  });

  test("what a callback throws ends it, and is what `ended` rejects with", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, {
      each: () => {
        throw new Error("enough");
      },
    });
    pipe.write("x");
    const error = await failure(polls.ended, Error);
    expect(error.message).toBe("enough");
    expect(ring.stats.inFlight).toBe(0);
    expect(await ring.nop()).toBe(0);
  });

  test("leaving a loop ends it, and the kernel has let go of it then", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    pipe.write("x");
    for await (const _ of ring.pollMultishot(pipe.readEnd, POLL.IN)) break;
    expect(ring.stats.inFlight).toBe(0);
  });

  test("a signal ends it with the signal's reason, after the values that came", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const abort = new AbortController();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { signal: abort.signal });
    pipe.write("x");
    await ring.nop();
    abort.abort(new Error("no more"));
    const seen: number[] = [];
    const error = await failure(
      (async () => {
        for await (const events of polls) seen.push(events);
      })(),
      Error,
    );
    expect(error.message).toBe("no more");
    expect(seen).toHaveLength(1);
  });

  describe("with a signal of one's own making", () => {
    /** Notes what is done to it, and does what it is told. */
    class OwnSignal {
      done: string[] = [];
      does: Record<string, () => void> = {};

      get aborted(): boolean {
        this.does["aborted"]?.();
        return false;
      }

      addEventListener(): void {
        this.done.push("add");
        this.does["addEventListener"]?.();
      }

      removeEventListener(): void {
        this.done.push("remove");
        this.does["removeEventListener"]?.();
      }
    }

    /** A stream that pauses once it has a value. */
    function pausing(ring: Ring, pipe: Pipe, signal: OwnSignal): Multishot<number> {
      pipe.write("x");
      const options = { highWater: 1, signal: signal as unknown as AbortSignal };
      return ring.pollMultishot(pipe.readEnd, POLL.IN, options);
    }

    const no = () => {
      throw new RangeError("no");
    };

    test("that can't be taken back it ends", async () => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const signal = new OwnSignal();
      signal.does["removeEventListener"] = no;
      await pausing(ring, pipe, signal).return();
      const polls = pausing(ring, pipe, signal);
      while (polls.waiting < 1 || ring.stats.inFlight > 0) await ring.nop();
      expect(await take(polls, 2)).toHaveLength(2);
      await polls.return();
      expect(ring.stats.inFlight).toBe(0);
    });

    test.each(["addEventListener", "aborted"])("whose %s throws as it pauses it ends with that", async (name) => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const signal = new OwnSignal();
      const polls = pausing(ring, pipe, signal);
      signal.does[name] = no;
      expect((await failure(polls.ended, RangeError)).message).toBe("no");
      expect(await take(polls, 1)).toHaveLength(1);
      expect((await failure(polls.next(), RangeError)).message).toBe("no");
    });

    test.each(["addEventListener", "removeEventListener"])("whose %s ends it is not begun anew", async (name) => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const signal = new OwnSignal();
      const polls = pausing(ring, pipe, signal);
      const end = () => void polls.return();
      if (name === "addEventListener") signal.does[name] = end;
      while (signal.done.length < 3) await ring.nop();
      if (name === "removeEventListener") {
        signal.does[name] = end;
        await polls.next();
      }
      await polls.ended;
      await ring.nop();
      expect([polls.arms, ring.stats.inFlight]).toEqual([1, 0]);
      expect(signal.done).toEqual(["add", "remove", "add", "remove"]);
    });
  });

  test("is cancelled as any operation, and iteration throws ECANCELED", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN);
    const next = failure(polls.next(), UringError);
    expect(await ring.cancel(polls)).toBe(1);
    expect((await next).code).toBe("ECANCELED");
    expect(await polls.next()).toEqual({ value: undefined, done: true });
    expect(await ring.cancel(polls)).toBe(0);
  });

  test("can't be part of a chain", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (const flags of [IOSQE.IO_LINK, IOSQE.IO_HARDLINK]) {
      expect(thrown(() => ring.pollMultishot(pipe.readEnd, POLL.IN, { flags }), TypeError).message).toMatch(/chain/);
    }
    expect(thrown(() => ring.link((ring) => ring.pollMultishot(pipe.readEnd, POLL.IN)), TypeError).message)
      .toMatch(/chain/);
    expect(ring.stats.inFlight).toBe(0);
  });

  test.each(["goes on", "is aborted"])("is no part of a chain within which it %s after a pause", async (what) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const controller = new AbortController();
    for (const byFlags of [false, true]) {
      const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { highWater: 1, signal: controller.signal });
      pipe.write("x");
      while (polls.waiting === 0 || ring.stats.inFlight > 0) await ring.nop();
      await ring.nop();
      const within = () => {
        if (what === "is aborted") return controller.abort("enough");
        while (polls.waiting > 0) void polls.next();
      };
      const failing = (flags: number) =>
        failure(ring.openat(AT.FDCWD, "/nowhere", 0, 0, { flags }), UringError).then(({ code }) => code);
      const chain = byFlags
        ? [failing(IOSQE.IO_LINK), within(), failure(ring.nop(), UringError)]
        : ring.link((ring) => {
          const first = failing(0);
          within();
          return [first, failure(ring.nop(), UringError)];
        });
      expect(await Promise.all(chain)).toMatchObject(["ENOENT", ...byFlags ? [undefined] : [], { code: "ECANCELED" }]);
      if (what === "goes on") {
        expect(await polls.next()).toMatchObject({ done: false });
        await polls.return();
        pipe.read();
        continue;
      }
      while (polls.waiting > 0) await polls.next();
      expect(await polls.next().catch((error) => error)).toBe("enough");
      return;
    }
  });

  test("a callback may ask for so much that the queue overflows: no completion is lost or mistaken", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 64 });
    using pipe = new Pipe();
    const nops: Promise<number>[] = [];
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, {
      each: () => {
        for (let i = 0; i < 50; i++) nops.push(ring.nop());
      },
    });
    const before = Array.from({ length: 3 }, () => ring.nop());
    pipe.write("x");
    const after = Array.from({ length: 3 }, () => ring.nop());
    await Promise.all([...before, ...after]);
    while (nops.length === 0) await ring.nop();
    expect(await Promise.all(nops)).toEqual(Array(50).fill(0));
    expect(ring.stats.inFlight).toBe(1);
    await polls.return();
    expect(ring.stats.inFlight).toBe(0);
  });

  test("a slow consumer pauses it: what waits stays bounded, and all of it is told", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    await using polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { highWater: 4 });
    for (let i = 0; i < 40; i++) {
      pipe.write("x");
      await ring.nop();
    }
    expect(polls.waiting).toBeLessThan(8);
    expect(ring.stats.inFlight).toBe(0);
    await take(polls, polls.waiting);
    await ring.nop();
    expect(polls.arms).toBe(2);
    expect(ring.stats.inFlight).toBe(1);
    expect(await take(polls, 1)).toHaveLength(1);
  });

  test("is begun anew with the options that it had, whatever their object holds by then", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let reads = 0;
    const options = {
      highWater: 1,
      flags: IOSQE.ASYNC as number,
      get signal() {
        reads++;
        return new AbortController().signal;
      },
    };
    await using polls = ring.pollMultishot(pipe.readEnd, POLL.IN, options);
    pipe.write("x");
    while (polls.waiting < 1 || ring.stats.inFlight > 0) await ring.nop();
    options.flags = IOSQE.IO_LINK;
    await polls.next();
    expect(polls.arms).toBe(2);
    // It would wait behind the stream.
    expect(await ring.nop()).toBe(0);
    expect(reads).toBe(1);
  });

  test("refuses what can't be", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.pollMultishot(1.5, 1), TypeError).message).toContain("fd");
    expect(thrown(() => ring.pollMultishot(0, -1), RangeError).message).toContain("mask");
    expect(thrown(() => ring.pollMultishot(0, 1, { highWater: 0 }), RangeError).message).toContain("highWater");
    expect(thrown(() => ring.pollMultishot(0, 1, { each: 3 as never }), TypeError).message).toContain("each");
    expect(thrown(() => ring.pollMultishot(0, 1, { timeout: 3 } as never), TypeError).message).toContain("signal");
    expect(thrown(() => ring.link((ring) => ring.pollMultishot(0, 1)), TypeError).message).toContain("chain");
    expect(thrown(() => ring.pollMultishot(0, 1, null as never), TypeError).message).toMatch(
      /^options must be an object/,
    );
    expect(ring.stats.submitted).toBe(0);
  });

  test("closing the ring ends it, with an AbortError for who waits", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN);
    const next = failure(polls.next(), Error);
    await ring.nop();
    await ring.close();
    expect((await next).name).toBe("AbortError");
    expect((await polls.next()).done).toBe(true);
  });

  test("closing the ring ends one with a callback, and nobody has to listen for that", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { each: () => {} });
    await ring.nop();
    await ring.close();
    // An unhandled rejection would be told now, and fail this run.
    await new Promise((resolve) => setTimeout(resolve, 1));
    await expect(polls.ended).rejects.toThrow("its ring was closed");
  });

  // No operation of it is in flight then, whose end would tell it.
  test.each([
    ["close", (ring: Ring) => ring.close()],
    ["dispose", (ring: Ring) => Promise.resolve(ring[Symbol.dispose]())],
  ])("closing the ring ends it while it is paused, after the values that came: %s", async (_, close) => {
    const ring = new Ring();
    using pipe = new Pipe();
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { highWater: 2 });
    while (polls.waiting < 2 || ring.stats.inFlight > 0) {
      pipe.write("x");
      await ring.nop();
    }
    const { waiting } = polls;
    await close(ring);
    expect(await take(polls, waiting)).toHaveLength(waiting);
    expect((await failure(polls.next(), Error)).name).toBe("AbortError");
    expect((await polls.next()).done).toBe(true);
  });
});

describe.skipIf(!hasOp("SOCKET"))("acceptMultishot()", () => {
  test("accepts every connection, from one submission", async () => {
    using folder = new TempFolder();
    await using ring = new Ring();
    await using listener = await Listener.unix(`${folder.path}/socket`);
    await using connections = ring.acceptMultishot(listener.fd);
    const sockets = await clients(`${folder.path}/socket`, 20);
    const fds = await take(connections, 20);
    expect(new Set(fds).size).toBe(20);
    expect(connections.arms).toBe(1);
    fds.forEach((fd) => closeFd(fd));
    sockets.forEach((socket) => socket.destroy());
  });

  test("closes what nobody took", async () => {
    using folder = new TempFolder();
    await using ring = new Ring();
    await using listener = await Listener.unix(`${folder.path}/socket`);
    const connections = ring.acceptMultishot(listener.fd);
    const sockets = await clients(`${folder.path}/socket`, 5);
    const ends = sockets.map((socket) =>
      new Promise<void>((resolve) => socket.resume().once("close", () => resolve()))
    );
    const [fd] = await take(connections, 1);
    await connections.return();
    await Promise.all(ends.slice(1));
    closeFd(fd!);
    await ends[0];
  });

  const closedWhile: [how: string, end: (ring: Ring, connections: Multishot<number>) => Promise<unknown>][] = [
    ["connections wait", async (ring, connections) => {
      await ring.nop();
      await ring.close();
      await connections.return();
    }],
    ["connections wait, at once", async (ring, connections) => {
      await ring.nop();
      ring[Symbol.dispose]();
      await connections.return();
    }],
    ["it is being left", (ring, connections) => Promise.all([connections.return(), ring.close()])],
    ["it is being left, and connections wait", async (ring, connections) => {
      await ring.nop();
      await Promise.all([connections.return(), ring.close()]);
    }],
    ["a loop takes the first, and fails", async (ring, connections) => {
      await failure(
        (async () => {
          for await (const fd of connections) {
            closeFd(fd);
            await ring.close();
            await ring.nop();
          }
        })(),
        RingClosedError,
      );
    }],
  ];

  test.each(closedWhile)("closes what nobody took when the ring is closed while %s", async (_, end) => {
    using folder = new TempFolder();
    const ring = new Ring();
    await using listener = await Listener.unix(`${folder.path}/socket`);
    const sockets = await clients(`${folder.path}/socket`, 3);
    const ends = sockets.map((socket) =>
      new Promise<void>((resolve) => socket.resume().once("close", () => resolve()))
    );
    await end(ring, ring.acceptMultishot(listener.fd));
    await Promise.all(ends);
  });

  test.each(["closed", "dropped"])(
    "closes what nobody took of streams that were forgotten, their ring %s",
    async (how) => {
      using folder = new TempFolder();
      let closed = 0;
      const forget = async (path: string) => {
        const ring = new Ring();
        await using listener = await Listener.unix(path);
        const [socket] = await clients(path, 1);
        socket!.resume().once("close", () => closed++);
        const connections = ring.acceptMultishot(listener.fd, { highWater: 1 });
        // Taken back: else the kernel's operation keeps a ring that was dropped.
        while (connections.waiting === 0 || ring.stats.inFlight > 0) await ring.nop();
        if (how === "closed") await ring.close();
      };
      const COUNT = 8;
      for (let i = 0; i < COUNT; i++) await forget(folder.at(`${i}`));
      expect(await collectMost(() => COUNT - closed)).toBe(true);
    },
  );

  test("empties the slots that nobody took of streams that were cancelled, and forgotten", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const COUNT = 8;
    using _files = new FileTable(ring, { size: COUNT });
    let closed = 0;
    const forget = async (path: string) => {
      await using listener = await Listener.unix(path);
      const [socket] = await clients(path, 1);
      socket!.resume().once("close", () => closed++);
      const connections = ring.acceptMultishot(listener.fd, { slot: "alloc" });
      while (connections.waiting === 0) await ring.nop();
      await ring.cancel(connections);
    };
    for (let i = 0; i < COUNT; i++) await forget(folder.at(`${i}`));
    expect(await collectMost(() => COUNT - closed)).toBe(true);
  });

  test.each(
    [
      ["descriptors", undefined],
      ["slots", "alloc"],
    ] as const,
  )("closes the %s that nobody took although the stream is left while a chain is built", async (_, slot) => {
    using folder = new TempFolder();
    await using ring = new Ring();
    using _files = new FileTable(ring, { size: 2 });
    await using listener = await Listener.unix(`${folder.path}/socket`);
    const [socket] = await clients(`${folder.path}/socket`, 1);
    const end = new Promise<void>((resolve) => socket!.resume().once("close", () => resolve()));
    const connections = ring.acceptMultishot(listener.fd, slot && { slot });
    await ring.nop();
    expect(connections.waiting).toBe(1);
    const failing = ring.link((ring) => {
      const failing = failure(ring.closeFd(1_000_000), UringError);
      void connections.return();
      return failing;
    });
    expect((await failing).code).toBe("EBADF");
    await end;
  });

  test("goes on after the completion queue has overflowed: no connection is lost", async () => {
    using folder = new TempFolder();
    await using ring = new Ring({ entries: 1, cqEntries: 2 });
    await using listener = await Listener.unix(`${folder.path}/socket`);
    await using connections = ring.acceptMultishot(listener.fd);
    ring.submitAndWait(0);
    const sockets = await clients(`${folder.path}/socket`, 30);
    const fds = await take(connections, 30);
    expect(new Set(fds).size).toBe(30);
    fds.forEach((fd) => closeFd(fd));
    sockets.forEach((socket) => socket.destroy());
  });

  test("rejects for what is no listening socket", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    expect((await failure(ring.acceptMultishot(pipe.readEnd).next(), UringError)).code).toBe("ENOTSOCK");
    expect(thrown(() => ring.acceptMultishot(0, { slot: 3 as never }), TypeError).message).toContain("alloc");
  });
});

describe("timeoutMultishot()", () => {
  test.skipIf(!hasTicks)("ticks as often as was asked for, then ends", async () => {
    await using ring = new Ring();
    const ticks: number[] = [];
    for await (const tick of ring.timeoutMultishot(1, { count: 4 })) ticks.push(tick);
    expect(ticks).toEqual([1, 2, 3, 4]);
  });

  test.skipIf(!hasTicks).each([5, 0])("goes on after the completion queue was full (count: %i)", async (count) => {
    await using ring = new Ring({ entries: 8, cqEntries: 8 });
    const ticking = ring.timeoutMultishot(2, { count });
    await ring.nop();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    // These take all places; then comes the tick that is due.
    await Promise.all(Array.from({ length: 8 }, () => ring.nop()));
    const ticks: number[] = [];
    for await (const tick of ticking) if (ticks.push(tick) === 5) break;
    expect(ticks).toEqual([1, 2, 3, 4, 5]);
    expect(ring.stats.overflows).toBeGreaterThan(0);
    expect(ring.stats.inFlight).toBe(0);
  });

  test.skipIf(hasTicks)("is refused by name where the kernel has none", async () => {
    await using ring = new Ring();
    const error = await failure(ring.timeoutMultishot(1).next(), UnsupportedError);
    expect(error.message).toContain("6.4");
  });

  test.skipIf(!hasTicks)("without a count, ticks until it is left", async () => {
    await using ring = new Ring();
    for await (const tick of ring.timeoutMultishot(0.5)) if (tick === 10) break;
    expect(ring.stats.inFlight).toBe(0);
  });

  test("refuses less than the kernel's nanosecond", async () => {
    await using ring = new Ring();
    for (const ms of [0, 1e-7, 9e-7]) {
      expect(thrown(() => ring.timeoutMultishot(ms), RangeError).message).toMatch(/^ms must be at least 0.000001/);
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  // Whenever the kernel looks for such a timer, its time has come: then it is not found.
  describe.skipIf(!hasTicks).each([1e-6, 0.001, 0.01])("that is always due (%d ms)", (ms) => {
    const LIMIT_MS = 1000 * TIME_SCALE;

    async function ticking(ring: Ring, options: MultishotOptions<number> = {}): Promise<Multishot<number>> {
      let ticked!: () => void;
      const first = new Promise<void>((resolve) => ticked = resolve);
      const ticks = ring.timeoutMultishot(ms, { ...options, each: ticked });
      ticks.ended.catch(() => {});
      await first;
      await new Promise((resolve) => setTimeout(resolve, 10));
      return ticks;
    }

    test.each([
      ["return()", async (ring, ticks) => {
        await ticks.return();
        await ring.close();
      }],
      ["close()", (ring) => ring.close()],
      ["a close that blocks", (ring) => Promise.resolve(ring[Symbol.dispose]())],
    ] as [name: string, end: (ring: Ring, ticks: Multishot<number>) => Promise<void>][])(
      "ends by %s",
      async (_, end) => {
        const ring = new Ring();
        const ticks = await ticking(ring);
        const start = performance.now();
        await end(ring, ticks);
        expect(performance.now() - start).toBeLessThan(LIMIT_MS);
        expect(ring.stats.inFlight).toBe(0);
      },
    );

    test("ends by its signal, with the signal's reason", async () => {
      await using ring = new Ring();
      const controller = new AbortController();
      const ticks = await ticking(ring, { signal: controller.signal });
      controller.abort("enough");
      await expect(ticks.ended).rejects.toBe("enough");
    });

    test("ends by cancel(), which finds it, of itself and of all", async () => {
      await using ring = new Ring();
      for (let round = 0; round < 10; round++) {
        const ticks = await ticking(ring);
        expect(await ring.cancel(round % 2 === 0 ? ticks : "all")).toBe(1);
        await expect(ticks.ended).rejects.toMatchObject({ code: "ECANCELED" });
      }
    });

    test("ticks as often as was asked for", async () => {
      await using ring = new Ring();
      for (const count of [1, 99, 100, 101, 250]) {
        const ticks: number[] = [];
        const stream = ring.timeoutMultishot(ms, { count });
        for await (const tick of stream) ticks.push(tick);
        expect(ticks).toEqual(Array.from({ length: count }, (_, i) => i + 1));
        expect(stream.arms).toBeLessThanOrEqual(3);
      }
    });
  });

  test.skipIf(!hasTicks)("of less than a millisecond ticks not before its time", async () => {
    await using ring = new Ring();
    const start = performance.now();
    let ticks = 0;
    for await (const _ of ring.timeoutMultishot(0.5, { count: 150 })) ticks++;
    expect(ticks).toBe(150);
    expect(performance.now() - start).toBeGreaterThan(74.9);
  });
});

describe("cancel() ends a stream that waits, which no operation of is there,", () => {
  test.skipIf(!hasStreams)("for a buffer: it reads nothing of a file that gets its descriptor's number", async () => {
    await using net = new Net();
    const { ring } = net;
    for (const target of ["stream", "fd", "all"] as const) {
      using buffers = new BufferRing({ ring, size: 8, count: 1 });
      const [client, server] = await net.pair("unix");
      const pieces = ring.recvMultishot(server, buffers);
      await ring.send(client, new Uint8Array(16));
      const lent = (await pieces.next()).value!;
      const next = failure(pieces.next(), UringError);
      while (buffers.exhausted === 0) await ring.timeout(1);
      expect(await ring.cancel(target === "stream" ? pieces : target === "fd" ? { fd: server } : "all")).toBe(1);
      expect(await next).toMatchObject({ code: "ECANCELED", syscall: "recv", fd: server });
      lent.release();
      await ring.nop();
      expect(ring.stats.inFlight).toBe(0);
    }
  });

  test.skipIf(!hasTicks)("for its consumer", async () => {
    await using ring = new Ring();
    const ticks = ring.timeoutMultishot(1, { highWater: 2 });
    while (ticks.waiting < 2 || ring.stats.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await ring.cancel(ticks)).toBe(1);
    const seen: number[] = [];
    const all = (async () => {
      for await (const tick of ticks) seen.push(tick);
    })();
    expect((await failure(all, UringError)).code).toBe("ECANCELED");
    expect(await ring.cancel(ticks)).toBe(0);
  });

  /** How a stream is cancelled, and what that finds. */
  const ways: [string, (ring: Ring, stream: Multishot<BorrowedBuffer>, fd: number) => Promise<number> | number][] = [
    ["cancel()", (ring, stream) => ring.cancel(stream)],
    ["cancel({ fd })", (ring, _, fd) => ring.cancel({ fd })],
    ["cancel({ fd }) of one", (ring, _, fd) => ring.cancel({ fd }, { all: false })],
    ["cancel({ op })", (ring) => ring.cancel({ op: "RECV" })],
    ["cancel() of all", (ring) => ring.cancel("all")],
    ...hasSyncCancel
      ? [
        ["syncCancel()", (ring, stream) => ring.syncCancel(stream)],
        ["syncCancel({ fd })", (ring, _, fd) => ring.syncCancel({ fd })],
        ["syncCancel() of all", (ring) => ring.syncCancel("all")],
      ] satisfies typeof ways
      : [],
  ];

  test.skipIf(!hasStreams).each(ways)("by %s, as the kernel has just ended it", async (_, cancel) => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 8, count: 1 });
    const [client, server] = await net.pair("unix");
    const pieces = ring.recvMultishot(server, buffers);
    void ring.send(client, new Uint8Array(16));
    // What it ends with, ENOBUFS, comes in the same turn.
    const lent = (await pieces.next()).value!;
    expect(await cancel(ring, pieces, server)).toBe(1);
    expect(await failure(pieces.next(), UringError)).toMatchObject({ code: "ECANCELED", fd: server });
    lent.release();
    await ring.nop();
    expect([buffers.available, pieces.arms, ring.stats.inFlight]).toEqual([1, 1, 0]);
  });

  test.skipIf(!hasStreams).each(ways)("by %s, as it is being taken back for its consumer", async (_, cancel) => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 8, count: 8 });
    const [client, server] = await net.pair("unix");
    void ring.send(client, new Uint8Array(24));
    const pieces = ring.recvMultishot(server, buffers, 0, { highWater: 1 });
    (await pieces.next()).value!.release();
    expect(pieces.waiting).toBeGreaterThan(0);
    expect(await cancel(ring, pieces, server)).toBe(1);
    const end = (async () => {
      for await (const piece of pieces) piece.release();
    })();
    expect(await failure(end, UringError)).toMatchObject({ code: "ECANCELED", fd: server });
    expect([pieces.arms, ring.stats.inFlight]).toEqual([1, 0]);
  });

  test.skipIf(!hasSyncCancel).each(["stream", "fd", "all"])(
    "by syncCancel(), of %s, as it ends in that call",
    async (what) => {
      await using net = new Net();
      const { ring } = net;
      using buffers = new BufferRing({ ring, size: 8, count: 1 });
      const [client, server] = await net.pair("unix");
      const pieces = ring.recvMultishot(server, buffers);
      await ring.nop();
      const sent = ring.send(client, new Uint8Array(16));
      expect(ring.syncCancel(what === "stream" ? pieces : what === "fd" ? { fd: server } : "all")).toBe(1);
      expect(await sent).toBe(16);
      for await (const piece of upToItsEnd(pieces)) piece.release();
      await ring.nop();
      expect([pieces.arms, ring.stats.inFlight]).toEqual([1, 0]);
    },
  );

  test.skipIf(!hasTicks)("by its op's name", async () => {
    await using ring = new Ring();
    const ticks = ring.timeoutMultishot(1, { highWater: 2 });
    while (ticks.waiting < 2 || ring.stats.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await ring.cancel({ op: "TIMEOUT" })).toBe(1);
    await failure(
      (async () => {
        for await (const _ of ticks);
      })(),
      UringError,
    );
  });
});

test.skipIf(!hasStreams)("a slot that IOSQE.FIXED_FILE names is no descriptor", async () => {
  await using net = new Net();
  const { ring } = net;
  using buffers = new BufferRing({ ring, size: 8, count: 2 });
  const [client, server] = await net.pair("unix");
  const datagrams = await ring.socket(AF.INET, SOCK.DGRAM);
  using files = new FileTable(ring, { size: datagrams + 1 });
  files.set(datagrams, server);
  const pieces = ring.recvMultishot(datagrams, buffers, 0, { flags: IOSQE.FIXED_FILE });
  await ring.shutdown(client, SHUT.RDWR);
  expect(await pieces.next()).toEqual({ value: undefined, done: true });
  await ring.closeFd(datagrams);
});

test("a signal's reason may be nothing", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  const controller = new AbortController();
  const ready = ring.pollMultishot(pipe.readEnd, POLL.IN, { signal: controller.signal });
  const next = ready.next().catch((reason: unknown) => ({ reason }));
  await ring.nop();
  controller.abort(null);
  expect(await next).toEqual({ reason: null });
});
