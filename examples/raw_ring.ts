/**
 * liburing's model: prepare, submit, wait, walk the completions. No promise and no allocation for an operation.
 *
 * Adds up the bytes of a file that are odd, 32 blocks in flight.
 */

import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RawRing } from "../src/ring/raw.ts";

const BLOCK = 4096, BLOCKS = 1000, DEPTH = 32;

const folder = mkdtempSync(join(tmpdir(), "uring-raw-"));
const path = join(folder, "file");
writeFileSync(path, Uint8Array.from({ length: BLOCK * BLOCKS }, (_, at) => at));
const fd = openSync(path, "r");
const ring = new RawRing({ entries: DEPTH });
try {
  const buffers = Array.from({ length: DEPTH }, () => new Uint8Array(BLOCK));
  let started = 0, completed = 0, odd = 0;

  const start = (slot: number) => {
    // The first argument comes back with the completion.
    assert(ring.prepRead(slot, fd, buffers[slot]!, BLOCK, started++ * BLOCK));
  };
  for (let slot = 0; slot < DEPTH; slot++) start(slot);

  while (completed < BLOCKS) {
    // A negative errno, if the kernel refuses.
    assert(ring.submitAndWait(1) >= 0);
    ring.forEachCqe((slot, res) => {
      assert.equal(res, BLOCK);
      for (const byte of buffers[slot]!) odd += byte & 1;
      completed++;
      if (started < BLOCKS) start(slot);
    });
  }

  assert.equal(odd, BLOCK * BLOCKS / 2);
  console.log(`${completed} blocks, ${odd} odd bytes`);
} finally {
  ring.close();
  closeSync(fd);
  rmSync(folder, { recursive: true });
}
