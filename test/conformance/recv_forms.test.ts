import { describe, expect, test } from "vitest";
import { BufferRing, IORING_CQE_BUFFER_SHIFT, IORING_CQE_F, IOSQE, MSG, SHUT, UringError } from "../../mod.ts";
import { has, RawStage, text } from "../raw/stage.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { failure } from "../support/failure.ts";
import { pattern } from "../support/folder.ts";
import { bytesOf, Net, STREAMS, textOf } from "../support/sockaddr.ts";

const EAGAIN = negative("EAGAIN");

describe.skipIf(!has("SOCKET")).each(STREAMS.filter((kind) => kind !== "tcp6"))("recv from a stream (%s)", (kind) => {
  test("with WAITALL completes when the buffer is full, however many pieces come", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair(kind);
    const buffer = new Uint8Array(100);
    stage.ring.prepRecv(1, server, buffer, 100, MSG.WAITALL);
    stage.ring.submit();
    const sent = pattern(100);
    for (let at = 0; at < 90; at += 15) {
      await net.ring.send(client, sent.subarray(at, at + 15));
      stage.ring.submitAndWait(0);
      expect(completions(stage.ring)).toEqual([]);
    }
    await net.ring.send(client, sent.subarray(90));
    expect(stage.finals(1)).toMatchObject([{ res: 100 }]);
    expect(buffer).toEqual(sent);
  });

  test("with WAITALL gives what there is when the peer ends, or when it is cancelled", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair(kind);
    const buffer = new Uint8Array(100);
    stage.ring.prepRecv(1, server, buffer, 100, MSG.WAITALL);
    stage.ring.submit();
    await net.ring.send(client, bytesOf("one, "));
    stage.ring.submitAndWait(0);
    expect(completions(stage.ring)).toEqual([]);
    stage.ring.prepCancel(2, 1, 0);
    const { 1: received, 2: cancelled } = resultsOf(stage.finals(1, 2));
    expect([received, cancelled]).toEqual([5, 0]);
    expect(textOf(buffer, 5)).toBe("one, ");
    stage.ring.prepRecv(3, server, buffer, 100, MSG.WAITALL);
    stage.ring.submit();
    await net.ring.send(client, bytesOf("two"));
    await net.ring.shutdown(client, SHUT.WR);
    expect(stage.finals(3)).toMatchObject([{ res: 3 }]);
    expect(textOf(buffer, 3)).toBe("two");
    expect(stage.result((ring) => ring.prepRecv(4, server, buffer, 100, MSG.WAITALL)), "the end").toBe(0);
  });

  test("with WAITALL that falls short breaks its chain; without, any length goes on", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    await ring.send(client, bytesOf("12345678"));
    const [received, next] = ring.link((ring) => [ring.recv(server, new Uint8Array(64)), ring.nop()]);
    expect([await received, await next]).toEqual([8, 0]);
    await ring.send(client, bytesOf("1234"));
    await ring.shutdown(client, SHUT.WR);
    const [short, cancelled] = ring.link((ring) => [
      ring.recv(server, new Uint8Array(64), MSG.WAITALL),
      failure(ring.nop(), UringError),
    ]);
    expect([await short, (await cancelled as UringError).code]).toEqual([4, "ECANCELED"]);
  });

  test("with PEEK leaves everything where it is", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair(kind);
    const buffer = new Uint8Array(16);
    stage.ring.prepRecv(1, server, buffer, 16, MSG.PEEK);
    stage.ring.submit();
    await net.ring.send(client, bytesOf("peeked"));
    expect(stage.finals(1)).toMatchObject([{ res: 6 }]);
    for (let i = 0; i < 3; i++) {
      buffer.fill(0);
      expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 4, MSG.PEEK))).toBe(4);
      expect(textOf(buffer, 5)).toBe("peek\0");
    }
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0))).toBe(6);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, MSG.PEEK | MSG.DONTWAIT))).toBe(EAGAIN);
  });

  test("of no bytes takes nothing", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair(kind);
    await net.ring.send(client, bytesOf("stays"));
    const buffer = new Uint8Array(16);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 0, 0))).toBe(0);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0))).toBe(5);
  });

  test("fails with ECONNRESET when the peer closes with data unread: once, then it is at its end", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair(kind);
    const buffer = new Uint8Array(16);
    stage.ring.prepRecv(1, server, buffer, 16, 0);
    stage.ring.submit();
    await net.ring.send(server, bytesOf("nobody reads this"));
    await net.close(client);
    expect(stage.finals(1)).toMatchObject([{ res: negative("ECONNRESET") }]);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0)), "told once").toBe(0);
    expect(stage.result((ring) => ring.prepSend(1, server, text("x"), 1, MSG.NOSIGNAL))).toBe(negative("EPIPE"));
  });

  test("several that wait are served one after another, each byte once", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    const buffers = Array.from({ length: 20 }, () => new Uint8Array(1));
    const receives = buffers.map((buffer) => ring.recv(server, buffer));
    await ring.nop();
    await ring.send(client, Uint8Array.from(buffers, (_, i) => i));
    expect(await Promise.all(receives)).toEqual(new Array(20).fill(1));
    expect(buffers.map(([byte]) => byte!).sort((a, b) => a - b)).toEqual(buffers.map((_, i) => i));
  });
});

