import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  IORING_CQE_F,
  IORING_FEAT,
  IORING_REGISTER,
  IORING_SETUP,
  IOSQE,
  POLL,
  RingClosedError,
  type RingOptions,
  UnsupportedError,
} from "../../mod.ts";
import { IORING_REGISTER_USE_REGISTERED_RING } from "../../src/abi/constants.ts";
import { REGISTERS } from "../../src/abi/registers.ts";
import { type Struct, structs } from "../../src/abi/structs.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { registerSize } from "../../src/ring/register_size.ts";
import { completions, resultOf, results } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { A_FEW, collectGarbage, collectUntil } from "../support/garbage.ts";
import { chainsEndAtBadFiles, hasFeature } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps } from "../support/process_state.ts";
import { testOf } from "./stage.ts";

const EBADF = -9;
const EINVAL = -22;
const ETIME = -62;
const ECANCELED = -125;
const FLAGS = 1;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function setFlags(ring: RawRing, flags: number): void {
  ring.sqe().setUint8(FLAGS, flags);
}

describe("the submission queue", () => {
  test("goes round: thousands pass through a few places, in order", () => {
    using ring = new RawRing({ entries: 4 });
    const visited: number[] = [];
    for (let i = 0; i < 5000; i++) {
      while (!ring.prepNop(i)) {
        expect(ring.submitAndWait(1)).toBe(4);
        ring.forEachCqe((userData) => visited.push(userData));
      }
    }
    ring.submit();
    ring.forEachCqe((userData) => visited.push(userData));
    expect(visited).toEqual(times(5000, (i) => i));
  });

  test("submit() gives how many the kernel took, and 0 when there is nothing", () => {
    using ring = new RawRing({ entries: 8 });
    expect(ring.submit()).toBe(0);
    times(3, (i) => ring.prepNop(i));
    expect(ring.submit()).toBe(3);
    expect(ring.submit()).toBe(0);
    expect(completions(ring).length).toBe(3);
  });

  test("submit() makes no system call when there is nothing to submit", () => {
    using ring = new RawRing({ entries: 8 });
    ring.prepNop(1);
    ring.submit();
    const { enters } = ring;
    expect(enters).toBe(1);
    ring.submit();
    completions(ring);
    completions(ring);
    expect(ring.enters).toBe(1);
  });

  test("gives how many it took on a ring with sqpoll, too", () => {
    using ring = new RawRing({ entries: 8, sqpoll: { idle: 5 } });
    for (let round = 0; round < 50; round++) {
      times(5, (i) => ring.prepNop(i));
      expect(ring.submitAndWait(5)).toBe(5);
      expect(completions(ring).length).toBe(5);
    }
  });

  test("takes user data from 0 to 2^53 - 1, for operations with and without memory", () => {
    using ring = new RawRing({ entries: 16 });
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    const fd = folder.open("file");
    const NUMBERS = [0, 1, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER];
    for (const userData of NUMBERS) expect(ring.prepNop(userData)).toBe(true);
    ring.submitAndWait(NUMBERS.length);
    expect(completions(ring).map(({ userData }) => userData)).toEqual(NUMBERS);
    for (const userData of NUMBERS) expect(ring.prepRead(userData, fd, new Uint8Array(8), 8, 0)).toBe(true);
    ring.submitAndWait(NUMBERS.length);
    expect(completions(ring).map(({ userData }) => userData).sort((a, b) => a - b)).toEqual(NUMBERS);
  });
});

