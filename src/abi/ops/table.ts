/**
 * The table of all ops. It is made when it is first looked at: to load it costs next to nothing, and most programs never
 * have anything explained to them.
 *
 * @module
 */
import type { IORING_OP } from "../constants.ts";
import { controlOps } from "./control.ts";
import { fileOps } from "./files.ts";
import { nameOps } from "./names.ts";
import type { Op } from "./op.ts";
import { rwOps } from "./rw.ts";
import { socketOps } from "./sockets.ts";

/** The short name of an op. */
export type OpName = keyof typeof IORING_OP;

let table: Readonly<Record<OpName, Op>> | undefined;
let byCode: Op[] | undefined;

/** An entry for every op, by its short name. */
export function opTable(): Readonly<Record<OpName, Op>> {
  return table ??= { ...controlOps(), ...fileOps(), ...nameOps(), ...rwOps(), ...socketOps() };
}

/**
 * The op with a name.
 *
 * @param name its short name, in letters of either case
 * @returns undefined when there is none
 */
export function opNamed(name: string): Op | undefined {
  const ops: Readonly<Record<string, Op>> = opTable();
  const key = name.toUpperCase();
  return Object.hasOwn(ops, key) ? ops[key] : undefined;
}

/**
 * The op with a number.
 *
 * @param code as in `sqe->opcode`
 * @returns undefined when there is none
 */
export function opOf(code: number): Op | undefined {
  if (byCode === undefined) {
    byCode = [];
    for (const op of Object.values(opTable())) byCode[op.code] = op;
  }
  return byCode[code];
}
