/**
 * The operation that does nothing.
 *
 * @module
 */

import { IORING_FEAT, IORING_NOP, IORING_SETUP } from "../abi/constants.ts";
import { prepNop, prepNop128 } from "../abi/encode.ts";
import { checkFd, checkInteger } from "./arguments.ts";
import { type OpOptions, RingBase } from "./base.ts";
import { type Extra, NO_FD } from "./pending.ts";
import { RingClosedError, UnsupportedError } from "./errors.ts";
import { kernelRelease } from "./probe.ts";

/** Options of {@linkcode NopOps.nop}: what tests are made of. */
export interface NopOptions extends OpOptions {
  /** The result, any 32-bit integer, as if it had come of itself: a negative one rejects with that errno (6.10). */
  readonly injectResult?: number;
  /** Looks this descriptor up first; with `fixedFile`, this slot (6.13). */
  readonly file?: number;
  /** Looks this registered buffer up first (6.13). */
  readonly bufIndex?: number;
  /** Completes in a second step, as operations do that had to wait (6.16). */
  readonly taskWork?: boolean;
  /** Completes with a CQE of 32 bytes, on a ring that has them (6.18). */
  readonly cqe32?: boolean;
}

const EINVAL = -22;

/** Nothing. */
export class NopOps extends RingBase {
  /**
   * Does nothing, and completes: for measuring, and for waiting until the kernel has seen all that came before.
   *
   * @param o options, and results to order
   * @returns 0, or the result that was ordered
   * @throws {UnsupportedError} (or rejects with it) where the kernel lacks one of {@linkcode NopOptions}
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const error = await ring.nop({ injectResult: -5 }).catch((error) => error);
   * console.assert(error.code === "EIO");
   * ```
   */
  nop(o?: NopOptions): Promise<number> {
    if (o !== undefined) return this.#nopWith("nop", o, prepNop);
    const { engine } = this;
    const at = engine.room(1, "nop");
    prepNop(engine.core.sqes, at);
    const slot = engine.slot("nop", NO_FD, null, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /**
   * As {@linkcode nop}, with an SQE of 128 bytes. Since Linux 6.19, on a ring with `sqe128`.
   *
   * @returns 0, or the result that was ordered
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {TypeError} on a ring whose SQEs have 64 bytes
   */
  nop128(o: NopOptions = {}): Promise<number> {
    const isWide = this.engine.core.sqeWords === 32;
    this.need("NOP128", isWide ? "6.19" : "6.19, and SQEs of 128 bytes: a ring with { sqe128: true }");
    if (!isWide) {
      throw new TypeError("nop128 takes an SQE of 128 bytes: open the ring with { sqe128: true }");
    }
    return this.#nopWith("nop128", o, prepNop128);
  }

  #nopWith(op: string, o: NopOptions, encode: (words: Int32Array, at: number) => void): Promise<number> {
    const order = this.#nopOrder(o);
    if (order === undefined) return this.start({ op }, o, encode);
    const { flags, injectResult = 0, file = NO_FD, bufIndex = 0 } = order;
    // EINVAL that nobody ordered: this kernel has some of the flags, but not all.
    const failed = (errno: number) =>
      errno === EINVAL && injectResult !== EINVAL
        ? new UnsupportedError(`nop with ${namesOf(flags)}`, nopNeeds(flags), kernelRelease())
        : undefined;
    const extra: Extra = { failed };
    return this.start({ op, fd: file, extra }, o, (words, at) => {
      encode(words, at);
      if (file !== NO_FD) words[at + 1] = file;
      words[at + 6] = injectResult;
      words[at + 7] = flags;
      words[at + 10] = bufIndex;
    });
  }

  /** What goes into a NOP's SQE; undefined for one as it always was. */
  #nopOrder(o: NopOptions): (NopOptions & { readonly flags: number }) | undefined {
    if (o === null || typeof o !== "object") return undefined; // refused with the other options
    const { injectResult, file, bufIndex, taskWork, cqe32 } = o;
    let flags = 0;
    if (injectResult !== undefined) {
      checkInteger(injectResult, "injectResult", -0x80000000, 0x7fffffff);
      flags |= IORING_NOP.INJECT_RESULT;
    }
    if (file !== undefined) {
      checkFd(file, "file");
      flags |= IORING_NOP.FILE | (o.fixedFile ? IORING_NOP.FIXED_FILE : 0);
    }
    if (bufIndex !== undefined) {
      checkInteger(bufIndex, "bufIndex", 0, 0xffff);
      flags |= IORING_NOP.FIXED_BUFFER;
    }
    if (taskWork) flags |= IORING_NOP.TW;
    if (cqe32) {
      if ((this.engine.core.setupFlags & (IORING_SETUP.CQE32 | IORING_SETUP.CQE_MIXED)) === 0) {
        throw new TypeError("cqe32 needs a ring with CQEs of 32 bytes: open it with { cqe32: true }");
      }
      flags |= IORING_NOP.CQE32;
    }
    if (flags === 0) return undefined;
    // Older kernels took no notice of the flags, and gave 0. These two came together.
    if ((this.engine.core.features & IORING_FEAT.RECVSEND_BUNDLE) === 0) {
      if (this.engine.closed) throw new RingClosedError("nop");
      throw new UnsupportedError(`nop with ${namesOf(flags)}`, nopNeeds(flags), kernelRelease());
    }
    return { ...o, flags };
  }
}

/** The groups of NOP's flags, each by the kernel that brought it, newest first. */
const NOP_SINCE: readonly (readonly [number, string])[] = [
  [IORING_NOP.CQE32, "6.18"],
  [IORING_NOP.TW, "6.16"],
  [IORING_NOP.FILE | IORING_NOP.FIXED_FILE | IORING_NOP.FIXED_BUFFER, "6.13"],
  [IORING_NOP.INJECT_RESULT, "6.10"],
];

function nopNeeds(flags: number): string {
  return `Linux ${NOP_SINCE.find(([group]) => (group & flags) !== 0)![1]}`;
}

function namesOf(flags: number): string {
  return Object.entries(IORING_NOP).filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name).join(" | ");
}