describe("resize()", () => {
  const canResize = (() => {
    using ring = new RawRing({ entries: 2 });
    if ((ring.setupFlags & IORING_SETUP.DEFER_TASKRUN) === 0) return false;
    try {
      ring.resize({ entries: 2 });
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(UnsupportedError);
      return false;
    }
  })();

  test.skipIf(!canResize)("gives the queues other sizes, and keeps what is prepared and in flight", () => {
    using ring = new RawRing({ entries: 4 });
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", pattern(8));
    const fd = folder.open("file");
    const waiting = new Uint8Array(8);
    ring.prepRead(1000, pipe.readEnd, waiting, 8, -1);
    ring.submit();
    for (const entries of [64, 8, 512, 16]) {
      const buffers = times(3, () => new Uint8Array(8));
      for (const [i, buffer] of buffers.entries()) ring.prepRead(i, fd, buffer, 8, 0);
      ring.resize({ entries, cqEntries: entries * 4 });
      expect([ring.entries, ring.cqEntries, ring.sqSpace]).toEqual([entries, entries * 4, entries - 3]);
      expect(ring.sqe().getBigUint64(32)).toBe(2n);
      for (let i = 3; i < entries; i++) expect(ring.prepTimeout(i, { ms: 0 }, 0, 0)).toBe(true);
      expect(ring.prepNop(entries)).toBe(false);
      expect(ring.submitAndWait(entries)).toBe(entries);
      const visited = completions(ring);
      expect(visited.map(({ userData }) => userData).sort((a, b) => a - b)).toEqual(times(entries, (i) => i));
      expect(buffers).toEqual(times(3, () => pattern(8)));
    }
    pipe.write("awaited!");
    expect(results(ring, 1)).toEqual(new Map([[1000, 8]]));
    expect(new TextDecoder().decode(waiting)).toBe("awaited!");
  });

  test.skipIf(!canResize)("may be called by a visitor once it has seen all, and not before", () => {
    using ring = new RawRing({ entries: 4 });
    times(3, (i) => ring.prepNop(i));
    ring.submit();
    const visited: number[] = [];
    ring.forEachCqe((userData) => {
      visited.push(userData);
      if (userData < 2) {
        expect(thrown(() => ring.resize({ entries: 8 }), TypeError).message).toMatch(/wait to be visited/);
      } else if (userData === 2) {
        ring.resize({ entries: 64 });
        times(40, (i) => ring.prepNop(100 + i));
        expect(ring.submit()).toBe(40);
      }
    });
    expect(visited).toEqual([0, 1, 2, ...times(40, (i) => 100 + i)]);
  });

  test("refuses what can't be", () => {
    using ring = new RawRing({ entries: 4 });
    // deno-lint-ignore no-explicit-any -- as from JavaScript
    expect(thrown(() => ring.resize(8 as any), TypeError).message).toMatch(/sizes must be \{ entries, cqEntries \}/);
    expect(thrown(() => ring.resize({ entries: 0 }), RangeError).message).toMatch(/entries/);
    ring.close();
    thrown(() => ring.resize({ entries: 4 }), RingClosedError);
  });
});

describe("a ring that is opened disabled", () => {
  const { ENABLE_RINGS } = IORING_REGISTER;
  const BY_INDEX = ENABLE_RINGS + IORING_REGISTER_USE_REGISTERED_RING;
  test.each<[string, (ring: RawRing) => unknown, RingOptions]>([
    ["enable()", (ring) => ring.enable(), {}],
    ["register()", (ring) => ring.register(ENABLE_RINGS, null, 0), {}],
    ["register() by its registered index", (ring) => ring.register(BY_INDEX, null, 0), { registerFd: true }],
  ])("takes nothing before %s, and everything after it", (_, enable, options) => {
    if (options.registerFd && !hasFeature("REG_REG_RING")) return; // before 6.3
    using ring = new RawRing({ entries: 4, disabled: true, ...options });
    expect(ring.sqSpace).toBe(0);
    expect(thrown(() => ring.prepNop(1), Error)).toMatchObject({ code: "EBADFD" });
    enable(ring);
    expect(ring.sqSpace).toBe(4);
    expect(times(5, (i) => ring.prepNop(i))).toEqual([true, true, true, true, false]);
    expect(ring.submitAndWait(4)).toBe(4);
    expect(completions(ring).length).toBe(4);
    expect(thrown(() => ring.enable(), Error)).toMatchObject({ code: "EBADFD" });
    ring.close();
    thrown(() => ring.enable(), RingClosedError);
  });
});

