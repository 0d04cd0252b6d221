import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { CLD, FUTEX2, IORING_ASYNC_CANCEL, P, Ring, type UringError, W } from "../../mod.ts";
import { RawStage } from "../raw/stage.ts";
import { runChild } from "../support/child.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { hasOp } from "../support/kernel.ts";
import { Random } from "../support/random.ts";
import { MOD, runScript } from "../support/script.ts";
import { endChildren, startSleeper } from "../support/sleeper.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const OUTCOMES = MOD.replace(/mod(\.\w+)$/, "test/support/outcomes$1");
const ECANCELED = negative("ECANCELED");
const ENOENT = negative("ENOENT");
const EVERY_BIT = 0xffffffff;
const WORD = FUTEX2.SIZE_U32 | FUTEX2.PRIVATE;

describe.skipIf(!hasOp("FUTEX_WAIT", "FUTEX_WAKE"))("a futex that is woken as its wait is cancelled", () => {
  const ROUNDS = 500;
  const THREAD_ROUNDS = TIME_SCALE > 1 ? 200 : 2000;

  test("has one outcome, and no wake-up goes to who was cancelled", () => {
    using stage = new RawStage();
    const { ring } = stage;
    const word = new Int32Array(new SharedArrayBuffer(4));
    const random = new Random(11);
    const seen = new Set<number>();
    for (let round = 0; round < ROUNDS; round++) {
      ring.prepFutexWait(1, word, 0, EVERY_BIT, WORD, 0);
      ring.submit();
      const cancelFirst = random.below(2) === 0;
      if (cancelFirst) ring.prepCancel(2, 1, 0);
      ring.prepFutexWake(3, word, 1, EVERY_BIT, WORD, 0);
      if (!cancelFirst) ring.prepCancel(2, 1, 0);
      const visited = stage.finals(1, 2, 3);
      expect(visited.length).toBe(3);
      const { 1: waited, 2: cancelled, 3: woken } = resultsOf(visited);
      expect(woken, "who is counted as woken is told so").toBe(waited === 0 ? 1 : 0);
      expect(waited === 0 || waited === ECANCELED).toBe(true);
      // Of futexes the kernel counts what it found, of others it says 0 for one.
      if (cancelled! >= 0) expect(waited).toBe(ECANCELED);
      else expect([ENOENT, negative("EALREADY")]).toContain(cancelled);
      seen.add(waited!);
    }
    expect(seen, "both ways").toEqual(new Set([0, ECANCELED]));
  });

  test("of many waits loses none: so many woken, so many cancelled, and together all", () => {
    using stage = new RawStage({ entries: 64, cqEntries: 2048 });
    const { ring } = stage;
    const word = new Int32Array(new SharedArrayBuffer(4));
    const COUNT = 600;
    for (let i = 0; i < COUNT; i++) {
      if (ring.sqSpace === 0) ring.submit();
      ring.prepFutexWait(i, word, 0, EVERY_BIT, WORD, 0);
    }
    ring.submit();
    ring.prepFutexWake(COUNT, word, 200, EVERY_BIT, WORD, 0);
    for (let i = 100; i < 150; i++) {
      if (ring.sqSpace === 0) ring.submit();
      ring.prepCancel(COUNT + 1 + i, i, 0);
    }
    ring.prepCancel(COUNT + 1, 0, IORING_ASYNC_CANCEL.ANY | IORING_ASYNC_CANCEL.ALL);
    const visited = stage.completions(COUNT + 52);
    const results = resultsOf(visited);
    const waits = Array.from({ length: COUNT }, (_, i) => results[i]);
    expect(results[COUNT]).toBe(200);
    expect(waits.filter((res) => res === 0).length, "each that was counted was told").toBe(200);
    expect(waits.filter((res) => res === ECANCELED).length).toBe(400);
    expect(results[COUNT + 1], "it found some").toBeGreaterThan(0);
    ring.submitAndWait(0);
    expect(completions(ring)).toEqual([]);
    expect(stage.result((ring) => ring.prepFutexWake(1, word, 1000, EVERY_BIT, WORD, 0)), "nobody is left").toBe(0);
  });

  test.skipIf(!hasOp("FUTEX_WAITV"))("among several words is told which, or cancelled; the others are let go", () => {
    using stage = new RawStage();
    const { ring } = stage;
    const words = new Int32Array(new SharedArrayBuffer(16));
    const each = Array.from({ length: 4 }, (_, i) => words.subarray(i, i + 1));
    const random = new Random(12);
    for (let round = 0; round < ROUNDS; round++) {
      ring.prepFutexWaitv(1, each.map((futex) => ({ futex, val: 0, flags: WORD })), 4, 0);
      ring.submit();
      const chosen = random.below(4);
      const second = random.below(4);
      const order = random.below(3);
      if (order === 0) ring.prepCancel(2, 1, 0);
      ring.prepFutexWake(3, each[chosen]!, 1, EVERY_BIT, WORD, 0);
      if (order === 1) ring.prepCancel(2, 1, 0);
      ring.prepFutexWake(4, each[second]!, 1, EVERY_BIT, WORD, 0);
      if (order === 2) ring.prepCancel(2, 1, 0);
      const results = resultsOf(stage.finals(1, 2, 3, 4));
      // It leaves all its words a little after it was woken by one of them: both may count it.
      if (results[1] === chosen) expect(results[3]).toBe(1);
      else if (results[1] === second) expect(results[4]).toBe(1);
      else expect(results[1]).toBe(ECANCELED);
      // 7.3 counts one that was woken at the same time.
      if (results[1] !== ECANCELED) expect(results[2]).not.toBe(0);
      for (const word of each) {
        expect(stage.result((ring) => ring.prepFutexWake(5, word, 9, EVERY_BIT, WORD, 0)), "let go").toBe(0);
      }
    }
  });

  test("by another ring is woken or cancelled, in Ring too: the counts agree", async () => {
    await using ring = new Ring();
    await using waker = new Ring();
    const words = new Int32Array(new SharedArrayBuffer(4));
    let woken = 0;
    let resolved = 0;
    for (let round = 0; round < 200; round++) {
      const controller = new AbortController();
      const wait = ring.futexWait(words, 0, 0, { signal: controller.signal }).then(
        () => void resolved++,
        (error: unknown) => expect(error).toBe("enough"),
      );
      ring.submitAndWait(0);
      const wake = waker.futexWake(words, 0, 1).then((count) => void (woken += count));
      if (round % 2 === 0) waker.submitAndWait(0);
      controller.abort("enough");
      await Promise.all([wait, wake]);
    }
    expect(resolved).toBe(woken);
    expect(woken).toBeGreaterThan(0);
    expect(await waker.futexWake(words, 0, 1000)).toBe(0);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("by another thread's ring is woken or cancelled, both now and then: the counts agree", async () => {
    const { code, signal, stdout, stderr } = await runChild("futex_cancelled", [`${THREAD_ROUNDS}`]);
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    const { woken, cancelled, ...rest } = JSON.parse(stdout);
    expect(woken + cancelled).toBe(THREAD_ROUNDS);
    expect(Math.min(woken, cancelled), `${stdout}: both ways`).toBeGreaterThan(0);
    expect(rest).toEqual({ wrong: 0, left: 0, lost: 0, inFlight: 0, strays: 0 });
  });
});

afterEach(endChildren);

describe.skipIf(!hasOp("WAITID"))("a child that stops as its wait is cancelled", () => {
  test("is told of, or is there to be told of: once", () => {
    using stage = new RawStage();
    const { pid } = startSleeper();
    const info = new Int32Array(32);
    for (let round = 0; round < 100; round++) {
      stage.ring.prepWaitid(1, P.PID, pid, info, W.STOPPED, 0);
      stage.ring.submit();
      process.kill(pid, "SIGSTOP");
      stage.ring.prepCancel(2, 1, 0);
      const visited = stage.finals(1, 2);
      expect(visited.length).toBe(2);
      const { 1: waited, 2: cancelled } = resultsOf(visited);
      if (waited === ECANCELED) {
        // On its way to being woken it is marked all the same, and told as not found.
        expect(cancelled! >= 0 || cancelled === ENOENT).toBe(true);
        // Nobody has been told: it is still to be had.
        expect(stage.result((ring) => ring.prepWaitid(3, P.PID, pid, info, W.STOPPED, 0))).toBe(0);
      } else {
        expect(waited).toBe(0);
        expect([ENOENT, negative("EALREADY")]).toContain(cancelled);
      }
      expect([info[2], info[4]]).toEqual([CLD.STOPPED, pid]);
      info.fill(0);
      expect(stage.result((ring) => ring.prepWaitid(4, P.PID, pid, info, W.STOPPED | W.NOHANG, 0))).toBe(0);
      expect(info[4], "told once").toBe(0);
      process.kill(pid, "SIGCONT");
      expect(stage.result((ring) => ring.prepWaitid(5, P.PID, pid, info, W.CONTINUED, 0))).toBe(0);
      expect(info[2]).toBe(CLD.CONTINUED);
    }
  });

  test("leaves other waits of it alone, and cancelling twice finds it once", async () => {
    await using ring = new Ring();
    const { pid } = startSleeper();
    const waits = Array.from({ length: 10 }, () =>
      ring.waitid(P.PID, pid, W.STOPPED | W.NOWAIT).then(
        ({ code }) => code as number | string,
        (error: UringError) => error.code,
      ));
    await ring.nop();
    const target = ring.waitid(P.PID, pid, W.STOPPED);
    const outcome = target.catch((error: UringError) => error.code);
    await ring.nop();
    expect((await Promise.all([ring.cancel(target), ring.cancel(target)])).sort()).toEqual([0, 1]);
    expect(await outcome).toBe("ECANCELED");
    process.kill(pid, "SIGSTOP");
    const states = await Promise.all(waits);
    expect(states).toEqual(new Array(10).fill(CLD.STOPPED));
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe.skipIf(!hasOp("WAITID"))("a child that ends as its wait is cancelled", () => {
  test("is reaped once: by that wait, or by the next", () => {
    const COUNT = 60;
    // The runtime knows nothing of these children, and reaps none: the shell that it took the place of had them.
    const prepare =
      `pids=; for i in $(seq ${COUNT}); do sleep 60 >/dev/null 2>&1 & pids="$pids $!"; done; export PIDS="$pids"`;
    const script = `const { P, Ring, W } = await import(${JSON.stringify(MOD)});
    const { outcome, spin } = await import(${JSON.stringify(OUTCOMES)});
    const ring = new Ring();
    const pids = process.env.PIDS.trim().split(" ").map(Number);
    const told = { waited: 0, cancelled: 0, wrong: [] };
    for (const [i, pid] of pids.entries()) {
      const wait = ring.waitid(P.PID, pid, W.EXITED);
      const first = outcome(wait);
      ring.submitAndWait(0);
      process.kill(pid, "SIGKILL");
      // As it ends, which takes some tenths of a millisecond; and when it has, on one processor, too.
      if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      else spin(10 * i);
      await ring.cancel(wait);
      const ended = await first;
      const next = await outcome(ring.waitid(P.PID, pid, W.EXITED));
      const last = await outcome(ring.waitid(P.PID, pid, W.EXITED | W.NOHANG));
      if (ended.pid === pid && next === "ECHILD" && last === "ECHILD") told.waited++;
      else if (ended === "ECANCELED" && next.pid === pid && last === "ECHILD") told.cancelled++;
      else told.wrong.push([ended, next, last]);
    }
    const { submitted, completed, strays } = ring.stats;
    await ring.close();
    console.log(JSON.stringify({ ...told, lost: submitted - completed, strays }));`;
    const { waited, cancelled, ...rest } = JSON.parse(runScript(script, prepare));
    expect(rest).toEqual({ wrong: [], lost: 0, strays: 0 });
    expect(waited + cancelled).toBe(COUNT);
    expect(Math.min(waited, cancelled), `${waited} waited for, ${cancelled} cancelled: both`).toBeGreaterThan(0);
  });
});
