/**
 * What the benchmarks run: small loops written the way people would write them, each through a ring or with what the
 * runtime has itself. `bench/native/bench.c` has the same in C.
 *
 * @module
 */

import { closeSync, fstatSync, openSync, read, readSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import process from "node:process";
import { Ring } from "../../mod.ts";
import { RawRing } from "../ring/raw.ts";

/** Bytes a read asks for. */
export const BLOCK = 4096;

/** A loop that can be run again and again. */
export interface Workload {
  /** Does so many operations; a batch is finished even if those are more. */
  run(operations: number): void | Promise<void>;
  close(): void | Promise<void>;
}

/** What a run took. CPU time is the whole process's: collector, compiler, the runtime's pool, the kernel's workers. */
export interface Timing {
  readonly ops: number;
  readonly wallNs: number;
  readonly cpuNs: number;
}

/** Times a run. */
export async function time(workload: Workload, ops: number): Promise<Timing> {
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  await workload.run(ops);
  const wallNs = Math.round((performance.now() - before) * 1e6);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ops, wallNs, cpuNs: (user + system) * 1000 };
}

function submitAndWait(ring: RawRing, count: number): void {
  const submitted = ring.submitAndWait(count);
  if (submitted < 0) throw new Error(`io_uring_enter gave ${submitted}`);
}

/** NOPs in batches through RawRing. */
export function nopRaw(batch: number): Workload {
  const ring = new RawRing({ entries: batch });
  let completed = 0;
  function visit(userData: number, res: number): void {
    if (res !== 0 || userData >= batch) throw new Error(`NOP ${userData} gave ${res}`);
    completed++;
  }
  return {
    run(operations) {
      completed = 0;
      while (completed < operations) {
        for (let i = 0; i < batch; i++) ring.prepNop(i);
        submitAndWait(ring, batch);
        ring.forEachCqe(visit);
      }
    },
    close: () => ring.close(),
  };
}

/** NOPs through Ring: one promise each, awaited together in batches. */
export function nopRing(batch: number): Workload {
  const ring = new Ring({ entries: batch });
  return {
    async run(operations) {
      const pending = new Array<Promise<number>>(batch);
      for (let completed = 0; completed < operations; completed += batch) {
        for (let i = 0; i < batch; i++) pending[i] = ring.nop();
        await Promise.all(pending);
      }
    },
    close: () => ring.close(),
  };
}

/** Random reads through RawRing, `depth` in flight, refilled once for each batch of completions. */
export function readRaw(path: string, depth: number): Workload {
  const { fd, buffers, offset } = openFile(path, depth);
  const ring = new RawRing({ entries: depth });
  let started = 0, completed = 0, wanted = 0;
  function start(slot: number): void {
    started++;
    ring.prepRead(slot, fd, buffers[slot]!, BLOCK, offset());
  }
  function visit(slot: number, res: number): void {
    checkBlock(res);
    completed++;
    if (started < wanted) start(slot);
  }
  return {
    run(operations) {
      started = completed = 0;
      wanted = operations;
      for (let slot = 0; slot < depth && started < operations; slot++) start(slot);
      while (completed < operations) {
        submitAndWait(ring, 1);
        ring.forEachCqe(visit);
      }
    },
    close() {
      ring.close();
      closeSync(fd);
    },
  };
}

/** Random reads through Ring: `depth` asynchronous loops, each awaiting its read. */
export function readRing(path: string, depth: number): Workload {
  const { fd, buffers, offset } = openFile(path, depth);
  const ring = new Ring({ entries: depth });
  return {
    async run(operations) {
      let left = operations;
      await Promise.all(buffers.map(async (buffer) => {
        while (left > 0) {
          left--;
          checkBlock(await ring.read(fd, buffer, offset()));
        }
      }));
    },
    async close() {
      await ring.close();
      closeSync(fd);
    },
  };
}

/** Random reads with node:fs readSync, one after another. */
export function ownSync(path: string): Workload {
  const { fd, buffers, offset } = openFile(path, 1);
  const buffer = buffers[0]!;
  return {
    run(operations) {
      for (let i = 0; i < operations; i++) checkBlock(readSync(fd, buffer, 0, BLOCK, offset()));
    },
    close: () => closeSync(fd),
  };
}

/** Random reads with node:fs read and a callback, `depth` in flight. */
export function ownCallback(path: string, depth: number): Workload {
  const { fd, buffers, offset } = openFile(path, depth);
  return {
    run: (operations) =>
      new Promise<void>((resolve, reject) => {
        let started = 0, completed = 0;
        function start(buffer: Uint8Array): void {
          started++;
          read(fd, buffer, 0, BLOCK, offset(), (error, bytes) => {
            if (error || bytes !== BLOCK) return reject(error ?? new Error(`a read gave ${bytes} bytes`));
            completed++;
            if (started < operations) start(buffer);
            else if (completed === operations) resolve();
          });
        }
        for (const buffer of buffers) if (started < operations) start(buffer);
      }),
    close: () => closeSync(fd),
  };
}

/** Random reads with FileHandle.read of node:fs/promises: `depth` asynchronous loops, each awaiting its read. */
export async function ownPromises(path: string, depth: number): Promise<Workload> {
  const handle = await open(path);
  const offset = randomOffsets(statSync(path).size), buffers = blocks(depth);
  return {
    async run(operations) {
      let left = operations;
      await Promise.all(buffers.map(async (buffer) => {
        while (left > 0) {
          left--;
          checkBlock((await handle.read(buffer, 0, BLOCK, offset())).bytesRead);
        }
      }));
    },
    close: () => handle.close(),
  };
}

/**
 * Random reads with Deno's FsFile.read: `depth` asynchronous loops, each awaiting its read. Each has the file open for
 * itself, since an FsFile reads at its own position only; the seek is synchronous, and cheap.
 */
export function ownDeno(path: string, depth: number): Workload {
  const offset = randomOffsets(statSync(path).size);
  const loops = blocks(depth).map((buffer) => ({ buffer, file: Deno.openSync(path) }));
  return {
    async run(operations) {
      let left = operations;
      await Promise.all(loops.map(async ({ buffer, file }) => {
        while (left > 0) {
          left--;
          file.seekSync(offset(), Deno.SeekMode.Start);
          checkBlock(await file.read(buffer));
        }
      }));
    },
    close() {
      for (const { file } of loops) file.close();
    },
  };
}

/** Offsets of pseudo-random blocks (xorshift32) of a file of `size` bytes, a power of two. */
function randomOffsets(size: number): () => number {
  const mask = size / BLOCK - 1;
  if (!Number.isInteger(Math.log2(size)) || mask < 0) throw new RangeError("the file's size must be a power of two");
  let state = 0x9e3779b9 | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state & mask) * BLOCK;
  };
}

function openFile(path: string, depth: number): { fd: number; buffers: Uint8Array[]; offset: () => number } {
  const fd = openSync(path, "r");
  return { fd, buffers: blocks(depth), offset: randomOffsets(fstatSync(fd).size) };
}

function blocks(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(BLOCK));
}

function checkBlock(bytes: number | null): void {
  if (bytes !== BLOCK) throw new Error(`a read gave ${bytes} bytes instead of ${BLOCK}`);
}
