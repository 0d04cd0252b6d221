//! How a ring comes to be and goes: io_uring_setup, the memory that it shares with the kernel, its registered
//! descriptor, its wait region, a resize.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const sq = @import("sq.zig");
const ring_file = @import("ring.zig");
const Ring = ring_file.Ring;
const Control = ring_file.Control;

/// What JavaScript asks of `open` and `resize`, and what it learns. ffi/native.ts has the same numbers.
pub const Setup = struct {
    // in
    pub const entries = 0;
    pub const cq_entries = 1;
    pub const flags = 2;
    pub const optional_flags = 3;
    pub const sq_thread_cpu = 4;
    pub const sq_thread_idle_ms = 5;
    pub const wq_fd = 6;
    pub const extras = 7;
    // out
    pub const fd = 8;
    pub const features = 9;
    pub const got_flags = 10;
    pub const sq_entries = 11;
    pub const got_cq_entries = 12;
    pub const registered_index = 13;
    /// What was being done when `open` failed: 0, or the extra that the kernel refused.
    pub const failed_at = 14;
    /// CLOCK_MONOTONIC when `open` was called.
    pub const now_ns_lo = 16;
    pub const now_ns_hi = 17;
    pub const words = 20;

    /// Enter through an index that this thread registers for the ring's descriptor.
    pub const extra_register_fd: u32 = 1 << 0;
    /// Timed waits take their arguments from a registered region.
    pub const extra_wait_region: u32 = 1 << 1;
    /// The ring's thread sleeps elsewhere, until the eventfd is signalled: no optional DEFER_TASKRUN where that is late.
    pub const extra_sleeps: u32 = 1 << 2;
};

/// A mapping of ours; `len` 0: none.
pub const Map = struct {
    addr: usize = 0,
    len: usize = 0,

    fn unmap(map: *Map) void {
        if (map.len != 0) sys.unmap(map.addr, map.len);
        map.* = .{};
    }
};

/// What a ring shares with the kernel.
pub const Memory = struct {
    rings: Map = .{},
    sqes: Map = .{},

    fn unmap(memory: *Memory) void {
        memory.rings.unmap();
        memory.sqes.unmap();
    }
};

/// Newest first: what an older kernel answers EINVAL to is dropped one step at a time.
const ladder = [_]u32{
    abi.SETUP_NO_SQARRAY,
    abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG,
    abi.SETUP_SINGLE_ISSUER,
    abi.SETUP_SUBMIT_ALL,
    abi.SETUP_CLAMP,
};

/// Opens a ring and maps it. Gives 0 or −errno. Matches io_uring_queue_init_params, with these differences: flags
/// of `optional_flags` are given up on EINVAL, one step of the ladder at a time; kernels without
/// SINGLE_MMAP (before 5.4) or NODROP (before 5.5) are refused with ENOSYS.
pub fn open(r: *Ring, ask: [*]u32) i32 {
    @branchHint(.cold);
    const now_ns = sys.monotonicNs();
    ask[Setup.now_ns_lo] = @truncate(now_ns);
    ask[Setup.now_ns_hi] = @truncate(now_ns >> 32);
    r.* = .{};
    ask[Setup.failed_at] = 0;
    var rc = openAll(r, ask);
    if (rc >= 0 and ask[Setup.extras] & Setup.extra_sleeps != 0 and signalsLate(r)) {
        release(r);
        r.* = .{};
        ask[Setup.optional_flags] &= ~(abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG);
        rc = openAll(r, ask);
    }
    if (rc < 0) {
        release(r);
        return rc;
    }
    ask[Setup.fd] = @bitCast(r.fd);
    ask[Setup.features] = r.features;
    ask[Setup.got_flags] = r.flags;
    ask[Setup.sq_entries] = r.sq_entries;
    ask[Setup.got_cq_entries] = r.cq_entries;
    ask[Setup.registered_index] = @bitCast(r.index);
    return 0;
}

/// The kernel's, found out once.
var signals_late: enum(u8) { unknown, no, yes } = .unknown;

