test {
    _ = @import("ring_test.zig");
    _ = @import("setup_test.zig");
    _ = @import("sq_test.zig");
    _ = @import("pages_test.zig");
    _ = @import("waker_test.zig");
}
