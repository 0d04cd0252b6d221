/**
 * RawRing's preps for other rings, provided buffers and drivers; and what changes the SQE that was prepared last.
 *
 * @module
 */

import * as encode from "../abi/encode.ts";
import { checkFlags, checkInteger, refuseLayout } from "./arguments.ts";
import { addressIn, check64, checkMessage, checkUserData, homeFor, type Memory } from "./raw_memory.ts";
import { RawWaits } from "./raw_waits.ts";

/** Messages between rings, provided buffers, and commands of drivers. */
export class RawRings extends RawWaits {
  /**
   * `io_uring_prep_msg_ring`: posts a completion in the ring `fd`, with result `len` and user data `data`, a number
   * below 2^63.
   */
  prepMsgRing(userData: number, fd: number, len: number, data: number | bigint, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(len, "len");
    checkMessage(data, "data");
    checkFlags(flags, "flags");
    encode.prepMsgRing(this.sqes, at, fd, len, data, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_msg_ring_cqe_flags`: as {@linkcode prepMsgRing}, and with these flags in the completion; not SKIP or 32. */
  prepMsgRingCqeFlags(
    userData: number,
    fd: number,
    len: number,
    data: number | bigint,
    flags: number,
    cqeFlags: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(len, "len");
    checkMessage(data, "data");
    checkFlags(flags, "flags");
    checkFlags(cqeFlags, "cqeFlags");
    refuseLayout(cqeFlags);
    encode.prepMsgRingCqeFlags(this.sqes, at, fd, len, data, flags, cqeFlags);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_msg_ring_fd`: puts this ring's file slot `sourceFd` into slot `targetFd` of the ring `fd`, or into
   * any with IORING_FILE_INDEX_ALLOC.
   */
  prepMsgRingFd(
    userData: number,
    fd: number,
    sourceFd: number,
    targetFd: number,
    data: number | bigint,
    flags: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkMessage(data, "data");
    checkFlags(flags, "flags");
    encode.prepMsgRingFd(this.sqes, at, fd, sourceFd, targetFd, data, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_msg_ring_fd_alloc`: into a slot that the other ring picks, and completes with. */
  prepMsgRingFdAlloc(userData: number, fd: number, sourceFd: number, data: number | bigint, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkMessage(data, "data");
    checkFlags(flags, "flags");
    encode.prepMsgRingFdAlloc(this.sqes, at, fd, sourceFd, data, flags);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_provide_buffers`: gives `nr` buffers of `len` bytes, which lie one behind the other from `addr` on
   * and are numbered from `bid` on, to the group `bgid`. Bytes are held until the ring is closed: they are the kernel's
   * to fill.
   */
  prepProvideBuffers(userData: number, addr: Memory, len: number, nr: number, bgid: number, bid: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkInteger(len, "len", 0, 0x7fffffff);
    checkInteger(nr, "nr", 0, 0x7fffffff);
    const home = homeFor(addr, len * nr, "addr");
    const address = addressIn(home, addr, len * nr);
    this.still(at);
    encode.prepProvideBuffers(this.sqes, at, address, len, nr, bgid, bid);
    if (home !== null) this.provide(home);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_remove_buffers`: takes up to `nr` buffers away from a group; completes with how many. */
  prepRemoveBuffers(userData: number, nr: number, bgid: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    encode.prepRemoveBuffers(this.sqes, at, nr, bgid);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_uring_cmd`: a command of the file's driver. Its argument goes through {@linkcode sqe}, from byte 48
   * on; addresses there are the caller's to keep.
   */
  prepUringCmd(userData: number, cmdOp: number, fd: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(cmdOp, "cmdOp");
    encode.prepUringCmd(this.sqes, at, cmdOp, fd);
    return this.holding(at, userData, null, null);
  }

  /**
   * `io_uring_prep_uring_cmd128`: as {@linkcode prepUringCmd}, with 80 bytes for the argument (6.19).
   *
   * @throws {TypeError} on a ring with neither SQE128 nor SQE_MIXED
   */
  prepUringCmd128(userData: number, cmdOp: number, fd: number): boolean {
    const at = this.room128(userData, fd, "prepUringCmd128");
    if (at < 0) return false;
    checkFlags(cmdOp, "cmdOp");
    encode.prepUringCmd128(this.sqes, at, cmdOp, fd);
    return this.wide(at, userData);
  }

  /**
   * `io_uring_prep_nop128`: does nothing, with an SQE of 128 bytes (6.19).
   *
   * @throws {TypeError} on a ring with neither SQE128 nor SQE_MIXED
   */
  prepNop128(userData: number): boolean {
    const at = this.room128(userData, 0, "prepNop128");
    if (at < 0) return false;
    encode.prepNop128(this.sqes, at);
    return this.wide(at, userData);
  }

  /** `io_uring_prep_cmd_discard`: discards a range of a block device (6.12). */
  prepCmdDiscard(userData: number, fd: number, offset: number | bigint, nbytes: number | bigint): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    check64(offset, "offset");
    check64(nbytes, "nbytes");
    encode.prepCmdDiscard(this.sqes, at, fd, offset, nbytes);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_cmd_zone_reset_all`: resets every zone of a block device. */
  prepCmdZoneResetAll(userData: number, fd: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    encode.prepCmdZoneResetAll(this.sqes, at, fd);
    return this.plain(at, userData);
  }

  // What changes the SQE that was prepared last.

  /** `io_uring_sqe_set_flags`: IOSQE bits, in place of those that it has. */
  sqeSetFlags(flags: number): void {
    const at = this.lastSqe();
    checkInteger(flags, "flags", 0, 0xff);
    encode.sqeSetFlags(this.sqes, at, flags);
  }

  /** `io_uring_sqe_set_buf_group`: the group of provided buffers; IOSQE.BUFFER_SELECT is a flag of its own. */
  sqeSetBufGroup(bgid: number): void {
    const at = this.lastSqe();
    checkInteger(bgid, "bgid", 0, 0xffff);
    encode.sqeSetBufGroup(this.sqes, at, bgid);
  }

  /** `io_uring_sqe_set_data`: user data, in place of the prep's. */
  sqeSetData(userData: number): void {
    const at = this.lastSqe();
    checkUserData(userData);
    encode.sqeSetData(this.sqes, at, userData);
  }

  /** `io_uring_sqe_set_data64`: as {@linkcode sqeSetData}; in C one takes a pointer, the other a number. */
  sqeSetData64(userData: number): void {
    this.sqeSetData(userData);
  }
}
