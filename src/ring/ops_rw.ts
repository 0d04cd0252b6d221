/**
 * Operations that move bytes.
 *
 * @module
 */

import {
  prepRead,
  prepReadFixed,
  prepReadv2,
  prepReadvFixed,
  prepWrite,
  prepWriteFixed,
  prepWritev2,
  prepWritevFixed,
} from "../abi/encode.ts";
import { addressOf, bufferOf, type Bytes, type Home, homeOf } from "../memory/address.ts";
import { IOVEC_SIZE, MAX_IOVECS, writeIovec } from "../memory/msghdr.ts";
import { BufferPool } from "../memory/pool.ts";
import { giveScratch, type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkFlags, checkInteger, lengthOf, type Offset, shown, toOffset } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { RingClosedError } from "./errors.ts";
import { NopOps } from "./ops_nop.ts";
import { type Registrations, registrationsOf } from "./registrations.ts";

/** Options of operations that read or write. */
export interface RwOptions extends OpOptions {
  /** RWF flags: DSYNC, HIPRI, NOWAIT, APPEND, ... */
  readonly rwFlags?: number;
  /** An I/O priority: class in the upper 3 bits of 16. */
  readonly ioprio?: number;
}

/** Options of operations on registered buffers. */
export interface FixedOptions extends RwOptions {
  /** Index of the registered buffer. Default: found from the BufferPool that the buffer belongs to. */
  readonly bufIndex?: number;
}

/** Reads and writes. */
export class RwOps extends NopOps {
  #registrations: Registrations | undefined;

  /** @internal */
  protected get registrations(): Registrations {
    return this.#registrations ??= registrationsOf(this.engine);
  }

