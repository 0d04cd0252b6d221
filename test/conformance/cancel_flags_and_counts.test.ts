import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, IORING_ASYNC_CANCEL, IORING_OP, IORING_REGISTER, IOSQE, O, POLL, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { TempFolder } from "../support/folder.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { byPlace, leftovers, prepare, run, short, type Step, visit } from "../support/steps.ts";

const ENOENT = -2;
const EINTR = -4;
const EBADF = -9;
const EINVAL = -22;
const ETIME = -62;
const EALREADY = -114;
const ECANCELED = -125;
/** An open lets out the kernel's own word for "start again after the signal". */
const INTERRUPTED = [EINTR, -512];
const LEN = 24;
const ADDR = 16;
const { ALL, ANY, FD, FD_FIXED, OP, USERDATA } = IORING_ASYNC_CANCEL;

/** The result of a cancellation by these flags, of user data that nobody has: tells whether the kernel knows them. */
function answerTo(flags: number): number {
  using ring = new RawRing({ entries: 2 });
  return run(ring, [(ring, userData) => ring.prepCancel(userData, 1_000, flags)])[0]![1];
}

/** ALL, FD and ANY came with Linux 5.19, FD_FIXED with 6.0, USERDATA and OP with 6.6. */
const HAS_ALL = answerTo(ALL) === 0;
const HAS_OP = (() => {
  using ring = new RawRing({ entries: 4 });
  ring.prepTimeout(1, { ms: NEVER }, 0, 0);
  cancel(OP | ALL, { op: IORING_OP.TIMEOUT })(ring, 2);
  // A kernel that does not know it refuses, or goes by user data all the same.
  return new Map([...short(visit(ring, 1)), ...leftovers(ring)]).get(2) === 1;
})();

function poll(fd: number): Step {
  return (ring, userData) => ring.prepPollAdd(userData, fd, POLL.IN);
}

const forever: Step = (ring, userData) => ring.prepTimeout(userData, { ms: NEVER }, 0, 0);

/** Submits these, with user data of their own, and has nothing of them completed. */
function wait(ring: RawRing, steps: readonly (readonly [userData: number, step: Step])[]): void {
  for (const [userData, step] of steps) step(ring, userData);
  expect(ring.submit()).toBe(steps.length);
  expect(completions(ring)).toEqual([]);
}

const CANCEL = 77;

/** One cancellation: its own result, and who was cancelled by it, in order of their user data. */
function cancelled(ring: RawRing, step: Step): { result: number; ended: number[] } {
  step(ring, CANCEL);
  const visited = [...short(visit(ring, 1)), ...leftovers(ring)];
  const ended = visited.filter(([userData]) => userData !== CANCEL);
  for (const [, res] of ended) expect(res).toBe(ECANCELED);
  return {
    result: visited.find(([userData]) => userData === CANCEL)![1],
    ended: ended.map(([userData]) => userData).sort((a, b) => a - b),
  };
}

/** Whether a worker thread of this process opens a FIFO, and waits for somebody who opens its other end. */
function opensFifo(): boolean {
  return readdirSync("/proc/self/task").some((id) => {
    const read = (name: string) => readFileSync(`/proc/self/task/${id}/${name}`, "utf8");
    try {
      return read("comm").startsWith("iou-wrk") && read("wchan") === "wait_for_partner";
    } catch {
      return false; // it has ended
    }
  });
}

/** IORING_OP_ASYNC_CANCEL with its fields as they are. */
function cancel(flags: number, { fd = -1, target = 0, op = 0 } = {}): Step {
  return (ring, userData) => {
    const prepared = ring.prepCancel(userData, target, flags);
    const sqe = ring.sqe();
    sqe.setInt32(4, fd);
    sqe.setUint32(LEN, op);
    return prepared;
  };
}

