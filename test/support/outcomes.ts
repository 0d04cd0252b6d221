/** What operations come to, as promises; and the moments between two things that race. */

import type { Ring } from "../../mod.ts";
import type { Random } from "./random.ts";

/** What a promise came to: a value, or an error's code; an error without one as it is. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

/** What each came to. All are heard at once: none is ever an unhandled rejection. */
export function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map(outcome));
}

/** Keeps the thread busy for some microseconds. */
export function spin(us: number): void {
  const until = performance.now() + us / 1000;
  while (performance.now() < until);
}

/** Lets some time pass, or some turn of the ring: from nothing at all to a turn of the event loop. */
export async function moment(ring: Ring, random: Random): Promise<void> {
  switch (random.below(6)) {
    case 0:
      return;
    case 1:
      return await Promise.resolve();
    case 2:
      return void await ring.nop();
    case 3:
      return void ring.submitAndWait(0);
    case 4:
      return spin(random.below(120));
    default:
      await new Promise((resolve) => setImmediate(resolve));
  }
}
