/**
 * Every constant under the name that the kernel's header gives it, derived from the groups in `constants.ts`.
 *
 * Apart from these, because it is built when loaded, and few programs look names up.
 *
 * @module
 */
import {
  BLOCK_URING_CMD,
  IO_URING_BPF_CMD,
  IO_URING_BPF_FILTER,
  IO_URING_NAPI,
  IO_URING_NAPI_TRACKING,
  IO_URING_OP,
  IO_URING_QUERY,
  IO_WQ,
  IORING_ACCEPT,
  IORING_ASYNC_CANCEL,
  IORING_CQ,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F,
  IORING_ENTER,
  IORING_FEAT,
  IORING_FILE_INDEX_ALLOC,
  IORING_FIXED_FD,
  IORING_FSYNC,
  IORING_LINK_TIMEOUT,
  IORING_MEM_REGION,
  IORING_MOCK_CMD,
  IORING_MOCK_COPY,
  IORING_MOCK_CREATE_F,
  IORING_MOCK_FEAT,
  IORING_MOCK_MGR_CMD,
  IORING_MSG,
  IORING_MSG_RING,
  IORING_NOP,
  IORING_NOTIF,
  IORING_OFF,
  IORING_OP,
  IORING_POLL,
  IORING_RECV,
  IORING_RECVSEND,
  IORING_REG_WAIT,
  IORING_REGISTER,
  IORING_REGISTER_CLONE,
  IORING_REGISTER_FILES_SKIP,
  IORING_REGISTER_USE_REGISTERED_RING,
  IORING_RESTRICTION,
  IORING_RSRC,
  IORING_RW_ATTR_FLAG,
  IORING_SEND,
  IORING_SETUP,
  IORING_SQ,
  IORING_TIMEOUT,
  IORING_TIMESTAMP,
  IORING_URING_CMD,
  IORING_ZCRX_AREA,
  IOSQE,
  IOSQE_BIT,
  IOU_PBUF_RING,
  SOCKET_URING_OP,
  SPLICE_F,
  ZCRX_CTRL,
  ZCRX_EVENT,
  ZCRX_EVENT_DESC_FLAG,
  ZCRX_FEATURE,
  ZCRX_REG,
} from "./constants.ts";

/** `{ READ: 22 }` under `"IORING_OP_"` becomes `{ IORING_OP_READ: 22 }`. */
export type Named<Prefix extends string, Group, Suffix extends string = ""> = {
  readonly [Key in keyof Group as `${Prefix}${Key & string}${Suffix}`]: Group[Key];
};

/** Register opcodes that undo something have a prefix of their own in the header. */
export type NamedRegister<Group> = {
  readonly [
    Key in keyof Group as Key extends `UNREGISTER_${string}` ? `IORING_${Key}` : `IORING_REGISTER_${Key & string}`
  ]: Group[Key];
};

