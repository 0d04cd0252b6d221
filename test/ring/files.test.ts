import {
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import {
  AT,
  FALLOC_FL,
  IORING_FSYNC,
  O,
  POSIX_FADV,
  RESOLVE,
  Ring,
  S,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { openFlags } from "../support/process_state.ts";

/** Runs with an umask, and puts the old one back. */
async function withUmask(mask: number, run: () => Promise<void>): Promise<void> {
  const before = process.umask(mask);
  try {
    await run();
  } finally {
    process.umask(before);
  }
}

function permissions(path: string): number {
  return lstatSync(path).mode & ~S.IFMT;
}

async function contentOf(ring: Ring, fd: number): Promise<string> {
  const buffer = new Uint8Array(4096);
  return new TextDecoder().decode(buffer.subarray(0, await ring.read(fd, buffer, 0)));
}

describe("openat()", () => {
  test("gives a descriptor of the file, which works until it is closed", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    const fd = await ring.openat(AT.FDCWD, folder.at("file"), O.RDONLY);
    expect(fd).toBeGreaterThan(2);
    expect(await contentOf(ring, fd)).toBe("content");
    expect(await ring.closeFd(fd)).toBe(0);
    expect(await failure(ring.read(fd, new Uint8Array(1), 0), UringError)).toMatchObject({ code: "EBADF", fd });
  });

  test("always sets O_CLOEXEC, and no other flag that was not given", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    const CLEARED = O.CREAT | O.EXCL | O.TRUNC | O.DIRECTORY | O.NOFOLLOW | O.LARGEFILE;
    for (
      const flags of [O.RDONLY, O.WRONLY, O.RDWR, O.RDWR | O.APPEND | O.NONBLOCK, O.RDONLY | O.NOFOLLOW, O.CLOEXEC]
    ) {
      const fd = await ring.openat(AT.FDCWD, folder.at("file"), flags);
      expect(openFlags(fd) & ~CLEARED).toBe(flags & ~CLEARED | O.CLOEXEC);
      await ring.closeFd(fd);
    }
    const fd = await ring.openat2(AT.FDCWD, folder.at("file"), {});
    expect(openFlags(fd) & O.CLOEXEC).toBe(O.CLOEXEC);
    await ring.closeFd(fd);
  });

  test("makes files with the mode, less the umask", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    await withUmask(0o027, async () => {
      for (const [mode, expected] of [[0o666, 0o640], [0o7777, 0o7750], [0o600, 0o600], [0, 0]] as const) {
        const fd = await ring.openat(AT.FDCWD, folder.at(`${mode}`), O.WRONLY | O.CREAT | O.EXCL, mode);
        expect(permissions(folder.at(`${mode}`))).toBe(expected);
        await ring.closeFd(fd);
      }
    });
  });

  test("honours CREAT, EXCL, TRUNC and APPEND", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.at("file");
    expect(await failure(ring.openat(AT.FDCWD, path, O.WRONLY), UringError)).toMatchObject({ code: "ENOENT", path });
    const made = await ring.openat(AT.FDCWD, path, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    await ring.write(made, new TextEncoder().encode("content"), 0);
    expect(await failure(ring.openat(AT.FDCWD, path, O.WRONLY | O.CREAT | O.EXCL, 0o600), UringError))
      .toMatchObject({ code: "EEXIST", syscall: "openat", path });
    const appending = await ring.openat(AT.FDCWD, path, O.WRONLY | O.APPEND);
    await ring.write(appending, new TextEncoder().encode(" more"), 0);
    expect(folder.text("file")).toBe("content more");
    const emptied = await ring.openat(AT.FDCWD, path, O.WRONLY | O.TRUNC);
    expect(folder.text("file")).toBe("");
    await Promise.all([made, appending, emptied].map((fd) => ring.closeFd(fd)));
  });

  test("honours DIRECTORY, NOFOLLOW and PATH", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    symlinkSync("file", folder.at("link"));
    const open = (name: string, flags: number) => ring.openat(AT.FDCWD, folder.at(name), flags);
    expect(await failure(open("file", O.DIRECTORY), UringError)).toMatchObject({ code: "ENOTDIR" });
    expect(await failure(open("link", O.NOFOLLOW), UringError)).toMatchObject({ code: "ELOOP" });
    expect(await failure(open(".", O.WRONLY), UringError)).toMatchObject({ code: "EISDIR" });
    const fd = await open("link", O.PATH | O.NOFOLLOW);
    expect((await ring.statx(fd, "", AT.EMPTY_PATH, 0xfff)).isSymbolicLink()).toBe(true);
    expect(await failure(ring.read(fd, new Uint8Array(1), 0), UringError)).toMatchObject({ code: "EBADF" });
    await ring.closeFd(fd);
  });

  test("makes a file without a name with TMPFILE", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const opened = ring.openat(AT.FDCWD, folder.path, O.TMPFILE | O.RDWR, 0o600);
    const fd = await opened.catch((error: UringError) => error.code);
    if (typeof fd === "string") return expect(fd, "where the file system can't").toBe("EOPNOTSUPP");
    expect(await ring.write(fd, new TextEncoder().encode("nameless"), 0)).toBe(8);
    expect(await contentOf(ring, fd)).toBe("nameless");
    expect((await ring.statx(fd, "", AT.EMPTY_PATH, 0xfff)).nlink).toBe(0);
    await ring.closeFd(fd);
  });

  test("starts relative paths from the directory's descriptor, or from the current directory", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    const fromFolder = await ring.openat(folder.open("."), "file", O.RDONLY);
    expect(await contentOf(ring, fromFolder)).toBe("content");
    const fromHere = await ring.openat(AT.FDCWD, relative(process.cwd(), folder.at("file")), O.RDONLY);
    expect(await contentOf(ring, fromHere)).toBe("content");
    expect(await failure(ring.openat(folder.open("file"), "file", O.RDONLY), UringError))
      .toMatchObject({ code: "ENOTDIR", path: "file" });
    await Promise.all([fromFolder, fromHere].map((fd) => ring.closeFd(fd)));
  });

  test("takes paths as text, bytes and file: URLs, whatever letters are in them", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const names = ["plain", "two words", "Ünïcödé 日本語 🦆", "100%25", "#?&", "new\nline", "x".repeat(255)];
    for (const name of names) {
      folder.write(name, name);
      const path = folder.at(name);
      for (const given of [path, new TextEncoder().encode(path), pathToFileURL(path)]) {
        const fd = await ring.openat(AT.FDCWD, given, O.RDONLY);
        expect(await contentOf(ring, fd)).toBe(name);
        await ring.closeFd(fd);
      }
    }
    const noUtf8 = new Uint8Array([...new TextEncoder().encode(`${folder.path}/`), 0xff, 0xfe]);
    const fd = await ring.openat(AT.FDCWD, noUtf8, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    await ring.closeFd(fd);
    expect(readdirSync(folder.path).length).toBe(names.length + 1);
    expect(await ring.unlinkat(AT.FDCWD, noUtf8)).toBe(0);
    expect(readdirSync(folder.path).length).toBe(names.length);
  });

  test("names the path as the kernel had it when it rejects, also for a URL and for bytes", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.at("not here, né");
    for (const given of [path, new TextEncoder().encode(path), pathToFileURL(path)]) {
      const error = await failure(ring.openat(AT.FDCWD, given, O.RDONLY), UringError);
      expect(error).toMatchObject({ code: "ENOENT", syscall: "openat", path });
      expect(error.message).toBe(`ENOENT: no such file or directory, openat '${path}'`);
      expect(error.fd, "the current directory is no descriptor").toBeUndefined();
    }
  });

  test("takes paths up to 4095 bytes", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    folder.write("fileé", "content");
    const dirfd = folder.open(".");
    for (const length of [254, 255, 256, 510, 511, 512, 513, 1000, 4094, 4095]) {
      for (const name of ["file", "fileé"]) {
        const before = length - new TextEncoder().encode(name).length;
        const path = `.${"/".repeat(before - 1)}${name}`;
        const fd = await ring.openat(dirfd, path, O.RDONLY);
        expect(await contentOf(ring, fd)).toBe("content");
        await ring.closeFd(fd);
        expect((await ring.statx(dirfd, path, 0, 0xfff)).size).toBe(7);
      }
    }
  });

  test("opens many files at once, each under its own path", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const names = Array.from({ length: 300 }, (_, i) => `file ${i}`);
    for (const name of names) folder.write(name, name);
    const fds = await Promise.all(names.map((name) => ring.openat(AT.FDCWD, folder.at(name), O.RDONLY)));
    expect(new Set(fds).size).toBe(300);
    expect(await Promise.all(fds.map((fd) => contentOf(ring, fd)))).toEqual(names);
    expect(await Promise.all(fds.map((fd) => ring.closeFd(fd)))).toEqual(names.map(() => 0));
  });
});

