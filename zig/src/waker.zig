//! The waker: one native thread a ring. It sleeps until JavaScript arms it, then until the ring's eventfd has counted
//! a completion, then notifies once, and sleeps until it is armed again. So an idle ring costs nothing. A host may lose a
//! notification: one that nobody has heard for a while is given again. It never touches JavaScript's memory, nor the ring's.

const std = @import("std");
const abi = @import("abi.zig");
const sys = @import("sys.zig");

/// Taken from the host process, not linked: a thread made by a bare clone would have no thread-locals of the host's
/// libc, and the host's libc is glibc in one place and musl in another.
extern fn pthread_create(thread: *usize, attr: ?*const anyopaque, start: *const fn (?*anyopaque) callconv(.c) ?*anyopaque, arg: ?*anyopaque) c_int;
extern fn pthread_join(thread: usize, result: ?*?*anyopaque) c_int;

const awake: u32 = 0; // JavaScript runs; the thread may be in poll, or on its way to sleep
const asleep: u32 = 1; // JavaScript runs; the thread is in futexWait
const armed: u32 = 2; // JavaScript waits for a notification
const stopped: u32 = 3;

/// Until a notification is given again, at first and at most. JavaScript may just be busy for longer: then it hears twice.
const first_again_ns: u64 = 20_000_000;
const last_again_ns: u64 = 1_280_000_000;

pub const Waker = struct {
    eventfd: i32 = -1,
    state: u32 = awake,
    /// 1: a notification was given, and JavaScript has not heard it.
    unheard: u32 = 0,
    thread: usize = 0,
    running: bool = false,
    /// The eventfd was registered anew for this sleep.
    renewed: bool = false,
    notify: *const fn (context: ?*anyopaque) bool = undefined,
    context: ?*anyopaque = null,

    /// Makes the eventfd, registers it with the ring, starts the thread. Gives 0 or −errno. `notify` is called on the
    /// thread; when it gives false the receiver is gone, and it is never called again.
    pub fn start(w: *Waker, ring: sys.Name, notify: *const fn (?*anyopaque) bool, context: ?*anyopaque) i32 {
        @branchHint(.cold);
        const rc = w.open(ring);
        if (rc < 0) return rc;
        w.notify = notify;
        w.context = context;
        w.state = awake;
        // The thread inherits the mask: signals are for the host's own threads.
        const mask = sys.blockSignals();
        const failed = pthread_create(&w.thread, null, run, w);
        sys.restoreSignals(mask);
        if (failed != 0) {
            w.shut(ring);
            return -failed;
        }
        w.running = true;
        return 0;
    }

    /// Makes the eventfd and registers it with the ring. Gives 0 or −errno.
    pub noinline fn open(w: *Waker, ring: sys.Name) i32 {
        const fd = sys.eventfd();
        if (fd < 0) return @intCast(fd);
        w.eventfd = @intCast(fd);
        const rc = w.listen(ring);
        if (rc < 0) w.closeEventfd();
        return rc;
    }

    /// Undoes `open`.
    pub noinline fn shut(w: *Waker, ring: sys.Name) void {
        unlisten(ring);
        w.closeEventfd();
    }

    /// Registers the eventfd anew. Gives 0 or −errno.
    pub fn renew(w: *Waker, ring: sys.Name) i32 {
        unlisten(ring);
        return w.listen(ring);
    }

    noinline fn listen(w: *Waker, ring: sys.Name) i32 {
        return @intCast(sys.register(ring, abi.REGISTER_EVENTFD, @intFromPtr(&w.eventfd), 1));
    }

    noinline fn unlisten(ring: sys.Name) void {
        _ = sys.register(ring, abi.UNREGISTER_EVENTFD, 0, 0);
    }

    /// Ends the thread and waits for it. After this `notify` is not called any more.
    pub fn stop(w: *Waker) void {
        @branchHint(.cold);
        if (!w.running) return;
        const before = @atomicRmw(u32, &w.state, .Xchg, stopped, .acq_rel);
        if (before == asleep) sys.futexWake(&w.state);
        sys.eventfdAdd(w.eventfd);
        _ = pthread_join(w.thread, null);
        w.running = false;
        w.closeEventfd();
    }

    fn closeEventfd(w: *Waker) void {
        sys.close(w.eventfd);
        w.eventfd = -1;
    }

    pub fn arm(w: *Waker) void {
        // acq_rel: pairs with the thread's exchange in `run`; what was armed for is seen by the notification.
        const before = @atomicRmw(u32, &w.state, .Xchg, armed, .acq_rel);
        if (before == asleep) sys.futexWake(&w.state);
    }

    /// JavaScript runs again by itself. A notification that is already under way still arrives, and finds nothing.
    pub fn disarm(w: *Waker) void {
        _ = @cmpxchgStrong(u32, &w.state, armed, awake, .acq_rel, .monotonic);
    }

    /// JavaScript has heard a notification. Whichever it was: the turn that follows finds what any before it told of.
    pub fn heard(w: *Waker) void {
        @atomicStore(u32, &w.unheard, 0, .release);
    }

    fn tell(w: *Waker) bool {
        @atomicStore(u32, &w.unheard, 1, .release);
        return w.notify(w.context);
    }

    fn run(arg: ?*anyopaque) callconv(.c) ?*anyopaque {
        const w: *Waker = @ptrCast(@alignCast(arg.?));
        var again_ns = first_again_ns;
        while (true) {
            switch (@atomicLoad(u32, &w.state, .acquire)) {
                stopped => return null,
                armed => {
                    sys.pollIn(w.eventfd);
                    const before = @cmpxchgStrong(u32, &w.state, armed, awake, .acq_rel, .monotonic);
                    again_ns = first_again_ns;
                    if (before == null and !w.tell()) return null;
                },
                awake => _ = @cmpxchgStrong(u32, &w.state, awake, asleep, .acq_rel, .monotonic),
                else => {
                    // Deno's event loop looks for tasks before it registers to be woken: one that comes in between is
                    // not seen until something else wakes the loop.
                    const is_unheard = @atomicLoad(u32, &w.unheard, .acquire) == 1;
                    const is_over = sys.futexWait(&w.state, asleep, if (is_unheard) again_ns else 0);
                    if (!is_over or @atomicLoad(u32, &w.unheard, .acquire) == 0) continue;
                    again_ns = @min(2 * again_ns, last_again_ns);
                    if (!w.tell()) return null;
                },
            }
        }
    }
};
