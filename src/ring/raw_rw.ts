/**
 * RawRing's preps that move bytes and look after files: vectors, splice, sync, size, advice.
 *
 * @module
 */

import { IORING_OP } from "../abi/constants.ts";
import * as encode from "../abi/encode.ts";
import { checkFd, checkFlags, checkInteger, checkU32 } from "./arguments.ts";
import { RawBase } from "./raw_base.ts";
import {
  addressIn,
  check64,
  checkU16,
  homeFor,
  iovecsFor,
  isAddress,
  type Memory,
  pagesFor,
  type RawIovecs,
} from "./raw_memory.ts";

/** Ops whose `len` is the length of what `addr` points to, in bytes. */
const LENGTH_IN_BYTES: ReadonlySet<number> = new Set([
  IORING_OP.READ,
  IORING_OP.WRITE,
  IORING_OP.READ_FIXED,
  IORING_OP.WRITE_FIXED,
  IORING_OP.SEND,
  IORING_OP.SEND_ZC,
  IORING_OP.RECV,
]);

/** Reads, writes, and what else is done to an open file. */
export class RawRw extends RawBase {
  /**
   * `io_uring_prep_rw`: any op by its number. `addr` may be bytes for ops that use `len` bytes of them; for all others
   * it is an address.
   */
  prepRw(userData: number, op: number, fd: number, addr: Memory, len: number, offset: number | bigint): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkInteger(op, "op", 0, 0xff);
    check64(offset, "offset");
    if (!isAddress(addr) && !LENGTH_IN_BYTES.has(op)) {
      throw new TypeError(
        `addr must be an address for op ${op}, whose len may mean anything: or use the op's own prep`,
      );
    }
    const home = homeFor(addr, len, "addr");
    const address = addressIn(home, addr, len);
    this.still(at);
    encode.prepRw(this.sqes, at, op, fd, address, len, offset);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_read_fixed`: `buffer` lies in the registered buffer `bufIndex`. */
  prepReadFixed(
    userData: number,
    fd: number,
    buffer: Memory,
    length: number,
    offset: number | bigint,
    bufIndex: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    check64(offset, "offset");
    const address = addressIn(home, buffer, length);
    this.still(at);
    encode.prepReadFixed(this.sqes, at, fd, address, length, offset, bufIndex);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_write_fixed`: `buffer` lies in the registered buffer `bufIndex`. */
  prepWriteFixed(
    userData: number,
    fd: number,
    buffer: Memory,
    length: number,
    offset: number | bigint,
    bufIndex: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    check64(offset, "offset");
    const address = addressIn(home, buffer, length);
    this.still(at);
    encode.prepWriteFixed(this.sqes, at, fd, address, length, offset, bufIndex);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_readv`: `iovecs` is memory with `nrVecs` iovecs, or an array of buffers. */
  prepReadv(userData: number, fd: number, iovecs: RawIovecs, nrVecs: number, offset: number | bigint): boolean {
    return this.prepReadv2(userData, fd, iovecs, nrVecs, offset, 0);
  }

  /** `io_uring_prep_readv2`: with RWF flags. */
  prepReadv2(
    userData: number,
    fd: number,
    iovecs: RawIovecs,
    nrVecs: number,
    offset: number | bigint,
    flags: number,
  ): boolean {
    return this.#vectored(encode.prepReadv2, userData, fd, iovecs, nrVecs, offset, flags, 0);
  }

  /** `io_uring_prep_readv_fixed`: the buffers lie in the registered buffer `bufIndex` (6.15). */
  prepReadvFixed(
    userData: number,
    fd: number,
    iovecs: RawIovecs,
    nrVecs: number,
    offset: number | bigint,
    flags: number,
    bufIndex: number,
  ): boolean {
    return this.#vectored(encode.prepReadvFixed, userData, fd, iovecs, nrVecs, offset, flags, bufIndex);
  }

  /** `io_uring_prep_writev`: as {@linkcode prepReadv}. */
  prepWritev(userData: number, fd: number, iovecs: RawIovecs, nrVecs: number, offset: number | bigint): boolean {
    return this.prepWritev2(userData, fd, iovecs, nrVecs, offset, 0);
  }

  /** `io_uring_prep_writev2`: with RWF flags. */
  prepWritev2(
    userData: number,
    fd: number,
    iovecs: RawIovecs,
    nrVecs: number,
    offset: number | bigint,
    flags: number,
  ): boolean {
    return this.#vectored(encode.prepWritev2, userData, fd, iovecs, nrVecs, offset, flags, 0);
  }

  /** `io_uring_prep_writev_fixed`: the buffers lie in the registered buffer `bufIndex` (6.15). */
  prepWritevFixed(
    userData: number,
    fd: number,
    iovecs: RawIovecs,
    nrVecs: number,
    offset: number | bigint,
    flags: number,
    bufIndex: number,
  ): boolean {
    return this.#vectored(encode.prepWritevFixed, userData, fd, iovecs, nrVecs, offset, flags, bufIndex);
  }

  /** What the vectored ones have in common. Those that take no `bufIndex` leave it alone. */
  #vectored(
    prep: typeof encode.prepReadvFixed,
    userData: number,
    fd: number,
    iovecs: RawIovecs,
    nrVecs: number,
    offset: number | bigint,
    flags: number,
    bufIndex: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    checkFlags(flags, "flags");
    checkU16(bufIndex, "bufIndex");
    const vectors = iovecsFor(iovecs, nrVecs);
    this.still(at, vectors.scratch, vectors.more);
    prep(this.sqes, at, fd, vectors.address, nrVecs, offset, flags, bufIndex);
    return this.holdingPlaced(at, userData, vectors);
  }

  /** `io_uring_prep_read_multishot`: reads again and again, into buffers of the group `bufGroup` (6.7). */
  prepReadMultishot(
    userData: number,
    fd: number,
    nbytes: number,
    offset: number | bigint,
    bufGroup: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    encode.prepReadMultishot(this.sqes, at, fd, nbytes, offset, bufGroup);
    return this.holding(at, userData, null, null);
  }

  /** `io_uring_prep_splice`: moves bytes between a pipe and a file; offset −1 is the position, and a pipe's only one. */
  prepSplice(
    userData: number,
    fdIn: number,
    offIn: number | bigint,
    fdOut: number,
    offOut: number | bigint,
    nbytes: number,
    spliceFlags: number,
  ): boolean {
    const at = this.room(userData, fdIn, "fdIn");
    if (at < 0) return false;
    check64(offIn, "offIn");
    checkFd(fdOut, "fdOut");
    check64(offOut, "offOut");
    checkU32(nbytes, "nbytes");
    checkFlags(spliceFlags, "spliceFlags");
    encode.prepSplice(this.sqes, at, fdIn, offIn, fdOut, offOut, nbytes, spliceFlags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_tee`: copies bytes from one pipe to another, and leaves them there. */
  prepTee(userData: number, fdIn: number, fdOut: number, nbytes: number, spliceFlags: number): boolean {
    const at = this.room(userData, fdIn, "fdIn");
    if (at < 0) return false;
    checkFd(fdOut, "fdOut");
    checkU32(nbytes, "nbytes");
    checkFlags(spliceFlags, "spliceFlags");
    encode.prepTee(this.sqes, at, fdIn, fdOut, nbytes, spliceFlags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_fsync` */
  prepFsync(userData: number, fd: number, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    encode.prepFsync(this.sqes, at, fd, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_sync_file_range`: starts or awaits the writing of a range; a length of 0 is to the end. */
  prepSyncFileRange(userData: number, fd: number, len: number, offset: number | bigint, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    checkFlags(flags, "flags");
    encode.prepSyncFileRange(this.sqes, at, fd, len, offset, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_fallocate` */
  prepFallocate(userData: number, fd: number, mode: number, offset: number | bigint, len: number | bigint): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(mode, "mode");
    check64(offset, "offset");
    check64(len, "len");
    encode.prepFallocate(this.sqes, at, fd, mode, offset, len);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_ftruncate` (6.9) */
  prepFtruncate(userData: number, fd: number, len: number | bigint): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(len, "len");
    encode.prepFtruncate(this.sqes, at, fd, len);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_fadvise`: a length of 0 is to the end. */
  prepFadvise(userData: number, fd: number, offset: number | bigint, len: number, advice: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    checkFlags(advice, "advice");
    encode.prepFadvise(this.sqes, at, fd, offset, len, advice);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_fadvise64`: for ranges of 4 GiB and more. */
  prepFadvise64(
    userData: number,
    fd: number,
    offset: number | bigint,
    len: number | bigint,
    advice: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    check64(len, "len");
    checkFlags(advice, "advice");
    encode.prepFadvise64(this.sqes, at, fd, offset, len, advice);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_madvise`. The kernel takes whole pages: bytes are to be a `BufferPool`'s, or whole pages themselves.
   */
  prepMadvise(userData: number, addr: Memory, length: number, advice: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(advice, "advice");
    const home = pagesFor(addr, length, "addr");
    const address = addressIn(home, addr, Number(length));
    this.still(at);
    encode.prepMadvise(this.sqes, at, address, length, advice);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_madvise64`: as {@linkcode prepMadvise}, for ranges of 4 GiB and more. */
  prepMadvise64(userData: number, addr: Memory, length: number | bigint, advice: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    check64(length, "length");
    checkFlags(advice, "advice");
    const home = pagesFor(addr, length, "addr");
    const address = addressIn(home, addr, Number(length));
    this.still(at);
    encode.prepMadvise64(this.sqes, at, address, length, advice);
    return this.holding(at, userData, home, null);
  }
}
