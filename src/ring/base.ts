/**
 * What every operation of a `Ring` shares: its options, its slot, its limits in time.
 *
 * @module
 */

import { type IORING_OP, IORING_SETUP, IOSQE } from "../abi/constants.ts";
import { prepCancel, prepLinkTimeout, prepRead } from "../abi/encode.ts";
import type { Home } from "../memory/address.ts";
import { giveScratch, type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkInteger, checkMilliseconds, type FileSlot, shown } from "./arguments.ts";
import { Engine, type Paused } from "./engine.ts";
import { AUXILIARY, type Extra, LINKS, NO_FD } from "./pending.ts";
import { RingClosedError, UnsupportedError, UringError } from "./errors.ts";
import type { RingOptions } from "./options.ts";
import { LimitTimer } from "./limit_timer.ts";
import { kernelRelease, type Probe, probeRing } from "./probe.ts";
import { type Cancel, reasonOf } from "./signals.ts";

/** Options of every operation. */
export interface OpOptions {
  /**
   * Cancels the operation; its promise then rejects with the signal's reason, once the kernel has let go of it. What waits
   * in a chain for what it follows, or behind one with IO_DRAIN, can't be stopped before it begins.
   */
  readonly signal?: AbortSignal;
  /**
   * Cancels the operation after this many milliseconds; its promise then rejects with code `"ETIME"`. What waits behind one
   * with IO_DRAIN goes on waiting.
   */
  readonly timeout?: number;
  /**
   * IOSQE flags. IO_LINK ties the next operation that is queued to this one, which counts as failed where its signal is
   * aborted already; `link()` does it for several. IO_DRAIN waits for all that came before (6.0).
   */
  readonly flags?: number;
  /** The descriptor is a slot of the ring's registered files. */
  readonly fixedFile?: boolean;
  /** A registered personality: the credentials to use. */
  readonly personality?: number;
}

/** Options of operations that make a descriptor. */
export interface DirectOptions extends OpOptions {
  /**
   * Puts the file into the ring's registered files, not among the process's descriptors: into this slot, or with
   * `"alloc"` into a free one, which the operation then resolves to.
   */
  readonly slot?: FileSlot;
}

/** Options as an operation takes them: a caller's, or {@linkcode CheckedOptions}. */
export type StartOptions = { readonly [K in keyof OpOptions]: OpOptions[K] | undefined };

/** The flags that a promise can live with. */
const ALLOWED_FLAGS = IOSQE.FIXED_FILE | IOSQE.IO_DRAIN | IOSQE.IO_LINK | IOSQE.IO_HARDLINK | IOSQE.ASYNC;

const EACCES = -13;
const ECANCELED = -125;
const EINTR = -4;
const ETIME = -62;

/** By how much a kernel's own limit comes first, where it comes at all. */
const GRACE_MS = 10;
/** A JavaScript timer of more would end at once. */
const MAX_TIMER_MS = 0x7fffffff;

/** What an operation is, before it is staged. */
export interface Operation {
  /** The op's name in lower case. */
  readonly op: string;
  readonly fd?: number;
  readonly home?: Home | null;
  readonly scratch?: Scratch | null;
  readonly extra?: Extra | null;
  /** The kernel hands it to a worker thread, always. */
  readonly worker?: boolean;
}

/** The base of `Ring`: not exported to users. */
export class RingBase {
  /** @internal */
  protected readonly engine: Engine;
  /**
   * Held here, not by the engine, which outlives a Ring that is dropped: each of them leads to its Ring.
   *
   * @internal
   */
  protected readonly paused: Set<Paused>;
  #probe: Probe | undefined;

  /** @internal */
  constructor(options: RingOptions) {
    this.engine = new Engine(options);
    this.paused = this.engine.paused;
  }

