//! One ring: open, turn, arm, drain, close.
//!
//! JavaScript owns three staging areas that it gave with `attach`: the control block, SQEs on their way in, CQEs on
//! their way out. The mapped rings themselves are touched here alone, so that no view of theirs can outlive a mapping.
//! Only `turn`, `arm` and `attach` touch the staging areas, always in a call from the thread that owns them.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const Waker = @import("waker.zig").Waker;
const assert = std.debug.assert;

/// Where arguments and results of a turn sit in the control block. ffi/native.ts has the same numbers.
pub const Control = struct {
    // in
    pub const staged = 0;
    pub const wait_count = 1;
    pub const flags = 2;
    pub const timeout_ns_lo = 4;
    pub const timeout_ns_hi = 5;
    // out
    pub const left = 8;
    pub const submitted = 9;
    pub const reaped = 10;
    pub const state = 11;
    pub const unsubmitted = 12;
    pub const err = 13;
    pub const enters = 14;
    pub const overflows = 15;
    pub const words = 64;

    pub const flag_timeout: u32 = 1 << 0;
    pub const flag_no_reap: u32 = 1 << 1;
    pub const flag_get_events: u32 = 1 << 2;

    pub const state_more: u32 = 1 << 0;
    pub const state_timed_out: u32 = 1 << 1;
    pub const state_busy: u32 = 1 << 2;
};

/// What JavaScript asks of `open`, and what it learns. ffi/native.ts has the same numbers.
pub const Setup = struct {
    // in
    pub const entries = 0;
    pub const cq_entries = 1;
    pub const flags = 2;
    pub const optional_flags = 3;
    pub const sq_thread_cpu = 4;
    pub const sq_thread_idle_ms = 5;
    pub const wq_fd = 6;
    // out
    pub const fd = 8;
    pub const features = 9;
    pub const got_flags = 10;
    pub const sq_entries = 11;
    pub const got_cq_entries = 12;
    pub const words = 16;
};

/// user_data of an operation that the kernel may write memory for carries `held`. Those are the ones that a closing
/// ring must wait for, and the ones that are counted here.
pub const held: u64 = 1 << 63;
/// Set here, on the way in, in a held SQE with CQE_SKIP_SUCCESS: such an operation may never post a CQE,
/// so it can't be counted. Taken off again on the way out.
const uncounted: u64 = 1 << 62;
/// user_data of the cancellation that `drain` sends by itself.
const drain_user_data: u64 = 0x3fff_ffff_ffff_ffff;

/// Newest first: what an older kernel answers EINVAL to is dropped one step at a time.
const ladder = [_]u32{
    abi.SETUP_NO_SQARRAY,
    abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG,
    abi.SETUP_SINGLE_ISSUER,
    abi.SETUP_SUBMIT_ALL,
    abi.SETUP_CLAMP,
};

