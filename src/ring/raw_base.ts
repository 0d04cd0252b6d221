/**
 * What every prep of a `RawRing` stands on: places in the queue, turning, visiting; and the preps that have to be fast.
 *
 * @module
 */

import { IORING_CQE_F, IORING_OP, IORING_SETUP } from "../abi/constants.ts";
import * as encode from "../abi/encode.ts";
import { type Bytes, type Home, refuseBytes } from "../memory/address.ts";
import { giveScratch, type Scratch } from "../memory/scratch.ts";
import { threadBound } from "../memory/thread_bound.ts";
import { checkFd, checkInteger, checkMilliseconds, shown } from "./arguments.ts";
import { type Core, isWide, STATE, TURN } from "./core.ts";
import { RingClosedError } from "./errors.ts";
import { warnOfDropped, warnOfKept } from "./kept.ts";
import type { RingOptions } from "./options.ts";
import { openCore } from "./open_core.ts";
import { addressIn, check64, checkUserData, homeFor, type Memory, type More, type Placed } from "./raw_memory.ts";
import { RawTable } from "./raw_table.ts";
import { registerSize } from "./register_size.ts";
import { SqeView } from "./sqe_view.ts";

const ETIME = -62;

/**
 * What a visitor of completions takes: user data, result, IORING_CQE_F flags; and, of a CQE of 32 bytes, its
 * further 16 as two 64-bit numbers, which are there until the visitor returns.
 */
export type CqeVisitor = (userData: number, res: number, flags: number, big?: BigUint64Array) => void;

/** The base of `RawRing`: not exported to users. */
export class RawBase {
  /** @internal */
  readonly threadBound: () => void = threadBound;
  readonly #core: Core;
  readonly #table: RawTable;
  // What every prep touches, without a detour.
  #sqes!: Int32Array;
  /** The same memory, two words at a time. */
  #sqePairs!: Float64Array;
  readonly #sqeWords: number;
  /** Every CQE has 16 bytes. */
  readonly #smallCqes: boolean;
  /** SQEs that may be staged; 0 while the ring is disabled, and once it is closed. */
  #limit = 0;
  /** CQEs of the last turn that were not visited yet: from `#next` to `#end`. */
  #next = 0;
  #end = 0;
  /** SQEs that a submit left staged: they are the kernel's already, as far as their caller goes. */
  #left = 0;
  /** Places taken when the last SQE that takes two of them was prepared. */
  #wideEnd = -1;
  /** Somebody has a look at SQEs, and may write to them at any time. */
  #viewed = false;
  /** The second half of a CQE of 32 bytes, while it is visited. */
  #big: { readonly words: Int32Array; readonly numbers: BigUint64Array } | undefined;

