/**
 * The memory that RawRing's preps take: bytes, addresses, paths, and small structs as objects.
 *
 * In every prep numbers are checked first, then bytes, and scratch memory is taken last: so nothing is taken that a
 * later check would lose.
 *
 * @module
 */

import { architecture } from "../../ffi/host.ts";
import { addressOf, type Bytes, type Home, homeOf } from "../memory/address.ts";
import { IOVEC_SIZE, MAX_IOVECS, MSGHDR_SIZE, readMsghdr, writeIovec, writeMsghdr } from "../memory/msghdr.ts";
import { giveScratch, type Path, type Scratch, scratchPath, takeScratch } from "../memory/scratch.ts";
import {
  checkFlags,
  checkInteger,
  checkMilliseconds,
  checkOffset,
  checkU32,
  futexSize,
  lengthOf,
  shown,
} from "./arguments.ts";
import { writeTimespec } from "./base.ts";
import type { OpenHow } from "./ops_files.ts";
import { callBack } from "./throw_later.ts";

/**
 * Memory for an operation: bytes, which are kept until its final completion; or an address, which is the caller's to
 * keep. 0 is C's NULL.
 */
export type Memory = Bytes | number | bigint;

/** A path: text or bytes, which are copied; or the address of a NUL-terminated one. */
export type RawPath = Path | number | bigint;

/** The name of an extended attribute: text or bytes, which are copied; or the address of a NUL-terminated one. */
export type RawName = string | Uint8Array | number | bigint;

/** A time: milliseconds, which are copied; or memory with a `__kernel_timespec`. */
export type RawTimespec = { readonly ms: number } | Memory;

/** Buffers; or memory with as many `struct iovec`. */
export type RawIovecs = Memory | readonly Bytes[];

/** What a 32-bit futex has to be for FUTEX_WAITV to wait. */
export interface RawFutexWait {
  /** The futex. */
  readonly futex: Memory;
  /** The value it must have. */
  readonly val: number | bigint;
  /** FUTEX2 flags: SIZE_U32, and PRIVATE for a futex of this process alone. */
  readonly flags: number;
}

/**
 * A message, as `struct msghdr` has it. Its buffers are kept until the operation's final completion; a RECVMSG then
 * writes what it got into `namelen`, `controllen` and `flags`.
 */
export interface RawMsghdr {
  /** The peer's sockaddr: where to send to, or where to put the sender's. */
  readonly name?: Bytes;
  /** Bytes of `name`. Default: all. */
  namelen?: number;
  /** The data. May be left out where provided buffers take it. */
  readonly iov?: readonly Bytes[];
  /** Control messages. */
  readonly control?: Bytes;
  /** Bytes of `control`. Default: all. */
  controllen?: number;
  /** MSG bits that came with the message. */
  flags?: number;
}

/** The largest sockaddr that the kernel writes: sizeof(struct sockaddr_storage). */
export const SOCKADDR_STORAGE = 128;
const OPEN_HOW_SIZE = 24;
const FUTEX_WAITV_SIZE = 24;
/** FUTEX_WAITV_MAX */
const MAX_FUTEXES = 128;
/** The largest pages that an aarch64 or x86-64 kernel has. */
const LARGEST_PAGE = 65536;

/** sizeof(struct epoll_event): x86-64 alone packs it. */
export const EPOLL_EVENT_SIZE: number = architecture() === "x86_64" ? 12 : 16;

/** Whether it is an address. */
export function isAddress(memory: unknown): memory is number | bigint {
  return typeof memory === "number" || typeof memory === "bigint";
}

/** The home of bytes, checked to be `length` long; null for an address. */
export function homeFor(memory: Memory, length: number, name: string): Home | null {
  if (typeof memory === "number" || typeof memory === "bigint") {
    if (!isWithin64(memory) || memory < 0) refuseAddress(memory, name);
    return null;
  }
  const available = lengthOf(memory, name);
  if (!(length <= available)) {
    throw new RangeError(`length ${length} is more than ${name} has: ${available} bytes`);
  }
  return homeOf(ArrayBuffer.isView(memory) ? memory.buffer : memory, name);
}

