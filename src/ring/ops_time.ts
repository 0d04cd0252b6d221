/**
 * Operations that wait, and that end waiting: timers, polls, cancellation.
 *
 * @module
 */

import { IORING_ASYNC_CANCEL, IORING_FEAT, IORING_POLL, IORING_TIMEOUT, IOSQE } from "../abi/constants.ts";
import {
  prepCancel,
  prepCancelFd,
  prepPollAdd,
  prepPollRemove,
  prepPollUpdate,
  prepTimeout,
  prepTimeoutRemove,
  prepTimeoutUpdate,
} from "../abi/encode.ts";
import { checkFd, checkMilliseconds, checkU32, shown } from "./arguments.ts";
import { checkOptions, type OpOptions, writeTimespec } from "./base.ts";
import { RingClosedError, UnsupportedError, type UringError } from "./errors.ts";
import { FileOps } from "./ops_files.ts";
import { kernelRelease } from "./probe.ts";

/** Options of a timeout. */
export interface TimeoutOptions extends OpOptions {
  /** Also ends once this many other completions have come; 0 to 2^32 − 1. */
  readonly count?: number;
  /** `ms` is a moment of the clock, not a span. */
  readonly absolute?: boolean;
  /** Which clock: `"boottime"` goes on during suspend, `"realtime"` follows the wall clock (5.15). */
  readonly clock?: "monotonic" | "boottime" | "realtime";
}

/** What to cancel. */
export type CancelTarget = Promise<unknown> | { readonly fd: number } | { readonly op: string } | "all";

/** Options of a cancellation. */
export interface CancelOptions extends Limits {
  /** With an fd or op: everything that matches, not the first alone. Default true. */
  readonly all?: boolean;
  /** With an fd: it is a slot of the registered files. */
  readonly fixedFile?: boolean;
}

/**
 * What ends waiting for a cancellation: one that waits in a chain for what it follows. Any other is over at once; with a
 * signal that is aborted already it does not begin.
 */
type Limits = Pick<OpOptions, "signal" | "timeout">;

const ETIME = -62;
const ENOENT = -2;
const EALREADY = -114;

/** Operations that wait, and that end waiting. */
export class TimeOps extends FileOps {
  /**
   * Waits until a descriptor is ready, as poll(2), once.
   *
   * @param mask POLL bits: IN, OUT, ... (ERR and HUP are always told)
   * @returns the POLL bits that are set
   */
  pollAdd(fd: number, mask: number, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkU32(mask, "mask");
    return this.start({ op: "poll_add", fd }, o, (words, at) => prepPollAdd(words, at, fd, mask));
  }

