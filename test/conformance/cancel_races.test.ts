import { describe, expect, test } from "vitest";
import {
  AF,
  AT,
  BufferPool,
  BufferRing,
  IOSQE,
  MSG,
  type Multishot,
  O,
  type OpOptions,
  POLL,
  Ring,
  SOCK,
} from "../../mod.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp, hasStreams, hasSyncCancel } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { moment, outcome, outcomes, spin } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import { descriptors } from "../support/process_state.ts";
import { Random } from "../support/random.ts";
import { onEachKind, TASK_KINDS } from "../support/ring_kinds.ts";
import { Net } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Fewer where machines are emulated. */
const ROUNDS = TIME_SCALE > 1 ? 40 : 200;

const reason = new Error("on purpose");

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Everything that was begun has ended, and has ended once. */
async function expectBalance(ring: Ring): Promise<void> {
  // A time limit's own completion, or a cancellation's, may come later. One that never comes is over the test's limit.
  while (ring.stats.completed < ring.stats.submitted) await new Promise((resolve) => setTimeout(resolve, 1));
  const { submitted, completed, inFlight, strays } = ring.stats;
  expect({ completed, inFlight, strays }).toEqual({ completed: submitted, inFlight: 0, strays: 0 });
}

/** Descriptors that are open, of those whose target has this in it. */
function open(what: string): string[] {
  return descriptors().filter((target) => target.includes(what));
}

/** Sockets that were not open before. One that others left, and that is gone meanwhile, does not matter. */
function newSockets(before: readonly string[]): string[] {
  return open("socket:").filter((socket) => !before.includes(socket));
}

/** Some tenths of a millisecond, as long as a few moments. */
function shortly(random: Random): number {
  return random.below(30) / 100;
}

/** How a read in flight is ended, and what it may then reject with. */
const WAYS: [
  name: string,
  rejection: unknown,
  end: (ring: Ring, read: Promise<number>, c: AbortController, fd: number) => unknown,
][] = [
  ["an abort", reason, (_, __, controller) => controller.abort(reason)],
  ["a time limit", "ETIME", () => {}],
  ["cancel() of its promise", "ECANCELED", (ring, read) => ring.cancel(read)],
  ["cancel() by descriptor", "ECANCELED", (ring, _, __, fd) => ring.cancel({ fd })],
  ["cancel() by op", "ECANCELED", (ring) => ring.cancel({ op: "READ" })],
  ["cancel() of everything", "ECANCELED", (ring) => ring.cancel("all")],
  ["syncCancel()", "ECANCELED", (ring, read) => ring.syncCancel(read)],
  ["syncCancel() by descriptor", "ECANCELED", (ring, _, __, fd) => ring.syncCancel({ fd })],
];

function lacks(name: string): boolean {
  return name.startsWith("syncCancel()") && !hasSyncCancel;
}

describe.each(onEachKind(WAYS))("%s as a read completes; ring: %s", (name, _, options, rejection, end) => {
  test.skipIf(lacks(name)).each([0, IOSQE.ASYNC])(
    "leaves one outcome, which fits what became of the data: flags %i",
    async (flags) => {
      await using ring = new Ring(options);
      using pipe = new Pipe();
      const random = new Random(23 + flags);
      for (let round = 0; round < ROUNDS; round++) {
        const buffer = new Uint8Array(4);
        const controller = new AbortController();
        const limit = name === "a time limit" ? { timeout: shortly(random) } : {};
        const read = ring.read(pipe.readEnd, buffer, undefined, { signal: controller.signal, flags, ...limit });
        const result = outcome(read);
        await moment(ring, random);
        const acts = [() => pipe.write("data"), () => end(ring, read, controller, pipe.readEnd)];
        if (random.below(2) === 0) acts.reverse();
        acts[0]!();
        await moment(ring, random);
        const found = acts[1]!();
        const came = await result;
        // A worker that is interrupted says so itself.
        if (came === 4) {
          expect([new TextDecoder().decode(buffer), pipe.read()]).toEqual(["data", ""]);
        } else {
          expect([rejection, ...flags !== 0 && rejection === "ECANCELED" ? ["EINTR"] : []]).toContain(came);
          await found;
          // Whoever let go of it takes nothing any more, and had taken nothing.
          expect([pipe.read(), ...buffer]).toEqual(["data", 0, 0, 0, 0]);
        }
      }
      await ring.nop();
      await expectBalance(ring);
    },
  );
});

