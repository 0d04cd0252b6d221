/**
 * Operations that move bytes.
 *
 * @module
 */

import { prepNop, prepRead, prepReadFixed, prepReadv2, prepWrite, prepWriteFixed, prepWritev2 } from "../abi/encode.ts";
import { type Bytes, type Home, homeOf } from "../memory/address.ts";
import { BufferPool } from "../memory/pool.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkFlags, checkInteger, lengthOf, type Offset, shown, toOffset } from "./arguments.ts";
import { bytesAddress, type OpOptions, RingBase } from "./base.ts";
import { NO_FD } from "./engine.ts";
import { RingClosedError } from "./errors.ts";
import { Registrations } from "./registrations.ts";

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

/** The most iovecs that one call takes (UIO_MAXIOV). */
const MAX_IOVECS = 1024;
const IOVEC_SIZE = 16;

function bufferOf(bytes: Bytes): ArrayBufferLike {
  return ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
}

/** Reads, writes, and nothing. */
export class RwOps extends RingBase {
  /** @internal */
  protected readonly registrations: Registrations = new Registrations(this.engine.core);

  /**
   * Does nothing, and completes: for measuring, and for waiting until the kernel has seen all that came before.
   *
   * @returns 0
   */
  nop(o?: OpOptions): Promise<number> {
    if (o !== undefined) return this.start({ op: "nop" }, o, prepNop);
    const { engine } = this;
    const at = engine.room(1, "nop");
    prepNop(engine.core.sqes, at);
    const slot = engine.slot("nop", NO_FD, null, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
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
   * const fd = await ring.openat(AT.FDCWD, "/etc/hostname", 0);
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
    const address = bytesAddress(home, buffer);
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
    const address = bytesAddress(home, buffer);
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
    const address = bytesAddress(home, buffer);
    const index = o?.bufIndex === undefined ? this.registrations.indexOf(home, address) : checkIndex(o.bufIndex);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      return this.start({ op: "read_fixed", fd, home }, o, (words, at) => {
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
    const address = bytesAddress(home, buffer);
    const index = o?.bufIndex === undefined ? this.registrations.indexOf(home, address) : checkIndex(o.bufIndex);
    if (o !== undefined) {
      const finish = rwFinisher(o);
      return this.start({ op: "write_fixed", fd, home }, o, (words, at) => {
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
   * Registers a pool's memory with this ring, for {@linkcode readFixed} and {@linkcode writeFixed}. A pool made with
   * the `ring` option is registered already.
   *
   * @throws {UringError} ENOMEM: the memory may not be locked (`ulimit -l`)
   * @throws {RingClosedError} when the ring is closed
   */
  registerPool(pool: BufferPool): void {
    checkPool(pool);
    if (this.engine.closed) throw new RingClosedError("registerPool");
    this.registrations.add(pool.region, pool.stride);
  }

  /** Takes a pool's registration back. Operations in flight keep what they use, once they have started. */
  unregisterPool(pool: BufferPool): void {
    checkPool(pool);
    const { engine } = this;
    // What is asked for already still finds its buffers.
    if (engine.core.count > 0 && !engine.building && !engine.closed) engine.submitAndWait(0, undefined);
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

function iovecs(buffers: readonly Bytes[]): { scratch: Scratch; homes: Home[]; count: number } {
  if (!Array.isArray(buffers)) throw new TypeError(`buffers must be an array of buffers, not ${shown(buffers)}`);
  const count = buffers.length;
  if (count < 1 || count > MAX_IOVECS) {
    throw new RangeError(`buffers must hold 1 to ${MAX_IOVECS} buffers, not ${count}: split the call`);
  }
  // Not map(), which leaves holes out.
  const lengths: number[] = [];
  const homes: Home[] = [];
  for (let i = 0; i < count; i++) {
    const name = `buffers[${i}]`;
    lengths.push(lengthOf(buffers[i]!, name));
    homes.push(homeOf(bufferOf(buffers[i]!), name));
  }
  const scratch = takeScratch(count * IOVEC_SIZE);
  for (let i = 0; i < count; i++) {
    scratch.view.setBigUint64(i * IOVEC_SIZE, BigInt(bytesAddress(homes[i]!, buffers[i]!)), true);
    scratch.view.setBigUint64(i * IOVEC_SIZE + 8, BigInt(lengths[i]!), true);
  }
  return { scratch, homes, count };
}
