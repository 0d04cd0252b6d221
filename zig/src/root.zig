//! The library's two doors. Plain C functions for Deno.dlopen and bun:ffi; the same functions, and those that need an
//! environment, for Node-API. Every function gives a result, or −errno; none throws.

const std = @import("std");
const sys = @import("sys.zig");
const napi = @import("napi.zig");
const table = @import("table.zig");
const pages = @import("pages.zig");
const lifetime = @import("lifetime.zig");

pub const panic = std.debug.no_panic;

// Plain C

export fn uring_open(setup: ?[*]u32) i32 {
    @branchHint(.cold);
    const slot = table.claim() orelse return -sys.EMFILE;
    const rc = slot.ring.open(setup orelse return -sys.EINVAL);
    if (rc < 0) {
        slot.free();
        return rc;
    }
    return @intCast(slot.handle());
}

export fn uring_attach(handle: u32, memory: ?[*]align(8) u8) i32 {
    @branchHint(.cold);
    const slot = table.find(handle) orelse return -sys.EBADF;
    slot.ring.attach(memory orelse return -sys.EINVAL);
    return 0;
}

export fn uring_turn(handle: u32) i32 {
    const slot = table.find(handle) orelse return -sys.EBADF;
    return slot.ring.turn();
}

export fn uring_arm(handle: u32) i32 {
    const slot = table.find(handle) orelse return -sys.EBADF;
    return slot.ring.arm();
}

export fn uring_disarm(handle: u32) i32 {
    const slot = table.find(handle) orelse return -sys.EBADF;
    slot.ring.waker.disarm();
    return 0;
}

/// `handle` 0xffffffff: a call that needs no ring.
export fn uring_register(handle: u32, opcode: u32, arg: ?*anyopaque, nr_args: u32) i32 {
    if (handle == std.math.maxInt(u32)) return @intCast(sys.register(.{}, opcode, @intFromPtr(arg), nr_args));
    const slot = table.find(handle) orelse return -sys.EBADF;
    return @intCast(slot.ring.register(opcode, @intFromPtr(arg), nr_args));
}

/// Takes a setup block's entries, cq_entries and flags, and writes there what came of them. After it, `attach` comes
/// first.
export fn uring_resize(handle: u32, setup: ?[*]u32) i32 {
    @branchHint(.cold);
    const slot = table.find(handle) orelse return -sys.EBADF;
    return slot.ring.resize(setup orelse return -sys.EINVAL);
}

export fn uring_address(memory: ?*anyopaque) u64 {
    return @intFromPtr(memory);
}

// Node-API

/// A table would take a relocation of 24 bytes for each address in it.
noinline fn define(env: napi.Env, exports: napi.Value, name: [*:0]const u8, call: napi.Callback) void {
    @branchHint(.cold);
    var function: napi.Value = null;
    // What is missing afterwards is seen by who loads this.
    _ = napi.napi_create_function(env, name, napi.auto_length, call, null, &function);
    _ = napi.napi_set_named_property(env, exports, name, function);
}

export fn napi_register_module_v1(env: napi.Env, exports: napi.Value) napi.Value {
    @branchHint(.cold);
    define(env, exports, "open", napiOpen);
    define(env, exports, "attach", napiAttach);
    define(env, exports, "turn", napiTurn);
    define(env, exports, "arm", napiArm);
    define(env, exports, "disarm", napiDisarm);
    define(env, exports, "register", napiRegister);
    define(env, exports, "resize", napiResize);
    define(env, exports, "address", napiAddress);
    define(env, exports, "bind", napiBind);
    define(env, exports, "listen", napiListen);
    define(env, exports, "closeFd", napiCloseFd);
    define(env, exports, "socketType", napiSocketType);
    define(env, exports, "adopt", napiAdopt);
    define(env, exports, "startWaker", napiStartWaker);
    define(env, exports, "setRef", napiSetRef);
    define(env, exports, "close", napiClose);
    define(env, exports, "mapPages", napiMapPages);
    define(env, exports, "dropPages", napiDropPages);
    // The first hook to be added is the last to run: after the rings of this environment have been drained.
    _ = napi.napi_add_env_cleanup_hook(env, regionsEnd, env);
    return exports;
}

fn regionsEnd(env: ?*anyopaque) callconv(.c) void {
    pages.dropOwnersOf(env);
}

fn Arguments(comptime count: usize) type {
    return struct {
        env: napi.Env,
        values: [count]napi.Value,

        fn get(env: napi.Env, info: napi.CallbackInfo) @This() {
            var args = @This(){ .env = env, .values = @splat(null) };
            var argc: usize = count;
            _ = napi.napi_get_cb_info(env, info, &argc, &args.values, null, null);
            return args;
        }

        fn int(args: *const @This(), index: usize) u32 {
            return intOf(args.env, args.values[index]);
        }

        /// The ring whose handle is the first argument.
        fn slot(args: *const @This()) ?*table.Slot {
            return slotOf(args.env, args.values[0]);
        }

        fn memory(args: *const @This(), index: usize) ?*anyopaque {
            return memoryOf(args.env, args.values[index]);
        }
    };
}

/// For calls that are made now and then: not in each of them anew. What is missing is undefined, and no number.
noinline fn some(env: napi.Env, info: napi.CallbackInfo) Arguments(3) {
    @branchHint(.cold);
    return Arguments(3).get(env, info);
}

noinline fn intOf(env: napi.Env, value: napi.Value) u32 {
    var int: u32 = std.math.maxInt(u32);
    _ = napi.napi_get_value_uint32(env, value, &int);
    return int;
}

