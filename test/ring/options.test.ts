import { describe, expect, test } from "vitest";
import { AT, IOSQE, type OpOptions, POLL, Ring, UringError } from "../../mod.ts";
import { failure, failures, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsGoOnAfterTimeouts, hasOp, hasSyncCancel } from "../support/kernel.ts";
import { BLOCKING, NEVER, OPERATIONS, Stage } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";

/** A signal that counts its listeners. */
class CountedSignal {
  readonly controller: AbortController = new AbortController();
  listeners = 0;

  constructor() {
    const { signal } = this.controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    Object.assign(signal, {
      addEventListener: (...args: Parameters<typeof add>) => {
        this.listeners++;
        add(...args);
      },
      removeEventListener: (...args: Parameters<typeof remove>) => {
        this.listeners--;
        remove(...args);
      },
    });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }
}

/** After this, nothing of earlier operations is under way but what waits for something outside. */
async function settle(ring: Ring): Promise<void> {
  await ring.timeout(0);
  await ring.nop();
}

describe("options that do not come to bear change nothing", () => {
  test.each(OPERATIONS)("$name", async ({ op, start, isRight }) => {
    await using stage = await new Stage().open(7);
    const { ring } = stage;
    if (!ring.probe().op(op).supported) return expect(() => start(stage)).toThrow("not available here");
    const counted = new CountedSignal();
    const { signal } = counted;
    const all: OpOptions[] = [
      {},
      { signal },
      { timeout: NEVER },
      { signal, timeout: NEVER },
      { flags: IOSQE.ASYNC },
      ...hasSyncCancel ? [{ flags: IOSQE.IO_DRAIN }] : [],
      { signal, timeout: NEVER, flags: IOSQE.ASYNC, personality: 0, fixedFile: false },
    ];
    for (const o of all) {
      // To wait for all that came before would be to wait for what is to be removed.
      if (op === "TIMEOUT_REMOVE" && o.flags === IOSQE.IO_DRAIN) continue;
      expect(await start(stage, o), JSON.stringify(o)).toSatisfy(isRight);
    }
    // A time limit's own completion may come a little later.
    while (ring.stats.inFlight > 0) await ring.timeout(1);
    expect(counted.listeners).toBe(0);
    counted.controller.abort();
    expect(await ring.nop()).toBe(0);
  });
});

