/**
 * A ring as the core gives it: staging memory, control block, and the one call that submits and reaps. RawRing and Ring
 * stand on it.
 *
 * @module
 */

import {
  IORING_FEAT,
  IORING_OP,
  IORING_REGISTER,
  IORING_REGISTER_USE_REGISTERED_RING,
  IORING_SETUP,
} from "../abi/constants.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { load } from "../../ffi/load.ts";
import { CONTROL, EXTRA, type Native, SETUP, STATE, TURN } from "../../ffi/native.ts";
import { powerOfTwo } from "../memory/power_of_two.ts";
import { checkMilliseconds } from "./arguments.ts";
import { fromPerformance, now } from "./clock.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import { checkCqEntries, checkEntries, type RingOptions, toRequest } from "./options.ts";
import { ringClosed, ringKept, ringOpened } from "./open_rings.ts";
import { needRegister } from "./register_call.ts";
import { extraError, resizeError, setupError } from "./setup_errors.ts";

export { STATE, TURN };

/** Milliseconds beyond this are no timeout in practice, and would not fit a timespec's nanoseconds. */
const MAX_TIMEOUT_MS = 1e12;

/** Limits of a wait. */
export interface WaitLimits {
  /** Milliseconds after which it ends. */
  readonly timeout?: number | undefined;
  /** Instead: when it ends, as `performance.now()` counts. */
  readonly deadline?: number | undefined;
  /** Milliseconds for which it gathers completions; after that any that is there ends it (6.12). */
  readonly minWait?: number | undefined;
}

/** An open ring. Not safe against misuse: its callers are. */
export class Core {
  readonly native: Native;
  readonly handle: number;
  /** −1 with REGISTERED_FD_ONLY. */
  readonly fd: number;
  /** The place of the ring among those that this thread registered; −1: none. */
  readonly registeredIndex: number;
  readonly features: number;
  readonly setupFlags: number;
  /** Words of an SQE: 16, or 32 with SQE128. */
  readonly sqeWords: number;
  /** Words of a CQE, or of a slot with CQE_MIXED: 4, or 8 with CQE32. */
  readonly cqeWords: number;
  // These change when the ring is resized: who keeps one takes it anew after a resize.
  entries: number;
  cqEntries: number;
  control!: Uint32Array;
  /** SQEs on their way in, `count` of them. With SQE_MIXED slots: an SQE of 128 bytes takes two. */
  sqes!: Int32Array;
  /** CQEs that the last turn brought. With CQE_MIXED slots: one of 32 bytes takes two. None has CQE_F_SKIP. */
  cqes!: Int32Array;
  /** Places that may be staged at once; 0 while the ring is disabled. */
  limit: number;
  /** Staged SQEs. */
  count = 0;
  closed = false;
  /** Milliseconds that closing waits for what can't be cancelled. */
  readonly closeTimeout: number;
  /** SQEs that the kernel has taken, and turns made. */
  submitted = 0;
  turns = 0;
  /** Nanoseconds of CLOCK_MONOTONIC at the beginning of {@linkcode now}, or some microseconds later. */
  readonly #clockOffset: number;
  /** Held: the core keeps its address. */
  #generations: Int32Array | undefined;
  /** Waits go by another clock than that: one that was registered. */
  #ownClock = false;

