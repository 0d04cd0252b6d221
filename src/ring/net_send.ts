/**
 * Sending and receiving.
 *
 * @module
 */

import { IORING_RECVSEND, IORING_SEND, MSG } from "../abi/constants.ts";
import { prepRecv, prepSend, prepSendto } from "../abi/encode.ts";
import { addressOf, bufferOf, type Bytes, homeOf } from "../memory/address.ts";
import type { Scratch } from "../memory/scratch.ts";
import { encodeAddress, type SocketAddress } from "../memory/sockaddr.ts";
import { checkFd, checkFlags, checkSendFlags, lengthOf } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import type { Extra } from "./pending.ts";
import { UnsupportedError } from "./errors.ts";
import { SocketOps } from "./net_connect.ts";
import { kernelRelease } from "./probe.ts";
import { namingAddress } from "./socket_address.ts";
import { homesOf, pieceOf, piecesOf, takeFilled, takeIovecs } from "./socket_buffers.ts";

/** Options of operations that send or receive. */
export interface TransferOptions extends OpOptions {
  /** Does not try at first, as the socket is not expected to be ready (5.19). */
  readonly pollFirst?: boolean;
}

/** Options of {@linkcode SendOps.send}. */
export interface SendOptions extends TransferOptions {
  /** Where to: for sockets that are not connected (6.1). */
  readonly to?: SocketAddress | Bytes;
}

const EINVAL = -22;

/** What goes into an SQE for bytes that are to be sent. */
export interface Outgoing {
  readonly address: number;
  readonly length: number;
  /** The address that they go to, in scratch memory, and how long it is. */
  readonly to: Scratch | null;
  readonly toLength: number;
  /** IORING_SEND_VECTORIZED, or 0. */
  readonly ioprio: number;
  readonly extra: Extra;
}

