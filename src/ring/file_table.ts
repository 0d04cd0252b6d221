/**
 * Registered files: a table of a ring's own, whose slots operations name with `fixedFile`.
 *
 * @module
 */

import { IORING_REGISTER_FILES_SKIP } from "../abi/constants.ts";
import { threadBound } from "../memory/thread_bound.ts";
import { checkInteger, shown } from "./arguments.ts";
import { RingClosedError } from "./errors.ts";
import type { RegisteredFiles } from "./registered_files.ts";

/** What a table registers itself with: a `Ring`. */
export interface FileRegistrar {
  /** @internal */
  readonly files: RegisteredFiles;
}

/** What a file table is to be. */
export interface FileTableOptions {
  /** How many slots, 1 to 1048576, and no more than `ulimit -n`. All start empty. */
  readonly size: number;
  /** The slots that `slot: "alloc"` may choose from. Default: all. */
  readonly alloc?: readonly [from: number, length: number];
}

/** Options of what fills slots. */
export interface FileSlotOptions {
  /**
   * Called once for each of the files, when the kernel has let go of it: its slot was given to another or cleared, and
   * no operation uses it any more. Not called when the ring is closed first.
   */
  readonly released?: (slot: number) => void;
}

/** IORING_MAX_FIXED_FILES of the kernel. */
const MAX_SLOTS = 1 << 20;

/**
 * Files registered with a ring, under numbers of its own. Operations on them (`{ fixedFile: true }`, with the slot in
 * place of the descriptor) don't look the file up again; and files opened into a slot (`{ slot }`) never become
 * descriptors of the process.
 *
 * A slot holds the file, not the descriptor: that may be closed. A ring has one table at a time.
 *
 * @example
 * ```ts
 * import { AT, FileTable, Ring } from "@uring/uring";
 *
 * await using ring = new Ring();
 * using files = new FileTable(ring, { size: 8 });
 * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
 * files.set(3, fd);
 * await ring.closeFd(fd);
 * const bytes = await ring.read(3, new Uint8Array(64), 0, { fixedFile: true });
 * console.assert(bytes > 0);
 * ```
 */
export class FileTable {
  /** How many slots there are. */
  readonly size: number;
  /** @internal */
  readonly threadBound: () => void = threadBound;
  readonly #files: RegisteredFiles;
  readonly #table: number;
  #closed = false;
  /** The kernel has it no more. */
  #removed = false;

  /**
   * Registers a table of empty slots.
   *
   * @param ring the ring whose operations are to use it
   * @param options its size, and the range to allocate from
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} EBUSY: the ring has a table already; EMFILE: more slots than `ulimit -n`
   * @throws {UnsupportedError} before Linux 5.13; with `alloc`, before 6.0
   */
  constructor(ring: FileRegistrar, options: FileTableOptions) {
    if (typeof ring?.files?.open !== "function") throw new TypeError(`ring must be a Ring, not ${shown(ring)}`);
    if (options === null || typeof options !== "object") {
      throw new TypeError(`options must be an object, not ${shown(options)}`);
    }
    const { size, alloc } = options;
    checkInteger(size, "size", 1, MAX_SLOTS);
    if (alloc !== undefined) checkRange(alloc, size);
    this.size = size;
    this.#files = ring.files;
    this.#table = this.#files.open(size);
    if (alloc === undefined) return;
    try {
      this.allocRange(...alloc);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Whether it is closed, or its ring is. */
  get closed(): boolean {
    return this.#closed || this.#files.ringClosed;
  }

  /**
   * Puts a file into a slot. What was there goes when no operation uses it any more.
   *
   * @param slot 0 to size − 1
   * @param fd an open descriptor; no ring's
   * @throws {UringError} EBADF: it is not open, or is a ring
   */
  set(slot: number, fd: number, o: FileSlotOptions = {}): void {
    checkInteger(fd, "fd", 0, 0x7fffffff);
    this.#check(slot, 1, "set");
    this.#files.update(slot, Int32Array.of(fd), handlerOf(o));
  }

  /**
   * Puts files into successive slots.
   *
   * @param first the first slot
   * @param fds open descriptors; −1 empties a slot, −2 (IORING_REGISTER_FILES_SKIP) leaves it as it is
   * @throws {UringError} EBADF: one is not open, or is a ring; its slot is empty then, and those before it are set
   */
  update(first: number, fds: readonly number[] | Int32Array, o: FileSlotOptions = {}): void {
    if (!Array.isArray(fds) && !(fds instanceof Int32Array)) {
      throw new TypeError(`fds must be an array of descriptors, not ${shown(fds)}`);
    }
    if (fds.length === 0) throw new RangeError("fds is empty: give at least one descriptor");
    for (let i = 0; i < fds.length; i++) checkInteger(fds[i]!, `fds[${i}]`, IORING_REGISTER_FILES_SKIP, 0x7fffffff);
    this.#check(first, fds.length, "update");
    this.#files.update(first, Int32Array.from(fds), handlerOf(o));
  }

  /**
   * Empties slots. Their files go when no operation uses them any more.
   *
   * @param slot the first of them
   * @param count how many. Default 1
   */
  clear(slot: number, count = 1): void {
    checkInteger(count, "count", 1, this.size);
    this.#check(slot, count, "clear");
    this.#files.update(slot, new Int32Array(count).fill(-1), undefined);
  }

  /**
   * Says which slots `slot: "alloc"` may choose from (6.0).
   *
   * @param from the first
   * @param length how many; 0: none
   */
  allocRange(from: number, length: number): void {
    checkRange([from, length], this.size);
    this.#refuseClosed("allocRange");
    this.#files.allocRange(from, length);
  }

  /**
   * Empties and unregisters the table. Operations in flight keep their files until they complete.
   *
   * @throws {UringError} EAGAIN while the kernel takes nothing, EACCES on a ring that may not: it is closed, but stays
   *   registered until this is called again, or the ring closed
   */
  close(): void {
    if (this.#removed) return;
    this.#closed = true;
    this.#files.close(this.#table);
    this.#removed = true;
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #check(first: number, count: number, what: string): void {
    const name = count === 1 ? "slot" : "the first slot";
    checkInteger(first, name, 0, this.size - 1);
    if (first + count > this.size) {
      throw new RangeError(
        `slots ${first} to ${first + count - 1} are beyond the table: its slots are 0 to ${this.size - 1}`,
      );
    }
    this.#refuseClosed(what);
  }

  #refuseClosed(what: string): void {
    if (this.#files.ringClosed) throw new RingClosedError(`FileTable.${what}`);
    if (this.#closed) throw new TypeError(`${what}: this FileTable is closed: make another`);
  }
}

function checkRange(range: readonly [from: number, length: number], size: number): void {
  if (!Array.isArray(range) || range.length !== 2) {
    throw new TypeError(`alloc must be [from, length], not ${shown(range)}`);
  }
  const [from, length] = range as readonly number[];
  checkInteger(from!, "from", 0, size);
  checkInteger(length!, "length", 0, size);
  if (from! + length! > size) {
    throw new RangeError(`alloc from ${from} on, ${length} slots, is beyond the table: its slots are 0 to ${size - 1}`);
  }
}

function handlerOf(o: FileSlotOptions): ((slot: number) => void) | undefined {
  if (o === null || typeof o !== "object") throw new TypeError(`options must be an object, not ${shown(o)}`);
  const { released } = o;
  if (released !== undefined && typeof released !== "function") {
    throw new TypeError(`released must be a function, not ${shown(released)}`);
  }
  return released;
}
