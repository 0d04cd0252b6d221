/**
 * Epoll sets: for programs that have one already.
 *
 * @module
 */

import { EPOLL_CTL, IOSQE } from "../abi/constants.ts";
import { prepEpollCtl, prepEpollWait } from "../abi/encode.ts";
import { architecture } from "../../ffi/host.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkFlags, checkInteger, shown } from "./arguments.ts";
import { checkOptions, type OpOptions } from "./base.ts";
import { ProcessOps } from "./ops_process.ts";

/** What an epoll set waits for, or tells of. */
export interface EpollEvent {
  /** EPOLL bits. */
  readonly events: number;
  /**
   * What comes with the event: 0 to 2^64 − 1, beyond 2^53 − 1 as a bigint. Default: the descriptor.
   */
  readonly data?: number | bigint;
}

/** An event of an epoll set. */
export interface ReadyEvent {
  /** EPOLL bits that are set. */
  readonly events: number;
  /** What was given with the file: a number up to 2^53 − 1, else a bigint. */
  readonly data: number | bigint;
}

/** struct epoll_event is packed on x86_64. */
const PACKED = architecture() !== "aarch64";
const EVENT_SIZE = PACKED ? 12 : 16;
const EVENT_DATA = PACKED ? 4 : 8;
/** As many as fit scratch memory on every architecture. */
const MAX_EVENTS = 1024;
const MAX_U64 = 0xffffffffffffffffn;

/** Epoll sets: for programs that have one already. */
export class EpollOps extends ProcessOps {
  /**
   * Changes an epoll set, as epoll_ctl(2).
   *
   * @param epfd the epoll set
   * @param fd the file that is added, removed, or waited for in another way
   * @param op an EPOLL_CTL value
   * @param event what to wait for; needed for ADD and MOD
   * @returns 0
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) EEXIST, ENOENT; EPERM for a file that is always ready; EINVAL when `epfd` is no epoll
   *   set
   */
  epollCtl(epfd: number, fd: number, op: number, event?: EpollEvent, o?: OpOptions): Promise<number> {
    this.need("EPOLL_CTL", "5.6");
    checkFd(epfd, "epfd");
    checkFd(fd);
    checkInteger(op, "op", EPOLL_CTL.ADD, EPOLL_CTL.MOD);
    // The kernel would overlook it, and take the descriptor of that number.
    if (o !== undefined && (checkOptions(o) & IOSQE.FIXED_FILE) !== 0) {
      throw new TypeError("epollCtl() takes descriptors alone: leave fixedFile out");
    }
    if (event === undefined) {
      if (op !== EPOLL_CTL.DEL) throw new TypeError("event must be given with ADD and MOD: { events }");
      return this.start({ op: "epoll_ctl", fd: epfd }, o, (words, at) => prepEpollCtl(words, at, epfd, fd, op, 0));
    }
    if (event === null || typeof event !== "object") {
      throw new TypeError(`event must be an object, not ${shown(event)}`);
    }
    const { events, data = fd >>> 0 } = event;
    checkFlags(events, "event.events");
    const wide = toU64(data);
    const scratch = takeScratch(EVENT_SIZE);
    scratch.view.setUint32(0, events, true);
    scratch.view.setBigUint64(EVENT_DATA, wide, true);
    return this.start({ op: "epoll_ctl", fd: epfd, scratch }, o, (words, at) => {
      prepEpollCtl(words, at, epfd, fd, op, scratch.address);
    });
  }

  /**
   * Waits for an epoll set, as epoll_wait(2). Since Linux 6.15.
   *
   * @param epfd the epoll set
   * @param maxEvents 1 to 1024; what does not fit comes next time
   * @returns what is ready, at least one
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EINVAL when `epfd` is no epoll set
   */
  epollWait(epfd: number, maxEvents: number, o?: OpOptions): Promise<ReadyEvent[]> {
    this.need("EPOLL_WAIT", "6.15");
    checkFd(epfd, "epfd");
    checkInteger(maxEvents, "maxEvents", 1, MAX_EVENTS);
    const scratch = takeScratch(maxEvents * EVENT_SIZE);
    const extra = { decode: decode as (count: number, scratch: Scratch | null) => ReadyEvent[] };
    return this.start<ReadyEvent[]>({ op: "epoll_wait", fd: epfd, scratch, extra }, o, (words, at) => {
      prepEpollWait(words, at, epfd, scratch.address, maxEvents, 0);
    });
  }
}

function toU64(data: number | bigint): bigint {
  if (typeof data === "number" && !Number.isInteger(data)) {
    throw new TypeError(`event.data must be an integer, not ${shown(data)}`);
  }
  if (typeof data !== "number" && typeof data !== "bigint") {
    throw new TypeError(`event.data must be a number or bigint, not ${shown(data)}`);
  }
  if (data > Number.MAX_SAFE_INTEGER && typeof data === "number") {
    throw new RangeError(`event.data ${data} is beyond 2^53 - 1, where a number is not exact: give a bigint`);
  }
  const wide = BigInt(data);
  if (wide < 0n || wide > MAX_U64) throw new RangeError(`event.data must be from 0 to 2^64 - 1, not ${data}`);
  return wide;
}

function decode(count: number, { view }: Scratch): ReadyEvent[] {
  return Array.from({ length: count }, (_, i) => {
    const data = view.getBigUint64(i * EVENT_SIZE + EVENT_DATA, true);
    return {
      events: view.getUint32(i * EVENT_SIZE, true),
      data: data <= Number.MAX_SAFE_INTEGER ? Number(data) : data,
    };
  });
}
