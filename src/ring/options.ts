/**
 * How a ring is set up: options by name, the kernel's flags, and what does not go together.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { EXTRA } from "../../ffi/native.ts";
import { checkInteger, checkMilliseconds, shown } from "./arguments.ts";
import type { FaultOptions } from "./faults.ts";
import { RingClosedError } from "./errors.ts";
import { checkTogether } from "./setup_flags.ts";

/** How a ring is set up. All of it may be left out. */
export interface RingOptions {
  /** Submission queue entries, 1 to 32768; the kernel rounds up to a power of two. Default 256. */
  readonly entries?: number;
  /** Completion queue entries, `entries` to 65536. Default: twice `entries`. */
  readonly cqEntries?: number;
  /** Sizes over the limit are cut to it, instead of refused. */
  readonly clamp?: boolean;
  /** Share the kernel's worker threads with another ring: the ring, or its descriptor (ATTACH_WQ). */
  readonly attachTo?: number | { readonly fd: number };
  /** The ring is disabled until `enable()`: nothing can be submitted before. For restrictions, and to set up first. */
  readonly disabled?: boolean;
  /** A kernel thread submits, and spins while it does: `idle` ms before it sleeps, `cpu` to pin it to. */
  readonly sqpoll?: boolean | { readonly idle?: number; readonly cpu?: number };
  /** Completions are polled for; for O_DIRECT files on devices that can. */
  readonly iopoll?: boolean;
  /** With `iopoll`: sleep for half of the usual time first (6.13). */
  readonly hybridIopoll?: boolean;
  /** Only one thread submits. Default: where the kernel has it (6.0). */
  readonly singleIssuer?: boolean;
  /**
   * Completion work runs when the ring is entered. Default: where the kernel has it (6.1); for a `Ring`, where it then is
   * not late to tell that there is some (since 2026, in stable releases, too: Debian's 6.12.117, 7.3).
   */
  readonly deferTaskrun?: boolean;
  /** Completion work waits for the next kernel entry, without interrupting. Not with an event loop. */
  readonly coopTaskrun?: boolean;
  /** The SQ flags tell when completion work waits. Default with `deferTaskrun`. */
  readonly taskrunFlag?: boolean;
  /** A bad SQE does not end its batch. Default: where the kernel has it (5.18). */
  readonly submitAll?: boolean;
  /** No SQ index array. Default: where the kernel has it (6.6). */
  readonly noSqarray?: boolean;
  /** With `noSqarray`: every batch begins at the first place of the queue, whose memory stays in the caches (7.0). */
  readonly sqRewind?: boolean;
  /** SQEs of 128 bytes. */
  readonly sqe128?: boolean;
  /** SQEs of 64 bytes, and of 128, which take two places (6.19). */
  readonly sqeMixed?: boolean;
  /** CQEs of 32 bytes. */
  readonly cqe32?: boolean;
  /** CQEs of 16 bytes, and of 32, which take two places (6.18). */
  readonly cqeMixed?: boolean;
  /** The rings lie in memory of this process, not the kernel's (6.5). */
  readonly noMmap?: boolean;
  /** With `noMmap`: the ring has no descriptor, only a place among the 16 that a thread can register (6.5). */
  readonly registeredFdOnly?: boolean;
  /** Registers the ring's descriptor with this thread, which has 16 places: entering costs a little less (5.18). */
  readonly registerFd?: boolean;
  /** Limits of a wait lie where the kernel reads them without copying (6.13). */
  readonly waitRegion?: boolean;
  /** Further IORING_SETUP flags, as a number. */
  readonly flags?: number;
  /**
   * Milliseconds that closing waits while none of what is in flight ends: for a read in a dead network file system, a
   * zero-copy send whose peer takes nothing. Then `close()` rejects (`using` throws) with EBUSY, and the ring and what
   * these operations use are kept for as long as the process. Default 5000.
   */
  readonly closeTimeout?: number;
  /**
   * Makes chosen operations fail, or fall short, so that you can test your own recovery: see `FaultOptions`. Not for
   * production.
   */
  readonly faults?: FaultOptions;
  /**
   * Tells each submission and completion in words: `true`, on standard error; or a function that takes each line. Left
   * out: as the environment's URING_TRACE says.
   */
  readonly trace?: boolean | ((line: string) => void);
}

