/**
 * What is known of an operation in flight.
 *
 * @module
 */

import { IOSQE } from "../abi/constants.ts";
import type { Home } from "../memory/address.ts";
import type { Scratch } from "../memory/scratch.ts";

/** An operation's further business, for those that have any: most do not. */
export interface Extra {
  /** Called for each completion but the final one, which has no IORING_CQE_F_MORE. */
  more?: (res: number, flags: number) => void;
  /** Called with the final completion; gives the result that the promise settles by. */
  last?: (res: number, flags: number) => number;
  /** Turns a result into what the promise resolves to. */
  decode?: (res: number, scratch: Scratch | null) => unknown;
  /** Makes the error for a negative result; undefined: the usual one. */
  failed?: (errno: number) => unknown;
  /** Called once, at the final completion, before the promise settles. */
  ended?: () => void;
  /** Its settlers may stage operations, and so make a turn. */
  stages?: boolean;
  /** The ring's own, which serves an operation of the program's. */
  auxiliary?: boolean;
  path?: string | undefined;
  dest?: string | undefined;
  /** The fd is a slot of the registered files. */
  fixedFile?: boolean;
  /** A second descriptor, and whether that is such a slot. */
  fdIn?: number;
  fixedFileIn?: boolean;
  /** The buffer group, one that exists, that its buffers come from. */
  group?: number;
  /** Buffers beyond the first: a readv's. */
  homes?: readonly Home[];
  /** Further scratch memory. */
  scratches?: readonly Scratch[];
}

/** What the ring's own operations have that have nothing else. */
export const AUXILIARY: Extra = { auxiliary: true };

/** Whether more than promises may hear of an operation's completions, while these are walked through. */
export function callsBack(extra: Extra): boolean {
  return extra.more !== undefined || extra.last !== undefined || extra.stages === true;
}

/** Resolves or rejects a promise. */
export type Settle = (value: unknown) => void;

/** The op of a slot that belongs to no operation, but to a resource's tag. */
export const TAG = "tag";

/** The flags that make an SQE one of a chain. */
export const LINKS: number = IOSQE.IO_LINK | IOSQE.IO_HARDLINK;

/** No descriptor belongs to the operation. */
export const NO_FD = -0x80000000;
