import { describe, expect, test } from "vitest";
import { IORING_SETUP, Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";

/** 1, 2, 4, … 32768: all the sizes there are. */
const SIZES = Array.from({ length: 16 }, (_, power) => 2 ** power);

const SETUPS: [name: string, options: RingOptions][] = [
  ["a ring as it is by default", {}],
  ["a ring with the array of indices", { noSqarray: false }],
  ["a ring whose completion queue is no larger", { cqEntries: 1 }],
];

/** Prepares and runs `count` NOPs numbered from `first`; gives how many completions were not the next one. */
function pass(ring: RawRing, first: number, count: number): number {
  for (let i = 0; i < count; i++) if (!ring.prepNop(first + i)) throw new Error(`NOP ${i} of ${count} found no room`);
  const submitted = ring.submitAndWait(count);
  if (submitted !== count) throw new Error(`submitAndWait(${count}) gave ${submitted}`);
  let next = first;
  let wrong = 0;
  const visited = ring.forEachCqe((userData, res, flags) => {
    if (userData !== next++ || res !== 0 || flags !== 0) wrong++;
  });
  return visited === count ? wrong : count;
}

describe.each(SETUPS)("%s", (_, options) => {
  test.each(SIZES)("of %i entries takes so many NOPs and no more, from every place of the queue on", (entries) => {
    using ring = new RawRing({
      entries,
      ...options,
      ...(options.cqEntries !== undefined && { cqEntries: entries }),
    });
    expect([ring.entries, ring.cqEntries]).toEqual([entries, options.cqEntries === undefined ? 2 * entries : entries]);
    let next = 0;
    // Each batch begins elsewhere; the large ones would take long from everywhere.
    const starts = entries <= 64 ? Array.from({ length: entries }, () => 1) : [1, entries >> 1, entries - 1];
    for (const start of starts) {
      expect(pass(ring, next, start)).toBe(0);
      next += start;
      expect(pass(ring, next, entries), "a full queue").toBe(0);
      next += entries;
    }
    for (let i = 0; i < entries; i++) ring.prepNop(i);
    expect([ring.sqSpace, ring.prepNop(entries)]).toEqual([0, false]);
    expect(ring.submit()).toBe(entries);
    expect(ring.sqSpace).toBe(entries);
    expect(ring.forEachCqe(() => {})).toBe(entries);
    expect(ring.forEachCqe(() => {})).toBe(0);
  });
});

describe("a ring of a size between", () => {
  test.each([[3, 4], [5, 8], [17, 32], [1000, 1024], [4097, 8192], [32767, 32768]])(
    "%i entries gets %i",
    (asked, given) => {
      using ring = new RawRing({ entries: asked });
      expect([ring.entries, ring.cqEntries, ring.sqSpace]).toEqual([given, 2 * given, given]);
      expect(pass(ring, 0, given)).toBe(0);
    },
  );
});

describe("a Ring", () => {
  test.each(SIZES)("of %i entries takes three times as many NOPs in one turn of the event loop", async (entries) => {
    await using ring = new Ring({ entries });
    const results = await Promise.all(Array.from({ length: 3 * entries }, () => ring.nop()));
    expect(results.every((result) => result === 0)).toBe(true);
    expect(ring.stats).toMatchObject({ submitted: 3 * entries, completed: 3 * entries, inFlight: 0 });
  });

  test("goes round its queue thousands of times with one NOP after the other", async () => {
    await using ring = new Ring({ entries: 2 });
    for (let i = 0; i < 5000; i++) expect(await ring.nop()).toBe(0);
    expect(ring.stats).toMatchObject({ submitted: 5000, completed: 5000 });
  });
});

test("a ring with the array of indices has one, and goes without where it may", () => {
  using plain = new RawRing({ entries: 2 });
  using indexed = new RawRing({ entries: 2, noSqarray: false });
  expect(indexed.setupFlags & IORING_SETUP.NO_SQARRAY).toBe(0);
  // Before Linux 6.6 every ring has one.
  expect((plain.setupFlags & ~IORING_SETUP.NO_SQARRAY) >>> 0).toBe(indexed.setupFlags);
});
