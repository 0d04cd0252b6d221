/**
 * The constants of `linux/io_uring.h` (Linux 7.2) and of the headers beside it, one object a kernel enum or flag set.
 *
 * Values are literals, not shifts: TypeScript then knows each of them as a literal type. What marks the end of an enum
 * (`IORING_OP_LAST` and its like) is left out on purpose: it changes with every kernel.
 *
 * @module
 */

export * from "./posix.ts";

/** Opcodes: what an SQE asks for (`sqe->opcode`). */
export const IORING_OP = {
  /** Does nothing, and completes. */
  NOP: 0,
  /** preadv2(2). */
  READV: 1,
  /** pwritev2(2). */
  WRITEV: 2,
  /** fsync(2), fdatasync(2). */
  FSYNC: 3,
  /** Read into a registered buffer. */
  READ_FIXED: 4,
  /** Write from a registered buffer. */
  WRITE_FIXED: 5,
  /** Wait until a file is ready; once, or for as long as it lives. */
  POLL_ADD: 6,
  /** Remove or change a poll request. */
  POLL_REMOVE: 7,
  /** sync_file_range(2). */
  SYNC_FILE_RANGE: 8,
  /** sendmsg(2). */
  SENDMSG: 9,
  /** recvmsg(2). */
  RECVMSG: 10,
  /** A timer, or a count of completions to wait for. */
  TIMEOUT: 11,
  /** Remove or change a timeout. */
  TIMEOUT_REMOVE: 12,
  /** accept4(2). */
  ACCEPT: 13,
  /** Cancel requests in flight. */
  ASYNC_CANCEL: 14,
  /** A time limit on the request linked before it. */
  LINK_TIMEOUT: 15,
  /** connect(2). */
  CONNECT: 16,
  /** fallocate(2). */
  FALLOCATE: 17,
  /** openat(2). */
  OPENAT: 18,
  /** close(2). */
  CLOSE: 19,
  /** Change registered files. */
  FILES_UPDATE: 20,
  /** statx(2). */
  STATX: 21,
  /** pread(2), read(2). */
  READ: 22,
  /** pwrite(2), write(2). */
  WRITE: 23,
  /** posix_fadvise(2). */
  FADVISE: 24,
  /** madvise(2). */
  MADVISE: 25,
  /** send(2), sendto(2). */
  SEND: 26,
  /** recv(2). */
  RECV: 27,
  /** openat2(2). */
  OPENAT2: 28,
  /** epoll_ctl(2). */
  EPOLL_CTL: 29,
  /** splice(2). */
  SPLICE: 30,
  /** Hand buffers to the kernel, the old way: a buffer ring is faster. */
  PROVIDE_BUFFERS: 31,
  /** Take provided buffers back. */
  REMOVE_BUFFERS: 32,
  /** tee(2). */
  TEE: 33,
  /** shutdown(2). */
  SHUTDOWN: 34,
  /** renameat2(2). */
  RENAMEAT: 35,
  /** unlinkat(2). */
  UNLINKAT: 36,
  /** mkdirat(2). */
  MKDIRAT: 37,
  /** symlinkat(2). */
  SYMLINKAT: 38,
  /** linkat(2). */
  LINKAT: 39,
  /** Post a completion, or send a file, to another ring. */
  MSG_RING: 40,
  /** fsetxattr(2). */
  FSETXATTR: 41,
  /** setxattr(2). */
  SETXATTR: 42,
  /** fgetxattr(2). */
  FGETXATTR: 43,
  /** getxattr(2). */
  GETXATTR: 44,
  /** socket(2). */
  SOCKET: 45,
  /** A command that the file's own driver understands. */
  URING_CMD: 46,
  /** send(2) without a copy; completes twice. */
  SEND_ZC: 47,
  /** sendmsg(2) without a copy; completes twice. */
  SENDMSG_ZC: 48,
  /** Reads again and again into provided buffers. */
  READ_MULTISHOT: 49,
  /** waitid(2). */
  WAITID: 50,
  /** futex_wait(2). */
  FUTEX_WAIT: 51,
  /** futex_wake(2). */
  FUTEX_WAKE: 52,
  /** futex_waitv(2). */
  FUTEX_WAITV: 53,
  /** Make an ordinary file descriptor of a registered file. */
  FIXED_FD_INSTALL: 54,
  /** ftruncate(2). */
  FTRUNCATE: 55,
  /** bind(2). */
  BIND: 56,
  /** listen(2). */
  LISTEN: 57,
  /** Receive from a network queue into memory of ours, without a copy. */
  RECV_ZC: 58,
  /** epoll_wait(2). */
  EPOLL_WAIT: 59,
  /** preadv2(2) into a registered buffer. */
  READV_FIXED: 60,
  /** pwritev2(2) from a registered buffer. */
  WRITEV_FIXED: 61,
  /** pipe2(2). */
  PIPE: 62,
  /** NOP with an SQE of 128 bytes. */
  NOP128: 63,
  /** URING_CMD with an SQE of 128 bytes. */
  URING_CMD128: 64,
} as const;

