/**
 * Buffers that the kernel chooses from when data has come: a provided-buffer ring.
 *
 * @module
 */

import { IORING_CQE_F, IOU_PBUF_RING } from "../abi/constants.ts";
import { type Home, homeOf } from "./address.ts";
import { checkRange } from "./check_range.ts";
import { powerOfTwo } from "./power_of_two.ts";
import { mapRegion, type Region } from "./region.ts";
import { threadBound } from "./thread_bound.ts";
import { type Turns, Waiting } from "./waiting.ts";

/** What a BufferRing registers itself with: a `Ring`. */
export interface BufferRingHost extends Turns {
  /** Registers `entries` places at `address`; gives the group's number. */
  addBufferRing(
    buffers: BufferRing,
    address: number,
    entries: number,
    group: number | undefined,
    flags: number,
  ): number;
  /** Takes the registration back. */
  removeBufferRing(buffers: BufferRing): void;
  /** Which place the kernel takes next, as it counts them: modulo 2^16. */
  bufferRingHead(group: number): number;
}

/** What a buffer ring is to be. */
export interface BufferRingOptions {
  /** The ring whose operations choose from these buffers. */
  readonly ring: BufferRingHost;
  /** Bytes of each buffer, 1 to 2^30. */
  readonly size: number;
  /** How many buffers, 1 to 32768. */
  readonly count: number;
  /** The group's number, 0 to 65535. Default: the first that is free; before Linux 6.9, of those below 64, that nobody had. */
  readonly group?: number;
  /**
   * Operations use up a buffer in pieces, one after another, before the next one is begun (6.12). For streams of bytes: a
   * message would be cut where a buffer ends.
   */
  readonly incremental?: boolean;
  /**
   * Buffers are given to the kernel by {@linkcode BufferRing.provide} alone: for `sendBundle`, which sends what they
   * hold.
   */
  readonly manual?: boolean;
}

/** Buffers that the kernel chooses from. */
export interface BufferGroup {
  /** The group's number. */
  readonly group: number;
  /** Bytes of each buffer. */
  readonly size: number;
  /** Whether the kernel may no longer choose from it. */
  readonly closed: boolean;
  /** How often the kernel found no buffer to choose. */
  exhausted: number;
  /** @internal Holds the buffers' pages while an operation may choose one. */
  readonly home: Home;
  /** @internal What a completion has filled, in the order in which it came: one piece, or with a bundle one a buffer. */
  take(res: number, flags: number, bundle?: boolean): BorrowedBuffer[];
  /** @internal A borrowed piece comes back. */
  giveBack(id: number): void;
  /** @internal How often buffers went to the kernel, as {@linkcode whenProvided} is asked with. */
  readonly provisions: number;
  /**
   * @internal Calls back once, when the kernel may have a buffer that it had not after so many provisions: perhaps soon.
   * Gives what takes the callback back.
   */
  whenProvided(callback: () => void, provisions: number): () => void;
}

const MAX_COUNT = 32768;
const MAX_SIZE = 2 ** 30;
/** struct io_uring_buf: addr, len, bid; the first one's last two bytes are the ring's tail. */
const ENTRY = 16;
const TAIL = 7;

/** Part of a buffer that the kernel has filled, lent until {@linkcode BorrowedBuffer.release} gives it back. */
export class BorrowedBuffer {
  /** What has come. Read it, or copy it, before `release()`: afterwards the kernel writes here again. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The buffer's number in its group. */
  readonly id: number;
  #owner: BufferGroup | undefined;

  /** @internal */
  constructor(owner: BufferGroup, id: number, bytes: Uint8Array<ArrayBuffer>) {
    this.#owner = owner;
    this.id = id;
    this.bytes = bytes;
  }

  /** Whether it was given back. */
  get released(): boolean {
    return this.#owner === undefined;
  }

  /** Gives the buffer back to the kernel. Once more does nothing. */
  release(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.giveBack(this.id);
  }

