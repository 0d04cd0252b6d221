/**
 * Calls of io_uring_register(2) whose errors say what to do.
 *
 * @module
 */

import { IORING_REGISTER } from "../abi/constants.ts";
import { type ErrnoName, errnoName } from "../abi/errno.ts";
import { registerTable } from "../abi/ops/registers.ts";
import { kernelRelease } from "../../ffi/host.ts";
import type { Core } from "./core.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import { queryOpcodes } from "./query.ts";

/** The name of a register op, as in IORING_REGISTER. */
export type RegisterName = keyof typeof IORING_REGISTER;

/** Where more is known of an error than the description says: errno's name → cause and fix. */
export type Details = Readonly<Partial<Record<ErrnoName, string>>>;

/** What else goes with a call. */
export interface CallContext {
  readonly details?: Details;
  /** Memory that the argument points to. */
  readonly holds?: unknown;
}

const EINVAL = -22;
const EBADFD = -77;

/** What the argument of the call under way points to: what only a local variable mentions may be collected. */
const underWay: { holds: unknown } = { holds: undefined };

/**
 * Calls `io_uring_register`.
 *
 * @returns its result
 * @throws {UnsupportedError} when the kernel lacks the register op
 * @throws {UringError} when it refuses
 */
export function registerCall(
  core: Core,
  op: RegisterName,
  arg: ArrayBufferView | null,
  count: number,
  context: CallContext = {},
): number {
  const rc = registerQuietly(core, op, arg, count, context.holds);
  if (rc < 0) throw registerError(rc, op, context.details);
  return rc;
}

/**
 * As {@linkcode registerCall}, but gives a negative errno.
 *
 * @throws {UnsupportedError} when the kernel lacks the register op
 */
export function registerQuietly(
  core: Core,
  op: RegisterName,
  arg: ArrayBufferView | null,
  count: number,
  holds?: unknown,
): number {
  needRegister(op);
  underWay.holds = holds;
  const rc = core.register(IORING_REGISTER[op], arg, count);
  underWay.holds = undefined;
  return rc;
}

/** The error for a call that the kernel refused. */
export function registerError(errno: number, op: RegisterName, details: Details = {}): Error {
  const code = errnoName(errno) as ErrnoName;
  const { since, errno: known } = registerTable()[op];
  // What an older kernel does not know is invalid to it.
  if (errno === EINVAL && queryOpcodes() === undefined && olderThan(since)) return lacking(op);
  const described = known[code];
  const detail = details[code] ?? COMMON[code] ?? (described && `${described.cause}: ${described.fix}`);
  return new UringError(errno, "io_uring_register", { detail: `${op}: ${detail ?? "refused"}` });
}

/** What any register op may answer. */
const COMMON: Details = {
  EACCES: "the ring's restrictions forbid it: give it in registerOps, before enable()",
  EEXIST: "this ring belongs to another thread: open one ring a worker",
};

/**
 * Refuses a register op that the kernel is known to lack.
 *
 * @throws {UnsupportedError}
 */
export function needRegister(op: RegisterName): void {
  const known = queryOpcodes();
  if (known !== undefined && IORING_REGISTER[op] >= known.registers) throw lacking(op);
}

/**
 * Refuses what is for a ring that is disabled still. The kernel would, too, but before 5.18 not until nothing is in
 * flight, for which it waits, perhaps for ever.
 *
 * @throws {UringError} EBADFD
 */
export function needDisabled(core: Core, op: RegisterName): void {
  if (!core.disabled) throw registerError(EBADFD, op);
}

function lacking(op: RegisterName): UnsupportedError {
  return new UnsupportedError(`IORING_REGISTER_${op}`, `Linux ${registerTable()[op].since}`, kernelRelease());
}

/** Whether the running kernel's number is below a release. Distributions backport: for what has no better witness. */
export function olderThan(release: string): boolean {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = kernelRelease().split(".").map((part) => parseInt(part));
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