/** Flags of an SQE (`sqe->flags`), the same for every op. */
export const IOSQE = {
  /** `fd` is a slot of the registered files. */
  FIXED_FILE: 0x1,
  /** Start only when everything before has completed, and hold everything after. */
  IO_DRAIN: 0x2,
  /** The next SQE starts when this one succeeded in full. */
  IO_LINK: 0x4,
  /** The next SQE starts when this one completed, whatever its result. */
  IO_HARDLINK: 0x8,
  /** Go to a worker thread at once. */
  ASYNC: 0x10,
  /** Take a buffer of the group `buf_group`. */
  BUFFER_SELECT: 0x20,
  /** Post no completion on success. */
  CQE_SKIP_SUCCESS: 0x40,
} as const;

/** Bit numbers of {@link IOSQE}, `IOSQE_…_BIT` in the header. */
export const IOSQE_BIT = {
  /** Bit number of `IOSQE_FIXED_FILE`. */
  FIXED_FILE: 0,
  /** Bit number of `IOSQE_IO_DRAIN`. */
  IO_DRAIN: 1,
  /** Bit number of `IOSQE_IO_LINK`. */
  IO_LINK: 2,
  /** Bit number of `IOSQE_IO_HARDLINK`. */
  IO_HARDLINK: 3,
  /** Bit number of `IOSQE_ASYNC`. */
  ASYNC: 4,
  /** Bit number of `IOSQE_BUFFER_SELECT`. */
  BUFFER_SELECT: 5,
  /** Bit number of `IOSQE_CQE_SKIP_SUCCESS`. */
  CQE_SKIP_SUCCESS: 6,
} as const;

/** Flags of io_uring_setup(2) (`params->flags`). */
export const IORING_SETUP = {
  /** Completions are polled for, not interrupted for: O_DIRECT on devices that can. */
  IOPOLL: 0x1,
  /** A kernel thread submits. */
  SQPOLL: 0x2,
  /** `sq_thread_cpu` says where that thread runs. */
  SQ_AFF: 0x4,
  /** `cq_entries` says how large the completion queue is. */
  CQSIZE: 0x8,
  /** Sizes over the limit are cut to it, instead of refused. */
  CLAMP: 0x10,
  /** Share the workers (and the SQ thread) of the ring `wq_fd`. */
  ATTACH_WQ: 0x20,
  /** Start disabled; IORING_REGISTER_ENABLE_RINGS starts it. */
  R_DISABLED: 0x40,
  /** Go on submitting after an SQE that was refused. */
  SUBMIT_ALL: 0x80,
  /** Do not interrupt the task to complete requests. */
  COOP_TASKRUN: 0x100,
  /** Show IORING_SQ_TASKRUN when completions wait for an enter. */
  TASKRUN_FLAG: 0x200,
  /** Every SQE takes 128 bytes. */
  SQE128: 0x400,
  /** Every CQE takes 32 bytes. */
  CQE32: 0x800,
  /** Only one thread submits. */
  SINGLE_ISSUER: 0x1000,
  /** Completions are worked on in io_uring_enter(2) alone. */
  DEFER_TASKRUN: 0x2000,
  /** The application brings the memory of the rings. */
  NO_MMAP: 0x4000,
  /** The ring gets a registered index, no file descriptor. */
  REGISTERED_FD_ONLY: 0x8000,
  /** No SQ index array. */
  NO_SQARRAY: 0x10000,
  /** Sleep a while before polling for completions. */
  HYBRID_IOPOLL: 0x20000,
  /** CQEs of 16 and of 32 bytes. */
  CQE_MIXED: 0x40000,
  /** SQEs of 64 and of 128 bytes. */
  SQE_MIXED: 0x80000,
  /** The SQ has no head and tail: SQEs always start at index 0. */
  SQ_REWIND: 0x100000,
} as const;