  /** {@linkcode release}, for `using`. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * A group of buffers that the kernel chooses from when data has come, so that a thousand idle connections hold none.
 *
 * What an operation gives is lent: {@linkcode BorrowedBuffer.release} or `using` gives it back. With all of them lent
 * the kernel has none to choose: multishot operations then wait until one is given back, others fail with ENOBUFS.
 *
 * @example
 * ```ts
 * import { AF, BufferRing, Ring, SOCK } from "@uring/uring";
 *
 * await using ring = new Ring();
 * using buffers = new BufferRing({ ring, size: 4096, count: 16 });
 * const { read, write } = await ring.pipe();
 * await ring.write(write, new TextEncoder().encode("hello"));
 * using buffer = await ring.readSelect(read, buffers);
 * console.assert(new TextDecoder().decode(buffer.bytes) === "hello");
 * ```
 */
export class BufferRing implements BufferGroup {
  /** Bytes of each buffer. */
  readonly size: number;
  /** How many buffers there are. */
  readonly count: number;
  /** The group's number. */
  readonly group: number;
  /** Whether operations use up a buffer in pieces. */
  readonly incremental: boolean;
  /** Whether buffers are given to the kernel by {@linkcode provide} alone. */
  readonly manual: boolean;
  /** How often the kernel found no buffer to choose. */
  exhausted = 0;
  /** @internal */
  readonly threadBound: () => void = threadBound;
  /** @internal Holds the buffers' pages while an operation may choose one. */
  readonly home: Home;
  /** @internal All that the kernel may touch: what has to stay if this object does not, which leads to its ring. */
  readonly pages: readonly Region[];

  readonly #ring: BufferRingHost;
  readonly #data: Region;
  /** Apart from the data: whoever can write here names any address to the kernel. Never handed out. */
  readonly #entries: Region;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #mask: number;
  /** Modulo 2^16, as the kernel has it. */
  #tail = 0;
  /** The place of a buffer as the kernel counts: modulo 2^16. */
  readonly #places: Uint16Array;
  /**
   * The buffer that was given after a buffer, and the last that was given. A bundle has consecutive places, which may be
   * others' when it is told of; its buffers are given anew only after that.
   */
  readonly #next: Uint16Array;
  #last = 0;
  /** Of each buffer: bytes given with it, bytes used up, borrowed pieces, and whether the kernel may use it still. */
  readonly #lengths: Uint32Array;
  readonly #used: Uint32Array;
  readonly #lent: Uint32Array;
  readonly #provided: Uint8Array;
  /** Of an incremental ring: buffers in which a read found nothing, and which the kernel has passed since. */
  readonly #passed = new Set<number>();
  /** Of a manual ring: buffers that nobody has, and whether {@linkcode acquire} gave one. */
  readonly #idle: number[] = [];
  readonly #acquired: Uint8Array;
  /** Buffers that are provided. */
  #given = 0;
  readonly #waiting: Waiting;
  #closed = false;
  #removed = false;

