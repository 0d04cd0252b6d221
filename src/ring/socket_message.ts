/**
 * Messages of sendmsg and recvmsg, checked and written into scratch memory.
 *
 * @module
 */

import { MSG } from "../abi/constants.ts";
import type { Bytes } from "../memory/address.ts";
import {
  controlLengthOf,
  type ControlMessage,
  MSGHDR_SIZE,
  parseControl,
  readMsghdr,
  type ReceivedControl,
  writeControl,
  writeMsghdr,
} from "../memory/msghdr.ts";
import { giveScratch, type Scratch, takeScratch } from "../memory/scratch.ts";
import { decodeAddress, encodeAddress, SOCKADDR_ROOM, type SocketAddress } from "../memory/sockaddr.ts";
import { checkInteger, shown } from "./arguments.ts";
import { namingAddress } from "./socket_address.ts";
import { homesOf, type Piece, piecesOf, takeIovecs } from "./socket_buffers.ts";
import type { Extra } from "./pending.ts";

/** A message to send. */
export interface SendMessage {
  /** What to send, in this order: at most 1024 buffers. */
  readonly buffers: readonly Bytes[];
  /** Control messages, such as `scmRights(fds)`. */
  readonly control?: readonly ControlMessage[];
  /** Where to: for sockets that are not connected. */
  readonly name?: SocketAddress | Bytes;
}

/** What a message is received into. */
export interface RecvMessage {
  /** Where to, in this order: at most 1024 buffers. */
  readonly buffers: readonly Bytes[];
  /** Bytes of room for control messages, as `controlRoom()` counts them. Default 0: they are dropped. */
  readonly control?: number;
}

/** A message that has come. */
export interface RecvmsgResult {
  /** How many bytes were received; with `MSG.TRUNC` a datagram's full length. */
  readonly bytes: number;
  /** MSG bits: TRUNC and CTRUNC where something was cut off, EOR, OOB, ERRQUEUE. */
  readonly flags: number;
  /** The sender; undefined where the socket is connected to it, or it has no name. */
  readonly address: SocketAddress | undefined;
  /** Control messages, in order. */
  readonly control: readonly ReceivedControl[];
  /** More waits to be received, says the kernel (5.19). */
  readonly nonEmpty: boolean;
}

/** A message in scratch memory. */
export interface StagedMessage {
  /** Begins with the `struct msghdr`. */
  readonly scratch: Scratch;
  readonly pieces: readonly Piece[];
  readonly extra: Extra;
}

const NAME_AT = MSGHDR_SIZE;
const CONTROL_AT = NAME_AT + SOCKADDR_ROOM;
/** Control messages beside header and name; the kernel's own limit (net.core.optmem_max) is of this order. */
const MAX_CONTROL = 16384 - CONTROL_AT;

function checkMessage(msg: SendMessage | RecvMessage): void {
  if (msg === null || typeof msg !== "object") {
    throw new TypeError(`msg must be { buffers, ... }, not ${shown(msg)}`);
  }
}

function checkRoom(length: number): void {
  if (length > MAX_CONTROL) {
    throw new RangeError(`msg.control takes ${length} bytes; at most ${MAX_CONTROL} go with a message: send several`);
  }
}

/** Checks a message that an op is to send, and takes the memory for it. */
export function stageSend(op: string, fd: number, msg: SendMessage): StagedMessage {
  checkMessage(msg);
  const pieces = piecesOf(msg.buffers, "msg.buffers");
  const { control = [] } = msg;
  const controlLength = controlLengthOf(control, "msg.control");
  checkRoom(controlLength);
  const name = msg.name === undefined ? undefined : encodeAddress(msg.name, "msg.name");
  const staged = stage(pieces, name?.length ?? 0, controlLength);
  const { bytes } = staged.scratch;
  if (name !== undefined) {
    bytes.set(name, NAME_AT);
    staged.extra.failed = namingAddress(op, fd, name);
  }
  try {
    writeControl(bytes, CONTROL_AT, control);
  } catch (error) {
    // It reads them once more, and they may have become other ones.
    giveScratch(staged.scratch);
    staged.extra.scratches?.forEach(giveScratch);
    throw error;
  }
  return staged;
}

/** Checks what a message is received into, and takes the memory for it. */
export function stageRecv(msg: RecvMessage): StagedMessage {
  checkMessage(msg);
  const pieces = piecesOf(msg.buffers, "msg.buffers");
  const { control = 0 } = msg;
  checkInteger(control, "msg.control", 0, MAX_CONTROL);
  return stage(pieces, SOCKADDR_ROOM, control);
}

function stage(pieces: readonly Piece[], nameLength: number, controlLength: number): StagedMessage {
  const scratch = takeScratch(CONTROL_AT + controlLength);
  const iovecs = takeIovecs(pieces);
  // What has no bytes has no address.
  writeMsghdr(scratch.view, 0, {
    name: nameLength === 0 ? 0 : scratch.address + NAME_AT,
    nameLength,
    iovecs: pieces.length === 0 ? 0 : iovecs.address,
    iovecCount: pieces.length,
    control: controlLength === 0 ? 0 : scratch.address + CONTROL_AT,
    controlLength,
  });
  return { scratch, pieces, extra: { homes: homesOf(pieces), scratches: [iovecs] } };
}

/** Reads what has come. */
export function readReceived({ bytes, view }: Scratch, length: number, nonEmpty: boolean): RecvmsgResult {
  const { nameLength, controlLength, flags } = readMsghdr(view, 0);
  return {
    bytes: length,
    flags: flags & ~MSG.CMSG_CLOEXEC, // the kernel gives back what was added
    address: decodeAddress(bytes.subarray(NAME_AT, NAME_AT + Math.min(nameLength, SOCKADDR_ROOM))),
    control: parseControl(bytes.subarray(CONTROL_AT, CONTROL_AT + controlLength)),
    nonEmpty,
  };
}
