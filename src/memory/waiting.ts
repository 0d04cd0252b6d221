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
  /** How often buffers were given. */
  provisions = 0;
  readonly #turns: Turns;
  readonly #free: () => number;
  /** Who came since buffers were last given, and found none then. */
  readonly #later = new Set<() => void>();
  /** Who is to be called, as far as buffers go. */
  readonly #due = new Set<() => void>();
  #scheduled = false;

  /** @param free how many buffers the kernel can choose from, or more: who finds none comes back */
  constructor(turns: Turns, free: () => number) {
    this.#turns = turns;
    this.#free = free;
  }

  /**
   * Calls back once: soon, if buffers were given since there were so many provisions, and are left; else as they are
   * given. What is left of those before may be an operation's, which has chosen and waits for its data: nobody else gets
   * that.
   *
   * @returns what takes the callback back: nothing here leads to it then
   */
  add(callback: () => void, provisions: number): () => void {
    if (this.provisions !== provisions && this.#free() > 0) {
      this.#due.add(callback);
      this.#schedule();
    } else {
      this.#later.add(callback);
    }
    return () => {
      this.#later.delete(callback);
      this.#due.delete(callback);
    };
  }

  /** Buffers were given. */
  tell(): void {
    this.provisions++;
    // Mostly nobody waits, and to clear an empty set costs a new one.
    if (this.#later.size > 0) {
      for (const callback of this.#later) this.#due.add(callback);
      this.#later.clear();
    }
    if (this.#due.size > 0) this.#schedule();
  }

  /** No buffer is given any more: calls everybody. */
  end(): void {
    const all = [...this.#due, ...this.#later];
    this.#due.clear();
    this.#later.clear();
    for (const callback of all) callback();
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
    const called = this.#take(this.#free());
    for (const callback of called) callback();
    if (called.length > 0 && this.#due.size > 0) this.#schedule();
  }

  /** Takes who is due, so many at most, from the queue. */
  #take(count: number): (() => void)[] {
    const taken: (() => void)[] = [];
    for (const callback of this.#due) {
      if (taken.length >= count) break;
      this.#due.delete(callback);
      taken.push(callback);
    }
    return taken;
  }
}
