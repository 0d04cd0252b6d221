import { fstatSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { describe, expect, test } from "vitest";
import {
  AT,
  BufferPool,
  FALLOC_FL,
  IORING_FILE_INDEX_ALLOC,
  IORING_OP,
  IORING_REGISTER,
  IOSQE,
  MADV,
  O,
  POSIX_FADV,
  SPLICE_F,
  SYNC_FILE_RANGE,
  XATTR,
} from "../../mod.ts";
import type { RawRing } from "../../src/ring/raw.ts";
import { thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { openFlags } from "../support/process_state.ts";
import { decoded, has, RawStage, testOf, text } from "./stage.ts";

const EBADF = -9;
const EEXIST = -17;
const EINVAL = -22;
const ENODATA = -61;
const ERANGE = -34;
const EOPNOTSUPP = -95;

function fixed(stage: RawStage, prepare: (ring: RawRing) => boolean): number {
  return stage.result((ring) => {
    const prepared = prepare(ring);
    ring.sqeSetFlags(IOSQE.FIXED_FILE);
    return prepared;
  });
}

describe("from the working directory", () => {
  testOf("MKDIRAT", "LINKAT", "SYMLINKAT")(
    "prepOpen, prepMkdir, prepLink, prepSymlink, prepRename and prepUnlink take absolute paths as they are",
    () => {
      using stage = new RawStage();
      using folder = new TempFolder();
      const at = (name: string) => folder.at(name);
      const fd = stage.open((ring) => ring.prepOpen(1, at("file"), O.RDWR | O.CREAT | O.CLOEXEC, 0o600));
      expect(openFlags(fd) & O.CLOEXEC).toBe(O.CLOEXEC);
      expect(stage.result((ring) => ring.prepOpen(1, at("file"), O.RDWR | O.CREAT | O.EXCL, 0o600))).toBe(EEXIST);
      expect(stage.result((ring) => ring.prepMkdir(1, at("directory"), 0o700))).toBe(0);
      expect(lstatSync(at("directory")).mode & 0o777).toBe(0o700);
      expect(stage.result((ring) => ring.prepLink(1, at("file"), at("second"), 0))).toBe(0);
      expect(lstatSync(at("file")).nlink).toBe(2);
      expect(stage.result((ring) => ring.prepSymlink(1, "anything", at("link")))).toBe(0);
      expect(readlinkSync(at("link"))).toBe("anything");
      expect(stage.result((ring) => ring.prepRename(1, at("second"), at("third")))).toBe(0);
      expect(stage.result((ring) => ring.prepUnlink(1, at("directory"), AT.REMOVEDIR))).toBe(0);
      expect(stage.result((ring) => ring.prepUnlink(1, at("link"), 0))).toBe(0);
      expect(readdirSync(folder.path).sort()).toEqual(["file", "third"]);
    },
  );

  test("relative ones start there", () => {
    using stage = new RawStage();
    const fd = stage.open((ring) => ring.prepOpen(1, ".", O.RDONLY | O.DIRECTORY, 0));
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe(process.cwd());
  });
});

describe("file slots", () => {
  testOf("SOCKET")("prepOpenatDirect, prepOpenDirect, prepOpenat2Direct and prepCloseDirect", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array(4).fill(-1), 4)).toBe(0);
    expect(stage.result((ring) => ring.prepOpenatDirect(1, AT.FDCWD, path, O.RDONLY, 0, 2))).toBe(0);
    expect(stage.result((ring) => ring.prepOpenat2Direct(1, AT.FDCWD, path, { flags: O.RDONLY }, 0))).toBe(0);
    const any = stage.result((ring) => ring.prepOpenDirect(1, path, O.RDONLY, 0, IORING_FILE_INDEX_ALLOC));
    expect([1, 3], "a free slot").toContain(any);
    const buffer = new Uint8Array(16);
    for (const slot of [2, 0, any]) {
      buffer.fill(0);
      expect(fixed(stage, (ring) => ring.prepRead(1, slot, buffer, 16, 0))).toBe(7);
      expect(decoded(buffer, 7)).toBe("content");
      expect(stage.result((ring) => ring.prepCloseDirect(1, slot))).toBe(0);
      expect(fixed(stage, (ring) => ring.prepRead(1, slot, buffer, 16, 0))).toBe(EBADF);
      expect(stage.result((ring) => ring.prepCloseDirect(1, slot))).toBe(EBADF);
    }
  });

  testOf("SEND_ZC")("prepFilesUpdate fills and empties slots, and tells which ones it picked", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", "content");
    const fd = folder.open("file");
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array(4).fill(-1), 4)).toBe(0);
    const buffer = new Uint8Array(8);
    const read = (slot: number) => fixed(stage, (ring) => ring.prepRead(1, slot, buffer, 8, 0));
    expect(stage.result((ring) => ring.prepFilesUpdate(1, new Int32Array([fd, fd]), 2, 1))).toBe(2);
    expect([0, 1, 2, 3].map(read)).toEqual([EBADF, 7, 7, EBADF]);
    expect(stage.result((ring) => ring.prepFilesUpdate(1, new Int32Array([-1]), 1, 1))).toBe(1);
    expect(read(1)).toBe(EBADF);
    const picked = new Int32Array([fd]);
    expect(stage.result((ring) => ring.prepFilesUpdate(1, picked, 1, IORING_FILE_INDEX_ALLOC))).toBe(1);
    expect(read(picked[0]!)).toBe(7);
    expect(thrown(() => stage.ring.prepFilesUpdate(1, picked, 2, 0), RangeError).message).toMatch(/length 8.*4 bytes/);
  });

  testOf("FIXED_FD_INSTALL")("prepFixedFdInstall makes a descriptor of a slot", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", "content");
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array([-1, folder.open("file")]), 2)).toBe(0);
    const fd = stage.open((ring) => ring.prepFixedFdInstall(1, 1, 0));
    expect(readFileSync(`/proc/self/fd/${fd}`, "utf8")).toBe("content");
    expect(openFlags(fd) & O.CLOEXEC).toBe(O.CLOEXEC);
    expect(stage.result((ring) => ring.prepFixedFdInstall(1, 0, 0))).toBe(EBADF);
  });
});

