/**
 * Which memory is registered with a ring, and under which index.
 *
 * @module
 */

import { IORING_REGISTER, IORING_RSRC } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import type { Home } from "../memory/address.ts";
import type { Region } from "../memory/region.ts";
import type { Core } from "./core.ts";
import { UringError } from "./errors.ts";

/** Places in the ring's buffer table: 8 bytes each in the kernel. */
const TABLE_SIZE = 1024;
/** The kernel takes at most 1 GiB in one registered buffer. */
const MAX_PIECE = 2 ** 30;

interface Registration {
  readonly first: number;
  readonly count: number;
  /** Bytes of each piece; a multiple of the pool's stride, so that no buffer lies across two. */
  readonly pieceSize: number;
  readonly address: number;
}

/** The buffer table of one ring; made in the kernel when the first pool comes. */
export class Registrations {
  readonly #core: Core;
  readonly #byRegion = new Map<Region, Registration>();
  #used: boolean[] | undefined;

  constructor(core: Core) {
    this.#core = core;
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

  add(region: Region, stride: number): void {
    if (this.#byRegion.has(region)) return;
    const used = this.#used ??= this.#makeTable();
    const pieceSize = region.size <= MAX_PIECE ? region.size : Math.floor(MAX_PIECE / stride) * stride;
    const count = Math.ceil(region.size / pieceSize);
    const first = findRun(used, count);
    if (first < 0) throw new RangeError(`a ring's ${TABLE_SIZE} registered buffers are all in use: close a pool`);
    const iovecs = new BigUint64Array(count * 2);
    for (let i = 0; i < count; i++) {
      iovecs[i * 2] = BigInt(region.address + i * pieceSize);
      iovecs[i * 2 + 1] = BigInt(Math.min(pieceSize, region.size - i * pieceSize));
    }
    this.#update(first, iovecs, count);
    used.fill(true, first, first + count);
    this.#byRegion.set(region, { first, count, pieceSize, address: region.address });
  }

  remove(region: Region): void {
    const registration = this.#byRegion.get(region);
    if (registration === undefined) return;
    const { first, count } = registration;
    this.#byRegion.delete(region);
    if (this.#core.closed) return;
    this.#update(first, new BigUint64Array(count * 2), count);
    this.#used!.fill(false, first, first + count);
  }

  #makeTable(): boolean[] {
    // struct io_uring_rsrc_register: nr, flags, resv2, data, tags.
    const arg = new DataView(new ArrayBuffer(32));
    arg.setUint32(0, TABLE_SIZE, true);
    arg.setUint32(4, IORING_RSRC.REGISTER_SPARSE, true);
    const rc = this.#core.register(IORING_REGISTER.BUFFERS2, arg, arg.byteLength);
    if (rc < 0) {
      throw new UringError(rc, "io_uring_register", {
        detail: rc === -22
          ? "this kernel has no sparse buffer tables: they need Linux 5.19"
          : rc === -16
          ? "buffers were registered with this ring already: unregister them first"
          : undefined,
      });
    }
    return new Array<boolean>(TABLE_SIZE).fill(false);
  }

  #update(first: number, iovecs: BigUint64Array, count: number): void {
    // struct io_uring_rsrc_update2: offset, resv, data, tags, nr, resv2.
    const arg = new DataView(new ArrayBuffer(32));
    arg.setUint32(0, first, true);
    arg.setBigUint64(8, BigInt(load().address(iovecs)), true);
    arg.setUint32(24, count, true);
    const rc = this.#core.register(IORING_REGISTER.BUFFERS_UPDATE, arg, arg.byteLength);
    if (rc >= 0) return;
    throw new UringError(rc, "io_uring_register", {
      detail: rc === -12
        ? "registered buffers are locked in memory, and the limit is reached: raise `ulimit -l`, or make the pool smaller"
        : undefined,
    });
  }
}

/** The first of `count` free places in a row; −1 when there are none. */
function findRun(used: readonly boolean[], count: number): number {
  let length = 0;
  for (let i = 0; i < used.length; i++) {
    length = used[i] ? 0 : length + 1;
    if (length === count) return i - count + 1;
  }
  return -1;
}