describe("a cancellation by user data", () => {
  test("gives 0 when it found one, ENOENT when there is none, or none any more", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)], [2, forever]]);
    expect(cancelled(ring, cancel(0, { target: 3 }))).toEqual({ result: ENOENT, ended: [] });
    expect(cancelled(ring, (ring, userData) => ring.prepCancel(userData, 1, 0))).toEqual({ result: 0, ended: [1] });
    expect(cancelled(ring, (ring, userData) => ring.prepCancel(userData, 1, 0))).toEqual({ result: ENOENT, ended: [] });
    expect(cancelled(ring, (ring, userData) => ring.prepCancel(userData, 2, 0))).toEqual({ result: 0, ended: [2] });
  });

  test("takes one of several with the same, each time another", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)], [1, poll(pipe.readEnd)], [1, poll(pipe.readEnd)]]);
    for (let i = 0; i < 3; i++) expect(cancelled(ring, cancel(0, { target: 1 }))).toEqual({ result: 0, ended: [1] });
    expect(cancelled(ring, cancel(0, { target: 1 }))).toEqual({ result: ENOENT, ended: [] });
  });

  test.skipIf(!HAS_ALL)("takes all of them with ALL, and counts; none is 0 then, no error", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    for (const count of [1, 2, 7]) {
      wait(ring, [[2, poll(pipe.readEnd)], ...Array.from({ length: count }, () => [1, poll(pipe.readEnd)] as const)]);
      const ended = Array.from({ length: count }, () => 1);
      expect(cancelled(ring, cancel(ALL, { target: 1 }))).toEqual({ result: count, ended });
      expect(cancelled(ring, cancel(ALL, { target: 1 }))).toEqual({ result: 0, ended: [] });
      expect(cancelled(ring, cancel(0, { target: 2 }))).toEqual({ result: 0, ended: [2] });
    }
  });

  test("reaches what was submitted with it, and not what comes after it", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    const target = cancel(0, { target: 0 });
    expect(byPlace(ring, [poll(pipe.readEnd), target])).toEqual([ECANCELED, 0]);
    prepare(ring, [cancel(0, { target: 1 }), poll(pipe.readEnd)]);
    expect(short(visit(ring, 1))).toEqual([[0, ENOENT]]);
    expect(cancelled(ring, cancel(0, { target: 1 }))).toEqual({ result: 0, ended: [1] });
  });
});

describe.skipIf(!HAS_ALL)("a cancellation by descriptor", () => {
  test("takes one, or with ALL every one on that file, and counts", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    using other = new Pipe();
    const read: Step = (ring, userData) => ring.prepRead(userData, pipe.readEnd, new Uint8Array(8), 8, -1);
    wait(ring, [[1, read], [2, poll(pipe.readEnd)], [3, read], [4, poll(other.readEnd)], [5, forever]]);
    const one = cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, pipe.readEnd, 0));
    expect(one.result).toBe(0);
    expect(one.ended.length).toBe(1);
    const rest = cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, pipe.readEnd, ALL));
    expect(rest.result).toBe(2);
    expect([...one.ended, ...rest.ended].sort()).toEqual([1, 2, 3]);
    expect(cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, pipe.readEnd, 0)).result).toBe(ENOENT);
    expect(cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, pipe.readEnd, ALL)).result).toBe(0);
    expect(cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, other.readEnd, ALL)).ended).toEqual([4]);
  });

  test("that is not open is EBADF, and takes nothing", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)]]);
    expect(cancelled(ring, (ring, userData) => ring.prepCancelFd(userData, 99_999, ALL)))
      .toEqual({ result: EBADF, ended: [] });
  });

  test("means the file: a slot of the registered ones finds what another number of the same file waits for", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    const unknown = answerTo(FD_FIXED);
    if (unknown === EINVAL) return; // before 6.0
    expect(ring.register(IORING_REGISTER.FILES, Int32Array.of(pipe.readEnd), 1)).toBe(0);
    const fixed: Step = (ring, userData) => {
      const prepared = ring.prepRead(userData, 0, new Uint8Array(8), 8, -1);
      ring.sqeSetFlags(IOSQE.FIXED_FILE);
      return prepared;
    };
    wait(ring, [[1, fixed], [2, poll(pipe.readEnd)]]);
    expect(cancelled(ring, cancel(FD | FD_FIXED | ALL, { fd: 0 }))).toEqual({ result: 2, ended: [1, 2] });
    expect(cancelled(ring, cancel(FD | FD_FIXED | ALL, { fd: 1 }))).toEqual({ result: EBADF, ended: [] });
  });
});

