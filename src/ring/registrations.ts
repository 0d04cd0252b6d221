/**
 * Which memory is registered with a ring, and under which index.
 *
 * @module
 */

import { IORING_REGISTER_CLONE } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import type { Home } from "../memory/address.ts";
import type { Region } from "../memory/region.ts";
import { shown } from "./arguments.ts";
import type { Engine } from "./engine.ts";
import { type ErrorContext, UringError } from "./errors.ts";
import { type Details, olderThan, registerCall, registerError, registerQuietly } from "./register_call.ts";
import { registerEmpty } from "./sparse_table.ts";
import { type Tag, Tags } from "./tags.ts";

/** Places in the ring's buffer table, unless more are asked for: 8 bytes each in the kernel. */
const TABLE_SIZE = 1024;
/** IORING_MAX_REG_BUFFERS of the kernel. */
export const MAX_BUFFERS = 16384;
/** The kernel takes at most 1 GiB in one registered buffer. */
export const MAX_PIECE: number = 2 ** 30;
/** From this release on, unregistering does not wait for operations that use what is unregistered. */
const NEVER_WAITS = "6.13";

/** As many ranges of places as a message can bear. */
const MAX_RANGES = 8;
const EFAULT = -14;

/** A pool's registration. */
interface Registration {
  readonly first: number;
  readonly count: number;
  /** Bytes of each piece; a multiple of the pool's stride, so that no buffer lies across two. */
  readonly pieceSize: number;
  readonly address: number;
}

/** A piece of memory of the library's, to be registered. */
export interface Piece {
  readonly region: Region;
  readonly address: number;
  readonly length: number;
}

/** What to clone, in the kernel's names. */
export interface CloneRange {
  /** The first buffer, in the other ring. */
  readonly srcOff: number;
  /** Where it goes in this ring. */
  readonly dstOff: number;
  /** How many; 0: the whole table. */
  readonly nr: number;
  readonly replace: boolean;
}

const MEMLOCK =
  "registered buffers are locked in memory, and the limit is reached: raise `ulimit -l`, or make the pool smaller";

/** The buffer table of a ring that has asked for none so far. */
export function registrationsOf(engine: Engine): Registrations {
  return new Registrations(engine);
}

