/** 29 to 35: descriptors and offsets. */

import { expect } from "vitest";
import { AT, FALLOC_FL, type IORING_OP, POLL, UringError } from "../../mod.ts";
import { type ErrorClass, failure } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
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
  rejected,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const bytes = () => new Uint8Array(8);
const { FDCWD } = AT;
type OpName = keyof typeof IORING_OP;

/** No process has that many open. */
const NOT_OPEN = 9999;

/** Every method that takes a descriptor first. */
const TAKES_FD: [string, (ring: Any, fd: unknown) => unknown][] = [
  ["read", (ring, fd) => ring.read(fd, bytes(), 0)],
  ["write", (ring, fd) => ring.write(fd, bytes(), 0)],
  ["readv", (ring, fd) => ring.readv(fd, [bytes()], 0)],
  ["writev", (ring, fd) => ring.writev(fd, [bytes()], 0)],
  ["closeFd", (ring, fd) => ring.closeFd(fd)],
  ["fsync", (ring, fd) => ring.fsync(fd)],
  ["fallocate", (ring, fd) => ring.fallocate(fd, 0, 0, 1)],
  ["fadvise", (ring, fd) => ring.fadvise(fd, 0, 0, 0)],
  ["pollAdd", (ring, fd) => ring.pollAdd(fd, POLL.IN)],
  ["cancel", (ring, fd) => ring.cancel({ fd })],
];

/** Every method that takes a directory's descriptor; where it is not one of old, its op. */
const TAKES_DIRFD: [string, (ring: Any, dirfd: unknown) => unknown, argument: string, op?: OpName][] = [
  ["openat", (ring, dirfd) => ring.openat(dirfd, "x", 0), "dirfd"],
  ["openat2", (ring, dirfd) => ring.openat2(dirfd, "x", {}), "dirfd"],
  ["statx", (ring, dirfd) => ring.statx(dirfd, "x", 0, 0), "dirfd"],
  ["unlinkat", (ring, dirfd) => ring.unlinkat(dirfd, "x"), "dirfd"],
  ["mkdirat", (ring, dirfd) => ring.mkdirat(dirfd, "x"), "dirfd", "MKDIRAT"],
  ["symlinkat", (ring, dirfd) => ring.symlinkat("t", dirfd, "x"), "newdirfd", "SYMLINKAT"],
  ["renameat from", (ring, dirfd) => ring.renameat(dirfd, "x", FDCWD, "y"), "olddirfd"],
  ["renameat to", (ring, dirfd) => ring.renameat(FDCWD, "x", dirfd, "y"), "newdirfd"],
  ["linkat from", (ring, dirfd) => ring.linkat(dirfd, "x", FDCWD, "y"), "olddirfd", "LINKAT"],
  ["linkat to", (ring, dirfd) => ring.linkat(FDCWD, "x", dirfd, "y"), "newdirfd", "LINKAT"],
];

/** Of an operation by path: the kernel looks at old names first, which may not exist, before the descriptor. */
function byPath(call: (ring: Any, dirfd: unknown) => unknown): Case {
  return () =>
    beside(sharedStage(), async ({ ring }) => {
      const error = await failure(call(ring, NOT_OPEN) as Promise<unknown>, UringError);
      expect(["EBADF", "ENOENT"]).toContain(error.code);
      if (error.code === "EBADF") expect(error.message).toMatch(/^EBADF: dirfd( 9999)? is not open, and the path/);
      expect(error.path).toBeDefined();
    });
}

const NO_DESCRIPTORS: [string, unknown, string][] = [
  ["1.5", 1.5, "an integer .* not 1.5"],
  ["NaN", NaN, "an integer .* not NaN"],
  ["2^31", 2 ** 31, "from -2147483648 to 2147483647, not 2147483648"],
  ["text", "3", 'not "3"'],
  ["a bigint", 3n, "not 3n \\(a bigint\\)"],
  ["null", null, "not null"],
  ["undefined", undefined, "not undefined"],
  ["a FileHandle", { fd: 3 }, "not an object: give its .fd"],
];

