/**
 * What the running kernel can do. Asked of the kernel itself: distributions backport, so version numbers are text for
 * messages only.
 *
 * @module
 */

import { IORING_FEAT, IORING_OP, IORING_REGISTER, IORING_SETUP } from "../abi/constants.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { load } from "../../ffi/load.ts";
import { NO_RING } from "../../ffi/native.ts";
import type { Core } from "./core.ts";

/** Whether one op can be used. */
export interface OpSupport {
  /** Whether this kernel has it. */
  readonly supported: boolean;
  /** Its number. */
  readonly code: number;
}

/** What the running kernel can do. */
export interface Probe {
  /** Asks for one op by its name, such as `"READ"`. */
  op(name: string): OpSupport;
  /** Names of all ops that this kernel has. */
  readonly ops: readonly string[];
  /** How many register ops it has; −1 when it can't tell (before 6.18). */
  readonly registers: number;
  /** Names of IORING_FEAT features that the ring has. */
  readonly features: readonly string[];
  /** Names of the setup flags that the kernel knows; empty when it can't tell (before 6.18). */
  readonly setupFlags: readonly string[];
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
  const query = queryKernel();
  return {
    op(name: string): OpSupport {
      const code = typeof name === "string" ? codes[name.toUpperCase()] : undefined;
      if (code === undefined) throw new TypeError(`there is no op ${JSON.stringify(name)}: give a name such as "READ"`);
      return { supported: supported.has(code), code };
    },
    ops: Object.keys(codes).filter((name) => supported.has(codes[name]!)),
    registers: query?.registers ?? -1,
    features: namesOf(IORING_FEAT, BigInt(core.features)),
    setupFlags: query === undefined ? [] : namesOf(IORING_SETUP, query.setupFlags),
    kernel: kernelRelease(),
  };
}

function namesOf(set: Record<string, number>, bits: bigint): string[] {
  return Object.keys(set).filter((name) => (bits & BigInt(set[name]!)) !== 0n);
}

/** IORING_REGISTER_QUERY with IO_URING_QUERY_OPCODES: needs no ring. Undefined before 6.18. */
function queryKernel(): { registers: number; setupFlags: bigint } | undefined {
  const native = load();
  const answer = new Uint8Array(new ArrayBuffer(48));
  const header = new DataView(new ArrayBuffer(40));
  header.setBigUint64(8, BigInt(native.address(answer)), true); // query_data
  header.setUint32(16, 0, true); // query_op: IO_URING_QUERY_OPCODES
  header.setUint32(20, answer.byteLength, true);
  const rc = native.register(NO_RING, IORING_REGISTER.QUERY, header, 0);
  if (rc < 0 || header.getInt32(24, true) < 0) return undefined;
  const view = new DataView(answer.buffer);
  return { registers: view.getUint32(4, true), setupFlags: view.getBigUint64(16, true) };
}

export { kernelRelease };
