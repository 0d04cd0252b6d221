/**
 * Storing an SQE as 32-bit words, and the checks where liburing would cut a value short without a word.
 *
 * An SQE is 16 little-endian words: 0 opcode, flags, ioprio; 1 fd; 2–3 off; 4–5 addr; 6 len; 7 op flags;
 * 8–9 user_data; 10 buf_index, personality; 11 file_index; 12–13 addr3; 14–15 pad.
 *
 * @module
 */

/**
 * Stores a 64-bit value in two words, low word first.
 *
 * A number is right up to 2^53 − 1 in either direction; a bigint wraps at 64 bits.
 *
 * @param words where
 * @param at the index of the low word
 * @param value an address, offset, length or user data
 */
export function put64(words: Int32Array, at: number, value: number | bigint): void {
  if (typeof value === "number") {
    words[at] = value | 0;
    // Not >> 32, which JavaScript takes as >> 0; and floor, not truncation, so that -1 gives all ones.
    words[at + 1] = Math.floor(value / 4294967296) | 0;
  } else {
    words[at] = Number(BigInt.asIntN(32, value));
    words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

/**
 * Writes all 16 words of an SQE; matches `io_uring_prep_rw()` and the op's flags.
 *
 * All of them, and user_data as 0, because the memory was used before: nothing of the last SQE there may remain.
 *
 * @param words where
 * @param at the index of the first word
 * @param head opcode, flags << 8, ioprio << 16
 * @param fd the file descriptor
 * @param off the offset, or whatever shares its place
 * @param addr the address, or whatever shares its place
 * @param len the length
 * @param opFlags the op's own flags
 */
export function putSqe(
  words: Int32Array,
  at: number,
  head: number,
  fd: number,
  off: number | bigint,
  addr: number | bigint,
  len: number,
  opFlags: number,
): void {
  words[at] = head;
  words[at + 1] = fd | 0;
  put64(words, at + 2, off);
  put64(words, at + 4, addr);
  words[at + 6] = len | 0;
  words[at + 7] = opFlags | 0;
  words[at + 8] = 0;
  words[at + 9] = 0;
  words[at + 10] = 0;
  words[at + 11] = 0;
  words[at + 12] = 0;
  words[at + 13] = 0;
  words[at + 14] = 0;
  words[at + 15] = 0;
}

/** Clears the second half of a 128-byte SQE. */
export function putSecondHalf(words: Int32Array, at: number): void {
  words[at + 16] = 0;
  words[at + 17] = 0;
  words[at + 18] = 0;
  words[at + 19] = 0;
  words[at + 20] = 0;
  words[at + 21] = 0;
  words[at + 22] = 0;
  words[at + 23] = 0;
  words[at + 24] = 0;
  words[at + 25] = 0;
  words[at + 26] = 0;
  words[at + 27] = 0;
  words[at + 28] = 0;
  words[at + 29] = 0;
  words[at + 30] = 0;
  words[at + 31] = 0;
}

/**
 * Throws for a value that its field can't hold. Kept out of the encoders, so that these stay small enough to inline.
 *
 * @param prep the encoder's name
 * @param parameter the parameter's name
 * @param value what was given
 * @param min the least that fits
 * @param max the most that fits
 */
export function refuse(prep: string, parameter: string, value: number | bigint, min: number, max: number): never {
  throw new RangeError(`${prep}: ${parameter} must be an integer from ${min} to ${max}, got ${value}`);
}

/**
 * A `size_t` that lands in a 32-bit field, as the number to store.
 *
 * @param prep the encoder's name
 * @param parameter the parameter's name
 * @param value what was given
 * @returns the same as a number
 */
export function size32(prep: string, parameter: string, value: number | bigint): number {
  if (typeof value === "number") {
    if (value >>> 0 !== value) refuse(prep, parameter, value, 0, 0xffffffff);
    return value;
  }
  if (typeof value !== "bigint" || value < 0n || value > 0xffffffffn) refuse(prep, parameter, value, 0, 0xffffffff);
  return Number(value);
}

/**
 * What `file_index` holds for a slot: plus one, as 0 means "no slot". IORING_FILE_INDEX_ALLOC stays all ones.
 *
 * @param index the slot
 * @returns the word to store
 */
export function fileSlot(index: number): number {
  const slot = index | 0;
  return slot === -1 ? -1 : (slot + 1) | 0;
}
