import { describe, expect, test } from "vitest";
import { IORING_CQE_F, IORING_NOP, IOSQE, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { type Completion, completions } from "../support/completions.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

const EINVAL = -22;
const OFF = 8;
const ADDR = 16;
const OP_FLAGS = 28;

interface Seen {
  readonly userData: number;
  readonly res: number;
  readonly flags: number;
  readonly big?: bigint[];
}

function visitAll(ring: RawRing): Seen[] {
  const seen: Seen[] = [];
  ring.forEachCqe((userData, res, flags, big) => {
    seen.push({ userData, res, flags, ...(big !== undefined && { big: [...big] }) });
  });
  return seen;
}

/** A NOP that completes with 16 bytes more, which it is given. */
function prepBigNop(ring: RawRing, userData: number): void {
  ring.prepNop(userData);
  const sqe = ring.sqe();
  sqe.setUint32(OP_FLAGS, IORING_NOP.CQE32);
  sqe.setBigUint64(OFF, BigInt(userData) + 2n ** 63n);
  sqe.setBigUint64(ADDR, BigInt(userData) * 3n);
}

function bigOf(userData: number): bigint[] {
  return [BigInt(userData) + 2n ** 63n, BigInt(userData) * 3n];
}

/** A ring with these options; undefined where the kernel has no such rings. */
function openRing(options: RingOptions): RawRing | undefined {
  try {
    return new RawRing(options);
  } catch (error) {
    expect(error).toMatchObject({ code: "EINVAL" });
    return undefined;
  }
}

describe("CQEs of 32 bytes", () => {
  test("are visited with their further 16 bytes", ({ skip }) => {
    using ring = openRing({ entries: 8, cqe32: true });
    if (ring === undefined) return skip("since Linux 5.19");
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 6; i++) prepBigNop(ring, round * 6 + i);
      ring.submit();
      const seen = visitAll(ring);
      if (seen[0]!.res === EINVAL) return skip("NOPs give such completions since Linux 6.18");
      expect(seen.map(({ userData }) => userData)).toEqual([0, 1, 2, 3, 4, 5].map((i) => round * 6 + i));
      for (const { userData, res, big } of seen) expect([res, big]).toEqual([0, bigOf(userData)]);
    }
  });

  test("free what their operations hold, as small ones do", ({ skip }) => {
    using ring = openRing({ entries: 8, cqe32: true });
    if (ring === undefined) return skip("since Linux 5.19");
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    const fd = folder.open("file");
    const buffer = new Uint8Array(8);
    ring.prepRead(Number.MAX_SAFE_INTEGER, fd, buffer, 8, 0);
    ring.submitAndWait(1);
    expect(visitAll(ring)).toMatchObject([{ userData: Number.MAX_SAFE_INTEGER, res: 8 }]);
    expect(buffer).toEqual(pattern(8));
  });

  test("are given to no visitor of a ring whose CQEs have 16", () => {
    using ring = new RawRing({ entries: 4 });
    ring.prepNop(1);
    ring.submit();
    const lengths: number[] = [];
    // deno-lint-ignore no-explicit-any -- to see how many there are
    ring.forEachCqe((...args: any[]) => void lengths.push(args.length));
    expect(lengths).toEqual([3]);
  });

  test("keep their numbers when the visitor visits by itself", ({ skip }) => {
    using ring = openRing({ entries: 8, cqe32: true });
    if (ring === undefined) return skip("since Linux 5.19");
    for (let i = 0; i < 4; i++) prepBigNop(ring, i);
    ring.submit();
    const order: number[] = [];
    ring.forEachCqe((userData, res, _, big) => {
      order.push(userData);
      if (res === 0) expect([...big!]).toEqual(bigOf(userData));
      if (userData !== 1) return;
      ring.forEachCqe((inner, innerRes, _, innerBig) => {
        order.push(inner);
        if (innerRes === 0) expect([...innerBig!]).toEqual(bigOf(inner));
      });
    });
    expect(order).toEqual([0, 1, 2, 3]);
  });
});

