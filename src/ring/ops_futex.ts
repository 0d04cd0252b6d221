/**
 * Futexes: words of shared memory that threads wait for.
 *
 * @module
 */

import { FUTEX2 } from "../abi/constants.ts";
import { prepFutexWait, prepFutexWaitv, prepFutexWake } from "../abi/encode.ts";
import { addressOf, type Home, homeOf } from "../memory/address.ts";
import { giveScratch, takeScratch } from "../memory/scratch.ts";
import { checkInteger, checkU32, futexSize, shown } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { XattrOps } from "./ops_xattr.ts";

/** Memory of futexes: 32-bit words of a SharedArrayBuffer, or of a BufferPool. */
export type FutexMemory = Int32Array | Uint32Array;

/** Options of futex operations. */
export interface FutexOptions extends OpOptions {
  /** Bits that a wait and a wake must have in common, not 0. Default: all 32. */
  readonly mask?: number;
  /** FUTEX2 flags. Default: `SIZE_U32 | PRIVATE`, a word of this process alone. */
  readonly futexFlags?: number;
}

/** One of the futexes that {@linkcode FutexOps.futexWaitv} waits for. */
export interface FutexWaiter {
  /** Where the word is. */
  readonly memory: FutexMemory;
  /** Which element of `memory`. */
  readonly index: number;
  /** The value that it must have, signed or unsigned. */
  readonly value: number;
  /** FUTEX2 flags. Default: `SIZE_U32 | PRIVATE`. */
  readonly futexFlags?: number;
}

const PRIVATE_WORD = FUTEX2.SIZE_U32 | FUTEX2.PRIVATE;
const EVERY_BIT = 0xffffffff;
/** FUTEX_WAITV_MAX of the kernel. */
const MAX_WAITERS = 128;
/** sizeof(struct futex_waitv). */
const WAITV_SIZE = 24;

/** Futexes: words of shared memory that threads wait for. */
export class FutexOps extends XattrOps {
  /**
   * Waits until somebody wakes those that wait for a word, as futex_wait(2). Since Linux 6.7.
   *
   * These are the kernel's futexes. `Atomics.wait` and `Atomics.notify` are JavaScript's own, and neither wakes nor
   * hears these: who changes the word must call `futexWake()`.
   *
   * @param memory on a SharedArrayBuffer, or a BufferPool's
   * @param index which element
   * @param value what it must be when the kernel looks, signed or unsigned
   * @returns 0
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EAGAIN when the word had another value: look at it again
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * if (ring.probe().op("FUTEX_WAIT").supported) {
   *   const words = new Int32Array(new SharedArrayBuffer(4)); // other workers may have it, too
   *   const woken = ring.futexWait(words, 0, 0);
   *   await ring.nop();
   *   Atomics.store(words, 0, 1);
   *   console.assert(await ring.futexWake(words, 0, 1) === 1);
   *   await woken;
   * }
   * ```
   */
  futexWait(memory: FutexMemory, index: number, value: number, o?: FutexOptions): Promise<number> {
    this.need("FUTEX_WAIT", "6.7");
    const { mask, futexFlags } = checkFutexOptions(o);
    const { home, address } = wordAt(memory, index, futexFlags, "");
    const expected = wordValue(value, "value");
    return this.start({ op: "futex_wait", home }, o, (words, at) => {
      prepFutexWait(words, at, address, expected, mask, futexFlags, 0);
    });
  }

  /**
   * Wakes those that wait for a word, as futex_wake(2). Since Linux 6.7.
   *
   * @param memory on a SharedArrayBuffer, or a BufferPool's
   * @param index which element
   * @param count how many at most, 0 to 2^31 − 1. Default 1
   * @returns how many were woken
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   */
  futexWake(memory: FutexMemory, index: number, count: number = 1, o?: FutexOptions): Promise<number> {
    this.need("FUTEX_WAKE", "6.7");
    const { mask, futexFlags } = checkFutexOptions(o);
    const { home, address } = wordAt(memory, index, futexFlags, "");
    checkInteger(count, "count", 0, 0x7fffffff);
    return this.start({ op: "futex_wake", home }, o, (words, at) => {
      prepFutexWake(words, at, address, count, mask, futexFlags, 0);
    });
  }

