/**
 * Every op of io_uring: which members of an SQE it uses and how, what it needs, what memory it holds on to, how it
 * completes, and what its errors mean. Encoders' documentation, explanations and the fuzzer all follow from it.
 *
 * @module
 */
import type { Op } from "./ops/op.ts";
import { type OpName, opTable } from "./ops/table.ts";

export { ANY_OP, type CauseMap } from "./ops/causes.ts";
export type { Cause, Causes, Circumstance, Op, SqeField, SqeFieldKind, SqeFlag } from "./ops/op.ts";
export { type OpName, opOf } from "./ops/table.ts";

/** An entry for every op, by its short name. */
export const OPS: Readonly<Record<OpName, Op>> = opTable();
