/**
 * Encoders for files: open, close, sync, size, splice, pipes.
 *
 * @module
 */
import { AT, IORING_OP, IOSQE } from "../constants.ts";
import { fileSlot, putSqe, refuse } from "./words.ts";

/** sizeof(struct open_how), which the kernel wants to know. */
const OPEN_HOW_SIZE = 24;

/** An off_t that liburing would sign-extend or an advice that no kernel knows. */
function refuseOffT(prep: string, parameter: string, value: number | bigint, advice: number): never {
  if (advice < 0) refuse(prep, "advice", advice, 0, 0x7fffffff);
  refuse(prep, parameter, value, -1, Number.MAX_SAFE_INTEGER);
}

/**
 * Opens a file; matches `io_uring_prep_openat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param flags O bits
 * @param mode the permissions of a new file
 */
export function prepOpenat(
  words: Int32Array,
  at: number,
  dfd: number,
  path: number | bigint,
  flags: number,
  mode: number,
): void {
  putSqe(words, at, IORING_OP.OPENAT, dfd, 0, path, mode, flags);
}

/**
 * Opens a file into a slot of the registered files; matches `io_uring_prep_openat_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param flags O bits
 * @param mode the permissions of a new file
 * @param fileIndex the file slot, or IORING_FILE_INDEX_ALLOC
 */
export function prepOpenatDirect(
  words: Int32Array,
  at: number,
  dfd: number,
  path: number | bigint,
  flags: number,
  mode: number,
  fileIndex: number,
): void {
  putSqe(words, at, IORING_OP.OPENAT, dfd, 0, path, mode, flags);
  words[at + 11] = fileSlot(fileIndex);
}

/**
 * Opens a file, from the working directory; matches `io_uring_prep_open()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param path the address of the path, ending in NUL
 * @param flags O bits
 * @param mode the permissions of a new file
 */
export function prepOpen(words: Int32Array, at: number, path: number | bigint, flags: number, mode: number): void {
  putSqe(words, at, IORING_OP.OPENAT, AT.FDCWD, 0, path, mode, flags);
}

/**
 * Opens a file into a slot of the registered files, from the working directory; matches `io_uring_prep_open_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param path the address of the path, ending in NUL
 * @param flags O bits
 * @param mode the permissions of a new file
 * @param fileIndex the file slot, or IORING_FILE_INDEX_ALLOC
 */
export function prepOpenDirect(
  words: Int32Array,
  at: number,
  path: number | bigint,
  flags: number,
  mode: number,
  fileIndex: number,
): void {
  putSqe(words, at, IORING_OP.OPENAT, AT.FDCWD, 0, path, mode, flags);
  words[at + 11] = fileSlot(fileIndex);
}

/**
 * Opens a file, with control over how the path is walked; matches `io_uring_prep_openat2()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param how the address of a struct open_how
 */
export function prepOpenat2(
  words: Int32Array,
  at: number,
  dfd: number,
  path: number | bigint,
  how: number | bigint,
): void {
  putSqe(words, at, IORING_OP.OPENAT2, dfd, how, path, OPEN_HOW_SIZE, 0);
}

/**
 * As prepOpenat2, into a slot of the registered files; matches `io_uring_prep_openat2_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param how the address of a struct open_how
 * @param fileIndex the file slot, or IORING_FILE_INDEX_ALLOC
 */
export function prepOpenat2Direct(
  words: Int32Array,
  at: number,
  dfd: number,
  path: number | bigint,
  how: number | bigint,
  fileIndex: number,
): void {
  putSqe(words, at, IORING_OP.OPENAT2, dfd, how, path, OPEN_HOW_SIZE, 0);
  words[at + 11] = fileSlot(fileIndex);
}

/**
 * Closes a file; matches `io_uring_prep_close()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 */
export function prepClose(words: Int32Array, at: number, fd: number): void {
  putSqe(words, at, IORING_OP.CLOSE, fd, 0, 0, 0, 0);
}

/**
 * Empties a slot of the registered files; matches `io_uring_prep_close_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fileIndex the file slot
 */
