/**
 * Pipes, and bytes that move through them without a copy.
 *
 * @module
 */

import { SPLICE_F } from "../abi/constants.ts";
import { prepPipe, prepPipeDirect, prepSplice, prepTee } from "../abi/encode.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkFlags, checkOffset, checkU32, type Offset, toFileIndex } from "./arguments.ts";
import type { DirectOptions, OpOptions } from "./base.ts";
import { O } from "./ops_files.ts";
import { SlotOps } from "./ops_slots.ts";

/** Options of {@linkcode PipeOps.splice} and {@linkcode PipeOps.tee}. */
export interface SpliceOptions extends OpOptions {
  /** `fdIn` is a slot of the ring's registered files; `fixedFile` says it of `fdOut`. */
  readonly fixedFileIn?: boolean;
}

/** The two ends of a pipe: descriptors, or slots of the registered files. */
export interface PipeEnds {
  /** What was written comes out here. */
  readonly read: number;
  /** What goes in here comes out there. */
  readonly write: number;
}

/** Pipes, and bytes that move through them without a copy. */
export class PipeOps extends SlotOps {
  /**
   * Moves bytes from one file to another without a copy through the process, as splice(2). One of the two must be a
   * pipe; a pipe has no offset. The kernel hands it to a worker thread, which waits there for the pipe.
   *
   * @param fdIn from
   * @param offIn where in it, in bytes; `"current"`: its position, which moves
   * @param fdOut to
   * @param offOut where in it, in bytes; `"current"`: its position, which moves
   * @param nbytes how many bytes at most, up to 2^32 − 1
   * @param flags SPLICE_F flags
   * @returns how many bytes were moved; 0 at the end
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) EINVAL when neither is a pipe, ESPIPE for an offset of a pipe
   *
   * @example
   * ```ts
   * import { AT, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * if (ring.probe().op("PIPE").supported) {
   *   const file = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
   *   const { read, write } = await ring.pipe();
   *   const bytes = await ring.splice(file, 0, write, "current", 4096);
   *   console.assert(bytes > 0);
   *   await Promise.all([file, read, write].map((fd) => ring.closeFd(fd)));
   * }
   * ```
   */
  splice(
    fdIn: number,
    offIn: Offset | undefined,
    fdOut: number,
    offOut: Offset | undefined,
    nbytes: number,
    flags: number = 0,
    o?: SpliceOptions,
  ): Promise<number> {
    checkFd(fdIn, "fdIn");
    const from = offsetOf(offIn, "offIn");
    checkFd(fdOut, "fdOut");
    const to = offsetOf(offOut, "offOut");
    checkU32(nbytes, "nbytes");
    const all = spliceFlags(flags, o);
    const extra = { fdIn, fixedFileIn: o?.fixedFileIn ?? false };
    return this.start({ op: "splice", fd: fdOut, extra, worker: true }, o, (words, at) => {
      prepSplice(words, at, fdIn, from, fdOut, to, nbytes, all);
    });
  }

  /**
   * Copies bytes from one pipe to another, and leaves them in the first, as tee(2).
   *
   * @param fdIn the pipe to copy from
   * @param fdOut the pipe to copy to
   * @param nbytes how many bytes at most, up to 2^32 − 1
   * @param flags SPLICE_F flags
   * @returns how many bytes were copied; 0 when nobody writes any more
   * @throws {UringError} (rejects) EINVAL when one of them is no pipe, or both are one
   */
  tee(fdIn: number, fdOut: number, nbytes: number, flags: number = 0, o?: SpliceOptions): Promise<number> {
    checkFd(fdIn, "fdIn");
    checkFd(fdOut, "fdOut");
    checkU32(nbytes, "nbytes");
    const all = spliceFlags(flags, o);
    const extra = { fdIn, fixedFileIn: o?.fixedFileIn ?? false };
    return this.start({ op: "tee", fd: fdOut, extra, worker: true }, o, (words, at) => {
      prepTee(words, at, fdIn, fdOut, nbytes, all);
    });
  }

  /**
   * Makes a pipe, as pipe2(2). O_CLOEXEC is always added, but for slots, which have none. Since Linux 6.16.
   *
   * @param flags O flags: NONBLOCK, DIRECT (each write is a packet)
   * @param o options; `slot`: the read end goes into this slot of the registered files, the write end into the next;
   *   `"alloc"`: both go into free ones
   * @returns both ends
   * @throws {UnsupportedError} where the kernel has no such op
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * if (ring.probe().op("PIPE").supported) {
   *   const { read, write } = await ring.pipe();
   *   await ring.write(write, new TextEncoder().encode("hello"));
   *   console.assert(await ring.read(read, new Uint8Array(16)) === 5);
   *   await Promise.all([ring.closeFd(read), ring.closeFd(write)]);
   * }
   * ```
   */
  pipe(flags: number = 0, o?: DirectOptions): Promise<PipeEnds> {
    this.need("PIPE", "6.16");
    checkFlags(flags, "flags");
    const slot = o?.slot;
    const index = slot === undefined ? undefined : toFileIndex(slot);
    const scratch = takeScratch(8);
    const { address } = scratch;
    const decode = (_: number, { view }: Scratch) =>
      typeof slot === "number"
        ? { read: slot, write: slot + 1 } // the kernel says 0 for a slot that was asked for
        : { read: view.getInt32(0, true), write: view.getInt32(4, true) };
    const extra = { decode: decode as (res: number, scratch: Scratch | null) => PipeEnds };
    return this.start<PipeEnds>({ op: "pipe", scratch, extra }, o, (words, at) => {
      if (index === undefined) prepPipe(words, at, address, flags | O.CLOEXEC);
      else prepPipeDirect(words, at, address, flags & ~O.CLOEXEC, index);
    });
  }
}

function offsetOf(offset: Offset | undefined, name: string): number | bigint {
  return offset === undefined || offset === "current" ? -1 : checkOffset(offset, name);
}

function spliceFlags(flags: number, o: SpliceOptions | undefined): number {
  checkFlags(flags, "flags");
  return o?.fixedFileIn ? flags | SPLICE_F.FD_IN_FIXED : flags;
}
