/**
 * Cancels what is in flight, for signals, time limits, `cancel()` and the end of a ring.
 *
 * @module
 */

import { IORING_ASYNC_CANCEL, IORING_REGISTER, IORING_SETUP, IORING_TIMEOUT, IOSQE } from "../abi/constants.ts";
import { prepCancel, prepTimeout } from "../abi/encode.ts";
import { takeScratch } from "../memory/scratch.ts";
import type { Engine } from "./engine.ts";
import { AUXILIARY, type Extra, NO_FD, type Settle } from "./pending.ts";
import { UringError } from "./errors.ts";

const EACCES = -13;
const EINVAL = -22;
const ETIME = -62;
const EALREADY = -114;

/** Between the attempts to cancel what the kernel misses, at first and at most, in milliseconds. */
const FIRST_CANCEL_MS = 1;
const LAST_CANCEL_MS = 100;

const STAGES: Extra = { ...AUXILIARY, stages: true };

/** Cancels operations of one ring. */
export class Canceller {
  /** What waits for a chain to be complete, as cancellations do: staged now, it would become part of that. */
  readonly waiting: (() => void)[] = [];
  #isStaging = false;
  /** IOSQE bits that its SQEs must have. */
  flags = 0;
  readonly #engine: Engine;
  /** Operations that are cancelled until they end. */
  readonly #insisting: Set<bigint> = new Set();
  /** Operations that `cancel()` has asked for, until it is answered. */
  readonly asked: Set<bigint> = new Set();
  /** Targets of SQEs that may wait behind IO_DRAIN; 0: all. */
  readonly #behind: Set<bigint> = new Set();
  /** By slot: the generation whose operation was the last there to end cancelled. */
  readonly #cancelled: number[] = [];
  /** By slot: the generation whose operation was the last there that a cancellation found. */
  readonly #found: number[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Cancels a pending operation; what comes of it shows in that operation. */
  slot(slot: number): void {
    this.insist(this.#engine.userData(slot));
  }

  /** Cancels an operation, which may have been told already, until it ends; nothing, when it has. */
  insist(userData: bigint): void {
    if (this.#insisting.has(userData)) return;
    this.#insisting.add(userData);
    this.#insist(userData, FIRST_CANCEL_MS);
  }

  /** As {@linkcode insist}, for those that do not end within the moment. */
  insistOnAll(targets: readonly bigint[]): void {
    const left = targets.filter((userData) => this.isPending(userData));
    if (left.length === 0) return;
    setTimeout(() => left.forEach((userData) => this.insist(userData)), FIRST_CANCEL_MS).unref();
  }

  /** Cancels an operation by an SQE, which reaches what a call can't; whether it has, shows in that operation. */
  bySqe(userData: bigint): void {
    this.#stageCancel(userData, 0, ignore, ignore, true);
  }

  /** Whether an operation is being cancelled. */
  wants(userData: bigint): boolean {
    return this.#insisting.has(userData) || this.asked.has(userData);
  }

  /** Whether an operation has not ended. */
  isPending(userData: bigint): boolean {
    return !this.#engine.ended && this.#engine.userData(slotOf(userData)) === userData;
  }

  /** An operation has ended cancelled. */
  cancelled(slot: number, generation: number): void {
    this.#cancelled[slot] = generation;
  }

  /** A cancellation found an operation. */
  found(userData: bigint): 1 {
    this.#found[slotOf(userData)] = generationOf(userData);
    return 1;
  }

  /** Whether an operation has ended cancelled, and no cancellation has found it yet. */
  wasCancelled(userData: bigint): boolean {
    const slot = slotOf(userData);
    const generation = generationOf(userData);
    return this.#cancelled[slot] === generation && this.#found[slot] !== generation;
  }

  /**
   * The kernel can miss: a worker thread that is told to stop (EALREADY) may just then leave the operation to a poll,
   * where it goes on; what waits in a chain for its start is not found at all (ENOENT), nor is a multishot timeout that
   * is due. So it is told until it ends.
   */
  #insist(userData: bigint, waitMs: number): void {
    const done = () => void this.#insisting.delete(userData);
    if (!this.isPending(userData)) return done();
    const missed = () => {
      if (!this.isPending(userData)) return done();
      setTimeout(() => this.#insist(userData, Math.min(2 * waitMs, LAST_CANCEL_MS)), waitMs).unref();
    };
    if (!this.#engine.callsToCancel) return this.#stageCancel(userData, 0, done, missed, waitMs > FIRST_CANCEL_MS);
    this.#cancelNow(userData, 0);
    missed();
  }

  /** Cancels everything in flight, without waiting; `again`: what was missed before. */
  everything(again = false): void {
    if (this.#engine.ended) return;
    const flags = IORING_ASYNC_CANCEL.ANY | IORING_ASYNC_CANCEL.ALL;
    if (this.#engine.callsToCancel) this.#cancelNow(0n, flags);
    else this.#stageCancelOfAll(flags, ignore, again);
  }

  /** As an SQE, which may wait for what comes before it: one at a time. */
  #stageBehind(userData: bigint, flags: number): void {
    if (this.#behind.has(userData)) return;
    this.#behind.add(userData);
    const done = () => void this.#behind.delete(userData);
    if (flags === 0) this.#stageCancel(userData, 0, done, done, true);
    else this.#stageCancelOfAll(flags, done, true);
  }

  #stageCancelOfAll(flags: number, done: () => void, again: boolean): void {
    const failed = (error: unknown) => {
      done();
      // Before 5.19 the kernel can't be asked for all at once.
      if ((error as UringError).code !== "EINVAL") return;
      for (const slot of this.#engine.slotsOn()) this.slot(slot);
    };
    this.#stageCancel(0n, flags, done, failed, again);
  }

  /**
   * Cancels as an SQE would, where that would wait behind one with IO_DRAIN, perhaps for ever.
   *
   * @param fd with FD in `flags`
   * @returns what the SQE would give, once a turn has brought what was ended, as it would have; undefined: it has to be an
   * SQE, in a chain, where there is no such call, and where a restricted ring may not make it
   */
  ask(userData: bigint, flags: number, fd?: number): Promise<number> | undefined {
    const engine = this.#engine;
    if (!engine.callsToCancel || engine.chainOpen || engine.closed || engine.ended || engine.core.disabled) {
      return undefined;
    }
    const result = this.#call(userData, flags, fd);
    return result === EINVAL || result === EACCES ? undefined : this.#answer(result);
  }

  async #answer(result: number): Promise<number> {
    const engine = this.#engine;
    const { turns } = engine.core;
    engine.poke();
    while (engine.core.turns === turns && !engine.ended) await new Promise((resolve) => setImmediate(resolve));
    if (result >= 0) return result;
    // ETIME: it runs in a worker thread, which was told to stop.
    throw new UringError(result === ETIME ? EALREADY : result, "async_cancel");
  }

  /** IORING_REGISTER_SYNC_CANCEL (6.0), which finds what is submitted. */
  #call(userData: bigint, flags: number, fd?: number): number {
    this.#engine.flush();
    return this.#engine.core.register(IORING_REGISTER.SYNC_CANCEL, syncCancelRequest(userData, flags, fd), 1);
  }

  /** Cancels with a call of its own: an SQE would wait behind one with IO_DRAIN, perhaps for ever. */
  #cancelNow(userData: bigint, flags: number): void {
    // What is still staged can't be found: it goes in first, but for a chain that is still being built.
    const engine = this.#engine;
    if (engine.chainOpen) return this.later(() => this.#cancelNow(userData, flags));
    const none = this.#call(userData, flags) === EINVAL;
    // Before 6.0 there is no such call. With a submission thread it does not find what that one's workers run (6.18): the
    // thread itself does, once nothing with IO_DRAIN is before it.
    if (none || (engine.core.setupFlags & IORING_SETUP.SQPOLL) !== 0) this.#stageBehind(userData, flags);
    engine.poke();
  }

  /** Calls back before one of the next turns goes in, when no chain is open, and it is its place's turn for room. */
  later(stage: () => void): void {
    this.waiting.push(stage);
    this.#engine.poke();
  }

  /** Whether there is room now, or can be made; who came before, and waits for it, is first. Never amid a chain. */
  hasRoom(size: number): boolean {
    const { core } = this.#engine;
    if (core.count + size <= core.limit) return true;
    return (this.waiting.length === 0 || this.#isStaging) && this.#engine.findRoom(size);
  }

  /** No chain is open. As far as there is room; who makes some comes back here. */
  stageWaiting(): void {
    if (this.#isStaging) return;
    this.#isStaging = true;
    try {
      for (let left = this.waiting.length; left > 0; left--) {
        const { length } = this.waiting;
        this.waiting.shift()!();
        // It has come back, as would the others: the kernel takes nothing now.
        if (this.waiting.length === length) break;
      }
    } finally {
      this.#isStaging = false;
    }
  }

  #stageCancel(userData: bigint, flags: number, resolve: Settle, reject: Settle, again: boolean): void {
    const engine = this.#engine;
    if (engine.chainOpen) return this.later(() => this.#stageCancel(userData, flags, resolve, reject, again));
    const { core } = engine;
    const afterDue = again && core.limit > 1 && engine.ticking(flags === 0 ? slotOf(userData) : undefined);
    const size = afterDue ? 2 : 1;
    if (!this.hasRoom(size)) {
      // The kernel takes nothing now: the next turn, or one after it, finds room.
      if (!engine.ended) this.later(() => this.#stageCancel(userData, flags, resolve, reject, again));
      return;
    }
    if (afterDue) this.#stageDue();
    const at = core.count * core.sqeWords;
    prepCancel(core.sqes, at, userData, flags);
    const slot = engine.slot("async_cancel", NO_FD, null, null, STAGES);
    engine.settleWith(slot, resolve, reject);
    engine.stage(at, slot, this.flags, 0);
  }

  /**
   * Lets a cancellation that comes next follow what is due. A multishot timeout whose time has come can't be found until
   * its task work has started it anew. That runs after what is submitted; where the thread that submits is kept waiting
   * for longer than the timer, each attempt would miss it. The task work of a timeout that is due at once comes later.
   */
  #stageDue(): void {
    const engine = this.#engine;
    const { core } = engine;
    const scratch = takeScratch(16);
    scratch.bytes.fill(0, 0, 16);
    const at = core.count * core.sqeWords;
    prepTimeout(core.sqes, at, scratch.address, 0, IORING_TIMEOUT.ETIME_SUCCESS);
    const slot = engine.slot("async_cancel", NO_FD, null, scratch, AUXILIARY);
    engine.settleWith(slot, ignore, ignore);
    engine.stage(at, slot, this.flags | IOSQE.IO_LINK, 0);
  }
}

/** What IORING_REGISTER_SYNC_CANCEL takes. It does not wait. */
export function syncCancelRequest(userData: bigint, flags: number = 0, fd: number = -1): DataView<ArrayBuffer> {
  // struct io_uring_sync_cancel_reg: addr, fd, flags, timeout, opcode.
  const request = new DataView(new ArrayBuffer(64));
  request.setBigUint64(0, userData, true);
  request.setInt32(8, fd, true);
  request.setUint32(12, flags, true);
  return request;
}

/** The pending slot that user_data name. */
export function slotOf(userData: bigint): number {
  return Number(userData & 0xffffffffn);
}

function generationOf(userData: bigint): number {
  return Number(BigInt.asIntN(32, userData >> 32n));
}

function ignore(): void {}