const RAW_DESCRIPTORS: [string, (ring: Any) => unknown, RegExp][] = [
  ["fd 1.5", (ring) => ring.prepRead(3, 1.5, bytes(), 8, 0), /^fd must be an integer .* not 1.5/],
  ["fd 2^31", (ring) => ring.prepClose(3, 2 ** 31), /^fd must be an integer from -2147483648 to 2147483647/],
  ["fd as text", (ring) => ring.prepFsync(3, "3", 0), /^fd must be an integer .* not "3"/],
  ["fd undefined", (ring) => ring.prepPollAdd(3, undefined, 1), /^fd must be an integer .* not undefined/],
  ["dfd NaN", (ring) => ring.prepOpenat(3, NaN, "x", 0, 0), /^dfd must be an integer .* not NaN/],
  ["a second dfd", (ring) => ring.prepRenameat(3, 3, "x", 0.5, "y", 0), /^newdfd must be an integer .* not 0.5/],
];

/** Every method that takes an offset or a length of 64 bits; where it is not one of old, its op. */
const TAKES_OFFSET: [
  string,
  (stage: Loose, offset: unknown) => unknown,
  argument: string,
  op?: OpName,
][] = [
  ["read()", ({ ring, fd }, offset) => ring.read(fd, bytes(), offset), "offset"],
  ["read() with options", ({ ring, fd }, offset) => ring.read(fd, bytes(), offset, {}), "offset"],
  ["write()", ({ ring, fd }, offset) => ring.write(fd, bytes(), offset), "offset"],
  ["readv()", ({ ring, fd }, offset) => ring.readv(fd, [bytes()], offset), "offset"],
  ["writev()", ({ ring, fd }, offset) => ring.writev(fd, [bytes()], offset), "offset"],
  ["readFixed()", ({ ring, fd, pooled }, offset) => ring.readFixed(fd, pooled, offset), "offset"],
  ["writeFixed()", ({ ring, fd, pooled }, offset) => ring.writeFixed(fd, pooled, offset), "offset"],
  ["fallocate()", ({ ring, fd }, offset) => ring.fallocate(fd, FALLOC_FL.KEEP_SIZE, offset, 1), "offset"],
  ["fallocate() len", ({ ring, fd }, len) => ring.fallocate(fd, FALLOC_FL.KEEP_SIZE, 0, len), "len"],
  ["fadvise()", ({ ring, fd }, offset) => ring.fadvise(fd, offset, 0, 0), "offset"],
  ["fadvise() len", ({ ring, fd }, len) => ring.fadvise(fd, 0, len, 0), "len"],
  ["ftruncate() len", ({ ring, fd }, len) => ring.ftruncate(fd, len), "len", "FTRUNCATE"],
  ["openat2() flags", ({ ring }, flags) => ring.openat2(FDCWD, "x", { flags }), "how.flags"],
  ["openat2() resolve", ({ ring }, resolve) => ring.openat2(FDCWD, "x", { resolve }), "how.resolve"],
];

/** Each of those methods, with each of these. */
function offsets(wrong: [string, unknown][], type: ErrorClass<Error>, message: string): Record<string, Case> {
  return cases(
    TAKES_OFFSET.flatMap((method) => wrong.map((offset) => [method, offset] as const)),
    ([[method, call, argument, op = "READ"], [what, offset]]) => [
      `${method} refuses ${what}`,
      onlyIf(
        () => hasOp(op),
        `this kernel has no ${op}`,
        refused((stage) => call(stage, offset), type, new RegExp(`^${argument} .*${message}`)),
      ),
    ],
  );
}

const OVERFLOW = /offset plus length must stay below 2\^63/;