  /** @internal */
  constructor(options: RingOptions) {
    this.#core = openCore(options, (low, high) => ({ userData: this.#table.take(low, high, IORING_CQE_F.MORE) }));
    this.#table = new RawTable(this.#core);
    const { setupFlags, sqeWords } = this.#core;
    this.#sqeWords = sqeWords;
    this.#attach();
    this.#smallCqes = (setupFlags & (IORING_SETUP.CQE32 | IORING_SETUP.CQE_MIXED)) === 0;
    forgotten.register(this, this.#table, this);
  }

  /** Takes the staging memory as it is now. */
  #attach(): void {
    const { sqes, limit } = this.#core;
    this.#sqes = sqes;
    this.#sqePairs = new Float64Array(sqes.buffer, sqes.byteOffset, sqes.length / 2);
    this.#limit = limit;
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

  /** Free places in the submission queue. With SQE_MIXED an SQE of 128 bytes takes two; a disabled ring has none. */
  get sqSpace(): number {
    return this.#core.limit - this.#core.count;
  }

  // Turning

  /** The SQE prepared last: its 64 (or 128) bytes, for flags and tests. Valid until the next submit. */
  sqe(): SqeView {
    const { sqes } = this.#core;
    const at = this.lastSqe();
    this.#viewed = true;
    const words = this.#core.count === this.#wideEnd ? 2 * this.#sqeWords : this.#sqeWords;
    return new SqeView(sqes.buffer, sqes.byteOffset + at * 4, words * 4);
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
   * User data that were written through {@linkcode sqe} must be below 2^63; if not, it throws a RangeError, and nothing
   * is submitted.
   *
   * @param n how many, 0 to the completion queue's size; with CQE_MIXED one of 32 bytes counts twice
   * @param timeoutMs a limit, in milliseconds; left out: none, and then a worker that waits here can't be terminated
   * @returns how many SQEs the kernel took; −ETIME when the time ended and none was; another negative errno on failure
   */
  submitAndWait(n: number, timeoutMs?: number): number {
    const core = this.#core;
    if (core.closed) throw new RingClosedError("submit");
    if (n !== 0) checkInteger(n, "n", 0, core.cqEntries);
    if (timeoutMs !== undefined) checkMilliseconds(timeoutMs, "timeout");
    if (this.#viewed) this.#checkWritten();
    this.#table.commit();
    const staged = core.count;
    const unread = this.#end - this.#next;
    let result: number;
    if (unread > 0) {
      // The staging area still holds completions that nobody saw.
      result = core.turnTimed(TURN.NO_REAP, Math.max(0, n - unread), timeoutMs);
    } else {
      result = timeoutMs === undefined ? core.turn(0, n) : core.turnTimed(0, n, timeoutMs);
      this.#next = 0;
      this.#end = core.brought(result);
    }
    this.#left = core.count;
    this.#wideEnd = -1;
    // Preps write 64 bytes: what a command left in the second half of its SQE must not be the next one's.
    if (this.#sqeWords === 32) this.#sqes.fill(0, core.count * 32, staged * 32);
    if (result < 0) return result;
    const submitted = core.lastSubmitted;
    return submitted === 0 && (core.state & STATE.TIMED_OUT) !== 0 ? ETIME : submitted;
  }

  /** Refuses user data that look like a slot: the completion would let go of what that slot's operation holds. */
  #checkWritten(): void {
    const { count, setupFlags } = this.#core;
    const sqes = this.#sqes;
    for (let place = this.#left; place < count; place++) {
      const at = place * this.#sqeWords;
      if (sqes[at + 9]! < 0) refuseWritten(place);
      if ((setupFlags & IORING_SETUP.SQE_MIXED) !== 0 && isWide(sqes[at]! & 0xff)) place++;
    }
  }

  /**
   * Visits every completion that is there, oldest first. Does not wait.
   *
   * @param visit takes user data, result, and IORING_CQE_F flags; it may prepare and submit
   * @returns how many were visited
   */
  forEachCqe(visit: CqeVisitor): number {
    const core = this.#core;
    if (core.closed) throw new RingClosedError("forEachCqe");
    if (!this.#smallCqes) return this.#forEachBigCqe(visit);
    const table = this.#table;
    let visited = 0;
    while (true) {
      while (this.#next < this.#end) {
        const { cqes, cqeWords } = core; // a visitor may resize
        const at = this.#next++ * cqeWords;
        const high = cqes[at + 1]!;
        const low = cqes[at]!;
        const res = cqes[at + 2]!;
        const flags = cqes[at + 3]! >>> 0;
        visited++;
        if (high === 0 && low >= 0) visit(low, res, flags);
        else visit(table.take(low, high, flags), res, flags);
      }
      if (core.closed) return visited;
      if (visited > 0 && (core.state & STATE.MORE) === 0) return visited;
      this.#end = core.brought(core.reap());
      this.#next = 0;
      if (this.#end === 0) return visited;
    }
  }

  /** As forEachCqe, where CQEs may have 32 bytes: one place with CQE32, two with CQE_MIXED. */
  #forEachBigCqe(visit: CqeVisitor): number {
    const core = this.#core;
    const table = this.#table;
    const { cqeWords } = core;
    const isMixed = cqeWords === 4;
    const { words, numbers } = this.#big ??= bigCqe();
    let visited = 0;
    while (true) {
      while (this.#next < this.#end) {
        const { cqes } = core;
        const at = this.#next++ * cqeWords;
        const low = cqes[at]!;
        const high = cqes[at + 1]!;
        const res = cqes[at + 2]!;
        const flags = cqes[at + 3]! >>> 0;
        const isBig = !isMixed || (flags & IORING_CQE_F[32]) !== 0;
        if (isMixed && isBig) this.#next++;
        visited++;
        const userData = high === 0 && low >= 0 ? low : table.take(low, high, flags);
        if (!isBig) {
          visit(userData, res, flags);
          continue;
        }
        for (let i = 0; i < 4; i++) words[i] = cqes[at + 4 + i]!;
        visit(userData, res, flags, numbers);
      }
      if (core.closed) return visited;
      if (visited > 0 && (core.state & STATE.MORE) === 0) return visited;
      this.#end = core.brought(core.reap());
      this.#next = 0;
      if (this.#end === 0) return visited;
    }
  }

  /**
   * Calls `io_uring_register`. Before Linux 5.18 some calls (EVENTFD, RESTRICTIONS) block until nothing is in flight.
   *
   * @param opcode an IORING_REGISTER value
   * @param arg the memory of its argument; null for none
   * @param count its count
   * @returns the kernel's answer, or a negative errno
   * @throws {RangeError} the call would write beyond `arg`
   */
  register(opcode: number, arg: Bytes | null, count: number): number {
    if (this.#core.closed) throw new RingClosedError("register");
    checkInteger(opcode, "opcode", 0, 0xffffffff);
    checkInteger(count, "count", 0, 0xffffffff);
    const bytes = arg === null || arg === undefined ? null : argumentOf(arg, registerSize(opcode, count));
    const result = this.#core.register(opcode, bytes, count);
    this.#limit = this.#core.limit; // ENABLE_RINGS
    return result;
  }

  /**
   * Enables a ring that was opened with `disabled: true`. From now on it belongs to this thread.
   *
   * @throws {UringError} EBADFD when it is enabled already
   */
  enable(): void {
    if (this.#core.closed) throw new RingClosedError("enable");
    this.#core.enable();
    this.#attach();
  }

  /**
   * Gives the queues other sizes, while operations are in flight (6.13). What is prepared stays so.
   *
   * @param sizes as those that the ring was opened with; not fewer `entries` than are prepared
   * @throws {TypeError} while completions wait to be visited, and for a ring without `deferTaskrun`
   * @throws {RangeError} for sizes that can't be
   * @throws {UnsupportedError} before Linux 6.13
   * @throws {UringError} EBUSY while something waits in the queues
   */
  resize(sizes: { readonly entries: number; readonly cqEntries?: number }): void {
    if (sizes === null || typeof sizes !== "object") {
      throw new TypeError(`sizes must be { entries, cqEntries }, not ${shown(sizes)}`);
    }
    const { entries, cqEntries } = sizes;
    if (this.#core.closed) throw new RingClosedError("resize");
    if (this.#next < this.#end) {
      throw new TypeError("completions wait to be visited, in memory that a resize gives up: call forEachCqe() first");
    }
    this.#core.resize(entries, cqEntries);
    this.#table.resize();
    this.#attach();
  }

  /**
   * Cancels what holds memory, waits for it, and closes.
   *
   * @throws {UringError} EBUSY: something could not be ended within `closeTimeout`; the ring and all of its memory are kept
   */
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

  // What preps are made of.

  /** Room for one SQE: its first word; −1 when the queue is full. */
  #room(userData: number, fd: number, name = "fd"): number {
    if (typeof userData !== "number" || (userData | 0) !== userData || userData < 0) checkUserData(userData);
    if ((fd | 0) !== fd) checkFd(fd, name);
    const { count } = this.#core;
    return count < this.#limit ? count * this.#sqeWords : this.#noRoom();
  }

  /** Whether there is still room at `at`, once all arguments were read. */
  #still(at: number, scratch: Scratch | null, more: More | undefined): void {
    const { count } = this.#core;
    if (at !== count * this.#sqeWords || count >= this.#limit) refuseMoved(scratch, more);
  }

  #noRoom(): number {
    if (this.#core.closed) throw new RingClosedError("prep");
    if (this.#core.disabled) throw this.#core.disabledError("prep");
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

  /** @internal SQEs on their way in, as words. */
  protected get sqes(): Int32Array {
    return this.#sqes;
  }

  /** @internal Room for one SQE: its first word; −1 when the queue is full. */
  protected room(userData: number, fd: number, name = "fd"): number {
    return this.#room(userData, fd, name);
  }

  /**
   * @internal Refuses what has prepared or submitted as its argument was read: an object's own code, of a view's
   * accessors, too. What was taken for the operation is given back.
   */
  protected still(at: number, scratch: Scratch | null = null, more?: More): void {
    this.#still(at, scratch, more);
  }

  /** @internal As {@linkcode still}, for what changes the SQE that was prepared last. */
  protected stillLast(at: number): void {
    if (this.#core.closed || this.lastSqe() !== at) refuseMoved(null, undefined);
  }

  /** @internal Room for an SQE of 128 bytes: one place with SQE128, two with SQE_MIXED. */
  protected room128(userData: number, fd: number, prep: string): number {
    const at = this.#room(userData, fd);
    if (this.#sqeWords === 32) return at;
    if ((this.#core.setupFlags & IORING_SETUP.SQE_MIXED) === 0) {
      throw new TypeError(`${prep} needs SQEs of 128 bytes: open the ring with sqe128 or sqeMixed`);
    }
    return this.#core.count + 2 <= this.#limit ? at : -1;
  }

  /** @internal Ends an SQE of 128 bytes. It counts as one that holds memory: a driver may have addresses in it. */
  protected wide(at: number, userData: number): true {
    this.#holding(at, userData, null, null);
    if (this.#sqeWords === 16) this.#wideEnd = ++this.#core.count;
    return true;
  }

  /** @internal Ends an SQE that holds no memory. */
  protected plain(at: number, userData: number): true {
    return this.#plain(at, userData);
  }

  /**
   * @internal Ends an SQE of an operation that uses memory, which a closing ring waits for: also when its memory is the
   * caller's to keep, or a provided buffer.
   */
  protected holding(at: number, userData: number, home: Home | null, scratch: Scratch | null, more?: More): true {
    if (more === undefined) this.#table.hold(at, home, scratch);
    else this.#table.holdMore(at, home, scratch, more);
    return this.#plain(at, userData);
  }

  /** @internal Ends an SQE that holds a struct. */
  protected holdingPlaced(at: number, userData: number, { home, scratch, more }: Placed): true {
    return this.holding(at, userData, home, scratch, more);
  }

  /** @internal Holds memory for the SQE that was prepared last. */
  protected holdAlso(at: number, home: Home): void {
    this.#table.holdAlso(at, home);
  }

  /** @internal Holds memory until the ring is closed. */
  protected provide(home: Home): void {
    this.#table.provide(home);
  }

  /** @internal The first word of the SQE that was prepared last. */
  protected lastSqe(): number {
    const { count } = this.#core;
    if (count <= this.#left) throw new TypeError("no SQE is prepared: prep one first");
    return (count === this.#wideEnd ? count - 2 : count - 1) * this.#sqeWords;
  }

  /**
   * @internal What the kernel knows an operation by. Bigints are for what was never this ring's user data.
   *
   * @param opcodes what can be meant, of operations that hold memory; left out: any
   * @param all all with this user data are meant
   */
  protected target(userData: number | bigint, opcodes?: readonly number[], all: boolean = false): number | bigint {
    if (typeof userData === "bigint") check64(userData, "userData");
    else checkUserData(userData);
    const found = this.#table.kernelUserData(userData, opcodes);
    if (all && found.length > 1) {
      throw new TypeError(
        `${found.length} operations that hold memory have user data ${userData}, which the kernel knows by others: ` +
          "cancel them by descriptor or opcode, or each by user data of its own",
      );
    }
    return found[0] ?? userData;
  }

  // Preparing. Each takes user data, then liburing's arguments in their order.

  /** `io_uring_prep_nop`: does nothing, and completes. */
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
    check64(offset, "offset");
    const address = addressIn(home, buffer, length);
    this.#still(at, null, undefined);
    encode.prepRead(this.#sqes, at, fd, address, length, offset);
    return this.#holding(at, userData, home, null);
  }

  /** `io_uring_prep_write`; offset −1 is the file's position. */
  prepWrite(userData: number, fd: number, buffer: Memory, length: number, offset: number | bigint): boolean {
    const at = this.#room(userData, fd);
    if (at < 0) return false;
    const home = homeFor(buffer, length, "buffer");
    check64(offset, "offset");
    const address = addressIn(home, buffer, length);
    this.#still(at, null, undefined);
    encode.prepWrite(this.#sqes, at, fd, address, length, offset);
    return this.#holding(at, userData, home, null);
  }
}

function refuseMoved(scratch: Scratch | null, more: More | undefined): never {
  if (scratch !== null) giveScratch(scratch);
  if (more?.scratch) giveScratch(more.scratch);
  throw new TypeError("an argument has prepared or submitted operations as it was read: give plain objects");
}

function refuseWritten(place: number): never {
  throw new RangeError(
    `the SQE at place ${place} has user data of 2^63 or more, written through sqe(), which a RawRing keeps for itself: ` +
      "give a number below",
  );
}

/** The memory of an argument of which the kernel writes so much. */
function argumentOf(arg: Bytes, written: number): ArrayBufferView {
  if (typeof arg !== "object") refuseBytes(arg, "arg");
  const home = homeFor(arg, written, "arg")!;
  const at = Number(addressIn(home, arg, written)) - home.address;
  if (written > 0) return new Uint8Array(home.buffer, at, written);
  return ArrayBuffer.isView(arg) ? arg : new Uint8Array(arg);
}

/** A ring dropped without close: what it holds stays until the kernel is done with it. */
const forgotten = new FinalizationRegistry<RawTable>((table) => {
  warnOfDropped();
  try {
    table.close();
  } catch (error) {
    warnOfKept(error);
  }
});

function bigCqe(): { words: Int32Array; numbers: BigUint64Array } {
  const words = new Int32Array(4);
  return { words, numbers: new BigUint64Array(words.buffer) };
}
