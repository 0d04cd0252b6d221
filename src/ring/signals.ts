/**
 * Abort signals of operations in flight, and of streams that are paused.
 *
 * @module
 */

import type { Canceller } from "./canceller.ts";

/** What a signal is to cancel. */
export interface Cancel {
  /** The operation's slot; −1: there is none yet, or any more. */
  slot: number;
  /** Hears of it where there is no operation. */
  readonly aborted: (() => void) | undefined;
  /** Does not listen any more. */
  readonly forget: () => void;
}

/** Who has a signal. */
interface Listened {
  readonly cancels: Set<Cancel>;
  /** Takes the listener off the signal. */
  readonly stop: () => void;
}

/** The signals of one ring's operations. */
export class Signals {
  readonly #canceller: Canceller;
  readonly #listened = new WeakMap<AbortSignal, Listened>();

  constructor(canceller: Canceller) {
    this.#canceller = canceller;
  }

  /**
   * Listens before there is an operation: a signal of somebody's own making may throw, or do as it likes. Once a signal,
   * however many operations have it: hosts warn of more than ten listeners.
   */
  listen(signal: AbortSignal, aborted?: () => void): Cancel {
    const listened = this.#listened.get(signal) ?? this.#begin(signal);
    const cancel: Cancel = { slot: -1, aborted, forget: () => this.#forget(signal, listened, cancel) };
    listened.cancels.add(cancel);
    return cancel;
  }

  #begin(signal: AbortSignal): Listened {
    const cancels = new Set<Cancel>();
    const abort = () => {
      for (const { slot, aborted } of [...cancels]) {
        if (slot >= 0) this.#canceller.slot(slot);
        aborted?.();
      }
    };
    signal.addEventListener("abort", abort);
    const listened = { cancels, stop: () => signal.removeEventListener("abort", abort) };
    this.#listened.set(signal, listened);
    return listened;
  }

  #forget(signal: AbortSignal, { cancels, stop }: Listened, cancel: Cancel): void {
    cancel.slot = -1;
    if (!cancels.delete(cancel) || cancels.size > 0) return;
    this.#listened.delete(signal);
    try {
      stop();
    } catch {
      // As completions are settled: these come first.
    }
  }
}

/** Why a signal was aborted, whatever that is. */
export function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}
