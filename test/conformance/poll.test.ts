import { describe, expect, test } from "vitest";
import { IORING_CQE_F, IORING_POLL, POLL } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { RawStage } from "../raw/stage.ts";
import { type Completion, completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { hasCancelFlags, pollUpdatesTell } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";

const ENOENT = negative("ENOENT");
const ECANCELED = negative("ECANCELED");

/** Runs what completion work waits in the kernel; nothing may come of it. */
function expectQuiet(ring: RawRing): void {
  ring.submitAndWait(0);
  expect(completions(ring)).toEqual([]);
}

describe("a poll", () => {
  test("of what is not open fails, and one of what is closed meanwhile goes on with the file", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    expect(stage.result((ring) => ring.prepPollAdd(1, 99_999, POLL.IN))).toBe(negative("EBADF"));
    expect(stage.result((ring) => ring.prepPollAdd(1, -1, POLL.IN))).toBe(negative("EBADF"));
    stage.ring.prepPollAdd(2, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    pipe.closeReadEnd();
    expectQuiet(stage.ring);
    pipe.write("there is a reader still: the poll");
    expect(stage.finals(2)).toMatchObject([{ userData: 2, res: POLL.IN }]);
  });

  test("tells of the hang-up of a pipe whose writer went, whatever it asked for", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    stage.ring.prepPollAdd(1, pipe.readEnd, 0);
    stage.ring.prepPollAdd(2, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    expectQuiet(stage.ring);
    pipe.closeWriteEnd();
    expect(resultsOf(stage.finals(1, 2))).toEqual({ 1: POLL.HUP, 2: POLL.HUP });
  });

  test("of another ring tells that it has completions", () => {
    using stage = new RawStage();
    // With DEFER_TASKRUN Linux 6.1 wakes nobody for what the ring's own thread completes as it submits.
    using other = new RawRing({ entries: 4, deferTaskrun: false });
    // Taken out of its queue and not visited: then what comes next stays in the queue, where a poll looks.
    other.prepNop(4);
    other.submit();
    stage.ring.prepPollAdd(1, other.fd, POLL.IN);
    stage.ring.submit();
    expectQuiet(stage.ring);
    other.prepNop(5);
    other.submit();
    const [told] = stage.finals(1);
    expect(told!.res & POLL.IN).toBe(POLL.IN);
    expect(completions(other)).toMatchObject([{ userData: 4, res: 0 }, { userData: 5, res: 0 }]);
  });
});

describe("many polls of one descriptor", () => {
  const COUNT = 1000;

  test("are each told once, and those that wait for something else stay", () => {
    using stage = new RawStage({ entries: 64, cqEntries: 4096 });
    using pipe = new Pipe();
    const { ring } = stage;
    for (let i = 0; i < COUNT; i++) {
      const mask = i % 4 === 0 ? POLL.PRI : POLL.IN;
      if (ring.prepPollAdd(i, pipe.readEnd, mask)) continue;
      ring.submit();
      ring.prepPollAdd(i, pipe.readEnd, mask);
    }
    ring.submit();
    pipe.write("x");
    const told = stage.completions(COUNT * 3 / 4);
    expect(told.every(({ res, flags }) => res === POLL.IN && flags === 0)).toBe(true);
    expect(told.every(({ userData }) => userData % 4 !== 0)).toBe(true);
    expect(new Set(told.map(({ userData }) => userData)).size).toBe(COUNT * 3 / 4);
    expectQuiet(ring);
    if (!hasCancelFlags) return;
    ring.prepCancelFd(COUNT, pipe.readEnd, 1);
    const ended = stage.completions(COUNT / 4 + 1);
    expect(ended.filter(({ userData, res }) => userData % 4 === 0 && res === ECANCELED).length).toBe(COUNT / 4);
    expect(ended.find(({ userData }) => userData === COUNT)!.res, "how many it found").toBe(COUNT / 4);
  });

  test("with the same user data are removed one at a time", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    for (let i = 0; i < 3; i++) stage.ring.prepPollAdd(7, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    for (let i = 0; i < 3; i++) {
      stage.ring.prepPollRemove(8, 7);
      expect(resultsOf(stage.completions(2))).toEqual({ 7: ECANCELED, 8: 0 });
      expectQuiet(stage.ring);
    }
    expect(stage.result((ring) => ring.prepPollRemove(8, 7))).toBe(ENOENT);
  });
});

describe("removing a poll", () => {
  test("finds polls alone, and each once", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const { ring } = stage;
    ring.prepTimeout(1, { ms: 3_600_000 }, 0, 0);
    ring.prepPollAdd(2, pipe.readEnd, POLL.IN);
    ring.submit();
    expect(stage.result((ring) => ring.prepPollRemove(3, 1)), "a timeout is no poll").toBe(ENOENT);
    ring.prepPollRemove(4, 2);
    ring.prepPollRemove(5, 2);
    const ended = resultsOf(stage.finals(2, 4, 5));
    expect(ended).toEqual({ 2: ECANCELED, 4: 0, 5: ENOENT });
  });

  test("as it fires leaves one outcome of each, and they agree", () => {
    using stage = new RawStage();
    for (let round = 0; round < 200; round++) {
      using pipe = new Pipe();
      stage.ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
      stage.ring.submit();
      pipe.write("x");
      stage.ring.prepPollRemove(2, 1);
      const visited = stage.finals(1, 2);
      expect(visited.length).toBe(2);
      const { 1: polled, 2: removed } = resultsOf(visited);
      // On its way to completing it is found no more, or found and too late.
      if (polled === ECANCELED) expect(removed).toBe(0);
      else expect([polled, [ENOENT, negative("EALREADY")].includes(removed!)]).toEqual([POLL.IN, true]);
    }
  });
});

