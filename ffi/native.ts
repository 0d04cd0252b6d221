/**
 * The one interface between TypeScript and the core. Numbers and typed arrays only: no runtime's pointer type passes
 * it, so that one more implementation can stand behind it.
 *
 * Every call gives a result, or a negative errno; none throws.
 *
 * @module
 */

/** What the core does. One object a runtime; `ffi/load.ts` chooses. */
export interface Native {
  /** Which runtime the calls go through. */
  readonly runtime: "deno" | "bun" | "node";
  /** Where the core was found. */
  readonly source: CoreSource;
  /** Opens and maps a ring as `setup` ({@linkcode SETUP}) asks, and writes there what it got. Gives a handle. */
  open(setup: Uint32Array): number;
  /** Gives a ring its staging memory: control block, SQEs, CQEs. The caller keeps it alive until `close`. */
  attach(handle: number, memory: Uint8Array): number;
  /** Submits and reaps, as the control block ({@linkcode CONTROL}) says. Gives the number of CQEs. */
  turn(handle: number): number;
  /** Asks for one notification. Gives 1 when there is something to reap already. */
  arm(handle: number): number;
  /** Takes the wish back. A notification may still be under way. */
  disarm(handle: number): number;
  /** `io_uring_register`. A handle of {@linkcode NO_RING} makes a call that needs no ring. */
  register(handle: number, opcode: number, arg: ArrayBufferView | null, count: number): number;
  /**
   * `IORING_REGISTER_RESIZE_RINGS`: takes ENTRIES, CQ_ENTRIES and FLAGS of `setup`, and writes there what came of them.
   * Gives −EBUSY while something waits in the queues. After it, `attach` comes first.
   */
  resize(handle: number, setup: Uint32Array): number;
  /** The address of a view's first byte; 0 when it is detached. */
  address(view: ArrayBufferView): number;
  /** `bind(2)`: for kernels whose rings have no BIND. `length` bytes of `address` count. */
  bind(fd: number, address: Uint8Array, length: number): number;
  /** `listen(2)`: for kernels whose rings have no LISTEN. */
  listen(fd: number, backlog: number): number;
  /** `close(2)`, without a ring: Deno's `node:fs` closes what it opened itself alone. Gives 0. */
  closeFd(fd: number): number;
  /** A socket's SO_TYPE; −ENOTSOCK for another file. */
  socketType(fd: number): number;
  /** Ties the ring to this thread's environment: when that ends, the ring is drained and closed first. */
  adopt(handle: number): number;
  /** Starts the waker. `wake` is called on this thread, once for each `arm`; again, where it comes late. */
  startWaker(handle: number, wake: () => void): number;
  /** Whether the ring keeps the process alive. */
  setRef(handle: number, on: 0 | 1): number;
  /**
   * Cancels, drains, unmaps, closes. Gives −EBUSY when that took longer than `limitMs` (0: no limit). With a handle of
   * {@linkcode NO_RING}, and on the main thread: the process is about to end with that code, and what hangs in others with it.
   */
  close(handle: number, limitMs: number): number;
  /** Maps pages; `out[0]` is the region's id, `out[1]` an errno. */
  mapPages(size: number, flags: number, out: Uint32Array): ArrayBuffer | undefined;
  /** Says that no operation can use the region any more. */
  dropPages(id: number): number;
}

/** How the core came into the process. */
export interface CoreSource {
  /** `env`: URING_CORE; `file`: beside the module; `memfd`: from memory; `cache`: a file in the user's cache. */
  readonly how: "env" | "file" | "memfd" | "cache";
  /** The path that was loaded. */
  readonly path: string;
}

/** The functions of the Node-API door, under the names that zig/src/root.zig gives them. */
export type NapiDoor = Omit<Native, "runtime" | "source">;

/** A handle for calls that need no ring. */
export const NO_RING = 0xffffffff;

/** 32-bit words of the setup block; zig/src/setup.zig has the same numbers. */
export const SETUP = {
  ENTRIES: 0,
  CQ_ENTRIES: 1,
  FLAGS: 2,
  OPTIONAL_FLAGS: 3,
  SQ_THREAD_CPU: 4,
  SQ_THREAD_IDLE_MS: 5,
  WQ_FD: 6,
  EXTRAS: 7,
  FD: 8,
  FEATURES: 9,
  GOT_FLAGS: 10,
  SQ_ENTRIES: 11,
  GOT_CQ_ENTRIES: 12,
  REGISTERED_INDEX: 13,
  FAILED_AT: 14,
  NOW_NS_LO: 16,
  NOW_NS_HI: 17,
  WORDS: 20,
} as const;

/** Bits of `SETUP.EXTRAS`, and of `SETUP.FAILED_AT` when one of them was refused. */
export const EXTRA = { REGISTER_FD: 1, WAIT_REGION: 2, SLEEPS: 4 } as const;

/** 32-bit words of the control block; zig/src/ring.zig has the same numbers. */
export const CONTROL = {
  STAGED: 0,
  WAIT_COUNT: 1,
  FLAGS: 2,
  MIN_WAIT_US: 3,
  TIMEOUT_NS_LO: 4,
  TIMEOUT_NS_HI: 5,
  LEFT: 8,
  SUBMITTED: 9,
  REAPED: 10,
  STATE: 11,
  UNSUBMITTED: 12,
  ERROR: 13,
  ENTERS: 14,
  OVERFLOWS: 15,
  GENERATIONS_LO: 16,
  GENERATIONS_HI: 17,
  SLOTS: 18,
  SILENT: 19,
  WORDS: 64,
} as const;

/** Bits of `CONTROL.FLAGS`. ABSOLUTE: the timeout is a time of the ring's clock, not a duration. */
export const TURN = { TIMEOUT: 1, NO_REAP: 2, GET_EVENTS: 4, ABSOLUTE: 8 } as const;

/** Bits of `CONTROL.STATE`. */
export const STATE = { MORE: 1, TIMED_OUT: 2, BUSY: 4 } as const;

/** Flags of `mapPages`. */
export const PAGES = { HUGE: 1, GUARD: 2 } as const;
