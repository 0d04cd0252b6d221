/**
 * What moves a `Ring`: the table of pending operations, and the turns that submit them and settle their promises.
 *
 * Everything that one turn of the event loop asks for goes into the kernel in one system call, in a microtask. When
 * nothing is ready and something is in flight, the waker is armed, and the thread goes back to its event loop.
 *
 * @module
 */

import { AT, IORING_CQE_F, IORING_FEAT, IORING_SETUP, IOSQE } from "../abi/constants.ts";
import { errnoText } from "../abi/errno.ts";
import type { Home } from "../memory/address.ts";
import { giveScratch, type Scratch } from "../memory/scratch.ts";
import { Canceller } from "./canceller.ts";
import { fromPerformance, now } from "./clock.ts";
import { type Core, STATE, TURN, type WaitLimits } from "./core.ts";
import { CANCEL_AGAIN_MS, Ending } from "./ending.ts";
import { AbortError, RingClosedError, UringError } from "./errors.ts";
import { keepForGood, keptError, letGo, warnOfDropped, warnOfKept } from "./kept.ts";
import type { LimitTimer } from "./limit_timer.ts";
import type { RingOptions } from "./options.ts";
import { openCore } from "./open_core.ts";
import { Signals } from "./signals.ts";
import { callBack, throwLater } from "./throw_later.ts";
import { callsBack, type Extra, LINKS, NO_FD, type Settle, TAG } from "./pending.ts";

/** Hears a completion that belongs to no operation. It must not throw. */
export type Listener = (data: number | bigint, res: number, flags: number) => void;

/** user_data's high word: always set, so that the core counts the operation. */
const HELD = 0x80000000 | 0;
const GENERATION_MASK = 0x3fffffff;

/** A slot is found from an SQE by its user_data. */
const USER_DATA = 8;

/** Completions and turns after which the clock is looked at, and how long the event loop may be kept waiting. */
const CLOCK_EVERY = 64;
const YIELD_AFTER_MS = 2;

/** How long the kernel may take nothing, where nothing else can be done meanwhile. */
const BUSY_LIMIT_MS = 1000;
const BUSY =
  "the kernel has taken nothing for a second: it has no memory, or completions are in its way; try again later";

const resolved = Promise.resolve();

const ECANCELED = -125;
const EINTR = -4;
const EAGAIN = -11;
const EMFILE = -24;
const ERESTARTSYS = -512;
const ERESTART_RESTARTBLOCK = -516;
const EACCES = -13;

/** A stream that the kernel does not have at the moment, or soon will not. */
export interface Paused {
  readonly op: string;
  /** What it is of; undefined: of no descriptor. */
  readonly fd: number | undefined;
  readonly fixedFile: boolean;
  /** The ring ends, or its signal aborts. */
  interrupted(): void;
  /** The slot of its operation, which is being taken back; −1: there is none. */
  slot(): number;
  /** Ends it, as a cancellation would: at once, or once its operation has ended. Whether that was to be done. */
  cancel(): boolean;
}

/** The pending table and the pump. Not exported to users: `Ring` is its face. */
export class Engine {
  readonly core: Core;

  // The pending table, one array a field. A slot is free when its generation's operation has completed.
  #resolves: (Settle | undefined)[] = [];
  #rejects: (Settle | undefined)[] = [];
  #promises: (Promise<unknown> | undefined)[] = [];
  #homes: (Home | null)[] = [];
  #scratches: (Scratch | null)[] = [];
  #extras: (Extra | null)[] = [];
  #generations: Int32Array = new Int32Array(256);
  #fds: Int32Array = new Int32Array(256);
  #ops: string[] = [];
  #free: number[] = [];
  #slots = 0;

  /** Operations whose final completion has not come, and {@linkcode leaving}. */
  inFlight = 0;
  /** Tagged resources on their way out, which are waited for as operations are. */
  leaving = 0;
  /** Of those in flight, the ring's own: time limits, and what cancels for a signal. */
  #auxiliary = 0;
  completed = 0;
  wakeups = 0;
  /** Completions that belong to no pending operation. */
  strays = 0;
  /** Where the completion lies that is being settled, and its first word: for what 32-byte ones carry. */
  cqe: Int32Array;
  cqeAt = 0;
  /** Objects that must live as long as the kernel may use this ring. */
  readonly holds: Set<unknown> = new Set();

  #listener: Listener | undefined;
  /** Completions of no operation, heard or not: nobody who waits for operations means these. */
  #others = 0;
  /** Completions of operations that turns have brought, whichever turn it was. */
  #brought = 0;

  #scheduled = false;
  readonly #afterTurns: (() => void)[] = [];
  #armed = false;
  #checking = false;
  #wakerStarted = false;
  #keptAlive = false;
  #wantsRef = true;
  /** The next turn waits for the event loop. It is scheduled as long: nothing else may take its place. */
  #yielding = false;
  /** Completions and turns since the clock was looked at, and when the event loop last had its turn; −1: not known. */
  #spent = 0;
  #windowStart = -1;
  #closing: Promise<void> | undefined;
  #finished = false;
  /** Why it could not be closed: what is in flight is kept. */
  #kept: UringError | undefined;
  #fatal: UringError | undefined;
  /** While link() builds a chain: the flag that goes on each of its SQEs; else 0. */
  #chainFlag = 0;
  /** How many SQEs at the end of what is staged belong to a chain that is still open. */
  #chainSize = 0;
  /** It is set aside, and comes back to its end. */
  #chainAside = false;
  /** By slot, of the last operation there that was in a chain: its generation, and whether what it follows is pending. */
  readonly #follows: Map<number, { generation: number; awaits: () => boolean }> = new Map();
  /** Promises made from those of the open chain. */
  readonly #derived: Promise<unknown>[] = [];
  readonly canceller: Canceller = new Canceller(this);
  readonly signals: Signals = new Signals(this.canceller);
  /** Limits of operations that are timers of JavaScript's. */
  readonly timers: Set<LimitTimer> = new Set();
  readonly #paused: WeakRef<Set<Paused>> = new WeakRef(new Set());
  /** Whether an SQE that cancels may wait: an operation with IO_DRAIN was staged, which all wait for that come after it. */
  #drains = false;
  /** Cancellations go by a call all the same: the ring is restricted, or has no such SQEs. */
  #callsToCancel: boolean;
  /** CQEs of 16 and of 32 bytes, which take two places. */
  readonly #mixedCqes: boolean;
  /** Pending slots of which more than promises may hear. */
  #calling = 0;
  /** Completions are being settled; callbacks of streams run meanwhile, which may ask for a turn. */
  #walking = false;
  /** What is being walked through, and as a callback runs, from where to where it is still to be settled. */
  #walked: Int32Array;
  #walkedFrom = 0;
  #walkedTo = 0;
  /** Completions that turns have brought, and none has settled yet: each turn's in a piece. */
  readonly #backlog: Int32Array[] = [];
  /** The turn that was left to the event loop, as nothing was to hold that. */
  #unrefdYield: ReturnType<typeof setTimeout> | undefined;
  /** Until the waker can be started. */
  #looking: ReturnType<typeof setTimeout> | undefined;
  /** Its Ring was collected. */
  #forgotten = false;
  /** Called after a turn, while closing. */
  #drained: (() => void) | undefined;
  /** What a restricted ring may not do. */
  #refusal: ((op: string) => string | undefined) | undefined;

