/**
 * Encoders for names in the file system, and extended attributes.
 *
 * @module
 */
import { AT, IORING_OP } from "../constants.ts";
import { put64, putSqe, refuse } from "./words.ts";

/**
 * Removes a name; matches `io_uring_prep_unlinkat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param flags AT.REMOVEDIR for a directory
 */
export function prepUnlinkat(words: Int32Array, at: number, dfd: number, path: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.UNLINKAT, dfd, 0, path, 0, flags);
}

/**
 * Removes a name, from the working directory; matches `io_uring_prep_unlink()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param path the address of the path, ending in NUL
 * @param flags AT.REMOVEDIR for a directory
 */
export function prepUnlink(words: Int32Array, at: number, path: number | bigint, flags: number): void {
  putSqe(words, at, IORING_OP.UNLINKAT, AT.FDCWD, 0, path, 0, flags);
}

/**
 * Renames; matches `io_uring_prep_renameat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param olddfd the old directory, or AT.FDCWD
 * @param oldpath the address of the old path
 * @param newdfd the new directory, or AT.FDCWD
 * @param newpath the address of the new path
 * @param flags RENAME bits
 */
export function prepRenameat(
  words: Int32Array,
  at: number,
  olddfd: number,
  oldpath: number | bigint,
  newdfd: number,
  newpath: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.RENAMEAT, olddfd, newpath, oldpath, newdfd, flags);
}

/**
 * Renames, from the working directory; matches `io_uring_prep_rename()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param oldpath the address of the old path
 * @param newpath the address of the new path
 */
export function prepRename(words: Int32Array, at: number, oldpath: number | bigint, newpath: number | bigint): void {
  putSqe(words, at, IORING_OP.RENAMEAT, AT.FDCWD, newpath, oldpath, AT.FDCWD, 0);
}

/**
 * Makes a directory; matches `io_uring_prep_mkdirat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param dfd the directory, or AT.FDCWD
 * @param path the address of the path, ending in NUL
 * @param mode its permissions
 */
export function prepMkdirat(words: Int32Array, at: number, dfd: number, path: number | bigint, mode: number): void {
  putSqe(words, at, IORING_OP.MKDIRAT, dfd, 0, path, mode, 0);
}

/**
 * Makes a directory, from the working directory; matches `io_uring_prep_mkdir()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param path the address of the path, ending in NUL
 * @param mode its permissions
 */
export function prepMkdir(words: Int32Array, at: number, path: number | bigint, mode: number): void {
  putSqe(words, at, IORING_OP.MKDIRAT, AT.FDCWD, 0, path, mode, 0);
}

/**
 * Makes a symbolic link; matches `io_uring_prep_symlinkat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param target the address of what the link says
 * @param newdirfd the directory, or AT.FDCWD
 * @param linkpath the address of the link's path
 */
export function prepSymlinkat(
  words: Int32Array,
  at: number,
  target: number | bigint,
  newdirfd: number,
  linkpath: number | bigint,
): void {
  putSqe(words, at, IORING_OP.SYMLINKAT, newdirfd, linkpath, target, 0, 0);
}

/**
 * Makes a symbolic link, from the working directory; matches `io_uring_prep_symlink()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param target the address of what the link says
 * @param linkpath the address of the link's path
 */
export function prepSymlink(words: Int32Array, at: number, target: number | bigint, linkpath: number | bigint): void {
  putSqe(words, at, IORING_OP.SYMLINKAT, AT.FDCWD, linkpath, target, 0, 0);
}

/**
 * Makes a hard link; matches `io_uring_prep_linkat()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param olddfd the old directory, or AT.FDCWD
 * @param oldpath the address of the old path
 * @param newdfd the new directory, or AT.FDCWD
 * @param newpath the address of the new path
 * @param flags AT bits
 */
export function prepLinkat(
  words: Int32Array,
  at: number,
  olddfd: number,
  oldpath: number | bigint,
  newdfd: number,
  newpath: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.LINKAT, olddfd, newpath, oldpath, newdfd, flags);
}

/**
 * Makes a hard link, from the working directory; matches `io_uring_prep_link()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param oldpath the address of the old path
 * @param newpath the address of the new path
 * @param flags AT bits
 */
export function prepLink(
  words: Int32Array,
  at: number,
  oldpath: number | bigint,
  newpath: number | bigint,
  flags: number,
): void {
  putSqe(words, at, IORING_OP.LINKAT, AT.FDCWD, newpath, oldpath, AT.FDCWD, flags);
}

/**
 * Gets an extended attribute; matches `io_uring_prep_getxattr()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param name the address of the attribute's name
 * @param value the address of its value
 * @param path the address of the path
 * @param len how long the value is, or may be
 */
export function prepGetxattr(
  words: Int32Array,
  at: number,
  name: number | bigint,
  value: number | bigint,
  path: number | bigint,
  len: number,
): void {
  if (len >>> 0 !== len) refuse("prepGetxattr", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.GETXATTR, 0, value, name, len, 0);
  put64(words, at + 12, path);
}

/**
 * Sets an extended attribute; matches `io_uring_prep_setxattr()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param name the address of the attribute's name
 * @param value the address of its value
 * @param path the address of the path
 * @param flags XATTR bits
 * @param len how long the value is, or may be
 */
export function prepSetxattr(
  words: Int32Array,
  at: number,
  name: number | bigint,
  value: number | bigint,
  path: number | bigint,
  flags: number,
  len: number,
): void {
  if (len >>> 0 !== len) refuse("prepSetxattr", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.SETXATTR, 0, value, name, len, flags);
  put64(words, at + 12, path);
}

/**
 * Gets an extended attribute of an open file; matches `io_uring_prep_fgetxattr()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param name the address of the attribute's name
 * @param value the address of its value
 * @param len how long the value is, or may be
 */
export function prepFgetxattr(
  words: Int32Array,
  at: number,
  fd: number,
  name: number | bigint,
  value: number | bigint,
  len: number,
): void {
  if (len >>> 0 !== len) refuse("prepFgetxattr", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.FGETXATTR, fd, value, name, len, 0);
}

/**
 * Sets an extended attribute of an open file; matches `io_uring_prep_fsetxattr()`.
 *
 * @param words where
 * @param at the index of the SQE's first word
 * @param fd the file descriptor
 * @param name the address of the attribute's name
 * @param value the address of its value
 * @param flags XATTR bits
 * @param len how long the value is, or may be
 */
export function prepFsetxattr(
  words: Int32Array,
  at: number,
  fd: number,
  name: number | bigint,
  value: number | bigint,
  flags: number,
  len: number,
): void {
  if (len >>> 0 !== len) refuse("prepFsetxattr", "len", len, 0, 0xffffffff);
  putSqe(words, at, IORING_OP.FSETXATTR, fd, value, name, len, flags);
}