describe("signal", () => {
  test.each(OPERATIONS)("aborted before: $name rejects with its reason, and submits nothing", async ({ op, start }) => {
    await using stage = await new Stage().open(1);
    const { ring } = stage;
    if (!ring.probe().op(op).supported) return;
    const reason = new Error("enough");
    const before = ring.stats;
    const started = start(stage, { signal: AbortSignal.abort(reason) });
    await expect(started).rejects.toBe(reason);
    await settle(ring);
    // Removing and updating need a timeout to aim at; settling takes two.
    const aims = op === "TIMEOUT_REMOVE" ? 1 : 0;
    expect(ring.stats.submitted - before.submitted).toBe(2 + aims);
  });

  test.each(BLOCKING)("aborted in the same turn: $name rejects with its reason", async ({ start }) => {
    await using stage = new Stage();
    const counted = new CountedSignal();
    const started = start(stage, { signal: counted.signal });
    counted.controller.abort("enough");
    await expect(started).rejects.toBe("enough");
    await settle(stage.ring);
    expect(stage.ring.stats.inFlight).toBe(0);
    expect(counted.listeners).toBe(0);
  });

  test.each(BLOCKING)("aborted while it waits: $name rejects with its reason", async ({ start }) => {
    await using stage = new Stage();
    const counted = new CountedSignal();
    const started = start(stage, { signal: counted.signal });
    const outcome = watch(started);
    await settle(stage.ring);
    expect(outcome.state).toBe("pending");
    counted.controller.abort("enough");
    await expect(started).rejects.toBe("enough");
    await settle(stage.ring);
    expect(stage.ring.stats.inFlight).toBe(0);
    expect(counted.listeners).toBe(0);
  });

  test("aborted after: what has completed stays as it is", async () => {
    await using ring = new Ring();
    const controller = new AbortController();
    const nop = ring.nop({ signal: controller.signal });
    expect(await nop).toBe(0);
    const { submitted } = ring.stats;
    controller.abort();
    expect(await nop).toBe(0);
    await ring.nop();
    expect(ring.stats.submitted - submitted, "nothing was cancelled").toBe(1);
  });

  test("without a reason gives the usual AbortError", async () => {
    await using stage = new Stage();
    const controller = new AbortController();
    const read = stage.ring.read(stage.pipe.readEnd, new Uint8Array(4), undefined, { signal: controller.signal });
    controller.abort();
    expect(await failure(read, Error)).toMatchObject({ name: "AbortError" });
  });

  test("of AbortSignal.timeout() ends an operation with a TimeoutError", async () => {
    await using stage = new Stage();
    const read = stage.ring.read(stage.pipe.readEnd, new Uint8Array(4), undefined, { signal: AbortSignal.timeout(5) });
    expect(await failure(read, Error)).toMatchObject({ name: "TimeoutError" });
  });

  test("ends every operation that it was given to", async () => {
    await using stage = new Stage();
    const counted = new CountedSignal();
    const started = Array.from({ length: 10 }, (_, i) => {
      const o = { signal: counted.signal };
      return i % 2 === 0 ? stage.ring.timeout(NEVER, o) : stage.ring.pollAdd(stage.pipe.readEnd, POLL.IN, o);
    });
    const outcomes = Promise.allSettled(started);
    await settle(stage.ring);
    counted.controller.abort("enough");
    expect((await outcomes).every((outcome) => outcome.status === "rejected" && outcome.reason === "enough")).toBe(
      true,
    );
    expect(counted.listeners).toBe(0);
  });

  test("rejects when the kernel has let go of the buffer, not before", async () => {
    await using stage = new Stage();
    const controller = new AbortController();
    const buffer = new Uint8Array(8);
    const read = stage.ring.read(stage.pipe.readEnd, buffer, undefined, { signal: controller.signal });
    await settle(stage.ring);
    controller.abort("enough");
    await expect(read).rejects.toBe("enough");
    stage.pipe.write("mine");
    expect(stage.pipe.read()).toBe("mine");
    expect(buffer.every((byte) => byte === 0)).toBe(true);
  });

  test("aborted while what it belongs to completes loses nothing", async () => {
    await using stage = new Stage();
    const controller = new AbortController();
    const read = stage.ring.read(stage.pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    stage.ring.submitAndWait(0);
    stage.pipe.write("four");
    controller.abort("enough");
    // Either the bytes were read, or they are in the pipe still.
    if (await read.catch((reason) => reason) === "enough") expect(stage.pipe.read()).toBe("four");
    else expect(await read).toBe(4);
  });

  test("aborted with a full queue still ends its operation", async () => {
    await using ring = new Ring({ entries: 4 });
    using pipe = new Pipe();
    const controller = new AbortController();
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    const rejected = expect(read).rejects.toBe("enough");
    ring.submitAndWait(0);
    const nops = Array.from({ length: 4 }, () => ring.nop());
    controller.abort("enough");
    await rejected;
    expect(await Promise.all(nops)).toEqual([0, 0, 0, 0]);
  });

  test("aborted too late reaches no other operation, not even one in the same place", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const first = ring.nop({ signal: controller.signal, flags: i % 2 === 0 ? IOSQE.IO_LINK : 0 });
      controller.abort();
      await first.catch(() => {});
      const read = ring.read(pipe.readEnd, new Uint8Array(1));
      const outcome = watch(read);
      await ring.timeout(0.1);
      expect(outcome.state).toBe("pending");
      pipe.write("x");
      expect(await read).toBe(1);
    }
  });

  test("aborted in the same turn ends an operation that others are linked to", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const controller = new AbortController();
    const o = { signal: controller.signal, flags: IOSQE.IO_LINK };
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, o);
    controller.abort("enough");
    await expect(read).rejects.toBe("enough");
    expect(await ring.nop()).toBe(0);
  });
});