describe.skipIf(!HAS_ALL)("a cancellation of anything", () => {
  test("takes all there is, whatever it waits for, and counts", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    for (const flags of [ANY, ANY | ALL]) {
      const read: Step = (ring, userData) => ring.prepRead(userData, pipe.readEnd, new Uint8Array(8), 8, -1);
      wait(ring, [[1, read], [2, poll(pipe.readEnd)], [3, forever], [4, forever]]);
      // Without ALL, too: ANY means every one.
      expect(cancelled(ring, cancel(flags))).toEqual({ result: 4, ended: [1, 2, 3, 4] });
      expect(cancelled(ring, cancel(flags))).toEqual({ result: 0, ended: [] });
    }
  });

  test("leaves other rings alone", () => {
    using ring = new RawRing({ entries: 16 });
    using other = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)]]);
    wait(other, [[2, poll(pipe.readEnd)]]);
    expect(cancelled(ring, cancel(ANY | ALL))).toEqual({ result: 1, ended: [1] });
    expect(completions(other)).toEqual([]);
    expect(cancelled(other, cancel(ANY | ALL))).toEqual({ result: 1, ended: [2] });
  });
});

describe.skipIf(!HAS_OP)("a cancellation by several keys (6.6)", () => {
  test("by opcode takes those alone", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    const read: Step = (ring, userData) => ring.prepRead(userData, pipe.readEnd, new Uint8Array(8), 8, -1);
    wait(ring, [[1, read], [2, poll(pipe.readEnd)], [3, read], [4, poll(pipe.readEnd)]]);
    expect(cancelled(ring, cancel(OP | ALL, { op: IORING_OP.READ }))).toEqual({ result: 2, ended: [1, 3] });
    expect(cancelled(ring, cancel(OP, { op: IORING_OP.READ }))).toEqual({ result: ENOENT, ended: [] });
    const one = cancelled(ring, cancel(OP, { op: IORING_OP.POLL_ADD }));
    expect([one.result, one.ended.length]).toEqual([0, 1]);
    expect(cancelled(ring, cancel(ANY)).result).toBe(1);
  });

  test("takes what matches all of them", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    using other = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)], [1, poll(other.readEnd)], [2, poll(pipe.readEnd)]]);
    const { readEnd: fd } = pipe;
    expect(cancelled(ring, cancel(FD | USERDATA | ALL, { fd, target: 1 }))).toEqual({ result: 1, ended: [1] });
    expect(cancelled(ring, cancel(FD | OP | ALL, { fd, op: IORING_OP.READ }))).toEqual({ result: 0, ended: [] });
    expect(cancelled(ring, cancel(USERDATA | OP | ALL, { target: 1, op: IORING_OP.POLL_ADD })))
      .toEqual({ result: 1, ended: [1] });
    expect(cancelled(ring, cancel(FD | OP | USERDATA | ALL, { fd, op: IORING_OP.POLL_ADD, target: 2 })))
      .toEqual({ result: 1, ended: [2] });
  });
});

describe("a cancellation is refused", () => {
  test.skipIf(!HAS_ALL)("with keys that exclude each other, and takes nothing", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)]]);
    const refused = [FD | ANY, ...HAS_OP ? [OP | ANY] : []];
    for (const flags of refused) {
      expect(cancelled(ring, cancel(flags, { fd: pipe.readEnd, op: IORING_OP.POLL_ADD })))
        .toEqual({ result: EINVAL, ended: [] });
    }
  });

  test("with flags, or fields, that there are not, and takes nothing", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    wait(ring, [[1, poll(pipe.readEnd)]]);
    expect(cancelled(ring, cancel(0x4000_0000, { target: 1 }))).toEqual({ result: EINVAL, ended: [] });
    const withField = (at: number): Step => (ring, userData) => {
      const prepared = ring.prepCancel(userData, 1, 0);
      ring.sqe().setUint32(at, 1);
      return prepared;
    };
    expect(cancelled(ring, withField(8)), "off").toEqual({ result: EINVAL, ended: [] });
    expect(cancelled(ring, withField(44)), "splice_fd_in").toEqual({ result: EINVAL, ended: [] });
  });
});

