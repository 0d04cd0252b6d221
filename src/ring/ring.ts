/**
 * io_uring with promises: one method an operation.
 *
 * @module
 */

import { IOSQE } from "../abi/constants.ts";
import { checkInteger, shown } from "./arguments.ts";
import { checkLimits } from "./core.ts";
import type { Engine } from "./engine.ts";
import { RegisterOps } from "./ops_register.ts";
import type { RingOptions } from "./options.ts";
import { type Supported, supported } from "./supported.ts";

/** What a ring has done so far. */
export interface RingStats {
  /** SQEs that the kernel has taken: a time limit, or a cancellation, is one of its own. */
  readonly submitted: number;
  /** SQEs that have completed, and were heard: of a closed ring as many as were submitted, unless some were given up. */
  readonly completed: number;
  /** Operations that have not: what was asked for, not what limits or cancels it. */
  readonly inFlight: number;
  /** System calls made to submit and reap. */
  readonly enters: number;
  /** Calls of the core: one a batch. */
  readonly turns: number;
  /** Times the waker woke the thread. */
  readonly wakeups: number;
  /** Turns that found more completions than the queue holds; none is lost. */
  readonly overflows: number;
  /** Completions that belong to no operation, and that nobody heard: messages of other rings, without a listener. */
  readonly strays: number;
  /** Operations that were made to fail, or to fall short, as the `faults` option asked. */
  readonly faults: number;
}

/** Options of {@linkcode Ring.link}. */
export interface LinkOptions {
  /** A failure does not end the chain (IO_HARDLINK). */
  readonly hard?: boolean;
}

/** Options of {@linkcode Ring.submitAndWait}. */
export interface WaitOptions {
  /** Milliseconds after which waiting ends. Default: none. */
  readonly timeout?: number;
  /** Instead of `timeout`: when waiting ends, as `performance.now()` counts. */
  readonly deadline?: number;
  /**
   * Milliseconds, up to 4294967, for which waiting gathers completions in any case; once they are over, any that is
   * there ends it (6.12).
   */
  readonly minWait?: number;
}

/** Options of {@linkcode Ring.resize}. */
export interface ResizeOptions {
  /** Submission queue entries, 1 to 32768; the kernel rounds up to a power of two. */
  readonly entries: number;
  /** Completion queue entries, `entries` to 65536. Default: twice `entries`. */
  readonly cqEntries?: number;
}

/**
 * An io_uring. Everything that one turn of the event loop asks of it goes into the kernel in one system call.
 *
 * A ring belongs to the thread that made it: open one in each worker. Pending operations keep the process alive, an
 * idle ring does not.
 *
 * @example
 * ```ts
 * import { AT, Ring } from "@uring/uring";
 *
 * await using ring = new Ring();
 * const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
 * const buffer = new Uint8Array(4096);
 * const bytes = await ring.read(fd, buffer, 0);
 * console.log(new TextDecoder().decode(buffer.subarray(0, bytes)));
 * await ring.closeFd(fd);
 * ```
 */
export class Ring extends RegisterOps {
  /** The ring's own descriptor. Only `close()` may close it. */
  readonly fd: number;
  /** IORING_FEAT bits. */
  readonly features: number;
  /** IORING_SETUP bits that the ring got. */
  readonly setupFlags: number;

  /**
   * Whether io_uring can be used here. Never throws.
   *
   * @returns `{ ok: true }`, or why not and how to mend it
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * const answer = Ring.supported();
   * if (!answer.ok) console.error(`${answer.reason}: ${answer.fix}`);
   * ```
   */
  static supported(): Supported {
    return supported();
  }

  /** This thread's shared ring: opened on first use, never closed by its users. */
  static default(): Ring {
    if (shared === undefined || shared.closed || shared.engine.ended) shared = new Ring();
    return shared;
  }

  /**
   * Opens a ring.
   *
   * @throws {TypeError} {RangeError} for options that can't be
   * @throws {UringError} when the kernel refuses
   * @throws {LoadError} when the core can't be loaded: {@linkcode Ring.supported} tells beforehand
   */
  constructor(options: RingOptions = {}) {
    super(options);
    const { core } = this.engine;
    this.fd = core.fd;
    this.features = core.features;
    this.setupFlags = core.setupFlags;
    forgotten.register(this, this.engine, this);
  }

  /** Places in the submission queue. */
  get entries(): number {
    return this.engine.core.entries;
  }

  /** Places in the completion queue. */
  get cqEntries(): number {
    return this.engine.core.cqEntries;
  }

  /** Whether it is closed, or closing. */
  get closed(): boolean {
    return this.engine.closed;
  }

  /** What it has done so far. */
  get stats(): RingStats {
    const { engine } = this;
    const { core } = engine;
    return {
      submitted: core.submitted,
      completed: engine.completed,
      inFlight: engine.pending,
      enters: core.enters,
      turns: core.turns,
      wakeups: engine.wakeups,
      overflows: core.overflows,
      strays: engine.strays,
      faults: core.faults,
    };
  }

