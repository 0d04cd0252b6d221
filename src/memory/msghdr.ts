/**
 * Messages as the kernel has them: `struct msghdr`, `struct iovec`, and control messages.
 *
 * @module
 */

import { SCM, SOL } from "../abi/constants.ts";
import { type Bytes, homeOf, refuseBytes } from "./address.ts";

/** A control message: what goes with a message beside its bytes. */
export interface ControlMessage {
  /** The protocol that it belongs to: SOL.SOCKET, IPPROTO.IP, ... */
  readonly level: number;
  /** What it is: SCM.RIGHTS, IP.TTL, ... */
  readonly type: number;
  /** Its content. */
  readonly data: Bytes;
}

/** A control message that has come. */
export interface ReceivedControl extends ControlMessage {
  /** Its content: a copy. Shorter than it was where MSG.CTRUNC is set. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The most iovecs that one call takes (UIO_MAXIOV). */
export const MAX_IOVECS = 1024;
/** Bytes of a `struct msghdr`, of a `struct iovec`, and of a `struct cmsghdr`. */
export const MSGHDR_SIZE = 56;
export const IOVEC_SIZE = 16;
const CMSGHDR_SIZE = 16;

/** Places of the members of a `struct msghdr`. */
const NAME = 0;
const NAMELEN = 8;
const IOV = 16;
const IOVLEN = 24;
const CONTROL = 32;
const CONTROLLEN = 40;
const FLAGS = 48;

/** The members of a `struct msghdr`: addresses and lengths. What is left out is 0. */
export interface MessageParts {
  readonly name?: number | bigint;
  readonly nameLength: number;
  readonly iovecs?: number;
  readonly iovecCount?: number;
  readonly control?: number | bigint;
  readonly controlLength: number;
  /** MSG bits, of either sign. */
  readonly flags?: number;
}

/** Writes a `struct msghdr`. Addresses go in as they are: a length of 0 does not make them NULL. */
export function writeMsghdr(view: DataView, at: number, parts: MessageParts): void {
  const { name = 0, nameLength, iovecs = 0, iovecCount = 0, control = 0, controlLength, flags = 0 } = parts;
  view.setBigUint64(at + NAME, BigInt(name), true);
  view.setBigUint64(at + NAMELEN, BigInt(nameLength), true); // and its padding
  view.setBigUint64(at + IOV, BigInt(iovecs), true);
  view.setBigUint64(at + IOVLEN, BigInt(iovecCount), true);
  view.setBigUint64(at + CONTROL, BigInt(control), true);
  view.setBigUint64(at + CONTROLLEN, BigInt(controlLength), true);
  view.setBigUint64(at + FLAGS, BigInt(flags >>> 0), true); // and its padding
}

/** What the kernel wrote into a `struct msghdr` when it received. */
export function readMsghdr(view: DataView, at: number): { nameLength: number; controlLength: number; flags: number } {
  return {
    nameLength: view.getUint32(at + NAMELEN, true),
    controlLength: Number(view.getBigUint64(at + CONTROLLEN, true)),
    flags: view.getUint32(at + FLAGS, true),
  };
}

/** Writes a `struct iovec`. */
export function writeIovec(view: DataView, at: number, address: number | bigint, length: number): void {
  view.setBigUint64(at, BigInt(address), true);
  view.setBigUint64(at + 8, BigInt(length), true);
}

/** Up to the next multiple of 8, where the next control message begins. */
function aligned(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/**
 * Bytes that control messages take: the room to give to `recvmsg()`, too.
 *
 * @param lengths bytes of each one's data
 *
 * @example
 * ```ts
 * import { controlRoom } from "@uring/uring";
 *
 * console.assert(controlRoom(4) === 24); // one file descriptor
 * ```
 */
export function controlRoom(...lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + CMSGHDR_SIZE + aligned(length), 0);
}

/** Bytes that these control messages take, each checked. */
export function controlLengthOf(messages: readonly ControlMessage[], name: string): number {
  if (!Array.isArray(messages)) throw new TypeError(`${name} must be an array of { level, type, data }`);
  let length = 0;
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as ControlMessage | null | undefined;
    if (message === null || typeof message !== "object") {
      throw new TypeError(`${name}[${i}] must be { level, type, data }, not ${message}`);
    }
    for (const field of ["level", "type"] as const) {
      if (typeof message[field] !== "number" || (message[field] | 0) !== message[field]) {
        throw new TypeError(`${name}[${i}].${field} must be an integer of 32 bits, not ${String(message[field])}`);
      }
    }
    length += controlRoom(bytesOf(message.data, `${name}[${i}].data`).length);
  }
  return length;
}