/** Where memory is, of which `length` bytes are used: `home` is its bytes' home, null for an address. */
export function addressIn(home: Home | null, memory: Memory, length: number): number | bigint {
  return home === null ? memory as number | bigint : addressOf(home, memory as Bytes, length);
}

function refuseAddress(address: number | bigint, name: string): never {
  throw new RangeError(`${name} must be memory, or an address from 0 to 2^64 - 1, not ${shown(address)}`);
}

function isWithin64(value: number | bigint): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value);
  return value >= -0x8000000000000000n && value <= 0xffffffffffffffffn;
}

/** A 64-bit value, signed or not: an offset, a length, a futex's value. Numbers are exact up to 2^53 − 1. */
export function check64(value: number | bigint, name: string): void {
  if (typeof value === "number" && Number.isSafeInteger(value)) return;
  if (typeof value === "bigint" && isWithin64(value)) return;
  if (typeof value !== "number" && typeof value !== "bigint") {
    throw new TypeError(`${name} must be a number or bigint, not ${shown(value)}`);
  }
  throw new RangeError(`${name} must be an integer of 64 bits (a bigint beyond 2^53 - 1), not ${shown(value)}`);
}

/** An index of a registered buffer, or a buffer group: 16 bits. */
export function checkU16(value: number, name: string): void {
  checkInteger(value, name, 0, 0xffff);
}

/** User data, or what cancels by it. */
export function checkUserData(userData: number): void {
  if (typeof userData !== "number" || !Number.isInteger(userData)) {
    throw new TypeError(`userData must be an integer, not ${shown(userData)}`);
  }
  if (userData < 0 || userData > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`userData must be from 0 to 2^53 - 1, not ${userData}`);
  }
}

/** User data for another ring's completion. */
export function checkMessage(data: number | bigint, name: string): void {
  check64(data, name);
  if (data < 0 || data > 0x7fffffffffffffffn) {
    throw new RangeError(`${name} must be from 0 to 2^63 - 1, not ${shown(data)}: rings keep the rest for themselves`);
  }
}

/** The home of bytes that the kernel writes a sockaddr to. */
export function sockaddrOut(addr: Memory, name: string): Home | null {
  // It takes the length from memory when the operation completes, which may be long after any check here, and may
  // leave a larger one there for the next operation. More than this it never writes.
  if (!isAddress(addr) && lengthOf(addr, name) < SOCKADDR_STORAGE) {
    throw new RangeError(
      `${name} has ${addr.byteLength} bytes, but the kernel may write any sockaddr there: give it ${SOCKADDR_STORAGE}`,
    );
  }
  return homeFor(addr, 0, name);
}

/** The home of bytes that MADVISE is about. */
export function pagesFor(addr: Memory, length: number | bigint, name: string): Home | null {
  const home = homeFor(addr, Number(length), name);
  if (home !== null && length < 0) throw new RangeError(`length ${length} is negative`);
  if (home !== null && home.region === null && Number(length) % LARGEST_PAGE !== 0) {
    throw new RangeError(
      `length ${length} may end within a page, and the kernel takes the whole of it, with what others have there: ` +
        `use a BufferPool's memory, or multiples of ${LARGEST_PAGE} bytes`,
    );
  }
  return home;
}

/** A copy of a path; null for an address. */
export function pathFor(path: RawPath, name: string, emptyAllowed = false): Scratch | null {
  if (!isAddress(path)) return scratchPath(path, name, emptyAllowed);
  homeFor(path, 0, name);
  return null;
}

/** What `take` gives; should it throw, `piece` is given back. */
export function orGiveBack<T>(piece: Scratch | null, take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (piece !== null) giveScratch(piece);
    throw error;
  }
}

/** Where a struct is, and what holds it there. */
export interface Placed {
  readonly home: Home | null;
  readonly scratch: Scratch | null;
  readonly address: number | bigint;
  /** What is held besides. */
  readonly more?: More;
}

/** What few operations hold besides a home and a piece of scratch memory. */
export interface More {
  readonly homes?: readonly Home[];
  readonly scratch?: Scratch | null;
  /** Called at the final completion, while everything is still there. */
  readonly ended?: () => void;
}

