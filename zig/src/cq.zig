//! The completion side: CQEs out of the ring.
//!
//! CQEs of one size, 16 or 32 bytes; or, with CQE_MIXED, slots of 16 bytes, of which a CQE with CQE_F_32 takes two. The
//! kernel puts no CQE across the end of the ring: it fills the last slot with one that has CQE_F_SKIP. That is no
//! completion, and is left behind here.

const abi = @import("abi.zig");
const ring_file = @import("ring.zig");
const Ring = ring_file.Ring;

/// How many entries of the CQ the kernel must be asked to wait for, so that `wait_count` completions are there; 0 when
/// they are. The kernel counts entries: of a mixed CQ, slots.
pub inline fn wanted(r: *const Ring, wait_count: u32) u32 {
    if (r.flags & abi.SETUP_CQE_MIXED != 0) return wantedMixed(r, wait_count);
    return if (r.ready() < wait_count) wait_count else 0;
}

fn wantedMixed(r: *const Ring, wait_count: u32) u32 {
    @branchHint(.cold);
    const slots = r.ready();
    var there: u32 = 0;
    var at: u32 = 0;
    while (at < slots) {
        const cqe = slotAt(r, r.cq_head.* +% at);
        if (cqe.flags & abi.CQE_F_SKIP == 0) there += 1;
        at += slotsOf(cqe);
    }
    if (there >= wait_count) return 0;
    // A queue that may have no room for two slots has to be reaped first.
    if (slots + 1 >= r.cq_entries) return 0;
    if (slots > 0 and @atomicLoad(u32, r.sq_flags, .monotonic) & abi.SQ_CQ_OVERFLOW != 0) return 0;
    return slots + (wait_count - there);
}

/// Copies out what is there. Gives the number of entries copied: of a mixed CQ, slots.
pub fn copyOut(r: *Ring) u32 {
    const count = @min(r.ready(), r.cq_entries);
    if (count == 0) return 0;
    var copied = count;
    if (r.flags & (abi.SETUP_CQE_MIXED | abi.SETUP_SQE_MIXED) != 0) {
        copied = copySome(r, count, true);
    } else if (r.cqe_shift == 4) copyCqes(r, 16, count) else @call(.never_inline, copyCqes, .{ r, 32, count });
    // Release: the kernel may reuse these slots only after our copies are made.
    @atomicStore(u32, r.cq_head, r.cq_head.* +% count, .release);
    return copied;
}

fn copyCqes(r: *Ring, comptime size: usize, count: u32) void {
    const head = r.cq_head.*;
    var i: u32 = 0;
    while (i < count) : (i += 1) {
        const from = r.cqes + @as(usize, (head +% i) & r.cq_mask) * size;
        const to = r.cq_stage + @as(usize, i) * size;
        to[0..size].* = from[0..size].*;
        const cqe: *abi.Cqe = @ptrCast(@alignCast(to));
        if (cqe.user_data & ring_file.held != 0) cqe.user_data = countOut(r, cqe.*);
    }
}

/// As `copyCqes`, where entries can be longer, or nobody's. The kernel publishes both slots of a CQE at once: none is
/// ever found in halves. Without `keep` they are only counted.
fn copySome(r: *Ring, count: u32, keep: bool) u32 {
    @branchHint(.cold);
    const mixed = r.flags & abi.SETUP_CQE_MIXED != 0;
    const skip: u32 = if (mixed) abi.CQE_F_SKIP else 0;
    const wide: u32 = if (mixed) abi.CQE_F_32 else 0;
    const entry_len: usize = if (keep) @as(usize, 1) << r.cqe_shift else 0;
    const head = r.cq_head.*;
    var at: u32 = 0;
    var copied: u32 = 0;
    while (at < count) {
        const cqe = slotAt(r, head +% at);
        const slots = if (cqe.flags & wide != 0) @min(2, count - at) else 1;
        at += slots;
        if (cqe.flags & skip != 0) continue;
        if (r.flags & abi.SETUP_SQE_MIXED != 0 and cqe.user_data == ring_file.filler_user_data) continue;
        // In place: the kernel does not read it again.
        if (cqe.user_data & ring_file.held != 0) cqe.user_data = countOut(r, cqe.*);
        // Both slots of one lie side by side.
        const to = r.cq_stage + copied * entry_len;
        @memcpy(to[0 .. slots * entry_len], @as([*]const u8, @ptrCast(cqe)));
        copied += slots;
    }
    return copied;
}

fn slotAt(r: *const Ring, position: u32) *abi.Cqe {
    return @ptrCast(@alignCast(r.cqes + (@as(usize, position & r.cq_mask) << r.cqe_shift)));
}

/// Slots that an entry of a mixed CQ takes.
fn slotsOf(cqe: *const abi.Cqe) u32 {
    return if (cqe.flags & abi.CQE_F_32 != 0) 2 else 1;
}

fn countOut(r: *Ring, cqe: abi.Cqe) u64 {
    if (cqe.user_data & ring_file.uncounted != 0) return cqe.user_data & ~ring_file.uncounted;
    if (cqe.flags & abi.CQE_F_MORE == 0 and r.isNamed(cqe.user_data)) r.in_flight -|= 1;
    return cqe.user_data;
}

/// Counts what is there and leaves it: nobody is left to hear of it.
pub fn discard(r: *Ring) void {
    @branchHint(.cold);
    const count = r.ready();
    _ = copySome(r, count, false);
    @atomicStore(u32, r.cq_head, r.cq_head.* +% count, .release);
}
