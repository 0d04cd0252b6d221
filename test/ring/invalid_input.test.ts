import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AT,
  BufferPool,
  FALLOC_FL,
  IORING_OP,
  IOSQE,
  O,
  POLL,
  RENAME,
  Ring,
  type RingStats,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { type ErrorClass, failure, thrown, watch } from "../support/failure.ts";
import { NEVER, Stage } from "../support/operations.ts";

const bytes = () => new Uint8Array(8);
const { FDCWD } = AT;

function detached(): Uint8Array<ArrayBuffer> {
  const view = new Uint8Array(64);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function resizable(): Uint8Array<ArrayBuffer> {
  const Resizable = ArrayBuffer as unknown as new (length: number, o: { maxByteLength: number }) => ArrayBuffer;
  return new Uint8Array(new Resizable(64, { maxByteLength: 128 }));
}

function growable(): Uint8Array<SharedArrayBuffer> {
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    o: { maxByteLength: number },
  ) => SharedArrayBuffer;
  return new Uint8Array(new Growable(64, { maxByteLength: 128 }));
}

/** The calls take anything, as they do from JavaScript. */
// deno-lint-ignore no-explicit-any -- the point of these tests
type Any = any;
type Call = (stage: Stage & { ring: Any }) => unknown;
type Row = [name: string, call: Call, type: ErrorClass<Error>, message: RegExp];

/** One for all: a refused call leaves it as it was. */
let stage: Stage;

beforeAll(() => void (stage = new Stage()));
afterAll(() => stage[Symbol.asyncDispose]());

/** What a refused call must leave as it was. */
function countsOf({ submitted, completed, inFlight, enters, turns }: RingStats): unknown {
  return { submitted, completed, inFlight, enters, turns };
}

/** Throws at once, names the argument, reaches no kernel, and disturbs nothing on the same ring. */
async function expectRefused(call: Call, type: ErrorClass<Error>, message: RegExp): Promise<void> {
  const { ring, pipe } = stage;
  const waiting = ring.read(pipe.readEnd, bytes());
  const outcome = watch(waiting);
  try {
    await ring.nop();
    const staged = ring.nop();
    const before = countsOf(ring.stats);
    const error = thrown(() => call(stage), type);
    expect(error.message).toMatch(message);
    expect(countsOf(ring.stats)).toEqual(before);
    expect(await staged, "what was asked for in the same turn goes on").toBe(0);
    expect(outcome.state, "what waits goes on waiting").toBe("pending");
  } finally {
    pipe.write("four");
    expect(await waiting).toBe(4);
  }
  expect(ring.stats.inFlight).toBe(0);
}

function table(title: string, rows: Row[]): void {
  describe(title, () => {
    test.each(rows)("%s", (_, call, type, message) => expectRefused(call, type, message));
  });
}

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

/** Every method that takes a directory's descriptor. */
const TAKES_DIRFD: [string, (ring: Any, dirfd: unknown) => unknown, argument: string][] = [
  ["openat", (ring, dirfd) => ring.openat(dirfd, "x", 0), "dirfd"],
  ["openat2", (ring, dirfd) => ring.openat2(dirfd, "x", {}), "dirfd"],
  ["statx", (ring, dirfd) => ring.statx(dirfd, "x", 0, 0), "dirfd"],
  ["unlinkat", (ring, dirfd) => ring.unlinkat(dirfd, "x"), "dirfd"],
  ["mkdirat", (ring, dirfd) => ring.mkdirat(dirfd, "x"), "dirfd"],
  ["symlinkat", (ring, dirfd) => ring.symlinkat("t", dirfd, "x"), "newdirfd"],
  ["renameat from", (ring, dirfd) => ring.renameat(dirfd, "x", FDCWD, "y"), "olddirfd"],
  ["renameat to", (ring, dirfd) => ring.renameat(FDCWD, "x", dirfd, "y"), "newdirfd"],
  ["linkat from", (ring, dirfd) => ring.linkat(dirfd, "x", FDCWD, "y"), "olddirfd"],
  ["linkat to", (ring, dirfd) => ring.linkat(FDCWD, "x", dirfd, "y"), "newdirfd"],
];