  /**
   * Ends a poll; its promise rejects with ECANCELED.
   *
   * @param target the promise that `pollAdd()` gave
   * @returns how many were found: 1, or 0 when it had ended already
   */
  pollRemove(target: Promise<unknown>, o?: OpOptions): Promise<number> {
    checkTarget(target, "pollAdd");
    const userData = this.#userDataOf(target);
    if (userData === undefined) return Promise.resolve(0);
    const removed = this.#removeNow("poll_add", userData, o);
    if (removed !== undefined) return removed;
    const promise = this.start({ op: "poll_remove" }, o, (words, at) => prepPollRemove(words, at, userData));
    const { canceller } = this.engine;
    return this.#found(this.#unlessLookedAt(userData, promise, () => {
      canceller.insist(userData);
      return Promise.resolve(canceller.found(userData));
    }));
  }

  /**
   * Changes what a poll waits for; its own promise goes on. Since Linux 5.13. As any operation it comes after one with
   * IO_DRAIN. (Some kernels 5.10, which have it too, never tell of what is ready by then: 5.10.223 does not, 5.10.262 does.)
   *
   * @param target the promise that `pollAdd()` gave
   * @param mask POLL bits, in place of those that it had
   * @returns how many were found: 1, or 0 when it had ended already
   */
  pollUpdate(target: Promise<unknown>, mask: number, o?: OpOptions): Promise<number> {
    checkTarget(target, "pollAdd");
    checkU32(mask, "mask");
    const userData = this.#userDataOf(target);
    if (userData === undefined) return Promise.resolve(0);
    const update = (): Promise<number> => {
      const promise = this.start({ op: "poll_remove" }, o, (words, at) => {
        prepPollUpdate(words, at, userData, 0, mask, IORING_POLL.UPDATE_EVENTS);
      });
      return this.#unlessLookedAt(userData, promise, update);
    };
    return this.#found(update());
  }

  /**
   * Waits for a time, or for a number of other completions.
   *
   * @param ms milliseconds, fractions allowed
   * @returns 0, whichever of the two came
   * @throws {UringError} (rejects) ECANCELED, when it was removed or cancelled
   */
  timeout(ms: number, o?: TimeoutOptions): Promise<number> {
    checkMilliseconds(ms, "ms");
    const count = o?.count ?? 0;
    checkU32(count, "count");
    let flags = clockFlag(o?.clock) | (o?.absolute ? IORING_TIMEOUT.ABS : 0);
    // In a chain the time's end is what the next operation waits for, not a failure.
    if (this.engine.building || ((o?.flags ?? 0) & IOSQE.IO_LINK) !== 0) {
      // The next release's feature: nothing tells of the flag itself.
      if ((this.engine.core.features & IORING_FEAT.CQE_SKIP) === 0) {
        throw new UnsupportedError("timeout() in a chain", "Linux 5.16", kernelRelease());
      }
      flags |= IORING_TIMEOUT.ETIME_SUCCESS;
    }
    const scratch = writeTimespec(ms);
    const promise = this.start({ op: "timeout", scratch, extra: { failed: expired } }, o, (words, at) => {
      prepTimeout(words, at, scratch.address, count, flags);
    });
    return this.#accept(promise, [EXPIRED], 0);
  }

  /**
   * Ends a timeout early; its promise rejects with ECANCELED.
   *
   * @param target the promise that `timeout()` gave
   * @returns how many were found: 1, or 0 when it had ended already
   */
  timeoutRemove(target: Promise<unknown>, o?: OpOptions): Promise<number> {
    checkTarget(target, "timeout");
    const userData = this.#userDataOf(target);
    if (userData === undefined) return Promise.resolve(0);
    const removed = this.#removeNow("timeout", userData, o);
    if (removed !== undefined) return removed;
    const promise = this.start({ op: "timeout_remove" }, o, (words, at) => prepTimeoutRemove(words, at, userData, 0));
    return this.#found(promise);
  }

  /**
   * Gives a timeout a new time, counted from now. It keeps its clock, and its count no longer ends it. As any operation it
   * comes after one with IO_DRAIN.
   *
   * @param target the promise that `timeout()` gave
   * @param ms milliseconds
   * @param o options; `absolute`: `ms` is a moment of the timeout's clock
   * @returns how many were found: 1, or 0 when it had ended already
   */
  timeoutUpdate(target: Promise<unknown>, ms: number, o?: Omit<TimeoutOptions, "clock" | "count">): Promise<number> {
    checkMilliseconds(ms, "ms");
    if ((o as TimeoutOptions | undefined)?.clock !== undefined) {
      throw new TypeError("clock can't be changed: a timeout keeps the one it has");
    }
    checkTarget(target, "timeout");
    const flags = o?.absolute ? IORING_TIMEOUT.ABS : 0;
    const userData = this.#userDataOf(target);
    if (userData === undefined) return Promise.resolve(0);
    const scratch = writeTimespec(ms);
    const promise = this.start({ op: "timeout_update", scratch }, o, (words, at) => {
      prepTimeoutUpdate(words, at, scratch.address, userData, flags);
    });
    return this.#found(promise);
  }

  /**
   * Cancels operations in flight. What is cancelled rejects with ECANCELED when the kernel has let go of it; what
   * completes at the same time resolves as usual. It does not wait behind an operation with IO_DRAIN, but within a chain.
   *
   * What waits in a chain for what it follows, or behind one with IO_DRAIN, can't be stopped before it begins: it is told to
   * end from then on, and may come to its end first. To stop a chain, cancel what has begun.
   *
   * @param target a promise of this ring's; `{ fd }`; `{ op }`, such as `{ op: "READ" }`; or `"all"`
   * @param o options; `signal` and `timeout` end what waits in a chain
   * @returns how many operations were found
   * @throws {UringError} (rejects) EBADF: nothing is in flight on `fd`, and it is not open
   */
  cancel(target: CancelTarget, o: CancelOptions = {}): Promise<number> {
    checkOptions(o);
    const { all = true, fixedFile = false, signal, timeout } = o;
    const limits = { ...signal && { signal }, ...timeout !== undefined && { timeout } };
    // It is given up as any operation is, before it is staged.
    if (signal?.aborted) return this.start({ op: "async_cancel" }, limits, ignore);
    if (target === "all") return this.#cancelEverything(limits);
    if (target === null || typeof target !== "object" || !("fd" in target || "op" in target || isPromise(target))) {
      throw new TypeError(`target must be a promise, { fd }, { op } or "all", not ${shown(target)}`);
    }
    if ("fd" in target) return this.#cancelFd(target.fd, all, fixedFile, limits);
    if ("op" in target) return this.#cancelOp(target.op, all, limits);
    const userData = this.#userDataOf(target);
    return userData === undefined ? Promise.resolve(0) : this.#cancelOne(userData, limits);
  }

  /**
   * One by one, those that were started on this number: the kernel does not find by its descriptor what waits for a
   * worker thread. Then by the descriptor: it finds what was started on a duplicate.
   */
  #cancelFd(fd: number, all: boolean, fixedFile: boolean, limits: Limits): Promise<number> {
    checkFd(fd);
    const flags = (all ? IORING_ASYNC_CANCEL.ALL : 0) | (fixedFile ? IORING_ASYNC_CANCEL.FD_FIXED : 0);
    const byDescriptor = () => {
      // Before 5.19 the kernel can't be asked so: it finds what is known here.
      if (!this.engine.closed && !this.probe().op("SOCKET").supported) return Promise.resolve(0);
      const promise = this.engine.canceller.ask(0n, flags | IORING_ASYNC_CANCEL.FD, fd) ??
        this.start({ op: "async_cancel" }, limits, (words, at) => prepCancelFd(words, at, fd, flags));
      return this.#answered(all ? promise : promise.then(() => 1));
    };
    const targets = this.engine.building ? [] : this.#targets(this.engine.slotsOn(fd, fixedFile));
    if (!all) return this.#cancelFirst(targets, limits, byDescriptor);
    if (targets.length === 0) return byDescriptor();
    const oneByOne = this.#cancelEach(targets, limits);
    // It was closed meanwhile, or the kernel can't be asked so (before 5.19).
    const others = elseNobodys([oneByOne], byDescriptor).catch(() => 0);
    return Promise.all([oneByOne, others]).then((counts) => Math.max(...counts));
  }

  #cancelFirst(targets: readonly bigint[], limits: Limits, orElse: () => Promise<number>): Promise<number> {
    const [first, ...others] = targets;
    if (first === undefined) return orElse();
    return this.#cancelOne(first, limits)
      .then((found) => found > 0 ? found : this.#cancelFirst(others, limits, orElse));
  }

  /** One by one: the kernel can be asked for an op since 6.6 only, and before that does not always refuse. */
  #cancelOp(op: string, all: boolean, limits: Limits): Promise<number> {
    this.probe().op(op); // refuses what is no op
    const slots = this.engine.slotsOf(op.toLowerCase());
    return this.#cancelEach(this.#targets(all ? slots : slots.slice(0, 1)), limits);
  }

  /** One by one: asked for all at once, the kernel does not tell of what runs in its worker threads. */
  #cancelEverything(limits: Limits): Promise<number> {
    const { engine } = this;
    if (engine.closed) throw new RingClosedError("cancel");
    const targets = this.#targets(engine.slotsOn());
    const flags = IORING_ASYNC_CANCEL.ANY | IORING_ASYNC_CANCEL.ALL;
    const found = engine.building ? this.#answered(this.#ask(0n, flags, limits)) : this.#cancelEach(targets, limits);
    // What waits in a chain for its start is meant, too, and not found before that.
    found.then(() => engine.canceller.insistOnAll(targets), ignore);
    return found;
  }

  #targets(slots: readonly number[]): bigint[] {
    return slots.map((slot) => this.engine.userData(slot));
  }

  #cancelEach(targets: readonly bigint[], limits: Limits): Promise<number> {
    const asked: Promise<number>[] = [];
    for (const userData of targets) asked.push(elseNobodys(asked, () => this.#cancelOne(userData, limits)));
    const counts = Promise.all(asked);
    const found = counts.then((counts) => counts.reduce((sum, count) => sum + count, 0));
    this.engine.derived(found);
    return found;
  }

  #cancelOne(userData: bigint, limits: Limits): Promise<number> {
    const { chainOpen } = this.engine;
    return this.#judged(userData, this.#ask(userData, 0, limits), chainOpen);
  }

  /** How many one operation's cancellation has found; `inChain`: its time has not come. */
  #judged(userData: bigint, asked: Promise<number>, inChain: boolean): Promise<number> {
    const { canceller } = this.engine;
    if (!inChain) canceller.asked.add(userData);
    return this.#answered(asked.then(() => {
      canceller.asked.delete(userData);
      return canceller.found(userData);
    }, (error: UringError | null | undefined) => {
      canceller.asked.delete(userData);
      // A signal's reason may be anything.
      const errno = error?.errno;
      // It stopped a worker thread, and then looked once more, when that was done: not found (ENOENT), but cancelled.
      if (errno === ENOENT && canceller.wasCancelled(userData)) return canceller.found(userData);
      // Told to stop in a worker thread (EALREADY), which may not hear it; or not found, but not ended: on its way from
      // one thread to another, or in a chain that has not come to it.
      if ((errno !== EALREADY && errno !== ENOENT) || !canceller.isPending(userData)) throw error;
      canceller.insist(userData);
      return canceller.found(userData);
    }));
  }

  #ask(userData: bigint, flags: number, limits: Limits): Promise<number> {
    return this.engine.canceller.ask(userData, flags) ??
      this.start({ op: "async_cancel" }, limits, (words, at) => prepCancel(words, at, userData, flags));
  }

  /** Cancels what is to be removed, where an SQE would wait behind one with IO_DRAIN; undefined: it has to be an SQE. */
  #removeNow(op: string, userData: bigint, o: OpOptions | undefined): Promise<number> | undefined {
    const { engine } = this;
    if (!engine.callsToCancel) return undefined;
    if (o !== undefined && (checkOptions(o) !== 0 || o.signal?.aborted)) return undefined;
    // It would end any other operation, too.
    if (!engine.slotsOf(op).some((slot) => engine.userData(slot) === userData)) return undefined;
    const asked = engine.canceller.ask(userData, 0);
    return asked === undefined ? undefined : this.#judged(userData, asked, false);
  }

  /** The kernel says ENOENT for none, EALREADY for what it has told to stop. */
  #answered(promise: Promise<number>): Promise<number> {
    return this.#accept(this.#accept(promise, [ENOENT], 0), [EALREADY], 1);
  }

  /** A poll that is looked at just now (EALREADY) may go on then: `next` takes the place of what missed it. */
  #unlessLookedAt(userData: bigint, promise: Promise<number>, next: () => Promise<number>): Promise<number> {
    const either = orElse(promise, (error) => {
      if (error.errno !== EALREADY || !this.engine.canceller.isPending(userData)) throw error;
      return next();
    });
    this.engine.derived(either);
    return either;
  }

  /** 1, or 0 for what had ended already, or was about to. */
  #found(promise: Promise<number>): Promise<number> {
    return this.#accept(promise.then(() => 1), [ENOENT, EALREADY], 0);
  }

  #userDataOf(promise: Promise<unknown>): bigint | undefined {
    const slot = this.engine.slotOf(sourceOf(promise));
    return slot < 0 ? undefined : this.engine.userData(slot);
  }

  /** Takes certain errors, or errnos, for an answer. */
  #accept(promise: Promise<number>, refusals: readonly unknown[], answer: number): Promise<number> {
    const accepted = promise.catch((error: UringError | null | undefined) => {
      if (refusals.includes(error) || refusals.includes(error?.errno)) return answer;
      throw error;
    });
    follows(accepted, promise);
    this.engine.derived(accepted);
    return accepted;
  }
}

