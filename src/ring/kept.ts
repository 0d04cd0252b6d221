/**
 * What becomes of a ring that can't be drained: it is kept with its memory, and somebody is told; as of one that nobody has
 * closed.
 *
 * @module
 */

import { warn } from "../../ffi/host.ts";
import { UringError } from "./errors.ts";

const EBUSY = -16;
/** As many as a message names. */
const NAMED = 4;

/** The kernel may still use what these reach: it is never let go. */
const kept = new Set<unknown>();

/** Keeps something for as long as the process. */
export function keepForGood(thing: unknown): void {
  kept.add(thing);
}

/** The kernel has let go of it after all. */
export function letGo(thing: unknown): void {
  kept.delete(thing);
}

/**
 * The error of a close that took too long.
 *
 * @param limitMs how long it was to wait, in milliseconds
 * @param operations each that could not be ended, in a few words
 */
export function keptError(limitMs: number, operations: readonly string[]): UringError {
  const named = operations.slice(0, NAMED).join(", ");
  const others = operations.length > NAMED ? ` and ${operations.length - NAMED} more` : "";
  const what = operations.length === 0 ? "operations" : `${named}${others}`;
  return new UringError(EBUSY, "close", {
    detail:
      `${what} could not be ended within ${limitMs} ms: the ring, and the memory that the kernel may still use, ` +
      "are kept for as long as the process",
  });
}

/** Tells of it where no caller can be told. */
export function warnOfKept(error: unknown): void {
  warn((error as Error).message, "URING_LEAK");
}

let warned = false;

/** Tells of a ring that was collected, and that nobody has closed; once. */
export function warnOfDropped(): void {
  if (warned) return;
  warned = true;
  warn("a ring was dropped without close(): it ends now that it was collected; close what you open", "URING_DROPPED");
}