  /** A turn that a notification made leaves its microtask behind: it must not take one that the event loop has. */
  #runTurn = (): void => {
    if (!this.#yielding) this.#scheduledTurn();
  };
  #runCheck = (): void => this.#goIdle();
  #runYielded = (): void => {
    this.#yielding = false;
    this.#unrefdYield = undefined;
    this.#windowStart = -1;
    this.#spent = 0;
    this.#scheduledTurn();
  };

  constructor(options: RingOptions) {
    this.core = openCore(options, (slot) => this.#extras[slot], true);
    this.cqe = this.core.cqes;
    this.#walked = this.core.cqes;
    this.#mixedCqes = (this.core.setupFlags & IORING_SETUP.CQE_MIXED) !== 0;
    // There an SQE cancels nothing: it is EINVAL.
    this.#callsToCancel = (this.core.setupFlags & IORING_SETUP.IOPOLL) !== 0;
    // Before 5.18, which brought SUBMIT_ALL, to register an eventfd blocks until nothing is in flight, perhaps for ever:
    // the waker starts while nothing is.
    if ((this.core.setupFlags & IORING_SETUP.SUBMIT_ALL) === 0) this.#startWakerEarly();
  }

  #startWakerEarly(): void {
    const rc = this.#startWaker();
    if (rc < 0) {
      this.core.close(0);
      const why = rc === EMFILE ? "no descriptor is left: raise `ulimit -n`, or close files" : errnoText(rc);
      throw new UringError(rc, "eventfd", { detail: `the ring's waker can't be started: ${why}` });
    }
    this.#keepAlive(false);
  }

  /** Streams that the kernel does not have at the moment are told here that the ring ends. Their Ring holds the set. */
  get paused(): Set<Paused> {
    return this.#paused.deref() ?? new Set();
  }

  get closed(): boolean {
    return this.#closing !== undefined || this.#finished;
  }

  // Operations

  /**
   * Makes room for `size` SQEs that must go in together, and gives the word where the first goes. Nothing else may be
   * staged between this and the last of them.
   */
  room(size: number, what: string): number {
    if (this.closed || this.#fatal !== undefined) throw this.#fatal ?? new RingClosedError(what);
    const { core } = this;
    if (core.count + size > core.limit) this.makeRoom(size, what);
    return core.count * core.sqeWords;
  }

  /** Takes a slot for an operation; its promise is made by {@linkcode promise}. */
  slot(op: string, fd: number, home: Home | null, scratch: Scratch | null, extra: Extra | null): number {
    const slot = this.#free.length > 0 ? this.#free.pop()! : this.#grow();
    this.#ops[slot] = op;
    this.#fds[slot] = fd;
    this.#homes[slot] = home;
    this.#scratches[slot] = scratch;
    this.#extras[slot] = extra;
    if (extra !== null) {
      if (callsBack(extra)) this.#calling++;
      if (extra.auxiliary) this.#auxiliary++;
    }
    return slot;
  }

  /** Completes the SQE at `at` with its slot, flags and personality, and counts it as staged. */
  stage(at: number, slot: number, flags: number, personality: number): void {
    const { core } = this;
    const { sqes } = core;
    sqes[at + USER_DATA] = slot;
    sqes[at + USER_DATA + 1] = this.#generations[slot]!;
    flags |= this.#chainFlag;
    if (this.#chainSize > 0) this.#follows.set(slot, { generation: this.#generations[slot]!, awaits: this.awaited()! });
    if ((flags & LINKS) !== 0) this.#chainSize++;
    else this.#chainSize = 0;
    if (flags !== 0) {
      sqes[at] = sqes[at]! | flags << 8;
      if ((flags & IOSQE.IO_DRAIN) !== 0) this.#drains = true;
    }
    if (personality !== 0) sqes[at + 10] = (sqes[at + 10]! & 0xffff) | personality << 16;
    core.count++;
    this.inFlight++;
    if (!this.#scheduled && this.#chainFlag === 0) this.#schedule();
  }

  /** The promise of a slot. */
  promise<T>(slot: number): Promise<T> {
    const promise = new Promise<T>(takeSettlers as (resolve: (value: T) => void, reject: Settle) => void);
    this.#resolves[slot] = takenResolve;
    this.#rejects[slot] = takenReject;
    this.#promises[slot] = promise;
    return promise;
  }

  /** The pending slot of a promise; −1 when it has settled, or is none of this ring's. */
  slotOf(promise: unknown): number {
    return promise === undefined ? -1 : this.#promises.indexOf(promise as Promise<unknown>);
  }

  /** The pending slots of an op, oldest slot first. */
  slotsOf(op: string): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#ops[slot] === op && this.#resolves[slot] !== undefined) slots.push(slot);
    }
    return slots;
  }

  /** The pending slots of operations on a descriptor, or on a slot of the registered files; of all without one. */
  slotsOn(fd?: number, fixedFile = false): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#resolves[slot] === undefined || SERVING_OPS.includes(this.#ops[slot]!)) continue;
      const extra = this.#extras[slot];
      const isIn = fd === extra?.fdIn && fixedFile === (extra?.fixedFileIn ?? false);
      const matches = isIn || fd === this.#fds[slot] && fixedFile === (extra?.fixedFile ?? false);
      if (fd === undefined || matches) slots.push(slot);
    }
    return slots;
  }

  /** Whether operations in flight hold this memory. */
  usesHome(home: Home): boolean {
    return this.#homes.includes(home);
  }

  /** Whether operations in flight may have chosen buffers of a group that has this memory. */
  choosesFrom(home: Home): boolean {
    return this.#homes.some((other, slot) => other === home && this.#extras[slot]?.group !== undefined);
  }

  /** Whether the operation in a slot, or any without one, is a timeout that completes again and again. */
  ticking(slot?: number): boolean {
    if (slot === undefined) return this.slotsOf("timeout").some((slot) => this.ticking(slot));
    return this.#ops[slot] === "timeout" && this.#extras[slot]?.more !== undefined;
  }

  /** Remembers which promise stands for a slot, where {@linkcode settleWith} was used. */
  setPromise(slot: number, promise: Promise<unknown>): void {
    this.#promises[slot] = promise;
  }

  /** Remembers a promise that was made from one of an open chain. */
  derived(promise: Promise<unknown>): void {
    if (this.#chainFlag !== 0) this.#derived.push(promise);
  }

  /** A slot with settlers of its caller's. */
  settleWith(slot: number, resolve: Settle, reject: Settle): void {
    this.#resolves[slot] = resolve;
    this.#rejects[slot] = reject;
  }

  /** user_data of a pending slot, for cancelling it; valid until it completes. */
  userData(slot: number): bigint {
    return BigInt.asUintN(64, BigInt(this.#generations[slot]!) << 32n | BigInt(slot));
  }

  #grow(): number {
    const slot = this.#slots++;
    if (slot >= this.#generations.length) {
      const generations = new Int32Array(slot * 2);
      generations.set(this.#generations);
      this.#generations = generations;
      const fds = new Int32Array(slot * 2);
      fds.set(this.#fds);
      this.#fds = fds;
    }
    this.#generations[slot] = HELD;
    this.#resolves.push(undefined);
    this.#rejects.push(undefined);
    this.#promises.push(undefined);
    this.#homes.push(null);
    this.#scratches.push(null);
    this.#extras.push(null);
    this.#ops.push("");
    this.core.nameSlots(this.#generations, this.#slots);
    return slot;
  }

  /**
   * Room for more: what is staged goes in now, but for an open chain, which must go in whole. No program's code runs
   * meanwhile: it would find an operation half made.
   */
  makeRoom(size: number, what: string): void {
    const { core } = this;
    if (core.disabled) throw core.disabledError(what);
    const chained = this.#chainSize;
    if (chained + size > core.limit) {
      throw new RangeError(
        `a chain of ${
          chained + size
        } operations does not fit a queue of ${core.limit}: open the ring with more entries`,
      );
    }
    this.#withoutChain(() => this.#push(0, () => core.count === 0));
  }

  /** As {@linkcode makeRoom}, for what can wait: whether there is room now. Never amid a chain. */
  findRoom(size: number): boolean {
    const { core } = this;
    while (core.count + size > core.limit) {
      if (core.disabled) return false;
      this.#turnAside(0, 0, undefined);
      if (this.#fatal !== undefined || (core.state & STATE.BUSY) !== 0) return false;
    }
    return true;
  }

  /** Has everything submitted but the chain that is open, which stays staged and open. */
  #withoutChain(submit: () => void): void {
    const { core } = this;
    const chained = this.#chainSize;
    const start = core.count - chained;
    const chain = core.sqes.slice(start * core.sqeWords, core.count * core.sqeWords);
    core.count = start;
    this.#chainSize = 0;
    const isAside = this.#chainAside;
    this.#chainAside ||= chained > 0;
    try {
      submit();
    } finally {
      this.#chainAside = isAside;
      if (this.#fatal === undefined) {
        // Behind what was not taken, where it was refused.
        core.sqes.set(chain, core.count * core.sqeWords);
        core.count += chained;
        this.#chainSize = chained;
      }
    }
  }

  // Chains

  /** Links every operation that `build` stages, in order. They go in whole: a chain is never split. */
  link<T>(flag: number, build: () => T): T {
    if (this.#chainFlag !== 0) throw new TypeError("link() inside link(): one chain at a time");
    if (this.#chainSize !== 0) {
      throw new TypeError("link() after an operation with IO_LINK in its flags: that chain is still open");
    }
    this.#chainFlag = flag;
    let built = false;
    try {
      const result = build();
      built = true;
      return result;
    } finally {
      this.#chainFlag = 0;
      if (built) this.#closeChain();
      else this.#dropChain();
      this.#derived.length = 0;
    }
  }

  /** What was staged last is the end of its chain. */
  #closeChain(): void {
    if (this.#chainSize === 0) return;
    this.#chainSize = 0;
    const { core } = this;
    core.sqes[(core.count - 1) * core.sqeWords]! &= ~(LINKS << 8);
    if (!this.#scheduled) this.#schedule();
  }

  /** `build` threw: nothing of an incomplete chain reaches the kernel. link() tells; its promises need not be heard. */
  #dropChain(): void {
    const { core } = this;
    for (const promise of this.#derived) promise.catch(ignore);
    for (let left = this.#chainSize; left > 0; left--) {
      core.count--;
      const slot = core.sqes[core.count * core.sqeWords + USER_DATA]!;
      this.#promises[slot]?.catch(ignore);
      this.#settle(slot, ECANCELED);
      this.completed--; // the kernel never had it
    }
    this.#chainSize = 0;
  }

  /** Tells whether what the next operation of an open chain follows is pending; undefined when it follows nothing. */
  awaited(): (() => boolean) | undefined {
    if (this.#chainSize === 0) return undefined;
    const { sqes, sqeWords, count } = this.core;
    const at = (count - 1) * sqeWords + USER_DATA;
    const slot = sqes[at]!;
    const generation = sqes[at + 1]!;
    return () => this.#generations[slot] === generation;
  }

  /** Whether an operation has not begun, as it follows another. */
  waitsInChain(slot: number): boolean {
    const follows = this.#follows.get(slot);
    return follows !== undefined && follows.generation === this.#generations[slot] && follows.awaits();
  }

  /** Completions are being settled: what a turn brings meanwhile is settled after that. */
  get walking(): boolean {
    return this.#walking;
  }

  get building(): boolean {
    return this.#chainFlag !== 0;
  }

  /** Whether one of these opcodes is in the chain that is still open. */
  chainHas(opcodes: readonly number[]): boolean {
    const { sqes, sqeWords, count } = this.core;
    for (let i = count - this.#chainSize; i < count; i++) {
      if (opcodes.includes(sqes[i * sqeWords]! & 0xff)) return true;
    }
    return false;
  }

  /** Whether an operation with IO_DRAIN was ever staged. */
  get drains(): boolean {
    return this.#drains;
  }

  /** Whether cancellations have to go by a call, where they can. */
  get callsToCancel(): boolean {
    return this.#drains || this.#callsToCancel;
  }

  // Turns

  /** What is staged goes in now, before what a register call changes; but for a chain that is still open. */
  submitStaged(): void {
    if (this.core.count > this.#chainSize && this.#chainFlag === 0 && !this.closed) {
      this.#withoutChain(() => this.#submitAll(0));
    }
  }

  /** All that is staged goes in, and the kernel's queues are left without any of these STATE bits. */
  #submitAll(without: number): void {
    const { core } = this;
    this.#push(
      TURN.GET_EVENTS,
      () => core.count === 0 && core.unsubmitted === 0 && (core.state & without) === 0,
    );
  }

  /**
   * Turns until so much is in. EAGAIN, EBUSY: the kernel takes more once it has memory, or completions are out of the way:
   * waits for one, but not for ever.
   *
   * @throws {UringError} EAGAIN once it has taken nothing for a second
   */
  #push(flags: number, isIn: () => boolean): void {
    let patience: Ending | undefined;
    while (true) {
      this.#turnAside(flags, 0, undefined);
      if (this.#fatal !== undefined) throw this.#fatal;
      if (isIn()) return;
      if ((this.core.state & STATE.BUSY) === 0) continue;
      this.#goOn(patience ??= new Ending(BUSY_LIMIT_MS));
      this.#turnAside(flags, 1, 1);
    }
  }

  /** @throws {UringError} EAGAIN once the kernel has taken nothing for so long */
  #goOn(patience: Ending): void {
    if (patience.look(this.core.count + this.core.unsubmitted) !== "give up") return;
    throw new UringError(EAGAIN, "io_uring_enter", { detail: BUSY });
  }

  /** Calls back after the next turn, which it asks for, once what that brought is settled. Not if the ring ends first. */
  afterTurn(callback: () => void): void {
    this.#afterTurns.push(callback);
    this.poke();
  }

  /** Something may have completed without an operation's asking: looks in a microtask. */
  poke(): void {
    if (this.core.disabled || this.#finished || this.#fatal !== undefined) return;
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    // Short of memory or of room, the kernel takes more once completions are out of the way, and others had their turn.
    if (this.#mustYield() || (this.core.state & STATE.BUSY) !== 0) this.#yieldTurn();
    else resolved.then(this.#runTurn);
  }

  /** Whether timers and other I/O have waited long enough. */
  #mustYield(): boolean {
    if (this.#spent < CLOCK_EVERY) return false;
    this.#spent = 0;
    const time = now();
    if (this.#windowStart < 0) {
      this.#windowStart = time;
      return false;
    }
    return time - this.#windowStart > YIELD_AFTER_MS;
  }

  /** Leaves the next turn to the event loop, once it has looked at timers and other I/O. */
  #yieldTurn(): void {
    this.#yielding = true;
    this.#disarm();
    if (this.#wantsRef) {
      setImmediate(this.#runYielded);
    } else {
      // An immediate that is unref'd would wait for as long as the loop sleeps; a timer does not.
      this.#unrefdYield = setTimeout(this.#runYielded, 0);
      this.#unrefdYield.unref();
    }
  }

  #disarm(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.core.native.disarm(this.core.handle);
  }

  #scheduledTurn(): void {
    if (!this.#scheduled) return; // a synchronous turn took its place
    this.#scheduled = false;
    if (this.#finished) return;
    this.#turn(TURN.GET_EVENTS, 0, undefined);
    this.#afterTurn();
  }

  /** One call of the core, and everything that it brought settled; called from a callback, by the walk under way. */
  #turn(flags: number, wait: number, timeoutMs: number | undefined, limits?: WaitLimits): number {
    const reaped = this.#enter(flags, wait, timeoutMs, limits);
    this.#settleAll(reaped);
    return reaped;
  }

  /** A turn amid something else. What it brings waits for the next one, where it may call back into the program. */
  #turnAside(flags: number, wait: number, timeoutMs: number | undefined): void {
    const reaped = this.#enter(flags, wait, timeoutMs, undefined);
    if (reaped === 0) return;
    if (this.#calling === 0 && this.#backlog.length === 0) return this.#settleAll(reaped);
    this.#setAside(reaped);
    if (!this.#scheduled) this.#schedule();
  }

  /** One call of the core: how many completions lie in its memory. */
  #enter(flags: number, wait: number, timeoutMs: number | undefined, limits: WaitLimits | undefined): number {
    const { core } = this;
    // What a walk is amid of is saved from this turn, which overwrites it.
    if (this.#walking && this.#walked === core.cqes) this.#walked = core.cqes.slice();
    this.#disarm();
    this.#stageLate();
    const reaped = limits !== undefined
      ? core.turnWithin(flags, wait, { ...limits, timeout: timeoutMs })
      : timeoutMs === undefined
      ? core.turn(flags, wait)
      : core.turnTimed(flags, wait, timeoutMs);
    if (reaped < 0) {
      const brought = core.brought(reaped);
      if (brought > 0) this.#setAside(brought);
      this.#fail(reaped);
      return 0;
    }
    this.#spent += reaped + 1;
    return reaped;
  }

  /** What has waited for a turn, or for a chain to be complete, as this one is now. May make turns for room. */
  #stageLate(): void {
    if (this.#chainSize > 0) this.#closeChain();
    if (this.canceller.waiting.length > 0 && !this.chainOpen) this.canceller.stageWaiting();
  }

  #callAfterTurn(): void {
    // A walk under way may tell of other buffers that they were taken: its turn calls them.
    if (this.#afterTurns.length === 0 || this.#walking) return;
    for (const callback of this.#afterTurns.splice(0)) callBack(callback);
  }

  /** Decides what comes next: another turn, or sleep. */
  #afterTurn(): void {
    const { core } = this;
    if (this.#drained !== undefined && this.inFlight === 0) this.#drained();
    this.#callAfterTurn();
    if (this.#scheduled || this.#finished || this.#fatal !== undefined) return;
    const isRefused = core.unsubmitted > 0 && (core.state & STATE.BUSY) !== 0;
    if (isRefused || core.count > 0 || (core.state & STATE.MORE) !== 0) {
      this.#schedule();
    } else if (!this.#checking) {
      // After the continuations of what was just settled: they may ask for more.
      this.#checking = true;
      resolved.then(this.#runCheck);
    }
  }

  /** Nothing more is asked for: sleeps, if anything is in flight; is idle, if not. */
  #goIdle(): void {
    this.#checking = false;
    if (this.#scheduled || this.#finished || this.#fatal !== undefined || this.core.disabled) return;
    if (this.inFlight === 0 && this.#listener === undefined) {
      this.#keepAlive(false);
      if (this.#forgotten) this.close().catch(warnOfKept);
      return;
    }
    if (this.#armed) return;
    if (this.#mustYield()) {
      this.#scheduled = true;
      this.#yieldTurn();
      return;
    }
    if (!this.#wakerStarted) {
      // What came in before its eventfd was registered has signalled nobody: look once more.
      if (this.#startWaker() >= 0) this.#schedule();
      else this.#lookLater();
      return;
    }
    this.#keepAlive(this.#wantsRef);
    if (this.core.native.arm(this.core.handle) === 1) {
      this.#schedule();
    } else {
      this.#armed = true;
    }
  }

  /** @returns −errno, where it can't be started */
  #startWaker(): number {
    const wake = () => this.#wake();
    // What is thrown through Deno's Node-API ends that for the whole thread.
    const rc = this.core.native.startWaker(this.core.handle, () => callBack(wake));
    if (rc < 0) return rc;
    this.#wakerStarted = true;
    this.#keptAlive = true; // a threadsafe function is born with a reference
    return rc;
  }

  /** Calls back after so many milliseconds, which hold the event loop as what is in flight does. */
  callLater(callback: () => void, ms: number): void {
    const timer = setTimeout(callback, ms);
    if (!this.#wantsRef) timer.unref();
  }

  /**
   * There is no descriptor for the waker, or no memory. What is in flight is the kernel's all the same: until there is one,
   * a timer looks for what has come, and keeps this, and the memory of those operations, from being collected.
   */
  #lookLater(): void {
    if (this.#looking !== undefined) return;
    this.#looking = setTimeout(() => {
      this.#looking = undefined;
      this.poke();
    }, LOOK_MS);
    if (!this.#wantsRef) this.#looking.unref();
  }

  #wake(): void {
    this.wakeups++;
    this.#armed = false;
    // A notification that was under way when the turn was left to the event loop.
    if (this.#finished || this.#yielding) return;
    // No new window: a host may call this again and again before it looks at its timers (Node: a thousand times).
    this.#scheduled = true;
    this.#scheduledTurn();
  }

  #keepAlive(on: boolean): void {
    if (!this.#wakerStarted || on === this.#keptAlive) return;
    this.#keptAlive = on;
    this.core.native.setRef(this.core.handle, on ? 1 : 0);
  }

  setRef(on: boolean): void {
    this.#wantsRef = on;
    if (on) this.#looking?.ref();
    else this.#looking?.unref();
    if (on && this.#yielding) this.#unrefdYield?.ref();
    if (this.inFlight > 0 || this.#listener !== undefined) this.#keepAlive(on);
  }

  /** Hears completions of no operation. As long as somebody does, the ring sleeps as with an operation in flight. */
  listen(listener: Listener | undefined): void {
    this.#listener = listener;
    if (this.#finished || this.#fatal !== undefined) return;
    if (listener === undefined) {
      if (this.inFlight > 0) return;
      this.#disarm();
      this.#keepAlive(false);
    } else if (!this.#checking && !this.#scheduled) {
      this.#checking = true;
      resolved.then(this.#runCheck);
    }
  }

  /** Settles what turns have brought, the last one `count`; called from a callback, leaves it to the walk under way. */
  #settleAll(count: number): void {
    const backlog = this.#backlog;
    if (count > 0 && (this.#walking || backlog.length > 0)) {
      this.#setAside(count);
      count = 0;
    }
    if (this.#walking || count === 0 && backlog.length === 0) return;
    this.#walking = true;
    try {
      if (count > 0) {
        const others = this.#others;
        this.#walk(this.core.cqes, count);
        this.#brought += count - (this.#others - others);
      }
      for (let first = backlog.shift(); first !== undefined; first = backlog.shift()) {
        this.#walk(first, first.length / this.core.cqeWords);
      }
    } finally {
      this.#walking = false;
    }
  }

  #setAside(count: number): void {
    const aside = this.core.cqes.slice(0, count * this.core.cqeWords);
    this.#backlog.push(aside);
    this.#brought += this.#ofOperations(aside, 0, aside.length, false);
  }

  #walk(cqes: Int32Array, count: number): void {
    const { cqeWords } = this.core;
    this.#walked = cqes;
    this.#walkedTo = count * cqeWords;
    for (let i = 0, at = 0; i < count; i++, at += cqeWords) {
      const first = at;
      const flags = cqes[first + 3]!;
      if (this.#mixedCqes) {
        if ((flags & IORING_CQE_F.SKIP) !== 0) continue;
        if ((flags & IORING_CQE_F["32"]) !== 0) {
          i++;
          at += cqeWords;
          this.#others++;
        }
      }
      const slot = cqes[first]!;
      if (!this.#isPending(slot, cqes[first + 1]!)) {
        this.#tell(cqes, first);
        continue;
      }
      const extra = this.#extras[slot]!;
      if (extra === null) {
        // Nobody hears of the others: a command's, which its driver gives as it likes.
        if ((flags & IORING_CQE_F.MORE) === 0) this.#settle(slot, cqes[first + 2]!, flags);
        continue;
      }
      this.cqe = cqes;
      this.cqeAt = first;
      if ((flags & IORING_CQE_F.MORE) === 0) {
        if (this.#isOwn(slot)) this.#others++;
        this.#walkedFrom = first;
        this.#settle(slot, cqes[first + 2]!, flags);
      } else if (extra.more !== undefined) {
        this.#walkedFrom = at + cqeWords;
        tellMore(extra, cqes[first + 2]!, flags);
      }
      // Where that has made a turn, which brought other completions into this memory, it is another now.
      cqes = this.#walked;
    }
  }

  #isPending(slot: number, generation: number): boolean {
    return slot < this.#slots && slot >= 0 && this.#generations[slot] === generation;
  }

  /** Operations in flight whose end is here already, and will be settled by the walk under way, or the next. */
  #arrived(): number {
    let count = this.#walking ? this.#ofOperations(this.#walked, this.#walkedFrom, this.#walkedTo, true) : 0;
    for (const later of this.#backlog) count += this.#ofOperations(later, 0, later.length, true);
    return count;
  }

  /** Whether what a slot has is none of the program's operations. */
  #isOwn(slot: number): boolean {
    return this.#ops[slot] === TAG || this.#extras[slot]?.auxiliary === true;
  }

  /** Operations of the program's whose final completion has not come. */
  get pending(): number {
    return this.inFlight - this.leaving - this.#auxiliary;
  }

  /** Completions of operations in flight; `last`: those alone after which no other comes. */
  #ofOperations(cqes: Int32Array, from: number, to: number, last: boolean): number {
    const { cqeWords } = this.core;
    let count = 0;
    for (let at = from; at < to; at += cqeWords) {
      const flags = cqes[at + 3]!;
      const isMeant = !last || (flags & IORING_CQE_F.MORE) === 0;
      const slot = cqes[at]!;
      if (isMeant && this.#isPending(slot, cqes[at + 1]!) && !this.#isOwn(slot)) count++;
      if (this.#mixedCqes && (flags & IORING_CQE_F["32"]) !== 0) at += cqeWords;
    }
    return count;
  }

  /** A completion of no operation: another ring's message, whose user data leave the two highest bits free. */
  #tell(cqes: Int32Array, at: number): void {
    this.#others++;
    const high = cqes[at + 1]!;
    if (this.#listener === undefined || this.closed || high < 0 || high >= 0x40000000) {
      this.strays++;
      return;
    }
    const low = cqes[at]! >>> 0;
    const data = high < 0x200000 ? high * 2 ** 32 + low : BigInt(high) << 32n | BigInt(low);
    this.#listener(data, cqes[at + 2]!, cqes[at + 3]! >>> 0);
  }

  #settle(slot: number, res: number, flags = 0): void {
    const resolve = this.#resolves[slot]!;
    const reject = this.#rejects[slot]!;
    const extra = this.#extras[slot]!;
    const scratch = this.#scratches[slot]!;
    const home = this.#homes[slot]!;
    if (extra?.last !== undefined) res = lastOf(extra, res, flags);
    this.inFlight--;
    this.completed++;
    this.#resolves[slot] = undefined;
    this.#rejects[slot] = undefined;
    this.#promises[slot] = undefined;
    this.#homes[slot] = null;
    const generation = this.#generations[slot]!;
    // The high bits stay: HELD, and never the bit that the core keeps for itself.
    this.#generations[slot] = HELD | ((generation + 1) & GENERATION_MASK);
    // A pool's pages stay, and what was in flight arrives with whoever has them now.
    const lost = home !== null && isLost(home);
    if (extra === null && scratch === null && res >= 0 && !lost) {
      this.#free.push(slot);
      resolve(res);
      return;
    }
    // Some ops let the kernel's own word for "start again after the signal" out: a worker was interrupted.
    if (res <= ERESTARTSYS && res >= ERESTART_RESTARTBLOCK) res = EINTR;
    if (res === ECANCELED || res === EINTR) this.canceller.cancelled(slot, generation);
    this.#extras[slot] = null;
    this.#scratches[slot] = null;
    this.#free.push(slot);
    if (extra !== null) {
      if (callsBack(extra)) this.#calling--;
      if (extra.auxiliary) this.#auxiliary--;
    }
    extra?.ended?.();
    try {
      // But for messages: rejected, one would lose the descriptors that came with it.
      const lostOne = lost || this.#ops[slot] !== "recvmsg" && extra?.homes?.some(isLost);
      if (lostOne) reject(new TypeError(lostBuffer(this.#ops[slot]!, res)));
      else if (res >= 0) resolve(extra?.decode === undefined ? res : extra.decode(res, scratch));
      else reject(extra?.failed?.(res) ?? this.#errorOf(slot, res, extra));
    } catch (error) {
      reject(error); // what can't be decoded
    }
    if (scratch !== null) giveScratch(scratch);
    extra?.scratches?.forEach(giveScratch);
  }

  #errorOf(slot: number, res: number, extra: Extra | null): Error {
    const op = this.#ops[slot]!;
    if (this.#closing !== undefined && (res === ECANCELED || res === EINTR)) {
      return new AbortError(`${op} was cancelled: its ring was closed`);
    }
    const fd = this.#fds[slot]!;
    return new UringError(res, op, {
      fd: fd === NO_FD || fd === AT.FDCWD ? undefined : fd,
      path: extra?.path,
      dest: extra?.dest,
      fixedFile: extra?.fixedFile,
      group: extra?.group,
      groupKnown: extra?.group === undefined ? undefined : true,
      iopoll: (this.core.setupFlags & IORING_SETUP.IOPOLL) !== 0,
      detail: res === EACCES ? this.#refusal?.(op) : undefined,
    });
  }

  /** The ring can't go on: the kernel refuses to be entered. What is in flight can't be known any more. */
  #fail(errno: number): void {
    const detail = FATAL[errno];
    this.#giveUp(new UringError(errno, "io_uring_enter", detail === undefined ? {} : { detail }));
  }

  #giveUp(error: UringError): void {
    // What has come before is known.
    this.#settleAll(0);
    this.#fatal = error;
    // Nobody knows what the kernel still has.
    if (this.inFlight > 0) keepForGood(this);
    for (let slot = 0; slot < this.#slots; slot++) this.#rejects[slot]?.(error);
    this.core.count = 0;
    this.#keepAlive(false);
    this.#endPaused();
    this.#drained?.();
  }

  // Waiting, cancelling, the end

  submitAndWait(count: number, { timeout: timeoutMs, deadline: until, minWait }: WaitLimits = {}): number {
    if (this.closed) throw new RingClosedError("submitAndWait");
    if (this.core.disabled) throw this.core.disabledError("submitAndWait");
    if (this.building) throw new TypeError("submitAndWait() inside link(): the chain is not complete yet");
    // What is to begin after a turn may be what this waits for.
    this.#callAfterTurn();
    const { pending } = this;
    if (count > pending) {
      throw new RangeError(
        `count ${count} is more than the ${pending} operations that are in flight: it would wait for ever`,
      );
    }
    const start = now();
    // Where there is no limit, a distant one: without any, the kernel's least wait ends with nothing, too.
    const deadline = timeoutMs !== undefined
      ? start + timeoutMs
      : until !== undefined
      ? fromPerformance(until)
      : minWait === undefined
      ? undefined
      : start + DISTANT_MS;
    // The kernel would gather past any limit.
    const gathered = minWait === undefined ? 0 : Math.min(start + minWait, deadline!);
    const { core } = this;
    // Also what a turn brings amid this one, which a cancellation needs, or a callback: it is not to be waited for again.
    const before = this.#brought - (count > 0 ? this.#arrived() : 0);
    this.#settleAll(0);
    let total: number;
    let patience: Ending | undefined;
    while (true) {
      this.#stageLate();
      total = this.#brought - before;
      // More than the completion queue holds can't be waited for at once.
      const wait = Math.min(count - total, core.cqEntries);
      const time = now();
      // The end of any timeout ends a least wait early: what is left of it then has its own limit.
      const isGathering = total > 0 && time < gathered;
      const over = isGathering ? gathered : deadline ?? Infinity;
      let left = this.#slice(time, Math.max(0, over - time));
      let limits: WaitLimits | undefined;
      if (minWait !== undefined && !isGathering) {
        limits = { minWait: Math.max(LEAST_WAIT_MS, Math.min(gathered - time, left ?? Infinity)) };
      } else if (until !== undefined && time + left! >= over) [left, limits] = [undefined, { deadline: until }];
      this.#turn(TURN.GET_EVENTS, Math.max(wait, 0), left, limits);
      this.#callAfterTurn();
      total = this.#brought - before;
      if (this.#fatal !== undefined) throw this.#fatal;
      if (core.count === 0 && core.unsubmitted === 0 && total >= count) break;
      const isRefused = (core.state & STATE.BUSY) !== 0;
      if ((isRefused || (core.state & STATE.TIMED_OUT) !== 0) && deadline !== undefined && now() >= deadline) break;
      if (isRefused && timeoutMs === undefined && until === undefined) {
        this.#goOn(patience ??= new Ending(BUSY_LIMIT_MS));
      }
      if (isRefused && wait <= 0) this.#turn(TURN.GET_EVENTS, 1, 1);
      // The least wait is over, and something came.
      if (minWait !== undefined && total > 0 && core.count === 0 && now() >= gathered) break;
    }
    this.#afterTurn();
    return total;
  }

  /**
   * How long a wait may last at once. The end of a thread can't interrupt one, nor does any timer run meanwhile: those that
   * are operations' limits are looked at here.
   */
  #slice(time: number, leftMs: number): number | undefined {
    let slice = Math.min(leftMs, SLICE_MS);
    // Few: those of operations that have a time limit.
    for (const timer of [...this.timers]) {
      if (timer.due <= time) timer.expire();
      else slice = Math.min(slice, timer.due - time);
    }
    // Kernels that can't limit a wait (5.10, at first).
    return leftMs === Infinity && (this.core.features & IORING_FEAT.EXT_ARG) === 0 ? undefined : slice;
  }

  /** Gives the rings other sizes; operations in flight go on. */
  resize(entries: number, cqEntries: number | undefined): void {
    if (this.closed || this.#fatal !== undefined) throw this.#fatal ?? new RingClosedError("resize");
    if (this.building) throw new TypeError("resize() inside link(): the chain is not complete yet");
    const { core } = this;
    // The queues must be empty; what is in flight stays there meanwhile, or comes in by a turn.
    if (!core.disabled) this.#submitAll(STATE.MORE);
    try {
      core.resize(entries, cqEntries);
    } finally {
      // Also where it is refused: the turn above ended the ring's sleep.
      this.#afterTurn();
    }
  }

  /**
   * The ring is restricted: cancellations go by a call, not an SQE that may be forbidden, or by one with the flags that are
   * demanded where there is no such call; `refusal` says why EACCES.
   */
  restricted(flags: number, refusal: (op: string) => string | undefined): void {
    this.#callsToCancel = true;
    this.canceller.flags = flags;
    this.#refusal = refusal;
  }

  /** Nothing can be asked of the kernel any more. */
  get ended(): boolean {
    return this.#finished || this.#fatal !== undefined;
  }

  /** What is staged now would become part of a chain. */
  get chainOpen(): boolean {
    return this.#chainFlag !== 0 || this.#chainSize > 0 || this.#chainAside;
  }

  /** What is staged goes in now, in one turn. */
  flush(): void {
    this.#turnAside(0, 0, undefined);
  }

  // The end

  /** Cancels, waits for every final completion in the event loop, unmaps, closes. */
  close(): Promise<void> {
    if (this.building) throw new TypeError("close() inside link(): the chain is not complete yet");
    if (this.#closing === undefined) {
      let follow!: (end: Promise<void>) => void;
      // At once: what is called meanwhile finds it closing, and does not begin anew.
      this.#closing = new Promise((resolve) => follow = resolve);
      follow(this.#close());
      this.#endPaused();
    }
    return this.#closing;
  }

  #endPaused(): void {
    for (const stream of [...this.paused]) stream.interrupted();
  }

  async #close(): Promise<void> {
    if (this.#finished) return;
    if (this.inFlight > 0 && this.#fatal === undefined) await this.#drain();
    this.#end();
  }

  /** Resolves when nothing is in flight, or nothing has ended for too long. */
  #drain(): Promise<void> {
    return new Promise<void>((resolve) => {
      const ending = new Ending(this.core.closeTimeout);
      const look = () => {
        const todo = ending.look(this.inFlight);
        if (todo === "cancel") this.canceller.everything(true);
        else if (todo === "give up") this.#drained?.();
      };
      const again = setInterval(look, Math.min(CANCEL_AGAIN_MS, this.core.closeTimeout));
      this.#drained = () => {
        clearInterval(again);
        this.#drained = undefined;
        resolve();
      };
      this.canceller.everything();
    });
  }

  /** Nobody can ask for anything more: closes once what is pending has completed. */
  forget(): void {
    if (this.closed) return;
    warnOfDropped();
    if (this.inFlight === 0 || this.#fatal !== undefined) this.close().catch(warnOfKept);
    else this.#forgotten = true;
  }

  /** As {@linkcode close}, but blocks until it is done. */
  closeSync(): void {
    if (this.#finished) return;
    if (this.building) throw new TypeError("close() inside link(): the chain is not complete yet");
    if (this.#walking) throw new TypeError("a callback of the ring can't wait for its end: call close() instead");
    const begun = this.#closing;
    this.#closing ??= resolved;
    try {
      this.#endPaused();
      this.#drainSync();
      this.#drained?.();
      this.#end();
    } catch (error) {
      // It is open still, and can be closed.
      if (!this.#finished) this.#closing = begun;
      throw error;
    }
  }

  /** As {@linkcode #drain}, but blocks. */
  #drainSync(): void {
    const ending = new Ending(this.core.closeTimeout);
    if (this.inFlight > 0) this.canceller.everything();
    while (this.inFlight > 0 && this.#fatal === undefined) {
      // What has been set aside is not to be waited for.
      const wait = this.#backlog.length > 0 ? 0 : 1;
      this.#turn(TURN.GET_EVENTS, wait, Math.min(CANCEL_AGAIN_MS, this.core.closeTimeout));
      const todo = ending.look(this.inFlight);
      if (todo === "cancel") this.canceller.everything(true);
      else if (todo === "give up") break;
    }
  }

  /** @throws {UringError} EBUSY: what is in flight could not be ended */
  #end(): void {
    if (!this.#finished) {
      this.#settleAll(0);
      this.#finished = true;
      this.#keepAlive(false);
      this.#release();
      for (let slot = 0; slot < this.#slots; slot++) {
        const reject = this.#rejects[slot];
        if (reject === undefined) continue;
        const why = this.#kept === undefined
          ? "its ring was closed"
          : "its ring was closed, but the kernel may still use its memory, which must not be used for anything else";
        reject(new AbortError(`${this.#ops[slot]} was given up: ${why}`));
      }
    }
    if (this.#kept !== undefined) throw this.#kept;
  }

  /** Unmaps and closes; what can't be ended stays as it is, with all that the kernel may use. */
  #release(): void {
    if (this.core.close(LAST_LOOK_MS)) {
      // What ended in that look was not heard: `completed` stays behind `submitted` by as much.
      this.inFlight = this.leaving = this.#auxiliary = 0;
      this.#emptyGivenUp();
      this.holds.clear();
      letGo(this);
      return;
    }
    keepForGood(this);
    this.#kept = keptError(this.core.closeTimeout, this.#pendingInWords());
    if (this.#closing !== resolved) return;
    this.#closing = Promise.reject(this.#kept);
    this.#closing.catch(ignore);
  }

  /** What was given up holds nothing any more: the kernel is done with it. */
  #emptyGivenUp(): void {
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#rejects[slot] === undefined) continue;
      const scratch = this.#scratches[slot]!;
      if (scratch !== null) giveScratch(scratch);
      this.#extras[slot]?.scratches?.forEach(giveScratch);
      this.#homes[slot] = this.#scratches[slot] = this.#extras[slot] = null;
    }
  }

  #pendingInWords(): string[] {
    const words: string[] = [];
    for (let slot = 0; slot < this.#slots; slot++) {
      const op = this.#ops[slot]!;
      if (this.#rejects[slot] === undefined || SERVING_OPS.includes(op)) continue;
      const fd = this.#fds[slot]!;
      const path = this.#extras[slot]?.path;
      const what = path !== undefined ? ` '${path}'` : fd === NO_FD || fd === AT.FDCWD ? "" : ` fd=${fd}`;
      words.push(`${op}${what}`);
    }
    return words;
  }
}

/** A wait of submitAndWait() lasts no longer at once. */
const SLICE_MS = 100;

/** A limit that is none, and the least that a wait can gather: 0 would be no least wait. */
const DISTANT_MS = 1e12;
const LEAST_WAIT_MS = 0.001;

/** For what came in while nobody looked. */
const LAST_LOOK_MS = 1;

/** Between two looks of a ring whose waker can't be started. */
const LOOK_MS = 5;

const FATAL: Record<number, string> = {
  [-17]: "this ring belongs to another thread: open one ring a worker",
  [-77]: "the ring is disabled: it was opened so, call enable() first",
  [-6]: "the ring is being closed by the kernel",
  [-130]: "the submission thread of the ring has died",
  [-53]: "the kernel lost a completion for lack of memory",
  [-12]: "resize() has moved the ring to memory that could not be mapped here: nothing can be heard of it any more",
  [-9]: "the ring's descriptor was closed by somebody else: only ring.close() may close it",
  [-95]: "the ring's descriptor was closed by somebody else, and is another file now",
};

let takenResolve: Settle;
let takenReject: Settle;
/** One executor for all promises: a closure an operation would be half of the promise's cost. */
function takeSettlers(resolve: Settle, reject: Settle): void {
  takenResolve = resolve;
  takenReject = reject;
}

function ignore(): void {}

function lostBuffer(op: string, res: number): string {
  return `${op} (result ${res}): its buffer was transferred while the kernel used it, so what it holds can't be known; ` +
    "keep a buffer until the promise settles";
}

/** Whether a buffer was transferred elsewhere. A pool's pages stay. */
function isLost({ whole, region }: Home): boolean {
  return whole.length === 0 && region === null;
}

/** What a callback throws must not end the walk through the completions: the rest would be lost. */
function tellMore(extra: Extra, res: number, flags: number): void {
  try {
    extra.more!(res, flags);
  } catch (error) {
    throwLater(error);
  }
}

function lastOf(extra: Extra, res: number, flags: number): number {
  try {
    return extra.last!(res, flags);
  } catch (error) {
    throwLater(error);
    return res;
  }
}

/** Ops that serve others: nobody means them who means all operations. */
const SERVING_OPS = [TAG, "async_cancel", "link_timeout"];
