/**
 * The core as a file in the user's cache, for hosts that can load a library from a file alone.
 *
 * Nothing is loaded that was not verified: the folder and the file must belong to this user and be writable by nobody
 * else, the file must be a plain file (no link) and have the expected hash. A new file is written under a name of its
 * own (O_EXCL) and renamed into place, so that two processes can't meet in one half-written file.
 *
 * @module
 */

import process from "node:process";

/** Gives the path of a verified file with these bytes, writing it first where it is missing. */
export function cachedCore(bytes: Uint8Array, sha256: string): string {
  const fs = process.getBuiltinModule("node:fs");
  const folder = cacheFolder();
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkOwned(fs.lstatSync(folder), folder, "folder");
  const path = `${folder}/${sha256}.so`;
  if (!verified(path, sha256)) {
    const temporary = `${folder}/.${process.getBuiltinModule("node:crypto").randomUUID()}`;
    const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    try {
      fs.writeSync(fd, bytes);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
    if (!verified(path, sha256)) throw new Error(`${path} changed while it was written`);
  }
  return path;
}

function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] || (process.env["HOME"] ? `${process.env["HOME"]}/.cache` : "");
  if (!base.startsWith("/")) throw new Error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set");
  return `${base}/uring`;
}

function verified(path: string, sha256: string): boolean {
  const fs = process.getBuiltinModule("node:fs");
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
  try {
    checkOwned(fs.fstatSync(fd), path, "file");
    return hash(fs.readFileSync(fd)) === sha256;
  } finally {
    fs.closeSync(fd);
  }
}

interface Owned {
  uid: number;
  mode: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

function checkOwned(stat: Owned, path: string, kind: "file" | "folder"): void {
  if (kind === "file" ? !stat.isFile() : !stat.isDirectory()) throw new Error(`${path} is no plain ${kind}`);
  if (stat.uid !== process.getuid?.()) throw new Error(`${path} belongs to another user`);
  if ((stat.mode & 0o022) !== 0) throw new Error(`${path} can be written by others: chmod go-w it, or remove it`);
}

function hash(bytes: Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}
