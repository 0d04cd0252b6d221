/**
 * A ring as the core gives it: staging memory, control block, and the one call that submits and reaps. RawRing and Ring
 * stand on it.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import { CONTROL, type Native, SETUP, STATE, TURN } from "../../ffi/native.ts";
import { checkMilliseconds } from "./arguments.ts";
import { UringError } from "./errors.ts";
import { type RingOptions, type SetupRequest, toRequest } from "./options.ts";

export { STATE, TURN };

/** Milliseconds beyond this are no timeout in practice, and would not fit a timespec's nanoseconds. */
const MAX_TIMEOUT_MS = 1e12;

/** An open ring. Not safe against misuse: its callers are. */
export class Core {
  readonly native: Native;
  readonly handle: number;
  readonly fd: number;
  readonly features: number;
  readonly setupFlags: number;
  readonly entries: number;
  readonly cqEntries: number;
  /** Words of an SQE: 16, or 32 with SQE128. */
  readonly sqeWords: number;
  /** Words of a CQE: 4, or 8 with CQE32. */
  readonly cqeWords: number;
  readonly control: Uint32Array;
  /** SQEs on their way in, `count` of them. */
  readonly sqes: Int32Array;
  /** CQEs that the last turn brought. */
  readonly cqes: Int32Array;
  /** Staged SQEs. */
  count = 0;
  closed = false;
  /** SQEs that the kernel has taken, and turns made. */
  submitted = 0;
  turns = 0;

  /**
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} when the kernel refuses
   * @throws {LoadError} when the core can't be loaded
   */
  constructor(options: RingOptions) {
    const request = toRequest(options);
    const native = load();
    const setup = new Uint32Array(new ArrayBuffer(SETUP.WORDS * 4));
    setup[SETUP.ENTRIES] = request.entries;
    setup[SETUP.CQ_ENTRIES] = request.cqEntries;
    setup[SETUP.FLAGS] = request.required;
    setup[SETUP.OPTIONAL_FLAGS] = request.optional;
    setup[SETUP.SQ_THREAD_CPU] = request.sqThreadCpu;
    setup[SETUP.SQ_THREAD_IDLE_MS] = request.sqThreadIdle;
    setup[SETUP.WQ_FD] = request.wqFd;
    const handle = native.open(setup);
    if (handle < 0) throw setupError(handle, request);
    this.native = native;
    this.handle = handle;
    this.fd = setup[SETUP.FD]!;
    this.features = setup[SETUP.FEATURES]!;
    this.setupFlags = setup[SETUP.GOT_FLAGS]!;
    this.entries = setup[SETUP.SQ_ENTRIES]!;
    this.cqEntries = setup[SETUP.GOT_CQ_ENTRIES]!;
    this.sqeWords = (this.setupFlags & IORING_SETUP.SQE128) !== 0 ? 32 : 16;
    this.cqeWords = (this.setupFlags & IORING_SETUP.CQE32) !== 0 ? 8 : 4;

    // One buffer, and never handed out: the core keeps its address until the ring is closed.
    const controlBytes = CONTROL.WORDS * 4;
    const sqeBytes = this.entries * this.sqeWords * 4;
    const cqeBytes = this.cqEntries * this.cqeWords * 4;
    const memory = new ArrayBuffer(controlBytes + sqeBytes + cqeBytes);
    this.control = new Uint32Array(memory, 0, CONTROL.WORDS);
    this.sqes = new Int32Array(memory, controlBytes, sqeBytes / 4);
    this.cqes = new Int32Array(memory, controlBytes + sqeBytes, cqeBytes / 4);
    native.attach(handle, new Uint8Array(memory));
    const adopted = native.adopt(handle);
    if (adopted < 0) {
      native.close(handle, 0);
      throw new UringError(adopted, "io_uring_setup", { detail: "the end of this thread can't be watched" });
    }
  }

  /**
   * Submits what is staged, waits for `wait` CQEs, reaps. Gives the number of CQEs in `cqes`, or −errno of a ring
   * that can't go on.
   */
  turn(flags: number, wait: number): number {
    const { control } = this;
    control[CONTROL.STAGED] = this.count;
    control[CONTROL.WAIT_COUNT] = wait;
    control[CONTROL.FLAGS] = flags;
    const reaped = this.native.turn(this.handle);
    this.count = control[CONTROL.LEFT]!;
    this.submitted += control[CONTROL.SUBMITTED]!;
    this.turns++;
    return reaped;
  }

