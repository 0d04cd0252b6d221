/**
 * Operations on files and their names.
 *
 * @module
 */

import { AT, O_aarch64, O_x86_64, POSIX_FADV, RENAME } from "../abi/constants.ts";
import {
  prepClose,
  prepFadvise,
  prepFadvise64,
  prepFallocate,
  prepFsync,
  prepFtruncate,
  prepLinkat,
  prepMkdirat,
  prepOpenat,
  prepOpenat2,
  prepOpenat2Direct,
  prepOpenatDirect,
  prepRenameat,
  prepStatx,
  prepSymlinkat,
  prepSyncFileRange,
  prepUnlinkat,
} from "../abi/encode.ts";
import { architecture } from "../../ffi/host.ts";
import { giveScratch, type Path, pathText, scratchPath } from "../memory/scratch.ts";
import {
  checkFd,
  checkFlags,
  checkInteger,
  checkOffset,
  checkU32,
  type FileSlot,
  shown,
  toFileIndex,
} from "./arguments.ts";
import type { DirectOptions, OpOptions } from "./base.ts";
import type { Extra } from "./pending.ts";
import { UnsupportedError } from "./errors.ts";
import { RwOps } from "./ops_rw.ts";
import { kernelRelease } from "./probe.ts";
import { Statx, STATX_SIZE } from "./statx.ts";

/** Flags of open(2), as this machine's architecture numbers them. */
export const O: typeof O_x86_64 | typeof O_aarch64 = architecture() === "aarch64" ? O_aarch64 : O_x86_64;

/** How openat2(2) opens. */
export interface OpenHow {
  /** O flags; O_CLOEXEC is added, but for a slot, which has none. */
  readonly flags?: number | bigint;
  /** Permissions of a new file. */
  readonly mode?: number;
  /** RESOLVE flags: how the path is followed. */
  readonly resolve?: number | bigint;
}

/** The largest mode that open(2) takes. */
const MAX_MODE = 0o7777;

/** Operations on files and their names. */
export class FileOps extends RwOps {
  /**
   * Opens a file, as openat(2). O_CLOEXEC is always added.
   *
   * @param dirfd the directory that a relative path starts from; `AT.FDCWD`: the current one
   * @param path a string, bytes, or a file: URL
   * @param flags O flags
   * @param mode permissions of a new file, 0 to 0o7777, less the umask
   * @param o options; `slot`: into the ring's registered files, which know no O_CLOEXEC
   * @returns the descriptor; with `slot`, the slot
   * @throws {UringError} (rejects) with the kernel's error
   */
  openat(dirfd: number, path: Path, flags: number, mode: number = 0, o?: DirectOptions): Promise<number> {
    checkFd(dirfd, "dirfd");
    checkFlags(flags, "flags");
    checkInteger(mode, "mode", 0, MAX_MODE);
    if (o?.slot !== undefined) return this.#openatDirect(dirfd, path, flags, mode, o.slot, o);
    const scratch = scratchPath(path, "path");
    return this.start({ op: "openat", fd: dirfd, scratch, extra: { path: pathText(path) } }, o, (words, at) => {
      prepOpenat(words, at, dirfd, scratch.address, flags | O.CLOEXEC, mode);
    });
  }

