/**
 * The file table of one ring, as the kernel has it.
 *
 * @module
 */

import { IORING_REGISTER_FILES_SKIP } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import type { Engine } from "./engine.ts";
import { RingClosedError } from "./errors.ts";
import { olderThan, registerCall, registerError, registerQuietly } from "./register_call.ts";
import { registerEmpty } from "./sparse_table.ts";
import { type Tag, Tags } from "./tags.ts";

const EBADF = -9;

/** From this release on, unregistering does not wait for operations that use what is unregistered. */
const NEVER_WAITS = "6.13";

/** A ring's registered files. Its arguments have been checked. */
export class RegisteredFiles {
  readonly #engine: Engine;
  readonly #tags: Tags;
  /** Slots of the table that the kernel has; 0: it has none. */
  #size = 0;
  /** Its FileTable was closed: it is empty. */
  #abandoned = false;
  /** Tables that there were: the last one's number. */
  #tables = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#tags = new Tags(engine);
  }

  get ringClosed(): boolean {
    return this.#engine.closed;
  }

  /** Makes a table, and gives its number. */
  open(size: number): number {
    const { core, closed } = this.#engine;
    if (closed) throw new RingClosedError("new FileTable");
    if (this.#abandoned) this.#unregister();
    registerEmpty(core, "FILES2", size, {
      EBUSY: "the ring has a table of files already: close() that FileTable first",
      EMFILE: `${size} slots are more than this process may have files open: raise \`ulimit -n\`, or make it smaller`,
      ENOMEM: `no memory for ${size} slots: make the table smaller`,
    });
    this.#size = size;
    return ++this.#tables;
  }

  /** Puts descriptors into slots from `first` on; −1 empties one, −2 leaves it. */
  update(first: number, fds: Int32Array, released: ((slot: number) => void) | undefined): void {
    this.#engine.submitStaged();
    const tags = released === undefined ? [] : this.#makeTags(first, fds, released);
    const values = BigUint64Array.from(fds, (_, i) => {
      const tag = tags[i];
      return tag === undefined ? 0n : this.#tags.value(tag);
    });
    let done = 0;
    // The kernel stops at the first that it refuses, and says how many came before: the next call says why.
    while (done < fds.length) {
      const rc = this.#updateOnce(first + done, fds.subarray(done), values.subarray(done));
      const taken = Math.max(rc, 0);
      for (let i = done; i < done + taken; i++) {
        if (fds[i] !== IORING_REGISTER_FILES_SKIP) this.#tags.put(first + i, tags[i]);
      }
      done += taken;
      if (rc > 0) continue;
      // The slot was emptied before its new file was refused. After any other error it may be as it was: what leaves
      // nevertheless is heard of.
      if (rc === EBADF && fds[done]! >= 0) this.#tags.put(first + done, undefined);
      for (const tag of tags.slice(done)) if (tag !== undefined) this.#tags.drop(tag);
      throw this.#updateError(rc, first, fds, done);
    }
  }

  #makeTags(first: number, fds: Int32Array, released: (slot: number) => void): (Tag | undefined)[] {
    return Array.from(fds, (fd, i) => fd < 0 ? undefined : this.#tags.make(() => released(first + i)));
  }

  #updateOnce(first: number, fds: Int32Array, tags: BigUint64Array): number {
    const native = load();
    // struct io_uring_rsrc_update2: offset, resv, data, tags, nr, resv2.
    const arg = new DataView(new ArrayBuffer(32));
    arg.setUint32(0, first, true);
    arg.setBigUint64(8, BigInt(native.address(fds)), true);
    arg.setBigUint64(16, BigInt(native.address(tags)), true);
    arg.setUint32(24, fds.length, true);
    return registerQuietly(this.#engine.core, "FILES_UPDATE2", arg, arg.byteLength, [fds, tags]);
  }

  #updateError(errno: number, first: number, fds: Int32Array, at: number): Error {
    const before = at > 0 ? `; slots ${first} to ${first + at - 1} are set` : "";
    return registerError(errno, "FILES_UPDATE2", {
      EBADF: `fd ${fds[at]} for slot ${first + at} is not open, or is a ring: give an open file${before}`,
    });
  }

  allocRange(from: number, length: number): void {
    this.#engine.submitStaged();
    // struct io_uring_file_index_range: off, len, resv.
    const arg = new DataView(new ArrayBuffer(16));
    arg.setUint32(0, from, true);
    arg.setUint32(4, length, true);
    registerCall(this.#engine.core, "FILE_ALLOC_RANGE", arg, 0);
  }

  /** Takes a table out, unless another has its place. */
  close(table: number): void {
    const engine = this.#engine;
    if (engine.closed || table !== this.#tables) return;
    this.#engine.submitStaged();
    // Older kernels wait, perhaps for ever, until nothing uses the table any more: to empty it is as good.
    const wouldWait = engine.inFlight > 0 && olderThan(NEVER_WAITS);
    if (wouldWait || this.#tags.any) this.update(0, new Int32Array(this.#size).fill(-1), undefined);
    this.#abandoned = true;
    if (!wouldWait) this.#unregister();
  }

  #unregister(): void {
    registerCall(this.#engine.core, "UNREGISTER_FILES", null, 0);
    this.#abandoned = false;
    this.#size = 0;
  }
}
