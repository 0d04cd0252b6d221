/**
 * RawRing's preps for sockets.
 *
 * @module
 */

import { MSG } from "../abi/constants.ts";
import * as encode from "../abi/encode.ts";
import type { Home } from "../memory/address.ts";
import { checkFlags, checkInteger, checkU32, refuseZerocopy } from "./arguments.ts";
import {
  addressIn,
  checkU16,
  homeFor,
  isMsghdr,
  type Memory,
  msghdrFor,
  type RawMsghdr,
  SOCKADDR_STORAGE,
  sockaddrOut,
} from "./raw_memory.ts";
import { RawNames } from "./raw_names.ts";

/** sizeof(socklen_t) */
const SOCKLEN_SIZE = 4;

const INSTEAD_OF_SEND = "prepSendZc(), or an address, whose memory is yours to keep";

/** A second home, for those who have one. */
function besides(home: Home | null): { homes: readonly Home[] } | undefined {
  return home === null ? undefined : { homes: [home] };
}

/** Sockets: open, connect, accept, send, receive. */
export class RawSockets extends RawNames {
  /** `io_uring_prep_socket` */
  prepSocket(userData: number, domain: number, type: number, protocol: number, flags: number): boolean {
    const at = this.room(userData, domain, "domain");
    if (at < 0) return false;
    checkFlags(protocol, "protocol");
    checkFlags(flags, "flags");
    encode.prepSocket(this.sqes, at, domain, type, protocol, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_socket_direct`: into the file slot `fileIndex`, or any with IORING_FILE_INDEX_ALLOC. */
  prepSocketDirect(
    userData: number,
    domain: number,
    type: number,
    protocol: number,
    fileIndex: number,
    flags: number,
  ): boolean {
    const at = this.room(userData, domain, "domain");
    if (at < 0) return false;
    checkFlags(protocol, "protocol");
    checkFlags(fileIndex, "fileIndex");
    checkFlags(flags, "flags");
    encode.prepSocketDirect(this.sqes, at, domain, type, protocol, fileIndex, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_socket_direct_alloc`: into a file slot that the kernel picks, and gives as the result. */
  prepSocketDirectAlloc(userData: number, domain: number, type: number, protocol: number, flags: number): boolean {
    const at = this.room(userData, domain, "domain");
    if (at < 0) return false;
    checkFlags(protocol, "protocol");
    checkFlags(flags, "flags");
    encode.prepSocketDirectAlloc(this.sqes, at, domain, type, protocol, flags);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_bind`: `addr` is a sockaddr of `addrlen` bytes (6.11). */
  prepBind(userData: number, fd: number, addr: Memory, addrlen: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkU32(addrlen, "addrlen");
    const home = homeFor(addr, addrlen, "addr");
    const address = addressIn(home, addr, addrlen);
    this.still(at);
    encode.prepBind(this.sqes, at, fd, address, addrlen);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_listen` (6.11) */
  prepListen(userData: number, fd: number, backlog: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(backlog, "backlog");
    encode.prepListen(this.sqes, at, fd, backlog);
    return this.plain(at, userData);
  }

  /** `io_uring_prep_connect`: `addr` is a sockaddr of `addrlen` bytes. */
  prepConnect(userData: number, fd: number, addr: Memory, addrlen: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkU32(addrlen, "addrlen");
    const home = homeFor(addr, addrlen, "addr");
    const address = addressIn(home, addr, addrlen);
    this.still(at);
    encode.prepConnect(this.sqes, at, fd, address, addrlen);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_shutdown`: `how` is one of SHUT. */
  prepShutdown(userData: number, fd: number, how: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(how, "how");
    encode.prepShutdown(this.sqes, at, fd, how);
    return this.plain(at, userData);
  }

  /**
   * `io_uring_prep_accept`: the peer's sockaddr goes to `addr`, at most as many bytes as `addrlen` (a 32-bit number in
   * memory) says, and its length to `addrlen`. Both 0: nobody asks. Bytes for `addr` are to be 128, the largest
   * sockaddr.
   */
  prepAccept(userData: number, fd: number, addr: Memory, addrlen: Memory, flags: number): boolean {
    return this.#accept(encode.prepAccept, userData, fd, addr, addrlen, flags);
  }

  /** `io_uring_prep_accept_direct`: as {@linkcode prepAccept}, into a file slot. */
  prepAcceptDirect(
    userData: number,
    fd: number,
    addr: Memory,
    addrlen: Memory,
    flags: number,
    fileIndex: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkFlags(fileIndex, "fileIndex");
    const home = sockaddrOut(addr, "addr");
    const lengthHome = homeFor(addrlen, SOCKLEN_SIZE, "addrlen");
    const lengthAddress = addressIn(lengthHome, addrlen, SOCKLEN_SIZE);
    const address = addressIn(home, addr, SOCKADDR_STORAGE);
    this.still(at);
    encode.prepAcceptDirect(this.sqes, at, fd, address, lengthAddress, flags, fileIndex);
    return this.holding(at, userData, home, null, besides(lengthHome));
  }

  /** `io_uring_prep_multishot_accept`: a completion a connection, until one comes without IORING_CQE_F.MORE. */
  prepMultishotAccept(userData: number, fd: number, addr: Memory, addrlen: Memory, flags: number): boolean {
    return this.#accept(encode.prepMultishotAccept, userData, fd, addr, addrlen, flags);
  }

  /** `io_uring_prep_multishot_accept_direct`: each into a file slot that the kernel picks. */
  prepMultishotAcceptDirect(userData: number, fd: number, addr: Memory, addrlen: Memory, flags: number): boolean {
    return this.#accept(encode.prepMultishotAcceptDirect, userData, fd, addr, addrlen, flags);
  }

  #accept(
    prep: typeof encode.prepAccept,
    userData: number,
    fd: number,
    addr: Memory,
    addrlen: Memory,
    flags: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = sockaddrOut(addr, "addr");
    const lengthHome = homeFor(addrlen, SOCKLEN_SIZE, "addrlen");
    const lengthAddress = addressIn(lengthHome, addrlen, SOCKLEN_SIZE);
    const address = addressIn(home, addr, SOCKADDR_STORAGE);
    this.still(at);
    prep(this.sqes, at, fd, address, lengthAddress, flags);
    return this.holding(at, userData, home, null, besides(lengthHome));
  }

  /** `io_uring_prep_send` */
  prepSend(userData: number, sockfd: number, buf: Memory, len: number, flags: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = homeFor(buf, len, "buf");
    if (home !== null && (flags & MSG.ZEROCOPY) !== 0) refuseZerocopy(INSTEAD_OF_SEND);
    const address = addressIn(home, buf, len);
    this.still(at);
    encode.prepSend(this.sqes, at, sockfd, address, len, flags);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_send_bundle`: sends buffers of a group, one after the other, in one go (6.10). */
  prepSendBundle(userData: number, sockfd: number, len: number, flags: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    encode.prepSendBundle(this.sqes, at, sockfd, len, flags);
    return this.holding(at, userData, null, null);
  }

  /** `io_uring_prep_send_set_addr`: where the SEND or SEND_ZC that was prepared last goes to. */
  prepSendSetAddr(destAddr: Memory, addrLen: number): void {
    const at = this.lastSqe();
    checkU16(addrLen, "addrLen");
    const home = homeFor(destAddr, addrLen, "destAddr");
    const address = addressIn(home, destAddr, addrLen);
    this.stillLast(at);
    encode.prepSendSetAddr(this.sqes, at, address, addrLen);
    if (home !== null) this.holdAlso(at, home);
  }

  /** `io_uring_prep_sendto`: to the sockaddr `addr`, of `addrlen` bytes. */
  prepSendto(
    userData: number,
    sockfd: number,
    buf: Memory,
    len: number,
    flags: number,
    addr: Memory,
    addrlen: number,
  ): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkU16(addrlen, "addrlen");
    const home = homeFor(buf, len, "buf");
    if (home !== null && (flags & MSG.ZEROCOPY) !== 0) refuseZerocopy(INSTEAD_OF_SEND);
    const addrHome = homeFor(addr, addrlen, "addr");
    const address = addressIn(home, buf, len);
    const addrAddress = addressIn(addrHome, addr, addrlen);
    this.still(at);
    encode.prepSendto(this.sqes, at, sockfd, address, len, flags, addrAddress, addrlen);
    return this.holding(at, userData, home, null, besides(addrHome));
  }

  /**
   * `io_uring_prep_send_zc`: without a copy. Completes twice: with the result and IORING_CQE_F.MORE, then with
   * IORING_CQE_F.NOTIF once the kernel is done with the buffer, which is held until then.
   */
  prepSendZc(userData: number, sockfd: number, buf: Memory, len: number, flags: number, zcFlags: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = homeFor(buf, len, "buf");
    const address = addressIn(home, buf, len);
    this.still(at);
    encode.prepSendZc(this.sqes, at, sockfd, address, len, flags, zcFlags);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_send_zc_fixed`: as {@linkcode prepSendZc}, from the registered buffer `bufIndex`. */
  prepSendZcFixed(
    userData: number,
    sockfd: number,
    buf: Memory,
    len: number,
    flags: number,
    zcFlags: number,
    bufIndex: number,
  ): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = homeFor(buf, len, "buf");
    const address = addressIn(home, buf, len);
    this.still(at);
    encode.prepSendZcFixed(this.sqes, at, sockfd, address, len, flags, zcFlags, bufIndex);
    return this.holding(at, userData, home, null);
  }

  /** `io_uring_prep_sendmsg`: `msg` is `{ name, iov, control }`, or memory with a `struct msghdr`. */
  prepSendmsg(userData: number, fd: number, msg: RawMsghdr | Memory, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    if ((flags & MSG.ZEROCOPY) !== 0 && !isMsghdr(msg)) {
      refuseZerocopy("prepSendmsgZc(), or memory with a struct msghdr, whose buffers are yours to keep");
    }
    const message = msghdrFor(msg);
    this.still(at, message.scratch, message.more);
    encode.prepSendmsg(this.sqes, at, fd, message.address, flags);
    return this.holdingPlaced(at, userData, message);
  }

  /** `io_uring_prep_sendmsg_zc`: as {@linkcode prepSendmsg}, without a copy; completes as {@linkcode prepSendZc}. */
  prepSendmsgZc(userData: number, fd: number, msg: RawMsghdr | Memory, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const message = msghdrFor(msg);
    this.still(at, message.scratch, message.more);
    encode.prepSendmsgZc(this.sqes, at, fd, message.address, flags);
    return this.holdingPlaced(at, userData, message);
  }

  /** `io_uring_prep_sendmsg_zc_fixed`: the data lies in the registered buffer `bufIndex` (6.15). */
  prepSendmsgZcFixed(
    userData: number,
    fd: number,
    msg: RawMsghdr | Memory,
    flags: number,
    bufIndex: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    checkU16(bufIndex, "bufIndex");
    const message = msghdrFor(msg);
    this.still(at, message.scratch, message.more);
    encode.prepSendmsgZcFixed(this.sqes, at, fd, message.address, flags, bufIndex);
    return this.holdingPlaced(at, userData, message);
  }

  /** `io_uring_prep_recv`; with IOSQE.BUFFER_SELECT and a group `buf` is 0. */
  prepRecv(userData: number, sockfd: number, buf: Memory, len: number, flags: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = homeFor(buf, len, "buf");
    const address = addressIn(home, buf, len);
    this.still(at);
    encode.prepRecv(this.sqes, at, sockfd, address, len, flags);
    return this.holding(at, userData, home, null);
  }

  /**
   * `io_uring_prep_recv_multishot`: again and again, into provided buffers: `buf` is 0, and IOSQE.BUFFER_SELECT and a
   * group are to be set. Ends with a completion without IORING_CQE_F.MORE.
   */
  prepRecvMultishot(userData: number, sockfd: number, buf: Memory, len: number, flags: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const home = homeFor(buf, len, "buf");
    const address = addressIn(home, buf, len);
    this.still(at);
    encode.prepRecvMultishot(this.sqes, at, sockfd, address, len, flags);
    return this.holding(at, userData, home, null);
  }

  /**
   * `io_uring_prep_recvmsg`: `msg` is `{ name, iov, control }`, which gets `namelen`, `controllen` and `flags` when it
   * completes; or memory with a `struct msghdr`.
   */
  prepRecvmsg(userData: number, fd: number, msg: RawMsghdr | Memory, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const message = msghdrFor(msg, true);
    this.still(at, message.scratch, message.more);
    encode.prepRecvmsg(this.sqes, at, fd, message.address, flags);
    return this.holdingPlaced(at, userData, message);
  }

  /**
   * `io_uring_prep_recvmsg_multishot`: again and again, into provided buffers. `namelen` and `controllen` of `msg` say
   * how much of each buffer is for those; a `struct io_uring_recvmsg_out` at its start says how much they took.
   */
  prepRecvmsgMultishot(userData: number, fd: number, msg: RawMsghdr | Memory, flags: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(flags, "flags");
    const message = msghdrFor(msg);
    this.still(at, message.scratch, message.more);
    encode.prepRecvmsgMultishot(this.sqes, at, fd, message.address, flags);
    return this.holdingPlaced(at, userData, message);
  }

  /** Receives without a copy from the registered queue `ifqIdx`, again and again (6.15). liburing has no prep for it. */
  prepRecvZc(userData: number, sockfd: number, len: number, ifqIdx: number): boolean {
    const at = this.room(userData, sockfd, "sockfd");
    if (at < 0) return false;
    checkU32(ifqIdx, "ifqIdx");
    encode.prepRecvZc(this.sqes, at, sockfd, len, ifqIdx);
    return this.holding(at, userData, null, null);
  }

  /**
   * `io_uring_prep_cmd_sock`: a command of SOCKET_URING_OP; for GETSOCKOPT and SETSOCKOPT `optval` has `optlen` bytes
   * (6.7).
   */
  prepCmdSock(
    userData: number,
    cmdOp: number,
    fd: number,
    level: number,
    optname: number,
    optval: Memory,
    optlen: number,
  ): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    checkFlags(cmdOp, "cmdOp");
    checkFlags(level, "level");
    checkFlags(optname, "optname");
    checkInteger(optlen, "optlen", 0, 0x7fffffff);
    const home = homeFor(optval, optlen, "optval");
    const address = addressIn(home, optval, optlen);
    this.still(at);
    encode.prepCmdSock(this.sqes, at, cmdOp, fd, level, optname, address, optlen);
    return this.holding(at, userData, home, null);
  }

  /**
   * `io_uring_prep_cmd_getsockname`: a socket's own address (`peer` 0) or its peer's (1); memory as for
   * {@linkcode prepAccept} (6.19).
   */
  prepCmdGetsockname(userData: number, fd: number, sockaddr: Memory, sockaddrLen: Memory, peer: number): boolean {
    const at = this.room(userData, fd);
    if (at < 0) return false;
    const home = sockaddrOut(sockaddr, "sockaddr");
    const lengthHome = homeFor(sockaddrLen, SOCKLEN_SIZE, "sockaddrLen");
    const lengthAddress = addressIn(lengthHome, sockaddrLen, SOCKLEN_SIZE);
    const address = addressIn(home, sockaddr, SOCKADDR_STORAGE);
    this.still(at);
    encode.prepCmdGetsockname(this.sqes, at, fd, address, lengthAddress, peer);
    return this.holding(at, userData, home, null, besides(lengthHome));
  }
}