describe("updating a poll", () => {
  test.skipIf(!pollUpdatesTell())("changes events and user data at once, and tells at once of what is ready", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const { ring } = stage;
    ring.prepPollAdd(1, pipe.writeEnd, POLL.PRI);
    ring.submit();
    const both = IORING_POLL.UPDATE_EVENTS | IORING_POLL.UPDATE_USER_DATA;
    ring.prepPollUpdate(2, 1, 10, POLL.OUT, both);
    expect(resultsOf(stage.finals(2, 10))).toEqual({ 2: 0, 10: POLL.OUT });
    expect(stage.result((ring) => ring.prepPollUpdate(3, 10, 11, POLL.OUT, both)), "it has ended").toBe(ENOENT);
  });

  test("to other events leaves a multishot one multishot", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const { ring } = stage;
    ring.prepPollMultishot(1, pipe.readEnd, POLL.PRI);
    ring.submit();
    pipe.write("not asked for yet");
    expectQuiet(ring);
    pipe.read();
    ring.prepPollUpdate(2, 1, 0, POLL.IN, IORING_POLL.UPDATE_EVENTS | IORING_POLL.ADD_MULTI);
    expect(stage.finals(2)).toMatchObject([{ res: 0 }]);
    for (let i = 0; i < 3; i++) {
      pipe.write("x");
      const [told] = stage.completions(1);
      expect(told).toEqual({ userData: 1, res: POLL.IN, flags: IORING_CQE_F.MORE });
      pipe.read();
    }
    ring.prepPollUpdate(3, 1, 5, 0, IORING_POLL.UPDATE_USER_DATA | IORING_POLL.ADD_MULTI);
    stage.finals(3);
    pipe.write("x");
    expect(stage.completions(1)).toEqual([{ userData: 5, res: POLL.IN, flags: IORING_CQE_F.MORE }]);
    ring.prepPollRemove(4, 5);
    expect(resultsOf(stage.finals(4, 5))).toEqual({ 4: 0, 5: ECANCELED });
  });

  test("that changes nothing, or with flags that there are not, is refused", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    stage.ring.prepPollAdd(1, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    const EINVAL = negative("EINVAL");
    expect(stage.result((ring) => ring.prepPollUpdate(2, 1, 0, 0, 0x100))).toBe(EINVAL);
    expect(stage.result((ring) => ring.prepPollUpdate(2, 1, 0, 0, IORING_POLL.ADD_MULTI))).toBe(EINVAL);
    pipe.write("x");
    expect(stage.finals(1)).toMatchObject([{ res: POLL.IN }]);
  });
});

describe("a multishot poll", () => {
  test("tells of news alone: not again and again of what nobody took", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    stage.ring.prepPollMultishot(1, pipe.readEnd, POLL.IN);
    stage.ring.submit();
    pipe.write("x");
    expect(stage.completions(1)).toMatchObject([{ userData: 1, res: POLL.IN }]);
    for (let i = 0; i < 3; i++) expectQuiet(stage.ring);
    pipe.write("y");
    expect(stage.completions(1)).toMatchObject([{ userData: 1, res: POLL.IN, flags: IORING_CQE_F.MORE }]);
    pipe.closeWriteEnd();
    const [last] = stage.completions(1);
    expect(last!.res & POLL.HUP).toBe(POLL.HUP);
  });

  test("that finds the completion queue full loses no event: it goes on, or ends saying so", () => {
    using stage = new RawStage({ entries: 4, cqEntries: 4 });
    using pipe = new Pipe();
    const { ring } = stage;
    ring.prepPollMultishot(1, pipe.readEnd, POLL.IN);
    ring.submit();
    const visited: Completion[] = [];
    for (let i = 0; i < 4; i++) ring.prepNop(100 + i);
    ring.submit(); // the queue is full now
    pipe.write("x");
    for (let i = 0; i < 4; i++) ring.prepNop(200 + i);
    visited.push(...stage.completions(9));
    expect(visited.filter(({ userData }) => userData >= 100).length).toBe(8);
    const told = visited.filter(({ userData }) => userData === 1);
    expect(told.map(({ res }) => res)).toContain(POLL.IN);
    const last = told.at(-1)!;
    if ((last.flags & IORING_CQE_F.MORE) !== 0) {
      pipe.write("y");
      expect(stage.completions(1)).toMatchObject([{ userData: 1, res: POLL.IN }]);
    }
  });
});