export const ARGUMENTS: readonly Row[] = [
  row(29, "a descriptor that is not open", {
    ...cases(
      TAKES_FD.filter(([name]) => name !== "cancel").flatMap((method) =>
        [-1, NOT_OPEN].map((fd) => [method, fd] as const)
      ),
      ([[method, call], fd]) => [
        `${method}() of ${fd} rejects, and names it`,
        rejected(({ ring }) => call(ring, fd), "EBADF", new RegExp(`^EBADF: fd ${fd} is not open`)),
      ],
    ),
    ...cases(TAKES_DIRFD, ([name, call, _, op = "READ"]) => [
      `${name} rejects, and names path and descriptor`,
      onlyIf(() => hasOp(op), `this kernel has no ${op}`, byPath(call)),
    ]),
    "cancel() of what is on it": onlyIf(
      () => hasOp("SOCKET"), // it came with 5.19, too
      "cancelling by descriptor came with Linux 5.19",
      rejected(({ ring }) => ring.cancel({ fd: NOT_OPEN }), "EBADF", /async_cancel/),
    ),
    "RawRing": rawAnswered(
      (ring) => ring.prepRead(3, NOT_OPEN, bytes(), 8, 0),
      "EBADF",
      /EBADF: fd 9999 is not open; check that it was not closed earlier/,
    ),
  }),

  row(30, "a descriptor of 1.5, of 2^31", {
    ...cases(
      [...TAKES_FD, ...TAKES_DIRFD].flatMap((method) => NO_DESCRIPTORS.map((fd) => [method, fd] as const)),
      ([[method, call, argument = "fd"], [what, fd, message]]) => [
        `${method}() refuses ${what}`,
        refused(({ ring }) => call(ring, fd), TypeError, new RegExp(`^${argument} must be .*${message}`)),
      ],
    ),
    ...cases(RAW_DESCRIPTORS, ([name, call, message]) => [`RawRing: ${name}`, rawRefused(call, TypeError, message)]),
  }),

  row(31, "reading a write-only descriptor", {
    "read() says: not for reading, and how to open it": rejected(
      ({ ring, folder }) => ring.read(folder.open("file", "a"), bytes(), 0),
      "EBADF",
      /^EBADF: fd \d+ is not open, or not for reading.*O_RDONLY or O_RDWR/,
    ),
    "write() to a read-only one says: not for writing": rejected(
      ({ ring, folder }) => ring.write(folder.open("file", "r"), bytes(), 0),
      "EBADF",
      /^EBADF: fd \d+ is not open, or not for writing.*O_WRONLY or O_RDWR/,
    ),
    "RawRing, where it is known to be open": rawAnswered(
      (ring) => ring.prepRead(3, sharedStage().readyPipe.writeEnd, bytes(), 8, 0),
      "EBADF",
      /EBADF: fd \d+ is not open for reading; open it with O_RDONLY or O_RDWR/,
      { explain: { open: true } },
    ),
  }),

  row(32, "offset -2", offsets([["-2", -2], ["-2n", -2n]], RangeError, "must not be negative, not -2")),

  row(33, "offset -1", {
    ...offsets([["-1", -1], ["-1n", -1n]], RangeError, 'must not be -1: leave it out, or say "current"'),
    '"current", and none, are the position': async () => {
      const { ring, folder } = sharedStage();
      const fd = folder.open("file", "r");
      expect([await ring.read(fd, bytes(), "current"), await ring.read(fd, bytes())]).toEqual([8, 8]);
    },
  }),

  row(34, "a number beyond 2^53 - 1 as offset", {
    ...offsets([["2^53", 2 ** 53], ["1e300", 1e300]], RangeError, "beyond 2\\^53 - 1.*give a bigint"),
    ...offsets([["2^63 as bigint", 2n ** 63n]], RangeError, "must be at most 2\\^63 - 1"),
    ...offsets([["0.5", 0.5], ["NaN", NaN], ["Infinity", Infinity]], TypeError, "must be an integer, not "),
    ...offsets([["text", "0"]], TypeError, 'must be a number or bigint, not "0"'),
    "a bigint is an offset": async () => {
      const { ring, fd } = sharedStage();
      expect(await ring.read(fd, bytes(), 2n ** 53n), "the file ends before").toBe(0);
    },
    "RawRing": rawRefused(
      (ring) => ring.prepRead(3, 0, bytes(), 8, 2 ** 53),
      RangeError,
      /^offset must be an integer of 64 bits \(a bigint beyond 2\^53 - 1\)/,
    ),
  }),

  row(35, "offset 2^63 - 1", {
    "rejects: offset plus length overflow": rejected(
      ({ ring, fd }) => ring.read(fd, bytes(), 2n ** 63n - 1n),
      "EINVAL",
      OVERFLOW,
    ),
    "4 less, with a length of 8": rejected(
      ({ ring, fd }) => ring.read(fd, bytes(), 2n ** 63n - 4n),
      "EINVAL",
      OVERFLOW,
    ),
    "RawRing": rawAnswered(
      (ring) => ring.prepRead(3, sharedStage().fd, bytes(), 8, 2n ** 63n - 1n),
      "EINVAL",
      OVERFLOW,
    ),
  }),
];