  /**
   * Waits until one of several words is woken, as futex_waitv(2). Since Linux 6.7.
   *
   * @param waiters 1 to 128
   * @returns the index in `waiters` of one that was woken
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EAGAIN when one of the words had another value
   */
  futexWaitv(waiters: readonly FutexWaiter[], o?: OpOptions): Promise<number> {
    this.need("FUTEX_WAITV", "6.7");
    if (!Array.isArray(waiters)) throw new TypeError(`waiters must be an array, not ${shown(waiters)}`);
    const count = waiters.length;
    if (count < 1 || count > MAX_WAITERS) {
      throw new RangeError(`waiters must hold 1 to ${MAX_WAITERS} futexes, not ${count}`);
    }
    const scratch = takeScratch(count * WAITV_SIZE);
    const homes: Home[] = [];
    try {
      // Not forEach(), which leaves holes out.
      for (let i = 0; i < count; i++) {
        homes.push(writeWaiter(scratch.view, i * WAITV_SIZE, waiters[i]!, `waiters[${i}]`));
      }
    } catch (error) {
      giveScratch(scratch);
      throw error;
    }
    return this.start({ op: "futex_waitv", scratch, extra: { homes } }, o, (words, at) => {
      prepFutexWaitv(words, at, scratch.address, count, 0);
    });
  }
}

/** Writes a struct futex_waitv; gives what its word lies in. */
function writeWaiter(view: DataView, at: number, waiter: FutexWaiter, name: string): Home {
  if (waiter === null || typeof waiter !== "object") {
    throw new TypeError(`${name} must be an object, not ${shown(waiter)}`);
  }
  const futexFlags = waiter.futexFlags ?? PRIVATE_WORD;
  checkU32(futexFlags, `${name}.futexFlags`);
  const { home, address } = wordAt(waiter.memory, waiter.index, futexFlags, `${name}.`);
  view.setBigUint64(at, BigInt(wordValue(waiter.value, `${name}.value`)), true);
  view.setBigUint64(at + 8, BigInt(address), true);
  view.setUint32(at + 16, futexFlags, true);
  view.setUint32(at + 20, 0, true);
  return home;
}

function checkFutexOptions(o: FutexOptions | undefined): { mask: number; futexFlags: number } {
  const { mask = EVERY_BIT, futexFlags = PRIVATE_WORD } = o ?? {};
  checkU32(mask, "mask");
  if (mask === 0) throw new RangeError("mask must not be 0: nothing would ever be woken");
  checkU32(futexFlags, "futexFlags");
  return { mask, futexFlags };
}

/** A 32-bit value as the kernel compares it. */
function wordValue(value: number, name: string): number {
  checkInteger(value, name, -0x80000000, 0xffffffff);
  return value >>> 0;
}

function wordAt(
  memory: FutexMemory,
  index: number,
  flags: number,
  prefix: string,
): { home: Home; address: number } {
  if (!(memory instanceof Int32Array || memory instanceof Uint32Array)) {
    throw new TypeError(`${prefix}memory must be an Int32Array or a Uint32Array, not ${shown(memory)}`);
  }
  const { length } = memory;
  if (length === 0) throw new RangeError(`${prefix}memory has length 0: give it at least one element, not detached`);
  const needed = futexSize(flags) / 4;
  checkInteger(index, `${prefix}index`, 0, length - needed);
  const home = homeOf(memory.buffer, `${prefix}memory`);
  if (home.region === null && !isShared(memory.buffer)) {
    throw new TypeError(
      `${prefix}memory belongs to one thread alone, where nobody could wake it: use a SharedArrayBuffer, or a BufferPool's`,
    );
  }
  return { home, address: addressOf(home, memory, (index + needed) * 4) + index * 4 };
}

function isShared(buffer: ArrayBufferLike): boolean {
  return Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]";
}
