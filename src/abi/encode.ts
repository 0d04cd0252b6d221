/**
 * Pure encoders, one a liburing prep: each writes one SQE into memory that holds SQEs as 32-bit words.
 *
 * A prep writes all of the SQE, user_data as 0, since staging memory is used again and again; `sqeSet…` and
 * `prepSendSetAddr` change their own field and nothing else. Arguments come in liburing's order. Addresses and 64-bit
 * values are numbers or bigints. Lengths, and whatever liburing stores in a field that is smaller than its parameter,
 * are checked; file descriptors, modes and flags are taken modulo 2^32, as C takes them.
 *
 * @module
 */
export * from "./encode/commands.ts";
export * from "./encode/files.ts";
export * from "./encode/names.ts";
export * from "./encode/poll.ts";
export * from "./encode/process.ts";
export * from "./encode/rings.ts";
export * from "./encode/rw.ts";
export * from "./encode/sockets.ts";
export * from "./encode/sqe.ts";
export * from "./encode/time.ts";
