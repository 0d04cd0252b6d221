/**
 * Causes of errors that many ops share.
 *
 * @module
 */
import type { ErrnoName } from "../errno.ts";
import type { Cause, Causes } from "./op.ts";

/** Errors with their causes. */
export type CauseMap = Readonly<Partial<Record<ErrnoName, Causes>>>;

const EMPTY_SLOT = {
  when: "fixedFile",
  cause: "slot {fd} of the registered files is empty or out of range",
  fix: "register a file there, or leave IOSQE_FIXED_FILE out",
} as const;

const NOT_OPEN: Cause = {
  cause: "[fd {fd}|the file descriptor] is not open",
  fix: "check that it was not closed earlier, and that it belongs to this process",
};

/** The file is not open. */
export const FILE: CauseMap = { EBADF: { ...NOT_OPEN, or: [EMPTY_SLOT] } };

/** The file is not open, or not for reading. */
export const FOR_READING: CauseMap = {
  EBADF: {
    ...NOT_OPEN,
    or: [EMPTY_SLOT, {
      when: "open",
      cause: "[fd {fd}|the file] is not open for reading",
      fix: "open it with O_RDONLY or O_RDWR",
    }, {
      when: "perhapsOpen",
      cause: "[fd {fd}|the file] is not open, or not for reading",
      fix: "check that it was not closed earlier, and that it was opened with O_RDONLY or O_RDWR",
    }],
  },
};

/** The file is not open, or not for writing. */
export const FOR_WRITING: CauseMap = {
  EBADF: {
    ...NOT_OPEN,
    or: [EMPTY_SLOT, {
      when: "open",
      cause: "[fd {fd}|the file] is not open for writing",
      fix: "open it with O_WRONLY or O_RDWR",
    }, {
      when: "perhapsOpen",
      cause: "[fd {fd}|the file] is not open, or not for writing",
      fix: "check that it was not closed earlier, and that it was opened with O_WRONLY or O_RDWR",
    }],
  },
};

/** What reads and writes have in common. */
export const TRANSFER: CauseMap = {
  EAGAIN: {
    cause: "the file is non-blocking and not ready",
    fix: "open it without O_NONBLOCK: io_uring waits by itself",
  },
  EFAULT: {
    cause: "the buffer is not memory of this process",
    fix: "keep the buffer alive and unmoved until the final completion",
  },
  EINVAL: {
    cause:
      "the file takes no such transfer: with O_DIRECT, buffer address, length and offset must be multiples of the " +
      "block size; offset plus length must stay below 2^63; the RWF flags must suit the file",
    fix: "align to what STATX_DIOALIGN says (a BufferPool's memory is aligned), and check offset [{off}|] and length " +
      "[{len}|]",
  },
  EIO: { cause: "the device failed", fix: "look at the kernel's log" },
  EISDIR: { cause: "[fd {fd}|the file] is a directory", fix: "open a file" },
  EOVERFLOW: { cause: "the offset is beyond what the file can have", fix: "use a smaller offset" },
  EOPNOTSUPP: {
    cause: "the file does not know one of the RWF flags, or the ring polls (IOPOLL) and the file cannot be polled",
    fix: "leave the flag out, or open the file with O_DIRECT on a device with poll queues",
  },
  ESPIPE: { cause: "[fd {fd}|the file] has no offsets: it is a pipe or a socket", fix: "use offset -1" },
};

/** What writing adds. */
export const WRITE: CauseMap = {
  EDQUOT: { cause: "the quota of disk blocks is used up", fix: "free space, or raise the quota" },
  EFBIG: { cause: "the file would become too large", fix: "check the file system's limit, and ulimit -f" },
  ENOSPC: { cause: "the device is full", fix: "free space" },
  EPERM: { cause: "the file is sealed or immutable", fix: "write to another file" },
  EPIPE: { cause: "nobody reads the other end any more", fix: "stop writing" },
};

