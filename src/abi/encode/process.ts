/**
 * Encoders for children and futexes.
 *
 * @module
 */
import { IORING_OP } from "../constants.ts";
import { put64, putSqe } from "./words.ts";

/**
 * Waits for a child; matches `io_uring_prep_waitid()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param idtype one of P
 * @param id the process, group or pidfd
 * @param infop the address for a siginfo_t, or 0
 * @param options W bits
 * @param flags none exist: 0
 */
export function prepWaitid(
  words: Int32Array,
  at: number,
  idtype: number,
  id: number,
  infop: number | bigint,
  options: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.WAITID, id, infop, 0, idtype, flags);
  words[at + 11] = options | 0;
}

/**
 * Wakes those that wait for a futex; matches `io_uring_prep_futex_wake()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param futex the address of the futex
 * @param val how many
 * @param mask the bits to match; all ones for any
 * @param futexFlags FUTEX2 bits
 * @param flags none exist: 0
 */
export function prepFutexWake(
  words: Int32Array,
  at: number,
  futex: number | bigint,
  val: number | bigint,
  mask: number | bigint,
  futexFlags: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.FUTEX_WAKE, futexFlags, val, futex, 0, flags);
  put64(words, at + 12, mask);
}

/**
 * Waits for a futex; matches `io_uring_prep_futex_wait()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param futex the address of the futex
 * @param val the value it must have
 * @param mask the bits to match; all ones for any
 * @param futexFlags FUTEX2 bits
 * @param flags none exist: 0
 */
export function prepFutexWait(
  words: Int32Array,
  at: number,
  futex: number | bigint,
  val: number | bigint,
  mask: number | bigint,
  futexFlags: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.FUTEX_WAIT, futexFlags, val, futex, 0, flags);
  put64(words, at + 12, mask);
}

/**
 * Waits for any of several futexes; matches `io_uring_prep_futex_waitv()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param futex the address of struct futex_waitvs
 * @param nrFutex how many
 * @param flags none exist: 0
 */
export function prepFutexWaitv(
  words: Int32Array,
  at: number,
  futex: number | bigint,
  nrFutex: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.FUTEX_WAITV, 0, 0, futex, nrFutex, flags);
}
