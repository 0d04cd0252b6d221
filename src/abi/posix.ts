/**
 * Constants of other Linux headers that io_uring's ops take: flags of open, statx, rename, poll, sockets and so on.
 *
 * @module
 */

/** For the `*at` ops. */
export const AT = {
  /** As `dirfd`: the working directory. */
  FDCWD: -100,
  /** Do not follow a symbolic link at the end of the path. */
  SYMLINK_NOFOLLOW: 0x100,
  /** UNLINKAT removes a directory. */
  REMOVEDIR: 0x200,
  /** LINKAT follows a symbolic link. */
  SYMLINK_FOLLOW: 0x400,
  /** Do not mount what the path would mount. */
  NO_AUTOMOUNT: 0x800,
  /** With an empty path: the file that `dirfd` is. */
  EMPTY_PATH: 0x1000,
  /** STATX: as stat(2) does. */
  STATX_SYNC_AS_STAT: 0x0,
  /** STATX: ask the server. */
  STATX_FORCE_SYNC: 0x2000,
  /** STATX: what is cached will do. */
  STATX_DONT_SYNC: 0x4000,
  /** The bits of the three above. */
  STATX_SYNC_TYPE: 0x6000,
  /** For whole trees of mounts. */
  RECURSIVE: 0x8000,
} as const;

/** Flags of open(2) on x86_64. */
export const O_x86_64 = {
  /** Read. */
  RDONLY: 0o0,
  /** Write. */
  WRONLY: 0o1,
  /** Read and write. */
  RDWR: 0o2,
  /** The bits of the three above. */
  ACCMODE: 0o3,
  /** Create the file; needs a mode. */
  CREAT: 0o100,
  /** With CREAT: fail if it exists. */
  EXCL: 0o200,
  /** Never the controlling terminal. */
  NOCTTY: 0o400,
  /** Cut it to nothing. */
  TRUNC: 0o1000,
  /** Every write goes to the end. */
  APPEND: 0o2000,
  /** Do not block. io_uring then returns EAGAIN instead of waiting. */
  NONBLOCK: 0o4000,
  /** Each write as if by fdatasync(2). */
  DSYNC: 0o10000,
  /** Signal-driven. */
  ASYNC: 0o20000,
  /** Past the page cache. */
  DIRECT: 0o40000,
  /** Large files; no effect on 64 bits. */
  LARGEFILE: 0o100000,
  /** Fail if it is no directory. */
  DIRECTORY: 0o200000,
  /** Fail if it is a symbolic link. */
  NOFOLLOW: 0o400000,
  /** Do not change the access time. */
  NOATIME: 0o1000000,
  /** Close on exec. */
  CLOEXEC: 0o2000000,
  /** Each write as if by fsync(2). */
  SYNC: 0o4010000,
  /** Only a name, for `dirfd`. */
  PATH: 0o10000000,
  /** A file without a name, in that directory. */
  TMPFILE: 0o20200000,
} as const;

/** Flags of open(2) on aarch64: DIRECT, LARGEFILE, DIRECTORY, NOFOLLOW and TMPFILE differ. */
export const O_aarch64 = {
  /** Read. */
  RDONLY: 0o0,
  /** Write. */
  WRONLY: 0o1,
  /** Read and write. */
  RDWR: 0o2,
  /** The bits of the three above. */
  ACCMODE: 0o3,
  /** Create the file; needs a mode. */
  CREAT: 0o100,
  /** With CREAT: fail if it exists. */
  EXCL: 0o200,
  /** Never the controlling terminal. */
  NOCTTY: 0o400,
  /** Cut it to nothing. */
  TRUNC: 0o1000,
  /** Every write goes to the end. */
  APPEND: 0o2000,
  /** Do not block. io_uring then returns EAGAIN instead of waiting. */
  NONBLOCK: 0o4000,
  /** Each write as if by fdatasync(2). */
  DSYNC: 0o10000,
  /** Signal-driven. */
  ASYNC: 0o20000,
  /** Past the page cache. */
  DIRECT: 0o200000,
  /** Large files; no effect on 64 bits. */
  LARGEFILE: 0o400000,
  /** Fail if it is no directory. */
  DIRECTORY: 0o40000,
  /** Fail if it is a symbolic link. */
  NOFOLLOW: 0o100000,
  /** Do not change the access time. */
  NOATIME: 0o1000000,
  /** Close on exec. */
  CLOEXEC: 0o2000000,
  /** Each write as if by fsync(2). */
  SYNC: 0o4010000,
  /** Only a name, for `dirfd`. */
  PATH: 0o10000000,
  /** A file without a name, in that directory. */
  TMPFILE: 0o20040000,
} as const;