describe("work in a worker thread", () => {
  /** A FIFO that nobody writes to: opening it for reading blocks whoever does. */
  function opening(folder: TempFolder): Step {
    execFileSync("mkfifo", [folder.at("fifo")]);
    return (ring, userData) => {
      const prepared = ring.prepOpenat(userData, AT.FDCWD, folder.at("fifo"), O.RDONLY, 0);
      ring.sqeSetFlags(IOSQE.ASYNC);
      return prepared;
    };
  }

  /** Cancels `target`, which has not ended: whether it ran, and had to be interrupted. */
  function interrupts(ring: RawRing, target: number): boolean {
    expect(completions(ring), "nothing ended before").toEqual([]);
    ring.prepCancel(CANCEL, target, 0);
    const { [CANCEL]: result, [target]: res } = Object.fromEntries(short(visit(ring, 2)));
    if (result === 0) { // not taken yet
      expect(res).toBe(ECANCELED);
      return false;
    }
    expect(INTERRUPTED).toContain(res);
    // What it has interrupted, the kernel looks for a second time, and answers by that: it may have ended meanwhile.
    expect([EALREADY, ENOENT]).toContain(result);
    return true;
  }

  test("that runs is EALREADY: it is interrupted, and ends by itself", () => {
    using ring = new RawRing({ entries: 16 });
    using folder = new TempFolder();
    const open = opening(folder);
    for (let round = 0; round < 10; round++) {
      open(ring, 1);
      expect(ring.submitAndWait(1, 20)).toBe(1); // time for a worker to take it
      interrupts(ring, 1);
    }
    expect(leftovers(ring)).toEqual([]);
  });

  test("that waits for a worker is cancelled at once", () => {
    using ring = new RawRing({ entries: 16 });
    using folder = new TempFolder();
    const open = opening(folder);
    // One worker for what may block for long; those that other tests left may be there for a while.
    const before = Uint32Array.of(1, 1);
    if (ring.register(IORING_REGISTER.IOWQ_MAX_WORKERS, before, 2) === EINVAL) return; // before 5.15
    try {
      for (let i = 0; i < 12; i++) open(ring, i);
      expect(ring.submitAndWait(1, 20)).toBe(12);
      // For a second: not every kernel tells what a thread waits in (5.10 as Debian has it).
      for (let tries = 0; tries < 50 && !opensFifo(); tries++) {
        expect(ring.submitAndWait(1, 20), "nothing submitted, nothing ended").toBe(ETIME);
      }
      const ran = new Set<boolean>();
      for (let target = 11; target >= 0; target--) ran.add(interrupts(ring, target));
      expect(ran.size, "some ran, some waited").toBe(2);
    } finally {
      ring.register(IORING_REGISTER.IOWQ_MAX_WORKERS, before, 2);
    }
  });
});

