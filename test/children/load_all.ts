/**
 * Uses everything that the core is needed for: reads, wake-ups, a pool, enough calls for the fast door, close, workers.
 * Prints as JSON what `Ring.supported()` said and, if that was yes, what came of it.
 *
 * Arguments: a file to read, how many workers to run one after another.
 */

import process from "node:process";
import { Worker } from "node:worker_threads";
import { AT, BufferPool, Ring } from "../../mod.ts";

const CALLS = 300;

async function readAll(ring: Ring, path: string): Promise<Uint8Array> {
  const fd = await ring.openat(AT.FDCWD, path, 0);
  const chunks: number[] = [];
  const buffer = new Uint8Array(65536);
  for (let bytes = 1; bytes > 0;) {
    bytes = await ring.read(fd, buffer);
    chunks.push(...buffer.subarray(0, bytes));
  }
  await ring.closeFd(fd);
  return Uint8Array.from(chunks);
}

/** The cores in this process, as /proc/self/maps names them. Read through the ring, which asks for no permission. */
async function cores(ring: Ring): Promise<string[]> {
  const maps = new TextDecoder().decode(await readAll(ring, "/proc/self/maps"));
  // address, permissions, offset, device, inode, path. A file that may not be executed stays mapped in parts.
  const lines = maps.split("\n").map((line) => line.split(/\s+/)).filter(([, permissions]) => permissions === "r-xp");
  const paths = lines.map((line) => line.slice(5).join(" "));
  return [...new Set(paths)].filter((path) => /memfd:uring|uring-linux|\/uring\/[0-9a-f]{64}\.so|core\.so/.test(path));
}

function runWorker(): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url.replace("load_all", "load_worker")), { argv: [] });
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}

const [file = "", workers = "0"] = process.argv.slice(2);
const supported = Ring.supported();
if (!supported.ok) {
  console.log(JSON.stringify({ supported }));
} else {
  await using ring = new Ring();
  const text = new TextDecoder().decode(await readAll(ring, file));

  // On a busy machine it can be over before the ring sleeps: longer each time.
  let woken = false;
  for (let ms = 100; ms < 5000 && !woken; ms *= 2) {
    const before = performance.now();
    await ring.timeout(ms);
    woken = performance.now() - before >= ms - 1 && ring.stats.wakeups > 0;
  }

  for (let i = 0; i < CALLS; i++) await ring.nop();

  const pool = new BufferPool({ ring, size: 4096, count: 2 });
  const buffer = pool.acquire();
  const fd = await ring.openat(AT.FDCWD, file, 0);
  const fixed = new TextDecoder().decode(buffer.subarray(0, await ring.readFixed(fd, buffer, 0)));
  await ring.closeFd(fd);
  pool.release(buffer);
  pool.close();

  const messages: string[] = [];
  for (let i = 0; i < Number(workers); i++) messages.push(await runWorker());

  console.log(JSON.stringify({ supported, text, woken, fixed, messages, cores: await cores(ring) }));
}
