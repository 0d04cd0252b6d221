/**
 * Encoders for sockets.
 *
 * @module
 */
import { IORING_ACCEPT, IORING_OP, IORING_RECV, IORING_RECVSEND } from "../constants.ts";
import { fileSlot, put64, putSqe, refuse, size32 } from "./words.ts";

/**
 * Makes a socket; matches `io_uring_prep_socket()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param domain one of AF
 * @param type one of SOCK, with its flags
 * @param protocol usually 0
 * @param flags none exist: 0
 */
export function prepSocket(
  words: Int32Array,
  at: number,
  domain: number,
  type: number,
  protocol: number,
  flags: number,
): void {
  // The field has 64 bits: a negative type would fill all of them.
  if ((type | 0) !== type || type < 0) refuse("prepSocket", "type", type, 0, 0x7fffffff);
  putSqe(words, at, IORING_OP.SOCKET, domain, type, 0, protocol, flags);
}

/**
 * Makes a socket in a slot of the registered files; matches `io_uring_prep_socket_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param domain one of AF
 * @param type one of SOCK, with its flags
 * @param protocol usually 0
 * @param fileIndex the file slot, or IORING_FILE_INDEX_ALLOC
 * @param flags none exist: 0
 */
export function prepSocketDirect(
  words: Int32Array,
  at: number,
  domain: number,
  type: number,
  protocol: number,
  fileIndex: number,
  flags: number,
): void {
  // The field has 64 bits: a negative type would fill all of them.
  if ((type | 0) !== type || type < 0) refuse("prepSocketDirect", "type", type, 0, 0x7fffffff);
  putSqe(words, at, IORING_OP.SOCKET, domain, type, 0, protocol, flags);
  words[at + 11] = fileSlot(fileIndex);
}

/**
 * Makes a socket in a slot that the kernel picks; matches `io_uring_prep_socket_direct_alloc()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param domain one of AF
 * @param type one of SOCK, with its flags
 * @param protocol usually 0
 * @param flags none exist: 0
 */
export function prepSocketDirectAlloc(
  words: Int32Array,
  at: number,
  domain: number,
  type: number,
  protocol: number,
  flags: number,
): void {
  // The field has 64 bits: a negative type would fill all of them.
  if ((type | 0) !== type || type < 0) refuse("prepSocketDirectAlloc", "type", type, 0, 0x7fffffff);
  putSqe(words, at, IORING_OP.SOCKET, domain, type, 0, protocol, flags);
  words[at + 11] = -1;
}

/**
 * Gives a socket its address; matches `io_uring_prep_bind()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address of a sockaddr
 * @param addrlen how long it is
 */
export function prepBind(words: Int32Array, at: number, fd: number, addr: number | bigint, addrlen: number): void {
  putSqe(words, at, IORING_OP.BIND, fd, addrlen >>> 0, addr, 0, 0);
}

/**
 * Lets a socket take connections; matches `io_uring_prep_listen()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param backlog how many may wait
 */
export function prepListen(words: Int32Array, at: number, fd: number, backlog: number): void {
  putSqe(words, at, IORING_OP.LISTEN, fd, 0, 0, backlog, 0);
}

/**
 * Connects a socket; matches `io_uring_prep_connect()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address of a sockaddr
 * @param addrlen how long it is
 */
export function prepConnect(words: Int32Array, at: number, fd: number, addr: number | bigint, addrlen: number): void {
  putSqe(words, at, IORING_OP.CONNECT, fd, addrlen >>> 0, addr, 0, 0);
}

/**
 * Shuts down a side of a connection; matches `io_uring_prep_shutdown()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param how one of SHUT
 */
export function prepShutdown(words: Int32Array, at: number, fd: number, how: number): void {
  putSqe(words, at, IORING_OP.SHUTDOWN, fd, 0, 0, how, 0);
}

/**
 * Accepts a connection; matches `io_uring_prep_accept()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address for the peer's sockaddr, or 0
 * @param addrlen the address of its length
 * @param flags SOCK.CLOEXEC, SOCK.NONBLOCK
 */
export function prepAccept(
  words: Int32Array,
  at: number,
  fd: number,
  addr: number | bigint,
  addrlen: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.ACCEPT, fd, addrlen, addr, 0, flags);
}