/** The buffer table of one ring; made in the kernel when the first buffer comes. Its arguments have been checked. */
export class Registrations {
  readonly #engine: Engine;
  readonly #tags: Tags;
  readonly #byRegion = new Map<Region, Registration>();
  /** What is registered at each index: held, because the kernel has its pages. Undefined: there is no table. */
  #pieces: (Piece | undefined)[] | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#tags = new Tags(engine);
  }

  /** Places in the table; 0 when there is none. */
  get size(): number {
    return this.#pieces?.length ?? 0;
  }

  /** The index under which an address is registered. */
  indexOf(home: Home, address: number): number {
    const registration = home.region === null ? undefined : this.#byRegion.get(home.region);
    if (registration === undefined) {
      throw new TypeError(
        "buffer is not registered with this ring: take it from a BufferPool made with { ring }, or give bufIndex",
      );
    }
    const { first, pieceSize } = registration;
    return first + Math.floor((address - registration.address) / pieceSize);
  }

  /** For an operation's `failed`: says of an EFAULT which of index and address it was, and what would have done. */
  faultOf(
    op: string,
    context: ErrorContext,
    index: number,
    address: number,
    length: number,
  ): (errno: number) => UringError | undefined {
    return (errno) => {
      const detail = errno === EFAULT ? this.#misfit(index, address, length) : undefined;
      return detail === undefined ? undefined : new UringError(errno, op, { ...context, detail });
    };
  }

  #misfit(index: number, address: number, length: number): string | undefined {
    const pieces = this.#pieces ?? [];
    const piece = pieces[index];
    if (piece === undefined) {
      const taken = rangesOf(pieces);
      return `bufIndex ${index} is not registered with this ring; ` +
        (taken === ""
          ? "none is: make a BufferPool with { ring }, or call registerBuffers()"
          : `registered are ${taken}: leave bufIndex out for memory of the ring's BufferPools`);
    }
    const from = address - piece.address;
    if (from >= 0 && from + length <= piece.length) return undefined;
    return `buffer is not inside the ${piece.length} bytes that are registered with this ring as bufIndex ${index}; ` +
      "leave bufIndex out for memory of the ring's BufferPools";
  }

  /** Registers a pool's memory, in as many pieces as it takes. Twice is once. */
  add(region: Region, stride: number, released?: () => void): void {
    if (released !== undefined && typeof released !== "function") {
      throw new TypeError(`released must be a function, not ${shown(released)}`);
    }
    if (this.#byRegion.has(region)) return;
    const pieceSize = region.size <= MAX_PIECE ? region.size : Math.floor(MAX_PIECE / stride) * stride;
    const count = Math.ceil(region.size / pieceSize);
    const first = this.#freeRun(count);
    const pieces = Array.from({ length: count }, (_, i) => ({
      region,
      address: region.address + i * pieceSize,
      length: Math.min(pieceSize, region.size - i * pieceSize),
    }));
    let left = count;
    this.#put(first, pieces, released && (() => --left === 0 && released()));
    this.#byRegion.set(region, { first, count, pieceSize, address: region.address });
  }

  /** Takes a pool's registration back. */
  remove(region: Region): void {
    const registration = this.#byRegion.get(region);
    if (registration === undefined) return;
    if (!this.#engine.core.closed) this.#clear(registration.first, registration.count);
    // Not before: what could not be taken out can be once more.
    this.#byRegion.delete(region);
  }

  /** Makes a table of empty places. */
  makeTable(size: number): void {
    registerEmpty(this.#engine.core, "BUFFERS2", size, {
      EBUSY: "buffers were registered with this ring already: unregister them first",
    });
    this.#pieces = new Array<Piece | undefined>(size).fill(undefined);
  }

  /**
   * Registers pieces in successive places, from `at` on, or wherever there is room. Gives the first place.
   *
   * @throws {RangeError} when there is no room, or one of the places is a pool's
   */
  register(pieces: readonly Piece[], at: number | undefined, released: ((index: number) => void) | undefined): number {
    const { length: count } = pieces;
    if (at === undefined) {
      const first = this.#freeRun(count);
      this.#put(first, pieces, released);
      return first;
    }
    if (this.#pieces === undefined) this.makeTable(TABLE_SIZE);
    this.#checkPlaces(at, count);
    this.#engine.submitStaged();
    this.#put(at, pieces, released);
    return at;
  }

  /** Empties places. */
  unregister(first: number, count: number): void {
    this.#checkPlaces(first, count);
    this.#clear(first, count);
  }

  /** Takes the whole table out, pools' registrations too. */
  unregisterAll(): void {
    this.#engine.submitStaged();
    const { core, inFlight } = this.#engine;
    // Older kernels wait, perhaps for ever, until nothing uses the table any more: to empty it is as good.
    const wouldWait = this.#pieces !== undefined && inFlight > 0 && olderThan(NEVER_WAITS);
    if (this.#pieces !== undefined && (wouldWait || this.#tags.any)) this.#clear(0, this.size);
    if (!wouldWait) {
      registerCall(core, "UNREGISTER_BUFFERS", null, 0, {
        details: { ENXIO: "no buffers are registered with this ring: nothing to undo" },
      });
      this.#pieces = undefined;
    }
    this.#byRegion.clear();
  }

  /** Takes over buffers of another ring's table. */
  clone(from: Registrations, range: CloneRange): void {
    const sources = from.#pieces ?? [];
    const { srcOff, dstOff, replace } = range;
    const whole = range.nr === 0;
    const nr = whole ? sources.length : range.nr;
    this.#engine.submitStaged();
    const { fd, registeredIndex } = from.#engine.core;
    // A ring may have no descriptor, but its place among those that the thread registered.
    let flags: number = fd < 0 ? IORING_REGISTER_CLONE.SRC_REGISTERED : 0;
    if (replace) flags |= IORING_REGISTER_CLONE.DST_REPLACE;
    if (!whole && this.#pieces === undefined) {
      // A table of the clones alone would have no room for anything that comes later.
      this.makeTable(Math.max(TABLE_SIZE, dstOff + nr));
      flags |= IORING_REGISTER_CLONE.DST_REPLACE;
    }
    // struct io_uring_clone_buffers: src_fd, flags, src_off, dst_off, nr, pad.
    const arg = new DataView(new ArrayBuffer(32));
    arg.setUint32(0, fd < 0 ? registeredIndex : fd, true);
    arg.setUint32(4, flags, true);
    arg.setUint32(8, srcOff, true);
    arg.setUint32(12, dstOff, true);
    arg.setUint32(16, whole ? 0 : nr, true);
    registerCall(this.#engine.core, "CLONE_BUFFERS", arg, 1, {
      details: {
        EBUSY: "this ring has a table of buffers already: say replace: true, or unregister them first",
        ENXIO: "the other ring has no registered buffers: register them there first",
        ...(olderThan("6.13") && { EINVAL: "srcOff, dstOff, nr and replace need Linux 6.13" }),
      },
    });
    this.#adopt(from, sources, srcOff, dstOff, nr);
  }

  /** Books what was cloned. */
  #adopt(from: Registrations, sources: (Piece | undefined)[], srcOff: number, dstOff: number, nr: number): void {
    const pieces = this.#pieces ??= [];
    for (const [region, { first, count }] of [...this.#byRegion]) {
      if (first + count <= dstOff || first >= dstOff + nr) continue;
      // Of a pool whose pieces were replaced in part, the rest is of no use.
      this.#byRegion.delete(region);
      if (first < dstOff) this.#clear(first, dstOff - first);
      if (first + count > dstOff + nr) this.#clear(dstOff + nr, first + count - dstOff - nr);
    }
    while (pieces.length < dstOff + nr) pieces.push(undefined);
    for (let i = 0; i < nr; i++) pieces[dstOff + i] = sources[srcOff + i];
    this.#tags.clear(dstOff, nr);
    for (const [region, registration] of from.#byRegion) {
      const { first, count } = registration;
      if (first < srcOff || first + count > srcOff + nr || this.#byRegion.has(region)) continue;
      this.#byRegion.set(region, { ...registration, first: first - srcOff + dstOff });
    }
  }

  /** The first of `count` free places in a row; makes the table where there is none. */
  #freeRun(count: number): number {
    if (this.#pieces === undefined) this.makeTable(TABLE_SIZE);
    const pieces = this.#pieces!;
    let length = 0;
    for (let i = 0; i < pieces.length; i++) {
      length = pieces[i] === undefined ? length + 1 : 0;
      if (length === count) return i - count + 1;
    }
    const free = pieces.filter((piece) => piece === undefined).length;
    throw new RangeError(
      free === 0
        ? `a ring's ${pieces.length} registered buffers are all in use: close a pool`
        : `${count} places in a row are not free among the ring's ${pieces.length} registered buffers: register ` +
          "fewer, or make a larger table with registerBuffersSparse() before the first pool",
    );
  }

  #checkPlaces(first: number, count: number): void {
    const { size } = this;
    if (first + count > size) {
      throw new RangeError(
        size === 0
          ? "no buffers are registered with this ring"
          : `places ${first} to ${first + count - 1} are beyond the ring's buffer table: its places are 0 to ${
            size - 1
          }`,
      );
    }
    for (const pool of this.#byRegion.values()) {
      if (pool.first < first + count && first < pool.first + pool.count) {
        throw new RangeError(`place ${Math.max(first, pool.first)} is a BufferPool's: use unregisterPool() for that`);
      }
    }
  }

  #put(first: number, pieces: readonly Piece[], released: ((index: number) => void) | undefined): void {
    const iovecs = new BigUint64Array(pieces.length * 2);
    pieces.forEach(({ address, length }, i) => {
      iovecs[i * 2] = BigInt(address);
      iovecs[i * 2 + 1] = BigInt(length);
    });
    const tags = released === undefined ? [] : pieces.map((_, i) => this.#tags.make(() => released(first + i)));
    this.#update(first, iovecs, pieces, tags);
  }

  #clear(first: number, count: number): void {
    this.#engine.submitStaged();
    this.#update(first, new BigUint64Array(count * 2), new Array<undefined>(count).fill(undefined), []);
  }

  #update(first: number, iovecs: BigUint64Array, pieces: readonly (Piece | undefined)[], tags: Tag[]): void {
    const values = BigUint64Array.from(pieces, (_, i) => tags[i] === undefined ? 0n : this.#tags.value(tags[i]));
    let done = 0;
    // The kernel stops at the first that it refuses, and says how many came before: the next call says why.
    while (done < pieces.length) {
      const rc = this.#updateOnce(first + done, iovecs.subarray(done * 2), values.subarray(done));
      for (let i = done; i < done + Math.max(rc, 0); i++) {
        this.#pieces![first + i] = pieces[i];
        this.#tags.put(first + i, tags[i]);
      }
      if (rc > 0) {
        done += rc;
        continue;
      }
      for (const tag of tags.slice(done)) this.#tags.drop(tag);
      if (done > 0) this.#clear(first, done);
      throw registerError(rc, "BUFFERS_UPDATE", UPDATE_DETAILS);
    }
  }

  #updateOnce(first: number, iovecs: BigUint64Array, tags: BigUint64Array): number {
    const native = load();
    // struct io_uring_rsrc_update2: offset, resv, data, tags, nr, resv2.
    const arg = new DataView(new ArrayBuffer(32));
    arg.setUint32(0, first, true);
    arg.setBigUint64(8, BigInt(native.address(iovecs)), true);
    arg.setBigUint64(16, BigInt(native.address(tags)), true);
    arg.setUint32(24, tags.length, true);
    return registerQuietly(this.#engine.core, "BUFFERS_UPDATE", arg, arg.byteLength, [iovecs, tags]);
  }
}

/** Which places are taken, such as "0 to 3, 7". */
function rangesOf(pieces: readonly (Piece | undefined)[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === undefined) continue;
    const first = i;
    while (pieces[i + 1] !== undefined) i++;
    ranges.push(first === i ? `${i}` : `${first} to ${i}`);
  }
  return ranges.length > MAX_RANGES ? `${ranges.slice(0, MAX_RANGES).join(", ")} and others` : ranges.join(", ");
}

const UPDATE_DETAILS: Details = { ENOMEM: MEMLOCK };
