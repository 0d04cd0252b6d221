import { describe, expect, test } from "vitest";
import { IOSQE, type Multishot, Ring, UringError } from "../../mod.ts";
import { failure, failures } from "../support/failure.ts";
import { hasTicks } from "../support/kernel.ts";
import { spin } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";

// The kernel tells a worker thread to stop, which has just left the operation to a poll, where nobody hears it.
describe("an operation that changes hands as it is cancelled", () => {
  const ROUNDS = 300;

  test("ends by its signal", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let i = 0; i < ROUNDS; i++) {
      const controller = new AbortController();
      const options = { signal: controller.signal, flags: IOSQE.ASYNC };
      const read = ring.read(pipe.readEnd, new Uint8Array(8), "current", options).catch((error: unknown) => error);
      ring.submitAndWait(0);
      controller.abort("enough");
      expect(await read).toBe("enough");
    }
  });

  test("ends by cancel(), which found it", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    // Most often it is found; 1 in 20,000 times it ends just as the kernel looks for it a second time, and finds nothing.
    for (let i = 0; i < 10 * ROUNDS; i++) {
      const read = ring.read(pipe.readEnd, new Uint8Array(8), "current", { flags: IOSQE.ASYNC });
      const error = failure(read, UringError);
      ring.submitAndWait(0);
      expect(await ring.cancel(read)).toBe(1);
      expect(["ECANCELED", "EINTR"]).toContain((await error).code);
    }
  });

  const KINDS: [name: string, cancel: (ring: Ring, fd: number) => Promise<number>][] = [
    ["{ fd }", (ring, fd) => ring.cancel({ fd })],
    ["{ fd }, one alone", (ring, fd) => ring.cancel({ fd }, { all: false })],
    ["{ op }", (ring) => ring.cancel({ op: "READ" })],
    ['"all"', (ring) => ring.cancel("all")],
  ];

  test.each(KINDS)("ends by cancel() of %s, which found it", async (_, cancel) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let i = 0; i < ROUNDS; i++) {
      const read = ring.read(pipe.readEnd, new Uint8Array(8), "current", { flags: IOSQE.ASYNC });
      const error = failure(read, UringError);
      ring.submitAndWait(0);
      expect(await cancel(ring, pipe.readEnd)).toBe(1);
      expect(["ECANCELED", "EINTR"]).toContain((await error).code);
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("ends with all others that were meant, and what came after it goes on", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let i = 0; i < ROUNDS / 5; i++) {
      const options = { flags: i % 2 === 0 ? IOSQE.ASYNC : 0 };
      const reads = Array.from({ length: 8 }, () => ring.read(pipe.readEnd, new Uint8Array(8), "current", options));
      const errors = failures(reads, UringError);
      ring.submitAndWait(0);
      const found = ring.cancel({ fd: pipe.readEnd });
      const later = ring.read(pipe.readEnd, new Uint8Array(8), "current", options);
      expect(await found).toBe(8);
      for (const { code } of await errors) expect(["ECANCELED", "EINTR"]).toContain(code);
      pipe.write("x");
      expect(await later).toBe(1);
    }
  });

  test("ends by its time limit", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    for (let i = 0; i < 50; i++) {
      const options = { timeout: i % 3 / 10, flags: IOSQE.ASYNC };
      const error = await failure(ring.read(pipe.readEnd, new Uint8Array(8), "current", options), UringError);
      expect(error.code).toBe("ETIME");
    }
  });
});

describe("an operation that waits in a chain for its start", () => {
  test("ends by its signal, at the latest when it starts", async () => {
    await using ring = new Ring();
    using first = new Pipe();
    using second = new Pipe();
    const controller = new AbortController();
    const [head, tail] = ring.link((ring) => [
      ring.read(first.readEnd, new Uint8Array(4)),
      ring.read(second.readEnd, new Uint8Array(4), "current", { signal: controller.signal }),
    ]);
    const outcome = tail!.catch((error: unknown) => error);
    await ring.nop();
    controller.abort("enough");
    await ring.timeout(20);
    first.write("four");
    expect(await head).toBe(4);
    expect(await outcome).toBe("enough");
    second.write("untouched");
    expect(second.read()).toBe("untouched");
  });
});

// A timer that is due is not found until its task work has set it anew, which runs after what is submitted: here each
// attempt is made by a thread that was busy for longer than the timer runs.
describe.skipIf(!hasTicks)("a timer that is due at each attempt to cancel it", () => {
  test.each([
    ["by the end of its stream", async (ring, ticks) => {
      await ticks.return();
      await ring.close();
    }],
    ["as its ring is closed", (ring) => ring.close()],
    ["as its ring is closed, which had IO_DRAIN", async (ring) => {
      await ring.nop({ flags: IOSQE.IO_DRAIN, timeout: 1 }).catch(() => {});
      spin(3000);
      await ring.close();
    }],
  ] as [name: string, end: (ring: Ring, ticks: Multishot<number>) => Promise<void>][])("ends %s", async (_, end) => {
    const ring = new Ring();
    const ticks = ring.timeoutMultishot(1);
    await ticks.next();
    const { setTimeout, setInterval } = globalThis;
    const late = (callback: () => void) => () => {
      spin(3000);
      callback();
    };
    globalThis.setTimeout = ((callback: () => void, ms: number) => setTimeout(late(callback), ms)) as typeof setTimeout;
    globalThis.setInterval = ((callback: () => void, ms: number) =>
      setInterval(late(callback), ms)) as typeof setInterval;
    try {
      spin(3000);
      await end(ring, ticks);
    } finally {
      Object.assign(globalThis, { setTimeout, setInterval });
    }
    expect(ring.stats.inFlight).toBe(0);
  });
});