describe("sqe()", () => {
  test("is a view on the SQE prepared last, in every width, and a copy of its bytes", () => {
    using ring = new RawRing({ entries: 4 });
    ring.prepNop(0x1122_3344);
    const sqe = ring.sqe();
    expect(sqe.byteLength).toBe(64);
    sqe.setUint8(1, IOSQE.ASYNC);
    sqe.setUint16(2, 0xbeef);
    sqe.setInt32(4, -7);
    sqe.setUint32(24, 0xffff_fffe);
    sqe.setBigUint64(8, 2n ** 63n + 1n);
    expect([sqe.getUint8(1), sqe.getUint16(2), sqe.getInt32(4), sqe.getUint32(24), sqe.getBigUint64(8)])
      .toEqual([IOSQE.ASYNC, 0xbeef, -7, 0xffff_fffe, 2n ** 63n + 1n]);
    expect(sqe.getBigUint64(32)).toBe(0x1122_3344n);
    const bytes = sqe.bytes();
    expect(bytes.length).toBe(64);
    bytes.fill(0);
    expect(sqe.getUint8(1)).toBe(IOSQE.ASYNC);
    expect(() => sqe.getUint32(61)).toThrow(RangeError);
    expect(() => sqe.setUint8(64, 1)).toThrow(RangeError);
    expect("buffer" in sqe, "whoever had the buffer could transfer it").toBe(false);
    ring.prepNop(2);
    expect(ring.sqe().getBigUint64(32)).toBe(2n);
  });

  test("changes user data, for operations with and without memory", () => {
    using ring = new RawRing({ entries: 4 });
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    ring.prepNop(1);
    ring.sqe().setBigUint64(32, 77n);
    ring.prepRead(2, folder.open("file"), new Uint8Array(8), 8, 0);
    ring.sqe().setBigUint64(32, 2n ** 53n - 1n);
    expect(results(ring, 2)).toEqual(new Map([[77, 0], [Number.MAX_SAFE_INTEGER, 8]]));
  });

  test("throws when nothing is prepared", () => {
    using ring = new RawRing({ entries: 4 });
    expect(thrown(() => ring.sqe(), TypeError).message).toMatch(/no SQE is prepared/);
    ring.prepNop(1);
    ring.submit();
    expect(thrown(() => ring.sqe(), TypeError).message).toMatch(/no SQE is prepared/);
  });

  test("has 128 bytes on a ring with sqe128", () => {
    let ring: RawRing;
    try {
      ring = new RawRing({ entries: 4, sqe128: true, cqe32: true });
    } catch (error) {
      return expect(error, "since Linux 5.19").toMatchObject({ code: "EINVAL" });
    }
    using _ = ring;
    times(4, (i) => {
      ring.prepNop(i);
      expect(ring.sqe().byteLength).toBe(128);
      expect(ring.sqe().bytes().length).toBe(128);
    });
    expect(ring.prepNop(5)).toBe(false);
    ring.submitAndWait(4);
    expect(completions(ring).map(({ userData, res }) => [userData, res])).toEqual([[0, 0], [1, 0], [2, 0], [3, 0]]);
  });

  test.skipIf(!chainsEndAtBadFiles)("IO_LINK: a failure cancels what follows", () => {
    using ring = new RawRing({ entries: 8 });
    ring.prepNop(1);
    setFlags(ring, IOSQE.IO_LINK);
    ring.prepFsync(2, 99_999, 0);
    setFlags(ring, IOSQE.IO_LINK);
    ring.prepNop(3);
    ring.prepNop(4);
    expect(results(ring, 4)).toEqual(new Map([[1, 0], [2, EBADF], [3, ECANCELED], [4, 0]]));
  });

  test.skipIf(!chainsEndAtBadFiles)("IO_HARDLINK: what follows runs all the same", () => {
    using ring = new RawRing({ entries: 8 });
    ring.prepFsync(1, 99_999, 0);
    setFlags(ring, IOSQE.IO_HARDLINK);
    ring.prepNop(2);
    expect(results(ring, 2)).toEqual(new Map([[1, EBADF], [2, 0]]));
  });

  test("IO_DRAIN: waits for all that came before", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
    ring.prepNop(2);
    setFlags(ring, IOSQE.IO_DRAIN);
    ring.submit();
    expect(completions(ring)).toEqual([]);
    pipe.write("x");
    ring.submitAndWait(2);
    expect(completions(ring).map(({ userData }) => userData)).toEqual([1, 2]);
  });

  test("CQE_SKIP_SUCCESS: success is silent, failure is not", () => {
    using ring = new RawRing({ entries: 8 });
    if ((ring.features & IORING_FEAT.CQE_SKIP) === 0) return; // before 5.17
    ring.prepNop(1);
    setFlags(ring, IOSQE.CQE_SKIP_SUCCESS);
    ring.prepFsync(2, 99_999, 0);
    setFlags(ring, IOSQE.CQE_SKIP_SUCCESS);
    ring.prepNop(3);
    ring.submitAndWait(2);
    const visited = completions(ring).map(({ userData, res }) => [userData, res]);
    expect(visited.sort()).toEqual([[2, EBADF], [3, 0]]);
  });
});