describe("an abort as a descriptor comes into being", () => {
  test.skipIf(!hasOp("SOCKET")).each([0, IOSQE.ASYNC])(
    "by accept(): it is the caller's, or the connection waits for the next: flags %i",
    async (flags) => {
      await using net = new Net();
      const { ring } = net;
      const { fd: listener, address } = await net.listener("unix", 8);
      const random = new Random(27 + flags);
      const before = open("socket:");
      for (let round = 0; round < ROUNDS; round++) {
        const client = await ring.socket(AF.UNIX, SOCK.STREAM);
        const controller = new AbortController();
        const accepting = outcome(ring.accept(listener, { signal: controller.signal, flags }));
        await moment(ring, random);
        const connect = () => ring.connect(client, address, { flags: random.below(2) === 0 ? IOSQE.ASYNC : 0 });
        const acts = [connect, () => controller.abort(reason)];
        if (random.below(2) === 0) acts.reverse();
        const first = acts[0]!();
        await moment(ring, random);
        await Promise.all([first, acts[1]!()]);
        const came = await accepting;
        if (typeof came !== "number") expect(came).toBe(reason);
        const accepted = typeof came === "number" ? came : await ring.accept(listener);
        await Promise.all([client, accepted].map((fd) => ring.closeFd(fd)));
      }
      expect(newSockets(before)).toEqual([]);
      await expectBalance(ring);
    },
  );

  test.each([0, IOSQE.ASYNC])("by openat(): it is the caller's, or is not: flags %i", async (flags) => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "");
    const random = new Random(29 + flags);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      const opening = outcomes(times(3, () => ring.openat(AT.FDCWD, path, O.RDONLY, 0, { signal, flags })));
      await moment(ring, random);
      controller.abort(reason);
      for (const came of await opening) {
        if (typeof came === "number") await ring.closeFd(came);
        else expect(came).toBe(reason);
      }
    }
    expect(open(path)).toEqual([]);
    await expectBalance(ring);
  });
});

describe("an operation that is cancelled again and again, in every way at once", () => {
  test.each(TASK_KINDS)("has one outcome, always in the end; ring: %s", async (_, options) => {
    await using ring = new Ring(options);
    using pipe = new Pipe();
    const random = new Random(31);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const o = { signal: controller.signal, ...random.below(2) === 0 ? { timeout: shortly(random) } : {} };
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
    await expectBalance(ring);
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
    await expectBalance(ring);
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
    await expectBalance(ring);
  });
});

const TAIL_WAYS = WAYS.filter(([name]) => ["an abort", "a time limit", "cancel() of its promise"].includes(name));