/** Features that the kernel reports at setup (`params->features`). */
export const IORING_FEAT = {
  /** One mapping holds both rings. */
  SINGLE_MMAP: 0x1,
  /** Completions beyond the queue are kept, not dropped. */
  NODROP: 0x2,
  /** What an SQE points to may go once submit returned, buffers excepted. */
  SUBMIT_STABLE: 0x4,
  /** Offset -1 means the file position. */
  RW_CUR_POS: 0x8,
  /** Requests run with the credentials of who submits them. */
  CUR_PERSONALITY: 0x10,
  /** Sockets and pipes are polled, not given to workers. */
  FAST_POLL: 0x20,
  /** 32 bits of poll events. */
  POLL_32BITS: 0x40,
  /** SQPOLL works with ordinary file descriptors. */
  SQPOLL_NONFIXED: 0x80,
  /** io_uring_enter(2) takes a timeout. */
  EXT_ARG: 0x100,
  /** Workers are threads of the process. */
  NATIVE_WORKERS: 0x200,
  /** Registered files and buffers may carry tags. */
  RSRC_TAGS: 0x400,
  /** IOSQE_CQE_SKIP_SUCCESS works. */
  CQE_SKIP: 0x800,
  /** The file of a linked request is looked up when it starts. */
  LINKED_FILE: 0x1000,
  /** io_uring_register(2) takes a registered ring. */
  REG_REG_RING: 0x2000,
  /** Bundles: send and receive many provided buffers at once. */
  RECVSEND_BUNDLE: 0x4000,
  /** A wait may have a minimum time. */
  MIN_TIMEOUT: 0x8000,
  /** Reads and writes take attributes. */
  RW_ATTR: 0x10000,
  /** IORING_ENTER_NO_IOWAIT works. */
  NO_IOWAIT: 0x20000,
} as const;

/** Flags of io_uring_enter(2). */
export const IORING_ENTER = {
  /** Wait for, or at least work on, completions. */
  GETEVENTS: 0x1,
  /** Wake the SQ thread. */
  SQ_WAKEUP: 0x2,
  /** Wait until the SQ has room. */
  SQ_WAIT: 0x4,
  /** The last argument is a struct io_uring_getevents_arg. */
  EXT_ARG: 0x8,
  /** The file descriptor is a registered ring's index. */
  REGISTERED_RING: 0x10,
  /** The timeout is a point in time. */
  ABS_TIMER: 0x20,
  /** The last argument is an index into the registered wait region. */
  EXT_ARG_REG: 0x40,
  /** Do not count the wait as iowait. */
  NO_IOWAIT: 0x80,
} as const;