/**
 * Accepts a connection into a slot of the registered files; matches `io_uring_prep_accept_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address for the peer's sockaddr, or 0
 * @param addrlen the address of its length
 * @param flags SOCK.CLOEXEC, SOCK.NONBLOCK
 * @param fileIndex the file slot, or IORING_FILE_INDEX_ALLOC
 */
export function prepAcceptDirect(
  words: Int32Array,
  at: number,
  fd: number,
  addr: number | bigint,
  addrlen: number | bigint,
  flags: number,
  fileIndex: number,
): void {
  putSqe(words, at, IORING_OP.ACCEPT, fd, addrlen, addr, 0, flags);
  words[at + 11] = fileSlot(fileIndex);
}

/**
 * Accepts again and again; matches `io_uring_prep_multishot_accept()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address for the peer's sockaddr, or 0
 * @param addrlen the address of its length
 * @param flags SOCK.CLOEXEC, SOCK.NONBLOCK
 */
export function prepMultishotAccept(
  words: Int32Array,
  at: number,
  fd: number,
  addr: number | bigint,
  addrlen: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.ACCEPT | (IORING_ACCEPT.MULTISHOT << 16), fd, addrlen, addr, 0, flags);
}

/**
 * Accepts again and again into slots that the kernel picks; matches `io_uring_prep_multishot_accept_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param addr the address for the peer's sockaddr, or 0
 * @param addrlen the address of its length
 * @param flags SOCK.CLOEXEC, SOCK.NONBLOCK
 */
export function prepMultishotAcceptDirect(
  words: Int32Array,
  at: number,
  fd: number,
  addr: number | bigint,
  addrlen: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.ACCEPT | (IORING_ACCEPT.MULTISHOT << 16), fd, addrlen, addr, 0, flags);
  words[at + 11] = -1;
}

/**
 * Sends; matches `io_uring_prep_send()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf the address of the buffer
 * @param len how many bytes, up to 2^32 − 1
 * @param flags MSG bits
 */
export function prepSend(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.SEND, sockfd, 0, buf, size32("prepSend", "len", len), flags);
}

/**
 * Sends as many provided buffers as there are; matches `io_uring_prep_send_bundle()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param len at most so many bytes; 0 is all
 * @param flags MSG bits
 */
export function prepSendBundle(
  words: Int32Array,
  at: number,
  sockfd: number,
  len: number | bigint,
  flags: number,
): void {
  putSqe(
    words,
    at,
    IORING_OP.SEND | (IORING_RECVSEND.BUNDLE << 16),
    sockfd,
    0,
    0,
    size32("prepSendBundle", "len", len),
    flags,
  );
}

/**
 * Sets the address that a send goes to. Changes nothing else; matches `io_uring_prep_send_set_addr()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param destAddr the address of a sockaddr
 * @param addrLen how long it is, up to 65535
 */
export function prepSendSetAddr(words: Int32Array, at: number, destAddr: number | bigint, addrLen: number): void {
  if ((addrLen & 0xffff) !== addrLen) refuse("prepSendSetAddr", "addrLen", addrLen, 0, 0xffff);
  put64(words, at + 2, destAddr);
  words[at + 11] = (words[at + 11]! & ~0xffff) | addrLen;
}

/**
 * Sends to an address; matches `io_uring_prep_sendto()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf the address of the buffer
 * @param len how many bytes, up to 2^32 − 1
 * @param flags MSG bits
 * @param addr the address of a sockaddr
 * @param addrlen how long it is, up to 65535
 */
export function prepSendto(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
  addr: number | bigint,
  addrlen: number,
): void {
  if ((addrlen & 0xffff) !== addrlen) refuse("prepSendto", "addrlen", addrlen, 0, 0xffff);
  putSqe(words, at, IORING_OP.SEND, sockfd, addr, buf, size32("prepSendto", "len", len), flags);
  words[at + 11] = addrlen;
}

/**
 * Sends without a copy: the buffer is free at the second completion, the notification; matches
 * `io_uring_prep_send_zc()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf the address of the buffer
 * @param len how many bytes, up to 2^32 − 1
 * @param flags MSG bits
 * @param zcFlags IORING_RECVSEND and IORING_SEND bits, up to 65535
 */
export function prepSendZc(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
  zcFlags: number,
): void {
  if ((zcFlags & 0xffff) !== zcFlags) refuse("prepSendZc", "zcFlags", zcFlags, 0, 0xffff);
  putSqe(words, at, IORING_OP.SEND_ZC | (zcFlags << 16), sockfd, 0, buf, size32("prepSendZc", "len", len), flags);
}

