/**
 * The structs that pass between program and kernel, on 64 bits, little-endian: sizes, and where each field is.
 *
 * Fields of anonymous members stand beside the others; those of named ones are written with a dot. A flexible array
 * has size 0. Loaded only where layouts are looked up by name: code on the hot path has its offsets as numbers.
 *
 * @module
 */

/** A field of a struct. */
export interface StructField {
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** Bytes; 0 for a flexible array. */
  readonly size: number;
  /** The type as C spells it; of an array, the type of its elements. */
  readonly type: string;
  /** Of an array: how many elements. */
  readonly count?: number;
}

/** A struct. */
export interface Struct {
  /** Bytes. */
  readonly size: number;
  /** What its address must be a multiple of. */
  readonly align: number;
  /** Name → field, in the header's order. */
  readonly fields: Readonly<Record<string, StructField>>;
}

/** Name → struct. */
export const structs = {
  /** A submission: what to do. SQEs of 128 bytes go on behind it. */
  io_uring_sqe: {
    size: 64,
    align: 8,
    fields: {
      opcode: { offset: 0, size: 1, type: "__u8" },
      flags: { offset: 1, size: 1, type: "__u8" },
      ioprio: { offset: 2, size: 2, type: "__u16" },
      fd: { offset: 4, size: 4, type: "__s32" },
      off: { offset: 8, size: 8, type: "__u64" },
      addr2: { offset: 8, size: 8, type: "__u64" },
      cmd_op: { offset: 8, size: 4, type: "__u32" },
      __pad1: { offset: 12, size: 4, type: "__u32" },
      addr: { offset: 16, size: 8, type: "__u64" },
      splice_off_in: { offset: 16, size: 8, type: "__u64" },
      level: { offset: 16, size: 4, type: "__u32" },
      optname: { offset: 20, size: 4, type: "__u32" },
      len: { offset: 24, size: 4, type: "__u32" },
      rw_flags: { offset: 28, size: 4, type: "__u32" },
      fsync_flags: { offset: 28, size: 4, type: "__u32" },
      poll_events: { offset: 28, size: 2, type: "__u16" },
      poll32_events: { offset: 28, size: 4, type: "__u32" },
      sync_range_flags: { offset: 28, size: 4, type: "__u32" },
      msg_flags: { offset: 28, size: 4, type: "__u32" },
      timeout_flags: { offset: 28, size: 4, type: "__u32" },
      accept_flags: { offset: 28, size: 4, type: "__u32" },
      cancel_flags: { offset: 28, size: 4, type: "__u32" },
      open_flags: { offset: 28, size: 4, type: "__u32" },
      statx_flags: { offset: 28, size: 4, type: "__u32" },
      fadvise_advice: { offset: 28, size: 4, type: "__u32" },
      splice_flags: { offset: 28, size: 4, type: "__u32" },
      rename_flags: { offset: 28, size: 4, type: "__u32" },
      unlink_flags: { offset: 28, size: 4, type: "__u32" },
      hardlink_flags: { offset: 28, size: 4, type: "__u32" },
      xattr_flags: { offset: 28, size: 4, type: "__u32" },
      msg_ring_flags: { offset: 28, size: 4, type: "__u32" },
      uring_cmd_flags: { offset: 28, size: 4, type: "__u32" },
      waitid_flags: { offset: 28, size: 4, type: "__u32" },
      futex_flags: { offset: 28, size: 4, type: "__u32" },
      install_fd_flags: { offset: 28, size: 4, type: "__u32" },
      nop_flags: { offset: 28, size: 4, type: "__u32" },
      pipe_flags: { offset: 28, size: 4, type: "__u32" },
      user_data: { offset: 32, size: 8, type: "__u64" },
      buf_index: { offset: 40, size: 2, type: "__u16" },
      buf_group: { offset: 40, size: 2, type: "__u16" },
      personality: { offset: 42, size: 2, type: "__u16" },
      splice_fd_in: { offset: 44, size: 4, type: "__s32" },
      file_index: { offset: 44, size: 4, type: "__u32" },
      zcrx_ifq_idx: { offset: 44, size: 4, type: "__u32" },
      optlen: { offset: 44, size: 4, type: "__u32" },
      addr_len: { offset: 44, size: 2, type: "__u16" },
      __pad3: { offset: 46, size: 2, type: "__u16", count: 1 },
      write_stream: { offset: 44, size: 1, type: "__u8" },
      __pad4: { offset: 45, size: 3, type: "__u8", count: 3 },
      addr3: { offset: 48, size: 8, type: "__u64" },
      __pad2: { offset: 56, size: 8, type: "__u64", count: 1 },
      attr_ptr: { offset: 48, size: 8, type: "__u64" },
      attr_type_mask: { offset: 56, size: 8, type: "__u64" },
      optval: { offset: 48, size: 8, type: "__u64" },
      cmd: { offset: 48, size: 0, type: "__u8", count: 0 },
    },
  },
  /** Protection information of a read or write (`attr_ptr`). */
  io_uring_attr_pi: {
    size: 32,
    align: 8,
    fields: {
      flags: { offset: 0, size: 2, type: "__u16" },
      app_tag: { offset: 2, size: 2, type: "__u16" },
      len: { offset: 4, size: 4, type: "__u32" },
      addr: { offset: 8, size: 8, type: "__u64" },
      seed: { offset: 16, size: 8, type: "__u64" },
      rsvd: { offset: 24, size: 8, type: "__u64" },
    },
  },
  /** A completion. CQEs of 32 bytes go on behind it. */
  io_uring_cqe: {
    size: 16,
    align: 8,
    fields: {
      user_data: { offset: 0, size: 8, type: "__u64" },
      res: { offset: 8, size: 4, type: "__s32" },
      flags: { offset: 12, size: 4, type: "__u32" },
      big_cqe: { offset: 16, size: 0, type: "__u64", count: 0 },
    },
  },
  /** Where things are in the SQ ring. */
  io_sqring_offsets: {
    size: 40,
    align: 8,
    fields: {
      head: { offset: 0, size: 4, type: "__u32" },
      tail: { offset: 4, size: 4, type: "__u32" },
      ring_mask: { offset: 8, size: 4, type: "__u32" },
      ring_entries: { offset: 12, size: 4, type: "__u32" },
      flags: { offset: 16, size: 4, type: "__u32" },
      dropped: { offset: 20, size: 4, type: "__u32" },
      array: { offset: 24, size: 4, type: "__u32" },
      resv1: { offset: 28, size: 4, type: "__u32" },
      user_addr: { offset: 32, size: 8, type: "__u64" },
    },
  },
  /** Where things are in the CQ ring. */
  io_cqring_offsets: {
    size: 40,
    align: 8,
    fields: {
      head: { offset: 0, size: 4, type: "__u32" },
      tail: { offset: 4, size: 4, type: "__u32" },
      ring_mask: { offset: 8, size: 4, type: "__u32" },
      ring_entries: { offset: 12, size: 4, type: "__u32" },
      overflow: { offset: 16, size: 4, type: "__u32" },
      cqes: { offset: 20, size: 4, type: "__u32" },
      flags: { offset: 24, size: 4, type: "__u32" },
      resv1: { offset: 28, size: 4, type: "__u32" },
      user_addr: { offset: 32, size: 8, type: "__u64" },
    },
  },
  /** What io_uring_setup(2) takes and gives. */
  io_uring_params: {
    size: 120,
    align: 8,
    fields: {
      sq_entries: { offset: 0, size: 4, type: "__u32" },
      cq_entries: { offset: 4, size: 4, type: "__u32" },
      flags: { offset: 8, size: 4, type: "__u32" },
      sq_thread_cpu: { offset: 12, size: 4, type: "__u32" },
      sq_thread_idle: { offset: 16, size: 4, type: "__u32" },
      features: { offset: 20, size: 4, type: "__u32" },
      wq_fd: { offset: 24, size: 4, type: "__u32" },
      resv: { offset: 28, size: 12, type: "__u32", count: 3 },
      sq_off: { offset: 40, size: 40, type: "struct io_sqring_offsets" },
      cq_off: { offset: 80, size: 40, type: "struct io_cqring_offsets" },
    },
  },
  /** FILES_UPDATE, the old form of io_uring_rsrc_update. */
  io_uring_files_update: {
    size: 16,
    align: 8,
    fields: {
      offset: { offset: 0, size: 4, type: "__u32" },
      resv: { offset: 4, size: 4, type: "__u32" },
      fds: { offset: 8, size: 8, type: "__aligned_u64" },
    },
  },
  /** A piece of memory shared with the kernel. */
  io_uring_region_desc: {
    size: 64,
    align: 8,
    fields: {
      user_addr: { offset: 0, size: 8, type: "__u64" },
      size: { offset: 8, size: 8, type: "__u64" },
      flags: { offset: 16, size: 4, type: "__u32" },
      id: { offset: 20, size: 4, type: "__u32" },
      mmap_offset: { offset: 24, size: 8, type: "__u64" },
      __resv: { offset: 32, size: 32, type: "__u64", count: 4 },
    },
  },
  /** MEM_REGION. */
  io_uring_mem_region_reg: {
    size: 32,
    align: 8,
    fields: {
      region_uptr: { offset: 0, size: 8, type: "__u64" },
      flags: { offset: 8, size: 8, type: "__u64" },
      __resv: { offset: 16, size: 16, type: "__u64", count: 2 },
    },
  },
  /** FILES2, BUFFERS2. */
  io_uring_rsrc_register: {
    size: 32,
    align: 8,
    fields: {
      nr: { offset: 0, size: 4, type: "__u32" },
      flags: { offset: 4, size: 4, type: "__u32" },
      resv2: { offset: 8, size: 8, type: "__u64" },
      data: { offset: 16, size: 8, type: "__aligned_u64" },
      tags: { offset: 24, size: 8, type: "__aligned_u64" },
    },
  },
  /** FILES_UPDATE, RING_FDS. */
  io_uring_rsrc_update: {
    size: 16,
    align: 8,
    fields: {
      offset: { offset: 0, size: 4, type: "__u32" },
      resv: { offset: 4, size: 4, type: "__u32" },
      data: { offset: 8, size: 8, type: "__aligned_u64" },
    },
  },
  /** FILES_UPDATE2, BUFFERS_UPDATE. */
  io_uring_rsrc_update2: {
    size: 32,
    align: 8,
    fields: {
      offset: { offset: 0, size: 4, type: "__u32" },
      resv: { offset: 4, size: 4, type: "__u32" },
      data: { offset: 8, size: 8, type: "__aligned_u64" },
      tags: { offset: 16, size: 8, type: "__aligned_u64" },
      nr: { offset: 24, size: 4, type: "__u32" },
      resv2: { offset: 28, size: 4, type: "__u32" },
    },
  },
  /** One op in the answer of PROBE. */
  io_uring_probe_op: {
    size: 8,
    align: 4,
    fields: {
      op: { offset: 0, size: 1, type: "__u8" },
      resv: { offset: 1, size: 1, type: "__u8" },
      flags: { offset: 2, size: 2, type: "__u16" },
      resv2: { offset: 4, size: 4, type: "__u32" },
    },
  },
  /** PROBE; the ops follow. */
  io_uring_probe: {
    size: 16,
    align: 4,
    fields: {
      last_op: { offset: 0, size: 1, type: "__u8" },
      ops_len: { offset: 1, size: 1, type: "__u8" },
      resv: { offset: 2, size: 2, type: "__u16" },
      resv2: { offset: 4, size: 12, type: "__u32", count: 3 },
      ops: { offset: 16, size: 0, type: "struct io_uring_probe_op", count: 0 },
    },
  },
  /** One restriction. */
  io_uring_restriction: {
    size: 16,
    align: 4,
    fields: {
      opcode: { offset: 0, size: 2, type: "__u16" },
      register_op: { offset: 2, size: 1, type: "__u8" },
      sqe_op: { offset: 2, size: 1, type: "__u8" },
      sqe_flags: { offset: 2, size: 1, type: "__u8" },
      resv: { offset: 3, size: 1, type: "__u8" },
      resv2: { offset: 4, size: 12, type: "__u32", count: 3 },
    },
  },
  /** Restrictions for a task. */
  io_uring_task_restriction: {
    size: 16,
    align: 4,
    fields: {
      flags: { offset: 0, size: 2, type: "__u16" },
      nr_res: { offset: 2, size: 2, type: "__u16" },
      resv: { offset: 4, size: 12, type: "__u32", count: 3 },
      restrictions: { offset: 16, size: 0, type: "struct io_uring_restriction", count: 0 },
    },
  },
  /** CLOCK. */
  io_uring_clock_register: {
    size: 16,
    align: 4,
    fields: {
      clockid: { offset: 0, size: 4, type: "__u32" },
      __resv: { offset: 4, size: 12, type: "__u32", count: 3 },
    },
  },
  /** CLONE_BUFFERS. */
  io_uring_clone_buffers: {
    size: 32,
    align: 4,
    fields: {
      src_fd: { offset: 0, size: 4, type: "__u32" },
      flags: { offset: 4, size: 4, type: "__u32" },
      src_off: { offset: 8, size: 4, type: "__u32" },
      dst_off: { offset: 12, size: 4, type: "__u32" },
      nr: { offset: 16, size: 4, type: "__u32" },
      pad: { offset: 20, size: 12, type: "__u32", count: 3 },
    },
  },
  /** One buffer of a buffer ring. */
  io_uring_buf: {
    size: 16,
    align: 8,
    fields: {
      addr: { offset: 0, size: 8, type: "__u64" },
      len: { offset: 8, size: 4, type: "__u32" },
      bid: { offset: 12, size: 2, type: "__u16" },
      resv: { offset: 14, size: 2, type: "__u16" },
    },
  },
  /** A buffer ring: its tail lies in the reserved field of the first buffer. */
  io_uring_buf_ring: {
    size: 16,
    align: 8,
    fields: {
      resv1: { offset: 0, size: 8, type: "__u64" },
      resv2: { offset: 8, size: 4, type: "__u32" },
      resv3: { offset: 12, size: 2, type: "__u16" },
      tail: { offset: 14, size: 2, type: "__u16" },
      bufs: { offset: 0, size: 0, type: "struct io_uring_buf", count: 0 },
    },
  },
  /** PBUF_RING, UNREGISTER_PBUF_RING. */
  io_uring_buf_reg: {
    size: 40,
    align: 8,
    fields: {
      ring_addr: { offset: 0, size: 8, type: "__u64" },
      ring_entries: { offset: 8, size: 4, type: "__u32" },
      bgid: { offset: 12, size: 2, type: "__u16" },
      flags: { offset: 14, size: 2, type: "__u16" },
      min_left: { offset: 16, size: 4, type: "__u32" },
      resv: { offset: 20, size: 20, type: "__u32", count: 5 },
    },
  },
  /** PBUF_STATUS. */
  io_uring_buf_status: {
    size: 40,
    align: 4,
    fields: {
      buf_group: { offset: 0, size: 4, type: "__u32" },
      head: { offset: 4, size: 4, type: "__u32" },
      resv: { offset: 8, size: 32, type: "__u32", count: 8 },
    },
  },
  /** NAPI, UNREGISTER_NAPI. */
  io_uring_napi: {
    size: 16,
    align: 4,
    fields: {
      busy_poll_to: { offset: 0, size: 4, type: "__u32" },
      prefer_busy_poll: { offset: 4, size: 1, type: "__u8" },
      opcode: { offset: 5, size: 1, type: "__u8" },
      pad: { offset: 6, size: 2, type: "__u8", count: 2 },
      op_param: { offset: 8, size: 4, type: "__u32" },
      resv: { offset: 12, size: 4, type: "__u32" },
    },
  },
  /** A wait argument in a registered region (IORING_ENTER_EXT_ARG_REG). */
  io_uring_reg_wait: {
    size: 64,
    align: 8,
    fields: {
      ts: { offset: 0, size: 16, type: "struct __kernel_timespec" },
      min_wait_usec: { offset: 16, size: 4, type: "__u32" },
      flags: { offset: 20, size: 4, type: "__u32" },
      sigmask: { offset: 24, size: 8, type: "__u64" },
      sigmask_sz: { offset: 32, size: 4, type: "__u32" },
      pad: { offset: 36, size: 12, type: "__u32", count: 3 },
      pad2: { offset: 48, size: 16, type: "__u64", count: 2 },
    },
  },
  /** The argument of io_uring_enter(2) with IORING_ENTER_EXT_ARG. */
  io_uring_getevents_arg: {
    size: 24,
    align: 8,
    fields: {
      sigmask: { offset: 0, size: 8, type: "__u64" },
      sigmask_sz: { offset: 8, size: 4, type: "__u32" },
      min_wait_usec: { offset: 12, size: 4, type: "__u32" },
      ts: { offset: 16, size: 8, type: "__u64" },
    },
  },
  /** SYNC_CANCEL. */
  io_uring_sync_cancel_reg: {
    size: 64,
    align: 8,
    fields: {
      addr: { offset: 0, size: 8, type: "__u64" },
      fd: { offset: 8, size: 4, type: "__s32" },
      flags: { offset: 12, size: 4, type: "__u32" },
      timeout: { offset: 16, size: 16, type: "struct __kernel_timespec" },
      opcode: { offset: 32, size: 1, type: "__u8" },
      pad: { offset: 33, size: 7, type: "__u8", count: 7 },
      pad2: { offset: 40, size: 24, type: "__u64", count: 3 },
    },
  },
  /** FILE_ALLOC_RANGE. */
  io_uring_file_index_range: {
    size: 16,
    align: 8,
    fields: {
      off: { offset: 0, size: 4, type: "__u32" },
      len: { offset: 4, size: 4, type: "__u32" },
      resv: { offset: 8, size: 8, type: "__u64" },
    },
  },
  /** In front of the name, control data and payload of a multishot RECVMSG. */
  io_uring_recvmsg_out: {
    size: 16,
    align: 4,
    fields: {
      namelen: { offset: 0, size: 4, type: "__u32" },
      controllen: { offset: 4, size: 4, type: "__u32" },
      payloadlen: { offset: 8, size: 4, type: "__u32" },
      flags: { offset: 12, size: 4, type: "__u32" },
    },
  },
  /** A timestamp of SOCKET_URING_OP_TX_TIMESTAMP, in the second half of its CQE. */
  io_timespec: {
    size: 16,
    align: 8,
    fields: {
      tv_sec: { offset: 0, size: 8, type: "__u64" },
      tv_nsec: { offset: 8, size: 8, type: "__u64" },
    },
  },
  /** An entry of the refill queue: a buffer given back. */
  io_uring_zcrx_rqe: {
    size: 16,
    align: 8,
    fields: {
      off: { offset: 0, size: 8, type: "__u64" },
      len: { offset: 8, size: 4, type: "__u32" },
      __pad: { offset: 12, size: 4, type: "__u32" },
    },
  },
  /** The second half of the CQE of a RECV_ZC. */
  io_uring_zcrx_cqe: {
    size: 16,
    align: 8,
    fields: {
      off: { offset: 0, size: 8, type: "__u64" },
      __pad: { offset: 8, size: 8, type: "__u64" },
    },
  },
  /** Where things are in the refill queue. */
  io_uring_zcrx_offsets: {
    size: 32,
    align: 8,
    fields: {
      head: { offset: 0, size: 4, type: "__u32" },
      tail: { offset: 4, size: 4, type: "__u32" },
      rqes: { offset: 8, size: 4, type: "__u32" },
      __resv2: { offset: 12, size: 4, type: "__u32" },
      __resv: { offset: 16, size: 16, type: "__u64", count: 2 },
    },
  },
  /** The memory that packets land in. */
  io_uring_zcrx_area_reg: {
    size: 48,
    align: 8,
    fields: {
      addr: { offset: 0, size: 8, type: "__u64" },
      len: { offset: 8, size: 8, type: "__u64" },
      rq_area_token: { offset: 16, size: 8, type: "__u64" },
      flags: { offset: 24, size: 4, type: "__u32" },
      dmabuf_fd: { offset: 28, size: 4, type: "__u32" },
      __resv2: { offset: 32, size: 16, type: "__u64", count: 2 },
    },
  },
  /** Counts of what had to be copied. */
  zcrx_stats: {
    size: 16,
    align: 8,
    fields: {
      copy_count: { offset: 0, size: 8, type: "__u64" },
      copy_bytes: { offset: 8, size: 8, type: "__u64" },
    },
  },
  /** Which events are wanted, and how. */
  zcrx_event_desc: {
    size: 96,
    align: 8,
    fields: {
      user_data: { offset: 0, size: 8, type: "__u64" },
      type_mask: { offset: 8, size: 4, type: "__u32" },
      flags: { offset: 12, size: 4, type: "__u32" },
      stats_offset: { offset: 16, size: 8, type: "__u64" },
      __resv2: { offset: 24, size: 72, type: "__u64", count: 9 },
    },
  },
  /** ZCRX_IFQ. */
  io_uring_zcrx_ifq_reg: {
    size: 96,
    align: 8,
    fields: {
      if_idx: { offset: 0, size: 4, type: "__u32" },
      if_rxq: { offset: 4, size: 4, type: "__u32" },
      rq_entries: { offset: 8, size: 4, type: "__u32" },
      flags: { offset: 12, size: 4, type: "__u32" },
      area_ptr: { offset: 16, size: 8, type: "__u64" },
      region_ptr: { offset: 24, size: 8, type: "__u64" },
      offsets: { offset: 32, size: 32, type: "struct io_uring_zcrx_offsets" },
      zcrx_id: { offset: 64, size: 4, type: "__u32" },
      rx_buf_len: { offset: 68, size: 4, type: "__u32" },
      event_desc: { offset: 72, size: 8, type: "__u64" },
      __resv: { offset: 80, size: 16, type: "__u64", count: 2 },
    },
  },
  /** ZCRX_CTRL_FLUSH_RQ. */
  zcrx_ctrl_flush_rq: {
    size: 48,
    align: 8,
    fields: {
      __resv: { offset: 0, size: 48, type: "__u64", count: 6 },
    },
  },
  /** ZCRX_CTRL_EXPORT. */
  zcrx_ctrl_export: {
    size: 48,
    align: 4,
    fields: {
      zcrx_fd: { offset: 0, size: 4, type: "__u32" },
      __resv1: { offset: 4, size: 44, type: "__u32", count: 11 },
    },
  },
  /** ZCRX_CTRL_ARM_EVENT. */
  zcrx_ctrl_arm_event: {
    size: 48,
    align: 4,
    fields: {
      event_type: { offset: 0, size: 4, type: "__u32" },
      __resv: { offset: 4, size: 44, type: "__u32", count: 11 },
    },
  },
  /** ZCRX_CTRL. */
  zcrx_ctrl: {
    size: 72,
    align: 8,
    fields: {
      zcrx_id: { offset: 0, size: 4, type: "__u32" },
      op: { offset: 4, size: 4, type: "__u32" },
      __resv: { offset: 8, size: 16, type: "__u64", count: 2 },
      zc_export: { offset: 24, size: 48, type: "struct zcrx_ctrl_export" },
      zc_flush: { offset: 24, size: 48, type: "struct zcrx_ctrl_flush_rq" },
      zc_arm_event: { offset: 24, size: 48, type: "struct zcrx_ctrl_arm_event" },
    },
  },
  /** QUERY: one question; a list of them is linked by next_entry. */
  io_uring_query_hdr: {
    size: 40,
    align: 8,
    fields: {
      next_entry: { offset: 0, size: 8, type: "__u64" },
      query_data: { offset: 8, size: 8, type: "__u64" },
      query_op: { offset: 16, size: 4, type: "__u32" },
      size: { offset: 20, size: 4, type: "__u32" },
      result: { offset: 24, size: 4, type: "__s32" },
      __resv: { offset: 28, size: 12, type: "__u32", count: 3 },
    },
  },
  /** The answer to IO_URING_QUERY_OPCODES. */
  io_uring_query_opcode: {
    size: 48,
    align: 8,
    fields: {
      nr_request_opcodes: { offset: 0, size: 4, type: "__u32" },
      nr_register_opcodes: { offset: 4, size: 4, type: "__u32" },
      feature_flags: { offset: 8, size: 8, type: "__u64" },
      ring_setup_flags: { offset: 16, size: 8, type: "__u64" },
      enter_flags: { offset: 24, size: 8, type: "__u64" },
      sqe_flags: { offset: 32, size: 8, type: "__u64" },
      nr_query_opcodes: { offset: 40, size: 4, type: "__u32" },
      __pad: { offset: 44, size: 4, type: "__u32" },
    },
  },
  /** The answer to IO_URING_QUERY_ZCRX. */
  io_uring_query_zcrx: {
    size: 40,
    align: 8,
    fields: {
      register_flags: { offset: 0, size: 8, type: "__u64" },
      area_flags: { offset: 8, size: 8, type: "__u64" },
      nr_ctrl_opcodes: { offset: 16, size: 4, type: "__u32" },
      features: { offset: 20, size: 4, type: "__u32" },
      rq_hdr_size: { offset: 24, size: 4, type: "__u32" },
      rq_hdr_alignment: { offset: 28, size: 4, type: "__u32" },
      __resv2: { offset: 32, size: 8, type: "__u64" },
    },
  },
  /** The answer to IO_URING_QUERY_ZCRX_EVENT. */
  io_uring_query_zcrx_event: {
    size: 48,
    align: 8,
    fields: {
      event_flags: { offset: 0, size: 4, type: "__u32" },
      stats_size: { offset: 4, size: 4, type: "__u32" },
      stats_off_alignment: { offset: 8, size: 4, type: "__u32" },
      __resv1: { offset: 12, size: 4, type: "__u32" },
      __resv2: { offset: 16, size: 32, type: "__u64", count: 4 },
    },
  },
  /** The answer to IO_URING_QUERY_SCQ. */
  io_uring_query_scq: {
    size: 16,
    align: 8,
    fields: {
      hdr_size: { offset: 0, size: 8, type: "__u64" },
      hdr_alignment: { offset: 8, size: 8, type: "__u64" },
    },
  },
  /** What a BPF filter sees. */
  io_uring_bpf_ctx: {
    size: 40,
    align: 8,
    fields: {
      user_data: { offset: 0, size: 8, type: "__u64" },
      opcode: { offset: 8, size: 1, type: "__u8" },
      sqe_flags: { offset: 9, size: 1, type: "__u8" },
      pdu_size: { offset: 10, size: 1, type: "__u8" },
      pad: { offset: 11, size: 5, type: "__u8", count: 5 },
      socket: { offset: 16, size: 12, type: "struct" },
      "socket.family": { offset: 16, size: 4, type: "__u32" },
      "socket.type": { offset: 20, size: 4, type: "__u32" },
      "socket.protocol": { offset: 24, size: 4, type: "__u32" },
      open: { offset: 16, size: 24, type: "struct" },
      "open.flags": { offset: 16, size: 8, type: "__u64" },
      "open.mode": { offset: 24, size: 8, type: "__u64" },
      "open.resolve": { offset: 32, size: 8, type: "__u64" },
      connect: { offset: 16, size: 24, type: "struct" },
      "connect.family": { offset: 16, size: 4, type: "__u32" },
      "connect.port": { offset: 20, size: 2, type: "__be16" },
      "connect.pad": { offset: 22, size: 2, type: "__u8", count: 2 },
      "connect.v4_addr": { offset: 24, size: 4, type: "__be32" },
      "connect.v6_addr": { offset: 24, size: 16, type: "__u8", count: 16 },
    },
  },
  /** A BPF filter for one op. */
  io_uring_bpf_filter: {
    size: 64,
    align: 8,
    fields: {
      opcode: { offset: 0, size: 4, type: "__u32" },
      flags: { offset: 4, size: 4, type: "__u32" },
      filter_len: { offset: 8, size: 4, type: "__u32" },
      pdu_size: { offset: 12, size: 1, type: "__u8" },
      resv: { offset: 13, size: 3, type: "__u8", count: 3 },
      filter_ptr: { offset: 16, size: 8, type: "__u64" },
      resv2: { offset: 24, size: 40, type: "__u64", count: 5 },
    },
  },
  /** BPF_FILTER. */
  io_uring_bpf: {
    size: 72,
    align: 8,
    fields: {
      cmd_type: { offset: 0, size: 2, type: "__u16" },
      cmd_flags: { offset: 2, size: 2, type: "__u16" },
      resv: { offset: 4, size: 4, type: "__u32" },
      filter: { offset: 8, size: 64, type: "struct io_uring_bpf_filter" },
    },
  },
  /** IORING_MOCK_MGR_CMD_PROBE. */
  io_uring_mock_probe: {
    size: 80,
    align: 8,
    fields: {
      features: { offset: 0, size: 8, type: "__u64" },
      __resv: { offset: 8, size: 72, type: "__u64", count: 9 },
    },
  },
  /** IORING_MOCK_MGR_CMD_CREATE. */
  io_uring_mock_create: {
    size: 128,
    align: 8,
    fields: {
      out_fd: { offset: 0, size: 4, type: "__u32" },
      flags: { offset: 4, size: 4, type: "__u32" },
      file_size: { offset: 8, size: 8, type: "__u64" },
      rw_delay_ns: { offset: 16, size: 8, type: "__u64" },
      __resv: { offset: 24, size: 104, type: "__u64", count: 13 },
    },
  },
  /** A time; a span or a point. */
  __kernel_timespec: {
    size: 16,
    align: 8,
    fields: {
      tv_sec: { offset: 0, size: 8, type: "__kernel_time64_t" },
      tv_nsec: { offset: 8, size: 8, type: "long long" },
    },
  },
  /** OPENAT2. */
  open_how: {
    size: 24,
    align: 8,
    fields: {
      flags: { offset: 0, size: 8, type: "__u64" },
      mode: { offset: 8, size: 8, type: "__u64" },
      resolve: { offset: 16, size: 8, type: "__u64" },
    },
  },
  /** A time in struct statx. */
  statx_timestamp: {
    size: 16,
    align: 8,
    fields: {
      tv_sec: { offset: 0, size: 8, type: "__s64" },
      tv_nsec: { offset: 8, size: 4, type: "__u32" },
      __reserved: { offset: 12, size: 4, type: "__s32" },
    },
  },
  /** What STATX gives. */
  statx: {
    size: 256,
    align: 8,
    fields: {
      stx_mask: { offset: 0, size: 4, type: "__u32" },
      stx_blksize: { offset: 4, size: 4, type: "__u32" },
      stx_attributes: { offset: 8, size: 8, type: "__u64" },
      stx_nlink: { offset: 16, size: 4, type: "__u32" },
      stx_uid: { offset: 20, size: 4, type: "__u32" },
      stx_gid: { offset: 24, size: 4, type: "__u32" },
      stx_mode: { offset: 28, size: 2, type: "__u16" },
      __spare0: { offset: 30, size: 2, type: "__u16", count: 1 },
      stx_ino: { offset: 32, size: 8, type: "__u64" },
      stx_size: { offset: 40, size: 8, type: "__u64" },
      stx_blocks: { offset: 48, size: 8, type: "__u64" },
      stx_attributes_mask: { offset: 56, size: 8, type: "__u64" },
      stx_atime: { offset: 64, size: 16, type: "struct statx_timestamp" },
      stx_btime: { offset: 80, size: 16, type: "struct statx_timestamp" },
      stx_ctime: { offset: 96, size: 16, type: "struct statx_timestamp" },
      stx_mtime: { offset: 112, size: 16, type: "struct statx_timestamp" },
      stx_rdev_major: { offset: 128, size: 4, type: "__u32" },
      stx_rdev_minor: { offset: 132, size: 4, type: "__u32" },
      stx_dev_major: { offset: 136, size: 4, type: "__u32" },
      stx_dev_minor: { offset: 140, size: 4, type: "__u32" },
      stx_mnt_id: { offset: 144, size: 8, type: "__u64" },
      stx_dio_mem_align: { offset: 152, size: 4, type: "__u32" },
      stx_dio_offset_align: { offset: 156, size: 4, type: "__u32" },
      stx_subvol: { offset: 160, size: 8, type: "__u64" },
      stx_atomic_write_unit_min: { offset: 168, size: 4, type: "__u32" },
      stx_atomic_write_unit_max: { offset: 172, size: 4, type: "__u32" },
      stx_atomic_write_segments_max: { offset: 176, size: 4, type: "__u32" },
      stx_dio_read_offset_align: { offset: 180, size: 4, type: "__u32" },
      stx_atomic_write_unit_max_opt: { offset: 184, size: 4, type: "__u32" },
      __spare2: { offset: 188, size: 4, type: "__u32", count: 1 },
      __spare3: { offset: 192, size: 64, type: "__u64", count: 8 },
    },
  },
  /** One futex of FUTEX_WAITV. */
  futex_waitv: {
    size: 24,
    align: 8,
    fields: {
      val: { offset: 0, size: 8, type: "__u64" },
      uaddr: { offset: 8, size: 8, type: "__u64" },
      flags: { offset: 16, size: 4, type: "__u32" },
      __reserved: { offset: 20, size: 4, type: "__u32" },
    },
  },
  /** A buffer of READV and its like. */
  iovec: {
    size: 16,
    align: 8,
    fields: {
      iov_base: { offset: 0, size: 8, type: "void *" },
      iov_len: { offset: 8, size: 8, type: "__kernel_size_t" },
    },
  },
  /** An IPv4 address. */
  sockaddr_in: {
    size: 16,
    align: 4,
    fields: {
      sin_family: { offset: 0, size: 2, type: "__kernel_sa_family_t" },
      sin_port: { offset: 2, size: 2, type: "__be16" },
      sin_addr: { offset: 4, size: 4, type: "struct in_addr" },
      __pad: { offset: 8, size: 8, type: "unsigned char", count: 8 },
    },
  },
  /** An IPv6 address. */
  sockaddr_in6: {
    size: 28,
    align: 4,
    fields: {
      sin6_family: { offset: 0, size: 2, type: "unsigned short" },
      sin6_port: { offset: 2, size: 2, type: "__be16" },
      sin6_flowinfo: { offset: 4, size: 4, type: "__be32" },
      sin6_addr: { offset: 8, size: 16, type: "struct in6_addr" },
      sin6_scope_id: { offset: 24, size: 4, type: "__u32" },
    },
  },
  /** A local address: a path. */
  sockaddr_un: {
    size: 110,
    align: 2,
    fields: {
      sun_family: { offset: 0, size: 2, type: "__kernel_sa_family_t" },
      sun_path: { offset: 2, size: 108, type: "char", count: 108 },
    },
  },
  /** A message of SENDMSG and RECVMSG, on 64 bits. */
  msghdr: {
    size: 56,
    align: 8,
    fields: {
      msg_name: { offset: 0, size: 8, type: "void *" },
      msg_namelen: { offset: 8, size: 4, type: "unsigned int" },
      msg_iov: { offset: 16, size: 8, type: "struct iovec *" },
      msg_iovlen: { offset: 24, size: 8, type: "unsigned long" },
      msg_control: { offset: 32, size: 8, type: "void *" },
      msg_controllen: { offset: 40, size: 8, type: "unsigned long" },
      msg_flags: { offset: 48, size: 4, type: "int" },
    },
  },
  /** A piece of control data, on 64 bits. */
  cmsghdr: {
    size: 16,
    align: 8,
    fields: {
      cmsg_len: { offset: 0, size: 8, type: "unsigned long" },
      cmsg_level: { offset: 8, size: 4, type: "int" },
      cmsg_type: { offset: 12, size: 4, type: "int" },
    },
  },
} as const;
