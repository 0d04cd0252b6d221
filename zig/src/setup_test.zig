//! Every way to set a ring up, on the running kernel. Where it lacks one, the test is skipped.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const ring_file = @import("ring.zig");
const ring_test = @import("ring_test.zig");
const Control = ring_file.Control;
const Setup = @import("setup.zig").Setup;
const Harness = ring_test.Harness;
const nop = ring_test.nop;
const testing = std.testing;

const single = abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN;

fn expectToWork(h: *Harness) !void {
    for (0..50) |round| {
        for (0..4) |i| h.stage(nop(ring_file.held | (round * 4 + i)));
        try testing.expectEqual(@as(i32, 4), h.turn(4));
        for (0..4) |i| try testing.expectEqual(ring_file.held | (round * 4 + i), h.cqe(@intCast(i)).user_data);
    }
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
}

/// Opens, or skips the test where the kernel lacks it.
fn open(h: *Harness, entries: u32, flags: u32, extras: u32) !void {
    var ask: [Setup.words]u32 = @splat(0);
    ask[Setup.entries] = entries;
    ask[Setup.flags] = flags;
    ask[Setup.extras] = extras;
    const rc = h.ring.open(&ask);
    if (rc == -sys.EINVAL) return error.SkipZigTest;
    try testing.expectEqual(@as(i32, 0), rc);
    try h.attach();
}

fn nop32(user_data: u64) abi.Sqe {
    var sqe = nop(user_data);
    sqe.op_flags = abi.NOP_CQE32;
    return sqe;
}

test "mixed CQEs: one of 32 bytes is one completion, and is never split" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_CQE_MIXED, 0);
    defer h.deinit();
    var next: u64 = 0;
    var seen: u64 = 0;
    // Odd numbers of slots: the long ones come to lie at the end of the ring, where the kernel must fill.
    for (0..200) |round| {
        const long = round % 3;
        for (0..3) |i| {
            h.stage(if (i < long) nop32(ring_file.held | next) else nop(ring_file.held | next));
            next += 1;
        }
        const slots: u32 = @intCast(h.turn(3));
        try testing.expectEqual(@as(u32, @intCast(3 + long)), slots);
        var at: u32 = 0;
        while (at < slots) {
            const cqe = h.cqe(at);
            try testing.expectEqual(ring_file.held | seen, cqe.user_data);
            try testing.expectEqual(@as(u32, 0), cqe.flags & abi.CQE_F_SKIP);
            at += if (cqe.flags & abi.CQE_F_32 != 0) 2 else 1;
            seen += 1;
        }
        try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
    }
    try testing.expectEqual(next, seen);
}

test "mixed CQEs: an overflowing queue loses nothing" {
    var h: Harness = .{};
    try open(&h, 4, abi.SETUP_CQE_MIXED | single, 0);
    defer h.deinit();
    h.control[Control.flags] = Control.flag_no_reap;
    for (0..10) |round| {
        for (0..4) |i| h.stage(nop32(ring_file.held | (round * 4 + i)));
        try testing.expectEqual(@as(i32, 0), h.turn(0));
    }
    h.control[Control.flags] = Control.flag_get_events;
    var seen: u64 = 0;
    while (seen < 40) {
        const slots: u32 = @intCast(h.turn(1));
        try testing.expect(slots > 0);
        var at: u32 = 0;
        while (at < slots) : (at += 2) {
            try testing.expectEqual(ring_file.held | seen, h.cqe(at).user_data);
            seen += 1;
        }
    }
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
}

test "mixed CQEs: a ring drains" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_CQE_MIXED, 0);
    defer h.deinit();
    const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
    h.control[Control.flags] = Control.flag_no_reap;
    h.stage(ring_test.timeout(ring_file.held | 1, &ts));
    for (0..5) |i| h.stage(nop32(ring_file.held | (2 + i)));
    _ = h.turn(0);
    try testing.expectEqual(@as(u32, 6), h.ring.in_flight);
    try testing.expect(h.ring.drain(0));
    try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
}

test "a disabled ring refuses a turn, keeps what is staged, and works once it is enabled" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_R_DISABLED | abi.SETUP_SINGLE_ISSUER, 0);
    defer h.deinit();
    h.stage(nop(7));
    try testing.expectEqual(@as(i32, -sys.EBADFD), h.turn(1));
    try testing.expectEqual(@as(u32, 1), h.count);
    try testing.expectEqual(@as(isize, 0), h.ring.register(abi.REGISTER_ENABLE_RINGS, 0, 0));
    try testing.expectEqual(@as(i32, 1), h.turn(1));
    try testing.expectEqual(@as(u64, 7), h.cqe(0).user_data);
    try expectToWork(&h);
}

