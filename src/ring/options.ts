/**
 * How a ring is set up: options by name, the kernel's flags, and what does not go together.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { checkInteger, shown } from "./arguments.ts";
import { RingClosedError } from "./errors.ts";

/** How a ring is set up. All of it may be left out. */
export interface RingOptions {
  /** Submission queue entries, 1 to 32768; the kernel rounds up to a power of two. Default 256. */
  readonly entries?: number;
  /** Completion queue entries, `entries` to 65536. Default: twice `entries`. */
  readonly cqEntries?: number;
  /** Share the kernel's worker threads with another ring: the ring, or its descriptor (ATTACH_WQ). */
  readonly attachTo?: number | { readonly fd: number };
  /** A kernel thread submits, and spins while it does: `idle` ms before it sleeps, `cpu` to pin it to. */
  readonly sqpoll?: boolean | { readonly idle?: number; readonly cpu?: number };
  /** Completions are polled for; for O_DIRECT files on devices that can. */
  readonly iopoll?: boolean;
  /** With `iopoll`: sleep for half of the usual time first (6.13). */
  readonly hybridIopoll?: boolean;
  /** Only one thread submits. Default: where the kernel has it (6.0). */
  readonly singleIssuer?: boolean;
  /** Completion work runs when the ring is entered. Default: where the kernel has it (6.1). */
  readonly deferTaskrun?: boolean;
  /** Completion work waits for the next kernel entry, without interrupting. Not with an event loop. */
  readonly coopTaskrun?: boolean;
  /** The SQ flags tell when completion work waits. Default with `deferTaskrun`. */
  readonly taskrunFlag?: boolean;
  /** A bad SQE does not end its batch. Default: where the kernel has it (5.18). */
  readonly submitAll?: boolean;
  /** No SQ index array. Default: where the kernel has it (6.6). */
  readonly noSqarray?: boolean;
  /** SQEs of 128 bytes. */
  readonly sqe128?: boolean;
  /** CQEs of 32 bytes. */
  readonly cqe32?: boolean;
  /** Further IORING_SETUP flags, as a number. */
  readonly flags?: number;
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
}

/** IORING_MAX_ENTRIES and IORING_MAX_CQ_ENTRIES of the kernel. */
const MAX_ENTRIES = 32768;
const MAX_CQ_ENTRIES = 65536;

const F = IORING_SETUP;

/** Names of options that are one flag each. */
const NAMED = {
  iopoll: F.IOPOLL,
  hybridIopoll: F.HYBRID_IOPOLL,
  singleIssuer: F.SINGLE_ISSUER,
  deferTaskrun: F.DEFER_TASKRUN,
  coopTaskrun: F.COOP_TASKRUN,
  taskrunFlag: F.TASKRUN_FLAG,
  submitAll: F.SUBMIT_ALL,
  noSqarray: F.NO_SQARRAY,
  sqe128: F.SQE128,
  cqe32: F.CQE32,
} as const;

const KNOWN = Object.values(F).reduce<number>((all, flag) => all | flag, 0);

