/**
 * An operation that completes again and again, as an async iterator or through a callback.
 *
 * @module
 */

import { IORING_CQE_F, IOSQE } from "../abi/constants.ts";
import { shown } from "./arguments.ts";
import { type CheckedOptions, checkedOptions, NO_OPTIONS, type OpOptions } from "./base.ts";
import type { Engine, Paused } from "./engine.ts";
import { type Extra, LINKS } from "./pending.ts";
import type { Cancel } from "./signals.ts";
import { AbortError, UringError } from "./errors.ts";

/** Options of every multishot operation. */
export interface MultishotOptions<T> extends Omit<OpOptions, "timeout"> {
  /** Takes each value as it comes, in place of iteration. What it throws ends the operation. */
  readonly each?: (value: T) => void;
  /**
   * Values that may wait for a slow consumer, at least 1: with so many the operation is taken back, and begun anew
   * once half of them are consumed. Default 1024.
   */
  readonly highWater?: number;
}

/** What a multishot operation is. */
export interface Shots<T> {
  readonly op: string;
  /** Left out: of none. */
  readonly fd?: number;
  /** Stages it, with the options of the stream. What it throws is an argument's fault. */
  readonly start: (extra: Extra, o: CheckedOptions) => Promise<number>;
  /** Turns one completion into values. */
  readonly values: (res: number, flags: number) => readonly T[];
  /** Whether a result that is no error, or a value, says that nothing more comes: a recv's 0, the last of five ticks. */
  readonly isEnd?: (res: number) => boolean;
  /** Whether an errno is a value, too: a timeout's ETIME. */
  readonly isValue?: (errno: number) => boolean;
  /** Takes what nobody consumed: closes an accepted socket, gives a buffer back. */
  readonly discard?: (value: T) => void;
  /** What discards a value of a stream that was collected: it must lead neither to the stream nor to its ring. */
  readonly discardLater?: (value: T) => () => void;
  /** Calls back once the kernel has buffers again, after ENOBUFS; gives what takes the callback back. */
  readonly whenProvided?: (callback: () => void) => () => void;
}

/** What a registry may know of the values that nobody took yet: from the first on. */
interface Left {
  first: number;
  /** What discards each of them, and of those before; only as far as it was noted. */
  discards: (() => void)[];
}

/** Streams that are dropped with what nobody took. */
const dropped = new FinalizationRegistry<Left>(({ first, discards }) => {
  for (const discard of discards.slice(first)) discard();
});

const DEFAULT_HIGH_WATER = 1024;
const ECANCELED = -125;
const ENOBUFS = -105;

type State =
  /** In the kernel. */
  | "armed"
  /** Being taken back, as the consumer is slow. */
  | "pausing"
  /** Not in the kernel, until the consumer has caught up, or buffers were given back. */
  | "paused"
  /** Being taken back, for good. */
  | "stopping"
  | "ended";

/**
 * A multishot operation under way. Iterate over it, once; leaving the loop ends it. It is begun anew by itself where
 * the kernel ends it early, so that nothing is lost: after an overflow of the completion queue, say.
 *
 * Iteration ends when nothing more can come, and throws what the operation failed with.
 *
 * End it before you close its descriptor: while it waits for its consumer, or for buffers, the kernel does not hold the
 * file, and when it is begun anew the number may be another file's.
 */
export class Multishot<T> implements AsyncIterableIterator<T> {
  readonly #engine: Engine;
  readonly #shots: Shots<T>;
  readonly #each: ((value: T) => void) | undefined;
  readonly #highWater: number;
  #state: State = "paused";
  #operation: Promise<number> | undefined;
  /** Values, of which nobody took those from the first on. */
  #values: T[] = [];
  readonly #left: Left = { first: 0, discards: [] };
  #isRegistered = false;
  readonly #takers: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (error: unknown) => void }[] =
    [];
  #error: unknown;
  #failed = false;
  /** It is to end as it pauses, or is to be begun anew. */
  #cancelled = false;
  readonly #ended: Promise<void>;
  #settleEnded!: () => void;
  #rejectEnded!: (error: unknown) => void;
  /** How often it was begun, the first time included. */
  #arms = 0;
  /** Read once: it is begun anew with these. */
  readonly #options: CheckedOptions;
  /** While it waits for buffers, or for its place in the queue: ends that. */
  #endWaiting: (() => void) | undefined;
  #listening: Cancel | undefined;
  /** Called while it is paused, when no operation of it is there to end: the ring is closed, or its signal aborts. */
  readonly #interrupted = (): void => {
    if (this.#state === "paused") this.#again();
  };
  /** @internal How others know it while it waits. */
  readonly waiter: Paused;

