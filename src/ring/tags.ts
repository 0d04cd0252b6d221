/**
 * Tags of registered files and buffers: the kernel posts a completion when it has let go of what carries one.
 *
 * A tag is the user data of a slot in the pending table. It counts as in flight only while its resource is on its way
 * out: an idle ring with tagged resources lets the process end.
 *
 * @module
 */

import type { Engine } from "./engine.ts";
import { NO_FD, TAG } from "./pending.ts";

/**
 * In a tag beside its slot's user data: the core, which takes the bit off again, then does not count its completion
 * among those of operations. zig/src/ring.zig calls it `uncounted`.
 */
const UNCOUNTED = 1n << 62n;

interface Tag {
  readonly slot: number;
  /** Its resource was replaced or taken out: the completion is awaited. */
  leaving: boolean;
  released: (() => void) | undefined;
}

/** The tags of one table of resources. */
export class Tags {
  readonly #engine: Engine;
  /** By index in the table. */
  readonly #tags = new Map<number, Tag>();
  /** Made for resources that the kernel then refused. */
  readonly #spare: Tag[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Whether any resource carries a tag. */
  get any(): boolean {
    return this.#tags.size > 0;
  }

  /** Makes a tag, to be used with {@linkcode put} or {@linkcode drop}. */
  make(released: () => void): Tag {
    const spare = this.#spare.pop();
    if (spare !== undefined) {
      spare.released = released;
      return spare;
    }
    const engine = this.#engine;
    const slot = engine.slot(TAG, NO_FD, null, null, {
      last: (res) => {
        // Whatever took the resource out (a direct open or close does, too): settling subtracts it.
        if (tag.leaving) engine.leaving--;
        else engine.inFlight++;
        engine.completed--; // it is no operation
        return res;
      },
    });
    const tag: Tag = { slot, leaving: false, released };
    const tell = () => {
      this.#forget(tag);
      // Not from within the turn: what it throws is its caller's, and it may do as it likes.
      if (tag.released !== undefined) queueMicrotask(tag.released);
    };
    engine.settleWith(slot, tell, ignore);
    return tag;
  }

  /** The tag as the kernel takes it. */
  value(tag: Tag): bigint {
    return this.#engine.userData(tag.slot) | UNCOUNTED;
  }

  /** The resource at `index` carries this tag now; what was there is on its way out. */
  put(index: number, tag: Tag | undefined): void {
    const old = this.#tags.get(index);
    // A disabled ring makes no turns, and has no operations to wait for: what comes is found once it is enabled.
    if (old !== undefined && !old.leaving && !this.#engine.core.disabled) {
      old.leaving = true;
      this.#engine.leaving++;
      this.#engine.inFlight++;
    }
    if (tag === undefined) this.#tags.delete(index);
    else this.#tags.set(index, tag);
    if (old !== undefined) this.#engine.poke();
  }

  /** `count` resources from `first` on are on their way out. */
  clear(first: number, count: number): void {
    if (this.#tags.size === 0) return;
    for (const index of [...this.#tags.keys()]) {
      if (index >= first && index < first + count) this.put(index, undefined);
    }
  }

  /** The kernel did not take what was to carry it. */
  drop(tag: Tag): void {
    tag.released = undefined;
    this.#spare.push(tag);
  }

  #forget(tag: Tag): void {
    // Once taken out by an operation, it is still known here by its index.
    if (tag.leaving) return;
    for (const [index, other] of this.#tags) if (other === tag) this.#tags.delete(index);
  }
}

export type { Tag };

function ignore(): void {}
