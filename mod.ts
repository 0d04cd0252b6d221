/**
 * **uring** gives JavaScript the whole of Linux io_uring, on Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { AT, Ring } from "@uring/uring";
 *
 * await using ring = new Ring();
 * const fd = await ring.openat(AT.FDCWD, "/etc/hostname", 0);
 * const buffer = new Uint8Array(4096);
 * console.log(await ring.read(fd, buffer, 0), "bytes");
 * await ring.closeFd(fd);
 * ```
 *
 * @module
 */

export * from "./src/abi/constants.ts";
export { LoadError } from "./ffi/load.ts";
export type { Bytes } from "./src/memory/address.ts";
export { BorrowedBuffer, BufferRing, type BufferRingHost, type BufferRingOptions } from "./src/memory/buffer_ring.ts";
export { BufferPool, type BufferPoolOptions, type PoolRegistrar } from "./src/memory/pool.ts";
export type { Path } from "./src/memory/scratch.ts";
export type { Offset } from "./src/ring/arguments.ts";
export type { OpOptions, RingBase } from "./src/ring/base.ts";
export { AbortError, RingClosedError, UnsupportedError, UringError } from "./src/ring/errors.ts";
export { Multishot, type MultishotOptions } from "./src/ring/multishot.ts";
export { type FileOps, O, type OpenHow } from "./src/ring/ops_files.ts";
export type { FixedOptions, RwOps, RwOptions } from "./src/ring/ops_rw.ts";
export type {
  AcceptMultishotOptions,
  ReceivedMessage,
  RecvmsgMultishotOptions,
  RecvMultishotOptions,
  SelectOptions,
  StreamOps,
  TicksOptions,
} from "./src/ring/ops_stream.ts";
export type { CancelOptions, CancelTarget, TimeOps, TimeoutOptions } from "./src/ring/ops_time.ts";
export type { RingOptions } from "./src/ring/options.ts";
export type { OpSupport, Probe } from "./src/ring/probe.ts";
export { type LinkOptions, Ring, type RingStats, type WaitOptions } from "./src/ring/ring.ts";
export { Statx, type StatxTime } from "./src/ring/statx.ts";
export type { Supported } from "./src/ring/supported.ts";