/** How openat2(2) walks a path (`struct open_how`). */
export const RESOLVE = {
  /** Never into another mount. */
  NO_XDEV: 0x1,
  /** No links such as /proc/self/fd/3. */
  NO_MAGICLINKS: 0x2,
  /** No symbolic links at all. */
  NO_SYMLINKS: 0x4,
  /** Never above `dirfd`. */
  BENEATH: 0x8,
  /** `dirfd` is the root. */
  IN_ROOT: 0x10,
  /** Only what the name cache knows; else EAGAIN. */
  CACHED: 0x20,
} as const;

/** File types and permissions (`stx_mode`). */
export const S = {
  /** The bits of the type. */
  IFMT: 0o170000,
  /** A socket. */
  IFSOCK: 0o140000,
  /** A symbolic link. */
  IFLNK: 0o120000,
  /** A regular file. */
  IFREG: 0o100000,
  /** A block device. */
  IFBLK: 0o60000,
  /** A directory. */
  IFDIR: 0o40000,
  /** A character device. */
  IFCHR: 0o20000,
  /** A pipe. */
  IFIFO: 0o10000,
  /** Set user id. */
  ISUID: 0o4000,
  /** Set group id. */
  ISGID: 0o2000,
  /** Sticky. */
  ISVTX: 0o1000,
  /** All for the owner. */
  IRWXU: 0o700,
  /** Read for the owner. */
  IRUSR: 0o400,
  /** Write for the owner. */
  IWUSR: 0o200,
  /** Execute for the owner. */
  IXUSR: 0o100,
  /** All for the group. */
  IRWXG: 0o70,
  /** Read for the group. */
  IRGRP: 0o40,
  /** Write for the group. */
  IWGRP: 0o20,
  /** Execute for the group. */
  IXGRP: 0o10,
  /** All for others. */
  IRWXO: 0o7,
  /** Read for others. */
  IROTH: 0o4,
  /** Write for others. */
  IWOTH: 0o2,
  /** Execute for others. */
  IXOTH: 0o1,
} as const;

/** What STATX is asked for, and what it gave (`stx_mask`). */
export const STATX = {
  /** Type. */
  TYPE: 0x1,
  /** Permissions. */
  MODE: 0x2,
  /** Number of links. */
  NLINK: 0x4,
  /** Owner. */
  UID: 0x8,
  /** Group. */
  GID: 0x10,
  /** Access time. */
  ATIME: 0x20,
  /** Modification time. */
  MTIME: 0x40,
  /** Change time. */
  CTIME: 0x80,
  /** Inode number. */
  INO: 0x100,
  /** Size. */
  SIZE: 0x200,
  /** Blocks. */
  BLOCKS: 0x400,
  /** All that stat(2) gives. */
  BASIC_STATS: 0x7ff,
  /** Birth time. */
  BTIME: 0x800,
  /** Mount id. */
  MNT_ID: 0x1000,
  /** Alignment of direct I/O. */
  DIOALIGN: 0x2000,
  /** Mount id that is never used again. */
  MNT_ID_UNIQUE: 0x4000,
  /** Subvolume. */
  SUBVOL: 0x8000,
  /** Atomic writes. */
  WRITE_ATOMIC: 0x10000,
  /** Alignment of direct reads. */
  DIO_READ_ALIGN: 0x20000,
} as const;