describe("openat2()", () => {
  test("takes flags as number and as bigint, and a mode", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    await withUmask(0, async () => {
      for (const flags of [O.WRONLY | O.CREAT | O.EXCL, BigInt(O.WRONLY | O.CREAT | O.EXCL)]) {
        const fd = await ring.openat2(AT.FDCWD, folder.at(typeof flags), { flags, mode: 0o642 });
        expect(permissions(folder.at(typeof flags))).toBe(0o642);
        await ring.closeFd(fd);
      }
    });
    folder.write("file", "content");
    const fd = await ring.openat2(folder.open("."), "file", {});
    expect(await contentOf(ring, fd)).toBe("content");
    await ring.closeFd(fd);
  });

  test("honours the RESOLVE flags", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    mkdirSync(folder.at("root"));
    folder.write("outside", "outside");
    folder.write("root/inside", "inside");
    symlinkSync("inside", folder.at("root/link"));
    symlinkSync("/inside", folder.at("root/absolute"));
    const root = folder.open("root");
    const open = async (path: string, resolve: number | bigint, dirfd = root) => {
      const fd = await ring.openat2(dirfd, path, { resolve }).catch((error: UringError) => error.code);
      if (typeof fd === "string") return fd;
      const content = await contentOf(ring, fd);
      await ring.closeFd(fd);
      return content;
    };
    expect(await open("../outside", 0)).toBe("outside");
    expect(await open("../outside", RESOLVE.BENEATH)).toBe("EXDEV");
    expect(await open("inside", RESOLVE.BENEATH)).toBe("inside");
    expect(await open("link", RESOLVE.BENEATH)).toBe("inside");
    expect(await open("link", RESOLVE.NO_SYMLINKS)).toBe("ELOOP");
    expect(await open("link", BigInt(RESOLVE.NO_SYMLINKS))).toBe("ELOOP");
    expect(await open("absolute", 0)).toBe("ENOENT");
    expect(await open("absolute", RESOLVE.IN_ROOT)).toBe("inside");
    expect(await open("../../inside", RESOLVE.IN_ROOT)).toBe("inside");
    expect(await open("/proc/version", RESOLVE.NO_XDEV)).toBe("EXDEV");
    const magic = `/proc/self/fd/${folder.open("outside")}`;
    expect(await open(magic, 0, AT.FDCWD)).toBe("outside");
    expect(await open(magic, RESOLVE.NO_MAGICLINKS, AT.FDCWD)).toBe("ELOOP");
    statSync(folder.at("root/inside"));
    expect(await open("inside", RESOLVE.CACHED), "EINVAL before 5.12").toMatch(/^(inside|EAGAIN|EINVAL)$/);
  });

  test("rejects where the kernel refuses how: unknown bits, a mode without CREAT", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    const path = folder.at("file");
    for (const how of [{ resolve: 0x4000 }, { flags: 2n ** 40n }, { flags: O.RDONLY, mode: 0o600 }]) {
      expect(await failure(ring.openat2(AT.FDCWD, path, how), UringError))
        .toMatchObject({ code: "EINVAL", syscall: "openat2", path });
    }
    expect(await failure(ring.openat2(AT.FDCWD, folder.at("none"), {}), UringError))
      .toMatchObject({ code: "ENOENT", path: folder.at("none") });
  });
});