/// Whether a ring with DEFER_TASKRUN signals its eventfd only after an RCU grace period, many milliseconds, for what is
/// found in a wake-up of something else: a poll's, a futex's. So it is since the kernel mended a deadlock there (in 2026,
/// in stable releases, too; no feature tells).
fn signalsLate(r: *Ring) bool {
    @branchHint(.cold);
    if (r.flags & abi.SETUP_DEFER_TASKRUN == 0 or r.features & abi.FEAT_RECVSEND_BUNDLE == 0) return false;
    if (signals_late == .unknown and r.flags & abi.SETUP_R_DISABLED == 0) {
        if (r.waker.open(r.registers) < 0) return false;
        const word: u32 = 0;
        var sqe = std.mem.zeroes(abi.Sqe);
        sqe.fd = futex_flags;
        sqe.addr = @intFromPtr(&word);
        sqe.addr3 = std.math.maxInt(u32);
        sqe.opcode = abi.OP_FUTEX_WAIT;
        sq.push(r, &sqe);
        _ = sys.enter(r.enters, 1, 0, 0, 0, 8);
        if (r.flags & abi.SETUP_SQ_REWIND != 0) sq.rewind(r, 1);
        // Not by an operation: its own completion would signal, too, and one without a completion puts an end to IO_DRAIN
        // on its ring, for good.
        sys.futexWake(&word);
        signals_late = if (sys.eventfdTake(r.waker.eventfd)) .no else .yes;
        _ = sys.enter(r.enters, 0, 0, abi.ENTER_GETEVENTS, 0, 8);
        @atomicStore(u32, r.cq_head, @atomicLoad(u32, r.cq_tail, .acquire), .release);
        r.waker.shut(r.registers);
    }
    return signals_late == .yes;
}

/// FUTEX2_PRIVATE | FUTEX2_SIZE_U32
const futex_flags = 0x82;

fn openAll(r: *Ring, ask: [*]u32) i32 {
    @branchHint(.cold);
    var params: abi.Params = .{};
    var memory: Memory = .{};
    const rc = setupWithMemory(ask, &params, &memory);
    if (rc < 0) return @intCast(rc);
    const number: i32 = @intCast(rc);
    if (params.flags & abi.SETUP_REGISTERED_FD_ONLY != 0) {
        r.index = number;
        r.enters = .byIndex(number);
    } else {
        r.fd = number;
        r.inode = sys.inode(number);
        r.enters = .byDescriptor(number);
    }
    r.registers = r.enters;
    r.memory = memory;
    const need = abi.FEAT_SINGLE_MMAP | abi.FEAT_NODROP;
    if (params.features & need != need) return -sys.ENOSYS;
    const mapped = mapAll(r, &params);
    if (mapped < 0) return mapped;
    learnArrayOffset(r, &params);
    return addExtras(r, ask);
}

fn setupWithMemory(ask: [*]const u32, params: *abi.Params, memory: *Memory) isize {
    @branchHint(.cold);
    const required = ask[Setup.flags];
    if (required & abi.SETUP_NO_MMAP == 0) return setupByLadder(ask, params, memory);
    const sizes = Sizes.of(ask[Setup.entries], ask[Setup.cq_entries], required);
    var rc = sizes.map(memory, .small);
    if (rc < 0) return rc;
    rc = setupByLadder(ask, params, memory);
    if (rc >= 0) return rc;
    memory.unmap();
    // Kernels before 6.10 take such memory only where it is physically one piece.
    if (rc != -sys.EINVAL or sizes.fitPages()) return rc;
    rc = sizes.map(memory, .huge);
    if (rc < 0) return rc;
    rc = setupByLadder(ask, params, memory);
    if (rc < 0) memory.unmap();
    return rc;
}

fn setupByLadder(ask: [*]const u32, params: *abi.Params, memory: *const Memory) isize {
    @branchHint(.cold);
    const required = ask[Setup.flags] | waitRegionFlags(ask);
    var optional = ask[Setup.optional_flags] & ~required;
    var step: usize = 0;
    while (true) {
        params.* = .{
            .cq_entries = ask[Setup.cq_entries],
            .flags = required | optional,
            .sq_thread_cpu = ask[Setup.sq_thread_cpu],
            .sq_thread_idle = ask[Setup.sq_thread_idle_ms],
            .wq_fd = ask[Setup.wq_fd],
        };
        params.sq_off.user_addr = memory.sqes.addr;
        params.cq_off.user_addr = memory.rings.addr;
        const rc = sys.setup(ask[Setup.entries], params);
        if (rc != -sys.EINVAL) return rc;
        while (step < ladder.len and optional & ladder[step] == 0) step += 1;
        if (step == ladder.len) return rc;
        optional &= ~ladder[step];
    }
}