test "memory of our own, on one page and on many" {
    for ([_]u32{ 8, 64, 1024 }) |entries| {
        for ([_]u32{ 0, abi.SETUP_SQE128 | abi.SETUP_CQE32, single }) |flags| {
            var h: Harness = .{};
            try open(&h, entries, abi.SETUP_NO_MMAP | flags, 0);
            defer h.deinit();
            try expectToWork(&h);
        }
    }
}

test "a ring without a descriptor: entered, registered with, drained and closed by its index" {
    // A thread has 16 places: more rings than that, one after the other, show that each gives its place back.
    for (0..40) |_| {
        var h: Harness = .{};
        try open(&h, 8, abi.SETUP_NO_MMAP | abi.SETUP_REGISTERED_FD_ONLY, 0);
        defer h.deinit();
        try testing.expectEqual(@as(i32, -1), h.ring.fd);
        try expectToWork(&h);
        const fd: i32 = @intCast(sys.eventfd());
        defer sys.close(fd);
        try testing.expectEqual(@as(isize, 0), h.ring.register(abi.REGISTER_EVENTFD, @intFromPtr(&fd), 1));
        h.stage(nop(1));
        try testing.expectEqual(@as(i32, 1), h.turn(1));
        try testing.expect(sys.eventfdTake(fd));
        const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
        h.stage(ring_test.timeout(ring_file.held | 1, &ts));
        try testing.expectEqual(@as(i32, 0), h.turn(0));
    }
}

test "a registered descriptor: the ring works on, though somebody closes the descriptor" {
    for (0..40) |_| {
        var h: Harness = .{};
        try open(&h, 8, single, Setup.extra_register_fd);
        defer h.deinit();
        try testing.expect(h.ring.index >= 0);
        try expectToWork(&h);
        if (h.ring.features & abi.FEAT_REG_REG_RING == 0) continue;
        sys.close(h.ring.fd);
        try expectToWork(&h);
    }
}

test "more registered descriptors than a thread has places for are refused, and leave nothing behind" {
    var harnesses: [16]Harness = @splat(.{});
    for (&harnesses) |*h| try open(h, 4, 0, Setup.extra_register_fd);
    var ring: ring_file.Ring = undefined;
    var ask: [Setup.words]u32 = @splat(0);
    ask[Setup.entries] = 4;
    ask[Setup.extras] = Setup.extra_register_fd;
    try testing.expectEqual(@as(i32, -sys.EBUSY), ring.open(&ask));
    try testing.expectEqual(Setup.extra_register_fd, ask[Setup.failed_at]);
    for (&harnesses) |*h| h.deinit();
    try testing.expectEqual(@as(i32, 0), ring.open(&ask));
    ring.close();
}

test "a wait region: timed waits end, and what comes in time is waited for" {
    var h: Harness = .{};
    try open(&h, 8, single, Setup.extra_wait_region);
    defer h.deinit();
    try testing.expectEqual(@as(u32, 0), h.ring.flags & abi.SETUP_R_DISABLED);
    try expectTimedWaits(&h);
    try expectToWork(&h);
}

fn expectTimedWaits(h: *Harness) !void {
    h.control[Control.flags] = Control.flag_timeout;
    h.control[Control.timeout_ns_lo] = 5_000_000;
    const start = sys.monotonicNs();
    try testing.expectEqual(@as(i32, 0), h.turn(1));
    try testing.expect(sys.monotonicNs() - start >= 5_000_000);
    try testing.expectEqual(Control.state_timed_out, h.control[Control.state] & Control.state_timed_out);
    const ts = abi.Timespec{ .sec = 0, .nsec = 1_000_000 };
    h.control[Control.timeout_ns_hi] = 100;
    h.stage(ring_test.timeout(9, &ts));
    try testing.expectEqual(@as(i32, 1), h.turn(1));
    h.control[Control.flags] = 0;
    h.control[Control.timeout_ns_hi] = 0;
}

test "an absolute wait ends at its time, and at once when that is past" {
    for ([_]u32{ 0, Setup.extra_wait_region }) |extras| {
        var h: Harness = .{};
        open(&h, 8, single, extras) catch |err| if (extras == 0) return err else return;
        defer h.deinit();
        const start = sys.monotonicNs();
        const end = start + 5_000_000;
        h.control[Control.flags] = Control.flag_timeout | Control.flag_absolute;
        h.control[Control.timeout_ns_lo] = @truncate(end);
        h.control[Control.timeout_ns_hi] = @intCast(end >> 32);
        for (0..2) |_| {
            try testing.expectEqual(@as(i32, 0), h.turn(1));
            try testing.expect(sys.monotonicNs() >= end);
            try testing.expectEqual(Control.state_timed_out, h.control[Control.state] & Control.state_timed_out);
        }
        try testing.expect(sys.monotonicNs() - start < 3_000_000_000);
    }
}

