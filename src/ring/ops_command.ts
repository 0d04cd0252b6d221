/**
 * Commands that a file's own driver understands.
 *
 * @module
 */

import { IORING_URING_CMD } from "../abi/constants.ts";
import { prepCmdDiscard, prepCmdZoneResetAll, prepUringCmd, prepUringCmd128 } from "../abi/encode.ts";
import { put64 } from "../abi/encode/words.ts";
import { addressOf, type Bytes, type Home, homeOf } from "../memory/address.ts";
import { checkFd, checkInteger, checkOffset, checkU32, lengthOf, shown } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { UringError } from "./errors.ts";
import { RingMessageOps } from "./ops_message.ts";

/** What goes with a command, and how. */
export interface CommandOptions extends OpOptions {
  /**
   * `sqe->addr`. Memory that the command reads or writes, which is held until the command has completed; or a number,
   * where the driver takes one in its place.
   */
  readonly addr?: Bytes | number | bigint;
  /** `sqe->len`. Default: the length of the memory at `addr`, or 0. */
  readonly len?: number;
  /**
   * The command's argument (`sqe->cmd`), copied: up to 16 bytes, or 80 with SQEs of 128 bytes. Addresses in it are the
   * caller's own business: what they point to is not held.
   */
  readonly payload?: Uint8Array;
  /** `addr` lies in this registered buffer (IORING_URING_CMD_FIXED). */
  readonly bufIndex?: number;
}

/** Words of an SQE from which on the command's argument lies. */
const PAYLOAD_WORD = 12;
const PAYLOAD_SIZE = 16;
const LARGE_PAYLOAD_SIZE = 80;
const EINVAL = -22;

interface Command {
  readonly home: Home | null;
  readonly address: number | bigint;
  readonly len: number;
  readonly payload: Int32Array;
  readonly bufIndex: number | undefined;
}

/** Commands that a file's own driver understands. */
export class CommandOps extends RingMessageOps {
  /**
   * Runs a command of the file's driver: of a block device, an NVMe namespace, a socket, a FUSE connection. Since Linux
   * 5.19.
   *
   * What a command does with its argument is its driver's business, and not checked here.
   *
   * @param cmdOp the driver's command, 32 bits
   * @param o options, and what goes with the command. On a ring with `sqe128` the payload may have 80 bytes
   * @returns the driver's result: the last one, where a command completes again and again. `RawRing` tells of each
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EOPNOTSUPP: the file takes no commands, or not this one; ENOTTY: nor does its driver
   *
   * @example
   * ```ts
   * import { AT, O, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", O.RDONLY);
   * const error = await ring.uringCmd(fd, 0).catch((error) => error);
   * console.assert(error.code === "EOPNOTSUPP"); // a regular file takes no commands
   * await ring.closeFd(fd);
   * ```
   */
  uringCmd(fd: number, cmdOp: number, o?: CommandOptions): Promise<number> {
    this.need("URING_CMD", "5.19");
    checkFd(fd);
    checkU32(cmdOp, "cmdOp");
    const large = this.engine.core.sqeWords === 32;
    const command = checkCommand(o, large ? LARGE_PAYLOAD_SIZE : PAYLOAD_SIZE);
    return this.start({ op: "uring_cmd", fd, home: command.home }, o, (words, at) => {
      prepUringCmd(words, at, cmdOp, fd);
      // The second half belongs to the argument, and was used before.
      if (large) words.fill(0, at + 16, at + 32);
      writeCommand(words, at, command);
    });
  }

  /**
   * As {@linkcode uringCmd}, with an SQE of 128 bytes and up to 80 bytes of payload. Since Linux 6.19, on a ring with
   * `sqe128`.
   *
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {TypeError} on a ring whose SQEs have 64 bytes
   */
  uringCmd128(fd: number, cmdOp: number, o?: CommandOptions): Promise<number> {
    this.need("URING_CMD128", "6.19");
    if (this.engine.core.sqeWords !== 32) {
      throw new TypeError("uringCmd128 takes an SQE of 128 bytes: open the ring with { sqe128: true }");
    }
    checkFd(fd);
    checkU32(cmdOp, "cmdOp");
    const command = checkCommand(o, LARGE_PAYLOAD_SIZE);
    return this.start({ op: "uring_cmd128", fd, home: command.home }, o, (words, at) => {
      prepUringCmd128(words, at, cmdOp, fd);
      writeCommand(words, at, command);
    });
  }

