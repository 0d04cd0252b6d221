//! The ring on the running kernel.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const ring_file = @import("ring.zig");
const Ring = ring_file.Ring;
const Setup = @import("setup.zig").Setup;
const Control = ring_file.Control;
const testing = std.testing;

const defaults = abi.SETUP_CLAMP | abi.SETUP_SUBMIT_ALL | abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN |
    abi.SETUP_TASKRUN_FLAG | abi.SETUP_NO_SQARRAY;

/// A ring with its staging memory, as JavaScript would hold it.
pub const Harness = struct {
    ring: Ring = undefined,
    memory: []align(64) u8 = undefined,
    control: [*]u32 = undefined,
    count: u32 = 0,

    pub fn init(h: *Harness, entries: u32, flags: u32, optional: u32) !void {
        var ask: [Setup.words]u32 = @splat(0);
        ask[Setup.entries] = entries;
        ask[Setup.flags] = flags;
        ask[Setup.optional_flags] = optional;
        try testing.expectEqual(@as(i32, 0), h.ring.open(&ask));
        try h.attach();
    }

    /// Staging memory of the ring's present size.
    pub fn attach(h: *Harness) !void {
        h.memory = try testing.allocator.alignedAlloc(u8, .@"64", h.ring.stagingSize());
        @memset(h.memory, 0);
        h.ring.attach(h.memory.ptr);
        h.control = @ptrCast(h.memory.ptr);
        h.count = 0;
    }

    pub fn deinit(h: *Harness) void {
        _ = h.ring.drain(0);
        h.ring.close();
        testing.allocator.free(h.memory);
    }

    pub fn stage(h: *Harness, sqe: abi.Sqe) void {
        const size = @as(usize, 1) << h.ring.sqe_shift;
        const at = h.ring.sq_stage + h.count * size;
        @as(*abi.Sqe, @ptrCast(@alignCast(at))).* = sqe;
        h.count += 1;
    }

    pub fn turn(h: *Harness, wait_count: u32) i32 {
        h.control[Control.staged] = h.count;
        h.control[Control.wait_count] = wait_count;
        const rc = h.ring.turn();
        h.count = h.control[Control.left];
        return rc;
    }

    pub fn cqe(h: *Harness, index: u32) abi.Cqe {
        const at = h.ring.cq_stage + (@as(usize, index) << h.ring.cqe_shift);
        return @as(*const abi.Cqe, @ptrCast(@alignCast(at))).*;
    }
};

pub fn nop(user_data: u64) abi.Sqe {
    var sqe = std.mem.zeroes(abi.Sqe);
    sqe.opcode = abi.OP_NOP;
    sqe.user_data = user_data;
    return sqe;
}

pub fn timeout(user_data: u64, ts: *const abi.Timespec) abi.Sqe {
    var sqe = nop(user_data);
    sqe.opcode = abi.OP_TIMEOUT;
    sqe.fd = -1;
    sqe.addr = @intFromPtr(ts);
    sqe.len = 1;
    return sqe;
}

test "a NOP goes in and comes out, in one system call" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    h.stage(nop(42));
    try testing.expectEqual(@as(i32, 1), h.turn(0));
    try testing.expectEqual(@as(u64, 42), h.cqe(0).user_data);
    try testing.expectEqual(@as(i32, 0), h.cqe(0).res);
    try testing.expectEqual(@as(u32, 1), h.control[Control.submitted]);
    try testing.expectEqual(@as(u32, 1), h.control[Control.enters]);
}

test "nothing to do makes no system call" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    h.control[Control.flags] = Control.flag_get_events;
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    try testing.expectEqual(@as(u32, 0), h.control[Control.enters]);
}

test "a TASKRUN that tells of nothing is gone after a turn that found nothing" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    if (h.ring.flags & abi.SETUP_TASKRUN_FLAG == 0) return error.SkipZigTest;
    for ([_]u32{ Control.flag_get_events, Control.flag_no_reap }) |flags| {
        // As the kernel leaves it, now and then, after a wait.
        _ = @atomicRmw(u32, h.ring.sq_flags, .Or, abi.SQ_TASKRUN, .seq_cst);
        h.control[Control.flags] = flags;
        try testing.expectEqual(@as(i32, 0), h.turn(0));
        try testing.expectEqual(@as(u32, 0), h.control[Control.state] & Control.state_more);
        const enters = h.control[Control.enters];
        try testing.expectEqual(@as(i32, 0), h.turn(0));
        try testing.expectEqual(enters, h.control[Control.enters]);
    }
}

