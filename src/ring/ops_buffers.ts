/**
 * Registered buffers.
 *
 * @module
 */

import { addressOf, type Bytes, homeOf } from "../memory/address.ts";
import { checkInteger, lengthOf, shown } from "./arguments.ts";
import { RingClosedError } from "./errors.ts";
import { ProvidedOps } from "./ops_provided.ts";
import { MAX_BUFFERS, MAX_PIECE, type Piece } from "./registrations.ts";

/** Options of {@linkcode BufferOps.registerBuffers}. */
export interface RegisterBuffersOptions {
  /** The place of the first. What is there is replaced. Default: wherever there is room. */
  readonly at?: number;
  /**
   * Called once for each of the buffers, with its place, when the kernel has let go of it: it was unregistered or
   * replaced, and no operation uses it any more. Not called when the ring is closed first.
   */
  readonly released?: (index: number) => void;
}

/** Options of {@linkcode BufferOps.cloneBuffers}, in the kernel's names. */
export interface CloneBuffersOptions {
  /** The first place of the other ring's table to clone (6.13). Default 0. */
  readonly srcOff?: number;
  /** Where it goes in this ring's (6.13). Default: `srcOff`. */
  readonly dstOff?: number;
  /** How many places (6.13). Default: to the end of the other ring's table. */
  readonly nr?: number;
  /** Replace what this ring has at those places, instead of refusing (6.13). */
  readonly replace?: boolean;
}

/** Registered buffers. A `BufferPool` made with `{ ring }` needs none of this. */
export class BufferOps extends ProvidedOps {
  /**
   * Makes the ring's table of registered buffers, empty. The first pool, or buffer, makes one of 1024 places by itself:
   * this is for another size.
   *
   * @param nr how many places, 1 to 16384
   * @throws {UringError} EBUSY: there is a table already
   */
  registerBuffersSparse(nr: number): void {
    checkInteger(nr, "nr", 1, MAX_BUFFERS);
    this.#open("registerBuffersSparse");
    this.registrations.makeTable(nr);
  }

  /**
   * Registers buffers one by one, under places that `bufIndex` names. `registerPool()` registers a whole pool at once,
   * and finds the places by itself.
   *
   * @param buffers 1 to 16384 buffers of BufferPools, or parts of them, of up to 1 GiB each: the kernel keeps their
   *   pages, so other memory, which JavaScript may move or free, is refused
   * @param o where to, and whom to tell when the kernel has let go of them
   * @returns the place of the first; the others follow
   * @throws {TypeError} for memory that is not a BufferPool's
   * @throws {RangeError} when the table has no room, or has a pool there
   * @throws {UringError} ENOMEM: no more memory may be locked (`ulimit -l`)
   *
   * @example
   * ```ts
   * import { AT, BufferPool, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * using pool = new BufferPool({ size: 4096, count: 2 });
   * const buffer = pool.acquire();
   * const bufIndex = ring.registerBuffers([buffer]);
   * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
   * console.assert(await ring.readFixed(fd, buffer, 0, { bufIndex }) > 0);
   * await ring.closeFd(fd);
   * ring.unregisterBuffers(bufIndex);
   * ```
   */
  registerBuffers(buffers: readonly Bytes[], o: RegisterBuffersOptions = {}): number {
    if (!Array.isArray(buffers)) throw new TypeError(`buffers must be an array of buffers, not ${shown(buffers)}`);
    if (o === null || typeof o !== "object") throw new TypeError(`options must be an object, not ${shown(o)}`);
    const { at, released } = o;
    const { length } = buffers;
    if (length < 1 || length > MAX_BUFFERS) {
      throw new RangeError(`buffers must hold 1 to ${MAX_BUFFERS} buffers, not ${length}`);
    }
    if (at !== undefined) checkInteger(at, "at", 0, MAX_BUFFERS - 1);
    if (released !== undefined && typeof released !== "function") {
      throw new TypeError(`released must be a function, not ${shown(released)}`);
    }
    const pieces = Array.from(buffers, pieceOf);
    this.#open("registerBuffers");
    return this.registrations.register(pieces, at, released);
  }

  /**
   * Takes buffers back that {@linkcode registerBuffers} registered or {@linkcode cloneBuffers} cloned; without
   * arguments the whole table, pools too. Operations in flight keep theirs.
   *
   * @param first the first place
   * @param count how many. Default 1
   * @throws {RangeError} for places beyond the table, or of a pool
   * @throws {UringError} ENXIO: without arguments, when there is no table
   */
  unregisterBuffers(first?: number, count = 1): void {
    if (first !== undefined) checkInteger(first, "first", 0, MAX_BUFFERS - 1);
    checkInteger(count, "count", 1, MAX_BUFFERS);
    this.#open("unregisterBuffers");
    if (first === undefined) this.registrations.unregisterAll();
    else this.registrations.unregister(first, count);
  }

  /**
   * Takes over buffers that are registered with another ring of this thread, without pinning their memory once more
   * (6.12). Pools among them can be used with this ring then, as with `registerPool()`; each ring unregisters its own.
   *
   * @param from the ring that has them
   * @param o which, and where to; without: the whole table
   * @throws {UringError} EBUSY: this ring has a table, and `replace` is not set; ENXIO: the other has none
   * @throws {UnsupportedError} before Linux 6.12
   */
  cloneBuffers(from: BufferOps, o: CloneBuffersOptions = {}): void {
    if (!(from instanceof BufferOps)) throw new TypeError(`from must be a Ring, not ${shown(from)}`);
    if (from === this as BufferOps) throw new TypeError("from is this ring itself: it has its buffers already");
    if (o === null || typeof o !== "object") throw new TypeError(`options must be an object, not ${shown(o)}`);
    const { srcOff = 0, dstOff = srcOff, replace = false } = o;
    if (typeof replace !== "boolean") throw new TypeError(`replace must be true or false, not ${shown(replace)}`);
    const { size } = from.registrations;
    checkInteger(srcOff, "srcOff", 0, Math.max(0, size - 1));
    const nr = o.nr ?? size - srcOff;
    if (size > 0) checkInteger(nr, "nr", 1, size - srcOff);
    checkInteger(dstOff, "dstOff", 0, MAX_BUFFERS - nr);
    if (from.engine.closed) throw new RingClosedError("cloneBuffers: from");
    this.#open("cloneBuffers");
    const whole = srcOff === 0 && dstOff === 0 && nr === size;
    this.registrations.clone(from.registrations, { srcOff, dstOff, nr: whole ? 0 : nr, replace });
  }

  #open(what: string): void {
    if (this.engine.closed) throw new RingClosedError(what);
  }
}

function pieceOf(bytes: Bytes, i: number): Piece {
  const name = `buffers[${i}]`;
  const length = lengthOf(bytes, name);
  const home = homeOf(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes, name);
  if (home.region === null) {
    throw new TypeError(
      `${name} is not memory of a BufferPool: JavaScript may move or free it while the kernel has its pages`,
    );
  }
  if (length > MAX_PIECE) throw new RangeError(`${name} is ${length} bytes long: one buffer is at most ${MAX_PIECE}`);
  return { region: home.region, address: addressOf(home, bytes, length), length };
}