/// The kernel takes a wait region only before a ring is enabled: nobody may be waiting.
fn waitRegionFlags(ask: [*]const u32) u32 {
    return if (ask[Setup.extras] & Setup.extra_wait_region != 0) abi.SETUP_R_DISABLED else 0;
}

/// Bytes that NO_MMAP memory must have. The kernel is not told: it takes what it needs from where it begins.
const Sizes = struct {
    rings: usize,
    sqes: usize,

    /// Heads, tails, masks and flags; 192 to 320 bytes so far.
    const header = 1024;

    fn of(entries: u32, cq_entries: u32, flags: u32) Sizes {
        const sq_size = roundedUp(entries, 32768);
        const cq = if (flags & abi.SETUP_CQSIZE != 0) roundedUp(cq_entries, 65536) else sq_size * 2;
        const sqe_shift: u6 = if (flags & abi.SETUP_SQE128 != 0) 7 else 6;
        const cqe_shift: u6 = if (flags & abi.SETUP_CQE32 != 0) 5 else 4;
        return .{ .rings = header + (cq << cqe_shift) + sq_size * 4, .sqes = sq_size << sqe_shift };
    }

    fn roundedUp(count: u32, most: u32) usize {
        return std.math.ceilPowerOfTwoAssert(usize, std.math.clamp(count, 1, most));
    }

    fn fitPages(sizes: Sizes) bool {
        return sizes.rings <= 4096 and sizes.sqes <= 4096;
    }

    fn map(sizes: Sizes, memory: *Memory, kind: sys.PageKind) isize {
        @branchHint(.cold);
        memory.* = .{};
        var rc = mapOne(&memory.rings, sizes.rings, kind);
        if (rc == 0) rc = mapOne(&memory.sqes, sizes.sqes, kind);
        if (rc < 0) memory.unmap();
        return rc;
    }

    fn mapOne(to: *Map, size: usize, kind: sys.PageKind) isize {
        @branchHint(.cold);
        const huge = kind == .huge and size > 4096;
        const len = std.mem.alignForward(usize, size, if (huge) sys.huge_page else 4096);
        const rc = sys.mapPages(len, if (huge) .huge else .small);
        if (sys.failed(rc)) return rc;
        to.* = .{ .addr = @bitCast(rc), .len = len };
        sys.dontFork(to.addr, len);
        return 0;
    }
};

/// Takes what io_uring_setup or RESIZE_RINGS wrote to `p`, and finds everything in the ring's memory: mapped here, or,
/// with NO_MMAP, in `r.memory` already.
fn mapAll(r: *Ring, p: *const abi.Params) i32 {
    @branchHint(.cold);
    const sqe_shift: u6 = if (p.flags & abi.SETUP_SQE128 != 0) 7 else 6;
    const cqe_shift: u6 = if (p.flags & abi.SETUP_CQE32 != 0) 5 else 4;
    // Exactly the SQEs: a longer map would succeed, and end in SIGBUS.
    const sqes_len = @as(usize, p.sq_entries) << sqe_shift;
    if (p.flags & abi.SETUP_NO_MMAP == 0) {
        // One map holds both rings (SINGLE_MMAP): as long as the longer of the two.
        const array_len: usize = if (p.flags & abi.SETUP_NO_SQARRAY != 0) 0 else @as(usize, p.sq_entries) * 4;
        const sq_len = @as(usize, p.sq_off.array) + array_len;
        const cq_len = cqEnd(p);
        const mapped = mapRings(r.fd, @max(sq_len, cq_len), sqes_len, &r.memory);
        if (mapped < 0) return mapped;
    }
    r.flags = p.flags;
    r.features = p.features;
    r.sq_entries = p.sq_entries;
    r.cq_entries = p.cq_entries;
    r.sq_mask = p.sq_entries - 1;
    r.cq_mask = p.cq_entries - 1;
    r.sqe_shift = sqe_shift;
    r.cqe_shift = cqe_shift;
    r.sqes_len = sqes_len;
    r.sqes = @ptrFromInt(r.memory.sqes.addr);
    const rings = r.memory.rings.addr;
    r.sq_head = @ptrFromInt(rings + p.sq_off.head);
    r.sq_tail = @ptrFromInt(rings + p.sq_off.tail);
    r.sq_flags = @ptrFromInt(rings + p.sq_off.flags);
    r.cq_head = @ptrFromInt(rings + p.cq_off.head);
    r.cq_tail = @ptrFromInt(rings + p.cq_off.tail);
    r.cqes = @ptrFromInt(rings + p.cq_off.cqes);
    r.tail = r.sq_tail.*;
    // With NO_SQARRAY sq_off.array is 0: filling it would overwrite heads and tails.
    if (p.flags & abi.SETUP_NO_SQARRAY == 0) fillIdentity(rings + p.sq_off.array, p.sq_entries);
    return 0;
}

