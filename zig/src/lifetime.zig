//! What ties a ring to the JavaScript environment that owns it: the threadsafe function that the waker calls, whose
//! ref and unref are the ring's liveness, and the hook that closes the ring when the environment ends.

const sys = @import("sys.zig");
const napi = @import("napi.zig");
const ring = @import("ring.zig");
const Slot = @import("table.zig").Slot;
const Waker = @import("waker.zig").Waker;

/// From now on the ring ends with its environment, before the environment's heap does.
pub fn adopt(slot: *Slot, env: napi.Env) i32 {
    @branchHint(.cold);
    slot.env = env;
    return if (napi.napi_add_env_cleanup_hook(env, environmentEnds, slot) == napi.ok) 0 else -sys.ENOMEM;
}

/// Starts the waker; `callback` is called on the JavaScript thread at each notification.
pub fn startWaker(slot: *Slot, env: napi.Env, callback: napi.Value) i32 {
    @branchHint(.cold);
    var name: napi.Value = null;
    if (napi.napi_create_string_utf8(env, "uring", napi.auto_length, &name) != napi.ok) return -sys.ENOMEM;
    var tsfn: napi.ThreadsafeFunction = null;
    // Hooks run last in, first out. Ours must come before the threadsafe function's own: it joins the thread that
    // calls that function.
    _ = napi.napi_remove_env_cleanup_hook(env, environmentEnds, slot);
    const status = napi.napi_create_threadsafe_function(
        env,
        callback,
        null,
        name,
        0,
        1,
        null,
        null,
        &slot.ring.waker,
        callJs,
        &tsfn,
    );
    const adopted = adopt(slot, env);
    if (status != napi.ok) return -sys.ENOMEM;
    slot.notifier = tsfn;
    const rc = if (adopted == 0) slot.ring.waker.start(slot.ring.registers, notify, tsfn) else adopted;
    if (rc != 0) releaseNotifier(slot);
    return rc;
}

/// Runs on the waker's thread.
fn notify(tsfn: ?*anyopaque) bool {
    return napi.napi_call_threadsafe_function(tsfn, null, napi.tsfn_nonblocking) == napi.ok;
}

/// `context` is the waker: slots are never given back to the system, so that a call that comes late finds one.
fn callJs(env: napi.Env, callback: napi.Value, context: ?*anyopaque, _: ?*anyopaque) callconv(.c) void {
    if (env == null or callback == null) return; // the environment is ending
    const waker: *Waker = @ptrCast(@alignCast(context.?));
    waker.heard();
    var this: napi.Value = null;
    if (napi.napi_get_undefined(env, &this) != napi.ok) return;
    _ = napi.napi_call_function(env, this, callback, 0, null, null);
}

pub fn setRef(slot: *Slot, env: napi.Env, on: bool) void {
    @branchHint(.cold);
    const tsfn = slot.notifier orelse return;
    _ = if (on) napi.napi_ref_threadsafe_function(env, tsfn) else napi.napi_unref_threadsafe_function(env, tsfn);
}

fn releaseNotifier(slot: *Slot) void {
    @branchHint(.cold);
    const tsfn = slot.notifier orelse return;
    slot.notifier = null;
    _ = napi.napi_release_threadsafe_function(tsfn, napi.tsfn_abort);
}

/// Ends the waker, drains, closes, and gives the slot back. Gives 0, or −EBUSY when operations that hold memory could
/// not be ended within the limit: then the ring stays open on purpose, its slot stays taken, and the end of the
/// environment still waits for them.
pub fn close(slot: *Slot, limit_ns: u64) i32 {
    @branchHint(.cold);
    slot.ring.waker.stop();
    releaseNotifier(slot);
    if (!slot.ring.drain(limit_ns) or !slot.ring.closeWhole(limit_ns, false)) return -sys.EBUSY;
    if (slot.env) |env| _ = napi.napi_remove_env_cleanup_hook(env, environmentEnds, slot);
    slot.free();
    return 0;
}

/// How long the end of a process waits for what can't be cancelled.
const process_end_ns = 5_000_000_000;

/// Runs on the owning thread, with every ArrayBuffer still intact. What the kernel writes must be over before they
/// go, however long that takes a worker. The main thread's end is that of the process, and with that of its memory.
fn environmentEnds(arg: ?*anyopaque) callconv(.c) void {
    @branchHint(.cold);
    const slot: *Slot = @ptrCast(@alignCast(arg.?));
    slot.ring.waker.stop();
    releaseNotifier(slot);
    const is_main = sys.isMainThread();
    const limit_ns: u64 = if (is_main) process_end_ns else 0;
    const drained = slot.ring.drain(limit_ns);
    if (is_main and !drained and slot.ring.lost) return;
    // What a kernel without memory has lost of completions is not waited for: a worker's ring is given up as a whole.
    if (!drained) slot.ring.in_flight = 0;
    if ((drained or !is_main) and slot.ring.closeWhole(limit_ns, !drained)) return slot.free();
    sys.warn("uring: operations can't be cancelled: the process ends with them, and shows no error that ended it\n");
    sys.exitProcess(1);
}

/// Called by the main thread as it ends the process; by others too, whose end is none.
pub fn processEnds(code: u32) void {
    @branchHint(.cold);
    if (sys.isMainThread()) @atomicStore(u32, &ring.process_code, code, .release);
}
