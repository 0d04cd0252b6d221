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

import { IORING_OP } from "../abi/constants.ts";
import * as encode from "../abi/encode.ts";
import { type Bytes, type Home, homeOf } from "../memory/address.ts";
import { giveScratch, type Path, type Scratch, scratchPath, takeScratch } from "../memory/scratch.ts";
import { threadBound } from "../memory/thread_bound.ts";
import { checkFd, checkInteger, checkMilliseconds, lengthOf, shown } from "./arguments.ts";
import { writeTimespec } from "./base.ts";
import { Core, STATE, TURN } from "./core.ts";
import { RingClosedError } from "./errors.ts";
import type { OpenHow } from "./ops_files.ts";
import type { RingOptions } from "./options.ts";
import { RawTable } from "./raw_table.ts";
import { SqeView } from "./sqe_view.ts";

export type { RingOptions };
export { SqeView };

/**
 * Memory for an operation: bytes, which are kept until its final completion; or an address, which is the caller's to
 * keep.
 */
export type Memory = Bytes | number | bigint;

/** A path: text or bytes, which are copied; or the address of a NUL-terminated one. */
export type RawPath = Path | number | bigint;

/** A time: milliseconds, which are copied; or memory with a `__kernel_timespec`. */
export type RawTimespec = { readonly ms: number } | Memory;

const ETIME = -62;

/**
 * A ring without promises. User data are numbers from 0 to 2^53 − 1.
 *
 * Every prep gives false when the submission queue is full: submit, and prepare again. Buffers given as typed arrays
 * are held until the operation's final completion; addresses are not.
 */
export class RawRing {
  /** @internal */
  readonly threadBound: () => void = threadBound;
  readonly #core: Core;
  readonly #table: RawTable;
  // What every prep touches, without a detour.
  readonly #sqes: Int32Array;
  /** The same memory, two words at a time. */
  readonly #sqePairs: Float64Array;
  readonly #sqeWords: number;
  /** Places in the submission queue; 0 once the ring is closed. */
  #limit: number;
  /** CQEs of the last turn that were not visited yet: from `#next` to `#end`. */
  #next = 0;
  #end = 0;
  /** SQEs that a submit left staged: they are the kernel's already, as far as their caller goes. */
  #left = 0;