const NO_DESCRIPTORS: [string, unknown, RegExp][] = [
  ["1.5", 1.5, /an integer .* not 1.5/],
  ["NaN", NaN, /an integer .* not NaN/],
  ["2^31", 2 ** 31, /from -2147483648 to 2147483647, not 2147483648/],
  ["text", "3", /not "3"/],
  ["a bigint", 3n, /not 3n \(a bigint\)/],
  ["null", null, /not null/],
  ["undefined", undefined, /not undefined/],
  ["a FileHandle", { fd: 3 }, /not an object: give its .fd/],
];

table(
  "30: a descriptor that is no integer",
  [...TAKES_FD, ...TAKES_DIRFD].flatMap(([method, call, argument = "fd"]) =>
    NO_DESCRIPTORS.map(([what, fd, message]): Row => [
      `${method}() refuses ${what}`,
      ({ ring }) => call(ring, fd),
      TypeError,
      new RegExp(`^${argument} must be .*${message.source}`),
    ])
  ),
);

describe("29: a descriptor that is not open", () => {
  test.each(TAKES_FD)("%s() rejects with EBADF and names it", async (method, call) => {
    await using ring = new Ring();
    for (const fd of [-1, 99_999]) {
      const error = await failure(call(ring, fd) as Promise<unknown>, UringError);
      expect(error).toMatchObject({ code: "EBADF", errno: -9 });
      if (method !== "cancel") expect(error.message).toMatch(`fd ${fd} is not open`);
    }
    expect(await ring.nop()).toBe(0);
  });

  test.each(TAKES_DIRFD)("%s rejects with EBADF and names path and descriptor", async (_, call) => {
    await using ring = new Ring();
    // The kernel looks at old names first; that one does not exist, unless the descriptor is refused before.
    const error = await failure(call(ring, 99_999) as Promise<unknown>, UringError);
    expect(["EBADF", "ENOENT"]).toContain(error.code);
    expect(error.path).toBeDefined();
  });
});

describe("31: a descriptor that is not open for this", () => {
  test("read() of a write-only one says: not for reading; write() to a read-only one: not for writing", async () => {
    await using stage = new Stage();
    const { ring, folder } = stage;
    const [writeOnly, readOnly] = [folder.open("file", "a"), folder.open("file", "r")];
    expect((await failure(ring.read(writeOnly, bytes(), 0), UringError)).message)
      .toMatch(`EBADF: fd ${writeOnly} is not open, or not for reading`);
    expect((await failure(ring.write(readOnly, bytes(), 0), UringError)).message)
      .toMatch(`EBADF: fd ${readOnly} is not open, or not for writing`);
  });
});

const WRONG_OFFSETS: [string, unknown, ErrorClass<Error>, RegExp][] = [
  ["32: -2", -2, RangeError, /must not be negative, not -2/],
  ["32: -2n", -2n, RangeError, /must not be negative, not -2/],
  ["33: -1", -1, RangeError, /must not be -1.*"current"/],
  ["33: -1n", -1n, RangeError, /must not be -1.*"current"/],
  ["34: 2^53 as number", 2 ** 53, RangeError, /beyond 2\^53 - 1.*give a bigint/],
  ["34: 1e300", 1e300, RangeError, /beyond 2\^53 - 1.*give a bigint/],
  ["2^63 as bigint", 2n ** 63n, RangeError, /at most 2\^63 - 1/],
  ["0.5", 0.5, TypeError, /must be an integer, not 0.5/],
  ["NaN", NaN, TypeError, /must be an integer, not NaN/],
  ["Infinity", Infinity, TypeError, /must be an integer, not Infinity/],
  ["text", "0", TypeError, /must be a number or bigint, not "0"/],
  ["null", null, TypeError, /must be a number or bigint, not null/],
];