describe("timeout", () => {
  test.each(BLOCKING)("ends $name, which rejects with ETIME", async ({ op, start }) => {
    await using stage = new Stage();
    for (const timeout of [2, 0, 0.5]) {
      const error = await failure(start(stage, { timeout }), UringError);
      expect(error).toMatchObject({ code: "ETIME", errno: -62, syscall: op.toLowerCase() });
      expect(error.message).toBe(`ETIME: timed out after ${timeout} ms, ${op.toLowerCase()}`);
    }
    await settle(stage.ring);
    expect(stage.ring.stats.inFlight).toBe(0);
  });

  test("ends nothing before its time", async () => {
    await using stage = new Stage();
    const start = performance.now();
    await failure(stage.ring.pollAdd(stage.pipe.readEnd, POLL.IN, { timeout: 20 }), UringError);
    expect(performance.now() - start).toBeGreaterThan(19.9);
  });

  test("leaves what it ended alone afterwards: the pipe keeps its bytes", async () => {
    await using stage = new Stage();
    const buffer = new Uint8Array(8);
    await failure(stage.ring.read(stage.pipe.readEnd, buffer, undefined, { timeout: 1 }), UringError);
    stage.pipe.write("mine");
    expect(stage.pipe.read()).toBe("mine");
    expect(buffer.every((byte) => byte === 0)).toBe(true);
  });

  test("does not hide an error of the operation's own", async () => {
    await using ring = new Ring();
    const error = await failure(ring.read(99_999, new Uint8Array(4), 0, { timeout: NEVER }), UringError);
    expect(error).toMatchObject({ code: "EBADF", fd: 99_999 });
    await settle(ring);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("and signal together: the first of the two decides", async () => {
    await using stage = new Stage();
    const { ring, pipe } = stage;
    const early = new AbortController();
    const aborted = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { timeout: NEVER, signal: early.signal });
    await settle(ring);
    early.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    const counted = new CountedSignal();
    const o = { timeout: 2, signal: counted.signal };
    expect(await failure(ring.read(pipe.readEnd, new Uint8Array(8), undefined, o), UringError))
      .toMatchObject({ code: "ETIME" });
    expect(counted.listeners).toBe(0);
    counted.controller.abort();
    const completed = ring.read(pipe.readEnd, new Uint8Array(8), undefined, {
      timeout: NEVER,
      signal: new AbortController().signal,
    });
    pipe.write("four");
    expect(await completed).toBe(4);
    await settle(ring);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("on thousands of operations at once ends those that wait, and no other", async () => {
    await using stage = new Stage();
    const results = await Promise.all(Array.from({ length: 1000 }, (_, i) => {
      if (i % 2 === 0) return stage.ring.read(stage.fd, new Uint8Array(8), 0, { timeout: NEVER });
      return stage.ring.pollAdd(stage.pipe.readEnd, POLL.IN, { timeout: i % 10 })
        .catch((error: UringError) => error.code);
    }));
    expect(results.every((result, i) => result === (i % 2 === 0 ? 8 : "ETIME"))).toBe(true);
    await settle(stage.ring);
    expect(stage.ring.stats.inFlight).toBe(0);
  });

  test("needs two places in the queue: a ring of one entry says so", async () => {
    await using ring = new Ring({ entries: 1 });
    expect(() => ring.nop({ timeout: 5 })).toThrow(RangeError);
    expect(() => ring.nop({ timeout: 5 })).toThrow(/2 .*queue of 1.*more entries/);
    expect(ring.stats.inFlight).toBe(0);
    expect(await ring.nop()).toBe(0);
  });
});

describe("flags", () => {
  test.skipIf(!hasSyncCancel)("IO_DRAIN waits for all that came before", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const order: string[] = [];
    const read = ring.read(pipe.readEnd, new Uint8Array(4)).then(() => order.push("read"));
    const drain = ring.nop({ flags: IOSQE.IO_DRAIN }).then(() => order.push("drain"));
    const after = ring.nop().then(() => order.push("after"));
    ring.submitAndWait(0);
    expect(ring.stats.inFlight).toBe(3);
    pipe.write("x");
    await Promise.all([read, drain, after]);
    // What comes after it waits, too; in which order the two then complete differs from kernel to kernel.
    expect(order[0]).toBe("read");
    expect(order.slice(1).sort()).toEqual(["after", "drain"]);
  });

  test("ASYNC hands the operation to the kernel's threads", async () => {
    await using stage = new Stage();
    const buffer = new Uint8Array(64);
    expect(await stage.ring.read(stage.fd, buffer, 0, { flags: IOSQE.ASYNC })).toBe(64);
    expect(new TextDecoder().decode(buffer)).toBe("x".repeat(64));
  });

  test("IO_LINK ties the next operation to this one", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffer = new Uint8Array(4);
    const read = watch(ring.pollAdd(pipe.readEnd, POLL.IN, { flags: IOSQE.IO_LINK }));
    const next = watch(ring.read(pipe.readEnd, buffer));
    const free = ring.nop();
    await free;
    expect([read.state, next.state]).toEqual(["pending", "pending"]);
    pipe.write("x");
    expect(ring.submitAndWait(2)).toBe(2);
    await Promise.resolve();
    expect(next.value).toBe(1);
  });

  test("IO_LINK cancels the next when this one fails; IO_HARDLINK does not", async () => {
    await using stage = new Stage();
    const { ring, fd } = stage;
    const failed = failure(ring.read(99_999, new Uint8Array(1), 0, { flags: IOSQE.IO_LINK }), UringError);
    const next = failure(ring.read(fd, new Uint8Array(1), 0), UringError);
    expect(await failed).toMatchObject({ code: "EBADF" });
    expect(await next).toMatchObject({ code: "ECANCELED" });
    const hard = failure(ring.timeout(60_000, { flags: IOSQE.IO_HARDLINK, timeout: 0 }), UringError);
    const goesOn = ring.read(fd, new Uint8Array(1), 0);
    expect(await hard).toMatchObject({ code: "ETIME" });
    expect(await goesOn).toBe(1);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("IO_LINK on a timeout delays what follows", async () => {
    await using ring = new Ring();
    const start = performance.now();
    const [delay, next] = await Promise.all([ring.timeout(10, { flags: IOSQE.IO_LINK }), ring.nop()]);
    expect([delay, next]).toEqual([0, 0]);
    expect(performance.now() - start).toBeGreaterThan(9.9);
  });

  test("IO_LINK with a time limit ties the limit to this operation, and the next to both", async () => {
    await using stage = new Stage();
    const { ring, pipe, fd } = stage;
    const o = { flags: IOSQE.IO_LINK, timeout: 2 };
    const limited = failure(ring.read(pipe.readEnd, new Uint8Array(4), undefined, o), UringError);
    const next = failure(ring.read(fd, new Uint8Array(4), 0), UringError);
    expect(await limited).toMatchObject({ code: "ETIME" });
    expect(await next).toMatchObject({ code: "ECANCELED" });
    const first = ring.read(fd, new Uint8Array(4), 0, { flags: IOSQE.IO_LINK, timeout: NEVER });
    const second = ring.read(fd, new Uint8Array(4), 0);
    expect(await Promise.all([first, second])).toEqual([4, 4]);
  });

  test("IO_LINK on the last operation of a turn ties nothing", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4), undefined, { flags: IOSQE.IO_LINK });
    ring.submitAndWait(0);
    expect(await ring.nop()).toBe(0);
    pipe.write("x");
    expect(await read).toBe(1);
  });

  test("a chain by hand is never split, though the queue is nearly full", async () => {
    await using ring = new Ring({ entries: 8 });
    using pipe = new Pipe();
    const nops = Array.from({ length: 6 }, () => ring.nop());
    const chain = [
      ring.pollAdd(pipe.readEnd, POLL.IN, { flags: IOSQE.IO_LINK }),
      ring.nop({ flags: IOSQE.IO_LINK }),
      ring.nop({ flags: IOSQE.IO_LINK }),
      ring.nop(),
    ].map(watch);
    await Promise.all(nops);
    expect(chain.map(({ state }) => state)).toEqual(chain.map(() => "pending"));
    pipe.write("x");
    expect(ring.submitAndWait(4)).toBe(4);
    await Promise.resolve();
    expect(chain.map(({ state }) => state)).toEqual(chain.map(() => "resolved"));
  });
});

