/**
 * Every op of io_uring_register(2): its argument, what the count means, whether it needs a ring, and its errors.
 *
 * @module
 */
import type { IORING_REGISTER } from "./constants.ts";
import { type Register, registerTable } from "./ops/registers.ts";

export type { Register };

/** An entry for every op of io_uring_register(2), by its short name. */
export const REGISTERS: Readonly<Record<keyof typeof IORING_REGISTER, Register>> = registerTable();