describe("submitAndWait()", () => {
  test("waits for so many completions", () => {
    using ring = new RawRing({ entries: 8 });
    ring.prepTimeout(1, { ms: 10 }, 0, 0);
    ring.prepTimeout(2, { ms: 1 }, 0, 0);
    expect(ring.submitAndWait(2)).toBe(2);
    // A machine that stood still in between has both at once.
    expect(completions(ring).map(({ userData }) => userData).sort()).toEqual([1, 2]);
  });

  test("gives -ETIME when its time ends and nothing was submitted; else how many were", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const start = performance.now();
    expect(ring.submitAndWait(1, 10)).toBe(ETIME);
    expect(performance.now() - start).toBeGreaterThan(9.9);
    expect(ring.submitAndWait(1, 0)).toBe(ETIME);
    ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
    expect(ring.submitAndWait(1, 1)).toBe(1);
    expect(ring.submitAndWait(1, 1.5)).toBe(ETIME);
    expect(ring.submitAndWait(0, 1)).toBe(0);
    pipe.write("x");
    expect(ring.submitAndWait(1, NEVER)).toBe(0);
    expect(completions(ring).length).toBe(1);
  });

  test("counts completions that are there and were not visited yet", () => {
    using ring = new RawRing({ entries: 8 });
    times(3, (i) => ring.prepNop(i));
    expect(ring.submitAndWait(3)).toBe(3);
    ring.prepNop(3);
    expect(ring.submitAndWait(4), "three were there").toBe(1);
    ring.prepNop(4);
    expect(ring.submitAndWait(2), "four were there").toBe(1);
    expect(completions(ring).map(({ userData }) => userData)).toEqual([0, 1, 2, 3, 4]);
    expect(completions(ring)).toEqual([]);
  });

  test.each([
    ["n -1", -1, undefined, RangeError, /n must be from 0/],
    ["n 0.5", 0.5, undefined, TypeError, /n must be an integer/],
    ["n as text", "1", undefined, TypeError, /n must be a number/],
    ["a time of NaN", 1, NaN, RangeError, /timeout must be from 0/],
  ])("refuses %s", (_, n, timeout, type, message) => {
    using ring = new RawRing({ entries: 8 });
    ring.prepNop(1);
    expect(thrown(() => ring.submitAndWait(n as number, timeout as number), type).message).toMatch(message);
    expect(ring.sqSpace).toBe(7);
    expect(results(ring, 1)).toEqual(new Map([[1, 0]]));
  });
});

