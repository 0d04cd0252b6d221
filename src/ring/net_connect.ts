/**
 * Sockets and their connections.
 *
 * @module
 */

import { IORING_ACCEPT, IORING_CQE_F, IORING_FEAT, SHUT, SOCK } from "../abi/constants.ts";
import {
  prepAccept,
  prepAcceptDirect,
  prepBind,
  prepConnect,
  prepListen,
  prepShutdown,
  prepSocket,
  prepSocketDirect,
} from "../abi/encode.ts";
import type { Bytes } from "../memory/address.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { decodeAddress, encodeAddress, SOCKADDR_ROOM, type SocketAddress } from "../memory/sockaddr.ts";
import { checkFd, checkFlags, checkInteger, checkU32, type FileSlot, toFileIndex } from "./arguments.ts";
import type { DirectOptions, OpOptions } from "./base.ts";
import type { Extra } from "./pending.ts";
import { RingClosedError, UnsupportedError } from "./errors.ts";
import { TimeOps } from "./ops_time.ts";
import { kernelRelease } from "./probe.ts";
import { namingAddress } from "./socket_address.ts";
import { takeFilled } from "./socket_buffers.ts";
import { bindCall, listenCall } from "./socket_call.ts";

/** Options of {@linkcode SocketOps.accept}. */
export interface AcceptOptions extends DirectOptions {
  /** SOCK flags of the new socket: SOCK.NONBLOCK. SOCK.CLOEXEC is added where it gets a descriptor. */
  readonly acceptFlags?: number;
  /** Rejects with EAGAIN when no connection waits (6.10). */
  readonly dontWait?: boolean;
  /** Does not try at first, as no connection is expected to wait (6.10). */
  readonly pollFirst?: boolean;
}

/** A connection that {@linkcode SocketOps.acceptFrom} took. */
export interface Accepted {
  /** The socket's descriptor, or with `slot` its place among the registered files. */
  readonly fd: number;
  /** The peer's address; undefined where it has none. */
  readonly address: SocketAddress | undefined;
  /** More connections wait, says the kernel (5.19). */
  readonly nonEmpty: boolean;
}

/** The largest backlog that listen(2) makes anything of; the system's limit is net.core.somaxconn. */
const MAX_BACKLOG = 0x7fffffff;
const DEFAULT_BACKLOG = 4096;

/** Where acceptFrom's scratch memory has the address; its length comes first. */
const ADDRESS_AT = 8;

/** Sockets and their connections. */
export class SocketOps extends TimeOps {
  /**
   * Makes a socket, as socket(2). Since Linux 5.19.
   *
   * @param domain one of AF
   * @param type one of SOCK, with SOCK.NONBLOCK if need be. SOCK.CLOEXEC is added to what gets a descriptor
   * @param protocol one of IPPROTO; 0: the usual one
   * @param o options; `slot`: it goes into the registered files
   * @returns the descriptor, or the slot
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) with the kernel's error
   *
   * @example
   * ```ts
   * import { AF, Ring, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.socket(AF.INET, SOCK.STREAM);
   * await ring.bind(fd, { hostname: "127.0.0.1", port: 0 });
   * await ring.listen(fd);
   * await ring.closeFd(fd);
   * ```
   */
  socket(domain: number, type: number, protocol: number = 0, o?: DirectOptions): Promise<number> {
    checkInteger(domain, "domain", 0, 0x7fffffff);
    checkInteger(type, "type", 0, 0x7fffffff);
    checkInteger(protocol, "protocol", 0, 0x7fffffff);
    const slot = o?.slot;
    const index = slot === undefined ? undefined : toFileIndex(slot);
    const flags = cloexec(type, index);
    this.need("SOCKET", "5.19");
    return this.start({ op: "socket", extra: toSlot(slot) }, o, (words, at) => {
      if (index === undefined) prepSocket(words, at, domain, flags, protocol, 0);
      else prepSocketDirect(words, at, domain, flags, protocol, index, 0);
    });
  }

