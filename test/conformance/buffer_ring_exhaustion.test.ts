import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { type BorrowedBuffer, type BufferGroup, BufferPool, BufferRing, Ring, SHUT, UringError } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import { Random } from "../support/random.ts";
import { Net, STREAMS } from "../support/sockaddr.ts";

/** Sends all of it, in pieces of random lengths, and ends. */
async function sendAll(ring: Ring, fd: number, bytes: Uint8Array, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await ring.send(fd, bytes.subarray(at, at + 1 + random.below(5000)));
    if (random.below(4) === 0) await ring.timeout(0.2);
  }
  await ring.shutdown(fd, SHUT.WR);
}

interface Load {
  readonly streams: number;
  readonly bytes: number;
  readonly size: number;
  readonly count: number;
  readonly incremental?: boolean;
  readonly bundle?: boolean;
}

/** Streams that share one group; their consumers keep some buffers for a while. Gives how often none was left. */
async function run(net: Net, load: Load, random: Random): Promise<number> {
  const { ring } = net;
  const { streams, bytes, size, count, incremental = false, bundle = false } = load;
  using buffers = new BufferRing({ ring, size, count, incremental });
  const contents = Array.from({ length: streams }, () => random.bytes(bytes));
  const all = contents.map(async (content, i) => {
    const [client, server] = await net.pair(STREAMS[i % 2 === 0 ? 0 : 2]);
    const received = new Uint8Array(bytes);
    let at = 0;
    const mine = random.fork();
    const sending = sendAll(ring, client, content, mine.fork());
    const kept: BorrowedBuffer[] = [];
    for await (const piece of ring.recvMultishot(server, buffers, 0, { bundle })) {
      received.set(piece.bytes, at);
      at += piece.bytes.length;
      // Nobody keeps so many that none could ever come back to the others.
      if (mine.below(3) === 0 && kept.length < Math.floor(count / streams) - 1) kept.push(piece);
      else piece.release();
      if (mine.below(8) === 0) kept.splice(0).forEach((piece) => piece.release());
    }
    kept.forEach((piece) => piece.release());
    await sending;
    expect([at, Buffer.compare(received, content)]).toEqual([bytes, 0]);
  });
  await Promise.all(all);
  expect(buffers.available, "all buffers are back").toBe(count);
  expect(ring.stats.inFlight).toBe(0);
  return buffers.exhausted;
}

describe.skipIf(!hasOp("SOCKET"))("several streams that share a group", () => {
  test("lose nothing and double nothing, though it is exhausted again and again", async () => {
    await using net = new Net();
    const exhausted = await run(net, { streams: 6, bytes: 200_000, size: 512, count: 16 }, new Random(1));
    expect(exhausted).toBeGreaterThan(0);
  });

  test("go on with fewer buffers than streams", async () => {
    await using net = new Net();
    const exhausted = await run(net, { streams: 8, bytes: 20_000, size: 256, count: 2 }, new Random(2));
    expect(exhausted).toBeGreaterThan(0);
  });

  test("go on through a completion queue that is too small", async () => {
    await using net = new Net({ entries: 4, cqEntries: 4 });
    await run(net, { streams: 6, bytes: 100_000, size: 512, count: 32 }, new Random(3));
    expect(net.ring.stats.overflows).toBeGreaterThan(0);
  });

  test("with buffers that are used up in pieces", async ({ skip }) => {
    await using net = new Net();
    if (!net.ring.probe().op("LISTEN").supported) skip("needs Linux 6.12");
    try {
      new BufferRing({ ring: net.ring, size: 16, count: 1, incremental: true }).close();
    } catch {
      skip("needs Linux 6.12");
    }
    await run(net, { streams: 5, bytes: 200_000, size: 4096, count: 8, incremental: true }, new Random(4));
  });

  test("in bundles", async ({ skip }) => {
    await using net = new Net();
    if (!net.ring.probe().op("LISTEN").supported) skip("needs Linux 6.10");
    await run(net, { streams: 5, bytes: 200_000, size: 300, count: 16, bundle: true }, new Random(5));
  });
});