/** Opcodes of io_uring_register(2). */
export const IORING_REGISTER = {
  /** Register buffers for READ_FIXED and its like. */
  BUFFERS: 0,
  /** Drop the registered buffers. */
  UNREGISTER_BUFFERS: 1,
  /** Register files for IOSQE_FIXED_FILE. */
  FILES: 2,
  /** Drop the registered files. */
  UNREGISTER_FILES: 3,
  /** Signal an eventfd at every completion. */
  EVENTFD: 4,
  /** Drop the eventfd. */
  UNREGISTER_EVENTFD: 5,
  /** Change registered files. */
  FILES_UPDATE: 6,
  /** Signal an eventfd at completions that were not inline. */
  EVENTFD_ASYNC: 7,
  /** Ask which ops there are. */
  PROBE: 8,
  /** Keep the caller's credentials, for `sqe->personality`. */
  PERSONALITY: 9,
  /** Drop credentials. */
  UNREGISTER_PERSONALITY: 10,
  /** Allow only some ops, registers and flags. */
  RESTRICTIONS: 11,
  /** Start a ring that was set up disabled. */
  ENABLE_RINGS: 12,
  /** FILES with tags, or sparse. */
  FILES2: 13,
  /** FILES_UPDATE with tags. */
  FILES_UPDATE2: 14,
  /** BUFFERS with tags, or sparse. */
  BUFFERS2: 15,
  /** Change registered buffers. */
  BUFFERS_UPDATE: 16,
  /** Bind the workers to CPUs. */
  IOWQ_AFF: 17,
  /** Unbind the workers. */
  UNREGISTER_IOWQ_AFF: 18,
  /** Get and set how many workers there may be. */
  IOWQ_MAX_WORKERS: 19,
  /** Register ring file descriptors with the task. */
  RING_FDS: 20,
  /** Drop registered ring file descriptors. */
  UNREGISTER_RING_FDS: 21,
  /** Register a ring of provided buffers. */
  PBUF_RING: 22,
  /** Drop a ring of provided buffers. */
  UNREGISTER_PBUF_RING: 23,
  /** Cancel, and wait for it. */
  SYNC_CANCEL: 24,
  /** Which file slots the kernel may pick from. */
  FILE_ALLOC_RANGE: 25,
  /** Ask for the head of a buffer ring. */
  PBUF_STATUS: 26,
  /** Busy polling of network devices. */
  NAPI: 27,
  /** No busy polling. */
  UNREGISTER_NAPI: 28,
  /** Which clock waits use. */
  CLOCK: 29,
  /** Take over another ring's registered buffers. */
  CLONE_BUFFERS: 30,
  /** MSG_RING from a thread that has no ring. */
  SEND_MSG_RING: 31,
  /** Register a network queue for RECV_ZC. */
  ZCRX_IFQ: 32,
  /** Change the sizes of the rings. */
  RESIZE_RINGS: 33,
  /** Register memory for wait arguments. */
  MEM_REGION: 34,
  /** Ask what the kernel can do. */
  QUERY: 35,
  /** Control a registered network queue. */
  ZCRX_CTRL: 36,
  /** Attach BPF programs that filter ops. */
  BPF_FILTER: 37,
} as const;

/** Added to a register opcode: the file descriptor is a registered ring's index. */
export const IORING_REGISTER_USE_REGISTERED_RING = 0x80000000;

/** In an array of file descriptors: leave this slot as it is. */
export const IORING_REGISTER_FILES_SKIP: -2 = -2;

/** As `file_index`: the kernel picks a free slot, and returns it. */
export const IORING_FILE_INDEX_ALLOC = 0xffffffff;

/** Flags of a CQE (`cqe->flags`). */
export const IORING_CQE_F = {
  /** The upper 16 bits are the id of the buffer used. */
  BUFFER: 0x1,
  /** More completions of the same request follow. */
  MORE: 0x2,
  /** The socket has more to read. */
  SOCK_NONEMPTY: 0x4,
  /** A notification: a zero-copy send is done with its buffer. */
  NOTIF: 0x8,
  /** The kernel keeps the buffer for more. */
  BUF_MORE: 0x10,
  /** Filler, to be ignored. */
  SKIP: 0x20,
  /** This CQE takes 32 bytes. */
  "32": 0x8000,
  /** A timestamp of the hardware's (SOCKET_URING_OP_TX_TIMESTAMP). */
  TSTAMP_HW: 0x10000,
} as const;

/** Where the buffer id starts in `cqe->flags`. */
export const IORING_CQE_BUFFER_SHIFT = 16;

/** Flags that the kernel shows in the SQ ring. */
export const IORING_SQ = {
  /** The SQ thread sleeps: wake it. */
  NEED_WAKEUP: 0x1,
  /** Completions wait for room in the CQ. */
  CQ_OVERFLOW: 0x2,
  /** Completions wait for an enter. */
  TASKRUN: 0x4,
} as const;

/** Flags that the application sets in the CQ ring. */
export const IORING_CQ = {
  /** Do not signal the eventfd. */
  EVENTFD_DISABLED: 0x1,
} as const;

/** Offsets for mmap(2) on a ring. */
export const IORING_OFF = {
  /** The SQ ring (and the CQ ring, with FEAT_SINGLE_MMAP). */
  SQ_RING: 0x0,
  /** The CQ ring. */
  CQ_RING: 0x8000000,
  /** The SQEs. */
  SQES: 0x10000000,
  /** A buffer ring; its group id is shifted by PBUF_SHIFT. */
  PBUF_RING: 0x80000000,
  /** How far the group id is shifted. */
  PBUF_SHIFT: 16,
  /** The bits that name the region. */
  MMAP_MASK: 0xf8000000,
} as const;

/** Flags of FSYNC (`sqe->fsync_flags`). */
export const IORING_FSYNC = {
  /** fdatasync(2) instead of fsync(2). */
  DATASYNC: 0x1,
} as const;

