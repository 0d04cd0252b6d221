/**
 * Sets of SQE flags that many ops share.
 *
 * @module
 */
import type { SqeFlag } from "./op.ts";

/** Ops without a file. */
export const NO_FILE: readonly SqeFlag[] = ["IO_DRAIN", "IO_LINK", "IO_HARDLINK", "ASYNC", "CQE_SKIP_SUCCESS"];

/** Ops on a file. */
export const ON_FILE: readonly SqeFlag[] = ["FIXED_FILE", ...NO_FILE];

/** Ops on a file that take provided buffers. */
export const SELECTING: readonly SqeFlag[] = [...ON_FILE, "BUFFER_SELECT"];

/** Nothing is held. */
export const NOTHING: { readonly final: readonly string[]; readonly stable: readonly string[] } = {
  final: [],
  stable: [],
};
