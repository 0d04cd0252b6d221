import { describe, expect, test } from "vitest";
import { IORING_CQE_F, IORING_NOP, IORING_OP, IORING_SETUP, IOSQE, POLL, Ring } from "../../mod.ts";
import { Core, TURN } from "../../src/ring/core.ts";
import { watch } from "../support/failure.ts";
import { hasSetup } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";

const { CQE_MIXED, SQE_MIXED } = IORING_SETUP;
const F_32 = IORING_CQE_F["32"];

/** Stages a NOP: of 128 bytes, with a CQE of 32, with SQE flags. */
function stageNop(core: Core, userData: number, { wide = false, cqe32 = false, flags = 0 } = {}): void {
  const at = core.count * core.sqeWords;
  core.count += wide ? 2 : 1;
  core.sqes.fill(0, at, core.count * core.sqeWords);
  core.sqes[at] = (wide ? IORING_OP.NOP128 : IORING_OP.NOP) | flags << 8;
  core.sqes[at + 7] = cqe32 ? IORING_NOP.CQE32 : 0;
  core.sqes[at + 8] = userData;
}

/** The user data of the completions that a turn brought. */
function visited(core: Core, slots: number): number[] {
  const found: number[] = [];
  for (let at = 0; at < slots; at++) {
    const flags = core.cqes[at * 4 + 3]!;
    expect(flags & IORING_CQE_F.SKIP).toBe(0);
    found.push(core.cqes[at * 4]!);
    if ((flags & F_32) !== 0) at++;
  }
  return found;
}

describe.skipIf(!hasSetup(CQE_MIXED))("mixed CQEs", () => {
  test("come whole and in order, wherever the queue's end lies", () => {
    const core = new Core({ entries: 4, cqeMixed: true });
    let next = 0;
    for (let round = 0; round < 100; round++) {
      const first = next;
      const wide = [round % 2, round % 3, round % 5].map((rest) => rest === 0);
      for (const cqe32 of wide) stageNop(core, next++, { cqe32 });
      const slots = core.turn(0, 3);
      expect(slots).toBe(3 + wide.filter(Boolean).length);
      expect(visited(core, slots)).toEqual([first, first + 1, first + 2]);
    }
    expect(core.close(0)).toBe(true);
  });

  test("are waited for by the completion, not by the place", () => {
    const core = new Core({ entries: 4, cqeMixed: true });
    stageNop(core, 1, { cqe32: true });
    // The kernel would take its two places for two completions.
    const start = performance.now();
    expect(core.turnTimed(0, 2, 20)).toBe(2);
    expect(performance.now() - start).toBeGreaterThanOrEqual(20);
    expect(core.close(0)).toBe(true);
  });

  test("that overflow the queue are not lost", () => {
    const core = new Core({ entries: 4, cqEntries: 4, cqeMixed: true });
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 4; i++) stageNop(core, round * 4 + i, { cqe32: true });
      expect(core.turn(TURN.NO_REAP, 0)).toBe(0);
    }
    const found: number[] = [];
    while (found.length < 20) {
      const slots = core.turn(TURN.GET_EVENTS, 1);
      expect(slots).toBeGreaterThan(0);
      found.push(...visited(core, slots));
    }
    expect(found).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(core.close(0)).toBe(true);
  });

  test("of a Ring settle their promises, and are counted once", async () => {
    await using ring = new Ring({ entries: 4, cqeMixed: true });
    using pipe = new Pipe();
    const poll = watch(ring.pollAdd(pipe.readEnd, POLL.IN));
    for (let round = 0; round < 50; round++) {
      const nops = [0, 1, 2, 3, 4, 5].map((i) => ring.nop({ cqe32: (i + round) % 3 === 0, injectResult: i }));
      expect(await Promise.all(nops)).toEqual([0, 1, 2, 3, 4, 5]);
    }
    expect(ring.stats).toMatchObject({ completed: 300, submitted: 301, inFlight: 1 });
    const nops = [ring.nop({ cqe32: true }), ring.nop({ cqe32: true })];
    expect(ring.submitAndWait(2)).toBe(2);
    expect(await Promise.all(nops)).toEqual([0, 0]);
    expect(poll.state).toBe("pending");
    pipe.write("x");
    expect(ring.submitAndWait(1)).toBe(1);
  });

  test("close with some of them unseen", () => {
    const ring = new Ring({ entries: 4, cqeMixed: true });
    for (let i = 0; i < 3; i++) ring.nop({ cqe32: true }).catch(() => {});
    ring[Symbol.dispose]();
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe.skipIf(!hasSetup(SQE_MIXED))("mixed SQEs", () => {
  test.each([{}, { noSqarray: false }, { sqpoll: { idle: 5 } }])(
    "go in wherever the queue's end lies: %o",
    (options) => {
      const core = new Core({ entries: 8, sqeMixed: true, ...options });
      expect(core.limit).toBe(7);
      let next = 0;
      for (let round = 0; round < 100; round++) {
        const first = next;
        const wide = [round % 2, round % 3, round % 5].map((rest) => rest === 0);
        for (const each of wide) stageNop(core, next++, { wide: each });
        expect(core.turn(0, 3)).toBe(3);
        expect(visited(core, 3)).toEqual([first, first + 1, first + 2]);
        expect([core.cqes[2], core.cqes[6], core.cqes[10]]).toEqual([0, 0, 0]);
        expect(core.lastSubmitted).toBe(3 + wide.filter(Boolean).length);
      }
      expect(core.close(0)).toBe(true);
    },
  );

  test("in a chain stay in it: what fills the queue's last place breaks no link, and is not heard of", () => {
    const ECANCELED = -125;
    for (let before = 0; before < 8; before++) {
      const core = new Core({ entries: 8, sqeMixed: true });
      for (let i = 0; i < before; i++) stageNop(core, i);
      if (before > 0) expect(core.turn(0, before)).toBe(before);
      stageNop(core, 20, { flags: IOSQE.IO_LINK });
      core.sqes[7] = IORING_NOP.INJECT_RESULT;
      core.sqes[6] = -5;
      stageNop(core, 21, { wide: true, flags: IOSQE.IO_LINK });
      stageNop(core, 22, { wide: true });
      expect(core.turn(0, 3)).toBe(3);
      expect(visited(core, 3)).toEqual([20, 21, 22]);
      expect([core.cqes[2], core.cqes[6], core.cqes[10]]).toEqual([-5, ECANCELED, ECANCELED]);
      expect(core.close(0)).toBe(true);
    }
  });
});
