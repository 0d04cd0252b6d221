/** Operations that are prepared one after the other; their user data are their places, from 0. */

import { IOSQE } from "../../mod.ts";
import type { RawRing } from "../../src/ring/raw.ts";
import { type Completion, completions } from "./completions.ts";
import { TIME_SCALE } from "./time_scale.ts";

/** Prepares one SQE. */
export type Step = (ring: RawRing, userData: number) => boolean;

/** A completion, in short: whose it is, and its result. */
export type Outcome = [userData: number, res: number];

/** A completion that has not come by then never will, in milliseconds. */
const LIMIT_MS = 10_000 * TIME_SCALE;
const OPCODE = 0;
const NO_OPCODE = 0xfe;
const NO_FD = 99_999;
const BARRIER = 1_000_000;

export const nop: Step = (ring, userData) => ring.prepNop(userData);

/** Runs, and fails: EBADF. */
export const failing: Step = (ring, userData) => ring.prepRead(userData, NO_FD, new Uint8Array(8), 8, 0);

/** No SQE at all: EINVAL, before anything runs. */
export const invalid: Step = (ring, userData) => {
  const prepared = ring.prepNop(userData);
  ring.sqe().setUint8(OPCODE, NO_OPCODE);
  return prepared;
};

/** The same with IOSQE flags. */
export function flagged(flags: number, step: Step): Step {
  return (ring, userData) => {
    const prepared = step(ring, userData);
    ring.sqeSetFlags(flags);
    return prepared;
  };
}

/** With IO_LINK: the next step waits for it, and for its success. */
export function linked(step: Step): Step {
  return flagged(IOSQE.IO_LINK, step);
}

/** With IO_HARDLINK: the next step waits for it, whatever comes of it. */
export function hardlinked(step: Step): Step {
  return flagged(IOSQE.IO_HARDLINK, step);
}

/** Prepares all of them. */
export function prepare(ring: RawRing, steps: readonly Step[]): void {
  steps.forEach((step, place) => {
    if (!step(ring, place)) throw new Error("the submission queue is full");
  });
}

/** Submits what is prepared, and visits until `count` completions came. */
export function visit(ring: RawRing, count: number): Completion[] {
  const visited: Completion[] = [];
  while (visited.length < count) {
    const submitted = ring.submitAndWait(1, LIMIT_MS);
    // A completion that never comes is a failure, not a hang.
    if (submitted < 0) throw new Error(`submitAndWait() gave ${submitted} after ${JSON.stringify(visited)}`);
    visited.push(...completions(ring));
  }
  return visited;
}

/** What is there beyond what was visited: nothing, where every operation has had its completion. */
export function leftovers(ring: RawRing): Outcome[] {
  ring.prepNop(BARRIER);
  return short(visit(ring, 1)).filter(([userData]) => userData !== BARRIER);
}

export function short(visited: readonly Completion[]): Outcome[] {
  return visited.map(({ userData, res }) => [userData, res]);
}

/**
 * Runs all of them to their ends, and gives their completions in the order in which they came.
 *
 * @param count how many completions that makes; any more are a failure
 * @param meanwhile called once they are submitted
 */
export function run(
  ring: RawRing,
  steps: readonly Step[],
  count: number = steps.length,
  meanwhile?: () => void,
): Outcome[] {
  prepare(ring, steps);
  if (meanwhile !== undefined) {
    const submitted = ring.submit();
    if (submitted !== steps.length) throw new Error(`submit() gave ${submitted}`);
    meanwhile();
  }
  const visited = short(visit(ring, count));
  const more = leftovers(ring);
  if (more.length > 0) throw new Error(`${JSON.stringify(more)} came after ${JSON.stringify(visited)}`);
  return visited;
}

/** As {@linkcode run}, where the order is nobody's business: results by place. */
export function byPlace(
  ring: RawRing,
  steps: readonly Step[],
  meanwhile?: () => void,
): (number | undefined)[] {
  const results: (number | undefined)[] = steps.map(() => undefined);
  for (const [place, res] of run(ring, steps, steps.length, meanwhile)) {
    if (results[place] !== undefined) throw new Error(`step ${place} completed twice`);
    results[place] = res;
  }
  return results;
}