  /**
   * What this kernel can do. The answer is kept.
   *
   * @throws {RingClosedError} when the ring is closed, and was not asked before
   */
  probe(): Probe {
    if (this.#probe === undefined && this.engine.closed) throw new RingClosedError("probe");
    return this.#probe ??= probeRing(this.engine.core);
  }

  /**
   * Refuses an op that the kernel lacks, before anything is staged.
   *
   * @internal
   */
  protected need(op: keyof typeof IORING_OP, since: string): void {
    if (this.engine.closed) throw new RingClosedError(op.toLowerCase());
    if (!this.probe().op(op).supported) throw new UnsupportedError(op, `Linux ${since}`, kernelRelease());
  }

  /**
   * Refuses what no probe tells of, and an older kernel may overlook: an op that came in the same release stands for it.
   *
   * @internal
   */
  protected needFor(op: keyof typeof IORING_OP, feature: string, since: string): void {
    if (this.engine.closed) throw new RingClosedError(feature);
    if (!this.probe().op(op).supported) throw new UnsupportedError(feature, `Linux ${since}`, kernelRelease());
  }

  /**
   * Refuses to let the kernel choose a slot, where it can't.
   *
   * @internal
   */
  protected needAlloc(slot: FileSlot | undefined): void {
    if (slot === "alloc") this.needFor("SOCKET", 'slot "alloc"', "5.19");
  }

  /**
   * Starts something that nobody waits for, once no chain is open, of which it would become part, and there is room.
   *
   * @internal
   */
  protected async startLater<T>(start: () => Promise<T>): Promise<T> {
    const { engine } = this;
    const { canceller } = engine;
    while (!engine.closed && !engine.ended && (engine.chainOpen || !canceller.hasRoom(1))) {
      await new Promise<void>((resolve) => canceller.later(resolve));
    }
    return await start();
  }

  /**
   * Stages one operation, with everything that its options ask for, and gives its promise.
   *
   * `encode` writes the SQE; it has been given only what was checked, and must not throw.
   *
   * @internal
   */
  protected start<T = number>(
    operation: Operation,
    options: StartOptions | undefined,
    encode: (words: Int32Array, at: number) => void,
  ): Promise<T> {
    const { engine } = this;
    const { op, fd = NO_FD, home = null, scratch = null } = operation;
    let extra = operation.extra ?? null;
    let checked = NO_OPTIONS;
    let cancel: Cancel | undefined;
    let at: number;
    try {
      // Once, before there is room: what is read here may be a program's own code.
      if (options !== undefined) checked = checkedOptions(options);
      const { signal, timeout, flags } = checked;
      if ((flags & IOSQE.IO_DRAIN) !== 0) this.refuseDrain();
      if ((flags & IOSQE.FIXED_FILE) !== 0) extra = { ...extra, fixedFile: true };
      if (signal !== undefined) cancel = engine.signals.listen(signal);
      // Before the cancellation that is a call of its own, one would wait behind IO_DRAIN with everything else.
      if ((flags & IOSQE.IO_DRAIN) !== 0) this.needFor("SEND_ZC", "IO_DRAIN on a Ring", "6.0");
      if (signal?.aborted) {
        // What follows in a chain must not run without it.
        if (engine.building) throw signal.reason;
        if (engine.chainOpen || (flags & LINKS) !== 0) this.#stageFailure(op, flags);
        cancel!.forget();
        // From here on nothing may throw: it would be given back twice.
        giveBack(scratch, extra);
        return Promise.reject(reasonOf(signal));
      }
      at = engine.room(timeout === undefined ? 1 : 2, op);
    } catch (error) {
      cancel?.forget();
      giveBack(scratch, extra);
      throw error;
    }
    encode(engine.core.sqes, at);
    const { flags, personality } = checked;
    if (cancel === undefined && checked.timeout === undefined) {
      const slot = engine.slot(op, fd, home, scratch, extra);
      engine.stage(at, slot, flags, personality);
      return engine.promise<T>(slot);
    }
    const worker = operation.worker || (flags & IOSQE.ASYNC) !== 0;
    return this.#startLimited<T>(at, { op, fd, home, scratch, extra, worker }, checked, cancel);
  }

  /**
   * Refuses IO_DRAIN where it would hold everything back for good.
   *
   * @internal
   */
  protected refuseDrain(): void {}

  /** Takes the place of an operation that must not begin: the kernel ends a chain there as where one is cancelled. */
  #stageFailure(op: string, flags: number): void {
    const { engine } = this;
    const at = engine.room(1, op);
    // Cancels what there is not: ENOENT. Where nothing can be cancelled so, it reads what there is not.
    if (this.#polls) prepRead(engine.core.sqes, at, -1, 0, 0, 0);
    else prepCancel(engine.core.sqes, at, 0, 0);
    const slot = engine.slot("async_cancel", NO_FD, null, null, AUXILIARY);
    engine.settleWith(slot, ignore, ignore);
    engine.stage(at, slot, flags & (LINKS | IOSQE.IO_DRAIN) | engine.canceller.flags, 0);
  }

  /** With IOPOLL the kernel has neither cancellations nor time limits among its operations. */
  get #polls(): boolean {
    return (this.engine.core.setupFlags & IORING_SETUP.IOPOLL) !== 0;
  }

