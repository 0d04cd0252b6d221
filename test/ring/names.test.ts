import { existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { AT, O, RENAME, Ring, S, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";

describe("unlinkat()", () => {
  test("removes names of files and links, and leaves what a link points to", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    folder.write("other", "");
    symlinkSync("other", folder.at("link"));
    expect(await ring.unlinkat(AT.FDCWD, folder.at("file"))).toBe(0);
    expect(await ring.unlinkat(folder.open("."), "link", 0)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["other"]);
  });

  test("removes directories with REMOVEDIR, and only then", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    mkdirSync(folder.at("directory/inner"), { recursive: true });
    folder.write("file", "");
    const path = folder.at("directory");
    expect(await failure(ring.unlinkat(AT.FDCWD, path), UringError))
      .toMatchObject({ code: "EISDIR", syscall: "unlinkat", path });
    expect(await failure(ring.unlinkat(AT.FDCWD, path, AT.REMOVEDIR), UringError))
      .toMatchObject({ code: "ENOTEMPTY", path });
    expect(await failure(ring.unlinkat(AT.FDCWD, folder.at("file"), AT.REMOVEDIR), UringError))
      .toMatchObject({ code: "ENOTDIR" });
    expect(await ring.unlinkat(AT.FDCWD, folder.at("directory/inner"), AT.REMOVEDIR)).toBe(0);
    expect(await ring.unlinkat(AT.FDCWD, pathToFileURL(path), AT.REMOVEDIR)).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test("rejects for a name that is not there, and for unknown flags", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    expect(await failure(ring.unlinkat(AT.FDCWD, folder.at("none")), UringError))
      .toMatchObject({ code: "ENOENT", errno: -2, path: folder.at("none") });
    expect(await failure(ring.unlinkat(AT.FDCWD, folder.at("file"), 1 << 20), UringError))
      .toMatchObject({ code: "EINVAL" });
    expect(existsSync(folder.at("file"))).toBe(true);
  });
});

describe("renameat()", () => {
  test("gives a new name, replacing what was there", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("old", "moved");
    folder.write("new", "replaced");
    expect(await ring.renameat(AT.FDCWD, folder.at("old"), AT.FDCWD, folder.at("new"))).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["new"]);
    expect(folder.text("new")).toBe("moved");
  });

  test("starts each path from its own directory", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    mkdirSync(folder.at("from"));
    mkdirSync(folder.at("to"));
    folder.write("from/name", "moved");
    const [from, to] = [folder.open("from"), folder.open("to")];
    expect(await ring.renameat(from, "name", to, "other name")).toBe(0);
    expect(folder.text("to/other name")).toBe("moved");
    expect(readdirSync(folder.at("from"))).toEqual([]);
  });

  test("refuses to replace with NOREPLACE, and swaps with EXCHANGE", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const [a, b] = [folder.write("a", "A"), folder.write("b", "B")];
    const rename = (from: string, to: string, flags: number) => ring.renameat(AT.FDCWD, from, AT.FDCWD, to, flags);
    expect(await failure(rename(a, b, RENAME.NOREPLACE), UringError)).toMatchObject({ code: "EEXIST" });
    expect([folder.text("a"), folder.text("b")]).toEqual(["A", "B"]);
    expect(await rename(a, b, RENAME.EXCHANGE)).toBe(0);
    expect([folder.text("a"), folder.text("b")]).toEqual(["B", "A"]);
    expect(await rename(a, folder.at("c"), RENAME.NOREPLACE)).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(["b", "c"]);
    expect(await failure(rename(b, folder.at("none"), RENAME.EXCHANGE), UringError)).toMatchObject({ code: "ENOENT" });
  });

  test("names both paths when it rejects", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const [path, dest] = [folder.at("none"), folder.at("new")];
    const error = await failure(ring.renameat(AT.FDCWD, path, AT.FDCWD, dest), UringError);
    expect(error).toMatchObject({ code: "ENOENT", syscall: "renameat", path, dest });
    expect(error.message).toBe(`ENOENT: no such file or directory, renameat '${path}' -> '${dest}'`);
    expect(await failure(ring.renameat(AT.FDCWD, path, AT.FDCWD, dest, 1 << 20), UringError))
      .toMatchObject({ code: "EINVAL" });
  });
});

describe.skipIf(!hasOp("MKDIRAT"))("mkdirat()", () => {
  test("makes a directory with the mode, less the umask", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const before = process.umask(0o022);
    try {
      expect(await ring.mkdirat(AT.FDCWD, folder.at("usual"))).toBe(0);
      expect(await ring.mkdirat(folder.open("."), "own", 0o700)).toBe(0);
      expect(await ring.mkdirat(AT.FDCWD, folder.at("sticky"), 0o1777)).toBe(0);
    } finally {
      process.umask(before);
    }
    expect(["usual", "own", "sticky"].map((name) => statSync(folder.at(name)).mode)).toEqual([
      S.IFDIR | 0o755,
      S.IFDIR | 0o700,
      S.IFDIR | 0o1755,
    ]);
  });

  test("rejects where something is already, or nothing leads there", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "");
    expect(await failure(ring.mkdirat(AT.FDCWD, path), UringError))
      .toMatchObject({ code: "EEXIST", syscall: "mkdirat", path });
    expect(await failure(ring.mkdirat(AT.FDCWD, folder.at("none/inner")), UringError))
      .toMatchObject({ code: "ENOENT" });
  });
});