  /**
   * @param sleeps its thread sleeps elsewhere, until the eventfd is signalled: no DEFER_TASKRUN, where the kernel is late then
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} when the kernel refuses
   * @throws {UnsupportedError} when it lacks something beyond setup flags
   * @throws {LoadError} when the core can't be loaded
   */
  constructor(options: RingOptions, sleeps = false) {
    const request = toRequest(options);
    this.closeTimeout = options.closeTimeout ?? DEFAULT_CLOSE_TIMEOUT_MS;
    const native = load();
    const setup = new Uint32Array(new ArrayBuffer(SETUP.WORDS * 4));
    setup[SETUP.ENTRIES] = request.entries;
    setup[SETUP.CQ_ENTRIES] = request.cqEntries;
    setup[SETUP.FLAGS] = request.required;
    setup[SETUP.OPTIONAL_FLAGS] = request.optional;
    setup[SETUP.SQ_THREAD_CPU] = request.sqThreadCpu;
    setup[SETUP.SQ_THREAD_IDLE_MS] = request.sqThreadIdle;
    setup[SETUP.WQ_FD] = request.wqFd;
    setup[SETUP.EXTRAS] = request.extras | (sleeps && options.deferTaskrun === undefined ? EXTRA.SLEEPS : 0);
    const opened = now();
    const handle = native.open(setup);
    if (handle < 0) {
      const extra = setup[SETUP.FAILED_AT]!;
      throw extra === 0 ? setupError(handle, request) : extraError(handle, extra);
    }
    this.native = native;
    this.handle = handle;
    this.#clockOffset = setup[SETUP.NOW_NS_HI]! * 2 ** 32 + setup[SETUP.NOW_NS_LO]! - opened * 1e6;
    this.fd = setup[SETUP.FD]! | 0;
    this.registeredIndex = setup[SETUP.REGISTERED_INDEX]! | 0;
    this.features = setup[SETUP.FEATURES]!;
    this.setupFlags = setup[SETUP.GOT_FLAGS]!;
    this.entries = setup[SETUP.SQ_ENTRIES]!;
    this.cqEntries = setup[SETUP.GOT_CQ_ENTRIES]!;
    this.sqeWords = (this.setupFlags & IORING_SETUP.SQE128) !== 0 ? 32 : 16;
    this.cqeWords = (this.setupFlags & IORING_SETUP.CQE32) !== 0 ? 8 : 4;
    this.limit = (this.setupFlags & IORING_SETUP.R_DISABLED) !== 0 ? 0 : this.#fullLimit();
    try {
      this.#attach(this.#staging(this.entries, this.cqEntries));
    } catch (error) {
      native.close(handle, 0); // there is no memory
      throw error;
    }
    const adopted = native.adopt(handle);
    if (adopted < 0) {
      native.close(handle, 0);
      throw new UringError(adopted, "io_uring_setup", { detail: "the end of this thread can't be watched" });
    }
    ringOpened(native, handle);
  }

