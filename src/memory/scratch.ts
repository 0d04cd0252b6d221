/**
 * Small memory for what goes with an operation: paths, timespecs, iovecs, statx results. Taken from blocks that are
 * never given back to the heap, so an address is computed once; given back to a free list at the final completion.
 *
 * @module
 */

import { load } from "../../ffi/load.ts";

/** A piece of scratch memory. */
export class Scratch {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Size class: an index into {@linkcode SIZES}. */
  readonly sizeClass: number;

  constructor(address: number, bytes: Uint8Array<ArrayBuffer>, sizeClass: number) {
    this.address = address;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.sizeClass = sizeClass;
  }
}

/** 64: timespec, open_how; 512: statx, usual paths; 4352: one path at PATH_MAX and a statx; 16384: 1024 iovecs. */
const SIZES = [64, 512, 4352, 16384] as const;
/** Pieces made at once: one buffer of at most 64 KiB. */
const BATCH = [64, 64, 8, 4] as const;

const free: Scratch[][] = SIZES.map(() => []);

/** Takes a piece of at least `size` bytes; up to 16384. Its content is what the last user left. */
export function takeScratch(size: number): Scratch {
  const sizeClass = size <= 64 ? 0 : size <= 512 ? 1 : size <= 4352 ? 2 : 3;
  const list = free[sizeClass]!;
  if (list.length === 0) refill(sizeClass, list);
  return list.pop()!;
}

/** Gives a piece back. The kernel must be done with it. */
export function giveScratch(piece: Scratch): void {
  free[piece.sizeClass]!.push(piece);
}

function refill(sizeClass: number, list: Scratch[]): void {
  const size = SIZES[sizeClass]!;
  const buffer = new ArrayBuffer(size * BATCH[sizeClass]!);
  const base = load().address(new Uint8Array(buffer));
  for (let at = 0; at < buffer.byteLength; at += size) {
    list.push(new Scratch(base + at, new Uint8Array(buffer, at, size), sizeClass));
  }
}

const encoder = new TextEncoder();

/** A path as people give it. */
export type Path = string | Uint8Array | URL;

/** PATH_MAX, with its final NUL. */
const PATH_MAX = 4096;

/**
 * Writes a NUL-terminated path into scratch memory, from `at` on; gives the number of bytes with the NUL.
 *
 * @throws {TypeError} for an empty path (but where `emptyAllowed`), one with a NUL, or something that is no path
 * @throws {RangeError} for one longer than PATH_MAX
 */
export function encodePath(path: Path, name: string, emptyAllowed: boolean): Uint8Array {
  const bytes = pathBytes(path, name);
  if (bytes.length === 0 && !emptyAllowed) {
    throw new TypeError(`${name} is empty: give a path, or AT_EMPTY_PATH in flags to mean the descriptor itself`);
  }
  if (bytes.includes(0)) throw new TypeError(`${name} contains a NUL byte, which ends a path for the kernel`);
  if (bytes.length >= PATH_MAX) {
    throw new RangeError(`${name} is ${bytes.length} bytes long; the kernel takes at most ${PATH_MAX - 1}`);
  }
  return bytes;
}

function pathBytes(path: Path, name: string): Uint8Array {
  if (typeof path === "string") return encoder.encode(path);
  if (path instanceof Uint8Array) return path;
  if (path instanceof URL && path.protocol === "file:") return urlBytes(path, name);
  throw new TypeError(`${name} must be a string, a Uint8Array or a file: URL`);
}

function urlBytes(url: URL, name: string): Uint8Array {
  if (url.host !== "") {
    throw new TypeError(`${name} is a URL of another host, ${url.host}: a file of this one is meant`);
  }
  if (/%2f/i.test(url.pathname)) throw new TypeError(`${name} is a URL with %2F in a name, which no file has`);
  try {
    return encoder.encode(decodeURIComponent(url.pathname));
  } catch {
    throw new TypeError(`${name} is a URL whose % escapes are no UTF-8: give the path as a Uint8Array`);
  }
}

/**
 * A path as text, for messages. Empty where its own code, or memory that is shared, leaves it none: to throw would lose the
 * scratch memory that the path lies in by then.
 */
export function pathText(path: Path): string {
  if (typeof path === "string") return path;
  try {
    return path instanceof URL ? decodeURIComponent(path.pathname) : new TextDecoder().decode(path);
  } catch {
    return "";
  }
}

/** Takes a piece and writes the path there, with its NUL. `extra` bytes are left free before it. */
export function scratchPath(path: Path, name: string, emptyAllowed = false, extra = 0): Scratch {
  if (typeof path === "string" && path.length > 0 && path.length + extra < 512) {
    const piece = takeScratch(extra + path.length + 1);
    if (writeAscii(piece.bytes, extra, path)) return piece;
    giveScratch(piece);
  }
  const bytes = encodePath(path, name, emptyAllowed);
  const piece = takeScratch(extra + bytes.length + 1);
  piece.bytes.set(bytes, extra);
  piece.bytes[extra + bytes.length] = 0;
  return piece;
}

/** The usual path: short, ASCII, no NUL. Gives false for any other, which takes the slower way. */
function writeAscii(bytes: Uint8Array, at: number, text: string): boolean {
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code > 127) return false;
    bytes[at + i] = code;
  }
  bytes[at + length] = 0;
  return true;
}
