import { describe, expect, test } from "vitest";
import { AbortError, IOSQE, POLL, Ring, RingClosedError } from "../../mod.ts";
import { failure, failures, thrown, watch } from "../support/failure.ts";
import { hasOp, hasSyncCancel } from "../support/kernel.ts";
import { BLOCKING, NEVER, Stage } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors } from "../support/process_state.ts";
import { Net } from "../support/sockaddr.ts";

/** Calls back once, in the middle of a batch of completions; gives what is pending beside it. */
function inTheMiddle(
  ring: Ring,
  pipe: Pipe,
  callback: () => void,
): { results: Promise<unknown>[]; end: Promise<void> } {
  pipe.write("x");
  let called = false;
  const before = [ring.nop(), ring.nop()];
  const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, {
    each: () => {
      if (!called) callback();
      called = true;
    },
  });
  const results = [...before, ring.nop(), ring.timeout(NEVER), ring.read(pipe.writeEnd, new Uint8Array(1)), ring.nop()];
  return { results, end: polls.ended };
}

/** Each has settled, and nothing else than these two ways. */
async function expectEnds(results: Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(results);
  expect(settled[0]!.status).toBe("fulfilled");
  for (const end of settled) {
    if (end.status === "rejected" && !(end.reason instanceof AbortError)) expect(end.reason.code).toBe("EBADF");
  }
}

describe("close() can be called", () => {
  test("in a callback, while completions are handed out", async () => {
    const before = ringDescriptors();
    const ring = new Ring();
    using pipe = new Pipe();
    let closing: Promise<void> | undefined;
    const { results, end } = inTheMiddle(ring, pipe, () => closing = ring.close());
    const ended = failure(end, AbortError);
    await expectEnds(results);
    await closing;
    await ended;
    expect(ring.closed).toBe(true);
    expect(ringDescriptors()).toBe(before);
  });

  const WITH_DRAIN = hasSyncCancel ? [["that has used IO_DRAIN", 8, IOSQE.IO_DRAIN] as const] : [];

  test.each([...WITH_DRAIN, ["with a full queue", 4, 0] as const])(
    "in a callback, as close() itself submits what is left of a ring %s",
    async (_, entries, flags) => {
      const ring = new Ring({ entries });
      using pipe = new Pipe();
      const closings: Promise<void>[] = [];
      await ring.nop({ flags });
      const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { each: () => closings.push(ring.close()) });
      const ended = failure(polls.ended, AbortError);
      await ring.nop();
      pipe.write("x");
      const nops = [1, 2, 3, 4].map(() => ring.nop());
      closings.push(ring.close());
      await Promise.all(closings);
      await ended;
      expect(await Promise.allSettled(nops)).toHaveLength(4);
      expect(new Set(closings).size).toBe(1);
    },
  );

  test("in a callback, while submitAndWait() hands them out", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    let closing: Promise<void> | undefined;
    const { results, end } = inTheMiddle(ring, pipe, () => closing = ring.close());
    const ended = failure(end, AbortError);
    expect(ring.submitAndWait(4)).toBeGreaterThanOrEqual(4);
    expect(closing).toBeInstanceOf(Promise);
    thrown(() => ring.submitAndWait(0), RingClosedError);
    await expectEnds(results);
    await closing;
    await ended;
  });

  test("of another ring in a callback of one, and the other way round", async () => {
    const [one, other] = [new Ring(), new Ring()];
    using pipe = new Pipe();
    const aborted = failure(other.timeout(NEVER), AbortError);
    await other.nop();
    const { results, end } = inTheMiddle(one, pipe, () => other[Symbol.dispose]());
    await Promise.all(results.slice(0, 3));
    await aborted;
    expect([one.closed, other.closed]).toEqual([false, true]);
    const rest = Promise.allSettled([...results, end]);
    await one.close();
    await rest;
  });

  test("by an abort listener, before the operation's own and after it: either is the reason", async () => {
    for (const isFirst of [true, false]) {
      const ring = new Ring();
      using pipe = new Pipe();
      const controller = new AbortController();
      const { signal } = controller;
      let closing: Promise<void> | undefined;
      const close = () => void (closing = ring.close());
      if (isFirst) signal.addEventListener("abort", close);
      const read = ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal }).catch((error) => error);
      if (!isFirst) signal.addEventListener("abort", close);
      await ring.nop();
      const reason = new Error("on purpose");
      controller.abort(reason);
      const rejection = await read;
      if (rejection !== reason) expect(rejection).toBeInstanceOf(AbortError);
      await closing;
      expect(ring.closed).toBe(true);
    }
  });

  test.skipIf(!hasOp("MSG_RING"))("by a handler of messages", async () => {
    await using sender = new Ring();
    const ring = new Ring();
    const aborted = failure(ring.timeout(NEVER), AbortError);
    const closed = new Promise<void>((resolve) => {
      ring.onMessage = () => resolve(ring.close());
    });
    expect(await sender.msgRing(ring, 1, 2)).toBe(0);
    await closed;
    await aborted;
  });

  test("by what settles first of many, and their continuations see a closed ring", async () => {
    const ring = new Ring();
    const closings: Promise<void>[] = [];
    const after: unknown[] = [];
    await Promise.allSettled(Array.from({ length: 100 }, () =>
      ring.nop().then(() => {
        closings.push(ring.close());
        try {
          void ring.nop();
        } catch (error) {
          after.push(error);
        }
      })));
    expect(new Set(closings).size).toBe(1);
    expect(after.length).toBe(100);
    expect(after.every((error) => error instanceof RingClosedError)).toBe(true);
    await closings[0];
  });

  test.skipIf(!hasOp("SEND_ZC"))("by the one who is told that bytes were sent, before the notification", async () => {
    await using net = new Net();
    const { fd } = await net.udp();
    const { address } = await net.udp();
    const ring = new Ring();
    let closing: Promise<void> | undefined;
    const send = watch(ring.sendZc(fd, new Uint8Array(1000), 0, { to: address, onSent: () => closing = ring.close() }));
    while (closing === undefined) await net.ring.timeout(1);
    await closing;
    expect(send).toMatchObject({ state: "resolved", value: 1000 });
  });
});

