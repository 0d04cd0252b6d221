import { IORING_FEAT, type IORING_OP, IORING_POLL, IORING_SETUP, POLL, Ring, UnsupportedError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { Pipe } from "./pipe.ts";

/** The setup flags that this kernel knows; where it can't tell (before 6.18), those that a ring gets by itself. */
function knownFlags(): number {
  using ring = new Ring({ entries: 2 });
  const names = ring.probe().setupFlags as (keyof typeof IORING_SETUP)[];
  return names.length > 0 ? names.reduce((all, name) => all | IORING_SETUP[name], 0) : ring.setupFlags;
}

const FLAGS = knownFlags();

/** Whether this kernel takes setup flags. */
export function hasSetup(flags: number): boolean {
  return (FLAGS & flags) === flags;
}

function ownFeatures(): number {
  using ring = new Ring({ entries: 2 });
  return ring.features;
}

const FEATURES = ownFeatures();

/** Whether this kernel has a feature. */
export function hasFeature(name: keyof typeof IORING_FEAT): boolean {
  return (FEATURES & IORING_FEAT[name]) !== 0;
}

function ownOps(): ReadonlySet<string> {
  using ring = new Ring({ entries: 2 });
  return new Set(ring.probe().ops);
}

const OPS = ownOps();

/** Whether this kernel has all these ops. Some came with things that can't be asked for: they stand for those, too. */
export function hasOp(...names: readonly (keyof typeof IORING_OP)[]): boolean {
  return names.every((name) => OPS.has(name));
}

/**
 * Whether a cancellation can be a call of its own (6.0), which is what a Ring with IO_DRAIN needs: nothing tells of it, but
 * an op of the same release.
 */
export const hasSyncCancel: boolean = hasOp("SEND_ZC");

/** Whether there are streams into provided buffers (6.0): nothing tells of them, but an op of the same release. */
export const hasStreams: boolean = hasOp("SEND_ZC");

/** Whether a cancellation takes flags (5.19). */
export const hasCancelFlags: boolean = hasOp("SOCKET");

/**
 * Whether a descriptor is looked at when its operation begins (5.18). Before that it is as the operation goes in: one
 * that is not open makes a bad SQE; in a chain, what comes before it is cancelled, and what follows runs all the same.
 */
export const chainsEndAtBadFiles: boolean = hasSetup(IORING_SETUP.SUBMIT_ALL);

/** Whether the end of a timeout can be a success, which a chain goes on after (5.16). */
export const chainsGoOnAfterTimeouts: boolean = hasFeature("CQE_SKIP");

/** Whether a poll that is updated tells of what is ready already: 5.10.223 never does, 5.10.262 does. */
export function pollUpdatesTell(): boolean {
  using ring = new RawRing({ entries: 4 });
  using pipe = new Pipe();
  ring.prepPollAdd(1, pipe.writeEnd, POLL.PRI);
  ring.submit();
  ring.prepPollUpdate(2, 1, 0, POLL.OUT, IORING_POLL.UPDATE_EVENTS);
  ring.submitAndWait(2, 2000);
  return ring.forEachCqe(() => {}) === 2;
}

async function canTick(): Promise<boolean> {
  await using ring = new Ring({ entries: 2 });
  try {
    for await (const _ of ring.timeoutMultishot(1, { count: 1 })) return true;
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
  }
  return false;
}

/** Whether this kernel has timers that go on (6.4): nothing tells but trying. */
export const hasTicks: boolean = await canTick();