/** Sending and receiving. */
export class SendOps extends SocketOps {
  /**
   * Sends, as send(2) and sendto(2). MSG_NOSIGNAL is always added: a peer that has gone is an EPIPE.
   *
   * The bytes must not change before the promise settles. A stream may take fewer than all of them; with `MSG.WAITALL`
   * the kernel goes on until all are sent.
   *
   * @param fd a socket
   * @param buffer what to send; empty for an empty datagram. Several buffers are sent as one (6.17; `sendmsg()` does
   *   that on every kernel)
   * @param flags MSG bits; for ZEROCOPY there is `sendZc()`
   * @param o options; `to`: the address, for a socket that is not connected
   * @returns how many bytes were sent
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel lacks what is asked for
   * @throws {UringError} (rejects) EPIPE, ECONNRESET, ...
   *
   * @example
   * ```ts
   * import { AF, Ring, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.socket(AF.INET, SOCK.DGRAM);
   * const bytes = await ring.send(fd, new TextEncoder().encode("hello"), 0, {
   *   to: { hostname: "127.0.0.1", port: 9 },
   * });
   * console.assert(bytes === 5);
   * await ring.closeFd(fd);
   * ```
   */
  send(fd: number, buffer: Bytes | readonly Bytes[], flags: number = 0, o?: SendOptions): Promise<number> {
    checkFd(fd);
    checkSendFlags(flags, "sendZc()");
    const messageFlags = flags | MSG.NOSIGNAL;
    if (o !== undefined || Array.isArray(buffer)) return this.#sendWith(fd, buffer, messageFlags, o);
    const { home, address, length } = pieceOf(buffer as Bytes, "buffer");
    const { engine } = this;
    const at = engine.room(1, "send");
    prepSend(engine.core.sqes, at, fd, address, length, messageFlags);
    const slot = engine.slot("send", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  #sendWith(
    fd: number,
    buffer: Bytes | readonly Bytes[],
    flags: number,
    o: SendOptions | undefined,
  ): Promise<number> {
    const ioprio = this.transferFlags(o);
    if (o?.to !== undefined) this.needFor("SENDMSG_ZC", "SEND with an address", "6.1");
    const out = this.outgoing("send", fd, buffer, o?.to);
    return this.start({ op: "send", fd, scratch: out.to, extra: out.extra }, o, (words, at) => {
      if (out.to === null) prepSend(words, at, fd, out.address, out.length, flags);
      else prepSendto(words, at, fd, out.address, out.length, flags, out.to.address, out.toLength);
      words[at] = words[at]! | (ioprio | out.ioprio) << 16;
    });
  }

  /**
   * Receives, as recv(2).
   *
   * @param fd a socket
   * @param buffer where to; its whole length is asked for
   * @param flags MSG bits; with `MSG.WAITALL` the kernel goes on until the buffer is full
   * @param o options
   * @returns how many bytes were received; 0 when the peer will send no more, and for an empty datagram. With
   *   `MSG.TRUNC` a datagram's full length, which may be more than the buffer's
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) ECONNRESET, ...
   */
  recv(fd: number, buffer: Bytes, flags: number = 0, o?: TransferOptions): Promise<number> {
    checkFd(fd);
    checkFlags(flags, "flags");
    const length = lengthOf(buffer, "buffer");
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    if (o !== undefined) {
      const ioprio = this.transferFlags(o);
      return this.start({ op: "recv", fd, home }, o, (words, at) => {
        prepRecv(words, at, fd, address, length, flags);
        words[at] = words[at]! | ioprio << 16;
      });
    }
    const { engine } = this;
    const at = engine.room(1, "recv");
    prepRecv(engine.core.sqes, at, fd, address, length, flags);
    const slot = engine.slot("recv", fd, home, null, null);
    engine.stage(at, slot, 0, 0);
    return engine.promise(slot);
  }

  /**
   * IORING_RECVSEND flags that options ask for.
   *
   * @internal
   */
  protected transferFlags(o: TransferOptions | undefined): number {
    if (!o?.pollFirst) return 0;
    this.needFor("SOCKET", "IORING_RECVSEND_POLL_FIRST", "5.19");
    return IORING_RECVSEND.POLL_FIRST;
  }

  /**
   * Checks what is to be sent, and where; takes scratch memory for it last, so that nothing is lost to an error.
   *
   * @internal
   */
  protected outgoing(
    op: string,
    fd: number,
    buffer: Bytes | readonly Bytes[],
    to: SocketAddress | Bytes | undefined,
  ): Outgoing {
    const target = to === undefined ? null : encodeAddress(to, "to");
    const failed = target === null ? () => undefined : namingAddress(op, fd, target);
    if (!Array.isArray(buffer)) {
      const { home, address, length } = pieceOf(buffer as Bytes, "buffer");
      const taken = target === null ? null : takeFilled(target);
      const extra: Extra = { failed, homes: home === null ? [] : [home] };
      return { address, length, to: taken, toLength: target?.length ?? 0, ioprio: 0, extra };
    }
    const pieces = piecesOf(buffer, "buffer");
    this.needFor("READV_FIXED", "IORING_SEND_VECTORIZED", "6.17");
    const iovecs = takeIovecs(pieces);
    const extra: Extra = {
      failed: (errno) => failed(errno) ?? this.#vectorsFailed(errno),
      homes: homesOf(pieces),
      scratches: [iovecs],
    };
    return {
      address: iovecs.address,
      length: pieces.length,
      to: target === null ? null : takeFilled(target),
      toLength: target?.length ?? 0,
      ioprio: IORING_SEND.VECTORIZED,
      extra,
    };
  }

  /** Between 6.15 and 6.17 the kernel can't be asked, and refuses. */
  #vectorsFailed(errno: number): Error | undefined {
    const known = this.probe().registers >= 0;
    if (errno !== EINVAL || known) return undefined;
    return new UnsupportedError("IORING_SEND_VECTORIZED", "Linux 6.17", kernelRelease());
  }
}
