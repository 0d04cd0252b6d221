//! Where staged SQEs come to lie in a queue: bare memory, which no kernel reads.

const std = @import("std");
const abi = @import("abi.zig");
const ring_file = @import("ring.zig");
const sq = @import("sq.zig");
const nop = @import("ring_test.zig").nop;
const Ring = ring_file.Ring;
const Control = ring_file.Control;
const testing = std.testing;

const Bare = struct {
    ring: Ring = .{},
    words: [5]u32 = @splat(0),
    slots: [8]abi.Sqe align(64) = @splat(std.mem.zeroes(abi.Sqe)),
    stage: [8]abi.Sqe align(64) = @splat(std.mem.zeroes(abi.Sqe)),
    control: [Control.words]u32 = @splat(0),

    fn init(b: *Bare, flags: u32, position: u32) void {
        b.ring = .{ .flags = flags, .sq_entries = 8, .sq_mask = 7, .tail = position };
        b.words = .{ position, position, 0, 0, 0 };
        b.ring.sq_head = &b.words[0];
        b.ring.sq_tail = &b.words[1];
        b.ring.sq_flags = &b.words[2];
        b.ring.cq_head = &b.words[3];
        b.ring.cq_tail = &b.words[4];
        b.ring.sqes = @ptrCast(&b.slots);
        b.ring.sq_stage = @ptrCast(&b.stage);
        b.ring.control = &b.control;
        b.control[Control.staged] = 0;
    }

    fn put(b: *Bare, opcode: u8, flags: u8, user_data: u64) void {
        const at = b.control[Control.staged];
        b.stage[at] = nop(user_data);
        b.stage[at].opcode = opcode;
        b.stage[at].flags = flags;
        b.control[Control.staged] += 1;
        if (opcode == abi.OP_NOP) return;
        b.stage[at + 1] = nop(user_data | 0x1000);
        // The second half is data: nothing in it is an opcode, or a flag.
        b.stage[at + 1].flags = abi.IOSQE_IO_LINK;
        b.control[Control.staged] += 1;
    }
};

test "a long SQE never lies across the end, wherever the queue stands" {
    for (0..16) |position| {
        var b: Bare = .{};
        b.init(abi.SETUP_SQE_MIXED, @intCast(position));
        b.put(abi.OP_NOP, 0, 1);
        b.put(abi.OP_NOP128, 0, 2);
        b.put(abi.OP_URING_CMD128, 0, 3);
        const used = sq.copyIn(&b.ring, &b.control);
        try testing.expectEqual(@as(u32, 0), b.control[Control.left]);
        try testing.expectEqual(used - 5, b.ring.fillers);
        var at: u32 = @intCast(position);
        var seen: u64 = 1;
        while (at != b.ring.tail) {
            const sqe = b.slots[at % 8];
            if (sqe.user_data == ring_file.filler_user_data) {
                try testing.expectEqual(@as(u32, 7), at % 8);
                try testing.expectEqual(abi.OP_NOP, sqe.opcode);
                at += 1;
                continue;
            }
            try testing.expectEqual(seen, sqe.user_data);
            if (seen > 1) {
                try testing.expect(at % 8 != 7);
                try testing.expectEqual(seen | 0x1000, b.slots[(at + 1) % 8].user_data);
                at += 1;
            }
            at += 1;
            seen += 1;
        }
        try testing.expectEqual(@as(u64, 4), seen);
    }
}

test "a filler is not reported as submitted, though the SQPOLL thread is late" {
    var b: Bare = .{};
    b.init(abi.SETUP_SQE_MIXED | abi.SETUP_SQPOLL, 7);
    b.put(abi.OP_NOP128, 0, 1);
    try testing.expectEqual(@as(i32, 0), b.ring.turn());
    try testing.expectEqual(@as(u32, 3), b.control[Control.unsubmitted]);
    try testing.expectEqual(@as(u32, 2), b.control[Control.submitted]);
    // Nor is it taken off the next turn's.
    b.control[Control.staged] = 0;
    b.put(abi.OP_NOP, 0, 2);
    try testing.expectEqual(@as(i32, 0), b.ring.turn());
    try testing.expectEqual(@as(u32, 1), b.control[Control.submitted]);
}

test "a chain that finds no room stays whole, of short SQEs and of long ones" {
    for ([_]u8{ abi.OP_NOP, abi.OP_NOP128 }) |opcode| {
        var b: Bare = .{};
        b.init(if (opcode == abi.OP_NOP) 0 else abi.SETUP_SQE_MIXED, 3);
        b.words[0] = 0; // three places are taken
        b.put(abi.OP_NOP, 0, 1);
        b.put(abi.OP_NOP, 0, 2);
        b.put(opcode, abi.IOSQE_IO_LINK, 3);
        b.put(opcode, abi.IOSQE_IO_HARDLINK, 4);
        b.put(abi.OP_NOP, 0, 5);
        if (opcode == abi.OP_NOP) b.put(abi.OP_NOP, 0, 6);
        const fits = opcode == abi.OP_NOP;
        _ = sq.copyIn(&b.ring, &b.control);
        try testing.expectEqual(@as(u64, 1), b.slots[3].user_data);
        try testing.expectEqual(if (fits) @as(u32, 1) else 5, b.control[Control.left]);
        try testing.expectEqual(if (fits) @as(u64, 6) else 3, b.stage[0].user_data);
        // Two places less, and the short chain stays, too.
        if (!fits) continue;
        b.init(0, 5);
        b.words[0] = 0;
        b.put(abi.OP_NOP, 0, 1);
        b.put(opcode, abi.IOSQE_IO_LINK, 3);
        b.put(opcode, abi.IOSQE_IO_LINK, 4);
        b.put(abi.OP_NOP, 0, 5);
        try testing.expectEqual(@as(u32, 1), sq.copyIn(&b.ring, &b.control));
        try testing.expectEqual(@as(u64, 3), b.stage[0].user_data);
    }
}

test "rewinding brings what the kernel left to the first slot" {
    var b: Bare = .{};
    b.init(abi.SETUP_SQ_REWIND, 0);
    for (0..5) |i| b.put(abi.OP_NOP, 0, i);
    try testing.expectEqual(@as(u32, 5), sq.copyIn(&b.ring, &b.control));
    try testing.expectEqual(@as(u32, 0), b.words[1]);
    sq.rewind(&b.ring, 2);
    try testing.expectEqual(@as(u32, 3), b.ring.pending());
    for (0..3) |i| try testing.expectEqual(@as(u64, i + 2), b.slots[i].user_data);
    sq.rewind(&b.ring, 3);
    try testing.expectEqual(@as(u32, 0), b.ring.pending());
}