fn cqEnd(p: *const abi.Params) usize {
    const cqe_shift: u6 = if (p.flags & abi.SETUP_CQE32 != 0) 5 else 4;
    return @as(usize, p.cq_off.cqes) + (@as(usize, p.cq_entries) << cqe_shift);
}

/// RESIZE_RINGS does not say where the SQ array lies: so remember how io_uring_setup's answer comes about.
fn learnArrayOffset(r: *Ring, p: *const abi.Params) void {
    @branchHint(.cold);
    r.resizable = p.flags & abi.SETUP_NO_SQARRAY != 0;
    // With CQE32 some kernels double what lies before the CQEs, too.
    for ([_]u32{ 0, p.cq_off.cqes }) |gap| {
        if (r.resizable or arrayOffset(p, gap) != p.sq_off.array) continue;
        r.array_gap = gap;
        r.resizable = true;
    }
}

fn arrayOffset(p: *const abi.Params, gap: u32) u32 {
    return @intCast(std.mem.alignForward(usize, cqEnd(p) + gap, 64));
}

fn mapRings(fd: i32, rings_len: usize, sqes_len: usize, memory: *Memory) i32 {
    @branchHint(.cold);
    const rings = sys.mapRing(fd, rings_len, abi.OFF_SQ_RING);
    if (sys.failed(rings)) return @intCast(rings);
    memory.rings = .{ .addr = @bitCast(rings), .len = rings_len };
    const sqes = sys.mapRing(fd, sqes_len, abi.OFF_SQES);
    if (sys.failed(sqes)) {
        memory.rings.unmap();
        return @intCast(sqes);
    }
    memory.sqes = .{ .addr = @bitCast(sqes), .len = sqes_len };
    return 0;
}

fn fillIdentity(address: usize, entries: u32) void {
    @branchHint(.cold);
    const array: [*]u32 = @ptrFromInt(address);
    for (0..entries) |i| array[i] = @intCast(i);
}

fn addExtras(r: *Ring, ask: [*]u32) i32 {
    @branchHint(.cold);
    const extras = ask[Setup.extras];
    if (extras & Setup.extra_register_fd != 0 and r.index < 0) {
        const rc = registerFd(r);
        if (rc < 0) {
            ask[Setup.failed_at] = Setup.extra_register_fd;
            return rc;
        }
    }
    if (extras & Setup.extra_wait_region != 0) {
        var rc = addWaitRegion(r);
        if (rc == 0 and ask[Setup.flags] & abi.SETUP_R_DISABLED == 0) {
            rc = @intCast(r.register(abi.REGISTER_ENABLE_RINGS, 0, 0));
        }
        if (rc < 0) {
            ask[Setup.failed_at] = Setup.extra_wait_region;
            return rc;
        }
    }
    return 0;
}

/// Matches io_uring_register_ring_fd. The index is this thread's alone.
fn registerFd(r: *Ring) i32 {
    @branchHint(.cold);
    // The kernel chooses the place.
    var update = abi.RsrcUpdate{ .offset = std.math.maxInt(u32), .data = @intCast(r.fd) };
    const rc = r.register(abi.REGISTER_RING_FDS, @intFromPtr(&update), 1);
    if (rc < 0) return @intCast(rc);
    if (rc != 1) return -sys.EBUSY;
    r.index = @intCast(update.offset);
    r.enters = .byIndex(r.index);
    if (r.features & abi.FEAT_REG_REG_RING != 0) r.registers = r.enters;
    return 0;
}

fn unregisterFd(r: *Ring) void {
    @branchHint(.cold);
    if (r.index < 0) return;
    var update = abi.RsrcUpdate{ .offset = @intCast(r.index) };
    _ = r.register(abi.UNREGISTER_RING_FDS, @intFromPtr(&update), 1);
    r.index = -1;
    r.enters = .byDescriptor(r.fd);
    r.registers = r.enters;
}