describe("closeFd()", () => {
  test("closes a descriptor; the second time it is not open", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    const fd = await ring.openat(AT.FDCWD, folder.at("file"), O.RDONLY);
    expect(existsSync(`/proc/self/fd/${fd}`)).toBe(true);
    expect(await ring.closeFd(fd)).toBe(0);
    expect(existsSync(`/proc/self/fd/${fd}`)).toBe(false);
    const error = await failure(ring.closeFd(fd), UringError);
    expect(error).toMatchObject({ code: "EBADF", syscall: "close", fd });
    expect(error.message).toMatch(`EBADF: fd ${fd} is not open, or it is a ring, close fd=${fd}; `);
  });

  test("refuses to close the ring itself", async () => {
    await using ring = new Ring();
    expect(await failure(ring.closeFd(ring.fd), UringError)).toMatchObject({ code: "EBADF" });
    expect(await ring.nop()).toBe(0);
  });
});

describe("fsync()", () => {
  test("brings data to the disk, all of the file or its data alone", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w");
    writeSync(fd, "durable");
    expect(await ring.fsync(fd)).toBe(0);
    expect(await ring.fsync(fd, IORING_FSYNC.DATASYNC)).toBe(0);
    expect(folder.text("file")).toBe("durable");
  });

  test("rejects for what can't be synced, and for unknown flags", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    expect(await failure(ring.fsync(pipe.writeEnd), UringError)).toMatchObject({ code: "EINVAL", syscall: "fsync" });
    expect(await failure(ring.fsync(folder.open("file", "w"), 2), UringError)).toMatchObject({ code: "EINVAL" });
    expect((await failure(ring.fsync(99_999), UringError)).message).toMatch(
      "EBADF: fd 99999 is not open, fsync fd=99999; ",
    );
  });
});