describe("forEachCqe()", () => {
  test("visits what is there, in order, and gives how many; it does not wait", () => {
    using ring = new RawRing({ entries: 8 });
    expect(ring.forEachCqe(() => {})).toBe(0);
    times(5, (i) => ring.prepNop(i));
    expect(ring.forEachCqe(() => {}), "prepared is not submitted").toBe(0);
    ring.submit();
    const visited: number[] = [];
    expect(ring.forEachCqe((userData) => visited.push(userData))).toBe(5);
    expect(visited).toEqual([0, 1, 2, 3, 4]);
    expect(ring.forEachCqe(() => {})).toBe(0);
  });

  test("hands over result and flags", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    pipe.write("hello");
    ring.prepRead(1, pipe.readEnd, new Uint8Array(2), 2, -1);
    ring.submitAndWait(1);
    const [completion] = completions(ring);
    expect(completion).toMatchObject({ userData: 1, res: 2 });
    expect(completion!.flags & IORING_CQE_F.MORE).toBe(0);
    expect(Number.isInteger(completion!.flags)).toBe(true);
  });

  test("lets the visitor prepare and submit: what completes then is visited as well", () => {
    using ring = new RawRing({ entries: 4 });
    ring.prepNop(1);
    ring.submit();
    const visited: number[] = [];
    const count = ring.forEachCqe((userData) => {
      visited.push(userData);
      if (userData < 100) {
        expect(ring.prepNop(userData + 1)).toBe(true);
        expect(ring.submit()).toBe(1);
      }
    });
    expect(visited).toEqual(times(100, (i) => i + 1));
    expect(count).toBe(100);
  });

  test("lets the visitor submit while others wait to be visited: none is lost or seen twice", () => {
    using ring = new RawRing({ entries: 8 });
    times(8, (i) => ring.prepNop(i));
    ring.submit();
    const visited: number[] = [];
    let rounds = 0;
    while (visited.length < 80) {
      if (rounds++ > 100) break;
      ring.forEachCqe((userData) => {
        visited.push(userData);
        if (userData < 72) {
          ring.prepNop(userData + 8);
          if (userData % 3 === 0) ring.submit();
        }
      });
      ring.submit();
    }
    expect(visited.sort((a, b) => a - b)).toEqual(times(80, (i) => i));
  });

  test("lets the visitor prepare without submitting", () => {
    using ring = new RawRing({ entries: 4 });
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    const fd = folder.open("file");
    ring.prepNop(1);
    ring.submit();
    const buffer = new Uint8Array(8);
    ring.forEachCqe(() => void ring.prepRead(2, fd, buffer, 8, 0));
    expect(ring.sqSpace).toBe(3);
    expect(results(ring, 1)).toEqual(new Map([[2, 8]]));
    expect(buffer).toEqual(pattern(8));
  });

  test("keeps what was not visited when the visitor throws", () => {
    using ring = new RawRing({ entries: 8 });
    times(5, (i) => ring.prepNop(i));
    ring.submit();
    thrown(() =>
      ring.forEachCqe((userData) => {
        if (userData === 1) throw new Error("on purpose");
      }), Error);
    expect(completions(ring).map(({ userData }) => userData)).toEqual([2, 3, 4]);
  });

  test("lets the visitor visit, too", () => {
    using ring = new RawRing({ entries: 8 });
    times(4, (i) => ring.prepNop(i));
    ring.submit();
    const visited: number[] = [];
    ring.forEachCqe((userData) => {
      visited.push(userData);
      if (userData === 1) ring.forEachCqe((inner) => visited.push(inner));
    });
    expect(visited).toEqual([0, 1, 2, 3]);
  });

  test("lets the visitor close the ring", () => {
    const ring = new RawRing({ entries: 8 });
    times(4, (i) => ring.prepNop(i));
    ring.submit();
    const visited: number[] = [];
    ring.forEachCqe((userData) => {
      visited.push(userData);
      ring.close();
    });
    expect(visited).toEqual([0]);
  });

  test("visits completions beyond the completion queue: an overflow loses none", () => {
    using ring = new RawRing({ entries: 4, cqEntries: 4 });
    using pipe = new Pipe();
    for (let i = 0; i < 12; i++) {
      ring.prepPollAdd(i, pipe.readEnd, POLL.IN);
      ring.submit();
    }
    expect(completions(ring)).toEqual([]);
    pipe.write("x");
    expect(completions(ring).map(({ userData }) => userData).sort((a, b) => a - b)).toEqual(times(12, (i) => i));
  });

  test("reads 32-byte CQEs", () => {
    let ring: RawRing;
    try {
      ring = new RawRing({ entries: 4, cqe32: true });
    } catch (error) {
      return expect(error, "since Linux 5.19").toMatchObject({ code: "EINVAL" });
    }
    using _ = ring;
    expect(ring.setupFlags & IORING_SETUP.CQE32).toBe(IORING_SETUP.CQE32);
    for (let round = 0; round < 10; round++) {
      times(4, (i) => ring.prepNop(round * 4 + i));
      ring.submit();
      expect(completions(ring).map(({ userData }) => userData)).toEqual(times(4, (i) => round * 4 + i));
    }
  });
});

