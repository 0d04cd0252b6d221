import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { BufferRing, SHUT } from "../../mod.ts";
import { pattern } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Net } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

describe.skipIf(!hasOp("SOCKET"))("a consumer that is slower than what comes", () => {
  test("of a stream holds no more than the group has, pauses it, and gets every byte", async () => {
    await using net = new Net();
    const { ring } = net;
    const COUNT = 16;
    using buffers = new BufferRing({ ring, size: 1024, count: COUNT });
    const [client, server] = await net.pair();
    const sent = pattern(200_000);
    let taken = 0;
    const sending = (async () => {
      while (taken < sent.length) taken += await ring.send(client, sent.subarray(taken, taken + 10_000));
      await ring.shutdown(client, SHUT.WR);
    })();
    const pieces = ring.recvMultishot(server, buffers, 0, { highWater: 4 });
    const received = new Uint8Array(sent.length);
    let at = 0;
    let most = 0;
    for await (using piece of pieces) {
      received.set(piece.bytes, at);
      at += piece.bytes.length;
      most = Math.max(most, pieces.waiting);
      if (at % 7 === 0) await ring.timeout(1);
    }
    await sending;
    expect(most).toBeLessThanOrEqual(COUNT);
    expect(pieces.arms).toBeGreaterThan(1);
    expect([at, Buffer.compare(received, sent)]).toEqual([sent.length, 0]);
    expect(buffers.available).toBe(COUNT);
  });

  test("that takes nothing at all makes the sender wait, not memory grow", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 4096, count: 32 });
    const [client, server] = await net.pair("unix");
    const pieces = ring.recvMultishot(server, buffers, 0, { highWater: 8 });
    const sent = pattern(4_000_000);
    let taken = 0;
    const sending = (async () => {
      while (taken < sent.length) taken += await ring.send(client, sent.subarray(taken, taken + 50_000));
      await ring.shutdown(client, SHUT.WR);
    })();
    await ring.timeout(50 * TIME_SCALE);
    const { waiting } = pieces;
    const before = taken;
    expect(waiting).toBeGreaterThanOrEqual(8);
    expect(waiting).toBeLessThanOrEqual(32);
    expect(before).toBeLessThan(sent.length);
    await ring.timeout(50 * TIME_SCALE);
    expect([pieces.waiting, taken], "it stays so").toEqual([waiting, before]);
    const received = new Uint8Array(sent.length);
    let at = 0;
    for await (using piece of pieces) {
      received.set(piece.bytes, at);
      at += piece.bytes.length;
    }
    await sending;
    expect([at, Buffer.compare(received, sent)]).toEqual([sent.length, 0]);
  });

  test("of connections leaves them in the backlog, and gets each of them", async () => {
    await using net = new Net();
    const { ring } = net;
    const COUNT = 150;
    const { fd, address } = await net.listener("unix", 16);
    const connections = ring.acceptMultishot(fd, { highWater: 4 });
    let connected = 0;
    const clients = (async () => {
      for (let i = 0; i < COUNT; i++) {
        const client = await net.socket(1, 1);
        await ring.connect(client, address);
        connected++;
        await ring.send(client, Uint8Array.of(i));
      }
    })();
    await ring.timeout(30 * TIME_SCALE);
    // Taken ahead, those that the cancellation crossed, and the backlog.
    expect(connected).toBeLessThan(COUNT);
    expect(connections.waiting).toBeLessThan(64);
    const seen: number[] = [];
    while (seen.length < COUNT) {
      const server = net.keep((await connections.next()).value!);
      const byte = new Uint8Array(1);
      expect(await ring.recv(server, byte)).toBe(1);
      seen.push(byte[0]!);
    }
    await clients;
    expect(seen).toEqual(Array.from({ length: COUNT }, (_, i) => i));
    await connections.return();
    expect(ring.stats.inFlight).toBe(0);
  });

  test("beside a quick one on the same group does not starve it", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 512, count: 32 });
    const [slowClient, slowServer] = await net.pair("unix");
    const [client, server] = await net.pair("unix");
    const slow = ring.recvMultishot(slowServer, buffers, 0, { highWater: 4 });
    const flooding = (async () => {
      const flood = pattern(100_000);
      for (let at = 0; at < flood.length;) at += await ring.send(slowClient, flood.subarray(at));
      await ring.shutdown(slowClient, SHUT.WR);
    })();
    let rest = 0;
    const consuming = (async () => {
      for await (using piece of slow) {
        rest += piece.bytes.length;
        await ring.timeout(1);
      }
    })();
    await ring.timeout(10);
    const quick = ring.recvMultishot(server, buffers);
    for (let echoed = 0; echoed < 100; echoed++) {
      await ring.send(client, Uint8Array.of(echoed));
      using piece = (await quick.next()).value!;
      expect([...piece.bytes]).toEqual([echoed]);
    }
    await Promise.all([flooding, consuming]);
    expect(rest).toBe(100_000);
    await quick.return();
    expect(buffers.available).toBe(32);
  });
});
