/**
 * Messages: several buffers, an address, control data.
 *
 * @module
 */

import { IORING_CQE_F, MSG } from "../abi/constants.ts";
import { prepRecvmsg, prepSendmsg } from "../abi/encode.ts";
import { checkFd, checkFlags, checkSendFlags } from "./arguments.ts";
import type { Extra } from "./pending.ts";
import { SendOps, type TransferOptions } from "./net_send.ts";
import {
  readReceived,
  type RecvMessage,
  type RecvmsgResult,
  type SendMessage,
  stageRecv,
  stageSend,
} from "./socket_message.ts";

/** Messages. */
export class MessageOps extends SendOps {
  /**
   * Sends a message, as sendmsg(2). MSG_NOSIGNAL is always added.
   *
   * Neither bytes nor control data must change before the promise settles.
   *
   * @param fd a socket
   * @param msg buffers, control messages, address
   * @param flags MSG bits; for ZEROCOPY there is `sendmsgZc()`
   * @param o options
   * @returns how many bytes were sent, control messages not counted
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) with the kernel's error
   *
   * @example
   * ```ts
   * import { AF, controlRoom, Ring, scmFds, scmRights, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const server = await ring.socket(AF.UNIX, SOCK.DGRAM);
   * await ring.bind(server, { path: "\0uring sendmsg" });
   * const client = await ring.socket(AF.UNIX, SOCK.DGRAM);
   * await ring.sendmsg(client, {
   *   buffers: [new TextEncoder().encode("a socket for you")],
   *   control: [scmRights([client])],
   *   name: { path: "\0uring sendmsg" },
   * });
   * const { control } = await ring.recvmsg(server, { buffers: [new Uint8Array(64)], control: controlRoom(4) });
   * for (const fd of [server, client, ...scmFds(control)]) await ring.closeFd(fd);
   * ```
   */
  sendmsg(fd: number, msg: SendMessage, flags: number = 0, o?: TransferOptions): Promise<number> {
    checkFd(fd);
    checkSendFlags(flags, "sendmsgZc()");
    const ioprio = this.transferFlags(o);
    const { scratch, extra } = stageSend("sendmsg", fd, msg);
    return this.start({ op: "sendmsg", fd, scratch, extra }, o, (words, at) => {
      prepSendmsg(words, at, fd, scratch.address, flags | MSG.NOSIGNAL);
      words[at] = words[at]! | ioprio << 16;
    });
  }

  /**
   * Receives a message, as recvmsg(2). MSG_CMSG_CLOEXEC is always added: file descriptors that come with it
   * (`scmFds(control)`) are open, close on exec, and the caller's to close.
   *
   * @param fd a socket
   * @param msg buffers, and room for control messages
   * @param flags MSG bits
   * @param o options
   * @returns bytes, flags, the sender's address, control messages
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UringError} (rejects) with the kernel's error
   */
  recvmsg(fd: number, msg: RecvMessage, flags: number = 0, o?: TransferOptions): Promise<RecvmsgResult> {
    checkFd(fd);
    checkFlags(flags, "flags");
    const ioprio = this.transferFlags(o);
    const { scratch, extra } = stageRecv(msg);
    let nonEmpty = false;
    const receiving: Extra = {
      ...extra,
      last(res, cqeFlags) {
        nonEmpty = (cqeFlags & IORING_CQE_F.SOCK_NONEMPTY) !== 0;
        return res;
      },
      decode: (res, scratch) => readReceived(scratch!, res, nonEmpty),
    };
    return this.start<RecvmsgResult>({ op: "recvmsg", fd, scratch, extra: receiving }, o, (words, at) => {
      prepRecvmsg(words, at, fd, scratch.address, flags | MSG.CMSG_CLOEXEC);
      words[at] = words[at]! | ioprio << 16;
    });
  }
}
