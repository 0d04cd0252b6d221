/**
 * **uring** gives JavaScript the whole of Linux io_uring, on Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { AT, Ring } from "@uring/uring";
 *
 * await using ring = new Ring();
 * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
 * const buffer = new Uint8Array(4096);
 * console.log(await ring.read(fd, buffer, 0), "bytes");
 * await ring.closeFd(fd);
 * ```
 *
 * @module
 */

export * from "./src/abi/constants.ts";
export { type CqeFields, explain, type ExplainContext, type SqeWords } from "./src/abi/explain.ts";
export { LoadError } from "./ffi/load.ts";
export type { Bytes } from "./src/memory/address.ts";
export {
  BorrowedBuffer,
  type BufferGroup,
  BufferRing,
  type BufferRingHost,
  type BufferRingOptions,
} from "./src/memory/buffer_ring.ts";
export {
  type ControlMessage,
  controlRoom,
  parseControl,
  type ReceivedControl,
  scmFds,
  scmRights,
} from "./src/memory/msghdr.ts";
export { BufferPool, type BufferPoolOptions, type PoolRegistrar } from "./src/memory/pool.ts";
export type { Path } from "./src/memory/scratch.ts";
export {
  decodeAddress,
  encodeAddress,
  type IpAddress,
  type SocketAddress,
  type UnixAddress,
} from "./src/memory/sockaddr.ts";
export type { FileSlot, Offset } from "./src/ring/arguments.ts";
export type { DirectOptions, OpOptions, RingBase } from "./src/ring/base.ts";
export { type FileRegistrar, type FileSlotOptions, FileTable, type FileTableOptions } from "./src/ring/file_table.ts";
export type { NapiOptions, NapiSettings, NapiTracking } from "./src/ring/napi.ts";
export type { BufferOps, CloneBuffersOptions, RegisterBuffersOptions } from "./src/ring/ops_buffers.ts";
export type { RegisterOps, SendMessageOptions, SyncCancelOptions, WorkerLimits } from "./src/ring/ops_register.ts";
export type { Restrictions } from "./src/ring/restrictions.ts";
export type { ZcrxControl, ZcrxOptions, ZcrxQueue } from "./src/ring/zcrx.ts";
export { AbortError, type ErrorContext, RingClosedError, UnsupportedError, UringError } from "./src/ring/errors.ts";
export type { ProvidedOps } from "./src/ring/ops_provided.ts";
export type { FaultOptions, FaultRule } from "./src/ring/faults.ts";
export type { Multishot, MultishotOptions } from "./src/ring/multishot.ts";
export type { Accepted, AcceptOptions, SocketOps } from "./src/ring/net_connect.ts";
export type { MessageOps } from "./src/ring/net_message.ts";
export type { SendOps, SendOptions, TransferOptions } from "./src/ring/net_send.ts";
export type {
  SendmsgZcFixedOptions,
  SendZcFixedOptions,
  SendZcOptions,
  ZeroCopyOps,
  ZeroCopyOptions,
  ZeroCopyUsage,
} from "./src/ring/net_zerocopy.ts";
export type { CommandOps, CommandOptions } from "./src/ring/ops_command.ts";
export type { EpollEvent, EpollOps, ReadyEvent } from "./src/ring/ops_epoll.ts";
export { type FileOps, O, type OpenHow } from "./src/ring/ops_files.ts";
export type { FutexMemory, FutexOps, FutexOptions, FutexWaiter } from "./src/ring/ops_futex.ts";
export type { MessageFdOptions, MessageHandler, MessageTarget, RingMessageOps } from "./src/ring/ops_message.ts";
export type { NetOps } from "./src/ring/ops_net.ts";
export type { NopOps, NopOptions } from "./src/ring/ops_nop.ts";
export type { PipeEnds, PipeOps, SpliceOptions } from "./src/ring/ops_pipe.ts";
export type { ChildState, ProcessOps } from "./src/ring/ops_process.ts";
export type { FixedOptions, RwOps, RwOptions } from "./src/ring/ops_rw.ts";
export type { SlotOps } from "./src/ring/ops_slots.ts";
export type {
  AcceptMultishotOptions,
  ReceivedMessage,
  RecvmsgMultishotOptions,
  RecvMultishotOptions,
  RecvZcOptions,
  SelectOptions,
  StreamOps,
  TicksOptions,
  ZeroCopyPiece,
} from "./src/ring/ops_stream.ts";
export type { SystemOps } from "./src/ring/ops_system.ts";
export type { CancelOptions, CancelTarget, TimeOps, TimeoutOptions } from "./src/ring/ops_time.ts";
export type { XattrOps } from "./src/ring/ops_xattr.ts";
export type { RingOptions } from "./src/ring/options.ts";
export { ProvidedBuffers } from "./src/ring/provided_buffers.ts";
export type { OpSupport, Probe, RegisterSupport, ScqQuery, ZcrxQuery } from "./src/ring/probe.ts";
export { type LinkOptions, type ResizeOptions, Ring, type RingStats, type WaitOptions } from "./src/ring/ring.ts";
export type { RecvMessage, RecvmsgResult, SendMessage } from "./src/ring/socket_message.ts";
export { Statx, type StatxTime } from "./src/ring/statx.ts";
export type { Supported } from "./src/ring/supported.ts";