const TAKES_OFFSET: [string, (stage: Any, offset: unknown) => unknown, argument: string][] = [
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
  ["ftruncate() len", ({ ring, fd }, len) => ring.ftruncate(fd, len), "len"],
  ["openat2() flags", ({ ring }, flags) => ring.openat2(FDCWD, "x", { flags }), "how.flags"],
  ["openat2() resolve", ({ ring }, resolve) => ring.openat2(FDCWD, "x", { resolve }), "how.resolve"],
];

table(
  "32 to 34: an offset or length that can't be",
  TAKES_OFFSET.flatMap(([method, call, argument]) =>
    WRONG_OFFSETS
      // Left out, openat2's flags are 0: null is the same.
      .filter(([, offset]) => !(method.startsWith("openat2") && offset === null))
      .map(([what, offset, type, message]): Row => [
        `${method} refuses ${what}`,
        (stage) => call(stage, offset),
        type,
        new RegExp(`^${argument} .*${message.source}`),
      ])
  ),
);

describe("35: offset 2^63 - 1", () => {
  test("rejects, and says that offset plus length overflow", async () => {
    await using stage = new Stage();
    for (const offset of [2n ** 63n - 1n, 2n ** 63n - 4n]) {
      const error = await failure(stage.ring.read(stage.fd, bytes(), offset), UringError);
      expect(error.code).toBe("EINVAL");
      expect(error.message).toMatch(/offset plus length must stay below 2\^63/);
    }
  });
});

const WRONG_BUFFERS: [string, () => unknown, ErrorClass<Error>, RegExp][] = [
  ["38: a detached one", detached, TypeError, /is detached: it was transferred/],
  ["38: a detached ArrayBuffer", () => detached().buffer, TypeError, /is detached/],
  ["39: a resizable one", resizable, TypeError, /is resizable.*fixed length.*BufferPool/],
  ["39: a resizable ArrayBuffer", () => resizable().buffer, TypeError, /is resizable/],
  ["39: a growable shared one", growable, TypeError, /is resizable/],
  ["an empty one", () => new Uint8Array(0), RangeError, /has length 0/],
  ["an empty part of one", () => bytes().subarray(3, 3), RangeError, /has length 0/],
  ["an empty ArrayBuffer", () => new ArrayBuffer(0), RangeError, /has length 0/],
  ["40: text", () => "12345678", TypeError, /must be a typed array, DataView or ArrayBuffer, not string/],
  ["40: an array", () => [1, 2, 3], TypeError, /must be a typed array, DataView or ArrayBuffer, not object/],
  ["40: an object with a byteLength", () => ({ byteLength: 8 }), TypeError, /must be a typed array/],
  ["40: null", () => null, TypeError, /must be a typed array.*not null/],
  ["40: undefined", () => undefined, TypeError, /must be a typed array.*not undefined/],
  ["40: a number", () => 8, TypeError, /must be a typed array.*not number/],
];

const TAKES_BUFFER: [string, (stage: Any, buffer: unknown) => unknown, argument: string][] = [
  ["read()", ({ ring, fd }, buffer) => ring.read(fd, buffer, 0), "buffer"],
  ["read() with options", ({ ring, fd }, buffer) => ring.read(fd, buffer, 0, { timeout: NEVER }), "buffer"],
  ["write()", ({ ring, fd }, buffer) => ring.write(fd, buffer, 0), "buffer"],
  ["readv()", ({ ring, fd }, buffer) => ring.readv(fd, [bytes(), buffer], 0), "buffers\\[1\\]"],
  ["writev()", ({ ring, fd }, buffer) => ring.writev(fd, [buffer, bytes()], 0), "buffers\\[0\\]"],
  ["readFixed()", ({ ring, fd }, buffer) => ring.readFixed(fd, buffer, 0), "buffer"],
  ["readFixed() with bufIndex", ({ ring, fd }, buffer) => ring.readFixed(fd, buffer, 0, { bufIndex: 0 }), "buffer"],
  ["writeFixed()", ({ ring, fd }, buffer) => ring.writeFixed(fd, buffer, 0), "buffer"],
];

table(
  "38 to 40: a buffer that can't be",
  TAKES_BUFFER.flatMap(([method, call, argument]) =>
    WRONG_BUFFERS.map(([what, buffer, type, message]): Row => [
      `${method} refuses ${what}`,
      (stage) => call(stage, buffer()),
      type,
      new RegExp(`^${argument} ${message.source}`),
    ])
  ),
);

