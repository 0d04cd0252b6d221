/**
 * Two threads pass a number to and fro: each waits in its own ring for a word that the other changes. Prints JSON.
 *
 * Arguments: how many rounds. As a worker: workerData is [words, rounds].
 */

import process from "node:process";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Ring, type UringError } from "../../mod.ts";

/** Elements: whose turn it is, even or odd. */
const TURN = 0;

/** Waits until the word is no more `value`. */
async function whileIs(ring: Ring, words: Int32Array, value: number): Promise<void> {
  while (Atomics.load(words, TURN) === value) {
    await ring.futexWait(words, TURN, value).catch((error: UringError) => {
      if (error.code !== "EAGAIN") throw error;
    });
  }
}

async function play(words: Int32Array, rounds: number, mine: number): Promise<void> {
  await using ring = new Ring();
  for (let round = 0; round < rounds; round++) {
    const turn = round * 2 + mine;
    await whileIs(ring, words, turn - 1);
    if (Atomics.load(words, TURN) !== turn) throw new Error(`${Atomics.load(words, TURN)} where ${turn} was due`);
    Atomics.store(words, TURN, turn + 1);
    await ring.futexWake(words, TURN, 1);
  }
}

if (isMainThread) {
  const rounds = Number(process.argv[2]);
  const words = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: [words, rounds] });
  const ended = new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  await play(words, rounds, 0);
  await ended;
  console.log(JSON.stringify({ rounds, last: words[TURN] }));
} else {
  const [words, rounds] = workerData as [Int32Array, number];
  await play(words, rounds, 1);
}
