import { describe, expect, test } from "vitest";
import { AbortError, BufferPool, FUTEX2, Ring, UnsupportedError, UringError } from "../../mod.ts";
import { runChild } from "../support/child.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { collectGarbage } from "../support/garbage.ts";

const shared = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));

function hasFutex(ring: Ring): boolean {
  if (ring.probe().op("FUTEX_WAIT").supported) return true;
  const words = shared(1);
  for (
    const [call, feature] of [
      [() => ring.futexWait(words, 0, 0), "FUTEX_WAIT"],
      [() => ring.futexWake(words, 0), "FUTEX_WAKE"],
      [() => ring.futexWaitv([{ memory: words, index: 0, value: 0 }]), "FUTEX_WAITV"],
    ] as const
  ) expect(thrown(call, UnsupportedError)).toMatchObject({ feature, needs: "Linux 6.7" });
  return false;
}

describe("futexWait() and futexWake()", () => {
  test("wait until the word is woken, and count who was", async () => {
    await using ring = new Ring();
    await using other = new Ring();
    if (!hasFutex(ring)) return;
    const words = shared(4);
    const waits = [ring.futexWait(words, 2, 0), ring.futexWait(words, 2, 0), other.futexWait(words, 2, 0)];
    const outcomes = waits.map(watch);
    await Promise.all([ring.nop(), other.nop()]);
    expect(await ring.futexWake(words, 1, 10), "another word").toBe(0);
    expect(outcomes.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
    expect(await ring.futexWake(words, 2)).toBe(1);
    expect(await ring.futexWake(words, 2, 0), "nobody").toBe(0);
    expect(await ring.futexWake(words, 2, 0x7fffffff)).toBe(2);
    expect(await Promise.all(waits)).toEqual([0, 0, 0]);
  });

  test("compare the value, signed or unsigned, when the kernel looks", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const words = shared(1);
    words[0] = -5;
    expect(await failure(ring.futexWait(words, 0, 5), UringError)).toMatchObject({
      code: "EAGAIN",
      syscall: "futex_wait",
    });
    for (const value of [-5, 2 ** 32 - 5]) {
      const waiting = ring.futexWait(words, 0, value);
      await ring.nop();
      expect(await ring.futexWake(new Uint32Array(words.buffer), 0)).toBe(1);
      await waiting;
    }
  });

  test("take masks: only those are woken that share a bit", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const words = shared(1);
    const [one, two] = [ring.futexWait(words, 0, 0, { mask: 1 }), ring.futexWait(words, 0, 0, { mask: 0x80000000 })];
    const outcome = watch(one);
    await ring.nop();
    expect(await ring.futexWake(words, 0, 9, { mask: 0xf0 })).toBe(0);
    expect(await ring.futexWake(words, 0, 9, { mask: 0x80000000 })).toBe(1);
    await two;
    expect(outcome.state).toBe("pending");
    expect(await ring.futexWake(words, 0, 9)).toBe(1);
    await one;
  });

  test("work on a BufferPool's memory, and on parts of a buffer", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    using pool = new BufferPool({ size: 64, count: 2 });
    pool.acquire();
    const bytes = pool.acquire();
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, 16);
    const waiting = ring.futexWait(words, 3, 0);
    await ring.nop();
    expect(await ring.futexWake(words.subarray(2), 1)).toBe(1);
    await waiting;
  });

  test("take FUTEX2 flags", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const words = shared(2);
    const ofAll = { futexFlags: FUTEX2.SIZE_U32 };
    const waiting = ring.futexWait(words, 0, 0, ofAll);
    await ring.nop();
    expect(await ring.futexWake(words, 0, 1), "a private word is another").toBe(0);
    expect(await ring.futexWake(words, 0, 1, ofAll)).toBe(1);
    await waiting;
    for (const futexFlags of [FUTEX2.SIZE_U8, FUTEX2.SIZE_U64, 0x40]) {
      expect(await failure(ring.futexWait(words, 0, 0, { futexFlags }), UringError)).toMatchObject({ code: "EINVAL" });
    }
  });

  test("end by a signal, a time limit, cancel() and close(), and are not woken then", async () => {
    const ring = new Ring();
    if (!hasFutex(ring)) return ring.close();
    const words = shared(1);
    const controller = new AbortController();
    const signalled = ring.futexWait(words, 0, 0, { signal: controller.signal });
    const limited = failure(ring.futexWait(words, 0, 0, { timeout: 5 }), UringError);
    const cancelled = ring.futexWait(words, 0, 0);
    const closed = failure(ring.futexWait(words, 0, 0), AbortError);
    await ring.nop();
    controller.abort("enough");
    await expect(signalled).rejects.toBe("enough");
    expect(await limited).toMatchObject({ code: "ETIME", syscall: "futex_wait" });
    const rejection = failure(cancelled, UringError);
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED" });
    await ring.close();
    expect((await closed).message).toMatch("futex_wait was cancelled");
    await using other = new Ring();
    expect(await other.futexWake(words, 0, 9)).toBe(0);
  });

  test("keep hold of memory that nobody else mentions", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const waits = Array.from({ length: 100 }, () => ring.futexWait(shared(1024), 0, 0));
    const rejections = waits.map((wait) => failure(wait, UringError));
    await ring.nop();
    collectGarbage();
    const junk = Array.from({ length: 100 }, () => shared(1024).fill(-1));
    expect(await ring.cancel({ op: "FUTEX_WAIT" })).toBe(100);
    for (const { code } of await Promise.all(rejections)) expect(code).toBe("ECANCELED");
    expect(junk.every((words) => words.every((word) => word === -1))).toBe(true);
  });

  test("pass words to and fro between two workers, each through its own ring", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const ended = await runChild("futex_pingpong", ["500"], { limitMs: 30_000 });
    expect({ code: ended.code, signal: ended.signal }, ended.stderr).toEqual({ code: 0, signal: null });
    expect(JSON.parse(ended.stdout)).toEqual({ rounds: 500, last: 1000 });
  });
});

