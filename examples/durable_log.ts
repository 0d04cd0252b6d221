/**
 * A log whose records survive a power failure once `append` resolves: each write is linked to an fdatasync, so that
 * the kernel begins the second when the first is done, and both are one system call. Appends that come together share
 * one write and one fdatasync.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AT, IORING_FSYNC, O, Ring } from "../mod.ts";

class Log {
  readonly #ring: Ring;
  readonly #fd: number;
  #end = 0;
  #waiting: string[] = [];
  #commit: Promise<void> | undefined;

  private constructor(ring: Ring, fd: number) {
    this.#ring = ring;
    this.#fd = fd;
  }

  static async create(ring: Ring, path: string): Promise<Log> {
    return new Log(ring, await ring.openat(AT.FDCWD, path, O.WRONLY | O.CREAT | O.EXCL, 0o600));
  }

  /** Resolves when the record is on the disk. */
  append(record: string): Promise<void> {
    this.#waiting.push(`${record}\n`);
    return this.#commit ??= Promise.resolve().then(() => this.#commitAll());
  }

  close(): Promise<number> {
    return this.#ring.closeFd(this.#fd);
  }

  async #commitAll(): Promise<void> {
    const bytes = new TextEncoder().encode(this.#waiting.join(""));
    const at = this.#end;
    this.#waiting = [];
    this.#commit = undefined;
    this.#end += bytes.length;
    // A short write breaks the chain: the fdatasync is then cancelled, and this rejects.
    const [written] = await Promise.all(this.#ring.link((ring) => [
      ring.write(this.#fd, bytes, at),
      ring.fsync(this.#fd, IORING_FSYNC.DATASYNC),
    ]));
    assert.equal(written, bytes.length);
  }
}

const folder = mkdtempSync(join(tmpdir(), "uring-log-"));
try {
  await using ring = new Ring();
  const path = join(folder, "log");
  const log = await Log.create(ring, path);
  for (let day = 0; day < 5; day++) {
    await Promise.all(Array.from({ length: 20 }, (_, hour) => log.append(`day ${day}, hour ${hour}`)));
  }
  await log.close();

  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.equal(lines.length, 100);
  assert.equal(lines[45], "day 2, hour 5");
  console.log(`${lines.length} durable records in ${ring.stats.submitted} operations`);
} finally {
  rmSync(folder, { recursive: true });
}
