/**
 * The kernel's language as data: constants, structs, encoders, and what each op, register op and flag means.
 *
 * @module
 */
export * from "./constants.ts";
export * from "./encode.ts";
export * from "./errno.ts";
export * from "./explain.ts";
export * from "./flags.ts";
export * from "./flat.ts";
export * from "./limits.ts";
export * from "./ops.ts";
export * from "./preps.ts";
export * from "./registers.ts";
export * from "./structs.ts";