describe.each(TAIL_WAYS)("%s of a link's tail", (name, rejection, end) => {
  test.each([false, true])("before, as and after its head completes ends it in the end: hard %s", async (hard) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const random = new Random(hard ? 43 : 44);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const { signal } = controller;
      const limit = name === "a time limit" ? { timeout: shortly(random) } : {};
      const [head, tail] = ring.link((ring) => [
        ring.read(pipe.readEnd, new Uint8Array(1)),
        ring.read(other.readEnd, new Uint8Array(1), undefined, { signal, ...limit }),
      ], { hard }) as [Promise<number>, Promise<number>];
      const both = outcomes([head, tail]);
      await moment(ring, random);
      const acts = [() => pipe.write("x"), () => end(ring, tail, controller, other.readEnd)];
      if (random.below(2) === 0) acts.reverse();
      const first = acts[0]!();
      await moment(ring, random);
      const found = await Promise.all([first, acts[1]!()]);
      const [ended, cancelled] = await both;
      expect(ended).toBe(1);
      // A worker thread that older kernels (5.10) have it in was interrupted.
      expect(rejection === "ECANCELED" ? ["ECANCELED", "EINTR"] : [rejection]).toContain(cancelled);
      if (rejection === "ECANCELED") expect(found).toContain(1);
      other.write("y");
      expect(other.read(), "the kernel has let go of it").toBe("y");
    }
    await expectBalance(ring);
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
    await expectBalance(ring);
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
    await expectBalance(ring);
  });
});

/** How a multishot operation is ended, and what it then ends with. */
const STREAM_WAYS: [
  name: string,
  result: unknown,
  end: <T>(ring: Ring, stream: Multishot<T>, c: AbortController, fd: number) => unknown,
][] = [
  ["an abort", reason, (_, __, controller) => controller.abort(reason)],
  ["cancel() of it", "ECANCELED", (ring, stream) => ring.cancel(stream)],
  ["cancel() by descriptor", "ECANCELED", (ring, _, __, fd) => ring.cancel({ fd })],
  ["leaving it", undefined, (_, stream) => stream.return()],
];

/** Takes what a stream gives until its end; what that was. */
async function drain<T>(stream: Multishot<T>, take: (value: T) => void): Promise<unknown> {
  return await outcome((async () => {
    for await (const value of stream) take(value);
  })());
}

describe.skipIf(!hasOp("SOCKET")).each(onEachKind(STREAM_WAYS))("%s as connections come; ring: %s", (...row) => {
  const [, , options, result, end] = row;
  test("leaves each with the consumer, or closed: no descriptor is anybody else's", async () => {
    await using net = new Net(options);
    const { ring } = net;
    const random = new Random(53);
    const before = open("socket:");
    let [taken, left] = [0, 0];
    for (let round = 0; round < ROUNDS / 2; round++) {
      const { fd: listener, address } = await net.listener("unix", 8);
      const clients = await Promise.all(times(1 + random.below(4), () => ring.socket(AF.UNIX, SOCK.STREAM)));
      const controller = new AbortController();
      const connections = ring.acceptMultishot(listener, { signal: controller.signal });
      const accepted: number[] = [];
      const ended = drain(connections, (fd) => accepted.push(fd));
      // From a worker thread of the kernel's, too, which does not wait for this one.
      const flags = random.below(2) === 0 ? IOSQE.ASYNC : 0;
      const acts: (() => unknown)[] = clients.map((fd) => () => ring.connect(fd, address, { flags }));
      acts.splice(random.below(acts.length + 1), 0, () => end(ring, connections, controller, listener));
      const done: unknown[] = [];
      for (const act of acts) {
        await moment(ring, random);
        done.push(act());
      }
      await Promise.all(done);
      expect(await ended).toBe(result);
      await net.close(listener);
      // Whoever was accepted is open: a number that is not would be another's next.
      await Promise.all([...accepted, ...clients].map((fd) => ring.closeFd(fd)));
      taken += accepted.length;
      left += clients.length - accepted.length;
    }
    expect(newSockets(before)).toEqual([]);
    expect(Math.min(taken, left), "both happened").toBeGreaterThan(0);
    await expectBalance(ring);
  });
});