describe.skipIf(!hasOp("SOCKET"))("an exhausted group", () => {
  test("fails an operation of one completion at once, and takes nothing from its socket", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 8, count: 2 });
    const [client, server] = await net.pair();
    await ring.send(client, new Uint8Array(32).map((_, i) => i));
    const lent = [(await ring.recvSelect(server, buffers))!, (await ring.recvSelect(server, buffers))!];
    for (let i = 0; i < 10; i++) {
      expect((await failure(ring.recvSelect(server, buffers), UringError)).code).toBe("ENOBUFS");
    }
    expect(lent.map(({ bytes }) => bytes[0])).toEqual([0, 8]);
    lent.forEach((buffer) => buffer.release());
    using third = (await ring.recvSelect(server, buffers))!;
    using fourth = (await ring.recvSelect(server, buffers))!;
    expect([third.bytes[0], fourth.bytes[0]]).toEqual([16, 24]);
  });

  // `now`: as the ring closes, the kernel finds that there is no buffer.
  test.each(["later", "now"])("lets go of a stream that waits for it when its ring is closed: %s", async (when) => {
    await using net = new Net();
    const ring = new Ring();
    using buffers = new BufferRing({ ring, size: 8, count: 1 });
    const [client, server] = await net.pair();
    const pieces = ring.recvMultishot(server, buffers);
    await net.ring.send(client, new Uint8Array(8));
    const first = (await pieces.next()).value!;
    const second = failure(pieces.next(), Error);
    await net.ring.send(client, new Uint8Array(8));
    if (when === "later") { while (ring.stats.inFlight > 0) await ring.nop(); }
    await ring.close();
    expect((await second).name).toBe("AbortError");
    first.release();
    expect((await pieces.next()).done).toBe(true);
  });

  test("lets go of a stream that waits for it when its signal aborts", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 8, count: 1 });
    const [client, server] = await net.pair();
    const controller = new AbortController();
    const pieces = ring.recvMultishot(server, buffers, 0, { signal: controller.signal });
    await ring.send(client, new Uint8Array(16));
    using _first = (await pieces.next()).value!;
    const second = failure(pieces.next(), Error);
    while (ring.stats.inFlight > 0) await ring.nop();
    controller.abort(new Error("enough"));
    expect((await second).message).toBe("enough");
    expect((await pieces.next()).done).toBe(true);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("starts every stream that waited for it, whichever gives a buffer back", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 8, count: 1 });
    const pairs = await Promise.all(Array.from({ length: 5 }, () => net.pair()));
    const streams = pairs.map(([, server]) => ring.recvMultishot(server, buffers));
    await ring.nop();
    for (const [i, [client]] of pairs.entries()) await ring.send(client, Uint8Array.of(i));
    const got: number[] = [];
    await Promise.all(streams.map(async (stream) => {
      using piece = (await stream.next()).value!;
      got.push(piece.bytes[0]!);
    }));
    expect(got.sort()).toEqual([0, 1, 2, 3, 4]);
    await Promise.all(streams.map((stream) => stream.return()));
    expect(buffers.available).toBe(1);
  });
});

const GROUPS: readonly [string, (ring: Ring, count: number) => Promise<BufferGroup>][] = [
  ["a BufferRing", (ring, count) => Promise.resolve(new BufferRing({ ring, size: 64, count }))],
  ["provided buffers", (ring, count) => ring.provideBuffers(new BufferPool({ size: 64, count }), 7)],
];

describe.skipIf(!hasOp("SOCKET")).each(GROUPS)("streams that wait for %s", (_, groupOf) => {
  test("are begun about as often as there are buffers for them, however many wait", async () => {
    await using net = new Net();
    const { ring } = net;
    const [STREAMS_THAT_WAIT, MESSAGES, BUFFERS] = [60, 10, 2];
    const buffers = await groupOf(ring, BUFFERS);
    const pairs = await Promise.all(Array.from({ length: STREAMS_THAT_WAIT }, () => net.pair()));
    for (const [client] of pairs) await ring.send(client, new Uint8Array(64 * MESSAGES));
    const streams = pairs.map(([, server]) => ring.recvMultishot(server, buffers));
    const counts = await Promise.all(streams.map(async (stream) => {
      let bytes = 0;
      while (bytes < 64 * MESSAGES) {
        using piece = (await stream.next()).value!;
        bytes += piece.bytes.length;
      }
      return bytes;
    }));
    expect(counts).toEqual(streams.map(() => 64 * MESSAGES));
    const arms = streams.reduce((sum, stream) => sum + stream.arms, 0);
    // Each was begun before it had to wait; one that takes two buffers leaves another without.
    expect(arms).toBeLessThan(STREAMS_THAT_WAIT * (1 + MESSAGES) * 1.5);
    await Promise.all(streams.map((stream) => stream.return()));
  });

  test("leave a buffer that they do not need to who came after them", async () => {
    await using net = new Net();
    const { ring } = net;
    const buffers = await groupOf(ring, 1);
    const pairs = await Promise.all(Array.from({ length: 4 }, () => net.pair()));
    const streams = pairs.map(([, server]) => ring.recvMultishot(server, buffers));
    await ring.send(pairs[0]![0], new Uint8Array(64));
    const lent = (await streams[0]!.next()).value!;
    for (const [client] of pairs.slice(1)) await ring.send(client, new Uint8Array(8));
    while (buffers.exhausted < 3) await ring.timeout(1);
    // What the first two were to read goes another way.
    for (const [, server] of pairs.slice(1, 3)) expect(await ring.recv(server, new Uint8Array(64))).toBe(8);
    const last = streams[3]!.next();
    lent.release();
    using piece = (await last).value!;
    expect(piece.bytes.length).toBe(8);
    expect(streams.slice(1).map(({ arms }) => arms)).toEqual([2, 2, 2]);
    piece.release();
    await Promise.all(streams.map((stream) => stream.return()));
  });
});
