/**
 * Flag sets: each flag's bit, the Linux it came with, and which others it needs or excludes.
 *
 * @module
 */
import {
  IORING_ACCEPT,
  IORING_ASYNC_CANCEL,
  IORING_CQE_F,
  IORING_ENTER,
  IORING_FEAT,
  IORING_FIXED_FD,
  IORING_FSYNC,
  IORING_LINK_TIMEOUT,
  IORING_MSG_RING,
  IORING_NOP,
  IORING_POLL,
  IORING_RECV,
  IORING_RECVSEND,
  IORING_REGISTER_CLONE,
  IORING_RSRC,
  IORING_SEND,
  IORING_SETUP,
  IORING_TIMEOUT,
  IORING_URING_CMD,
  IOSQE,
  IOU_PBUF_RING,
} from "./constants.ts";

/** A flag. */
export interface Flag {
  /** Its value. */
  readonly bit: number;
  /** The first Linux that has it. */
  readonly since: string;
  /** All of these must be there too; `a|b` is either. Flags of the same set, or whole names such as IOSQE_ASYNC. */
  readonly requires: readonly string[];
  /** None of these may be there. */
  readonly conflicts: readonly string[];
}

/** The name of a set, without the underscore → its flags. */
export type FlagSets = Readonly<Record<string, Readonly<Record<string, Flag>>>>;

function flag(bit: number, since: string, requires: readonly string[] = [], conflicts: readonly string[] = []): Flag {
  return { bit, since, requires, conflicts };
}

/** The flags that io_uring_setup(2) takes. */
const SETUP: Readonly<Record<keyof typeof IORING_SETUP, Flag>> = {
  IOPOLL: flag(IORING_SETUP.IOPOLL, "5.1"),
  // What saves interrupts of the submitter makes no sense where another thread submits.
  SQPOLL: flag(IORING_SETUP.SQPOLL, "5.1", [], ["COOP_TASKRUN", "TASKRUN_FLAG", "DEFER_TASKRUN", "SQ_REWIND"]),
  SQ_AFF: flag(IORING_SETUP.SQ_AFF, "5.1", ["SQPOLL"]),
  CQSIZE: flag(IORING_SETUP.CQSIZE, "5.5"),
  CLAMP: flag(IORING_SETUP.CLAMP, "5.6"),
  // With SQPOLL, the ring that wq_fd names must be one with SQPOLL: nothing that flags alone could tell.
  ATTACH_WQ: flag(IORING_SETUP.ATTACH_WQ, "5.6"),
  R_DISABLED: flag(IORING_SETUP.R_DISABLED, "5.10"),
  SUBMIT_ALL: flag(IORING_SETUP.SUBMIT_ALL, "5.18"),
  COOP_TASKRUN: flag(IORING_SETUP.COOP_TASKRUN, "5.19", [], ["SQPOLL"]),
  TASKRUN_FLAG: flag(IORING_SETUP.TASKRUN_FLAG, "5.19", ["COOP_TASKRUN|DEFER_TASKRUN"], ["SQPOLL"]),
  SQE128: flag(IORING_SETUP.SQE128, "5.19", [], ["SQE_MIXED"]),
  CQE32: flag(IORING_SETUP.CQE32, "5.19", [], ["CQE_MIXED"]),
  SINGLE_ISSUER: flag(IORING_SETUP.SINGLE_ISSUER, "6.0"),
  DEFER_TASKRUN: flag(IORING_SETUP.DEFER_TASKRUN, "6.1", ["SINGLE_ISSUER"], ["SQPOLL"]),
  NO_MMAP: flag(IORING_SETUP.NO_MMAP, "6.5"),
  REGISTERED_FD_ONLY: flag(IORING_SETUP.REGISTERED_FD_ONLY, "6.5", ["NO_MMAP"]),
  NO_SQARRAY: flag(IORING_SETUP.NO_SQARRAY, "6.6"),
  HYBRID_IOPOLL: flag(IORING_SETUP.HYBRID_IOPOLL, "6.13", ["IOPOLL"]),
  CQE_MIXED: flag(IORING_SETUP.CQE_MIXED, "6.18", [], ["CQE32"]),
  SQE_MIXED: flag(IORING_SETUP.SQE_MIXED, "6.19", [], ["SQE128"]),
  SQ_REWIND: flag(IORING_SETUP.SQ_REWIND, "7.0", ["NO_SQARRAY"], ["SQPOLL"]),
};

