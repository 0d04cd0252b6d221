import { describe, expect, test } from "vitest";
import { IORING_SETUP, Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { type Completion, completions } from "../support/completions.ts";
import { hasOp, hasSetup } from "../support/kernel.ts";
import { Random } from "../support/random.ts";
import { leftovers, visit } from "../support/steps.ts";

const ETIME = -62;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Submits so many NOPs, which complete at once, and looks at none of them. */
function post(ring: RawRing, first: number, count: number): void {
  for (let i = 0; i < count; i++) {
    if (!ring.prepNop(first + i)) throw new Error("the submission queue is full");
  }
  const submitted = ring.submit();
  if (submitted !== count) throw new Error(`submit() gave ${submitted} of ${count}`);
}

function numbers(visited: readonly Completion[]): number[] {
  return visited.map(({ userData }) => userData);
}

const SETUPS: [name: string, options: RingOptions][] = [
  ["a ring as it is by default", {}],
  ["a ring whose completion work runs at once", { singleIssuer: false, deferTaskrun: false, taskrunFlag: false }],
  ["a ring with CQEs of 32 bytes", { cqe32: true }],
];

describe.each(SETUPS)("%s", (_, options) => {
  const lacks = options.cqe32 === true && !hasSetup(IORING_SETUP.CQE32);

  test.skipIf(lacks)("that is full to the last place gives all of them, in order", () => {
    using ring = new RawRing({ entries: 8, cqEntries: 8, ...options });
    for (let round = 0; round < 20; round++) {
      post(ring, round * 8, 8);
      expect(numbers(completions(ring))).toEqual(times(8, (i) => round * 8 + i));
      expect(completions(ring)).toEqual([]);
    }
  });

  test.skipIf(lacks)("that overflows, by one and by many, loses none and keeps the order", () => {
    for (const count of [9, 12, 16, 17, 40, 200]) {
      using ring = new RawRing({ entries: 8, cqEntries: 8, ...options });
      for (let first = 0; first < count; first += 8) post(ring, first, Math.min(8, count - first));
      expect(numbers(completions(ring)), `${count}`).toEqual(times(count, (i) => i));
      expect(leftovers(ring)).toEqual([]);
    }
  });

  test.skipIf(lacks)("that overflows is taken from in parts, while more comes: still in order", () => {
    using ring = new RawRing({ entries: 8, cqEntries: 8, ...options });
    const random = new Random(17);
    const seen: number[] = [];
    let posted = 0;
    const enough = new Error("enough for now");
    for (let round = 0; round < 300; round++) {
      const count = random.below(9);
      if (count > 0) post(ring, posted, count);
      posted += count;
      let left = random.below(16);
      try {
        ring.forEachCqe((userData) => {
          seen.push(userData);
          if (left-- === 0) throw enough;
        });
      } catch (error) {
        if (error !== enough) throw error;
      }
    }
    ring.forEachCqe((userData) => void seen.push(userData));
    // Before 6.0 what completes while there is room passes what waits for some.
    if (!hasOp("SEND_ZC")) seen.sort((a, b) => a - b);
    expect(seen).toEqual(times(posted, (i) => i));
  });

  test.skipIf(lacks)(
    "that overflows counts what waits beyond the queue as completed: a wait for it is over at once",
    () => {
      using ring = new RawRing({ entries: 8, cqEntries: 8, ...options });
      post(ring, 0, 8);
      post(ring, 8, 8);
      const { enters } = ring;
      expect(ring.submitAndWait(8)).toBe(0);
      expect(ring.enters - enters).toBeLessThanOrEqual(1);
      const first = numbers(completions(ring));
      expect(first).toEqual(times(16, (i) => i));
    },
  );

  test.skipIf(lacks)("takes more to do while it overflows", () => {
    using ring = new RawRing({ entries: 8, cqEntries: 8, ...options });
    const { MAX_SAFE_INTEGER } = Number;
    for (let first = 0; first < 64; first += 8) post(ring, first, 8);
    ring.prepTimeout(MAX_SAFE_INTEGER, { ms: 1 }, 0, 0);
    expect(ring.submit()).toBe(1);
    expect(numbers(visit(ring, 65))).toEqual([...times(64, (i) => i), MAX_SAFE_INTEGER]);
  });
});

describe("peeking", () => {
  test("finds what is there and no more, batch by batch, without a system call", () => {
    using ring = new RawRing({ entries: 32 });
    expect(completions(ring)).toEqual([]);
    for (const count of [1, 3, 8, 32]) {
      post(ring, count * 100, count);
      const { enters } = ring;
      expect(numbers(completions(ring))).toEqual(times(count, (i) => count * 100 + i));
      expect(ring.forEachCqe(() => {})).toBe(0);
      expect(ring.enters).toBe(enters);
    }
  });

  test("goes on where a visitor that threw left off", () => {
    using ring = new RawRing({ entries: 8, cqEntries: 8 });
    post(ring, 0, 8);
    post(ring, 8, 8);
    const seen: number[] = [];
    for (let i = 0; i < 16; i++) {
      expect(() =>
        ring.forEachCqe((userData) => {
          seen.push(userData);
          throw new Error("on purpose");
        })
      ).toThrow("on purpose");
    }
    expect(seen).toEqual(times(16, (i) => i));
    expect(completions(ring)).toEqual([]);
  });
});

describe("a Ring", () => {
  test("whose queue overflows settles each of its promises, and counts that it did", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 4 });
    const results: number[] = [];
    for (let round = 0; round < 10; round++) {
      const timeouts = times(64, (i) => ring.timeout(1).then((result) => results.push(result + i)));
      ring.submitAndWait(0);
      // All of them expire before anybody looks.
      const start = performance.now();
      while (performance.now() - start < 2);
      await Promise.all(timeouts);
    }
    expect(results.length).toBe(640);
    expect(ring.stats).toMatchObject({ submitted: 640, completed: 640, inFlight: 0 });
    expect(ring.stats.overflows).toBeGreaterThan(0);
  });

  test("whose queue is exactly full has not overflowed", async () => {
    await using ring = new Ring({ entries: 8, cqEntries: 8 });
    for (let round = 0; round < 50; round++) {
      expect(await Promise.all(times(8, () => ring.nop()))).toEqual(times(8, () => 0));
    }
    expect(ring.stats).toMatchObject({ completed: 400, overflows: 0 });
  });

  test("waits for more completions than its queue holds", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 4 });
    const timeouts = times(50, () => ring.timeout(20));
    // Those that went in before the last was queued may have ended.
    const { inFlight } = ring.stats;
    expect(inFlight).toBeGreaterThan(4);
    expect(ring.submitAndWait(inFlight)).toBe(inFlight);
    expect(await Promise.all(timeouts)).toEqual(times(50, () => 0));
  });
});

test("completions of what runs at different times are all there after an overflow, each once", () => {
  using ring = new RawRing({ entries: 16, cqEntries: 16 });
  const random = new Random(5);
  const expected = new Map<number, number>();
  for (let i = 0; i < 160; i++) {
    const isTimeout = random.below(2) === 0;
    if (isTimeout) ring.prepTimeout(i, { ms: random.below(3) }, 0, 0);
    else ring.prepNop(i);
    expected.set(i, isTimeout ? ETIME : 0);
    if (i % 16 === 15) expect(ring.submit()).toBe(16);
  }
  const visited = visit(ring, 160);
  expect(new Map(visited.map(({ userData, res }) => [userData, res]))).toEqual(expected);
  expect(visited.length).toBe(160);
  expect(leftovers(ring)).toEqual([]);
});
