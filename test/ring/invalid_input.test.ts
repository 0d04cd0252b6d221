/** Invalid input beyond the list in test/invalid: arguments and options that only some methods take. */

import { afterAll, describe, test } from "vitest";
import { AT, O, RENAME } from "../../mod.ts";
import { endShared, type Loose, refused } from "../invalid/row.ts";
import type { ErrorClass } from "../support/failure.ts";

const bytes = () => new Uint8Array(8);
const { FDCWD } = AT;

type Row = [name: string, call: (stage: Loose) => unknown, type: ErrorClass<Error>, message: RegExp];

afterAll(endShared);

function table(title: string, rows: Row[]): void {
  describe(title, () => {
    for (const [name, call, type, message] of rows) test(name, refused(call, type, message));
  });
}

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

table("options that can't be", [
  ["flags -1", ({ ring }) => ring.nop({ flags: -1 }), RangeError, /^flags must be from 0 to 255/],
  ["flags as text", ({ ring }) => ring.nop({ flags: "ASYNC" }), TypeError, /^flags must be a number/],
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
  [
    "options of cancel() that are null",
    ({ ring }) => ring.cancel("all", null),
    TypeError,
    /^options must be an object/,
  ],
  [
    "a signal of cancel() that is none",
    ({ ring }) => ring.cancel("all", { signal: 1 }),
    TypeError,
    /^signal must be an AbortSignal/,
  ],
  ["a timeout of cancel()", ({ ring }) => ring.cancel("all", { timeout: -1 }), RangeError, /^timeout must/],
  ["options of submitAndWait()", ({ ring }) => ring.submitAndWait(0, null), TypeError, /^options must be \{ timeout/],
  ["options of link()", ({ ring }) => ring.link(() => 0, null), TypeError, /^options must be \{ hard \}, not null/],
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
