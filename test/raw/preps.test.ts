import { fstatSync, lstatSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AT,
  BufferPool,
  FALLOC_FL,
  IORING_ASYNC_CANCEL,
  IORING_FSYNC,
  IORING_OP,
  IORING_REGISTER,
  IORING_TIMEOUT,
  IOSQE,
  O,
  POLL,
  POSIX_FADV,
  RENAME,
  RESOLVE,
  RWF,
  STATX,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions, resultOf, results } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasCancelFlags, hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { openFlags, position } from "../support/process_state.ts";

const ENOENT = -2;
const EBADF = -9;
const EFAULT = -14;
const EINVAL = -22;
const ETIME = -62;
const ECANCELED = -125;
const { FDCWD } = AT;

function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

describe("preps that read and write", () => {
  test("prepRead and prepWrite", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const source = pattern(1000);
    expect(resultOf(ring, (ring) => ring.prepWrite(1, fd, source, 1000, 0))).toBe(1000);
    expect(folder.read("file")).toEqual(source);
    const buffer = new Uint8Array(1000).fill(0xee);
    expect(resultOf(ring, (ring) => ring.prepRead(1, fd, buffer.subarray(10), 500, 100n))).toBe(500);
    expect(buffer.slice(10, 510)).toEqual(pattern(500, 100));
    expect([...buffer.subarray(0, 10), ...buffer.subarray(510)].every((byte) => byte === 0xee)).toBe(true);
    expect(position(fd)).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepRead(1, fd, buffer, 600, -1))).toBe(600);
    expect(position(fd), "an offset of -1 is the position").toBe(600);
    expect(resultOf(ring, (ring) => ring.prepRead(1, fd, buffer, 0, 0)), "a length of 0").toBe(0);
    expect(resultOf(ring, (ring) => ring.prepRead(1, fd, 8, 100, 0)), "an address that is none").toBe(EFAULT);
  });

  test("prepReadFixed and prepWriteFixed, with buffers registered by hand", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 4096, count: 2 });
    const fd = folder.open("file", "w+");
    const [first, second] = [pool.acquire(), pool.acquire()];
    const iovecs = new BigUint64Array([
      BigInt(pool.region.address + first.byteOffset),
      4096n,
      BigInt(pool.region.address + second.byteOffset),
      4096n,
    ]);
    expect(ring.register(IORING_REGISTER.BUFFERS, iovecs, 2)).toBe(0);
    first.set(pattern(4096));
    expect(resultOf(ring, (ring) => ring.prepWriteFixed(1, fd, first, 4096, 0, 0))).toBe(4096);
    expect(resultOf(ring, (ring) => ring.prepReadFixed(1, fd, second.subarray(5), 100, 7, 1))).toBe(100);
    expect(second.slice(5, 105)).toEqual(pattern(100, 7));
    expect(resultOf(ring, (ring) => ring.prepReadFixed(1, fd, second, 100, 7, 0)), "another's index").toBe(EFAULT);
    expect(resultOf(ring, (ring) => ring.prepReadFixed(1, fd, second, 100, 7, 2)), "no index").toBe(EFAULT);
    expect(ring.register(IORING_REGISTER.UNREGISTER_BUFFERS, null, 0)).toBe(0);
  });

  test("prepReadv, prepWritev and their forms with flags, from buffers and from iovecs in memory", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 64, count: 1 });
    const fd = folder.open("file", "w+");
    expect(resultOf(ring, (ring) => ring.prepWritev(1, fd, [text("one "), text("two "), text("unused")], 2, 0))).toBe(
      8,
    );
    expect(resultOf(ring, (ring) => ring.prepWritev2(1, fd, [text("three")], 1, 0, RWF.APPEND))).toBe(5);
    expect(folder.text("file")).toBe("one two three");
    const [a, b] = [new Uint8Array(3), new Uint8Array(100)];
    expect(resultOf(ring, (ring) => ring.prepReadv(1, fd, [a, b], 2, 1))).toBe(12);
    expect(new TextDecoder().decode(a) + new TextDecoder().decode(b.subarray(0, 9))).toBe("ne two three");
    expect(resultOf(ring, (ring) => ring.prepReadv2(1, fd, [a], 1, 0, 1 << 30))).toBe(-95);
    const buffer = pool.acquire();
    const iovec = new BigUint64Array([BigInt(pool.region.address), 64n]);
    expect(resultOf(ring, (ring) => ring.prepReadv(1, fd, iovec, 1, 0))).toBe(13);
    expect(new TextDecoder().decode(buffer.subarray(0, 13))).toBe("one two three");
  });
});

