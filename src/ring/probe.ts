/**
 * What the running kernel can do. Asked of the kernel itself: distributions backport, so version numbers are text for
 * messages only.
 *
 * @module
 */

import { IORING_ENTER, IORING_FEAT, IORING_OP, IORING_REGISTER, IORING_SETUP, IOSQE } from "../abi/constants.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { shown } from "./arguments.ts";
import type { Core } from "./core.ts";
import { queryOpcodes, queryScq, queryZcrx, type ScqQuery, type ZcrxQuery } from "./query.ts";

export type { ScqQuery, ZcrxQuery };

/** Whether one op can be used. */
export interface OpSupport {
  /** Whether this kernel has it. */
  readonly supported: boolean;
  /** Its number. */
  readonly code: number;
}

/** Whether one register op can be used. */
export interface RegisterSupport {
  /** Whether this kernel has it; undefined when it can't tell (before 6.18). */
  readonly supported: boolean | undefined;
  /** Its number. */
  readonly code: number;
}

/** What the running kernel can do. */
export interface Probe {
  /** Asks for one op by its name, such as `"READ"`. */
  op(name: string): OpSupport;
  /** Names of all ops that this kernel has. */
  readonly ops: readonly string[];
  /** Asks for one register op by its name, such as `"CLONE_BUFFERS"`. */
  register(name: string): RegisterSupport;
  /** How many register ops it has; −1 when it can't tell (before 6.18). */
  readonly registers: number;
  /** Names of the register ops that it has; empty when it can't tell (before 6.18). */
  readonly registerOps: readonly string[];
  /** Names of IORING_FEAT features that the ring has. */
  readonly features: readonly string[];
  /** Names of the setup flags that the kernel knows; empty when it can't tell (before 6.18). */
  readonly setupFlags: readonly string[];
  /** Names of the IORING_ENTER flags that it knows; empty when it can't tell (before 6.18). */
  readonly enterFlags: readonly string[];
  /** Names of the IOSQE flags that it knows; empty when it can't tell (before 6.18). */
  readonly sqeFlags: readonly string[];
  /** What zero-copy receive can do; undefined when it can't tell (before 6.19), or has none. */
  readonly zcrx: ZcrxQuery | undefined;
  /** How large a ring's header is; undefined when it can't tell (before 6.19). */
  readonly scq: ScqQuery | undefined;
  /** The kernel's release, such as `"6.18.44"`. */
  readonly kernel: string;
}

const MAX_OPS = 256;
const OP_SUPPORTED = 1;

/** Asks the kernel through an open ring. */
export function probeRing(core: Core): Probe {
  // struct io_uring_probe: last_op, ops_len, resv, then { op, resv, flags } an op.
  const bytes = new Uint8Array(new ArrayBuffer(16 + MAX_OPS * 8));
  const supported = new Set<number>();
  if (core.register(IORING_REGISTER.PROBE, bytes, MAX_OPS) >= 0) {
    const view = new DataView(bytes.buffer);
    for (let i = 0, count = bytes[1]!; i < count; i++) {
      if ((view.getUint16(16 + i * 8 + 2, true) & OP_SUPPORTED) !== 0) supported.add(bytes[16 + i * 8]!);
    }
  }
  const codes: Record<string, number> = IORING_OP;
  const registerCodes: Record<string, number> = IORING_REGISTER;
  const query = queryOpcodes();
  return {
    op(name: string): OpSupport {
      const code = codeOf(name, codes);
      if (code === undefined) throw new TypeError(`there is no op ${shown(name)}: give a name such as "READ"`);
      return { supported: supported.has(code), code };
    },
    ops: Object.keys(codes).filter((name) => supported.has(codes[name]!)),
    register(name: string): RegisterSupport {
      const code = codeOf(name, registerCodes);
      if (code === undefined) {
        throw new TypeError(`there is no register op ${shown(name)}: give a name such as "FILES"`);
      }
      return { supported: query === undefined ? undefined : code < query.registers, code };
    },
    registers: query?.registers ?? -1,
    registerOps: query === undefined
      ? []
      : Object.keys(registerCodes).filter((name) => registerCodes[name]! < query.registers),
    features: namesOf(IORING_FEAT, BigInt(core.features)),
    setupFlags: query === undefined ? [] : namesOf(IORING_SETUP, query.setupFlags),
    enterFlags: query === undefined ? [] : namesOf(IORING_ENTER, query.enterFlags),
    sqeFlags: query === undefined ? [] : namesOf(IOSQE, query.sqeFlags),
    zcrx: queryZcrx(),
    scq: queryScq(),
    kernel: kernelRelease(),
  };
}

function codeOf(name: unknown, codes: Record<string, number>): number | undefined {
  const key = typeof name === "string" ? name.toUpperCase() : "";
  return Object.hasOwn(codes, key) ? codes[key] : undefined;
}

function namesOf(set: Record<string, number>, bits: bigint): string[] {
  return Object.keys(set).filter((name) => (bits & BigInt(set[name]!)) !== 0n);
}

export { kernelRelease };
