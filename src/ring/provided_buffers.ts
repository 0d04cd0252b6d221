/**
 * A group of buffers as it was before buffer rings.
 *
 * @module
 */

import { IORING_CQE_F } from "../abi/constants.ts";
import { type Home, homeOf } from "../memory/address.ts";
import { BorrowedBuffer, type BufferGroup } from "../memory/buffer_ring.ts";
import type { BufferPool } from "../memory/pool.ts";
import { type Turns, Waiting } from "../memory/waiting.ts";

/**
 * A group of a pool's buffers, made by `ring.provideBuffers`. Each that comes back costs an operation:
 * a `BufferRing` costs none, where the kernel has them (5.19).
 */
export class ProvidedBuffers implements BufferGroup {
  /** The group's number. */
  readonly group: number;
  /** Bytes of each buffer. */
  readonly size: number;
  /** How often the kernel found no buffer to choose. */
  exhausted = 0;
  /** @internal */
  readonly home: Home;
  /** @internal Buffers that were not removed: with the kernel, lent, or on their way. */
  left: number;
  readonly #pool: BufferPool;
  readonly #provide: (id: number) => Promise<unknown>;
  /** Buffers that the kernel can choose from, or more: what was removed is not known. */
  #given: number;
  readonly #waiting: Waiting;

  /** @internal */
  constructor(turns: Turns, pool: BufferPool, group: number, provide: (id: number) => Promise<unknown>) {
    this.#waiting = new Waiting(turns, () => this.#given);
    this.#pool = pool;
    this.left = pool.count;
    this.#given = pool.count;
    this.group = group;
    this.size = pool.stride;
    this.home = homeOf(pool.region.buffer);
    this.#provide = provide;
  }

  /** Never: it ends with its ring. */
  get closed(): boolean {
    return false;
  }

  /** @internal */
  take(res: number, flags: number): BorrowedBuffer[] {
    if ((flags & IORING_CQE_F.BUFFER) === 0) return [];
    const id = flags >>> 16;
    this.#given--;
    // More with MSG_TRUNC: the length of the whole message.
    const length = Math.min(res, this.size);
    if (res > 0) {
      return [new BorrowedBuffer(this, id, new Uint8Array(this.#pool.region.buffer, id * this.size, length))];
    }
    this.giveBack(id);
    return [];
  }

  /** @internal */
  giveBack(id: number): void {
    // It fails when the ring is closed meanwhile: nobody chooses from the group then.
    this.#provide(id).then(() => {
      this.#given++;
      this.#waiting.tell();
    }, () => this.#waiting.end());
  }

  /** @internal Another has its number: nothing comes any more. */
  replaced(): void {
    this.#waiting.end();
  }

  /** @internal */
  get provisions(): number {
    return this.#waiting.provisions;
  }

  /** @internal */
  whenProvided(callback: () => void, provisions: number): () => void {
    return this.#waiting.add(callback, provisions);
  }
}
