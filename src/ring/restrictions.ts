/**
 * What a restricted ring may do: IORING_REGISTER_RESTRICTIONS.
 *
 * @module
 */

import { IORING_OP, IORING_REGISTER, IORING_RESTRICTION, IOSQE } from "../abi/constants.ts";
import { checkInteger, shown } from "./arguments.ts";
import type { Core } from "./core.ts";
import { UringError } from "./errors.ts";
import type { Probe } from "./probe.ts";
import { queryOpcodes } from "./query.ts";
import { needDisabled, registerError, registerQuietly } from "./register_call.ts";

/** What a ring is to be restricted to. What is left out stays allowed. */
export interface Restrictions {
  /**
   * Names of the register ops that are allowed, such as `["FILES_UPDATE2"]`. EVENTFD, SYNC_CANCEL and PBUF_STATUS, which
   * the ring itself needs, are added. (Before 6.0 there is no SYNC_CANCEL: ASYNC_CANCEL is added to `sqeOps` then.)
   */
  readonly registerOps?: readonly string[];
  /**
   * Names of the ops that are allowed, such as `["READ", "WRITE"]`. The `timeout` option needs LINK_TIMEOUT besides, and
   * `cancel()` ASYNC_CANCEL.
   */
  readonly sqeOps?: readonly string[];
  /** IOSQE bits that an operation may have. The `timeout` option, and `link()`, need IO_LINK. */
  readonly sqeFlagsAllowed?: number;
  /** IOSQE bits that every operation must have. */
  readonly sqeFlagsRequired?: number;
}

/** What the waker needs. */
const WAKER_REGISTERS = [IORING_REGISTER.EVENTFD, IORING_REGISTER.UNREGISTER_EVENTFD];
const ALL_FLAGS = Object.values(IOSQE).reduce<number>((all, flag) => all | flag, 0);
const EINVAL = -22;
/** An entry of struct io_uring_restriction: opcode, then a byte of the op or the flags. */
const ENTRY = 16;

/** Restrictions in the kernel's numbers. */
export interface RestrictionSet {
  /** Undefined: all. */
  readonly registers: ReadonlySet<number> | undefined;
  /** Undefined: all. */
  readonly ops: ReadonlySet<number> | undefined;
  readonly flagsAllowed: number;
  readonly flagsRequired: number;
}

/**
 * Checks restrictions.
 *
 * @throws {TypeError} {RangeError} for names and bits that there are not
 */
export function toRestrictionSet(restrictions: Restrictions): RestrictionSet {
  if (restrictions === null || typeof restrictions !== "object") {
    throw new TypeError(`restrictions must be an object, not ${shown(restrictions)}`);
  }
  const { registerOps, sqeOps, sqeFlagsAllowed, sqeFlagsRequired = 0 } = restrictions;
  const registers = registerOps && numbersOf(registerOps, IORING_REGISTER, "registerOps");
  const ops = sqeOps && numbersOf(sqeOps, IORING_OP, "sqeOps");
  checkInteger(sqeFlagsRequired, "sqeFlagsRequired", 0, ALL_FLAGS);
  if (sqeFlagsAllowed !== undefined) checkInteger(sqeFlagsAllowed, "sqeFlagsAllowed", 0, ALL_FLAGS);
  return { registers, ops, flagsAllowed: sqeFlagsAllowed ?? ALL_FLAGS, flagsRequired: sqeFlagsRequired };
}

function numbersOf(names: readonly string[], codes: Record<string, number>, what: string): Set<number> {
  if (!Array.isArray(names)) throw new TypeError(`${what} must be an array of names, not ${shown(names)}`);
  const numbers = new Set<number>();
  names.forEach((name, i) => {
    const code = typeof name === "string" && Object.hasOwn(codes, name) ? codes[name] : undefined;
    if (code === undefined) {
      throw new TypeError(
        `${what}[${i}] must be a name such as ${JSON.stringify(Object.keys(codes)[1])}, not ${shown(name)}`,
      );
    }
    numbers.add(code);
  });
  return numbers;
}

