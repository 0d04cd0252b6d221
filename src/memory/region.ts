/**
 * Pages that the core mapped. They are unmapped when their ArrayBuffer has been collected (wherever it was transferred
 * to) and their region has: operations in flight hold the region.
 *
 * @module
 */

import { load } from "../../ffi/load.ts";
import { environment } from "../../ffi/host.ts";
import { PAGES } from "../../ffi/native.ts";
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
 * @throws {Error} when the system has no memory to give
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
    throw new Error("this process has 8192 pools already, of which a BufferRing counts as two: close some");
  }
  if (errno !== EPERM) {
    throw new Error(`${rounded} bytes could not be mapped (errno ${errno}): make the pool smaller, or free memory`);
  }
  // A host that refuses external buffers (Electron): ordinary memory, aligned within a larger buffer.
  return unmappedRegion(rounded);
}

const EPERM = 1;
const ENFILE = 23;

function unmappedRegion(size: number): Region {
  const native = load();
  const whole = new ArrayBuffer(size + PAGE);
  if (native.address(new Uint8Array(whole)) % PAGE === 0) return new Region(whole);
  throw new Error("this host allows no external ArrayBuffers, which a BufferPool needs (Electron is one of those)");
}

function guarded(): boolean {
  return environment("URING_GUARD") === "1";
}
