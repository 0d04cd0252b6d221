import { describe, expect, test } from "vitest";
import { Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Random } from "../support/random.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** The kernel's threads, which sleep and wake at the same time: so that thousands of sleeps take seconds. */
const RINGS = 6;
const ROUNDS = Math.ceil(500 / TIME_SCALE);
/** A thread that has had nothing to do for so long goes to sleep: the kernel rounds up to its clock, 1 to 10 ms. */
const IDLE_MS = 1;
const LIMIT_MS = 10_000 * TIME_SCALE;

/** Around the moment at which a thread falls asleep: before, at, and after it. */
function pause(random: Random): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random.below(12)));
}

describe("a kernel thread that submits", () => {
  test("hears of every operation of a RawRing, however it was falling asleep", async () => {
    let wakes = 0;
    await Promise.all(Array.from({ length: RINGS }, async (_, number) => {
      using ring = new RawRing({ entries: 8, sqpoll: { idle: IDLE_MS } });
      const random = new Random(100 + number);
      for (let round = 0; round < ROUNDS; round++) {
        await pause(random);
        const count = 1 + random.below(4);
        for (let i = 0; i < count; i++) expect(ring.prepNop(8 * round + i)).toBe(true);
        const { enters } = ring;
        // Makes a system call only for a thread that sleeps.
        expect(ring.submit()).toBe(count);
        if (ring.enters > enters) wakes++;
        const seen: number[] = [];
        const deadline = performance.now() + LIMIT_MS;
        while (seen.length < count) {
          ring.forEachCqe((userData) => void seen.push(userData));
          if (performance.now() > deadline) throw new Error(`lost: round ${round}, ${seen.length} of ${count} came`);
          if (seen.length < count) await new Promise((resolve) => setTimeout(resolve, 0));
        }
        expect(seen).toEqual(Array.from({ length: count }, (_, i) => 8 * round + i));
      }
    }));
    expect(wakes, "it did sleep").toBeGreaterThan(RINGS * ROUNDS / 10);
  }, 60_000 * TIME_SCALE);

  test("hears of every operation of a Ring", async () => {
    using folder = new TempFolder();
    folder.write("file", pattern(1000));
    const fd = folder.open("file");
    await Promise.all(Array.from({ length: RINGS }, async (_, number) => {
      await using ring = new Ring({ entries: 8, sqpoll: { idle: IDLE_MS } });
      const random = new Random(200 + number);
      for (let round = 0; round < ROUNDS / 2; round++) {
        await pause(random);
        const buffer = new Uint8Array(100);
        const offset = random.below(900);
        const [, length] = await Promise.all([ring.nop(), ring.read(fd, buffer, offset)]);
        expect(length).toBe(100);
        expect(buffer).toEqual(pattern(100, offset));
      }
      expect(ring.stats.inFlight).toBe(0);
    }));
  }, 60_000 * TIME_SCALE);

  test("is woken by submitAndWait(), which waits for what it then does", async () => {
    using ring = new RawRing({ entries: 8, sqpoll: { idle: IDLE_MS } });
    const random = new Random(300);
    for (let round = 0; round < 100; round++) {
      await pause(random);
      ring.prepTimeout(round, { ms: random.below(2) }, 0, 0);
      expect(ring.submitAndWait(1, LIMIT_MS)).toBe(1);
      const seen: number[] = [];
      ring.forEachCqe((userData) => void seen.push(userData));
      expect(seen).toEqual([round]);
    }
  });
});
