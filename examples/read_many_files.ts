/**
 * Reads every TypeScript file of this checkout, 64 at a time, and finds the longest line.
 *
 * What 64 loops ask for in one turn of the event loop goes to the kernel in one system call.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AT, O, Ring } from "../mod.ts";

await using ring = new Ring();

/** A whole file: open, read until the end, close. */
async function read(path: string): Promise<Uint8Array> {
  const fd = await ring.openat(AT.FDCWD, path, O.RDONLY);
  try {
    let buffer = new Uint8Array(16 * 1024), length = 0;
    for (;;) {
      const count = await ring.read(fd, buffer.subarray(length), length);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
      if (length === buffer.length) {
        const larger = new Uint8Array(buffer.length * 2);
        larger.set(buffer);
        buffer = larger;
      }
    }
  } finally {
    await ring.closeFd(fd);
  }
}

const folder = fileURLToPath(new URL("../src", import.meta.url));
const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.[jt]s$/.test(path))
  .map((path) => join(folder, path));

let next = 0, longest = { length: 0, path: "" };
async function loop(): Promise<void> {
  for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
    const content = await read(path);
    assert.deepEqual(Buffer.from(content), readFileSync(path));
    for (const line of new TextDecoder().decode(content).split("\n")) {
      if (line.length > longest.length) longest = { length: line.length, path };
    }
  }
}
await Promise.all(Array.from({ length: 64 }, loop));

assert(longest.length > 0);
console.log(`${paths.length} files, ${ring.stats.enters} system calls; the longest line is in ${longest.path}`);