describe("fallocate()", () => {
  test("takes space, and lengthens the file unless KEEP_SIZE says not to", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    expect(await ring.fallocate(fd, 0, 1000, 9000)).toBe(0);
    expect(fstatSync(fd).size).toBe(10_000);
    const { blocks } = fstatSync(fd);
    expect(blocks).toBeGreaterThan(0);
    expect(await ring.fallocate(fd, FALLOC_FL.KEEP_SIZE, 1n << 20n, 1n << 20n)).toBe(0);
    expect(fstatSync(fd).size).toBe(10_000);
    expect(fstatSync(fd).blocks).toBeGreaterThan(blocks);
  });

  test("takes offsets and lengths beyond 2^32", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    expect(await ring.fallocate(fd, 0, 2 ** 33, 4096)).toBe(0);
    expect(fstatSync(fd).size).toBe(2 ** 33 + 4096);
    const punch = FALLOC_FL.PUNCH_HOLE | FALLOC_FL.KEEP_SIZE;
    expect(await ring.fallocate(fd, punch, 0n, 2n ** 33n + 4096n)).toBe(0);
    expect(fstatSync(fd)).toMatchObject({ size: 2 ** 33 + 4096, blocks: 0 });
  });

  test("punches, zeroes, takes out and pushes in, where the file system can", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const block = 4096;
    const content = pattern(4 * block);
    const zeros = new Uint8Array(block);
    const after = (...pieces: Uint8Array[]) => Buffer.concat(pieces);
    const piece = (from: number, to: number) => content.subarray(from * block, to * block);
    const cases: [string, number, Uint8Array][] = [
      ["punch", FALLOC_FL.PUNCH_HOLE | FALLOC_FL.KEEP_SIZE, after(piece(0, 1), zeros, piece(2, 4))],
      ["zero", FALLOC_FL.ZERO_RANGE, after(piece(0, 1), zeros, piece(2, 4))],
      ["collapse", FALLOC_FL.COLLAPSE_RANGE, after(piece(0, 1), piece(2, 4))],
      ["insert", FALLOC_FL.INSERT_RANGE, after(piece(0, 1), zeros, piece(1, 4))],
    ];
    for (const [name, mode, expected] of cases) {
      folder.write(name, content);
      try {
        expect(await ring.fallocate(folder.open(name, "r+"), mode, block, block)).toBe(0);
        expect(Buffer.compare(folder.read(name), expected), name).toBe(0);
      } catch (error) {
        if (!(error instanceof UringError)) throw error;
        expect(error.code, name).toBe("EOPNOTSUPP");
        expect(error.message).toMatch("the file system can't do this mode");
      }
    }
  });

  test("rejects with a reason that fits", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "");
    const readOnly = folder.open("file");
    expect((await failure(ring.fallocate(readOnly, 0, 0, 1), UringError)).message).toMatch("not for writing");
    expect(await failure(ring.fallocate(pipe.writeEnd, 0, 0, 1), UringError))
      .toMatchObject({ code: "ESPIPE", syscall: "fallocate" });
    const fd = folder.open("file", "r+");
    expect(await failure(ring.fallocate(fd, FALLOC_FL.PUNCH_HOLE, 0, 1), UringError))
      .toMatchObject({ code: "EOPNOTSUPP" });
    const error = await failure(ring.fallocate(fd, FALLOC_FL.COLLAPSE_RANGE, 1, 1), UringError);
    expect(["EINVAL", "EOPNOTSUPP"]).toContain(error.code);
    expect(error.message, "no word of buffers: there are none").not.toMatch(/O_DIRECT|BufferPool|rwFlags/);
  });

  test("refuses a length of 0, which the kernel would call invalid", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w");
    for (const len of [0, 0n]) expect(thrown(() => ring.fallocate(fd, 0, 0, len), RangeError).message).toMatch("len");
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe("fadvise()", () => {
  test("takes every advice, for ranges of any size", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", pattern(10_000));
    const fd = folder.open("file");
    for (const advice of Object.values(POSIX_FADV)) {
      expect(await ring.fadvise(fd, 0, 0, advice)).toBe(0);
      expect(await ring.fadvise(fd, 4096n, 4096, advice)).toBe(0);
      expect(await ring.fadvise(fd, 1, 2 ** 32 - 1, advice)).toBe(0);
      for (const [offset, length] of [[1, 2 ** 33], [2n ** 40n, 2n ** 40n]] as const) {
        const answer = await ring.fadvise(fd, offset, length, advice).catch((error) => error);
        // The kernel can't be asked beforehand whether it has 64 bits for a length: Linux before 6.9 refuses.
        if (answer instanceof UnsupportedError) expect(answer.message).toMatch(/more than 2\^32 - 1 bytes.*Linux 6\.9/);
        else expect(answer).toBe(0);
      }
    }
  });

  test("rejects for what is no file, and for unknown advice", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "x");
    expect(await failure(ring.fadvise(pipe.readEnd, 0, 0, 0), UringError))
      .toMatchObject({ code: "ESPIPE", syscall: "fadvise" });
    expect(await failure(ring.fadvise(folder.open("file"), 0, 0, 99), UringError)).toMatchObject({ code: "EINVAL" });
  });
});