/** Writes control messages, each with its padding. */
export function writeControl(bytes: Uint8Array<ArrayBuffer>, at: number, messages: readonly ControlMessage[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const { level, type, data } of messages) {
    const content = bytesOf(data, "data");
    const room = controlRoom(content.length);
    bytes.fill(0, at, at + room);
    view.setBigUint64(at, BigInt(CMSGHDR_SIZE + content.length), true);
    view.setInt32(at + 8, level, true);
    view.setInt32(at + 12, type, true);
    bytes.set(content, at + CMSGHDR_SIZE);
    at += room;
  }
}

/**
 * Reads control messages.
 *
 * @param bytes as the kernel wrote them: a `struct cmsghdr` and its data, again and again
 */
export function parseControl(bytes: Uint8Array): ReceivedControl[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages: ReceivedControl[] = [];
  for (let at = 0; at + CMSGHDR_SIZE <= bytes.length;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < CMSGHDR_SIZE) break;
    messages.push({
      level: view.getInt32(at + 8, true),
      type: view.getInt32(at + 12, true),
      data: new Uint8Array(bytes.subarray(at + CMSGHDR_SIZE, at + length)),
    });
    at += aligned(length);
  }
  return messages;
}

/** Bytes as they are now; empty ones, too. */
function bytesOf(bytes: Bytes, name: string): Uint8Array {
  if (isEmpty(bytes, name)) return new Uint8Array(0);
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  homeOf(bytes, name); // refuses what only looks like a buffer
  return new Uint8Array(bytes);
}

/** Whether it is a buffer of length 0; what is none, or is detached, is refused. */
export function isEmpty(bytes: Bytes, name: string): boolean {
  const length = (bytes as { byteLength?: unknown } | null | undefined)?.byteLength;
  if (typeof length === "number" && length > 0) return false;
  try {
    refuseBytes(bytes, name);
  } catch (error) {
    if (error instanceof RangeError) return true;
    throw error;
  }
}

/** The most file descriptors that one message takes (SCM_MAX_FD). */
const MAX_FDS = 253;

/**
 * The control message that hands file descriptors to a unix socket's peer. They stay open here, too.
 *
 * @param fds 1 to 253 descriptors
 * @throws {TypeError} {RangeError} for anything else
 */
export function scmRights(fds: readonly number[]): ControlMessage {
  if (!Array.isArray(fds)) throw new TypeError("fds must be an array of file descriptors");
  if (fds.length < 1 || fds.length > MAX_FDS) {
    throw new RangeError(`fds must hold 1 to ${MAX_FDS} descriptors, not ${fds.length}: send several messages`);
  }
  for (const fd of fds) {
    if (typeof fd !== "number" || (fd | 0) !== fd) throw new TypeError(`fds must hold integers, not ${String(fd)}`);
  }
  return { level: SOL.SOCKET, type: SCM.RIGHTS, data: new Int32Array(fds) };
}

/**
 * The file descriptors among control messages that have come. They are open, and their receiver's to close.
 *
 * @param control what `recvmsg()` gave
 */
export function scmFds(control: readonly ReceivedControl[]): number[] {
  return control.filter(({ level, type }) => level === SOL.SOCKET && type === SCM.RIGHTS).flatMap(({ data }) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Array.from({ length: Math.floor(data.length / 4) }, (_, i) => view.getInt32(i * 4, true));
  });
}