  /** @internal */
  constructor(engine: Engine, shots: Shots<T>, options: MultishotOptions<T> | undefined) {
    const { each, highWater = DEFAULT_HIGH_WATER } = options ?? {};
    if (each !== undefined && typeof each !== "function") {
      throw new TypeError(`each must be a function, not ${shown(each)}`);
    }
    if (typeof highWater !== "number" || !Number.isInteger(highWater) || highWater < 1) {
      throw new RangeError(`highWater must be an integer of at least 1, not ${shown(highWater)}`);
    }
    const checked = options === undefined ? NO_OPTIONS : checkedOptions(options);
    if (checked.timeout !== undefined) {
      throw new TypeError("timeout limits one completion, and this has many: use a signal");
    }
    if (engine.building || (checked.flags & LINKS) !== 0) {
      throw new TypeError("a multishot operation can't be part of a chain: it has no single end");
    }
    this.#engine = engine;
    this.#shots = shots;
    this.#each = each;
    this.#highWater = highWater;
    this.#options = checked;
    this.waiter = {
      op: shots.op,
      fd: shots.fd,
      fixedFile: (checked.flags & IOSQE.FIXED_FILE) !== 0,
      interrupted: this.#interrupted,
      slot: () => this.#engine.slotOf(this.#operation),
      cancel: () => this.#cancelWaiting(),
    };
    this.#ended = new Promise((resolve, reject) => {
      this.#settleEnded = resolve;
      this.#rejectEnded = reject;
    });
    // With a callback nobody else hears of a failure; an iterator throws it.
    if (each === undefined) this.#ended.catch(ignore);
    this.#arm();
  }

  /**
   * Resolves when nothing more comes; rejects with what the operation failed with: an AbortError as its ring is closed,
   * which is no unhandled rejection where nobody listens.
   */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** How often the operation was begun: once, and again after each pause, exhaustion or overflow. */
  get arms(): number {
    return this.#arms;
  }

  /** Values that wait to be taken. */
  get waiting(): number {
    return this.#values.length - this.#left.first;
  }

  /** @internal The promise in the pending table; undefined while the kernel does not have it. */
  get operation(): Promise<unknown> | undefined {
    return this.#operation;
  }

  /**
   * Ends it as a cancellation would, where that would not: the kernel does not have it, has just ended it, or is taking it
   * back. Whether that was so.
   */
  #cancelWaiting(): boolean {
    if (this.#state === "paused") {
      this.#endCancelled();
      return true;
    }
    const isLeaving = this.#state === "pausing" || this.#state === "armed" && this.#engine.slotOf(this.#operation) < 0;
    if (!isLeaving || this.#cancelled) return false;
    this.#cancelled = true;
    return true;
  }

  #endCancelled(): void {
    const { op, fd } = this.#shots;
    this.#fail(new UringError(ECANCELED, op, fd === undefined ? {} : { fd }));
    this.#end();
  }

  #arm(): void {
    const operation = this.#shots.start({
      more: (res, flags) => this.#take(res, flags),
      last: (res, flags) => this.#takeLast(res, flags),
    }, this.#options);
    this.#arms++;
    this.#state = "armed";
    this.#operation = operation;
    operation.then((res) => this.#completed(res), (error) => this.#refused(error));
  }

  // What the kernel tells. Called while completions are walked through: nothing here may throw.

  #take(res: number, flags: number): void {
    let values: readonly T[] = [];
    try {
      values = this.#shots.values(res, flags);
    } catch (error) {
      this.#fail(error);
    }
    for (const value of values) {
      try {
        this.#give(value);
      } catch (error) {
        // The others are not for who throws: they are given back.
        this.#fail(error);
      }
    }
  }

  #takeLast(res: number, flags: number): number {
    // From here on there is nothing in the kernel to be found, and it is told of later.
    this.#engine.paused.add(this.waiter);
    const isData = res >= 0 ? !this.#isEnd(res) : this.#shots.isValue?.(res) ?? false;
    if (isData) {
      this.#take(res, flags);
      // Begun anew it would escape: what is to be cancelled has ended before the kernel looked for it.
      return !this.#isEnd(res) && this.#isWanted() ? ECANCELED : res;
    }
    if (this.#isExhausted(res)) return this.#isWanted() ? ECANCELED : res;
    // A buffer may have been chosen for the end of the data, too.
    if ((flags & IORING_CQE_F.BUFFER) !== 0) {
      for (const value of this.#shots.values(0, flags)) this.#shots.discard?.(value);
    }
    return res;
  }

  /** Whether its operation is being cancelled. */
  #isWanted(): boolean {
    const slot = this.#engine.slotOf(this.#operation);
    return slot >= 0 && this.#engine.canceller.wants(this.#engine.userData(slot));
  }

  #isExhausted(errno: number): boolean {
    return errno === ENOBUFS && this.#shots.whenProvided !== undefined;
  }

  #isEnd(res: number): boolean {
    return this.#shots.isEnd?.(res) ?? false;
  }

  #give(value: T): void {
    if (this.#state === "stopping" || this.#state === "ended") {
      this.#shots.discard?.(value);
    } else if (this.#each !== undefined) {
      this.#each(value);
    } else if (this.#takers.length > 0) {
      this.#takers.shift()!.resolve({ value, done: false });
    } else {
      this.#values.push(value);
      if (this.#state === "armed" && this.waiting >= this.#highWater) this.#takeBack("pausing");
    }
  }

  // What its promise tells

  #completed(res: number): void {
    this.#operation = undefined;
    if (this.#state === "stopping" || this.#isEnd(res)) this.#end();
    else if (this.#cancelled) this.#endCancelled();
    else if (this.#state === "pausing") this.#paused();
    else this.#again();
  }

  #refused(error: unknown): void {
    this.#operation = undefined;
    // A signal's reason may be anything.
    const errno = (error as UringError | null | undefined)?.errno;
    if (this.#state === "stopping") return this.#end();
    if (this.#state === "pausing" && errno === ECANCELED) return this.#completed(ECANCELED);
    if (errno !== undefined && this.#shots.isValue?.(errno)) return this.#completed(errno);
    if (errno !== undefined && this.#isExhausted(errno)) {
      if (this.#cancelled) return this.#endCancelled();
      this.#pause();
      if (this.#state === "paused") this.#endWaiting = this.#shots.whenProvided!(this.#interrupted);
      return;
    }
    this.#error = error;
    this.#failed = true;
    this.#end();
  }

  #paused(): void {
    this.#pause();
    this.#resume();
  }

  #pause(): void {
    this.#state = "paused";
    const { signal } = this.#options;
    try {
      if (this.#engine.closed || signal?.aborted) return this.#again();
      this.#engine.paused.add(this.waiter);
      if (signal !== undefined) this.#listen(signal);
    } catch (error) {
      this.#fail(error);
      return this.#end();
    }
    this.#noteLeft();
  }

  /** A signal of somebody's own making may end the stream at that. */
  #listen(signal: AbortSignal): void {
    const listening = this.#engine.signals.listen(signal, this.#interrupted);
    if (this.#state === "paused") this.#listening = listening;
    else listening.forget();
  }

  #endPause(): void {
    // The group must not hold what has ended, and what that has of the group's buffers.
    this.#endWaiting?.();
    this.#endWaiting = undefined;
    this.#engine.paused.delete(this.waiter);
    this.#listening?.forget();
    this.#listening = undefined;
  }

  #resume(): void {
    if (this.#state !== "paused" || this.#endWaiting !== undefined) return;
    if (this.waiting <= this.#highWater / 2) this.#again();
  }

  /** It may be collected from here on, as nothing holds it that the kernel uses. Each value is noted once. */
  #noteLeft(): void {
    const { discardLater } = this.#shots;
    if (discardLater === undefined || this.waiting === 0) return;
    const { discards, first } = this.#left;
    for (let i = discards.length; i < this.#values.length; i++) {
      discards.push(i < first ? ignore : discardLater(this.#values[i]!));
    }
    if (!this.#isRegistered) dropped.register(this, this.#left);
    this.#isRegistered = true;
  }

  #again(): void {
    this.#endPause();
    if (this.#state === "ended") return;
    try {
      if (this.#engine.closed) throw new AbortError("the stream was ended: its ring was closed");
      const { signal } = this.#options;
      if (signal?.aborted) throw signal.reason;
      // Staged now, it would become part of a chain that somebody is building; or wait for a place, and fail.
      const { chainOpen, ended, canceller } = this.#engine;
      if (chainOpen || !ended && !canceller.hasRoom(1)) this.#armLater();
      else this.#arm();
    } catch (error) {
      this.#fail(error);
      this.#end();
    }
  }

  #armLater(): void {
    this.#pause();
    if (this.#state !== "paused") return;
    this.#engine.canceller.later(this.#interrupted);
    this.#endWaiting = ignore;
  }

  /** A consumer's, or a decoder's, own failure. */
  #fail(error: unknown): void {
    if (!this.#failed) this.#error = error;
    this.#failed = true;
    if (this.#state === "armed" || this.#state === "pausing") this.#takeBack("stopping");
  }

  #takeBack(state: "pausing" | "stopping"): void {
    const cancelled = this.#state === "pausing";
    this.#state = state;
    if (state === "pausing") this.#engine.paused.add(this.waiter);
    if (cancelled || this.#operation === undefined) return;
    const slot = this.#engine.slotOf(this.#operation);
    if (slot >= 0) this.#engine.canceller.slot(slot);
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#endPause();
    this.#noteLeft();
    if (this.#failed) {
      // Whoever closes a ring knows that its streams end: that need not be heard.
      if (this.#engine.closed && this.#error instanceof AbortError) this.#ended.catch(ignore);
      this.#rejectEnded(this.#error);
    } else {
      this.#settleEnded();
    }
    if (this.#takers.length === 0) return;
    const [first, ...others] = this.#takers.splice(0);
    if (this.#failed) {
      this.#failed = false; // told once
      first!.reject(this.#error);
    } else {
      first!.resolve(DONE);
    }
    for (const taker of others) taker.resolve(DONE);
  }

  // The iterator

  /** The next value, in the order in which they came. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#each !== undefined) return Promise.reject(new TypeError("this operation gives its values to `each`"));
    if (this.waiting > 0) {
      const value = this.#values[this.#left.first++]!;
      if (this.waiting === 0 || this.#left.first > 4096) this.#forgetTaken();
      if (this.#state === "paused") this.#resume();
      return Promise.resolve({ value, done: false });
    }
    if (this.#state === "ended") {
      if (!this.#failed) return Promise.resolve(DONE);
      this.#failed = false; // told once
      return Promise.reject(this.#error);
    }
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  /** Ends the operation: resolves once the kernel has let go of it. What nobody took is given back. */
  async return(): Promise<IteratorResult<T, undefined>> {
    if (this.#state === "paused") this.#end();
    else if (this.#state !== "ended") this.#takeBack("stopping");
    this.#discardLeft();
    await this.#ended.catch(ignore);
    return DONE;
  }

  #forgetTaken(): void {
    const { first, discards } = this.#left;
    this.#values = this.#values.slice(first);
    if (discards.length > 0) this.#left.discards = discards.slice(first);
    this.#left.first = 0;
  }

  #discardLeft(): void {
    const values = this.#values.slice(this.#left.first);
    this.#left.first = this.#values.length;
    this.#forgetTaken();
    for (const value of values) this.#shots.discard?.(value);
  }

  /** Ends the operation, as {@linkcode return}, and rejects with `error`. */
  async throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    await this.return();
    throw error;
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** {@linkcode return}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

function ignore(): void {}
