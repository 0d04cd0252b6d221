import {
  AbortError,
  AT,
  BufferPool,
  BufferRing,
  IORING_SETUP,
  IOSQE,
  O,
  type OpOptions,
  POLL,
  Ring,
  RingClosedError,
  type RingOptions,
  STATX,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { hasCancelFlags, hasStreams } from "../support/kernel.ts";
import type { Random } from "../support/random.ts";
import { CAN_RESIZE, RESIZABLE, RING_KINDS } from "../support/ring_kinds.ts";
import { closeAll, pair } from "./pairs.ts";
import { type Action, Guarded, type Place, type Task } from "./place.ts";
import { faultsOf, writeAll } from "./recovery.ts";

/** Rings that take every operation, by name. */
const KINDS: readonly (readonly [name: string, options: RingOptions])[] = [
  ...RING_KINDS.filter(([, { iopoll, disabled }]) => !iopoll && !disabled),
  ["that is full soon", { entries: 8, cqEntries: 8 }],
  ...CAN_RESIZE ? [["that can be resized", RESIZABLE] as const] : [],
];
const ENTRIES = 16;
const MOST_CALLS = 60;
/** What a file holds everywhere. */
const FILLING = 7;
const FILE_SIZE = 100_000;

const ENDS: readonly ((ring: Ring) => Promise<void>)[] = [
  (ring) => ring.close(),
  (ring) => Promise.resolve(ring[Symbol.dispose]()),
  (ring) => {
    void ring.close();
    return ring.close();
  },
  async (ring) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await ring.close();
  },
];

/** What operations may come to besides a result: the kernel refused or ended them, a limit did, or the ring's end. */
function isEnding(error: unknown): boolean {
  const kinds = [UringError, AbortError, RingClosedError, UnsupportedError];
  return kinds.some((kind) => error instanceof kind) || (error as Error).name === "AbortError";
}

/** What all streams have, whatever they give. */
type Stream = AsyncIterable<unknown> & { readonly ended: Promise<void>; return(): Promise<unknown> };

/** What a program works on: two sockets that are connected, and a file that holds FILLING alone. */
interface Targets {
  readonly near: number;
  readonly far: number;
  readonly file: number;
  readonly path: string;
}

/** Calls of one ring, in any order, with every way to end early. Whatever comes of each: it comes to an end. */
class Program {
  readonly #place: Place;
  readonly #ring: Ring;
  readonly #random: Random;
  readonly #targets: Targets;
  readonly #buffers: BufferRing | undefined;
  readonly #pool: BufferPool;
  readonly #ends: Promise<unknown>[] = [];
  readonly #operations: Promise<unknown>[] = [];
  readonly #streams: Stream[] = [];
  readonly #borrowed: Partial<Disposable>[] = [];
  readonly #guards: Guarded[] = [];

  constructor(place: Place, ring: Ring, random: Random, targets: Targets) {
    this.#place = place;
    this.#ring = ring;
    this.#random = random;
    this.#targets = targets;
    this.#buffers = hasStreams ? new BufferRing({ ring, size: 64, count: 4 }) : undefined;
    this.#pool = new BufferPool({ size: 512, count: 4, ...random.below(2) === 0 ? { ring } : {} });
  }

  /** So many calls, with pauses now and then. */
  async run(): Promise<void> {
    const random = this.#random;
    for (let left = random.below(MOST_CALLS); left > 0; left--) {
      switch (random.below(14)) {
        case 0:
          await new Promise((resolve) => setTimeout(resolve, random.below(3)));
          break;
        case 1:
          await Promise.resolve();
          break;
        case 2:
          this.#wait();
          break;
        case 3:
          this.#resize();
          break;
        case 4:
          this.#chain();
          break;
        case 5:
          this.#stream();
          break;
        case 6:
          this.#end();
          break;
        case 7:
          this.#refused();
          break;
        case 8:
          this.#giveBack();
          break;
        default:
          this.#operation();
      }
    }
  }