describe("memory that operations hold", () => {
  /** A read from a pipe into a buffer that nobody else mentions. */
  function startRead(ring: RawRing, pipe: Pipe, userData: number, size: number): WeakRef<ArrayBuffer> {
    const buffer = new Uint8Array(size);
    ring.prepRead(userData, pipe.readEnd, buffer, size, -1);
    ring.submit();
    return new WeakRef(buffer.buffer);
  }

  test("stays until their completion was visited, and goes afterwards", async () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    // Small views and large ones live in different heaps.
    const held = [startRead(ring, pipe, 1, 16), startRead(ring, pipe, 2, 100_000)];
    expect(await collectUntil(() => held.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    pipe.write("x".repeat(16));
    ring.submitAndWait(1);
    pipe.write("y".repeat(16));
    ring.submitAndWait(2);
    expect(held.every((ref) => ref.deref() !== undefined), "not visited yet").toBe(true);
    expect(completions(ring).length).toBe(2);
    expect(await collectUntil(() => held.every((ref) => ref.deref() === undefined))).toBe(true);
  });

  test("is written to, though nobody else mentions it, and garbage is collected meanwhile", async () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const refs = times(6, (i) => startRead(ring, pipe, i, 8));
    for (let round = 0; round < 5; round++) {
      times(200, () => new Uint8Array(64).fill(1));
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const buffers = refs.map((ref) => new Uint8Array(ref.deref()!));
    for (let i = 0; i < 6; i++) {
      pipe.write(`message${i}`);
      ring.submitAndWait(i + 1);
    }
    expect(completions(ring).map(({ res }) => res)).toEqual([8, 8, 8, 8, 8, 8]);
    const texts = buffers.map((bytes) => new TextDecoder().decode(bytes));
    expect(texts.sort()).toEqual(times(6, (i) => `message${i}`));
  });

  test("of readv() and of timespecs in memory stays, too", async () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const refs = (() => {
      const buffers = [new Uint8Array(4), new Uint8Array(4)];
      ring.prepReadv(1, pipe.readEnd, buffers, 2, -1);
      const timespec = new BigInt64Array([1000n, 0n]);
      ring.prepTimeout(2, timespec, 0, 0);
      ring.submit();
      return [...buffers, timespec].map(({ buffer }) => new WeakRef(buffer));
    })();
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    pipe.write("12345678");
    ring.prepTimeoutRemove(3, 2, 0);
    expect(results(ring, 3)).toEqual(new Map([[1, 8], [3, 0], [2, ECANCELED]]));
    expect(await collectUntil(() => refs.every((ref) => ref.deref() === undefined))).toBe(true);
  });

  test("of an operation that was prepared and never submitted stays as long as the ring", async () => {
    const ring = new RawRing({ entries: 8 });
    const ref = (() => {
      const buffer = new Uint8Array(16);
      ring.prepRead(1, 0, buffer, 16, 0);
      return new WeakRef(buffer.buffer);
    })();
    expect(await collectUntil(() => ref.deref() === undefined, A_FEW)).toBe(false);
    ring.close();
  });

  test("of an operation with CQE_SKIP_SUCCESS stays for good: nobody tells when the kernel is done with it", async () => {
    using pipe = new Pipe();
    const refs = [16, 100_000].map((size) => {
      using ring = new RawRing({ entries: 8 });
      const buffer = new Uint8Array(size);
      ring.prepRead(1, pipe.readEnd, buffer, size, -1);
      if ((ring.features & IORING_FEAT.CQE_SKIP) !== 0) setFlags(ring, IOSQE.CQE_SKIP_SUCCESS);
      else return { deref: () => buffer.buffer };
      ring.submit();
      return new WeakRef(buffer.buffer);
    });
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
  });
});

