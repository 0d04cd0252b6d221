/**
 * Zero-copy receive: a network queue whose packets land in memory of ours (IORING_REGISTER_ZCRX_IFQ, 6.15).
 *
 * @module
 */

import { IORING_MEM_REGION, IORING_SETUP, ZCRX_CTRL, ZCRX_REG } from "../abi/constants.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { addressOf, type Bytes, homeOf } from "../memory/address.ts";
import { mapRegion } from "../memory/region.ts";
import { giveScratch, takeScratch } from "../memory/scratch.ts";
import { checkInteger, checkU32, lengthOf, shown } from "./arguments.ts";
import type { Engine } from "./engine.ts";
import { UnsupportedError } from "./errors.ts";
import { needRegister, registerError, registerQuietly } from "./register_call.ts";

/** Which queue is to receive without copies, and where to. */
export interface ZcrxOptions {
  /** The network device: its index, as in `/sys/class/net/NAME/ifindex`. */
  readonly interfaceIndex: number;
  /** Which of its receive queues. */
  readonly queue: number;
  /** Places in the refill ring, 1 to 32768; the kernel rounds up to a power of two. */
  readonly entries: number;
  /** Memory for the packets: whole pages of a BufferPool. */
  readonly area: Bytes;
  /** Bytes of each piece of it (7.0), a power of two. Default: a page. */
  readonly bufferSize?: number;
  /** No device: everything is copied (7.1). For tests. */
  readonly noDevice?: boolean;
}

/** A queue that was registered. */
export interface ZcrxQueue {
  /** Its number, for RECV_ZC and for {@linkcode zcrxControl}. */
  readonly id: number;
  /** What goes into the upper bits of the offsets in the refill ring. */
  readonly areaToken: bigint;
  /** The refill ring: head and tail as 32-bit words, then `struct io_uring_zcrx_rqe`s. */
  readonly refill: Uint8Array<ArrayBuffer>;
  /** Where in it the head lies, the tail, and the first entry; in bytes. */
  readonly offsets: { readonly head: number; readonly tail: number; readonly rqes: number };
  /** Places in the refill ring. */
  readonly entries: number;
}

/** What can be asked of a registered queue. */
export type ZcrxControl = "flush" | "export";

const PAGE = 4096;
const RQE_SIZE = 16;
/** IO_RQ_MAX_ENTRIES of the kernel. */
const MAX_ENTRIES = 32768;

/** Registers a queue. */
export function registerZcrx(engine: Engine, options: ZcrxOptions): ZcrxQueue {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`options must be an object, not ${shown(options)}`);
  }
  const { interfaceIndex, queue, entries, area, bufferSize = 0, noDevice = false } = options;
  checkInteger(interfaceIndex, "interfaceIndex", noDevice ? 0 : 1, 0x7fffffff);
  checkInteger(queue, "queue", 0, 0xfffffffe);
  checkInteger(entries, "entries", 1, MAX_ENTRIES);
  checkU32(bufferSize, "bufferSize");
  if (bufferSize !== 0 && (bufferSize & (bufferSize - 1)) !== 0) {
    throw new RangeError(`bufferSize must be a power of two, not ${bufferSize}`);
  }
  const { address, length, home } = areaOf(area);
  needRegister("ZCRX_IFQ");
  checkRing(engine.core.setupFlags);

  const refill = mapRegion(PAGE + entries * RQE_SIZE, false);
  // Structs that point to each other: in memory whose addresses stay. 0: io_uring_zcrx_ifq_reg, 96:
  // io_uring_zcrx_area_reg, 144: io_uring_region_desc.
  const scratch = takeScratch(208);
  try {
    const { view } = scratch;
    scratch.bytes.fill(0, 0, 208);
    view.setUint32(0, interfaceIndex, true);
    view.setUint32(4, queue, true);
    view.setUint32(8, entries, true);
    view.setUint32(12, noDevice ? ZCRX_REG.NODEV : 0, true);
    view.setBigUint64(16, BigInt(scratch.address + 96), true);
    view.setBigUint64(24, BigInt(scratch.address + 144), true);
    view.setUint32(68, bufferSize, true);
    view.setBigUint64(96, BigInt(address), true);
    view.setBigUint64(104, BigInt(length), true);
    view.setBigUint64(144, BigInt(refill.address), true);
    view.setBigUint64(152, BigInt(refill.size), true);
    view.setUint32(160, IORING_MEM_REGION.TYPE_USER, true);
    const rc = registerQuietly(engine.core, "ZCRX_IFQ", scratch.bytes.subarray(0, 96), 1, [scratch, home, refill]);
    if (rc < 0) throw zcrxError(rc, options);
    // The kernel has the pages of both for as long as it has the ring.
    engine.holds.add(home).add(refill);
    return {
      id: view.getUint32(64, true),
      areaToken: view.getBigUint64(112, true),
      refill: new Uint8Array(refill.buffer),
      offsets: { head: view.getUint32(32, true), tail: view.getUint32(36, true), rqes: view.getUint32(40, true) },
      entries: view.getUint32(8, true),
    };
  } finally {
    giveScratch(scratch);
  }
}