/** What `call` gives. If it throws, nobody gets the promises before it: how those end need not be heard. */
function elseNobodys<T>(before: readonly Promise<unknown>[], call: () => T): T {
  try {
    return call();
  } catch (error) {
    for (const promise of before) promise.catch(ignore);
    throw error;
  }
}

function ignore(): void {}

function isPromise(value: unknown): boolean {
  return typeof (value as Promise<unknown> | null | undefined)?.then === "function";
}

function checkTarget(target: unknown, method: string): void {
  if (!isPromise(target)) throw new TypeError(`target must be the promise that ${method}() gave, not ${shown(target)}`);
}

/**
 * What a timeout's own promise rejects with when its time has come: not to be mistaken for its limit's ETIME. Nobody
 * sees it, and without a stack it costs nothing: Deno takes 4 ms for its first one.
 */
const EXPIRED: Error = Object.create(Error.prototype);

function expired(errno: number): Error | undefined {
  return errno === ETIME ? EXPIRED : undefined;
}

/** The promise in the pending table behind one that was made from it. */
const sources = new WeakMap<Promise<unknown>, Promise<unknown>>();

/** The promise in the pending table that `promise` was made from, or is. */
export function sourceOf(promise: Promise<unknown>): Promise<unknown> {
  return sources.get(promise) ?? promise;
}

/** Lets `promise` stand for the operation behind `source`, where it is to be cancelled. */
export function follows(promise: Promise<unknown>, source: Promise<unknown>): void {
  sources.set(promise, source);
}

/** `promise`, or, where it fails, what `next` gives: to be cancelled it stands for whichever is under way. */
export function orElse<T>(promise: Promise<T>, next: (error: UringError) => Promise<T>): Promise<T> {
  const either: Promise<T> = promise.catch((error: UringError | null | undefined) => {
    // A signal's reason, which may be anything.
    if (error === null || error === undefined) throw error;
    const second = next(error);
    follows(either, second);
    return second;
  });
  follows(either, promise);
  return either;
}

export function clockFlag(clock: TimeoutOptions["clock"]): number {
  switch (clock) {
    case undefined:
    case "monotonic":
      return 0;
    case "boottime":
      return IORING_TIMEOUT.BOOTTIME;
    case "realtime":
      return IORING_TIMEOUT.REALTIME;
    default:
      throw new TypeError(`clock must be "monotonic", "boottime" or "realtime", not ${shown(clock)}`);
  }
}
