import { AT, BufferPool, IOSQE, POLL, Ring, type RingOptions, STATX } from "../../mod.ts";
import type { Random } from "../support/random.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";
import { transferAway } from "../support/transfer.ts";
import { closeAll, pair } from "./pairs.ts";
import { Guarded, type Place, same, type Task } from "./place.ts";
import { faultsOf, sendAll } from "./recovery.ts";

const OPTIONS: readonly RingOptions[] = [
  {},
  { entries: 4 },
  { entries: 8, deferTaskrun: false },
  { sqpoll: { idle: 10 } },
];

const ENDS = {
  close: (ring: Ring) => ring.close(),
  dispose: (ring: Ring) => Promise.resolve(ring[Symbol.dispose]()),
  forget: (ring: Ring) => {
    void ring.close();
    return Promise.resolve();
  },
};

/** Rings that come, and go with work in flight. */
export function rings(place: Place): Promise<Task> {
  async function ended(random: Random, end: (ring: Ring) => Promise<void>): Promise<void> {
    const options = OPTIONS[random.below(OPTIONS.length)]!;
    const ring = new Ring(place.faulty ? { ...options, faults: faultsOf(random.next()) } : options);
    const [near, far] = await pair(place);
    const buffer = new Guarded(1000, random);
    const pending = [
      ring.recv(near, buffer.bytes),
      ring.timeout(600_000),
      ring.pollAdd(far, POLL.IN),
      ring.recv(far, new Uint8Array(16), 0, { timeout: 600_000 }),
      ring.nop(),
    ].map((promise) => place.unless(promise, ["AbortError"]));
    if (random.below(2) === 0) await place.unless(ring.nop(), []);
    await end(ring);
    await Promise.all(pending);
    await place.checkEnded(ring);
    place.check(buffer.intact(), "a closed ring wrote beside its buffer");
    await closeAll(place, near, far);
  }

  /** Waits synchronously, and changes its size with work in flight; sleeps, when nothing but a receive is left. */
  async function resized(random: Random): Promise<void> {
    const faults = place.faulty ? { faults: faultsOf(random.next()) } : {};
    const ring = new Ring({ entries: 8, ...CAN_RESIZE ? RESIZABLE : {}, ...faults });
    const [near, far] = await pair(place);
    const never = place.unless(ring.recv(near, new Uint8Array(1)), ["AbortError"]);
    // By the clock, by workers, at once.
    const kinds = [
      () => ring.timeout(random.below(200) / 1000),
      () => ring.statx(AT.FDCWD, "/", 0, STATX.SIZE),
      () => ring.nop({ flags: IOSQE.ASYNC }),
      () => ring.nop(),
    ];
    for (let round = 0; round < 5; round++) {
      const work = Array.from({ length: 1 + random.below(30) }, () => {
        return place.unless<unknown>(kinds[random.below(kinds.length)]!(), []);
      });
      // Some may have completed already: all at once are more than the queue holds.
      ring.submitAndWait(random.below(ring.stats.inFlight), { timeout: 20 });
      if (CAN_RESIZE) ring.resize({ entries: 1 + random.below(64) });
      await Promise.all(work);
    }
    const { turns } = ring.stats;
    await new Promise((resolve) => setTimeout(resolve, 2));
    place.check(ring.stats.turns - turns < 20, `a ring with nothing to do made ${ring.stats.turns - turns} turns`);
    await place.checkEnded(ring);
    await never;
    await closeAll(place, near, far);
  }

  const actions = Object.fromEntries(
    Object.entries(ENDS).map(([name, end]) => [name, (random: Random) => ended(random, end)]),
  );
  return Promise.resolve({ actions: { ...actions, resized }, end: () => Promise.resolve() });
}

/** Memory that is taken away while the kernel has it. */
export function transfers(place: Place): Promise<Task> {
  const { ring } = place;

  /** A pool's pages stay: what was in flight arrives with whoever has them now. */
  async function ofPool(random: Random, registered: boolean): Promise<void> {
    const [near, far] = await pair(place);
    const length = 1 + random.below(5000);
    const pool = new BufferPool({ size: 5000, count: 2, ...registered ? { ring } : {} });
    const buffer = pool.acquire().subarray(0, length);
    const { byteOffset } = buffer;
    const read = registered ? ring.readFixed(near, buffer) : ring.recv(near, buffer);
    const received = place.unless(read, []);
    if (random.below(2) === 0) await place.again(() => ring.nop());
    const away = transferAway(pool.region.buffer);
    if (away === undefined) place.count("transfers refused");
    const bytes = random.bytes(length);
    await sendAll(place, far, bytes);
    const count = await received;
    if (count !== undefined) {
      const holder = new Uint8Array(away?.moved ?? pool.region.buffer, byteOffset, count);
      place.check(same(holder, bytes.subarray(0, count)), "a pool that was transferred got other bytes");
    }
    pool.close();
    await closeAll(place, near, far);
  }

  /** Of other memory it can't be known: that is told. */
  async function ofHeap(random: Random): Promise<void> {
    const [near, far] = await pair(place);
    const buffer = new Uint8Array(1 + random.below(5000));
    const told = place.unless(ring.recv(near, buffer), ["TypeError"]);
    if (random.below(2) === 0) await place.again(() => ring.nop());
    const { moved } = transferAway(buffer.buffer)!;
    await sendAll(place, far, random.bytes(16));
    place.check(await told === undefined, "nobody told that a buffer was transferred");
    place.check(moved.byteLength > 0, "memory was lost in its transfer");
    await closeAll(place, near, far);
  }

  return Promise.resolve({
    actions: {
      pool: (random) => ofPool(random, false),
      "registered pool": (random) => ofPool(random, true),
      heap: ofHeap,
    },
    end: () => Promise.resolve(),
  });
}
