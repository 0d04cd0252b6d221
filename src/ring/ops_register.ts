/**
 * What a ring is told by io_uring_register(2): who it acts as, what it may do, how its kernel threads run, how it waits.
 *
 * @module
 */

import { IORING_CQE_F, IORING_REGISTER } from "../abi/constants.ts";
import { prepMsgRing, prepMsgRingCqeFlags } from "../abi/encode.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { load } from "../../ffi/load.ts";
import { NO_RING } from "../../ffi/native.ts";
import { checkFd, checkFlags, checkInteger, checkMilliseconds, shown } from "./arguments.ts";
import { now } from "./clock.ts";
import { cpuMask } from "./cpus.ts";
import { RingClosedError, UnsupportedError } from "./errors.ts";
import type { FileRegistrar } from "./file_table.ts";
import type { Engine } from "./engine.ts";
import { Multishot } from "./multishot.ts";
import { changeNapiId, type NapiOptions, type NapiSettings, registerNapi, unregisterNapi } from "./napi.ts";
import { BufferOps } from "./ops_buffers.ts";
import { endStreams, pausedOf } from "./ops_stream.ts";
import { type CancelTarget, sourceOf } from "./ops_time.ts";
import { needDisabled, needRegister, registerCall, registerError } from "./register_call.ts";
import { RegisteredFiles } from "./registered_files.ts";
import { refusedBy, restrict, type Restrictions, toRestrictionSet } from "./restrictions.ts";
import { cancelSlots, submitBefore } from "./sync_cancel.ts";
import { controlZcrx, registerZcrx, type ZcrxControl, type ZcrxOptions, type ZcrxQueue } from "./zcrx.ts";

/** How many kernel threads may work for this thread's rings. */
export interface WorkerLimits {
  /** For work that ends in bounded time: files. 0: as it is. */
  readonly bounded: number;
  /** For work that may wait for ever: sockets, pipes. 0: as it is. */
  readonly unbounded: number;
}

/** Options of {@linkcode RegisterOps.syncCancel}. */
export interface SyncCancelOptions {
  /** Milliseconds to wait for what is being cancelled, at most. Default: no limit. */
  readonly timeout?: number;
  /** With an fd: it is a slot of the registered files. */
  readonly fixedFile?: boolean;
}

/** Options of {@linkcode RegisterOps.sendMessage}. */
export interface SendMessageOptions {
  /** IORING_CQE_F bits that the other ring sees. */
  readonly cqeFlags?: number;
}

const CLOCKS = { monotonic: 1, boottime: 7 } as const;
/** A message's data is user data of the other ring; from here on they are its operations'. */
const MAX_DATA = 2n ** 62n;
const LAYOUT = IORING_CQE_F["32"] | IORING_CQE_F.SKIP;

/** Calls of io_uring_register(2). */
export class RegisterOps extends BufferOps implements FileRegistrar {
  readonly #files: RegisteredFiles = new RegisteredFiles(this.engine);

  /** @internal Not a field: where the layers come later, the first use of a member brings them. */
  get files(): RegisteredFiles {
    return this.#files;
  }

  // Who, and what

  /**
   * Keeps the credentials that this thread has now, for operations to use: their `personality` option.
   *
   * @returns the id to give there, 1 to 65535
   * @throws {UringError} EBUSY: 65535 are registered already
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const personality = ring.registerPersonality();
   * await ring.nop({ personality });
   * ring.unregisterPersonality(personality);
   * ```
   */
  registerPersonality(): number {
    this.#open("registerPersonality");
    return registerCall(this.engine.core, "PERSONALITY", null, 0);
  }

  /**
   * Drops credentials that {@linkcode registerPersonality} kept.
   *
   * @throws {UringError} EINVAL: there is no such id
   */
  unregisterPersonality(id: number): void {
    checkInteger(id, "id", 1, 0xffff);
    this.#open("unregisterPersonality");
    this.engine.submitStaged();
    registerCall(this.engine.core, "UNREGISTER_PERSONALITY", null, id, {
      details: { EINVAL: `there is no personality ${id}: give the id that registerPersonality() gave` },
    });
  }

