/**
 * Encoders for commands of drivers and sockets.
 *
 * @module
 */
import { BLOCK_URING_CMD, IORING_OP, SOCKET_URING_OP } from "../constants.ts";
import { put64, putSecondHalf, putSqe, refuse } from "./words.ts";

/**
 * Runs a command of the file's driver; its argument goes into words 12 to 15; matches `io_uring_prep_uring_cmd()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param cmdOp the driver's command
 * @param fd the file descriptor
 */
export function prepUringCmd(words: Int32Array, at: number, cmdOp: number, fd: number): void {
  putSqe(words, at, IORING_OP.URING_CMD, fd, cmdOp >>> 0, 0, 0, 0);
}

/**
 * As prepUringCmd, with an SQE of 128 bytes; the argument goes into words 12 to 31; matches
 * `io_uring_prep_uring_cmd128()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param cmdOp the driver's command
 * @param fd the file descriptor
 */
export function prepUringCmd128(words: Int32Array, at: number, cmdOp: number, fd: number): void {
  putSqe(words, at, IORING_OP.URING_CMD128, fd, cmdOp >>> 0, 0, 0, 0);
  putSecondHalf(words, at);
}

/**
 * Runs a command of a socket; matches `io_uring_prep_cmd_sock()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param cmdOp one of SOCKET_URING_OP
 * @param fd the socket
 * @param level SOL_SOCKET and so on
 * @param optname SO_REUSEPORT and so on
 * @param optval the address of the value
 * @param optlen its length
 */
export function prepCmdSock(
  words: Int32Array,
  at: number,
  cmdOp: number,
  fd: number,
  level: number,
  optname: number,
  optval: number | bigint,
  optlen: number,
): void {
  putSqe(words, at, IORING_OP.URING_CMD, fd, cmdOp >>> 0, 0, 0, 0);
  words[at + 4] = level | 0;
  words[at + 5] = optname | 0;
  words[at + 11] = optlen | 0;
  put64(words, at + 12, optval);
}

/**
 * Asks for a socket's address; matches `io_uring_prep_cmd_getsockname()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the socket
 * @param sockaddr the address for a sockaddr
 * @param sockaddrLen the address of its length
 * @param peer 0 for its own, 1 for its peer's
 */
export function prepCmdGetsockname(
  words: Int32Array,
  at: number,
  fd: number,
  sockaddr: number | bigint,
  sockaddrLen: number | bigint,
  peer: number,
): void {
  if ((peer & 1) !== peer) refuse("prepCmdGetsockname", "peer", peer, 0, 1);
  putSqe(words, at, IORING_OP.URING_CMD, fd, SOCKET_URING_OP.GETSOCKNAME, sockaddr, 0, 0);
  words[at + 11] = peer;
  put64(words, at + 12, sockaddrLen);
}

/**
 * Discards a range of a block device; matches `io_uring_prep_cmd_discard()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param offset where the range starts
 * @param nbytes how many bytes
 */
export function prepCmdDiscard(
  words: Int32Array,
  at: number,
  fd: number,
  offset: number | bigint,
  nbytes: number | bigint,
): void {
  putSqe(words, at, IORING_OP.URING_CMD, fd, BLOCK_URING_CMD.DISCARD, offset, 0, 0);
  put64(words, at + 12, nbytes);
}

/**
 * Resets every zone of a block device; matches `io_uring_prep_cmd_zone_reset_all()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 */
export function prepCmdZoneResetAll(words: Int32Array, at: number, fd: number): void {
  putSqe(words, at, IORING_OP.URING_CMD, fd, BLOCK_URING_CMD.ZONE_RESET_ALL, 0, 0, 0);
}
