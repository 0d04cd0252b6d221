import { describe, expect, test } from "vitest";
import { POLL, Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { duration, LONG } from "../support/duration.ts";
import { thrown, watch } from "../support/failure.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { Random } from "../support/random.ts";
import { short, visit } from "../support/steps.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ETIME = -62;
const now = () => performance.now();

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const SETUPS: [name: string, options: RingOptions][] = [
  ["by default", {}],
  ["whose completion work runs at once", { singleIssuer: false, deferTaskrun: false, taskrunFlag: false }],
  ["with sqpoll", { sqpoll: { idle: 5 } }],
];

describe.each(SETUPS)("submitAndWait() of a RawRing %s", (_, options) => {
  const isSqpoll = options.sqpoll !== undefined;

  test("returns with as many completions as were asked for, and leaves the rest in flight", () => {
    using ring = new RawRing({ entries: 16, ...options });
    using pipe = new Pipe();
    for (let count = 0; count <= 4; count++) {
      times(4, (i) => ring.prepTimeout(i, { ms: 1 }, 0, 0));
      ring.prepPollAdd(9, pipe.readEnd, POLL.IN);
      expect(ring.submitAndWait(count)).toBe(5);
      const there = completions(ring).length;
      expect(there).toBeGreaterThanOrEqual(count);
      expect(there).toBeLessThanOrEqual(4);
      if (there < 4) visit(ring, 4 - there);
      ring.prepPollRemove(10, 9);
      visit(ring, 2);
    }
  });

  test("of 0 does not wait", () => {
    using ring = new RawRing({ entries: 16, ...options });
    ring.prepTimeout(1, { ms: NEVER }, 0, 0);
    expect(duration(() => expect(ring.submitAndWait(0)).toBe(1))).toBeLessThan(LONG);
    expect(duration(() => expect(ring.submitAndWait(0, NEVER)).toBe(0))).toBeLessThan(LONG);
    expect(completions(ring)).toEqual([]);
  });

  test("of what is there already makes no system call", () => {
    using ring = new RawRing({ entries: 16, ...options });
    times(4, (i) => ring.prepNop(i));
    ring.submitAndWait(4);
    const { enters } = ring;
    for (let count = 1; count <= 4; count++) expect(ring.submitAndWait(count, NEVER)).toBe(0);
    expect(ring.enters).toBe(enters);
    expect(completions(ring).length).toBe(4);
  });

  test("ends at its time, not before it, with what came by then to be visited", () => {
    using ring = new RawRing({ entries: 16, ...options });
    using pipe = new Pipe();
    for (const ms of [20, 5, 0.5]) {
      times(2, (i) => ring.prepNop(i));
      ring.prepPollAdd(2, pipe.readEnd, POLL.IN);
      let submitted = 0;
      expect(duration(() => submitted = ring.submitAndWait(3, ms))).toBeGreaterThanOrEqual(ms);
      expect(submitted).toBe(3);
      // The kernel's submission thread may not have come to it.
      expect(short(isSqpoll ? visit(ring, 2) : completions(ring))).toEqual([[0, 0], [1, 0]]);
      expect(ring.submitAndWait(1, ms), "nothing came, and nothing was submitted").toBe(ETIME);
      ring.prepPollRemove(3, 2);
      visit(ring, 2);
    }
  });

  test("of no time submits, takes what is there, and does not wait", () => {
    using ring = new RawRing({ entries: 16, ...options });
    expect(ring.submitAndWait(1, 0)).toBe(ETIME);
    ring.prepNop(1);
    ring.prepTimeout(2, { ms: NEVER }, 0, 0);
    let submitted = 0;
    expect(duration(() => submitted = ring.submitAndWait(2, 0))).toBeLessThan(LONG);
    expect(submitted).toBe(2);
    if (!isSqpoll) expect(short(completions(ring))).toEqual([[1, 0]]);
  });

  test("of more than is in flight ends at its time all the same", () => {
    using ring = new RawRing({ entries: 16, ...options });
    ring.prepNop(1);
    expect(duration(() => expect(ring.submitAndWait(5, 10)).toBe(1))).toBeGreaterThanOrEqual(10);
    expect(short(isSqpoll ? visit(ring, 1) : completions(ring))).toEqual([[1, 0]]);
    expect(duration(() => expect(ring.submitAndWait(32, 10)).toBe(ETIME))).toBeGreaterThanOrEqual(10);
  });

  test("ends as soon as the last that was asked for comes, long before its time", () => {
    using ring = new RawRing({ entries: 16, ...options });
    for (let i = 0; i < 20; i++) {
      ring.prepTimeout(i, { ms: 1 }, 0, 0);
      expect(duration(() => expect(ring.submitAndWait(1, NEVER)).toBe(1))).toBeLessThan(LONG);
      expect(short(completions(ring))).toEqual([[i, ETIME]]);
    }
  });

  test("goes on with its own time after each of many short waits", () => {
    using ring = new RawRing({ entries: 16, ...options });
    ring.prepTimeout(1, { ms: 30 }, 0, 0);
    const start = now();
    let waits = 0;
    let submitted = ring.submitAndWait(1, 1);
    const first = now() - start;
    while (completions(ring).length === 0) {
      waits++;
      submitted = ring.submitAndWait(1, 1);
    }
    expect(now() - start).toBeGreaterThanOrEqual(29.9);
    // On a busy machine the thread may have slept past the end in its first wait.
    expect(waits > 0 || first >= 29.9, `${waits} waits, the first ${first} ms`).toBe(true);
    // The first wait says what it submitted, too.
    if (waits > 0) expect([0, ETIME]).toContain(submitted);
  });

  test("never sees fewer, with random numbers of operations and random times", () => {
    using ring = new RawRing({ entries: 32, ...options });
    const random = new Random(41);
    for (let round = 0; round < 200; round++) {
      const count = 1 + random.below(16);
      for (let i = 0; i < count; i++) ring.prepTimeout(i, { ms: random.below(200) / 100 }, 0, 0);
      const wanted = random.below(count + 1);
      expect(ring.submitAndWait(wanted, NEVER)).toBe(count);
      const there = completions(ring);
      expect(there.length).toBeGreaterThanOrEqual(wanted);
      if (there.length < count) there.push(...visit(ring, count - there.length));
      expect(there.map(({ userData }) => userData).sort((a, b) => a - b)).toEqual(times(count, (i) => i));
    }
  });
});

test("a count beyond the completion queue is refused, before anything is submitted", () => {
  using ring = new RawRing({ entries: 4 });
  ring.prepNop(1);
  expect(thrown(() => ring.submitAndWait(9), RangeError).message).toMatch(/n must be from 0 to 8, not 9/);
  expect([ring.enters, ring.sqSpace]).toEqual([0, 3]);
  expect(ring.submitAndWait(1)).toBe(1);
});

describe("submitAndWait() of a Ring", () => {
  test("of more than is in flight is refused: nothing else would ever end it", async () => {
    await using ring = new Ring();
    const nops = times(3, () => ring.nop());
    expect(thrown(() => ring.submitAndWait(4), RangeError).message).toMatch(/count 4 is more than the 3 operations/);
    expect(ring.submitAndWait(3)).toBe(3);
    expect(await Promise.all(nops)).toEqual([0, 0, 0]);
    thrown(() => ring.submitAndWait(1), RangeError);
  });

  test("ends at its time or its deadline, whichever it has, and never before", async () => {
    await using ring = new Ring();
    const forever = ring.timeout(NEVER);
    for (const ms of [0, 0.3, 3, 12]) {
      const until = now() + ms;
      expect(ring.submitAndWait(1, { timeout: ms })).toBe(0);
      expect(now()).toBeGreaterThanOrEqual(until);
      const deadline = now() + ms;
      expect(ring.submitAndWait(1, { deadline })).toBe(0);
      expect(now()).toBeGreaterThanOrEqual(deadline);
    }
    expect(duration(() => expect(ring.submitAndWait(1, { deadline: 0 })).toBe(0)), "long past").toBeLessThan(LONG);
    expect(duration(() => expect(ring.submitAndWait(1, { deadline: now() })).toBe(0)), "now").toBeLessThan(LONG);
    expect(await Promise.all([forever.catch((error) => error.code), ring.cancel(forever)])).toEqual(["ECANCELED", 1]);
  });

  test("takes what is there at a deadline that is past, and submits what is queued", async () => {
    await using ring = new Ring();
    const nops = times(5, () => ring.nop());
    expect(ring.submitAndWait(5, { deadline: 0 })).toBe(5);
    expect(await Promise.all(nops)).toEqual([0, 0, 0, 0, 0]);
  });

  test("gives what came before its time, and the rest settles later", async () => {
    await using ring = new Ring();
    const soon = times(3, () => ring.timeout(1));
    const later = watch(ring.timeout(50 * TIME_SCALE));
    expect(ring.submitAndWait(4, { timeout: 20 * TIME_SCALE })).toBe(3);
    expect(await Promise.all(soon)).toEqual([0, 0, 0]);
    expect(later.state).toBe("pending");
    expect(ring.submitAndWait(1, { timeout: NEVER })).toBe(1);
    await Promise.resolve();
    await Promise.resolve();
    expect(later).toEqual({ state: "resolved", value: 0 });
  });
});