describe("a ring can't be closed", () => {
  test("at once by a callback of its own: it would wait for itself; it says so, and goes on", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let refusal: Error | undefined;
    const { results, end } = inTheMiddle(ring, pipe, () => refusal = thrown(() => ring[Symbol.dispose](), TypeError));
    const rest = Promise.allSettled([...results, end]);
    await Promise.all(results.slice(0, 3));
    expect(refusal!.message).toMatch("call close() instead");
    expect(ring.closed).toBe(false);
    expect(await ring.nop()).toBe(0);
    await ring.close();
    await rest;
  });
});

describe("close(), at once and in the end, together", () => {
  test.each(BLOCKING)("are once, with $name in flight", async ({ start }) => {
    for (const isLate of [false, true]) {
      const stage = new Stage();
      const { ring } = stage;
      const aborted = failures([start(stage), start(stage, { timeout: NEVER })], AbortError);
      if (isLate) await ring.nop();
      const closings = [ring.close(), ring.close(), ring[Symbol.asyncDispose]()];
      ring[Symbol.dispose]();
      ring[Symbol.dispose]();
      closings.push(ring.close());
      expect(ring.closed).toBe(true);
      await Promise.all(closings);
      await aborted;
      await stage[Symbol.asyncDispose]();
    }
  });
});

describe("what a block throws", () => {
  test.each([["in flight", true], ["idle", false]])(
    "passes `using` and `await using`, the ring %s",
    async (_, works) => {
      const before = ringDescriptors();
      const reason = new Error("on purpose");
      const begin = (ring: Ring) => works ? failure(ring.timeout(NEVER), AbortError) : Promise.resolve();
      let pending: Promise<unknown> | undefined;
      const atOnce = () => {
        using ring = new Ring();
        pending = begin(ring);
        throw reason;
      };
      expect(thrown(atOnce, Error)).toBe(reason);
      await pending;
      const inTheEnd = async () => {
        await using ring = new Ring();
        pending = begin(ring);
        await ring.nop();
        throw reason;
      };
      expect(await failure(inTheEnd(), Error)).toBe(reason);
      await pending;
      expect(ringDescriptors()).toBe(before);
    },
  );
});