describe("ftruncate()", () => {
  test("shortens and lengthens", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "0123456789");
    const fd = folder.open("file", "r+");
    if (!ring.probe().op("FTRUNCATE").supported) {
      const error = thrown(() => ring.ftruncate(fd, 4), UnsupportedError);
      expect(error).toMatchObject({ feature: "FTRUNCATE", needs: "Linux 6.9" });
      return;
    }
    expect(await ring.ftruncate(fd, 4)).toBe(0);
    expect(readFileSync(folder.at("file"), "utf8")).toBe("0123");
    expect(await ring.ftruncate(fd, 6n)).toBe(0);
    expect(readFileSync(folder.at("file"), "utf8")).toBe("0123\0\0");
    expect(await ring.ftruncate(fd, 2 ** 33)).toBe(0);
    expect(fstatSync(fd).size).toBe(2 ** 33);
    expect(await ring.ftruncate(fd, 0)).toBe(0);
    expect(fstatSync(fd).size).toBe(0);
  });

  test("rejects with a reason that fits", async () => {
    await using ring = new Ring();
    if (!ring.probe().op("FTRUNCATE").supported) return;
    using folder = new TempFolder();
    folder.write("file", "0123456789");
    const error = await failure(ring.ftruncate(folder.open("file"), 4), UringError);
    expect(error).toMatchObject({ code: "EINVAL", syscall: "ftruncate" });
    expect(error.message).toMatch("not open for writing");
    expect(error.message, "no word of buffers: there are none").not.toMatch(/O_DIRECT|BufferPool|rwFlags/);
    expect(folder.text("file")).toBe("0123456789");
  });
});
