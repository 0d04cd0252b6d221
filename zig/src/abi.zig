//! The part of the kernel's language that the core itself speaks. Everything else lives in src/abi (TypeScript).
//! Names are the kernel's; sizes and offsets are asserted below, so that a wrong one does not compile.

const std = @import("std");
const assert = std.debug.assert;

pub const SETUP_IOPOLL: u32 = 1 << 0;
pub const SETUP_SQPOLL: u32 = 1 << 1;
pub const SETUP_CQSIZE: u32 = 1 << 3;
pub const SETUP_CLAMP: u32 = 1 << 4;
pub const SETUP_R_DISABLED: u32 = 1 << 6;
pub const SETUP_SUBMIT_ALL: u32 = 1 << 7;
pub const SETUP_TASKRUN_FLAG: u32 = 1 << 9;
pub const SETUP_SQE128: u32 = 1 << 10;
pub const SETUP_CQE32: u32 = 1 << 11;
pub const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
pub const SETUP_DEFER_TASKRUN: u32 = 1 << 13;
pub const SETUP_NO_MMAP: u32 = 1 << 14;
pub const SETUP_REGISTERED_FD_ONLY: u32 = 1 << 15;
pub const SETUP_NO_SQARRAY: u32 = 1 << 16;
pub const SETUP_CQE_MIXED: u32 = 1 << 18;
pub const SETUP_SQE_MIXED: u32 = 1 << 19;
pub const SETUP_SQ_REWIND: u32 = 1 << 20;

pub const FEAT_SINGLE_MMAP: u32 = 1 << 0;
pub const FEAT_NODROP: u32 = 1 << 1;
pub const FEAT_EXT_ARG: u32 = 1 << 8;
pub const FEAT_RSRC_TAGS: u32 = 1 << 10;
pub const FEAT_CQE_SKIP: u32 = 1 << 11;
pub const FEAT_LINKED_FILE: u32 = 1 << 12;
pub const FEAT_REG_REG_RING: u32 = 1 << 13;
pub const FEAT_RECVSEND_BUNDLE: u32 = 1 << 14;
pub const FEAT_MIN_TIMEOUT: u32 = 1 << 15;

pub const ENTER_GETEVENTS: u32 = 1 << 0;
pub const ENTER_SQ_WAKEUP: u32 = 1 << 1;
pub const ENTER_SQ_WAIT: u32 = 1 << 2;
pub const ENTER_EXT_ARG: u32 = 1 << 3;
pub const ENTER_REGISTERED_RING: u32 = 1 << 4;
pub const ENTER_ABS_TIMER: u32 = 1 << 5;
pub const ENTER_EXT_ARG_REG: u32 = 1 << 6;

pub const SQ_NEED_WAKEUP: u32 = 1 << 0;
pub const SQ_CQ_OVERFLOW: u32 = 1 << 1;
pub const SQ_TASKRUN: u32 = 1 << 2;

pub const CQE_F_MORE: u32 = 1 << 1;
pub const CQE_F_SKIP: u32 = 1 << 5;
pub const CQE_F_32: u32 = 1 << 15;
pub const IOSQE_IO_DRAIN: u8 = 1 << 1;
pub const IOSQE_IO_LINK: u8 = 1 << 2;
pub const IOSQE_IO_HARDLINK: u8 = 1 << 3;
pub const IOSQE_CQE_SKIP_SUCCESS: u8 = 1 << 6;

pub const OP_NOP: u8 = 0;
pub const OP_TIMEOUT: u8 = 11;
pub const OP_ASYNC_CANCEL: u8 = 14;
pub const OP_READ: u8 = 22;
pub const OP_FUTEX_WAIT: u8 = 51;
pub const OP_NOP128: u8 = 63;
pub const OP_URING_CMD128: u8 = 64;
pub const NOP_CQE32: u32 = 1 << 5;
pub const ASYNC_CANCEL_ALL: u32 = 1 << 0;
pub const ASYNC_CANCEL_ANY: u32 = 1 << 2;

pub const REGISTER_FILES: u32 = 2;
pub const REGISTER_EVENTFD: u32 = 4;
pub const UNREGISTER_EVENTFD: u32 = 5;
pub const REGISTER_FILES_UPDATE: u32 = 6;
pub const REGISTER_ENABLE_RINGS: u32 = 12;
pub const REGISTER_RING_FDS: u32 = 20;
pub const UNREGISTER_RING_FDS: u32 = 21;
pub const REGISTER_SYNC_CANCEL: u32 = 24;
pub const REGISTER_RESIZE_RINGS: u32 = 33;
pub const REGISTER_MEM_REGION: u32 = 34;
pub const REGISTER_USE_REGISTERED_RING: u32 = 1 << 31;

pub const MEM_REGION_TYPE_USER: u32 = 1;
pub const MEM_REGION_REG_WAIT_ARG: u64 = 1;
pub const REG_WAIT_TS: u32 = 1 << 0;

pub const OFF_SQ_RING: u64 = 0;
pub const OFF_SQES: u64 = 0x10000000;

