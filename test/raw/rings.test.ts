import { describe, expect, test } from "vitest";
import {
  AF,
  BufferPool,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F,
  IORING_FILE_INDEX_ALLOC,
  IORING_MSG_RING,
  IORING_OP,
  IORING_REGISTER,
  IORING_RESTRICTION,
  IOSQE,
  SOCK,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions, resultOf } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { Pipe } from "../support/pipe.ts";
import { decoded, RawStage, testOf } from "./stage.ts";

const EBADF = -9;
const EBADFD = -77;
const EINVAL = -22;
const ENOBUFS = -105;
const ENOENT = -2;

describe("messages between rings", () => {
  testOf("MSG_RING")("prepMsgRing posts a completion in another ring", () => {
    using stage = new RawStage();
    using other = new RawRing({ entries: 8 });
    expect(stage.result((ring) => ring.prepMsgRing(1, other.fd, 4321, 77, 0))).toBe(0);
    other.submitAndWait(1);
    expect(completions(other)).toEqual([{ userData: 77, res: 4321, flags: 0 }]);
    expect(stage.result((ring) => ring.prepMsgRing(1, other.fd, -5, 2n ** 62n, 0))).toBe(0);
    other.submitAndWait(1);
    expect(completions(other)).toEqual([{ userData: 2 ** 62, res: -5, flags: 0 }]);
    using pipe = new Pipe();
    expect(stage.result((ring) => ring.prepMsgRing(1, pipe.readEnd, 1, 1, 0)), "64: no ring").toBe(EBADFD);
  });

  test("prepMsgRingCqeFlags refuses flags that tell how completions lie", () => {
    using ring = new RawRing({ entries: 4 });
    for (const cqeFlags of [IORING_CQE_F.SKIP, IORING_CQE_F["32"] | 1]) {
      const { message } = thrown(() => ring.prepMsgRingCqeFlags(1, ring.fd, 0, 2, 0, cqeFlags), TypeError);
      expect(message).toMatch(/^cqeFlags must not have IORING_CQE_F.SKIP or 32/);
    }
    expect(ring.sqSpace).toBe(4);
  });

  testOf("MSG_RING")("prepMsgRingCqeFlags gives the completion flags, too", () => {
    using stage = new RawStage();
    using other = new RawRing({ entries: 8 });
    const result = stage.result((ring) => ring.prepMsgRingCqeFlags(1, other.fd, 5, 6, 0, 0x1234_0001));
    if (result === EINVAL) return; // before 6.3
    expect(result).toBe(0);
    other.submitAndWait(1);
    expect(completions(other)).toEqual([{ userData: 6, res: 5, flags: 0x1234_0001 }]);
  });

  testOf("MSG_RING")("prepMsgRingFd and prepMsgRingFdAlloc hand over file slots", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using other = new RawRing({ entries: 8 });
    folder.write("file", "content");
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array([-1, folder.open("file")]), 2)).toBe(0);
    expect(other.register(IORING_REGISTER.FILES, new Int32Array(4).fill(-1), 4)).toBe(0);
    expect(stage.result((ring) => ring.prepMsgRingFd(1, other.fd, 1, 2, 99, 0))).toBeGreaterThanOrEqual(0);
    other.submitAndWait(1);
    expect(completions(other).map(({ userData }) => userData)).toEqual([99]);
    const buffer = new Uint8Array(8);
    const read = (slot: number) =>
      resultOf(other, (ring) => {
        const prepared = ring.prepRead(1, slot, buffer, 8, 0);
        ring.sqeSetFlags(IOSQE.FIXED_FILE);
        return prepared;
      });
    expect(read(2)).toBe(7);
    expect(decoded(buffer, 7)).toBe("content");
    const { CQE_SKIP } = IORING_MSG_RING;
    const slot = stage.result((ring) => ring.prepMsgRingFdAlloc(1, other.fd, 1, 98, CQE_SKIP));
    if (slot !== EINVAL) { // since 6.2
      expect([0, 1, 3]).toContain(slot);
      expect(completions(other), "CQE_SKIP: it is told nothing").toEqual([]);
      expect(read(slot)).toBe(7);
    }
    expect(stage.result((ring) => ring.prepMsgRingFd(1, other.fd, 0, 3, 0, 0)), "an empty slot").toBe(EBADF);
    expect(thrown(() => stage.ring.prepMsgRingFd(1, other.fd, -1, 3, 0, 0), RangeError).message).toMatch(/sourceFd/);
    expect(stage.ring.prepMsgRingFd(1, other.fd, 0, IORING_FILE_INDEX_ALLOC, 0, 0)).toBe(true);
  });

  test("can't free what the other ring's operations hold: such user data are refused", () => {
    using stage = new RawStage();
    const { ring } = stage;
    for (const data of [2n ** 63n, 2n ** 64n - 1n, -1, -1n]) {
      for (
        const prep of [
          () => ring.prepMsgRing(1, ring.fd, 0, data, 0),
          () => ring.prepMsgRingCqeFlags(1, ring.fd, 0, data, 0, 0),
          () => ring.prepMsgRingFd(1, ring.fd, 0, 0, data, 0),
          () => ring.prepMsgRingFdAlloc(1, ring.fd, 0, data, 0),
        ]
      ) {
        expect(thrown(prep, RangeError).message).toMatch(/data must be from 0 to 2\^63 - 1/);
      }
    }
    expect(ring.sqSpace).toBe(32);
  });
});

