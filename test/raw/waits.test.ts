import { spawn } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import {
  EPOLL_CTL,
  FUTEX2,
  IORING_ASYNC_CANCEL,
  IORING_CQE_F,
  IORING_POLL,
  IORING_TIMEOUT,
  P,
  POLL,
  W,
} from "../../mod.ts";
import { EPOLL_EVENT_SIZE } from "../../src/ring/raw_memory.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { NEVER } from "../support/operations.ts";
import { EpollSet } from "../support/epoll.ts";
import { pollUpdatesTell } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { has, RawStage, testOf } from "./stage.ts";

const ENOENT = -2;
const EAGAIN = -11;
const EEXIST = -17;
const EINVAL = -22;
const ETIME = -62;
const ECANCELED = -125;
const ALL_BITS = 0xffffffff;
const FUTEX = FUTEX2.SIZE_U32 | FUTEX2.PRIVATE;

describe("polls", () => {
  test("prepPollMultishot tells of each event, until it is removed", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    stage.ring.prepPollMultishot(5, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    for (let i = 0; i < 3; i++) {
      pipe.write("x");
      const [polled] = stage.completions(1);
      expect([polled!.userData, polled!.res & POLL.IN]).toEqual([5, POLL.IN]);
      expect(polled!.flags & IORING_CQE_F.MORE).toBe(IORING_CQE_F.MORE);
      pipe.read();
    }
    stage.ring.prepPollRemove(6, 5);
    const ended = stage.finals(5, 6);
    expect(ended.find(({ userData }) => userData === 5)!.res).toBe(ECANCELED);
  });

  test.skipIf(!pollUpdatesTell())("prepPollUpdate changes a poll's user data and what it waits for", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    stage.ring.prepPollAdd(5, pipe.writeEnd, POLL.PRI);
    stage.ring.submit();
    expect(completions(stage.ring)).toEqual([]);
    stage.ring.prepPollUpdate(6, 5, 77, 0, IORING_POLL.UPDATE_USER_DATA);
    expect(stage.finals(6)).toMatchObject([{ userData: 6, res: 0 }]);
    stage.ring.prepPollUpdate(7, 77, 0, POLL.OUT, IORING_POLL.UPDATE_EVENTS);
    const visited = stage.finals(7, 77);
    expect(visited.find(({ userData }) => userData === 77)!.res & POLL.OUT).toBe(POLL.OUT);
    expect(stage.result((ring) => ring.prepPollUpdate(8, 5, 0, 0, IORING_POLL.UPDATE_EVENTS))).toBe(ENOENT);
    expect(thrown(() => stage.ring.prepPollUpdate(8, 5, -1, 0, 0), RangeError).message).toMatch(/userData must be/);
  });

  test("a target may be a bigint, as of an operation whose user data were set by hand", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const LARGE = 2n ** 62n + 1n;
    stage.ring.prepPollAdd(5, pipe.readEnd, POLL.IN);
    stage.ring.sqe().setBigUint64(32, LARGE);
    stage.ring.submit();
    stage.ring.prepCancel64(6, LARGE, 0);
    const visited = stage.completions(2);
    expect(visited.find(({ userData }) => userData === 6)!.res).toBe(0);
    expect(visited.find(({ userData }) => userData !== 6)!.res).toBe(ECANCELED);
    stage.ring.prepPollAdd(5, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    stage.ring.prepCancel(6, 5n, 0);
    expect(stage.finals(5, 6).map(({ userData, res }) => [userData, res]).sort()).toEqual([[5, ECANCELED], [6, 0]]);
  });
});

describe("timeouts", () => {
  test("MULTISHOT fires again and again, and holds its time until it ends", async () => {
    using stage = new RawStage();
    stage.ring.prepTimeout(5, { ms: 1 }, 3, IORING_TIMEOUT.MULTISHOT);
    const visited = stage.completions(1);
    if (visited[0]!.res === EINVAL) return; // before 6.4
    while (visited.length < 3) visited.push(...stage.completions(1));
    expect(visited.map(({ res }) => res)).toEqual([ETIME, ETIME, ETIME]);
    expect(visited.map(({ flags }) => flags & IORING_CQE_F.MORE)).toEqual([2, 2, 0]);
    await Promise.resolve();
  });
});