describe("futexWaitv()", () => {
  test("tells which of several words was woken", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const [a, b] = [shared(4), shared(4)];
    b[3] = -1;
    const waiters = [{ memory: a, index: 0, value: 0 }, { memory: a, index: 2, value: 0 }, {
      memory: b,
      index: 3,
      value: -1,
    }];
    for (const [memory, index, expected] of [[b, 3, 2], [a, 0, 0], [a, 2, 1]] as const) {
      const waiting = ring.futexWaitv(waiters);
      await ring.nop();
      expect(await ring.futexWake(memory, index)).toBe(1);
      expect(await waiting).toBe(expected);
    }
    a[2] = 1;
    expect(await failure(ring.futexWaitv(waiters), UringError)).toMatchObject({
      code: "EAGAIN",
      syscall: "futex_waitv",
    });
  });

  test("takes 128 words, and ends by cancel() and a time limit", async () => {
    await using ring = new Ring();
    if (!hasFutex(ring)) return;
    const words = shared(128);
    const waiters = Array.from({ length: 128 }, (_, index) => ({ memory: words, index, value: 0 }));
    const waiting = ring.futexWaitv(waiters);
    await ring.nop();
    expect(await ring.futexWake(words, 127)).toBe(1);
    expect(await waiting).toBe(127);
    expect(await failure(ring.futexWaitv(waiters, { timeout: 2 }), UringError)).toMatchObject({ code: "ETIME" });
    const cancelled = ring.futexWaitv(waiters);
    const rejection = failure(cancelled, UringError);
    await ring.nop();
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED" });
  });
});

test("Atomics.notify() does not wake the kernel's futexes, nor futexWake() those of JavaScript", async () => {
  await using ring = new Ring();
  if (!hasFutex(ring)) return;
  const words = shared(1);
  const waiting = ring.futexWait(words, 0, 0);
  const outcome = watch(waiting);
  await ring.nop();
  expect(Atomics.notify(words, 0)).toBe(0);
  await ring.nop();
  expect(outcome.state).toBe("pending");
  expect(await ring.futexWake(words, 0)).toBe(1);
  await waiting;
});