describe("preps of files and names", () => {
  test("prepOpenat, prepOpenat2 and prepClose", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    const path = folder.at("file");
    const fd = resultOf(ring, (ring) => ring.prepOpenat(1, FDCWD, path, O.WRONLY | O.CREAT | O.CLOEXEC, 0o600));
    expect(fd).toBeGreaterThan(2);
    expect(openFlags(fd) & O.CLOEXEC).toBe(O.CLOEXEC);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    const how = { flags: O.RDONLY | O.CLOEXEC, resolve: RESOLVE.NO_SYMLINKS };
    const second = resultOf(ring, (ring) => ring.prepOpenat2(1, FDCWD, path, how));
    expect(second).toBeGreaterThan(2);
    symlinkSync("file", folder.at("link"));
    expect(resultOf(ring, (ring) => ring.prepOpenat2(1, FDCWD, folder.at("link"), how))).toBe(-40);
    const memory = new BigUint64Array([BigInt(O.RDONLY), 0n, 0n]);
    const third = resultOf(ring, (ring) => ring.prepOpenat2(1, FDCWD, text(path), memory));
    expect(third).toBeGreaterThan(2);
    for (const each of [fd, second, third]) {
      expect(resultOf(ring, (ring) => ring.prepClose(1, each))).toBe(0);
      expect(resultOf(ring, (ring) => ring.prepClose(1, each))).toBe(EBADF);
    }
    expect(resultOf(ring, (ring) => ring.prepOpenat(1, FDCWD, folder.at("none"), O.RDONLY, 0))).toBe(ENOENT);
  });

  test("prepFsync, prepFallocate, prepFadvise and prepFtruncate", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    expect(resultOf(ring, (ring) => ring.prepFallocate(1, fd, 0, 0, 10_000))).toBe(0);
    expect(fstatSync(fd).size).toBe(10_000);
    expect(resultOf(ring, (ring) => ring.prepFallocate(1, fd, FALLOC_FL.PUNCH_HOLE, 0, 1))).toBe(-95);
    expect(resultOf(ring, (ring) => ring.prepFsync(1, fd, 0))).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepFsync(1, fd, IORING_FSYNC.DATASYNC))).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepFadvise(1, fd, 0, 4096, POSIX_FADV.DONTNEED))).toBe(0);
    // Since Linux 6.9.
    const truncated = resultOf(ring, (ring) => ring.prepFtruncate(1, fd, 5n));
    expect([0, EINVAL]).toContain(truncated);
    expect(fstatSync(fd).size).toBe(truncated === 0 ? 5 : 10_000);
  });

  test("prepStatx", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    folder.write("file", "content");
    const statxbuf = new DataView(new ArrayBuffer(300), 4, 256);
    const stat = (dfd: number, path: string, flags: number) =>
      resultOf(ring, (ring) => ring.prepStatx(1, dfd, path, flags, STATX.SIZE, statxbuf));
    expect(stat(FDCWD, folder.at("file"), 0)).toBe(0);
    expect(statxbuf.getBigUint64(40, true)).toBe(7n);
    expect(stat(folder.open("file"), "", AT.EMPTY_PATH)).toBe(0);
    expect(stat(FDCWD, folder.at("none"), 0)).toBe(ENOENT);
  });

  test.skipIf(!hasOp("MKDIRAT"))("prepMkdirat, prepSymlinkat, prepLinkat, prepRenameat and prepUnlinkat", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    folder.write("file", "content");
    const dfd = folder.open(".");
    expect(resultOf(ring, (ring) => ring.prepMkdirat(1, dfd, "directory", 0o700))).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepSymlinkat(1, "target é", dfd, "link"))).toBe(0);
    expect(readlinkSync(folder.at("link"))).toBe("target é");
    expect(resultOf(ring, (ring) => ring.prepLinkat(1, dfd, "file", dfd, "second", 0))).toBe(0);
    expect(lstatSync(folder.at("second")).nlink).toBe(2);
    const noReplace = (ring: RawRing) => ring.prepRenameat(1, dfd, "second", dfd, "file", RENAME.NOREPLACE);
    expect(resultOf(ring, noReplace)).toBe(-17);
    expect(resultOf(ring, (ring) => ring.prepRenameat(1, dfd, "second", dfd, "third", 0))).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepUnlinkat(1, dfd, "link", 0))).toBe(0);
    expect(resultOf(ring, (ring) => ring.prepUnlinkat(1, FDCWD, folder.at("directory"), AT.REMOVEDIR))).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(["file", "third"]);
  });
});

