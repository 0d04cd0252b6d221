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
  /** `fcntl(2)`, with a number as its argument */
  fcntl(fd: number, command: number, argument: number): number;
  /** `readlink(2)`, at most as long as `target` */
  readlink(path: Uint8Array<ArrayBuffer>, target: Uint8Array<ArrayBuffer>): number;
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** F_SEAL_SEAL, SHRINK, GROW, WRITE: nobody changes it any more. */
const SEALS = 0xf;

/** Descriptors are given lowest first: so many unused ones in a row are the end. */
const UNUSED_AT_END = 32;

/** How long another thread may take to write one. */
const LONGEST_WRITE_MS = 1000;

const encoder = new TextEncoder();

function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/**
 * Gives the path of a memory file with these bytes, which stays open. All threads share one: a name says nothing, as a
 * descriptor may have come from anybody, through a socket, say; what can't change any more, and has these bytes, does.
 */
export function memoryFile(
  libc: Libc,
  { sha256 }: { readonly sha256: string },
  bytes: () => Uint8Array<ArrayBuffer>,
): string {
  const name = `uring-${sha256.slice(0, 16)}`;
  let core: Uint8Array<ArrayBuffer> | undefined;
  const isWhole = (fd: number) => isSealed(libc, fd) && holds(libc, fd, core ??= bytes());
  let fd = find(libc, name, isWhole);
  if (fd === undefined) {
    const own = create(libc, name, core ??= bytes());
    // Of threads that meet here, all take the same.
    fd = find(libc, name, (fd) => fd === own || isWhole(fd)) ?? own;
    if (fd !== own) libc.close(own);
  }
  return descriptorPath(fd, sha256);
}

/** The first descriptor of such a file. To map one that is being written would end the process: it is waited for. */
function find(libc: Libc, name: string, isWhole: (fd: number) => boolean): number | undefined {
  const until = performance.now() + LONGEST_WRITE_MS;
  while (true) {
    const found = filesOf(libc, name);
    const whole = found.find(isWhole);
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

function isSealed(libc: Libc, fd: number): boolean {
  return (libc.fcntl(fd, F_GET_SEALS, 0) & SEALS) === SEALS;
}

function holds(libc: Libc, fd: number, bytes: Uint8Array): boolean {
  // One more: it must not be longer.
  const found = new Uint8Array(bytes.length + 1);
  if (libc.pread(fd, found, 0) !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== found[i]) return false;
  return true;
}

function create(libc: Libc, name: string, bytes: Uint8Array<ArrayBuffer>): number {
  // The seal says that it will not be executed, only mapped: vm.memfd_noexec may ask for that. Unknown before 6.3.
  let fd = libc.memfdCreate(cString(name), MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0) fd = libc.memfdCreate(cString(name), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw new Error("memfd_create failed");
  if (libc.write(fd, bytes) === bytes.length && libc.fcntl(fd, F_ADD_SEALS, SEALS) === 0) return fd;
  libc.close(fd);
  throw new Error("the memory file could not be written, or sealed");
}