/// A page from which the kernel reads the limits of a wait where they lie: Matches io_uring_register_region with
/// REG_WAIT_ARG.
fn addWaitRegion(r: *Ring) i32 {
    @branchHint(.cold);
    var rc: isize = -sys.EINVAL;
    // The kernel takes whole pages of its own size, and has no other word for their being too small.
    var len: usize = 4096;
    while (rc == -sys.EINVAL and len <= 65536) : (len *= 4) {
        rc = sys.mapPages(len, .small);
        if (sys.failed(rc)) return @intCast(rc);
        var map = Map{ .addr = @bitCast(rc), .len = len };
        sys.dontFork(map.addr, len);
        var region = abi.RegionDesc{ .user_addr = map.addr, .size = len, .flags = abi.MEM_REGION_TYPE_USER };
        var arg = abi.MemRegionReg{ .region_uptr = @intFromPtr(&region), .flags = abi.MEM_REGION_REG_WAIT_ARG };
        rc = r.register(abi.REGISTER_MEM_REGION, @intFromPtr(&arg), 1);
        if (rc < 0) map.unmap() else r.wait_region = map;
    }
    return @intCast(rc);
}

/// Gives the rings other sizes. What is in flight goes on; nothing may be left in the queues: kernels differ in what
/// becomes of larger entries there. The caller attaches new staging memory before the next turn. Matches
/// io_uring_resize_rings.
pub fn resize(r: *Ring, ask: [*]u32) i32 {
    @branchHint(.cold);
    if (!r.resizable) return -sys.EOPNOTSUPP;
    if (r.tail != r.kernelHead() or r.ready() > 0) return -sys.EBUSY;
    var params: abi.Params = .{
        .sq_entries = ask[Setup.entries],
        .cq_entries = ask[Setup.cq_entries],
        .flags = ask[Setup.flags] & (abi.SETUP_CQSIZE | abi.SETUP_CLAMP),
    };
    var fresh: Memory = .{};
    if (r.flags & abi.SETUP_NO_MMAP != 0) {
        const layout = r.flags & (abi.SETUP_SQE128 | abi.SETUP_CQE32);
        const sizes = Sizes.of(params.sq_entries, params.cq_entries, params.flags | layout);
        const rc = sizes.map(&fresh, .small);
        if (rc < 0) return @intCast(rc);
        params.sq_off.user_addr = fresh.sqes.addr;
        params.cq_off.user_addr = fresh.rings.addr;
    }
    const rc = r.register(abi.REGISTER_RESIZE_RINGS, @intFromPtr(&params), 1);
    if (rc < 0) {
        fresh.unmap();
        return @intCast(rc);
    }
    var old = r.memory;
    r.memory = fresh;
    // Such a call says nothing of the flags that it keeps, nor of features.
    params.flags = r.flags;
    params.features = r.features;
    if (r.flags & abi.SETUP_NO_SQARRAY == 0) params.sq_off.array = arrayOffset(&params, r.array_gap);
    const mapped = mapAll(r, &params);
    r.control = null;
    if (mapped < 0) {
        // The kernel has moved, and we can't follow: nothing of this ring will be heard of any more.
        r.memory = old;
        r.lost = true;
        return mapped;
    }
    old.unmap();
    settleFlags(r);
    ask[Setup.sq_entries] = r.sq_entries;
    ask[Setup.got_cq_entries] = r.cq_entries;
    return 0;
}

/// Ends a TASKRUN that tells of nothing. The kernel clears it before it runs what there is: what comes meanwhile sets it,
/// is run in the same call when that waits for more (io_uring.c, __io_run_local_work), and the flag stays until there is
/// work again. And Linux 6.18 moves resized rings with it set, lest it be lost. Until it is gone we would never sleep.
/// What came before that runs in this call; what comes after sets it anew.
pub noinline fn settleFlags(r: *Ring) void {
    @branchHint(.cold);
    if (@atomicLoad(u32, r.sq_flags, .monotonic) & abi.SQ_TASKRUN == 0) return;
    _ = @atomicRmw(u32, r.sq_flags, .And, ~@as(u32, abi.SQ_TASKRUN | abi.SQ_NEED_WAKEUP), .seq_cst);
    _ = sys.enter(r.enters, 0, 0, abi.ENTER_GETEVENTS, 0, 8);
    if (r.control) |ctl| ctl[Control.enters] +%= 1;
}

/// Unregisters, unmaps and closes. Nothing may be in flight.
pub fn release(r: *Ring) void {
    @branchHint(.cold);
    unregisterFd(r);
    r.memory.unmap();
    r.wait_region.unmap();
    if (r.fd >= 0) sys.close(r.fd);
    r.fd = -1;
}
