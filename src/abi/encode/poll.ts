/**
 * Encoders for readiness: poll and epoll.
 *
 * @module
 */
import { IORING_OP, IORING_POLL } from "../constants.ts";
import { putSqe } from "./words.ts";

/**
 * Completes when a file is ready; matches `io_uring_prep_poll_add()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param pollMask POLL bits
 */
export function prepPollAdd(words: Int32Array, at: number, fd: number, pollMask: number): void {
  putSqe(words, at, IORING_OP.POLL_ADD, fd, 0, 0, 0, pollMask);
}

/**
 * Completes every time that a file becomes ready; matches `io_uring_prep_poll_multishot()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param pollMask POLL bits
 */
export function prepPollMultishot(words: Int32Array, at: number, fd: number, pollMask: number): void {
  putSqe(words, at, IORING_OP.POLL_ADD, fd, 0, 0, IORING_POLL.ADD_MULTI, pollMask);
}

/**
 * Removes a poll request; matches `io_uring_prep_poll_remove()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param userData its user data
 */
export function prepPollRemove(words: Int32Array, at: number, userData: number | bigint): void {
  putSqe(words, at, IORING_OP.POLL_REMOVE, -1, 0, userData, 0, 0);
}

/**
 * Changes a poll request; matches `io_uring_prep_poll_update()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param oldUserData its user data
 * @param newUserData its new user data
 * @param pollMask POLL bits
 * @param flags IORING_POLL bits
 */
export function prepPollUpdate(
  words: Int32Array,
  at: number,
  oldUserData: number | bigint,
  newUserData: number | bigint,
  pollMask: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.POLL_REMOVE, -1, newUserData, oldUserData, flags, pollMask);
}

/**
 * Changes an epoll set; matches `io_uring_prep_epoll_ctl()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param epfd the epoll file
 * @param fd the file
 * @param op one of EPOLL_CTL
 * @param ev the address of a struct epoll_event
 */
export function prepEpollCtl(
  words: Int32Array,
  at: number,
  epfd: number,
  fd: number,
  op: number,
  ev: number | bigint,
): void {
  putSqe(words, at, IORING_OP.EPOLL_CTL, epfd, fd >>> 0, ev, op, 0);
}

/**
 * Waits for an epoll set; matches `io_uring_prep_epoll_wait()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the epoll file
 * @param events the address for struct epoll_events
 * @param maxevents how many
 * @param flags none exist: 0
 */
export function prepEpollWait(
  words: Int32Array,
  at: number,
  fd: number,
  events: number | bigint,
  maxevents: number,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.EPOLL_WAIT, fd, 0, events, maxevents, flags);
}