describe.skipIf(!has("SOCKET"))("recv of datagrams", () => {
  test("cuts off what does not fit, and with TRUNC tells how long it was", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await net.ring.connect(sender.fd, address);
    const buffer = new Uint8Array(4);
    for (const [flags, length] of [[0, 4], [MSG.TRUNC, 11], [MSG.TRUNC | MSG.PEEK, 11], [MSG.WAITALL, 4]] as const) {
      await net.ring.send(sender.fd, bytesOf("a long text"));
      expect(stage.result((ring) => ring.prepRecv(1, fd, buffer, 4, flags)), `${flags}`).toBe(length);
      expect(textOf(buffer)).toBe("a lo");
      if ((flags & MSG.PEEK) !== 0) {
        expect(stage.result((ring) => ring.prepRecv(1, fd, buffer, 4, 0))).toBe(4);
      }
    }
    expect(stage.result((ring) => ring.prepRecv(1, fd, buffer, 4, MSG.DONTWAIT)), "nothing is left").toBe(EAGAIN);
  });

  test("keeps empty ones apart: each is a completion of 0", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await net.ring.connect(sender.fd, address);
    const buffer = new Uint8Array(4);
    for (const content of ["", "x", ""]) await net.ring.send(sender.fd, bytesOf(content));
    const lengths = [1, 2, 3].map((userData) => stage.result((ring) => ring.prepRecv(userData, fd, buffer, 4, 0)));
    expect(lengths).toEqual([0, 1, 0]);
  });

  test("of one with WAITALL does not wait for a second", async () => {
    await using net = new Net();
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await net.ring.connect(sender.fd, address);
    const received = net.ring.recv(fd, new Uint8Array(100), MSG.WAITALL);
    await net.ring.nop();
    await net.ring.send(sender.fd, bytesOf("short"));
    expect(await received).toBe(5);
  });
});