function inPlace(memory: Memory, length: number, name: string): Placed {
  const home = homeFor(memory, length, name);
  return { home, scratch: null, address: addressIn(home, memory, length) };
}

/** Whether it is memory; if not, it is an object that says the same. */
function isMemoryOr<T extends object>(value: T | Memory, name: string, form: string): value is Memory {
  if (isAddress(value)) return true;
  if (value === null || typeof value !== "object") {
    throw new TypeError(`${name} must be ${form} or memory, not ${shown(value)}`);
  }
  return "byteLength" in value;
}

/** A timespec. */
export function timespecFor(ts: RawTimespec): Placed {
  if (isMemoryOr(ts, "ts", "{ ms }")) return inPlace(ts, 16, "ts");
  const { ms } = ts;
  checkMilliseconds(ms, "ms");
  const scratch = writeTimespec(ms);
  return { home: null, scratch, address: scratch.address };
}

/** A struct open_how. */
export function openHowFor(how: OpenHow | Memory): Placed {
  if (isMemoryOr(how, "how", "{ flags, mode, resolve }")) return inPlace(how, OPEN_HOW_SIZE, "how");
  const { flags = 0, mode = 0, resolve = 0 } = how;
  const words = Object.entries({ flags, mode, resolve }).map(([name, word]) =>
    BigInt(checkOffset(word, `how.${name}`))
  );
  const scratch = takeScratch(OPEN_HOW_SIZE);
  words.forEach((word, i) => scratch.view.setBigUint64(i * 8, word, true));
  return { home: null, scratch, address: scratch.address };
}

/** An array of iovecs. */
export function iovecsFor(iovecs: RawIovecs, nrVecs: number): Placed {
  if (!Array.isArray(iovecs)) {
    checkU32(nrVecs, "nrVecs");
    return inPlace(iovecs as Memory, nrVecs * IOVEC_SIZE, "iovecs");
  }
  checkInteger(nrVecs, "nrVecs", 1, Math.min(MAX_IOVECS, iovecs.length));
  const buffers = firstOf(iovecs as readonly Bytes[], nrVecs);
  const homes = homesOf(buffers, "iovecs");
  const vectors = vectorsOf(buffers, homes);
  const scratch = takeScratch(nrVecs * IOVEC_SIZE);
  writeIovecs(scratch, vectors);
  return { home: null, scratch, address: scratch.address, more: { homes } };
}

/** As many, holes too, and looked at once: slice() and map() leave holes as they are. */
function firstOf<T>(list: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => list[i]!);
}

function homesOf(buffers: readonly Bytes[], name: string): Home[] {
  return buffers.map((bytes) => homeFor(bytesOf(bytes, name), 0, name)!);
}

function bytesOf(bytes: Bytes, name: string): Bytes {
  lengthOf(bytes, name);
  return bytes;
}

/** What iovecs say: address and length. */
type Vector = readonly [address: number | bigint, length: number];

function vectorsOf(buffers: readonly Bytes[], homes: readonly Home[]): Vector[] {
  return homes.map((home, i) => {
    const length = buffers[i]!.byteLength;
    return [addressIn(home, buffers[i]!, length), length];
  });
}

function writeIovecs({ view }: Scratch, vectors: readonly Vector[]): void {
  vectors.forEach(([address, length], i) => writeIovec(view, i * IOVEC_SIZE, address, length));
}

/** Whether it is memory with a struct msghdr: what that points to is the caller's to keep. */
export function isMsghdr(msg: RawMsghdr | Memory): msg is Memory {
  return isMemoryOr(msg, "msg", "{ name, iov, control }");
}

