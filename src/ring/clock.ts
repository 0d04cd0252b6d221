/**
 * The clock that waits go by.
 *
 * @module
 */

import { nodeProcess, runtime } from "../../ffi/host.ts";

/** Monotonic milliseconds, from any beginning. In Node the first look at `performance` takes as long as opening a ring. */
export const now: () => number = runtime === "node" ? nodeNow : performance.now.bind(performance);

function nodeNow(): number {
  const [seconds, nanoseconds] = nodeProcess().hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** What `performance.now()` counts as {@linkcode now} does; never less. */
export function fromPerformance(ms: number): number {
  const ahead = performance.now();
  return ms + (now() - ahead);
}