describe.skipIf(!hasStreams).each(onEachKind(STREAM_WAYS))("%s as data comes; ring: %s", (...row) => {
  const [, , options, result, end] = row;
  test("leaves each byte with the consumer or in the socket, in order, and every buffer comes back", async () => {
    await using net = new Net(options);
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    using buffers = new BufferRing({ ring, size: 4, count: 4 });
    const random = new Random(54);
    for (let round = 0; round < ROUNDS; round++) {
      const controller = new AbortController();
      const stream = ring.recvMultishot(server, buffers, 0, { signal: controller.signal });
      const received: number[] = [];
      const ended = drain(stream, (piece) => {
        received.push(...piece.bytes);
        piece.release();
      });
      const sent: number[] = [];
      let sending: Promise<unknown> = Promise.resolve();
      const acts: (() => unknown)[] = times(1 + random.below(4), () => () => {
        const bytes = pattern(1 + random.below(9), sent.length);
        sent.push(...bytes);
        const flags = random.below(2) === 0 ? IOSQE.ASYNC : 0;
        // One after another: what worker threads send has no order.
        sending = sending.then(() => ring.send(client, bytes, 0, { flags }));
      });
      acts.splice(random.below(acts.length + 1), 0, () => end(ring, stream, controller, server));
      const done: unknown[] = [];
      for (const act of acts) {
        await moment(ring, random);
        done.push(act());
      }
      await Promise.all([sending, ...done]);
      expect(await ended).toBe(result);
      expect(buffers.available).toBe(buffers.count);
      const rest = new Uint8Array(64);
      const length = await outcome(ring.recv(server, rest, MSG.DONTWAIT));
      if (typeof length === "number") received.push(...rest.subarray(0, length));
      else expect(length).toBe("EAGAIN");
      // What came for who had left is let go.
      expect(received).toEqual(result === undefined ? sent.filter((byte) => received.includes(byte)) : sent);
    }
    await expectBalance(ring);
  });
});

describe("a zero-copy send that is cancelled before its notification", () => {
  const SIZE = 4096;
  const halves = (buffer: Uint8Array) => ({ buffers: [buffer.subarray(0, SIZE / 2), buffer.subarray(SIZE / 2)] });
  const FORMS: [
    name: string,
    since: "SEND_ZC" | "SENDMSG_ZC" | "READV_FIXED",
    send: (ring: Ring, fd: number, buffer: Uint8Array, o: OpOptions) => Promise<number>,
  ][] = [
    ["sendZc", "SEND_ZC", (ring, fd, buffer, o) => ring.sendZc(fd, buffer, 0, o)],
    ["sendZcFixed", "SEND_ZC", (ring, fd, buffer, o) => ring.sendZcFixed(fd, buffer, 0, o)],
    ["sendmsgZc", "SENDMSG_ZC", (ring, fd, buffer, o) => ring.sendmsgZc(fd, halves(buffer), 0, o)],
    ["sendmsgZcFixed", "READV_FIXED", (ring, fd, buffer, o) => ring.sendmsgZcFixed(fd, halves(buffer), 0, o)],
  ];

  const WHOLE = "settles once, after the kernel is done with its buffer, and arrives whole or not at all: %s()";
  test.each(FORMS.filter(([, since]) => hasOp(since)))(WHOLE, async (_, __, send) => {
    await using net = new Net();
    const { ring } = net;
    using pool = new BufferPool({ ring, size: SIZE, count: 1 });
    const buffer = pool.acquire();
    const random = new Random(61);
    // Datagrams: nobody waits for an acknowledgement.
    const { fd: client } = await net.udp();
    const { fd: server, address } = await net.udp();
    await ring.connect(client, address);
    const content = pattern(SIZE);
    for (let round = 0; round < ROUNDS / FORMS.length; round++) {
      const controller = new AbortController();
      buffer.set(content);
      const sending = send(ring, client, buffer, { signal: controller.signal });
      // Spoiled as soon as it is ours again: what arrives was taken before.
      const result = outcome(sending).finally(() => buffer.fill(0));
      if (random.below(2) === 0) await moment(ring, random);
      if (random.below(2) === 0) spin(random.below(50));
      const found = random.below(2) === 0 ? ring.cancel(sending) : controller.abort(reason);
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
    await expectBalance(ring);
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
    await expectBalance(ring);
  });
});