describe("epoll", () => {
  /** As C has it: packed on x86-64, with 4 bytes between elsewhere. */
  function event(events: number, data: bigint): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(EPOLL_EVENT_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, events, true);
    view.setBigUint64(EPOLL_EVENT_SIZE - 8, data, true);
    return bytes;
  }

  // Node can't make a descriptor for it.
  test("prepEpollCtl adds, changes and removes; prepEpollWait takes what is ready", async () => {
    await using set = await EpollSet.open();
    const epoll = set.fd;
    using stage = new RawStage();
    using pipe = new Pipe();
    const control = (op: number, events: number, data: bigint) =>
      stage.result((ring) => ring.prepEpollCtl(1, epoll, pipe.readEnd, op, event(events, data)));
    expect(control(EPOLL_CTL.ADD, POLL.IN, 77n)).toBe(0);
    expect(control(EPOLL_CTL.ADD, POLL.IN, 77n)).toBe(EEXIST);
    expect(control(EPOLL_CTL.MOD, POLL.IN, 2n ** 63n + 5n)).toBe(0);
    if (has("EPOLL_WAIT")) {
      const events = new Uint8Array(4 * EPOLL_EVENT_SIZE);
      stage.ring.prepEpollWait(5, epoll, events, 4, 0);
      stage.ring.submit();
      expect(completions(stage.ring)).toEqual([]);
      pipe.write("x");
      expect(stage.finals(5)).toMatchObject([{ userData: 5, res: 1 }]);
      expect(events.slice(0, EPOLL_EVENT_SIZE)).toEqual(event(POLL.IN, 2n ** 63n + 5n));
    }
    expect(stage.result((ring) => ring.prepEpollCtl(1, epoll, pipe.readEnd, EPOLL_CTL.DEL, 0))).toBe(0);
    expect(stage.result((ring) => ring.prepEpollCtl(1, epoll, pipe.readEnd, EPOLL_CTL.DEL, 0))).toBe(ENOENT);
  });

  testOf("EPOLL_WAIT")("prepEpollWait refuses what is no epoll, and more events than fit", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const events = new Uint8Array(2 * EPOLL_EVENT_SIZE);
    expect(stage.result((ring) => ring.prepEpollWait(1, pipe.readEnd, events, 2, 0))).toBe(EINVAL);
    expect(thrown(() => stage.ring.prepEpollWait(1, 0, events, 3, 0), RangeError).message).toMatch(
      /more than events has/,
    );
  });
});

