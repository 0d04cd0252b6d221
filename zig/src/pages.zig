//! Memory that the library hands out. A region is unmapped when nobody can reach it any more: neither an ArrayBuffer
//! (its finalizer drops one reference, on whatever thread), nor the JavaScript object that the pending operations
//! hold (it drops the other). So transferring the ArrayBuffer, or losing it, can't free what the kernel still writes.

const std = @import("std");
const builtin = @import("builtin");
const sys = @import("sys.zig");

const by_buffer: u32 = 1;
const by_owner: u32 = 2;
const claimed: u32 = 4;

const Region = struct {
    holders: u32 = 0,
    map: usize = 0,
    map_len: usize = 0,
    env: ?*anyopaque = null,
};

pub const max_regions = 8192;
var regions: [max_regions]Region = @splat(.{});

const page_size = 4096;
const huge_page_size = 2 * 1024 * 1024;
/// The kernel's own pages can be larger.
const largest_page_size = if (builtin.cpu.arch == .aarch64) 65536 else page_size;

pub const Options = struct { huge: bool, guard: bool };

pub const Pages = struct { id: u32, memory: [*]u8 };

/// Maps a region held by both a buffer and an owner. `size` is a multiple of 4096 (2 MiB for huge pages).
pub fn map(size: usize, options: Options, env: ?*anyopaque) union(enum) { pages: Pages, errno: i32 } {
    @branchHint(.cold);
    const unit: usize = if (options.huge) huge_page_size else page_size;
    if (size == 0 or size % unit != 0) return .{ .errno = sys.EINVAL };
    const id = claim() orelse return .{ .errno = sys.ENFILE };
    const region = &regions[id];
    const guard: usize = if (options.guard) @max(unit, largest_page_size) else 0;
    const rc = sys.mapPages(size + 2 * guard, if (options.huge) .huge else .small);
    if (sys.failed(rc)) {
        @atomicStore(u32, &region.holders, 0, .release);
        return .{ .errno = @intCast(-rc) };
    }
    region.map = @bitCast(rc);
    region.map_len = size + 2 * guard;
    region.env = env;
    if (guard != 0) {
        _ = sys.protectNone(region.map, guard);
        const end = region.map + guard + size;
        if (sys.protectNone(end, guard) < 0 and largest_page_size > page_size) {
            // Within a page: what is beyond that.
            const next = std.mem.alignForward(usize, end, largest_page_size);
            _ = sys.protectNone(next, end + guard - next);
        }
    }
    @atomicStore(u32, &region.holders, by_buffer | by_owner, .release);
    return .{ .pages = .{ .id = id, .memory = @ptrFromInt(region.map + guard) } };
}

fn claim() ?u32 {
    for (&regions, 0..) |*region, id| {
        if (@cmpxchgStrong(u32, &region.holders, 0, claimed, .acquire, .monotonic) == null) return @intCast(id);
    }
    return null;
}

pub fn dropBuffer(id: u32) void {
    drop(id, by_buffer);
}

pub fn dropOwner(id: u32) void {
    drop(id, by_owner);
}

fn drop(id: u32, holder: u32) void {
    if (id >= max_regions) return;
    const region = &regions[id];
    const region_map = region.map;
    const region_len = region.map_len;
    // acq_rel: the last holder unmaps after every other holder's accesses. The slot stays claimed meanwhile.
    var before = @atomicLoad(u32, &region.holders, .monotonic);
    while (before & holder != 0) {
        const after = if (before == holder) claimed else before & ~holder;
        before = @cmpxchgWeak(u32, &region.holders, before, after, .acq_rel, .monotonic) orelse {
            if (after != claimed) return;
            sys.unmap(region_map, region_len);
            // Whose it was must not be found as whose it is next.
            region.env = null;
            @atomicStore(u32, &region.holders, 0, .release);
            return;
        };
    }
}

/// The environment ends: its owners are gone. Buffers that moved to another thread keep their regions.
pub fn dropOwnersOf(env: ?*anyopaque) void {
    @branchHint(.cold);
    for (&regions, 0..) |*region, id| {
        if (region.env == env) drop(@intCast(id), by_owner);
    }
}
