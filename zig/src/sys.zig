//! The system calls that the core makes, without libc. Each gives the kernel's own answer: a result, or −errno.

const std = @import("std");
const linux = std.os.linux;
const abi = @import("abi.zig");

pub const EPERM = 1;
pub const EINTR = 4;
pub const ENXIO = 6;
pub const EBADF = 9;
pub const EAGAIN = 11;
pub const ENOMEM = 12;
pub const EACCES = 13;
pub const EBUSY = 16;
pub const EINVAL = 22;
pub const ENFILE = 23;
pub const EMFILE = 24;
pub const ENOSYS = 38;
pub const ETIME = 62;
pub const EBADFD = 77;
pub const EOPNOTSUPP = 95;
pub const ETIMEDOUT = 110;
pub const EALREADY = 114;

fn answer(rc: usize) isize {
    return @bitCast(rc);
}

pub fn setup(entries: u32, params: *abi.Params) isize {
    return answer(linux.syscall2(.io_uring_setup, entries, @intFromPtr(params)));
}

/// A ring as system calls name it: by its descriptor, or by an index among the rings that this thread registered.
pub const Name = struct {
    number: i32 = -1,
    /// ENTER_REGISTERED_RING, or 0.
    enter_flags: u32 = 0,
    /// REGISTER_USE_REGISTERED_RING, or 0.
    register_flags: u32 = 0,

    pub fn byDescriptor(fd: i32) Name {
        return .{ .number = fd };
    }

    pub fn byIndex(index: i32) Name {
        return .{
            .number = index,
            .enter_flags = abi.ENTER_REGISTERED_RING,
            .register_flags = abi.REGISTER_USE_REGISTERED_RING,
        };
    }

    fn word(name: Name) usize {
        return @bitCast(@as(isize, name.number));
    }
};

pub fn enter(ring: Name, to_submit: u32, min_complete: u32, flags: u32, arg: usize, arg_size: usize) isize {
    const all = flags | ring.enter_flags;
    return answer(linux.syscall6(.io_uring_enter, ring.word(), to_submit, min_complete, all, arg, arg_size));
}