/** What a ring asks of the core: see SETUP in ffi/native.ts. */
export interface SetupRequest {
  readonly entries: number;
  readonly cqEntries: number;
  readonly required: number;
  readonly optional: number;
  readonly sqThreadCpu: number;
  readonly sqThreadIdle: number;
  readonly wqFd: number;
  /** EXTRA bits. */
  readonly extras: number;
}

/** IORING_MAX_ENTRIES and IORING_MAX_CQ_ENTRIES of the kernel. */
const MAX_ENTRIES = 32768;
const MAX_CQ_ENTRIES = 65536;
const CLAMP_CUTS = "; clamp: true cuts it to that";

const F = IORING_SETUP;

/** Names of options that are one flag each. */
const NAMED = {
  clamp: F.CLAMP,
  disabled: F.R_DISABLED,
  iopoll: F.IOPOLL,
  hybridIopoll: F.HYBRID_IOPOLL,
  singleIssuer: F.SINGLE_ISSUER,
  deferTaskrun: F.DEFER_TASKRUN,
  coopTaskrun: F.COOP_TASKRUN,
  taskrunFlag: F.TASKRUN_FLAG,
  submitAll: F.SUBMIT_ALL,
  noSqarray: F.NO_SQARRAY,
  sqRewind: F.SQ_REWIND,
  sqe128: F.SQE128,
  sqeMixed: F.SQE_MIXED,
  cqe32: F.CQE32,
  cqeMixed: F.CQE_MIXED,
  noMmap: F.NO_MMAP,
  registeredFdOnly: F.REGISTERED_FD_ONLY,
} as const;

/** What goes with everything: nothing to check, when an option set it. */
const FREE = F.CLAMP | F.CQSIZE | F.R_DISABLED | F.SUBMIT_ALL | F.SINGLE_ISSUER | F.NO_SQARRAY;

/** Names of options that the core adds to a ring. */
const EXTRAS = { registerFd: EXTRA.REGISTER_FD, waitRegion: EXTRA.WAIT_REGION } as const;

const KNOWN = Object.values(F).reduce<number>((all, flag) => all | flag, 0);

/**
 * Checks options and turns them into a request.
 *
 * @throws {TypeError} for a value of the wrong kind, and for options that exclude each other
 * @throws {RangeError} for a value beyond its limits
 */
export function toRequest(options: RingOptions): SetupRequest {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`options must be an object, not ${shown(options)}`);
  }
  if (options.closeTimeout !== undefined) checkMilliseconds(options.closeTimeout, "closeTimeout");
  const clamp = options.clamp === true;
  const entries = options.entries ?? 256;
  checkEntries(entries, clamp);
  const cqEntries = options.cqEntries ?? 0;
  if (options.cqEntries !== undefined) checkCqEntries(cqEntries, entries, clamp);

  let required = options.flags ?? 0;
  checkInteger(required, "flags", 0, 0xffffffff);
  const unknown = (required & ~KNOWN) >>> 0;
  if (unknown !== 0) {
    throw new RangeError(
      `flags has bits that are no IORING_SETUP flag: 0x${unknown.toString(16)}; all there are: 0x${KNOWN.toString(16)}`,
    );
  }
  const named = switchesOf(options, NAMED);
  required |= named.on;
  const refused = named.off;
  if (options.cqEntries !== undefined) required |= F.CQSIZE;
  let sqThreadIdle = 0;
  let sqThreadCpu = 0;
  const { sqpoll = false, attachTo } = options;
  if (typeof sqpoll !== "boolean" && (typeof sqpoll !== "object" || sqpoll === null)) {
    throw new TypeError(`sqpoll must be true, false or { idle, cpu }, not ${shown(sqpoll)}`);
  }
  if (sqpoll) {
    required |= F.SQPOLL;
    if (typeof sqpoll === "object") {
      const { idle, cpu } = sqpoll;
      if (idle !== undefined) checkInteger(idle, "sqpoll.idle", 0, 0xffffffff);
      sqThreadIdle = idle ?? 0;
      if (cpu !== undefined) {
        checkInteger(cpu, "sqpoll.cpu", 0, 0xffffffff);
        required |= F.SQ_AFF;
        sqThreadCpu = cpu;
      }
    }
  }
  let wqFd = 0;
  if (attachTo !== undefined) {
    wqFd = descriptorOf(attachTo, (required & F.SQPOLL) !== 0);
    required |= F.ATTACH_WQ;
  }
  const extras = switchesOf(options, EXTRAS).on;
  if (((required & ~FREE) | extras) !== 0 || options.flags !== undefined) {
    checkTogether(required, extras, options, NAMED);
  }
  const optional = preferred(required, refused) & ~refused & ~required;
  return { entries, cqEntries, required, optional, sqThreadCpu, sqThreadIdle, wqFd, extras };
}