describe("provided buffers, as they were before buffer rings", () => {
  function readSelected(stage: RawStage, fd: number, group: number): { res: number; buffer: number } {
    stage.ring.prepRead(1, fd, 0, 8, -1);
    stage.ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
    stage.ring.sqeSetBufGroup(group);
    const { res, flags } = stage.completions(1)[0]!;
    return { res, buffer: (flags & IORING_CQE_F.BUFFER) === 0 ? -1 : flags >>> IORING_CQE_BUFFER_SHIFT };
  }

  test("prepProvideBuffers and prepRemoveBuffers", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const memory = new Uint8Array(4 * 8 + 1).subarray(1);
    expect(stage.result((ring) => ring.prepProvideBuffers(1, memory, 8, 4, 9, 100))).toBeGreaterThanOrEqual(0);
    const seen = new Set<number>();
    for (const content of ["one", "three"]) {
      pipe.write(content);
      const { res, buffer } = readSelected(stage, pipe.readEnd, 9);
      expect(res).toBe(content.length);
      expect([100, 101, 102, 103]).toContain(buffer);
      expect(decoded(memory.subarray((buffer - 100) * 8), res)).toBe(content);
      seen.add(buffer);
    }
    expect(seen.size).toBe(2);
    expect(stage.result((ring) => ring.prepRemoveBuffers(1, 100, 9))).toBe(2);
    pipe.write("x");
    expect(readSelected(stage, pipe.readEnd, 9)).toEqual({ res: ENOBUFS, buffer: -1 });
    // Kernels before 6.2 remove nothing from a group that there is not.
    expect([ENOENT, 0], "no such group").toContain(stage.result((ring) => ring.prepRemoveBuffers(1, 1, 10)));
  });

  test("are held until the ring is closed: the kernel may fill them at any time", async () => {
    using pipe = new Pipe();
    const stage = new RawStage();
    const ref = (() => {
      const memory = new Uint8Array(4 * 8);
      stage.result((ring) => ring.prepProvideBuffers(1, memory, 8, 4, 9, 0));
      return new WeakRef(memory.buffer);
    })();
    expect(await collectUntil(() => ref.deref() === undefined, A_FEW)).toBe(false);
    pipe.write("held");
    expect(readSelected(stage, pipe.readEnd, 9).res).toBe(4);
    stage[Symbol.dispose]();
    expect(await collectUntil(() => ref.deref() === undefined)).toBe(true);
  });

  test("a closing ring waits for what takes them", () => {
    using pipe = new Pipe();
    using stage = new RawStage();
    const memory = new Uint8Array(8);
    stage.result((ring) => ring.prepProvideBuffers(1, memory, 8, 1, 9, 0));
    for (let i = 0; i < 4; i++) {
      stage.ring.prepRead(1, pipe.readEnd, 0, 8, -1);
      stage.ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
      stage.ring.sqeSetBufGroup(9);
    }
    stage.ring.submit();
    stage.ring.close();
    pipe.write("late");
    expect(pipe.read()).toBe("late");
    expect([...memory]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("more of them than there is memory for are refused", () => {
    using stage = new RawStage();
    const memory = new Uint8Array(31);
    const provide = () => stage.ring.prepProvideBuffers(1, memory, 8, 4, 9, 0);
    expect(thrown(provide, RangeError).message).toMatch(/length 32 is more than addr has: 31 bytes/);
    expect(thrown(() => stage.ring.prepProvideBuffers(1, memory, -8, -1, 9, 0), RangeError).message).toMatch(
      /len must/,
    );
    expect(thrown(() => stage.ring.prepProvideBuffers(1, memory, 1, 1, 65_536, 0), RangeError).message).toMatch(/bgid/);
  });
});

describe("setters", () => {
  test("change the SQE that was prepared last, and throw when there is none", () => {
    using ring = new RawRing({ entries: 4 });
    for (
      const set of [
        () => ring.sqeSetFlags(0),
        () => ring.sqeSetBufGroup(0),
        () => ring.sqeSetData(0),
        () => ring.sqeSetData64(0),
        () => ring.prepSendSetAddr(0, 0),
      ]
    ) {
      expect(thrown(set, TypeError).message).toMatch(/no SQE is prepared/);
    }
    ring.prepNop(1);
    ring.prepNop(2);
    ring.sqeSetData(Number.MAX_SAFE_INTEGER);
    ring.sqeSetFlags(IOSQE.IO_DRAIN);
    ring.sqeSetBufGroup(0);
    ring.submitAndWait(2);
    expect(completions(ring).map(({ userData }) => userData)).toEqual([1, Number.MAX_SAFE_INTEGER]);
    ring.prepNop(3);
    expect(thrown(() => ring.sqeSetFlags(256), RangeError).message).toMatch(/flags must be from 0 to 255/);
    expect(thrown(() => ring.sqeSetBufGroup(65_536), RangeError).message).toMatch(/bgid must be from 0 to 65535/);
    expect(thrown(() => ring.sqeSetData(2 ** 53), RangeError).message).toMatch(/userData must be from 0/);
    expect(ring.sqe().getUint8(1)).toBe(0);
  });

  testOf("SOCKET")("prepSendSetAddr holds its address with the send", async () => {
    using stage = new RawStage();
    const fd = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.DGRAM, 0, 0));
    using pool = new BufferPool({ size: 64, count: 1 });
    const refs = (["held", "plain"] as const).map((kind) => {
      const address = new Uint8Array(16);
      // The send itself holds a buffer, or nothing that is known here.
      if (kind === "held") stage.ring.prepSend(1, fd, new Uint8Array(4), 4, 0);
      else stage.ring.prepSend(2, fd, pool.region.address, 4, 0);
      stage.ring.prepSendSetAddr(address, 16);
      return new WeakRef(address.buffer);
    });
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    stage.finals(1, 2);
    expect(await collectUntil(() => refs.every((ref) => ref.deref() === undefined))).toBe(true);
  });
});

