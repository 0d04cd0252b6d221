/**
 * A worker that gives its pool's memory to its parent while reads into it are in flight.
 *
 * Told by message: { pipe: the end of an empty pipe, file: a path }. Posts the memory, unless this runtime refuses, and then
 * { address, moved }: where it is, and whether it went there, or a copy of it.
 */

import { AT, BufferPool, IOSQE, Ring } from "../../mod.ts";
import { portToParent } from "../support/worker.ts";

const port = portToParent();
port.once(async (order) => {
  const { pipe, file } = order as { pipe: number; file: string };
  const ring = new Ring({ entries: 64 });
  const pool = new BufferPool({ ring, size: 65_536, count: 12 });
  const fd = await ring.openat(AT.FDCWD, file, 0);
  for (let i = 0; i < 2; i++) {
    ring.read(pipe, pool.acquire()).catch(() => {});
    ring.readFixed(pipe, pool.acquire()).catch(() => {});
  }
  // Always under way: the worker threads of the kernel write into these.
  for (let i = 0; i < 8; i++) {
    const buffer = pool.acquire();
    await ring.read(fd, buffer, 0);
    (async () => {
      while (true) await ring.read(fd, buffer, 0, { flags: IOSQE.ASYNC });
    })().catch(() => {});
  }
  for (let i = 0; i < 5; i++) await ring.timeout(0.05);
  const { address, buffer } = pool.region;
  try {
    port.post(buffer, [buffer]);
  } catch {
    // this runtime refuses
  }
  port.post({ address, moved: buffer.byteLength === 0 });
});
port.post("ready");
