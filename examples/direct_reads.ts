/**
 * Random reads past the page cache (O_DIRECT), 64 in flight, into the memory of a BufferPool: aligned as a device wants
 * it, and registered with the ring, so that the kernel need not look its pages up for each read.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { AT, BufferPool, O, Ring } from "../mod.ts";

const BLOCK = 4096, BLOCKS = 2048, READS = 4000, DEPTH = 64;

// Not in /tmp, which may be a tmpfs: that has nothing to be direct about.
const folder = mkdtempSync(join(process.cwd(), ".direct-reads-"));
try {
  // Every block begins with its own number.
  const content = new Uint32Array(BLOCKS * BLOCK / 4);
  for (let block = 0; block < BLOCKS; block++) content[block * BLOCK / 4] = block;
  const path = join(folder, "file");
  writeFileSync(path, content, { flush: true });

  await using ring = new Ring();
  using pool = new BufferPool({ ring, size: BLOCK, count: DEPTH });
  const fd = await ring.openat(AT.FDCWD, path, O.RDONLY | O.DIRECT);

  let left = READS;
  const loop = async () => {
    const buffer = pool.acquire();
    const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.byteLength / 4);
    while (left-- > 0) {
      const block = Math.floor(Math.random() * BLOCKS);
      assert.equal(await ring.readFixed(fd, buffer, block * BLOCK), BLOCK);
      assert.equal(words[0], block);
    }
    pool.release(buffer);
  };
  const before = performance.now();
  await Promise.all(Array.from({ length: DEPTH }, loop));
  const seconds = (performance.now() - before) / 1000;

  await ring.closeFd(fd);
  assert.equal(pool.available, DEPTH);
  console.log(`${Math.round(READS / seconds)} direct reads a second, ${ring.stats.enters} system calls for ${READS}`);
} finally {
  rmSync(folder, { recursive: true });
}