/** Buffers chosen by the kernel. */
export const SELECT: CauseMap = {
  ENOBUFS: {
    cause: "there is no buffer group [{buf_group}|of that number], or it has no buffer left",
    fix: "register the group before, and give buffers back as they are done with",
    or: [{
      when: "groupKnown",
      cause: "buffer group [{buf_group}|] is exhausted",
      fix: "give buffers back sooner, or make the group larger; multishot requests are to be submitted again",
    }, {
      when: "noGroup",
      cause: "there is no buffer group [{buf_group}|of that number]",
      fix: "register the group before",
    }],
  },
};

/** Registered buffers. */
export const FIXED: CauseMap = {
  EFAULT: {
    cause:
      "[registered buffer {buf_index}|the registered buffer] does not exist, or the address range is not inside it",
    fix: "check index, address and length: what is registered with this ring is memory of its BufferPools",
  },
};

/** Ops that take a path. */
export const PATH: CauseMap = {
  EACCES: {
    cause: "no permission for [{path}|the path], or to search a directory on its way",
    fix: "check owner and mode of each directory",
  },
  EBADF: {
    cause: "[dirfd {fd}|dirfd] is not open, and the path is relative",
    fix: "use AT_FDCWD, or a directory that is open",
    or: [{
      when: "noFixedFile",
      cause: "{op} takes no registered file as directory",
      fix: "leave IOSQE_FIXED_FILE out",
    }],
  },
  EFAULT: { cause: "the path is not memory of this process", fix: "keep it alive until submit has returned" },
  ELOOP: { cause: "[{path}|the path] has too many symbolic links", fix: "look for links that go in a circle" },
  ENAMETOOLONG: {
    cause: "[{path}|the path] is too long",
    fix: "a path has 4095 bytes at most, a name in it usually 255",
  },
  ENOENT: { cause: "no such file or directory[: {path}|]", fix: "check each part of the path" },
  ENOTDIR: {
    cause: "a part of [{path}|the path], or dirfd, is not a directory",
    fix: "check each part of the path",
  },
};

/** Ops that change names. */
export const CHANGE_NAME: CauseMap = {
  ...PATH,
  EDQUOT: { cause: "the quota of disk blocks or inodes is used up", fix: "free some, or raise the quota" },
  ENOSPC: { cause: "the device has no room for a new name", fix: "free space" },
  EPERM: { cause: "the file system or the file's flags forbid it", fix: "check for immutable and append-only files" },
  EROFS: { cause: "the file system is mounted read-only", fix: "mount it writable" },
};

/** Ops that give a new file descriptor. */
export const NEW_FD: CauseMap = {
  EMFILE: { cause: "this process has too many files open", fix: "close some, or raise ulimit -n" },
  ENFILE: {
    cause: "the system has too many files open, or no file slot is free",
    fix: "free slots, or register a larger table of files",
  },
  ENXIO: { cause: "no table of files is registered", fix: "register one first: IORING_REGISTER_FILES2, sparse" },
};

/** Sockets. */
export const SOCKET: CauseMap = {
  ...FILE,
  ENOTSOCK: { cause: "[fd {fd}|the file] is not a socket", fix: "use a read or write for it" },
};

/** Sending. */
export const SEND: CauseMap = {
  ...SOCKET,
  EAGAIN: { cause: "the socket's buffer is full, and MSG_DONTWAIT was asked for", fix: "leave MSG_DONTWAIT out" },
  ECONNRESET: { cause: "the peer reset the connection", fix: "connect again" },
  EDESTADDRREQ: { cause: "the socket is not connected, and no address was given", fix: "connect, or give an address" },
  EFAULT: TRANSFER.EFAULT!,
  EMSGSIZE: { cause: "the datagram is too long", fix: "send less at once" },
  ENOBUFS: { cause: "the network device's queue is full", fix: "send later" },
  ENOTCONN: { cause: "the socket is not connected", fix: "connect first" },
  EPIPE: { cause: "this side of the connection is shut down, or the peer is gone", fix: "stop sending" },
};

