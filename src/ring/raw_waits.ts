/**
 * RawRing's preps that wait: polls, epolls, timeouts, futexes, children; and what ends a wait.
 *
 * @module
 */

import { IORING_ASYNC_CANCEL, IORING_OP } from "../abi/constants.ts";
import * as encode from "../abi/encode.ts";
import { checkFd, checkFlags, checkInteger, checkU32, futexSize } from "./arguments.ts";
import {
  addressIn,
  check64,
  checkUserData,
  EPOLL_EVENT_SIZE,
  futexesFor,
  homeFor,
  isAddress,
  type Memory,
  type RawFutexWait,
  type RawTimespec,
  timespecFor,
} from "./raw_memory.ts";
import { RawSockets } from "./raw_sockets.ts";

/** What can be meant where others have the same user data. */
const POLLS: readonly number[] = [IORING_OP.POLL_ADD];
const TIMEOUTS: readonly number[] = [IORING_OP.TIMEOUT, IORING_OP.LINK_TIMEOUT];

/** sizeof(siginfo_t) */
const SIGINFO_SIZE = 128;

/** Polls, timeouts, futexes, children, and cancelling. */
export class RawWaits extends RawSockets {
  /** `io_uring_prep_poll_add` */
  prepPollAdd(userData: number, fd: number, mask: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(mask, "mask");
    encode.prepPollAdd(this.sqes, at, fd, mask);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_poll_multishot`: a completion an event, until one comes without IORING_CQE_F.MORE. */
  prepPollMultishot(userData: number, fd: number, mask: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(mask, "mask");
    encode.prepPollMultishot(this.sqes, at, fd, mask);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_poll_remove`: by user data. */
  prepPollRemove(userData: number, target: number | bigint): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    encode.prepPollRemove(this.sqes, at, this.target(target, POLLS));
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_poll_update`: the poll with user data `target` gets new user data (with IORING_POLL.UPDATE_USER_DATA
   * in `flags`) or a new mask (UPDATE_EVENTS).
   */
  prepPollUpdate(
    userData: number,
    target: number | bigint,
    newUserData: number,
    mask: number,
    flags: number,
  ): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkUserData(newUserData);
    checkFlags(mask, "mask");
    checkFlags(flags, "flags");
    encode.prepPollUpdate(this.sqes, at, this.target(target, POLLS), newUserData, mask, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_epoll_ctl`: `ev` is a `struct epoll_event` (12 bytes; 16 where it is not packed), or 0. */
  prepEpollCtl(userData: number, epfd: number, fd: number, op: number, ev: Memory): boolean {
    const at = this.room(userData, epfd, "epfd");
    if (at < 0) return false;
    checkFd(fd);
    checkFlags(op, "op");
    const home = homeFor(ev, EPOLL_EVENT_SIZE, "ev");
    const address = addressIn(home, ev, EPOLL_EVENT_SIZE);
    this.still(at);
    encode.prepEpollCtl(this.sqes, at, epfd, fd, op, address);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_epoll_wait`: `events` takes `maxevents` of `struct epoll_event` (6.15). */
  prepEpollWait(userData: number, fd: number, events: Memory, maxevents: number, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkInteger(maxevents, "maxevents", 0, 0x7fffffff);
    checkFlags(flags, "flags");
    const home = homeFor(events, maxevents * EPOLL_EVENT_SIZE, "events");
    const address = addressIn(home, events, maxevents * EPOLL_EVENT_SIZE);
    this.still(at);
    encode.prepEpollWait(this.sqes, at, fd, address, maxevents, flags);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_timeout` */
  prepTimeout(userData: number, ts: RawTimespec, count: number, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkU32(count, "count");
    checkFlags(flags, "flags");
    const timespec = timespecFor(ts);
    this.still(at, timespec.scratch, timespec.more);
    encode.prepTimeout(this.sqes, at, timespec.address, count, flags);
    return this.holdingPlaced(at, userData, timespec);
  }

  /** `io_uring_prep_timeout_remove`: by user data. */
  prepTimeoutRemove(userData: number, target: number | bigint, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    encode.prepTimeoutRemove(this.sqes, at, this.target(target, TIMEOUTS), flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_timeout_update`: by user data. */
  prepTimeoutUpdate(userData: number, ts: RawTimespec, target: number | bigint, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const kernelTarget = this.target(target, TIMEOUTS);
    const timespec = timespecFor(ts);
    this.still(at, timespec.scratch, timespec.more);
    encode.prepTimeoutUpdate(this.sqes, at, timespec.address, kernelTarget, flags);
    return this.holdingPlaced(at, userData, timespec);
  }

  /** `io_uring_prep_link_timeout`: limits the SQE prepared before, which needs IO_LINK. */
  prepLinkTimeout(userData: number, ts: RawTimespec, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const timespec = timespecFor(ts);
    this.still(at, timespec.scratch, timespec.more);
    encode.prepLinkTimeout(this.sqes, at, timespec.address, flags);
    return this.holdingPlaced(at, userData, timespec);
  }

  /**
   * `io_uring_prep_cancel`: by user data; of several with the same, one, and one that holds memory where there is any. What
   * runs in a worker thread is interrupted and ends by itself: EALREADY, or now and then ENOENT, if it has ended as the kernel looks for
   * it a second time.
   */
  prepCancel(userData: number, target: number | bigint, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const all = (flags & IORING_ASYNC_CANCEL.ALL) !== 0;
    encode.prepCancel(this.sqes, at, this.target(target, undefined, all), flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_cancel64`: as {@linkcode prepCancel}; in C one takes a pointer, the other a number. */
  prepCancel64(userData: number, target: number | bigint, flags: number): boolean {
    return this.prepCancel(userData, target, flags);
  }

  /** `io_uring_prep_cancel_fd` */
  prepCancelFd(userData: number, fd: number, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    encode.prepCancelFd(this.sqes, at, fd, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_futex_wake`: wakes up to `val` who wait on the futex; with FUTEX2 bits in `futexFlags` (6.7). */
  prepFutexWake(
    userData: number,
    futex: Memory,
    val: number | bigint,
    mask: number | bigint,
    futexFlags: number,
    flags: number,
  ): boolean {
    return this.#futex(encode.prepFutexWake, userData, futex, val, mask, futexFlags, flags);
  }

  /** `io_uring_prep_futex_wait`: until somebody wakes the futex; −EAGAIN when its value is not `val` (6.7). */
  prepFutexWait(
    userData: number,
    futex: Memory,
    val: number | bigint,
    mask: number | bigint,
    futexFlags: number,
    flags: number,
  ): boolean {
    return this.#futex(encode.prepFutexWait, userData, futex, val, mask, futexFlags, flags);
  }

  #futex(
    prep: typeof encode.prepFutexWait,
    userData: number,
    futex: Memory,
    val: number | bigint,
    mask: number | bigint,
    futexFlags: number,
    flags: number,
  ): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    check64(val, "val");
    check64(mask, "mask");
    checkFlags(futexFlags, "futexFlags");
    checkFlags(flags, "flags");
    const size = futexSize(futexFlags);
    const home = homeFor(futex, size, "futex");
    const address = addressIn(home, futex, size);
    this.still(at);
    prep(this.sqes, at, address, val, mask, futexFlags, flags);
    return this.holding(at, userData, home, null);
  }

  /**
   * `io_uring_prep_futex_waitv`: until somebody wakes one of them; completes with its index (6.7). `futex` is memory
   * with `nrFutex` of `struct futex_waitv`, or an array of `{ futex, val, flags }`.
   */
  prepFutexWaitv(userData: number, futex: Memory | readonly RawFutexWait[], nrFutex: number, flags: number): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const futexes = futexesFor(futex, nrFutex);
    this.still(at, futexes.scratch, futexes.more);
    encode.prepFutexWaitv(this.sqes, at, futexes.address, nrFutex, flags);
    return this.holdingPlaced(at, userData, futexes);
  }

  /** `io_uring_prep_waitid`: `infop` takes the 128 bytes of a `siginfo_t`, or is 0 (6.7). */
  prepWaitid(
    userData: number,
    idtype: number,
    id: number,
    infop: Memory,
    options: number,
    flags: number,
  ): boolean {
    const at = this.room(userData, 0);
    if (at < 0) return false;
    checkFlags(idtype, "idtype");
    checkFlags(id, "id");
    checkFlags(options, "options");
    checkFlags(flags, "flags");
    const home = homeFor(infop, isAddress(infop) ? 0 : SIGINFO_SIZE, "infop");
    const address = addressIn(home, infop, SIGINFO_SIZE);
    this.still(at);
    encode.prepWaitid(this.sqes, at, idtype, id, address, options, flags);
    return this.holding(at, userData, home, null);
  }
}
