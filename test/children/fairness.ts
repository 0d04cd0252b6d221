/**
 * How often an interval fires while a ring is kept busy, beside an idle loop. Prints JSON.
 *
 * Arguments: seconds, kind of work ("nop": one at a time, "reads": 128 in flight, "sleeps": waits for the waker), the
 * interval in milliseconds.
 */

import process from "node:process";
import { AT, Ring } from "../../mod.ts";

const seconds = Number(process.argv[2]);
const kind = process.argv[3];
const intervalMs = Number(process.argv[4]);

function countTicks(): Promise<number> {
  return new Promise((resolve) => {
    let ticks = 0;
    const interval = setInterval(() => ticks++, intervalMs);
    setTimeout(() => {
      clearInterval(interval);
      resolve(ticks);
    }, seconds * 1000);
  });
}

const idle = await countTicks();

const ring = new Ring();
let running = true;
let ops = 0;

async function work(step: () => Promise<unknown>): Promise<void> {
  while (running) {
    await step();
    ops++;
  }
}

const workers: Promise<void>[] = [];
if (kind === "nop") {
  workers.push(work(() => ring.nop()));
} else if (kind === "reads") {
  const fd = await ring.openat(AT.FDCWD, process.execPath, 0);
  for (let i = 0; i < 128; i++) {
    const buffer = new Uint8Array(4096);
    workers.push(work(() => ring.read(fd, buffer, i * 4096)));
  }
} else if (kind === "sleeps") {
  for (let i = 0; i < 16; i++) workers.push(work(() => ring.timeout(0.01)));
} else {
  throw new Error(`unknown kind ${kind}`);
}
const busy = await countTicks();
running = false;
await Promise.all(workers);
console.log(JSON.stringify({ idle, busy, ops }));
