/**
 * Every op of io_uring: which members of an SQE it uses and how, what it needs, what memory it holds on to, how it
 * completes, and what its errors mean. Encoders' documentation, explanations and the fuzzer all follow from it.
 *
 * Loaded only where something is explained: the hot path has no use for it.
 *
 * @module
 */
import type { IORING_OP } from "./constants.ts";
import { CONTROL_OPS } from "./ops/control.ts";
import { FILE_OPS } from "./ops/files.ts";
import { NAME_OPS } from "./ops/names.ts";
import type { Op } from "./ops/op.ts";
import { RW_OPS } from "./ops/rw.ts";
import { SOCKET_OPS } from "./ops/sockets.ts";

export { ANY_OP, type CauseMap } from "./ops/causes.ts";
export type { Cause, Causes, Circumstance, Op, SqeField, SqeFieldKind, SqeFlag } from "./ops/op.ts";

/** The short name of an op. */
export type OpName = keyof typeof IORING_OP;

/** An entry for every op, by its short name. */
export const OPS: Readonly<Record<OpName, Op>> = {
  ...CONTROL_OPS,
  ...FILE_OPS,
  ...NAME_OPS,
  ...RW_OPS,
  ...SOCKET_OPS,
};

let byCode: Op[] | undefined;

/**
 * The op with a number.
 *
 * @param code as in `sqe->opcode`
 * @returns undefined when there is none
 */
export function opOf(code: number): Op | undefined {
  if (byCode === undefined) {
    byCode = [];
    for (const op of Object.values(OPS)) byCode[op.code] = op;
  }
  return byCode[code];
}
