//! The part of Node-API that the core uses. Undefined in the library: Node, Deno and Bun all have these functions.

pub const Env = ?*anyopaque;
pub const Value = ?*anyopaque;
pub const CallbackInfo = ?*anyopaque;
pub const ThreadsafeFunction = ?*anyopaque;
pub const Status = c_int;
pub const ok: Status = 0;

pub const Callback = *const fn (Env, CallbackInfo) callconv(.c) Value;
pub const Finalize = *const fn (Env, ?*anyopaque, ?*anyopaque) callconv(.c) void;
pub const CleanupHook = *const fn (?*anyopaque) callconv(.c) void;
pub const CallJs = *const fn (Env, Value, ?*anyopaque, ?*anyopaque) callconv(.c) void;

pub const auto_length: usize = @bitCast(@as(isize, -1));
pub const tsfn_release: c_int = 0;
pub const tsfn_abort: c_int = 1;
pub const tsfn_nonblocking: c_int = 0;

pub extern fn napi_create_function(Env, [*:0]const u8, usize, Callback, ?*anyopaque, *Value) Status;
pub extern fn napi_set_named_property(Env, Value, [*:0]const u8, Value) Status;
pub extern fn napi_get_cb_info(Env, CallbackInfo, *usize, ?[*]Value, ?*Value, ?*?*anyopaque) Status;
pub extern fn napi_get_value_uint32(Env, Value, *u32) Status;
pub extern fn napi_get_value_double(Env, Value, *f64) Status;
pub extern fn napi_create_int32(Env, i32, *Value) Status;
pub extern fn napi_create_double(Env, f64, *Value) Status;
pub extern fn napi_get_undefined(Env, *Value) Status;
pub extern fn napi_is_typedarray(Env, Value, *bool) Status;
pub extern fn napi_get_typedarray_info(Env, Value, ?*c_int, ?*usize, ?*?*anyopaque, ?*Value, ?*usize) Status;
pub extern fn napi_is_dataview(Env, Value, *bool) Status;
pub extern fn napi_get_dataview_info(Env, Value, ?*usize, ?*?*anyopaque, ?*Value, ?*usize) Status;
pub extern fn napi_is_arraybuffer(Env, Value, *bool) Status;
pub extern fn napi_get_arraybuffer_info(Env, Value, ?*?*anyopaque, ?*usize) Status;
pub extern fn napi_create_external_arraybuffer(Env, ?*anyopaque, usize, ?Finalize, ?*anyopaque, *Value) Status;
pub extern fn napi_call_function(Env, Value, Value, usize, ?[*]const Value, ?*Value) Status;
pub extern fn napi_add_env_cleanup_hook(Env, CleanupHook, ?*anyopaque) Status;
pub extern fn napi_remove_env_cleanup_hook(Env, CleanupHook, ?*anyopaque) Status;
pub extern fn napi_create_string_utf8(Env, [*:0]const u8, usize, *Value) Status;
pub extern fn napi_create_threadsafe_function(
    Env,
    func: Value,
    async_resource: Value,
    async_resource_name: Value,
    max_queue_size: usize,
    initial_thread_count: usize,
    finalize_data: ?*anyopaque,
    finalize_cb: ?Finalize,
    context: ?*anyopaque,
    call_js: ?CallJs,
    result: *ThreadsafeFunction,
) Status;
pub extern fn napi_call_threadsafe_function(ThreadsafeFunction, ?*anyopaque, c_int) Status;
pub extern fn napi_release_threadsafe_function(ThreadsafeFunction, c_int) Status;
pub extern fn napi_ref_threadsafe_function(Env, ThreadsafeFunction) Status;
pub extern fn napi_unref_threadsafe_function(Env, ThreadsafeFunction) Status;