describe("CQEs of both sizes in one queue", () => {
  function mixedRing(entries: number, cqEntries: number): RawRing | undefined {
    return openRing({ entries, cqEntries, cqeMixed: true });
  }

  test("are told apart, and none is lost or seen twice as they go round the queue's end", ({ skip }) => {
    using ring = mixedRing(4, 8);
    if (ring === undefined) return skip("since Linux 6.18");
    using folder = new TempFolder();
    folder.write("file", pattern(8));
    const fd = folder.open("file");
    let next = 0;
    for (let round = 0; round < 60; round++) {
      const expected: Seen[] = [];
      // One to four, large ones in different places from round to round: their places in the queue shift all the time.
      for (let i = 0; i <= round % 4; i++) {
        const userData = next++;
        const kind = (round + i * i) % 3;
        if (kind === 0) prepBigNop(ring, userData);
        else if (kind === 1) ring.prepNop(userData);
        else ring.prepRead(userData, fd, new Uint8Array(8), 8, 0);
        expected.push({ userData, res: kind === 2 ? 8 : 0, flags: 0, ...(kind === 0 && { big: bigOf(userData) }) });
      }
      ring.submitAndWait(1);
      const seen: Seen[] = [];
      while (seen.length < expected.length) {
        ring.submitAndWait(0);
        seen.push(...visitAll(ring));
      }
      const plain = seen.map(({ flags, ...rest }) => {
        expect(flags & IORING_CQE_F.SKIP).toBe(0);
        expect((flags & IORING_CQE_F[32]) !== 0).toBe("big" in rest);
        return { ...rest, flags: 0 };
      });
      expect(plain.sort((a, b) => a.userData - b.userData)).toEqual(expected);
    }
  });

  test("keep what was not visited when the visitor throws, with its size", ({ skip }) => {
    using ring = mixedRing(8, 32);
    if (ring === undefined) return skip("since Linux 6.18");
    for (let i = 0; i < 6; i++) i % 2 === 0 ? prepBigNop(ring, i) : ring.prepNop(i);
    ring.submit();
    expect(() =>
      ring.forEachCqe((userData) => {
        if (userData === 2) throw new Error("on purpose");
      })
    ).toThrow("on purpose");
    expect(visitAll(ring).map(({ userData, big }) => [userData, big?.length])).toEqual([
      [3, undefined],
      [4, 2],
      [5, undefined],
    ]);
  });
});

describe("SQEs of both sizes in one queue", () => {
  test("take one place or two, and are each seen whole", ({ skip }) => {
    using ring = openRing({ entries: 8, sqeMixed: true });
    if (ring === undefined) return skip("since Linux 6.19");
    // One place of the eight may have to be filled.
    expect(ring.sqSpace).toBe(7);
    ring.prepNop(1);
    expect([ring.sqe().byteLength, ring.sqSpace]).toEqual([64, 6]);
    ring.prepNop128(2);
    expect([ring.sqe().byteLength, ring.sqSpace]).toEqual([128, 4]);
    expect(ring.sqe().getBigUint64(32)).toBe(2n);
    ring.prepNop(3);
    expect([ring.sqe().byteLength, ring.sqe().getBigUint64(32)]).toEqual([64, 3n]);
    ring.prepNop128(4);
    expect(ring.sqSpace).toBe(1);
    expect(ring.prepNop128(6), "one place is not enough").toBe(false);
    ring.prepNop(5);
    expect([ring.sqe().byteLength, ring.sqSpace]).toEqual([64, 0]);
    const seen: Seen[] = [];
    for (let round = 0; seen.length < 5; round++) {
      expect(round).toBeLessThan(5);
      expect(ring.submitAndWait(1)).toBeGreaterThanOrEqual(0);
      seen.push(...visitAll(ring));
    }
    expect(seen.map(({ userData, res }) => [userData, res]).sort()).toEqual([1, 2, 3, 4, 5].map((i) => [i, 0]));
  });
});

test("flags are unsigned: a buffer's number is theirs from bit 16 on", () => {
  using ring = new RawRing({ entries: 8 });
  using pipe = new Pipe();
  ring.prepProvideBuffers(1, new Uint8Array(64), 64, 1, 7, 40_000);
  ring.submitAndWait(1);
  completions(ring);
  pipe.write("x");
  ring.prepRead(2, pipe.readEnd, 0, 64, -1);
  ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
  ring.sqeSetBufGroup(7);
  ring.submitAndWait(1);
  const [{ res, flags }] = completions(ring) as [Completion];
  expect([res, flags >>> 16, flags > 0]).toEqual([1, 40_000, true]);
});
