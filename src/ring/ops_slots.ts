/**
 * Operations on a ring's registered files.
 *
 * @module
 */

import { prepCloseDirect, prepFilesUpdate, prepFixedFdInstall } from "../abi/encode.ts";
import { type Home, homeOf } from "../memory/address.ts";
import { checkFd, checkInteger, checkU32, type FileSlot, shown, toFileIndex } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { NetOps } from "./ops_net.ts";

/** Slot numbers are stored plus one, in 32 bits of which the greatest means "any". */
const MAX_SLOT = 0xffffffff - 2;
const MAX_DESCRIPTOR = 0x7fffffff;
/** IORING_REGISTER_FILES_SKIP: leaves the slot as it is. */
const SKIP = -2;

/** Operations on a ring's registered files. */
export class SlotOps extends NetOps {
  /**
   * Empties a slot of the registered files. Operations in flight keep the file.
   *
   * @param slot of the ring's registered files
   * @returns 0
   * @throws {UringError} (rejects) EBADF for an empty slot, ENXIO without registered files
   */
  closeDirect(slot: number, o?: OpOptions): Promise<number> {
    checkInteger(slot, "slot", 0, MAX_SLOT);
    return this.start({ op: "close", fd: slot, extra: { fixedFile: true } }, o, (words, at) => {
      prepCloseDirect(words, at, slot);
    });
  }

  /**
   * Changes slots of the registered files.
   *
   * @param fds what goes in: descriptors, −1 to empty a slot, −2 to leave it as it is
   * @param first the slot of the first
   * @returns how many of `fds` were gone through, those that leave a slot as it is among them
   * @throws {UringError} (rejects) EBADF when the first is not open, ENXIO without registered files
   */
  filesUpdate(fds: readonly number[] | Int32Array, first: number, o?: OpOptions): Promise<number>;
  /**
   * Puts files into free slots of the registered files. Since Linux 6.0.
   *
   * @param fds open descriptors
   * @param first `"alloc"`: the kernel chooses
   * @returns the slots that were chosen: fewer than there are descriptors, when no more are free
   * @throws {UringError} (rejects) ENFILE when none is free
   */
  filesUpdate(fds: readonly number[] | Int32Array, first: "alloc", o?: OpOptions): Promise<number[]>;
  filesUpdate(fds: readonly number[] | Int32Array, first: FileSlot, o?: OpOptions): Promise<number | number[]> {
    const { list, home } = copyOf(fds);
    const offset = toFileIndex(first, "first");
    if (first === "alloc") this.needFor("SEND_ZC", 'filesUpdate() with "alloc"', "6.0");
    if (first !== "alloc") checkInteger(first, "first", 0, MAX_DESCRIPTOR);
    // The kernel puts the slots that it chose in the descriptors' place.
    const decode = (count: number) => first === "alloc" ? Array.from(list.subarray(0, count)) : count;
    return this.start<number | number[]>({ op: "files_update", home, extra: { decode } }, o, (words, at) => {
      prepFilesUpdate(words, at, home.address, list.length, offset);
    });
  }

  /**
   * Makes an ordinary descriptor of a registered file. Since Linux 6.8.
   *
   * @param slot of the ring's registered files
   * @param flags `IORING_FIXED_FD.NO_CLOEXEC`: the descriptor stays open over exec
   * @returns the descriptor
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EBADF for an empty slot; EPERM with a personality
   */
  fixedFdInstall(slot: number, flags: number = 0, o?: OpOptions): Promise<number> {
    this.need("FIXED_FD_INSTALL", "6.8");
    checkInteger(slot, "slot", 0, MAX_DESCRIPTOR);
    checkU32(flags, "flags");
    return this.start({ op: "fixed_fd_install", fd: slot, extra: { fixedFile: true } }, o, (words, at) => {
      prepFixedFdInstall(words, at, slot, flags);
    });
  }
}

/** A copy that nobody else changes, at an address of its own. */
function copyOf(fds: readonly number[] | Int32Array): { list: Int32Array; home: Home } {
  if (!Array.isArray(fds) && !(fds instanceof Int32Array)) {
    throw new TypeError(`fds must be an array of descriptors, not ${shown(fds)}`);
  }
  if (fds.length === 0) throw new RangeError("fds is empty: give at least one descriptor");
  const list = new Int32Array(new ArrayBuffer(fds.length * 4));
  for (let i = 0; i < fds.length; i++) {
    const fd = fds[i]!;
    checkFd(fd, `fds[${i}]`);
    if (fd < SKIP) throw new RangeError(`fds[${i}] must be a descriptor, -1 (empty) or -2 (leave), not ${fd}`);
    list[i] = fd;
  }
  return { list, home: homeOf(list.buffer, "fds") };
}
