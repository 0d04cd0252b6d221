import { execFileSync, spawnSync } from "node:child_process";
import { linkSync, lstatSync, mkdirSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { AT, Ring, STATX, type Statx, type StatxTime, UringError } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

const ALL = STATX.BASIC_STATS | STATX.BTIME;

function nanoseconds({ sec, nsec }: StatxTime): bigint {
  return BigInt(sec) * 1_000_000_000n + BigInt(nsec);
}

/** As the C library's makedev() puts device numbers together. */
function device(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (high & 0xfffn) << 8n | (high & 0xfffff000n) << 32n | (low & 0xffn) | (low & 0xffffff00n) << 12n;
}

/** Deno's node:fs knows times to the millisecond, and ctime to the second. */
const IN_DENO = "Deno" in globalThis;
const COARSE: Record<string, bigint> = { atimeNs: 1_000_000n, mtimeNs: 1_000_000n, ctimeNs: 1_000_000_000n };

function asPreciseAsNode(times: Record<string, bigint>): Record<string, bigint> {
  if (!IN_DENO) return times;
  return Object.fromEntries(Object.entries(times).map(([name, value]) => [name, value / (COARSE[name] ?? 1n)]));
}

/** The fields that node:fs tells of, too, in its own form. */
function asNode(stat: Statx): Record<string, bigint> {
  return {
    dev: device(stat.devMajor, stat.devMinor),
    ino: stat.inoBig,
    mode: BigInt(stat.mode),
    nlink: BigInt(stat.nlink),
    uid: BigInt(stat.uid),
    gid: BigInt(stat.gid),
    rdev: device(stat.rdevMajor, stat.rdevMinor),
    size: BigInt(stat.size),
    blksize: BigInt(stat.blksize),
    blocks: BigInt(stat.blocks),
    atimeNs: nanoseconds(stat.atime),
    mtimeNs: nanoseconds(stat.mtime),
    ctimeNs: nanoseconds(stat.ctime),
  };
}

function expectAsNode(stat: Statx, path: string): void {
  const node = lstatSync(path, { bigint: true });
  const ours = asNode(stat);
  const theirs = Object.fromEntries(Object.keys(ours).map((name) => [name, node[name as "ino"]]));
  expect(asPreciseAsNode(ours)).toEqual(asPreciseAsNode(theirs));
  expect(stat.ino).toBe(Number(node.ino));
  if ((stat.mask & STATX.BTIME) !== 0) expect(nanoseconds(stat.btime) / 1_000_000n).toBe(node.birthtimeNs / 1_000_000n);
  const kinds = [
    "isFile",
    "isDirectory",
    "isSymbolicLink",
    "isFIFO",
    "isSocket",
    "isBlockDevice",
    "isCharacterDevice",
  ] as const;
  expect(kinds.filter((kind) => stat[kind]())).toEqual(kinds.filter((kind) => node[kind]()));
}

describe("statx()", () => {
  test("tells what node:fs tells, times to the nanosecond", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    linkSync(folder.at("file"), folder.at("second name"));
    utimesSync(folder.at("file"), 1_234_567_890.123456, 1_500_000_000.987654);
    mkdirSync(folder.at("directory"));
    symlinkSync("file", folder.at("link"));
    execFileSync("mkfifo", [folder.at("fifo")]);
    for (const name of ["file", "directory", "link", "fifo"]) {
      const stat = await ring.statx(AT.FDCWD, folder.at(name), AT.SYMLINK_NOFOLLOW, ALL);
      expect(stat.mask & STATX.BASIC_STATS).toBe(STATX.BASIC_STATS);
      expectAsNode(stat, folder.at(name));
    }
    expectAsNode(await ring.statx(AT.FDCWD, "/dev/null", 0, ALL), "/dev/null");
    const stat = await ring.statx(AT.FDCWD, folder.at("file"), 0, ALL);
    expect(stat).toMatchObject({ nlink: 2, size: 7 });
  });

  test("tells of sockets", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(folder.at("socket"), resolve));
    expectAsNode(await ring.statx(AT.FDCWD, folder.at("socket"), 0, ALL), folder.at("socket"));
    await new Promise((resolve) => server.close(resolve));
  });

  /** Sets both times; false where this system's touch knows whole seconds only. */
  function touch(path: string, time: string): boolean {
    const { status } = spawnSync("touch", ["-d", `@${time}`, path]);
    return status === 0;
  }

  test("tells times exactly: in nanoseconds, before 1970, and beyond 2038", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    for (const time of ["1234567890.123456789", "0.000000001", "-1000000000.250000000", "5000000000.999999999"]) {
      if (!touch(folder.at("file"), time)) return;
      const { atime, mtime } = await ring.statx(AT.FDCWD, folder.at("file"), 0, ALL);
      const fraction = BigInt(time.split(".")[1]!);
      const whole = BigInt(time.split(".")[0]!) * 1_000_000_000n;
      expect(nanoseconds(mtime)).toBe(time.startsWith("-") ? whole - fraction : whole + fraction);
      expect(atime).toEqual(mtime);
      expect(mtime.nsec, "counted upwards, before 1970 too").toBe(
        Number(time.startsWith("-") ? 10n ** 9n - fraction : fraction),
      );
    }
  });

  test("tells sizes beyond 2^32", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("sparse", "");
    truncateSync(folder.at("sparse"), 2 ** 41 + 5);
    expect((await ring.statx(AT.FDCWD, folder.at("sparse"), 0, STATX.SIZE)).size).toBe(2 ** 41 + 5);
  });

  test("follows symbolic links, but not with SYMLINK_NOFOLLOW", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    symlinkSync("file", folder.at("link"));
    const [followed, itself] = await Promise.all([
      ring.statx(AT.FDCWD, folder.at("link"), 0, ALL),
      ring.statx(AT.FDCWD, folder.at("link"), AT.SYMLINK_NOFOLLOW, ALL),
    ]);
    expect(followed.isFile()).toBe(true);
    expect(followed.size).toBe(7);
    expect(itself.isSymbolicLink()).toBe(true);
    expect(itself.size).toBe(4);
  });

  test("tells of a descriptor itself, with an empty path and EMPTY_PATH", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    const fd = folder.open("file");
    expectAsNode(await ring.statx(fd, "", AT.EMPTY_PATH, ALL), folder.at("file"));
    expectAsNode(await ring.statx(fd, new Uint8Array(0), AT.EMPTY_PATH, ALL), folder.at("file"));
    expect((await ring.statx(pipe.readEnd, "", AT.EMPTY_PATH, ALL)).isFIFO()).toBe(true);
  });

  test("starts relative paths from the directory's descriptor", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    mkdirSync(folder.at("inner"));
    folder.write("inner/file", "content");
    expectAsNode(await ring.statx(folder.open("inner"), "file", 0, ALL), folder.at("inner/file"));
    expectAsNode(await ring.statx(folder.open("."), "inner/../inner/file", 0, ALL), folder.at("inner/file"));
  });

  test("says in its mask what was filled in", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    const stat = await ring.statx(AT.FDCWD, folder.at("file"), AT.STATX_DONT_SYNC, STATX.SIZE);
    expect(stat.mask & STATX.SIZE).toBe(STATX.SIZE);
    expect(stat.mask & STATX.DIOALIGN).toBe(0);
    expect(stat.dioMemAlign).toBe(0);
    const aligned = await ring.statx(AT.FDCWD, folder.at("file"), 0, STATX.SIZE | STATX.DIOALIGN | STATX.MNT_ID);
    if ((aligned.mask & STATX.DIOALIGN) !== 0 && aligned.dioOffsetAlign !== 0) {
      expect(Math.log2(aligned.dioMemAlign) % 1, "a power of two").toBe(0);
      expect(Math.log2(aligned.dioOffsetAlign) % 1, "a power of two").toBe(0);
    }
    if ((aligned.mask & STATX.MNT_ID) !== 0) expect(aligned.mountId).toBeGreaterThan(0);
  });

  test("tells attributes: the root of a mount", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    expect((await ring.statx(AT.FDCWD, "/proc", 0, ALL)).isMountRoot()).toBe(true);
    expect((await ring.statx(AT.FDCWD, folder.at("file"), 0, ALL)).isMountRoot()).toBe(false);
  });

  test("keeps what it told when the next answer comes", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("one", "1");
    folder.write("three", "333");
    const one = await ring.statx(AT.FDCWD, folder.at("one"), 0, ALL);
    const [three, again] = await Promise.all([
      ring.statx(AT.FDCWD, folder.at("three"), 0, ALL),
      ring.statx(AT.FDCWD, folder.at("one"), 0, ALL),
    ]);
    expect([one.size, three.size, again.size]).toEqual([1, 3, 1]);
    expect(again).toEqual(one);
  });

  test("answers thousands at once", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    for (let i = 0; i < 40; i++) folder.write(`${i}`, "x".repeat(i));
    const stats = await Promise.all(
      Array.from({ length: 2000 }, (_, i) => ring.statx(AT.FDCWD, folder.at(`${i % 40}`), 0, STATX.SIZE)),
    );
    expect(stats.every(({ size }, i) => size === i % 40)).toBe(true);
  });

  test("rejects with path and code", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    expect(await failure(ring.statx(AT.FDCWD, folder.at("none"), 0, ALL), UringError))
      .toMatchObject({ code: "ENOENT", errno: -2, syscall: "statx", path: folder.at("none") });
    expect(await failure(ring.statx(AT.FDCWD, folder.at("file/x"), 0, ALL), UringError))
      .toMatchObject({ code: "ENOTDIR" });
    expect(await failure(ring.statx(99_999, "relative", 0, ALL), UringError))
      .toMatchObject({ code: "EBADF", fd: 99_999, path: "relative" });
    expect(await failure(ring.statx(AT.FDCWD, folder.at("file"), 1 << 30, ALL), UringError))
      .toMatchObject({ code: "EINVAL" });
  });
});