/** Flags of TIMEOUT, TIMEOUT_REMOVE and LINK_TIMEOUT (`sqe->timeout_flags`). */
export const IORING_TIMEOUT = {
  /** A point in time, not a span. */
  ABS: 0x1,
  /** TIMEOUT_REMOVE changes the timeout instead. */
  UPDATE: 0x2,
  /** CLOCK_BOOTTIME. */
  BOOTTIME: 0x4,
  /** CLOCK_REALTIME. */
  REALTIME: 0x8,
  /** An expired timeout is no failure to the chain it is in. */
  ETIME_SUCCESS: 0x20,
  /** Fires again and again. */
  MULTISHOT: 0x40,
  /** `addr` is the time itself, in nanoseconds. */
  IMMEDIATE_ARG: 0x80,
  /** The bits that choose a clock. */
  CLOCK_MASK: 0xc,
  /** The bits that ask for an update. */
  UPDATE_MASK: 0x12,
} as const;

/** More flags of TIMEOUT_REMOVE (`sqe->timeout_flags`). */
export const IORING_LINK_TIMEOUT = {
  /** Change a link timeout. */
  UPDATE: 0x10,
} as const;

/** Flags of POLL_ADD and POLL_REMOVE (`sqe->len`). */
export const IORING_POLL = {
  /** Goes on reporting. */
  ADD_MULTI: 0x1,
  /** POLL_REMOVE changes the events instead. */
  UPDATE_EVENTS: 0x2,
  /** POLL_REMOVE changes the user data instead. */
  UPDATE_USER_DATA: 0x4,
  /** Level-triggered. */
  ADD_LEVEL: 0x8,
} as const;

/** Flags of ASYNC_CANCEL (`sqe->cancel_flags`). */
export const IORING_ASYNC_CANCEL = {
  /** Everything that matches, not only the first. */
  ALL: 0x1,
  /** Match by file. */
  FD: 0x2,
  /** Match anything. */
  ANY: 0x4,
  /** The file is a registered one. */
  FD_FIXED: 0x8,
  /** Match by user data: what happens without any other key. */
  USERDATA: 0x10,
  /** Match by opcode. */
  OP: 0x20,
} as const;

/** Flags of send and receive ops (`sqe->ioprio`). */
export const IORING_RECVSEND = {
  /** Poll first, do not try first. */
  POLL_FIRST: 0x1,
  /** `buf_index` is a registered buffer. */
  FIXED_BUF: 0x4,
  /** Take as many provided buffers as there are. */
  BUNDLE: 0x10,
} as const;

/** Flags of receive ops alone (`sqe->ioprio`). */
export const IORING_RECV = {
  /** Receives again and again into provided buffers. */
  MULTISHOT: 0x2,
} as const;

/** Flags of send ops alone (`sqe->ioprio`). */
export const IORING_SEND = {
  /** The notification says whether data was copied after all. */
  ZC_REPORT_USAGE: 0x8,
  /** `addr` is an array of iovecs. */
  VECTORIZED: 0x20,
} as const;

/** In `cqe->res` of a notification, with IORING_SEND_ZC_REPORT_USAGE. */
export const IORING_NOTIF = {
  /** Data was copied. */
  USAGE_ZC_COPIED: 0x80000000,
} as const;

/** Flags of ACCEPT (`sqe->ioprio`). */
export const IORING_ACCEPT = {
  /** Accepts again and again. */
  MULTISHOT: 0x1,
  /** Fail with EAGAIN rather than wait. */
  DONTWAIT: 0x2,
  /** Poll first, do not try first. */
  POLL_FIRST: 0x4,
} as const;

/** Commands of MSG_RING (`sqe->addr`). */
export const IORING_MSG = {
  /** Post `len` as result and `off` as user data. */
  DATA: 0,
  /** Send a registered file. */
  SEND_FD: 1,
} as const;

/** Flags of MSG_RING (`sqe->msg_ring_flags`). */
export const IORING_MSG_RING = {
  /** Post nothing to the other ring. */
  CQE_SKIP: 0x1,
  /** `file_index` becomes the flags of the CQE. */
  FLAGS_PASS: 0x2,
} as const;

/** Flags of FIXED_FD_INSTALL (`sqe->install_fd_flags`). */
export const IORING_FIXED_FD = {
  /** The new file descriptor survives an exec. */
  NO_CLOEXEC: 0x1,
} as const;

