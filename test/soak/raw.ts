import { closeSync, openSync, writeFileSync } from "node:fs";
import { IOSQE, POLL, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import type { Random } from "../support/random.ts";
import { closeAll, pair } from "./pairs.ts";
import { Guarded, type Place, same, type Task } from "./place.ts";

const SIZE = 1 << 16;
const LONGEST = 4096;
const ECANCELED = -125;
const ENOENT = -2;
const EALREADY = -114;
const ETIME = -62;
const IORING_CQE_F_MORE = 2;

const OPTIONS: readonly RingOptions[] = [
  { entries: 4 },
  { entries: 32 },
  { entries: 8, cqEntries: 16, deferTaskrun: false },
  { entries: 16, sqpoll: { idle: 10 } },
];

/** What a completion of an operation must be. */
type Check = (res: number) => void;

/** RawRings: each user data comes back once, whatever is staged, cancelled or left. */
export function rawRings(place: Place): Promise<Task> {
  const path = `${place.folder}/${place.name}`;
  const content = new Uint8Array(SIZE).map((_, i) => i * 7 ^ i >> 8);
  writeFileSync(path, content);
  const file = openSync(path, "r");

  /** Prepares something at random; gives what must come of it, or undefined where the queue is full. */
  function prepare(ring: RawRing, random: Random, userData: number, socket: number): Check | undefined {
    const one = (expected: readonly number[], what: string): Check => (res) => {
      place.check(expected.includes(res), `a raw ${what}: ${res}`);
    };
    switch (random.below(6)) {
      case 0:
        return ring.prepNop(userData) ? one([0], "nop") : undefined;
      case 1:
        return ring.prepTimeout(userData, { ms: random.below(100) / 1000 }, 0, 0)
          ? one([ETIME, ECANCELED], "timeout")
          : undefined;
      case 2:
        return ring.prepPollAdd(userData, socket, POLL.IN) ? one([ECANCELED], "poll of a silent socket") : undefined;
      case 3: {
        // One of those before, if it is there still.
        const target = random.below(userData + 1);
        return ring.prepCancel(userData, target, 0) ? one([0, ENOENT, EALREADY], "cancellation") : undefined;
      }
      default: {
        const length = 1 + random.below(LONGEST);
        const offset = random.below(SIZE - length);
        const guarded = new Guarded(length, random);
        if (!ring.prepRead(userData, file, guarded.bytes, length, offset)) return undefined;
        if (random.below(2) === 0) ring.sqe().setUint8(1, IOSQE.ASYNC);
        return (res) => {
          place.check(guarded.intact(), "a raw read wrote beside its buffer");
          if (res === ECANCELED) return;
          place.check(res === length, `a raw read of ${res} bytes instead of ${length}`);
          place.check(same(guarded.bytes, content.subarray(offset, offset + length)), "a raw read of other bytes");
        };
      }
    }
  }

  async function burst(random: Random, closes: boolean): Promise<void> {
    const [near, far] = await pair(place);
    const ring = new RawRing(OPTIONS[random.below(OPTIONS.length)]!);
    const waiting = new Map<number, Check>();
    const visit = (userData: number, res: number, flags: number) => {
      const check = waiting.get(userData);
      place.check(check !== undefined, `a second completion of ${userData}, or one of nothing: ${res}`);
      place.check((flags & IORING_CQE_F_MORE) === 0, `more is to come of ${userData}`);
      waiting.delete(userData);
      check!(res);
    };
    const count = 1 + random.below(200);
    for (let userData = 0; userData < count;) {
      const check = prepare(ring, random, userData, near);
      if (check !== undefined) waiting.set(userData++, check);
      if (check === undefined || random.below(8) === 0) ring.submitAndWait(random.below(2), 5);
      if (random.below(4) === 0) ring.forEachCqe(visit);
    }
    ring.submit();
    // Polls are left: what ends with the ring tells nobody.
    if (!closes) {
      for (let userData = 0; userData < count; userData++) {
        if (!waiting.has(userData)) continue;
        while (!ring.prepCancel(count + userData, userData, 0)) ring.submit();
        waiting.set(count + userData, (res) => place.check(res <= 0, `a raw cancellation found ${res}`));
      }
      while (waiting.size > 0) {
        ring.submitAndWait(1, 100);
        ring.forEachCqe(visit);
      }
    }
    ring.close();
    await closeAll(place, near, far);
  }

  return Promise.resolve({
    actions: { whole: (random) => burst(random, false), left: (random) => burst(random, true) },
    end: () => Promise.resolve(closeSync(file)),
  });
}
