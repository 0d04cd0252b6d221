import { describe, expect, test } from "vitest";
import { IOSQE, MSG, type Multishot, POLL, Ring } from "../../mod.ts";
import { pattern } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { moment, outcome, outcomes, spin } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import { Random } from "../support/random.ts";
import { Net } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Fewer where machines are emulated. */
const ROUNDS = TIME_SCALE > 1 ? 40 : 300;

const reason = new Error("on purpose");

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Everything that was begun has ended, and has ended once. */
function expectBalance(ring: Ring): void {
  expect(ring.stats.inFlight).toBe(0);
  expect(ring.stats.completed).toBe(ring.stats.submitted);
}

/** How a read in flight is ended, and what it may then reject with. */
const WAYS: [
  name: string,
  rejection: unknown,
  end: (ring: Ring, read: Promise<number>, c: AbortController) => unknown,
][] = [
  ["an abort", reason, (_, __, controller) => controller.abort(reason)],
  ["cancel() of its promise", "ECANCELED", (ring, read) => ring.cancel(read)],
  ["cancel() by op", "ECANCELED", (ring) => ring.cancel({ op: "READ" })],
  ["cancel() of everything", "ECANCELED", (ring) => ring.cancel("all")],
  ["syncCancel()", "ECANCELED", (ring, read) => ring.syncCancel(read)],
];

/** syncCancel() came with it, in Linux 6.0. */
const HAS_CALL = hasOp("SEND_ZC");

function lacks(name: string): boolean {
  return name === "syncCancel()" && !HAS_CALL;
}

describe.each(WAYS)("%s as a read completes", (name, rejection, end) => {
  test.skipIf(lacks(name)).each([0, IOSQE.ASYNC])(
    "leaves one outcome, which fits what became of the data: flags %i",
    async (flags) => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const random = new Random(23 + flags);
      const rejected = name === "an abort" ? rejection : "ECANCELED";
      for (let round = 0; round < ROUNDS; round++) {
        const buffer = new Uint8Array(4);
        const controller = new AbortController();
        const read = ring.read(pipe.readEnd, buffer, undefined, { signal: controller.signal, flags });
        const result = outcome(read);
        await moment(ring, random);
        const acts = [() => pipe.write("data"), () => end(ring, read, controller)];
        if (random.below(2) === 0) acts.reverse();
        acts[0]!();
        await moment(ring, random);
        const found = acts[1]!();
        const came = await result;
        // A worker that is interrupted says so itself.
        if (came === 4) {
          expect([new TextDecoder().decode(buffer), pipe.read()]).toEqual(["data", ""]);
        } else {
          expect([rejected, ...flags !== 0 && rejected !== reason ? ["EINTR"] : []]).toContain(came);
          await found;
          // Whoever let go of it takes nothing any more, and had taken nothing.
          expect([pipe.read(), ...buffer]).toEqual(["data", 0, 0, 0, 0]);
        }
      }
      await ring.nop();
      expectBalance(ring);
    },
  );
});

describe("an operation that is cancelled again and again, in every way at once", () => {
  test("has one outcome, always in the end", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const random = new Random(31);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const o = { signal: controller.signal, ...random.below(2) === 0 ? { timeout: random.below(30) / 100 } : {} };
      const operation = [
        () => ring.read(pipe.readEnd, new Uint8Array(4), undefined, o),
        () => ring.pollAdd(pipe.readEnd, POLL.IN, o),
        () => ring.timeout(NEVER, o),
        () => ring.readv(pipe.readEnd, [new Uint8Array(4)], undefined, o),
      ][round % 4]!();
      const result = outcome(operation);
      const counts: Promise<number>[] = [];
      const ways = [
        () => counts.push(ring.cancel(operation)),
        () => counts.push(ring.cancel(operation)),
        () => counts.push(ring.cancel({ fd: pipe.readEnd })),
        () => controller.abort(reason),
      ];
      for (let i = 1 + random.below(6); i > 0; i--) {
        if (random.below(2) === 0) await moment(ring, random);
        ways[random.below(ways.length)]!();
      }
      // One way that is sure to end each of them.
      controller.abort(reason);
      expect([reason, "ETIME", "ECANCELED"]).toContain(await result);
      for (const count of await Promise.all(counts)) expect([0, 1]).toContain(count);
    }
    await ring.nop();
    expectBalance(ring);
  });
});

describe("a queue that is full when a cancellation is due", () => {
  test.each([1, 2, 4])("of %i entries loses neither the cancellation nor what is queued", async (entries) => {
    await using ring = new Ring({ entries });
    using pipe = new Pipe();
    const random = new Random(entries);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      const waiting = outcomes(times(5, () => ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal })));
      const byHand = ring.pollAdd(pipe.readEnd, POLL.IN);
      const polled = outcome(byHand);
      if (random.below(2) === 0) await moment(ring, random);
      // As many as fill the queue, one more, one less: in the same turn as the cancellations.
      const before = outcomes(times(entries - 1 + random.below(3), () => ring.nop()));
      controller.abort(reason);
      const found = ring.cancel(byHand);
      const after = outcomes(times(random.below(4), () => ring.nop()));
      expect(await waiting).toEqual(times(5, () => reason));
      expect([await found, await polled]).toEqual([1, "ECANCELED"]);
      expect([...await before, ...await after].every((result) => result === 0)).toBe(true);
    }
    expectBalance(ring);
  });

  test("with a chain that fills it, and an abort while it is built: the chain stays whole", async () => {
    await using ring = new Ring({ entries: 4 });
    using pipe = new Pipe();
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      const waiting = outcome(ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal }));
      if (round % 2 === 0) await ring.nop();
      const chain = outcomes(ring.link((ring) => {
        const first = [ring.nop(), ring.nop()];
        if (round % 3 !== 0) controller.abort(reason);
        return [...first, ring.nop(), ring.nop()];
      }));
      controller.abort(reason);
      expect(await chain).toEqual([0, 0, 0, 0]);
      expect(await waiting).toBe(reason);
    }
    expectBalance(ring);
  });
});