/** Attributes of a file (`stx_attributes`). */
export const STATX_ATTR = {
  /** Compressed by the file system. */
  COMPRESSED: 0x4,
  /** Cannot be changed. */
  IMMUTABLE: 0x10,
  /** Can only be appended to. */
  APPEND: 0x20,
  /** Not for backups. */
  NODUMP: 0x40,
  /** Encrypted. */
  ENCRYPTED: 0x800,
  /** Mounts something when entered. */
  AUTOMOUNT: 0x1000,
  /** The root of a mount. */
  MOUNT_ROOT: 0x2000,
  /** Protected by fs-verity. */
  VERITY: 0x100000,
  /** In memory, without a page cache. */
  DAX: 0x200000,
  /** Takes atomic writes. */
  WRITE_ATOMIC: 0x400000,
} as const;

/** Flags of RENAMEAT. */
export const RENAME = {
  /** Fail if the target exists. */
  NOREPLACE: 0x1,
  /** Swap the two. */
  EXCHANGE: 0x2,
  /** Leave a whiteout behind. */
  WHITEOUT: 0x4,
} as const;

/** Flags of one read or write (`sqe->rw_flags`). */
export const RWF = {
  /** High priority: poll for it. */
  HIPRI: 0x1,
  /** As if by fdatasync(2). */
  DSYNC: 0x2,
  /** As if by fsync(2). */
  SYNC: 0x4,
  /** EAGAIN instead of waiting. */
  NOWAIT: 0x8,
  /** To the end of the file. */
  APPEND: 0x10,
  /** Not to the end, even of an O_APPEND file. */
  NOAPPEND: 0x20,
  /** All or nothing, even over a power cut. */
  ATOMIC: 0x40,
  /** Drop it from the page cache when done. */
  DONTCACHE: 0x80,
  /** No SIGPIPE. */
  NOSIGNAL: 0x100,
} as const;

/** Modes of FALLOCATE. */
export const FALLOC_FL = {
  /** Allocate. */
  ALLOCATE_RANGE: 0x0,
  /** The size stays. */
  KEEP_SIZE: 0x1,
  /** Deallocate; needs KEEP_SIZE. */
  PUNCH_HOLE: 0x2,
  /** Reserved. */
  NO_HIDE_STALE: 0x4,
  /** Take the range out. */
  COLLAPSE_RANGE: 0x8,
  /** Make it zeros. */
  ZERO_RANGE: 0x10,
  /** Push what follows away. */
  INSERT_RANGE: 0x20,
  /** Make shared blocks our own. */
  UNSHARE_RANGE: 0x40,
  /** Write zeros for real. */
  WRITE_ZEROES: 0x80,
} as const;

/** Flags of SYNC_FILE_RANGE. */
export const SYNC_FILE_RANGE = {
  /** Wait for writes under way first. */
  WAIT_BEFORE: 0x1,
  /** Start writing. */
  WRITE: 0x2,
  /** Wait for it. */
  WAIT_AFTER: 0x4,
} as const;

/** Advice of FADVISE. */
export const POSIX_FADV = {
  /** Nothing special. */
  NORMAL: 0,
  /** Random access. */
  RANDOM: 1,
  /** From start to end. */
  SEQUENTIAL: 2,
  /** Soon needed. */
  WILLNEED: 3,
  /** Not needed any more. */
  DONTNEED: 4,
  /** Used once. */
  NOREUSE: 5,
} as const;

