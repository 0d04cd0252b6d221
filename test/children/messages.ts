/**
 * Rings of two threads send each other messages, with nothing else in flight in the one that listens. A message that
 * is lost, or does not wake its listener, hangs. Prints JSON.
 *
 * Arguments: how many messages. As a worker: workerData is [the main ring's descriptor, how many].
 */

import process from "node:process";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Ring } from "../../mod.ts";

/** The first message of a worker: its result is the descriptor of its ring. */
const HELLO = 0;

const ring = new Ring();

if (isMainThread) {
  const count = Number(process.argv[2]);
  const received: number[] = [];
  let wrong = 0;
  const over = new Promise<void>((resolve) => {
    let workersFd = -1;
    ring.onMessage = (data, result, flags) => {
      if (data === HELLO) {
        workersFd = result;
        void ring.msgRing(workersFd, 0, 1);
        return;
      }
      received.push(Number(data));
      if (result !== -Number(data) || flags !== 0) wrong++;
      // Its answer: the worker sends the next.
      if (received.length < count) void ring.msgRing(workersFd, received.length, received.length + 1);
      else resolve();
    };
  });
  const worker = new Worker(new URL(import.meta.url), { workerData: [ring.fd, count] });
  const ended = new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  await over;
  await ended;
  const inOrder = received.every((data, i) => data === i + 1);
  // Nothing but the listener is alive: the process ends when there is none any more.
  ring.onMessage = null;
  console.log(JSON.stringify({ received: received.length, inOrder, wrong, wakeups: ring.stats.wakeups > 0 }));
} else {
  const [mainFd, count] = workerData as [number, number];
  ring.onMessage = async (data) => {
    // Sometimes at once, sometimes after a while: the other ring is falling asleep, or sleeps.
    if (Number(data) % 3 === 1) await new Promise((resolve) => setTimeout(resolve, Number(data) % 4));
    await ring.msgRing(mainFd, -Number(data), data);
    if (Number(data) === count) await ring.close();
  };
  await ring.msgRing(mainFd, ring.fd, HELLO);
}