noinline fn slotOf(env: napi.Env, value: napi.Value) ?*table.Slot {
    return table.find(intOf(env, value));
}

fn memoryOf(env: napi.Env, value: napi.Value) ?*anyopaque {
    @branchHint(.cold);
    var data: ?*anyopaque = null;
    var is = false;
    if (napi.napi_is_typedarray(env, value, &is) == napi.ok and is) {
        _ = napi.napi_get_typedarray_info(env, value, null, null, &data, null, null);
    } else if (napi.napi_is_dataview(env, value, &is) == napi.ok and is) {
        _ = napi.napi_get_dataview_info(env, value, null, &data, null, null);
    } else if (napi.napi_is_arraybuffer(env, value, &is) == napi.ok and is) {
        _ = napi.napi_get_arraybuffer_info(env, value, &data, null);
    }
    return data;
}

noinline fn number(env: napi.Env, value: i32) napi.Value {
    var result: napi.Value = null;
    _ = napi.napi_create_int32(env, value, &result);
    return result;
}

fn napiOpen(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, uring_open(@ptrCast(@alignCast(args.memory(0)))));
}

fn napiAttach(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, uring_attach(args.int(0), @ptrCast(@alignCast(args.memory(1)))));
}

fn napiTurn(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = Arguments(1).get(env, info);
    return number(env, uring_turn(args.int(0)));
}

fn napiArm(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = Arguments(1).get(env, info);
    return number(env, @call(.never_inline, uring_arm, .{args.int(0)}));
}

fn napiDisarm(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = Arguments(1).get(env, info);
    return number(env, @call(.never_inline, uring_disarm, .{args.int(0)}));
}

fn napiRegister(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = Arguments(4).get(env, info);
    return number(env, @call(.never_inline, uring_register, .{ args.int(0), args.int(1), args.memory(2), args.int(3) }));
}

fn napiResize(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, uring_resize(args.int(0), @ptrCast(@alignCast(args.memory(1)))));
}

fn napiAddress(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = Arguments(1).get(env, info);
    var result: napi.Value = null;
    // User addresses have at most 47 bits (48 on aarch64): exact in a double.
    _ = napi.napi_create_double(env, @floatFromInt(@intFromPtr(args.memory(0))), &result);
    return result;
}

/// bind(fd, sockaddr)
fn napiBind(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, @intCast(sys.bind(@bitCast(args.int(0)), @intFromPtr(args.memory(1)), args.int(2))));
}

/// listen(fd, backlog)
fn napiListen(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, @intCast(sys.listen(@bitCast(args.int(0)), @bitCast(args.int(1)))));
}

/// close(fd) of a descriptor that no ring has to do with
fn napiCloseFd(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    sys.close(@bitCast(args.int(0)));
    return number(env, 0);
}

/// socketType(fd)
fn napiSocketType(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    return number(env, @intCast(sys.socketType(@bitCast(args.int(0)))));
}

fn napiAdopt(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    const slot = args.slot() orelse return number(env, -sys.EBADF);
    return number(env, lifetime.adopt(slot, env));
}

fn napiStartWaker(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    const slot = args.slot() orelse return number(env, -sys.EBADF);
    return number(env, lifetime.startWaker(slot, env, args.values[1]));
}

fn napiSetRef(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    const slot = args.slot() orelse return number(env, -sys.EBADF);
    lifetime.setRef(slot, env, args.int(1) == 1);
    return number(env, 0);
}

/// close(handle, limit in ms); close(0xffffffff, code): the process ends with this code
fn napiClose(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    if (args.int(0) == std.math.maxInt(u32)) {
        lifetime.processEnds(args.int(1));
        return number(env, 0);
    }
    const slot = args.slot() orelse return number(env, -sys.EBADF);
    return number(env, lifetime.close(slot, @as(u64, args.int(1)) * 1_000_000));
}

/// mapPages(size, flags, out: Uint32Array): an ArrayBuffer, or undefined; out[0] is the region's id, out[1] the errno.
fn napiMapPages(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    @branchHint(.cold);
    const args = some(env, info);
    var size: f64 = 0;
    _ = napi.napi_get_value_double(env, args.values[0], &size);
    const flags = args.int(1);
    const out: [*]u32 = @ptrCast(@alignCast(args.memory(2) orelse return null));
    const options = pages.Options{ .huge = flags & 1 != 0, .guard = flags & 2 != 0 };
    switch (pages.map(@intFromFloat(size), options, env)) {
        .errno => |errno| out[1] = @intCast(errno),
        .pages => |got| {
            const hint: ?*anyopaque = @ptrFromInt(@as(usize, got.id) + 1);
            var buffer: napi.Value = null;
            const status = napi.napi_create_external_arraybuffer(
                env,
                got.memory,
                @intFromFloat(size),
                bufferFinalized,
                hint,
                &buffer,
            );
            out[0] = got.id;
            if (status == napi.ok) return buffer;
            pages.dropBuffer(got.id);
            pages.dropOwner(got.id);
            // A host without external buffers (Electron): the caller says so.
            out[1] = sys.EPERM;
        },
    }
    return null;
}

fn bufferFinalized(_: napi.Env, _: ?*anyopaque, hint: ?*anyopaque) callconv(.c) void {
    pages.dropBuffer(@intCast(@intFromPtr(hint) - 1));
}

fn napiDropPages(env: napi.Env, info: napi.CallbackInfo) callconv(.c) napi.Value {
    const args = some(env, info);
    pages.dropOwner(args.int(0));
    return number(env, 0);
}
