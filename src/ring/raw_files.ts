/**
 * RawRing's preps that open and close files, and change tables of them.
 *
 * @module
 */

import * as encode from "../abi/encode.ts";
import { checkFlags, checkU32 } from "./arguments.ts";
import type { OpenHow } from "./ops_files.ts";
import { addressIn, homeFor, type Memory, openHowFor, orGiveBack, pathFor, type RawPath } from "./raw_memory.ts";
import { RawRw } from "./raw_rw.ts";

/** Opens, closes, and tables of registered files. */
export class RawFiles extends RawRw {
  /** `io_uring_prep_openat` */
  prepOpenat(userData: number, dfd: number, path: RawPath, flags: number, mode: number): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(mode, "mode");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepOpenat(this.sqes, at, dfd, scratch?.address ?? path as number, flags, mode);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_openat_direct`: into the file slot `fileIndex`, or any with IORING_FILE_INDEX_ALLOC. */
  prepOpenatDirect(
    userData: number,
    dfd: number,
    path: RawPath,
    flags: number,
    mode: number,
    fileIndex: number,
  ): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(mode, "mode");
    checkFlags(fileIndex, "fileIndex");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepOpenatDirect(this.sqes, at, dfd, scratch?.address ?? path as number, flags, mode, fileIndex);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_open`: from the working directory. */
  prepOpen(userData: number, path: RawPath, flags: number, mode: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(mode, "mode");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepOpen(this.sqes, at, scratch?.address ?? path as number, flags, mode);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_open_direct`: from the working directory, into a file slot. */
  prepOpenDirect(userData: number, path: RawPath, flags: number, mode: number, fileIndex: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(mode, "mode");
    checkFlags(fileIndex, "fileIndex");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepOpenDirect(this.sqes, at, scratch?.address ?? path as number, flags, mode, fileIndex);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_openat2`: `how` is `{ flags, mode, resolve }`, or memory with a `struct open_how`. */
  prepOpenat2(userData: number, dfd: number, path: RawPath, how: OpenHow | Memory): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    const { home, scratch, address } = openHowFor(how);
    const copy = orGiveBack(scratch, () => pathFor(path, "path"));
    const more = { scratch: copy };
    this.still(at, scratch, more);
    encode.prepOpenat2(this.sqes, at, dfd, copy?.address ?? path as number, address);
    return this.holding(at, userData, home, scratch, more);
  }

  /** `io_uring_prep_openat2_direct`: as {@linkcode prepOpenat2}, into a file slot. */
  prepOpenat2Direct(
    userData: number,
    dfd: number,
    path: RawPath,
    how: OpenHow | Memory,
    fileIndex: number,
  ): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(fileIndex, "fileIndex");
    const { home, scratch, address } = openHowFor(how);
    const copy = orGiveBack(scratch, () => pathFor(path, "path"));
    const more = { scratch: copy };
    this.still(at, scratch, more);
    encode.prepOpenat2Direct(this.sqes, at, dfd, copy?.address ?? path as number, address, fileIndex);
    return this.holding(at, userData, home, scratch, more);
  }

  /** `io_uring_prep_close` */
  prepClose(userData: number, fd: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    encode.prepClose(this.sqes, at, fd);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_close_direct`: empties a file slot. */
  prepCloseDirect(userData: number, fileIndex: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    encode.prepCloseDirect(this.sqes, at, fileIndex);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_files_update`: puts descriptors into file slots from `offset` on; with IORING_FILE_INDEX_ALLOC the
   * kernel picks the slots, and writes them in their place.
   *
   * `fds` is memory with as many 32-bit numbers; −1 empties a slot.
   */
  prepFilesUpdate(userData: number, fds: Memory, nrFds: number, offset: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkU32(nrFds, "nrFds");
    const home = homeFor(fds, nrFds * 4, "fds");
    const address = addressIn(home, fds, nrFds * 4);
    this.still(at);
    encode.prepFilesUpdate(this.sqes, at, address, nrFds, offset);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_fixed_fd_install`: makes an ordinary descriptor of the file slot `fd` (6.8). */
  prepFixedFdInstall(userData: number, fd: number, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    encode.prepFixedFdInstall(this.sqes, at, fd, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_pipe`: `fds` takes two 32-bit descriptors: the end to read from, the end to write to (6.16). */
  prepPipe(userData: number, fds: Memory, pipeFlags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(pipeFlags, "pipeFlags");
    const home = homeFor(fds, 8, "fds");
    const address = addressIn(home, fds, 8);
    this.still(at);
    encode.prepPipe(this.sqes, at, address, pipeFlags);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_pipe_direct`: into the file slots `fileIndex` and the next one, or any two (6.16). */
  prepPipeDirect(userData: number, fds: Memory, pipeFlags: number, fileIndex: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(pipeFlags, "pipeFlags");
    checkFlags(fileIndex, "fileIndex");
    const home = homeFor(fds, 8, "fds");
    const address = addressIn(home, fds, 8);
    this.still(at);
    encode.prepPipeDirect(this.sqes, at, address, pipeFlags, fileIndex);
    return this.holding(at, userData, home, null);
  }
}