describe("a cancellation by a call (6.0)", () => {
  /** `struct io_uring_sync_cancel_reg` */
  function request(target: number, { flags = 0, fd = -1, ms = -1, op = 0 } = {}): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(target), true);
    view.setInt32(8, fd, true);
    view.setUint32(12, flags, true);
    // −1 in both: no limit.
    view.setBigInt64(16, ms < 0 ? -1n : BigInt(Math.floor(ms / 1000)), true);
    view.setBigInt64(24, ms < 0 ? -1n : BigInt(ms % 1000) * 1_000_000n, true);
    bytes[32] = op;
    return bytes;
  }

  const hasCall = (() => {
    using ring = new RawRing({ entries: 2 });
    return ring.register(IORING_REGISTER.SYNC_CANCEL, request(1, { ms: 0 }), 1) === ENOENT;
  })();

  test.skipIf(!hasCall)("finds by user data, file and anything, as the operation does, and posts no completion", () => {
    using ring = new RawRing({ entries: 16 });
    using pipe = new Pipe();
    using other = new Pipe();
    const call = (bytes: Uint8Array) => ring.register(IORING_REGISTER.SYNC_CANCEL, bytes, 1);
    wait(ring, [[1, poll(pipe.readEnd)], [2, poll(pipe.readEnd)], [3, poll(other.readEnd)], [4, poll(other.readEnd)]]);
    expect(call(request(1, { ms: 0 }))).toBe(0);
    expect(short(visit(ring, 1))).toEqual([[1, ECANCELED]]);
    expect(call(request(1, { ms: 0 }))).toBe(ENOENT);
    expect(call(request(0, { flags: FD, fd: pipe.readEnd, ms: 0 }))).toBe(0);
    expect(short(visit(ring, 1))).toEqual([[2, ECANCELED]]);
    expect(call(request(0, { flags: ANY, ms: 0 }))).toBeGreaterThanOrEqual(0);
    expect(short(visit(ring, 2)).sort()).toEqual([[3, ECANCELED], [4, ECANCELED]]);
    expect(leftovers(ring)).toEqual([]);
  });

  test.skipIf(!hasCall)("refuses what can't be", () => {
    using ring = new RawRing({ entries: 2 });
    const call = (bytes: Uint8Array, count = 1) => ring.register(IORING_REGISTER.SYNC_CANCEL, bytes, count);
    expect(call(request(1, { flags: 0x4000_0000, ms: 0 }))).toBe(EINVAL);
    expect(call(request(1, { ms: 0 }), 2)).toBe(EINVAL);
    expect(call(request(0, { flags: FD, fd: 99_999, ms: 0 }))).toBe(EBADF);
    const reserved = request(1, { ms: 0 });
    reserved[63] = 1;
    expect(call(reserved)).toBe(EINVAL);
  });

  test.skipIf(!hasCall)("tells of what runs in a worker: how many it found, or that its time is over", () => {
    using ring = new RawRing({ entries: 4 });
    using folder = new TempFolder();
    execFileSync("mkfifo", [folder.at("fifo")]);
    ring.prepOpenat(1, AT.FDCWD, folder.at("fifo"), O.RDONLY, 0);
    ring.sqeSetFlags(IOSQE.ASYNC);
    expect(ring.submitAndWait(1, 20)).toBe(1);
    const result = ring.register(IORING_REGISTER.SYNC_CANCEL, request(0, { flags: ANY, ms: 0 }), 1);
    // How many it found, the last time that it looked; or it has waited for them long enough.
    expect([0, 1, ETIME]).toContain(result);
    expect([...INTERRUPTED, ECANCELED]).toContain(short(visit(ring, 1))[0]![1]);
  });

  test.skipIf(!hasCall)("through a Ring blocks until they are done, and tells how many", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const codes = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.read(pipe.readEnd, new Uint8Array(8)), ring.timeout(NEVER)]
      .map((promise) => promise.catch((error) => error.code));
    expect(ring.syncCancel({ fd: pipe.readEnd })).toBe(2);
    expect(ring.stats.inFlight).toBe(1);
    expect(ring.syncCancel("all")).toBe(1);
    expect(ring.stats.inFlight).toBe(0);
    expect(await Promise.all(codes)).toEqual(["ECANCELED", "ECANCELED", "ECANCELED"]);
    expect(ring.syncCancel("all")).toBe(0);
  });
});

test("a kernel with ALL has ANY and FD, too", () => {
  expect([answerTo(ANY), answerTo(ALL)]).toEqual(HAS_ALL ? [0, 0] : [EINVAL, EINVAL]);
});

test("the fields of a cancellation are where they are", () => {
  using ring = new RawRing({ entries: 2 });
  ring.prepCancel(1, 0x1234, ALL);
  expect([ring.sqe().getBigUint64(ADDR), ring.sqe().getUint32(28)]).toEqual([0x1234n, ALL]);
});