table("41: buffers of readv() and writev()", [
  [
    "readv() refuses 1025",
    ({ ring, fd }) => ring.readv(fd, new Array(1025).fill(bytes()), 0),
    RangeError,
    /1 to 1024 buffers, not 1025: split/,
  ],
  [
    "writev() refuses 1025",
    ({ ring, fd }) => ring.writev(fd, new Array(1025).fill(bytes()), 0),
    RangeError,
    /1 to 1024 buffers, not 1025: split/,
  ],
  [
    "readv() refuses none",
    ({ ring, fd }) => ring.readv(fd, [], 0),
    RangeError,
    /buffers must hold 1 to 1024 buffers, not 0/,
  ],
  [
    "readv() refuses holes",
    ({ ring, fd }) => ring.readv(fd, new Array(3), 0),
    TypeError,
    /buffers\[0\] must be a typed array.*not undefined/,
  ],
  [
    "readv() refuses one that is no array",
    ({ ring, fd }) => ring.readv(fd, bytes(), 0),
    TypeError,
    /buffers must be an array of buffers/,
  ],
  [
    "readv() refuses undefined",
    ({ ring, fd }) => ring.readv(fd, undefined, 0),
    TypeError,
    /buffers must be an array.*not undefined/,
  ],
  [
    "writev() refuses text",
    ({ ring, fd }) => ring.writev(fd, "text", 0),
    TypeError,
    /buffers must be an array.*not "text"/,
  ],
]);

const WRONG_PATHS: [string, unknown, ErrorClass<Error>, RegExp][] = [
  ["62: an empty one", "", TypeError, /is empty.*AT_EMPTY_PATH/],
  ["62: empty bytes", new Uint8Array(0), TypeError, /is empty/],
  ["62: one with a NUL", "a\0b", TypeError, /contains a NUL byte/],
  ["62: one with a NUL, not ASCII", "é\0", TypeError, /contains a NUL byte/],
  ["62: bytes with a NUL", new Uint8Array([97, 0]), TypeError, /contains a NUL byte/],
  ["62: a URL with a NUL", new URL("file:///a%00b"), TypeError, /contains a NUL byte/],
  ["one of 4096 bytes", "x".repeat(4096), RangeError, /is 4096 bytes long; the kernel takes at most 4095/],
  ["one of 4096 bytes in fewer letters", "é".repeat(2048), RangeError, /is 4096 bytes long/],
  ["an http: URL", new URL("http://localhost/x"), TypeError, /must be a string, a Uint8Array or a file: URL/],
  ["a number", 3, TypeError, /must be a string, a Uint8Array or a file: URL/],
  ["null", null, TypeError, /must be a string/],
  ["undefined", undefined, TypeError, /must be a string/],
  ["an ArrayBuffer", new ArrayBuffer(4), TypeError, /must be a string/],
];

const TAKES_PATH: [string, (ring: Any, path: unknown) => unknown, argument: string][] = [
  ["openat()", (ring, path) => ring.openat(FDCWD, path, O.RDONLY), "path"],
  ["openat2()", (ring, path) => ring.openat2(FDCWD, path, {}), "path"],
  ["statx()", (ring, path) => ring.statx(FDCWD, path, 0, 0), "path"],
  ["unlinkat()", (ring, path) => ring.unlinkat(FDCWD, path), "path"],
  ["mkdirat()", (ring, path) => ring.mkdirat(FDCWD, path), "path"],
  ["symlinkat() target", (ring, path) => ring.symlinkat(path, FDCWD, "x"), "target"],
  ["symlinkat() linkpath", (ring, path) => ring.symlinkat("x", FDCWD, path), "linkpath"],
  ["renameat() from", (ring, path) => ring.renameat(FDCWD, path, FDCWD, "x"), "oldpath"],
  ["renameat() to", (ring, path) => ring.renameat(FDCWD, "x", FDCWD, path), "newpath"],
  ["linkat() from", (ring, path) => ring.linkat(FDCWD, path, FDCWD, "x"), "oldpath"],
  ["linkat() to", (ring, path) => ring.linkat(FDCWD, "x", FDCWD, path), "newpath"],
];

