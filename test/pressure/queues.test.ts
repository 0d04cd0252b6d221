import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { IOSQE, POLL, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

describe("a full submission queue", () => {
  test("makes a prep say so; flushed, it goes on, and nothing is lost or done twice", () => {
    using ring = new RawRing({ entries: 4, cqEntries: 4 });
    using folder = new TempFolder();
    const COUNT = 2000;
    folder.write("file", pattern(COUNT));
    const fd = folder.open("file");
    const memory = new Uint8Array(COUNT);
    const seen = new Set<number>();
    let full = 0;
    for (let i = 0; i < COUNT; i++) {
      while (!ring.prepRead(i, fd, memory.subarray(i, i + 1), 1, i)) {
        full++;
        expect(ring.submit()).toBe(4);
        for (const { userData, res } of completions(ring)) {
          expect([res, seen.has(userData)]).toEqual([1, false]);
          seen.add(userData);
        }
      }
    }
    // What was not in memory yet comes later.
    for (let waits = 0; seen.size < COUNT && waits < COUNT; waits++) {
      ring.submitAndWait(1);
      for (const { userData, res } of completions(ring)) {
        expect([res, seen.has(userData)]).toEqual([1, false]);
        seen.add(userData);
      }
    }
    expect([full, seen.size]).toEqual([COUNT / 4 - 1, COUNT]);
    expect(Buffer.compare(memory, pattern(COUNT))).toBe(0);
  });

  test("is flushed by Ring itself, between chains, and never within one", async () => {
    await using ring = new Ring({ entries: 8 });
    using folder = new TempFolder();
    folder.write("file", "");
    // The kernel takes no lock of the file's position for what runs beside one another.
    const fd = folder.open("file", "a+");
    const all: Promise<unknown>[] = [];
    const starts = times(200, (i) => times(1 + i % 8, (j) => 1000 * i + j));
    for (const [i, chain] of starts.entries()) {
      all.push(ring.nop());
      all.push(...ring.link((ring) => chain.map((_, j) => ring.write(fd, Uint8Array.of(i, j), "current"))));
    }
    await Promise.all(all);
    // Chains run beside one another; within each the order is kept.
    const written = folder.read("file");
    const seen = times(200, (): number[] => []);
    for (let at = 0; at < written.length; at += 2) seen[written[at]!]!.push(1000 * written[at]! + written[at + 1]!);
    expect(seen).toEqual(starts);
  });

  test("has room for a cancellation all the same", async () => {
    await using ring = new Ring({ entries: 2 });
    using pipe = new Pipe();
    const controllers = times(50, () => new AbortController());
    const outcomes = controllers.map(({ signal }) =>
      ring.pollAdd(pipe.readEnd, POLL.IN, { signal }).catch((error: unknown) => error)
    );
    controllers.forEach((controller, i) => controller.abort(i));
    expect(await Promise.all(outcomes)).toEqual(times(50, (i) => i));
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe("a full completion queue", () => {
  test("keeps back nothing of what Ring asked for, and stats.overflows tells of it", async () => {
    await using ring = new Ring({ entries: 8, cqEntries: 8 });
    using pipe = new Pipe();
    for (let round = 0; round < 5; round++) {
      const { completed, overflows } = ring.stats;
      const settled: number[] = [];
      const polls = times(500, (i) => ring.pollAdd(pipe.readEnd, POLL.IN).then(() => settled.push(i)));
      ring.submitAndWait(0);
      pipe.write("x");
      await Promise.all(polls);
      expect(settled.sort((a, b) => a - b), "each once").toEqual(times(500, (i) => i));
      expect(ring.stats.completed - completed).toBe(500);
      expect(ring.stats.overflows).toBeGreaterThan(overflows);
      pipe.read();
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("keeps their order", () => {
    using ring = new RawRing({ entries: 64, cqEntries: 64 });
    const seen: number[] = [];
    // Submitted again and again with nobody looking: the kernel may refuse for a while (EBUSY), and then takes them.
    let next = 0;
    for (let round = 0; round < 40; round++) {
      while (ring.prepNop(next)) next++;
      if (ring.submit() === 0) seen.push(...completions(ring).map(({ userData }) => userData));
    }
    while (seen.length < next) {
      ring.submit();
      seen.push(...completions(ring).map(({ userData }) => userData));
    }
    expect(seen).toEqual(times(next, (i) => i));
  });

  test("does not keep buffers from being filled: reads beyond it arrive whole", async () => {
    await using ring = new Ring({ entries: 4, cqEntries: 4 });
    using folder = new TempFolder();
    const content = pattern(50_000);
    folder.write("file", content);
    const fd = folder.open("file");
    const reads = times(500, async (i) => {
      const buffer = new Uint8Array(100);
      const flags = i % 2 === 0 ? IOSQE.ASYNC : 0;
      expect(await ring.read(fd, buffer, 100 * i, { flags })).toBe(100);
      return Buffer.compare(buffer, content.subarray(100 * i, 100 * (i + 1)));
    });
    expect(await Promise.all(reads)).toEqual(new Array(500).fill(0));
  });
});

describe("everything at once", () => {
  test("100,000 reads in one turn, each into a buffer of its own", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const COUNT = Math.ceil(100_000 / TIME_SCALE);
    const content = pattern(COUNT + 16);
    folder.write("file", content);
    const fd = folder.open("file");
    const buffers = times(COUNT, () => new Uint8Array(16));
    const { completed } = ring.stats;
    const results = await Promise.all(buffers.map((buffer, i) => ring.read(fd, buffer, i)));
    expect(results.every((result) => result === 16)).toBe(true);
    const wrong = buffers.findIndex((buffer, i) => Buffer.compare(buffer, content.subarray(i, i + 16)) !== 0);
    expect(wrong).toBe(-1);
    expect(ring.stats.completed - completed).toBe(COUNT);
    expect(ring.stats.inFlight).toBe(0);
  });
});