pub const SqringOffsets = extern struct {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv1: u32,
    user_addr: u64,
};

pub const CqringOffsets = extern struct {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    overflow: u32,
    cqes: u32,
    flags: u32,
    resv1: u32,
    user_addr: u64,
};

pub const Params = extern struct {
    sq_entries: u32 = 0,
    cq_entries: u32 = 0,
    flags: u32 = 0,
    sq_thread_cpu: u32 = 0,
    sq_thread_idle: u32 = 0,
    features: u32 = 0,
    wq_fd: u32 = 0,
    resv: [3]u32 = .{ 0, 0, 0 },
    sq_off: SqringOffsets = std.mem.zeroes(SqringOffsets),
    cq_off: CqringOffsets = std.mem.zeroes(CqringOffsets),
};

pub const Sqe = extern struct {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    off: u64,
    addr: u64,
    len: u32,
    op_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    splice_fd_in: i32,
    addr3: u64,
    pad2: u64,
};

pub const Cqe = extern struct {
    user_data: u64,
    res: i32,
    flags: u32,
};

pub const Timespec = extern struct {
    sec: i64,
    nsec: i64,

    pub fn of(ns: u64) Timespec {
        return .{ .sec = @intCast(ns / 1_000_000_000), .nsec = @intCast(ns % 1_000_000_000) };
    }
};

/// What io_uring_enter takes under ENTER_EXT_ARG.
pub const GeteventsArg = extern struct {
    sigmask: u64 = 0,
    sigmask_sz: u32 = 0,
    min_wait_usec: u32 = 0,
    ts: u64 = 0,
};

/// The same for ENTER_EXT_ARG_REG, where it lies in a registered region and is not copied.
pub const RegWait = extern struct {
    ts: Timespec = .{ .sec = 0, .nsec = 0 },
    min_wait_usec: u32 = 0,
    flags: u32 = 0,
    sigmask: u64 = 0,
    sigmask_sz: u32 = 0,
    pad: [3]u32 = @splat(0),
    pad2: [2]u64 = @splat(0),
};

pub const RegionDesc = extern struct {
    user_addr: u64 = 0,
    size: u64 = 0,
    flags: u32 = 0,
    id: u32 = 0,
    mmap_offset: u64 = 0,
    resv: [4]u64 = @splat(0),
};

pub const MemRegionReg = extern struct {
    region_uptr: u64 = 0,
    flags: u64 = 0,
    resv: [2]u64 = @splat(0),
};

/// What REGISTER_RING_FDS and its undoing take.
pub const RsrcUpdate = extern struct {
    offset: u32 = 0,
    resv: u32 = 0,
    data: u64 = 0,
};

/// What REGISTER_SYNC_CANCEL takes. A timeout of 0 does not wait for what can't be cancelled at once.
pub const SyncCancelReg = extern struct {
    addr: u64 = 0,
    fd: i32 = -1,
    flags: u32 = 0,
    timeout: Timespec = .{ .sec = 0, .nsec = 0 },
    opcode: u8 = 0,
    pad: [7]u8 = @splat(0),
    pad2: [3]u64 = @splat(0),
};

comptime {
    assert(@sizeOf(Params) == 120);
    assert(@offsetOf(Params, "features") == 20);
    assert(@offsetOf(Params, "wq_fd") == 24);
    assert(@offsetOf(Params, "sq_off") == 40);
    assert(@offsetOf(Params, "cq_off") == 80);
    assert(@sizeOf(SqringOffsets) == 40);
    assert(@offsetOf(SqringOffsets, "array") == 24);
    assert(@sizeOf(CqringOffsets) == 40);
    assert(@offsetOf(CqringOffsets, "cqes") == 20);
    assert(@sizeOf(Sqe) == 64);
    assert(@offsetOf(Sqe, "off") == 8);
    assert(@offsetOf(Sqe, "user_data") == 32);
    assert(@offsetOf(Sqe, "addr3") == 48);
    assert(@sizeOf(Cqe) == 16);
    assert(@offsetOf(Cqe, "flags") == 12);
    assert(@sizeOf(Timespec) == 16);
    assert(@sizeOf(SyncCancelReg) == 64);
    assert(@offsetOf(SyncCancelReg, "timeout") == 16);
    assert(@sizeOf(RegWait) == 64);
    assert(@offsetOf(RegWait, "flags") == 20);
    assert(@offsetOf(RegWait, "sigmask") == 24);
    assert(@sizeOf(RegionDesc) == 64);
    assert(@offsetOf(RegionDesc, "mmap_offset") == 24);
    assert(@sizeOf(MemRegionReg) == 32);
    assert(@sizeOf(RsrcUpdate) == 16);
    assert(@offsetOf(RsrcUpdate, "data") == 8);
    assert(@sizeOf(GeteventsArg) == 24);
    assert(@offsetOf(GeteventsArg, "min_wait_usec") == 12);
    assert(@offsetOf(GeteventsArg, "ts") == 16);
}
