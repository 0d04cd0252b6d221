import {
  AT,
  BufferPool,
  FALLOC_FL,
  O,
  type OpOptions,
  POLL,
  POSIX_FADV,
  Ring,
  type RingOptions,
  STATX,
  type Statx,
} from "../../mod.ts";
import { TempFolder } from "./folder.ts";
import { Pipe } from "./pipe.ts";

/** Longer than any test takes, in milliseconds. */
export const NEVER = 3_600_000;

/** Everything that any operation needs: a ring, files, a pipe that is empty, registered buffers. */
export class Stage implements AsyncDisposable {
  readonly ring: Ring;
  readonly folder: TempFolder = new TempFolder();
  readonly pipe: Pipe = new Pipe();
  /** A pipe with one byte in it, which nobody takes. */
  readonly readyPipe: Pipe = new Pipe();
  readonly pool: BufferPool;
  /** A buffer of the pool. */
  readonly pooled: Uint8Array<ArrayBuffer>;
  /** A file of 64 bytes, open for reading and writing. */
  readonly fd: number;
  #names = 0;
  readonly #spare: number[] = [];

  constructor(options?: RingOptions) {
    this.ring = new Ring(options);
    this.pool = new BufferPool({ ring: this.ring, size: 8, count: 64 });
    this.pooled = this.pool.acquire();
    this.folder.write("file", "x".repeat(64));
    this.fd = this.folder.open("file", "r+");
    this.readyPipe.write("x");
  }

  /** Opens descriptors for operations that use one up. */
  async open(count: number): Promise<this> {
    const path = this.folder.at("file");
    for (let i = 0; i < count; i++) this.#spare.push(await this.ring.openat(AT.FDCWD, path, O.RDONLY));
    return this;
  }

  /** A descriptor that nobody else uses; without one, a number that is none. */
  spareFd(): number {
    return this.#spare.pop() ?? 99_999;
  }

  /** A path that nothing has. */
  newPath(): string {
    return this.folder.at(`new ${this.#names++}`);
  }