/** Flag sets by name: `FLAGS.IORING_SETUP.SQPOLL`. */
export const FLAGS: FlagSets = {
  IORING_SETUP: SETUP,
  IORING_ENTER: {
    GETEVENTS: flag(IORING_ENTER.GETEVENTS, "5.1"),
    SQ_WAKEUP: flag(IORING_ENTER.SQ_WAKEUP, "5.1"),
    SQ_WAIT: flag(IORING_ENTER.SQ_WAIT, "5.10"),
    EXT_ARG: flag(IORING_ENTER.EXT_ARG, "5.11"),
    REGISTERED_RING: flag(IORING_ENTER.REGISTERED_RING, "5.18"),
    ABS_TIMER: flag(IORING_ENTER.ABS_TIMER, "6.12", ["EXT_ARG"]),
    EXT_ARG_REG: flag(IORING_ENTER.EXT_ARG_REG, "6.13", ["EXT_ARG"]),
    NO_IOWAIT: flag(IORING_ENTER.NO_IOWAIT, "6.15"),
  },
  IORING_FEAT: {
    SINGLE_MMAP: flag(IORING_FEAT.SINGLE_MMAP, "5.4"),
    NODROP: flag(IORING_FEAT.NODROP, "5.5"),
    SUBMIT_STABLE: flag(IORING_FEAT.SUBMIT_STABLE, "5.5"),
    RW_CUR_POS: flag(IORING_FEAT.RW_CUR_POS, "5.6"),
    CUR_PERSONALITY: flag(IORING_FEAT.CUR_PERSONALITY, "5.6"),
    FAST_POLL: flag(IORING_FEAT.FAST_POLL, "5.7"),
    POLL_32BITS: flag(IORING_FEAT.POLL_32BITS, "5.9"),
    SQPOLL_NONFIXED: flag(IORING_FEAT.SQPOLL_NONFIXED, "5.11"),
    EXT_ARG: flag(IORING_FEAT.EXT_ARG, "5.11"),
    NATIVE_WORKERS: flag(IORING_FEAT.NATIVE_WORKERS, "5.12"),
    RSRC_TAGS: flag(IORING_FEAT.RSRC_TAGS, "5.13"),
    CQE_SKIP: flag(IORING_FEAT.CQE_SKIP, "5.17"),
    LINKED_FILE: flag(IORING_FEAT.LINKED_FILE, "5.17"),
    REG_REG_RING: flag(IORING_FEAT.REG_REG_RING, "6.3"),
    RECVSEND_BUNDLE: flag(IORING_FEAT.RECVSEND_BUNDLE, "6.10"),
    MIN_TIMEOUT: flag(IORING_FEAT.MIN_TIMEOUT, "6.12"),
    RW_ATTR: flag(IORING_FEAT.RW_ATTR, "6.14"),
    NO_IOWAIT: flag(IORING_FEAT.NO_IOWAIT, "6.15"),
  },
  IOSQE: {
    FIXED_FILE: flag(IOSQE.FIXED_FILE, "5.1"),
    IO_DRAIN: flag(IOSQE.IO_DRAIN, "5.2", [], ["CQE_SKIP_SUCCESS"]),
    IO_LINK: flag(IOSQE.IO_LINK, "5.3"),
    IO_HARDLINK: flag(IOSQE.IO_HARDLINK, "5.5"),
    ASYNC: flag(IOSQE.ASYNC, "5.6"),
    BUFFER_SELECT: flag(IOSQE.BUFFER_SELECT, "5.7"),
    CQE_SKIP_SUCCESS: flag(IOSQE.CQE_SKIP_SUCCESS, "5.17", [], ["IO_DRAIN"]),
  },
  IORING_CQE_F: {
    BUFFER: flag(IORING_CQE_F.BUFFER, "5.7"),
    MORE: flag(IORING_CQE_F.MORE, "5.13"),
    SOCK_NONEMPTY: flag(IORING_CQE_F.SOCK_NONEMPTY, "5.19"),
    NOTIF: flag(IORING_CQE_F.NOTIF, "6.0"),
    BUF_MORE: flag(IORING_CQE_F.BUF_MORE, "6.12", ["BUFFER"]),
    SKIP: flag(IORING_CQE_F.SKIP, "6.18"),
    "32": flag(IORING_CQE_F[32], "6.18"),
  },
  IORING_FSYNC: { DATASYNC: flag(IORING_FSYNC.DATASYNC, "5.1") },
  IORING_TIMEOUT: {
    ABS: flag(IORING_TIMEOUT.ABS, "5.5", [], ["MULTISHOT"]),
    UPDATE: flag(IORING_TIMEOUT.UPDATE, "5.11"),
    BOOTTIME: flag(IORING_TIMEOUT.BOOTTIME, "5.15", [], ["REALTIME"]),
    REALTIME: flag(IORING_TIMEOUT.REALTIME, "5.15", [], ["BOOTTIME"]),
    ETIME_SUCCESS: flag(IORING_TIMEOUT.ETIME_SUCCESS, "5.16"),
    MULTISHOT: flag(IORING_TIMEOUT.MULTISHOT, "6.4", [], ["ABS"]),
    IMMEDIATE_ARG: flag(IORING_TIMEOUT.IMMEDIATE_ARG, "7.1"),
  },
  IORING_LINK_TIMEOUT: { UPDATE: flag(IORING_LINK_TIMEOUT.UPDATE, "5.15") },
  IORING_POLL: {
    ADD_MULTI: flag(IORING_POLL.ADD_MULTI, "5.13", [], ["IOSQE_CQE_SKIP_SUCCESS"]),
    UPDATE_EVENTS: flag(IORING_POLL.UPDATE_EVENTS, "5.13"),
    UPDATE_USER_DATA: flag(IORING_POLL.UPDATE_USER_DATA, "5.13"),
    ADD_LEVEL: flag(IORING_POLL.ADD_LEVEL, "6.0"),
  },
  IORING_ASYNC_CANCEL: {
    ALL: flag(IORING_ASYNC_CANCEL.ALL, "5.19"),
    FD: flag(IORING_ASYNC_CANCEL.FD, "5.19", [], ["ANY"]),
    ANY: flag(IORING_ASYNC_CANCEL.ANY, "5.19", [], ["FD", "OP"]),
    FD_FIXED: flag(IORING_ASYNC_CANCEL.FD_FIXED, "6.0"),
    USERDATA: flag(IORING_ASYNC_CANCEL.USERDATA, "6.6"),
    OP: flag(IORING_ASYNC_CANCEL.OP, "6.6", [], ["ANY"]),
  },
  IORING_RECVSEND: {
    POLL_FIRST: flag(IORING_RECVSEND.POLL_FIRST, "5.19"),
    FIXED_BUF: flag(IORING_RECVSEND.FIXED_BUF, "6.0"),
    BUNDLE: flag(IORING_RECVSEND.BUNDLE, "6.10", ["IOSQE_BUFFER_SELECT"]),
  },
  IORING_RECV: { MULTISHOT: flag(IORING_RECV.MULTISHOT, "6.0", ["IOSQE_BUFFER_SELECT"]) },
  IORING_SEND: {
    ZC_REPORT_USAGE: flag(IORING_SEND.ZC_REPORT_USAGE, "6.2"),
    VECTORIZED: flag(IORING_SEND.VECTORIZED, "6.17"),
  },
  IORING_ACCEPT: {
    MULTISHOT: flag(IORING_ACCEPT.MULTISHOT, "5.19"),
    DONTWAIT: flag(IORING_ACCEPT.DONTWAIT, "6.10"),
    POLL_FIRST: flag(IORING_ACCEPT.POLL_FIRST, "6.10"),
  },
  IORING_MSG_RING: {
    CQE_SKIP: flag(IORING_MSG_RING.CQE_SKIP, "6.0"),
    FLAGS_PASS: flag(IORING_MSG_RING.FLAGS_PASS, "6.3"),
  },
  IORING_FIXED_FD: { NO_CLOEXEC: flag(IORING_FIXED_FD.NO_CLOEXEC, "6.8") },
  IORING_NOP: {
    INJECT_RESULT: flag(IORING_NOP.INJECT_RESULT, "6.10"),
    FILE: flag(IORING_NOP.FILE, "6.13"),
    FIXED_FILE: flag(IORING_NOP.FIXED_FILE, "6.13", ["FILE"]),
    FIXED_BUFFER: flag(IORING_NOP.FIXED_BUFFER, "6.13"),
    TW: flag(IORING_NOP.TW, "6.16"),
    CQE32: flag(IORING_NOP.CQE32, "6.18"),
  },
  IORING_URING_CMD: {
    FIXED: flag(IORING_URING_CMD.FIXED, "6.1", [], ["MULTISHOT"]),
    MULTISHOT: flag(IORING_URING_CMD.MULTISHOT, "6.18", ["IOSQE_BUFFER_SELECT"], ["FIXED"]),
  },
  IORING_RSRC: { REGISTER_SPARSE: flag(IORING_RSRC.REGISTER_SPARSE, "5.19") },
  IORING_REGISTER: {
    SRC_REGISTERED: flag(IORING_REGISTER_CLONE.SRC_REGISTERED, "6.12"),
    DST_REPLACE: flag(IORING_REGISTER_CLONE.DST_REPLACE, "6.13"),
  },
  IOU_PBUF_RING: {
    MMAP: flag(IOU_PBUF_RING.MMAP, "6.4"),
    INC: flag(IOU_PBUF_RING.INC, "6.12"),
  },
};

