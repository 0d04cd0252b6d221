/**
 * io_uring as liburing has it: prepare, submit, wait, visit each completion. No promise, no allocation an operation.
 *
 * @example
 * ```ts
 * import { RawRing } from "@uring/uring/raw";
 *
 * const ring = new RawRing({ entries: 8 });
 * ring.prepNop(42);
 * ring.submitAndWait(1);
 * ring.forEachCqe((userData, res) => console.assert(userData === 42 && res === 0));
 * ring.close();
 * ```
 *
 * @module
 */

import type { RingOptions } from "./options.ts";
import { RawRings } from "./raw_rings.ts";
import { SqeView } from "./sqe_view.ts";

export type { Bytes } from "../memory/address.ts";
export type { Path } from "../memory/scratch.ts";
export type { OpenHow } from "./ops_files.ts";
export type { CqeVisitor, RawBase } from "./raw_base.ts";
export type { RawFiles } from "./raw_files.ts";
export type { Memory, RawFutexWait, RawIovecs, RawMsghdr, RawName, RawPath, RawTimespec } from "./raw_memory.ts";
export type { RawNames } from "./raw_names.ts";
export type { RawRw } from "./raw_rw.ts";
export type { RawRings } from "./raw_rings.ts";
export type { RawSockets } from "./raw_sockets.ts";
export type { RawWaits } from "./raw_waits.ts";
export type { RingOptions };
export { SqeView };

/**
 * A ring without promises. User data are numbers from 0 to 2^53 − 1.
 *
 * It has every prep of liburing, named without `io_uring_` and in camel case: `io_uring_prep_send_zc` is `prepSendZc`.
 * Each takes user data first, then liburing's arguments in their order, and gives false when the submission queue is
 * full: submit, and prepare again. An op that the kernel lacks completes with −EINVAL.
 *
 * Buffers given as typed arrays are held until the operation's final completion: the one without IORING_CQE_F.MORE,
 * for zero-copy sends their notification. Addresses are the caller's to keep. Paths, times and other small structs are
 * copied.
 *
 * An operation with IOSQE.CQE_SKIP_SUCCESS says nothing when it is done, unless it fails or falls short, and where it
 * fails, nothing that is linked to it does; so what these hold is held for as long as the thread, which waits for them at
 * its end: give them buffers that are used again and again, such as a `BufferPool`'s.
 *
 * @example
 * ```ts
 * import { AF, IORING_CQE_F, SOCK } from "@uring/uring";
 * import { RawRing } from "@uring/uring/raw";
 *
 * using ring = new RawRing({ entries: 8 });
 * ring.prepSocket(1, AF.UNIX, SOCK.DGRAM, 0, 0);
 * ring.submitAndWait(1);
 * ring.forEachCqe((userData, res, flags) => {
 *   console.assert(userData === 1 && res > 2 && (flags & IORING_CQE_F.MORE) === 0);
 *   ring.prepClose(2, res);
 * });
 * ring.submit();
 * ```
 */
export class RawRing extends RawRings {
  /**
   * Opens a ring.
   *
   * @param options as `Ring`'s
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} when the kernel refuses
   */
  constructor(options: RingOptions = {}) {
    super(options);
  }
}
