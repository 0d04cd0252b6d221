/**
 * Encoders for messages between rings, and provided buffers.
 *
 * @module
 */
import { IORING_MSG, IORING_MSG_RING, IORING_OP } from "../constants.ts";
import { putSqe, refuse } from "./words.ts";

/**
 * Posts a completion to another ring; matches `io_uring_prep_msg_ring()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the other ring
 * @param len the CQE's result
 * @param data the CQE's user data
 * @param flags IORING_MSG_RING bits
 */
export function prepMsgRing(
  words: Int32Array,
  at: number,
  fd: number,
  len: number,
  data: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.MSG_RING, fd, data, 0, len, flags);
}

/**
 * As prepMsgRing, and sets the flags of the CQE; matches `io_uring_prep_msg_ring_cqe_flags()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the other ring
 * @param len the CQE's result
 * @param data the CQE's user data
 * @param flags IORING_MSG_RING bits
 * @param cqeFlags the CQE's flags
 */
export function prepMsgRingCqeFlags(
  words: Int32Array,
  at: number,
  fd: number,
  len: number,
  data: number | bigint,
  flags: number,
  cqeFlags: number,
): void {
  putSqe(words, at, IORING_OP.MSG_RING, fd, data, 0, len, flags | IORING_MSG_RING.FLAGS_PASS);
  words[at + 11] = cqeFlags | 0;
}

/**
 * Sends a registered file to another ring; matches `io_uring_prep_msg_ring_fd()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the other ring
 * @param sourceFd our file slot
 * @param targetFd its file slot, or IORING_FILE_INDEX_ALLOC
 * @param data the CQE's user data
 * @param flags IORING_MSG_RING bits
 */
export function prepMsgRingFd(
  words: Int32Array,
  at: number,
  fd: number,
  sourceFd: number,
  targetFd: number,
  data: number | bigint,
  flags: number,
): void {
  if ((sourceFd | 0) !== sourceFd || sourceFd < 0) refuse("prepMsgRingFd", "sourceFd", sourceFd, 0, 0x7fffffff);
  // As C has it, where the parameter is an int: -1 stands for IORING_FILE_INDEX_ALLOC.
  const target = targetFd === 0xffffffff ? -1 : targetFd;
  if ((target | 0) !== target || target < -1) refuse("prepMsgRingFd", "targetFd", targetFd, -1, 0x7fffffff);
  putSqe(words, at, IORING_OP.MSG_RING, fd, data, IORING_MSG.SEND_FD, 0, flags);
  words[at + 11] = target === -1 ? -1 : (target + 1) | 0;
  words[at + 12] = sourceFd;
}

/**
 * Sends a registered file to a slot that the other ring picks; matches `io_uring_prep_msg_ring_fd_alloc()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the other ring
 * @param sourceFd our file slot
 * @param data the CQE's user data
 * @param flags IORING_MSG_RING bits
 */
export function prepMsgRingFdAlloc(
  words: Int32Array,
  at: number,
  fd: number,
  sourceFd: number,
  data: number | bigint,
  flags: number,
): void {
  if ((sourceFd | 0) !== sourceFd || sourceFd < 0) refuse("prepMsgRingFdAlloc", "sourceFd", sourceFd, 0, 0x7fffffff);
  putSqe(words, at, IORING_OP.MSG_RING, fd, data, IORING_MSG.SEND_FD, 0, flags);
  words[at + 11] = -1;
  words[at + 12] = sourceFd;
}

/**
 * Hands buffers to the kernel; matches `io_uring_prep_provide_buffers()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param addr the address of the first
 * @param len how long each is
 * @param nr how many, one behind the other
 * @param bgid their group, up to 65535
 * @param bid the id of the first, up to 65535
 */
export function prepProvideBuffers(
  words: Int32Array,
  at: number,
  addr: number | bigint,
  len: number,
  nr: number,
  bgid: number,
  bid: number,
): void {
  if ((len | 0) !== len || len < 0) refuse("prepProvideBuffers", "len", len, 0, 0x7fffffff);
  if ((nr | 0) !== nr || nr < 0) refuse("prepProvideBuffers", "nr", nr, 0, 0x7fffffff);
  if ((bgid & 0xffff) !== bgid) refuse("prepProvideBuffers", "bgid", bgid, 0, 0xffff);
  if ((bid & 0xffff) !== bid) refuse("prepProvideBuffers", "bid", bid, 0, 0xffff);
  putSqe(words, at, IORING_OP.PROVIDE_BUFFERS, nr, bid, addr, len, 0);
  words[at + 10] = bgid;
}

/**
 * Takes provided buffers back; matches `io_uring_prep_remove_buffers()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param nr how many
 * @param bgid their group, up to 65535
 */
export function prepRemoveBuffers(words: Int32Array, at: number, nr: number, bgid: number): void {
  if ((nr | 0) !== nr || nr < 0) refuse("prepRemoveBuffers", "nr", nr, 0, 0x7fffffff);
  if ((bgid & 0xffff) !== bgid) refuse("prepRemoveBuffers", "bgid", bgid, 0, 0xffff);
  putSqe(words, at, IORING_OP.REMOVE_BUFFERS, nr, 0, 0, 0, 0);
  words[at + 10] = bgid;
}
