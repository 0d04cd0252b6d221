/**
 * What goes wrong, as errors that say what to do.
 *
 * @module
 */

import { errnoName, errnoText } from "../abi/errno.ts";

/** What is known of an operation when it fails. */
export interface ErrorContext {
  /** The file descriptor that it used. */
  readonly fd?: number | undefined;
  /** The path that it used. */
  readonly path?: string | undefined;
  /** A second path: a rename's, a link's. */
  readonly dest?: string | undefined;
  /** `fd` is a slot of the registered files. */
  readonly fixedFile?: boolean | undefined;
  /** The ring is one with `iopoll`. */
  readonly iopoll?: boolean | undefined;
  /** The cause, where more is known than the errno says. */
  readonly detail?: string | undefined;
}

/**
 * An operation, or a call, that the kernel refused. Shaped as Node's system errors.
 *
 * @example
 * ```ts
 * import { AT, Ring, UringError } from "@uring/uring";
 *
 * await using ring = new Ring();
 * const error = await ring.openat(AT.FDCWD, "/nowhere", 0).catch((error) => error);
 * console.assert(error instanceof UringError && error.code === "ENOENT" && error.path === "/nowhere");
 * ```
 */
export class UringError extends Error {
  /** `"UringError"` */
  override readonly name: string = "UringError";
  /** The error's name in the kernel, such as `"ENOENT"`. */
  readonly code: string;
  /** The error's number, negative, as in Node. */
  readonly errno: number;
  /** What was called: the op's name in lower case (`"read"`), or the system call's. */
  readonly syscall: string;
  /** The file descriptor, where one was used. */
  readonly fd?: number;
  /** The path, where one was used. */
  readonly path?: string;
  /** The second path, where two were used. */
  readonly dest?: string;

  /**
   * Makes the message from what is known.
   *
   * @param errno the kernel's error number, of either sign
   * @param syscall what was called
   * @param context what is known besides
   */
  constructor(errno: number, syscall: string, context: ErrorContext = {}) {
    const number = -Math.abs(errno);
    super(messageOf(number, syscall, context));
    this.errno = number;
    this.code = errnoName(number);
    this.syscall = syscall;
    if (context.fd !== undefined) this.fd = context.fd;
    if (context.path !== undefined) this.path = context.path;
    if (context.dest !== undefined) this.dest = context.dest;
  }
}

function messageOf(errno: number, syscall: string, context: ErrorContext): string {
  const { fd, path, dest, detail } = context;
  const text = detail ?? specific(errnoName(errno), syscall, context) ?? errnoText(errno);
  const names = [path, dest].filter((name) => name !== undefined).map((name) => `'${name}'`).join(" -> ");
  const where = names !== "" ? ` ${names}` : fd !== undefined ? ` fd=${fd}` : "";
  return `${errnoName(errno)}: ${text}, ${syscall}${where}`;
}

/** Ops that may be given a slot of the registered files. */
const TAKES_SLOT = new Set([
  ...["read", "readv", "read_fixed", "write", "writev", "write_fixed"],
  ...["fsync", "fallocate", "fadvise", "ftruncate", "poll_add"],
]);
const READS = new Set(["read", "readv", "read_fixed", "readv_fixed", "read_multishot"]);
const WRITES = new Set(["write", "writev", "write_fixed", "writev_fixed"]);

/** Where the errno's own text misleads, or says less than is known. */
function specific(code: string, syscall: string, { fd, fixedFile, iopoll }: ErrorContext): string | undefined {
  if (iopoll && (code === "EINVAL" || code === "EOPNOTSUPP")) {
    return "a ring with iopoll reads and writes files opened with O_DIRECT, on devices that can be polled, and nothing " +
      "else: use another ring for this";
  }
  if (code === "EBADF" && fixedFile) {
    return TAKES_SLOT.has(syscall)
      ? `slot ${fd} of the registered files is empty`
      : `${syscall} takes no registered file: leave fixedFile out`;
  }
  if (code === "EBADF" && fd !== undefined) {
    if (READS.has(syscall)) return `fd ${fd} is not open, or not for reading`;
    if (WRITES.has(syscall) || syscall === "fallocate") return `fd ${fd} is not open, or not for writing`;
    return `fd ${fd} is not open`;
  }
  if (code === "EFAULT" && syscall.endsWith("_fixed")) {
    return "the buffer is not one that is registered with this ring: register its BufferPool first";
  }
  if (code === "EINVAL" && (READS.has(syscall) || WRITES.has(syscall))) {
    return "invalid argument: with O_DIRECT, buffer address, length and offset must be multiples of the block size " +
      "(use a BufferPool); offset plus length must stay below 2^63; rwFlags must suit the file";
  }
  if (syscall === "fallocate" && code === "EOPNOTSUPP") return "the file system can't do this mode";
  if (syscall === "fallocate" && code === "EINVAL") {
    return "invalid argument: COLLAPSE_RANGE and INSERT_RANGE take multiples of the file system's block size, within " +
      "the file";
  }
  if (syscall === "ftruncate" && code === "EINVAL") return "the fd is not open for writing, or is no regular file";
  return undefined;
}

/** The ring was closed, or is closing. */
export class RingClosedError extends Error {
  /** `"RingClosedError"` */
  override readonly name = "RingClosedError";
  /** Tells this error from others, as Node's codes do. */
  readonly code = "ERR_RING_CLOSED";

  /**
   * Names what was called.
   *
   * @param what was called on the closed ring
   */
  constructor(what: string) {
    super(`${what}: this ring is closed; open another with new Ring(), or use Ring.default()`);
  }
}

/** This kernel, or this ring, lacks something. */
export class UnsupportedError extends Error {
  /** `"UnsupportedError"` */
  override readonly name = "UnsupportedError";
  /** Tells this error from others, as Node's codes do. */
  readonly code = "ERR_UNSUPPORTED";
  /** What is lacking. */
  readonly feature: string;
  /** What it needs: a kernel version, a setup flag, a permission. */
  readonly needs: string;
  /** The kernel's release. */
  readonly kernel: string;

  /**
   * Names what is lacking, and what it needs.
   *
   * @param feature what is lacking
   * @param needs what it needs
   * @param kernel the kernel's release
   */
  constructor(feature: string, needs: string, kernel: string) {
    super(`${feature} is not available here: it needs ${needs}; this is Linux ${kernel}`);
    this.feature = feature;
    this.needs = needs;
    this.kernel = kernel;
  }
}

/** An operation was cancelled: its ring was closed, or `cancel()` was called. Shaped as Node's. */
export class AbortError extends Error {
  /** `"AbortError"` */
  override readonly name = "AbortError";
  /** Tells this error from others, as Node's codes do. */
  readonly code = "ABORT_ERR";

  /**
   * Says what was cancelled.
   *
   * @param message what, and why
   */
  constructor(message: string) {
    super(message);
  }
}