  #openatDirect(
    dirfd: number,
    path: Path,
    flags: number,
    mode: number,
    slot: FileSlot,
    o: OpOptions,
  ): Promise<number> {
    const index = toFileIndex(slot);
    this.needAlloc(slot);
    const scratch = scratchPath(path, "path");
    const extra = { path: pathText(path), decode: slotTaken(slot) };
    return this.start({ op: "openat", fd: dirfd, scratch, extra }, o, (words, at) => {
      prepOpenatDirect(words, at, dirfd, scratch.address, flags & ~O.CLOEXEC, mode, index);
    });
  }

  /**
   * Opens a file, as openat2(2): with a word on how its path may be followed. O_CLOEXEC is always added.
   *
   * @param how flags, mode and RESOLVE flags
   * @param o options; `slot`: into the ring's registered files, which know no O_CLOEXEC
   * @returns the descriptor; with `slot`, the slot
   */
  openat2(dirfd: number, path: Path, how: OpenHow, o?: DirectOptions): Promise<number> {
    checkFd(dirfd, "dirfd");
    if (how === null || typeof how !== "object") throw new TypeError(`how must be an object, not ${shown(how)}`);
    const flags = checkOffset(how.flags ?? 0, "how.flags");
    const resolve = checkOffset(how.resolve ?? 0, "how.resolve");
    const mode = how.mode ?? 0;
    checkInteger(mode, "how.mode", 0, MAX_MODE);
    const slot = o?.slot;
    const index = slot === undefined ? undefined : toFileIndex(slot);
    this.needAlloc(slot);
    const scratch = scratchPath(path, "path", false, OPEN_HOW_SIZE);
    const { view, address } = scratch;
    const cloexec = BigInt(O.CLOEXEC);
    view.setBigUint64(0, slot === undefined ? BigInt(flags) | cloexec : BigInt(flags) & ~cloexec, true);
    view.setBigUint64(8, BigInt(mode), true);
    view.setBigUint64(16, BigInt(resolve), true);
    const extra: Extra = { path: pathText(path) };
    if (slot !== undefined) extra.decode = slotTaken(slot);
    return this.start({ op: "openat2", fd: dirfd, scratch, extra }, o, (words, at) => {
      if (index === undefined) prepOpenat2(words, at, dirfd, address + OPEN_HOW_SIZE, address);
      else prepOpenat2Direct(words, at, dirfd, address + OPEN_HOW_SIZE, address, index);
    });
  }

  /**
   * Closes a descriptor, as close(2). Operations that use it go on: cancel them first. `closeDirect()` empties a slot.
   *
   * @returns 0
   */
  closeFd(fd: number, o?: OpOptions): Promise<number> {
    checkFd(fd);
    return this.start({ op: "close", fd }, o, (words, at) => prepClose(words, at, fd));
  }

  /**
   * Brings a file's data to the disk, as fsync(2).
   *
   * @param flags `IORING_FSYNC.DATASYNC`: as fdatasync(2)
   * @returns 0
   */
  fsync(fd: number, flags: number = 0, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkU32(flags, "flags");
    return this.start({ op: "fsync", fd, worker: true }, o, (words, at) => prepFsync(words, at, fd, flags));
  }

  /**
   * Starts the writing of a range, or waits for it, as sync_file_range(2). No promise of durability: neither metadata
   * nor the device's own cache are written.
   *
   * @param offset in bytes
   * @param length in bytes, up to 2^32 − 1; 0: to the end
   * @param flags SYNC_FILE_RANGE flags: WAIT_BEFORE, WRITE, WAIT_AFTER
   * @returns 0
   */
  syncFileRange(
    fd: number,
    offset: number | bigint,
    length: number,
    flags: number,
    o?: OpOptions,
  ): Promise<number> {
    checkFd(fd);
    checkOffset(offset, "offset");
    checkU32(length, "length");
    checkU32(flags, "flags");
    return this.start({ op: "sync_file_range", fd, worker: true }, o, (words, at) => {
      prepSyncFileRange(words, at, fd, length, offset, flags);
    });
  }

  /**
   * Tells of a file, as statx(2). The kernel always hands it to a worker thread: a synchronous call is faster for one.
   *
   * @param path relative to `dirfd`; empty with `AT.EMPTY_PATH`: the descriptor itself
   * @param flags AT flags
   * @param mask STATX bits: what is asked for
   */
  statx(dirfd: number, path: Path, flags: number, mask: number, o?: OpOptions): Promise<Statx> {
    checkFd(dirfd, "dirfd");
    checkU32(flags, "flags");
    checkU32(mask, "mask");
    const scratch = scratchPath(path, "path", (flags & AT.EMPTY_PATH) !== 0, STATX_SIZE);
    const { address, view } = scratch;
    const extra = { path: pathText(path), decode: () => new Statx(view) };
    return this.start<Statx>({ op: "statx", fd: dirfd, worker: true, scratch, extra }, o, (words, at) => {
      prepStatx(words, at, dirfd, address + STATX_SIZE, flags, mask, address);
    });
  }

  /**
   * Takes or gives back space, as fallocate(2).
   *
   * @param mode FALLOC_FL flags; 0: take it, and lengthen the file
   * @param offset in bytes
   * @param len in bytes, at least 1
   * @returns 0
   */
  fallocate(fd: number, mode: number, offset: number | bigint, len: number | bigint, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkU32(mode, "mode");
    checkOffset(offset, "offset");
    checkOffset(len, "len");
    if (len < 1) throw new RangeError(`len must be at least 1, not ${len}`);
    return this.start(
      { op: "fallocate", fd, worker: true },
      o,
      (words, at) => prepFallocate(words, at, fd, mode, offset, len),
    );
  }

  /**
   * Says how a file will be used, as posix_fadvise(2).
   *
   * @param len in bytes, up to 2^32 − 1 (beyond: from Linux 6.9 on); 0: to the end
   * @param advice a POSIX_FADV value
   * @returns 0
   */
  fadvise(fd: number, offset: number | bigint, len: number | bigint, advice: number, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkOffset(offset, "offset");
    checkOffset(len, "len");
    checkU32(advice, "advice");
    if (len <= 0xffffffff) {
      return this.start({ op: "fadvise", fd, worker: true }, o, (words, at) => {
        prepFadvise(words, at, fd, offset, Number(len), advice);
      });
    }
    const known = advice <= POSIX_FADV.NOREUSE;
    const failed = (errno: number) =>
      errno === EINVAL && known
        ? new UnsupportedError("fadvise of more than 2^32 - 1 bytes", "Linux 6.9", kernelRelease())
        : undefined;
    return this.start({ op: "fadvise", fd, worker: true, extra: { failed } }, o, (words, at) => {
      prepFadvise64(words, at, fd, offset, len, advice);
    });
  }

  /**
   * Sets a file's length, as ftruncate(2). Since Linux 6.9.
   *
   * @param len in bytes
   * @returns 0
   * @throws {UnsupportedError} where the kernel has no such op
   */
  ftruncate(fd: number, len: number | bigint, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkOffset(len, "len");
    this.need("FTRUNCATE", "6.9");
    return this.start({ op: "ftruncate", fd, worker: true }, o, (words, at) => prepFtruncate(words, at, fd, len));
  }

  /**
   * Removes a name, as unlinkat(2).
   *
   * @param flags `AT.REMOVEDIR`: a directory, as rmdir(2)
   * @returns 0
   */
  unlinkat(dirfd: number, path: Path, flags: number = 0, o?: OpOptions): Promise<number> {
    checkFd(dirfd, "dirfd");
    checkU32(flags, "flags");
    this.need("UNLINKAT", "5.11");
    const scratch = scratchPath(path, "path");
    return this.start(
      { op: "unlinkat", fd: dirfd, worker: true, scratch, extra: { path: pathText(path) } },
      o,
      (words, at) => {
        prepUnlinkat(words, at, dirfd, scratch.address, flags);
      },
    );
  }

  /**
   * Renames, as renameat2(2).
   *
   * @param flags RENAME flags: NOREPLACE, EXCHANGE, WHITEOUT
   * @returns 0
   */
  renameat(
    olddirfd: number,
    oldpath: Path,
    newdirfd: number,
    newpath: Path,
    flags: number = 0,
    o?: OpOptions,
  ): Promise<number> {
    checkFd(olddirfd, "olddirfd");
    checkFd(newdirfd, "newdirfd");
    checkU32(flags, "flags");
    if ((flags & RENAME.NOREPLACE) !== 0 && (flags & RENAME.EXCHANGE) !== 0) {
      throw new TypeError("flags: NOREPLACE and EXCHANGE exclude each other");
    }
    this.need("RENAMEAT", "5.11");
    const [from, to] = twoPaths(oldpath, "oldpath", newpath, "newpath");
    const extra = { path: pathText(oldpath), dest: pathText(newpath), scratches: [to] };
    return this.start({ op: "renameat", fd: olddirfd, worker: true, scratch: from, extra }, o, (words, at) => {
      prepRenameat(words, at, olddirfd, from.address, newdirfd, to.address, flags);
    });
  }

  /**
   * Makes a directory, as mkdirat(2).
   *
   * @param mode permissions, less the umask
   * @returns 0
   */
  mkdirat(dirfd: number, path: Path, mode: number = 0o777, o?: OpOptions): Promise<number> {
    checkFd(dirfd, "dirfd");
    checkInteger(mode, "mode", 0, MAX_MODE);
    this.need("MKDIRAT", "5.15");
    const scratch = scratchPath(path, "path");
    return this.start(
      { op: "mkdirat", fd: dirfd, worker: true, scratch, extra: { path: pathText(path) } },
      o,
      (words, at) => {
        prepMkdirat(words, at, dirfd, scratch.address, mode);
      },
    );
  }

  /**
   * Makes a symbolic link, as symlinkat(2).
   *
   * @param target what it points to
   * @param newdirfd the directory that a relative `linkpath` starts from
   * @returns 0
   */
  symlinkat(target: Path, newdirfd: number, linkpath: Path, o?: OpOptions): Promise<number> {
    checkFd(newdirfd, "newdirfd");
    this.need("SYMLINKAT", "5.15");
    const [from, to] = twoPaths(target, "target", linkpath, "linkpath");
    const extra = { path: pathText(target), dest: pathText(linkpath), scratches: [to] };
    return this.start({ op: "symlinkat", fd: newdirfd, worker: true, scratch: from, extra }, o, (words, at) => {
      prepSymlinkat(words, at, from.address, newdirfd, to.address);
    });
  }

  /**
   * Gives a file one more name, as linkat(2).
   *
   * @param flags `AT.SYMLINK_FOLLOW`, `AT.EMPTY_PATH`
   * @returns 0
   */
  linkat(
    olddirfd: number,
    oldpath: Path,
    newdirfd: number,
    newpath: Path,
    flags: number = 0,
    o?: OpOptions,
  ): Promise<number> {
    checkFd(olddirfd, "olddirfd");
    checkFd(newdirfd, "newdirfd");
    checkU32(flags, "flags");
    this.need("LINKAT", "5.15");
    const [from, to] = twoPaths(oldpath, "oldpath", newpath, "newpath", (flags & AT.EMPTY_PATH) !== 0);
    const extra = { path: pathText(oldpath), dest: pathText(newpath), scratches: [to] };
    return this.start({ op: "linkat", fd: olddirfd, worker: true, scratch: from, extra }, o, (words, at) => {
      prepLinkat(words, at, olddirfd, from.address, newdirfd, to.address, flags);
    });
  }
}

const OPEN_HOW_SIZE = 24;
const EINVAL = -22;

/** The kernel tells of a slot that it chose, and gives 0 for one that was asked for. */
function slotTaken(slot: FileSlot): (result: number) => number {
  return (result) => slot === "alloc" ? result : slot;
}

function twoPaths(first: Path, firstName: string, second: Path, secondName: string, emptyFirst = false) {
  const from = scratchPath(first, firstName, emptyFirst);
  try {
    return [from, scratchPath(second, secondName)] as const;
  } catch (error) {
    giveScratch(from);
    throw error;
  }
}