  /**
   * Restricts a ring that was opened with `disabled: true`, for good. What is refused then rejects, or throws, with
   * EACCES.
   *
   * @param restrictions what it may do; what is left out stays allowed
   * @throws {TypeError} {RangeError} for names and bits that there are not
   * @throws {UringError} EBADFD: the ring is enabled already; EBUSY: it is restricted already
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring({ disabled: true });
   * ring.restrict({ sqeOps: ["NOP"], registerOps: [] });
   * ring.enable();
   * await ring.nop();
   * ```
   */
  restrict(restrictions: Restrictions): void {
    const set = toRestrictionSet(restrictions);
    this.#open("restrict");
    // Asked while it may be: the answer is kept.
    restrict(this.engine.core, set, this.probe());
    this.engine.restricted(set.flagsRequired, (op) => refusedBy(set, op));
  }

  /**
   * Starts a ring that was opened with `disabled: true`.
   *
   * @throws {UringError} EBADFD: it is enabled already
   */
  enable(): void {
    this.#open("enable");
    needDisabled(this.engine.core, "ENABLE_RINGS");
    registerCall(this.engine.core, "ENABLE_RINGS", null, 0);
    this.engine.poke();
  }

  // The kernel's threads

  /**
   * Binds the kernel threads that work for this thread's rings to CPUs (5.14).
   *
   * @param cpus their numbers; null: anywhere
   * @throws {RangeError} for none, and for a CPU that is not there
   * @throws {UringError} EINVAL: a CPU that this process may not use
   */
  setWorkerAffinity(cpus: Iterable<number> | null): void {
    const mask = cpus === null ? null : cpuMask(cpus);
    this.#open("setWorkerAffinity");
    const { core } = this.engine;
    if (mask === null) registerCall(core, "UNREGISTER_IOWQ_AFF", null, 0);
    else registerCall(core, "IOWQ_AFF", mask, mask.byteLength);
  }

  /**
   * Sets how many kernel threads may work for this thread's rings at once (5.15).
   *
   * @param limits 0 to 2^31 − 1 each; 0, or left out: as it is
   * @returns what was set before
   */
  setMaxWorkers(limits: Partial<WorkerLimits> = {}): WorkerLimits {
    if (limits === null || typeof limits !== "object") {
      throw new TypeError(`limits must be an object, not ${shown(limits)}`);
    }
    const { bounded = 0, unbounded = 0 } = limits;
    checkInteger(bounded, "bounded", 0, 0x7fffffff);
    checkInteger(unbounded, "unbounded", 0, 0x7fffffff);
    this.#open("setMaxWorkers");
    const values = Uint32Array.of(bounded, unbounded);
    registerCall(this.engine.core, "IOWQ_MAX_WORKERS", new Uint32Array(values.buffer), 2);
    return { bounded: values[0]!, unbounded: values[1]! };
  }

  // Waiting