function areaOf(area: Bytes): { address: number; length: number; home: ReturnType<typeof homeOf> } {
  const length = lengthOf(area, "area");
  const home = homeOf(ArrayBuffer.isView(area) ? area.buffer : area, "area");
  if (home.region === null) {
    throw new TypeError("area must be memory of a BufferPool: other memory may go while packets arrive in it");
  }
  const address = addressOf(home, area, length);
  if (address % PAGE !== 0 || length % PAGE !== 0) {
    throw new RangeError(`area must be whole pages of ${PAGE} bytes, not ${length} bytes at ${address % PAGE}`);
  }
  return { address, length, home };
}

function checkRing(setupFlags: number): void {
  const { DEFER_TASKRUN, CQE32, CQE_MIXED } = IORING_SETUP;
  if ((setupFlags & DEFER_TASKRUN) !== 0 && (setupFlags & (CQE32 | CQE_MIXED)) !== 0) return;
  throw lacking("a ring with deferTaskrun and with cqe32 or CQE_MIXED");
}

const EPERM = -1;
const ENODEV = -19;
const EOPNOTSUPP = -95;

function zcrxError(errno: number, { interfaceIndex, queue }: ZcrxOptions): Error {
  switch (errno) {
    case EPERM:
      return lacking("CAP_NET_ADMIN: run as root, or with that capability");
    case ENODEV:
      return lacking(`a network device with index ${interfaceIndex}: see /sys/class/net/*/ifindex`);
    case EOPNOTSUPP:
      return lacking(
        `a kernel with CONFIG_IO_URING_ZCRX, and a network device (index ${interfaceIndex}) whose driver hands out ` +
          "queues with header/data split: use recv() elsewhere",
      );
    default:
      return registerError(errno, "ZCRX_IFQ", {
        EINVAL: `queue ${queue} is not one of the device's, or it does not split headers from data (ethtool -G)`,
        EEXIST: `queue ${queue} has memory of somebody else's already`,
      });
  }
}

function lacking(needs: string): UnsupportedError {
  return new UnsupportedError("zero-copy receive (ZCRX_IFQ)", needs, kernelRelease());
}

/** Asks something of a registered queue; gives the descriptor for `"export"`, else 0. */
export function controlZcrx(engine: Engine, id: number, control: ZcrxControl): number {
  checkU32(id, "id");
  if (control !== "flush" && control !== "export") {
    throw new TypeError(`control must be "flush" or "export", not ${shown(control)}`);
  }
  // struct zcrx_ctrl: zcrx_id, op, reserved, then what the op gives.
  const arg = new DataView(new ArrayBuffer(72));
  arg.setUint32(0, id, true);
  arg.setUint32(4, control === "flush" ? ZCRX_CTRL.FLUSH_RQ : ZCRX_CTRL.EXPORT, true);
  const rc = registerQuietly(engine.core, "ZCRX_CTRL", arg, 0);
  if (rc >= 0) return control === "export" ? arg.getInt32(24, true) : 0;
  throw registerError(rc, "ZCRX_CTRL", { ENXIO: `there is no queue ${id}: give the id that registerZcrxIfq() gave` });
}
