/**
 * Tables of registered files and buffers whose places are empty at first.
 *
 * @module
 */

import { IORING_RSRC } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import type { Core } from "./core.ts";
import { type Details, registerError, registerQuietly } from "./register_call.ts";

const EINVAL = -22;

/**
 * Registers a table of empty places.
 *
 * @param size how many
 * @throws {UnsupportedError} before Linux 5.13
 * @throws {UringError} when the kernel refuses
 */
export function registerEmpty(core: Core, op: "FILES2" | "BUFFERS2", size: number, details: Details): void {
  // struct io_uring_rsrc_register: nr, flags, resv2, data, tags.
  const arg = new DataView(new ArrayBuffer(32));
  arg.setUint32(0, size, true);
  arg.setUint32(4, IORING_RSRC.REGISTER_SPARSE, true);
  let rc = registerQuietly(core, op, arg, arg.byteLength);
  if (rc === EINVAL) {
    // Before 5.19 each place has to say that it is empty: descriptor −1, or an iovec of nothing.
    // Small typed arrays without a buffer of their own may move.
    const empty = op === "FILES2"
      ? new Int32Array(new ArrayBuffer(4 * size)).fill(-1)
      : new BigUint64Array(new ArrayBuffer(16 * size));
    arg.setUint32(4, 0, true);
    arg.setBigUint64(16, BigInt(load().address(empty)), true);
    rc = registerQuietly(core, op, arg, arg.byteLength, empty);
  }
  if (rc < 0) throw registerError(rc, op, details);
}
