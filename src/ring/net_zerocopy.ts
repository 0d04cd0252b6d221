/**
 * Sending without a copy.
 *
 * @module
 */

import { IORING_CQE_F, IORING_FEAT, IORING_OP, IORING_SEND, IOSQE, MSG } from "../abi/constants.ts";
import { prepSendmsgZc, prepSendmsgZcFixed, prepSendSetAddr, prepSendZc, prepSendZcFixed } from "../abi/encode.ts";
import type { Bytes } from "../memory/address.ts";
import { giveScratch } from "../memory/scratch.ts";
import type { SocketAddress } from "../memory/sockaddr.ts";
import { checkFd, checkFlags, checkInteger, shown } from "./arguments.ts";
import type { Extra } from "./pending.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import { MessageOps } from "./net_message.ts";
import type { TransferOptions } from "./net_send.ts";
import { kernelRelease } from "./probe.ts";
import { type Piece, pieceOf } from "./socket_buffers.ts";
import { type SendMessage, stageSend } from "./socket_message.ts";

/** What became of a send without a copy. */
export interface ZeroCopyUsage {
  /** The data was copied after all, at least in part: the device can't do without, or the peer is on this machine. */
  readonly copied: boolean;
}

/** Options of sends without a copy. Both functions are called in a microtask of their own. */
export interface ZeroCopyOptions extends TransferOptions {
  /** Told how many bytes were taken, as soon as that is known. The buffer is still in use. */
  readonly onSent?: (bytes: number) => void;
  /** Told whether data was copied, once the kernel has let go of the buffer (IORING_SEND_ZC_REPORT_USAGE, 6.2). */
  readonly reportUsage?: (usage: ZeroCopyUsage) => void;
}

/** Options of {@linkcode ZeroCopyOps.sendZc}. */
export interface SendZcOptions extends ZeroCopyOptions {
  /** Where to: for sockets that are not connected. */
  readonly to?: SocketAddress | Bytes;
}

/** Options of {@linkcode ZeroCopyOps.sendZcFixed}. */
export interface SendZcFixedOptions extends SendZcOptions {
  /** Index of the registered buffer. Default: found from the BufferPool that the buffer belongs to. */
  readonly bufIndex?: number;
}

/** Options of {@linkcode ZeroCopyOps.sendmsgZcFixed}. */
export interface SendmsgZcFixedOptions extends ZeroCopyOptions {
  /** Index of the registered buffer. Default: found from the BufferPool that the buffers belong to. */
  readonly bufIndex?: number;
}

const EINVAL = -22;
const EFAULT = -14;

const ZERO_COPY = [IORING_OP.SEND_ZC, IORING_OP.SENDMSG_ZC];

/**
 * The notification is a request of its own, made with the send. The kernel (seen in 6.18) counts it among those that
 * IO_DRAIN waits for, and does so until another request has passed, even when the drained one is long done: the send
 * waits for its own notification, and the ring is stuck for good.
 */
const NEVER_STARTS = "a send without a copy may never start behind it, and the ring with it; use send()";

