/**
 * Time limits of operations, by a timer of JavaScript's: for what the kernel starts no LINK_TIMEOUT for.
 *
 * @module
 */

import { now } from "./clock.ts";

/** Calls back after a time, counted from when what `awaited` tells of has ended. */
export class LimitTimer {
  /** When, by now(). */
  due = 0;
  readonly #ms: number;
  readonly #ended: () => void;
  /** The timers of its ring: what blocks the event loop looks at them itself. */
  readonly #all: Set<LimitTimer>;
  #awaited: (() => boolean) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, awaited: (() => boolean) | undefined, all: Set<LimitTimer>, ended: () => void) {
    this.#ms = ms;
    this.#awaited = awaited;
    this.#all = all;
    this.#ended = ended;
    all.add(this);
    this.#start();
  }

  #start(): void {
    this.due = now() + this.#ms;
    this.#timer = setTimeout(() => this.expire(), this.#ms);
    this.#timer.unref();
  }

  /** Its time is over. */
  expire(): void {
    clearTimeout(this.#timer);
    if (this.#awaited === undefined) {
      this.stop();
      return this.#ended();
    }
    // Still waiting: look again. No longer: its time begins, at the latest, now.
    if (!this.#awaited()) this.#awaited = undefined;
    this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#all.delete(this);
  }
}
