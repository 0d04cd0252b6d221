/**
 * Extended attributes.
 *
 * @module
 */

import { IOSQE } from "../abi/constants.ts";
import { prepFgetxattr, prepFsetxattr, prepGetxattr, prepSetxattr } from "../abi/encode.ts";
import { addressOf, type Bytes, type Home, homeOf, isDetached, refuseBytes } from "../memory/address.ts";
import { giveScratch, type Path, pathText, type Scratch, scratchPath, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkU32, lengthOf, shown } from "./arguments.ts";
import type { Operation, OpOptions } from "./base.ts";
import { PipeOps } from "./ops_pipe.ts";
import { orElse } from "./ops_time.ts";
import { LINKS } from "./pending.ts";

/** XATTR_NAME_MAX and XATTR_SIZE_MAX of the kernel. */
const MAX_NAME = 255;
const MAX_VALUE = 65536;
/** Where a value goes whose length is not known: most are short. */
const USUAL_VALUE = 512;
const ERANGE = -34;

/** The file whose attribute is meant. */
type Of = { readonly path: Path; readonly fd?: undefined } | { readonly fd: number };

/** Extended attributes. */
export class XattrOps extends PipeOps {
  /**
   * Gives an extended attribute, as getxattr(2). Since Linux 5.19.
   *
   * @param path from the current directory; a symbolic link at its end is followed
   * @param name with its namespace, such as `"user.mime_type"`; up to 255 bytes
   * @param buffer left out; a second operation follows when the value is longer than 512 bytes
   * @returns the value
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) ENODATA: there is no such attribute; EOPNOTSUPP: the file system has none
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const value = await ring.getxattr("/tmp", "user.none").catch((error) => error.code);
   * console.assert(value === "ENODATA" || value === "EOPNOTSUPP");
   * ```
   */
  getxattr(path: Path, name: string | Uint8Array, buffer?: undefined, o?: OpOptions): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Gives an extended attribute in a buffer of the caller's.
   *
   * @param buffer where to
   * @returns how many bytes the value has
   * @throws {UringError} (rejects) ERANGE: the buffer is too short
   */
  getxattr(path: Path, name: string | Uint8Array, buffer: Bytes, o?: OpOptions): Promise<number>;
  getxattr(
    path: Path,
    name: string | Uint8Array,
    buffer?: Bytes,
    o?: OpOptions,
  ): Promise<number | Uint8Array<ArrayBuffer>> {
    this.need("GETXATTR", "5.19");
    if (buffer !== undefined) return this.#get({ path }, name, buffer, o);
    return this.#getWhole({ path }, name, o);
  }

  /** As {@linkcode getxattr}, of an open file. */
  fgetxattr(fd: number, name: string | Uint8Array, buffer?: undefined, o?: OpOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** As {@linkcode getxattr} with a buffer, of an open file. */
  fgetxattr(fd: number, name: string | Uint8Array, buffer: Bytes, o?: OpOptions): Promise<number>;
  fgetxattr(
    fd: number,
    name: string | Uint8Array,
    buffer?: Bytes,
    o?: OpOptions,
  ): Promise<number | Uint8Array<ArrayBuffer>> {
    this.need("FGETXATTR", "5.19");
    checkFd(fd);
    if (buffer !== undefined) return this.#get({ fd }, name, buffer, o);
    return this.#getWhole({ fd }, name, o);
  }

  /**
   * Sets an extended attribute, as setxattr(2). Since Linux 5.19.
   *
   * @param path from the current directory; a symbolic link at its end is followed
   * @param name with its namespace, such as `"user.mime_type"`; up to 255 bytes
   * @param value up to 65536 bytes, none allowed; a string as UTF-8
   * @param flags XATTR flags: CREATE (fail if it is there), REPLACE (fail if it is not)
   * @returns 0
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) EOPNOTSUPP: the file system has none; EEXIST, ENODATA: as `flags` ask for
   */
  setxattr(
    path: Path,
    name: string | Uint8Array,
    value: string | Bytes,
    flags: number = 0,
    o?: OpOptions,
  ): Promise<number> {
    this.need("SETXATTR", "5.19");
    return this.#set({ path }, name, value, flags, o);
  }

  /** As {@linkcode setxattr}, of an open file. */
  fsetxattr(
    fd: number,
    name: string | Uint8Array,
    value: string | Bytes,
    flags: number = 0,
    o?: OpOptions,
  ): Promise<number> {
    this.need("FSETXATTR", "5.19");
    checkFd(fd);
    return this.#set({ fd }, name, value, flags, o);
  }

  #get(of: Of, name: string | Uint8Array, buffer: Bytes, o: OpOptions | undefined): Promise<number> {
    const length = lengthOf(buffer, "buffer");
    const home = homeOf(ArrayBuffer.isView(buffer) ? buffer.buffer : buffer);
    return this.#startGet<number>(of, name, addressOf(home, buffer, length), length, { home }, o);
  }

