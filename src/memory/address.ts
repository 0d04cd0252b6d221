/**
 * Where bytes live that the kernel is to read or write, and what keeps them there.
 *
 * @module
 */

import { load } from "../../ffi/load.ts";
import type { Region } from "./region.ts";

/** Memory that an operation may use: any view, or a whole buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike;

/** The ArrayBuffer of bytes. */
export function bufferOf(bytes: Bytes): ArrayBufferLike {
  return ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
}

/**
 * A buffer with a known, fixed address. An operation in flight holds its buffer's home: through it the buffer, and the
 * pages below it where they are ours.
 */
export class Home {
  /** Address of the buffer's first byte. Below 2^48, so exact. */
  readonly address: number;
  /** The buffer itself: JSC collects what nobody mentions. */
  readonly buffer: ArrayBufferLike;
  /** All of it; of length 0 once it was detached. The length of a view is what every engine gives without a call. */
  readonly whole: Uint8Array;
  /** The pages below it, where the library mapped them: they stay even if the buffer is transferred. */
  readonly region: Region | null;

  constructor(address: number, buffer: ArrayBufferLike, region: Region | null) {
    this.address = address;
    this.buffer = buffer;
    this.whole = new Uint8Array(buffer);
    this.region = region;
  }
}

/** A buffer that is not resizable keeps its address until it is detached; detached, its views have length 0. */
const homes = new WeakMap<ArrayBufferLike, Home>();

/** The home of the buffer below `bytes`, whose length the caller has found to be more than 0. */
export function homeOf(buffer: ArrayBufferLike, name = "buffer"): Home {
  return homes.get(buffer) ?? settle(buffer, name);
}

function settle(buffer: ArrayBufferLike, name: string): Home {
  if (!isBuffer(buffer)) refuseBytes(buffer, name);
  if ((buffer as { resizable?: boolean }).resizable || (buffer as { growable?: boolean }).growable) {
    throw new TypeError(
      `${name} is resizable: its memory may go while the kernel uses it; use one of fixed length, or a BufferPool's`,
    );
  }
  const address = load().address(new Uint8Array(buffer));
  const home = new Home(address, buffer, null);
  homes.set(buffer, home);
  return home;
}

/**
 * Where bytes are, of which an operation may use `length`. All that it uses lies in their buffer, whatever they say: a
 * property of their own may stand for that of every view.
 *
 * @param home their buffer's
 */
export function addressOf(home: Home, bytes: Bytes, length: number): number {
  const offset = ArrayBuffer.isView(bytes) ? bytes.byteOffset : 0;
  if (!(typeof offset === "number" && offset >= 0 && length >= 0 && offset + length <= home.whole.length)) {
    refuseRange(offset, length, home);
  }
  return home.address + offset;
}

function refuseRange(offset: unknown, length: number, { whole }: Home): never {
  throw new RangeError(
    `bytes ${offset} to ${Number(offset) + length} are beyond their buffer, which has ${whole.length}: ` +
      "give a view that does not redefine byteOffset or byteLength",
  );
}

/** Makes known that a buffer lies on pages of ours. */
export function setHome(buffer: ArrayBufferLike, region: Region): Home {
  const home = new Home(load().address(new Uint8Array(buffer)), buffer, region);
  homes.set(buffer, home);
  return home;
}

/** Refuses what is no buffer, is detached, or is empty, with a word on which it was. */
export function refuseBytes(bytes: unknown, name: string): never {
  if (!ArrayBuffer.isView(bytes) && !isBuffer(bytes)) {
    throw new TypeError(`${name} must be a typed array, DataView or ArrayBuffer, not ${describe(bytes)}`);
  }
  const buffer = ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
  if (isDetached(buffer)) {
    throw new TypeError(`${name} is detached: it was transferred elsewhere, and has no memory any more`);
  }
  throw new RangeError(`${name} has length 0: give it at least one byte`);
}

const BUFFER_KINDS = [ArrayBuffer, ...(typeof SharedArrayBuffer === "undefined" ? [] : [SharedArrayBuffer])];
const lengthGetters = BUFFER_KINDS.map((kind) => Object.getOwnPropertyDescriptor(kind.prototype, "byteLength")!.get!);

/** Whether it is a buffer, and not what only looks like one; of another realm (`node:vm`), too. */
export function isBuffer(value: unknown): value is ArrayBufferLike {
  return lengthGetters.some((byteLength) => {
    try {
      byteLength.call(value);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether a buffer was detached. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  const { detached } = buffer as { detached?: boolean };
  if (detached !== undefined) return detached;
  try {
    new Uint8Array(buffer); // Node 20 has no `detached`; this throws
    return false;
  } catch {
    return true;
  }
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value;
}