test "a TASKRUN that tells of something stays until that is run" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    const ts = abi.Timespec{ .sec = 0, .nsec = 1 };
    for (0..100) |i| {
        h.stage(timeout(i, &ts));
        h.control[Control.flags] = 0;
        var reaped = h.turn(0);
        while (reaped == 0) reaped = h.turn(0);
        try testing.expectEqual(@as(i32, 1), reaped);
        try testing.expectEqual(i, h.cqe(0).user_data);
    }
}

test "every ring size, many times around" {
    var entries: u32 = 1;
    while (entries <= 512) : (entries *= 4) {
        var h: Harness = .{};
        try h.init(entries, 0, defaults);
        defer h.deinit();
        var next: u64 = 0;
        for (0..20) |_| {
            for (0..entries) |i| h.stage(nop(next + i));
            try testing.expectEqual(@as(i32, @intCast(entries)), h.turn(0));
            for (0..entries) |i| try testing.expectEqual(next + i, h.cqe(@intCast(i)).user_data);
            next += entries;
        }
    }
}

test "the tail wraps around 2^32" {
    var h: Harness = .{};
    try h.init(8, 0, 0);
    defer h.deinit();
    // An idle ring may be moved: kernel and we start from the same numbers, and the kernel reads its own copies.
    for (0..3000) |_| {
        for (0..8) |i| h.stage(nop(i));
        try testing.expectEqual(@as(i32, 8), h.turn(8));
    }
    try testing.expectEqual(@as(u32, 24000), h.ring.tail);
}

test "setup steps down: a kernel's refusal of an optional flag costs only that flag" {
    var h: Harness = .{};
    // IOPOLL | DEFER alone would be refused for lack of SINGLE_ISSUER: as required flags they fail, as steps they fall.
    try h.init(8, 0, abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG);
    defer h.deinit();
    try testing.expectEqual(@as(u32, 0), h.ring.flags & abi.SETUP_DEFER_TASKRUN);
    h.stage(nop(1));
    try testing.expectEqual(@as(i32, 1), h.turn(1));
}

test "a required flag that is refused fails with EINVAL" {
    var ring: Ring = undefined;
    var ask: [Setup.words]u32 = @splat(0);
    ask[Setup.entries] = 8;
    ask[Setup.flags] = abi.SETUP_DEFER_TASKRUN;
    try testing.expectEqual(@as(i32, -sys.EINVAL), ring.open(&ask));
}

test "without NO_SQARRAY the index array is filled" {
    var h: Harness = .{};
    try h.init(8, 0, abi.SETUP_SUBMIT_ALL);
    defer h.deinit();
    for (0..8) |i| h.stage(nop(i));
    try testing.expectEqual(@as(i32, 8), h.turn(8));
    for (0..8) |i| try testing.expectEqual(@as(u64, i), h.cqe(@intCast(i)).user_data);
}

test "without SUBMIT_ALL a bad SQE stops the batch, and the rest goes in the same turn" {
    var h: Harness = .{};
    try h.init(8, 0, 0);
    defer h.deinit();
    h.stage(nop(1));
    var bad = nop(2);
    bad.opcode = 255;
    h.stage(bad);
    h.stage(nop(3));
    try testing.expectEqual(@as(i32, 3), h.turn(3));
    // In which order they complete differs from kernel to kernel.
    for (0..3) |i| {
        const cqe = h.cqe(@intCast(i));
        try testing.expectEqual(@as(i32, if (cqe.user_data == 2) -sys.EINVAL else 0), cqe.res);
    }
    try testing.expectEqual(@as(u32, 3), h.control[Control.submitted]);
}

test "a wait ends at its timeout, and says so" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    h.control[Control.flags] = Control.flag_timeout;
    h.control[Control.timeout_ns_lo] = 5_000_000;
    const start = sys.monotonicNs();
    try testing.expectEqual(@as(i32, 0), h.turn(1));
    try testing.expect(sys.monotonicNs() - start >= 5_000_000);
    try testing.expectEqual(Control.state_timed_out, h.control[Control.state] & Control.state_timed_out);
}

test "a submission with a timed wait still waits its time" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    h.control[Control.flags] = Control.flag_timeout;
    h.control[Control.timeout_ns_lo] = 5_000_000;
    h.stage(nop(1));
    try testing.expectEqual(@as(i32, 1), h.turn(2));
    try testing.expectEqual(Control.state_timed_out, h.control[Control.state] & Control.state_timed_out);
    try testing.expectEqual(@as(u32, 1), h.control[Control.submitted]);
}

