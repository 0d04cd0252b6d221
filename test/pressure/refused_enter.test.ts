/**
 * io_uring_enter that answers EAGAIN or EBUSY: the kernel took nothing, and looked at nothing else. And what ends a ring.
 * A real filter gives the answer.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { buildRefuse, runRefused } from "../support/refuse.ts";
import { MOD } from "../support/script.ts";

const folder = new TempFolder();
const refuse = folder.at("refuse");
const RAW = MOD.replace(/mod(\.\w+)$/, "src/ring/raw$1");
const GARBAGE = MOD.replace(/mod(\.\w+)$/, "test/support/garbage$1");

beforeAll(() => {
  if (!IN_GUEST) buildRefuse(refuse); // no compiler there
});

/** What a script gives to `show`, which finds Ring and RawRing; so many operations at once are refused. */
function whereRefused(errno: number, count: number, script: string): unknown {
  const whole = `const { Ring } = await import(${JSON.stringify(MOD)});
  const { RawRing } = await import(${JSON.stringify(RAW)});
  const show = (value) => console.log(JSON.stringify(value));
  ${script}`;
  return JSON.parse(runRefused(refuse, errno, count, whole));
}

describe.skipIf(IN_GUEST).each([["EAGAIN", 11], ["EBUSY", 16], ["ENOMEM", 12]])(
  "io_uring_enter that answers %s",
  (_, errno) => {
    test("leaves them in the queue; timers go on; with one more they go in, in order", () => {
      const shown = whereRefused(
        errno,
        3,
        `const ring = new Ring({ entries: 16 });
      const done = [];
      const nop = (i) => ring.nop().then(() => done.push(i));
      const all = [nop(0), nop(1), nop(2)];
      let ticks = 0;
      const interval = setInterval(() => ticks++, 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      clearInterval(interval);
      const meanwhile = { done: done.length, ticks: ticks > 5, inFlight: ring.stats.inFlight };
      all.push(nop(3));
      await Promise.all(all);
      const { completed, inFlight } = ring.stats;
      await ring.close();
      show({ meanwhile, done, completed, inFlight });`,
      );
      expect(shown).toEqual({
        meanwhile: { done: 0, ticks: true, inFlight: 3 },
        done: [0, 1, 2, 3],
        completed: 4,
        inFlight: 0,
      });
    });

    test("does not keep completions from being delivered", () => {
      const shown = whereRefused(
        errno,
        3,
        `const ring = new Ring({ entries: 16 });
      const early = ring.timeout(20);
      await ring.nop();
      const all = [ring.nop(), ring.nop(), ring.nop()];
      await early;
      const { inFlight } = ring.stats;
      all.push(ring.nop());
      await Promise.all(all);
      await ring.close();
      show({ inFlight });`,
      );
      expect(shown).toEqual({ inFlight: 3 });
    });

    test("lets their ring be closed: they end as cancelled", () => {
      const shown = whereRefused(
        errno,
        3,
        `const ring = new Ring({ entries: 16 });
      const all = [ring.nop(), ring.nop(), ring.nop()];
      const settled = Promise.allSettled(all);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await ring.close();
      show((await settled).map(({ status, reason }) => reason?.name ?? status));`,
      );
      expect(["fulfilled", "AbortError"]).toEqual(expect.arrayContaining([...new Set(shown as string[])]));
      expect(shown).toHaveLength(3);
    });

    test("is an error of what finds no room any more, once nothing has gone in for a while", () => {
      const shown = whereRefused(
        errno,
        4,
        `const ring = new Ring({ entries: 4, closeTimeout: 300 });
      const settled = [];
      const nop = () => ring.nop().then(() => "done", (error) => error.name);
      // Four in the kernel's queue, four before it.
      for (let i = 0; i < 8; i++) settled.push(nop());
      let refused;
      try { await ring.nop(); } catch (error) { refused = error; }
      await ring.close();
      show({ code: refused?.code, syscall: refused?.syscall, ended: await Promise.all(settled) });`,
      );
      expect(shown).toEqual({ code: "EAGAIN", syscall: "io_uring_enter", ended: new Array(8).fill("AbortError") });
    });

    test("is 0 for RawRing, which says that it was busy; nothing is lost", () => {
      const shown = whereRefused(
        errno,
        3,
        `const ring = new RawRing({ entries: 16 });
      for (let i = 0; i < 3; i++) ring.prepNop(i);
      const refused = [ring.submit(), ring.submitAndWait(1)];
      ring.prepNop(3);
      const taken = ring.submitAndWait(4);
      const seen = [];
      ring.forEachCqe((userData) => void seen.push(userData));
      ring.close();
      show({ refused, taken, seen });`,
      );
      expect(shown).toEqual({ refused: [0, 0], taken: 4, seen: [0, 1, 2, 3] });
    });
  },
);

describe.skipIf(IN_GUEST).each([
  ["EBADR", 53, "the kernel lost a completion for lack of memory"],
  ["EOWNERDEAD", 130, "the submission thread of the ring has died"],
  ["ENXIO", 6, "the ring is being closed by the kernel"],
])("io_uring_enter that answers %s", (code, errno, why) => {
  test("ends its ring: all are told so once; their memory is kept until close() has ended them; other rings go on", () => {
    const shown = whereRefused(
      errno,
      3,
      `const { A_FEW, collectUntil } = await import(${JSON.stringify(GARBAGE)});
      const ring = new Ring({ entries: 16, closeTimeout: 50 });
      const other = new Ring({ entries: 16 });
      const told = async (make) => {
        try { return String(await make()); } catch (error) { return error.message; }
      };
      const { read, write } = await ring.pipe();
      const begin = () => {
        const buffer = new Uint8Array(100_000);
        return [told(() => ring.read(read, buffer)), new WeakRef(buffer.buffer)];
      };
      const [pending, ref] = begin();
      const limited = told(() => ring.timeout(60_000, { timeout: 50_000 }));
      await ring.nop();
      const all = [pending, limited, ...[0, 1, 2].map(() => told(() => ring.nop()))];
      const ended = [...new Set(await Promise.all(all))];
      const after = [...new Set([await told(() => ring.nop()), await told(() => ring.submitAndWait(0))])];
      await other.write(write, Uint8Array.of(7));
      const isFree = await collectUntil(() => ref.deref() === undefined, A_FEW);
      // What it has under way can be ended all the same.
      const closed = await told(() => ring.close());
      const isFreed = await collectUntil(() => ref.deref() === undefined, A_FEW);
      show({ ended, after, other: await other.nop(), isFree, closed, isFreed, inFlight: ring.stats.inFlight });
      await other.close();`,
    );
    const refused = `${code}: ${why}, io_uring_enter`;
    expect(shown).toEqual({
      ended: [refused],
      after: [refused],
      other: 0,
      isFree: false,
      closed: "undefined",
      isFreed: true,
      inFlight: 0,
    });
  });
});