table(
  "62: a path that can't be",
  TAKES_PATH.flatMap(([method, call, argument]) =>
    WRONG_PATHS.map(([what, path, type, message]): Row => [
      `${method} refuses ${what}`,
      ({ ring }) => call(ring, path),
      type,
      new RegExp(`^${argument} ${message.source}`),
    ])
  ),
);

table("flags, masks and modes", [
  [
    "openat() refuses flags beyond 32 bits",
    ({ ring }) => ring.openat(FDCWD, "x", 2 ** 33),
    RangeError,
    /^flags must be from/,
  ],
  [
    "openat() refuses flags as text",
    ({ ring }) => ring.openat(FDCWD, "x", "r"),
    TypeError,
    /^flags must be a number, not "r"/,
  ],
  [
    "openat() refuses undefined flags",
    ({ ring }) => ring.openat(FDCWD, "x"),
    TypeError,
    /^flags must be a number, not undefined/,
  ],
  [
    "openat() refuses a mode beyond 0o7777",
    ({ ring }) => ring.openat(FDCWD, "x", O.CREAT, 0o100644),
    RangeError,
    /^mode must be from 0 to 4095/,
  ],
  [
    "openat() refuses a mode as text",
    ({ ring }) => ring.openat(FDCWD, "x", O.CREAT, "644"),
    TypeError,
    /^mode must be a number/,
  ],
  [
    "openat2() refuses how that is no object",
    ({ ring }) => ring.openat2(FDCWD, "x", 0),
    TypeError,
    /^how must be an object, not 0/,
  ],
  [
    "openat2() refuses how that is null",
    ({ ring }) => ring.openat2(FDCWD, "x", null),
    TypeError,
    /^how must be an object, not null/,
  ],
  [
    "openat2() refuses a mode beyond 0o7777",
    ({ ring }) => ring.openat2(FDCWD, "x", { mode: 0o10000 }),
    RangeError,
    /^how.mode must be from 0 to 4095/,
  ],
  ["fsync() refuses flags of -1", ({ ring, fd }) => ring.fsync(fd, -1), RangeError, /^flags must be from 0/],
  ["statx() refuses a mask of -1", ({ ring }) => ring.statx(FDCWD, "x", 0, -1), RangeError, /^mask must be from 0/],
  [
    "statx() refuses an undefined mask",
    ({ ring }) => ring.statx(FDCWD, "x", 0),
    TypeError,
    /^mask must be a number, not undefined/,
  ],
  [
    "statx() refuses flags of 0.5",
    ({ ring }) => ring.statx(FDCWD, "x", 0.5, 0),
    TypeError,
    /^flags must be an integer/,
  ],
  [
    "fallocate() refuses a mode as bigint",
    ({ ring, fd }) => ring.fallocate(fd, 1n, 0, 1),
    TypeError,
    /^mode must be a number/,
  ],
  [
    "fadvise() refuses undefined advice",
    ({ ring, fd }) => ring.fadvise(fd, 0, 0),
    TypeError,
    /^advice must be a number/,
  ],
  [
    "unlinkat() refuses flags as boolean",
    ({ ring }) => ring.unlinkat(FDCWD, "x", true),
    TypeError,
    /^flags must be a number/,
  ],
  [
    "mkdirat() refuses a mode of 2^16",
    ({ ring }) => ring.mkdirat(FDCWD, "x", 2 ** 16),
    RangeError,
    /^mode must be from 0 to 4095/,
  ],
  [
    "renameat() refuses NOREPLACE with EXCHANGE",
    ({ ring }) => ring.renameat(FDCWD, "x", FDCWD, "y", RENAME.NOREPLACE | RENAME.EXCHANGE),
    TypeError,
    /NOREPLACE and EXCHANGE exclude each other/,
  ],
  [
    "linkat() refuses flags of 1.5",
    ({ ring }) => ring.linkat(FDCWD, "x", FDCWD, "y", 1.5),
    TypeError,
    /^flags must be an integer/,
  ],
  ["pollAdd() refuses a mask of -1", ({ ring, fd }) => ring.pollAdd(fd, -1), RangeError, /^mask must be from 0/],
  ["pollAdd() refuses an undefined mask", ({ ring, fd }) => ring.pollAdd(fd), TypeError, /^mask must be a number/],
]);