  /**
   * Gives a socket its address, as bind(2). Before Linux 6.11 it is that system call, made right after what was asked
   * for before in the same turn of the event loop, and can't be part of a chain.
   *
   * @param address `{ hostname, port }`, `{ path }`, or the bytes of a sockaddr. Port 0: the kernel chooses one
   * @returns 0
   * @throws {UnsupportedError} before Linux 6.11, at once: in a chain, for a registered file
   */
  bind(fd: number, address: SocketAddress | Bytes, o?: OpOptions): Promise<number> {
    checkFd(fd);
    const encoded = encodeAddress(address);
    const failed = namingAddress("bind", fd, encoded);
    if (!this.#has("BIND")) return bindCall(fd, encoded, o, this.engine.building, failed);
    const scratch = takeFilled(encoded);
    return this.start({ op: "bind", fd, scratch, extra: { failed } }, o, (words, at) => {
      prepBind(words, at, fd, scratch.address, encoded.length);
    });
  }

  /**
   * Lets a socket take connections, as listen(2). Before Linux 6.11 it is that system call, as for {@linkcode bind}.
   *
   * @param backlog how many connections may wait to be accepted; the system's limit is net.core.somaxconn
   * @returns 0
   */
  listen(fd: number, backlog: number = DEFAULT_BACKLOG, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkInteger(backlog, "backlog", 0, MAX_BACKLOG);
    if (!this.#has("LISTEN")) return listenCall(fd, backlog, o, this.engine.building);
    return this.start({ op: "listen", fd }, o, (words, at) => prepListen(words, at, fd, backlog));
  }

  /**
   * Accepts a connection, as accept4(2). SOCK_CLOEXEC is added where the connection gets a descriptor.
   *
   * @param fd a socket that listens
   * @param o options; `slot`: the connection goes into the registered files
   * @returns the connection's descriptor, or its slot
   * @throws {UnsupportedError} where the kernel lacks what `dontWait` and `pollFirst` ask for
   * @throws {UringError} (rejects) EAGAIN with `dontWait`: no connection waits
   *
   * @example
   * ```ts
   * import { AF, Ring, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const server = await ring.socket(AF.UNIX, SOCK.STREAM);
   * await ring.bind(server, { path: "\0uring accept" });
   * await ring.listen(server);
   * const client = await ring.socket(AF.UNIX, SOCK.STREAM);
   * const [connection] = await Promise.all([
   *   ring.accept(server),
   *   ring.connect(client, { path: "\0uring accept" }),
   * ]);
   * await ring.send(client, new TextEncoder().encode("hello"));
   * const buffer = new Uint8Array(16);
   * console.assert(await ring.recv(connection, buffer) === 5);
   * for (const fd of [server, client, connection]) await ring.closeFd(fd);
   * ```
   */
  accept(fd: number, o?: AcceptOptions): Promise<number> {
    return this.#accept(fd, o, toSlot(o?.slot), null);
  }

  /**
   * Accepts a connection, and tells whose it is. Arguments and errors as for {@linkcode accept}.
   *
   * @returns descriptor or slot, and the peer's address
   */
  acceptFrom(fd: number, o?: AcceptOptions): Promise<Accepted> {
    let nonEmpty = false;
    const slot = o?.slot;
    const extra: Extra = {
      last(res, flags) {
        nonEmpty = (flags & IORING_CQE_F.SOCK_NONEMPTY) !== 0;
        return res;
      },
      decode(res, scratch) {
        const { bytes, view } = scratch!;
        const length = Math.min(view.getUint32(0, true), SOCKADDR_ROOM);
        const address = decodeAddress(bytes.subarray(ADDRESS_AT, ADDRESS_AT + length));
        return { fd: placeOf(slot, res), address, nonEmpty };
      },
    };
    return this.#accept(fd, o, extra, () => {
      const scratch = takeScratch(ADDRESS_AT + SOCKADDR_ROOM);
      scratch.view.setUint32(0, SOCKADDR_ROOM, true);
      return scratch;
    });
  }