describe("fixedFile", () => {
  test("without registered files rejects, and speaks of slots rather than descriptors", async () => {
    await using stage = new Stage();
    const { ring, fd } = stage;
    const o = { fixedFile: true };
    const errors = await failures([
      ring.read(fd, new Uint8Array(1), 0, o),
      ring.writev(3, [new Uint8Array(1)], 0, o),
      ring.fsync(0, 0, o),
      ring.pollAdd(fd, POLL.IN, o),
    ], UringError);
    for (const error of errors) {
      expect(error.code).toBe("EBADF");
      expect(error.message).toMatch(/slot \d+ of the registered files is empty/);
    }
  });

  test("on operations that take no registered file rejects, and says so", async () => {
    await using stage = new Stage();
    const { ring, folder } = stage;
    const errors = await failures([
      ring.openat(AT.FDCWD, folder.at("file"), 0, 0, { fixedFile: true }),
      ...hasOp("MKDIRAT") ? [ring.mkdirat(AT.FDCWD, stage.newPath(), 0o700, { fixedFile: true })] : [],
      ring.statx(stage.fd, "", AT.EMPTY_PATH, 1, { fixedFile: true }),
    ], UringError);
    for (const error of errors) {
      expect(error.code).toBe("EBADF");
      expect(error.message).toMatch(/takes no registered file/);
    }
  });
});