const TAKES_MS: [string, (stage: Any, ms: unknown) => unknown, argument: string][] = [
  ["timeout()", ({ ring }, ms) => ring.timeout(ms), "ms"],
  ["timeoutUpdate()", ({ ring }, ms) => ring.timeoutUpdate(Promise.resolve(), ms), "ms"],
  ["the timeout option", ({ ring, fd }, timeout) => ring.read(fd, bytes(), 0, { timeout }), "timeout"],
  ["the timeout option of nop()", ({ ring }, timeout) => ring.nop({ timeout }), "timeout"],
  ["submitAndWait()", ({ ring }, timeout) => ring.submitAndWait(1, { timeout }), "timeout"],
];

table(
  "28: a time that can't be",
  TAKES_MS.flatMap(([method, call, argument]): Row[] => [
    [
      `${method} refuses -1`,
      (stage) => call(stage, -1),
      RangeError,
      new RegExp(`^${argument} must be from 0 .*not -1`),
    ],
    [
      `${method} refuses NaN`,
      (stage) => call(stage, NaN),
      RangeError,
      new RegExp(`^${argument} must be from 0 .*not NaN`),
    ],
    [
      `${method} refuses Infinity`,
      (stage) => call(stage, Infinity),
      RangeError,
      new RegExp(`^${argument} must be from 0`),
    ],
    [
      `${method} refuses text`,
      (stage) => call(stage, "5"),
      TypeError,
      new RegExp(`^${argument} must be a number of milliseconds, not "5"`),
    ],
    [
      `${method} refuses a bigint`,
      (stage) => call(stage, 5n),
      TypeError,
      new RegExp(`^${argument} must be a number of milliseconds`),
    ],
    [
      `${method} refuses null`,
      (stage) => call(stage, null),
      TypeError,
      new RegExp(`^${argument} must be a number of milliseconds`),
    ],
  ]),
);

