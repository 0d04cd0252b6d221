/**
 * What IORING_REGISTER_QUERY tells (6.18). It needs no ring, so it can be asked before one is opened.
 *
 * @module
 */

import { IO_URING_QUERY, IORING_REGISTER } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import { NO_RING } from "../../ffi/native.ts";

/** The answer to IO_URING_QUERY_OPCODES. */
export interface OpcodeQuery {
  /** How many ops there are: their numbers are below it. */
  readonly ops: number;
  /** How many register ops. */
  readonly registers: number;
  /** IORING_FEAT bits. */
  readonly features: bigint;
  /** IORING_SETUP bits. */
  readonly setupFlags: bigint;
  /** IORING_ENTER bits. */
  readonly enterFlags: bigint;
  /** IOSQE bits. */
  readonly sqeFlags: bigint;
  /** How many questions can be asked. */
  readonly queries: number;
}

/** What zero-copy receive can do: the answer to IO_URING_QUERY_ZCRX (6.19). */
export interface ZcrxQuery {
  /** ZCRX_REG bits. */
  readonly registerFlags: bigint;
  /** IORING_ZCRX_AREA bits. */
  readonly areaFlags: bigint;
  /** How many ZCRX_CTRL commands there are. */
  readonly controls: number;
  /** ZCRX_FEATURE bits. */
  readonly features: number;
  /** Bytes of the refill ring's header. */
  readonly headerSize: number;
  /** What the header's address must be a multiple of. */
  readonly headerAlignment: number;
}

/** How large the header of a ring's queues is: the answer to IO_URING_QUERY_SCQ (6.19). */
export interface ScqQuery {
  /** Bytes. */
  readonly headerSize: number;
  /** What its address must be a multiple of. */
  readonly headerAlignment: number;
}

/** Asked once: a kernel does not change. */
let opcodes: OpcodeQuery | null | undefined;

/** Undefined before 6.18. */
export function queryOpcodes(): OpcodeQuery | undefined {
  return (opcodes ??= askOpcodes()) ?? undefined;
}

function askOpcodes(): OpcodeQuery | null {
  const view = query(IO_URING_QUERY.OPCODES, 48);
  if (view === undefined) return null;
  return {
    ops: view.getUint32(0, true),
    registers: view.getUint32(4, true),
    features: view.getBigUint64(8, true),
    setupFlags: view.getBigUint64(16, true),
    enterFlags: view.getBigUint64(24, true),
    sqeFlags: view.getBigUint64(32, true),
    queries: view.getUint32(40, true),
  };
}

/** Undefined before 6.19, and without CONFIG_IO_URING_ZCRX. */
export function queryZcrx(): ZcrxQuery | undefined {
  const view = query(IO_URING_QUERY.ZCRX, 40);
  if (view === undefined) return undefined;
  return {
    registerFlags: view.getBigUint64(0, true),
    areaFlags: view.getBigUint64(8, true),
    controls: view.getUint32(16, true),
    features: view.getUint32(20, true),
    headerSize: view.getUint32(24, true),
    headerAlignment: view.getUint32(28, true),
  };
}

/** Undefined before 6.19. */
export function queryScq(): ScqQuery | undefined {
  const view = query(IO_URING_QUERY.SCQ, 16);
  if (view === undefined) return undefined;
  return { headerSize: Number(view.getBigUint64(0, true)), headerAlignment: Number(view.getBigUint64(8, true)) };
}

/** Asks one question. The kernel writes as much as it knows; what it does not know stays 0. */
function query(op: number, size: number): DataView | undefined {
  const native = load();
  const answer = new Uint8Array(new ArrayBuffer(size));
  // struct io_uring_query_hdr: next_entry, query_data, query_op, size, result, reserved.
  const header = new DataView(new ArrayBuffer(40));
  header.setBigUint64(8, BigInt(native.address(answer)), true);
  header.setUint32(16, op, true);
  header.setUint32(20, size, true);
  const rc = native.register(NO_RING, IORING_REGISTER.QUERY, header, 0);
  if (rc < 0 || header.getInt32(24, true) < 0) return undefined;
  return new DataView(answer.buffer);
}
