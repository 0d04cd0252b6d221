/**
 * Waits on rings of every kind, while a signal with a handler comes every few milliseconds. Prints as JSON what each wait
 * came to; one that no signal interrupted is made anew.
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { NEVER } from "../support/operations.ts";
import { RING_KINDS } from "../support/ring_kinds.ts";

/** Less than a Ring waits at once by itself. */
const WAIT_MS = 80;
/** More system calls than a wait makes that nothing interrupts. */
const INTERRUPTED = 4;
const SOON = Array.from({ length: 8 }, (_, i) => (i + 1) * WAIT_MS / 8);

/** The first of such waits that was interrupted, or ended early: what it gave, how long it took. */
function interrupted(enters: () => number, wait: () => number): { gave: number; lasted: number } {
  while (true) {
    const before = enters();
    const start = performance.now();
    const gave = wait();
    const lasted = performance.now() - start;
    if (lasted < WAIT_MS || enters() - before >= INTERRUPTED) return { gave, lasted };
  }
}

function rawWaits(options: RingOptions) {
  using ring = new RawRing({ entries: 16, ...options });
  const wait = (call: () => number) => interrupted(() => ring.enters, call);
  const submitting = wait(() => {
    ring.prepTimeout(100, { ms: NEVER }, 0, 0);
    return ring.submitAndWait(1, WAIT_MS);
  });
  const waiting = wait(() => ring.submitAndWait(1, WAIT_MS));
  const early = completions(ring);
  let came: number[] = [];
  const unlimited = wait(() => {
    SOON.forEach((ms, i) => ring.prepTimeout(i, { ms }, 0, 0));
    const gave = ring.submitAndWait(SOON.length);
    came = completions(ring).map(({ userData }) => userData).sort((a, b) => a - b);
    return gave;
  });
  return { submitting, waiting, early, unlimited, came };
}

async function waits(options: RingOptions) {
  await using ring = new Ring({ entries: 16, ...options });
  const wait = (call: () => number) => interrupted(() => ring.stats.enters, call);
  ring.timeout(NEVER).catch(() => {});
  const limited = wait(() => ring.submitAndWait(1, { timeout: WAIT_MS }));
  let soon: Promise<number>[] = [];
  const unlimited = wait(() => {
    soon = SOON.map((ms) => ring.timeout(ms));
    return ring.submitAndWait(soon.length);
  });
  return { limited, unlimited, came: await Promise.all(soon) };
}

let handled = 0;
process.on("SIGUSR1", () => handled++);
const sender = spawn("sh", ["-c", `while kill -USR1 ${process.pid}; do sleep 0.01; done 2>/dev/null`]);
while (handled === 0) await new Promise((resolve) => setTimeout(resolve, 1));

const kinds = [];
for (const [kind, options] of RING_KINDS) {
  if (options.iopoll || options.disabled) continue; // no timeouts, no waits
  const before = handled;
  kinds.push({ kind, raw: rawWaits(options), ring: await waits(options) });
  while (handled === before) await new Promise((resolve) => setTimeout(resolve, 1));
}
sender.kill();
console.log(JSON.stringify({ waitMs: WAIT_MS, kinds }));
process.exit(0);