describe("user data written through sqe()", () => {
  /** What a RawRing's first operation that holds memory has for the kernel. */
  const FIRST_SLOT = 2n ** 63n;
  const WRITES: [string, (ring: RawRing) => void][] = [
    ["a NOP's", (ring) => {
      ring.prepNop(3);
      ring.sqe().setBigUint64(32, FIRST_SLOT);
    }],
    ["through a view that was kept", (ring) => {
      ring.prepNop(4);
      const view = ring.sqe();
      ring.submitAndWait(1);
      completions(ring);
      ring.prepNop(3);
      view.setBigUint64(32, FIRST_SLOT);
    }],
  ];
  test.each(WRITES)("must not be another operation's: %s", async (_, write) => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const ref = (() => {
      const buffer = new Uint8Array(16);
      ring.prepRead(1, pipe.readEnd, buffer, 16, -1);
      ring.submit();
      return new WeakRef(buffer.buffer);
    })();
    write(ring);
    const { sqSpace } = ring;
    expect(thrown(() => ring.submit(), RangeError).message).toMatch(/at place 0 has user data of 2\^63 or more.*below/);
    expect(ring.sqSpace, "it stays prepared").toBe(sqSpace);
    ring.sqe().setBigUint64(32, 2n ** 53n);
    ring.submitAndWait(1);
    expect(completions(ring).some(({ userData }) => userData === 2 ** 53)).toBe(true);
    expect(await collectUntil(() => ref.deref() === undefined, A_FEW), "the read has its buffer").toBe(false);
    pipe.write("x");
    ring.submitAndWait(1);
    expect(completions(ring)).toMatchObject([{ userData: 1, res: 1 }]);
  });

  testOf("NOP128")("is looked for in SQEs alone, not in the second half of one", () => {
    using ring = new RawRing({ entries: 8, sqeMixed: true });
    ring.prepNop128(1);
    ring.sqe().setBigUint64(96, FIRST_SLOT);
    expect(results(ring, 1)).toEqual(new Map([[1, 0]]));
    ring.prepNop128(1);
    ring.prepNop(2);
    ring.sqe().setBigUint64(32, FIRST_SLOT);
    expect(thrown(() => ring.submit(), RangeError).message).toMatch(/at place 2/);
  });
});

describe("register()", () => {
  test("gives the kernel's answer, or a negative errno", () => {
    using ring = new RawRing({ entries: 8 });
    const probe = new Uint8Array(16 + 8 * 64);
    expect(ring.register(IORING_REGISTER.PROBE, probe, 64)).toBe(0);
    expect(probe[0], "the last op").toBeGreaterThan(30);
    expect(ring.register(9999, null, 0)).toBe(EINVAL);
  });

  test("registered files are reads by slot, with FIXED_FILE", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    expect(ring.register(IORING_REGISTER.FILES, new Int32Array([-1, folder.open("file")]), 2)).toBe(0);
    const buffer = new Uint8Array(8);
    const read = (slot: number) =>
      resultOf(ring, (ring) => {
        const prepared = ring.prepRead(1, slot, buffer, 8, 0);
        setFlags(ring, IOSQE.FIXED_FILE);
        return prepared;
      });
    expect(read(1)).toBe(8);
    expect(buffer).toEqual(pattern(8));
    expect(read(0), "50: an empty slot").toBe(EBADF);
    expect(read(2), "50: no slot").toBe(EBADF);
  });

  test("a personality is taken by an SQE", () => {
    using ring = new RawRing({ entries: 8 });
    const personality = ring.register(IORING_REGISTER.PERSONALITY, null, 0);
    expect(personality).toBeGreaterThan(0);
    const resultAs = (id: number) =>
      resultOf(ring, (ring) => {
        const prepared = ring.prepOpenat(1, -100, "/proc/self/status", 0, 0);
        ring.sqe().setUint16(42, id);
        return prepared;
      });
    const fd = resultAs(personality);
    expect(fd).toBeGreaterThan(2);
    expect(resultOf(ring, (ring) => ring.prepClose(1, fd))).toBe(0);
    expect(resultAs(personality + 1)).toBe(EINVAL);
    expect(ring.register(IORING_REGISTER.UNREGISTER_PERSONALITY, null, personality)).toBe(0);
    expect(resultAs(personality)).toBe(EINVAL);
  });

  test("knows the size of what each call writes to", () => {
    const ours: Readonly<Record<string, Struct>> = structs;
    for (const { name, code, arg, direction } of Object.values(REGISTERS)) {
      if (direction === "in" || direction === "none") continue;
      const struct = arg!.replace("[]", "");
      const size = struct === "__u32" ? 4 : ours[struct]!.size;
      const written = registerSize(code, 2);
      if (name === "PROBE") expect(written, name).toBe(size + 2 * ours["io_uring_probe_op"]!.size);
      else expect(written, name).toBe(arg!.endsWith("[]") ? 2 * size : size);
    }
  });

  test.each([
    ["an opcode of -1", -1, null, 0, RangeError, /opcode must be from 0/],
    ["an opcode as text", "PROBE", null, 0, TypeError, /opcode must be a number/],
    ["a count of 0.5", 0, null, 0.5, TypeError, /count must be an integer/],
    ["an argument that is no memory", 8, "text", 1, TypeError, /arg must be a typed array/],
    ["an argument with no bytes", 0, new Uint8Array(0), 1, RangeError, /arg has length 0/],
    [
      "a probe of more ops than find room",
      8,
      new Uint8Array(16),
      256,
      RangeError,
      /2064 is more than arg has: 16 bytes/,
    ],
    ["it by a ring's registered index, too", 2 ** 31 + 8, new Uint8Array(23), 1, RangeError, /24 is more than arg/],
    [
      "room for the old limit of one kind of workers alone",
      19,
      new Uint32Array(1),
      2,
      RangeError,
      /8 is more than arg/,
    ],
    ["an object with a byteLength", 0, { byteLength: 8 }, 1, TypeError, /arg must be a typed array/],
  ])("refuses %s", (_, opcode, arg, count, type, message) => {
    using ring = new RawRing({ entries: 8 });
    const call = () => ring.register(opcode as number, arg as Uint8Array, count);
    expect(thrown(call, type).message).toMatch(message);
  });
});

