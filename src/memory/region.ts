/**
 * Pages that the core mapped. They are unmapped when their ArrayBuffer has been collected (wherever it was transferred
 * to) and their region has: operations in flight hold the region.
 *
 * @module
 */

import { load } from "../../ffi/load.ts";
import { environment } from "../../ffi/host.ts";
import { PAGES } from "../../ffi/native.ts";
import { errnoName } from "../abi/errno.ts";
import { setHome } from "./address.ts";

const PAGE = 4096;
const HUGE_PAGE = 2 * 1024 * 1024;

const dropped = new FinalizationRegistry<number>((id) => load().dropPages(id));

/** Mapped pages; made by {@linkcode mapRegion}. */
export class Region {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly size: number;

  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.size = buffer.byteLength;
    this.address = setHome(buffer, this).address;
  }
}

/**
 * Maps at least `size` bytes, page-aligned and zeroed.
 *
 * @param size in bytes; rounded up to whole pages
 * @param huge whether to use 2 MiB pages: reserved ones where there are, else transparent ones
 * @throws {RangeError} when the system has no memory to give
 * @throws {TypeError} where the host allows no such memory
 */
export function mapRegion(size: number, huge: boolean): Region {
  const native = load();
  const unit = huge ? HUGE_PAGE : PAGE;
  const rounded = Math.ceil(size / unit) * unit;
  const out = new Uint32Array(2);
  const flags = (huge ? PAGES.HUGE : 0) | (guarded() ? PAGES.GUARD : 0);
  const buffer = native.mapPages(rounded, flags, out);
  if (buffer !== undefined) {
    const region = new Region(buffer);
    dropped.register(region, out[0]!);
    return region;
  }
  const errno = out[1]!;
  if (errno === ENFILE) {
    throw new RangeError("this process has 8192 pools already, of which a BufferRing counts as two: close some");
  }
  if (errno === EPERM) {
    throw new TypeError(
      "this host allows no external ArrayBuffers, which a BufferPool needs (Electron is one of those): use ordinary buffers",
    );
  }
  throw new RangeError(
    `size × count: ${rounded} bytes could not be mapped (${errnoName(errno)}): make the pool smaller, or free memory`,
  );
}

const EPERM = 1;
const ENFILE = 23;

function guarded(): boolean {
  return environment("URING_GUARD") === "1";
}