describe("pipes", () => {
  testOf("PIPE")("prepPipe makes one; prepPipeDirect makes one in file slots", () => {
    using stage = new RawStage();
    const fds = new Int32Array(2);
    expect(stage.result((ring) => ring.prepPipe(1, fds, O.CLOEXEC))).toBe(0);
    const [readEnd, writeEnd] = [stage.own(fds[0]!), stage.own(fds[1]!)];
    expect(openFlags(readEnd) & O.CLOEXEC).toBe(O.CLOEXEC);
    expect(stage.result((ring) => ring.prepWrite(1, writeEnd, text("through"), 7, -1))).toBe(7);
    const buffer = new Uint8Array(8);
    expect(stage.result((ring) => ring.prepRead(1, readEnd, buffer, 8, -1))).toBe(7);
    expect(decoded(buffer, 7)).toBe("through");
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array(4).fill(-1), 4)).toBe(0);
    expect(stage.result((ring) => ring.prepPipeDirect(1, fds, 0, 2))).toBe(0);
    expect(fixed(stage, (ring) => ring.prepWrite(1, 3, text("slots"), 5, -1))).toBe(5);
    expect(fixed(stage, (ring) => ring.prepRead(1, 2, buffer, 8, -1))).toBe(5);
    expect(decoded(buffer, 5)).toBe("slots");
    expect(thrown(() => stage.ring.prepPipe(1, new Int32Array(1), 0), RangeError).message).toMatch(/length 8.*4 bytes/);
  });

  test("prepSplice moves bytes from a file into a pipe and out of it, at offsets and at the position", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("from", "0123456789");
    const from = folder.open("from");
    const to = folder.open("to", "w+");
    expect(stage.result((ring) => ring.prepSplice(1, from, 3, pipe.writeEnd, -1, 4, SPLICE_F.MOVE))).toBe(4);
    expect(stage.result((ring) => ring.prepSplice(1, pipe.readEnd, -1, to, 2n, 100, 0))).toBe(4);
    expect(folder.text("to")).toBe("\0\0" + "3456");
    expect(stage.result((ring) => ring.prepSplice(1, from, -1, pipe.writeEnd, -1, 2, 0))).toBe(2);
    expect(pipe.read()).toBe("01");
    expect(stage.result((ring) => ring.prepSplice(1, from, 0, to, 0, 4, 0)), "neither is a pipe").toBe(EINVAL);
    expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array([from]), 1)).toBe(0);
    expect(stage.result((ring) => ring.prepSplice(1, 0, 8, pipe.writeEnd, -1, 9, SPLICE_F.FD_IN_FIXED))).toBe(2);
    expect(pipe.read()).toBe("89");
  });

  test("prepTee copies what a pipe has, and leaves it there", () => {
    using stage = new RawStage();
    using one = new Pipe();
    using other = new Pipe();
    one.write("twice");
    expect(stage.result((ring) => ring.prepTee(1, one.readEnd, other.writeEnd, 100, 0))).toBe(5);
    expect([one.read(), other.read()]).toEqual(["twice", "twice"]);
    expect(stage.result((ring) => ring.prepTee(1, one.writeEnd, other.writeEnd, 100, 0))).toBe(EBADF);
  });
});

