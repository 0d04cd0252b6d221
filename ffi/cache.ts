/**
 * The core as a file in the user's cache, for hosts that can load a library from a file alone.
 *
 * Nothing is loaded that was not verified: the folder and the file must belong to this user and be writable by nobody
 * else, the file must be a plain file (no link) and have the expected hash. It is loaded through the descriptor that
 * was verified, so that it can't be exchanged in between. A new file is written under a name of its own (O_EXCL) and
 * renamed into place, so that two processes can't meet in one half-written file.
 *
 * @module
 */

import { descriptorPath } from "./descriptor.ts";
import { environment, nodeProcess } from "./host.ts";

type Fs = typeof import("node:fs");

/** Where a verified core is. */
export interface CachedCore {
  /** The file's path. */
  readonly path: string;
  /** The path to load it from: that of an open descriptor. */
  readonly descriptorPath: string;
}

/** What the file must hold. */
interface Expected {
  readonly sha256: string;
  readonly size: number;
}

/** Gives a verified file with what is expected, writing it first where it is missing. */
export function cachedCore(expected: Expected, bytes: () => Uint8Array): CachedCore {
  const fs = nodeProcess().getBuiltinModule("node:fs");
  const folder = cacheFolder();
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkOwned(fs.lstatSync(folder), folder, "folder");
  const path = `${folder}/${expected.sha256}.so`;
  let fd = openedBefore(fs, path, expected) ?? openVerified(fs, path, expected);
  if (fd === undefined) {
    write(fs, `${folder}/.${nodeProcess().getBuiltinModule("node:crypto").randomUUID()}`, bytes(), path);
    fd = openVerified(fs, path, expected);
    if (fd === undefined) throw new Error(`${path} changed while it was written`);
  }
  const verified = descriptorPath(fd, expected.sha256);
  checkSame(fs.fstatSync(fd), fs.statSync(verified), path);
  return { path, descriptorPath: verified };
}

function cacheFolder(): string {
  const home = environment("HOME");
  const base = environment("XDG_CACHE_HOME") || (home ? `${home}/.cache` : "");
  if (!base.startsWith("/")) throw new Error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set");
  return `${base}/uring`;
}

function write(fs: Fs, temporary: string, bytes: Uint8Array, path: string): void {
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
  const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    fs.writeFileSync(fd, bytes);
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** The descriptor that another thread has opened. Node closes it as that thread ends; what is loaded stays. */
function openedBefore(fs: Fs, path: string, expected: Expected): number | undefined {
  return fs.readdirSync("/proc/self/fd").map(Number).find((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === path && isCore(fs, fd, path, expected);
    } catch {
      return false; // the descriptor that the folder itself was read through
    }
  });
}

/** Opens the file; undefined where it is missing, or is another. */
function openVerified(fs: Fs, path: string, expected: Expected): number | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd: number;
  try {
    fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT") return undefined;
    throw code === "ELOOP" ? new Error(`${path} is a link: remove it`) : error;
  }
  let verified = false;
  try {
    verified = isCore(fs, fd, path, expected);
    return verified ? fd : undefined;
  } finally {
    if (!verified) fs.closeSync(fd);
  }
}

function isCore(fs: Fs, fd: number, path: string, { sha256, size }: Expected): boolean {
  if (checkOwned(fs.fstatSync(fd), path, "file").size !== size) return false;
  const bytes = new Uint8Array(size);
  return fs.readSync(fd, bytes, 0, size, 0) === size && hash(bytes) === sha256;
}

function hash(bytes: Uint8Array): string {
  return nodeProcess().getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}

/** Older Denos number open files by themselves: the system's descriptor of that number is another file, or none. */
function checkSame(own: FileId, loaded: FileId, path: string): void {
  if (own.dev === loaded.dev && own.ino === loaded.ino) return;
  throw new Error(`${path} can't be loaded as it was verified: this runtime's file numbers are not the system's`);
}

interface FileId {
  readonly dev: number;
  readonly ino: number;
}

interface Owned {
  readonly size: number;
  readonly uid: number;
  readonly mode: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

function checkOwned(stat: Owned, path: string, kind: "file" | "folder"): Owned {
  if (kind === "file" ? !stat.isFile() : !stat.isDirectory()) throw new Error(`${path} is no plain ${kind}: remove it`);
  if (stat.uid !== nodeProcess().geteuid?.()) {
    throw new Error(`${path} belongs to another user: remove it, or set XDG_CACHE_HOME to a folder of your own`);
  }
  if ((stat.mode & 0o022) !== 0) throw new Error(`${path} can be written by others: chmod go-w it, or remove it`);
  return stat;
}
