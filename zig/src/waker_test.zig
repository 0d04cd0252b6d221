const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");
const ring_test = @import("ring_test.zig");
const Waker = @import("waker.zig").Waker;
const Harness = ring_test.Harness;
const testing = std.testing;

const defaults = abi.SETUP_SUBMIT_ALL | abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG;

/// Stands where the threadsafe function stands: counts notifications and wakes the test's thread.
const Notified = struct {
    count: u32 = 0,
    accepts: bool = true,
    /// Hears at once.
    waker: ?*Waker = null,

    fn notify(context: ?*anyopaque) bool {
        const n: *Notified = @ptrCast(@alignCast(context.?));
        if (n.waker) |waker| waker.heard();
        _ = @atomicRmw(u32, &n.count, .Add, 1, .acq_rel);
        sys.futexWake(&n.count);
        return n.accepts;
    }

    fn wait(n: *Notified, beyond: u32) void {
        while (@atomicLoad(u32, &n.count, .acquire) == beyond) _ = sys.futexWait(&n.count, beyond, 0);
    }
};

fn timeoutSqe(user_data: u64, ts: *const abi.Timespec) abi.Sqe {
    var sqe = ring_test.nop(user_data);
    sqe.opcode = abi.OP_TIMEOUT;
    sqe.fd = -1;
    sqe.addr = @intFromPtr(ts);
    sqe.len = 1;
    return sqe;
}

test "armed, it notifies once for each sleep, and none is lost" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    var notified = Notified{ .waker = &h.ring.waker };
    try testing.expectEqual(@as(i32, 0), h.ring.waker.start(h.ring.registers, Notified.notify, &notified));
    defer h.ring.waker.stop();
    const ts = abi.Timespec{ .sec = 0, .nsec = 20_000 };
    for (0..3000) |i| {
        h.stage(timeoutSqe(i, &ts));
        var got = h.turn(0);
        while (got == 0) {
            const before = @atomicLoad(u32, &notified.count, .acquire);
            if (h.ring.arm() == 0) notified.wait(before);
            got = h.turn(0);
        }
        try testing.expectEqual(@as(u64, i), h.cqe(0).user_data);
    }
    try testing.expect(@atomicLoad(u32, &notified.count, .acquire) <= 3000);
}

test "a notification that is not heard is given again, until it is" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    var notified = Notified{};
    try testing.expectEqual(@as(i32, 0), h.ring.waker.start(h.ring.registers, Notified.notify, &notified));
    defer h.ring.waker.stop();
    const ts = abi.Timespec{ .sec = 0, .nsec = 20_000 };
    // It may have completed before it is slept for.
    sleeps: while (true) {
        h.stage(timeoutSqe(1, &ts));
        while (h.turn(0) == 0) if (h.ring.arm() == 0) break :sleeps;
    }
    for (0..3) |before| notified.wait(@intCast(before));
    // One may be on its way.
    var never: u32 = 0;
    for (0..3) |_| {
        h.ring.waker.heard();
        _ = sys.futexWait(&never, 0, 250_000_000);
    }
    const count = @atomicLoad(u32, &notified.count, .acquire);
    _ = sys.futexWait(&never, 0, 500_000_000);
    try testing.expectEqual(count, @atomicLoad(u32, &notified.count, .acquire));
}

test "not armed, it does not notify" {
    var h: Harness = .{};
    try h.init(8, 0, defaults);
    defer h.deinit();
    var notified = Notified{};
    try testing.expectEqual(@as(i32, 0), h.ring.waker.start(h.ring.registers, Notified.notify, &notified));
    for (0..100) |i| {
        h.stage(ring_test.nop(i));
        try testing.expectEqual(@as(i32, 1), h.turn(1));
    }
    h.ring.waker.stop();
    try testing.expectEqual(@as(u32, 0), notified.count);
}

test "it stops from every state" {
    for (0..300) |round| {
        var h: Harness = .{};
        try h.init(8, 0, defaults);
        defer h.deinit();
        var notified = Notified{ .accepts = round % 5 != 0 };
        try testing.expectEqual(@as(i32, 0), h.ring.waker.start(h.ring.registers, Notified.notify, &notified));
        const ts = abi.Timespec{ .sec = 0, .nsec = 1 };
        if (round % 2 == 0) h.stage(timeoutSqe(1, &ts));
        _ = h.turn(0);
        if (round % 3 != 0) _ = h.ring.arm();
        if (round % 7 == 0) h.ring.waker.disarm();
        h.ring.waker.stop();
    }
}