export function prepCloseDirect(words: Int32Array, at: number, fileIndex: number): void {
  // Slot numbers are stored plus one: the last one would wrap to 0, and close file descriptor 0.
  if (fileIndex >>> 0 !== fileIndex || fileIndex === 0xffffffff) {
    refuse("prepCloseDirect", "fileIndex", fileIndex, 0, 0xfffffffe);
  }
  putSqe(words, at, IORING_OP.CLOSE, 0, 0, 0, 0, 0);
  words[at + 11] = (fileIndex + 1) | 0;
}

/**
 * Changes registered files; matches `io_uring_prep_files_update()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fds the address of the file descriptors
 * @param nrFds how many
 * @param offset the first slot, or IORING_FILE_INDEX_ALLOC
 */
export function prepFilesUpdate(
  words: Int32Array,
  at: number,
  fds: number | bigint,
  nrFds: number,
  offset: number,
): void {
  // Slots are 32 bits, but the field has 64: C sends -1, all ones, for "pick slots for me".
  const off = offset === 0xffffffff ? -1 : offset;
  if ((off | 0) !== off || off < -1) refuse("prepFilesUpdate", "offset", offset, -1, 0x7fffffff);
  putSqe(words, at, IORING_OP.FILES_UPDATE, -1, off, fds, nrFds, 0);
}

/**
 * Makes an ordinary file descriptor of a registered file; matches `io_uring_prep_fixed_fd_install()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file slot
 * @param flags IORING_FIXED_FD bits
 */
export function prepFixedFdInstall(words: Int32Array, at: number, fd: number, flags: number): void {
  putSqe(words, at, IORING_OP.FIXED_FD_INSTALL | (IOSQE.FIXED_FILE << 8), fd, 0, 0, 0, flags);
}

/**
 * Brings a file to its device; matches `io_uring_prep_fsync()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param fsyncFlags IORING_FSYNC bits
 */
export function prepFsync(words: Int32Array, at: number, fd: number, fsyncFlags: number): void {
  putSqe(words, at, IORING_OP.FSYNC, fd, 0, 0, 0, fsyncFlags);
}

/**
 * Starts, or waits for, the writing of a range; matches `io_uring_prep_sync_file_range()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param len how many bytes; 0 is to the end
 * @param offset where the range starts
 * @param flags SYNC_FILE_RANGE bits
 */
export function prepSyncFileRange(
  words: Int32Array,
  at: number,
  fd: number,
  len: number,
  offset: number | bigint,
  flags: number,
): void {
  if (len >>> 0 !== len) refuse("prepSyncFileRange", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.SYNC_FILE_RANGE, fd, offset, 0, len, flags);
}

/**
 * Allocates, frees or zeroes a range; matches `io_uring_prep_fallocate()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param mode FALLOC_FL bits
 * @param offset where the range starts
 * @param len how many bytes
 */
export function prepFallocate(
  words: Int32Array,
  at: number,
  fd: number,
  mode: number,
  offset: number | bigint,
  len: number | bigint,
): void {
  putSqe(words, at, IORING_OP.FALLOCATE, fd, offset, len, mode, 0);
}

/**
 * Sets the size of a file; matches `io_uring_prep_ftruncate()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param len the new size
 */
export function prepFtruncate(words: Int32Array, at: number, fd: number, len: number | bigint): void {
  putSqe(words, at, IORING_OP.FTRUNCATE, fd, len, 0, 0, 0);
}

/**
 * Asks what a file is; matches `io_uring_prep_statx()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param flags AT bits
 * @param mask STATX bits: what is wanted
 * @param statxbuf the address of a struct statx
 */
export function prepStatx(
  words: Int32Array,
  at: number,
  dfd: number,
  path: number | bigint,
  flags: number,
  mask: number,
  statxbuf: number | bigint,
): void {
  putSqe(words, at, IORING_OP.STATX, dfd, statxbuf, path, mask, flags);
}

/**
 * Tells how a file will be used; matches `io_uring_prep_fadvise()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param offset where the range starts
 * @param len how many bytes, up to 2^32 − 1; 0 is to the end
 * @param advice one of POSIX_FADV
 */
