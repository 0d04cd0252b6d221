import { closeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { IORING_REGISTER, IORING_SETUP, POLL, Ring, type RingOptions, UringError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { hasFeature, hasOp, hasSetup } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps } from "../support/process_state.ts";

const { NO_MMAP, REGISTERED_FD_ONLY } = IORING_SETUP;

/** They came with SUBMIT_ALL (5.18). */
const HAS_REGISTERED_RINGS = hasSetup(IORING_SETUP.SUBMIT_ALL);

/** The places that a thread has for registered rings. */
const PLACES = 16;

const WAYS: [string, RingOptions, needs: number][] = [
  ["registered", { registerFd: true }, 0],
  ["registered, with sqpoll", { registerFd: true, sqpoll: { idle: 5 } }, 0],
  ["without a descriptor", { noMmap: true, registeredFdOnly: true }, NO_MMAP | REGISTERED_FD_ONLY],
  [
    "without a descriptor, with sqpoll",
    { noMmap: true, registeredFdOnly: true, sqpoll: { idle: 5 } },
    NO_MMAP | REGISTERED_FD_ONLY,
  ],
];

describe.each(WAYS)("a ring %s", (_, options, needs) => {
  const here = HAS_REGISTERED_RINGS && hasSetup(needs);

  test.skipIf(!here)("sleeps, wakes, cancels and closes", async () => {
    const descriptors = ringDescriptors();
    const ring = new Ring(options);
    expect(ringDescriptors() - descriptors).toBe(needs === 0 ? 1 : 0);
    expect(ring.fd).toEqual(needs === 0 ? expect.any(Number) : -1);
    using pipe = new Pipe();
    for (let i = 0; i < 10; i++) expect(await ring.timeout(1)).toBe(0);
    const poll = watch(ring.pollAdd(pipe.readEnd, POLL.IN));
    await ring.timeout(1);
    expect(poll.state).toBe("pending");
    pipe.write("x");
    expect(await ring.pollAdd(pipe.readEnd, POLL.IN) & POLL.IN).toBe(POLL.IN);
    const cancelled = failure(ring.timeout(60_000), Error);
    expect(await ring.cancel({ op: "timeout" })).toBe(1);
    expect(await cancelled).toMatchObject({ code: "ECANCELED" });
    const pending = failure(ring.timeout(60_000), Error);
    await ring.nop();
    await ring.close();
    expect(await pending).toMatchObject({ name: "AbortError" });
    expect(ringDescriptors()).toBe(descriptors);
  });

  test.skipIf(!here)("gives its place back: a hundred, one after the other", () => {
    const maps = ringMaps();
    for (let i = 0; i < 100; i++) {
      using ring = new RawRing({ entries: 4, ...options });
      ring.prepNop(i);
      expect(ring.submitAndWait(1)).toBe(1);
      expect(ring.forEachCqe((userData) => expect(userData).toBe(i))).toBe(1);
    }
    expect(ringMaps()).toBe(maps);
  });

  test.skipIf(!here)("takes register calls", () => {
    using ring = new RawRing({ entries: 4, ...options });
    const probe = new Uint8Array(16 + 256 * 8);
    expect(ring.register(IORING_REGISTER.PROBE, probe, 256)).toBe(0);
    expect(probe[1]).toBeGreaterThan(0);
    const buffers = new BigUint64Array([0n, 0n]);
    expect(ring.register(IORING_REGISTER.BUFFERS, buffers, 1)).toBeLessThanOrEqual(0);
  });

  test.skipIf(!here)("is one of 16 at most in a thread, and says so", () => {
    const rings: RawRing[] = [];
    try {
      const error = thrown(() => {
        for (let i = 0; i <= PLACES; i++) rings.push(new RawRing({ entries: 2, ...options }));
      }, UringError);
      expect(error.code).toBe("EBUSY");
      expect(error.message).toMatch(/16 places for registered rings/);
      expect(rings.length).toBe(PLACES);
    } finally {
      for (const ring of rings) ring.close();
    }
    new RawRing({ entries: 2, ...options }).close();
  });
});

test.skipIf(!hasFeature("REG_REG_RING"))("a registered ring goes on though its descriptor is closed", async () => {
  await using ring = new Ring({ registerFd: true });
  await ring.nop();
  try {
    closeSync(ring.fd);
  } catch {
    // Deno's node:fs closes only what it opened itself.
    return expect("Deno" in globalThis).toBe(true);
  }
  expect(await ring.timeout(1)).toBe(0);
  expect(ring.probe().op("NOP").supported).toBe(true);
});

describe.skipIf(!hasSetup(NO_MMAP))("a ring in memory of its own", () => {
  test.each([1, 16, 256, 4096])("maps none of the kernel's, with %d entries", async (entries) => {
    const maps = ringMaps();
    await using ring = new Ring({ entries, noMmap: true });
    expect(ringMaps()).toBe(maps);
    const count = Math.min(3 * entries, 5000);
    expect(await Promise.all(Array.from({ length: count }, () => ring.nop()))).toEqual(new Array(count).fill(0));
    expect(await ring.timeout(1)).toBe(0);
  });
});

test.skipIf(!hasOp("SEND_ZC"))("one that is restricted gives its place back, too", async () => {
  // A thread has sixteen.
  for (let i = 0; i < 20; i++) {
    await using ring = new Ring({ disabled: true, registerFd: true });
    ring.restrict({ registerOps: [] });
    ring.enable();
    expect(await ring.nop()).toBe(0);
  }
});