  /** The value, however long it is: the kernel allows 64 KiB. */
  #getWhole(of: Of, name: string | Uint8Array, o: OpOptions | undefined): Promise<Uint8Array<ArrayBuffer>> {
    // A failure would end a chain, and what is staged after one waits for it: there it has to be right at once.
    const flags = o?.flags ?? 0;
    if (this.engine.chainOpen || (flags & (LINKS | IOSQE.IO_DRAIN)) !== 0) {
      return this.#getInto(new Uint8Array(MAX_VALUE), of, name, o);
    }
    // As they are now: should the value be a long one, they are looked at again.
    const named = asNow(name);
    const place = "path" in of ? { path: asNow(of.path) } : of;
    const scratch = takeScratch(USUAL_VALUE);
    const decode = (bytes: number) => scratch.bytes.slice(0, bytes);
    const first = this.#startGet<Uint8Array<ArrayBuffer>>(
      of,
      name,
      scratch.address,
      USUAL_VALUE,
      { scratch, extra: { decode } },
      o,
    );
    return orElse(first, (error) => {
      if (error.errno !== ERANGE) throw error;
      return this.#getInto(new Uint8Array(MAX_VALUE), place, named, o);
    });
  }

  #getInto(
    bytes: Uint8Array<ArrayBuffer>,
    of: Of,
    name: string | Uint8Array,
    o: OpOptions | undefined,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const home = homeOf(bytes.buffer);
    const decode = (length: number) => bytes.slice(0, length);
    return this.#startGet(of, name, home.address, bytes.length, { home, extra: { decode } }, o);
  }

  #startGet<T>(
    of: Of,
    name: string | Uint8Array,
    value: number,
    length: number,
    holds: Omit<Operation, "op">,
    o: OpOptions | undefined,
  ): Promise<T> {
    const scratches = scratchNames(of, name, holds.scratch ?? null);
    const [attribute, path] = scratches;
    const { fd } = of;
    if (fd !== undefined) {
      const extra = { ...holds.extra, scratches };
      return this.start<T>({ ...holds, op: "fgetxattr", fd, extra, worker: true }, o, (words, at) => {
        prepFgetxattr(words, at, fd, attribute!.address, value, length);
      });
    }
    const extra = { ...holds.extra, scratches, path: pathText(of.path) };
    return this.start<T>({ ...holds, op: "getxattr", extra, worker: true }, o, (words, at) => {
      prepGetxattr(words, at, attribute!.address, value, path!.address, length);
    });
  }

  #set(
    of: Of,
    name: string | Uint8Array,
    value: string | Bytes,
    flags: number,
    o: OpOptions | undefined,
  ): Promise<number> {
    checkU32(flags, "flags");
    const { home, address, length } = valueOf(value);
    const scratches = scratchNames(of, name, null);
    const [attribute, path] = scratches;
    const { fd } = of;
    if (fd !== undefined) {
      return this.start({ op: "fsetxattr", fd, home, extra: { scratches }, worker: true }, o, (words, at) => {
        prepFsetxattr(words, at, fd, attribute!.address, address, flags, length);
      });
    }
    const extra = { scratches, path: pathText(of.path) };
    return this.start({ op: "setxattr", home, extra, worker: true }, o, (words, at) => {
      prepSetxattr(words, at, attribute!.address, address, path!.address, flags, length);
    });
  }
}

const encoder = new TextEncoder();

function asNow<T>(text: T): T | Uint8Array<ArrayBuffer> {
  return text instanceof Uint8Array ? new Uint8Array(text) : text;
}

/** An attribute's value; it may be empty, but not detached. */
function valueOf(value: string | Bytes): { home: Home | null; address: number; length: number } {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  const length = (bytes as { byteLength?: unknown } | null | undefined)?.byteLength;
  if (length === 0) {
    const buffer = ArrayBuffer.isView(bytes) ? bytes.buffer : bytes;
    if (isDetached(buffer)) refuseBytes(bytes, "value");
    return { home: null, address: 0, length: 0 };
  }
  const used = lengthOf(bytes, "value");
  if (used > MAX_VALUE) {
    throw new RangeError(`value is ${used} bytes long; an extended attribute has at most ${MAX_VALUE}`);
  }
  const home = homeOf(ArrayBuffer.isView(bytes) ? bytes.buffer : bytes, "value");
  return { home, address: addressOf(home, bytes, used), length: used };
}

/** The attribute's name, and the path where there is one, in scratch memory. Gives `other` back when it throws. */
function scratchNames(of: Of, name: string | Uint8Array, other: Scratch | null): Scratch[] {
  const scratches: Scratch[] = [];
  try {
    scratches.push(scratchName(name));
    if (of.fd === undefined) scratches.push(scratchPath(of.path, "path"));
    return scratches;
  } catch (error) {
    scratches.forEach(giveScratch);
    if (other !== null) giveScratch(other);
    throw error;
  }
}

function scratchName(name: string | Uint8Array): Scratch {
  if (typeof name !== "string" && !(name instanceof Uint8Array)) {
    throw new TypeError(`name must be a string or a Uint8Array, not ${shown(name)}`);
  }
  const bytes = typeof name === "string" ? encoder.encode(name) : name;
  if (bytes.length === 0) throw new TypeError('name is empty: give one with its namespace, such as "user.mime_type"');
  if (bytes.includes(0)) throw new TypeError("name contains a NUL byte, which ends a name for the kernel");
  if (bytes.length > MAX_NAME) {
    throw new RangeError(`name is ${bytes.length} bytes long; the kernel takes at most ${MAX_NAME}`);
  }
  const scratch = takeScratch(bytes.length + 1);
  scratch.bytes.set(bytes);
  scratch.bytes[bytes.length] = 0;
  return scratch;
}