  /**
   * Reads into a buffer, as pread(2).
   *
   * @param fd the descriptor
   * @param buffer where to; its whole length is asked for
   * @param offset in bytes; left out or `"current"`: the file's position, which moves
   * @param o options
   * @returns how many bytes were read; 0 at the end of the file
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) with the kernel's error
   *
   * @example
   * ```ts
   * import { AT, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
   * const buffer = new Uint8Array(4096);
   * const bytes = await ring.read(fd, buffer, 0);
   * console.assert(bytes > 0);
   * await ring.closeFd(fd);
   * ```
   */
  read(fd: number, buffer: Bytes, offset?: Offset, o?: RwOptions): Promise<number> {
    checkFd(fd);
    const length = lengthOf(buffer, "buffer");
    const from = toOffset(offset);
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      return this.start({ op: "read", fd, home }, o, (words, at) => {
        prepRead(words, at, fd, address, length, from);
        finish(words, at);
      });
    }
    const { engine } = this;
    const at = engine.room(1, "read");
    prepRead(engine.core.sqes, at, fd, address, length, from);
    const slot = engine.slot("read", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /**
   * Writes from a buffer, as pwrite(2). Arguments and errors as for {@linkcode read}.
   *
   * The buffer must not change before the promise settles.
   *
   * @returns how many bytes were written
   */
  write(fd: number, buffer: Bytes, offset?: Offset, o?: RwOptions): Promise<number> {
    checkFd(fd);
    const length = lengthOf(buffer, "buffer");
    const from = toOffset(offset);
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      return this.start({ op: "write", fd, home }, o, (words, at) => {
        prepWrite(words, at, fd, address, length, from);
        finish(words, at);
      });
    }
    const { engine } = this;
    const at = engine.room(1, "write");
    prepWrite(engine.core.sqes, at, fd, address, length, from);
    const slot = engine.slot("write", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /**
   * Reads into several buffers in turn, as preadv2(2). Arguments and errors as for {@linkcode read}.
   *
   * @param buffers 1 to 1024 buffers
   * @returns how many bytes were read in all
   */
  readv(fd: number, buffers: readonly Bytes[], offset?: Offset, o?: RwOptions): Promise<number> {
    checkFd(fd);
    const from = toOffset(offset);
    const finish = rwFinisher(o);
    const { scratch, homes, count } = iovecs(buffers);
    return this.start({ op: "readv", fd, scratch, extra: { homes } }, o, (words, at) => {
      prepReadv2(words, at, fd, scratch.address, count, from, 0);
      finish(words, at);
    });
  }

  /**
   * Writes from several buffers in turn, as pwritev2(2). Arguments and errors as for {@linkcode readv}.
   *
   * @returns how many bytes were written in all
   */
  writev(fd: number, buffers: readonly Bytes[], offset?: Offset, o?: RwOptions): Promise<number> {
    checkFd(fd);
    const from = toOffset(offset);
    const finish = rwFinisher(o);
    const { scratch, homes, count } = iovecs(buffers);
    return this.start({ op: "writev", fd, scratch, extra: { homes } }, o, (words, at) => {
      prepWritev2(words, at, fd, scratch.address, count, from, 0);
      finish(words, at);
    });
  }

  /**
   * Reads into a registered buffer: the kernel need not look up its pages. Arguments and errors as for
   * {@linkcode read}.
   *
   * @param buffer of a BufferPool that is registered with this ring, or a part of one
   */
  readFixed(fd: number, buffer: Bytes, offset?: Offset, o?: FixedOptions): Promise<number> {
    checkFd(fd);
    const length = lengthOf(buffer, "buffer");
    const from = toOffset(offset);
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    const index = o?.bufIndex === undefined ? this.registrations.indexOf(home, address) : checkIndex(o.bufIndex);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      const failed = this.registrations.faultOf("read_fixed", { fd, fixedFile: o.fixedFile }, index, address, length);
      return this.start({ op: "read_fixed", fd, home, extra: { failed } }, o, (words, at) => {
        prepReadFixed(words, at, fd, address, length, from, index);
        finish(words, at);
      });
    }
    const { engine } = this;
    const at = engine.room(1, "read_fixed");
    prepReadFixed(engine.core.sqes, at, fd, address, length, from, index);
    const slot = engine.slot("read_fixed", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /** Writes from a registered buffer. Arguments and errors as for {@linkcode readFixed}. */
  writeFixed(fd: number, buffer: Bytes, offset?: Offset, o?: FixedOptions): Promise<number> {
    checkFd(fd);
    const length = lengthOf(buffer, "buffer");
    const from = toOffset(offset);
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    const index = o?.bufIndex === undefined ? this.registrations.indexOf(home, address) : checkIndex(o.bufIndex);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      const failed = this.registrations.faultOf("write_fixed", { fd, fixedFile: o.fixedFile }, index, address, length);
      return this.start({ op: "write_fixed", fd, home, extra: { failed } }, o, (words, at) => {
        prepWriteFixed(words, at, fd, address, length, from, index);
        finish(words, at);
      });
    }
    const { engine } = this;
    const at = engine.room(1, "write_fixed");
    prepWriteFixed(engine.core.sqes, at, fd, address, length, from, index);
    const slot = engine.slot("write_fixed", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /**
   * Reads into several parts of one registered buffer in turn, as preadv2(2). Since Linux 6.15.
   *
   * @param buffers 1 to 1024 buffers of one BufferPool that is registered with this ring, or parts of them
   * @returns how many bytes were read in all
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) with the kernel's error
   */
  readvFixed(fd: number, buffers: readonly Bytes[], offset?: Offset, o?: FixedOptions): Promise<number> {
    this.need("READV_FIXED", "6.15");
    checkFd(fd);
    const from = toOffset(offset);
    const finish = rwFinisher(o);
    const { scratch, homes, count, index } = this.#fixedIovecs(buffers, o?.bufIndex);
    return this.start({ op: "readv_fixed", fd, scratch, extra: { homes } }, o, (words, at) => {
      prepReadvFixed(words, at, fd, scratch.address, count, from, 0, index);
      finish(words, at);
    });
  }

  /**
   * Writes from several parts of one registered buffer in turn. Arguments and errors as for {@linkcode readvFixed}.
   *
   * @returns how many bytes were written in all
   */
  writevFixed(fd: number, buffers: readonly Bytes[], offset?: Offset, o?: FixedOptions): Promise<number> {
    this.need("WRITEV_FIXED", "6.15");
    checkFd(fd);
    const from = toOffset(offset);
    const finish = rwFinisher(o);
    const { scratch, homes, count, index } = this.#fixedIovecs(buffers, o?.bufIndex);
    return this.start({ op: "writev_fixed", fd, scratch, extra: { homes } }, o, (words, at) => {
      prepWritevFixed(words, at, fd, scratch.address, count, from, 0, index);
      finish(words, at);
    });
  }

  #fixedIovecs(buffers: readonly Bytes[], bufIndex: number | undefined): Iovecs & { readonly index: number } {
    if (bufIndex !== undefined) checkIndex(bufIndex);
    const made = iovecs(buffers);
    try {
      return { ...made, index: bufIndex ?? this.#indexOfAll(made.homes, buffers) };
    } catch (error) {
      giveScratch(made.scratch);
      throw error;
    }
  }

  #indexOfAll(homes: readonly Home[], buffers: readonly Bytes[]): number {
    const indexes = homes.map((home, i) => this.registrations.indexOf(home, addressOf(home, buffers[i]!, 0)));
    const other = indexes.findIndex((index) => index !== indexes[0]);
    if (other > 0) {
      throw new TypeError(
        `buffers[${other}] lies in another registered buffer than buffers[0]: take all of them from one BufferPool`,
      );
    }
    return indexes[0]!;
  }

  /**
   * Registers a pool's memory with this ring, for {@linkcode readFixed} and {@linkcode writeFixed}. A pool made with
   * the `ring` option is registered already.
   *
   * @param o `released`: called when the kernel has let go of the memory: the registration was taken back, and no
   *   operation uses it any more. Not called when the ring is closed first
   * @throws {UringError} ENOMEM: the memory may not be locked (`ulimit -l`)
   * @throws {RingClosedError} when the ring is closed
   */
  registerPool(pool: BufferPool, o: { readonly released?: () => void } = {}): void {
    checkPool(pool);
    if (this.engine.closed) throw new RingClosedError("registerPool");
    this.registrations.add(pool.region, pool.stride, o.released);
  }

  /** Takes a pool's registration back. Operations in flight keep what they use, once they have started. */
  unregisterPool(pool: BufferPool): void {
    checkPool(pool);
    this.engine.submitStaged();
    this.registrations.remove(pool.region);
  }
}

function checkPool(pool: BufferPool): void {
  if (!(pool instanceof BufferPool)) throw new TypeError(`pool must be a BufferPool, not ${shown(pool)}`);
}

function checkIndex(index: number): number {
  checkInteger(index, "bufIndex", 0, 0xffff);
  return index;
}

/** Checks what goes into rw_flags and ioprio; gives the function that writes them. */
function rwFinisher(o: RwOptions | undefined): (words: Int32Array, at: number) => void {
  const rwFlags = o?.rwFlags ?? 0;
  const ioprio = o?.ioprio ?? 0;
  checkFlags(rwFlags, "rwFlags");
  checkInteger(ioprio, "ioprio", 0, 0xffff);
  return (words, at) => {
    words[at + 7] = rwFlags;
    words[at] = words[at]! | ioprio << 16;
  };
}

interface Iovecs {
  readonly scratch: Scratch;
  readonly homes: Home[];
  readonly count: number;
}

function iovecs(buffers: readonly Bytes[]): Iovecs {
  if (!Array.isArray(buffers)) throw new TypeError(`buffers must be an array of buffers, not ${shown(buffers)}`);
  const count = buffers.length;
  if (count < 1 || count > MAX_IOVECS) {
    throw new RangeError(`buffers must hold 1 to ${MAX_IOVECS} buffers, not ${count}: split the call`);
  }
  // Not map(), which leaves holes out.
  const lengths: number[] = [];
  const homes: Home[] = [];
  const addresses: number[] = [];
  for (let i = 0; i < count; i++) {
    const name = `buffers[${i}]`;
    const length = lengthOf(buffers[i]!, name);
    const home = homeOf(bufferOf(buffers[i]!), name);
    lengths.push(length);
    homes.push(home);
    addresses.push(addressOf(home, buffers[i]!, length));
  }
  const scratch = takeScratch(count * IOVEC_SIZE);
  for (let i = 0; i < count; i++) writeIovec(scratch.view, i * IOVEC_SIZE, addresses[i]!, lengths[i]!);
  return { scratch, homes, count };
}
