/** The cache trusts nobody: what it gives was verified, and is what is loaded. */

import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cachedCore } from "../../ffi/cache.ts";
import { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { type All, copyLibrary, makeFolder, runCopied, RUNTIME } from "./elsewhere.ts";

const BYTES = new TextEncoder().encode("a core, as far as the cache can tell");
const EXPECTED = { sha256: createHash("sha256").update(BYTES).digest("hex"), size: BYTES.length };
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

let folder: TempFolder;
let cache: string;
let file: string;
let before: string | undefined;

beforeEach(() => {
  folder = new TempFolder();
  before = process.env["XDG_CACHE_HOME"];
  process.env["XDG_CACHE_HOME"] = folder.at("home", "cache");
  cache = folder.at("home", "cache", "uring");
  file = `${cache}/${EXPECTED.sha256}.so`;
});

afterEach(() => {
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
  folder[Symbol.dispose]();
});

function take(): { path: string; content: string } {
  const { path, descriptorPath } = cachedCore(EXPECTED, () => BYTES);
  return { path, content: readFileSync(descriptorPath, "utf8") };
}

/** A cache as it should be, before something happens to it. */
function prepare(content: string | Uint8Array = BYTES): void {
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  writeFileSync(file, content, { mode: 0o600 });
}

const WHOLE = new TextDecoder().decode(BYTES);

describe("cachedCore()", () => {
  test("writes what is missing: a folder and a file that are this user's alone", () => {
    expect(take()).toEqual({ path: file, content: WHOLE });
    expect(readdirSync(cache)).toEqual([`${EXPECTED.sha256}.so`]);
    expect([lstatSync(cache).mode & 0o777, lstatSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test("takes what is there", () => {
    prepare();
    const { ino } = lstatSync(file);
    expect(take().content).toBe(WHOLE);
    expect(lstatSync(file).ino).toBe(ino);
  });

  test("keeps one descriptor open for one file", () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const first = cachedCore(EXPECTED, () => BYTES).descriptorPath;
    const open = descriptors();
    expect(cachedCore(EXPECTED, () => BYTES).descriptorPath).toBe(first);
    expect(descriptors()).toBe(open);
  });

  test("replaces a file with another content, of the same length or not", () => {
    for (const content of ["short", WHOLE.replace("core", "cure"), ""]) {
      prepare(content);
      expect(take().content).toBe(WHOLE);
      expect(readFileSync(file, "utf8")).toBe(WHOLE);
    }
  });

  test("gives the file that was verified, whatever its name means later", () => {
    const { descriptorPath } = cachedCore(EXPECTED, () => BYTES);
    const evil = folder.write("evil", "another");
    renameSync(evil, file);
    expect(readFileSync(descriptorPath, "utf8")).toBe(WHOLE);
  });

  test("refuses a link in place of the file", () => {
    prepare();
    const elsewhere = folder.write("elsewhere", BYTES);
    renameSync(file, `${file}.away`);
    symlinkSync(elsewhere, file);
    expect(take).toThrow(`${file} is a link: remove it`);
  });

  test("refuses a link in place of the folder", () => {
    mkdirSync(folder.at("home", "cache"), { recursive: true });
    symlinkSync(makeFolder(folder.at("elsewhere")), cache);
    expect(take).toThrow(`${cache} is no plain folder: remove it`);
    expect(readdirSync(folder.at("elsewhere"))).toEqual([]);
  });

  test("refuses a folder in place of the file, and a pipe without waiting for its writer", () => {
    mkdirSync(file, { recursive: true, mode: 0o700 });
    chmodSync(cache, 0o700);
    expect(take).toThrow(`${file} is no plain file: remove it`);
    renameSync(file, `${file}.away`);
    execFileSync("mkfifo", ["-m", "600", file]);
    expect(take).toThrow(`${file} is no plain file: remove it`);
  });

  test.each([0o770, 0o707, 0o777])("refuses a folder that others may write, mode %o", (mode) => {
    prepare();
    chmodSync(cache, mode);
    expect(take).toThrow(`${cache} can be written by others: chmod go-w it, or remove it`);
  });

  test.each([0o620, 0o602])("refuses a file that others may write, mode %o", (mode) => {
    prepare();
    chmodSync(file, mode);
    expect(take).toThrow(`${file} can be written by others: chmod go-w it, or remove it`);
  });

  test.skipIf(!isRoot)("refuses a folder and a file that are another user's", () => {
    prepare();
    chownSync(file, NOBODY, NOBODY);
    expect(take).toThrow(`${file} belongs to another user: remove it, or set XDG_CACHE_HOME to a folder of your own`);
    chownSync(file, 0, 0);
    chownSync(cache, NOBODY, NOBODY);
    expect(take).toThrow(`${cache} belongs to another user`);
  });

  test("a file with a second name elsewhere is as good as its owner and content", () => {
    prepare();
    linkSync(file, folder.at("second"));
    expect(take().content).toBe(WHOLE);
  });

  test("leaves nothing behind when it can't write", () => {
    prepare("another");
    // Renaming over a folder that is not empty fails.
    renameSync(file, `${file}.away`);
    expect(() =>
      cachedCore(EXPECTED, () => {
        mkdirSync(`${file}/x`, { recursive: true });
        return BYTES;
      })
    ).toThrow();
    expect(readdirSync(cache).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("HOME is used where XDG_CACHE_HOME is not set, and a relative one is refused", () => {
    const home = process.env["HOME"];
    try {
      delete process.env["XDG_CACHE_HOME"];
      process.env["HOME"] = folder.at("home");
      expect(take().path).toBe(folder.at("home", ".cache", "uring", `${EXPECTED.sha256}.so`));
      process.env["XDG_CACHE_HOME"] = "relative";
      expect(take).toThrow("there is no cache folder");
      expect(existsSync("relative")).toBe(false);
    } finally {
      if (home === undefined) delete process.env["HOME"];
      else process.env["HOME"] = home;
    }
  });
});

test.skipIf(RUNTIME !== "node")("processes that start together all load, and leave one file", async () => {
  const library = makeFolder(folder.at("library"));
  copyLibrary(library, { core: false });
  const text = folder.write("file", "text");
  const options = { env: { XDG_CACHE_HOME: folder.at("shared") } };
  const results = await Promise.all(
    Array.from({ length: 8 }, () => runCopied<All>(library, "load_all", [text, "0"], options)),
  );
  for (const result of results) expect(result).toMatchObject({ supported: { ok: true }, text: "text" });
  expect(readdirSync(folder.at("shared", "uring"))).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.so$/)]);
}, 60_000 * TIME_SCALE);
