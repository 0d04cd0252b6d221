import { FileTable, MADV, O, type OpOptions, P, POLL, Ring, SYNC_FILE_RANGE, type UringError, W } from "../../mod.ts";
import { type Operation, Stage } from "./operations.ts";

/** What the operations of the system need besides: registered files, words that are shared, another ring. */
export class SystemStage extends Stage {
  readonly files: FileTable = new FileTable(this.ring, { size: 16 });
  readonly words: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(16));
  readonly otherRing: Ring = new Ring();

  constructor() {
    super();
    this.files.set(0, this.fd);
    this.files.set(1, this.fd);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.otherRing.close();
    await super[Symbol.asyncDispose]();
  }
}

/** An operation on a system stage. */
export interface SystemOperation {
  readonly name: string;
  /** The op of the kernel. */
  readonly op: string;
  readonly start: (stage: SystemStage, o?: OpOptions) => Promise<unknown>;
}

/** One that completes at once, and whether its result is the right one; an error's code is a result here. */
export interface PromptOperation extends SystemOperation {
  readonly isRight: Operation["isRight"];
}

function prompt(name: string, op: string, start: SystemOperation["start"], right: unknown): PromptOperation {
  const isRight = typeof right === "function" ? right as Operation["isRight"] : (result: unknown) => result === right;
  return { name, op, start, isRight };
}

/** What a promise gives, be it the code of an error that is all that can be had here. */
function codeOf(started: Promise<unknown>, code: string): Promise<unknown> {
  return started.catch((error: UringError) => {
    if (error.code === code) return code;
    throw error;
  });
}

const isPipe = (result: unknown) => {
  const { read, write } = result as { read: number; write: number };
  return read > 2 && write > 2 && read !== write;
};