/** Receiving. */
export const RECEIVE: CauseMap = {
  ...SOCKET,
  ...SELECT,
  EAGAIN: { cause: "nothing to receive, and MSG_DONTWAIT was asked for", fix: "leave MSG_DONTWAIT out" },
  ECONNREFUSED: { cause: "the peer refuses", fix: "check that it listens" },
  ECONNRESET: { cause: "the peer reset the connection", fix: "connect again" },
  EFAULT: TRANSFER.EFAULT!,
  EINVAL: {
    cause: "the flags do not go together",
    fix: "multishot needs IOSQE_BUFFER_SELECT and no MSG_WAITALL; a bundle needs IOSQE_BUFFER_SELECT",
  },
  ENOTCONN: { cause: "the socket is not connected", fix: "connect first" },
};

/** Finding another request. */
export const TARGET: CauseMap = {
  EALREADY: {
    cause: "the request is running already, and cannot be stopped",
    fix: "wait for its completion",
  },
  ENOENT: {
    cause: "no such request: it completed already, or never was",
    fix: "nothing: its completion is on the way",
  },
};

/** Extended attributes. */
export const XATTRS: CauseMap = {
  ENODATA: { cause: "there is no such attribute", fix: "check its name" },
  EOPNOTSUPP: {
    cause: "the file system has no extended attributes, or not of that namespace",
    fix: "use a name in the user namespace, such as user.name",
  },
  ERANGE: { cause: "the value does not fit, or the name is too long", fix: "ask for its size with length 0 first" },
};

const IOPOLL = {
  when: "iopoll",
  cause:
    "a ring with iopoll reads and writes files opened with O_DIRECT, on devices that can be polled, and nothing else",
  fix: "use another ring for this",
} as const;

/** Errors that any op can give. */
export const ANY_OP: CauseMap = {
  E2BIG: { cause: "the argument is larger than this kernel knows", fix: "check its size" },
  EAGAIN: { cause: "it would have to wait, or the kernel is short of memory for it now", fix: "submit it again" },
  ECANCELED: {
    cause: "canceled: by a cancel request, a link timeout, or because a request before it in its chain failed",
    fix: "look at the completions before it",
  },
  EBADF: {
    ...NOT_OPEN,
    or: [{
      when: "noFixedFile",
      cause: "{op} takes no registered file",
      fix: "leave fixedFile (IOSQE_FIXED_FILE) out",
    }],
  },
  EBADFD: { cause: "the ring is disabled", fix: "call enable() first" },
  EACCES: { cause: "forbidden by the ring's restrictions or by permissions", fix: "check both" },
  EFAULT: { cause: "an address is not memory of this process", fix: "keep what an SQE points to alive" },
  EINTR: { cause: "interrupted by a signal", fix: "submit it again" },
  EINVAL: {
    cause: "the kernel does not take these arguments, or does not have {op}",
    fix: "{op} needs Linux {since}; fields that it does not use must be 0",
    or: [{
      when: "unknownFlag",
      cause: "the SQE has a flag that does not exist",
      fix: "use IOSQE flags only: sqe_flags is 0x7f at most",
    }, IOPOLL],
  },
  ENOMEM: { cause: "the kernel is out of memory for it", fix: "submit it again, with less in flight" },
  EOPNOTSUPP: {
    cause: "the file does not know {op}, or a flag does not go with it",
    fix: "check what the file is, and the flags",
    or: [
      {
        when: "noSelect",
        cause: "{op} takes no provided buffers",
        fix: "leave IOSQE_BUFFER_SELECT out",
      },
      {
        when: "skipAndDrain",
        cause: "IOSQE_CQE_SKIP_SUCCESS does not go with IOSQE_IO_DRAIN",
        fix: "leave one of the two out",
      },
      IOPOLL,
    ],
  },
  EXDEV: { cause: "across file systems or mounts", fix: "copy instead" },
};