test("options work beside each other on one descriptor", async () => {
  await using ring = new Ring();
  using folder = new TempFolder();
  const fd = folder.open("file", "w+");
  const text = (content: string) => new TextEncoder().encode(content);
  await Promise.all([
    ring.write(fd, text("aa"), 0, { timeout: NEVER }),
    ring.write(fd, text("bb"), 2, { flags: IOSQE.ASYNC }),
    ring.write(fd, text("cc"), 4, { signal: new AbortController().signal }),
    ring.write(fd, text("dd"), 6, hasSyncCancel ? { flags: IOSQE.IO_DRAIN } : {}),
  ]);
  expect(folder.text("file")).toBe("aabbccdd");
});

describe("what a program's own code does while options are read", () => {
  /** As much of an AbortSignal as is looked at. */
  function signalThat(addEventListener: () => void): AbortSignal {
    return { aborted: false, addEventListener, removeEventListener() {} } as unknown as AbortSignal;
  }

  test("a signal that can't be listened to is the caller's error, and nobody else's", async () => {
    await using ring = new Ring();
    const signal = signalThat(() => {
      throw new Error("no listeners here");
    });
    for (const options of [{ signal }, { signal, timeout: 1000 }]) {
      expect(thrown(() => ring.nop(options), Error).message).toBe("no listeners here");
    }
    expect(await Promise.all([ring.nop(), ring.nop(), ring.nop()])).toEqual([0, 0, 0]);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("an operation that a signal's listening stages comes before its own", async () => {
    await using ring = new Ring();
    const nested: Promise<unknown>[] = [];
    const signal = signalThat(() => nested.push(ring.timeout(5)));
    expect(await ring.nop({ signal, timeout: NEVER })).toBe(0);
    expect(await Promise.all(nested)).toEqual([0]);
  });

  test("each option is read once, and what a getter stages comes before", async () => {
    await using ring = new Ring();
    const nested: Promise<number>[] = [];
    const reads: string[] = [];
    const options = new Proxy({ signal: new AbortController().signal, timeout: NEVER, personality: 0, flags: 0 }, {
      get: (target, key) => {
        reads.push(String(key));
        nested.push(ring.nop());
        return Reflect.get(target, key);
      },
    });
    expect(await ring.nop(options)).toBe(0);
    expect(await Promise.all(nested)).toEqual(nested.map(() => 0));
    for (const key of ["signal", "timeout", "personality"]) {
      expect(reads.filter((read) => read === key), key).toHaveLength(1);
    }
  });
});
