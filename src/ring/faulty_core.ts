/**
 * A ring whose operations fail, or fall short, as its `faults` say. One without them is a plain core, and pays nothing.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { Core, isWide } from "./core.ts";
import { Faults } from "./faults.ts";
import type { RingOptions } from "./options.ts";

/** A core that strikes operations on their way in, and puts results in place on their way out. */
export class FaultyCore extends Core {
  readonly #faults: Faults;
  /** SQEs that the last turn left staged: their fate is decided. */
  #decided = 0;

  constructor(options: RingOptions, sleeps?: boolean) {
    // What can't be is refused before the kernel is asked for a ring.
    const faults = new Faults(options.faults!);
    super(options, sleeps);
    this.#faults = faults;
  }

  override get faults(): number {
    return this.#faults.count;
  }

  override turn(flags: number, wait: number): number {
    const { sqes, sqeWords } = this;
    for (let i = Math.min(this.#decided, this.count); i < this.count; i++) {
      const at = i * sqeWords;
      const code = sqes[at]! & 0xff;
      // On a ring with SQEs of both sizes these take two places, which belong together.
      if (isWide(code)) i += sqeWords === 16 ? 1 : 0;
      else this.#faults.strike(sqes, at);
    }
    const reaped = super.turn(flags, wait);
    this.#decided = this.count;
    this.#rewrite(this.brought(reaped));
    return reaped;
  }

  override reap(): number {
    const reaped = super.reap();
    this.#rewrite(this.brought(reaped));
    return reaped;
  }

  #rewrite(reaped: number): void {
    const mixed = (this.setupFlags & IORING_SETUP.CQE_MIXED) !== 0;
    this.#faults.rewrite(this.cqes, reaped, this.cqeWords, mixed);
  }
}