/**
 * Sends from a registered buffer without a copy; matches `io_uring_prep_send_zc_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf the address of the buffer
 * @param len how many bytes, up to 2^32 − 1
 * @param flags MSG bits
 * @param zcFlags IORING_RECVSEND and IORING_SEND bits, up to 65535
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepSendZcFixed(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
  zcFlags: number,
  bufIndex: number,
): void {
  if ((zcFlags & 0xffff) !== zcFlags) refuse("prepSendZcFixed", "zcFlags", zcFlags, 0, 0xffff);
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepSendZcFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(
    words,
    at,
    IORING_OP.SEND_ZC | ((zcFlags | IORING_RECVSEND.FIXED_BUF) << 16),
    sockfd,
    0,
    buf,
    size32("prepSendZcFixed", "len", len),
    flags,
  );
  words[at + 10] = bufIndex;
}

/**
 * Sends a message; matches `io_uring_prep_sendmsg()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param msg the address of a struct msghdr
 * @param flags MSG bits
 */
export function prepSendmsg(words: Int32Array, at: number, fd: number, msg: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.SENDMSG, fd, 0, msg, 1, flags);
}

/**
 * Sends a message without a copy; matches `io_uring_prep_sendmsg_zc()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param msg the address of a struct msghdr
 * @param flags MSG bits
 */
export function prepSendmsgZc(words: Int32Array, at: number, fd: number, msg: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.SENDMSG_ZC, fd, 0, msg, 1, flags);
}

/**
 * Sends a message from a registered buffer without a copy; matches `io_uring_prep_sendmsg_zc_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param msg the address of a struct msghdr
 * @param flags MSG bits
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepSendmsgZcFixed(
  words: Int32Array,
  at: number,
  fd: number,
  msg: number | bigint,
  flags: number,
  bufIndex: number,
): void {
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepSendmsgZcFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(words, at, IORING_OP.SENDMSG_ZC | (IORING_RECVSEND.FIXED_BUF << 16), fd, 0, msg, 1, flags);
  words[at + 10] = bufIndex;
}

/**
 * Receives; matches `io_uring_prep_recv()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf the address of the buffer
 * @param len how many bytes, up to 2^32 − 1
 * @param flags MSG bits
 */
export function prepRecv(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.RECV, sockfd, 0, buf, size32("prepRecv", "len", len), flags);
}

/**
 * Receives again and again into provided buffers (IOSQE.BUFFER_SELECT and a group are to be set); matches
 * `io_uring_prep_recv_multishot()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param buf 0
 * @param len at most so many bytes a completion; 0 is the whole of a buffer
 * @param flags MSG bits
 */
export function prepRecvMultishot(
  words: Int32Array,
  at: number,
  sockfd: number,
  buf: number | bigint,
  len: number | bigint,
  flags: number,
): void {
  putSqe(
    words,
    at,
    IORING_OP.RECV | (IORING_RECV.MULTISHOT << 16),
    sockfd,
    0,
    buf,
    size32("prepRecvMultishot", "len", len),
    flags,
  );
}

/**
 * Receives a message; matches `io_uring_prep_recvmsg()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param msg the address of a struct msghdr
 * @param flags MSG bits
 */
export function prepRecvmsg(words: Int32Array, at: number, fd: number, msg: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.RECVMSG, fd, 0, msg, 1, flags);
}

/**
 * Receives messages again and again into provided buffers; matches `io_uring_prep_recvmsg_multishot()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param msg the address of a struct msghdr
 * @param flags MSG bits
 */
export function prepRecvmsgMultishot(
  words: Int32Array,
  at: number,
  fd: number,
  msg: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.RECVMSG | (IORING_RECV.MULTISHOT << 16), fd, 0, msg, 1, flags);
}

/**
 * Receives from a registered network queue without a copy, again and again. liburing has no prep for it.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param sockfd the socket
 * @param len at most so many bytes altogether; 0 is no limit
 * @param ifqIdx the queue, as IORING_REGISTER_ZCRX_IFQ numbered it
 */
export function prepRecvZc(words: Int32Array, at: number, sockfd: number, len: number, ifqIdx: number): void {
  if (len >>> 0 !== len) refuse("prepRecvZc", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.RECV_ZC | (IORING_RECV.MULTISHOT << 16), sockfd, 0, 0, len, 0);
  words[at + 11] = ifqIdx | 0;
}