/**
 * Restricts a ring that is disabled still.
 *
 * Older kernels allow nothing of a kind that goes unnamed, newer ones everything: so everything is named.
 */
export function restrict(core: Core, set: RestrictionSet, probe: Probe): void {
  needDisabled(core, "RESTRICTIONS");
  // Nothing tells of SYNC_CANCEL (6.0), but an op of the same release.
  const syncCancel = probe.op("SEND_ZC").supported;
  // Nor of PBUF_STATUS (6.8).
  const status = probe.op("FIXED_FD_INSTALL").supported;
  const own = [
    ...WAKER_REGISTERS,
    ...syncCancel ? [IORING_REGISTER.SYNC_CANCEL] : [],
    ...status ? [IORING_REGISTER.PBUF_STATUS] : [],
    ...core.registeredIndex >= 0 ? [IORING_REGISTER.UNREGISTER_RING_FDS] : [],
  ];
  const ops = set.ops === undefined
    ? probe.ops.map((name) => probe.op(name).code)
    : [...set.ops, ...syncCancel ? [] : [IORING_OP.ASYNC_CANCEL]];
  // Before 6.18 the kernel does not tell how many register ops it has, but refuses a number too high.
  let registers = queryOpcodes()?.registers ?? Object.keys(IORING_REGISTER).length;
  while (true) {
    const allowed = set.registers === undefined
      ? Array.from({ length: registers }, (_, code) => code)
      : [...set.registers, ...own];
    const entries = encode(allowed, ops, set);
    const rc = registerQuietly(core, "RESTRICTIONS", entries, entries.byteLength / ENTRY);
    if (rc >= 0) return;
    if (rc !== EINVAL || set.registers !== undefined || queryOpcodes() !== undefined || registers < 20) {
      throw restrictError(rc);
    }
    registers--;
  }
}

function restrictError(errno: number): Error {
  if (errno !== EINVAL) return registerError(errno, "RESTRICTIONS");
  return new UringError(errno, "io_uring_register", {
    detail: "RESTRICTIONS: an op or register op among them is one that this kernel lacks: see probe()",
  });
}

function encode(registers: number[], ops: number[], set: RestrictionSet): Uint8Array {
  const { SQE_FLAGS_ALLOWED, SQE_FLAGS_REQUIRED, REGISTER_OP, SQE_OP } = IORING_RESTRICTION;
  const entries: [kind: number, value: number][] = [
    ...registers.map((code): [number, number] => [REGISTER_OP, code]),
    ...ops.map((code): [number, number] => [SQE_OP, code]),
    [SQE_FLAGS_ALLOWED, set.flagsAllowed],
    [SQE_FLAGS_REQUIRED, set.flagsRequired],
  ];
  const bytes = new Uint8Array(new ArrayBuffer(entries.length * ENTRY));
  entries.forEach(([kind, value], i) => {
    bytes[i * ENTRY] = kind;
    bytes[i * ENTRY + 2] = value;
  });
  return bytes;
}

/** Why a restricted ring refused an operation with EACCES; undefined when its restrictions are not the reason. */
export function refusedBy(set: RestrictionSet, op: string): string | undefined {
  const codes: Record<string, number> = IORING_OP;
  const code = codes[op.toUpperCase()];
  if (code !== undefined && set.ops !== undefined && !set.ops.has(code)) {
    return `the ring's restrictions forbid ${op.toUpperCase()}: give it in sqeOps, before enable()`;
  }
  if (set.flagsAllowed === ALL_FLAGS && set.flagsRequired === 0) return undefined;
  return `permission denied, or forbidden by the ring's restrictions of flags: allowed 0x${
    set.flagsAllowed.toString(16)
  }, required 0x${set.flagsRequired.toString(16)}`;
}