  /** An operation that a signal or a time limit can end. */
  #startLimited<T>(
    at: number,
    operation: Required<Operation>,
    { signal, timeout, flags, personality }: CheckedOptions,
    cancel: Cancel | undefined,
  ): Promise<T> {
    const { engine } = this;
    const { op, fd, home, scratch, extra } = operation;
    let limit: Promise<UringError | undefined> | undefined;
    let late = false;
    let timer: LimitTimer | undefined;
    // No kernel up to 6.18 starts a LINK_TIMEOUT for each thing that waits in a worker thread, and some (6.1) not for
    // what gets there within a chain: this one ends it, too.
    const isLimited = timeout !== undefined && !this.#polls;
    const graceMs = !isLimited ? 0 : operation.worker ? 1 : GRACE_MS;
    const timerMs = timeout === undefined ? Infinity : timeout + graceMs;
    if (timerMs <= MAX_TIMER_MS) {
      timer = new LimitTimer(timerMs, engine.awaited(), engine.timers, () => {
        late = true;
        engine.canceller.slot(slot);
      });
    }
    const slot = engine.slot(op, fd, home, scratch, {
      ...extra,
      ended: () => {
        cancel?.forget();
        timer?.stop();
        extra?.ended?.();
      },
    });
    // The flag of the chain goes on the operation, too; alone, it needs one to carry its limit.
    const linked = isLimited && !engine.building ? IOSQE.IO_LINK : 0;
    engine.stage(at, slot, flags | linked, personality);
    if (cancel !== undefined) cancel.slot = slot;
    if (isLimited) limit = this.#stageLimit(timeout, flags & LINKS);

    const promise = new Promise<T>((resolve, reject) => {
      const failed = async (error: unknown) => {
        const errno = (error as UringError).errno;
        if (errno !== ECANCELED && errno !== EINTR) return reject(error);
        if (signal?.aborted) return reject(reasonOf(signal));
        if (limit === undefined && !late) return reject(error);
        const end = limit === undefined ? error as UringError : await limit;
        // A restricted ring refuses the limit, and the kernel its operation with it.
        if (end?.errno === EACCES) return reject(end);
        if (!isExpiry(end) && !late) return reject(error);
        reject(new UringError(ETIME, op, { detail: `timed out after ${timeout} ms` }));
      };
      // A signal of somebody's own making may throw.
      engine.settleWith(slot, resolve as (value: unknown) => void, (error) => void failed(error).catch(reject));
    });
    engine.setPromise(slot, promise);
    return promise;
  }

  /** Stages the LINK_TIMEOUT of the operation just staged; resolves to what it fails with, which its expiry is, too. */
  #stageLimit(timeoutMs: number, flags: number): Promise<UringError | undefined> {
    const { engine } = this;
    const scratch = writeTimespec(timeoutMs);
    const { core } = engine;
    const at = core.count * core.sqeWords;
    prepLinkTimeout(core.sqes, at, scratch.address, 0);
    const limitSlot = engine.slot("link_timeout", NO_FD, null, scratch, AUXILIARY);
    const result = new Promise<UringError | undefined>((resolve) => {
      engine.settleWith(limitSlot, () => resolve(undefined), resolve as (error: unknown) => void);
    });
    engine.stage(at, limitSlot, flags, 0);
    return result;
  }
}

/**
 * Whether a LINK_TIMEOUT's time has come. It says ETIME then, or what became of ending its operation: EALREADY in a worker
 * thread, ENOENT, how many futexes it found. ECANCELED, or no errno, as the ring was closed: the operation ended first.
 */
function isExpiry(end: UringError | undefined): boolean {
  return end === undefined || (end.errno ?? ECANCELED) !== ECANCELED;
}

function ignore(): void {}

function giveBack(scratch: Scratch | null, extra: Extra | null): void {
  if (scratch !== null) giveScratch(scratch);
  extra?.scratches?.forEach(giveScratch);
}

/** Checks options and gives the SQE's flags. */
export function checkOptions(options: OpOptions): number {
  return checkedOptions(options).flags;
}

/** Options that were read, and hold where the caller's object serves another call by now. */
export interface CheckedOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeout: number | undefined;
  /** The SQE's. */
  readonly flags: number;
  readonly personality: number;
}

export const NO_OPTIONS: CheckedOptions = { signal: undefined, timeout: undefined, flags: 0, personality: 0 };

/** Options as they are read, once, and checked. */
export function checkedOptions(options: StartOptions): CheckedOptions {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`options must be an object, not ${shown(options)}`);
  }
  const { signal, timeout, flags = 0, fixedFile, personality = 0 } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== "function") {
    throw new TypeError(`signal must be an AbortSignal, not ${shown(signal)}`);
  }
  if (timeout !== undefined) checkMilliseconds(timeout, "timeout");
  if (personality !== 0) checkInteger(personality, "personality", 0, 0xffff);
  if (flags !== 0) checkSqeFlags(flags);
  return { signal, timeout, flags: fixedFile ? flags | IOSQE.FIXED_FILE : flags, personality };
}

function checkSqeFlags(flags: number): void {
  checkInteger(flags, "flags", 0, 0xff);
  if ((flags & 0x80) !== 0) throw new RangeError("flags 0x80 is no IOSQE flag: the highest is CQE_SKIP_SUCCESS, 0x40");
  if ((flags & ~ALLOWED_FLAGS) === 0) return;
  throw new TypeError(
    (flags & IOSQE.CQE_SKIP_SUCCESS) !== 0
      ? "CQE_SKIP_SUCCESS leaves a promise without its completion: use it with RawRing"
      : "BUFFER_SELECT chooses a buffer of a group: this operation has its own, or takes none; use readSelect() or recvSelect()",
  );
}

/** A timespec in scratch memory. */
export function writeTimespec(ms: number): Scratch {
  const scratch = takeScratch(16);
  const seconds = Math.floor(ms / 1000);
  scratch.view.setBigInt64(0, BigInt(seconds), true);
  scratch.view.setBigInt64(8, BigInt(Math.round((ms - seconds * 1000) * 1e6)), true);
  return scratch;
}
