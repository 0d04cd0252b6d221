/**
 * Who waits for buffers.
 *
 * @module
 */

/** What those wait with: a ring's turns. */
export interface Turns {
  /** Calls back after the next turn, once what it brought is settled. */
  afterTurn(callback: () => void): void;
}

/**
 * Callbacks, each of which is called once, when there may be a buffer for it: as many at a time as there are free ones,
 * who came first, first. What one of them begins takes its buffer, or takes none, in the turn that follows; then it is
 * the next ones' turn, for what is free still. All of them at once would come back for the most part, again and again.
 */
export class Waiting {
  readonly #turns: Turns;
  readonly #free: () => number;
  /** Who came since buffers were last given, and found none then. */
  #later: (() => void)[] = [];
  /** Who is to be called, as far as buffers go. */
  #due: (() => void)[] = [];
  #scheduled = false;

  /** @param free how many buffers the kernel can choose from, or more: who finds none comes back */
  constructor(turns: Turns, free: () => number) {
    this.#turns = turns;
    this.#free = free;
  }

  /** Has it called after the next {@linkcode tell}. */
  add(callback: () => void): void {
    this.#later.push(callback);
  }

  /** Has it called soon: buffers were given meanwhile. */
  addDue(callback: () => void): void {
    this.#due.push(callback);
    this.#schedule();
  }

  /** Buffers were given. */
  tell(): void {
    if (this.#later.length > 0) this.#due.push(...this.#later.splice(0));
    if (this.#due.length > 0) this.#schedule();
  }

  /** No buffer is given any more: calls everybody. */
  end(): void {
    for (const callback of [...this.#due.splice(0), ...this.#later.splice(0)]) callback();
  }

  /** Not at once: completions that follow in this turn may tell of other buffers that they were taken. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turns.afterTurn(() => {
      this.#scheduled = false;
      this.#call();
    });
  }

  #call(): void {
    const called = this.#due.splice(0, Math.max(this.#free(), 0));
    for (const callback of called) callback();
    if (called.length > 0 && this.#due.length > 0) this.#schedule();
  }
}
