import { closeSync, openSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { libcInBun } from "../../ffi/bun.ts";
import { libcInDeno } from "../../ffi/deno.ts";
import { descriptorPath } from "../../ffi/descriptor.ts";
import { type Libc, memoryFile } from "../../ffi/memfd.ts";
import { closeFd } from "../support/listener.ts";
import { RUNTIME } from "./elsewhere.ts";

const HASH = "0123456789abcdef".repeat(4);

function hashWith(digit: string): string {
  return digit + HASH.slice(1);
}

describe("the path of a descriptor", () => {
  test("is of that file, and different for each hash: a loader knows a library by its name", () => {
    const fd = openSync("/proc/self/status", "r");
    const paths = ["0", "7", "f"].map((digit) => descriptorPath(fd, hashWith(digit)));
    for (const path of paths) expect(readFileSync(path, "utf8")).toMatch(/^Name:/);
    expect(new Set(paths).size).toBe(3);
    closeSync(fd);
  });
});

describe.skipIf(RUNTIME === "node")("a memory file", () => {
  const SIZE = 20_000;
  const bytes = () => new Uint8Array(SIZE).fill(7);
  const libc = (): Libc => RUNTIME === "deno" ? libcInDeno() : libcInBun();
  const nameOf = (sha256: string) => new TextEncoder().encode(`uring-${sha256.slice(0, 16)}\0`);
  const CLOEXEC = 1;
  const ALLOW_SEALING = 2;
  const F_ADD_SEALS = 1033;
  const SEALS = 0xf;
  const fdOf = (path: string) => Number(path.split("/").at(-1));

  test("is made once", () => {
    const sha256 = hashWith("a");
    const path = memoryFile(libc(), { sha256 }, bytes);
    const { memfdCreate: _, ...others } = libc();
    const once = { ...others, memfdCreate: () => expect.fail("made twice") };
    expect(memoryFile(once, { sha256 }, bytes)).toBe(path);
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes());
    closeFd(fdOf(path));
  });

  // A descriptor may have come through a socket.
  test.each([["has other bytes", false, SIZE, true], ["is longer", true, SIZE + 1, true], [
    "may change",
    true,
    SIZE,
    false,
  ]])(
    "of that name that %s is not taken",
    (_, isSame, size, isSealed) => {
      const sha256 = hashWith("d");
      const planted = libc().memfdCreate(nameOf(sha256), CLOEXEC | ALLOW_SEALING);
      libc().write(planted, new Uint8Array(size).fill(isSame ? 7 : 8));
      if (isSealed) libc().fcntl(planted, F_ADD_SEALS, SEALS);
      const path = memoryFile(libc(), { sha256 }, bytes);
      expect(fdOf(path)).not.toBe(planted);
      expect(new Uint8Array(readFileSync(path))).toEqual(bytes());
      for (const fd of [planted, fdOf(path)]) closeFd(fd);
    },
  );

  // What another thread has not written to its end can't be mapped: to touch what is missing ends the process.
  test.each([0, 8192, SIZE - 1])("of which %i bytes are written is not taken", (written) => {
    const sha256 = hashWith("b");
    const partial = libc().memfdCreate(nameOf(sha256), 1);
    if (written > 0) libc().write(partial, bytes().subarray(0, written));
    const path = memoryFile(libc(), { sha256 }, bytes);
    expect(fdOf(path)).not.toBe(partial);
    expect(readFileSync(path).length).toBe(SIZE);
    for (const fd of [partial, fdOf(path)]) closeFd(fd);
  });

  test("that is written meanwhile is waited for", () => {
    const sha256 = hashWith("c");
    const partial = libc().memfdCreate(nameOf(sha256), CLOEXEC | ALLOW_SEALING);
    libc().write(partial, bytes().subarray(0, 8192));
    const { fcntl } = libc();
    let looks = 0;
    const finishing: Libc = {
      ...libc(),
      memfdCreate: () => expect.fail("made, though there is one"),
      fcntl: (fd, command, argument) => {
        looks++;
        if (looks === 3) libc().write(partial, bytes().subarray(8192));
        if (looks === 5) fcntl(partial, F_ADD_SEALS, SEALS);
        return fcntl(fd, command, argument);
      },
    };
    const path = memoryFile(finishing, { sha256 }, bytes);
    expect(fdOf(path)).toBe(partial);
    closeFd(partial);
  });
});
