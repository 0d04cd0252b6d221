/**
 * What rings say to a thread that they don't belong to. Prints JSON: by what was called, the error.
 *
 * No ring can be given to another thread by its users. So a worker enables one, through the core, that the main thread
 * has opened disabled: it is the worker's from then on. As a worker: workerData is the ring's handle.
 */

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { IORING_REGISTER, Ring } from "../../mod.ts";
import type { Core } from "../../src/ring/core.ts";
import { load } from "../../ffi/load.ts";

/** What was thrown, or what a promise rejected with. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    return `gave ${String(await call())}`;
  } catch (error) {
    const { name, code, errno, message } = error as Error & { code?: string; errno?: number };
    return { name, code, errno, message };
  }
}

/** A ring that this thread takes for its own, though it is a worker's. */
async function foreignRing(): Promise<Ring> {
  const ring = new Ring({ disabled: true, entries: 8 });
  const { core } = (ring as unknown as { engine: { core: Core } }).engine;
  const worker = new Worker(new URL(import.meta.url), { workerData: core.handle });
  const rc = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  if (rc !== 0) throw new Error(`enabling gave ${rc}`);
  core.limit = core.entries;
  await worker.terminate();
  return ring;
}

if (isMainThread) {
  const answers: Record<string, unknown> = {};
  const own = new Ring();
  const waiting = own.timeout(20);
  {
    const ring = await foreignRing();
    answers["submit"] = await errorOf(() => ring.nop());
    answers["submit again"] = await errorOf(() => ring.nop());
    await ring.close();
  }
  {
    const ring = await foreignRing();
    const pending = errorOf(() => ring.nop());
    answers["wait"] = await errorOf(() => ring.submitAndWait(1));
    answers["wait: what was asked for"] = await pending;
    ring[Symbol.dispose]();
  }
  {
    const ring = await foreignRing();
    answers["register"] = await errorOf(() => ring.registerPersonality());
    await ring.close();
  }
  answers["a ring of its own"] = [await waiting, await own.nop()];
  await own.close();
  console.log(JSON.stringify(answers));
} else {
  parentPort!.postMessage(load().register(workerData as number, IORING_REGISTER.ENABLE_RINGS, null, 0));
}