/** Flags of NOP (`sqe->nop_flags`). */
export const IORING_NOP = {
  /** `len` is the result. */
  INJECT_RESULT: 0x1,
  /** Look `fd` up. */
  FILE: 0x2,
  /** `fd` is a registered file. */
  FIXED_FILE: 0x4,
  /** Look the registered buffer `buf_index` up. */
  FIXED_BUFFER: 0x8,
  /** Complete through task work. */
  TW: 0x10,
  /** Post a CQE of 32 bytes. */
  CQE32: 0x20,
} as const;

/** Flags of URING_CMD (`sqe->uring_cmd_flags`). */
export const IORING_URING_CMD = {
  /** `buf_index` is a registered buffer. */
  FIXED: 0x1,
  /** Completes again and again, with provided buffers. */
  MULTISHOT: 0x2,
  /** All of them. */
  MASK: 0x3,
} as const;

/** Commands of URING_CMD on a socket (`sqe->cmd_op`). */
export const SOCKET_URING_OP = {
  /** Bytes that wait to be read. */
  SIOCINQ: 0,
  /** Bytes that wait to be sent. */
  SIOCOUTQ: 1,
  /** getsockopt(2). */
  GETSOCKOPT: 2,
  /** setsockopt(2). */
  SETSOCKOPT: 3,
  /** Timestamps of sent packets. */
  TX_TIMESTAMP: 4,
  /** getsockname(2), getpeername(2). */
  GETSOCKNAME: 5,
} as const;

/** Commands of URING_CMD on a block device (`sqe->cmd_op`), from `linux/blkdev.h`. */
export const BLOCK_URING_CMD = {
  /** Discard a range. */
  DISCARD: 0x1200,
  /** Reset every zone. */
  ZONE_RESET_ALL: 0x1201,
} as const;

/** Bits of a timestamp's CQE flags (SOCKET_URING_OP_TX_TIMESTAMP). */
export const IORING_TIMESTAMP = {
  /** The bit that says hardware. */
  HW_SHIFT: 16,
  /** Where the type starts. */
  TYPE_SHIFT: 17,
} as const;

/** Attributes of a read or write (`sqe->attr_type_mask`). */
export const IORING_RW_ATTR_FLAG = {
  /** Protection information, a struct io_uring_attr_pi. */
  PI: 0x1,
} as const;

/** Kinds of worker threads. */
export const IO_WQ = {
  /** For work that ends in bounded time: files. */
  BOUND: 0,
  /** For work that may wait for ever: sockets, pipes. */
  UNBOUND: 1,
} as const;

/** Flags of a memory region. */
export const IORING_MEM_REGION = {
  /** The application brings the memory (`struct io_uring_region_desc`). */
  TYPE_USER: 1,
  /** It holds wait arguments (`struct io_uring_mem_region_reg`). */
  REG_WAIT_ARG: 1,
} as const;

/** Flags of FILES2 and BUFFERS2. */
export const IORING_RSRC = {
  /** All slots start empty. */
  REGISTER_SPARSE: 0x1,
} as const;

/** Flags that PROBE gives for an op. */
export const IO_URING_OP = {
  /** The kernel has it. */
  SUPPORTED: 0x1,
} as const;

/** Flags of CLONE_BUFFERS, `IORING_REGISTER_SRC_REGISTERED` and so on in the header. */
export const IORING_REGISTER_CLONE = {
  /** `src_fd` is a registered ring's index. */
  SRC_REGISTERED: 0x1,
  /** Buffers that are in the way are replaced. */
  DST_REPLACE: 0x2,
} as const;

/** Flags of PBUF_RING. */
export const IOU_PBUF_RING = {
  /** The kernel allocates the ring. */
  MMAP: 0x1,
  /** Buffers are used up bit by bit. */
  INC: 0x2,
} as const;

/** What NAPI registration does (`struct io_uring_napi`). */
export const IO_URING_NAPI = {
  /** Register. */
  REGISTER_OP: 0,
  /** Add a NAPI id. */
  STATIC_ADD_ID: 1,
  /** Remove a NAPI id. */
  STATIC_DEL_ID: 2,
} as const;

/** How NAPI ids are found. */
export const IO_URING_NAPI_TRACKING = {
  /** From the sockets in use. */
  DYNAMIC: 0,
  /** From a list of ours. */
  STATIC: 1,
  /** Not at all. */
  INACTIVE: 255,
} as const;

