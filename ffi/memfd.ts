/**
 * The core as a memory file, for hosts that can call libc: nothing is written to a disk, and a file system mounted
 * noexec does not matter.
 *
 * @module
 */

import { descriptorPath } from "./descriptor.ts";

/** What is used of the host's libc. Strings end with NUL. */
export interface Libc {
  /** `memfd_create(2)` */
  memfdCreate(name: Uint8Array<ArrayBuffer>, flags: number): number;
  /** `write(2)`, of all the bytes */
  write(fd: number, bytes: Uint8Array<ArrayBuffer>): number;
  /** `pread(2)` */
  pread(fd: number, into: Uint8Array<ArrayBuffer>, offset: number): number;
  /** `close(2)` */
  close(fd: number): number;
  /** `readlink(2)`, at most as long as `target` */
  readlink(path: Uint8Array<ArrayBuffer>, target: Uint8Array<ArrayBuffer>): number;
}

const MFD_CLOEXEC = 1;
const MFD_NOEXEC_SEAL = 8;

/** Descriptors are given lowest first: so many unused ones in a row are the end. */
const UNUSED_AT_END = 32;

/** How long another thread may take to write one. */
const LONGEST_WRITE_MS = 1000;

const encoder = new TextEncoder();

function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** Gives the path of a memory file with these bytes, which stays open. All threads share one. */
export function memoryFile(
  libc: Libc,
  { sha256, size }: { readonly sha256: string; readonly size: number },
  bytes: () => Uint8Array<ArrayBuffer>,
): string {
  const name = `uring-${sha256.slice(0, 16)}`;
  let fd = find(libc, name, size);
  if (fd === undefined) {
    const own = create(libc, name, bytes());
    // Of threads that meet here, all take the same.
    fd = find(libc, name, size) ?? own;
    if (fd !== own) libc.close(own);
  }
  return descriptorPath(fd, sha256);
}

/** The first descriptor of such a file. To map one that is being written would end the process: it is waited for. */
function find(libc: Libc, name: string, size: number): number | undefined {
  const until = performance.now() + LONGEST_WRITE_MS;
  while (true) {
    const found = filesOf(libc, name);
    const whole = found.find((fd) => libc.pread(fd, new Uint8Array(1), size - 1) === 1);
    if (whole === found[0] || performance.now() > until) return whole;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

function filesOf(libc: Libc, name: string): number[] {
  const wanted = `/memfd:${name} (deleted)`;
  const target = new Uint8Array(64);
  const found: number[] = [];
  for (let fd = 0, unused = 0; unused < UNUSED_AT_END; fd++) {
    const length = libc.readlink(cString(`/proc/self/fd/${fd}`), target);
    if (length < 0) unused++;
    else unused = 0;
    if (length > 0 && new TextDecoder().decode(target.subarray(0, length)) === wanted) found.push(fd);
  }
  return found;
}

function create(libc: Libc, name: string, bytes: Uint8Array<ArrayBuffer>): number {
  // The seal says that it will not be executed, only mapped: vm.memfd_noexec may ask for that. Unknown before 6.3.
  let fd = libc.memfdCreate(cString(name), MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0) fd = libc.memfdCreate(cString(name), MFD_CLOEXEC);
  if (fd < 0) throw new Error("memfd_create failed");
  if (libc.write(fd, bytes) === bytes.length) return fd;
  libc.close(fd);
  throw new Error("the memory file could not be written");
}
