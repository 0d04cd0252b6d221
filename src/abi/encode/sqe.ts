/**
 * Setters for single fields of an SQE that a prep has written, and the op that does nothing.
 *
 * @module
 */
import { IORING_OP } from "../constants.ts";
import { put64, putSecondHalf, putSqe, refuse, size32 } from "./words.ts";

/**
 * Sets user_data to an address; matches `io_uring_sqe_set_data()`. Changes nothing else.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param data what the CQE will carry
 */
export function sqeSetData(words: Int32Array, at: number, data: number | bigint): void {
  put64(words, at + 8, data);
}

/**
 * Sets user_data; matches `io_uring_sqe_set_data64()`. Changes nothing else.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param data what the CQE will carry
 */
export function sqeSetData64(words: Int32Array, at: number, data: number | bigint): void {
  put64(words, at + 8, data);
}

/**
 * Sets the IOSQE flags; matches `io_uring_sqe_set_flags()`. Changes nothing else.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param flags IOSQE bits
 */
export function sqeSetFlags(words: Int32Array, at: number, flags: number): void {
  if ((flags & 0xff) !== flags) refuse("sqeSetFlags", "flags", flags, 0, 0xff);
  words[at] = (words[at]! & ~0xff00) | (flags << 8);
}

/**
 * Sets the buffer group; matches `io_uring_sqe_set_buf_group()`. Changes nothing else: IOSQE_BUFFER_SELECT is a flag.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param bgid the group
 */
export function sqeSetBufGroup(words: Int32Array, at: number, bgid: number): void {
  if ((bgid & 0xffff) !== bgid) refuse("sqeSetBufGroup", "bgid", bgid, 0, 0xffff);
  words[at + 10] = (words[at + 10]! & ~0xffff) | bgid;
}

/**
 * Any op by its number; matches `io_uring_prep_rw()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param op the opcode
 * @param fd the file descriptor
 * @param addr the address
 * @param len the length
 * @param offset the offset
 */
export function prepRw(
  words: Int32Array,
  at: number,
  op: number,
  fd: number,
  addr: number | bigint,
  len: number,
  offset: number | bigint,
): void {
  if ((op & 0xff) !== op) refuse("prepRw", "op", op, 0, 0xff);
  putSqe(words, at, op, fd, offset, addr, size32("prepRw", "len", len), 0);
}

/**
 * Does nothing, and completes; matches `io_uring_prep_nop()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 */
export function prepNop(words: Int32Array, at: number): void {
  putSqe(words, at, IORING_OP.NOP, -1, 0, 0, 0, 0);
}

/**
 * Does nothing, with an SQE of 128 bytes; matches `io_uring_prep_nop128()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 */
export function prepNop128(words: Int32Array, at: number): void {
  putSqe(words, at, IORING_OP.NOP128, -1, 0, 0, 0, 0);
  putSecondHalf(words, at);
}
