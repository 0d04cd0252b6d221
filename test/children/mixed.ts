/**
 * Everything at once, for a while: files against a model, sockets, timers, cancellations, chains, pools that are
 * transferred, rings and workers that come and go, and calls in any order; on a ring that works and on one that is given
 * faults, with collections forced meanwhile. Ends with what was counted, as JSON; for what is not as it must be, exits
 * with 1 and says what on standard error.
 *
 * Arguments: a seed, how many milliseconds, and the names of the tasks where it is not all of them.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { Ring } from "../../mod.ts";
import { type Balance, excess, takeBalance } from "../soak/balance.ts";
import { calls } from "../soak/calls.ts";
import { files, openings } from "../soak/files.ts";
import { Place, Tally, type TaskKind } from "../soak/place.ts";
import { nextAction } from "../soak/plan.ts";
import { rawRings } from "../soak/raw.ts";
import { faultsOf } from "../soak/recovery.ts";
import { rings, transfers } from "../soak/rings.ts";
import { sockets, zeroCopy } from "../soak/sockets.ts";
import { timers, waits } from "../soak/waiting.ts";
import { workers } from "../soak/workers.ts";
import { collectGarbage } from "../support/garbage.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const seed = Number(process.argv[2]);
const milliseconds = Number(process.argv[3]);
const chosen = process.argv.slice(4);

/** Each once on a ring that works, and once on one with faults. */
const KINDS: readonly TaskKind[] = [
  files,
  openings,
  sockets,
  zeroCopy,
  timers,
  waits,
  rings,
  rawRings,
  calls,
  transfers,
  workers,
];

/** The first part of the time warms caches, heaps and thread pools up: what there is after it is what must stay. */
const WARM_UP = 0.25;
/** An action that takes so long hangs. */
const STUCK_MS = 60_000 * TIME_SCALE;
/** What has ended may take so long to be gone: the kernel frees rings in its own time. */
const GONE_MS = 10_000 * TIME_SCALE;
const COLLECT_EVERY_MS = 20;
/** Deno (2.9) never lets go of the event loop of a worker that has opened a Node-API module, be it an empty one. */
const IN_DENO = typeof Deno !== "undefined";

const tally = new Tally();
const folder = mkdtempSync(`${tmpdir()}/uring-mixed-`);

/** What each task is at. */
const under = new Map<string, { what: string; since: number }>();

function giveUp(problem: string): never {
  console.error(`seed ${seed}: ${problem}`);
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // operations under way make files there
  }
  process.exit(1);
}

function inWords(error: unknown): string {
  return error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
}

/** Whoever waits too long for this process asks it where it stands. Deno opens descriptors for its first handler. */
process.on("SIGTERM", () => {
  giveUp(`asked to end at ${[...under].map(([name, { what }]) => `${name}: ${what}`).join("; ")}`);
});

/** Runs one task until it is time. Each of its turns is drawn from the seed anew: time decides only how many there are. */
async function run(kind: TaskKind, number: number, place: Place, until: number): Promise<void> {
  const at = (what: string) => under.set(place.name, { what, since: performance.now() });
  let turn = -1;
  let name = "its beginning";
  try {
    at(name);
    const task = await kind(place);
    const names = Object.keys(task.actions);
    while (performance.now() < until) {
      turn++;
      const next = nextAction(seed, number, turn, names);
      name = next.name;
      at(`turn ${turn}, ${name}`);
      await task.actions[name]?.(next.random);
      place.count(kind.name);
    }
    name = "its end";
    at(name);
    await task.end();
    under.delete(place.name);
  } catch (error) {
    giveUp(`${place.name}${place.faulty ? " with faults" : ""}, turn ${turn}, ${name}: ${inWords(error)}`);
  }
}

let collecting = true;

/** Collects all the while, and watches for tasks that stand still. */
async function collect(): Promise<void> {
  while (collecting) {
    collectGarbage();
    tally.add("collections");
    await new Promise((resolve) => setTimeout(resolve, COLLECT_EVERY_MS));
    for (const [name, { what, since }] of under) {
      if (performance.now() - since > STUCK_MS) giveUp(`${name} stands still at ${what}`);
    }
  }
}

/** The whole workload, from nothing to nothing. */
async function phase(number: number, duration: number): Promise<void> {
  const until = performance.now() + duration;
  const opened = [
    new Ring({ entries: 32 }),
    new Ring({ entries: 32, faults: faultsOf(seed + number) }),
  ];
  await Promise.all(opened.flatMap((ring, faulty) =>
    KINDS.flatMap((kind, i) => {
      if (chosen.length > 0 && !chosen.includes(kind.name)) return [];
      const place = new Place(ring, folder, `${kind.name}${number}${faulty}`, faulty === 1, tally);
      return run(kind, (number * opened.length + faulty) * KINDS.length + i, place, until);
    })
  ));
  for (const [faulty, ring] of opened.entries()) {
    // A cancellation may be under way whose operation has ended by itself.
    const limit = performance.now() + GONE_MS;
    while (ring.stats.inFlight > 0 && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 1));
    const { submitted, completed, inFlight, strays, faults } = ring.stats;
    const which = faulty === 1 ? "the ring with faults" : "the ring";
    if (inFlight !== 0) giveUp(`${inFlight} operations on ${which} have not ended`);
    if (submitted !== completed) giveUp(`${which}: ${submitted} submitted, ${completed} completed`);
    if (strays !== 0) giveUp(`${which} has had ${strays} completions of no operation`);
    tally.add("submitted", submitted);
    tally.add("completed", completed);
    tally.add("faults", faults);
    await ring.close();
  }
}

/** What the process has once what has ended is gone. */
async function settled(before: Balance | undefined): Promise<[Balance, string[]]> {
  const end = performance.now() + GONE_MS;
  while (true) {
    const now = await takeBalance();
    const problems = before === undefined ? now.ringThreads > 0 ? ["threads"] : [] : excess(before, now, {
      loops: IN_DENO ? tally.counts["workers"] ?? 0 : 0,
      residentMiB: 64,
      guards: 16,
      threads: 4,
    });
    if (problems.length === 0 || performance.now() > end) return [now, problems];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const collector = collect();
await phase(0, milliseconds * WARM_UP);
const [before] = await settled(undefined);
await phase(1, milliseconds * (1 - WARM_UP));
collecting = false;
await collector;
const [after, problems] = await settled(before);
const { struck = 0, faults = 0 } = tally.counts;
if (struck > faults) problems.push(`${struck} errors that faults bring, but ${faults} faults`);
if (problems.length > 0) giveUp(problems.join("; "));
rmSync(folder, { recursive: true });
const { descriptors, ...rest } = after;
const start = { threads: before.threads, guards: before.guards, residentMiB: before.residentMiB };
console.log(
  JSON.stringify({ seed, ...tally.counts, before: start, after: { descriptors: descriptors.length, ...rest } }),
);
process.removeAllListeners("SIGTERM");