/** Advice of MADVISE. */
export const MADV = {
  /** Nothing special. */
  NORMAL: 0,
  /** Random access. */
  RANDOM: 1,
  /** From start to end. */
  SEQUENTIAL: 2,
  /** Soon needed. */
  WILLNEED: 3,
  /** Throw the contents away. */
  DONTNEED: 4,
  /** May be thrown away under memory pressure. */
  FREE: 8,
  /** Punch a hole in the file below. */
  REMOVE: 9,
  /** Not in a forked child. */
  DONTFORK: 10,
  /** In a forked child after all. */
  DOFORK: 11,
  /** May be merged with equal pages. */
  MERGEABLE: 12,
  /** Not to be merged. */
  UNMERGEABLE: 13,
  /** Huge pages. */
  HUGEPAGE: 14,
  /** No huge pages. */
  NOHUGEPAGE: 15,
  /** Not in core dumps. */
  DONTDUMP: 16,
  /** In core dumps after all. */
  DODUMP: 17,
  /** Zeros in a forked child. */
  WIPEONFORK: 18,
  /** Kept in a forked child after all. */
  KEEPONFORK: 19,
  /** Not likely to be used. */
  COLD: 20,
  /** To be written out. */
  PAGEOUT: 21,
  /** Fault in, to read. */
  POPULATE_READ: 22,
  /** Fault in, to write. */
  POPULATE_WRITE: 23,
  /** DONTNEED, for locked memory too. */
  DONTNEED_LOCKED: 24,
  /** Make huge pages now. */
  COLLAPSE: 25,
} as const;

/** Events of POLL_ADD (`sqe->poll32_events`). */
export const POLL = {
  /** Readable. */
  IN: 0x1,
  /** Urgent data. */
  PRI: 0x2,
  /** Writable. */
  OUT: 0x4,
  /** An error. Always reported. */
  ERR: 0x8,
  /** Hung up. Always reported. */
  HUP: 0x10,
  /** No such file. Always reported. */
  NVAL: 0x20,
  /** Readable, normal data. */
  RDNORM: 0x40,
  /** Readable, priority data. */
  RDBAND: 0x80,
  /** Writable, normal data. */
  WRNORM: 0x100,
  /** Writable, priority data. */
  WRBAND: 0x200,
  /** A message. */
  MSG: 0x400,
  /** Removed. */
  REMOVE: 0x1000,
  /** The peer will send no more. */
  RDHUP: 0x2000,
} as const;

/** Commands of EPOLL_CTL. */
export const EPOLL_CTL = {
  /** Add a file. */
  ADD: 1,
  /** Remove a file. */
  DEL: 2,
  /** Change what is waited for. */
  MOD: 3,
} as const;

/** Events of an epoll set. */
export const EPOLL = {
  /** Readable. */
  IN: 0x1,
  /** Urgent data. */
  PRI: 0x2,
  /** Writable. */
  OUT: 0x4,
  /** An error. Always reported. */
  ERR: 0x8,
  /** Hung up. Always reported. */
  HUP: 0x10,
  /** The peer will send no more. */
  RDHUP: 0x2000,
  /** Wake one of several epoll sets, not all. */
  EXCLUSIVE: 0x10000000,
  /** No suspend before the event is taken. */
  WAKEUP: 0x20000000,
  /** Report once, until EPOLL_CTL.MOD. */
  ONESHOT: 0x40000000,
  /** Report when it becomes ready, not as long as it is. */
  ET: 0x80000000,
} as const;

/** Flags of SPLICE and TEE. */
export const SPLICE_F = {
  /** Move pages; no effect today. */
  MOVE: 0x1,
  /** Do not block on the pipe. */
  NONBLOCK: 0x2,
  /** More follows. */
  MORE: 0x4,
  /** For vmsplice(2). */
  GIFT: 0x8,
  /** `splice_fd_in` is a registered file. */
  FD_IN_FIXED: 0x80000000,
} as const;

/** Flags of the SETXATTR ops. */
export const XATTR = {
  /** Fail if there is one. */
  CREATE: 0x1,
  /** Fail if there is none. */
  REPLACE: 0x2,
} as const;

/** Address families of SOCKET. */
export const AF = {
  /** None. */
  UNSPEC: 0,
  /** Local. */
  UNIX: 1,
  /** IPv4. */
  INET: 2,
  /** IPv6. */
  INET6: 10,
  /** The kernel itself. */
  NETLINK: 16,
  /** Packets of a network device. */
  PACKET: 17,
  /** The kernel's ciphers. */
  ALG: 38,
  /** Between a virtual machine and its host. */
  VSOCK: 40,
  /** Packets past the network stack. */
  XDP: 44,
} as const;

