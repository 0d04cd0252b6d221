/**
 * How much memory a register call writes to: the kernel is told no size.
 *
 * @module
 */

import { IORING_REGISTER, IORING_REGISTER_USE_REGISTERED_RING } from "../abi/constants.ts";

/** Bytes of the argument, and further ones for each that is counted; of the calls that write to it. */
const WRITTEN: Readonly<Record<number, readonly [fixed: number, each: number]>> = {
  [IORING_REGISTER.PROBE]: [16, 8],
  [IORING_REGISTER.IOWQ_MAX_WORKERS]: [8, 0],
  [IORING_REGISTER.RING_FDS]: [0, 16],
  [IORING_REGISTER.PBUF_RING]: [40, 0],
  [IORING_REGISTER.PBUF_STATUS]: [40, 0],
  [IORING_REGISTER.NAPI]: [16, 0],
  [IORING_REGISTER.UNREGISTER_NAPI]: [16, 0],
  [IORING_REGISTER.ZCRX_IFQ]: [96, 0],
  [IORING_REGISTER.RESIZE_RINGS]: [120, 0],
  [IORING_REGISTER.MEM_REGION]: [32, 0],
  [IORING_REGISTER.QUERY]: [40, 0],
  [IORING_REGISTER.ZCRX_CTRL]: [72, 0],
};

/** How many bytes the argument must have, at least. */
export function registerSize(opcode: number, count: number): number {
  const [fixed, each] = WRITTEN[opcode & ~IORING_REGISTER_USE_REGISTERED_RING] ?? [0, 0];
  return fixed + each * count;
}