  #accept<T>(
    fd: number,
    o: AcceptOptions | undefined,
    extra: Extra | null,
    takePeer: (() => Scratch) | null,
  ): Promise<T> {
    checkFd(fd);
    const { acceptFlags = 0, slot, dontWait, pollFirst } = o ?? {};
    checkFlags(acceptFlags, "acceptFlags");
    const index = slot === undefined ? undefined : toFileIndex(slot);
    this.needAlloc(slot);
    const flags = cloexec(acceptFlags, index);
    const ioprio = (dontWait ? IORING_ACCEPT.DONTWAIT : 0) | (pollFirst ? IORING_ACCEPT.POLL_FIRST : 0);
    // The feature of the same release; nothing tells of the flags themselves.
    if (ioprio !== 0 && (this.engine.core.features & IORING_FEAT.RECVSEND_BUNDLE) === 0) {
      const flag = dontWait ? "IORING_ACCEPT_DONTWAIT" : "IORING_ACCEPT_POLL_FIRST";
      throw new UnsupportedError(flag, "Linux 6.10", kernelRelease());
    }
    const scratch = takePeer?.() ?? null;
    const length = scratch?.address ?? 0;
    const address = length === 0 ? 0 : length + ADDRESS_AT;
    return this.start<T>({ op: "accept", fd, scratch, extra }, o, (words, at) => {
      if (index === undefined) prepAccept(words, at, fd, address, length, flags);
      else prepAcceptDirect(words, at, fd, address, length, flags, index);
      words[at] = words[at]! | ioprio << 16;
    });
  }

  /**
   * Connects a socket, as connect(2). A datagram socket gets a peer to send to and receive from.
   *
   * @param address `{ hostname, port }`, `{ path }`, or the bytes of a sockaddr
   * @returns 0
   * @throws {UringError} (rejects) ECONNREFUSED, ETIMEDOUT, ...; the message names the address
   */
  connect(fd: number, address: SocketAddress | Bytes, o?: OpOptions): Promise<number> {
    checkFd(fd);
    const encoded = encodeAddress(address);
    const failed = namingAddress("connect", fd, encoded);
    const scratch = takeFilled(encoded);
    return this.start({ op: "connect", fd, scratch, extra: { failed } }, o, (words, at) => {
      prepConnect(words, at, fd, scratch.address, encoded.length);
    });
  }

  /**
   * Shuts down one or both directions of a connection, as shutdown(2). Since Linux 5.11.
   *
   * @param how `SHUT.RD`, `SHUT.WR` (the peer then receives 0 bytes) or `SHUT.RDWR`
   * @returns 0
   */
  shutdown(fd: number, how: number, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkU32(how, "how");
    if (how > SHUT.RDWR) throw new RangeError(`how must be SHUT.RD, SHUT.WR or SHUT.RDWR (0 to 2), not ${how}`);
    this.need("SHUTDOWN", "5.11");
    return this.start({ op: "shutdown", fd }, o, (words, at) => prepShutdown(words, at, fd, how));
  }

  /** Whether the kernel has an op that something else can stand in for. */
  #has(op: "BIND" | "LISTEN"): boolean {
    if (this.engine.closed) throw new RingClosedError(op.toLowerCase());
    return this.probe().op(op).supported;
  }
}

/** SOCK flags with CLOEXEC, of which a slot knows nothing. */
export function cloexec(flags: number, slot: FileSlot | undefined): number {
  return slot === undefined ? flags | SOCK.CLOEXEC : flags & ~SOCK.CLOEXEC;
}

/** With a slot that the caller chose the kernel says 0: the answer is to be the slot all the same. */
function placeOf(slot: DirectOptions["slot"], res: number): number {
  return typeof slot === "number" ? slot : res;
}

function toSlot(slot: DirectOptions["slot"]): Extra | null {
  return slot === undefined ? null : { decode: (res) => placeOf(slot, res) };
}