  /**
   * Cancels operations in flight, and blocks until the kernel has let go of them (6.0). Their promises reject with
   * ECANCELED as with `cancel()`, after the current code.
   *
   * @param target a promise of this ring's; what a multishot method gave; `{ fd }`; `{ op }`, such as `{ op: "READ" }`; or
   *   `"all"`
   * @param o a limit in time
   * @returns how many operations were found: all that match
   * @throws {UringError} ETIME: the time was up before all of them were done; ENOENT: it waits in a chain for what it follows,
   *   or behind IO_DRAIN, or it is a send without a copy that waits for its peer; it goes on; EAGAIN: the kernel takes
   *   nothing of what was asked for before
   * @throws {TypeError} in a callback of the ring, and while a chain is open
   */
  // deno-lint-ignore no-explicit-any -- whatever its values are
  syncCancel(target: CancelTarget | Multishot<any>, o: SyncCancelOptions = {}): number {
    const { timeout, fixedFile = false } = o;
    if (timeout !== undefined) checkMilliseconds(timeout, "timeout");
    const isObject = target !== null && typeof target === "object";
    const isStream = target instanceof Multishot;
    if (target !== "all" && !isStream && !(isObject && ("fd" in target || "op" in target || "then" in target))) {
      throw new TypeError(`target must be a promise, { fd }, { op } or "all", not ${shown(target)}`);
    }
    if (target !== "all" && "fd" in target) checkFd(target.fd);
    if (target !== "all" && "op" in target) this.probe().op(target.op); // refuses what is no op
    this.#open("syncCancel");
    const { engine } = this;
    if (engine.building) throw new TypeError("syncCancel() inside link(): the chain is not complete yet");
    if (engine.chainOpen) throw new TypeError("syncCancel() after IO_LINK: that chain is not complete yet");
    if (engine.walking) {
      throw new TypeError(
        "syncCancel() in a callback of the ring: what it ends is told after that. Call cancel() instead",
      );
    }
    const deadline = timeout === undefined ? undefined : now() + timeout;
    submitBefore(engine, deadline);
    if (isStream) return endStreams([target.waiter]) + cancelSlots(engine, slotsOf(engine, target.operation), deadline);
    let found = endStreams(pausedOf(engine, target, fixedFile));
    if (target === "all") {
      // What was cancelled may let the rest of its chain begin.
      for (let more = -1; more !== 0; found += more) more = cancelSlots(engine, engine.slotsOn(), deadline);
      return found;
    }
    const slots = "fd" in target
      ? engine.slotsOn(target.fd, fixedFile)
      : "op" in target
      ? engine.slotsOf(target.op.toLowerCase())
      : slotsOf(engine, sourceOf(target));
    return found + cancelSlots(engine, slots, deadline);
  }

  /**
   * Polls network devices busily while the ring waits (6.9): less latency for more CPU.
   *
   * @returns how it was before
   * @throws {UnsupportedError} where the kernel is built without busy polling
   */
  registerNapi(options: NapiOptions = {}): NapiSettings {
    this.#open("registerNapi");
    return registerNapi(this.engine.core, options);
  }

  /**
   * Ends busy polling.
   *
   * @returns how it was before, but for its tracking, which the kernel does not tell here
   */
  unregisterNapi(): Omit<NapiSettings, "tracking"> {
    this.#open("unregisterNapi");
    return unregisterNapi(this.engine.core);
  }

  /**
   * Adds a NAPI id (SO_INCOMING_NAPI_ID) to those that a ring with `tracking: "static"` polls (6.13).
   *
   * @param id 1 to 2^32 − 1
   */
  addNapiId(id: number): void {
    this.#open("addNapiId");
    changeNapiId(this.engine.core, id, true);
  }

  /** Takes a NAPI id out again. */
  removeNapiId(id: number): void {
    this.#open("removeNapiId");
    changeNapiId(this.engine.core, id, false);
  }

  /**
   * Chooses the clock of timed waits, `submitAndWait()`'s among them (6.12). Operations have a clock of their own.
   *
   * @param clock `"boottime"` goes on during suspend
   */
  setClock(clock: "monotonic" | "boottime"): void {
    if (!Object.hasOwn(CLOCKS, clock)) {
      throw new TypeError(`clock must be "monotonic" or "boottime", not ${shown(clock)}`);
    }
    this.#open("setClock");
    // struct io_uring_clock_register: clockid, reserved.
    const arg = new DataView(new ArrayBuffer(16));
    arg.setUint32(0, CLOCKS[clock], true);
    registerCall(this.engine.core, "CLOCK", arg, 0);
  }

  // Between rings

