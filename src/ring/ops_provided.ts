/**
 * Buffers given to the kernel one operation at a time, as it was before buffer rings.
 *
 * @module
 */

import { prepProvideBuffers, prepRemoveBuffers } from "../abi/encode.ts";
import { homeOf } from "../memory/address.ts";
import { BufferPool } from "../memory/pool.ts";
import { checkInteger, shown } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import type { UringError } from "./errors.ts";
import { StreamOps } from "./ops_stream.ts";
import { ProvidedBuffers } from "./provided_buffers.ts";

/** Why the kernel does not take a buffer now, but will. */
const PASSING: readonly (string | undefined)[] = ["ENOMEM", "EAGAIN", "EBUSY", "EINTR"];
/** Between the attempts, at first and at most. */
const FIRST_WAIT_MS = 1;
const LAST_WAIT_MS = 100;

/** bid has 16 bits. */
const MAX_BUFFERS = 65536;

/** Buffers given to the kernel one operation at a time. */
export class ProvidedOps extends StreamOps {
  /**
   * Gives the kernel all buffers of a pool to choose from, as a group, for `recvSelect`, `readSelect`, `recvMultishot` and
   * their kin. The pool must be used for nothing else. Its memory stays until the ring is closed.
   *
   * @param pool whole buffers: what a completion fills has up to `pool.stride` bytes
   * @param group the group's number, 0 to 65535
   * @returns the group
   * @throws {TypeError} {RangeError} for a pool and a group that can't be, and for a number that has buffers: all of them
   *   must be removed first, or its BufferRing closed
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
  provideBuffers(pool: BufferPool, group: number, o?: OpOptions): Promise<ProvidedBuffers> {
    if (!(pool instanceof BufferPool)) throw new TypeError(`pool must be a BufferPool, not ${shown(pool)}`);
    if (pool.count > MAX_BUFFERS) throw new RangeError(`pool has ${pool.count} buffers; a group takes ${MAX_BUFFERS}`);
    checkInteger(group, "group", 0, 0xffff);
    const provided = new ProvidedBuffers(this, pool, group, (id) => this.#provideAgain(pool, group, id));
    this.groups.adopt(provided);
    try {
      const promise = this.#provide(pool, group, 0, pool.count, o).then(() => provided, (error: unknown) => {
        this.groups.abandon(provided);
        throw error;
      });
      this.engine.derived(promise);
      return promise;
    } catch (error) {
      this.groups.abandon(provided);
      throw error;
    }
  }

  /**
   * A buffer has come back. Where the kernel can't take it now, it is given later: it would be lost else. Rejects once
   * the ring is closed, or has failed, or never takes it.
   */
  async #provideAgain(pool: BufferPool, group: number, id: number): Promise<void> {
    const { engine } = this;
    for (let waitMs = FIRST_WAIT_MS;; waitMs = Math.min(2 * waitMs, LAST_WAIT_MS)) {
      try {
        return void await this.startLater(() => this.#provide(pool, group, id, 1));
      } catch (error) {
        if (engine.closed || engine.ended || !PASSING.includes((error as UringError).code)) throw error;
      }
      await new Promise<void>((resolve) => engine.callLater(resolve, waitMs));
    }
  }

  #provide(pool: BufferPool, group: number, first: number, count: number, o?: OpOptions): Promise<number> {
    const { region, stride } = pool;
    const home = homeOf(region.buffer);
    const provided = this.start({ op: "provide_buffers", home }, o, (words, at) => {
      prepProvideBuffers(words, at, region.address + first * stride, stride, count, group, first);
    });
    // The kernel may fill them as long as the ring lives, and nobody tells when it has let go of one.
    this.engine.holds.add(region);
    return provided;
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
    const provided = this.groups.provided(number);
    const decode = (removed: number) => {
      if (provided !== undefined) provided.left -= removed;
      return removed;
    };
    return this.start(
      { op: "remove_buffers", extra: { decode } },
      o,
      (words, at) => prepRemoveBuffers(words, at, count, number),
    );
  }
}