/** Sending without a copy. */
export class ZeroCopyOps extends MessageOps {
  /**
   * Sends without a copy, over sockets of IP. Since Linux 6.0. Worth it for some tens of kilobytes at a time, over a
   * real network.
   *
   * The promise resolves when the kernel has let go of the buffer, which is only then free for other use: for a stream,
   * when the peer has acknowledged all of it; `onSent` tells earlier how much was taken. No time limit or signal hastens
   * that, and the ring's `close()` waits for it, too, for as long as `closeTimeout`. Where a peer takes nothing, reset the
   * connection: `SO.LINGER` with `Int32Array.of(1, 0)`, then `closeFd()`.
   *
   * @param fd a socket
   * @param buffer what to send. Several buffers are sent as one (6.17)
   * @param flags MSG bits; with `MSG.WAITALL` the kernel goes on until all are sent
   * @param o options
   * @returns how many bytes were sent
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel lacks what is asked for
   * @throws {TypeError} at once: the ring has used IO_DRAIN, which would hold it back for ever
   * @throws {UringError} (rejects) EOPNOTSUPP: such a socket always copies; use `send()`
   *
   * @example
   * ```ts
   * import { AF, Ring, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.socket(AF.INET, SOCK.DGRAM);
   * const bytes = await ring.sendZc(fd, new Uint8Array(1024), 0, { to: { hostname: "127.0.0.1", port: 9 } });
   * console.assert(bytes === 1024);
   * await ring.closeFd(fd);
   * ```
   */
  sendZc(fd: number, buffer: Bytes | readonly Bytes[], flags: number = 0, o?: SendZcOptions): Promise<number> {
    checkFd(fd);
    checkFlags(flags, "flags");
    this.need("SEND_ZC", "6.0");
    const ioprio = this.#flags(o);
    const out = this.outgoing("send_zc", fd, buffer, o?.to);
    const extra = this.#notified(out.extra, o, fd, "send_zc");
    return this.start({ op: "send_zc", fd, scratch: out.to, extra }, o, (words, at) => {
      prepSendZc(words, at, fd, out.address, out.length, flags | MSG.NOSIGNAL, ioprio | out.ioprio);
      if (out.to !== null) prepSendSetAddr(words, at, out.to.address, out.toLength);
    });
  }

  /**
   * Sends from a registered buffer without a copy: the kernel need not look up its pages. Arguments and errors as for
   * {@linkcode sendZc}.
   *
   * @param buffer of a BufferPool that is registered with this ring, or a part of one
   */
  sendZcFixed(fd: number, buffer: Bytes, flags: number = 0, o?: SendZcFixedOptions): Promise<number> {
    checkFd(fd);
    checkFlags(flags, "flags");
    this.need("SEND_ZC", "6.0");
    const ioprio = this.#flags(o);
    const index = this.#indexOf([pieceOf(buffer, "buffer")], "buffer", o?.bufIndex);
    const out = this.outgoing("send_zc", fd, buffer, o?.to);
    const extra = this.#notified(out.extra, o, fd, "send_zc", true);
    return this.start({ op: "send_zc", fd, scratch: out.to, extra }, o, (words, at) => {
      prepSendZcFixed(words, at, fd, out.address, out.length, flags | MSG.NOSIGNAL, ioprio, index);
      if (out.to !== null) prepSendSetAddr(words, at, out.to.address, out.toLength);
    });
  }

  /**
   * Sends a message without a copy. Since Linux 6.1. When the promise resolves, its buffers are free, as for
   * {@linkcode sendZc}; arguments and errors as for {@linkcode sendmsg}.
   */
  sendmsgZc(fd: number, msg: SendMessage, flags: number = 0, o?: ZeroCopyOptions): Promise<number> {
    checkFd(fd);
    checkFlags(flags, "flags");
    this.need("SENDMSG_ZC", "6.1");
    const ioprio = this.#flags(o);
    const { scratch, extra } = stageSend("sendmsg_zc", fd, msg);
    const notified = this.#notified(extra, o, fd, "sendmsg_zc");
    return this.start({ op: "sendmsg_zc", fd, scratch, extra: notified }, o, (words, at) => {
      prepSendmsgZc(words, at, fd, scratch.address, flags | MSG.NOSIGNAL);
      words[at] = words[at]! | ioprio << 16;
    });
  }

  /**
   * Sends a message from parts of one registered buffer without a copy. Since Linux 6.15. Arguments and errors as for
   * {@linkcode sendmsgZc}.
   *
   * @param msg its buffers are of one BufferPool that is registered with this ring, or parts of them
   */
  sendmsgZcFixed(fd: number, msg: SendMessage, flags: number = 0, o?: SendmsgZcFixedOptions): Promise<number> {
    checkFd(fd);
    checkFlags(flags, "flags");
    this.needFor("READV_FIXED", "SENDMSG_ZC from registered buffers", "6.15");
    const ioprio = this.#flags(o);
    const { scratch, pieces, extra } = stageSend("sendmsg_zc", fd, msg);
    let index: number;
    try {
      index = this.#indexOf(pieces, "msg.buffers", o?.bufIndex);
    } catch (error) {
      giveScratch(scratch);
      extra.scratches?.forEach(giveScratch);
      throw error;
    }
    const notified = this.#notified(extra, o, fd, "sendmsg_zc", true);
    return this.start({ op: "sendmsg_zc", fd, scratch, extra: notified }, o, (words, at) => {
      prepSendmsgZcFixed(words, at, fd, scratch.address, flags | MSG.NOSIGNAL, index);
      words[at] = words[at]! | ioprio << 16;
    });
  }

