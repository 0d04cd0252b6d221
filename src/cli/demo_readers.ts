/**
 * Two ways to read a file, made to do the same work: through a ring, and with the runtime's own asynchronous functions.
 *
 * A file of up to {@link WHOLE} bytes is handed over whole, in memory of its own, as readFile does. A larger one is
 * handed over in pieces that share their memory, so that many large files at once don't fill it.
 *
 * @module
 */

import { open, readFile } from "node:fs/promises";
import { AT, O, type Ring, STATX } from "../../mod.ts";
import type { FoundFile } from "./demo_files.ts";

/** The largest file that is handed over whole. */
export const WHOLE: number = 2 * 1024 * 1024;

/** A piece of a larger one. */
export const PIECE: number = 1024 * 1024;

/** What the first read of a file asks for: most files are shorter. */
const FIRST = 64 * 1024;

/** Takes a piece of a file; its memory is the taker's until this returns. */
export type Take = (piece: Uint8Array, at: number) => void;

/** One of many loops: reads one file after another. */
export interface Reader {
  /** Hands the file over, all its pieces in order. */
  read(file: FoundFile, take: Take): Promise<void>;
}

/** Reads through a ring: openat, read until the end, close; what all loops ask for goes to the kernel together. */
export class RingReader implements Reader {
  readonly #ring: Ring;
  readonly #first = new Uint8Array(FIRST);
  #piece: Uint8Array | undefined;

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  async read({ path, size }: FoundFile, take: Take): Promise<void> {
    const fd = await this.#ring.openat(AT.FDCWD, path, O.RDONLY | O.NOFOLLOW);
    try {
      if (size <= WHOLE) take(await this.#whole(fd), 0);
      else await this.#pieces(fd, take);
    } finally {
      await this.#ring.closeFd(fd);
    }
  }

  /** Most files end within the first read, and their size isn't asked for: a statx occupies a worker of the kernel. */
  async #whole(fd: number): Promise<Uint8Array> {
    const first = this.#first, length = await this.#fill(fd, first, 0);
    if (length < FIRST) return first.slice(0, length);

    const { size } = await this.#ring.statx(fd, "", AT.EMPTY_PATH, STATX.SIZE);
    // One byte more than is there: the read that finds no more is the end, unless the file grew.
    let whole = new Uint8Array(Math.max(size, FIRST) + 1);
    whole.set(first);
    for (let filled = FIRST;;) {
      filled += await this.#fill(fd, whole.subarray(filled), filled);
      if (filled < whole.length) return whole.subarray(0, filled);
      const larger = new Uint8Array(whole.length * 2);
      larger.set(whole);
      whole = larger;
    }
  }

  async #pieces(fd: number, take: Take): Promise<void> {
    const piece = this.#piece ??= new Uint8Array(PIECE);
    for (let at = 0;;) {
      const filled = await this.#fill(fd, piece, at);
      if (filled > 0) take(piece.subarray(0, filled), at);
      if (filled < piece.length) return;
      at += filled;
    }
  }

  /** Reads until the buffer is full or the file ends; a short read alone doesn't mean the end. */
  async #fill(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      const count = await this.#ring.read(fd, filled === 0 ? buffer : buffer.subarray(filled), offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }
}

/** Reads with node:fs/promises, in Node and Bun. */
export class NodeReader implements Reader {
  #piece: Uint8Array | undefined;

  async read({ path, size }: FoundFile, take: Take): Promise<void> {
    if (size <= WHOLE) return take(await readFile(path), 0);
    const piece = this.#piece ??= new Uint8Array(PIECE);
    const handle = await open(path);
    try {
      for (let at = 0;;) {
        const { bytesRead } = await handle.read(piece, 0, PIECE, at);
        if (bytesRead === 0) return;
        take(piece.subarray(0, bytesRead), at);
        at += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
}

/** Reads with Deno.readFile and Deno.open. */
export class DenoReader implements Reader {
  #piece: Uint8Array | undefined;

  async read({ path, size }: FoundFile, take: Take): Promise<void> {
    if (size <= WHOLE) return take(await Deno.readFile(path), 0);
    const piece = this.#piece ??= new Uint8Array(PIECE);
    using file = await Deno.open(path);
    for (let at = 0;;) {
      const count = await file.read(piece);
      if (count === null) return;
      take(piece.subarray(0, count), at);
      at += count;
    }
  }
}
