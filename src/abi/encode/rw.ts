/**
 * Encoders that read and write.
 *
 * @module
 */
import { IORING_OP, IOSQE } from "../constants.ts";
import { putSqe, refuse } from "./words.ts";

/**
 * Reads at an offset; matches `io_uring_prep_read()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param buf the address of the buffer
 * @param nbytes how many bytes, up to 2^32 − 1
 * @param offset where in the file; -1 is its position
 */
export function prepRead(
  words: Int32Array,
  at: number,
  fd: number,
  buf: number | bigint,
  nbytes: number,
  offset: number | bigint,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepRead", "nbytes", nbytes, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.READ, fd, offset, buf, nbytes, 0);
}

/**
 * Writes at an offset; matches `io_uring_prep_write()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param buf the address of the buffer
 * @param nbytes how many bytes, up to 2^32 − 1
 * @param offset where in the file; -1 is its position
 */
export function prepWrite(
  words: Int32Array,
  at: number,
  fd: number,
  buf: number | bigint,
  nbytes: number,
  offset: number | bigint,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepWrite", "nbytes", nbytes, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.WRITE, fd, offset, buf, nbytes, 0);
}

/**
 * Reads into a registered buffer; matches `io_uring_prep_read_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param buf an address within the registered buffer
 * @param nbytes how many bytes, up to 2^32 − 1
 * @param offset where in the file; -1 is its position
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepReadFixed(
  words: Int32Array,
  at: number,
  fd: number,
  buf: number | bigint,
  nbytes: number,
  offset: number | bigint,
  bufIndex: number,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepReadFixed", "nbytes", nbytes, 0, 0xffffffff);
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepReadFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(words, at, IORING_OP.READ_FIXED, fd, offset, buf, nbytes, 0);
  words[at + 10] = bufIndex;
}

/**
 * Writes from a registered buffer; matches `io_uring_prep_write_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param buf an address within the registered buffer
 * @param nbytes how many bytes, up to 2^32 − 1
 * @param offset where in the file; -1 is its position
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepWriteFixed(
  words: Int32Array,
  at: number,
  fd: number,
  buf: number | bigint,
  nbytes: number,
  offset: number | bigint,
  bufIndex: number,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepWriteFixed", "nbytes", nbytes, 0, 0xffffffff);
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepWriteFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(words, at, IORING_OP.WRITE_FIXED, fd, offset, buf, nbytes, 0);
  words[at + 10] = bufIndex;
}

/**
 * Reads into several buffers; matches `io_uring_prep_readv()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 */
export function prepReadv(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
): void {
  putSqe(words, at, IORING_OP.READV, fd, offset, iovecs, nrVecs, 0);
}

/**
 * Reads into several buffers, with flags; matches `io_uring_prep_readv2()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 * @param flags RWF bits
 */
export function prepReadv2(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.READV, fd, offset, iovecs, nrVecs, flags);
}

/**
 * Reads into several parts of one registered buffer; matches `io_uring_prep_readv_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 * @param flags RWF bits
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepReadvFixed(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
  flags: number,
  bufIndex: number,
): void {
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepReadvFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(words, at, IORING_OP.READV_FIXED, fd, offset, iovecs, nrVecs, flags);
  words[at + 10] = bufIndex;
}

/**
 * Writes from several buffers; matches `io_uring_prep_writev()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 */
export function prepWritev(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
): void {
  putSqe(words, at, IORING_OP.WRITEV, fd, offset, iovecs, nrVecs, 0);
}

/**
 * Writes from several buffers, with flags; matches `io_uring_prep_writev2()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 * @param flags RWF bits
 */
export function prepWritev2(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.WRITEV, fd, offset, iovecs, nrVecs, flags);
}

/**
 * Writes from several parts of one registered buffer; matches `io_uring_prep_writev_fixed()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param iovecs the address of the iovecs
 * @param nrVecs how many iovecs
 * @param offset where in the file; -1 is its position
 * @param flags RWF bits
 * @param bufIndex the registered buffer, up to 65535
 */
export function prepWritevFixed(
  words: Int32Array,
  at: number,
  fd: number,
  iovecs: number | bigint,
  nrVecs: number,
  offset: number | bigint,
  flags: number,
  bufIndex: number,
): void {
  if ((bufIndex & 0xffff) !== bufIndex) refuse("prepWritevFixed", "bufIndex", bufIndex, 0, 0xffff);
  putSqe(words, at, IORING_OP.WRITEV_FIXED, fd, offset, iovecs, nrVecs, flags);
  words[at + 10] = bufIndex;
}

/**
 * Reads again and again into provided buffers; matches `io_uring_prep_read_multishot()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param nbytes how many bytes a completion; 0 is the whole of a buffer
 * @param offset where in the file; -1 is its position
 * @param bufGroup the buffer group, up to 65535
 */
export function prepReadMultishot(
  words: Int32Array,
  at: number,
  fd: number,
  nbytes: number,
  offset: number | bigint,
  bufGroup: number,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepReadMultishot", "nbytes", nbytes, 0, 0xffffffff);
  if ((bufGroup & 0xffff) !== bufGroup) refuse("prepReadMultishot", "bufGroup", bufGroup, 0, 0xffff);
  putSqe(words, at, IORING_OP.READ_MULTISHOT | (IOSQE.BUFFER_SELECT << 8), fd, offset, 0, nbytes, 0);
  words[at + 10] = bufGroup;
}