describe("a link's tail that is cancelled", () => {
  test.each([false, true])("before, as and after its head completes, ends in the end: hard %s", async (hard) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const random = new Random(hard ? 43 : 44);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const [head, tail] = ring.link((ring) => [
        ring.read(pipe.readEnd, new Uint8Array(1)),
        ring.read(other.readEnd, new Uint8Array(1), undefined, { signal: controller.signal }),
      ], { hard }) as [Promise<number>, Promise<number>];
      const both = outcomes([head, tail]);
      await moment(ring, random);
      const acts = [() => pipe.write("x"), () => controller.abort(reason)];
      if (random.below(2) === 0) acts.reverse();
      acts[0]!();
      await moment(ring, random);
      acts[1]!();
      expect(await both).toEqual([1, reason]);
      other.write("y");
      expect(other.read(), "the kernel has let go of it").toBe("y");
    }
    expectBalance(ring);
  });
});

describe("a multishot operation that is aborted as events come", () => {
  test("gives each value once, in order, and none after its end", async () => {
    await using ring = new Ring();
    const random = new Random(51);
    for (let round = 0; round < ROUNDS; round++) {
      using pipe = new Pipe();
      const controller = new AbortController();
      let ended = false;
      let late = 0;
      let values = 0;
      const polls: Multishot<number> = ring.pollMultishot(pipe.readEnd, POLL.IN, {
        signal: controller.signal,
        each: (mask) => {
          if (mask !== POLL.IN) throw new Error(`mask ${mask}`);
          values++;
          if (ended) late++;
        },
      });
      const end = outcome(polls.ended).then((result) => {
        ended = true;
        return result;
      });
      const writes = random.below(5);
      for (let i = 0; i < writes; i++) {
        pipe.write("x");
        await moment(ring, random);
      }
      controller.abort(reason);
      pipe.write("x");
      const result = await end;
      expect(result).toBe(reason);
      pipe.write("x");
      await ring.nop();
      expect(late).toBe(0);
      expect(values).toBeLessThanOrEqual(writes + 1);
    }
    expectBalance(ring);
  });

  test("of which the consumer leaves the loop has let go of everything by then", async () => {
    await using ring = new Ring();
    const random = new Random(52);
    for (let round = 0; round < ROUNDS / 3; round++) {
      using pipe = new Pipe();
      pipe.write("x");
      let values = 0;
      const wanted = 1 + random.below(3);
      for await (const mask of ring.pollMultishot(pipe.readEnd, POLL.IN)) {
        expect(mask).toBe(POLL.IN);
        if (++values === wanted) break;
        pipe.write("x");
      }
      expect(values).toBe(wanted);
      expect(ring.stats.inFlight).toBe(0);
    }
    expectBalance(ring);
  });
});

describe("a zero-copy send that is cancelled before its notification", () => {
  const SIZE = 4096;

  test("settles once, after the kernel is done with its buffer, and arrives whole or not at all", async ({ skip }) => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("SEND_ZC").supported) return skip("since Linux 6.0");
    const random = new Random(61);
    // Datagrams: nobody waits for an acknowledgement.
    const { fd: client } = await net.udp();
    const { fd: server, address } = await net.udp();
    await ring.connect(client, address);
    const content = pattern(SIZE);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const buffer = content.slice();
      const send = ring.sendZc(client, buffer, 0, { signal: controller.signal });
      // Spoiled as soon as it is ours again: what arrives was taken before.
      const result = outcome(send).finally(() => buffer.fill(0));
      if (random.below(2) === 0) await moment(ring, random);
      if (random.below(2) === 0) spin(random.below(50));
      const found = random.below(2) === 0 ? ring.cancel(send) : controller.abort(reason);
      const sent = await result;
      await found;
      if (typeof sent !== "number") {
        expect([reason, "ECANCELED"]).toContain(sent);
        continue;
      }
      expect(sent).toBe(SIZE);
      const received = new Uint8Array(SIZE);
      expect(await ring.recv(server, received)).toBe(SIZE);
      expect(received).toEqual(content);
    }
    expect(await outcome(ring.recv(server, new Uint8Array(1), MSG.DONTWAIT)), "nothing of what was cancelled")
      .toBe("EAGAIN");
    expectBalance(ring);
  });

  test("that waits for room in the socket ends when it is aborted", async ({ skip }) => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("SEND_ZC").supported) return skip("since Linux 6.0");
    const [client, server] = await net.pair();
    const random = new Random(62);
    // A slow receiver, but one: what is on its way is the kernel's until it is there, aborted or not.
    const receiving = (async () => {
      const buffer = new Uint8Array(1 << 18);
      let received = 0;
      for (let bytes = -1; bytes !== 0;) {
        await ring.timeout(0.2);
        bytes = await ring.recv(server, buffer);
        received += bytes;
      }
      return received;
    })();
    let total = 0;
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController();
      const sends = outcomes(
        times(4, () => ring.sendZc(client, new Uint8Array(1 << 20), MSG.WAITALL, { signal: controller.signal })),
      );
      await moment(ring, random);
      controller.abort(reason);
      // What was sent in part counts as sent.
      for (const sent of await sends) {
        if (typeof sent === "number") total += sent;
        else expect(sent).toBe(reason);
      }
    }
    await ring.shutdown(client, 1);
    const received = await receiving;
    expect(received).toBe(total);
    expectBalance(ring);
  });
});