pub const Ring = struct {
    fd: i32 = -1,
    flags: u32 = 0,
    features: u32 = 0,

    sq_head: *u32 = undefined,
    sq_tail: *u32 = undefined,
    sq_flags: *u32 = undefined,
    sq_mask: u32 = 0,
    sq_entries: u32 = 0,
    /// Log2 of an SQE's size: 6, or 7 with SQE128.
    sqe_shift: u6 = 6,
    sqes: [*]u8 = undefined,
    /// Our own tail; the kernel's copy is published from it.
    tail: u32 = 0,

    cq_head: *u32 = undefined,
    cq_tail: *u32 = undefined,
    cq_mask: u32 = 0,
    cq_entries: u32 = 0,
    /// Log2 of a CQE's size: 4, or 5 with CQE32.
    cqe_shift: u6 = 4,
    cqes: [*]u8 = undefined,

    ring_map: usize = 0,
    ring_map_len: usize = 0,
    sqes_map_len: usize = 0,

    control: ?[*]u32 = null,
    sq_stage: [*]u8 = undefined,
    cq_stage: [*]u8 = undefined,

    /// Operations accepted by the kernel that hold memory and have not posted their final CQE.
    in_flight: u32 = 0,
    waker: Waker = .{},

    // Lifecycle

    /// Opens a ring and maps it. Gives 0 or −errno. Matches io_uring_queue_init_params, with these differences: flags
    /// of `optional_flags` are given up on EINVAL, one step of the ladder at a time; kernels without
    /// SINGLE_MMAP (before 5.4) or NODROP (before 5.5) are refused with ENOSYS.
    pub fn open(r: *Ring, ask: [*]u32) i32 {
        r.* = .{};
        var params: abi.Params = .{};
        const rc = setupByLadder(ask, &params);
        if (rc < 0) return @intCast(rc);
        r.fd = @intCast(rc);
        const need = abi.FEAT_SINGLE_MMAP | abi.FEAT_NODROP;
        const mapped = if (params.features & need == need) r.mapAll(&params) else -sys.ENOSYS;
        if (mapped < 0) {
            sys.close(r.fd);
            r.fd = -1;
            return mapped;
        }
        ask[Setup.fd] = @bitCast(r.fd);
        ask[Setup.features] = r.features;
        ask[Setup.got_flags] = r.flags;
        ask[Setup.sq_entries] = r.sq_entries;
        ask[Setup.got_cq_entries] = r.cq_entries;
        return 0;
    }

    fn setupByLadder(ask: [*]const u32, params: *abi.Params) isize {
        const required = ask[Setup.flags];
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
            const rc = sys.setup(ask[Setup.entries], params);
            if (rc != -sys.EINVAL) return rc;
            while (step < ladder.len and optional & ladder[step] == 0) step += 1;
            if (step == ladder.len) return rc;
            optional &= ~ladder[step];
        }
    }

    fn mapAll(r: *Ring, p: *const abi.Params) i32 {
        r.flags = p.flags;
        r.features = p.features;
        r.sq_entries = p.sq_entries;
        r.cq_entries = p.cq_entries;
        r.sq_mask = p.sq_entries - 1;
        r.cq_mask = p.cq_entries - 1;
        r.sqe_shift = if (p.flags & abi.SETUP_SQE128 != 0) 7 else 6;
        r.cqe_shift = if (p.flags & abi.SETUP_CQE32 != 0) 5 else 4;

        // One map holds both rings (SINGLE_MMAP): as long as the longer of the two.
        const array_len: usize = if (p.flags & abi.SETUP_NO_SQARRAY != 0) 0 else @as(usize, p.sq_entries) * 4;
        const sq_len = @as(usize, p.sq_off.array) + array_len;
        const cq_len = @as(usize, p.cq_off.cqes) + (@as(usize, p.cq_entries) << r.cqe_shift);
        r.ring_map_len = @max(sq_len, cq_len);
        // Exactly the SQEs: a longer map would succeed, and end in SIGBUS.
        r.sqes_map_len = @as(usize, p.sq_entries) << r.sqe_shift;

        const ring_map = sys.mapRing(r.fd, r.ring_map_len, abi.OFF_SQ_RING);
        if (sys.failed(ring_map)) return @intCast(ring_map);
        const sqes_map = sys.mapRing(r.fd, r.sqes_map_len, abi.OFF_SQES);
        if (sys.failed(sqes_map)) {
            sys.unmap(@bitCast(ring_map), r.ring_map_len);
            return @intCast(sqes_map);
        }
        r.ring_map = @bitCast(ring_map);
        r.sqes = @ptrFromInt(@as(usize, @bitCast(sqes_map)));

        r.sq_head = r.word(p.sq_off.head);
        r.sq_tail = r.word(p.sq_off.tail);
        r.sq_flags = r.word(p.sq_off.flags);
        r.cq_head = r.word(p.cq_off.head);
        r.cq_tail = r.word(p.cq_off.tail);
        r.cqes = @ptrFromInt(r.ring_map + p.cq_off.cqes);
        r.tail = r.sq_tail.*;
        // With NO_SQARRAY sq_off.array is 0: filling it would overwrite heads and tails.
        if (p.flags & abi.SETUP_NO_SQARRAY == 0) r.fillIdentity(p.sq_off.array);
        return 0;
    }

    fn word(r: *const Ring, offset: u32) *u32 {
        return @ptrFromInt(r.ring_map + offset);
    }

    fn fillIdentity(r: *Ring, array_offset: u32) void {
        const array: [*]u32 = @ptrFromInt(r.ring_map + array_offset);
        for (0..r.sq_entries) |i| array[i] = @intCast(i);
    }

    /// Takes the staging memory: the control block, then sq_entries SQEs, then cq_entries CQEs.
    pub fn attach(r: *Ring, memory: [*]align(8) u8) void {
        r.control = @ptrCast(@alignCast(memory));
        r.sq_stage = memory + Control.words * 4;
        r.cq_stage = r.sq_stage + r.sqes_map_len;
    }

    /// How many bytes `attach` needs.
    pub fn stagingSize(r: *const Ring) usize {
        return Control.words * 4 + r.sqes_map_len + (@as(usize, r.cq_entries) << r.cqe_shift);
    }

    /// Unmaps and closes. The caller has drained: nothing may be in flight.
    pub fn close(r: *Ring) void {
        assert(r.in_flight == 0);
        r.control = null;
        sys.unmap(r.ring_map, r.ring_map_len);
        sys.unmap(@intFromPtr(r.sqes), r.sqes_map_len);
        // Somebody may have closed our descriptor behind us: its number can be another file's by now.
        const rc = sys.enter(r.fd, 0, 0, 0, 0, 8);
        if (rc != -sys.EBADF and rc != -sys.EOPNOTSUPP) sys.close(r.fd);
        r.fd = -1;
    }

    // Hot path

    /// Copies staged SQEs in, enters the kernel at most once (more only after a short submit or EINTR, and with SQPOLL
    /// while its queue is full), copies CQEs out. Gives the number of CQEs, or −errno of a ring that can't go on.
    pub fn turn(r: *Ring) i32 {
        const ctl = r.control orelse return -sys.EBADF;
        const flags = ctl[Control.flags];
        const wait_count = ctl[Control.wait_count];
        ctl[Control.state] = 0;
        ctl[Control.err] = 0;

        const head_before = r.kernelHead();
        const copied = r.copyIn(ctl);
        if (r.entryNeeded(flags, wait_count)) r.enterLoop(ctl, wait_count);
        const head = r.kernelHead();
        // The SQPOLL thread takes them when it comes to it: as liburing does, count what it was given.
        ctl[Control.submitted] = if (r.flags & abi.SETUP_SQPOLL != 0) copied else head -% head_before;
        ctl[Control.unsubmitted] = r.tail -% head;

        if (flags & Control.flag_no_reap == 0) {
            ctl[Control.reaped] = r.copyOut();
        } else {
            ctl[Control.reaped] = 0;
        }
        const sq_flags = @atomicLoad(u32, r.sq_flags, .monotonic);
        if (sq_flags & abi.SQ_CQ_OVERFLOW != 0) ctl[Control.overflows] +%= 1;
        if (r.ready() > 0 or sq_flags & (abi.SQ_CQ_OVERFLOW | abi.SQ_TASKRUN) != 0) {
            ctl[Control.state] |= Control.state_more;
        }
        const err = ctl[Control.err];
        return if (err == 0) @intCast(ctl[Control.reaped]) else -@as(i32, @intCast(err));
    }

    /// The kernel's head. Acquire pairs with the SQPOLL thread's release store: its reads of the SQEs are done.
    /// Elsewhere the head moves inside our own system call.
    inline fn kernelHead(r: *const Ring) u32 {
        return @atomicLoad(u32, r.sq_head, .acquire);
    }

    /// CQEs that can be reaped now. Acquire pairs with the kernel's release store of the tail: the CQEs are written.
    inline fn ready(r: *const Ring) u32 {
        return @atomicLoad(u32, r.cq_tail, .acquire) -% r.cq_head.*;
    }

    /// Moves staged SQEs into the free part of the SQ and publishes the tail; what finds no room stays staged.
    /// Gives how many it moved.
    fn copyIn(r: *Ring, ctl: [*]u32) u32 {
        const staged = @min(ctl[Control.staged], r.sq_entries);
        const room = r.sq_entries - (r.tail -% r.kernelHead());
        const count = @min(staged, room);
        if (r.sqe_shift == 6) r.copySqes(64, count) else r.copySqes(128, count);
        r.tail +%= count;
        // Release: the SQPOLL thread's acquire load of the tail must find the SQEs written.
        @atomicStore(u32, r.sq_tail, r.tail, .release);
        const left = staged - count;
        ctl[Control.left] = left;
        if (left > 0) {
            const from = r.sq_stage + (@as(usize, count) << r.sqe_shift);
            const len = @as(usize, left) << r.sqe_shift;
            std.mem.copyForwards(u8, r.sq_stage[0..len], from[0..len]);
        }
        return count;
    }

    fn copySqes(r: *Ring, comptime size: usize, count: u32) void {
        var i: u32 = 0;
        while (i < count) : (i += 1) {
            const from = r.sq_stage + @as(usize, i) * size;
            const to = r.sqes + @as(usize, (r.tail +% i) & r.sq_mask) * size;
            to[0..size].* = from[0..size].*;
            const sqe: *abi.Sqe = @ptrCast(@alignCast(to));
            if (sqe.user_data & held != 0) r.countIn(sqe);
        }
    }

    fn countIn(r: *Ring, sqe: *abi.Sqe) void {
        if (sqe.flags & abi.IOSQE_CQE_SKIP_SUCCESS != 0) {
            sqe.user_data |= uncounted;
        } else {
            r.in_flight += 1;
        }
    }

    /// Whether there is any reason to make a system call.
    fn entryNeeded(r: *Ring, flags: u32, wait_count: u32) bool {
        if (wait_count > 0 and r.ready() < wait_count) return true;
        if (r.flags & abi.SETUP_SQPOLL != 0) {
            // Full fence between our store of the tail and the load of NEED_WAKEUP: pairs with the SQPOLL thread's
            // barrier between setting the flag and checking the tail once more. Without it both can miss the other.
            const sq_flags = @atomicRmw(u32, r.sq_flags, .Or, 0, .seq_cst);
            if (sq_flags & abi.SQ_NEED_WAKEUP != 0 and r.tail != r.kernelHead()) return true;
            return sq_flags & abi.SQ_CQ_OVERFLOW != 0 or r.tail -% r.kernelHead() == r.sq_entries;
        }
        if (r.tail != r.kernelHead()) return true;
        const sq_flags = @atomicLoad(u32, r.sq_flags, .monotonic);
        if (sq_flags & (abi.SQ_CQ_OVERFLOW | abi.SQ_TASKRUN) != 0) return true;
        if (flags & Control.flag_get_events == 0) return false;
        // IOPOLL completions are found by asking; DEFER_TASKRUN without TASKRUN_FLAG doesn't tell.
        if (r.flags & abi.SETUP_IOPOLL != 0) return true;
        return r.flags & (abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG) == abi.SETUP_DEFER_TASKRUN;
    }

    fn enterFlags(r: *Ring, waiting: bool) u32 {
        var flags: u32 = 0;
        if (waiting or r.flags & (abi.SETUP_DEFER_TASKRUN | abi.SETUP_IOPOLL) != 0) flags |= abi.ENTER_GETEVENTS;
        const sq_flags = @atomicLoad(u32, r.sq_flags, .monotonic);
        if (sq_flags & (abi.SQ_CQ_OVERFLOW | abi.SQ_TASKRUN) != 0) flags |= abi.ENTER_GETEVENTS;
        if (r.flags & abi.SETUP_SQPOLL != 0) {
            flags |= abi.ENTER_SQ_WAKEUP;
            if (r.tail -% r.kernelHead() == r.sq_entries) flags |= abi.ENTER_SQ_WAIT;
        }
        return flags;
    }

    fn enterLoop(r: *Ring, ctl: [*]u32, wait_count: u32) void {
        const timed = ctl[Control.flags] & Control.flag_timeout != 0;
        const timeout_ns = @as(u64, ctl[Control.timeout_ns_hi]) << 32 | ctl[Control.timeout_ns_lo];
        // EINTR starts a timed wait over with its full timeout: keep a deadline.
        const deadline_ns = if (timed) sys.monotonicNs() +| timeout_ns else 0;
        var left_ns = timeout_ns;
        while (true) {
            const want: u32 = if (r.ready() < wait_count) wait_count else 0;
            // Fresh, never "since the last publish": after EBUSY the difference would be stranded.
            const to_submit = r.tail -% r.kernelHead();
            const rc = r.enterOnce(to_submit, want, timed, left_ns);
            ctl[Control.enters] +%= 1;
            if (rc >= 0) {
                const still = r.tail -% r.kernelHead();
                if (r.flags & abi.SETUP_SQPOLL != 0) {
                    if (want == 0 or r.ready() >= wait_count) return;
                } else {
                    // A short submit skips the wait, and the rest must go once more. No progress: leave it to the caller.
                    if (still > 0 and rc > 0) continue;
                    if (still > 0 or want == 0 or r.ready() >= wait_count) return;
                }
            } else switch (@as(i32, @intCast(-rc))) {
                sys.EINTR => {},
                sys.ETIME => {
                    ctl[Control.state] |= Control.state_timed_out;
                    return;
                },
                sys.EAGAIN, sys.EBUSY => {
                    ctl[Control.state] |= Control.state_busy;
                    return;
                },
                else => |errno| {
                    ctl[Control.err] = @intCast(errno);
                    return;
                },
            }
            if (timed) {
                left_ns = deadline_ns -| sys.monotonicNs();
                if (left_ns == 0) {
                    ctl[Control.state] |= Control.state_timed_out;
                    return;
                }
            }
        }
    }

    fn enterOnce(r: *Ring, to_submit: u32, want: u32, timed: bool, timeout_ns: u64) isize {
        const flags = r.enterFlags(want > 0);
        if (want == 0 or !timed) return sys.enter(r.fd, to_submit, want, flags, 0, 8);
        if (r.features & abi.FEAT_EXT_ARG == 0) return -sys.ENOSYS;
        const ts = timespec(timeout_ns);
        const arg = abi.GeteventsArg{ .ts = @intFromPtr(&ts) };
        return sys.enter(r.fd, to_submit, want, flags | abi.ENTER_EXT_ARG, @intFromPtr(&arg), @sizeOf(abi.GeteventsArg));
    }

    fn copyOut(r: *Ring) u32 {
        const count = @min(r.ready(), r.cq_entries);
        if (count == 0) return 0;
        if (r.cqe_shift == 4) r.copyCqes(16, count) else r.copyCqes(32, count);
        // Release: the kernel may reuse these slots only after our copies are made.
        @atomicStore(u32, r.cq_head, r.cq_head.* +% count, .release);
        return count;
    }

    fn copyCqes(r: *Ring, comptime size: usize, count: u32) void {
        const head = r.cq_head.*;
        var i: u32 = 0;
        while (i < count) : (i += 1) {
            const from = r.cqes + @as(usize, (head +% i) & r.cq_mask) * size;
            const to = r.cq_stage + @as(usize, i) * size;
            to[0..size].* = from[0..size].*;
            const cqe: *abi.Cqe = @ptrCast(@alignCast(to));
            if (cqe.user_data & held != 0) cqe.user_data = r.countOut(cqe.*);
        }
    }

    fn countOut(r: *Ring, cqe: abi.Cqe) u64 {
        if (cqe.user_data & uncounted != 0) return cqe.user_data & ~uncounted;
        if (cqe.flags & abi.CQE_F_MORE == 0) r.in_flight -|= 1;
        return cqe.user_data;
    }

    // Waiting

    /// Called when JavaScript has nothing left to do and goes back to its event loop. Gives 1 when there is something
    /// to reap after all (the waker stays as it is), 0 when the waker will call once something is.
    pub fn arm(r: *Ring) i32 {
        // Signals of completions that were reaped already would wake us for nothing.
        const signalled = sys.eventfdTake(r.waker.eventfd);
        // The kernel sets TASKRUN, or moves the tail, before it signals. So a signal taken above shows here, and one
        // that comes later is still in the eventfd when the waker looks.
        const sq_flags = @atomicLoad(u32, r.sq_flags, .seq_cst);
        if (r.ready() > 0 or sq_flags & (abi.SQ_CQ_OVERFLOW | abi.SQ_TASKRUN) != 0) return 1;
        // Without TASKRUN_FLAG only the signal tells of deferred work: look once more.
        const deferred = r.flags & (abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG) == abi.SETUP_DEFER_TASKRUN;
        if (signalled and deferred) return 1;
        r.waker.arm();
        return 0;
    }

    // The end

    /// Cancels everything in flight and waits until no operation holds memory any more. `limit_ns` 0 means: however
    /// long it takes. Gives true when drained. Completions are thrown away: nobody is left to hear them.
    pub fn drain(r: *Ring, limit_ns: u64) bool {
        r.dropUnsubmitted();
        const start_ns = sys.monotonicNs();
        var next_cancel_ns: u64 = 0;
        var warned = false;
        while (r.in_flight > 0) {
            const elapsed_ns = sys.monotonicNs() - start_ns;
            if (limit_ns != 0 and elapsed_ns > limit_ns) return false;
            if (elapsed_ns >= next_cancel_ns) {
                r.cancelAll();
                // A chain's next link, or a restarted operation, may have begun since the last cancellation.
                next_cancel_ns = elapsed_ns + 100_000_000;
            }
            if (!warned and elapsed_ns > 10_000_000_000) {
                warned = true;
                sys.warn("uring: a ring is closing, and waits for operations that can't be cancelled\n");
            }
            const rc = r.enterOnce(r.tail -% r.kernelHead(), 1, r.features & abi.FEAT_EXT_ARG != 0, 20_000_000);
            if (rc < 0 and rc != -sys.EINTR and rc != -sys.ETIME and rc != -sys.EBUSY and rc != -sys.EAGAIN) return false;
            r.discardCqes();
        }
        return true;
    }

    /// SQEs that the kernel never took will not run.
    fn dropUnsubmitted(r: *Ring) void {
        if (r.flags & abi.SETUP_SQPOLL != 0) return;
        const head = r.kernelHead();
        while (r.tail != head) {
            r.tail -%= 1;
            const at = @as(usize, r.tail & r.sq_mask) << r.sqe_shift;
            const sqe: *const abi.Sqe = @ptrCast(@alignCast(r.sqes + at));
            if (sqe.user_data & held != 0 and sqe.user_data & uncounted == 0) r.in_flight -|= 1;
        }
        @atomicStore(u32, r.sq_tail, r.tail, .release);
    }

    /// By a call of its own where the kernel has it (6.0): an SQE would wait behind one with IO_DRAIN.
    fn cancelAll(r: *Ring) void {
        var arg = abi.SyncCancelReg{ .flags = abi.ASYNC_CANCEL_ALL | abi.ASYNC_CANCEL_ANY };
        if (sys.register(r.fd, abi.REGISTER_SYNC_CANCEL, @intFromPtr(&arg), 1) != -sys.EINVAL) return;
        if (r.tail -% r.kernelHead() == r.sq_entries) return;
        const at = @as(usize, r.tail & r.sq_mask) << r.sqe_shift;
        const size = @as(usize, 1) << r.sqe_shift;
        @memset(r.sqes[at .. at + size], 0);
        const sqe: *abi.Sqe = @ptrCast(@alignCast(r.sqes + at));
        sqe.opcode = abi.OP_ASYNC_CANCEL;
        sqe.fd = -1;
        sqe.op_flags = abi.ASYNC_CANCEL_ALL | abi.ASYNC_CANCEL_ANY;
        sqe.user_data = drain_user_data;
        r.tail +%= 1;
        @atomicStore(u32, r.sq_tail, r.tail, .release);
    }

    fn discardCqes(r: *Ring) void {
        const count = r.ready();
        const head = r.cq_head.*;
        var i: u32 = 0;
        while (i < count) : (i += 1) {
            const at = @as(usize, (head +% i) & r.cq_mask) << r.cqe_shift;
            const cqe: *const abi.Cqe = @ptrCast(@alignCast(r.cqes + at));
            if (cqe.user_data & held != 0) _ = r.countOut(cqe.*);
        }
        @atomicStore(u32, r.cq_head, head +% count, .release);
    }
};

fn timespec(ns: u64) abi.Timespec {
    return .{ .sec = @intCast(ns / 1_000_000_000), .nsec = @intCast(ns % 1_000_000_000) };
}

comptime {
    assert(Control.overflows < Control.words);
    // SQEs follow the control block and must stay 64-byte aligned relative to it.
    assert(Control.words * 4 % 64 == 0);
}