  /** As {@linkcode turn}, with a limit on the wait in milliseconds. */
  turnTimed(flags: number, wait: number, timeoutMs: number | undefined): number {
    if (timeoutMs === undefined) return this.turn(flags, wait);
    checkMilliseconds(timeoutMs, "timeout");
    const ns = Math.round(Math.min(timeoutMs, MAX_TIMEOUT_MS) * 1e6);
    this.control[CONTROL.TIMEOUT_NS_LO] = ns % 2 ** 32;
    this.control[CONTROL.TIMEOUT_NS_HI] = Math.floor(ns / 2 ** 32);
    return this.turn(flags | TURN.TIMEOUT, wait);
  }

  /** Reaps without submitting what is staged. Gives the number of CQEs, or −errno. */
  reap(): number {
    const { control } = this;
    control[CONTROL.STAGED] = 0;
    control[CONTROL.WAIT_COUNT] = 0;
    control[CONTROL.FLAGS] = TURN.GET_EVENTS;
    this.turns++;
    return this.native.turn(this.handle);
  }

  /** STATE bits of the last turn. */
  get state(): number {
    return this.control[CONTROL.STATE]!;
  }

  /** SQEs that the last turn brought into the kernel. */
  get lastSubmitted(): number {
    return this.control[CONTROL.SUBMITTED]!;
  }

  /** SQEs in the queue that the kernel has not taken yet. */
  get unsubmitted(): number {
    return this.control[CONTROL.UNSUBMITTED]!;
  }

  /** Times the kernel was entered, modulo 2^32. */
  get enters(): number {
    return this.control[CONTROL.ENTERS]!;
  }

  /** Turns that found the completion queue overflowing, modulo 2^32. */
  get overflows(): number {
    return this.control[CONTROL.OVERFLOWS]!;
  }

  /** Calls `io_uring_register`; gives its result or −errno. */
  register(opcode: number, arg: ArrayBufferView | null, count: number): number {
    return this.native.register(this.handle, opcode, arg, count);
  }

  /** Cancels, drains, closes. False when that took longer than `limitMs`: then the ring stays, on purpose. */
  close(limitMs: number): boolean {
    if (this.closed) return true;
    if (this.native.close(this.handle, limitMs) < 0) {
      leaked.push(this);
      this.closed = true;
      return false;
    }
    this.closed = true;
    return true;
  }
}

/** Rings that could not be drained: their memory stays for as long as the process. */
const leaked: Core[] = [];

function setupError(errno: number, request: SetupRequest): UringError {
  return new UringError(errno, "io_uring_setup", { detail: setupDetail(-errno, request) });
}

function setupDetail(errno: number, request: SetupRequest): string | undefined {
  const flags = Object.entries(IORING_SETUP).filter(([, flag]) => (request.required & flag) !== 0).map(([name]) =>
    name
  );
  switch (errno) {
    case 1:
    case 38:
      return "io_uring is forbidden here: see `uring doctor` (kernel.io_uring_disabled, or a container's seccomp profile)";
    case 12:
      return "no memory for the rings: fewer entries, or a higher `ulimit -l`";
    case 22:
      if ((request.required & IORING_SETUP.ATTACH_WQ) !== 0) {
        return `attachTo ${request.wqFd} is not an open ring, or this kernel lacks one of ${flags.join(", ")}`;
      }
      return (request.required & IORING_SETUP.SQ_AFF) !== 0
        ? `sqpoll.cpu ${request.sqThreadCpu} is not online, or this kernel lacks one of ${flags.join(", ")}`
        : `this kernel refuses the setup flags ${flags.join(", ") || "(none)"} with ${request.entries} entries`;
    case 9:
    case 6:
      return (request.required & IORING_SETUP.ATTACH_WQ) !== 0
        ? `attachTo ${request.wqFd} is not an open ring`
        : undefined;
    case 24:
      return "too many open files, or 1024 rings in this process: close some, or raise `ulimit -n`";
    default:
      return undefined;
  }
}