/** Every operation of the system, in a way that completes at once. */
export const SYSTEM_OPERATIONS: readonly PromptOperation[] = [
  prompt("readvFixed", "READV_FIXED", ({ ring, fd, pooled }, o) => ring.readvFixed(fd, [pooled], 0, o), 8),
  prompt("writevFixed", "WRITEV_FIXED", ({ ring, fd, pooled }, o) => ring.writevFixed(fd, [pooled], 0, o), 8),
  prompt(
    "syncFileRange",
    "SYNC_FILE_RANGE",
    ({ ring, fd }, o) => ring.syncFileRange(fd, 0, 64, SYNC_FILE_RANGE.WRITE, o),
    0,
  ),
  prompt(
    "openat into a slot",
    "OPENAT",
    ({ ring, folder }, o) => ring.openat(-100, folder.at("file"), O.RDONLY, 0, { ...o, slot: 9 }),
    9,
  ),
  prompt(
    "openat2 into a slot",
    "OPENAT2",
    ({ ring, folder }, o) => ring.openat2(-100, folder.at("file"), {}, { ...o, slot: 10 }),
    10,
  ),
  prompt("closeDirect", "CLOSE", ({ ring }, o) => ring.closeDirect(1, o), 0),
  prompt("filesUpdate", "FILES_UPDATE", ({ ring, fd }, o) => ring.filesUpdate([fd, -1], 4, o), 2),
  prompt("fixedFdInstall", "FIXED_FD_INSTALL", async ({ ring }, o) => {
    const fd = await ring.fixedFdInstall(0, 0, o);
    await ring.closeFd(fd);
    return fd;
  }, (result: number) => result > 2),
  prompt("pollRemove", "POLL_REMOVE", ({ ring, pipe }, o) => {
    const target = ring.pollAdd(pipe.readEnd, POLL.IN);
    target.catch(() => {});
    return ring.pollRemove(target, o);
  }, 1),
  prompt("pollUpdate", "POLL_REMOVE", ({ ring, pipe }, o) => {
    const target = ring.pollAdd(pipe.readEnd, POLL.IN);
    target.catch(() => {});
    return ring.pollUpdate(target, POLL.PRI, o);
  }, 1),
  prompt(
    "splice",
    "SPLICE",
    ({ ring, fd, pipe }, o) => ring.splice(fd, 0, pipe.writeEnd, "current", 8, 0, o),
    8,
  ),
  prompt("tee", "TEE", ({ ring, readyPipe, pipe }, o) => ring.tee(readyPipe.readEnd, pipe.writeEnd, 8, 0, o), 1),
  prompt("pipe", "PIPE", async ({ ring }, o) => {
    const ends = await ring.pipe(0, o);
    await Promise.all([ring.closeFd(ends.read), ring.closeFd(ends.write)]);
    return ends;
  }, isPipe),
  prompt(
    "setxattr",
    "SETXATTR",
    ({ ring, folder }, o) => codeOf(ring.setxattr(folder.at("file"), "none", "value", 0, o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt(
    "fsetxattr",
    "FSETXATTR",
    ({ ring, fd }, o) => codeOf(ring.fsetxattr(fd, "none", "value", 0, o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt(
    "getxattr",
    "GETXATTR",
    ({ ring, folder }, o) => codeOf(ring.getxattr(folder.at("file"), "none", undefined, o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt(
    "fgetxattr",
    "FGETXATTR",
    ({ ring, fd }, o) => codeOf(ring.fgetxattr(fd, "none", new Uint8Array(8), o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt(
    "futexWait",
    "FUTEX_WAIT",
    ({ ring, words }, o) => codeOf(ring.futexWait(words, 0, 1, o), "EAGAIN"),
    "EAGAIN",
  ),
  prompt("futexWake", "FUTEX_WAKE", ({ ring, words }, o) => ring.futexWake(words, 0, 1, o), 0),
  prompt(
    "futexWaitv",
    "FUTEX_WAITV",
    ({ ring, words }, o) => codeOf(ring.futexWaitv([{ memory: words, index: 1, value: 1 }], o), "EAGAIN"),
    "EAGAIN",
  ),
  prompt(
    "waitid",
    "WAITID",
    ({ ring }, o) => codeOf(ring.waitid(P.PID, 0x3fffffff, W.EXITED, o), "ECHILD"),
    "ECHILD",
  ),
  prompt(
    "epollCtl",
    "EPOLL_CTL",
    ({ ring, fd, pipe }, o) => codeOf(ring.epollCtl(fd, pipe.readEnd, 1, { events: 1 }, o), "EINVAL"),
    "EINVAL",
  ),
  prompt("epollWait", "EPOLL_WAIT", ({ ring, fd }, o) => codeOf(ring.epollWait(fd, 1, o), "EINVAL"), "EINVAL"),
  prompt("msgRing", "MSG_RING", ({ ring, otherRing }, o) => ring.msgRing(otherRing, 1, 2, o), 0),
  prompt(
    "msgRingFd",
    "MSG_RING",
    ({ ring, otherRing }, o) => codeOf(ring.msgRingFd(otherRing, 0, 0, 2, o), "ENXIO"),
    "ENXIO",
  ),
  prompt("uringCmd", "URING_CMD", ({ ring, fd }, o) => codeOf(ring.uringCmd(fd, 0, o), "EOPNOTSUPP"), "EOPNOTSUPP"),
  prompt(
    "cmdDiscard",
    "URING_CMD",
    ({ ring, fd }, o) => codeOf(ring.cmdDiscard(fd, 0, 4096, o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt(
    "cmdZoneResetAll",
    "URING_CMD",
    ({ ring, fd }, o) => codeOf(ring.cmdZoneResetAll(fd, o), "EOPNOTSUPP"),
    "EOPNOTSUPP",
  ),
  prompt("madvise", "MADVISE", ({ ring, pooled }, o) => {
    return ring.madvise(new Uint8Array(pooled.buffer, 0, 4096), MADV.NORMAL, o);
  }, 0),
];

/** Operations of the system that do not complete before something happens that never will. */
export const SYSTEM_BLOCKING: readonly SystemOperation[] = [
  {
    name: "readvFixed",
    op: "READV_FIXED",
    start: ({ ring, pipe, pooled }, o) => ring.readvFixed(pipe.readEnd, [pooled], undefined, o),
  },
  {
    name: "splice",
    op: "SPLICE",
    start: ({ ring, pipe, fd }, o) => ring.splice(pipe.readEnd, "current", fd, 0, 8, 0, o),
  },
  {
    name: "tee",
    op: "TEE",
    start: ({ ring, pipe, readyPipe }, o) => ring.tee(pipe.readEnd, readyPipe.writeEnd, 8, 0, o),
  },
  { name: "futexWait", op: "FUTEX_WAIT", start: ({ ring, words }, o) => ring.futexWait(words, 0, 0, o) },
  {
    name: "futexWaitv",
    op: "FUTEX_WAITV",
    start: ({ ring, words }, o) => {
      return ring.futexWaitv([{ memory: words, index: 1, value: 0 }, { memory: words, index: 2, value: 0 }], o);
    },
  },
];
