/**
 * Opens the core of a ring: an ordinary one, or one that is watched.
 *
 * @module
 */

import { IORING_FEAT, IORING_SETUP } from "../abi/constants.ts";
import { environment, kernelRelease } from "../../ffi/host.ts";
import { Core } from "./core.ts";
import type { RingOptions } from "./options.ts";
import { type ContextOf, openWatched } from "./trace.ts";

/**
 * Opens a ring for `Ring` or `RawRing`; a traced one where `options.trace` or the environment's URING_TRACE asks for it.
 *
 * @throws {TypeError} when `trace` is neither a boolean nor a function; and as Core does
 */
export function openCore(options: RingOptions, contextOf: ContextOf): Core {
  const trace = options?.trace === undefined ? wanted() : options.trace;
  if (trace === false && options?.faults === undefined) return new Core(options);
  return openWatched(options, trace, contextOf);
}

/**
 * As {@linkcode openCore}, for a ring that sleeps. Linux 6.12 (Debian's 6.12.117) puts off the signal for what a poll found
 * until an RCU grace period has passed, where the ring has DEFER_TASKRUN: unless it is asked for, it has none there.
 */
export function openThatSleeps(options: RingOptions, contextOf: ContextOf): Core {
  const core = openCore(options, contextOf);
  if (options?.deferTaskrun !== undefined || !wakesLate(core)) return core;
  core.close(0);
  return openCore({ ...options, deferTaskrun: false }, contextOf);
}

/** Features tell whether it may be 6.12: to ask for the release takes Bun half as long as to open a ring. */
function wakesLate({ setupFlags, features }: Core): boolean {
  const isDeferred = (setupFlags & IORING_SETUP.DEFER_TASKRUN) !== 0;
  const since612 = (features & IORING_FEAT.MIN_TIMEOUT) !== 0;
  const since614 = (features & IORING_FEAT.RW_ATTR) !== 0;
  return isDeferred && since612 && !since614 && kernelRelease().startsWith("6.12.");
}

function wanted(): boolean {
  const value = environment("URING_TRACE") ?? "";
  return value !== "" && value !== "0";
}