describe.skipIf(!hasOp("SYMLINKAT"))("symlinkat()", () => {
  test("makes a link that says what it was given", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    expect(await ring.symlinkat("file", AT.FDCWD, folder.at("link"))).toBe(0);
    expect(await ring.symlinkat("../nowhere é", folder.open("."), "dangling")).toBe(0);
    expect(readlinkSync(folder.at("link"))).toBe("file");
    expect(readlinkSync(folder.at("dangling"))).toBe("../nowhere é");
    expect(folder.text("link")).toBe("content");
  });

  test("names target and link when it rejects", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const dest = folder.write("file", "");
    expect(await failure(ring.symlinkat("target", AT.FDCWD, dest), UringError))
      .toMatchObject({ code: "EEXIST", syscall: "symlinkat", path: "target", dest });
  });
});

describe.skipIf(!hasOp("LINKAT"))("linkat()", () => {
  test("gives a file one more name", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    mkdirSync(folder.at("inner"));
    folder.write("file", "content");
    expect(await ring.linkat(folder.open("."), "file", folder.open("inner"), "second")).toBe(0);
    expect(statSync(folder.at("inner/second"))).toMatchObject({ ino: statSync(folder.at("file")).ino, nlink: 2 });
  });

  test("follows a symbolic link only with SYMLINK_FOLLOW", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    symlinkSync("file", folder.at("link"));
    const link = (name: string, flags: number) =>
      ring.linkat(AT.FDCWD, folder.at("link"), AT.FDCWD, folder.at(name), flags);
    expect(await link("of the link", 0)).toBe(0);
    expect(await link("of the file", AT.SYMLINK_FOLLOW)).toBe(0);
    expect(lstatSync(folder.at("of the link")).isSymbolicLink()).toBe(true);
    expect(lstatSync(folder.at("of the file")).ino).toBe(lstatSync(folder.at("file")).ino);
  });

  test("gives a name to a descriptor, with an empty path and EMPTY_PATH", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "content");
    const linked = ring.linkat(folder.open("file"), "", AT.FDCWD, folder.at("second"), AT.EMPTY_PATH);
    const code = await linked.catch((error: UringError) => error.code);
    // Needs CAP_DAC_READ_SEARCH.
    if (process.geteuid!() !== 0 && code === "ENOENT") return;
    expect(code).toBe(0);
    expect(folder.text("second")).toBe("content");
    expect(statSync(folder.at("second")).nlink).toBe(2);
  });

  test("names a file made without a name, through /proc and SYMLINK_FOLLOW", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = await ring.openat(AT.FDCWD, folder.path, O.TMPFILE | O.RDWR, 0o600)
      .catch((error: UringError) => error.code);
    if (typeof fd === "string") return expect(fd, "where the file system can't").toBe("EOPNOTSUPP");
    await ring.write(fd, new TextEncoder().encode("content"), 0);
    const path = `/proc/self/fd/${fd}`;
    expect(await ring.linkat(AT.FDCWD, path, AT.FDCWD, folder.at("named"), AT.SYMLINK_FOLLOW)).toBe(0);
    expect(folder.text("named")).toBe("content");
    await ring.closeFd(fd);
  });

  test("names both paths when it rejects", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const [path, dest] = [folder.write("file", ""), folder.write("other", "")];
    expect(await failure(ring.linkat(AT.FDCWD, path, AT.FDCWD, dest), UringError))
      .toMatchObject({ code: "EEXIST", syscall: "linkat", path, dest });
    linkSync(path, folder.at("second"));
    expect(await failure(ring.linkat(AT.FDCWD, folder.at("none"), AT.FDCWD, folder.at("third")), UringError))
      .toMatchObject({ code: "ENOENT" });
  });
});

test("a URL of another host, or with a slash in a name, is no path of this machine's", async () => {
  await using ring = new Ring();
  const urls: [string, RegExp][] = [
    ["file://elsewhere/etc/hostname", /^path is a URL of another host, elsewhere/],
    ["file:///etc%2Fhostname", /^path is a URL with %2F in a name/],
    ["file:///tmp/%FF", /^path is a URL whose % escapes are no UTF-8/],
  ];
  for (const [url, message] of urls) {
    expect(thrown(() => ring.openat(AT.FDCWD, new URL(url), 0), TypeError).message).toMatch(message);
  }
  expect(ring.stats.inFlight).toBe(0);
});
