/**
 * A read that hangs in a file system, in a worker thread of the kernel: no cancellation ends it, and no signal.
 *
 * Arguments: a case, as below; the folder of a hung file system. Prints JSON.
 */

import { existsSync } from "node:fs";
import process from "node:process";
import { AT, IOSQE, O, Ring } from "../../mod.ts";
import { A_FEW, collectGarbage, collectUntil } from "../support/garbage.ts";

const [, , which, folder] = process.argv;
const LIMIT = 300;
/** So long that each read has begun by then, on a busy machine, too: before that, a time limit would end it. */
const BEGUN_MS = 600;

const ring = new Ring({ closeTimeout: LIMIT });
const fd = await ring.openat(AT.FDCWD, `${folder}/file`, O.RDONLY);
const settled: unknown[] = [];

function told(error: unknown): string {
  const { name, code } = error as Error & { code?: string };
  return code ?? name;
}

/** The buffer is nobody else's. */
function read(signal?: AbortSignal, timeout?: number): Promise<unknown> {
  const buffer = new Uint8Array(4096);
  const options = { flags: IOSQE.ASYNC, ...signal && { signal }, ...timeout !== undefined && { timeout } };
  const outcome = ring.read(fd, buffer, 0, options).then((bytes) => `${bytes} of ${buffer[0]}`, told);
  outcome.then((each) => settled.push(each));
  return outcome;
}

/** Lets every read that hangs go. */
function answer(): void {
  existsSync(`${folder}/answer`);
}

switch (which) {
  case "cancel": {
    const controller = new AbortController();
    const reads = [read(), read(controller.signal), read(undefined, BEGUN_MS)];
    const promise = ring.read(fd, new Uint8Array(4096), 0, { flags: IOSQE.ASYNC });
    reads.push(promise.then((bytes) => `${bytes} of`, told));
    await ring.timeout(BEGUN_MS + 50);
    controller.abort(Object.assign(new Error("on purpose"), { code: "ABORTED" }));
    const found = [await ring.cancel(promise), await ring.cancel({ fd }), await ring.cancel({ op: "READ" })];
    found.push(await ring.cancel("all"));
    await ring.timeout(50);
    const early = [...settled];
    answer();
    const outcomes = await Promise.all(reads);
    // Nothing more comes: no second outcome, no stray cancellation of something else.
    const alive = await ring.timeout(150);
    const { inFlight, submitted, completed } = ring.stats;
    await ring.close();
    console.log(JSON.stringify({ found, early, outcomes, alive, inFlight, lost: submitted - completed }));
    break;
  }
  case "sync": {
    const begin = () => {
      const buffer = new Uint8Array(4096);
      const promise = ring.read(fd, buffer, 0, { flags: IOSQE.ASYNC });
      return { promise, ref: new WeakRef(buffer.buffer) };
    };
    const { promise, ref } = begin();
    const outcome = promise.then((bytes) => `${bytes} bytes`, told);
    outcome.then((each) => settled.push(each));
    await ring.timeout(BEGUN_MS);
    let code: string | undefined;
    try {
      ring.syncCancel(promise, { timeout: 50 });
    } catch (error) {
      code = told(error);
    }
    await ring.timeout(1);
    const [early, pending] = [[...settled], ring.stats.inFlight];
    await collectUntil(() => ref.deref() === undefined, A_FEW);
    const buffer = ref.deref();
    answer();
    const outcomeThen = await outcome;
    const first = buffer && new Uint8Array(buffer)[0];
    const { inFlight, submitted, completed, strays } = ring.stats;
    await ring.close();
    const lost = submitted - completed;
    console.log(JSON.stringify({ code, early, pending, outcome: [outcomeThen, first], inFlight, lost, strays }));
    break;
  }
  case "close": {
    const outcome = read();
    await ring.timeout(50);
    const error = await ring.close().then(() => undefined, (error: Error & { code: string }) => error);
    const outcomeThen = await outcome;
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      Array.from({ length: 100 }, () => new Uint8Array(4096));
    }
    // Now the kernel writes into the buffer, and then the ring.
    answer();
    const after = new Ring();
    for (let i = 0; i < 5; i++) {
      await after.timeout(5);
      collectGarbage();
      const fresh = Array.from({ length: 500 }, () => new Uint8Array(4096));
      if (fresh.some((each) => each.some((byte) => byte !== 0))) throw new Error("written into somebody else's memory");
    }
    await after.close();
    console.log(JSON.stringify({ fd, code: error?.code, message: error?.message, outcome: outcomeThen }));
    break;
  }
  default:
    throw new Error(`unknown case ${which}`);
}
