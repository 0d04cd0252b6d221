/**
 * Messages between rings: of this thread, of other workers, of other processes.
 *
 * @module
 */

import { IORING_MSG_RING } from "../abi/constants.ts";
import { prepMsgRing, prepMsgRingCqeFlags, prepMsgRingFd } from "../abi/encode.ts";
import { checkFd, checkInteger, checkU32, type FileSlot, refuseLayout, shown, toFileIndex } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { RingClosedError, UnsupportedError } from "./errors.ts";
import { EpollOps } from "./ops_epoll.ts";
import { kernelRelease } from "./probe.ts";

/** Where a message goes: a ring, or its descriptor, as another worker has told it. */
export type MessageTarget = number | { readonly fd: number; readonly closed?: boolean };

/**
 * Hears the messages of other rings.
 *
 * @param data what the sender gave: a number up to 2^53 − 1, a bigint beyond
 * @param result the sender's `length`; for a file that was sent, the slot that the kernel chose, or 0
 * @param flags the sender's CQE flags, or 0
 */
export type MessageHandler = (data: number | bigint, result: number, flags: number) => void;

/** Options of {@linkcode RingMessageOps.msgRingFd}. */
export interface MessageFdOptions extends OpOptions {
  /** The other ring gets the file, but hears no message. */
  readonly skipCqe?: boolean;
}

/** The two bits beyond tell a ring's own operations from messages. */
const MAX_DATA = 2n ** 62n - 1n;
const MAX_SLOT = 0x7fffffff - 1;
const EINVAL = -22;

/** Messages between rings. */
export class RingMessageOps extends EpollOps {
  #onMessage: MessageHandler | null = null;

  /**
   * What hears the messages of other rings; null: nobody. As long as it is set, the ring listens, and keeps the process
   * alive, unless it was unref'd. Set it before anybody is told of the ring: a message that nobody hears is dropped.
   */
  get onMessage(): MessageHandler | null {
    return this.#onMessage;
  }

