/**
 * Limits of the kernel, and what can be mapped from a ring.
 *
 * @module
 */
import { IORING_OFF } from "./constants.ts";

/** The kernel's limits: each a maximum, or a pair of least and most. */
export const LIMITS = {
  /** Entries of the submission queue; rounded up to a power of two. */
  SQ_ENTRIES: [1, 32768],
  /** Entries of the completion queue; at least those of the submission queue. */
  CQ_ENTRIES: [1, 65536],
  /** Registered buffers. */
  BUFFERS: [1, 16384],
  /** Bytes of one registered buffer. */
  BUFFER_BYTES: [1, 0x40000000],
  /** Entries of a buffer ring; a power of two. */
  BUFFER_RING_ENTRIES: [1, 32768],
  /** Number of a buffer group. */
  BUFFER_GROUP: [0, 65535],
  /** Number of a provided buffer. */
  BUFFER_ID: [0, 65535],
  /** Iovecs of one request. */
  IOVECS: [0, 1024],
  /** Bytes that one read or write moves; longer ones come back short. */
  TRANSFER_BYTES: [0, 0x7ffff000],
  /** Futexes of one FUTEX_WAITV. */
  FUTEXES: [1, 128],
  /** Rings registered with one thread. */
  REGISTERED_RINGS: [1, 16],
  /** Bytes of a path, with its NUL. */
  PATH_BYTES: [1, 4096],
} as const;

/** What mmap(2) on a ring gives: the offset, and what decides about the length. */
export const REGIONS = {
  /** The SQ ring and, with IORING_FEAT_SINGLE_MMAP, the CQ ring; the longer of the two lengths. */
  SQ_RING: { offset: IORING_OFF.SQ_RING, length: "sq_off.array + sq_entries * 4" },
  /** The CQ ring alone. */
  CQ_RING: { offset: IORING_OFF.CQ_RING, length: "cq_off.cqes + cq_entries * 16" },
  /** The SQEs. */
  SQES: { offset: IORING_OFF.SQES, length: "sq_entries * 64" },
  /** A buffer ring that the kernel allocated; add the group's number, shifted by IORING_OFF_PBUF_SHIFT. */
  PBUF_RING: { offset: IORING_OFF.PBUF_RING, length: "ring_entries * 16" },
} as const;
