const std = @import("std");
const pages = @import("pages.zig");
const sys = @import("sys.zig");
const testing = std.testing;

fn mapped(memory: [*]u8) bool {
    var resident: [1]u8 = undefined;
    const rc = std.os.linux.syscall3(.mincore, @intFromPtr(memory), 4096, @intFromPtr(&resident));
    return !sys.failed(@bitCast(rc));
}

fn take(size: usize, options: pages.Options) !pages.Pages {
    return switch (pages.map(size, options, null)) {
        .pages => |got| got,
        .errno => error.Refused,
    };
}

test "pages are aligned, zeroed, and writable to the last byte" {
    const got = try take(16384, .{ .huge = false, .guard = true });
    defer {
        pages.dropBuffer(got.id);
        pages.dropOwner(got.id);
    }
    try testing.expectEqual(@as(usize, 0), @intFromPtr(got.memory) % 4096);
    for (got.memory[0..16384]) |byte| try testing.expectEqual(@as(u8, 0), byte);
    @memset(got.memory[0..16384], 0xff);
}

test "a region goes with its last holder, whichever that is" {
    const first = try take(4096, .{ .huge = false, .guard = false });
    pages.dropBuffer(first.id);
    try testing.expect(mapped(first.memory));
    pages.dropBuffer(first.id); // a second finalizer changes nothing
    try testing.expect(mapped(first.memory));
    pages.dropOwner(first.id);
    try testing.expect(!mapped(first.memory));

    const second = try take(4096, .{ .huge = false, .guard = false });
    pages.dropOwnersOf(null);
    try testing.expect(mapped(second.memory));
    pages.dropBuffer(second.id);
    try testing.expect(!mapped(second.memory));
}

test "huge pages, reserved or transparent" {
    const got = try take(2 * 1024 * 1024, .{ .huge = true, .guard = false });
    try testing.expectEqual(@as(usize, 0), @intFromPtr(got.memory) % (2 * 1024 * 1024));
    got.memory[2 * 1024 * 1024 - 1] = 1;
    pages.dropBuffer(got.id);
    pages.dropOwner(got.id);
}

test "sizes that are no multiple of a page are refused" {
    try testing.expectError(error.Refused, take(0, .{ .huge = false, .guard = false }));
    try testing.expectError(error.Refused, take(4097, .{ .huge = false, .guard = false }));
    try testing.expectError(error.Refused, take(4096, .{ .huge = true, .guard = false }));
}