  /** Everything has ended, and nobody's memory was touched. */
  async settled(): Promise<void> {
    await Promise.all(this.#ends);
    this.#giveBack();
    this.#place.check(this.#guards.every((guard) => guard.intact()), "an operation wrote beside its buffer");
    this.#pool.close();
  }

  /** Waits for it in the end, whatever it comes to. */
  #watch(promise: Promise<unknown>): void {
    this.#place.count("calls made");
    this.#ends.push(promise.catch((error) => {
      if (!isEnding(error)) throw error;
    }));
  }

  /** An operation that may be cancelled by its promise; afterwards it is either done, or was ended. */
  #start<T>(promise: Promise<T>, done: (result: T) => unknown = () => {}, ended: () => void = () => {}): Promise<T> {
    this.#operations.push(promise);
    this.#watch(promise.then(done, (error) => {
      ended();
      throw error;
    }));
    return promise;
  }

  #wait(): void {
    const { inFlight } = this.#ring.stats;
    if (inFlight > 0) this.#ring.submitAndWait(1 + this.#random.below(Math.min(inFlight, 3)), { timeout: 2 });
  }

  #resize(): void {
    if (!CAN_RESIZE || (this.#ring.setupFlags & IORING_SETUP.DEFER_TASKRUN) === 0) return;
    this.#ring.resize({ entries: ENTRIES + this.#random.below(32) });
  }

  #chain(): void {
    const hard = this.#random.below(2) === 0;
    this.#ring.link(() => {
      for (let left = this.#random.below(3); left >= 0; left--) this.#operation();
    }, { hard });
  }

  /** A call that is refused leaves everything as it is. */
  #refused(): void {
    const { near } = this.#targets;
    try {
      if (this.#random.below(2) === 0) this.#ring.recv(near, new Uint8Array(4), -1).catch(() => {});
      else {
        this.#ring.link(() => {
          this.#operation();
          throw new RangeError("while a chain is built");
        });
      }
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    }
  }

  /** How an operation may end early. */
  #options(): OpOptions | undefined {
    const random = this.#random;
    switch (random.below(10)) {
      case 0: {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), random.below(4));
        return { signal: controller.signal };
      }
      case 1: {
        const controller = new AbortController();
        queueMicrotask(() => controller.abort());
        return { signal: controller.signal, timeout: 3 };
      }
      case 2:
        return { timeout: random.below(5) };
      case 3:
        return { flags: IOSQE.ASYNC };
      default:
        return undefined;
    }
  }

  #guarded(length: number): Uint8Array<ArrayBuffer> {
    const guard = new Guarded(length, this.#random);
    this.#guards.push(guard);
    return guard.bytes;
  }

  #operation(): void {
    const random = this.#random;
    const ring = this.#ring;
    const { near, far, file, path } = this.#targets;
    const o = this.#options();
    switch (random.below(12)) {
      case 0:
        return void this.#start(ring.nop(o));
      case 1:
      case 2:
        return this.#read(o);
      case 3:
      case 4:
        return void this.#start(ring.recv(near, this.#guarded(1 + random.below(500)), 0, o));
      case 5:
        return void this.#start(ring.send(far, random.bytes(1 + random.below(500)), 0, o));
      case 6:
        return void this.#start(ring.fsync(file, 0, o));
      case 7:
        return void this.#start(ring.timeout(random.below(5), o));
      case 8:
        return void this.#start(ring.pollAdd(near, POLL.IN, o));
      case 9:
        return void this.#start(ring.statx(AT.FDCWD, path, 0, STATX.SIZE, o));
      case 10:
        return this.#pooled(o);
      default:
        return void this.#start(
          ring.openat(AT.FDCWD, path, O.RDONLY, 0, o),
          (fd) => closeAll(this.#place, fd),
        );
    }
  }

  #read(o: OpOptions | undefined): void {
    const bytes = this.#guarded(1 + this.#random.below(3000));
    const offset = this.#random.below(FILE_SIZE - bytes.length);
    this.#start(this.#ring.read(this.#targets.file, bytes, offset, o), (count) => {
      const right = bytes.subarray(0, count).every((byte) => byte === FILLING);
      this.#place.check(right, "a read of other bytes");
    });
  }

  #pooled(o: OpOptions | undefined): void {
    if (this.#pool.available === 0) return;
    const buffer = this.#pool.acquire();
    const release = () => this.#pool.release(buffer);
    this.#start(this.#ring.recv(this.#targets.near, buffer, 0, o), release, release);
  }

  /** One that is read to some point, or left at once; or that calls back. Buffers that it borrows stay out for a while. */
  #stream(): void {
    if (this.#buffers === undefined) return;
    const { near } = this.#targets;
    const ring = this.#ring;
    const buffers = this.#buffers;
    const signal = this.#options()?.signal;
    const callsBack = this.#random.below(4) === 0;
    const o = {
      ...signal === undefined ? {} : { signal },
      ...callsBack ? { each: (piece: unknown) => this.#hold(piece) } : {},
    };
    const streams: (() => Stream)[] = [
      () => ring.recvMultishot(near, buffers, 0, { ...o, highWater: 1 + this.#random.below(3) }),
      () => ring.pollMultishot(near, POLL.IN, o),
      () => ring.timeoutMultishot(1 + this.#random.below(2), o),
    ];
    const stream = streams[this.#random.below(streams.length)]!();
    this.#streams.push(stream);
    if (callsBack) return this.#watch(stream.ended);
    let left = this.#random.below(4);
    const consumed = async () => {
      for await (const piece of stream) {
        this.#hold(piece);
        if (left-- === 0) break;
      }
    };
    this.#watch(consumed());
  }

  #hold(piece: unknown): void {
    this.#borrowed.push(piece as Partial<Disposable>);
    if (this.#random.below(2) === 0) this.#giveBack();
  }

  /** All that streams have given: those that wait for buffers go on. */
  #giveBack(): void {
    for (const piece of this.#borrowed.splice(0)) piece[Symbol.dispose]?.();
  }

  /** Ends something that is in flight, or was. */
  #end(): void {
    const random = this.#random;
    const ring = this.#ring;
    switch (random.below(5)) {
      case 0: {
        const target = this.#operations[random.below(this.#operations.length + 1)];
        if (target !== undefined) this.#watch(ring.cancel(target));
        return;
      }
      case 1: {
        const targets = ["all", { fd: this.#targets.near }, { op: "RECV" }, { op: "TIMEOUT" }] as const;
        const target = targets[random.below(hasCancelFlags ? targets.length : 1)]!;
        return void this.#watch(ring.cancel(target));
      }
      case 2: {
        const timer = this.#start(ring.timeout(random.below(10)));
        return this.#watch(
          random.below(2) === 0 ? ring.timeoutRemove(timer) : ring.timeoutUpdate(timer, random.below(5)),
        );
      }
      case 3: {
        const poll = this.#start(ring.pollAdd(this.#targets.near, POLL.IN));
        return this.#watch(random.below(2) === 0 ? ring.pollRemove(poll) : ring.pollUpdate(poll, POLL.OUT));
      }
      default: {
        const stream = this.#streams[random.below(this.#streams.length + 1)];
        if (stream !== undefined) this.#watch(stream.return());
      }
    }
  }
}

/** Rings of every kind, and programs of calls that nobody would write: the seed's. */
export async function calls(place: Place): Promise<Task> {
  const path = `${place.folder}/${place.name}`;
  const file = await place.again(() => place.ring.openat(AT.FDCWD, path, O.CREAT | O.RDWR, 0o600));
  await writeAll(place, file, new Uint8Array(FILE_SIZE).fill(FILLING), 0);

  async function program(random: Random, options: RingOptions): Promise<void> {
    const faults = place.faulty ? { faults: faultsOf(random.next()) } : {};
    const ring = new Ring({ entries: ENTRIES, ...options, ...faults });
    const [near, far] = await pair(place);
    const program = new Program(place, ring, random, { near, far, file, path });
    await program.run();
    await ENDS[random.below(ENDS.length)]!(ring);
    await program.settled();
    await place.checkEnded(ring);
    await closeAll(place, near, far);
  }

  return {
    actions: Object.fromEntries(
      KINDS.map(([name, options]): [string, Action] => [name, (random) => program(random, options)]),
    ),
    end: () => closeAll(place, file),
  };
}
