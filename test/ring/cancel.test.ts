import { describe, expect, test } from "vitest";
import { AT, IOSQE, POLL, Ring, RingClosedError, STATX, UringError } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { chainsGoOnAfterTimeouts, hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";

const NEVER = 3_600_000;

function codes(promises: Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map((promise) => promise.catch((error: UringError) => error.code)));
}

describe("cancel() of several", () => {
  test("is refused once, by a throw, where the ring is being closed", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const read = failure(ring.read(pipe.readEnd, new Uint8Array(8)), Error);
    await ring.nop();
    const closed = ring.close();
    for (const target of [{ fd: pipe.readEnd }, { op: "READ" }, "all"] as const) {
      thrown(() => ring.cancel(target), RingClosedError);
    }
    await Promise.all([read, closed]);
  });

  test("that does not fit a chain is an error of link(), and nothing goes in", async () => {
    await using ring = new Ring({ entries: 4 });
    using pipe = new Pipe();
    using other = new Pipe();
    const reads = Array.from({ length: 8 }, () => failure(ring.read(pipe.readEnd, new Uint8Array(1)), UringError));
    await ring.nop();
    const chain = (ring: Ring) => [ring.write(other.writeEnd, new Uint8Array(3)), ring.cancel({ op: "READ" })];
    expect(thrown(() => ring.link(chain), RangeError).message).toMatch(/does not fit a queue of 4/);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(8);
    expect(await ring.cancel("all")).toBe(8);
    expect((await Promise.all(reads)).map(({ code }) => code)).toEqual(new Array(8).fill("ECANCELED"));
  });
});

describe("cancel() of a promise", () => {
  test("resolves to 1; the operation rejects with ECANCELED, and takes nothing any more", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffer = new Uint8Array(8);
    const read = ring.read(pipe.readEnd, buffer);
    const error = failure(read, UringError);
    await ring.nop();
    expect(await ring.cancel(read)).toBe(1);
    expect(await error).toMatchObject({ code: "ECANCELED", errno: -125, syscall: "read", fd: pipe.readEnd });
    pipe.write("mine");
    expect(pipe.read()).toBe("mine");
    expect(buffer.every((byte) => byte === 0)).toBe(true);
  });

  test("finds what was asked for in the same turn", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(8));
    const cancelled = ring.cancel(read);
    expect(await failure(read, UringError)).toMatchObject({ code: "ECANCELED" });
    expect(await cancelled).toBe(1);
  });

  test("leaves others on the same descriptor alone", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [first, second] = [ring.read(pipe.readEnd, new Uint8Array(8)), ring.read(pipe.readEnd, new Uint8Array(8))];
    const refused = failure(first, UringError);
    expect(await ring.cancel(first)).toBe(1);
    await refused;
    pipe.write("four");
    expect(await second).toBe(4);
  });

  test("does not mistake a later operation in the same place for the one that was meant", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const early = ring.nop();
    await early;
    const late = watch(ring.read(pipe.readEnd, new Uint8Array(8)));
    expect(await ring.cancel(early)).toBe(0);
    expect(late.state).toBe("pending");
    pipe.write("x");
    expect(ring.submitAndWait(1)).toBe(1);
    await Promise.resolve();
    expect(late.value).toBe(1);
  });

  test("reaches timeouts, polls, and operations with limits of their own", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const { signal } = new AbortController();
    const pending = [
      ring.timeout(NEVER),
      ring.timeout(NEVER, { timeout: NEVER }),
      ring.pollAdd(pipe.readEnd, POLL.IN),
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { timeout: NEVER }),
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal }),
      ring.readv(pipe.readEnd, [new Uint8Array(4)], undefined, { signal, timeout: NEVER }),
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { flags: IOSQE.ASYNC }),
    ];
    const results = codes(pending);
    await ring.nop();
    expect(await Promise.all(pending.map((promise) => ring.cancel(promise)))).toEqual(pending.map(() => 1));
    // The last runs in a worker thread, which older kernels interrupt.
    const [interrupted, ...others] = (await results).reverse();
    expect(others).toEqual(others.map(() => "ECANCELED"));
    expect(["ECANCELED", "EINTR"]).toContain(interrupted);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });

  test("reaches a write that waits for room in a pipe", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let written: number | string = 0; written !== "ETIME";) {
      written = await ring.write(pipe.writeEnd, new Uint8Array(65536), undefined, { timeout: 1 })
        .catch((error: UringError) => error.code);
    }
    const write = ring.write(pipe.writeEnd, new Uint8Array(100));
    const error = failure(write, UringError);
    expect(await ring.cancel(write)).toBe(1);
    expect(await error).toMatchObject({ code: "ECANCELED", syscall: "write" });
  });
});

describe("cancel() with limits of its own", () => {
  test("does not begin where its signal is aborted already", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    const reason = new RangeError("on purpose");
    const o = { signal: AbortSignal.abort(reason) };
    for (const target of [read, { fd: pipe.readEnd }, { op: "READ" }, "all"] as const) {
      expect(await failure(ring.cancel(target, o), RangeError)).toBe(reason);
    }
    expect(thrown(() => ring.link((ring) => [ring.cancel(read, o)]), RangeError)).toBe(reason);
    pipe.write("x");
    expect(await read).toBe(1);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("is given up while it waits in a chain", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    const controller = new AbortController();
    const { signal } = controller;
    const [pause, cancelled] = ring.link((ring) => [ring.timeout(NEVER), ring.cancel(read, { signal })]);
    const outcomes = Promise.allSettled([pause, cancelled]);
    await ring.nop();
    controller.abort(null);
    await ring.nop();
    await ring.cancel(pause!);
    const [, second] = await outcomes;
    expect(second).toEqual({ status: "rejected", reason: null });
    pipe.write("x");
    expect(await read).toBe(1);
  });
});

