/** Leaves a ring idle, with its waker started, and tells what that cost. Prints JSON. */

import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { Ring } from "../../mod.ts";

const ring = new Ring();
await ring.timeout(1);
const pending = ring.timeout(60_000).catch(() => {});
await ring.nop();
await ring.timeout(1);
// Asleep now, with one operation far from its end.
// The waker may still be on its way there.
for (let last = -1; last !== switches();) {
  last = switches();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
const before = { wakeups: ring.stats.wakeups, enters: ring.stats.enters, switches: switches() };
const cpu = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, 1000));
const { user, system } = process.cpuUsage(cpu);
const after = { wakeups: ring.stats.wakeups, enters: ring.stats.enters, switches: switches() };
await ring.close();
await pending;
console.log(JSON.stringify({
  wakeups: after.wakeups - before.wakeups,
  enters: after.enters - before.enters,
  switches: after.switches - before.switches,
  cpuMs: (user + system) / 1000,
}));

/** Times that threads other than the main one have been scheduled out by their own wish: the waker is one of them. */
function switches(): number {
  let found = 0;
  let most = 0;
  for (const task of readdirSync("/proc/self/task")) {
    const status = readFileSync(`/proc/self/task/${task}/status`, "utf8");
    if (Number(task) === process.pid || !status.includes("SigBlk:\tfffffffc")) continue;
    found++;
    most += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  if (found === 0) throw new Error("no thread blocks signals as the waker does");
  return most;
}