/** The type of {@link constants}. */
export type Constants =
  & Named<"IORING_OP_", typeof IORING_OP>
  & Named<"IOSQE_", typeof IOSQE>
  & Named<"IOSQE_", typeof IOSQE_BIT, "_BIT">
  & Named<"IORING_SETUP_", typeof IORING_SETUP>
  & Named<"IORING_FEAT_", typeof IORING_FEAT>
  & Named<"IORING_ENTER_", typeof IORING_ENTER>
  & NamedRegister<typeof IORING_REGISTER>
  & {
    readonly IORING_REGISTER_USE_REGISTERED_RING: typeof IORING_REGISTER_USE_REGISTERED_RING;
    readonly IORING_REGISTER_FILES_SKIP: typeof IORING_REGISTER_FILES_SKIP;
    readonly IORING_FILE_INDEX_ALLOC: typeof IORING_FILE_INDEX_ALLOC;
    readonly IORING_CQE_BUFFER_SHIFT: typeof IORING_CQE_BUFFER_SHIFT;
    /** The one SPLICE_F that io_uring adds. */
    readonly SPLICE_F_FD_IN_FIXED: typeof SPLICE_F.FD_IN_FIXED;
  }
  & Named<"IORING_CQE_F_", typeof IORING_CQE_F>
  & Named<"IORING_SQ_", typeof IORING_SQ>
  & Named<"IORING_CQ_", typeof IORING_CQ>
  & Named<"IORING_OFF_", typeof IORING_OFF>
  & Named<"IORING_FSYNC_", typeof IORING_FSYNC>
  & Named<"IORING_TIMEOUT_", typeof IORING_TIMEOUT>
  & Named<"IORING_LINK_TIMEOUT_", typeof IORING_LINK_TIMEOUT>
  & Named<"IORING_POLL_", typeof IORING_POLL>
  & Named<"IORING_ASYNC_CANCEL_", typeof IORING_ASYNC_CANCEL>
  & Named<"IORING_RECVSEND_", typeof IORING_RECVSEND>
  & Named<"IORING_RECV_", typeof IORING_RECV>
  & Named<"IORING_SEND_", typeof IORING_SEND>
  & Named<"IORING_NOTIF_", typeof IORING_NOTIF>
  & Named<"IORING_ACCEPT_", typeof IORING_ACCEPT>
  & Named<"IORING_MSG_", typeof IORING_MSG>
  & Named<"IORING_MSG_RING_", typeof IORING_MSG_RING>
  & Named<"IORING_FIXED_FD_", typeof IORING_FIXED_FD>
  & Named<"IORING_NOP_", typeof IORING_NOP>
  & Named<"IORING_URING_CMD_", typeof IORING_URING_CMD>
  & Named<"SOCKET_URING_OP_", typeof SOCKET_URING_OP>
  & Named<"BLOCK_URING_CMD_", typeof BLOCK_URING_CMD>
  & Named<"IORING_TIMESTAMP_", typeof IORING_TIMESTAMP>
  & Named<"IORING_RW_ATTR_FLAG_", typeof IORING_RW_ATTR_FLAG>
  & Named<"IO_WQ_", typeof IO_WQ>
  & Named<"IORING_MEM_REGION_", typeof IORING_MEM_REGION>
  & Named<"IORING_RSRC_", typeof IORING_RSRC>
  & Named<"IO_URING_OP_", typeof IO_URING_OP>
  & Named<"IORING_REGISTER_", typeof IORING_REGISTER_CLONE>
  & Named<"IOU_PBUF_RING_", typeof IOU_PBUF_RING>
  & Named<"IO_URING_NAPI_", typeof IO_URING_NAPI>
  & Named<"IO_URING_NAPI_TRACKING_", typeof IO_URING_NAPI_TRACKING>
  & Named<"IORING_RESTRICTION_", typeof IORING_RESTRICTION>
  & Named<"IORING_REG_WAIT_", typeof IORING_REG_WAIT>
  & Named<"IO_URING_QUERY_", typeof IO_URING_QUERY>
  & Named<"IORING_ZCRX_AREA_", typeof IORING_ZCRX_AREA>
  & Named<"ZCRX_REG_", typeof ZCRX_REG>
  & Named<"ZCRX_FEATURE_", typeof ZCRX_FEATURE>
  & Named<"ZCRX_EVENT_", typeof ZCRX_EVENT>
  & Named<"ZCRX_EVENT_DESC_FLAG_", typeof ZCRX_EVENT_DESC_FLAG>
  & Named<"ZCRX_CTRL_", typeof ZCRX_CTRL>
  & Named<"IO_URING_BPF_FILTER_", typeof IO_URING_BPF_FILTER>
  & Named<"IO_URING_BPF_CMD_", typeof IO_URING_BPF_CMD>
  & Named<"IORING_MOCK_FEAT_", typeof IORING_MOCK_FEAT>
  & Named<"IORING_MOCK_CREATE_F_", typeof IORING_MOCK_CREATE_F>
  & Named<"IORING_MOCK_MGR_CMD_", typeof IORING_MOCK_MGR_CMD>
  & Named<"IORING_MOCK_CMD_", typeof IORING_MOCK_CMD>
  & Named<"IORING_MOCK_COPY_", typeof IORING_MOCK_COPY>;

