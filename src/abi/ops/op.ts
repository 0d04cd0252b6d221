/**
 * What the description of an op consists of.
 *
 * @module
 */
import type { IOSQE } from "../constants.ts";
import type { ErrnoName } from "../errno.ts";

/**
 * What a member of an SQE means to an op. `flags(X)` and `enum(X)` name an object of constants, `lenOf(x)` the member
 * whose length it is, `structIn(x)` and `structOut(x)` a struct that the kernel reads or writes.
 *
 * `bufIn` and `iovecIn` are read by the kernel, `bufOut` and `iovecOut` are written by it. `fileSlot` is stored plus
 * one, 0 for "no slot". `zero` must be 0, `one` is 1.
 */
export type SqeFieldKind =
  | "fd"
  | "dirfd"
  | "ringFd"
  | "path"
  | "bufIn"
  | "bufOut"
  | "iovecIn"
  | "iovecOut"
  | "msghdrIn"
  | "msghdrOut"
  | "sockaddrIn"
  | "sockaddrOut"
  | "timespec"
  | `structIn(${string})`
  | `structOut(${string})`
  | "fileOffset"
  | `lenOf(${string})`
  | "i32"
  | "u32"
  | "u64"
  | `flags(${string})`
  | `enum(${string})`
  | "targetUserData"
  | "bufIndex"
  | "bufGroup"
  | "fileSlot"
  | "zero"
  | "one";

/** A kind, and behind a space the name it goes by where the member's own says nothing. */
export type SqeField = SqeFieldKind | `${SqeFieldKind} ${string}`;

/** Under which circumstance a cause is the likelier one. */
export type Circumstance =
  /** IOSQE_FIXED_FILE is set, and the op takes it. */
  | "fixedFile"
  /** IOSQE_FIXED_FILE is set, but the op does not take it. */
  | "noFixedFile"
  /** The caller knows that the file is open. */
  | "open"
  /** The caller does not know whether the file is open. */
  | "perhapsOpen"
  /** The caller knows that the buffer group exists. */
  | "groupKnown"
  /** The caller knows that there is no such buffer group. */
  | "noGroup"
  /** The ring polls for completions. */
  | "iopoll"
  /** IOSQE_BUFFER_SELECT is set, and the op takes it. */
  | "bufferSelect"
  /** IOSQE_BUFFER_SELECT is set, but the op does not take it. */
  | "noSelect"
  /** IOSQE_CQE_SKIP_SUCCESS and IOSQE_IO_DRAIN are both set. */
  | "skipAndDrain"
  /** An SQE flag is set that no kernel has. */
  | "unknownFlag";

/**
 * Why an op gave an error, and what to do. `[fd {fd}|the file]` reads "fd 7" where fd is known, else "the file".
 */
export interface Cause {
  /** Half a sentence: what is wrong. */
  readonly cause: string;
  /** Half a sentence: what helps. */
  readonly fix: string;
}

/** A cause, with others that take its place under a circumstance; the first that fits. */
export interface Causes extends Cause {
  /** The others. */
  readonly or?: readonly (Cause & { readonly when: Circumstance })[];
}

/** A flag that an SQE may carry. */
export type SqeFlag = keyof typeof IOSQE;

/** An op. */
export interface Op {
  /** Its short name, as in IORING_OP. */
  readonly name: string;
  /** Its number. */
  readonly code: number;
  /** The first Linux that has it; distributions backport, so ask the kernel. */
  readonly since: string;
  /** Bytes of its SQE. */
  readonly sqeSize: 64 | 128;
  /** What it does, in a sentence. */
  readonly doc: string;
  /** Members of the SQE that it uses, or demands to be 0. */
  readonly fields: Readonly<Record<string, SqeField>>;
  /** Flags that make sense for it. */
  readonly flags: readonly SqeFlag[];
  /** What `ioprio` means: an I/O priority, flags, or nothing. */
  readonly ioprio: "priority" | `flags(${string})` | "zero";
  /**
   * What its result is when it is not an error: bytes moved; a file descriptor (0, or the slot, if it went into one);
   * 0; ready events; a count; or whatever somebody asked for.
   */
  readonly result: "bytes" | "fd" | "zero" | "events" | "count" | "any";
  /**
   * How it completes: once; many times until a CQE without IORING_CQE_F_MORE; once and once more with
   * IORING_CQE_F_NOTIF; and never alone, as a link timeout, which belongs to the request before it.
   */
  readonly completes: readonly ("once" | "multi" | "notif" | "neverAlone")[];
  /** What must be there first: names of constants; `a|b` is either. */
  readonly needs: readonly string[];
  /**
   * Which memory must stay as it is, and until when: `final`, to the last CQE; `stable`, until submit has returned,
   * given IORING_FEAT_SUBMIT_STABLE and no SQPOLL, else to the last CQE. `*addr` is what the structs at addr point to.
   */
  readonly holds: { readonly final: readonly string[]; readonly stable: readonly string[] };
  /** Errors with a meaning of their own here. */
  readonly errno: Readonly<Partial<Record<ErrnoName, Causes>>>;
}