describe("extended attributes", () => {
  testOf("SETXATTR")("prepSetxattr, prepGetxattr, prepFsetxattr and prepFgetxattr", ({ skip }) => {
    using stage = new RawStage();
    using folder = new TempFolder();
    const path = folder.write("file", "");
    const fd = folder.open("file", "r+");
    const first = stage.result((ring) => ring.prepSetxattr(1, "user.uring", text("value"), path, XATTR.CREATE, 5));
    if (first === EOPNOTSUPP) skip("this file system has none");
    expect(first).toBe(0);
    expect(stage.result((ring) => ring.prepSetxattr(1, "user.uring", text("x"), path, XATTR.CREATE, 1))).toBe(EEXIST);
    const value = new Uint8Array(16);
    expect(stage.result((ring) => ring.prepGetxattr(1, "user.uring", 0, path, 0)), "its length").toBe(5);
    expect(stage.result((ring) => ring.prepGetxattr(1, "user.uring", value, path, 16))).toBe(5);
    expect(decoded(value, 5)).toBe("value");
    expect(stage.result((ring) => ring.prepGetxattr(1, "user.uring", value, path, 4))).toBe(ERANGE);
    expect(stage.result((ring) => ring.prepGetxattr(1, text("user.none"), value, path, 16))).toBe(ENODATA);
    expect(stage.result((ring) => ring.prepFsetxattr(1, fd, "user.uring", text("other!"), XATTR.REPLACE, 6))).toBe(0);
    expect(stage.result((ring) => ring.prepFgetxattr(1, fd, "user.uring", value, 16))).toBe(6);
    expect(decoded(value, 6)).toBe("other!");
  });

  test("a name that can't be is refused, and takes no scratch memory along", () => {
    using stage = new RawStage();
    const { ring } = stage;
    const value = new Uint8Array(8);
    for (let i = 0; i < 500; i++) {
      expect(thrown(() => ring.prepGetxattr(1, "a\0b", value, "/", 8), TypeError).message).toMatch(
        /name contains a NUL/,
      );
      expect(thrown(() => ring.prepSetxattr(1, "", value, "/", 0, 8), TypeError).message).toMatch(/name is empty/);
      expect(thrown(() => ring.prepFgetxattr(1, 0, "a", value, 9), RangeError).message).toMatch(/length 9.*8 bytes/);
      expect(thrown(() => ring.prepFsetxattr(1, 0, "a", value, 0, -1), RangeError).message).toMatch(/len must be/);
    }
    expect(ring.sqSpace).toBe(32);
  });
});

