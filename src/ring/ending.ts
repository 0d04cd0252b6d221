/**
 * When a ring that is closed cancels once more, and when it gives up.
 *
 * @module
 */

import { now } from "./clock.ts";

/** Between the attempts to cancel everything, while nothing ends. */
export const CANCEL_AGAIN_MS = 100;

/** Watches how what is in flight becomes less. */
export class Ending {
  readonly #timeoutMs: number;
  #fewest = Infinity;
  #changed: number;
  #cancelled: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#changed = this.#cancelled = now();
  }

  /**
   * Cancelling again finds what was between two states. With ten thousands in flight, which the kernel looks through for
   * each, it takes a second: so never while some still end.
   */
  look(inFlight: number): "wait" | "cancel" | "give up" {
    const time = now();
    if (inFlight < this.#fewest) {
      this.#fewest = inFlight;
      this.#changed = time;
      return "wait";
    }
    if (time - this.#changed >= this.#timeoutMs) return "give up";
    if (time - Math.max(this.#changed, this.#cancelled) < CANCEL_AGAIN_MS) return "wait";
    this.#cancelled = time;
    return "cancel";
  }
}