  /**
   * Tells a block device that a range is of no use any more: its content is gone. Since Linux 6.12.
   *
   * @param fd a block device, open for writing
   * @param offset in bytes, a multiple of the device's block size
   * @param nbytes how many bytes, a multiple of the device's block size
   * @returns 0
   * @throws {UringError} (rejects) EOPNOTSUPP: no block device, or one that can't; EINVAL: not aligned, or before Linux
   *   6.12; EBUSY: pages of the range are in use; EBADF, EPERM: not open for writing
   */
  cmdDiscard(fd: number, offset: number | bigint, nbytes: number | bigint, o?: OpOptions): Promise<number> {
    this.need("URING_CMD", "5.19");
    checkFd(fd);
    checkOffset(offset, "offset");
    checkOffset(nbytes, "nbytes");
    return this.start({ op: "uring_cmd", fd }, o, (words, at) => prepCmdDiscard(words, at, fd, offset, nbytes));
  }

  /**
   * Resets every zone of a zoned block device: its content is gone.
   *
   * @param fd a zoned block device, open for writing
   * @returns 0
   * @throws {UringError} (rejects) EOPNOTSUPP, ENOTTY or EINVAL: no such device, or a kernel that has no such command
   */
  cmdZoneResetAll(fd: number, o?: OpOptions): Promise<number> {
    this.need("URING_CMD", "5.19");
    checkFd(fd);
    const failed = (errno: number) =>
      errno === EINVAL
        ? new UringError(errno, "uring_cmd", { fd, detail: "no zoned block device, or a kernel without this command" })
        : undefined;
    return this.start({ op: "uring_cmd", fd, extra: { failed } }, o, (words, at) => prepCmdZoneResetAll(words, at, fd));
  }
}

function checkCommand(o: CommandOptions | undefined, room: number): Command {
  const { addr, payload, bufIndex, len: asked } = o ?? {};
  if (bufIndex !== undefined) checkInteger(bufIndex, "bufIndex", 0, 0xffff);
  let home: Home | null = null;
  let address: number | bigint = 0;
  let len = 0;
  if (typeof addr === "number" || typeof addr === "bigint") {
    address = checkOffset(addr, "addr");
  } else if (addr !== undefined) {
    len = lengthOf(addr, "addr");
    home = homeOf(ArrayBuffer.isView(addr) ? addr.buffer : addr, "addr");
    address = addressOf(home, addr, len);
  }
  if (asked !== undefined) {
    checkU32(asked, "len");
    if (home !== null && asked > len) throw new RangeError(`len ${asked} is more than the ${len} bytes of addr`);
    len = asked;
  }
  return { home, address, len, payload: copyOf(payload, room), bufIndex };
}

/** The payload as whole words. */
function copyOf(payload: Uint8Array | undefined, room: number): Int32Array {
  if (payload === undefined) return NO_PAYLOAD;
  if (!(payload instanceof Uint8Array)) throw new TypeError(`payload must be a Uint8Array, not ${shown(payload)}`);
  if (payload.length > room) {
    throw new RangeError(
      `payload is ${payload.length} bytes long; this ring's SQEs have room for ${room}${
        room === PAYLOAD_SIZE ? ": open it with { sqe128: true } for 80" : ""
      }`,
    );
  }
  const bytes = new Uint8Array(new ArrayBuffer(Math.ceil(payload.length / 4) * 4));
  bytes.set(payload);
  return new Int32Array(bytes.buffer);
}

const NO_PAYLOAD = new Int32Array(0);

function writeCommand(words: Int32Array, at: number, { address, len, payload, bufIndex }: Command): void {
  put64(words, at + 4, address);
  words[at + 6] = len;
  if (bufIndex !== undefined) {
    words[at + 7] = IORING_URING_CMD.FIXED;
    words[at + 10] = bufIndex;
  }
  words.set(payload, at + PAYLOAD_WORD);
}
