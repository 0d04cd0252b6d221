/**
 * Cancellation that blocks until what it cancels is done: IORING_REGISTER_SYNC_CANCEL (6.0).
 *
 * The kernel's own waiting is not used: with DEFER_TASKRUN it sleeps through the completion that it waits for, which is
 * posted in a turn only.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { slotOf, syncCancelRequest } from "./canceller.ts";
import { now } from "./clock.ts";
import type { Engine } from "./engine.ts";
import { registerError, registerQuietly } from "./register_call.ts";

const ENOENT = -2;
const ETIME = -62;

/** A turn waits no longer than this at once: what it waits for may have completed in one before. */
const WAIT_MS = 20;
/** How often what is not found, and waits for nothing, is looked for. */
const HIDDEN_TRIES = 10;

/**
 * Has everything submitted: what is not, the kernel can't find.
 *
 * @throws {UringError} ETIME, or without a deadline EAGAIN, where the kernel does not take it
 */
export function submitBefore(engine: Engine, deadline: number | undefined): void {
  const { core } = engine;
  if (core.count + core.unsubmitted === 0) return;
  engine.submitAndWait(0, deadline === undefined ? {} : { timeout: Math.max(deadline - now(), 0) });
  if (core.count + core.unsubmitted > 0) throw timeIsUp();
}

/**
 * Cancels operations, and waits until they are done. Gives how many were found.
 *
 * One by one: asked for several at once, the kernel does not tell of those that run in its workers.
 *
 * @param slots pending slots; an operation that has completed meanwhile is not found
 * @param deadline by now(); undefined: none
 */
export function cancelSlots(engine: Engine, slots: readonly number[], deadline: number | undefined): number {
  // Looked up before any turn: a slot may be another operation's afterwards.
  let targets = slots.map((slot) => engine.userData(slot));
  const { canceller } = engine;
  // A stream that ends by itself meanwhile is not to be begun anew.
  const asked = targets.filter((userData) => !canceller.asked.has(userData));
  for (const userData of asked) canceller.asked.add(userData);
  let found = 0;
  let tries = 0;
  try {
    while (true) {
      found += targets.filter((userData) => cancelOne(engine, userData, deadline)).length;
      // What follows others in a chain is found once those have ended, or ends with them.
      const left = targets.filter((userData) => canceller.isPending(userData));
      if (left.length === 0) return found;
      if (left.length === targets.length) {
        const hidden = left.filter((userData) => !engine.waitsInChain(slotOf(userData)));
        if (hidden.length === 0 || ++tries > HIDDEN_TRIES) throw notBegun();
        uncover(engine, hidden, deadline);
      }
      targets = left;
    }
  } finally {
    for (const userData of asked) canceller.asked.delete(userData);
  }
}

/** Whether it was found, or had just been cancelled. Not found, it may be pending still. */
function cancelOne(engine: Engine, userData: bigint, deadline: number | undefined): boolean {
  let found = false;
  while (true) {
    const rc = call(engine, userData);
    const left = deadline === undefined ? WAIT_MS : Math.min(deadline - now(), WAIT_MS);
    if (rc === ENOENT) {
      // What has been told of is known here after a turn.
      engine.submitAndWait(0, { timeout: Math.max(left, 0) });
      return found || !engine.canceller.isPending(userData) && engine.canceller.wasCancelled(userData);
    }
    found = true;
    // ETIME: it runs in a worker. Else it is cancelled, and goes on being found until a turn has completed it.
    if (rc === ETIME && left <= 0) throw timeIsUp();
    const wait = rc === ETIME && engine.pending > 0 ? 1 : 0;
    engine.submitAndWait(wait, { timeout: Math.max(left, 0) });
  }
}

/**
 * Waits for what is neither found nor in a chain: a worker is done with it, and about to tell (seen on 6.1); or it is in
 * a worker of the submission thread, which that thread alone reaches.
 */
function uncover(engine: Engine, hidden: readonly bigint[], deadline: number | undefined): void {
  const ofThread = (engine.core.setupFlags & IORING_SETUP.SQPOLL) !== 0;
  if (ofThread) { for (const userData of hidden) engine.canceller.bySqe(userData); }
  const left = deadline === undefined ? WAIT_MS : deadline - now();
  if (left <= 0) throw ofThread ? timeIsUp() : notBegun();
  engine.submitAndWait(engine.pending > 0 ? 1 : 0, { timeout: Math.min(left, WAIT_MS) });
}

/** Gives 0, ENOENT, or ETIME for what can't be stopped at once. */
function call(engine: Engine, userData: bigint): number {
  const rc = registerQuietly(engine.core, "SYNC_CANCEL", syncCancelRequest(userData), 1);
  if (rc >= 0 || rc === ENOENT || rc === ETIME) return rc;
  throw registerError(rc, "SYNC_CANCEL");
}

function notBegun(): Error {
  return registerError(ENOENT, "SYNC_CANCEL", {
    ENOENT:
      "it waits in a chain for what it follows, or behind IO_DRAIN, and can't be found: cancel that, or use cancel(); " +
      "a send without a copy, whose bytes were taken, ends as its peer reads them",
  });
}

function timeIsUp(): Error {
  return registerError(ETIME, "SYNC_CANCEL", {
    ETIME: "the time was up before they were done: their buffers are still in use",
  });
}
