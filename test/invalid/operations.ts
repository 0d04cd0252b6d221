/** 42 to 47: SQEs that make no sense, and buffers that nobody provided. */

import { expect } from "vitest";
import { BufferPool, BufferRing, IOSQE, Ring, UringError } from "../../mod.ts";
import type { RawRing } from "../../src/ring/raw.ts";
import { type ErrorClass, failure, thrown } from "../support/failure.ts";
import { hasFeature, hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import {
  type Any,
  beside,
  type Case,
  cases,
  type Loose,
  onlyIf,
  rawAnswered,
  rawRefused,
  refused,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const bytes = () => new Uint8Array(8);
const OPCODE = 0;
const BUF_GROUP = 40;

/** Another opcode in a NOP's SQE. */
function prepOpcode(ring: RawRing, opcode: number): void {
  ring.prepNop(3);
  ring.sqe().setUint8(OPCODE, opcode);
}

const NO_FLAGS: [string, number | string, ErrorClass<Error>, RegExp][] = [
  ["0x80", 0x80, RangeError, /^flags 0x80 is no IOSQE flag: the highest is CQE_SKIP_SUCCESS, 0x40/],
  ["0x100", 0x100, RangeError, /^flags must be from 0 to 255, not 256/],
  ["-1", -1, RangeError, /^flags must be from 0 to 255, not -1/],
  ["text", "ASYNC", TypeError, /^flags must be a number, not "ASYNC"/],
];

const SKIP = /^CQE_SKIP_SUCCESS leaves a promise without its completion: use it with RawRing/;
const SELECT =
  /^BUFFER_SELECT chooses a buffer of a group: .* its own, or takes none; use readSelect\(\) or recvSelect\(\)/;

const hasBufferRings = () => hasOp("SOCKET"); // they came with 5.19, too
const BUFFER_RINGS = "buffer rings came with Linux 5.19";

/** A group of one buffer on the shared ring, which another ring knows nothing of. */
function withGroup(use: (stage: Loose, buffers: BufferRing) => unknown): Case {
  return onlyIf(hasBufferRings, BUFFER_RINGS, () =>
    beside(sharedStage(), async (stage) => {
      using buffers = new BufferRing({ ring: stage.ring, size: 16, count: 1 });
      await use(stage, buffers);
    }));
}

const TAKES_GROUP: [string, (ring: Any, buffers: unknown) => unknown][] = [
  ["readSelect()", (ring, buffers) => ring.readSelect(0, buffers)],
  ["recvSelect()", (ring, buffers) => ring.recvSelect(0, buffers)],
  ["recvMultishot()", (ring, buffers) => ring.recvMultishot(0, buffers)],
  ["recvmsgMultishot()", (ring, buffers) => ring.recvmsgMultishot(0, buffers)],
];

export const OPERATIONS: readonly Row[] = [
  row(42, "opcode 63", {
    "RawRing: EINVAL, which says what NOP128 needs": rawAnswered(
      (ring) => prepOpcode(ring, 63),
      "EINVAL",
      /EINVAL: NOP128 needs 128-byte SQEs and Linux 6.19; set the ring up with SQE_MIXED or SQE128/,
    ),
    "RawRing: no opcode at all": rawAnswered((ring) => prepOpcode(ring, 200), "EINVAL", /^opcode 200 .*EINVAL/),
    "RawRing: prepNop128()": rawRefused(
      (ring) => ring.prepNop128(3),
      TypeError,
      /^prepNop128 needs SQEs of 128 bytes: open the ring with sqe128 or sqeMixed/,
    ),
    "nop128() on a ring with SQEs of 64 bytes": refused(
      ({ ring }) => ring.nop128(),
      Error,
      /SQEs? of 128 bytes: .*\{ sqe128: true \}/,
    ),
    "nop128() where the kernel has none": onlyIf(
      () => !hasOp("NOP128"),
      "this kernel has it",
      refused(({ ring }) => ring.nop128(), Error, /^NOP128 is not available here: it needs Linux 6.19.*this is Linux/),
    ),
  }),

  row(43, "SQE flag 0x80", {
    ...cases(NO_FLAGS, ([name, flags, type, message]) => [
      `nop() refuses ${name}`,
      refused(({ ring }) => ring.nop({ flags }), type, message),
    ]),
    "RawRing": rawAnswered(
      (ring) => {
        ring.prepNop(3);
        ring.sqeSetFlags(0x80);
      },
      "EINVAL",
      /EINVAL: the SQE has a flag that does not exist; use IOSQE flags only: sqe_flags is 0x7f at most/,
    ),
  }),

  row(44, "CQE_SKIP_SUCCESS with IO_DRAIN", {
    "a promise needs its completion": refused(
      ({ ring, fd }) => ring.read(fd, bytes(), 0, { flags: IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_DRAIN }),
      TypeError,
      SKIP,
    ),
    "with or without": refused(({ ring }) => ring.nop({ flags: IOSQE.CQE_SKIP_SUCCESS }), TypeError, SKIP),
    "RawRing: EOPNOTSUPP, and the two are named": onlyIf(
      () => hasFeature("CQE_SKIP"),
      "CQE_SKIP_SUCCESS came with Linux 5.17",
      rawAnswered(
        (ring) => {
          ring.prepNop(3);
          ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_DRAIN);
        },
        "EOPNOTSUPP",
        /IOSQE_CQE_SKIP_SUCCESS does not go with IOSQE_IO_DRAIN; leave one of the two out/,
      ),
    ),
  }),

  row(45, "BUFFER_SELECT on FSYNC", {
    "fsync() takes none": refused(
      ({ ring, fd }) => ring.fsync(fd, 0, { flags: IOSQE.BUFFER_SELECT }),
      TypeError,
      SELECT,
    ),
    "read() has its own": refused(
      ({ ring, fd }) => ring.read(fd, bytes(), 0, { flags: IOSQE.BUFFER_SELECT }),
      TypeError,
      SELECT,
    ),
    "RawRing": rawAnswered(
      (ring) => {
        ring.prepFsync(3, sharedStage().fd, 0);
        ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
      },
      "EOPNOTSUPP",
      /FSYNC takes no provided buffers; leave IOSQE_BUFFER_SELECT out/,
    ),
  }),

  row(46, "a buffer group that is unknown, or exhausted", {
    "exhausted: give buffers back sooner": withGroup(async ({ ring, readyPipe }, buffers) => {
      const lent = await ring.readSelect(readyPipe.readEnd, buffers);
      readyPipe.write("x");
      const error = await failure(ring.readSelect(readyPipe.readEnd, buffers), UringError);
      expect(error.code).toBe("ENOBUFS");
      expect(error.message).toMatch(/^ENOBUFS: buffer group \d+ is exhausted, read.*give buffers back sooner, or make/);
      lent.release();
      (await ring.readSelect(readyPipe.readEnd, buffers)).release();
      readyPipe.write("x");
    }),
    "unknown: register it before (RawRing)": rawAnswered(
      (ring) => {
        ring.prepRead(3, sharedStage().readyPipe.readEnd, 0, 8, -1);
        ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
        ring.sqe().setUint16(BUF_GROUP, 77);
      },
      "ENOBUFS",
      /ENOBUFS: there is no buffer group 77; register the group before/,
      { explain: { groupKnown: false } },
    ),
    "of another ring, which may have a group of the same number": withGroup(async (_, buffers) => {
      await using ring = new Ring();
      using own = new BufferRing({ ring, size: 16, count: 1, group: buffers.group });
      expect(own.group).toBe(buffers.group);
      for (const [name, call] of TAKES_GROUP) {
        const { message } = thrown(() => call(ring, buffers), TypeError);
        const start = `buffers is group ${buffers.group} of another ring: make a BufferRing with { ring } for each`;
        expect(message.slice(0, start.length), name).toBe(start);
      }
      expect({ ...ring.stats }).toMatchObject({ submitted: 0, inFlight: 0 });
      expect([own.available, buffers.available]).toEqual([1, 1]);
    }),
    "of another ring, provided by an operation": () =>
      beside(sharedStage(), async ({ ring, readyPipe }) => {
        const group = 500;
        const buffers = await ring.provideBuffers(new BufferPool({ size: 16, count: 1 }), group);
        await using other = new Ring();
        expect(thrown(() => other.readSelect(readyPipe.readEnd, buffers), TypeError).message)
          .toMatch(/^buffers is group 500 of another ring/);
        expect(await ring.removeBuffers(1, buffers)).toBe(1);
      }),
    "closed before": withGroup(({ ring }, buffers) => {
      buffers.close();
      for (const [name, call] of TAKES_GROUP) {
        const { message } = thrown(() => call(ring, buffers), TypeError);
        expect(message, name).toMatch(/^buffers is closed: make another BufferRing/);
      }
    }),
    "closed meanwhile": onlyIf(
      () => hasFeature("RECVSEND_BUNDLE"),
      "older kernels may have chosen a buffer before there is something to read",
      withGroup(async ({ ring }, buffers) => {
        using pipe = new Pipe();
        const read = failure(ring.readSelect(pipe.readEnd, buffers), UringError);
        await ring.nop();
        buffers.close();
        pipe.write("x");
        const error = await read;
        expect(error.code).toBe("ENOBUFS");
        expect(error.message).toMatch(/^ENOBUFS: buffer group \d+ was closed meanwhile: close it when nothing chooses/);
      }),
    ),
  }),

  row(47, "multishot receive without a group", {
    ...cases(TAKES_GROUP, ([name, call]) => [
      `${name} refuses nothing`,
      refused(({ ring }) => call(ring, undefined), TypeError, /^buffers must be a BufferRing, not undefined/),
    ]),
    "recvMultishot() refuses a buffer": refused(
      ({ ring }) => ring.recvMultishot(0, bytes()),
      TypeError,
      /^buffers must be a BufferRing, not a object/,
    ),
    "RawRing: EINVAL, and says what it needs": rawAnswered(
      (ring) => ring.prepRecvMultishot(3, sharedStage().readyPipe.readEnd, 0, 0, 0),
      "EINVAL",
      /EINVAL: .*multishot needs IOSQE_BUFFER_SELECT/,
    ),
  }),
];