table("options that can't be", [
  ["43: flags 0x80", ({ ring }) => ring.nop({ flags: 0x80 }), RangeError, /flags 0x80 is no IOSQE flag/],
  ["43: flags 0x100", ({ ring }) => ring.nop({ flags: 0x100 }), RangeError, /^flags must be from 0 to 255, not 256/],
  ["flags -1", ({ ring }) => ring.nop({ flags: -1 }), RangeError, /^flags must be from 0 to 255/],
  ["flags as text", ({ ring }) => ring.nop({ flags: "ASYNC" }), TypeError, /^flags must be a number/],
  [
    "44: CQE_SKIP_SUCCESS",
    ({ ring }) => ring.nop({ flags: IOSQE.CQE_SKIP_SUCCESS }),
    TypeError,
    /CQE_SKIP_SUCCESS.*RawRing/,
  ],
  [
    "44: CQE_SKIP_SUCCESS with IO_DRAIN",
    ({ ring, fd }) => ring.read(fd, bytes(), 0, { flags: IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_DRAIN }),
    TypeError,
    /CQE_SKIP_SUCCESS.*RawRing/,
  ],
  [
    "45: BUFFER_SELECT on fsync()",
    ({ ring, fd }) => ring.fsync(fd, 0, { flags: IOSQE.BUFFER_SELECT }),
    TypeError,
    /BUFFER_SELECT/,
  ],
  [
    "45: BUFFER_SELECT on read()",
    ({ ring, fd }) => ring.read(fd, bytes(), 0, { flags: IOSQE.BUFFER_SELECT }),
    TypeError,
    /BUFFER_SELECT.*its own/,
  ],
  [
    "personality 2^16",
    ({ ring }) => ring.nop({ personality: 65536 }),
    RangeError,
    /^personality must be from 0 to 65535/,
  ],
  ["personality 1.5", ({ ring }) => ring.nop({ personality: 1.5 }), TypeError, /^personality must be an integer/],
  [
    "signal as text",
    ({ ring }) => ring.nop({ signal: "abort" }),
    TypeError,
    /^signal must be an AbortSignal, not "abort"/,
  ],
  ["signal null", ({ ring }) => ring.nop({ signal: null }), TypeError, /^signal must be an AbortSignal, not null/],
  [
    "a controller for its signal",
    ({ ring }) => ring.nop({ signal: new AbortController() }),
    TypeError,
    /^signal must be an AbortSignal/,
  ],
  [
    "rwFlags as text",
    ({ ring, fd }) => ring.read(fd, bytes(), 0, { rwFlags: "DSYNC" }),
    TypeError,
    /^rwFlags must be a number/,
  ],
  [
    "rwFlags beyond 32 bits",
    ({ ring, fd }) => ring.writev(fd, [bytes()], 0, { rwFlags: 2 ** 32 }),
    RangeError,
    /^rwFlags must be from/,
  ],
  [
    "ioprio 2^16",
    ({ ring, fd }) => ring.write(fd, bytes(), 0, { ioprio: 65536 }),
    RangeError,
    /^ioprio must be from 0 to 65535/,
  ],
  [
    "ioprio -1",
    ({ ring, fd }) => ring.readv(fd, [bytes()], 0, { ioprio: -1 }),
    RangeError,
    /^ioprio must be from 0 to 65535/,
  ],
  [
    "bufIndex 65536",
    ({ ring, fd, pooled }) => ring.readFixed(fd, pooled, 0, { bufIndex: 65536 }),
    RangeError,
    /^bufIndex must be from 0 to 65535/,
  ],
  [
    "bufIndex 0.5",
    ({ ring, fd, pooled }) => ring.writeFixed(fd, pooled, 0, { bufIndex: 0.5 }),
    TypeError,
    /^bufIndex must be an integer/,
  ],
  ["count of a timeout -1", ({ ring }) => ring.timeout(1, { count: -1 }), RangeError, /^count must be from 0/],
  ["count of a timeout as bigint", ({ ring }) => ring.timeout(1, { count: 1n }), TypeError, /^count must be a number/],
  [
    'clock "wall"',
    ({ ring }) => ring.timeout(1, { clock: "wall" }),
    TypeError,
    /^clock must be "monotonic", "boottime" or "realtime", not "wall"/,
  ],
  [
    "clock of a timeoutUpdate()",
    ({ ring }) => ring.timeoutUpdate(Promise.resolve(), 1, { clock: "realtime" }),
    TypeError,
    /^clock can't be changed/,
  ],
  ["options that are null", ({ ring }) => ring.nop(null), TypeError, /^options must be an object, not null/],
  [
    "options that are a number",
    ({ ring, fd }) => ring.read(fd, bytes(), 0, 5),
    TypeError,
    /^options must be an object, not 5/,
  ],
  [
    "options that are a function",
    ({ ring, fd }) => ring.fsync(fd, 0, () => {}),
    TypeError,
    /^options must be an object/,
  ],
]);

table("targets of cancel() that can't be", [
  [
    "undefined",
    ({ ring }) => ring.cancel(),
    TypeError,
    /^target must be a promise, \{ fd \}, \{ op \} or "all", not undefined/,
  ],
  ["null", ({ ring }) => ring.cancel(null), TypeError, /^target must be .*not null/],
  ["a number", ({ ring }) => ring.cancel(3), TypeError, /^target must be .*not 3/],
  ["other text", ({ ring }) => ring.cancel("everything"), TypeError, /^target must be .*not "everything"/],
  ["an object that says nothing", ({ ring }) => ring.cancel({}), TypeError, /^target must be a promise/],
  ["an op that is no text", ({ ring }) => ring.cancel({ op: 22 }), TypeError, /no op 22|op must be/],
  ["an op that there is not", ({ ring }) => ring.cancel({ op: "READS" }), TypeError, /no op "READS"/],
  [
    "an op named as a property of every object",
    ({ ring }) => ring.cancel({ op: "constructor" }),
    TypeError,
    /no op "constructor"/,
  ],
  [
    "timeoutRemove() of no promise",
    ({ ring }) => ring.timeoutRemove(3),
    TypeError,
    /^target must be the promise that timeout\(\) gave, not 3/,
  ],
  [
    "timeoutUpdate() of no promise",
    ({ ring }) => ring.timeoutUpdate(undefined, 3),
    TypeError,
    /^target must be the promise that timeout\(\) gave, not undefined/,
  ],
]);