describe("preps that wait", () => {
  test("prepPollAdd and prepPollRemove", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
    ring.prepPollAdd(2, pipe.readEnd, POLL.IN);
    ring.prepPollRemove(3, 1);
    const removed = results(ring, 2);
    expect(removed).toEqual(new Map([[1, ECANCELED], [3, 0]]));
    pipe.write("x");
    expect(results(ring, 1).get(2)! & POLL.IN).toBe(POLL.IN);
    expect(resultOf(ring, (ring) => ring.prepPollRemove(4, 1))).toBe(ENOENT);
  });

  test("prepTimeout: a time, a count, memory with a timespec", () => {
    using ring = new RawRing({ entries: 8 });
    const start = performance.now();
    expect(resultOf(ring, (ring) => ring.prepTimeout(1, { ms: 5.5 }, 0, 0))).toBe(ETIME);
    expect(performance.now() - start).toBeGreaterThan(5.4);
    const timespec = new BigInt64Array([0n, 1_000_000n]);
    expect(resultOf(ring, (ring) => ring.prepTimeout(1, timespec, 0, 0))).toBe(ETIME);
    expect(resultOf(ring, (ring) => ring.prepTimeout(1, { ms: 1 }, 0, IORING_TIMEOUT.ABS))).toBe(ETIME);
    ring.prepTimeout(1, { ms: NEVER }, 1, 0);
    ring.prepNop(2);
    expect(results(ring, 2)).toEqual(new Map([[2, 0], [1, 0]]));
  });

  test("prepTimeoutRemove and prepTimeoutUpdate aim by user data", () => {
    using ring = new RawRing({ entries: 8 });
    ring.prepTimeout(10, { ms: NEVER }, 0, 0);
    ring.prepTimeout(11, { ms: NEVER }, 0, 0);
    ring.submit();
    ring.prepTimeoutRemove(1, 10, 0);
    ring.prepTimeoutUpdate(2, { ms: 1 }, 11, 0);
    expect(results(ring, 4)).toEqual(new Map([[1, 0], [10, ECANCELED], [2, 0], [11, ETIME]]));
    expect(resultOf(ring, (ring) => ring.prepTimeoutRemove(3, 10, 0))).toBe(ENOENT);
    expect(resultOf(ring, (ring) => ring.prepTimeoutUpdate(3, { ms: 1 }, 11, 0))).toBe(ENOENT);
  });

  test("prepLinkTimeout limits the operation before it; alone it is refused", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const buffer = new Uint8Array(4);
    ring.prepRead(1, pipe.readEnd, buffer, 4, -1);
    ring.sqe().setUint8(1, IOSQE.IO_LINK);
    ring.prepLinkTimeout(2, { ms: 2 }, 0);
    expect(results(ring, 2)).toEqual(new Map([[1, ECANCELED], [2, ETIME]]));
    pipe.write("four");
    ring.prepRead(1, pipe.readEnd, buffer, 4, -1);
    ring.sqe().setUint8(1, IOSQE.IO_LINK);
    ring.prepLinkTimeout(2, { ms: NEVER }, 0);
    expect(results(ring, 2)).toEqual(new Map([[1, 4], [2, ECANCELED]]));
    expect(resultOf(ring, (ring) => ring.prepLinkTimeout(1, { ms: 1 }, 0)), "61: alone").toBe(EINVAL);
  });

  test("prepCancel aims by user data, of operations that hold memory and of those that don't", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    const LARGE = Number.MAX_SAFE_INTEGER;
    ring.prepRead(LARGE, pipe.readEnd, new Uint8Array(4), 4, -1);
    ring.prepRead(2, pipe.readEnd, new Uint8Array(4), 4, -1);
    ring.prepPollAdd(3, pipe.readEnd, POLL.IN);
    ring.prepPollAdd(4, pipe.readEnd, POLL.IN);
    ring.prepCancel(20, 2, 0); // in the same submit
    expect(results(ring, 2)).toEqual(new Map([[2, ECANCELED], [20, 0]]));
    ring.prepCancel(21, LARGE, 0);
    ring.prepCancel(22, 3, 0);
    expect(results(ring, 4)).toEqual(new Map([[21, 0], [LARGE, ECANCELED], [22, 0], [3, ECANCELED]]));
    expect(resultOf(ring, (ring) => ring.prepCancel(23, 2, 0)), "gone already").toBe(ENOENT);
    expect(resultOf(ring, (ring) => ring.prepCancel(23, 999, 0)), "never there").toBe(ENOENT);
    pipe.write("x");
    expect(results(ring, 1).get(4)! & POLL.IN).toBe(POLL.IN);
  });

  test.skipIf(!hasCancelFlags)("prepCancel and prepCancelFd take several with ALL, and tell how many", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    for (const userData of [7, 7, 7]) ring.prepPollAdd(userData, pipe.readEnd, POLL.IN);
    ring.prepRead(8, pipe.readEnd, new Uint8Array(4), 4, -1);
    ring.submit();
    expect(completions(ring)).toEqual([]);
    ring.prepCancel(1, 7, IORING_ASYNC_CANCEL.ALL);
    ring.submitAndWait(4);
    const visited = completions(ring);
    expect(visited.filter(({ userData, res }) => userData === 7 && res === ECANCELED).length).toBe(3);
    expect(visited.find(({ userData }) => userData === 1)!.res).toBe(3);
    ring.prepCancelFd(2, pipe.readEnd, IORING_ASYNC_CANCEL.ALL);
    expect(results(ring, 2)).toEqual(new Map([[2, 1], [8, ECANCELED]]));
  });
});

