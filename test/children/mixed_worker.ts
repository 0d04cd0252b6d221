/**
 * A worker with a ring that is busy in every way, for as long as its end takes to come: test/soak/workers.ts chooses
 * which end that is.
 */

import { AF, AT, BufferPool, FileTable, IOSQE, POLL, Ring, SOCK } from "../../mod.ts";
import { Place, Tally } from "../soak/place.ts";
import { faultsOf } from "../soak/recovery.ts";
import type { WorkerOrder } from "../soak/workers.ts";
import { portToParent } from "../support/worker.ts";

/** Turns of its timer after which it counts as busy. */
const TICKS = 5;

const port = portToParent();
port.once((order) => {
  work(order as WorkerOrder).catch((error) => port.post(String(error)));
});
port.post("ready");

async function work({ quiet, file, witness, how, seed, faulty }: WorkerOrder): Promise<void> {
  const ring = new Ring({ entries: 64, ...faulty ? { faults: faultsOf(seed) } : {} });
  const place = new Place(ring, "", "worker", faulty, new Tally());
  // What it has open, its ring alone holds: a worker's descriptors would stay. Whoever has the other end of this
  // connection sees when the ring goes.
  new FileTable(ring, { size: 4 });
  const held = await place.again(() => ring.socket(AF.UNIX, SOCK.STREAM, 0, { slot: "alloc" }));
  await place.again(() => ring.connect(held, { path: witness }, { fixedFile: true }));

  // Never ready: these wait in the kernel until the end. Small views and large ones live in different heaps.
  for (let i = 0; i < 8; i++) ring.recv(quiet, new Uint8Array(i % 2 === 0 ? 48 : 65_536)).catch(ignore);
  ring.pollAdd(quiet, POLL.IN).catch(ignore);
  ring.recv(quiet, new Uint8Array(16), 0, { timeout: 600_000 }).catch(ignore);
  const pool = new BufferPool({ ring, size: 65_536, count: 2 });
  ring.readFixed(quiet, pool.acquire()).catch(ignore);

  // Always under way: the worker threads of the kernel write into these.
  const slot = await place.again(() => ring.openat(AT.FDCWD, file, 0, 0, { slot: "alloc" }));
  const options = { flags: IOSQE.ASYNC, fixedFile: true };
  for (let i = 0; i < 8; i++) {
    const buffer = i === 0 ? pool.acquire() : new Uint8Array(65_536);
    const forEver = async () => {
      while (true) await place.again(() => ring.read(slot, buffer, 0, options));
    };
    forEver().catch(ignore);
  }

  for (let tick = 0; tick < TICKS; tick++) await place.again(() => ring.timeout(0.05));
  port.post("busy");
  switch (how) {
    case "terminate":
      return;
    case "end":
      port.end();
      ring.unref();
      return;
    case "throw":
      setTimeout(() => {
        throw new Error("thrown on purpose");
      }, 0);
      return;
    case "close":
      await ring.close();
      port.end();
  }
}

function ignore(): void {}
