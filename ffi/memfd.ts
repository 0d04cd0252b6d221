/**
 * The core as a memory file, for hosts that can call libc: nothing is written to a disk, and a file system mounted
 * noexec does not matter.
 *
 * @module
 */

/** What is used of the host's libc. Strings end with NUL. */
export interface Libc {
  /** `memfd_create(2)` */
  memfdCreate(name: Uint8Array<ArrayBuffer>, flags: number): number;
  /** `write(2)`, of all the bytes */
  write(fd: number, bytes: Uint8Array<ArrayBuffer>): number;
  /** `readlink(2)`, at most as long as `target` */
  readlink(path: Uint8Array<ArrayBuffer>, target: Uint8Array<ArrayBuffer>): number;
}

const MFD_CLOEXEC = 1;
const MFD_NOEXEC_SEAL = 8;

/** Descriptors are given lowest first: so many unused ones in a row are the end. */
const UNUSED_AT_END = 32;

const encoder = new TextEncoder();

function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/**
 * Gives the path of a memory file with these bytes. It stays open for as long as the process: the loader knows a
 * library by the name it was loaded under, so that name must not come to mean another file. All threads share one.
 */
export function memoryFile(libc: Libc, sha256: string, bytes: () => Uint8Array<ArrayBuffer>): string {
  const name = `uring-${sha256.slice(0, 16)}`;
  return `/proc/self/fd/${find(libc, name) ?? create(libc, name, bytes())}`;
}

/** The descriptor that another thread has made. */
function find(libc: Libc, name: string): number | undefined {
  const wanted = `/memfd:${name} (deleted)`;
  const target = new Uint8Array(64);
  for (let fd = 0, unused = 0; unused < UNUSED_AT_END; fd++) {
    const length = libc.readlink(cString(`/proc/self/fd/${fd}`), target);
    if (length < 0) unused++;
    else if (new TextDecoder().decode(target.subarray(0, length)) === wanted) return fd;
    else unused = 0;
  }
  return undefined;
}

function create(libc: Libc, name: string, bytes: Uint8Array<ArrayBuffer>): number {
  // The seal says that it will not be executed, only mapped: vm.memfd_noexec may ask for that. Unknown before 6.3.
  let fd = libc.memfdCreate(cString(name), MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0) fd = libc.memfdCreate(cString(name), MFD_CLOEXEC);
  if (fd < 0) throw new Error("memfd_create failed");
  if (libc.write(fd, bytes) !== bytes.length) throw new Error("the memory file could not be written");
  return fd;
}
