/**
 * RawRing's preps that work on names: statx, links, directories, extended attributes.
 *
 * @module
 */

import * as encode from "../abi/encode.ts";
import { checkFd, checkFlags, checkU32 } from "./arguments.ts";
import { RawFiles } from "./raw_files.ts";
import { addressIn, homeFor, type Memory, orGiveBack, pathFor, type RawName, type RawPath } from "./raw_memory.ts";

/** sizeof(struct statx) */
const STATX_SIZE = 256;

/** Paths, and what lies behind them. */
export class RawNames extends RawFiles {
  /** `io_uring_prep_statx`: `statxbuf` takes 256 bytes. */
  prepStatx(userData: number, dfd: number, path: RawPath, flags: number, mask: number, statxbuf: Memory): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(mask, "mask");
    const home = homeFor(statxbuf, STATX_SIZE, "statxbuf");
    const address = addressIn(home, statxbuf, STATX_SIZE);
    const scratch = pathFor(path, "path", true);
    this.still(at, scratch);
    const pathAddress = scratch?.address ?? path as number;
    encode.prepStatx(this.sqes, at, dfd, pathAddress, flags, mask, address);
    return this.holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_unlinkat` */
  prepUnlinkat(userData: number, dfd: number, path: RawPath, flags: number): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepUnlinkat(this.sqes, at, dfd, scratch?.address ?? path as number, flags);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_unlink`: from the working directory. */
  prepUnlink(userData: number, path: RawPath, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepUnlink(this.sqes, at, scratch?.address ?? path as number, flags);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_renameat` */
  prepRenameat(
    userData: number,
    olddfd: number,
    oldpath: RawPath,
    newdfd: number,
    newpath: RawPath,
    flags: number,
  ): boolean {
    const at = this.room(userData, olddfd, "olddfd");
    if (at < 0) return false;
    checkFd(newdfd, "newdfd");
    checkFlags(flags, "flags");
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath"));
    const more = { scratch: to };
    this.still(at, from, more);
    const fromAddress = from?.address ?? oldpath as number;
    encode.prepRenameat(this.sqes, at, olddfd, fromAddress, newdfd, to?.address ?? newpath as number, flags);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_rename`: from the working directory. */
  prepRename(userData: number, oldpath: RawPath, newpath: RawPath): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath"));
    const more = { scratch: to };
    this.still(at, from, more);
    encode.prepRename(this.sqes, at, from?.address ?? oldpath as number, to?.address ?? newpath as number);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_mkdirat` */
  prepMkdirat(userData: number, dfd: number, path: RawPath, mode: number): boolean {
    const at = this.room(userData, dfd, "dfd");
    if (at < 0) return false;
    checkFlags(mode, "mode");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepMkdirat(this.sqes, at, dfd, scratch?.address ?? path as number, mode);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_mkdir`: from the working directory. */
  prepMkdir(userData: number, path: RawPath, mode: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(mode, "mode");
    const scratch = pathFor(path, "path");
    this.still(at, scratch);
    encode.prepMkdir(this.sqes, at, scratch?.address ?? path as number, mode);
    return this.holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_symlinkat` */
  prepSymlinkat(userData: number, target: RawPath, newdirfd: number, linkpath: RawPath): boolean {
    const at = this.room(userData, newdirfd, "newdirfd");
    if (at < 0) return false;
    const to = pathFor(linkpath, "linkpath");
    const from = orGiveBack(to, () => pathFor(target, "target"));
    const more = { scratch: to };
    this.still(at, from, more);
    const fromAddress = from?.address ?? target as number;
    encode.prepSymlinkat(this.sqes, at, fromAddress, newdirfd, to?.address ?? linkpath as number);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_symlink`: from the working directory. */
  prepSymlink(userData: number, target: RawPath, linkpath: RawPath): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    const to = pathFor(linkpath, "linkpath");
    const from = orGiveBack(to, () => pathFor(target, "target"));
    const more = { scratch: to };
    this.still(at, from, more);
    encode.prepSymlink(this.sqes, at, from?.address ?? target as number, to?.address ?? linkpath as number);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_linkat` */
  prepLinkat(
    userData: number,
    olddfd: number,
    oldpath: RawPath,
    newdfd: number,
    newpath: RawPath,
    flags: number,
  ): boolean {
    const at = this.room(userData, olddfd, "olddfd");
    if (at < 0) return false;
    checkFd(newdfd, "newdfd");
    checkFlags(flags, "flags");
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath", true));
    const more = { scratch: to };
    this.still(at, from, more);
    const fromAddress = from?.address ?? oldpath as number;
    encode.prepLinkat(this.sqes, at, olddfd, fromAddress, newdfd, to?.address ?? newpath as number, flags);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_link`: from the working directory. */
  prepLink(userData: number, oldpath: RawPath, newpath: RawPath, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath"));
    const more = { scratch: to };
    this.still(at, from, more);
    encode.prepLink(this.sqes, at, from?.address ?? oldpath as number, to?.address ?? newpath as number, flags);
    return this.holding(at, userData, null, from, more);
  }

  /** `io_uring_prep_getxattr`: completes with the value's length; a length of 0 asks for that alone. */
  prepGetxattr(userData: number, name: RawName, value: Memory, path: RawPath, len: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkU32(len, "len");
    const home = homeFor(value, len, "value");
    const address = addressIn(home, value, len);
    const pathCopy = pathFor(path, "path");
    const nameCopy = orGiveBack(pathCopy, () => pathFor(name, "name"));
    const more = { scratch: pathCopy };
    this.still(at, nameCopy, more);
    const nameAddress = nameCopy?.address ?? name as number;
    const pathAddress = pathCopy?.address ?? path as number;
    encode.prepGetxattr(this.sqes, at, nameAddress, address, pathAddress, len);
    return this.holding(at, userData, home, nameCopy, more);
  }

  /** `io_uring_prep_setxattr`: with XATTR flags. */
  prepSetxattr(
    userData: number,
    name: RawName,
    value: Memory,
    path: RawPath,
    flags: number,
    len: number,
  ): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkU32(len, "len");
    const home = homeFor(value, len, "value");
    const address = addressIn(home, value, len);
    const pathCopy = pathFor(path, "path");
    const nameCopy = orGiveBack(pathCopy, () => pathFor(name, "name"));
    const more = { scratch: pathCopy };
    this.still(at, nameCopy, more);
    const nameAddress = nameCopy?.address ?? name as number;
    const pathAddress = pathCopy?.address ?? path as number;
    encode.prepSetxattr(this.sqes, at, nameAddress, address, pathAddress, flags, len);
    return this.holding(at, userData, home, nameCopy, more);
  }

  /** `io_uring_prep_fgetxattr`: as {@linkcode prepGetxattr}, of an open file. */
  prepFgetxattr(userData: number, fd: number, name: RawName, value: Memory, len: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkU32(len, "len");
    const home = homeFor(value, len, "value");
    const address = addressIn(home, value, len);
    const scratch = pathFor(name, "name");
    this.still(at, scratch);
    encode.prepFgetxattr(this.sqes, at, fd, scratch?.address ?? name as number, address, len);
    return this.holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_fsetxattr`: as {@linkcode prepSetxattr}, of an open file. */
  prepFsetxattr(
    userData: number,
    fd: number,
    name: RawName,
    value: Memory,
    flags: number,
    len: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkU32(len, "len");
    const home = homeFor(value, len, "value");
    const address = addressIn(home, value, len);
    const scratch = pathFor(name, "name");
    this.still(at, scratch);
    encode.prepFsetxattr(this.sqes, at, fd, scratch?.address ?? name as number, address, flags, len);
    return this.holding(at, userData, home, scratch);
  }
}