test "a least wait gathers what comes meanwhile, and then takes what there is" {
    for ([_]u32{ 0, Setup.extra_wait_region }) |extras| {
        var h: Harness = .{};
        open(&h, 8, single, extras) catch |err| if (extras == 0) return err else return;
        defer h.deinit();
        if (h.ring.features & abi.FEAT_MIN_TIMEOUT == 0) return error.SkipZigTest;
        h.control[Control.min_wait_us] = 20_000;
        h.stage(nop(1));
        h.stage(nop(2));
        const start = sys.monotonicNs();
        // Three never come: the least wait ends it.
        try testing.expectEqual(@as(i32, 2), h.turn(3));
        try testing.expect(sys.monotonicNs() - start >= 20_000_000);
        h.control[Control.min_wait_us] = 0;
    }
}

test "resize: grows and shrinks with operations in flight, and leaves no map behind" {
    for ([_]u32{ 0, abi.SETUP_NO_SQARRAY, abi.SETUP_NO_MMAP, abi.SETUP_CQE_MIXED, abi.SETUP_CQE32 }) |flags| {
        var h: Harness = .{};
        open(&h, 4, single | flags, 0) catch |err| if (flags == 0) return err else continue;
        defer h.deinit();
        const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
        h.stage(ring_test.timeout(ring_file.held | 1, &ts));
        try testing.expectEqual(@as(i32, 0), h.turn(0));
        for ([_][2]u32{ .{ 64, 128 }, .{ 8, 16 }, .{ 1024, 8192 }, .{ 4, 8 } }) |sizes| {
            var ask: [Setup.words]u32 = @splat(0);
            ask[Setup.entries] = sizes[0];
            ask[Setup.cq_entries] = sizes[1];
            ask[Setup.flags] = abi.SETUP_CQSIZE;
            const rc = h.ring.resize(&ask);
            if (rc == -sys.EINVAL) return error.SkipZigTest;
            try testing.expectEqual(@as(i32, 0), rc);
            try testing.expectEqual(sizes[0], ask[Setup.sq_entries]);
            try testing.expectEqual(sizes[1], ask[Setup.got_cq_entries]);
            try testing.expectEqual(@as(i32, -sys.EBADF), h.ring.turn());
            testing.allocator.free(h.memory);
            try h.attach();
            for (0..10) |round| {
                for (0..sizes[0]) |i| h.stage(nop(round + i));
                const got = h.turn(sizes[0]);
                try testing.expectEqual(@as(i32, @intCast(sizes[0])), got);
                for (0..sizes[0]) |i| try testing.expectEqual(round + i, h.cqe(@intCast(i)).user_data);
            }
            try testing.expectEqual(@as(u32, 1), h.ring.in_flight);
        }
    }
}

test "resize: refused while something waits in the queues" {
    var h: Harness = .{};
    try open(&h, 8, single, 0);
    defer h.deinit();
    h.control[Control.flags] = Control.flag_no_reap;
    h.stage(nop(1));
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    var ask: [Setup.words]u32 = @splat(0);
    ask[Setup.entries] = 16;
    try testing.expectEqual(@as(i32, -sys.EBUSY), h.ring.resize(&ask));
    h.control[Control.flags] = 0;
    try testing.expectEqual(@as(i32, 1), h.turn(0));
}

test "resize: leaves no flag that keeps the ring from sleeping" {
    var h: Harness = .{};
    try open(&h, 4, single, 0);
    defer h.deinit();
    const ts = abi.Timespec{ .sec = 1000, .nsec = 0 };
    h.stage(ring_test.timeout(ring_file.held | 1, &ts));
    try testing.expectEqual(@as(i32, 0), h.turn(0));
    for ([_]u32{ 16, 4, 8 }) |entries| {
        var ask: [Setup.words]u32 = @splat(0);
        ask[Setup.entries] = entries;
        ask[Setup.cq_entries] = entries;
        ask[Setup.flags] = abi.SETUP_CQSIZE;
        const rc = h.ring.resize(&ask);
        if (rc == -sys.EINVAL) return error.SkipZigTest;
        try testing.expectEqual(@as(i32, 0), rc);
        testing.allocator.free(h.memory);
        try h.attach();
        try testing.expectEqual(@as(i32, 0), h.turn(0));
        try testing.expectEqual(@as(u32, 0), h.control[Control.state]);
    }
}

