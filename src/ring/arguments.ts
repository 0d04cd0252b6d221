/**
 * Checks of what callers give. Nothing wrong ever reaches the kernel: each throws before anything is staged, and names
 * the argument, the limit and the fix.
 *
 * @module
 */

import { FUTEX2, IORING_CQE_F, MSG } from "../abi/constants.ts";
import { type Bytes, refuseBytes } from "../memory/address.ts";

/** A file descriptor: an integer below 2^31. Negative ones are the kernel's to refuse, or mean something to it. */
export function checkFd(fd: number, name = "fd"): void {
  if (typeof fd !== "number" || (fd | 0) !== fd) refuseFd(fd, name);
}

function refuseFd(fd: unknown, name: string): never {
  if (fd !== null && typeof fd === "object" && "fd" in fd) {
    throw new TypeError(`${name} must be a number, not an object: give its .fd`);
  }
  throw new TypeError(`${name} must be an integer from -2147483648 to 2147483647, not ${shown(fd)}`);
}

/** An unsigned 32-bit integer: flags, a mask, a mode. */
export function checkU32(value: number, name: string): void {
  if (typeof value !== "number" || (value >>> 0) !== value) refuseInteger(value, name, 0, 0xffffffff);
}

/** A signed or unsigned 32-bit integer: flags that C declares as int. */
export function checkFlags(value: number, name: string): void {
  if (typeof value === "number" && ((value | 0) === value || (value >>> 0) === value)) return;
  refuseInteger(value, name, -0x80000000, 0xffffffff);
}

/** What tells the layout of CQEs: a message that says so would take its neighbour with it. */
const LAYOUT = IORING_CQE_F["32"] | IORING_CQE_F.SKIP;

/** Refuses flags for another ring's completion that say how completions lie. */
export function refuseLayout(cqeFlags: number): void {
  if ((cqeFlags & LAYOUT) !== 0) {
    throw new TypeError("cqeFlags must not have IORING_CQE_F.SKIP or 32: the other ring would misread what follows");
  }
}

/** Bytes of a futex: with NUMA the word behind it names the node, and the kernel may write there. */
export function futexSize(flags: number): number {
  return (flags & FUTEX2.NUMA) !== 0 ? 8 : 4;
}

/** MSG flags of a send that lets go of its bytes as it completes: with ZEROCOPY the network has them for longer. */
export function checkSendFlags(flags: number, instead: string): void {
  checkFlags(flags, "flags");
  if ((flags & MSG.ZEROCOPY) !== 0) refuseZerocopy(instead);
}

/** Refuses to let go of bytes that the network may have still. */
export function refuseZerocopy(instead: string): never {
  throw new TypeError(`flags has MSG.ZEROCOPY, with which the ring can't tell when the bytes are free: use ${instead}`);
}

function refuseInteger(value: unknown, name: string, min: number, max: number): never {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  if (!Number.isInteger(value)) throw new TypeError(`${name} must be an integer, not ${shown(value)}`);
  throw new RangeError(`${name} must be from ${min} to ${max}, not ${value}`);
}

/** An integer between limits. */
export function checkInteger(value: number, name: string, min: number, max: number): void {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    refuseInteger(value, name, min, max);
  }
}

/** A place among a ring's registered files: its number, or any that is free. */
export type FileSlot = number | "alloc";

/** IORING_FILE_INDEX_ALLOC: the kernel chooses, and tells which. */
const ALLOC = 0xffffffff;

/** liburing's file_index of a slot. */
export function toFileIndex(slot: FileSlot, name = "slot"): number {
  if (slot === "alloc") return ALLOC;
  if (typeof slot === "string") throw new TypeError(`${name} must be a number or "alloc", not ${shown(slot)}`);
  // The kernel's number is one more, and its greatest means "alloc".
  checkInteger(slot, name, 0, ALLOC - 2);
  return slot;
}

/** A place in a file; left out or `"current"`, its position. */
export type Offset = number | bigint | "current";

const MAX_OFFSET = 0x7fffffffffffffffn;

/** The kernel's form of an offset: −1 is the file's position. */
export function toOffset(offset: Offset | undefined): number | bigint {
  if (offset === undefined || offset === "current") return -1;
  return checkOffset(offset, "offset");
}

/** A file offset or length: 0 to 2^63 − 1, as a number up to 2^53 − 1. */
export function checkOffset(value: number | bigint, name: string): number | bigint {
  if (typeof value === "number") {
    if (value >= 0 && Number.isSafeInteger(value)) return value;
    return refuseOffset(value, name);
  }
  if (typeof value !== "bigint") throw new TypeError(`${name} must be a number or bigint, not ${shown(value)}`);
  if (value >= 0n && value <= MAX_OFFSET) return value;
  return refuseOffset(value, name);
}

function refuseOffset(value: number | bigint, name: string): never {
  if (typeof value === "number" && !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer, not ${shown(value)}`);
  }
  if (value === -1 || value === -1n) {
    throw new RangeError(`${name} must not be -1: leave it out, or say "current", to mean the file's position`);
  }
  if (value < 0) throw new RangeError(`${name} must not be negative, not ${value}`);
  if (typeof value === "number") {
    throw new RangeError(`${name} ${value} is beyond 2^53 - 1, where a number is not exact: give a bigint`);
  }
  throw new RangeError(`${name} must be at most 2^63 - 1, not ${value}`);
}

/** The most that one operation moves; SQE lengths have 32 bits. */
const MAX_LENGTH = 0xffffffff;

/** The length of bytes that an operation may use; refuses none, detached and too many. */
export function lengthOf(bytes: Bytes, name: string): number {
  const length = (bytes as { byteLength?: unknown } | null | undefined)?.byteLength;
  if (typeof length !== "number" || !(length > 0)) refuseBytes(bytes, name);
  if (length > MAX_LENGTH) {
    throw new RangeError(`${name} is ${length} bytes long; one operation takes at most 2^32 - 1: give a subarray`);
  }
  return length;
}

/** A time in milliseconds, fractions allowed. */
export function checkMilliseconds(ms: number, name: string): void {
  if (typeof ms !== "number") throw new TypeError(`${name} must be a number of milliseconds, not ${shown(ms)}`);
  // 2^53 − 1 ms are 285,000 years.
  if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${name} must be from 0 to 2^53 - 1 milliseconds, not ${ms}`);
  }
}

/** What a caller gave, for a message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n (a bigint)`;
  if (typeof value === "number" || value === null || value === undefined) return String(value);
  return `a ${typeof value}`;
}