/** Types of SOCKET, and the flags that may be added. */
export const SOCK = {
  /** A stream: TCP. */
  STREAM: 1,
  /** Datagrams: UDP. */
  DGRAM: 2,
  /** Raw packets. */
  RAW: 3,
  /** Datagrams that arrive, in any order. */
  RDM: 4,
  /** Datagrams in order, over a connection. */
  SEQPACKET: 5,
  /** Do not block. READ and WRITE then return EAGAIN; the socket ops wait all the same, but with MSG.DONTWAIT. */
  NONBLOCK: 0o4000,
  /** Close on exec. */
  CLOEXEC: 0o2000000,
} as const;

/** Flags of send and receive ops (`sqe->msg_flags`). */
export const MSG = {
  /** Urgent data. */
  OOB: 0x1,
  /** Look, do not take. */
  PEEK: 0x2,
  /** Not through a gateway. */
  DONTROUTE: 0x4,
  /** Control data was cut. */
  CTRUNC: 0x8,
  /** A datagram was cut, or: give its full length. */
  TRUNC: 0x20,
  /** Do not wait. */
  DONTWAIT: 0x40,
  /** The end of a record. */
  EOR: 0x80,
  /** Wait for all of it. */
  WAITALL: 0x100,
  /** The path is known to work. */
  CONFIRM: 0x800,
  /** From the error queue. */
  ERRQUEUE: 0x2000,
  /** No SIGPIPE. */
  NOSIGNAL: 0x4000,
  /** More follows. */
  MORE: 0x8000,
  /** Without a copy. */
  ZEROCOPY: 0x4000000,
  /** Data with the SYN. */
  FASTOPEN: 0x20000000,
  /** Close received file descriptors on exec. */
  CMSG_CLOEXEC: 0x40000000,
} as const;

/** What SHUTDOWN shuts. */
export const SHUT = {
  /** Reading. */
  RD: 0,
  /** Writing. */
  WR: 1,
  /** Both. */
  RDWR: 2,
} as const;

/** Protocols of SOCKET, and levels of socket options. */
export const IPPROTO = {
  /** The type's own protocol; as a level, options of IPv4. */
  IP: 0,
  /** ICMP. */
  ICMP: 1,
  /** TCP. */
  TCP: 6,
  /** UDP. */
  UDP: 17,
  /** As a level, options of IPv6. */
  IPV6: 41,
  /** ICMP for IPv6. */
  ICMPV6: 58,
  /** SCTP. */
  SCTP: 132,
  /** UDP-Lite. */
  UDPLITE: 136,
  /** Whatever the packet says it is. */
  RAW: 255,
  /** TCP over several paths. */
  MPTCP: 262,
} as const;

/** Levels of socket options and of control messages; for those of a protocol take IPPROTO. */
export const SOL = {
  /** The socket itself. */
  SOCKET: 1,
  /** Packets of a network device. */
  PACKET: 263,
  /** Netlink. */
  NETLINK: 270,
  /** TLS in the kernel. */
  TLS: 282,
} as const;

