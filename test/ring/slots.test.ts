import { describe, expect, test } from "vitest";
import { AT, FileTable, IORING_FIXED_FD, O, Ring, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, hasOp } from "../support/kernel.ts";
import { descriptors, openFlags } from "../support/process_state.ts";

const o = { fixedFile: true };
/** Whether the kernel chooses a free slot when asked (5.19). */
const CHOOSES = hasOp("SOCKET");

async function contentOf(ring: Ring, slot: number): Promise<string> {
  const buffer = new Uint8Array(64);
  return new TextDecoder().decode(buffer.subarray(0, await ring.read(slot, buffer, 0, o)));
}

describe("openat() and openat2() with a slot", () => {
  test("open into the registered files, and make no descriptor", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 16 });
    const path = folder.write("file", "content");
    const before = descriptors().length;
    expect(await ring.openat(AT.FDCWD, path, O.RDONLY, 0, { slot: 9 })).toBe(9);
    expect(await ring.openat2(AT.FDCWD, path, { flags: O.RDONLY }, { slot: 10 })).toBe(10);
    const chosen = CHOOSES
      ? [
        await ring.openat(AT.FDCWD, path, O.RDONLY | O.CLOEXEC, 0, { slot: "alloc" }),
        await ring.openat2(AT.FDCWD, path, { flags: O.RDONLY | O.CLOEXEC }, { slot: "alloc" }),
      ]
      : [];
    expect(new Set([9, 10, ...chosen]).size, "free ones").toBe(2 + chosen.length);
    expect(descriptors().length).toBe(before);
    for (const slot of [9, 10, ...chosen]) expect(await contentOf(ring, slot)).toBe("content");
  });

  test("replace what is in the slot", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 1 });
    for (const content of ["one", "two"]) {
      expect(await ring.openat(AT.FDCWD, folder.write(content, content), O.RDONLY, 0, { slot: 0 })).toBe(0);
      expect(await contentOf(ring, 0)).toBe(content);
    }
  });

  test.skipIf(!chainsEndAtBadFiles)("can be followed by what uses the slot, in one chain", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 4 });
    const path = folder.write("file", "content");
    const buffer = new Uint8Array(64);
    const results = await Promise.all(ring.link((ring) => [
      ring.openat(AT.FDCWD, path, O.RDONLY, 0, { slot: 2 }),
      ring.read(2, buffer.subarray(0, 7), 0, o),
      ring.closeDirect(2),
    ]));
    expect(results).toEqual([2, 7, 0]);
    expect(new TextDecoder().decode(buffer.subarray(0, 7))).toBe("content");
  });

  test("reject without registered files, with a slot beyond them, and when none is free", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    const open = (slot: number | "alloc") => failure(ring.openat(AT.FDCWD, path, 0, 0, { slot }), UringError);
    expect(await open(0)).toMatchObject({ code: "ENXIO", syscall: "openat", path });
    using _files = new FileTable(ring, { size: 1 });
    expect(await open(1)).toMatchObject({ code: "EINVAL" });
    if (!CHOOSES) return;
    expect(await ring.openat(AT.FDCWD, path, 0, 0, { slot: "alloc" })).toBe(0);
    expect(await open("alloc")).toMatchObject({ code: "ENFILE" });
  });
});

describe("closeDirect()", () => {
  test("empties a slot", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using files = new FileTable(ring, { size: 4 });
    folder.write("file", "content");
    files.set(1, folder.open("file"));
    expect(await contentOf(ring, 1)).toBe("content");
    expect(await ring.closeDirect(1)).toBe(0);
    expect(await failure(ring.read(1, new Uint8Array(1), 0, o), UringError)).toMatchObject({ code: "EBADF", fd: 1 });
    expect(await failure(ring.closeDirect(1), UringError)).toMatchObject({ code: "EBADF", syscall: "close", fd: 1 });
    expect(await failure(ring.closeDirect(4), UringError)).toMatchObject({ code: "EINVAL" });
  });
});

describe("filesUpdate()", () => {
  test("fills, empties and leaves slots", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 8 });
    const [a, b, c] = ["a", "b", "c"].map((name) => {
      folder.write(name, name);
      return folder.open(name);
    }) as [number, number, number];
    expect(await ring.filesUpdate([a, b, c], 2)).toBe(3);
    expect(await Promise.all([2, 3, 4].map((slot) => contentOf(ring, slot)))).toEqual(["a", "b", "c"]);
    expect(await ring.filesUpdate(Int32Array.of(-1, -2, a), 2)).toBe(3);
    expect(await Promise.all([3, 4].map((slot) => contentOf(ring, slot)))).toEqual(["b", "a"]);
    expect(await failure(contentOf(ring, 2), UringError)).toMatchObject({ code: "EBADF" });
  });

  test.skipIf(!CHOOSES)('chooses free slots with "alloc", and tells which', async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using files = new FileTable(ring, { size: 4 });
    folder.write("file", "content");
    const fd = folder.open("file");
    files.set(1, fd);
    const two = await ring.filesUpdate([fd, fd], "alloc");
    const one = await ring.filesUpdate([fd, fd, fd], "alloc");
    expect([two.length, one.length], "as many as there are").toEqual([2, 1]);
    expect([...two, ...one].sort()).toEqual([0, 2, 3]);
    expect(await failure(ring.filesUpdate([fd], "alloc"), UringError)).toMatchObject({ code: "ENFILE" });
    for (const slot of [0, 1, 2, 3]) expect(await contentOf(ring, slot)).toBe("content");
  });

  test("changes thousands at once", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 900 });
    folder.write("file", "content");
    const fd = folder.open("file");
    expect(await ring.filesUpdate(new Array(900).fill(fd), 0)).toBe(900);
    expect(await contentOf(ring, 899)).toBe("content");
  });

  test("rejects without registered files, beyond them, and for what is not open", async () => {
    await using ring = new Ring();
    const update = (fds: number[], first: number) => failure(ring.filesUpdate(fds, first), UringError);
    expect(await update([0], 0)).toMatchObject({ code: "ENXIO", syscall: "files_update" });
    using _files = new FileTable(ring, { size: 4 });
    expect(await update([0], 4)).toMatchObject({ code: "EINVAL" });
    expect(await update([99_999], 0)).toMatchObject({ code: "EBADF" });
  });
});

describe("fixedFdInstall()", () => {
  test("makes a descriptor of a slot, which closes on exec unless told otherwise", async () => {
    await using ring = new Ring();
    if (!ring.probe().op("FIXED_FD_INSTALL").supported) {
      expect(thrown(() => ring.fixedFdInstall(0), UnsupportedError)).toMatchObject({ needs: "Linux 6.8" });
      return;
    }
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 4 });
    await ring.openat(AT.FDCWD, folder.write("file", "content"), O.RDONLY, 0, { slot: 3 });
    const [closing, staying] = [await ring.fixedFdInstall(3), await ring.fixedFdInstall(3, IORING_FIXED_FD.NO_CLOEXEC)];
    expect(openFlags(closing) & O.CLOEXEC).toBe(O.CLOEXEC);
    expect(openFlags(staying) & O.CLOEXEC).toBe(0);
    await ring.closeDirect(3);
    for (const fd of [closing, staying]) {
      expect(await ring.read(fd, new Uint8Array(64), 0)).toBe(7);
      await ring.closeFd(fd);
    }
    expect(await failure(ring.fixedFdInstall(3), UringError))
      .toMatchObject({ code: "EBADF", syscall: "fixed_fd_install", fd: 3 });
    expect(await failure(ring.fixedFdInstall(3, 0x80), UringError)).toMatchObject({ code: "EINVAL" });
  });
});