test "an overflowing CQ loses nothing" {
    var h: Harness = .{};
    try h.init(4, 0, defaults);
    defer h.deinit();
    h.control[Control.flags] = Control.flag_no_reap;
    for (0..10) |round| {
        for (0..4) |i| h.stage(nop(round * 4 + i));
        try testing.expectEqual(@as(i32, 0), h.turn(0));
    }
    h.control[Control.flags] = Control.flag_get_events;
    var seen: u64 = 0;
    while (seen < 40) {
        const count: u32 = @intCast(h.turn(0));
        try testing.expect(count > 0);
        for (0..count) |i| try testing.expectEqual(seen + i, h.cqe(@intCast(i)).user_data);
        seen += count;
    }
    try testing.expectEqual(@as(u32, 0), h.control[Control.state] & Control.state_more);
}

test "what finds no room stays staged, in order" {
    var h: Harness = .{};
    try h.init(4, abi.SETUP_SQPOLL, 0);
    defer h.deinit();
    var next: u64 = 0;
    var seen: u64 = 0;
    while (seen < 400) {
        while (h.count < 4 and next < 400) {
            h.stage(nop(next));
            next += 1;
        }
        h.control[Control.flags] = 0;
        const count: u32 = @intCast(h.turn(1));
        for (0..count) |i| try testing.expectEqual(seen + i, h.cqe(@intCast(i)).user_data);
        seen += count;
    }
}

test "128-byte SQEs and 32-byte CQEs" {
    var h: Harness = .{};
    try h.init(8, abi.SETUP_SQE128 | abi.SETUP_CQE32, defaults);
    defer h.deinit();
    for (0..3) |round| {
        for (0..8) |i| h.stage(nop(round * 8 + i));
        try testing.expectEqual(@as(i32, 8), h.turn(0));
        for (0..8) |i| try testing.expectEqual(round * 8 + i, h.cqe(@intCast(i)).user_data);
    }
}

test "operations that hold memory are counted until their final CQE" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    const ts = abi.Timespec{ .sec = 100, .nsec = 0 };
    h.stage(timeout(ring_file.held | 7, &ts));
    h.stage(nop(ring_file.held | 8));
    try testing.expectEqual(@as(i32, 1), h.turn(1));
    try testing.expectEqual(ring_file.held | 8, h.cqe(0).user_data);
    try testing.expectEqual(@as(u32, 1), h.ring.in_flight);
}

test "a CQE that may never come is not waited for" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    var sqe = nop(ring_file.held | 7);
    sqe.flags = abi.IOSQE_CQE_SKIP_SUCCESS;
    h.stage(sqe);
    sqe.opcode = 255; // fails, so that its CQE comes
    h.stage(sqe);
    try testing.expectEqual(@as(i32, 1), h.turn(1));
    try testing.expectEqual(ring_file.held | 7, h.cqe(0).user_data);
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
}

test "drain cancels what would wait for ever, and what was never submitted does not run" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
    for (0..5) |i| h.stage(timeout(ring_file.held | i, &ts));
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    try testing.expectEqual(@as(u32, 5), h.ring.in_flight);
    try testing.expect(h.ring.drain(0));
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
    h.ring.close();
    testing.allocator.free(h.memory);
}

test "drain gets past an operation that waits for all before it" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
    h.stage(timeout(ring_file.held | 1, &ts));
    var waits = nop(ring_file.held | 2);
    waits.flags = abi.IOSQE_IO_DRAIN;
    h.stage(waits);
    h.stage(timeout(ring_file.held | 3, &ts));
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    try testing.expect(h.ring.drain(0));
    h.ring.close();
    testing.allocator.free(h.memory);
}

test "operations that are named one by one all end, though they are more than the queue has places" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
    var generations: [21]u32 = undefined;
    for (&generations, 0..) |*generation, slot| {
        generation.* = 0x8000_0000 | @as(u32, @intCast(slot * slot));
        if (slot == 13) continue; // free
        h.stage(timeout(@as(u64, generation.*) << 32 | slot, &ts));
        if (h.count == 8) try testing.expectEqual(@as(i32, 0), h.turn(0));
    }
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    try testing.expectEqual(@as(u32, 20), h.ring.in_flight);
    const address: *align(4) u64 = @ptrCast(h.control + Control.generations);
    address.* = @intFromPtr(&generations);
    h.control[Control.slots] = generations.len;
    for (0..3) |_| {
        h.ring.cancelEach();
        _ = h.turn(0);
    }
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
    try testing.expectEqual(@as(u32, 0), h.ring.cancelled);
}

test "a ring closed and opened again and again leaves no descriptor behind" {
    const before = sys.eventfd();
    sys.close(@intCast(before));
    for (0..100) |_| {
        var h: Harness = .{};
        try h.init(8, 0, defaults);
        h.deinit();
    }
    const after = sys.eventfd();
    sys.close(@intCast(after));
    try testing.expectEqual(before, after);
}