describe("futexes", () => {
  testOf("FUTEX_WAIT", "FUTEX_WAKE")(
    "prepFutexWait sleeps until prepFutexWake, if the value is the one it knows",
    () => {
      using stage = new RawStage();
      const futex = new Int32Array(new SharedArrayBuffer(8), 4);
      futex[0] = 7;
      expect(stage.result((ring) => ring.prepFutexWait(1, futex, 8, ALL_BITS, FUTEX, 0)), "another").toBe(EAGAIN);
      stage.ring.prepFutexWait(5, futex, 7, ALL_BITS, FUTEX, 0);
      stage.ring.prepFutexWait(6, futex, 7n, 2, FUTEX, 0);
      stage.ring.submit();
      expect(completions(stage.ring)).toEqual([]);
      stage.ring.prepFutexWake(7, futex, 1, 2, FUTEX, 0);
      const woken = stage.completions(2);
      expect(woken.find(({ userData }) => userData === 7)!.res).toBe(1);
      expect(stage.result((ring) => ring.prepFutexWake(8, futex, 100, ALL_BITS, FUTEX, 0)) + woken.length).toBe(3);
      expect(stage.result((ring) => ring.prepFutexWait(1, 4097, 0, ALL_BITS, FUTEX, 0)), "unaligned").toBe(EINVAL);
    },
  );

  testOf("FUTEX_WAITV")("prepFutexWaitv sleeps on several, holds them, and tells which was woken", async () => {
    using stage = new RawStage();
    const third = new Int32Array(new SharedArrayBuffer(4));
    const held = (() => {
      const futexes = [new Int32Array(1), new Int32Array(1)];
      const waits = [...futexes, third].map((futex) => ({ futex, val: 0, flags: FUTEX }));
      stage.ring.prepFutexWaitv(5, waits, 3, 0);
      stage.ring.submit();
      return futexes.map(({ buffer }) => new WeakRef(buffer));
    })();
    expect(await collectUntil(() => held.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    stage.ring.prepFutexWake(6, third, 1, ALL_BITS, FUTEX, 0);
    expect(stage.finals(5, 6).map(({ userData, res }) => [userData, res]).sort()).toEqual([[5, 2], [6, 1]]);
    expect(await collectUntil(() => held.every((ref) => ref.deref() === undefined))).toBe(true);
    const { ring } = stage;
    expect(thrown(() => ring.prepFutexWaitv(1, [], 1, 0), RangeError).message).toMatch(/nrFutex must be from 1 to 0/);
    expect(thrown(() => ring.prepFutexWaitv(1, new Uint8Array(40), 2, 0), RangeError).message).toMatch(/48.*40 bytes/);
  });
});

test.each<[string, (ring: RawRing, futex: Int32Array) => boolean]>([
  ["prepFutexWait", (ring, futex) => ring.prepFutexWait(1, futex, 0, ALL_BITS, FUTEX | FUTEX2.NUMA, 0)],
  ["prepFutexWake", (ring, futex) => ring.prepFutexWake(1, futex, 1, ALL_BITS, FUTEX | FUTEX2.NUMA, 0)],
  ["prepFutexWaitv", (ring, futex) => ring.prepFutexWaitv(1, [{ futex, val: 0, flags: FUTEX | FUTEX2.NUMA }], 1, 0)],
])("%s with NUMA takes the word behind the futex, too, where the kernel may write", (_, prepare) => {
  using ring = new RawRing({ entries: 4 });
  expect(thrown(() => prepare(ring, new Int32Array(1)), RangeError).message).toMatch(
    /8 is more than .*futex.* 4 bytes/,
  );
  expect(thrown(() => prepare(ring, new Int32Array(3).subarray(2)), RangeError).message).toMatch(/4 bytes/);
  expect(ring.sqSpace).toBe(4);
  expect(prepare(ring, new Int32Array(2))).toBe(true);
});

describe("children", () => {
  testOf("WAITID")("prepWaitid completes when a child stops, and says which one", async () => {
    using stage = new RawStage();
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    try {
      const info = new DataView(new ArrayBuffer(128));
      stage.ring.prepWaitid(5, P.PID, child.pid!, info, W.STOPPED, 0);
      stage.ring.submit();
      expect(completions(stage.ring)).toEqual([]);
      process.kill(child.pid!, "SIGSTOP");
      expect(stage.finals(5)).toMatchObject([{ userData: 5, res: 0 }]);
      const [signo, code, pid] = [0, 8, 16].map((at) => info.getInt32(at, true));
      expect([signo, code, pid]).toEqual([17, 5, child.pid]); // SIGCHLD, CLD_STOPPED
      stage.ring.prepWaitid(6, P.PID, child.pid!, 0, W.STOPPED, 0);
      stage.ring.prepTimeout(7, { ms: NEVER }, 0, 0);
      stage.ring.submit();
      stage.ring.prepCancel(8, 6, 0);
      expect(stage.finals(6, 8).find(({ userData }) => userData === 6)!.res).toBe(ECANCELED);
    } finally {
      process.kill(child.pid!, "SIGKILL");
      await ended;
    }
    expect(thrown(() => stage.ring.prepWaitid(1, P.PID, 1, new Uint8Array(127), 4, 0), RangeError).message)
      .toMatch(/length 128.*127 bytes/);
  });

  testOf("WAITID")("prepWaitid of what is no child is ECHILD", () => {
    using stage = new RawStage();
    expect(stage.result((ring) => ring.prepWaitid(1, P.PID, 1, 0, W.EXITED, 0))).toBe(-10);
  });
});

describe("where several operations have the same user data,", () => {
  test("what ends a poll or a timeout means that one", () => {
    using ring = new RawRing({ entries: 8 });
    using one = new Pipe();
    using two = new Pipe();
    ring.prepRead(5, one.readEnd, new Uint8Array(8), 8, -1);
    ring.prepPollAdd(5, two.readEnd, POLL.IN);
    ring.prepTimeout(5, { ms: 3_600_000 }, 0, 0);
    ring.submit();
    ring.prepPollRemove(8, 5);
    ring.prepTimeoutRemove(9, 5, 0);
    ring.submitAndWait(4);
    const seen = completions(ring).map(({ userData, res }) => [userData, res]);
    expect(seen.sort()).toEqual([[5, -125], [5, -125], [8, 0], [9, 0]]);
  });

  test("a cancellation of all of them is refused, as it would find one", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    for (let i = 0; i < 2; i++) ring.prepRead(5, pipe.readEnd, new Uint8Array(8), 8, -1);
    ring.submit();
    const error = thrown(() => ring.prepCancel(9, 5, IORING_ASYNC_CANCEL.ALL), TypeError);
    expect(error.message).toMatch(/^2 operations that hold memory have user data 5/);
    expect(ring.sqSpace).toBe(8);
  });
});