  /**
   * Opens a ring.
   *
   * @param options as `Ring`'s
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} when the kernel refuses
   */
  constructor(options: RingOptions = {}) {
    this.#core = new Core(options);
    this.#table = new RawTable(this.#core);
    const { sqes } = this.#core;
    this.#sqes = sqes;
    this.#sqePairs = new Float64Array(sqes.buffer, sqes.byteOffset, sqes.length / 2);
    this.#sqeWords = this.#core.sqeWords;
    this.#limit = this.#core.entries;
    forgotten.register(this, this.#table, this);
  }

  /** The ring's own descriptor. */
  get fd(): number {
    return this.#core.fd;
  }

  /** Places in the submission queue. */
  get entries(): number {
    return this.#core.entries;
  }

  /** Places in the completion queue. */
  get cqEntries(): number {
    return this.#core.cqEntries;
  }

  /** IORING_FEAT bits. */
  get features(): number {
    return this.#core.features;
  }

  /** IORING_SETUP bits that the ring got. */
  get setupFlags(): number {
    return this.#core.setupFlags;
  }

  /** System calls made to submit, wait and reap. */
  get enters(): number {
    return this.#core.enters;
  }

  /** Free places in the submission queue. */
  get sqSpace(): number {
    return this.#core.entries - this.#core.count;
  }

  // Turning

  /** The SQE prepared last: its 64 (or 128) bytes, for flags and tests. Valid until the next submit. */
  sqe(): SqeView {
    const { sqes, sqeWords, count } = this.#core;
    if (count <= this.#left) throw new TypeError("no SQE is prepared: prep one first");
    return new SqeView(sqes.buffer, sqes.byteOffset + (count - 1) * sqeWords * 4, sqeWords * 4);
  }

  /**
   * Submits what is prepared.
   *
   * @returns how many SQEs the kernel took, or a negative errno
   */
  submit(): number {
    return this.submitAndWait(0);
  }

  /**
   * Submits what is prepared, and blocks until `n` completions can be visited.
   *
   * @param n how many, 0 to the completion queue's size
   * @param timeoutMs a limit, in milliseconds; left out: none
   * @returns how many SQEs the kernel took; −ETIME when the time ended and none was; another negative errno on failure
   */
  submitAndWait(n: number, timeoutMs?: number): number {
    const core = this.#core;
    if (core.closed) throw new RingClosedError("submit");
    if (n !== 0) checkInteger(n, "n", 0, core.cqEntries);
    this.#table.commit();
    const unread = this.#end - this.#next;
    let result: number;
    if (unread > 0) {
      // The staging area still holds completions that nobody saw.
      result = core.turnTimed(TURN.NO_REAP, Math.max(0, n - unread), timeoutMs);
    } else {
      result = timeoutMs === undefined ? core.turn(0, n) : core.turnTimed(0, n, timeoutMs);
      this.#next = 0;
      this.#end = result > 0 ? result : 0;
    }
    this.#left = core.count;
    if (result < 0) return result;
    const submitted = core.lastSubmitted;
    return submitted === 0 && (core.state & STATE.TIMED_OUT) !== 0 ? ETIME : submitted;
  }

  /**
   * Visits every completion that is there, oldest first. Does not wait.
   *
   * @param visit takes user data, result, and IORING_CQE_F flags; it may prepare and submit
   * @returns how many were visited
   */
  forEachCqe(visit: (userData: number, res: number, flags: number) => void): number {
    const core = this.#core;
    if (core.closed) throw new RingClosedError("forEachCqe");
    const { cqes, cqeWords } = core;
    const table = this.#table;
    let visited = 0;
    while (true) {
      while (this.#next < this.#end) {
        const at = this.#next++ * cqeWords;
        const high = cqes[at + 1]!;
        const low = cqes[at]!;
        const res = cqes[at + 2]!;
        const flags = cqes[at + 3]!;
        visited++;
        if (high === 0 && low >= 0) visit(low, res, flags);
        else visit(table.take(low, high, flags), res, flags);
      }
      if (core.closed) return visited;
      if (visited > 0 && (core.state & STATE.MORE) === 0) return visited;
      const reaped = core.reap();
      this.#next = 0;
      this.#end = reaped > 0 ? reaped : 0;
      if (this.#end === 0) return visited;
    }
  }

  /**
   * Calls `io_uring_register`.
   *
   * @param opcode an IORING_REGISTER value
   * @param arg the memory of its argument; null for none
   * @param count its count
   * @returns the kernel's answer, or a negative errno
   */
  register(opcode: number, arg: Bytes | null, count: number): number {
    if (this.#core.closed) throw new RingClosedError("register");
    checkInteger(opcode, "opcode", 0, 0xffffffff);
    checkInteger(count, "count", 0, 0xffffffff);
    if (arg === null || arg === undefined) return this.#core.register(opcode, null, count);
    homeFor(arg, 0, "arg");
    return this.#core.register(opcode, ArrayBuffer.isView(arg) ? arg : new Uint8Array(arg), count);
  }

  /** Cancels what holds memory, waits for it, and closes. */
  close(): void {
    forgotten.unregister(this);
    this.#next = this.#end = 0;
    this.#limit = 0;
    this.#table.close();
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  // Preparing. Each takes user data, then liburing's arguments in their order.

  /** Room for one SQE: its first word; −1 when the queue is full. */
  #room(userData: number, fd: number, name = "fd"): number {
    if (typeof userData !== "number" || (userData | 0) !== userData || userData < 0) checkUserData(userData);
    if ((fd | 0) !== fd) checkFd(fd, name);
    const { count } = this.#core;
    return count < this.#limit ? count * this.#sqeWords : this.#noRoom();
  }

  #noRoom(): number {
    if (this.#limit === 0) throw new RingClosedError("prep");
    return -1;
  }

  /** Ends an SQE that holds no memory: its user data are the caller's, as they are. */
  #plain(at: number, userData: number): true {
    const sqes = this.#sqes;
    sqes[at + 8] = userData;
    sqes[at + 9] = (userData | 0) === userData ? 0 : Math.floor(userData / 4294967296);
    this.#core.count++;
    return true;
  }

  /** Ends an SQE that holds memory. */
  #holding(at: number, userData: number, home: Home | null, scratch: Scratch | null): true {
    this.#table.hold(at, home, scratch);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_nop` */
  prepNop(userData: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    // As encode.prepNop, in half the stores: for V8 these are most of what a NOP costs outside the kernel.
    const sqes = this.#sqes;
    const pairs = this.#sqePairs;
    const pair = at >> 1;
    sqes[at] = IORING_OP.NOP;
    sqes[at + 1] = -1;
    pairs[pair + 1] = 0;
    pairs[pair + 2] = 0;
    pairs[pair + 3] = 0;
    pairs[pair + 5] = 0;
    pairs[pair + 6] = 0;
    pairs[pair + 7] = 0;
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_read`; offset −1 is the file's position. */
  prepRead(userData: number, fd: number, buffer: Memory, length: number, offset: number | bigint): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    encode.prepRead(this.#sqes, at, fd, addressIn(home, buffer), length, offset);
    return this.#holding(at, userData, home, null);
  }

  /** `io_uring_prep_write` */
  prepWrite(userData: number, fd: number, buffer: Memory, length: number, offset: number | bigint): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    encode.prepWrite(this.#sqes, at, fd, addressIn(home, buffer), length, offset);
    return this.#holding(at, userData, home, null);
  }

  /** `io_uring_prep_read_fixed` */
  prepReadFixed(
    userData: number,
    fd: number,
    buffer: Memory,
    length: number,
    offset: number | bigint,
    bufIndex: number,
  ): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    encode.prepReadFixed(this.#sqes, at, fd, addressIn(home, buffer), length, offset, bufIndex);
    return this.#holding(at, userData, home, null);
  }

  /** `io_uring_prep_write_fixed` */
  prepWriteFixed(
    userData: number,
    fd: number,
    buffer: Memory,
    length: number,
    offset: number | bigint,
    bufIndex: number,
  ): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    encode.prepWriteFixed(this.#sqes, at, fd, addressIn(home, buffer), length, offset, bufIndex);
    return this.#holding(at, userData, home, null);
  }

  /** `io_uring_prep_readv`: `iovecs` is memory with `nrVecs` iovecs, or an array of buffers. */
  prepReadv(
    userData: number,
    fd: number,
    iovecs: Memory | readonly Bytes[],
    nrVecs: number,
    offset: number | bigint,
  ): boolean {
    return this.prepReadv2(userData, fd, iovecs, nrVecs, offset, 0);
  }

  /** `io_uring_prep_readv2` */
  prepReadv2(
    userData: number,
    fd: number,
    iovecs: Memory | readonly Bytes[],
    nrVecs: number,
    offset: number | bigint,
    flags: number,
  ): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const { home, scratch, address, homes } = vectors(iovecs, nrVecs);
    encode.prepReadv2(this.#sqes, at, fd, address, nrVecs, offset, flags);
    this.#table.alsoHold(homes);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_writev`: as {@linkcode prepReadv}. */
  prepWritev(
    userData: number,
    fd: number,
    iovecs: Memory | readonly Bytes[],
    nrVecs: number,
    offset: number | bigint,
  ): boolean {
    return this.prepWritev2(userData, fd, iovecs, nrVecs, offset, 0);
  }

  /** `io_uring_prep_writev2` */
  prepWritev2(
    userData: number,
    fd: number,
    iovecs: Memory | readonly Bytes[],
    nrVecs: number,
    offset: number | bigint,
    flags: number,
  ): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const { home, scratch, address, homes } = vectors(iovecs, nrVecs);
    encode.prepWritev2(this.#sqes, at, fd, address, nrVecs, offset, flags);
    this.#table.alsoHold(homes);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_openat` */
  prepOpenat(userData: number, dfd: number, path: RawPath, flags: number, mode: number): boolean {
    const at = this.#room(userData, dfd, "dfd");
    if (at < 0) return false;
    const scratch = pathFor(path, "path");
    encode.prepOpenat(this.#sqes, at, dfd, scratch?.address ?? path as number, flags, mode);
    return this.#holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_openat2`: `how` is `{ flags, mode, resolve }`, or memory with a `struct open_how`. */
  prepOpenat2(userData: number, dfd: number, path: RawPath, how: OpenHow | Memory): boolean {
    const at = this.#room(userData, dfd, "dfd");
    if (at < 0) return false;
    const isMemory = isMemoryOr(how, "how", "{ flags, mode, resolve }");
    const home = isMemory ? homeFor(how, OPEN_HOW_SIZE, "how") : null;
    const scratch = pathFor(path, "path");
    const howScratch = isMemory ? null : orGiveBack(scratch, () => openHow(how));
    const howAddress = howScratch?.address ?? addressIn(home, how as Memory);
    encode.prepOpenat2(this.#sqes, at, dfd, scratch?.address ?? path as number, howAddress);
    this.#table.alsoGiveBack(howScratch);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_close` */
  prepClose(userData: number, fd: number): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepClose(this.#sqes, at, fd);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_fsync` */
  prepFsync(userData: number, fd: number, flags: number): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepFsync(this.#sqes, at, fd, flags);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_statx`: `statxbuf` takes 256 bytes. */
  prepStatx(userData: number, dfd: number, path: RawPath, flags: number, mask: number, statxbuf: Memory): boolean {
    const at = this.#room(userData, dfd, "dfd");
    if (at < 0) return false;
    const home = homeFor(statxbuf, 256, "statxbuf");
    const scratch = pathFor(path, "path", true);
    encode.prepStatx(
      this.#sqes,
      at,
      dfd,
      scratch?.address ?? path as number,
      flags,
      mask,
      addressIn(home, statxbuf),
    );
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_fallocate` */
  prepFallocate(userData: number, fd: number, mode: number, offset: number | bigint, len: number | bigint): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepFallocate(this.#sqes, at, fd, mode, offset, len);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_fadvise` */
  prepFadvise(userData: number, fd: number, offset: number | bigint, len: number, advice: number): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepFadvise(this.#sqes, at, fd, offset, len, advice);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_ftruncate` */
  prepFtruncate(userData: number, fd: number, len: number | bigint): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepFtruncate(this.#sqes, at, fd, len);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_unlinkat` */
  prepUnlinkat(userData: number, dfd: number, path: RawPath, flags: number): boolean {
    const at = this.#room(userData, dfd, "dfd");
    if (at < 0) return false;
    const scratch = pathFor(path, "path");
    encode.prepUnlinkat(this.#sqes, at, dfd, scratch?.address ?? path as number, flags);
    return this.#holding(at, userData, null, scratch);
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
    const at = this.#room(userData, olddfd, "olddfd");
    if (at < 0) return false;
    checkFd(newdfd, "newdfd");
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath"));
    const fromAddress = from?.address ?? oldpath as number;
    encode.prepRenameat(this.#sqes, at, olddfd, fromAddress, newdfd, to?.address ?? newpath as number, flags);
    this.#table.alsoGiveBack(to);
    return this.#holding(at, userData, null, from);
  }

  /** `io_uring_prep_mkdirat` */
  prepMkdirat(userData: number, dfd: number, path: RawPath, mode: number): boolean {
    const at = this.#room(userData, dfd, "dfd");
    if (at < 0) return false;
    const scratch = pathFor(path, "path");
    encode.prepMkdirat(this.#sqes, at, dfd, scratch?.address ?? path as number, mode);
    return this.#holding(at, userData, null, scratch);
  }

  /** `io_uring_prep_symlinkat` */
  prepSymlinkat(userData: number, target: RawPath, newdirfd: number, linkpath: RawPath): boolean {
    const at = this.#room(userData, newdirfd, "newdirfd");
    if (at < 0) return false;
    const to = pathFor(linkpath, "linkpath");
    const from = orGiveBack(to, () => pathFor(target, "target"));
    const fromAddress = from?.address ?? target as number;
    encode.prepSymlinkat(this.#sqes, at, fromAddress, newdirfd, to?.address ?? linkpath as number);
    this.#table.alsoGiveBack(to);
    return this.#holding(at, userData, null, from);
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
    const at = this.#room(userData, olddfd, "olddfd");
    if (at < 0) return false;
    checkFd(newdfd, "newdfd");
    const to = pathFor(newpath, "newpath");
    const from = orGiveBack(to, () => pathFor(oldpath, "oldpath", true));
    const fromAddress = from?.address ?? oldpath as number;
    encode.prepLinkat(this.#sqes, at, olddfd, fromAddress, newdfd, to?.address ?? newpath as number, flags);
    this.#table.alsoGiveBack(to);
    return this.#holding(at, userData, null, from);
  }

  /** `io_uring_prep_poll_add` */
  prepPollAdd(userData: number, fd: number, mask: number): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepPollAdd(this.#sqes, at, fd, mask);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_poll_remove`: by user data. */
  prepPollRemove(userData: number, target: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    encode.prepPollRemove(this.#sqes, at, this.#target(target));
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_timeout` */
  prepTimeout(userData: number, ts: RawTimespec, count: number, flags: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    const { home, scratch, address } = timespecFor(ts);
    encode.prepTimeout(this.#sqes, at, address, count, flags);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_timeout_remove`: by user data. */
  prepTimeoutRemove(userData: number, target: number, flags: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    encode.prepTimeoutRemove(this.#sqes, at, this.#target(target), flags);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_timeout_update`: by user data. */
  prepTimeoutUpdate(userData: number, ts: RawTimespec, target: number, flags: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    const { home, scratch, address } = timespecFor(ts);
    encode.prepTimeoutUpdate(this.#sqes, at, address, this.#target(target), flags);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_link_timeout`: limits the SQE prepared before, which needs IO_LINK. */
  prepLinkTimeout(userData: number, ts: RawTimespec, flags: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    const { home, scratch, address } = timespecFor(ts);
    encode.prepLinkTimeout(this.#sqes, at, address, flags);
    return this.#holding(at, userData, home, scratch);
  }

  /** `io_uring_prep_cancel64`: by user data; of several with the same, the oldest that holds memory. */
  prepCancel(userData: number, target: number, flags: number): boolean {
    const at = this.#room(userData, 0);
    if (at < 0) return false;
    encode.prepCancel64(this.#sqes, at, this.#target(target), flags);
    return this.#plain(at, userData);
  }

  /** `io_uring_prep_cancel_fd` */
  prepCancelFd(userData: number, fd: number, flags: number): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    encode.prepCancelFd(this.#sqes, at, fd, flags);
    return this.#plain(at, userData);
  }

  /** What the kernel knows an operation by. */
  #target(userData: number): number | bigint {
    checkUserData(userData);
    return this.#table.kernelUserData(userData);
  }
}

/** A ring dropped without close: what it holds stays until the kernel is done with it. */
const forgotten = new FinalizationRegistry<RawTable>((table) => table.close());

function checkUserData(userData: number): void {
  if (typeof userData !== "number" || !Number.isInteger(userData)) {
    throw new TypeError(`userData must be an integer, not ${shown(userData)}`);
  }
  if (userData < 0 || userData > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`userData must be from 0 to 2^53 - 1, not ${userData}`);
  }
}

/** The home of bytes, checked to be `length` long; null for an address. */
function homeFor(memory: Memory, length: number, name: string): Home | null {
  if (typeof memory === "number" || typeof memory === "bigint") return null;
  const available = lengthOf(memory, name);
  if (!(length <= available)) {
    throw new RangeError(`length ${length} is more than ${name} has: ${available} bytes`);
  }
  return homeOf(ArrayBuffer.isView(memory) ? memory.buffer : memory, name);
}

function addressIn(home: Home | null, memory: Memory): number | bigint {
  if (home === null) return memory as number | bigint;
  return ArrayBuffer.isView(memory) ? home.address + memory.byteOffset : home.address;
}

function pathFor(path: RawPath, name: string, emptyAllowed = false): Scratch | null {
  return typeof path === "number" || typeof path === "bigint" ? null : scratchPath(path, name, emptyAllowed);
}

interface Placed {
  readonly home: Home | null;
  readonly scratch: Scratch | null;
  readonly address: number | bigint;
  readonly homes?: readonly Home[];
}

function timespecFor(ts: RawTimespec): Placed {
  if (!isMemoryOr(ts, "ts", "{ ms }")) {
    checkMilliseconds(ts.ms, "ms");
    const scratch = writeTimespec(ts.ms);
    return { home: null, scratch, address: scratch.address };
  }
  const home = homeFor(ts, 16, "ts");
  return { home, scratch: null, address: addressIn(home, ts) };
}

const OPEN_HOW_SIZE = 24;

function openHow({ flags = 0, mode = 0, resolve = 0 }: OpenHow): Scratch {
  const words = [flags, mode, resolve].map(BigInt);
  const scratch = takeScratch(OPEN_HOW_SIZE);
  words.forEach((word, i) => scratch.view.setBigUint64(i * 8, word, true));
  return scratch;
}

/** Whether it is memory; if not, it is an object that says the same. */
function isMemoryOr<T extends object>(value: T | Memory, name: string, form: string): value is Memory {
  if (typeof value === "number" || typeof value === "bigint") return true;
  if (value === null || typeof value !== "object") {
    throw new TypeError(`${name} must be ${form} or memory, not ${shown(value)}`);
  }
  return "byteLength" in value;
}

/** What `take` gives; should it throw, `piece` is given back. */
function orGiveBack<T>(piece: Scratch | null, take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (piece !== null) giveScratch(piece);
    throw error;
  }
}

const IOVEC_SIZE = 16;

function vectors(iovecs: Memory | readonly Bytes[], nrVecs: number): Placed {
  if (!Array.isArray(iovecs)) {
    const home = homeFor(iovecs as Memory, nrVecs * IOVEC_SIZE, "iovecs");
    return { home, scratch: null, address: addressIn(home, iovecs as Memory) };
  }
  checkInteger(nrVecs, "nrVecs", 1, Math.min(1024, iovecs.length));
  const homes = iovecs.slice(0, nrVecs).map((bytes: Bytes) => homeFor(bytes, 0, "iovecs")!);
  const scratch = takeScratch(nrVecs * IOVEC_SIZE);
  for (let i = 0; i < nrVecs; i++) {
    scratch.view.setBigUint64(i * IOVEC_SIZE, BigInt(addressIn(homes[i]!, iovecs[i]!)), true);
    scratch.view.setBigUint64(i * IOVEC_SIZE + 8, BigInt(iovecs[i]!.byteLength), true);
  }
  return { home: null, scratch, address: scratch.address, homes };
}
