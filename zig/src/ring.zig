//! One ring: open, turn, arm, drain, close.
//!
//! JavaScript owns three staging areas that it gave with `attach`: the control block, SQEs on their way in, CQEs on
//! their way out. The mapped rings themselves are touched here alone, so that no view of theirs can outlive a mapping.
//! Only `turn`, `arm` and `attach` touch the staging areas, always in a call from the thread that owns them.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const setup = @import("setup.zig");
const sq = @import("sq.zig");
const cq = @import("cq.zig");
const Waker = @import("waker.zig").Waker;
const assert = std.debug.assert;

/// Where arguments and results of a turn sit in the control block. ffi/native.ts has the same numbers.
pub const Control = struct {
    // in
    pub const staged = 0;
    pub const wait_count = 1;
    pub const flags = 2;
    pub const min_wait_us = 3;
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
    // in, for a drain on kernels that can't cancel all at once: where the generations are, one u32 a slot, and how many.
    // user_data of a slot's operation is its generation, then its number.
    pub const generations = 16; // two words, an address
    pub const slots = 18;
    // in, for the end: whether any operation that holds memory may never post a CQE.
    pub const silent = 19;
    pub const words = 64;

    pub const flag_timeout: u32 = 1 << 0;
    pub const flag_no_reap: u32 = 1 << 1;
    pub const flag_get_events: u32 = 1 << 2;
    /// The timeout is a time of the ring's clock, not a duration.
    pub const flag_absolute: u32 = 1 << 3;

    pub const state_more: u32 = 1 << 0;
    pub const state_timed_out: u32 = 1 << 1;
    pub const state_busy: u32 = 1 << 2;
};

/// user_data of an operation that the kernel may write memory for carries `held`. Those are the ones that a closing
/// ring must wait for, and the ones that are counted here.
pub const held: u64 = 1 << 63;
/// Set here, on the way in, in a held SQE with CQE_SKIP_SUCCESS: such an operation may never post a CQE,
/// so it can't be counted. Taken off again on the way out.
pub const uncounted: u64 = 1 << 62;
/// user_data of the cancellation that `drain` sends by itself.
const drain_user_data: u64 = 0x3fff_ffff_ffff_ffff;
/// user_data of a filler: see `Ring.fillers`.
pub const filler_user_data: u64 = 0x3fff_ffff_ffff_fffe;

/// Told of a wait for what can't be cancelled, where nothing limits it.
const waits = "uring: a ring is closing, and waits for operations that can't be cancelled\n";
const warn_after_ns = 10_000_000_000;
const slice_ns = 20_000_000;
/// As long a thread other than the main one waits when the process ends.
const end_after_ns = 50_000_000;

/// The code that the process ends with, once its main thread has ended: in Node that waits for the others.
pub var process_code: u32 = goes_on;
const goes_on: u32 = std.math.maxInt(u32);

/// A thread waits without a limit for what can't be cancelled: where the process ends, that ends here.
noinline fn endWithProcess(waited_ns: u64) void {
    @branchHint(.cold);
    const code = @atomicLoad(u32, &process_code, .acquire);
    if (waited_ns > end_after_ns and code != goes_on) sys.exitProcess(@bitCast(code));
}