/** Setup flags that this version does not set up: they change where the rings lie, or how entries are laid out. */
const NOT_YET = F.NO_MMAP | F.REGISTERED_FD_ONLY | F.CQE_MIXED | F.SQE_MIXED | F.SQ_REWIND | F.R_DISABLED;

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
  const entries = options.entries ?? 256;
  checkEntries(entries);
  const cqEntries = options.cqEntries ?? 0;
  if (options.cqEntries !== undefined) checkCqEntries(cqEntries, entries);

  let required = options.flags ?? 0;
  checkInteger(required, "flags", 0, 0xffffffff);
  const unknown = (required & ~KNOWN) >>> 0;
  if (unknown !== 0) {
    throw new RangeError(
      `flags has bits that are no IORING_SETUP flag: 0x${unknown.toString(16)}; all there are: 0x${KNOWN.toString(16)}`,
    );
  }
  let refused = 0;
  for (const [name, flag] of Object.entries(NAMED)) {
    const value = options[name as keyof typeof NAMED];
    if (value === undefined) continue;
    if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false, not ${shown(value)}`);
    if (value) required |= flag;
    else refused |= flag;
  }
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
    wqFd = descriptorOf(attachTo);
    required |= F.ATTACH_WQ;
  }
  checkTogether(required);
  const optional = preferred(required, refused) & ~refused & ~required;
  return { entries, cqEntries, required, optional, sqThreadCpu, sqThreadIdle, wqFd };
}

function checkEntries(entries: number): void {
  if (typeof entries !== "number" || !Number.isInteger(entries)) {
    throw new TypeError(`entries must be an integer from 1 to ${MAX_ENTRIES}, not ${shown(entries)}`);
  }
  if (entries < 1 || entries > MAX_ENTRIES) {
    throw new RangeError(`entries must be from 1 to ${MAX_ENTRIES}, not ${entries}`);
  }
}

function checkCqEntries(cqEntries: number, entries: number): void {
  if (typeof cqEntries !== "number" || !Number.isInteger(cqEntries)) {
    throw new TypeError(`cqEntries must be an integer from 1 to ${MAX_CQ_ENTRIES}, not ${shown(cqEntries)}`);
  }
  if (cqEntries < 1 || cqEntries > MAX_CQ_ENTRIES) {
    throw new RangeError(`cqEntries must be from 1 to ${MAX_CQ_ENTRIES}, not ${cqEntries}`);
  }
  if (cqEntries < entries) {
    throw new RangeError(`cqEntries (${cqEntries}) must not be less than entries (${entries})`);
  }
}

/** The descriptor of a ring to share with. */
function descriptorOf(attachTo: unknown): number {
  const fd = typeof attachTo === "number" ? attachTo : (attachTo as { fd?: unknown } | null)?.fd;
  if (typeof fd !== "number") throw new TypeError(`attachTo must be a ring or its descriptor, not ${shown(attachTo)}`);
  checkInteger(fd, "attachTo", 0, 0x7fffffff);
  // Its number may be another file's by now.
  if ((attachTo as { closed?: boolean }).closed) throw new RingClosedError("attachTo");
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

function checkTogether(flags: number): void {
  const has = (flag: number) => (flags & flag) !== 0;
  if (has(F.SQ_AFF) && !has(F.SQPOLL)) throw new TypeError("SQ_AFF needs sqpoll: say sqpoll: { cpu }");
  if (has(F.DEFER_TASKRUN) && !has(F.SINGLE_ISSUER)) {
    throw new TypeError("deferTaskrun needs singleIssuer: set both, or neither");
  }
  if (has(F.SQPOLL) && has(F.DEFER_TASKRUN)) throw new TypeError("sqpoll and deferTaskrun exclude each other");
  if (has(F.SQPOLL) && has(F.COOP_TASKRUN)) throw new TypeError("sqpoll and coopTaskrun exclude each other");
  if (has(F.SQPOLL) && has(F.TASKRUN_FLAG)) throw new TypeError("sqpoll and taskrunFlag exclude each other");
  if (has(F.TASKRUN_FLAG) && !has(F.COOP_TASKRUN) && !has(F.DEFER_TASKRUN)) {
    throw new TypeError("taskrunFlag needs coopTaskrun or deferTaskrun");
  }
  if (has(F.HYBRID_IOPOLL) && !has(F.IOPOLL)) throw new TypeError("hybridIopoll needs iopoll");
  if (has(F.CQE32) && has(F.CQE_MIXED)) throw new TypeError("cqe32 and CQE_MIXED exclude each other");
  if (has(F.SQE128) && has(F.SQE_MIXED)) throw new TypeError("sqe128 and SQE_MIXED exclude each other");
  if (has(NOT_YET)) {
    const names = Object.entries(F).filter(([, flag]) => has(flag & NOT_YET)).map(([name]) => name);
    throw new TypeError(`setup flags ${names.join(", ")} are not available in this version: leave them out`);
  }
}