export function prepFadvise(
  words: Int32Array,
  at: number,
  fd: number,
  offset: number | bigint,
  len: number,
  advice: number,
): void {
  if (len >>> 0 !== len) refuse("prepFadvise", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.FADVISE, fd, offset, 0, len, advice);
}

/**
 * As prepFadvise, for longer ranges; matches `io_uring_prep_fadvise64()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param offset where the range starts
 * @param len how many bytes
 * @param advice one of POSIX_FADV
 */
export function prepFadvise64(
  words: Int32Array,
  at: number,
  fd: number,
  offset: number | bigint,
  len: number | bigint,
  advice: number,
): void {
  if (len < -1 || advice < 0) refuseOffT("prepFadvise64", "len", len, advice);
  putSqe(words, at, IORING_OP.FADVISE, fd, offset, len, 0, advice);
}

/**
 * Tells how memory will be used; matches `io_uring_prep_madvise()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param addr the address of the range
 * @param length how many bytes, up to 2^32 − 1
 * @param advice one of MADV
 */
export function prepMadvise(
  words: Int32Array,
  at: number,
  addr: number | bigint,
  length: number,
  advice: number,
): void {
  if (length >>> 0 !== length) refuse("prepMadvise", "length", length, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.MADVISE, -1, 0, addr, length, advice);
}

/**
 * As prepMadvise, for longer ranges; matches `io_uring_prep_madvise64()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param addr the address of the range
 * @param length how many bytes
 * @param advice one of MADV
 */
export function prepMadvise64(
  words: Int32Array,
  at: number,
  addr: number | bigint,
  length: number | bigint,
  advice: number,
): void {
  if (length < -1 || advice < 0) refuseOffT("prepMadvise64", "length", length, advice);
  putSqe(words, at, IORING_OP.MADVISE, -1, length, addr, 0, advice);
}

/**
 * Moves bytes between a pipe and a file; matches `io_uring_prep_splice()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fdIn from
 * @param offIn where in it; -1 is its position, and a must for a pipe
 * @param fdOut to
 * @param offOut where in it; -1 is its position, and a must for a pipe
 * @param nbytes how many bytes
 * @param spliceFlags SPLICE_F bits
 */
export function prepSplice(
  words: Int32Array,
  at: number,
  fdIn: number,
  offIn: number | bigint,
  fdOut: number,
  offOut: number | bigint,
  nbytes: number,
  spliceFlags: number,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepSplice", "nbytes", nbytes, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.SPLICE, fdOut, offOut, offIn, nbytes, spliceFlags);
  words[at + 11] = fdIn | 0;
}

/**
 * Copies bytes from pipe to pipe and leaves them in the first; matches `io_uring_prep_tee()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fdIn from
 * @param fdOut to
 * @param nbytes how many bytes
 * @param spliceFlags SPLICE_F bits
 */
export function prepTee(
  words: Int32Array,
  at: number,
  fdIn: number,
  fdOut: number,
  nbytes: number,
  spliceFlags: number,
): void {
  if (nbytes >>> 0 !== nbytes) refuse("prepTee", "nbytes", nbytes, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.TEE, fdOut, 0, 0, nbytes, spliceFlags);
  words[at + 11] = fdIn | 0;
}

/**
 * Makes a pipe; matches `io_uring_prep_pipe()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fds the address for two file descriptors
 * @param pipeFlags O bits: CLOEXEC, NONBLOCK, DIRECT
 */
export function prepPipe(words: Int32Array, at: number, fds: number | bigint, pipeFlags: number): void {
  putSqe(words, at, IORING_OP.PIPE, 0, 0, fds, 0, pipeFlags);
}

/**
 * Makes a pipe in two slots of the registered files; matches `io_uring_prep_pipe_direct()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fds the address for two slot numbers
 * @param pipeFlags O bits: NONBLOCK, DIRECT
 * @param fileIndex the first of two file slots, or IORING_FILE_INDEX_ALLOC
 */
export function prepPipeDirect(
  words: Int32Array,
  at: number,
  fds: number | bigint,
  pipeFlags: number,
  fileIndex: number,
): void {
  putSqe(words, at, IORING_OP.PIPE, 0, 0, fds, 0, pipeFlags);
  words[at + 11] = fileSlot(fileIndex);
}
