/**
 * Buffers given to the kernel one operation at a time, as it was before buffer rings.
 *
 * @module
 */

import { IORING_CQE_F } from "../abi/constants.ts";
import { prepProvideBuffers, prepRemoveBuffers } from "../abi/encode.ts";
import { type Home, homeOf } from "../memory/address.ts";
import { BorrowedBuffer, type BufferGroup } from "../memory/buffer_ring.ts";
import { BufferPool } from "../memory/pool.ts";
import { checkInteger, shown } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { StreamOps } from "./ops_stream.ts";

/** bid has 16 bits. */
const MAX_BUFFERS = 65536;

/**
 * A group of a pool's buffers, made by {@linkcode ProvidedOps.provideBuffers}. Each that comes back costs an operation:
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
  readonly #pool: BufferPool;
  readonly #provide: (id: number) => Promise<unknown>;
  readonly #waiting = new Set<() => void>();

  /** @internal */
  constructor(pool: BufferPool, group: number, provide: (id: number) => Promise<unknown>) {
    this.#pool = pool;
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
    if (res > 0) return [new BorrowedBuffer(this, id, new Uint8Array(this.#pool.region.buffer, id * this.size, res))];
    this.giveBack(id);
    return [];
  }

  /** @internal */
  giveBack(id: number): void {
    // It fails when the ring is closed meanwhile: nobody chooses from the group then.
    this.#provide(id).then(() => this.#tell(), () => this.#tell());
  }

  /** @internal */
  whenProvided(callback: () => void): void {
    this.#waiting.add(callback);
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }
}

/** Buffers given to the kernel one operation at a time. */
export class ProvidedOps extends StreamOps {
  /**
   * Gives the kernel all buffers of a pool to choose from, as a group, for `recvSelect`, `readSelect`, `recvMultishot` and
   * their kin. The pool must be used for nothing else. Its memory stays until the ring is closed.
   *
   * @param pool whole buffers: what a completion fills has up to `pool.stride` bytes
   * @param group the group's number, 0 to 65535
   * @returns the group
   * @throws {UringError} (rejects) EEXIST when a BufferRing has that number
   *
   * @example
   * ```ts
   * import { BufferPool, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const buffers = await ring.provideBuffers(new BufferPool({ size: 4096, count: 8 }), 1000);
   * const { read, write } = await ring.pipe();
   * await ring.write(write, new TextEncoder().encode("hello"));
   * using buffer = (await ring.readSelect(read, buffers))!;
   * console.assert(buffer.bytes.length === 5);
   * ```
   */
  async provideBuffers(pool: BufferPool, group: number, o?: OpOptions): Promise<ProvidedBuffers> {
    if (!(pool instanceof BufferPool)) throw new TypeError(`pool must be a BufferPool, not ${shown(pool)}`);
    if (pool.count > MAX_BUFFERS) throw new RangeError(`pool has ${pool.count} buffers; a group takes ${MAX_BUFFERS}`);
    checkInteger(group, "group", 0, 0xffff);
    const provided = new ProvidedBuffers(pool, group, (id) => this.#provide(pool, group, id, 1));
    await this.#provide(pool, group, 0, pool.count, o);
    return provided;
  }

  #provide(pool: BufferPool, group: number, first: number, count: number, o?: OpOptions): Promise<number> {
    const { region, stride } = pool;
    // The kernel may fill them as long as the ring lives, and nobody tells when it has let go of one.
    this.engine.holds.add(region);
    const home = homeOf(region.buffer);
    return this.start({ op: "provide_buffers", home }, o, (words, at) => {
      prepProvideBuffers(words, at, region.address + first * stride, stride, count, group, first);
    });
  }

  /**
   * Takes buffers away from a group that {@linkcode provideBuffers} made.
   *
   * @param count how many at most, 1 to 65535
   * @param group the group, or its number
   * @returns how many were there
   * @throws {UringError} (rejects) ENOENT when there is no such group
   */
  removeBuffers(count: number, group: ProvidedBuffers | number, o?: OpOptions): Promise<number> {
    checkInteger(count, "count", 1, 0xffff);
    const number = group instanceof ProvidedBuffers ? group.group : group;
    checkInteger(number, "group", 0, 0xffff);
    return this.start({ op: "remove_buffers" }, o, (words, at) => prepRemoveBuffers(words, at, count, number));
  }
}