/** A struct msghdr. `received` is to get what the kernel changes in it. */
export function msghdrFor(msg: RawMsghdr | Memory, received = false): Placed {
  if (isMsghdr(msg)) return inPlace(msg, MSGHDR_SIZE, "msg");
  const { name, iov = [], control, flags = 0 } = msg;
  const namelen = lengthWithin(msg.namelen, name, "msg.name");
  const controllen = lengthWithin(msg.controllen, control, "msg.control");
  checkFlags(flags, "msg.flags");
  if (!Array.isArray(iov)) throw new TypeError(`msg.iov must be an array of buffers, not ${shown(iov)}`);
  checkInteger(iov.length, "the length of msg.iov", 0, MAX_IOVECS);
  const nameHome = name === undefined ? null : homeFor(bytesOf(name, "msg.name"), 0, "msg.name");
  const controlHome = control === undefined ? null : homeFor(bytesOf(control, "msg.control"), 0, "msg.control");
  const buffers: readonly Bytes[] = [...iov];
  const homes = homesOf(buffers, "msg.iov");
  const vectors = vectorsOf(buffers, homes);
  const nameAddress = nameHome === null ? 0 : addressIn(nameHome, name!, namelen);
  const controlAddress = controlHome === null ? 0 : addressIn(controlHome, control!, controllen);

  const iovecs = homes.length === 0 ? null : takeScratch(homes.length * IOVEC_SIZE);
  if (iovecs !== null) writeIovecs(iovecs, vectors);
  const header = takeScratch(MSGHDR_SIZE);
  const { view } = header;
  writeMsghdr(view, 0, {
    name: nameAddress,
    nameLength: namelen,
    iovecs: iovecs?.address ?? 0,
    iovecCount: homes.length,
    control: controlAddress,
    controlLength: controllen,
    flags,
  });
  if (nameHome !== null) homes.push(nameHome);
  if (controlHome !== null) homes.push(controlHome);
  const more = { homes, scratch: iovecs, ...(received && { ended: () => readBack(msg, view) }) };
  return { home: null, scratch: header, address: header.address, more };
}

/** Into an object that can't be changed, nothing is written. What a setter throws is uncaught: no completion is lost. */
function readBack(msg: RawMsghdr, view: DataView): void {
  const { nameLength, controlLength, flags } = readMsghdr(view, 0);
  callBack(() => {
    Reflect.set(msg, "namelen", nameLength);
    Reflect.set(msg, "controllen", controlLength);
    Reflect.set(msg, "flags", flags);
  });
}

/** Without bytes, a length alone says how much of a provided buffer is to be left for them. */
function lengthWithin(length: number | undefined, bytes: Bytes | undefined, name: string): number {
  const available = bytes === undefined ? 0x7fffffff : lengthOf(bytes, name);
  if (length === undefined) return bytes === undefined ? 0 : available;
  checkInteger(length, `${name}len`, 0, available);
  return length;
}

/** An array of struct futex_waitv. */
export function futexesFor(futexes: Memory | readonly RawFutexWait[], nrFutex: number): Placed {
  if (!Array.isArray(futexes)) {
    checkU32(nrFutex, "nrFutex");
    return inPlace(futexes as Memory, nrFutex * FUTEX_WAITV_SIZE, "futex");
  }
  checkInteger(nrFutex, "nrFutex", 1, Math.min(MAX_FUTEXES, futexes.length));
  const waits = firstOf(futexes as readonly RawFutexWait[], nrFutex).map((wait, i) => {
    if (wait === null || typeof wait !== "object") {
      throw new TypeError(`futex[${i}] must be { futex, val, flags }, not ${shown(wait)}`);
    }
    const { futex, val, flags } = wait;
    check64(val, "futex.val");
    checkFlags(flags, "futex.flags");
    const size = futexSize(flags);
    const home = homeFor(futex, size, "futex.futex");
    return { home, address: BigInt(addressIn(home, futex, size)), val, flags };
  });
  const scratch = takeScratch(nrFutex * FUTEX_WAITV_SIZE);
  waits.forEach(({ address, val, flags }, i) => {
    scratch.view.setBigUint64(i * FUTEX_WAITV_SIZE, BigInt.asUintN(64, BigInt(val)), true);
    scratch.view.setBigUint64(i * FUTEX_WAITV_SIZE + 8, address, true);
    scratch.view.setBigUint64(i * FUTEX_WAITV_SIZE + 16, BigInt(flags >>> 0), true); // with what is reserved
  });
  const homes = waits.flatMap(({ home }) => home === null ? [] : [home]);
  return { home: null, scratch, address: scratch.address, more: { homes } };
}
