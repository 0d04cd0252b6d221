/**
 * The rings of this thread that are open, so that a process can end though one of them can't.
 *
 * @module
 */

import { endOnFailure, onMainEnd, onProcessEnd } from "../../ffi/main_end.ts";
import { type Native, NO_RING } from "../../ffi/native.ts";

/** How long each ring is waited for when the process ends by itself: time for a cancellation, no more. */
const END_LIMIT_MS = 50;

const open = new Set<number>();
let isWatching = false;
let isKeeping = false;

/** From now on the ring is closed where the process ends by itself; if that can't be, the process ends all the same. */
export function ringOpened(native: Native, handle: number): void {
  open.add(handle);
  if (isWatching) return;
  isWatching = true;
  // The environment's own end waits for as long as the kernel may write into its heap. The process goes with its heap.
  onMainEnd(() => [...open].some((each) => native.close(each, END_LIMIT_MS) < 0));
  // A worker's heap is not the process's: its end waits, and Node's for that. Nobody needs either any more.
  onProcessEnd((code) => native.close(NO_RING, code));
}

/** It was closed. */
export function ringClosed(handle: number): void {
  open.delete(handle);
}

/** It can't be closed, and stays open. */
export function ringKept(): void {
  if (isKeeping) return;
  isKeeping = true;
  endOnFailure();
}