  /** The path of a new file. */
  newFile(): string {
    return this.folder.write(`new ${this.#names++}`, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const fd of this.#spare) if (!this.ring.closed) await this.ring.closeFd(fd);
    await this.ring.close();
    this.pool.close();
    this.pipe[Symbol.dispose]();
    this.readyPipe[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

/** An operation that can be done again and again on a stage. */
export interface Operation {
  readonly name: string;
  /** The op of the kernel. */
  readonly op: string;
  readonly start: (stage: Stage, o?: OpOptions) => Promise<unknown>;
  /** Whether a result is the right one. */
  readonly isRight: (result: unknown) => boolean;
}

function operation(name: string, op: string, start: Operation["start"], right: unknown): Operation {
  const isRight = typeof right === "function" ? right as Operation["isRight"] : (result: unknown) => result === right;
  return { name, op, start, isRight };
}

const isNewFd = (result: unknown) => typeof result === "number" && result > 2;
const bytes = () => new Uint8Array(8);
const { FDCWD } = AT;

/** Opens, and closes again what was opened. */
async function opened({ ring }: Stage, opening: Promise<number>): Promise<number> {
  const fd = await opening;
  await ring.closeFd(fd);
  return fd;
}

/** Every operation there is, in a way that completes at once. */
export const OPERATIONS: readonly Operation[] = [
  operation("nop", "NOP", ({ ring }, o) => ring.nop(o), 0),
  operation("read", "READ", ({ ring, fd }, o) => ring.read(fd, bytes(), 0, o), 8),
  operation("write", "WRITE", ({ ring, fd }, o) => ring.write(fd, bytes(), 0, o), 8),
  operation("readv", "READV", ({ ring, fd }, o) => ring.readv(fd, [bytes(), bytes()], 0, o), 16),
  operation("writev", "WRITEV", ({ ring, fd }, o) => ring.writev(fd, [bytes(), bytes()], 0, o), 16),
  operation("readFixed", "READ_FIXED", ({ ring, fd, pool }, o) => ring.readFixed(fd, pool.acquire(), 0, o), 8),
  operation("writeFixed", "WRITE_FIXED", ({ ring, fd, pool }, o) => ring.writeFixed(fd, pool.acquire(), 0, o), 8),
  operation(
    "openat",
    "OPENAT",
    (stage, o) => opened(stage, stage.ring.openat(FDCWD, stage.folder.at("file"), O.RDONLY, 0, o)),
    isNewFd,
  ),
  operation(
    "openat2",
    "OPENAT2",
    (stage, o) => opened(stage, stage.ring.openat2(FDCWD, stage.folder.at("file"), {}, o)),
    isNewFd,
  ),
  operation("closeFd", "CLOSE", (stage, o) => stage.ring.closeFd(stage.spareFd(), o), 0),
  operation("fsync", "FSYNC", ({ ring, fd }, o) => ring.fsync(fd, 0, o), 0),
  operation(
    "statx",
    "STATX",
    ({ ring, folder }, o) => ring.statx(FDCWD, folder.at("file"), 0, STATX.SIZE, o),
    (result: Statx) => result.size === 64,
  ),
  operation(
    "fallocate",
    "FALLOCATE",
    ({ ring, fd }, o) => ring.fallocate(fd, FALLOC_FL.KEEP_SIZE, 0, 64, o),
    0,
  ),
  operation("fadvise", "FADVISE", ({ ring, fd }, o) => ring.fadvise(fd, 0, 0, POSIX_FADV.NORMAL, o), 0),
  operation("ftruncate", "FTRUNCATE", ({ ring, fd }, o) => ring.ftruncate(fd, 64, o), 0),
  operation("unlinkat", "UNLINKAT", (stage, o) => stage.ring.unlinkat(FDCWD, stage.newFile(), 0, o), 0),
  operation(
    "renameat",
    "RENAMEAT",
    (stage, o) => stage.ring.renameat(FDCWD, stage.newFile(), FDCWD, stage.newPath(), 0, o),
    0,
  ),
  operation("mkdirat", "MKDIRAT", (stage, o) => stage.ring.mkdirat(FDCWD, stage.newPath(), 0o700, o), 0),
  operation("symlinkat", "SYMLINKAT", (stage, o) => stage.ring.symlinkat("target", FDCWD, stage.newPath(), o), 0),
  operation(
    "linkat",
    "LINKAT",
    (stage, o) => stage.ring.linkat(FDCWD, stage.folder.at("file"), FDCWD, stage.newPath(), 0, o),
    0,
  ),
  operation(
    "pollAdd",
    "POLL_ADD",
    ({ ring, readyPipe }, o) => ring.pollAdd(readyPipe.readEnd, POLL.IN, o),
    (result: number) => (result & POLL.IN) !== 0,
  ),
  operation("timeout", "TIMEOUT", ({ ring }, o) => ring.timeout(0, o), 0),
  operation("timeoutRemove", "TIMEOUT_REMOVE", ({ ring }, o) => {
    const target = ring.timeout(NEVER);
    target.catch(() => {});
    return ring.timeoutRemove(target, o);
  }, 1),
  operation("timeoutUpdate", "TIMEOUT_REMOVE", ({ ring }, o) => {
    const target = ring.timeout(NEVER);
    target.catch(() => {});
    return ring.timeoutUpdate(target, 0, o);
  }, 1),
];

/** Operations that do not complete before something happens that never will. */
export const BLOCKING: readonly Omit<Operation, "isRight">[] = [
  { name: "read", op: "READ", start: ({ ring, pipe }, o) => ring.read(pipe.readEnd, bytes(), undefined, o) },
  { name: "readv", op: "READV", start: ({ ring, pipe }, o) => ring.readv(pipe.readEnd, [bytes()], undefined, o) },
  {
    name: "readFixed",
    op: "READ_FIXED",
    start: ({ ring, pipe, pool }, o) => ring.readFixed(pipe.readEnd, pool.acquire(), undefined, o),
  },
  { name: "pollAdd", op: "POLL_ADD", start: ({ ring, pipe }, o) => ring.pollAdd(pipe.readEnd, POLL.IN, o) },
  { name: "timeout", op: "TIMEOUT", start: ({ ring }, o) => ring.timeout(NEVER, o) },
];

/** Those of {@linkcode OPERATIONS} that this kernel has. */
export function supportedOperations(ring: Ring): Operation[] {
  return OPERATIONS.filter(({ op }) => ring.probe().op(op).supported);
}