/// Older kernels wait within it for what is in flight (5.10: to take an eventfd), and let signals interrupt that.
pub fn register(ring: Name, opcode: u32, arg: usize, nr_args: u32) isize {
    while (true) {
        const rc = answer(linux.syscall4(.io_uring_register, ring.word(), opcode | ring.register_flags, arg, nr_args));
        if (rc != -EINTR) return rc;
    }
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_POPULATE = 0x8000;
const MAP_HUGETLB = 0x40000;
const MADV_DONTFORK = 10;
const MADV_HUGEPAGE = 14;

fn map(len: usize, prot: usize, flags: usize, fd: i32, off: u64) isize {
    const fd_word: usize = @bitCast(@as(isize, fd));
    return answer(linux.syscall6(.mmap, 0, len, prot, flags, fd_word, off));
}

pub fn failed(rc: isize) bool {
    return rc < 0 and rc > -4096;
}

/// Maps a region of the ring.
pub fn mapRing(fd: i32, len: usize, off: u64) isize {
    const rc = map(len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, off);
    if (!failed(rc)) dontFork(@bitCast(rc), len);
    return rc;
}

/// A forked child must not inherit a ring's memory: it could submit into its parent's ring.
pub fn dontFork(addr: usize, len: usize) void {
    _ = linux.syscall3(.madvise, addr, len, MADV_DONTFORK);
}

pub const PageKind = enum { small, huge };

/// Maps zeroed, page-aligned, populated memory of this process alone.
pub fn mapPages(len: usize, kind: PageKind) isize {
    @branchHint(.cold);
    const base = MAP_PRIVATE | MAP_ANONYMOUS;
    if (kind == .huge) {
        const rc = map(len, PROT_READ | PROT_WRITE, base | MAP_HUGETLB | MAP_POPULATE, -1, 0);
        if (!failed(rc)) return rc;
        // No reserved huge pages (vm.nr_hugepages): ask for transparent ones instead.
        return mapAligned(len, base);
    }
    return map(len, PROT_READ | PROT_WRITE, base | MAP_POPULATE, -1, 0);
}

pub const huge_page: usize = 2 * 1024 * 1024;

/// Kernels before 6.7 don't lay out a mapping for transparent huge pages by themselves.
fn mapAligned(len: usize, flags: usize) isize {
    const rc = map(len + huge_page, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (failed(rc)) return rc;
    const start: usize = @bitCast(rc);
    const aligned = (start + huge_page - 1) & ~(huge_page - 1);
    if (aligned > start) unmap(start, aligned - start);
    const tail = start + huge_page - aligned;
    if (tail > 0) unmap(aligned + len, tail);
    _ = linux.syscall3(.madvise, aligned, len, MADV_HUGEPAGE);
    return @bitCast(aligned);
}

/// Makes pages that fault on any access.
pub fn protectNone(addr: usize, len: usize) isize {
    return answer(linux.syscall3(.mprotect, addr, len, 0));
}

pub fn unmap(addr: usize, len: usize) void {
    _ = linux.syscall2(.munmap, addr, len);
}

/// For kernels that have sockets in their rings, but no op for these two.
pub fn bind(fd: i32, address: usize, len: u32) isize {
    return answer(linux.syscall3(.bind, @bitCast(@as(isize, fd)), address, len));
}

pub fn listen(fd: i32, backlog: i32) isize {
    return answer(linux.syscall2(.listen, @bitCast(@as(isize, fd)), @bitCast(@as(isize, backlog))));
}

const SOL_SOCKET = 1;
const SO_TYPE = 3;

/// Before 6.7 no op of a ring can ask for it.
pub fn socketType(fd: i32) isize {
    var value: i32 = 0;
    var len: u32 = @sizeOf(i32);
    const rc = answer(linux.syscall5(
        .getsockopt,
        @bitCast(@as(isize, fd)),
        SOL_SOCKET,
        SO_TYPE,
        @intFromPtr(&value),
        @intFromPtr(&len),
    ));
    return if (rc < 0) rc else value;
}

/// The inode of an open file; 0, where it is not open.
pub fn inode(fd: i32) u64 {
    // struct stat of 144 bytes (aarch64: 128): st_dev, st_ino, ...
    var stat: [18]u64 = undefined;
    const rc = answer(linux.syscall2(.fstat, @bitCast(@as(isize, fd)), @intFromPtr(&stat)));
    return if (rc < 0) 0 else stat[1];
}

pub fn close(fd: i32) void {
    _ = linux.syscall1(.close, @bitCast(@as(isize, fd)));
}

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

pub fn eventfd() isize {
    return answer(linux.syscall2(.eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/// Takes whatever an eventfd has counted; tells whether that was anything. Does not block.
pub fn eventfdTake(fd: i32) bool {
    var count: u64 = 0;
    return answer(linux.syscall3(.read, @bitCast(@as(isize, fd)), @intFromPtr(&count), 8)) == 8;
}

pub fn eventfdAdd(fd: i32) void {
    const one: u64 = 1;
    _ = linux.syscall3(.write, @bitCast(@as(isize, fd)), @intFromPtr(&one), 8);
}

const PollFd = extern struct { fd: i32, events: i16, revents: i16 };
const POLLIN = 1;

/// Sleeps until `fd` is readable, or a signal comes.
pub fn pollIn(fd: i32) void {
    _ = poll(fd, POLLIN, null);
}

/// `left` is what is left of it afterwards; null: no limit.
fn poll(fd: i32, events: i16, left: ?*abi.Timespec) isize {
    var entry = PollFd{ .fd = fd, .events = events, .revents = 0 };
    return answer(linux.syscall5(.ppoll, @intFromPtr(&entry), 1, @intFromPtr(left), 0, 8));
}

/// A pipe: [0] is read from, [1] written to.
pub fn pipe(ends: *[2]i32) isize {
    return answer(linux.syscall2(.pipe2, @intFromPtr(ends), EFD_CLOEXEC));
}

/// Waits until nobody can write to a pipe any more. Tells whether that is so; not, when the time is over first. 0: no limit.
pub noinline fn waitForHangUp(fd: i32, limit_ns: u64) bool {
    var left = abi.Timespec.of(limit_ns);
    while (true) {
        // A signal ends it; the kernel has written what is left.
        const rc = poll(fd, 0, if (limit_ns == 0) null else &left);
        if (rc != -EINTR) return rc == 1;
    }
}

const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;

/// Tells whether the time was over; 0: no limit.
pub fn futexWait(word: *const u32, expected: u32, limit_ns: u64) bool {
    const limit = abi.Timespec.of(limit_ns);
    const arg = if (limit_ns == 0) 0 else @intFromPtr(&limit);
    return answer(linux.syscall4(.futex, @intFromPtr(word), FUTEX_WAIT_PRIVATE, expected, arg)) == -ETIMEDOUT;
}

pub fn futexWake(word: *const u32) void {
    _ = linux.syscall3(.futex, @intFromPtr(word), FUTEX_WAKE_PRIVATE, 1);
}

/// Signals 32 to 34 are the C library's own (SIGCANCEL, SIGSETXID, and musl's SIGSYNCCALL): setuid(2) there sends one to
/// every thread and waits until each has answered.
const libc_signals: u64 = 0b111 << 31;

/// Blocks all signals in this thread but those of the C library; gives the mask to restore. The kernel's sigset is 8
/// bytes on both architectures.
pub fn blockSignals() u64 {
    const all: u64 = ~libc_signals;
    var old: u64 = 0;
    _ = linux.syscall4(.rt_sigprocmask, 2, @intFromPtr(&all), @intFromPtr(&old), 8);
    return old;
}

pub fn restoreSignals(old: u64) void {
    _ = linux.syscall4(.rt_sigprocmask, 2, @intFromPtr(&old), 0, 8);
}

pub fn monotonicNs() u64 {
    var ts = abi.Timespec{ .sec = 0, .nsec = 0 };
    _ = linux.syscall2(.clock_gettime, 1, @intFromPtr(&ts));
    return @as(u64, @intCast(ts.sec)) * 1_000_000_000 + @as(u64, @intCast(ts.nsec));
}

/// Whether this thread is the process's first.
pub fn isMainThread() bool {
    return linux.gettid() == linux.getpid();
}

/// Ends all threads, at once.
pub fn exitProcess(code: i32) noreturn {
    linux.exit_group(code);
}

pub noinline fn warn(text: []const u8) void {
    _ = linux.syscall3(.write, 2, @intFromPtr(text.ptr), text.len);
}