  /**
   * Keeps IO_DRAIN out of chains with sends without a copy: it would hold back the whole chain.
   *
   * @internal
   */
  protected override refuseDrain(): void {
    if (this.engine.chainHas(ZERO_COPY)) {
      throw new TypeError(`IO_DRAIN in a chain with a send without a copy: ${NEVER_STARTS}`);
    }
  }

  #flags(o: ZeroCopyOptions | undefined): number {
    if (((o?.flags ?? 0) & IOSQE.IO_DRAIN) !== 0) {
      throw new TypeError(`flags has IO_DRAIN: ${NEVER_STARTS}`);
    }
    if (this.engine.drains) throw new TypeError(`this ring has used IO_DRAIN: ${NEVER_STARTS}, or another ring`);
    checkCallback(o?.onSent, "onSent");
    checkCallback(o?.reportUsage, "reportUsage");
    return this.transferFlags(o) | (o?.reportUsage === undefined ? 0 : IORING_SEND.ZC_REPORT_USAGE);
  }

  /** The one registered buffer that all pieces lie in. */
  #indexOf(pieces: readonly Piece[], name: string, bufIndex: number | undefined): number {
    if (bufIndex !== undefined) {
      checkInteger(bufIndex, "bufIndex", 0, 0xffff);
      return bufIndex;
    }
    const used = pieces.filter(({ home }) => home !== null);
    if (used.length === 0) throw new RangeError(`${name} has length 0: give it at least one byte, or give bufIndex`);
    const indexes = used.map(({ home, address }) => this.registrations.indexOf(home!, address));
    if (indexes.some((index) => index !== indexes[0])) {
      throw new TypeError(`${name} lie in several registered buffers: take all of them from one BufferPool`);
    }
    return indexes[0]!;
  }

  /** A send completes twice: with its result, and when its memory is free. One that fails at once has no second. */
  #notified(extra: Extra, o: ZeroCopyOptions | undefined, fd: number, op: string, fixed = false): Extra {
    const { onSent, reportUsage } = o ?? {};
    let result = 0;
    return {
      ...extra,
      more(res) {
        result = res;
        if (res >= 0 && onSent !== undefined) queueMicrotask(() => onSent(res));
      },
      last(res, flags) {
        if ((flags & IORING_CQE_F.NOTIF) === 0) return res;
        // IORING_NOTIF_USAGE_ZC_COPIED is the sign bit.
        if (reportUsage !== undefined) queueMicrotask(() => reportUsage({ copied: res < 0 }));
        return result;
      },
      failed: (errno) => {
        if (errno === EINVAL && reportUsage !== undefined && this.#mayLackUsage()) {
          return new UnsupportedError("IORING_SEND_ZC_REPORT_USAGE", "Linux 6.2", kernelRelease());
        }
        if (errno !== EFAULT || !fixed) return extra.failed?.(errno);
        const detail = "the buffer is not, or not wholly, in the registered buffer: register its BufferPool first";
        return new UringError(errno, op, { fd, detail });
      },
    };
  }

  /** Nothing tells of 6.2; the ring has this feature since 6.3. */
  #mayLackUsage(): boolean {
    return (this.engine.core.features & IORING_FEAT.REG_REG_RING) === 0;
  }
}

function checkCallback(callback: unknown, name: string): void {
  if (callback === undefined || typeof callback === "function") return;
  throw new TypeError(`${name} must be a function, not ${shown(callback)}`);
}