table("submitAndWait()", [
  [
    "27: waiting for more than is in flight",
    ({ ring }) => ring.submitAndWait(1_000_000),
    RangeError,
    /count 1000000 is more than the 2 operations that are in flight/,
  ],
  ["count -1", ({ ring }) => ring.submitAndWait(-1), RangeError, /^count must be from 0/],
  ["count 0.5", ({ ring }) => ring.submitAndWait(0.5), TypeError, /^count must be an integer/],
  ["count as text", ({ ring }) => ring.submitAndWait("1"), TypeError, /^count must be a number/],
  ["no count", ({ ring }) => ring.submitAndWait(), TypeError, /^count must be a number, not undefined/],
]);

table("pools", [
  ["registering what is no pool", ({ ring }) => ring.registerPool({}), TypeError, /^pool must be a BufferPool/],
  ["registering nothing", ({ ring }) => ring.registerPool(), TypeError, /^pool must be a BufferPool, not undefined/],
  [
    "unregistering what is no pool",
    ({ ring }) => ring.unregisterPool(5),
    TypeError,
    /^pool must be a BufferPool, not 5/,
  ],
]);

describe("24: a full queue", () => {
  test("overwrites nothing: every operation completes with its own result", async () => {
    await using ring = new Ring({ entries: 4 });
    await using stage = new Stage();
    const buffers = Array.from({ length: 50 }, (_, i) => new Uint8Array(1 + i % 8));
    expect(await Promise.all(buffers.map((buffer) => ring.read(stage.fd, buffer, 0))))
      .toEqual(buffers.map(({ length }) => length));
  });
});

describe("42: an op that the kernel does not know", () => {
  test("is EINVAL through RawRing, and an UnsupportedError through Ring", () => {
    using ring = new RawRing({ entries: 2 });
    ring.prepNop(1);
    ring.sqe().setUint8(0, 63);
    if (IORING_OP.NOP128 === 63) {
      ring.submitAndWait(1);
      const results: number[] = [];
      ring.forEachCqe((_, res) => results.push(res));
      expect(results.length).toBe(1);
      expect([-22, 0]).toContain(results[0]);
    }
  });
});

describe("60: cancelling what is unknown", () => {
  test("resolves to 0", async () => {
    await using ring = new Ring();
    expect(await ring.cancel(Promise.resolve())).toBe(0);
    expect(await ring.cancel("all")).toBe(0);
    expect(await ring.timeoutRemove(Promise.resolve())).toBe(0);
    expect(await ring.timeoutUpdate(Promise.resolve(), 1)).toBe(0);
  });
});

test("a call that is refused takes no memory with it: the same call can be refused for ever", async () => {
  await using stage = new Stage();
  const { ring, fd } = stage;
  const { path } = stage.folder;
  for (let i = 0; i < 3000; i++) {
    thrown(() => ring.openat(FDCWD, path, O.RDONLY, 0, { flags: 0x80 }), RangeError);
    thrown(() => ring.renameat(FDCWD, path, FDCWD, "a\0"), TypeError);
    thrown(() => ring.readv(fd, [bytes(), new Uint8Array(0)], 0), RangeError);
    thrown(() => ring.timeout(5, { flags: 0x80 }), RangeError);
  }
  expect(ring.stats).toMatchObject({ submitted: 0, inFlight: 0 });
  using pool = new BufferPool({ size: 8, count: 1 });
  expect(await ring.read(fd, pool.acquire(), 0)).toBe(8);
});
