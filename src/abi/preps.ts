/**
 * Every encoder under liburing's own name, with liburing's parameter names in order: what turns data into SQEs.
 *
 * @module
 */
import * as encode from "./encode.ts";

/** One of liburing's preps. */
export interface Prep {
  /** liburing's parameter names, in order, without the SQE. */
  readonly params: readonly string[];
  /** The encoder: writes the SQE whose first word is `words[at]`. */
  // deno-lint-ignore no-explicit-any -- each has its own parameters; callers that know them import it by name
  readonly encode: (words: Int32Array, at: number, ...args: any[]) => void;
}

/**
 * liburing's prep name → parameters and encoder.
 *
 * @example
 * ```ts
 * import { explain, PREPS } from "@uring/uring/abi";
 *
 * const { params, encode } = PREPS["io_uring_prep_read"]!;
 * const args: Record<string, number> = { fd: 3, buf: 4096, nbytes: 512, offset: 0 };
 * const words = new Int32Array(16);
 * encode(words, 0, ...params.map((name) => args[name]));
 * console.assert(explain({ words, at: 0 }) === "READ fd=3 len=512 offset=0");
 * ```
 */
export const PREPS: Readonly<Record<string, Prep>> = {
  io_uring_sqe_set_data: { params: ["data"], encode: encode.sqeSetData },
  io_uring_sqe_set_data64: { params: ["data"], encode: encode.sqeSetData64 },
  io_uring_sqe_set_flags: { params: ["flags"], encode: encode.sqeSetFlags },
  io_uring_sqe_set_buf_group: { params: ["bgid"], encode: encode.sqeSetBufGroup },
  io_uring_prep_rw: { params: ["op", "fd", "addr", "len", "offset"], encode: encode.prepRw },
  io_uring_prep_splice: {
    params: ["fd_in", "off_in", "fd_out", "off_out", "nbytes", "splice_flags"],
    encode: encode.prepSplice,
  },
  io_uring_prep_tee: { params: ["fd_in", "fd_out", "nbytes", "splice_flags"], encode: encode.prepTee },
  io_uring_prep_readv: { params: ["fd", "iovecs", "nr_vecs", "offset"], encode: encode.prepReadv },
  io_uring_prep_readv2: { params: ["fd", "iovecs", "nr_vecs", "offset", "flags"], encode: encode.prepReadv2 },
  io_uring_prep_read_fixed: { params: ["fd", "buf", "nbytes", "offset", "buf_index"], encode: encode.prepReadFixed },
  io_uring_prep_readv_fixed: {
    params: ["fd", "iovecs", "nr_vecs", "offset", "flags", "buf_index"],
    encode: encode.prepReadvFixed,
  },
  io_uring_prep_writev: { params: ["fd", "iovecs", "nr_vecs", "offset"], encode: encode.prepWritev },
  io_uring_prep_writev2: { params: ["fd", "iovecs", "nr_vecs", "offset", "flags"], encode: encode.prepWritev2 },
  io_uring_prep_write_fixed: { params: ["fd", "buf", "nbytes", "offset", "buf_index"], encode: encode.prepWriteFixed },
  io_uring_prep_writev_fixed: {
    params: ["fd", "iovecs", "nr_vecs", "offset", "flags", "buf_index"],
    encode: encode.prepWritevFixed,
  },
  io_uring_prep_recvmsg: { params: ["fd", "msg", "flags"], encode: encode.prepRecvmsg },
  io_uring_prep_recvmsg_multishot: { params: ["fd", "msg", "flags"], encode: encode.prepRecvmsgMultishot },
  io_uring_prep_sendmsg: { params: ["fd", "msg", "flags"], encode: encode.prepSendmsg },
  io_uring_prep_poll_add: { params: ["fd", "poll_mask"], encode: encode.prepPollAdd },
  io_uring_prep_poll_multishot: { params: ["fd", "poll_mask"], encode: encode.prepPollMultishot },
  io_uring_prep_poll_remove: { params: ["user_data"], encode: encode.prepPollRemove },
  io_uring_prep_poll_update: {
    params: ["old_user_data", "new_user_data", "poll_mask", "flags"],
    encode: encode.prepPollUpdate,
  },
  io_uring_prep_fsync: { params: ["fd", "fsync_flags"], encode: encode.prepFsync },
  io_uring_prep_nop: { params: [], encode: encode.prepNop },
  io_uring_prep_nop128: { params: [], encode: encode.prepNop128 },
  io_uring_prep_timeout: { params: ["ts", "count", "flags"], encode: encode.prepTimeout },
  io_uring_prep_timeout_remove: { params: ["user_data", "flags"], encode: encode.prepTimeoutRemove },
  io_uring_prep_timeout_update: { params: ["ts", "user_data", "flags"], encode: encode.prepTimeoutUpdate },
  io_uring_prep_accept: { params: ["fd", "addr", "addrlen", "flags"], encode: encode.prepAccept },
  io_uring_prep_accept_direct: {
    params: ["fd", "addr", "addrlen", "flags", "file_index"],
    encode: encode.prepAcceptDirect,
  },
  io_uring_prep_multishot_accept: { params: ["fd", "addr", "addrlen", "flags"], encode: encode.prepMultishotAccept },
  io_uring_prep_multishot_accept_direct: {
    params: ["fd", "addr", "addrlen", "flags"],
    encode: encode.prepMultishotAcceptDirect,
  },
  io_uring_prep_cancel64: { params: ["user_data", "flags"], encode: encode.prepCancel64 },
  io_uring_prep_cancel: { params: ["user_data", "flags"], encode: encode.prepCancel },
  io_uring_prep_cancel_fd: { params: ["fd", "flags"], encode: encode.prepCancelFd },
  io_uring_prep_link_timeout: { params: ["ts", "flags"], encode: encode.prepLinkTimeout },
  io_uring_prep_connect: { params: ["fd", "addr", "addrlen"], encode: encode.prepConnect },
  io_uring_prep_bind: { params: ["fd", "addr", "addrlen"], encode: encode.prepBind },
  io_uring_prep_listen: { params: ["fd", "backlog"], encode: encode.prepListen },
  io_uring_prep_epoll_wait: { params: ["fd", "events", "maxevents", "flags"], encode: encode.prepEpollWait },
  io_uring_prep_files_update: { params: ["fds", "nr_fds", "offset"], encode: encode.prepFilesUpdate },
  io_uring_prep_fallocate: { params: ["fd", "mode", "offset", "len"], encode: encode.prepFallocate },
  io_uring_prep_openat: { params: ["dfd", "path", "flags", "mode"], encode: encode.prepOpenat },
  io_uring_prep_openat_direct: {
    params: ["dfd", "path", "flags", "mode", "file_index"],
    encode: encode.prepOpenatDirect,
  },
  io_uring_prep_open: { params: ["path", "flags", "mode"], encode: encode.prepOpen },
  io_uring_prep_open_direct: { params: ["path", "flags", "mode", "file_index"], encode: encode.prepOpenDirect },
  io_uring_prep_close: { params: ["fd"], encode: encode.prepClose },
  io_uring_prep_close_direct: { params: ["file_index"], encode: encode.prepCloseDirect },
  io_uring_prep_read: { params: ["fd", "buf", "nbytes", "offset"], encode: encode.prepRead },
  io_uring_prep_read_multishot: { params: ["fd", "nbytes", "offset", "buf_group"], encode: encode.prepReadMultishot },
  io_uring_prep_write: { params: ["fd", "buf", "nbytes", "offset"], encode: encode.prepWrite },
  io_uring_prep_statx: { params: ["dfd", "path", "flags", "mask", "statxbuf"], encode: encode.prepStatx },
  io_uring_prep_fadvise: { params: ["fd", "offset", "len", "advice"], encode: encode.prepFadvise },
  io_uring_prep_madvise: { params: ["addr", "length", "advice"], encode: encode.prepMadvise },
  io_uring_prep_fadvise64: { params: ["fd", "offset", "len", "advice"], encode: encode.prepFadvise64 },
  io_uring_prep_madvise64: { params: ["addr", "length", "advice"], encode: encode.prepMadvise64 },
  io_uring_prep_send: { params: ["sockfd", "buf", "len", "flags"], encode: encode.prepSend },
  io_uring_prep_send_bundle: { params: ["sockfd", "len", "flags"], encode: encode.prepSendBundle },
  io_uring_prep_send_set_addr: { params: ["dest_addr", "addr_len"], encode: encode.prepSendSetAddr },
  io_uring_prep_sendto: { params: ["sockfd", "buf", "len", "flags", "addr", "addrlen"], encode: encode.prepSendto },
  io_uring_prep_send_zc: { params: ["sockfd", "buf", "len", "flags", "zc_flags"], encode: encode.prepSendZc },
  io_uring_prep_send_zc_fixed: {
    params: ["sockfd", "buf", "len", "flags", "zc_flags", "buf_index"],
    encode: encode.prepSendZcFixed,
  },
  io_uring_prep_sendmsg_zc: { params: ["fd", "msg", "flags"], encode: encode.prepSendmsgZc },
  io_uring_prep_sendmsg_zc_fixed: { params: ["fd", "msg", "flags", "buf_index"], encode: encode.prepSendmsgZcFixed },
  io_uring_prep_recv: { params: ["sockfd", "buf", "len", "flags"], encode: encode.prepRecv },
  io_uring_prep_recv_multishot: { params: ["sockfd", "buf", "len", "flags"], encode: encode.prepRecvMultishot },
  io_uring_prep_openat2: { params: ["dfd", "path", "how"], encode: encode.prepOpenat2 },
  io_uring_prep_openat2_direct: { params: ["dfd", "path", "how", "file_index"], encode: encode.prepOpenat2Direct },
  io_uring_prep_epoll_ctl: { params: ["epfd", "fd", "op", "ev"], encode: encode.prepEpollCtl },
  io_uring_prep_provide_buffers: { params: ["addr", "len", "nr", "bgid", "bid"], encode: encode.prepProvideBuffers },
  io_uring_prep_remove_buffers: { params: ["nr", "bgid"], encode: encode.prepRemoveBuffers },
  io_uring_prep_shutdown: { params: ["fd", "how"], encode: encode.prepShutdown },
  io_uring_prep_unlinkat: { params: ["dfd", "path", "flags"], encode: encode.prepUnlinkat },
  io_uring_prep_unlink: { params: ["path", "flags"], encode: encode.prepUnlink },
  io_uring_prep_renameat: { params: ["olddfd", "oldpath", "newdfd", "newpath", "flags"], encode: encode.prepRenameat },
  io_uring_prep_rename: { params: ["oldpath", "newpath"], encode: encode.prepRename },
  io_uring_prep_sync_file_range: { params: ["fd", "len", "offset", "flags"], encode: encode.prepSyncFileRange },
  io_uring_prep_mkdirat: { params: ["dfd", "path", "mode"], encode: encode.prepMkdirat },
  io_uring_prep_mkdir: { params: ["path", "mode"], encode: encode.prepMkdir },
  io_uring_prep_symlinkat: { params: ["target", "newdirfd", "linkpath"], encode: encode.prepSymlinkat },
  io_uring_prep_symlink: { params: ["target", "linkpath"], encode: encode.prepSymlink },
  io_uring_prep_linkat: { params: ["olddfd", "oldpath", "newdfd", "newpath", "flags"], encode: encode.prepLinkat },
  io_uring_prep_link: { params: ["oldpath", "newpath", "flags"], encode: encode.prepLink },
  io_uring_prep_msg_ring_cqe_flags: {
    params: ["fd", "len", "data", "flags", "cqe_flags"],
    encode: encode.prepMsgRingCqeFlags,
  },
  io_uring_prep_msg_ring: { params: ["fd", "len", "data", "flags"], encode: encode.prepMsgRing },
  io_uring_prep_msg_ring_fd: {
    params: ["fd", "source_fd", "target_fd", "data", "flags"],
    encode: encode.prepMsgRingFd,
  },
  io_uring_prep_msg_ring_fd_alloc: { params: ["fd", "source_fd", "data", "flags"], encode: encode.prepMsgRingFdAlloc },
  io_uring_prep_getxattr: { params: ["name", "value", "path", "len"], encode: encode.prepGetxattr },
  io_uring_prep_setxattr: { params: ["name", "value", "path", "flags", "len"], encode: encode.prepSetxattr },
  io_uring_prep_fgetxattr: { params: ["fd", "name", "value", "len"], encode: encode.prepFgetxattr },
  io_uring_prep_fsetxattr: { params: ["fd", "name", "value", "flags", "len"], encode: encode.prepFsetxattr },
  io_uring_prep_socket: { params: ["domain", "type", "protocol", "flags"], encode: encode.prepSocket },
  io_uring_prep_socket_direct: {
    params: ["domain", "type", "protocol", "file_index", "flags"],
    encode: encode.prepSocketDirect,
  },
  io_uring_prep_socket_direct_alloc: {
    params: ["domain", "type", "protocol", "flags"],
    encode: encode.prepSocketDirectAlloc,
  },
  io_uring_prep_uring_cmd: { params: ["cmd_op", "fd"], encode: encode.prepUringCmd },
  io_uring_prep_uring_cmd128: { params: ["cmd_op", "fd"], encode: encode.prepUringCmd128 },
  io_uring_prep_cmd_sock: {
    params: ["cmd_op", "fd", "level", "optname", "optval", "optlen"],
    encode: encode.prepCmdSock,
  },
  io_uring_prep_cmd_getsockname: {
    params: ["fd", "sockaddr", "sockaddr_len", "peer"],
    encode: encode.prepCmdGetsockname,
  },
  io_uring_prep_waitid: { params: ["idtype", "id", "infop", "options", "flags"], encode: encode.prepWaitid },
  io_uring_prep_futex_wake: { params: ["futex", "val", "mask", "futex_flags", "flags"], encode: encode.prepFutexWake },
  io_uring_prep_futex_wait: { params: ["futex", "val", "mask", "futex_flags", "flags"], encode: encode.prepFutexWait },
  io_uring_prep_futex_waitv: { params: ["futex", "nr_futex", "flags"], encode: encode.prepFutexWaitv },
  io_uring_prep_fixed_fd_install: { params: ["fd", "flags"], encode: encode.prepFixedFdInstall },
  io_uring_prep_ftruncate: { params: ["fd", "len"], encode: encode.prepFtruncate },
  io_uring_prep_cmd_discard: { params: ["fd", "offset", "nbytes"], encode: encode.prepCmdDiscard },
  io_uring_prep_cmd_zone_reset_all: { params: ["fd"], encode: encode.prepCmdZoneResetAll },
  io_uring_prep_pipe: { params: ["fds", "pipe_flags"], encode: encode.prepPipe },
  io_uring_prep_pipe_direct: { params: ["fds", "pipe_flags", "file_index"], encode: encode.prepPipeDirect },
};
