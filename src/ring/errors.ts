/**
 * What goes wrong, as errors that say what to do.
 *
 * @module
 */

import { IOSQE } from "../abi/constants.ts";
import { errnoName, errnoText } from "../abi/errno.ts";
import { causeOf, type ExplainContext } from "../abi/explain.ts";

/** What is known of an operation when it fails. */
export interface ErrorContext
  extends Pick<ExplainContext, "fd" | "path" | "dest" | "iopoll" | "group" | "groupKnown" | "bufferIndex"> {
  /** `fd` is a slot of the registered files. */
  readonly fixedFile?: boolean | undefined;
  /** What was registered, for errors of `io_uring_register`: such as `"REGISTER_BUFFERS"`. */
  readonly register?: string | undefined;
  /** The cause, where more is known than the errno and the op say: it takes the place of theirs. */
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
  /** What to do about it, where there is something to say; the message ends with it, too. */
  readonly fix?: string;

  /**
   * Makes the message from what is known.
   *
   * @param errno the kernel's error number, of either sign
   * @param syscall what was called
   * @param context what is known besides
   */
  constructor(errno: number, syscall: string, context: ErrorContext = {}) {
    const number = -Math.abs(errno);
    const { cause, fix } = reasonOf(number, syscall, context);
    super(`${errnoName(number)}: ${cause}, ${syscall}${whereOf(context)}${fix === "" ? "" : `; ${fix}`}`);
    this.errno = number;
    this.code = errnoName(number);
    this.syscall = syscall;
    if (context.fd !== undefined) this.fd = context.fd;
    if (context.path !== undefined) this.path = context.path;
    if (context.dest !== undefined) this.dest = context.dest;
    if (fix !== "") this.fix = fix;
  }
}

/** Cause and fix, from the description of the op. Where the errno's own text says it all, there is nothing to add. */
function reasonOf(errno: number, syscall: string, context: ErrorContext): { cause: string; fix: string } {
  if (context.detail !== undefined) return { cause: context.detail, fix: "" };
  const { cause, fix } = causeOf(errno, context.register ?? syscall, {
    fd: context.fd,
    flags: context.fixedFile ? IOSQE.FIXED_FILE : 0,
    open: "unknown",
    iopoll: context.iopoll,
    group: context.group,
    groupKnown: context.groupKnown,
    bufferIndex: context.bufferIndex,
  });
  return { cause, fix: cause === errnoText(errno) ? "" : fix };
}

/** What it was done to: paths, else the descriptor. */
function whereOf({ fd, path, dest, fixedFile }: ErrorContext): string {
  const names = [path, dest].filter((name) => name !== undefined).map((name) => `'${name}'`).join(" -> ");
  if (names !== "") return ` ${names}`;
  return fd === undefined ? "" : fixedFile ? ` slot=${fd}` : ` fd=${fd}`;
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

/** The ring was closed while an operation was in flight. Shaped as Node's. (`cancel()` gives ECANCELED, a signal its reason.) */
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