  /**
   * Maps the buffers, registers the group, and gives the buffers to the kernel.
   *
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UnsupportedError} before Linux 5.19
   * @throws {UringError} when the kernel refuses: EEXIST for a group that there is already
   */
  constructor(options: BufferRingOptions) {
    if (options === null || typeof options !== "object") {
      throw new TypeError(`options must be an object, not ${options}`);
    }
    const { ring, size, count, group, incremental = false, manual = false } = options;
    if (typeof ring?.addBufferRing !== "function") throw new TypeError("ring must be a Ring");
    checkRange(size, "size", 1, MAX_SIZE);
    checkRange(count, "count", 1, MAX_COUNT);
    if (group !== undefined) checkRange(group, "group", 0, 0xffff);
    if (typeof incremental !== "boolean") throw new TypeError("incremental must be true or false");
    if (typeof manual !== "boolean") throw new TypeError("manual must be true or false");
    const places = powerOfTwo(count);
    this.size = size;
    this.count = count;
    this.incremental = incremental;
    this.manual = manual;
    this.#ring = ring;
    this.#waiting = new Waiting(ring, () => this.#given);
    this.#data = mapRegion(size * count, false);
    this.home = homeOf(this.#data.buffer);
    this.#entries = mapRegion(places * ENTRY, false);
    this.pages = [this.#data, this.#entries];
    this.#words = new Uint32Array(this.#entries.buffer);
    this.#halves = new Uint16Array(this.#entries.buffer);
    this.#mask = places - 1;
    this.#places = new Uint16Array(count);
    this.#next = new Uint16Array(count);
    this.#lengths = new Uint32Array(count);
    this.#used = new Uint32Array(count);
    this.#lent = new Uint32Array(count);
    this.#provided = new Uint8Array(count);
    this.#acquired = new Uint8Array(count);
    const flags = incremental ? IOU_PBUF_RING.INC : 0;
    this.group = ring.addBufferRing(this, this.#entries.address, places, group, flags);
    for (let id = 0; id < count; id++) {
      if (manual) this.#idle.push(count - 1 - id);
      else this.#put(id, size);
    }
    this.#publish();
  }

  /** How many buffers the kernel may choose from: given, and not used up yet. */
  get available(): number {
    if (this.#closed) return 0;
    return this.#given;
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Which place the kernel takes next, modulo 2^16, as it counts them; the first is 0.
   *
   * @throws {UnsupportedError} before Linux 6.8
   */
  head(): number {
    if (this.#closed) throw new TypeError(CLOSED);
    return this.#ring.bufferRingHead(this.group);
  }

  /** The place where the next buffer goes, modulo 2^16: `tail − head` are with the kernel. */
  get tail(): number {
    return this.#tail;
  }

  // Manual rings

  /**
   * Takes an idle buffer of a manual ring, to fill it and {@linkcode provide} it.
   *
   * @returns all of its bytes; undefined when none is idle
   */
  acquire(): Uint8Array<ArrayBuffer> | undefined {
    if (!this.manual) throw new TypeError("acquire() is for a BufferRing made with { manual: true }");
    if (this.#closed) throw new TypeError(CLOSED);
    const id = this.#idle.pop();
    if (id === undefined) return undefined;
    this.#acquired[id] = 1;
    return this.#view(id, 0, this.size);
  }

  /**
   * Gives a filled buffer of a manual ring to the kernel, after those that it has.
   *
   * @param bytes what `acquire()` gave, or its beginning: this much is sent
   * @throws {TypeError} {RangeError} for anything else, and for what was provided since
   */
  provide(bytes: Uint8Array): void {
    if (!this.manual) throw new TypeError("provide() is for a BufferRing made with { manual: true }");
    if (this.#closed) throw new TypeError(CLOSED);
    this.#checkMemory();
    if (!ArrayBuffer.isView(bytes) || bytes.buffer !== this.#data.buffer || bytes.byteOffset % this.size !== 0) {
      throw new TypeError("bytes must be what acquire() gave, or a subarray from its beginning");
    }
    const id = bytes.byteOffset / this.size;
    const { byteLength } = bytes;
    if (!(byteLength >= 1 && byteLength <= this.size)) {
      throw new RangeError(`bytes must be 1 to ${this.size} bytes long, not ${byteLength}`);
    }
    if (this.#provided[id] === 1) throw new TypeError("this buffer is with the kernel already: acquire() another");
    if (this.#acquired[id] !== 1) {
      throw new TypeError(
        "this buffer is not acquired: release() what an operation has lent, and acquire() one to fill",
      );
    }
    this.#acquired[id] = 0;
    this.#put(id, byteLength);
    this.#publish();
  }

  // What operations use

  /**
   * What a completion has filled, in the order in which it came: one piece, or with a bundle one a buffer.
   *
   * @internal
   */
  take(res: number, flags: number, bundle: boolean = false): BorrowedBuffer[] {
    if ((flags & IORING_CQE_F.BUFFER) === 0) return [];
    const pieces: BorrowedBuffer[] = [];
    this.#consume(res, flags, bundle, (id, from, length) => {
      if (length === 0) return;
      this.#lent[id]!++;
      pieces.push(new BorrowedBuffer(this, id, this.#view(id, from, length)));
    });
    return pieces;
  }

  /**
   * Takes back what a completion has sent.
   *
   * @internal
   */
  sent(res: number, flags: number): void {
    if ((flags & IORING_CQE_F.BUFFER) !== 0) this.#consume(res, flags, true, () => {});
  }

  /** @internal Whether any buffer is given, and not used up yet. */
  get isGiven(): boolean {
    return this.available > 0;
  }

  /**
   * Takes back what the kernel has passed over, which takes next what lies at `head`: a send chooses many at once, and may
   * end before it comes to them. For when no operation is under way that may have chosen some.
   *
   * @internal
   */
  takeBack(head: number): void {
    const withKernel = (this.#tail - head) & 0xffff;
    for (let id = 0; id < this.count; id++) {
      if (this.#provided[id] === 0 || ((this.#places[id]! - head) & 0xffff) < withKernel) continue;
      this.#taken(id);
      if (this.#lent[id] === 0) this.#return(id);
    }
    this.#publish();
  }

  /**
   * Walks through the buffers of a completion, and notes which of them the kernel has done with: one, unless it is a
   * bundle. A result may be more than they hold: MSG_TRUNC asks for the length of the whole message.
   */
  #consume(
    res: number,
    flags: number,
    bundle: boolean,
    each: (id: number, from: number, length: number) => void,
  ): void {
    let id = flags >>> 16;
    let left = Math.max(res, 0);
    const goesOn = (flags & IORING_CQE_F.BUF_MORE) !== 0;
    if (this.incremental) {
      this.#passed.delete(id);
      if (res === 0 && !goesOn) return this.#foundNothing(id);
    }
    let seen = 0;
    while (true) {
      const from = this.#used[id]!;
      const length = Math.min(left, this.#lengths[id]! - from);
      left -= length;
      each(id, from, length);
      this.#used[id] = from + length;
      const last = left === 0 || !bundle || ++seen === this.count;
      if (!(last && goesOn)) {
        this.#taken(id);
        if (this.#lent[id] === 0) this.#return(id);
      }
      if (last) break;
      id = this.#next[id]!;
    }
    this.#publish();
  }

  /**
   * A read that ends with nothing leaves an incremental buffer where it is, and some kernels say so by nothing (6.12 to 6.18,
   * some of each). Not one of a regular file. What the kernel does not take next it has done with; but where another
   * operation has used up the rest since, its completion comes in the same turn, and tells.
   */
  #foundNothing(id: number): void {
    if (this.#isNext(id)) return;
    this.#passed.add(id);
    if (this.#passed.size === 1) this.#ring.afterTurn(() => this.#takePassed());
  }

  #takePassed(): void {
    for (const id of this.#passed) {
      this.#taken(id);
      if (this.#lent[id] === 0) this.#return(id);
    }
    this.#publish();
  }

  /** Whether the kernel takes this buffer next. */
  #isNext(id: number): boolean {
    if (this.#closed) return false;
    try {
      return this.#ring.bufferRingHead(this.group) === this.#places[id];
    } catch {
      return false; // the ring is closed
    }
  }

  /** @internal */
  giveBack(id: number): void {
    if (--this.#lent[id]! > 0 || this.#provided[id] === 1) return;
    this.#return(id);
    this.#publish();
  }

  /** @internal */
  get provisions(): number {
    return this.#waiting.provisions;
  }

  /** @internal */
  whenProvided(callback: () => void, provisions: number): () => void {
    if (this.#closed) queueMicrotask(callback);
    return this.#closed ? nothing : this.#waiting.add(callback, provisions);
  }

  /** Nobody has it any more: it goes to the kernel, or where manual ones wait. */
  #return(id: number): void {
    if (this.#closed) return;
    if (this.manual) this.#idle.push(id);
    else this.#put(id, this.size);
  }

  #put(id: number, length: number): void {
    const place = this.#tail & this.#mask;
    const address = this.#data.address + id * this.size;
    const at = place * (ENTRY / 4);
    this.#words[at] = address % 2 ** 32;
    this.#words[at + 1] = Math.floor(address / 2 ** 32);
    this.#words[at + 2] = length;
    this.#halves[place * (ENTRY / 2) + 6] = id;
    this.#next[this.#last] = id;
    this.#last = id;
    this.#places[id] = this.#tail;
    this.#lengths[id] = length;
    this.#used[id] = 0;
    this.#provided[id] = 1;
    this.#given++;
    this.#tail = (this.#tail + 1) & 0xffff;
  }

  /** The kernel has done with it. */
  #taken(id: number): void {
    this.#given -= this.#provided[id]!;
    this.#provided[id] = 0;
    if (this.incremental) this.#passed.delete(id);
  }

  /** Atomic, so that the kernel finds the entries written when it sees the tail: pairs with its acquire load. */
  #publish(): void {
    if (this.#closed || this.#halves[TAIL] === this.#tail) return;
    Atomics.store(this.#halves, TAIL, this.#tail);
    this.#waiting.tell();
  }

  #view(id: number, from: number, length: number): Uint8Array<ArrayBuffer> {
    this.#checkMemory();
    return new Uint8Array(this.#data.buffer, id * this.size + from, length);
  }

  #checkMemory(): void {
    if (this.#data.buffer.byteLength === 0) {
      throw new TypeError("this BufferRing's memory was transferred elsewhere: make another BufferRing");
    }
  }

  /**
   * Unregisters the group. What is borrowed stays readable; operations that would choose from it fail with ENOBUFS.
   *
   * @throws {UringError} EAGAIN while the kernel takes nothing, EACCES on a ring that may not: it is closed, but the group
   *   stays registered until this is called again, or the ring closed
   */
  close(): void {
    if (this.#removed) return;
    this.#closed = true;
    try {
      this.#ring.removeBufferRing(this);
      this.#removed = true;
    } finally {
      this.#waiting.end();
    }
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const CLOSED = "this BufferRing is closed";

function nothing(): void {}