describe("what liburing has no prep for", () => {
  test("goes through sqe(): an op that is not prepared here", () => {
    using ring = new RawRing({ entries: 2 });
    using folder = new TempFolder();
    folder.write("file", "content");
    const fd = folder.open("file", "r+");
    ring.prepFsync(1, fd, 0);
    ring.sqe().setUint8(0, IORING_OP.SYNC_FILE_RANGE);
    expect(results(ring, 1).get(1)).toBe(0);
  });
});

describe("arguments that can't be", () => {
  const buffer = () => new Uint8Array(8);
  // deno-lint-ignore no-explicit-any -- as from JavaScript
  type Any = any;
  const REFUSED: [string, (ring: Any) => unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    ["length -1", (ring) => ring.prepRead(1, 0, buffer(), -1, 0), RangeError, /-1/],
    ["length NaN", (ring) => ring.prepRead(1, 0, buffer(), NaN, 0), RangeError, /NaN/],
    ["length left out", (ring) => ring.prepRead(1, 0, buffer()), RangeError, /undefined/],
    [
      "more iovecs than there are",
      (ring) => ring.prepReadv(1, 0, [buffer()], 2, 0),
      RangeError,
      /nrVecs must be from 1 to 1, not 2/,
    ],
    ["no iovecs", (ring) => ring.prepWritev(1, 0, [], 0, 0), RangeError, /nrVecs/],
    [
      "iovecs of memory that is too short",
      (ring) => ring.prepWritev(1, 0, new BigUint64Array(2), 2, 0),
      RangeError,
      /length 32 .*16 bytes/,
    ],
    ["how that is nothing", (ring) => ring.prepOpenat2(1, -100, "x", undefined), TypeError, /how must be/],
    ["how.flags as text", (ring) => ring.prepOpenat2(1, -100, "x", { flags: "r" }), TypeError, /how\.flags must be/],
    [
      "how.mode 0.5",
      (ring) => ring.prepOpenat2(1, -100, "x", { mode: 0.5 }),
      TypeError,
      /how\.mode must be an integer/,
    ],
    ["how.resolve -2", (ring) => ring.prepOpenat2(1, -100, "x", { resolve: -2 }), RangeError, /how\.resolve must not/],
    ["how that is null", (ring) => ring.prepOpenat2(1, -100, "x", null), TypeError, /how must be/],
    [
      "how that is too short",
      (ring) => ring.prepOpenat2(1, -100, "x", new Uint8Array(16)),
      RangeError,
      /length 24 .*16 bytes/,
    ],
    [
      "a statx buffer that is too short",
      (ring) => ring.prepStatx(1, -100, "x", 0, 0, new Uint8Array(255)),
      RangeError,
      /length 256 .*255 bytes/,
    ],
    ["a time that is nothing", (ring) => ring.prepTimeout(1, undefined, 0, 0), TypeError, /ts must be/],
    [
      "a timespec that is too short",
      (ring) => ring.prepTimeout(1, new Uint8Array(8), 0, 0),
      RangeError,
      /length 16 .*8 bytes/,
    ],
    ["a buffer index of 65536", (ring) => ring.prepReadFixed(1, 0, buffer(), 8, 0, 65536), RangeError, /65536/],
  ];
  test.each(REFUSED)("%s", (_, call, type, message) => {
    using ring = new RawRing({ entries: 4 });
    ring.prepNop(1);
    expect(thrown(() => call(ring), type).message).toMatch(message);
    expect(ring.sqSpace, "it takes no place").toBe(3);
    expect(ring.sqe().getUint8(0)).toBe(IORING_OP.NOP);
    expect(results(ring, 1)).toEqual(new Map([[1, 0]]));
  });

  test("leave nothing behind in the next operation that holds memory", () => {
    using ring = new RawRing({ entries: 4 });
    using folder = new TempFolder();
    folder.write("file", "content");
    for (let i = 0; i < 500; i++) {
      thrown(() => ring.prepOpenat2(1, FDCWD, "a\0", { flags: O.RDONLY }), TypeError);
      thrown(() => ring.prepReadv2(1, 0.5, [buffer()], 1, 0, 0), TypeError);
      thrown(() => ring.prepSymlinkat(1, "", FDCWD, "x"), TypeError);
    }
    const fd = resultOf(ring, (ring) => ring.prepOpenat(1, FDCWD, folder.at("file"), O.RDONLY, 0));
    expect(resultOf(ring, (ring) => ring.prepRead(1, fd, buffer(), 8, 0))).toBe(7);
    expect(resultOf(ring, (ring) => ring.prepClose(1, fd))).toBe(0);
  });
});