describe("close()", () => {
  test("ends polls and timeouts, too: they hold the ring itself", () => {
    const before = [ringDescriptors(), ringMaps()];
    using pipe = new Pipe();
    {
      using ring = new RawRing({ entries: 8 });
      ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
      ring.prepTimeout(2, { ms: NEVER }, 0, 0);
      ring.submit();
    }
    expect([ringDescriptors(), ringMaps()]).toEqual(before);
  });

  test("of a ring that was dropped with operations in flight comes when it is collected", async () => {
    const before = ringDescriptors();
    using pipe = new Pipe();
    const buffers = times(4, () => new Uint8Array(16));
    (() => {
      const ring = new RawRing({ entries: 8 });
      for (const [i, buffer] of buffers.entries()) ring.prepRead(i, pipe.readEnd, buffer, 16, -1);
      ring.submit();
    })();
    expect(ringDescriptors()).toBe(before + 1);
    expect(await collectUntil(() => ringDescriptors() === before)).toBe(true);
    pipe.write("mine");
    expect(pipe.read()).toBe("mine");
    expect(buffers.every((buffer) => buffer.every((byte) => byte === 0))).toBe(true);
  });
});

test("a RawRing's SQ counters agree with what the kernel shows of it", () => {
  using ring = new RawRing({ entries: 8 });
  times(5, (i) => ring.prepNop(i));
  ring.submit();
  const info = readFileSync(`/proc/self/fdinfo/${ring.fd}`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(info)?.[1]);
  if (!Number.isNaN(field("SqTail"))) { // not every kernel tells
    expect([field("SqTail"), field("CqTail")]).toEqual([5, 5]);
    if (!Number.isNaN(field("SqHead"))) expect(field("SqHead")).toBe(5);
  }
  expect(completions(ring).length).toBe(5);
});

test.each(["prepares", "submits"])("an argument that %s as it is read is refused, and disturbs nothing", (what) => {
  using ring = new RawRing({ entries: 8 });
  using pipe = new Pipe();
  const buffer = new Uint8Array(8);
  ring.prepRead(1, pipe.readEnd, buffer, 8, -1);
  const time = {
    get ms() {
      if (what === "prepares") ring.prepNop(2);
      else ring.submit();
      return 1;
    },
  };
  expect(thrown(() => ring.prepTimeout(3, time, 0, 0), TypeError).message).toMatch(/has prepared or submitted/);
  pipe.write("12345678");
  ring.submitAndWait(what === "prepares" ? 2 : 1);
  const seen = completions(ring).map(({ userData, res }) => [userData, res]).sort();
  expect(seen).toEqual(what === "prepares" ? [[1, 8], [2, 0]] : [[1, 8]]);
});
