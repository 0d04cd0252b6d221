/**
 * Options and state of sockets: commands of URING_CMD.
 *
 * Timestamps of sent packets (SOCKET_URING_OP_TX_TIMESTAMP) come again and again, in completions of 32 bytes: they are
 * `RawRing`'s, with `prepCmdSock`.
 *
 * @module
 */

import { IORING_SETUP, SOCKET_URING_OP, SOL } from "../abi/constants.ts";
import { prepCmdGetsockname, prepCmdSock } from "../abi/encode.ts";
import { addressOf, bufferOf, type Bytes, homeOf } from "../memory/address.ts";
import { takeScratch } from "../memory/scratch.ts";
import { decodeAddress, SOCKADDR_ROOM, type SocketAddress } from "../memory/sockaddr.ts";
import { checkFd, checkFlags, lengthOf } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import { ZeroCopyOps } from "./net_zerocopy.ts";
import { kernelRelease } from "./probe.ts";
import { takeFilled } from "./socket_buffers.ts";

const EINVAL = -22;
const EOPNOTSUPP = -95;

/** Where the scratch memory of getsockname has the address; its length comes first. */
const ADDRESS_AT = 8;

type Command = keyof typeof SOCKET_URING_OP;

/** Sockets. */
export class NetOps extends ZeroCopyOps {
  /**
   * Reads an option of a socket, as getsockopt(2). Since Linux 6.7, and of level SOL.SOCKET alone so far.
   *
   * @param fd a socket
   * @param level `SOL.SOCKET`
   * @param name one of SO
   * @param buffer where to: 4 bytes for most
   * @param o options
   * @returns the value's length in bytes; a longer one is cut off
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such command
   * @throws {UringError} (rejects) ENOPROTOOPT: there is no such option
   *
   * @example
   * ```ts
   * import { AF, Ring, SO, SOCK, SOL } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.socket(AF.INET, SOCK.STREAM);
   * await ring.setsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, 1);
   * const value = new Int32Array(1);
   * console.assert(await ring.getsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, value) === 4 && value[0] === 1);
   * await ring.closeFd(fd);
   * ```
   */
  getsockopt(fd: number, level: number, name: number, buffer: Bytes, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkFlags(level, "level");
    checkFlags(name, "name");
    const length = optionLength(buffer, "buffer");
    const home = homeOf(bufferOf(buffer));
    const address = addressOf(home, buffer, length);
    this.#needCommand("GETSOCKOPT");
    const failed = this.#failing("GETSOCKOPT", fd, level);
    return this.start({ op: "uring_cmd", fd, home, extra: { failed } }, o, (words, at) => {
      prepCmdSock(words, at, SOCKET_URING_OP.GETSOCKOPT, fd, level, name, address, length);
    });
  }

  /**
   * Sets an option of a socket, as setsockopt(2). Since Linux 6.7, at any level.
   *
   * @param fd a socket
   * @param level `SOL.SOCKET`, or one of IPPROTO
   * @param name one of SO, TCP, UDP, IP, IPV6
   * @param value a number, for options that are an int; bytes for others
   * @param o options
   * @returns 0
   */
  setsockopt(fd: number, level: number, name: number, value: number | Bytes, o?: OpOptions): Promise<number> {
    checkFd(fd);
    checkFlags(level, "level");
    checkFlags(name, "name");
    this.#needCommand("SETSOCKOPT");
    const failed = this.#failing("SETSOCKOPT", fd, level);
    if (typeof value === "number") {
      checkFlags(value, "value");
      const scratch = takeFilled(new Uint8Array(Int32Array.of(value).buffer));
      return this.start({ op: "uring_cmd", fd, scratch, extra: { failed } }, o, (words, at) => {
        prepCmdSock(words, at, SOCKET_URING_OP.SETSOCKOPT, fd, level, name, scratch.address, 4);
      });
    }
    const length = optionLength(value, "value");
    const home = homeOf(bufferOf(value), "value");
    const address = addressOf(home, value, length);
    return this.start({ op: "uring_cmd", fd, home, extra: { failed } }, o, (words, at) => {
      prepCmdSock(words, at, SOCKET_URING_OP.SETSOCKOPT, fd, level, name, address, length);
    });
  }

  /**
   * Tells how many bytes wait to be received; of a UDP socket, those of the next datagram. Since Linux 6.7, for sockets
   * of IP.
   *
   * @returns bytes
   * @throws {UringError} (rejects) EINVAL: the socket listens
   */
  siocinq(fd: number, o?: OpOptions): Promise<number> {
    return this.#ask("SIOCINQ", fd, o);
  }