describe("what is done to an open file, and to memory", () => {
  test("prepSyncFileRange and prepFadvise64", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", pattern(10_000));
    const fd = folder.open("file", "r+");
    const { WRITE, WAIT_AFTER } = SYNC_FILE_RANGE;
    expect(stage.result((ring) => ring.prepSyncFileRange(1, fd, 4096, 4096n, WRITE | WAIT_AFTER))).toBe(0);
    expect(stage.result((ring) => ring.prepSyncFileRange(1, fd, 0, 0, 1 << 20))).toBe(EINVAL);
    // Kernels before 6.9 take its length from where prepFadvise has it, and 0 is to the end.
    if (!has("FTRUNCATE")) return;
    expect(stage.result((ring) => ring.prepFadvise64(1, fd, 0, 2n ** 33n, POSIX_FADV.DONTNEED))).toBe(0);
    expect(stage.result((ring) => ring.prepFadvise64(1, fd, 0, 10_000, 99))).toBe(EINVAL);
  });

  test("prepMadvise and prepMadvise64 work on a pool's pages", () => {
    using stage = new RawStage();
    using pool = new BufferPool({ size: 65_536, count: 2 });
    const [first, second] = [pool.acquire(), pool.acquire()];
    first.fill(0xee);
    second.fill(0xee);
    expect(stage.result((ring) => ring.prepMadvise(1, first, 65_536, MADV.DONTNEED))).toBe(0);
    expect(first.every((byte) => byte === 0)).toBe(true);
    expect(second.every((byte) => byte === 0xee), "and on no others").toBe(true);
    const result = stage.result((ring) => ring.prepMadvise64(1, second, 65_536n, MADV.DONTNEED));
    expect([0, EINVAL]).toContain(result);
    if (result === 0 && second[0] === 0) expect(second.every((byte) => byte === 0)).toBe(true);
    expect(stage.result((ring) => ring.prepMadvise(1, first, 65_536, 9999))).toBe(EINVAL);
  });

  test("prepMadvise refuses a part of a page: what others have on it would go", () => {
    using stage = new RawStage();
    const bytes = new Uint8Array(100_000);
    for (
      const prep of [
        () => stage.ring.prepMadvise(1, bytes, 5000, MADV.DONTNEED),
        () => stage.ring.prepMadvise64(1, bytes, 5000n, MADV.DONTNEED),
      ]
    ) {
      expect(thrown(prep, RangeError).message).toMatch(/may end within a page.*BufferPool.*multiples of 65536/);
    }
    expect(thrown(() => stage.ring.prepMadvise64(1, bytes, -1n, 0), RangeError).message).toMatch(/negative/);
  });

  testOf("READV_FIXED")("prepReadvFixed and prepWritevFixed gather and scatter within a registered buffer", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 4096, count: 1 });
    const fd = folder.open("file", "w+");
    const memory = pool.acquire();
    const iovec = new BigUint64Array([BigInt(pool.region.address + memory.byteOffset), 4096n]);
    expect(stage.ring.register(IORING_REGISTER.BUFFERS, iovec, 1)).toBe(0);
    memory.set(text("one two three"));
    const parts = [memory.subarray(8, 13), memory.subarray(3, 8)];
    expect(stage.result((ring) => ring.prepWritevFixed(1, fd, parts, 2, 0, 0, 0))).toBe(10);
    expect(folder.text("file")).toBe("three two ");
    const into = [memory.subarray(100, 105), memory.subarray(200, 300)];
    expect(stage.result((ring) => ring.prepReadvFixed(1, fd, into, 2, 0, 0, 0))).toBe(10);
    expect([decoded(into[0]!), decoded(into[1]!, 5)]).toEqual(["three", " two "]);
    const outside = [new Uint8Array(8)];
    expect(stage.result((ring) => ring.prepReadvFixed(1, fd, outside, 1, 0, 0, 0)), "not in the buffer").toBe(-14);
    expect(thrown(() => stage.ring.prepReadvFixed(1, fd, into, 2, 0, 0, 65_536), RangeError).message).toMatch(
      /bufIndex/,
    );
  });

  test("prepCmdDiscard and prepCmdZoneResetAll are for block devices: a file has no such command", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const results = [
      stage.result((ring) => ring.prepCmdDiscard(1, fd, 0, 4096)),
      stage.result((ring) => ring.prepCmdZoneResetAll(1, fd)),
    ];
    for (const result of results) expect([EOPNOTSUPP, EINVAL]).toContain(result);
    expect(fstatSync(fd).size).toBe(0);
  });
});

describe("prepRw", () => {
  testOf("MKDIRAT")("prepares any op: with bytes where len is their length, with an address elsewhere", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 64, count: 1 });
    folder.write("file", "content");
    const fd = folder.open("file", "r+");
    const buffer = new Uint8Array(8);
    expect(stage.result((ring) => ring.prepRw(1, IORING_OP.READ, fd, buffer, 8, 3))).toBe(4);
    expect(decoded(buffer, 4)).toBe("tent");
    expect(stage.result((ring) => ring.prepRw(1, IORING_OP.FALLOCATE, fd, 4096, FALLOC_FL.KEEP_SIZE, 0))).toBe(0);
    const path = pool.acquire();
    path.set(text(folder.at("new\0")));
    mkdirSync(folder.at("other"));
    const address = pool.region.address + path.byteOffset;
    expect(stage.result((ring) => ring.prepRw(1, IORING_OP.MKDIRAT, AT.FDCWD, address, 0o700, 0))).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(["file", "new", "other"]);
  });

  test("refuses bytes for ops whose len is something else, and lengths beyond them", () => {
    using stage = new RawStage();
    const buffer = new Uint8Array(8);
    const wait = () => stage.ring.prepRw(1, IORING_OP.EPOLL_WAIT, 0, buffer, 8, 0);
    expect(thrown(wait, TypeError).message).toMatch(/addr must be an address for op 59/);
    expect(thrown(() => stage.ring.prepRw(1, IORING_OP.RECV, 0, buffer, 9, 0), RangeError).message).toMatch(/length 9/);
    expect(thrown(() => stage.ring.prepRw(1, 256, 0, 0, 0, 0), RangeError).message).toMatch(/op must be from 0 to 255/);
    expect(thrown(() => stage.ring.prepRw(1, 22, 0, -1, 0, 0), RangeError).message).toMatch(
      /addr must be memory, or an/,
    );
    expect(thrown(() => stage.ring.prepRw(1, 22, 0, 0, 0, 0.5), RangeError).message).toMatch(
      /offset must be an integer/,
    );
  });
});
