import { TIME_SCALE } from "./time_scale.ts";

/** Milliseconds: long enough to tell apart from at once. */
export const LONG: number = 1000 * TIME_SCALE;

/** How long a call takes, in milliseconds. */
export function duration(call: () => void): number {
  const start = performance.now();
  call();
  return performance.now() - start;
}