describe.skipIf(!has("SOCKET"))("multishot recv", () => {
  const SIZE = 8;
  const COUNT = 4;
  const GROUP = 3;

  /** A group of provided buffers, by the op of old; and a multishot recv of it, with user data 1. */
  function begin(stage: RawStage, fd: number, flags = 0): Uint8Array<ArrayBuffer> {
    const memory = new Uint8Array(SIZE * COUNT);
    const provided = stage.result((ring) => ring.prepProvideBuffers(9, memory, SIZE, COUNT, GROUP, 0));
    expect(provided).toBeGreaterThanOrEqual(0);
    again(stage, fd, flags);
    return memory;
  }

  function again(stage: RawStage, fd: number, flags = 0): void {
    stage.ring.prepRecvMultishot(1, fd, 0, 0, flags);
    stage.ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
    stage.ring.sqeSetBufGroup(GROUP);
    stage.ring.submit();
  }

  test("names the buffer of each piece, goes on until the peer ends, and says that it is over", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    const memory = begin(stage, server);
    const used = new Set<number>();
    for (const piece of ["one", "two", "three"]) {
      await net.ring.send(client, bytesOf(piece));
      const { res, flags } = stage.completions(1)[0]!;
      expect(res).toBe(piece.length);
      expect(flags & (IORING_CQE_F.MORE | IORING_CQE_F.BUFFER)).toBe(IORING_CQE_F.MORE | IORING_CQE_F.BUFFER);
      const id = flags >>> IORING_CQE_BUFFER_SHIFT;
      used.add(id);
      expect(textOf(memory.subarray(id * SIZE), res)).toBe(piece);
    }
    expect(used.size).toBe(3);
    await net.ring.shutdown(client, SHUT.WR);
    const [last] = stage.finals(1);
    expect([last!.res, last!.flags & IORING_CQE_F.MORE]).toEqual([0, 0]);
  });

  test("ends with ENOBUFS without a buffer, and loses nothing: begun again it goes on where it was", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    const memory = begin(stage, server);
    const sent = pattern(SIZE * COUNT * 3);
    await net.ring.send(client, sent);
    const received: number[] = [];
    let exhausted = 0;
    while (received.length < sent.length) {
      for (const { userData, res, flags } of stage.completions(1)) {
        if (userData !== 1) continue;
        if (res === negative("ENOBUFS")) {
          expect(flags & IORING_CQE_F.MORE).toBe(0);
          exhausted++;
          expect(stage.result((ring) => ring.prepProvideBuffers(9, memory, SIZE, COUNT, GROUP, 0))).toBe(0);
          again(stage, server);
          continue;
        }
        expect(res).toBe(SIZE);
        const id = flags >>> IORING_CQE_BUFFER_SHIFT;
        received.push(...memory.subarray(id * SIZE, id * SIZE + res));
      }
    }
    expect(Uint8Array.from(received)).toEqual(sent);
    expect(exhausted).toBeGreaterThanOrEqual(2);
    stage.ring.prepCancel(2, 1, 0);
    stage.finals(2);
  });

  test("can't have WAITALL, nor a buffer of its own", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [, server] = await net.pair();
    const EINVAL = negative("EINVAL");
    stage.ring.prepRecvMultishot(1, server, 0, 0, MSG.WAITALL);
    stage.ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
    expect(stage.finals(1)).toMatchObject([{ res: EINVAL }]);
    stage.ring.prepRecvMultishot(1, server, new Uint8Array(8), 8, 0);
    expect(stage.finals(1)).toMatchObject([{ res: EINVAL }]);
  });

  test("of a connection that is reset ends with the error, after everything that came before", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 64, count: 4 });
    const [client, server] = await net.pair();
    const pieces = ring.recvMultishot(server, buffers);
    await ring.send(client, bytesOf("before"));
    const { value } = await pieces.next();
    expect(textOf(value!.bytes)).toBe("before");
    value!.release();
    await ring.send(server, bytesOf("unread"));
    await net.close(client);
    const error = await failure(pieces.next(), UringError);
    expect(error.code).toBe("ECONNRESET");
    expect((await pieces.next()).done).toBe(true);
    expect(buffers.available).toBe(4);
  });
});

const canBundle = has("LISTEN"); // bundles came with 6.10, and no op tells; this one came right after

describe.skipIf(!canBundle)("a bundle", () => {
  test("takes several buffers in one completion, in their order, and the last one in part", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 10, count: 8 });
    const [client, server] = await net.pair();
    await ring.send(client, pattern(34));
    const completed = ring.stats.completed;
    const pieces = ring.recvMultishot(server, buffers, 0, { bundle: true });
    const lengths: number[] = [];
    const bytes: number[] = [];
    while (bytes.length < 34) {
      using piece = (await pieces.next()).value!;
      lengths.push(piece.bytes.length);
      bytes.push(...piece.bytes);
    }
    expect(lengths).toEqual([10, 10, 10, 4]);
    expect(Uint8Array.from(bytes)).toEqual(pattern(34));
    expect(ring.stats.completed - completed, "it is under way").toBe(0);
    await pieces.return();
    expect(buffers.available).toBe(8);
  });

  test("larger than the group takes all there is, and goes on when they are given back", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 16, count: 4 });
    const [client, server] = await net.pair();
    const sent = pattern(16 * 4 * 10 + 5);
    await ring.send(client, sent);
    await ring.shutdown(client, SHUT.WR);
    const received: number[] = [];
    for await (using piece of ring.recvMultishot(server, buffers, 0, { bundle: true })) received.push(...piece.bytes);
    expect(Uint8Array.from(received)).toEqual(sent);
    expect([buffers.available, ring.stats.inFlight]).toEqual([4, 0]);
  });
});
