/** Where the library can't work: the import works all the same, and what is said helps. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { elfFault } from "../../ffi/elf.ts";
import { runChild } from "../support/child.ts";
import { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import {
  copyLibrary,
  CORE_PATH,
  FOREIGN_CORE,
  makeFolder,
  type Refused,
  ROOT,
  runCopied,
  RUNTIME,
} from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const folder = new TempFolder();
const library = makeFolder(folder.at("library"));

beforeAll(() => copyLibrary(library, { core: true }));
afterAll(() => folder[Symbol.dispose]());

describe("another machine", () => {
  test("an operating system without io_uring", async () => {
    const refused = await runCopied<Refused>(library, "load_refused", ["platform=darwin"]);
    expect(refused.supported.ok).toBe(false);
    expect(refused.supported.reason).toBe("io_uring is a facility of Linux; this is darwin");
    expect(refused.supported.fix).toContain("run on Linux 6.1 or newer");
    expect(refused.again).toEqual(refused.supported);
    expect(refused.thrown).toEqual({
      name: "LoadError",
      message: refused.supported.reason,
      fix: refused.supported.fix,
    });
  }, LIMIT);

  test.each(["darwin", "win32"])("every entry point can be imported: %s", async (platform) => {
    const { code, stdout, stderr } = await runChild("load_entries", [platform]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Usage: uring COMMAND");
    const { supported, refusals, ops, help } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    const name = platform === "win32" && RUNTIME === "deno" ? "windows" : platform;
    const message = `io_uring is a facility of Linux; this is ${name}`;
    const fix = expect.stringContaining("run on Linux 6.1 or newer: a server, a virtual machine, WSL 2");
    expect(supported).toEqual({ ok: false, reason: message, fix });
    expect(refusals).toEqual(Array(4).fill({ name: "LoadError", message, fix }));
    expect([ops > 50, help]).toEqual([true, 0]);
  }, LIMIT);

  test("an architecture that there is no core for", async () => {
    const { supported } = await runCopied<Refused>(library, "load_refused", ["arch=riscv64"]);
    expect(supported).toEqual({
      ok: false,
      reason: "there is no core for riscv64",
      fix: "run on x86_64 or aarch64: the library has a core for these",
    });
  }, LIMIT);
});

describe("a URING_CORE that can't be loaded", () => {
  async function refusal(core: string): Promise<Refused["supported"]> {
    const { supported, again, thrown } = await runCopied<Refused>(library, "load_refused", [], {
      env: { URING_CORE: core },
    });
    expect(again).toEqual(supported);
    expect(thrown).toEqual({ name: "LoadError", message: supported.reason, fix: supported.fix });
    return supported;
  }

  const FIX = "set URING_CORE to a core of this version, built for this machine; or unset it";

  test("a file that is not there", async () => {
    const path = folder.at("nowhere.so");
    const { reason, fix } = await refusal(path);
    expect(reason).toMatch(/nowhere\.so \(URING_CORE\): .*no such file/i);
    expect(fix).toBe(FIX);
  }, LIMIT);

  test("a folder", async () => {
    const { reason } = await refusal(makeFolder(folder.at("folder.so")));
    expect(reason).toMatch(/folder\.so \(URING_CORE\): /);
  }, LIMIT);

  test("an empty file, and a text", async () => {
    const empty = folder.write("empty.so", "");
    expect(await refusal(empty)).toEqual({
      ok: false,
      reason: `${empty} (URING_CORE) is no library: it has 0 bytes`,
      fix: FIX,
    });
    const text = folder.write("text.so", "#!/bin/sh\n".repeat(100));
    expect((await refusal(text)).reason).toBe(`${text} (URING_CORE) is no library: it does not begin as an ELF file`);
  }, LIMIT);

  test("the core of another architecture", async () => {
    const path = folder.write("foreign.so", readFileSync(`${ROOT}/ffi/${FOREIGN_CORE}`));
    expect((await refusal(path)).reason).toMatch(/foreign\.so \(URING_CORE\) is built for \w+; this is \w+$/);
  }, LIMIT);

  test("a core that was cut short, wherever that was", async () => {
    const whole = readFileSync(CORE_PATH);
    for (const length of [63, 100, 4000, whole.length >> 1]) {
      const path = folder.write("short.so", whole.subarray(0, length));
      expect((await refusal(path)).reason).toContain(`it has ${length} `);
    }
  }, LIMIT);

  test("another library", async () => {
    const maps = readFileSync("/proc/self/maps", "utf8");
    const libc = maps.match(/\S*\/(?:libc\.so|libc-|libm\.so|ld-)\S*/)?.[0];
    expect(libc).toBeDefined();
    const { reason, fix } = await refusal(libc!);
    expect(reason).toContain(`${libc} (URING_CORE): `);
    expect(fix).toBe(FIX);
  }, LIMIT);

  test("a name without a folder, which the loader would search for", async () => {
    expect(await refusal("core.so")).toEqual({
      ok: false,
      reason: "URING_CORE is core.so, which the loader would search for",
      fix: "URING_CORE must be an absolute path, or one that begins with ./",
    });
  }, LIMIT);
});

describe("elfFault()", () => {
  const core = new Uint8Array(readFileSync(CORE_PATH));
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";

  test("has nothing against this machine's core", () => {
    expect(elfFault(core, architecture)).toBe(undefined);
  });

  test("has something against every shorter one that lacks a loaded byte", () => {
    const faults = Array.from({ length: 64 }, (_, i) => elfFault(core.subarray(0, i * 64), architecture));
    expect(faults).not.toContain(undefined);
  });

  test("names the machine that a library is for", () => {
    const changed = core.slice();
    changed[18] = 243;
    expect(elfFault(changed, architecture)).toBe(`is built for riscv64; this is ${architecture}`);
    changed[18] = 99;
    expect(elfFault(changed, architecture)).toBe(`is built for machine 99; this is ${architecture}`);
  });

  test("knows a program from a library, and 32 bits from 64", () => {
    const program = core.slice();
    program[16] = 2;
    const small = core.slice();
    small[4] = 1;
    expect([elfFault(program, architecture), elfFault(small, architecture)]).toEqual([
      "is no 64-bit shared library",
      "is no 64-bit shared library",
    ]);
  });
});

test("a broken file beside the module and no other way: every reason is told", async () => {
  const bare = makeFolder(folder.at("bare"));
  copyLibrary(bare, { core: true });
  writeFileSync(CORE_PATH.replace(ROOT, `${bare}/`), "broken");
  mkdirSync(folder.at("cache"), { mode: 0o777 });
  writeFileSync(folder.at("cache", "uring"), "");
  const { supported } = await runCopied<Refused>(bare, "load_refused", [], {
    env: { XDG_CACHE_HOME: folder.at("cache") },
  });
  if (RUNTIME !== "node") return expect(supported).toEqual({ ok: true });
  expect(supported.reason).toMatch(
    /^the core could not be loaded: .*\.so is not this version's core: it has 6 bytes, not \d+; .*(EEXIST|ENOTDIR)/,
  );
}, LIMIT);
