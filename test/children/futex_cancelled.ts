/**
 * A worker's ring wakes a futex while this thread cancels its wait, again and again. Prints JSON.
 *
 * Arguments: how many rounds. As a worker: workerData is [words, rounds].
 */

import process from "node:process";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { FUTEX2, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { resultOf } from "../support/completions.ts";
import { outcome, spin } from "../support/outcomes.ts";
import { Random } from "../support/random.ts";

/** Elements: what is waited for; the round that has begun; how many were woken in it; the round that the waker is done with. */
const FUTEX = 0;
const BEGUN = 1;
const WOKEN = 2;
const DONE = 3;
/** How long each may let the other go first, in microseconds: to cancel takes longer than to wake. */
const CANCEL_LATE_US = 40;
const WAKE_LATE_US = 120;

function wake(words: Int32Array, rounds: number): void {
  using ring = new RawRing({ entries: 1 });
  const futex = words.subarray(FUTEX, FUTEX + 1);
  const random = new Random(71);
  for (let round = 1; round <= rounds; round++) {
    Atomics.wait(words, BEGUN, round - 1);
    spin(random.below(WAKE_LATE_US));
    const flags = FUTEX2.SIZE_U32 | FUTEX2.PRIVATE;
    words[WOKEN] = resultOf(ring, (ring) => ring.prepFutexWake(1, futex, 1, 0xffffffff, flags, 0));
    Atomics.store(words, DONE, round);
  }
}

async function cancel(words: Int32Array, rounds: number): Promise<Record<string, number>> {
  const ring = new Ring();
  const random = new Random(72);
  let [woken, cancelled, wrong] = [0, 0, 0];
  for (let round = 1; round <= rounds; round++) {
    const wait = ring.futexWait(words, FUTEX, 0);
    const result = outcome(wait);
    ring.submitAndWait(0);
    Atomics.store(words, BEGUN, round);
    Atomics.notify(words, BEGUN);
    const done = async () => {
      while (Atomics.load(words, DONE) < round) await new Promise((resolve) => setImmediate(resolve));
    };
    // Where there is one processor, the waker has it only then.
    if (random.below(4) === 0) await done();
    else spin(random.below(CANCEL_LATE_US));
    const found = await ring.cancel(wait);
    const ended = await result;
    await done();
    if (ended === 0) woken++;
    else if (ended === "ECANCELED" && found === 1) cancelled++;
    // Who is counted as woken is told so, and nobody else.
    if (words[WOKEN] !== (ended === 0 ? 1 : 0)) wrong++;
  }
  const left = await ring.futexWake(words, FUTEX, 9);
  const { submitted, completed, inFlight, strays } = ring.stats;
  await ring.close();
  return { woken, cancelled, wrong, left, lost: submitted - completed, inFlight, strays };
}

if (isMainThread) {
  const rounds = Number(process.argv[2]);
  const words = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(new URL(import.meta.url), { workerData: [words, rounds] });
  const ended = new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  const told = await cancel(words, rounds);
  await ended;
  console.log(JSON.stringify(told));
} else {
  const [words, rounds] = workerData as [Int32Array, number];
  wake(words, rounds);
}