/** What is wrong with a combination of flags. */
export interface FlagProblem {
  /** The flag. */
  readonly flag: string;
  /** What it lacks, as `a|b` where either would do. */
  readonly requires?: string;
  /** What it does not go with. */
  readonly conflicts?: string;
}

/**
 * Finds what a combination of flags lacks or has too much.
 *
 * @param set the name of the set, such as "IORING_SETUP"
 * @param bits the flags
 * @returns the first problem, or undefined if there is none; bits that the set does not have are not looked at
 *
 * @example
 * ```ts
 * import { checkFlags, IORING_SETUP } from "@uring/uring/abi";
 *
 * const problem = checkFlags("IORING_SETUP", IORING_SETUP.DEFER_TASKRUN);
 * console.assert(problem?.flag === "DEFER_TASKRUN" && problem.requires === "SINGLE_ISSUER");
 * ```
 */
export function checkFlags(set: string, bits: number): FlagProblem | undefined {
  const flags = FLAGS[set] ?? {};
  const has = (name: string) => ((flags[name]?.bit ?? 0) & bits) !== 0;
  for (const name in flags) {
    if (!has(name)) continue;
    const { requires, conflicts } = flags[name]!;
    // Names of other sets can't be told from these bits.
    const lacking = requires.find((names) => {
      const own = names.split("|").filter((other) => other in flags);
      return own.length > 0 && !own.some(has);
    });
    if (lacking !== undefined) return { flag: name, requires: lacking };
    const clash = conflicts.find(has);
    if (clash !== undefined) return { flag: name, conflicts: clash };
  }
  return undefined;
}
