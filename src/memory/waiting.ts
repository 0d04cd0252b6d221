/**
 * Who waits for buffers.
 *
 * @module
 */

/** Callbacks, each of which is called once. */
export class Waiting {
  readonly #callbacks = new Set<() => void>();

  /** Has it called by the next {@linkcode tell}. Added twice before that, it is called once. */
  add(callback: () => void): void {
    this.#callbacks.add(callback);
  }

  /** Calls those that were added before, in order. What they add meanwhile waits for the next time. */
  tell(): void {
    if (this.#callbacks.size === 0) return;
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback();
  }
}