  /** Bytes for the control block, SQEs, CQEs: one buffer, and never handed out. */
  #staging(entries: number, cqEntries: number): ArrayBuffer {
    return new ArrayBuffer(4 * (CONTROL.WORDS + entries * this.sqeWords + cqEntries * this.cqeWords));
  }

  /** Gives the core its staging memory: it keeps the address until the ring is closed, or resized. */
  #attach(memory: ArrayBuffer): void {
    const sqesAt = CONTROL.WORDS * 4;
    const sqeCount = this.entries * this.sqeWords;
    this.control = new Uint32Array(memory, 0, CONTROL.WORDS);
    this.sqes = new Int32Array(memory, sqesAt, sqeCount);
    this.cqes = new Int32Array(memory, sqesAt + sqeCount * 4, this.cqEntries * this.cqeWords);
    this.native.attach(this.handle, new Uint8Array(memory));
  }

  /**
   * Says which operations there may be: those of the first `count` slots, each known to the kernel by its generation and
   * its slot. A drain names them one by one where the kernel can't cancel all at once (before 5.19).
   *
   * @param generations one a slot; at least 1 KiB, which no garbage collection moves
   */
  nameSlots(generations: Int32Array, count: number): void {
    const { control } = this;
    if (generations !== this.#generations) {
      this.#generations = generations;
      const address = this.native.address(generations);
      control[CONTROL.GENERATIONS_LO] = address % 2 ** 32;
      control[CONTROL.GENERATIONS_HI] = Math.floor(address / 2 ** 32);
    }
    control[CONTROL.SLOTS] = count;
  }

  /** With SQE_MIXED one place stays free: the last of the ring may have to be filled. */
  #fullLimit(): number {
    return (this.setupFlags & IORING_SETUP.SQE_MIXED) !== 0 ? this.entries - 1 : this.entries;
  }

  /** How many operations were made to fail, or to fall short. */
  get faults(): number {
    return 0;
  }

  /** Whether it waits for {@linkcode enable}. */
  get disabled(): boolean {
    return this.limit === 0;
  }

  /** The error for what a disabled ring can't do. */
  disabledError(what: string): UringError {
    return new UringError(EBADFD, what, { detail: "the ring is disabled: it was opened so, call enable() first" });
  }

  /**
   * Enables a ring that was opened with `disabled`. From now on it belongs to this thread.
   *
   * @throws {UringError} EBADFD when it is enabled already
   */
  enable(): void {
    // Before 5.18 the kernel would first wait, perhaps for ever, until nothing is in flight.
    const rc = this.disabled ? this.register(IORING_REGISTER.ENABLE_RINGS, null, 0) : EBADFD;
    if (rc < 0) throw new UringError(rc, "io_uring_register", { detail: "ENABLE_RINGS: the ring is enabled already" });
  }

  /**
   * Gives the rings other sizes, while operations are in flight. What is staged stays so; completions that were not
   * looked at must have been: `cqes` is other memory afterwards.
   *
   * @param entries 1 to 32768, and not less than are staged
   * @param cqEntries `entries` to 65536; left out: twice `entries`
   * @throws {TypeError} {RangeError} for sizes that can't be, and for a ring without DEFER_TASKRUN
   * @throws {UnsupportedError} before Linux 6.13
   * @throws {UringError} EBUSY while something waits in the queues, and when the kernel refuses
   */
  resize(entries: number, cqEntries?: number): void {
    this.checkResize(entries, cqEntries);
    if (entries < this.count) {
      throw new RangeError(
        `entries (${entries}) must not be less than the ${this.count} that are staged: submit first`,
      );
    }
    const sqSize = powerOfTwo(entries);
    const cqSize = cqEntries === undefined ? sqSize * 2 : powerOfTwo(cqEntries);
    // Before the rings move: afterwards nothing may fail.
    const memory = this.#staging(sqSize, cqSize);
    const setup = new Uint32Array(new ArrayBuffer(SETUP.WORDS * 4));
    setup[SETUP.ENTRIES] = sqSize;
    setup[SETUP.CQ_ENTRIES] = cqSize;
    setup[SETUP.FLAGS] = IORING_SETUP.CQSIZE;
    const rc = this.native.resize(this.handle, setup);
    if (rc < 0) throw resizeError(rc);
    const { control, sqes } = this;
    this.entries = setup[SETUP.SQ_ENTRIES]!;
    this.cqEntries = setup[SETUP.GOT_CQ_ENTRIES]!;
    this.#attach(
      this.entries === sqSize && this.cqEntries === cqSize ? memory : this.#staging(this.entries, this.cqEntries),
    );
    this.control.set(control);
    this.sqes.set(sqes.subarray(0, this.count * this.sqeWords));
    if (!this.disabled) this.limit = this.#fullLimit();
  }

  /** Refuses what no {@linkcode resize} of this ring can be, whatever is in its queues. */
  checkResize(entries: number, cqEntries?: number): void {
    checkEntries(entries);
    if (cqEntries !== undefined) checkCqEntries(cqEntries, entries);
    if ((this.setupFlags & IORING_SETUP.DEFER_TASKRUN) === 0) {
      throw new TypeError(
        "resize() needs a ring with deferTaskrun: ask for it, and for singleIssuer; without sqpoll, iopoll and coopTaskrun",
      );
    }
    needRegister("RESIZE_RINGS");
  }

  /**
   * Submits what is staged, waits for `wait` CQEs, reaps. Gives the number of CQEs in `cqes`, or −errno of a ring
   * that can't go on.
   */
  turn(flags: number, wait: number): number {
    const { control } = this;
    const polled = wait !== 0 && (this.setupFlags & IORING_SETUP.SQPOLL) !== 0;
    const early = polled && this.count + control[CONTROL.UNSUBMITTED]! > this.limit ? this.#submitFirst() : 0;
    control[CONTROL.STAGED] = this.count;
    control[CONTROL.WAIT_COUNT] = wait;
    control[CONTROL.FLAGS] = flags;
    const reaped = this.native.turn(this.handle);
    if (early !== 0) control[CONTROL.SUBMITTED]! += early;
    this.count = control[CONTROL.LEFT]!;
    this.submitted += control[CONTROL.SUBMITTED]!;
    this.turns++;
    return reaped;
  }

  /**
   * Stages into the queue of a submission thread whatever finds no room at once: to wait for completions of what is not
   * in it would be for ever. Gives how many went in.
   */
  #submitFirst(): number {
    const { control } = this;
    let taken = 0;
    while (this.count > 0) {
      control[CONTROL.STAGED] = this.count;
      control[CONTROL.WAIT_COUNT] = 0;
      control[CONTROL.FLAGS] = TURN.NO_REAP;
      // While the queue is full the core waits for the thread.
      if (this.native.turn(this.handle) < 0) break;
      taken += control[CONTROL.SUBMITTED]!;
      this.count = control[CONTROL.LEFT]!;
    }
    return taken;
  }

  /** As {@linkcode turn}, with a limit on the wait in milliseconds. */
  turnTimed(flags: number, wait: number, timeoutMs: number | undefined): number {
    if (timeoutMs === undefined) return this.turn(flags, wait);
    checkMilliseconds(timeoutMs, "timeout");
    const ns = Math.round(Math.min(timeoutMs, MAX_TIMEOUT_MS) * 1e6);
    this.control[CONTROL.TIMEOUT_NS_LO] = ns % 2 ** 32;
    this.control[CONTROL.TIMEOUT_NS_HI] = Math.floor(ns / 2 ** 32);
    return this.turn(flags | TURN.TIMEOUT, wait);
  }

  /**
   * As {@linkcode turn}, with any limits on the wait.
   *
   * @throws {TypeError} {RangeError} for limits that can't be
   * @throws {UnsupportedError} for `minWait` before Linux 6.12
   */
  turnWithin(flags: number, wait: number, limits: WaitLimits): number {
    checkLimits(this.features, limits);
    const { timeout, deadline, minWait } = limits;
    const { control } = this;
    if (minWait !== undefined) control[CONTROL.MIN_WAIT_US] = Math.round(minWait * 1000);
    let reaped: number;
    if (deadline === undefined) {
      reaped = this.turnTimed(flags, wait, timeout);
    } else if (this.#ownClock) {
      reaped = this.turnTimed(flags, wait, Math.max(0, fromPerformance(deadline) - now()));
    } else {
      const ns = Math.ceil(fromPerformance(Math.min(deadline, MAX_TIMEOUT_MS)) * 1e6 + this.#clockOffset);
      control[CONTROL.TIMEOUT_NS_LO] = ns % 2 ** 32;
      control[CONTROL.TIMEOUT_NS_HI] = Math.floor(ns / 2 ** 32);
      reaped = this.turn(flags | TURN.TIMEOUT | TURN.ABSOLUTE, wait);
    }
    control[CONTROL.MIN_WAIT_US] = 0;
    return reaped;
  }

  /** Reaps without submitting what is staged. Gives the number of CQEs, or −errno. */
  reap(): number {
    const { control } = this;
    control[CONTROL.STAGED] = 0;
    control[CONTROL.WAIT_COUNT] = 0;
    control[CONTROL.FLAGS] = TURN.GET_EVENTS;
    this.turns++;
    return this.native.turn(this.handle);
  }

  /** STATE bits of the last turn. */
  get state(): number {
    return this.control[CONTROL.STATE]!;
  }

  /** Completions that the last turn has brought, whose result is given: those that were there before it failed, too. */
  brought(result: number): number {
    if (result >= 0) return result;
    return this.control[CONTROL.ERROR] === -result ? this.control[CONTROL.REAPED]! : 0;
  }

  /** SQEs that the last turn brought into the kernel. */
  get lastSubmitted(): number {
    return this.control[CONTROL.SUBMITTED]!;
  }

  /** SQEs in the queue that the kernel has not taken yet. */
  get unsubmitted(): number {
    return this.control[CONTROL.UNSUBMITTED]!;
  }

  /** Times the kernel was entered, modulo 2^32. */
  get enters(): number {
    return this.control[CONTROL.ENTERS]!;
  }

  /** Turns that found the completion queue overflowing, modulo 2^32. */
  get overflows(): number {
    return this.control[CONTROL.OVERFLOWS]!;
  }

  /** Calls `io_uring_register`; gives its result or −errno. */
  register(opcode: number, arg: ArrayBufferView | null, count: number): number {
    // The native side adds this bit by itself, to every call of a ring that is named by its registered index.
    opcode &= ~IORING_REGISTER_USE_REGISTERED_RING;
    if (opcode === IORING_REGISTER.RESIZE_RINGS) {
      throw new TypeError("RESIZE_RINGS moves the rings to other memory, which has to be mapped: call resize()");
    }
    const rc = this.native.register(this.handle, opcode, arg, count);
    if (rc < 0) return rc;
    if (opcode === IORING_REGISTER.ENABLE_RINGS) this.limit = this.#fullLimit();
    if (opcode === IORING_REGISTER.CLOCK) this.#ownClock = true;
    return rc;
  }

  /** An operation that holds memory may never tell that it is done: to close this waits until the kernel lets go of it. */
  silent(): void {
    this.control[CONTROL.SILENT] = 1;
  }

  /** Cancels, drains, closes. False when that took longer than `limitMs`: then the ring stays, on purpose. */
  close(limitMs: number): boolean {
    if (this.closed) return true;
    this.closed = true;
    // For the core 0 is no limit.
    if (this.native.close(this.handle, Math.min(Math.max(Math.ceil(limitMs), 1), MAX_CLOSE_MS)) < 0) {
      leaked.push(this);
      ringKept();
      return false;
    }
    ringClosed(this.handle);
    return true;
  }
}

