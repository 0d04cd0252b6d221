//! The submission side: staged SQEs into the ring.
//!
//! Three layouts. Slots of one size, 64 or 128 bytes, around the ring. SQE_MIXED: slots of 64 bytes, of which a 128-byte
//! SQE takes two; it must not lie across the end. SQ_REWIND: from slot 0 at each submission, the kernel moves no head.

const std = @import("std");
const abi = @import("abi.zig");
const ring_file = @import("ring.zig");
const Ring = ring_file.Ring;
const Control = ring_file.Control;

/// Moves staged SQEs into the free part of the SQ and publishes the tail; what finds no room stays staged. Gives how
/// many slots of the ring it filled.
pub fn copyIn(r: *Ring, ctl: [*]u32) u32 {
    const staged = @min(ctl[Control.staged], r.sq_entries);
    if (r.flags & abi.SETUP_SQE_MIXED != 0) return copyInMixed(r, ctl, staged);
    const room = r.sq_entries - r.pending();
    const count = if (staged <= room) staged else wholeChains(r, room);
    if (r.sqe_shift == 6) copySqes(r, 64, count) else @call(.never_inline, copySqes, .{ r, 128, count });
    r.tail +%= count;
    publish(r);
    keepRest(r, ctl, staged, count);
    return count;
}

/// Release: the SQPOLL thread's acquire load of the tail must find the SQEs written. With SQ_REWIND the kernel's tail
/// must stay 0.
inline fn publish(r: *Ring) void {
    if (r.flags & abi.SETUP_SQ_REWIND == 0) @atomicStore(u32, r.sq_tail, r.tail, .release);
}

fn keepRest(r: *Ring, ctl: [*]u32, staged: u32, moved: u32) void {
    const left = staged - moved;
    ctl[Control.left] = left;
    if (left == 0) return;
    const from = r.sq_stage + (@as(usize, moved) << r.sqe_shift);
    const len = @as(usize, left) << r.sqe_shift;
    std.mem.copyForwards(u8, r.sq_stage[0..len], from[0..len]);
}

/// How many of the first `room` staged SQEs don't end within a chain: the kernel ends one at the end of what it takes.
fn wholeChains(r: *const Ring, room: u32) u32 {
    @branchHint(.cold);
    var count = room;
    while (count > 0 and linksNext(stagedAt(r, count - 1))) count -= 1;
    // One that is longer than the queue would never find room.
    return if (count == 0 and room == r.sq_entries) room else count;
}

fn linksNext(sqe: *const abi.Sqe) bool {
    return sqe.flags & (abi.IOSQE_IO_LINK | abi.IOSQE_IO_HARDLINK) != 0;
}

fn stagedAt(r: *const Ring, index: u32) *const abi.Sqe {
    return @ptrCast(@alignCast(r.sq_stage + (@as(usize, index) << r.sqe_shift)));
}

fn slotAt(r: *const Ring, position: u32) *abi.Sqe {
    return @ptrCast(@alignCast(r.sqes + (@as(usize, position & r.sq_mask) << r.sqe_shift)));
}

fn copySqes(r: *Ring, comptime size: usize, count: u32) void {
    var i: u32 = 0;
    while (i < count) : (i += 1) {
        const from = r.sq_stage + @as(usize, i) * size;
        const to = r.sqes + @as(usize, (r.tail +% i) & r.sq_mask) * size;
        to[0..size].* = from[0..size].*;
        const sqe: *abi.Sqe = @ptrCast(@alignCast(to));
        if (sqe.user_data & ring_file.held != 0) countIn(r, sqe);
    }
}

fn countIn(r: *Ring, sqe: *abi.Sqe) void {
    if (sqe.flags & abi.IOSQE_CQE_SKIP_SUCCESS != 0) {
        sqe.user_data |= ring_file.uncounted;
    } else {
        r.in_flight += 1;
    }
}

// SQE_MIXED

/// Slots that a staged SQE takes. The opcode tells, as it tells the kernel.
fn slotsOf(sqe: *const abi.Sqe) u32 {
    return if (sqe.opcode == abi.OP_NOP128 or sqe.opcode == abi.OP_URING_CMD128) 2 else 1;
}