/** Options of a socket at SOL.SOCKET. */
export const SO = {
  /** Record debugging information. */
  DEBUG: 1,
  /** Bind to an address that is in use, but for one that listens. */
  REUSEADDR: 2,
  /** The type, one of SOCK; can be read only. */
  TYPE: 3,
  /** The error that waits, which reading takes away. */
  ERROR: 4,
  /** Not through a gateway. */
  DONTROUTE: 5,
  /** Datagrams to broadcast addresses. */
  BROADCAST: 6,
  /** Bytes of the send buffer; the kernel doubles it. */
  SNDBUF: 7,
  /** Bytes of the receive buffer; the kernel doubles it. */
  RCVBUF: 8,
  /** Look now and then whether the peer is there. */
  KEEPALIVE: 9,
  /** Urgent data in its place in the stream. */
  OOBINLINE: 10,
  /** Priority of what is sent. */
  PRIORITY: 12,
  /** What closing does with unsent data: a struct linger. */
  LINGER: 13,
  /** Several sockets at one address. */
  REUSEPORT: 15,
  /** Receive the sender's credentials. */
  PASSCRED: 16,
  /** The peer's credentials; can be read only. */
  PEERCRED: 17,
  /** Bytes that make a socket readable. */
  RCVLOWAT: 18,
  /** Bind to a network device, by its name. */
  BINDTODEVICE: 25,
  /** A BPF program that chooses packets. */
  ATTACH_FILTER: 26,
  /** Takes it away. */
  DETACH_FILTER: 27,
  /** Whether it listens; can be read only. */
  ACCEPTCONN: 30,
  /** SNDBUF beyond the system's limit. */
  SNDBUFFORCE: 32,
  /** RCVBUF beyond the system's limit. */
  RCVBUFFORCE: 33,
  /** A mark on what is sent. */
  MARK: 36,
  /** The protocol, one of IPPROTO; can be read only. */
  PROTOCOL: 38,
  /** The family, one of AF; can be read only. */
  DOMAIN: 39,
  /** Receive the count of datagrams that were dropped. */
  RXQ_OVFL: 40,
  /** Where MSG.PEEK looks. */
  PEEK_OFF: 42,
  /** Microseconds of busy polling. */
  BUSY_POLL: 46,
  /** Bytes a second, at most. */
  MAX_PACING_RATE: 47,
  /** The CPU that packets come in on. */
  INCOMING_CPU: 49,
  /** The network queue that packets come in on. */
  INCOMING_NAPI_ID: 56,
  /** A number that no other socket has; can be read only. */
  COOKIE: 57,
  /** Sending without a copy, by MSG.ZEROCOPY. */
  ZEROCOPY: 60,
  /** Bind to a network device, by its number. */
  BINDTOIFINDEX: 62,
  /** Busy polling instead of interrupts. */
  PREFER_BUSY_POLL: 69,
  /** Packets of one round of busy polling. */
  BUSY_POLL_BUDGET: 70,
} as const;

/** Types of control messages at SOL.SOCKET. */
export const SCM = {
  /** File descriptors. */
  RIGHTS: 0x1,
  /** A process's credentials. */
  CREDENTIALS: 0x2,
} as const;

/** Options of TCP, at IPPROTO.TCP. */
export const TCP = {
  /** Send small pieces at once. */
  NODELAY: 1,
  /** Largest segment. */
  MAXSEG: 2,
  /** Send full segments only. */
  CORK: 3,
  /** Seconds of silence before the first keepalive. */
  KEEPIDLE: 4,
  /** Seconds between keepalives. */
  KEEPINTVL: 5,
  /** Unanswered keepalives that end a connection. */
  KEEPCNT: 6,
  /** Repeated SYNs. */
  SYNCNT: 7,
  /** Seconds in FIN-WAIT-2. */
  LINGER2: 8,
  /** Accept only when data has come; in seconds. */
  DEFER_ACCEPT: 9,
  /** Limit of the window. */
  WINDOW_CLAMP: 10,
  /** A struct tcp_info; can be read only. */
  INFO: 11,
  /** Acknowledge at once. */
  QUICKACK: 12,
  /** The congestion control, by name. */
  CONGESTION: 13,
  /** Milliseconds that sent data may stay unacknowledged. */
  USER_TIMEOUT: 18,
  /** Connections that may wait with data in their SYN. */
  FASTOPEN: 23,
  /** Unsent bytes beyond which a socket is not writable. */
  NOTSENT_LOWAT: 25,
  /** Data with the SYN of connect(2). */
  FASTOPEN_CONNECT: 30,
  /** A protocol on top, such as "tls". */
  ULP: 31,
  /** Receive the count of bytes that wait, as a control message. */
  INQ: 36,
} as const;

/** Options of UDP, at IPPROTO.UDP. */
export const UDP = {
  /** Gather until it is taken away. */
  CORK: 1,
  /** Bytes of each datagram that a send is cut into. */
  SEGMENT: 103,
  /** Receive several datagrams as one. */
  GRO: 104,
} as const;