/** Whether an opcode's SQE has 128 bytes: two places, where SQEs of both sizes are mixed. */
export function isWide(opcode: number): boolean {
  return opcode === IORING_OP.NOP128 || opcode === IORING_OP.URING_CMD128;
}

/** Rings that could not be drained: their memory stays for as long as the process. */
const leaked: Core[] = [];

const DEFAULT_CLOSE_TIMEOUT_MS = 5000;
/** As the core takes it. */
const MAX_CLOSE_MS = 0xffffffff;

const EBADFD = -77;

const MAX_MIN_WAIT_MS = 0xffffffff / 1000;

/** Checks limits of a wait, before anything is done. */
export function checkLimits(features: number, { timeout, deadline, minWait }: WaitLimits): void {
  if (timeout !== undefined) checkMilliseconds(timeout, "timeout");
  if (deadline !== undefined) {
    if (timeout !== undefined) throw new TypeError("timeout and deadline exclude each other: one says when it ends");
    checkMilliseconds(deadline, "deadline");
  }
  if (minWait === undefined) return;
  checkMilliseconds(minWait, "minWait");
  if (minWait > MAX_MIN_WAIT_MS) {
    throw new RangeError(`minWait must be at most 4294967.295 milliseconds, not ${minWait}`);
  }
  if ((features & IORING_FEAT.MIN_TIMEOUT) === 0) throw new UnsupportedError("minWait", "Linux 6.12", kernelRelease());
}