pub const Ring = struct {
    /// −1 with REGISTERED_FD_ONLY.
    fd: i32 = -1,
    /// The index that this thread registered for it; −1: none.
    index: i32 = -1,
    /// That of its descriptor.
    inode: u64 = 0,
    /// How it is named to io_uring_enter, and to io_uring_register.
    enters: sys.Name = .{},
    registers: sys.Name = .{},
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
    sqes_len: usize = 0,
    /// Our own tail; the kernel's copy is published from it. With SQ_REWIND the number of SQEs in the queue.
    tail: u32 = 0,
    /// NOPs in the SQ that fill the last slot before a 128-byte SQE: nobody asked for them.
    fillers: u32 = 0,

    cq_head: *u32 = undefined,
    cq_tail: *u32 = undefined,
    cq_mask: u32 = 0,
    cq_entries: u32 = 0,
    /// Log2 of a CQE's size: 4, or 5 with CQE32.
    cqe_shift: u6 = 4,
    cqes: [*]u8 = undefined,

    memory: setup.Memory = .{},
    /// Where timed waits leave their limits for the kernel.
    wait_region: setup.Map = .{},
    /// The kernel has moved to rings that could not be mapped.
    lost: bool = false,
    /// Where everything would lie after a resize is known.
    resizable: bool = false,
    /// Bytes between the CQEs and the SQ array, before they are rounded up.
    array_gap: u32 = 0,

    control: ?[*]u32 = null,
    sq_stage: [*]u8 = undefined,
    cq_stage: [*]u8 = undefined,

    /// Operations accepted by the kernel that hold memory and have not posted their final CQE.
    in_flight: u32 = 0,
    /// Slots before this one have been named to the kernel by `cancelEach`.
    cancelled: u32 = 0,
    waker: Waker = .{},
    /// A closed ring's, which the kernel still has: the end of a pipe that hangs up when it lets go; −1: none.
    gone: i32 = -1,

    // Lifecycle

    pub const open = setup.open;
    pub const resize = setup.resize;

    /// Takes the staging memory: the control block, then sq_entries SQEs, then cq_entries CQEs.
    pub fn attach(r: *Ring, memory: [*]align(8) u8) void {
        r.control = @ptrCast(@alignCast(memory));
        r.sq_stage = memory + Control.words * 4;
        r.cq_stage = r.sq_stage + r.sqes_len;
    }

    /// How many bytes `attach` needs.
    pub fn stagingSize(r: *const Ring) usize {
        return Control.words * 4 + r.sqes_len + (@as(usize, r.cq_entries) << r.cqe_shift);
    }

    /// Whether user_data are those of an operation of ours: another ring's message may look like it.
    pub inline fn isNamed(r: *const Ring, user_data: u64) bool {
        const ctl = r.control orelse return true;
        if (ctl[Control.slots] == 0) return true;
        const slot: u32 = @truncate(user_data);
        return slot < ctl[Control.slots] and generationsOf(ctl)[slot] == @as(u32, @truncate(user_data >> 32));
    }

    inline fn generationsOf(ctl: [*]const u32) [*]const u32 {
        return @as(*align(4) const [*]const u32, @ptrCast(ctl + Control.generations)).*;
    }

    /// Calls io_uring_register.
    pub noinline fn register(r: *Ring, opcode: u32, arg: usize, nr_args: u32) isize {
        // What another ring has registered, and has in flight, is not ours to change.
        if (r.registers.register_flags == 0 and r.isStolen()) return -sys.EBADF;
        // Before 5.18 the kernel may wait until nothing is in flight before it says that it does not know an opcode.
        if (opcode > abi.UNREGISTER_RING_FDS and r.features & abi.FEAT_LINKED_FILE == 0) return -sys.EINVAL;
        if (opcode > abi.REGISTER_ENABLE_RINGS and r.features & abi.FEAT_RSRC_TAGS == 0) return -sys.EINVAL;
        const rc = sys.register(r.registers, opcode, arg, nr_args);
        if (rc >= 0 and opcode == abi.REGISTER_ENABLE_RINGS) r.flags &= ~abi.SETUP_R_DISABLED;
        return rc;
    }

    /// Unmaps and closes. The caller has drained: nothing may be in flight.
    pub fn close(r: *Ring) void {
        @branchHint(.cold);
        assert(r.in_flight == 0);
        if (r.isStolen()) r.fd = -1;
        r.control = null;
        setup.release(r);
    }

    /// Whether somebody has closed our descriptor behind us: its number can be another file's by now, and another ring's,
    /// which is not ours to cancel and to close. A ring has an inode of its own; where it has not (5.10), another file
    /// still shows.
    noinline fn isStolen(r: *Ring) bool {
        @branchHint(.cold);
        if (r.fd < 0) return false;
        if (sys.inode(r.fd) != r.inode) return true;
        return sys.enter(.byDescriptor(r.fd), 0, 0, 0, 0, 8) == -sys.EOPNOTSUPP;
    }

    /// As `close`; but where operations may have gone on in silence, waits until the kernel has let go of them. Gives
    /// false when that took longer than `limit_ns` (0: however long it takes): then it can be called again.
    ///
    /// Nothing counts such operations, and no cancellation tells of all of them (of a disk's transfers, say). But each keeps
    /// the ring alive in the kernel, and the ring its files: it is given the other end of a pipe.
    /// `uncounted_too`: of those that are counted nobody knows how many there are.
    pub fn closeWhole(r: *Ring, limit_ns: u64, uncounted_too: bool) bool {
        @branchHint(.cold);
        if (r.gone < 0) {
            const may_be = r.features & abi.FEAT_CQE_SKIP != 0;
            const silent = uncounted_too or if (r.control) |ctl| may_be and ctl[Control.silent] != 0 else false;
            var ends: [2]i32 = undefined;
            if (!silent or sys.pipe(&ends) < 0) {
                r.close();
                return true;
            }
            // Another ring may hold this one, which it polls, say: then its own end cancels nothing.
            if (!r.lost and !r.isMisled()) {
                r.cancelAll();
                _ = r.enterOnce(r.pending(), 0, &.{});
            }
            // Where there is a table, to take it out would wait, before 6.13, for what uses its files.
            const put = abi.RsrcUpdate{ .data = @intFromPtr(&ends[1]) };
            if (r.register(abi.REGISTER_FILES, put.data, 1) < 0) _ = r.register(abi.REGISTER_FILES_UPDATE, @intFromPtr(&put), 1);
            sys.close(ends[1]);
            r.close();
            r.gone = ends[0];
        }
        var slices: u64 = 0;
        while (!sys.waitForHangUp(r.gone, if (limit_ns == 0) slice_ns else limit_ns)) {
            if (limit_ns != 0) return false;
            slices += 1;
            if (slices == warn_after_ns / slice_ns) sys.warn(waits);
            endWithProcess(slices * slice_ns);
        }
        sys.close(r.gone);
        r.gone = -1;
        return true;
    }

    /// Whether to enter it would be to enter another, by a descriptor that is not ours any more.
    fn isMisled(r: *Ring) bool {
        return r.enters.enter_flags == 0 and r.isStolen();
    }

    // Hot path

    /// Copies staged SQEs in, enters the kernel at most once (more only after a short submit or EINTR, and with SQPOLL
    /// while its queue is full), copies CQEs out. Gives the number of CQEs, or −errno of a ring that can't go on.
    pub fn turn(r: *Ring) i32 {
        const ctl = r.control orelse return if (r.lost) -sys.ENOMEM else -sys.EBADF;
        const flags = ctl[Control.flags];
        const wait_count = ctl[Control.wait_count];
        ctl[Control.state] = 0;
        ctl[Control.err] = 0;

        if (r.flags & abi.SETUP_R_DISABLED != 0) return refuse(ctl, sys.EBADFD);

        const pending_before = r.pending();
        const copied = sq.copyIn(r, ctl);
        if (r.entryNeeded(flags, wait_count)) r.enterLoop(ctl, wait_count);
        const pending_after = r.pending();
        // The SQPOLL thread takes them when it comes to it: as liburing does, count what it was given.
        ctl[Control.submitted] = if (r.flags & abi.SETUP_SQPOLL != 0) copied else pending_before + copied - pending_after;
        ctl[Control.unsubmitted] = pending_after;
        if (r.fillers != 0) sq.forgetFillers(r, ctl, pending_after);

        if (flags & Control.flag_no_reap == 0) {
            ctl[Control.reaped] = cq.copyOut(r);
        } else {
            ctl[Control.reaped] = 0;
        }
        const quiet = ctl[Control.reaped] | ctl[Control.state] | pending_after == 0 and r.ready() == 0;
        if (quiet) setup.settleFlags(r);
        const sq_flags = @atomicLoad(u32, r.sq_flags, .monotonic);
        if (sq_flags & abi.SQ_CQ_OVERFLOW != 0) ctl[Control.overflows] +%= 1;
        if (r.ready() > 0 or sq_flags & (abi.SQ_CQ_OVERFLOW | abi.SQ_TASKRUN) != 0) {
            ctl[Control.state] |= Control.state_more;
        }
        const err = ctl[Control.err];
        return if (err == 0) @intCast(ctl[Control.reaped]) else -@as(i32, @intCast(err));
    }

    /// Nothing was done; what is staged stays so.
    fn refuse(ctl: [*]u32, errno: u32) i32 {
        @branchHint(.cold);
        ctl[Control.left] = ctl[Control.staged];
        ctl[Control.submitted] = 0;
        ctl[Control.reaped] = 0;
        return -@as(i32, @intCast(errno));
    }

    /// SQEs in the queue that the kernel has not taken. Fresh, never "since the last publish": after EBUSY the
    /// difference would be stranded. With SQ_REWIND the kernel's head stays 0.
    pub inline fn pending(r: *const Ring) u32 {
        return r.tail -% r.kernelHead();
    }

    /// The kernel's head. Acquire pairs with the SQPOLL thread's release store: its reads of the SQEs are done.
    /// Elsewhere the head moves inside our own system call.
    pub inline fn kernelHead(r: *const Ring) u32 {
        return @atomicLoad(u32, r.sq_head, .acquire);
    }

    /// CQEs that can be reaped now. Acquire pairs with the kernel's release store of the tail: the CQEs are written.
    pub inline fn ready(r: *const Ring) u32 {
        return @atomicLoad(u32, r.cq_tail, .acquire) -% r.cq_head.*;
    }

    /// Whether there is any reason to make a system call.
    fn entryNeeded(r: *Ring, flags: u32, wait_count: u32) bool {
        if (wait_count > 0 and cq.wanted(r, wait_count) > 0) return true;
        if (r.flags & abi.SETUP_SQPOLL != 0) {
            // Full fence between our store of the tail and the load of NEED_WAKEUP: pairs with the SQPOLL thread's
            // barrier between setting the flag and checking the tail once more. Without it both can miss the other.
            const sq_flags = @atomicRmw(u32, r.sq_flags, .Or, 0, .seq_cst);
            if (sq_flags & abi.SQ_NEED_WAKEUP != 0 and r.pending() > 0) return true;
            return sq_flags & abi.SQ_CQ_OVERFLOW != 0 or r.pending() == r.sq_entries;
        }
        if (r.pending() > 0) return true;
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
            if (r.pending() == r.sq_entries) flags |= abi.ENTER_SQ_WAIT;
        }
        return flags;
    }

    fn enterLoop(r: *Ring, ctl: [*]u32, wait_count: u32) void {
        var limit = Limit.of(ctl);
        while (true) {
            const want = cq.wanted(r, wait_count);
            const rc = r.enterOnce(r.pending(), want, &limit);
            ctl[Control.enters] +%= 1;
            if (rc >= 0) {
                if (r.flags & abi.SETUP_SQ_REWIND != 0) sq.rewind(r, @intCast(rc));
                const still = r.pending();
                if (r.flags & abi.SETUP_SQPOLL != 0) {
                    if (want == 0 or cq.wanted(r, wait_count) == 0) return;
                } else {
                    // A short submit skips the wait, and the rest must go once more. No progress: leave it to the caller.
                    if (still > 0 and rc > 0) continue;
                    if (still > 0 and r.isMisled()) {
                        ctl[Control.err] = sys.EBADF;
                        return;
                    }
                    if (still > 0 or want == 0 or cq.wanted(r, wait_count) == 0) return;
                }
                // The least wait is over: what came by then is enough.
                if (limit.min_wait_us > 0 and r.ready() > 0) return;
            } else switch (@as(i32, @intCast(-rc))) {
                sys.EINTR => {},
                sys.ETIME => {
                    ctl[Control.state] |= Control.state_timed_out;
                    return;
                },
                // Without memory it has taken nothing: that is all that ENOMEM says here.
                sys.EAGAIN, sys.EBUSY, sys.ENOMEM => {
                    ctl[Control.state] |= Control.state_busy;
                    // A submission that fails is all that the kernel looked at. What has completed may be what it
                    // waits for, and comes by asking. Nobody but a limit would end a wait for what was not submitted.
                    ctl[Control.enters] +%= 1;
                    const asked = r.enterOnce(0, if (limit.timed) want else 0, &limit);
                    if (asked == -sys.ETIME) ctl[Control.state] |= Control.state_timed_out;
                    return;
                },
                else => |errno| {
                    ctl[Control.err] = @intCast(errno);
                    return;
                },
            }
            if (limit.timed and limit.isOver()) {
                ctl[Control.state] |= Control.state_timed_out;
                return;
            }
        }
    }

    fn enterOnce(r: *Ring, to_submit: u32, want: u32, limit: *const Limit) isize {
        const flags = r.enterFlags(want > 0);
        if (want == 0 or !(limit.timed or limit.min_wait_us > 0)) {
            return sys.enter(r.enters, to_submit, want, flags, 0, 8);
        }
        return r.enterLimited(to_submit, want, flags | abi.ENTER_EXT_ARG, limit);
    }

    fn enterLimited(r: *Ring, to_submit: u32, want: u32, flags_: u32, limit: *const Limit) isize {
        @branchHint(.cold);
        if (r.features & abi.FEAT_EXT_ARG == 0) return -sys.ENOSYS;
        // Least waits and absolute times came in one release (6.12).
        const has_both = r.features & abi.FEAT_MIN_TIMEOUT != 0;
        const absolute = limit.absolute and has_both;
        const flags = if (absolute) flags_ | abi.ENTER_ABS_TIMER else flags_;
        const ts = abi.Timespec.of(if (absolute) limit.deadline_ns else limit.left_ns);
        const min_wait_us = if (has_both) limit.min_wait_us else 0;
        if (r.wait_region.len != 0) {
            const arg: *abi.RegWait = @ptrFromInt(r.wait_region.addr);
            arg.* = .{ .ts = ts, .min_wait_usec = min_wait_us, .flags = if (limit.timed) abi.REG_WAIT_TS else 0 };
            // In place of an address: where in the region it lies.
            return sys.enter(r.enters, to_submit, want, flags | abi.ENTER_EXT_ARG_REG, 0, @sizeOf(abi.RegWait));
        }
        const arg = abi.GeteventsArg{ .ts = if (limit.timed) @intFromPtr(&ts) else 0, .min_wait_usec = min_wait_us };
        return sys.enter(r.enters, to_submit, want, flags, @intFromPtr(&arg), @sizeOf(abi.GeteventsArg));
    }

    // Waiting

    /// Called when JavaScript has nothing left to do and goes back to its event loop. Gives 1 when there is something
    /// to reap after all (the waker stays as it is), 0 when the waker will call once something is.
    pub fn arm(r: *Ring) i32 {
        // Nobody signals what is found by asking alone: the SQPOLL thread would ask, and signal.
        const polls = r.flags & (abi.SETUP_IOPOLL | abi.SETUP_SQPOLL) == abi.SETUP_IOPOLL;
        if (polls and r.in_flight > 0) return 1;
        // Signals of completions that were reaped already would wake us for nothing.
        const signalled = sys.eventfdTake(r.waker.eventfd);
        if (r.flags & abi.SETUP_DEFER_TASKRUN != 0 and r.features & abi.FEAT_RECVSEND_BUNDLE != 0) {
            // Since 6.11 (io_uring/eventfd.c) a signal that has to be put off, as from within another eventfd's, is the last
            // of its kind: nobody clears the bit that says so. One registered anew has none; one is all that a sleep needs.
            // Meanwhile there is no signal. TASKRUN shows what it would have told; without that: look once more.
            const shows = r.flags & abi.SETUP_TASKRUN_FLAG != 0;
            r.waker.renewed = shows or !r.waker.renewed;
            if (r.waker.renewed and (r.waker.renew(r.registers) < 0 or !shows)) return 1;
        }
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
        @branchHint(.cold);
        if (r.gone >= 0) return true;
        if (r.lost) return r.in_flight == 0;
        r.dropUnsubmitted();
        if (r.isMisled()) {
            cq.discard(r);
            return r.in_flight == 0;
        }
        const start_ns = sys.monotonicNs();
        var next_cancel_ns: u64 = 0;
        var warned = false;
        while (r.in_flight > 0) {
            const elapsed_ns = sys.monotonicNs() - start_ns;
            if (limit_ns != 0 and elapsed_ns > limit_ns) return false;
            if (elapsed_ns >= next_cancel_ns) {
                r.cancelAll();
                // A chain's next link, or a restarted operation, may have begun since the last cancellation.
                if (r.cancelled == 0) next_cancel_ns = elapsed_ns + 100_000_000;
            }
            if (!warned and elapsed_ns > warn_after_ns) {
                warned = true;
                sys.warn(waits);
            }
            if (limit_ns == 0) endWithProcess(elapsed_ns);
            const limit = Limit{ .timed = r.features & abi.FEAT_EXT_ARG != 0, .left_ns = slice_ns };
            const rc = r.enterOnce(r.pending(), 1, &limit);
            if (rc >= 0 and r.flags & abi.SETUP_SQ_REWIND != 0) sq.rewind(r, @intCast(rc));
            if (rc < 0) switch (@as(i32, @intCast(-rc))) {
                sys.EINTR, sys.ETIME, sys.EBUSY, sys.EAGAIN, sys.ENOMEM => {},
                else => return false,
            };
            cq.discard(r);
        }
        return true;
    }

    /// SQEs that the kernel never took will not run.
    fn dropUnsubmitted(r: *Ring) void {
        @branchHint(.cold);
        if (r.flags & abi.SETUP_SQPOLL == 0) sq.drop(r);
    }

    /// By a call of its own where the kernel has it (6.0): an SQE would wait behind one with IO_DRAIN. That call does not
    /// find what the workers of a submission thread run (6.18: the thread is not among those that it asks), the thread
    /// itself does.
    fn cancelAll(r: *Ring) void {
        @branchHint(.cold);
        const all = abi.ASYNC_CANCEL_ALL | abi.ASYNC_CANCEL_ANY;
        var arg = abi.SyncCancelReg{ .flags = all };
        const rc = r.register(abi.REGISTER_SYNC_CANCEL, @intFromPtr(&arg), 1);
        if (rc == -sys.EINVAL) return r.cancelEach();
        // A restricted ring may not make the call, but perhaps the operation.
        if (r.flags & abi.SETUP_SQPOLL != 0 or rc == -sys.EACCES or rc == -sys.EBADF) r.pushCancel(0, all);
    }

    fn pushCancel(r: *Ring, addr: u64, flags: u32) void {
        @branchHint(.cold);
        var sqe = std.mem.zeroes(abi.Sqe);
        sqe.opcode = abi.OP_ASYNC_CANCEL;
        sqe.addr = addr;
        sqe.op_flags = flags;
        sqe.user_data = drain_user_data;
        sq.push(r, &sqe);
    }

    /// Names every operation that there may be, as many as find room: before 5.19 the kernel can't be asked for all.
    pub noinline fn cancelEach(r: *Ring) void {
        @branchHint(.cold);
        const ctl = r.control orelse return;
        const generations = generationsOf(ctl);
        while (r.pending() < r.sq_entries) {
            if (r.cancelled >= ctl[Control.slots]) {
                r.cancelled = 0;
                return;
            }
            const slot = r.cancelled;
            r.cancelled += 1;
            r.pushCancel(@as(u64, generations[slot]) << 32 | slot, 0);
        }
    }
};