  /**
   * Posts a completion to a ring, without having one (6.13). To send from a ring, `msgRing()` takes part in its batch.
   *
   * @param target the ring, or its descriptor: of another thread, too
   * @param length the result that the other ring sees, 0 to 2^32 − 1
   * @param data the user data that it sees, 0 to 2^62 − 1
   * @throws {UringError} EBADFD: the target is no ring, or is disabled; EOVERFLOW: its completion queue is full
   * @throws {UnsupportedError} before Linux 6.13
   */
  static sendMessage(
    target: number | { readonly fd: number },
    length: number,
    data: number | bigint,
    o: SendMessageOptions = {},
  ): void {
    const fd = typeof target === "number" ? target : target?.fd;
    if (typeof fd !== "number") throw new TypeError(`target must be a ring or its descriptor, not ${shown(target)}`);
    checkFd(fd, "target");
    if (fd < 0) throw new TypeError("target has no descriptor: open that ring without REGISTERED_FD_ONLY");
    if ((target as { closed?: boolean }).closed) throw new RingClosedError("sendMessage: target");
    checkInteger(length, "length", 0, 0xffffffff);
    if (typeof data === "number") checkInteger(data, "data", 0, Number.MAX_SAFE_INTEGER);
    else if (typeof data !== "bigint") throw new TypeError(`data must be a number or bigint, not ${shown(data)}`);
    if (data < 0 || data >= MAX_DATA) throw new RangeError(`data must be from 0 to 2^62 - 1, not ${data}`);
    const { cqeFlags } = o;
    if (cqeFlags !== undefined) checkFlags(cqeFlags, "cqeFlags");
    if (((cqeFlags ?? 0) & LAYOUT) !== 0) {
      throw new RangeError("cqeFlags must not have 32 or SKIP: they say how the other ring's queue is laid out");
    }
    needRegister("SEND_MSG_RING");
    const sqe = new Int32Array(new ArrayBuffer(64));
    if (cqeFlags === undefined) prepMsgRing(sqe, 0, fd, length, data, 0);
    else prepMsgRingCqeFlags(sqe, 0, fd, length, data, 0, cqeFlags);
    const rc = load().register(NO_RING, IORING_REGISTER.SEND_MSG_RING, sqe, 1);
    if (rc < 0) {
      throw registerError(rc, "SEND_MSG_RING", {
        EBADF: `fd ${fd} is not open`,
        EBADFD: `fd ${fd} is not a ring, or that ring is disabled: send to an enabled ring`,
      });
    }
  }

  // Zero-copy receive

  /**
   * Gives a receive queue of a network device to this ring, for RECV_ZC (6.15). The ring needs `deferTaskrun` and
   * `cqe32`, the process CAP_NET_ADMIN, the device a driver that splits headers from data; what arrives in the queue must
   * be steered there (`ethtool -N`).
   *
   * The queue lasts as long as the ring.
   *
   * @throws {UnsupportedError} naming what of this is missing
   */
  registerZcrxIfq(options: ZcrxOptions): ZcrxQueue {
    this.#open("registerZcrxIfq");
    return registerZcrx(this.engine, options);
  }

  /**
   * Asks something of a queue that {@linkcode registerZcrxIfq} gave (6.19): `"flush"` works on its refill ring now,
   * `"export"` makes a descriptor that another ring can import it by.
   *
   * @returns the descriptor, or 0
   * @throws {UnsupportedError} before Linux 6.19
   */
  zcrxControl(id: number, control: ZcrxControl): number {
    this.#open("zcrxControl");
    return controlZcrx(this.engine, id, control);
  }

  // What a Ring does not offer

  /**
   * Not for a `Ring`: a ring signals one eventfd, and its waker needs that. `RawRing.register()` does it, with
   * IORING_REGISTER.EVENTFD or EVENTFD_ASYNC.
   *
   * @throws {UnsupportedError} always
   */
  registerEventfd(): never {
    throw new UnsupportedError(
      "registerEventfd()",
      "a RawRing, with register(IORING_REGISTER.EVENTFD, ...): a Ring's one eventfd wakes its own thread",
      kernelRelease(),
    );
  }

  /**
   * Not for a `Ring`: filters (7.0) are BPF programs, which this library does not build. `RawRing.register()` takes a
   * `struct io_uring_bpf` with IORING_REGISTER.BPF_FILTER. To allow some ops only, {@linkcode restrict} needs no program.
   *
   * @throws {UnsupportedError} always
   */
  registerBpfFilter(): never {
    throw new UnsupportedError(
      "registerBpfFilter()",
      "Linux 7.0, and a RawRing with register(IORING_REGISTER.BPF_FILTER, ...); restrict() allows single ops without",
      kernelRelease(),
    );
  }

  #open(what: string): void {
    if (this.engine.closed) throw new RingClosedError(what);
  }
}

function slotsOf(engine: Engine, promise: Promise<unknown> | undefined): number[] {
  const slot = engine.slotOf(promise);
  return slot < 0 ? [] : [slot];
}
