//! The library's only global state: a fixed table of rings, shared by all threads of a process, claimed with atomics.
//! A handle is an index and a generation, so that one kept beyond close is refused instead of reaching another's ring.

const std = @import("std");
const Ring = @import("ring.zig").Ring;

const index_bits = 10;
pub const max_rings = 1 << index_bits;
/// Keeps a handle below 2^31, so that it is never mistaken for −errno.
const generation_mask = (1 << (31 - index_bits)) - 1;

pub const Slot = struct {
    claimed: u32 = 0,
    generation: u32 = 0,
    ring: Ring = undefined,
    /// What lifetime.zig knows of the JavaScript environment that owns the ring.
    env: ?*anyopaque = null,
    notifier: ?*anyopaque = null,

    pub fn handle(slot: *const Slot) u32 {
        const index: u32 = @intCast((@intFromPtr(slot) - @intFromPtr(&slots)) / @sizeOf(Slot));
        return slot.generation << index_bits | index;
    }

    /// Gives the slot back. Handles to it are refused from now on.
    pub fn free(slot: *Slot) void {
        slot.env = null;
        slot.notifier = null;
        slot.generation = (slot.generation + 1) & generation_mask;
        // Release: the next owner's acquire exchange sees the new generation.
        @atomicStore(u32, &slot.claimed, 0, .release);
    }
};

var slots: [max_rings]Slot = @splat(.{});

pub fn claim() ?*Slot {
    @branchHint(.cold);
    for (&slots) |*slot| {
        if (@atomicLoad(u32, &slot.claimed, .monotonic) != 0) continue;
        if (@cmpxchgStrong(u32, &slot.claimed, 0, 1, .acquire, .monotonic) == null) return slot;
    }
    return null;
}

pub inline fn find(handle_: u32) ?*Slot {
    const slot = &slots[handle_ & (max_rings - 1)];
    if (slot.generation != handle_ >> index_bits or slot.claimed == 0) return null;
    return slot;
}