test "resize: needs DEFER_TASKRUN, and a refusal changes nothing" {
    var h: Harness = .{};
    try open(&h, 8, 0, 0);
    defer h.deinit();
    var ask: [Setup.words]u32 = @splat(0);
    ask[Setup.entries] = 16;
    try testing.expectEqual(@as(i32, -sys.EINVAL), h.ring.resize(&ask));
    try expectToWork(&h);
}

test "SQ_REWIND: every batch begins at the first slot" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_SQ_REWIND | abi.SETUP_NO_SQARRAY | abi.SETUP_SUBMIT_ALL, 0);
    defer h.deinit();
    try expectToWork(&h);
    for (0..8) |i| h.stage(nop(i));
    try testing.expectEqual(@as(i32, 8), h.turn(8));
    try testing.expectEqual(@as(u32, 8), h.control[Control.submitted]);
    try testing.expectEqual(@as(u32, 0), h.ring.tail);
    for (0..8) |i| try testing.expectEqual(@as(u64, i), h.cqe(@intCast(i)).user_data);
}

test "SQ_REWIND: after a bad SQE the rest goes in the same turn" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_SQ_REWIND | abi.SETUP_NO_SQARRAY, 0);
    defer h.deinit();
    h.stage(nop(1));
    var bad = nop(2);
    bad.opcode = 255;
    h.stage(bad);
    h.stage(nop(3));
    try testing.expectEqual(@as(i32, 3), h.turn(3));
    try testing.expectEqual(@as(u32, 3), h.control[Control.submitted]);
}

test "mixed SQEs: long and short ones, many times around" {
    for ([_]u32{ 0, abi.SETUP_CQE32, single | abi.SETUP_NO_SQARRAY }) |flags| {
        var h: Harness = .{};
        try open(&h, 8, abi.SETUP_SQE_MIXED | flags, 0);
        defer h.deinit();
        var next: u64 = 0;
        for (0..200) |round| {
            var expected: u32 = 0;
            for (0..3) |i| {
                var sqe = nop(ring_file.held | next);
                if (i == round % 3) sqe.flags = abi.IOSQE_IO_LINK;
                if (i <= round % 3) {
                    sqe.opcode = abi.OP_NOP128;
                    h.stage(sqe);
                    h.stage(std.mem.zeroes(abi.Sqe));
                    expected += 2;
                } else {
                    h.stage(sqe);
                    expected += 1;
                }
                next += 1;
            }
            try testing.expectEqual(@as(i32, 3), h.turn(3));
            try testing.expectEqual(expected, h.control[Control.submitted]);
            // What is linked to another may complete after what comes later.
            var sum: u64 = 0;
            for (0..3) |i| {
                try testing.expectEqual(@as(i32, 0), h.cqe(@intCast(i)).res);
                sum += h.cqe(@intCast(i)).user_data & ~ring_file.held;
            }
            try testing.expectEqual(3 * next - 6, sum);
        }
        try testing.expectEqual(@as(u32, 0), h.ring.in_flight);
    }
}

test "mixed SQEs: what fills the ring's last slot is of the chain, and nobody hears of it" {
    var h: Harness = .{};
    try open(&h, 8, abi.SETUP_SQE_MIXED | abi.SETUP_SUBMIT_ALL, 0);
    defer h.deinit();
    // 6 short ones first: a failing link lies in slot 6, the filler in slot 7, the long one at the start.
    for (0..6) |i| h.stage(nop(i));
    try testing.expectEqual(@as(i32, 6), h.turn(6));
    var first = nop(10);
    first.opcode = 22; // READ of no file: fails
    first.fd = -1;
    first.flags = abi.IOSQE_IO_LINK;
    h.stage(first);
    var long = nop(11);
    long.opcode = abi.OP_NOP128;
    h.stage(long);
    h.stage(std.mem.zeroes(abi.Sqe));
    try testing.expectEqual(@as(i32, 2), h.turn(2));
    try testing.expectEqual(@as(i32, -sys.EBADF), h.cqe(0).res);
    try testing.expectEqual(@as(u64, 11), h.cqe(1).user_data);
    try testing.expectEqual(@as(i32, -125), h.cqe(1).res); // ECANCELED: the chain was not broken by the filler
    try testing.expectEqual(@as(u32, 3), h.control[Control.submitted]);
}
