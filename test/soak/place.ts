import type { Ring } from "../../mod.ts";
import type { Random } from "../support/random.ts";
import { isInjected } from "./recovery.ts";

/** How often each thing happened, in the whole process. */
export class Tally {
  readonly counts: Record<string, number> = {};

  add(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times;
  }
}

/** Where a task works: its ring, its names, and how it judges what comes of an operation. */
export class Place {
  readonly ring: Ring;
  readonly folder: string;
  /** Of the task: no two have the same. */
  readonly name: string;
  /** The ring makes operations fail on purpose. */
  readonly faulty: boolean;
  readonly #tally: Tally;

  constructor(ring: Ring, folder: string, name: string, faulty: boolean, tally: Tally) {
    this.ring = ring;
    this.folder = folder;
    this.name = name;
    this.faulty = faulty;
    this.#tally = tally;
  }

  count(what: string, times = 1): void {
    this.#tally.add(what, times);
  }

  check(condition: boolean, what: string): void {
    if (!condition) throw new Error(what);
  }

  /** Closes a ring that has ended: of what serves others, a limit or a cancellation, the completion may come last. */
  async checkEnded(ring: Ring): Promise<void> {
    await ring.close();
    const { inFlight, submitted, completed, strays, faults } = ring.stats;
    this.count("faults", faults);
    this.check(inFlight === 0, `a closed ring has ${inFlight} operations in flight`);
    this.check(strays === 0, `a closed ring has had ${strays} completions of no operation`);
    this.check(submitted === completed, `a closed ring: ${submitted} submitted, ${completed} completed`);
  }

  /** Whether an error is a fault that this place asked for. */
  struck(error: unknown): boolean {
    if (!this.faulty || !isInjected(error)) return false;
    this.count("struck");
    return true;
  }

  /** Does it until no fault strikes. */
  async again<T>(operation: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await operation();
      } catch (error) {
        if (!this.struck(error)) throw error;
      }
    }
  }

  /** What cancellations, limits and faults may make of an operation, besides its result: undefined then. */
  async unless<T>(promise: Promise<T>, codes: readonly string[]): Promise<T | undefined> {
    try {
      return await promise;
    } catch (error) {
      const { code, name } = error as { code?: string | number; name: string };
      if (codes.includes(`${code}`) || codes.includes(name)) {
        this.count(`ended ${typeof code === "string" ? code : name}`);
        return undefined;
      }
      if (this.struck(error)) return undefined;
      throw error;
    }
  }
}

/** A view in the middle of bytes that nobody may touch. */
export class Guarded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #whole: Uint8Array<ArrayBuffer>;
  readonly #margin: number;

  constructor(length: number, random: Random) {
    this.#margin = random.below(2) === 0 ? 8 : 64;
    this.#whole = new Uint8Array(length + 2 * this.#margin).fill(0xa5);
    this.bytes = this.#whole.subarray(this.#margin, this.#margin + length).fill(0);
  }

  intact(): boolean {
    const end = this.#whole.length - this.#margin;
    return this.#whole.every((byte, i) => byte === 0xa5 || (i >= this.#margin && i < end));
  }
}

/** Whether two pieces of memory hold the same. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** One action of a task: everything that it decides, it draws. */
export type Action = (random: Random) => Promise<void>;

/** A task under way. */
export interface Task {
  /** By name; undefined: this kernel can't. */
  readonly actions: Readonly<Record<string, Action | undefined>>;
  /** Puts away what the task has open. */
  readonly end: () => Promise<void>;
}

/** Begins a task. */
export type TaskKind = (place: Place) => Promise<Task>;