/** Kinds of restrictions. */
export const IORING_RESTRICTION = {
  /** Allow a register opcode. */
  REGISTER_OP: 0,
  /** Allow an op. */
  SQE_OP: 1,
  /** Allow SQE flags. */
  SQE_FLAGS_ALLOWED: 2,
  /** Demand SQE flags. */
  SQE_FLAGS_REQUIRED: 3,
} as const;

/** Flags of `struct io_uring_reg_wait`. */
export const IORING_REG_WAIT = {
  /** `ts` is set. */
  TS: 0x1,
} as const;

/** What QUERY can be asked, from `linux/io_uring/query.h`. */
export const IO_URING_QUERY = {
  /** How many ops and registers, which features and flags. */
  OPCODES: 0,
  /** What zero-copy receive can do. */
  ZCRX: 1,
  /** How large the rings' headers are. */
  SCQ: 2,
  /** Which events zero-copy receive reports. */
  ZCRX_EVENT: 3,
} as const;

/** Areas of zero-copy receive, from `linux/io_uring/zcrx.h`. */
export const IORING_ZCRX_AREA = {
  /** Where the area's id starts in an offset. */
  SHIFT: 48,
  /** The bits of the area's id. */
  MASK: 0xffff000000000000n,
  /** The area is a dma-buf. */
  DMABUF: 0x1,
} as const;

/** Flags of ZCRX_IFQ. */
export const ZCRX_REG = {
  /** Take over a queue that another ring exported. */
  IMPORT: 0x1,
  /** No network device: everything is copied. */
  NODEV: 0x2,
} as const;

/** Features of zero-copy receive. */
export const ZCRX_FEATURE = {
  /** `rx_buf_len` is heeded. */
  RX_PAGE_SIZE: 0x1,
  /** Events are reported. */
  EVENT: 0x2,
} as const;

/** Events of zero-copy receive. */
export const ZCRX_EVENT = {
  /** There was no buffer. */
  ALLOC_FAIL: 0,
  /** Data had to be copied. */
  COPY: 1,
} as const;

/** Flags of `struct zcrx_event_desc`. */
export const ZCRX_EVENT_DESC_FLAG = {
  /** `stats_offset` is set. */
  STATS: 0x1,
} as const;

/** Commands of ZCRX_CTRL. */
export const ZCRX_CTRL = {
  /** Work on the refill queue now. */
  FLUSH_RQ: 0,
  /** Make a file descriptor of the queue. */
  EXPORT: 1,
  /** Ask for an event. */
  ARM_EVENT: 2,
} as const;

/** Flags of a BPF filter, from `linux/io_uring/bpf_filter.h`. */
export const IO_URING_BPF_FILTER = {
  /** Ops without a filter are denied. */
  DENY_REST: 0x1,
  /** Refuse a filter whose `pdu_size` is not the kernel's. */
  SZ_STRICT: 0x2,
} as const;

/** Commands of BPF_FILTER. */
export const IO_URING_BPF_CMD = {
  /** Attach a filter. */
  FILTER: 1,
} as const;

/** Features of the kernel's mock file, a test module (`linux/io_uring/mock_file.h`). */
export const IORING_MOCK_FEAT = {
  /** Copies of registered buffers. */
  CMD_COPY: 0,
  /** Reads of zeros. */
  RW_ZERO: 1,
  /** IOCB_NOWAIT. */
  RW_NOWAIT: 2,
  /** Delayed reads and writes. */
  RW_ASYNC: 3,
  /** Polling. */
  POLL: 4,
} as const;

/** Flags for a new mock file. */
export const IORING_MOCK_CREATE_F = {
  /** It supports NOWAIT. */
  SUPPORT_NOWAIT: 0x1,
  /** It can be polled. */
  POLL: 0x2,
} as const;

/** Commands of the mock manager. */
export const IORING_MOCK_MGR_CMD = {
  /** Ask for features. */
  PROBE: 0,
  /** Make a mock file. */
  CREATE: 1,
} as const;

/** Commands of a mock file. */
export const IORING_MOCK_CMD = {
  /** Copy to or from a registered buffer. */
  COPY_REGBUF: 0,
} as const;

/** Flags of such a copy. */
export const IORING_MOCK_COPY = {
  /** From the registered buffer. */
  FROM: 0x1,
} as const;