function flatten(): Constants {
  const flat: Record<string, number | bigint> = {
    IORING_REGISTER_USE_REGISTERED_RING,
    IORING_REGISTER_FILES_SKIP,
    IORING_FILE_INDEX_ALLOC,
    IORING_CQE_BUFFER_SHIFT,
    SPLICE_F_FD_IN_FIXED: SPLICE_F.FD_IN_FIXED,
  };
  const add = (prefix: string, group: Readonly<Record<string, number | bigint>>, suffix = "") => {
    for (const key in group) flat[prefix + key + suffix] = group[key]!;
  };
  add("IORING_OP_", IORING_OP);
  add("IOSQE_", IOSQE);
  add("IOSQE_", IOSQE_BIT, "_BIT");
  add("IORING_SETUP_", IORING_SETUP);
  add("IORING_FEAT_", IORING_FEAT);
  add("IORING_ENTER_", IORING_ENTER);
  for (const [key, value] of Object.entries(IORING_REGISTER)) {
    flat[(key.startsWith("UNREGISTER_") ? "IORING_" : "IORING_REGISTER_") + key] = value;
  }
  add("IORING_CQE_F_", IORING_CQE_F);
  add("IORING_SQ_", IORING_SQ);
  add("IORING_CQ_", IORING_CQ);
  add("IORING_OFF_", IORING_OFF);
  add("IORING_FSYNC_", IORING_FSYNC);
  add("IORING_TIMEOUT_", IORING_TIMEOUT);
  add("IORING_LINK_TIMEOUT_", IORING_LINK_TIMEOUT);
  add("IORING_POLL_", IORING_POLL);
  add("IORING_ASYNC_CANCEL_", IORING_ASYNC_CANCEL);
  add("IORING_RECVSEND_", IORING_RECVSEND);
  add("IORING_RECV_", IORING_RECV);
  add("IORING_SEND_", IORING_SEND);
  add("IORING_NOTIF_", IORING_NOTIF);
  add("IORING_ACCEPT_", IORING_ACCEPT);
  add("IORING_MSG_", IORING_MSG);
  add("IORING_MSG_RING_", IORING_MSG_RING);
  add("IORING_FIXED_FD_", IORING_FIXED_FD);
  add("IORING_NOP_", IORING_NOP);
  add("IORING_URING_CMD_", IORING_URING_CMD);
  add("SOCKET_URING_OP_", SOCKET_URING_OP);
  add("BLOCK_URING_CMD_", BLOCK_URING_CMD);
  add("IORING_TIMESTAMP_", IORING_TIMESTAMP);
  add("IORING_RW_ATTR_FLAG_", IORING_RW_ATTR_FLAG);
  add("IO_WQ_", IO_WQ);
  add("IORING_MEM_REGION_", IORING_MEM_REGION);
  add("IORING_RSRC_", IORING_RSRC);
  add("IO_URING_OP_", IO_URING_OP);
  add("IORING_REGISTER_", IORING_REGISTER_CLONE);
  add("IOU_PBUF_RING_", IOU_PBUF_RING);
  add("IO_URING_NAPI_", IO_URING_NAPI);
  add("IO_URING_NAPI_TRACKING_", IO_URING_NAPI_TRACKING);
  add("IORING_RESTRICTION_", IORING_RESTRICTION);
  add("IORING_REG_WAIT_", IORING_REG_WAIT);
  add("IO_URING_QUERY_", IO_URING_QUERY);
  add("IORING_ZCRX_AREA_", IORING_ZCRX_AREA);
  add("ZCRX_REG_", ZCRX_REG);
  add("ZCRX_FEATURE_", ZCRX_FEATURE);
  add("ZCRX_EVENT_", ZCRX_EVENT);
  add("ZCRX_EVENT_DESC_FLAG_", ZCRX_EVENT_DESC_FLAG);
  add("ZCRX_CTRL_", ZCRX_CTRL);
  add("IO_URING_BPF_FILTER_", IO_URING_BPF_FILTER);
  add("IO_URING_BPF_CMD_", IO_URING_BPF_CMD);
  add("IORING_MOCK_FEAT_", IORING_MOCK_FEAT);
  add("IORING_MOCK_CREATE_F_", IORING_MOCK_CREATE_F);
  add("IORING_MOCK_MGR_CMD_", IORING_MOCK_MGR_CMD);
  add("IORING_MOCK_CMD_", IORING_MOCK_CMD);
  add("IORING_MOCK_COPY_", IORING_MOCK_COPY);
  return flat as unknown as Constants;
}

/** Every name of the kernel's header with its value; a bigint only where a number is not exact. */
export const constants: Constants = /* @__PURE__ */ flatten();
