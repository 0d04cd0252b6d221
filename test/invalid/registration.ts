/** 48 to 59: what is registered with a ring, and what is not; sizes and times that do not suit it. */

import { expect } from "vitest";
import {
  BufferPool,
  BufferRing,
  FileTable,
  IORING_REGISTER,
  IOSQE,
  Ring,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { results } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import {
  beside,
  type Call,
  type Case,
  onlyIf,
  rawAnswered,
  rawRefused,
  rawRegisterRefused,
  refused,
  refusedByKernel,
  rejected,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const { BUFFERS, EVENTFD, FILES, PBUF_RING, UNREGISTER_BUFFERS, UNREGISTER_FILES } = IORING_REGISTER;
const bytes = () => new Uint8Array(8);
const FIXED = { fixedFile: true };

const hasBufferRings = () => hasOp("SOCKET"); // they came with 5.19, too
const BUFFER_RINGS = "buffer rings came with Linux 5.19";

/** Registers files with a RawRing. */
function files(ring: RawRing, ...fds: number[]): number {
  return ring.register(FILES, Int32Array.from(fds), fds.length);
}

/** As {@linkcode refusedByKernel}, of what has a table of files. */
function withFiles(call: (files: FileTable, ring: Ring) => unknown, code: "EBADF" | "EBUSY", message: RegExp): Case {
  const misuse: Call = ({ ring }) => {
    using table = new FileTable(ring, { size: 4 });
    return call(table, ring);
  };
  return refusedByKernel(misuse, code, message);
}

/** struct io_uring_buf_reg of a ring at an address that nobody looks at: its size is refused before. */
function bufReg(entries: number): DataView {
  const arg = new DataView(new ArrayBuffer(40));
  arg.setBigUint64(0, 0x10000n, true);
  arg.setUint32(8, entries, true);
  arg.setUint16(12, 1, true);
  return arg;
}

const NOT_DISABLED = /the ring is disabled: it was opened so, call enable\(\) first/;

export const REGISTRATION: readonly Row[] = [
  row(48, "a buffer index that is not registered", {
    "readFixed() names index and those that there are": rejected(
      ({ ring, fd, pooled }) => ring.readFixed(fd, pooled, 0, { bufIndex: 500 }),
      "EFAULT",
      /^EFAULT: bufIndex 500 is not registered with this ring; registered are 0: leave bufIndex out/,
    ),
    "writeFixed(), beyond the table": rejected(
      ({ ring, fd, pooled }) => ring.writeFixed(fd, pooled, 0, { bufIndex: 65535 }),
      "EFAULT",
      /^EFAULT: bufIndex 65535 is not registered with this ring; registered are 0: leave bufIndex out/,
    ),
    "where several are registered": async () => {
      await using ring = new Ring();
      using pool = new BufferPool({ size: 16, count: 8 });
      const buffers = Array.from({ length: 8 }, () => pool.acquire());
      ring.registerBuffers(buffers.slice(0, 3));
      ring.registerBuffers(buffers.slice(3, 4), { at: 7 });
      const { fd } = sharedStage();
      const message = await ring.readFixed(fd, buffers[0]!, 0, { bufIndex: 5 }).catch((error: Error) => error.message);
      expect(message).toMatch(/^EFAULT: bufIndex 5 is not registered with this ring; registered are 0 to 2, 7: /);
      expect(await ring.readFixed(fd, buffers[3]!, 0, { bufIndex: 7 })).toBe(16);
    },
    "where none is": rejected(
      ({ ring, fd, pool, pooled }) => {
        pool.close();
        return ring.readFixed(fd, pooled, 0, { bufIndex: 0 });
      },
      "EFAULT",
      /^EFAULT: bufIndex 0 is not registered with this ring; none is: make a BufferPool with \{ ring \}/,
      {},
    ),
    "65536 is a RangeError": refused(
      ({ ring, fd, pooled }) => ring.readFixed(fd, pooled, 0, { bufIndex: 65536 }),
      RangeError,
      /^bufIndex must be from 0 to 65535, not 65536/,
    ),
    "RawRing": rawAnswered(
      (ring) => ring.prepReadFixed(3, sharedStage().fd, bytes(), 8, 0, 5),
      "EFAULT",
      /EFAULT: registered buffer 5 does not exist, or the address range is not inside it; check index, address/,
    ),
  }),

  row(49, "a fixed address outside of its buffer", {
    "readFixed() says how much is registered there": rejected(
      ({ ring, fd }) => ring.readFixed(fd, bytes(), 0, { bufIndex: 0 }),
      "EFAULT",
      /^EFAULT: buffer is not inside the \d+ bytes that are registered with this ring as bufIndex 0; leave bufIndex out/,
    ),
    "writeFixed(), with another pool's buffer": async () => {
      await using ring = new Ring();
      using _first = new BufferPool({ ring, size: 16, count: 1 });
      using second = new BufferPool({ ring, size: 16, count: 1 });
      const write = ring.writeFixed(sharedStage().fd, second.acquire(), 0, { bufIndex: 0 });
      expect(await write.catch((error: Error) => error.message)).toMatch(/^EFAULT: buffer is not inside the \d+ bytes/);
    },
    "without an index, a buffer that is not registered at all": refused(
      ({ ring, fd }) => ring.readFixed(fd, bytes(), 0),
      TypeError,
      /^buffer is not registered with this ring: take it from a BufferPool made with \{ ring \}, or give bufIndex/,
    ),
  }),

  row(50, "an empty file slot", {
    "is named": async () => {
      await using ring = new Ring();
      using _files = new FileTable(ring, { size: 4 });
      for (const slot of [2, 4]) {
        const error = await ring.read(slot, bytes(), 0, FIXED).catch((error: UringError) => error) as UringError;
        expect(error).toMatchObject({ name: "UringError", code: "EBADF" });
        expect(error.message).toMatch(
          new RegExp(
            `^EBADF: slot ${slot} of the registered files is empty or out of range, read slot=${slot}; register`,
          ),
        );
      }
      expect(await ring.nop()).toBe(0);
    },
    "where no files are registered": rejected(
      ({ ring }) => ring.read(3, bytes(), 0, FIXED),
      "EBADF",
      /^EBADF: slot 3 of the registered files is empty or out of range/,
    ),
    "RawRing": rawAnswered(
      (ring) => {
        expect(files(ring, -1, sharedStage().fd)).toBe(0);
        ring.prepRead(3, 0, bytes(), 8, 0);
        ring.sqeSetFlags(IOSQE.FIXED_FILE);
      },
      "EBADF",
      /EBADF: slot 0 of the registered files is empty or out of range; register a file there/,
    ),
  }),

  row(51, "register twice", {
    "files: close the first table first": withFiles(
      (_, ring) => new FileTable(ring, { size: 4 }),
      "EBUSY",
      /^EBUSY: FILES2: the ring has a table of files already: close\(\) that FileTable first/,
    ),
    "buffers: unregister them first": refusedByKernel(
      ({ ring }) => ring.registerBuffersSparse(4),
      "EBUSY",
      /^EBUSY: BUFFERS2: buffers were registered with this ring already: unregister them first/,
    ),
    "RawRing": rawRegisterRefused(
      (ring) => {
        expect(files(ring, sharedStage().fd)).toBe(0);
        return files(ring, sharedStage().fd);
      },
      "EBUSY",
      "REGISTER_FILES",
      /^EBUSY: one is registered already; unregister it first/,
    ),
  }),

  row(52, "0, or 20000, buffers", {
    "0": refused(({ ring }) => ring.registerBuffers([]), RangeError, /1 to 16384 buffers, not 0/),
    "20000": refused(
      ({ ring, pooled }) => ring.registerBuffers(new Array(20_000).fill(pooled)),
      RangeError,
      /1 to 16384 buffers, not 20000/,
    ),
    "a table of 0": refused(
      ({ ring }) => ring.registerBuffersSparse(0),
      RangeError,
      /^nr must be from 1 to 16384, not 0/,
    ),
    "a table of 20000": refused(
      ({ ring }) => ring.registerBuffersSparse(20_000),
      RangeError,
      /^nr must be from 1 to 16384, not 20000/,
    ),
    "RawRing: 0": rawRegisterRefused(
      (ring) => ring.register(BUFFERS, new BigUint64Array(2), 0),
      "EINVAL",
      "REGISTER_BUFFERS",
      /^EINVAL: no buffer, or more than 16384; register from 1 to 16384/,
    ),
    "RawRing: 20000": rawRegisterRefused(
      (ring) => ring.register(BUFFERS, new BigUint64Array(40_000), 20_000),
      "EINVAL",
      "REGISTER_BUFFERS",
      /^EINVAL: no buffer, or more than 16384; register from 1 to 16384/,
    ),
  }),

  row(53, "unregister nothing", {
    "buffers": () =>
      beside(sharedStage(), async () => {
        await using ring = new Ring();
        const waiting = ring.timeout(5);
        await ring.nop();
        const error = thrown(() => ring.unregisterBuffers(), UringError);
        expect(error).toMatchObject({ code: "ENXIO", errno: negative("ENXIO") });
        expect(error.message).toMatch(
          /^ENXIO: UNREGISTER_BUFFERS: no buffers are registered with this ring: nothing to undo/,
        );
        expect(await waiting).toBe(0);
      }),
    "RawRing: buffers": rawRegisterRefused(
      (ring) => ring.register(UNREGISTER_BUFFERS, null, 0),
      "ENXIO",
      "REGISTER_UNREGISTER_BUFFERS",
      /^ENXIO: nothing is registered; nothing to undo/,
    ),
    "RawRing: files": rawRegisterRefused(
      (ring) => ring.register(UNREGISTER_FILES, null, 0),
      "ENXIO",
      "REGISTER_UNREGISTER_FILES",
      /^ENXIO: nothing is registered; nothing to undo/,
    ),
  }),

  row(54, "register a ring in itself", {
    "is EBADF, which says that it is a ring": withFiles(
      (files, ring) => files.set(0, ring.fd),
      "EBADF",
      /^EBADF: FILES_UPDATE2: fd \d+ for slot 0 is not open, or is a ring: give an open file/,
    ),
    "or another ring": withFiles(
      (files) => files.update(1, [sharedStage().ring.fd]),
      "EBADF",
      /fd \d+ for slot 1 is not open, or is a ring: give an open file/,
    ),
    "RawRing": rawRegisterRefused(
      (ring) => files(ring, ring.fd),
      "EBADF",
      "REGISTER_FILES",
      /^EBADF: a file descriptor is not open, or is a ring/,
    ),
  }),

  row(55, "a buffer ring of 7, of 65536", {
    "of 7 has 8 places": onlyIf(hasBufferRings, BUFFER_RINGS, () => {
      const { ring } = sharedStage();
      using buffers = new BufferRing({ ring, size: 8, count: 7 });
      expect([buffers.count, buffers.available]).toEqual([7, 7]);
    }),
    "of 65536 is a RangeError": refused(
      ({ ring }) => new BufferRing({ ring, size: 8, count: 65536 }),
      RangeError,
      /^count must be from 1 to 32768, not 65536/,
    ),
    "of 0": refused(
      ({ ring }) => new BufferRing({ ring, size: 8, count: 0 }),
      RangeError,
      /^count must be from 1 to 32768, not 0/,
    ),
    "RawRing: of 7": onlyIf(hasBufferRings, BUFFER_RINGS, rawPbufRing(7)),
    "RawRing: of 65536": onlyIf(hasBufferRings, BUFFER_RINGS, rawPbufRing(65536)),
  }),

  row(56, "the same group twice", {
    "is EEXIST: another number, or none": onlyIf(
      hasBufferRings,
      BUFFER_RINGS,
      refusedByKernel(
        ({ ring }) => {
          using _first = new BufferRing({ ring, size: 16, count: 2, group: 3 });
          return new BufferRing({ ring, size: 16, count: 2, group: 3 });
        },
        "EEXIST",
        /^EEXIST: .*group 3 is registered already: give another number, or none/,
      ),
    ),
    "the first is as it was": onlyIf(
      hasBufferRings,
      BUFFER_RINGS,
      () =>
        beside(sharedStage(), async ({ ring, readyPipe }) => {
          using first = new BufferRing({ ring, size: 16, count: 1, group: 300 });
          thrown(() => new BufferRing({ ring, size: 16, count: 1, group: 300 }), UringError);
          (await ring.readSelect(readyPipe.readEnd, first))!.release();
          readyPipe.write("x");
        }),
    ),
  }),

  row(57, "what is no eventfd", {
    "RawRing": onlyIf(
      () => hasOp("MSG_RING"), // it came with 5.18, too
      "before Linux 5.18 the kernel waits until nothing is in flight",
      rawRegisterRefused(
        (ring) => ring.register(EVENTFD, Int32Array.of(sharedStage().fd), 1),
        "EINVAL",
        "REGISTER_EVENTFD",
        /^EINVAL: that file is not an eventfd; make one with eventfd\(2\)/,
      ),
    ),
    "a Ring takes none at all, and says why": refused(
      ({ ring }) => ring.registerEventfd(),
      UnsupportedError,
      /^registerEventfd\(\) is not available here: it needs a RawRing.*a Ring's one eventfd wakes its own thread/,
    ),
  }),

  row(58, "resize without DEFER_TASKRUN", {
    "needs it": refused(
      ({ ring }) => ring.resize({ entries: 16 }),
      TypeError,
      /^resize\(\) needs a ring with deferTaskrun: ask for it, and for singleIssuer; without sqpoll, iopoll and coopTaskrun/,
      { deferTaskrun: false },
    ),
    "RawRing": rawRefused(
      (ring) => ring.resize({ entries: 16 }),
      TypeError,
      /^resize\(\) needs a ring with deferTaskrun/,
      { deferTaskrun: false },
    ),
  }),

  row(59, "submit while disabled", {
    "every operation is EBADFD by name until enable(), and works from then on": () =>
      beside(sharedStage(), async () => {
        await using ring = new Ring({ disabled: true });
        const starts = [
          () => ring.nop(),
          () => ring.timeout(1),
          () => ring.read(0, bytes()),
          () => ring.submitAndWait(0),
          () => ring.link((ring) => ring.nop()),
        ];
        for (const start of starts) {
          const error = thrown(start, UringError);
          expect(error).toMatchObject({ code: "EBADFD", errno: negative("EBADFD") });
          expect(error.message).toMatch(NOT_DISABLED);
        }
        expect(ring.stats).toMatchObject({ submitted: 0, inFlight: 0 });
        ring.enable();
        expect(await Promise.all([ring.nop(), ring.timeout(1), ring.nop()])).toEqual([0, 0, 0]);
      }),
    "RawRing": () => {
      using ring = new RawRing({ disabled: true, entries: 4 });
      expect(thrown(() => ring.prepNop(1), UringError).message).toMatch(NOT_DISABLED);
      expect(ring.submitAndWait(1, 1)).toBe(negative("EBADFD"));
      ring.enable();
      for (const userData of [1, 2, 3]) expect(ring.prepNop(userData)).toBe(true);
      expect([...results(ring, 3).keys()]).toEqual([1, 2, 3]);
    },
    "enable() of a ring that is not": refused(
      ({ ring }) => ring.enable(),
      UringError,
      /^EBADFD: ENABLE_RINGS: the ring is enabled already/,
    ),
    "restrict() of a ring that is not": refused(
      ({ ring }) => ring.restrict({ sqeOps: ["NOP"] }),
      UringError,
      /^EBADFD: RESTRICTIONS: .*enable/,
    ),
    "RawRing: enable() of a ring that is not": rawRefused(
      (ring) => ring.enable(),
      UringError,
      /^EBADFD: ENABLE_RINGS: the ring is enabled already/,
    ),
  }),
];

function rawPbufRing(entries: number): Case {
  return rawRegisterRefused(
    (ring) => ring.register(PBUF_RING, bufReg(entries), 1),
    "EINVAL",
    "REGISTER_PBUF_RING",
    /^EINVAL: the size is no power of two up to 32768/,
  );
}
