/**
 * Memory.
 *
 * @module
 */

import { MADV } from "../abi/constants.ts";
import { prepMadvise } from "../abi/encode.ts";
import { addressOf, type Bytes, homeOf } from "../memory/address.ts";
import { checkU32, lengthOf } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { CommandOps } from "./ops_command.ts";

const PAGE = 4096;
/** Those that leave the memory in place; others make it crash whoever touches it. */
const KNOWN: ReadonlySet<number> = new Set(Object.values(MADV));

/** Operations of the system: memory, and through its bases processes, futexes, pipes, other rings and drivers. */
export class SystemOps extends CommandOps {
  /**
   * Says how memory will be used, as madvise(2).
   *
   * Only whole pages of a BufferPool may be named: on a page of JavaScript's heap lies what belongs to others, and
   * DONTNEED would throw it away. Pages that are registered with a ring are locked: advise before registering.
   *
   * @param buffer a BufferPool's, whose address and length are multiples of 4096
   * @param advice an MADV value
   * @returns 0
   * @throws {TypeError} for memory that is not a BufferPool's, and for less than whole pages
   * @throws {UringError} (rejects) EINVAL: the kernel does not know the advice, or it does not suit the memory
   */
  madvise(buffer: Bytes, advice: number, o?: OpOptions): Promise<number> {
    this.need("MADVISE", "5.6");
    const length = lengthOf(buffer, "buffer");
    checkU32(advice, "advice");
    if (!KNOWN.has(advice)) throw new RangeError(`advice ${advice} is none of MADV: give one of those`);
    const home = homeOf(ArrayBuffer.isView(buffer) ? buffer.buffer : buffer);
    if (home.region === null) {
      throw new TypeError("buffer must be a BufferPool's: other memory shares its pages with what belongs to others");
    }
    const address = addressOf(home, buffer, length);
    if (address % PAGE !== 0 || length % PAGE !== 0) {
      throw new TypeError(
        `buffer must be whole pages of ${PAGE} bytes, not ${length} bytes from ${address % PAGE} on: make the pool's ` +
          `size a multiple of ${PAGE}`,
      );
    }
    return this.start(
      { op: "madvise", home, worker: true },
      o,
      (words, at) => prepMadvise(words, at, address, length, advice),
    );
  }
}
