/**
 * What `statx` tells of a file.
 *
 * @module
 */

import { S, STATX_ATTR } from "../abi/constants.ts";

/** A moment, exact to the nanosecond. */
export interface StatxTime {
  /** Seconds since 1970-01-01 UTC. */
  readonly sec: number;
  /** Nanoseconds, 0 to 999999999. */
  readonly nsec: number;
}

/**
 * A file's metadata, as `struct statx` has it. `mask` says which fields the file system filled.
 *
 * @example
 * ```ts
 * import { AT, Ring, STATX } from "@uring/uring";
 *
 * await using ring = new Ring();
 * const stat = await ring.statx(AT.FDCWD, "/etc/passwd", 0, STATX.BASIC_STATS);
 * console.assert(stat.isFile() && stat.size > 0);
 * ```
 */
export class Statx {
  /** STATX bits: which fields are filled. */
  readonly mask: number;
  /** Preferred block size for I/O, in bytes. */
  readonly blksize: number;
  /** STATX_ATTR bits. */
  readonly attributes: number;
  /** Number of hard links. */
  readonly nlink: number;
  /** The owner's user id. */
  readonly uid: number;
  /** The owner's group id. */
  readonly gid: number;
  /** Type and permissions. */
  readonly mode: number;
  /** Inode number; beyond 2^53 it loses its last digits: {@linkcode inoBig} has them. */
  readonly ino: number;
  /** Inode number, whole. */
  readonly inoBig: bigint;
  /** Size in bytes. */
  readonly size: number;
  /** Blocks of 512 bytes. */
  readonly blocks: number;
  /** STATX_ATTR bits that the file system knows. */
  readonly attributesMask: number;
  /** When it was read last. */
  readonly atime: StatxTime;
  /** When it was made, where the file system knows. */
  readonly btime: StatxTime;
  /** When its metadata changed last. */
  readonly ctime: StatxTime;
  /** When its content changed last. */
  readonly mtime: StatxTime;
  /** A device file: which device, major number. */
  readonly rdevMajor: number;
  /** A device file: which device, minor number. */
  readonly rdevMinor: number;
  /** The device that it is on, major number. */
  readonly devMajor: number;
  /** The device that it is on, minor number. */
  readonly devMinor: number;
  /** The mount that it is on (STATX_MNT_ID). */
  readonly mountId: number;
  /** What O_DIRECT needs addresses to be multiples of (STATX_DIOALIGN); 0 when it is not supported, or not asked for. */
  readonly dioMemAlign: number;
  /** What O_DIRECT needs offsets and lengths to be multiples of. */
  readonly dioOffsetAlign: number;

  /**
   * Reads what the kernel wrote.
   *
   * @param view 256 bytes
   */
  constructor(view: DataView) {
    this.mask = view.getUint32(0, true);
    this.blksize = view.getUint32(4, true);
    this.attributes = wide(view, 8);
    this.nlink = view.getUint32(16, true);
    this.uid = view.getUint32(20, true);
    this.gid = view.getUint32(24, true);
    this.mode = view.getUint16(28, true);
    this.inoBig = view.getBigUint64(32, true);
    this.ino = Number(this.inoBig);
    this.size = wide(view, 40);
    this.blocks = wide(view, 48);
    this.attributesMask = wide(view, 56);
    this.atime = timeAt(view, 64);
    this.btime = timeAt(view, 80);
    this.ctime = timeAt(view, 96);
    this.mtime = timeAt(view, 112);
    this.rdevMajor = view.getUint32(128, true);
    this.rdevMinor = view.getUint32(132, true);
    this.devMajor = view.getUint32(136, true);
    this.devMinor = view.getUint32(140, true);
    this.mountId = wide(view, 144);
    this.dioMemAlign = view.getUint32(152, true);
    this.dioOffsetAlign = view.getUint32(156, true);
  }

  /** Whether it is a regular file. */
  isFile(): boolean {
    return this.#type === S.IFREG;
  }

  /** Whether it is a directory. */
  isDirectory(): boolean {
    return this.#type === S.IFDIR;
  }

  /** Whether it is a symbolic link. */
  isSymbolicLink(): boolean {
    return this.#type === S.IFLNK;
  }

  /** Whether it is a pipe. */
  isFIFO(): boolean {
    return this.#type === S.IFIFO;
  }

  /** Whether it is a socket. */
  isSocket(): boolean {
    return this.#type === S.IFSOCK;
  }

  /** Whether it is a block device. */
  isBlockDevice(): boolean {
    return this.#type === S.IFBLK;
  }

  /** Whether it is a character device. */
  isCharacterDevice(): boolean {
    return this.#type === S.IFCHR;
  }

  /** Whether the file system says that it is mounted on. */
  isMountRoot(): boolean {
    return (this.attributes & STATX_ATTR.MOUNT_ROOT) !== 0;
  }

  get #type(): number {
    return this.mode & S.IFMT;
  }
}

/** Bytes of `struct statx`. */
export const STATX_SIZE = 256;

/** A 64-bit number as two halves: no bigint, exact below 2^53. */
function wide(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function timeAt(view: DataView, at: number): StatxTime {
  const sec = view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  return { sec, nsec: view.getUint32(at + 8, true) };
}
