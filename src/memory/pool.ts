/**
 * Buffers on pages that the library mapped.
 *
 * @module
 */

import { checkRange } from "./check_range.ts";
import { mapRegion, type Region } from "./region.ts";
import { threadBound } from "./thread_bound.ts";

/** What a pool registers itself with: a `Ring`. */
export interface PoolRegistrar {
  /** Registers the pool's memory. */
  registerPool(pool: BufferPool): void;
  /** Takes the registration back. */
  unregisterPool(pool: BufferPool): void;
}

/** What a pool is to be. */
export interface BufferPoolOptions {
  /** Bytes of each buffer, at least 1. */
  readonly size: number;
  /** How many buffers, at least 1. */
  readonly count: number;
  /** A ring to register the memory with, for `readFixed` and `writeFixed`. */
  readonly ring?: PoolRegistrar;
  /** Use 2 MiB pages: reserved ones (vm.nr_hugepages) where there are, else transparent ones. */
  readonly hugePages?: boolean;
}

/**
 * Buffers that the kernel may touch safely whatever JavaScript does: page-aligned, as O_DIRECT needs them, at an
 * address that never moves, and never freed while an operation uses them.
 *
 * @example
 * ```ts
 * import { AT, BufferPool, Ring } from "@uring/uring";
 *
 * await using ring = new Ring();
 * using pool = new BufferPool({ ring, size: 4096, count: 16 });
 * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
 * const buffer = pool.acquire();
 * const bytes = await ring.readFixed(fd, buffer, 0);
 * console.assert(bytes > 0);
 * pool.release(buffer);
 * await ring.closeFd(fd);
 * ```
 */
export class BufferPool {
  /** Bytes of each buffer. */
  readonly size: number;
  /** How many buffers there are. */
  readonly count: number;
  /** Bytes from one buffer to the next: `size`, up to the next multiple of 4096. */
  readonly stride: number;
  /** @internal */
  readonly region: Region;
  /** @internal */
  readonly threadBound: () => void = threadBound;
  readonly #buffers: Uint8Array<ArrayBuffer>[];
  readonly #free: number[];
  readonly #taken: Set<number>;
  #ring: PoolRegistrar | undefined;
  #closed = false;

  /**
   * Maps the memory, and registers it where a ring is given.
   *
   * @throws {TypeError} {RangeError} for a size or count that can't be
   * @throws {UringError} when the ring refuses: ENOMEM beyond `ulimit -l`
   */
  constructor(options: BufferPoolOptions) {
    if (options === null || typeof options !== "object") {
      throw new TypeError(`options must be an object, not ${options}`);
    }
    const { size, count, ring, hugePages = false } = options;
    checkRange(size, "size", 1, 0x40000000);
    checkRange(count, "count", 1, 0x1000000);
    if (ring !== undefined && typeof ring?.registerPool !== "function") throw new TypeError("ring must be a Ring");
    if (typeof hugePages !== "boolean") throw new TypeError("hugePages must be true or false");
    this.size = size;
    this.count = count;
    this.stride = Math.ceil(size / 4096) * 4096;
    this.region = mapRegion(this.stride * count, hugePages);
    this.#buffers = new Array(count);
    this.#free = new Array(count);
    for (let i = 0; i < count; i++) {
      this.#buffers[i] = new Uint8Array(this.region.buffer, i * this.stride, size);
      this.#free[i] = count - 1 - i;
    }
    this.#taken = new Set();
    if (ring !== undefined) {
      ring.registerPool(this);
      this.#ring = ring;
    }
  }

  /** How many buffers are free. */
  get available(): number {
    return this.#closed || this.#transferred ? 0 : this.#free.length;
  }

  /**
   * Takes a buffer. Its content is what its last user left.
   *
   * @throws {RangeError} when all are taken: release one, or make the pool larger
   */
  acquire(): Uint8Array<ArrayBuffer> {
    const buffer = this.tryAcquire();
    if (buffer !== undefined) return buffer;
    if (this.#transferred) throw new TypeError(TRANSFERRED);
    throw this.#closed
      ? new TypeError("this BufferPool is closed")
      : new RangeError(`all ${this.count} buffers of the pool are taken: release one, or make the pool larger`);
  }

  /** Takes a buffer; undefined when all are taken. */
  tryAcquire(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#closed || this.#free.length === 0 || this.#transferred) return undefined;
    const index = this.#free.pop()!;
    this.#taken.add(index);
    return this.#buffers[index]!;
  }

  /**
   * Gives a buffer back, or any part of it that has bytes. No operation may be using it still.
   *
   * @throws {TypeError} for a buffer that is not this pool's, or not taken
   */
  release(buffer: Uint8Array): void {
    if (this.#transferred) throw new TypeError(TRANSFERRED);
    if (!ArrayBuffer.isView(buffer) || buffer.buffer !== this.region.buffer) {
      throw new TypeError("this buffer is not one of the pool's");
    }
    if (buffer.byteLength === 0) {
      throw new TypeError("this has no bytes, which may be the end of one buffer or the beginning of the next");
    }
    const index = Math.floor(buffer.byteOffset / this.stride);
    if (buffer.byteOffset + buffer.byteLength > index * this.stride + this.size) {
      throw new TypeError("this buffer is not one of the pool's: it lies across two of them");
    }
    if (!this.#taken.delete(index)) {
      throw new TypeError("this buffer was released already: one that is used twice is written by two");
    }
    if (!this.#closed) this.#free.push(index);
  }

  /** Whether somebody took the memory away: its buffers have none any more. */
  get #transferred(): boolean {
    return this.region.buffer.byteLength === 0;
  }

  /**
   * Takes the registration back. The memory goes when nobody holds a buffer of it any more.
   *
   * @throws {UringError} EAGAIN while the kernel takes nothing, EACCES on a ring that may not: it is closed, but stays
   *   registered until this is called again, or the ring closed
   */
  close(): void {
    this.#closed = true;
    this.#free.length = 0;
    this.#ring?.unregisterPool(this);
    this.#ring = undefined;
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const TRANSFERRED = "this BufferPool's memory was transferred elsewhere: make another pool";
