/**
 * Buffers of socket operations: unlike a file's, they may be empty, as a datagram may be.
 *
 * @module
 */

import { addressOf, bufferOf, type Bytes, type Home, homeOf } from "../memory/address.ts";
import { IOVEC_SIZE, isEmpty, MAX_IOVECS, writeIovec } from "../memory/msghdr.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { lengthOf, shown } from "./arguments.ts";

/** What bytes that are to be sent consist of; empty ones have no home and no address. */
export interface Piece {
  readonly home: Home | null;
  readonly address: number;
  readonly length: number;
}

const EMPTY: Piece = { home: null, address: 0, length: 0 };

/** Checks bytes that may be empty. */
export function pieceOf(bytes: Bytes, name: string): Piece {
  if (isEmpty(bytes, name)) return EMPTY;
  const length = lengthOf(bytes, name);
  const home = homeOf(bufferOf(bytes), name);
  return { home, address: addressOf(home, bytes, length), length };
}

/** Checks several buffers. */
export function piecesOf(buffers: readonly Bytes[], name: string): Piece[] {
  if (!Array.isArray(buffers)) throw new TypeError(`${name} must be an array of buffers, not ${shown(buffers)}`);
  if (buffers.length > MAX_IOVECS) {
    throw new RangeError(`${name} must hold at most ${MAX_IOVECS} buffers, not ${buffers.length}: split the call`);
  }
  // Not map(), which leaves holes out.
  const pieces: Piece[] = [];
  for (let i = 0; i < buffers.length; i++) pieces.push(pieceOf(buffers[i]!, `${name}[${i}]`));
  return pieces;
}

/** The homes that an operation must hold for its pieces. */
export function homesOf(pieces: readonly Piece[]): Home[] {
  return pieces.flatMap(({ home }) => home === null ? [] : [home]);
}

/** Takes scratch memory with the iovecs of pieces. */
export function takeIovecs(pieces: readonly Piece[]): Scratch {
  const scratch = takeScratch(pieces.length * IOVEC_SIZE);
  pieces.forEach(({ address, length }, i) => writeIovec(scratch.view, i * IOVEC_SIZE, address, length));
  return scratch;
}

/** Takes scratch memory with bytes in it. */
export function takeFilled(bytes: Uint8Array): Scratch {
  const scratch = takeScratch(bytes.length);
  scratch.bytes.set(bytes);
  return scratch;
}