describe("cancel() of several", () => {
  test("takes all on a descriptor, and tells how many", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const results = codes([
      ring.read(pipe.readEnd, new Uint8Array(8)),
      ring.pollAdd(pipe.readEnd, POLL.IN),
      ring.pollAdd(pipe.readEnd, POLL.IN),
    ]);
    const spared = ring.pollAdd(other.readEnd, POLL.IN);
    await ring.nop();
    expect(await ring.cancel({ fd: pipe.readEnd })).toBe(3);
    expect(await results).toEqual(["ECANCELED", "ECANCELED", "ECANCELED"]);
    other.write("x");
    expect(await spared & POLL.IN).toBe(POLL.IN);
  });

  test("takes one alone with all: false", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.pollAdd(pipe.readEnd, POLL.IN)];
    const results = codes(polls);
    await ring.nop();
    expect(await ring.cancel({ fd: pipe.readEnd }, { all: false })).toBe(1);
    expect(ring.stats.inFlight).toBe(1);
    pipe.write("x");
    expect((await results).filter((result) => result === "ECANCELED").length).toBe(1);
  });

  test("takes all of an op, by its name in any case", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = codes([ring.pollAdd(pipe.readEnd, POLL.IN), ring.pollAdd(pipe.readEnd, POLL.IN)]);
    const read = ring.read(pipe.readEnd, new Uint8Array(8));
    await ring.nop();
    expect(await ring.cancel({ op: "poll_add" })).toBe(2);
    expect(await polls).toEqual(["ECANCELED", "ECANCELED"]);
    pipe.write("x");
    expect(await read).toBe(1);
    expect(await ring.cancel({ op: "READ" })).toBe(0);
  });

  test("takes all there is", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const results = codes([
      ring.read(pipe.readEnd, new Uint8Array(8)),
      ring.pollAdd(pipe.readEnd, POLL.IN),
      ring.timeout(NEVER),
      ring.timeout(NEVER, { count: 50 }),
    ]);
    await ring.nop();
    expect(await ring.cancel("all")).toBe(4);
    expect(await results).toEqual(["ECANCELED", "ECANCELED", "ECANCELED", "ECANCELED"]);
    expect(ring.stats.inFlight).toBe(0);
    expect(await ring.cancel("all")).toBe(0);
    expect(await ring.nop()).toBe(0);
  });

  test.skipIf(!hasOp("SOCKET"))("rejects for an fd that is not open", async () => {
    await using ring = new Ring();
    expect(await failure(ring.cancel({ fd: 99_999 }), UringError)).toMatchObject({
      code: "EBADF",
      syscall: "async_cancel",
    });
    expect(await failure(ring.cancel({ fd: 0 }, { fixedFile: true }), UringError)).toMatchObject({ code: "EBADF" });
  });
});

describe("a signal", () => {
  test("of many operations has one listener", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => (listeners++, Reflect.apply(addEventListener, signal, args));
    signal.removeEventListener = (
      ...args: unknown[]
    ) => (listeners--, Reflect.apply(removeEventListener, signal, args));
    const reads = Array.from(
      { length: 20 },
      () => ring.read(pipe.readEnd, new Uint8Array(1), undefined, { signal }).catch((error: unknown) => error),
    );
    expect(listeners).toBe(1);
    await ring.nop({ signal });
    expect(listeners).toBe(1);
    controller.abort("enough");
    expect(new Set(await Promise.all(reads))).toEqual(new Set(["enough"]));
    expect(listeners).toBe(0);
    const late = ring.nop({ signal: new AbortController().signal });
    expect(await late).toBe(0);
  });

  test("of one's own making that can't be taken back cancels nobody else's operation", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let abort = () => {};
    const signal = {
      aborted: false,
      reason: "none",
      addEventListener: (_: string, listener: () => void) => void (abort = listener),
      removeEventListener: () => {
        throw new Error("no");
      },
    };
    expect(await ring.nop({ signal: signal as unknown as AbortSignal })).toBe(0);
    const read = ring.read(pipe.readEnd, new Uint8Array(4));
    await ring.nop();
    signal.aborted = true;
    abort();
    await ring.nop();
    pipe.write("x");
    expect(await read).toBe(1);
  });

  test("whose reason throws rejects with what it throws", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const controller = new AbortController();
    throwForReason(controller.signal);
    const read = ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal: controller.signal });
    controller.abort();
    expect((await failure(read, RangeError)).message).toBe("no reason");
  });

  test("whose reason throws gives memory back once, where it is aborted before the operation begins", async () => {
    await using ring = new Ring();
    const signal = AbortSignal.abort();
    throwForReason(signal);
    const refused = ring.statx(AT.FDCWD, "/dev/null", 0, STATX.BASIC_STATS, { signal });
    expect((await failure(refused, RangeError)).message).toBe("no reason");
    const paths = ["/proc/self/status", "/"];
    const [file, folder] = await Promise.all(paths.map((path) => ring.statx(AT.FDCWD, path, 0, STATX.BASIC_STATS)));
    expect([file!.isFile(), folder!.isFile()]).toEqual([true, false]);
  });
});

function throwForReason(signal: AbortSignal): void {
  Object.defineProperty(signal, "reason", {
    get: () => {
      throw new RangeError("no reason");
    },
  });
}
