//! `zig build cores --prefix OUT` writes OUT/lib/uring-linux-{x86_64,aarch64}.so; `zig build test` runs the unit tests
//! on the running kernel.

const std = @import("std");

const architectures = [_][]const u8{ "x86_64", "aarch64" };

pub fn build(b: *std.Build) void {
    const cores = b.step("cores", "Build the core for every architecture");
    for (architectures) |arch| cores.dependOn(&core(b, arch).step);

    const tests = b.addTest(.{
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/tests.zig"),
            .target = b.graph.host,
            .link_libc = true, // stands in for the host runtime, which brings pthread_create
        }),
    });
    const run = b.addRunArtifact(tests);
    run.has_side_effects = true;
    b.step("test", "Run the unit tests on this kernel").dependOn(&run.step);
}

/// The build system has no word for `-z nodelete`: Deno and Bun dlclose a library when the isolate that opened it
/// goes, while another isolate's waker is still inside. `-z lazy` leaves functions of Node-API unresolved in hosts
/// that never call them. No libc, nothing needed: what is undefined (pthread_create, memcpy, memset and Node-API) is found
/// in the host process. Linked by the C driver, which alone can leave out the second, older hash table (300 bytes).
fn core(b: *std.Build, arch: []const u8) *std.Build.Step.InstallFile {
    const name = b.fmt("uring-linux-{s}.so", .{arch});
    const target = b.fmt("{s}-linux-none", .{arch});
    const compile = b.addSystemCommand(&.{
        b.graph.zig_exe, "build-obj",          "-target",          target,  "-mcpu",
        "baseline",      "-O",                 "ReleaseFast",      "-fPIC", "-fstrip",
        "-fllvm",        "-fno-unwind-tables", "-fno-compiler-rt",
    });
    compile.addFileArg(b.path("src/root.zig"));
    for ([_][]const u8{ "abi", "sys", "ring", "setup", "sq", "cq", "waker", "table", "pages", "napi", "lifetime" }) |source| {
        compile.addFileInput(b.path(b.fmt("src/{s}.zig", .{source})));
    }
    const object = compile.addPrefixedOutputFileArg("-femit-bin=", "core.o");
    const link = b.addSystemCommand(&.{
        b.graph.zig_exe, "cc",              "-target",              target, "-shared", "-nostdlib", "-s",
        "-Wl,-z,lazy",   "-Wl,-z,nodelete", "-Wl,--hash-style=gnu",
    });
    link.addFileArg(object);
    link.addArg("-o");
    return b.addInstallFile(link.addOutputFileArg(name), b.fmt("lib/{s}", .{name}));
}