  /**
   * Tells how many bytes are sent but not acknowledged, or not sent yet. Since Linux 6.7, for sockets of IP.
   *
   * @returns bytes
   * @throws {UringError} (rejects) EINVAL: the socket listens
   */
  siocoutq(fd: number, o?: OpOptions): Promise<number> {
    return this.#ask("SIOCOUTQ", fd, o);
  }

  #ask(command: "SIOCINQ" | "SIOCOUTQ", fd: number, o: OpOptions | undefined): Promise<number> {
    checkFd(fd);
    this.#needCommand(command);
    const failed = this.#failing(command, fd, SOL.SOCKET);
    return this.start({ op: "uring_cmd", fd, extra: { failed } }, o, (words, at) => {
      prepCmdSock(words, at, SOCKET_URING_OP[command], fd, 0, 0, 0, 0);
    });
  }

  /**
   * Tells a socket's own address, as getsockname(2): the port that the kernel chose. Since Linux 7.0.
   *
   * @returns the address; undefined where it has none
   * @throws {UnsupportedError} (rejects) before Linux 7.0
   */
  getsockname(fd: number, o?: OpOptions): Promise<SocketAddress | undefined> {
    return this.#address(fd, 0, o);
  }

  /**
   * Tells the address of a socket's peer, as getpeername(2). Since Linux 7.0.
   *
   * @returns the address; undefined where it has none
   * @throws {UnsupportedError} (rejects) before Linux 7.0
   * @throws {UringError} (rejects) ENOTCONN: there is no peer
   */
  getpeername(fd: number, o?: OpOptions): Promise<SocketAddress | undefined> {
    return this.#address(fd, 1, o);
  }

  #address(fd: number, peer: 0 | 1, o: OpOptions | undefined): Promise<SocketAddress | undefined> {
    checkFd(fd);
    this.#needCommand("GETSOCKNAME");
    const failed = this.#failing("GETSOCKNAME", fd, SOL.SOCKET);
    const scratch = takeScratch(ADDRESS_AT + SOCKADDR_ROOM);
    scratch.view.setUint32(0, SOCKADDR_ROOM, true);
    const decode = () => {
      const length = Math.min(scratch.view.getUint32(0, true), SOCKADDR_ROOM);
      return decodeAddress(scratch.bytes.subarray(ADDRESS_AT, ADDRESS_AT + length));
    };
    return this.start({ op: "uring_cmd", fd, scratch, extra: { failed, decode } }, o, (words, at) => {
      prepCmdGetsockname(words, at, fd, scratch.address + ADDRESS_AT, scratch.address, peer);
    });
  }

  #needCommand(command: Command): void {
    this.needFor("URING_CMD", `SOCKET_URING_OP_${command}`, `${SINCE[command]}`);
  }

  /** EOPNOTSUPP is the kernel's word for no socket, for no such command, and for a protocol that lacks it. */
  #failing(command: Command, fd: number, level: number): (errno: number) => Error | undefined {
    return (errno) => {
      if ((this.engine.core.setupFlags & IORING_SETUP.IOPOLL) !== 0) return undefined; // which is why
      if (errno === EINVAL && (command === "SIOCINQ" || command === "SIOCOUTQ")) {
        const detail = `fd ${fd} listens: connections wait there, not bytes`;
        return new UringError(errno, "uring_cmd", { fd, detail });
      }
      if (errno !== EOPNOTSUPP) return undefined;
      if (!this.#knows(command)) {
        return new UnsupportedError(`SOCKET_URING_OP_${command}`, `Linux ${SINCE[command]}`, kernelRelease());
      }
      const detail = command === "GETSOCKOPT" && level !== SOL.SOCKET
        ? `the kernel's rings read options of SOL_SOCKET (${SOL.SOCKET}) alone, not of level ${level}`
        : `fd ${fd} is no socket, or its protocol has no ${command}`;
      return new UringError(errno, "uring_cmd", { fd, detail });
    };
  }

  /** Nothing tells of commands: what came with them is asked for in their place. */
  #knows(command: Command): boolean {
    const probe = this.probe();
    return command === "GETSOCKNAME" ? probe.setupFlags.includes("SQ_REWIND") : probe.op("FUTEX_WAIT").supported;
  }
}

const SINCE: Readonly<Record<Command, string>> = {
  SIOCINQ: "6.7",
  SIOCOUTQ: "6.7",
  GETSOCKOPT: "6.7",
  SETSOCKOPT: "6.7",
  TX_TIMESTAMP: "6.17",
  GETSOCKNAME: "7.0",
};

/** An option's length is an int. */
function optionLength(bytes: Bytes, name: string): number {
  const length = lengthOf(bytes, name);
  if (length > 0x7fffffff) throw new RangeError(`${name} is ${length} bytes long; an option takes at most 2^31 - 1`);
  return length;
}
