/**
 * Encoders for timeouts and cancelling.
 *
 * @module
 */
import { IORING_ASYNC_CANCEL, IORING_OP, IORING_TIMEOUT } from "../constants.ts";
import { putSqe } from "./words.ts";

/**
 * Completes after a time, or after so many completions; matches `io_uring_prep_timeout()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param ts the address of a struct __kernel_timespec
 * @param count how many completions; 0 is none, the time alone
 * @param flags IORING_TIMEOUT bits
 */
export function prepTimeout(words: Int32Array, at: number, ts: number | bigint, count: number, flags: number): void {
  putSqe(words, at, IORING_OP.TIMEOUT, -1, count >>> 0, ts, 1, flags);
}

/**
 * Removes a timeout; matches `io_uring_prep_timeout_remove()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param userData its user data
 * @param flags IORING_TIMEOUT bits
 */
export function prepTimeoutRemove(words: Int32Array, at: number, userData: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.TIMEOUT_REMOVE, -1, 0, userData, 0, flags);
}

/**
 * Changes a timeout; matches `io_uring_prep_timeout_update()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param ts the address of a struct __kernel_timespec
 * @param userData its user data
 * @param flags IORING_TIMEOUT bits
 */
export function prepTimeoutUpdate(
  words: Int32Array,
  at: number,
  ts: number | bigint,
  userData: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.TIMEOUT_REMOVE, -1, ts, userData, 0, flags | IORING_TIMEOUT.UPDATE);
}

/**
 * Limits the time of the request before it, which must be linked to it; matches `io_uring_prep_link_timeout()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param ts the address of a struct __kernel_timespec
 * @param flags IORING_TIMEOUT bits
 */
export function prepLinkTimeout(words: Int32Array, at: number, ts: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.LINK_TIMEOUT, -1, 0, ts, 1, flags);
}

/**
 * Cancels by user data; matches `io_uring_prep_cancel64()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param userData the request's user data
 * @param flags IORING_ASYNC_CANCEL bits
 */
export function prepCancel64(words: Int32Array, at: number, userData: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.ASYNC_CANCEL, -1, 0, userData, 0, flags);
}

/**
 * Cancels by user data that is an address; matches `io_uring_prep_cancel()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param userData the request's user data
 * @param flags IORING_ASYNC_CANCEL bits
 */
export function prepCancel(words: Int32Array, at: number, userData: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.ASYNC_CANCEL, -1, 0, userData, 0, flags);
}

/**
 * Cancels by file; matches `io_uring_prep_cancel_fd()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param flags IORING_ASYNC_CANCEL bits
 */
export function prepCancelFd(words: Int32Array, at: number, fd: number, flags: number): void {
  putSqe(words, at, IORING_OP.ASYNC_CANCEL, fd, 0, 0, 0, flags | IORING_ASYNC_CANCEL.FD);
}