testOf("SOCKET")("a prep that finds no room gives false, whatever it would hold", () => {
  using ring = new RawRing({ entries: 1 });
  ring.prepNop(1);
  const before = ring.sqe().bytes();
  const bytes = new Uint8Array(128);
  const results = [
    ring.prepSendmsg(2, 0, { iov: [bytes] }, 0),
    ring.prepAccept(2, 0, bytes, bytes, 0),
    ring.prepGetxattr(2, "name", bytes, "/", 8),
    ring.prepProvideBuffers(2, bytes, 8, 2, 0, 0),
    ring.prepMsgRing(2, 0, 0, 0, 0),
    ring.prepFutexWait(2, bytes, 0, 1, 2, 0),
  ];
  expect(results).toEqual(results.map(() => false));
  expect(ring.sqe().bytes()).toEqual(before);
});

describe("a ring that is restricted by hand, to reads and cancellations", () => {
  /** `struct io_uring_restriction`: what, and which. */
  function restriction(kind: number, which: number): number[] {
    return [kind, 0, which, ...Array(13).fill(0)];
  }

  testOf("SEND_ZC")("is closed by a cancellation that it may make", () => {
    using pipe = new Pipe();
    const ring = new RawRing({ entries: 8, disabled: true });
    const { REGISTER_OP, SQE_OP } = IORING_RESTRICTION;
    const allowed = Uint8Array.from([
      ...restriction(REGISTER_OP, IORING_REGISTER.ENABLE_RINGS),
      ...restriction(SQE_OP, IORING_OP.READ),
      ...restriction(SQE_OP, IORING_OP.ASYNC_CANCEL),
    ]);
    expect(ring.register(IORING_REGISTER.RESTRICTIONS, allowed, 3)).toBe(0);
    ring.enable();
    ring.prepRead(1, pipe.readEnd, new Uint8Array(8), 8, -1);
    expect(ring.submit()).toBe(1);
    expect(() => ring.close(), "where it asks by the call alone, EBUSY").not.toThrow();
  });
});