fn copyInMixed(r: *Ring, ctl: [*]u32, staged: u32) u32 {
    @branchHint(.cold);
    const fits = whatFits(r, staged);
    const tail_before = r.tail;
    var linked: u8 = 0;
    var at: u32 = 0;
    while (at < fits) {
        const sqe = stagedAt(r, at);
        const slots = @min(slotsOf(sqe), fits - at);
        if (slots == 2 and r.tail & r.sq_mask == r.sq_mask) putFiller(r, linked);
        const slot = slotAt(r, r.tail);
        const len = @as(usize, slots) * @sizeOf(abi.Sqe);
        @memcpy(@as([*]u8, @ptrCast(slot))[0..len], @as([*]const u8, @ptrCast(sqe)));
        if (slot.user_data & ring_file.held != 0) countIn(r, slot);
        linked = slot.flags & (abi.IOSQE_IO_LINK | abi.IOSQE_IO_HARDLINK);
        r.tail +%= slots;
        at += slots;
    }
    publish(r);
    keepRest(r, ctl, staged, fits);
    return r.tail -% tail_before;
}

/// How many staged slots find room, fillers included, without splitting a chain.
fn whatFits(r: *const Ring, staged: u32) u32 {
    @branchHint(.cold);
    const room = r.sq_entries - r.pending();
    var at: u32 = 0;
    var used: u32 = 0;
    var whole: u32 = 0;
    while (at < staged) {
        const sqe = stagedAt(r, at);
        const slots = @min(slotsOf(sqe), staged - at);
        const at_end = (r.tail +% used) & r.sq_mask == r.sq_mask;
        const needed = if (slots == 2 and at_end) slots + 1 else slots;
        if (used + needed > room) return if (whole == 0 and room == r.sq_entries) at else whole;
        used += needed;
        at += slots;
        if (!linksNext(sqe)) whole = at;
    }
    return at;
}

/// Matches what io_uring_get_sqe128 does with the last slot; but within a chain, it is a link of it.
fn putFiller(r: *Ring, linked: u8) void {
    @branchHint(.cold);
    const sqe = slotAt(r, r.tail);
    sqe.* = std.mem.zeroes(abi.Sqe);
    sqe.opcode = abi.OP_NOP;
    sqe.fd = -1;
    sqe.flags = abi.IOSQE_CQE_SKIP_SUCCESS | linked;
    sqe.user_data = ring_file.filler_user_data;
    r.tail +%= 1;
    r.fillers += 1;
}

/// Fillers that the kernel took are not to be reported as submitted. With SQPOLL what it was given counts as taken.
pub fn forgetFillers(r: *Ring, ctl: [*]u32, pending: u32) void {
    @branchHint(.cold);
    if (pending > 0 and r.flags & abi.SETUP_SQPOLL == 0) return;
    ctl[Control.submitted] -|= r.fillers;
    r.fillers = 0;
}

// SQ_REWIND

/// The kernel took the first `taken`, and begins at slot 0 again: what is left goes there.
pub fn rewind(r: *Ring, taken: u32) void {
    @branchHint(.cold);
    const count = @min(taken, r.tail);
    if (count == 0) return;
    r.tail -= count;
    const len = @as(usize, r.tail) << r.sqe_shift;
    const from = r.sqes + (@as(usize, count) << r.sqe_shift);
    std.mem.copyForwards(u8, r.sqes[0..len], from[0..len]);
}

// The end

/// Takes back what the kernel has not taken.
pub fn drop(r: *Ring) void {
    @branchHint(.cold);
    const head = r.kernelHead();
    var position = head;
    while (position != r.tail) {
        const sqe = slotAt(r, position);
        if (sqe.user_data & ring_file.held != 0 and sqe.user_data & ring_file.uncounted == 0) r.in_flight -|= 1;
        position +%= if (r.flags & abi.SETUP_SQE_MIXED != 0) slotsOf(sqe) else 1;
    }
    r.tail = head;
    publish(r);
}

/// Adds an SQE of the core's own, where there is room for it.
pub fn push(r: *Ring, sqe: *const abi.Sqe) void {
    @branchHint(.cold);
    if (r.pending() == r.sq_entries) return;
    const slot: [*]u8 = @ptrCast(slotAt(r, r.tail));
    @memset(slot[0 .. @as(usize, 1) << r.sqe_shift], 0);
    slotAt(r, r.tail).* = sqe.*;
    r.tail +%= 1;
    publish(r);
}
