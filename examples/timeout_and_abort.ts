/**
 * Operations that may take for ever: a time limit, an AbortSignal, and cancelling all that use a descriptor. The promise
 * settles when the kernel has let go of the buffer, never before: afterwards the buffer is free to use.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AT, O, Ring } from "../mod.ts";

const folder = mkdtempSync(join(tmpdir(), "uring-abort-"));
try {
  await using ring = new Ring();
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const pipe = await ring.openat(AT.FDCWD, path, O.RDWR);
  const buffer = new Uint8Array(100);

  // Nobody has written anything into the pipe.
  const timedOut = await failure(ring.read(pipe, buffer, "current", { timeout: 20 }));
  console.log(`after 20 ms: ${timedOut.message}`);

  const controller = new AbortController();
  const aborted = failure(ring.read(pipe, buffer, "current", { signal: controller.signal }));
  setTimeout(() => controller.abort(), 20);
  console.log(`after abort(): ${(await aborted).message}`);

  const several = [100, 200, 300].map((size) => failure(ring.read(pipe, new Uint8Array(size))));
  // A timer of the ring's own; it ends in the same queue as everything else.
  await ring.timeout(20);
  assert.equal(await ring.cancel({ fd: pipe }), 3);
  console.log(`after cancel(): ${(await Promise.all(several)).map(({ message }) => message).join("; ")}`);

  // What was cancelled has taken nothing from the pipe.
  assert.equal(await ring.write(pipe, new TextEncoder().encode("at last")), 7);
  assert.equal(await ring.read(pipe, buffer, "current", { timeout: 1000 }), 7);
  assert.equal(new TextDecoder().decode(buffer.subarray(0, 7)), "at last");
  await ring.closeFd(pipe);
  assert.equal(ring.stats.inFlight, 0);
} finally {
  rmSync(folder, { recursive: true });
}

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.catch((error: Error) => error);
  assert(outcome instanceof Error);
  return outcome;
}
