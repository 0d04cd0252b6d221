/**
 * Wakes up again and again, with garbage made and collections forced meanwhile. A wake-up that is lost hangs; a buffer
 * that is lost shows in its content. Prints JSON.
 *
 * Arguments: how many wake-ups; "urgent": the waker interrupts the event loop wherever that is, where it may.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { IOSQE, Ring } from "../../mod.ts";
import { collectGarbage as collect } from "../support/garbage.ts";

const count = Number(process.argv[2]);
const folder = mkdtempSync(`${tmpdir()}/uring-wakeups-`);
execFileSync("mkfifo", [`${folder}/fifo`]);
const pipe = openSync(`${folder}/fifo`, "r+");
rmSync(folder, { recursive: true });

function residentMiB(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

let garbage: unknown[] = [];
function litter(round: number): void {
  garbage.push(new Uint8Array(round % 3 === 0 ? 40 : 4000), { round }, `${round}`);
  if (garbage.length > 3000) garbage = [];
}

/** A read that nobody else mentions: its buffer lives through the pending table alone. */
function pendingRead(size: number): Promise<boolean> {
  const buffer = new Uint8Array(size);
  return ring.read(pipe, buffer).then((bytes) => bytes === 48 && buffer.subarray(0, 48).every((byte) => byte === 7));
}

const ring = new Ring({ entries: 8 });
const async = { flags: IOSQE.ASYNC };
const pattern = new Uint8Array(48).fill(7);

/** Has the waker run at once when it can, and that where the event loop runs, which it then interrupts. */
async function hurry(): Promise<void> {
  const before = readdirSync("/proc/self/task");
  await ring.timeout(1);
  for (const thread of readdirSync("/proc/self/task").filter((id) => !before.includes(id))) {
    spawnSync("chrt", ["--fifo", "--pid", "1", thread]);
  }
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", "0", String(process.pid)]);
}

async function main(): Promise<void> {
  if (process.argv[3] === "urgent") await hurry();
  let read = pendingRead(48);
  let reads = 0;
  let collections = 0;
  let settled = 0;
  let start = 0;
  for (let round = 1; ring.stats.wakeups < count; round++) {
    // A kernel worker, or the timer's interrupt, completes these after this thread has gone to sleep.
    await (round % 16 === 0 ? ring.timeout(0.02) : ring.nop(async));
    litter(round);
    if (round % 64 === 0) {
      writeSync(pipe, pattern);
      if (!await read) throw new Error(`round ${round}: the buffer has other bytes`);
      reads++;
      read = pendingRead(round % 128 === 0 ? 48 : 100_000);
    }
    if (round % 1000 === 0) {
      collect();
      collections++;
    }
    // After a fifth of it, every cache is warm: from here on, memory stays.
    if (start === 0 && ring.stats.wakeups > count / 5) {
      collect();
      start = residentMiB();
    }
    settled = round;
  }
  collect();
  const end = residentMiB();
  writeSync(pipe, pattern);
  if (!await read) throw new Error("the last buffer has other bytes");
  const { wakeups, submitted, completed, inFlight } = ring.stats;
  await ring.close();
  console.log(JSON.stringify({
    wakeups,
    settled,
    submitted,
    completed,
    inFlight,
    reads,
    collections,
    startMiB: Math.round(start),
    endMiB: Math.round(end),
  }));
}

// Not as the module is evaluated: Deno looks for tasks all the while then, and misses none.
setTimeout(main, 0);