  /**
   * Sets it.
   *
   * @throws {RingClosedError} when the ring is closed
   */
  set onMessage(handler: MessageHandler | null) {
    if (handler !== null && typeof handler !== "function") {
      throw new TypeError(`onMessage must be a function or null, not ${shown(handler)}`);
    }
    if (handler !== null && this.engine.closed) throw new RingClosedError("onMessage");
    this.#onMessage = handler;
    // The closure holds this ring: one that listens is not forgotten.
    this.engine.listen(handler === null ? undefined : (data, res, flags) => this.#hear(data, res, flags));
  }

  /** Outside of the turn: a handler may do anything, and what it throws is its own. */
  #hear(data: number | bigint, res: number, flags: number): void {
    queueMicrotask(() => this.#onMessage?.(data, res, flags));
  }

  /**
   * Sends a message to another ring: a completion that its `onMessage` hears. Since Linux 5.18.
   *
   * @param target the other ring, or its descriptor. A descriptor is only good while that ring is open
   * @param length becomes the result: any 32-bit integer
   * @param data becomes the user data: 0 to 2^62 − 1, beyond 2^53 − 1 as a bigint
   * @returns 0, when the message is there
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EBADFD when the target is no ring, or one that is not enabled; EOVERFLOW when its
   *   completion queue takes no more; EOWNERDEAD when its thread has ended
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using sender = new Ring();
   * await using receiver = new Ring();
   * const heard = new Promise((resolve) => receiver.onMessage = (data, result) => resolve([data, result]));
   * await sender.msgRing(receiver, 7, 42);
   * console.log(await heard); // [42, 7]
   * ```
   */
  msgRing(target: MessageTarget, length: number, data: number | bigint, o?: OpOptions): Promise<number> {
    this.need("MSG_RING", "5.18");
    const fd = ringFd(target);
    checkResult(length);
    checkData(data);
    return this.start({ op: "msg_ring", fd }, o, (words, at) => prepMsgRing(words, at, fd, length, data, 0));
  }

  /**
   * As {@linkcode msgRing}, with flags for the other ring's completion. Since Linux 6.3.
   *
   * @param cqeFlags any 32 bits, but for IORING_CQE_F.SKIP and 32, which tell how completions lie
   * @returns 0, when the message is there
   * @throws {UnsupportedError} (may reject with it) where the kernel has no such op
   */
  msgRingCqeFlags(
    target: MessageTarget,
    length: number,
    data: number | bigint,
    cqeFlags: number,
    o?: OpOptions,
  ): Promise<number> {
    this.need("MSG_RING", "5.18");
    const fd = ringFd(target);
    checkResult(length);
    checkData(data);
    checkU32(cqeFlags, "cqeFlags");
    refuseLayout(cqeFlags);
    const failed = (errno: number) =>
      errno === EINVAL ? new UnsupportedError("MSG_RING with CQE flags", "Linux 6.3", kernelRelease()) : undefined;
    return this.start({ op: "msg_ring", fd, extra: { failed } }, o, (words, at) => {
      prepMsgRingCqeFlags(words, at, fd, length, data, 0, cqeFlags);
    });
  }

  /**
   * Sends a registered file to another ring's registered files. Since Linux 6.0.
   *
   * @param target the other ring, or its descriptor; not this one
   * @param sourceSlot of this ring's registered files
   * @param targetSlot of the other's; `"alloc"`: a free one
   * @param data what the other's `onMessage` hears, with the slot that was chosen or 0; as for {@linkcode msgRing}
   * @param o options
   * @returns the slot of the other ring where the file is
   * @throws {UringError} (rejects) EBADF: the slot is empty; ENXIO: the other has no registered files; ENFILE: no slot
   *   is free there; EINVAL for this ring itself
   */
  msgRingFd(
    target: MessageTarget,
    sourceSlot: number,
    targetSlot: FileSlot,
    data: number | bigint,
    o?: MessageFdOptions,
  ): Promise<number> {
    this.need("MSG_RING", "5.18");
    const fd = ringFd(target);
    checkInteger(sourceSlot, "sourceSlot", 0, MAX_SLOT);
    const index = toFileIndex(targetSlot, "targetSlot");
    if (targetSlot !== "alloc") checkInteger(targetSlot, "targetSlot", 0, MAX_SLOT);
    checkData(data);
    const flags = o?.skipCqe ? IORING_MSG_RING.CQE_SKIP : 0;
    const decode = (slot: number) => targetSlot === "alloc" ? slot : targetSlot;
    return this.start({ op: "msg_ring", fd, extra: { decode } }, o, (words, at) => {
      prepMsgRingFd(words, at, fd, sourceSlot, index, data, flags);
    });
  }
}

function ringFd(target: MessageTarget): number {
  if (typeof target === "number") {
    checkFd(target, "target");
    return target;
  }
  if (target === null || typeof target !== "object" || typeof target.fd !== "number") {
    throw new TypeError(`target must be a Ring or its descriptor, not ${shown(target)}`);
  }
  if (target.closed) throw new RingClosedError("msg_ring to target");
  checkFd(target.fd, "target.fd");
  if (target.fd < 0) throw new TypeError("target has no descriptor: open that ring without REGISTERED_FD_ONLY");
  return target.fd;
}

/** A result: signed or unsigned, 32 bits. */
function checkResult(length: number): void {
  checkInteger(length, "length", -0x80000000, 0xffffffff);
}

function checkData(data: number | bigint): void {
  if (typeof data === "number") {
    if (!Number.isInteger(data)) throw new TypeError(`data must be an integer, not ${shown(data)}`);
    if (data > Number.MAX_SAFE_INTEGER) {
      throw new RangeError(`data ${data} is beyond 2^53 - 1, where a number is not exact: give a bigint`);
    }
  } else if (typeof data !== "bigint") {
    throw new TypeError(`data must be a number or bigint, not ${shown(data)}`);
  }
  if (data < 0 || data > MAX_DATA) throw new RangeError(`data must be from 0 to 2^62 - 1, not ${data}`);
}