/** Options and control messages of IPv4, at IPPROTO.IP. */
export const IP = {
  /** Type of service. */
  TOS: 1,
  /** Time to live. */
  TTL: 2,
  /** Receive the address and device that a datagram came in on. */
  PKTINFO: 8,
  /** Errors into the error queue. */
  RECVERR: 11,
  /** Receive the time to live. */
  RECVTTL: 12,
  /** Receive the type of service. */
  RECVTOS: 13,
  /** Bind to addresses that this machine does not have. */
  FREEBIND: 15,
  /** Addresses of others. */
  TRANSPARENT: 19,
  /** Take the port at connect(2). */
  BIND_ADDRESS_NO_PORT: 24,
  /** The device for multicasts. */
  MULTICAST_IF: 32,
  /** Time to live of multicasts. */
  MULTICAST_TTL: 33,
  /** Receive one's own multicasts. */
  MULTICAST_LOOP: 34,
  /** Join a multicast group. */
  ADD_MEMBERSHIP: 35,
  /** Leave it. */
  DROP_MEMBERSHIP: 36,
} as const;

/** Options and control messages of IPv6, at IPPROTO.IPV6. */
export const IPV6 = {
  /** Hop limit. */
  UNICAST_HOPS: 16,
  /** The device for multicasts. */
  MULTICAST_IF: 17,
  /** Hop limit of multicasts. */
  MULTICAST_HOPS: 18,
  /** Receive one's own multicasts. */
  MULTICAST_LOOP: 19,
  /** Join a multicast group. */
  ADD_MEMBERSHIP: 20,
  /** Leave it. */
  DROP_MEMBERSHIP: 21,
  /** Errors into the error queue. */
  RECVERR: 25,
  /** No IPv4 through this socket. */
  V6ONLY: 26,
  /** Receive the address and device that a datagram came in on. */
  RECVPKTINFO: 49,
  /** That address and device. */
  PKTINFO: 50,
  /** Receive the hop limit. */
  RECVHOPLIMIT: 51,
  /** That hop limit. */
  HOPLIMIT: 52,
  /** Receive the traffic class. */
  RECVTCLASS: 66,
  /** The traffic class. */
  TCLASS: 67,
} as const;

/** Flags of the FUTEX ops (`sqe->fd`). */
export const FUTEX2 = {
  /** 8 bits; reserved. */
  SIZE_U8: 0x0,
  /** 16 bits; reserved. */
  SIZE_U16: 0x1,
  /** 32 bits. */
  SIZE_U32: 0x2,
  /** 64 bits; reserved. */
  SIZE_U64: 0x3,
  /** Per node. */
  NUMA: 0x4,
  /** By memory policy. */
  MPOL: 0x8,
  /** Of this process alone. */
  PRIVATE: 0x80,
} as const;

/** Whom WAITID waits for. */
export const P = {
  /** Any child. */
  ALL: 0,
  /** That process. */
  PID: 1,
  /** That process group. */
  PGID: 2,
  /** The process of that pidfd. */
  PIDFD: 3,
} as const;

/** What WAITID waits for. */
export const W = {
  /** Do not wait. */
  NOHANG: 0x1,
  /** Stopped. */
  STOPPED: 0x2,
  /** Exited. */
  EXITED: 0x4,
  /** Continued. */
  CONTINUED: 0x8,
  /** Leave it to be waited for again. */
  NOWAIT: 0x1000000,
} as const;

/** What became of a child (`si_code` of SIGCHLD). */
export const CLD = {
  /** Exited by itself. */
  EXITED: 1,
  /** Killed by a signal. */
  KILLED: 2,
  /** Killed by a signal, and dumped core. */
  DUMPED: 3,
  /** Stopped for its tracer. */
  TRAPPED: 4,
  /** Stopped by a signal. */
  STOPPED: 5,
  /** Continued. */
  CONTINUED: 6,
} as const;

/** Clocks of IORING_REGISTER_CLOCK. */
export const CLOCK = {
  /** Wall clock. */
  REALTIME: 0,
  /** Since boot, without sleep. */
  MONOTONIC: 1,
  /** Since boot, with sleep. */
  BOOTTIME: 7,
} as const;