  /** Pending operations keep the process alive: the default. */
  ref(): this {
    this.engine.setRef(true);
    return this;
  }

  /** Pending operations don't keep the process alive. */
  unref(): this {
    this.engine.setRef(false);
    return this;
  }

  /**
   * Submits, and blocks in the kernel until `count` operations have completed: for scripts and batch jobs. Their
   * promises settle as always, after the current code.
   *
   * @param count at most as many as are in flight
   * @param options limits in time
   * @returns how many completed
   * @throws {UnsupportedError} for `minWait` before Linux 6.12
   */
  submitAndWait(count: number, options: WaitOptions = {}): number {
    checkInteger(count, "count", 0, 0xffffffff);
    checkObject(options, "{ timeout, deadline, minWait }");
    // Read once: what was checked must be what the wait has, amid which nothing may throw.
    const { timeout, deadline, minWait } = options;
    const limits = { timeout, deadline, minWait };
    checkLimits(this.features, limits);
    return this.engine.submitAndWait(count, limits);
  }

  /**
   * Gives the queues other sizes, while operations are in flight (6.13). What is queued is submitted first, and what
   * has completed settles.
   *
   * @throws {TypeError} for a ring without `deferTaskrun`: ask for that, not every kernel gives it by itself
   * @throws {RangeError} for sizes that can't be
   * @throws {UnsupportedError} before Linux 6.13
   *
   * @example
   * ```ts
   * import { Ring } from "@uring/uring";
   *
   * await using ring = new Ring({ entries: 8, singleIssuer: true, deferTaskrun: true });
   * ring.resize({ entries: 64 });
   * console.assert(ring.entries === 64 && ring.cqEntries === 128);
   * ```
   */
  resize(options: ResizeOptions): void {
    checkObject(options, "{ entries, cqEntries }");
    const { entries, cqEntries } = options;
    // Here, as it makes a turn before it comes to that.
    this.engine.core.checkResize(entries, cqEntries);
    this.engine.resize(entries, cqEntries);
  }

  /**
   * Queues operations as one chain: each starts when the one before has succeeded; after a failure (a short read or
   * write is one, too) the rest is cancelled. A chain goes in whole, and is never split.
   *
   * Before Linux 5.18 an operation whose descriptor is not open can't even begin: the kernel then cancels what comes
   * before it, and what follows runs.
   *
   * @param build queues the operations, at once; what it gives is passed on. An async function or a generator is refused
   * @param options `hard`: the rest runs after a failure, too
   * @throws {RangeError} for a chain longer than the queue; nothing of it is submitted then
   * @throws what `build` throws, and the reason of a signal that is aborted already; nothing is submitted then, either
   *
   * @example
   * ```ts
   * import { AT, O, Ring } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const fd = await ring.openat(AT.FDCWD, "/tmp/uring-example", O.CREAT | O.WRONLY, 0o600);
   * const [bytes] = await Promise.all(ring.link((ring) => [
   *   ring.write(fd, new TextEncoder().encode("durable"), 0),
   *   ring.fsync(fd),
   * ]));
   * console.assert(bytes === 7);
   * await ring.closeFd(fd);
   * ```
   */
  link<T>(build: (ring: this) => T, options: LinkOptions = {}): T {
    if (typeof build !== "function") throw new TypeError(`build must be a function, not ${shown(build)}`);
    if (Object.prototype.toString.call(build) !== "[object Function]") {
      throw new TypeError(
        "build must queue the whole chain at once, and be an ordinary function: what an async one or a generator queues " +
          "later would not be part of it. Await what link() gives",
      );
    }
    checkObject(options, "{ hard }");
    return this.engine.link(options.hard ? IOSQE.IO_HARDLINK : IOSQE.IO_LINK, () => build(this));
  }

  /**
   * Closes the ring: cancels what is in flight, waits for each final completion, unmaps, closes. What was cancelled
   * rejects with an AbortError.
   *
   * @throws {UringError} (rejects) EBUSY: some operations, which it names, could not be ended within `closeTimeout`. They
   * reject, too, but the kernel may still use their buffers: these, and the ring, are kept for as long as the process
   */
  close(): Promise<void> {
    const closing = this.engine.close();
    // Not before: one that is refused leaves the ring open, which may be dropped then.
    forgotten.unregister(this);
    return closing;
  }

  /** {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes as {@linkcode close} does, but blocks until it is done, and throws what that rejects with: for `using`. */
  [Symbol.dispose](): void {
    try {
      this.engine.closeSync();
    } finally {
      if (this.closed) forgotten.unregister(this);
    }
  }
}

function checkObject(options: object, form: string): void {
  if (options === null || typeof options !== "object") {
    throw new TypeError(`options must be ${form}, not ${shown(options)}`);
  }
}

let shared: Ring | undefined;

/** A ring dropped without close: what is pending goes on; then it is closed. */
const forgotten = new FinalizationRegistry<Engine>((engine) => engine.forget());