/// How long a wait may last, and how long it must.
const Limit = struct {
    timed: bool = false,
    absolute: bool = false,
    /// EINTR starts a timed wait over with its full timeout: the time when it ends.
    deadline_ns: u64 = 0,
    left_ns: u64 = 0,
    /// For as long as this not even what was asked for ends it; afterwards, anything.
    min_wait_us: u32 = 0,

    inline fn of(ctl: [*]const u32) Limit {
        const flags = ctl[Control.flags];
        if (flags & Control.flag_timeout == 0) return .{ .min_wait_us = ctl[Control.min_wait_us] };
        return timedBy(ctl, flags);
    }

    noinline fn timedBy(ctl: [*]const u32, flags: u32) Limit {
        const timeout_ns = @as(u64, ctl[Control.timeout_ns_hi]) << 32 | ctl[Control.timeout_ns_lo];
        var limit = Limit{ .min_wait_us = ctl[Control.min_wait_us] };
        const now_ns = sys.monotonicNs();
        limit.timed = true;
        limit.absolute = flags & Control.flag_absolute != 0;
        limit.deadline_ns = if (limit.absolute) timeout_ns else now_ns +| timeout_ns;
        limit.left_ns = limit.deadline_ns -| now_ns;
        return limit;
    }

    fn isOver(limit: *Limit) bool {
        limit.left_ns = limit.deadline_ns -| sys.monotonicNs();
        return limit.left_ns == 0;
    }
};

comptime {
    assert(Control.silent < Control.words);
    // SQEs follow the control block and must stay 64-byte aligned relative to it.
    assert(Control.words * 4 % 64 == 0);
}