/** The bits of options that are set, and of those that are set to false. */
function switchesOf(options: RingOptions, named: Readonly<Record<string, number>>): { on: number; off: number } {
  let on = 0;
  let off = 0;
  for (const name in named) {
    const value: unknown = options[name as keyof RingOptions];
    if (value === undefined) continue;
    if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false, not ${shown(value)}`);
    if (value) on |= named[name]!;
    else off |= named[name]!;
  }
  return { on, off };
}

/** Also checks what a ring is resized to. */
export function checkEntries(entries: number, clamp = false): void {
  if (typeof entries !== "number" || !Number.isInteger(entries)) {
    throw new TypeError(`entries must be an integer from 1 to ${MAX_ENTRIES}, not ${shown(entries)}`);
  }
  if (entries < 1 || entries > (clamp ? 0xffffffff : MAX_ENTRIES)) {
    throw new RangeError(
      `entries must be from 1 to ${MAX_ENTRIES}, not ${entries}${entries > MAX_ENTRIES ? CLAMP_CUTS : ""}`,
    );
  }
}

/** Also checks what a ring is resized to. */
export function checkCqEntries(cqEntries: number, entries: number, clamp = false): void {
  if (typeof cqEntries !== "number" || !Number.isInteger(cqEntries)) {
    throw new TypeError(`cqEntries must be an integer from 1 to ${MAX_CQ_ENTRIES}, not ${shown(cqEntries)}`);
  }
  if (cqEntries < 1 || cqEntries > (clamp ? 0xffffffff : MAX_CQ_ENTRIES)) {
    throw new RangeError(
      `cqEntries must be from 1 to ${MAX_CQ_ENTRIES}, not ${cqEntries}${cqEntries > MAX_CQ_ENTRIES ? CLAMP_CUTS : ""}`,
    );
  }
  if (cqEntries < Math.min(entries, MAX_ENTRIES)) {
    throw new RangeError(`cqEntries (${cqEntries}) must not be less than entries (${entries})`);
  }
}

/** The descriptor of a ring to share with. */
function descriptorOf(attachTo: unknown, sqpoll: boolean): number {
  const fd = typeof attachTo === "number" ? attachTo : (attachTo as { fd?: unknown } | null)?.fd;
  if (typeof fd !== "number") throw new TypeError(`attachTo must be a ring or its descriptor, not ${shown(attachTo)}`);
  const { closed, setupFlags } = attachTo as { closed?: boolean; setupFlags?: number };
  if (setupFlags !== undefined && (setupFlags & F.REGISTERED_FD_ONLY) !== 0) {
    throw new TypeError("attachTo must have a descriptor: that ring was opened with registeredFdOnly");
  }
  checkInteger(fd, "attachTo", 0, 0x7fffffff);
  // Its number may be another file's by now.
  if (closed) throw new RingClosedError("attachTo");
  if (sqpoll && setupFlags !== undefined && (setupFlags & F.SQPOLL) === 0) {
    throw new TypeError("attachTo with sqpoll shares that ring's thread, but it has none: open it with sqpoll, too");
  }
  return fd;
}

/** What is worth having wherever the kernel has it, and goes together. The core steps down from it. */
function preferred(required: number, refused: number): number {
  let flags = F.CLAMP | F.SUBMIT_ALL | F.NO_SQARRAY;
  if ((required & F.SQPOLL) !== 0 || (refused & F.SINGLE_ISSUER) !== 0) return flags;
  flags |= F.SINGLE_ISSUER;
  if ((required & (F.COOP_TASKRUN | F.IOPOLL)) !== 0 || (refused & F.DEFER_TASKRUN) !== 0) return flags;
  return flags | F.DEFER_TASKRUN | F.TASKRUN_FLAG;
}
