import { Buffer } from "node:buffer";
import { createConnection, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import {
  AF,
  type BorrowedBuffer,
  BufferPool,
  BufferRing,
  IOSQE,
  MSG,
  type Multishot,
  Ring,
  RingClosedError,
  scmRights,
  SOCK,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { collectGarbage, collectMost, collectUntil } from "../support/garbage.ts";
import { hasFeature, hasOp } from "../support/kernel.ts";
import { closeFd, Listener } from "../support/listener.ts";
import { Pipe } from "../support/pipe.ts";
import { Net } from "../support/sockaddr.ts";
import { take } from "../support/stream.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Two ends of a stream: a descriptor of ours, and Node's socket. */
async function connection(ring: Ring, folder: TempFolder): Promise<{ fd: number; peer: Socket } & AsyncDisposable> {
  const path = `${folder.path}/socket`;
  await using listener = await Listener.unix(path);
  const accepted = ring.accept(listener.fd);
  const peer = createConnection(path);
  const fd = await accepted;
  return {
    fd,
    peer,
    async [Symbol.asyncDispose]() {
      peer.destroy();
      if (!ring.closed) await ring.closeFd(fd);
      else closeFd(fd);
    },
  };
}

async function waitFor(ring: Ring, done: () => boolean): Promise<void> {
  while (!done()) await ring.timeout(1);
}

/** Of the release that brought buffer rings, and of the one with multishot recv: nothing else tells of them. */
const hasBufferRings = hasOp("SOCKET");
const hasMultishotRecv = hasOp("SEND_ZC");

test.skipIf(hasBufferRings)("a BufferRing is refused by name where the kernel has none", async () => {
  await using ring = new Ring();
  expect(thrown(() => new BufferRing({ ring, size: 64, count: 3 }), UnsupportedError)).toMatchObject({
    feature: "IORING_REGISTER_PBUF_RING",
    needs: "Linux 5.19",
  });
});

test.skipIf(hasMultishotRecv)(
  "recvMultishot() is refused by name where the kernel would take it for recv()",
  async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 512, count: 1 });
    const buffers = await ring.provideBuffers(pool, 1);
    expect(thrown(() => ring.recvMultishot(0, buffers), UnsupportedError)).toMatchObject({ needs: "Linux 6.0" });
    expect(thrown(() => ring.recvmsgMultishot(0, buffers), UnsupportedError)).toMatchObject({ needs: "Linux 6.0" });
  },
);

describe.skipIf(!hasBufferRings)("BufferRing", () => {
  // Before Linux 6.9 a group below 64 went on where the last ring of that number had stopped.
  test.each([{}, { group: 100 }])("one after another gives all of its buffers: %j", async (options) => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    for (const count of [1, 4, 2, 8, 1]) {
      using buffers = new BufferRing({ ring, size: 1, count, ...options });
      await ring.send(client, Uint8Array.from({ length: count }, (_, i) => i));
      const got: number[] = [];
      for (let i = 0; i < count; i++) got.push(...(await ring.recvSelect(server, buffers))!.bytes);
      expect(got).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  test("a low number is one's own again from Linux 6.9 on; before that it is refused", async () => {
    await using ring = new Ring();
    new BufferRing({ ring, size: 8, count: 1, group: 63 }).close();
    const again = () => new BufferRing({ ring, size: 8, count: 1, group: 63 }).close();
    if (hasOp("FTRUNCATE")) again();
    else expect(again).toThrow("group 63 had a BufferRing before");
  });

  test("lends what the kernel has chosen, and takes it back", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 64, count: 3 });
    using pipe = new Pipe();
    expect(buffers.available).toBe(3);
    pipe.write("one");
    const first = await ring.readSelect(pipe.readEnd, buffers);
    pipe.write("two");
    const second = await ring.readSelect(pipe.readEnd, buffers);
    expect([text(first!.bytes), text(second!.bytes)]).toEqual(["one", "two"]);
    expect(first!.id).not.toBe(second!.id);
    expect(buffers.available).toBe(1);
    first!.release();
    first!.release();
    expect(first!.released).toBe(true);
    expect(buffers.available).toBe(2);
    second![Symbol.dispose]();
    expect(buffers.available).toBe(3);
  });

  test("with all lent, an operation fails and says which group is exhausted; it recovers", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 64, count: 1, group: 7 });
    using pipe = new Pipe();
    pipe.write("a");
    const lent = await ring.readSelect(pipe.readEnd, buffers);
    pipe.write("b");
    const error = await failure(ring.readSelect(pipe.readEnd, buffers), UringError);
    expect(error.code).toBe("ENOBUFS");
    lent!.release();
    using next = await ring.readSelect(pipe.readEnd, buffers);
    expect(text(next!.bytes)).toBe("b");
  });

  test("gives the end of a file as undefined, and keeps the buffer", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 64, count: 2 });
    using pipe = new Pipe();
    pipe.closeWriteEnd();
    expect(await ring.readSelect(pipe.readEnd, buffers)).toBeUndefined();
    expect(buffers.available).toBe(2);
  });

  test("wraps around a thousand times without losing or doubling a buffer", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 16, count: 5 });
    using pipe = new Pipe();
    for (let i = 0; i < 1000; i++) {
      pipe.write(`${i}`);
      using buffer = await ring.readSelect(pipe.readEnd, buffers);
      expect(text(buffer!.bytes)).toBe(`${i}`);
    }
    expect(buffers.available).toBe(5);
  });

  test("many groups live beside one another", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const groups = Array.from({ length: 40 }, (_, i) => new BufferRing({ ring, size: 16 + i, count: 2 }));
    expect(new Set(groups.map(({ group }) => group)).size).toBe(40);
    for (const buffers of groups) {
      pipe.write(`group ${buffers.group}`);
      using buffer = await ring.readSelect(pipe.readEnd, buffers);
      expect(text(buffer!.bytes)).toBe(`group ${buffers.group}`);
    }
    groups.forEach((buffers) => buffers.close());
    using again = new BufferRing({ ring, size: 16, count: 1 });
    // The first that is free; before Linux 6.9 the first that nobody had.
    expect(again.group).toBe(hasOp("FTRUNCATE") ? 0 : 40);
  });

  test.skipIf(!hasOp("FIXED_FD_INSTALL"))("tells the kernel's head, where the kernel does", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 16, count: 4 });
    using pipe = new Pipe();
    pipe.write("x");
    using _ = await ring.readSelect(pipe.readEnd, buffers);
    expect([buffers.head(), buffers.tail]).toEqual([1, 4]);
  });

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("goes on after the end of a file, when incremental", async () => {
    await using ring = new Ring();
    for (const count of [2, 3]) {
      using buffers = new BufferRing({ ring, size: 16, count, incremental: true });
      using one = new Pipe();
      using other = new Pipe();
      const text = async (fd: number) => {
        using piece = await ring.readSelect(fd, buffers);
        return piece && new TextDecoder().decode(piece.bytes);
      };
      one.write("abc");
      expect(await text(one.readEnd)).toBe("abc");
      one.closeWriteEnd();
      for (let i = 0; i < 2; i++) expect(await text(one.readEnd)).toBeUndefined();
      for (const written of ["xyz", "0123456789", "all that comes after"]) {
        other.write(written);
        let read = "";
        while (read.length < written.length) read += await text(other.readEnd);
        expect(read).toBe(written);
      }
    }
  });

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("comes back from the end of a regular file, when incremental", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open(folder.write("empty", "").slice(folder.path.length + 1));
    for (const count of [1, 2]) {
      using buffers = new BufferRing({ ring, size: 16, count, incremental: true });
      for (let i = 0; i < 3; i++) {
        const reads = Array.from({ length: count }, () => ring.readSelect(fd, buffers, 0));
        expect(await Promise.all(reads)).toEqual(reads.map(() => undefined));
        expect(buffers.available).toBe(count);
      }
    }
  });

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("is used up in pieces when incremental", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 8, count: 2, incremental: true });
    using pipe = new Pipe();
    const lent: BorrowedBuffer[] = [];
    for (const part of ["abc", "def", "gh"]) {
      pipe.write(part);
      lent.push((await ring.readSelect(pipe.readEnd, buffers))!);
    }
    expect(lent.map(({ bytes }) => text(bytes))).toEqual(["abc", "def", "gh"]);
    expect(new Set(lent.map(({ id }) => id)).size).toBe(1);
    expect(buffers.available).toBe(1);
    lent[0]!.release();
    lent[1]!.release();
    expect(buffers.available).toBe(1);
    lent[2]!.release();
    expect(buffers.available).toBe(2);
    for (let i = 0; i < 100; i++) {
      pipe.write("12345");
      using piece = (await ring.readSelect(pipe.readEnd, buffers))!;
      expect("12345".startsWith(text(piece.bytes))).toBe(true);
      let rest = 5 - piece.bytes.length;
      while (rest > 0) {
        using more = (await ring.readSelect(pipe.readEnd, buffers))!;
        rest -= more.bytes.length;
      }
    }
  });

  test("refuses what can't be, before the kernel sees it", async () => {
    await using ring = new Ring();
    const make = (options: object) => new BufferRing({ ring, size: 16, count: 2, ...options });
    expect(thrown(() => make({ size: 0 }), RangeError).message).toContain("size");
    expect(thrown(() => make({ count: 32769 }), RangeError).message).toContain("32768");
    expect(thrown(() => make({ count: 1.5 }), TypeError).message).toContain("count");
    expect(thrown(() => make({ group: 65536 }), RangeError).message).toContain("group");
    expect(thrown(() => make({ ring: {} }), TypeError).message).toContain("ring");
    expect(thrown(() => make({ incremental: 1 }), TypeError).message).toContain("incremental");
    using buffers = make({ group: 3 });
    const twice = thrown(() => make({ group: 3 }), UringError);
    expect(twice.code).toBe("EEXIST");
    expect(twice.message).toContain("group 3");
    expect(thrown(() => ring.recvSelect(0, {} as never), TypeError).message).toContain("BufferRing");
    expect(thrown(() => buffers.acquire(), TypeError).message).toContain("manual");
    buffers.close();
    buffers.close();
    expect(thrown(() => ring.recvSelect(0, buffers), TypeError).message).toContain("closed");
    await ring.close();
    expect(thrown(() => make({}), RingClosedError)).toBeInstanceOf(RingClosedError);
  });

  test("its memory may be transferred: operations go on into pages that stay, and say so", async () => {
    await using ring = new Ring();
    using buffers = new BufferRing({ ring, size: 16, count: 1 });
    using pipe = new Pipe();
    pipe.write("x");
    const lent = (await ring.readSelect(pipe.readEnd, buffers))!;
    const { buffer } = lent.bytes;
    let moved: ArrayBuffer;
    try {
      moved = structuredClone(buffer, { transfer: [buffer] });
    } catch {
      return; // this runtime refuses
    }
    lent.release();
    if (buffer.byteLength > 0) return; // this one copies
    const pending = failure(ring.readSelect(pipe.readEnd, buffers), TypeError);
    pipe.write("y");
    expect((await pending).message).toContain("transferred");
    expect(moved.byteLength).toBeGreaterThan(0);
  });

  test("dropped with a read in flight, it stays until the read has ended", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pending = (() => ring.readSelect(pipe.readEnd, new BufferRing({ ring, size: 4096, count: 4 })))();
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    pipe.write("still here");
    const buffer = (await pending)!;
    expect(text(buffer.bytes)).toBe("still here");
  });
});

describe.skipIf(!hasMultishotRecv)("recvMultishot()", () => {
  test("receives every byte in order, and ends with the other side's end", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 1000, count: 8 });
    await using pair = await connection(ring, folder);
    const total = 500_000;
    const sent = new Uint8Array(total).map((_, i) => i * 7 + (i >> 8));
    pair.peer.end(sent);
    const received = new Uint8Array(total);
    let at = 0;
    for await (using piece of ring.recvMultishot(pair.fd, buffers)) {
      received.set(piece.bytes, at);
      at += piece.bytes.length;
    }
    expect(at).toBe(total);
    expect(Buffer.compare(received, sent)).toBe(0);
    expect(buffers.available).toBe(8);
  });

  test.skipIf(!hasOp("FIXED_FD_INSTALL"))(
    "sleeps while an operation that waits for data has chosen the last buffer",
    async () => {
      await using ring = new Ring();
      using folder = new TempFolder();
      using pipe = new Pipe();
      using buffers = new BufferRing({ ring, size: 64, count: 1 });
      await using pair = await connection(ring, folder);
      // A worker of the kernel chooses first, and waits then.
      const read = ring.readSelect(pipe.readEnd, buffers, undefined, { flags: IOSQE.ASYNC });
      while (buffers.head() === 0) await ring.timeout(1);
      pair.peer.end("hello");
      const pieces = ring.recvMultishot(pair.fd, buffers);
      for (let i = 0; i < 20; i++) await ring.timeout(1);
      expect(buffers.exhausted).toBe(1);
      expect(pieces.arms).toBe(1);
      pipe.write("x");
      (await read)!.release();
      const received: string[] = [];
      for await (using piece of pieces) received.push(text(piece.bytes));
      expect(received).toEqual(["hello"]);
    },
  );

  test("an empty datagram does not end it", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 64, count: 2 });
    const { fd, address } = await net.udp();
    const sender = await net.socket(AF.INET, SOCK.DGRAM);
    await ring.connect(sender, address);
    const pieces = ring.recvMultishot(fd, buffers);
    for (const part of ["one", "", "", "", "two"]) {
      if (part === "") await ring.sendmsg(sender, { buffers: [] });
      else await ring.send(sender, new TextEncoder().encode(part));
      await ring.nop();
    }
    for (const part of ["one", "two"]) {
      using piece = (await pieces.next()).value!;
      expect(text(piece.bytes)).toBe(part);
    }
    await pieces.return();
    expect(buffers.available).toBe(2);
  });

  test("with all buffers lent it waits, and goes on when one comes back", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 10, count: 2 });
    await using pair = await connection(ring, folder);
    await using pieces = ring.recvMultishot(pair.fd, buffers);
    pair.peer.write("0123456789abcdefghijKLMNOPQRST");
    const { value: first } = await pieces.next();
    const { value: second } = await pieces.next();
    const third = pieces.next();
    await ring.timeout(20);
    expect(buffers.exhausted).toBeGreaterThan(0);
    expect([text(first!.bytes), text(second!.bytes)]).toEqual(["0123456789", "abcdefghij"]);
    first!.release();
    expect(text((await third).value!.bytes)).toBe("KLMNOPQRST");
    second!.release();
  });

  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))("bundles fill several buffers a completion, in order", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 100, count: 32 });
    await using pair = await connection(ring, folder);
    const sent = new Uint8Array(20_000).map((_, i) => i * 13);
    pair.peer.end(sent);
    await ring.timeout(20);
    const parts: number[] = [];
    for await (using piece of ring.recvMultishot(pair.fd, buffers, 0, { bundle: true })) parts.push(...piece.bytes);
    expect(Buffer.compare(new Uint8Array(parts), sent)).toBe(0);
    expect(buffers.available).toBe(32);
  });

  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))("bundles find buffers that came back in another order", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 100, count: 7 });
    await using pair = await connection(ring, folder);
    const sent = new Uint8Array(20_000).map((_, i) => i * 13 + (i >> 8));
    pair.peer.end(sent);
    await using pieces = ring.recvMultishot(pair.fd, buffers, 0, { bundle: true });
    const parts: number[] = [];
    while (parts.length < sent.length) {
      const lent = await take(pieces, Math.min(5, Math.ceil((sent.length - parts.length) / 100)));
      for (const { bytes } of lent) parts.push(...bytes);
      for (const piece of lent.reverse()) piece.release();
    }
    expect(Buffer.compare(new Uint8Array(parts), sent)).toBe(0);
    expect(await take(pieces, 1)).toEqual([]);
    expect(buffers.available).toBe(7);
  });

  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))(
    "of a bundle that `each` throws at, it gives back what `each` did not get",
    async () => {
      await using ring = new Ring();
      using folder = new TempFolder();
      using buffers = new BufferRing({ ring, size: 64, count: 8 });
      await using pair = await connection(ring, folder);
      pair.peer.write(new Uint8Array(64 * 6));
      await ring.timeout(20);
      let calls = 0;
      const pieces = ring.recvMultishot(pair.fd, buffers, 0, {
        bundle: true,
        each: (piece) => {
          calls++;
          piece.release();
          throw new Error("enough");
        },
      });
      expect((await failure(pieces.ended, Error)).message).toBe("enough");
      expect(calls).toBe(1);
      expect(buffers.available).toBe(8);
    },
  );

  test.skipIf(!hasFeature("MIN_TIMEOUT"))("bundles and incremental buffers together", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 512, count: 8, incremental: true });
    await using pair = await connection(ring, folder);
    const sent = new Uint8Array(50_000).map((_, i) => i * 11 + (i >> 8));
    void (async () => {
      for (let at = 0; at < sent.length; at += 777) {
        pair.peer.write(sent.subarray(at, at + 777));
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      pair.peer.end();
    })();
    const parts: number[] = [];
    for await (using piece of ring.recvMultishot(pair.fd, buffers, 0, { bundle: true })) parts.push(...piece.bytes);
    expect(Buffer.compare(new Uint8Array(parts), sent)).toBe(0);
    expect(buffers.available).toBe(8);
  });

  test("left early, it gives back what nobody took", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 10, count: 4 });
    await using pair = await connection(ring, folder);
    pair.peer.write("0123456789abcdefghijKLMNOPQRST");
    for await (using piece of ring.recvMultishot(pair.fd, buffers)) {
      expect(piece.bytes.length).toBeGreaterThan(0);
      break;
    }
    expect(buffers.available).toBe(4);
    expect(ring.stats.inFlight).toBe(0);
  });

  const endings: [how: string, end: (ring: Ring, stream: Multishot<BorrowedBuffer>, peer: Socket) => Promise<void>][] =
    [
      ["the other side's end", async (ring, stream, peer) => {
        await waitFor(ring, () => stream.waiting === 1);
        peer.end();
        await stream.ended;
      }],
      ["a cancellation, while it waits for buffers", async (ring, stream, peer) => {
        peer.write("more than that");
        await waitFor(ring, () => ring.stats.inFlight === 0);
        await Promise.all([ring.cancel(stream), stream.ended.catch(() => {})]);
      }],
    ];

  test.each(endings)("forgotten after %s, it gives back what nobody took as it is collected", async (_, end) => {
    await using ring = new Ring();
    const groups: BufferRing[] = [];
    const leave = async () => {
      using folder = new TempFolder();
      await using pair = await connection(ring, folder);
      const buffers = new BufferRing({ ring, size: 4, count: 2 });
      groups.push(buffers);
      pair.peer.write("0123");
      await end(ring, ring.recvMultishot(pair.fd, buffers), pair.peer);
      expect(buffers.available).toBeLessThan(2);
    };
    const COUNT = 8;
    for (let i = 0; i < COUNT; i++) await leave();
    expect(await collectMost(() => groups.filter(({ available }) => available < 2).length)).toBe(true);
    for (const group of groups) group.close();
  });

  test("forgotten while values are still taken, it gives back those alone that nobody took", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 4, count: 8 });
    await using pair = await connection(ring, folder);
    const taken: BorrowedBuffer[] = [];
    const leave = async () => {
      const stream = ring.recvMultishot(pair.fd, buffers);
      pair.peer.end("aaaabbbbccccdddd");
      await stream.ended;
      for (const piece of await take(stream, 2)) taken.push(piece);
    };
    await leave();
    // A collector that searches the stack may find it there still.
    await collectUntil(() => buffers.available === 6);
    expect([4, 6]).toContain(buffers.available);
    expect(taken.map(({ bytes }) => text(bytes))).toEqual(["aaaa", "bbbb"]);
    for (const piece of taken) piece.release();
  });
});

describe.skipIf(!hasBufferRings)("recvSelect()", () => {
  test("receives once into a buffer chosen then, and gives the end as undefined", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 64, count: 2 });
    await using pair = await connection(ring, folder);
    const received = ring.recvSelect(pair.fd, buffers, 0, { pollFirst: true });
    pair.peer.end("hello");
    using buffer = (await received)!;
    expect(text(buffer.bytes)).toBe("hello");
    expect(await ring.recvSelect(pair.fd, buffers)).toBeUndefined();
    expect(buffers.available).toBe(1);
  });
});

describe("provideBuffers()", () => {
  test.skipIf(!hasMultishotRecv)("feeds a stream: each buffer comes back by an operation", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 4096, count: 3 });
    await using pair = await connection(ring, folder);
    const buffers = await ring.provideBuffers(pool, 500);
    const sent = new Uint8Array(100_000).map((_, i) => i * 5 + (i >> 8));
    pair.peer.end(sent);
    const parts: number[] = [];
    for await (using piece of ring.recvMultishot(pair.fd, buffers)) parts.push(...piece.bytes);
    expect(Buffer.compare(new Uint8Array(parts), sent)).toBe(0);
    await ring.nop();
    expect(await ring.removeBuffers(10, buffers)).toBe(3);
    const error = await failure(ring.recvSelect(pair.fd, buffers), UringError);
    expect(error.code).toBe("ENOBUFS");
  });

  test("a buffer that the kernel has no memory for is given later", async () => {
    await using ring = new Ring({
      faults: { rules: [{ op: "PROVIDE_BUFFERS", result: "ENOMEM", after: 1, count: 2 }] },
    });
    using pipe = new Pipe();
    const buffers = await ring.provideBuffers(new BufferPool({ size: 64, count: 1 }), 1000);
    pipe.write("first");
    const first = (await ring.readSelect(pipe.readEnd, buffers))!;
    first.release();
    pipe.write("second");
    let second: BorrowedBuffer | undefined;
    while (second === undefined) {
      await ring.timeout(1);
      second = await ring.readSelect(pipe.readEnd, buffers).catch(() => undefined);
    }
    expect(text(second.bytes)).toBe("second");
    expect(ring.stats.faults).toBe(2);
  });

  test("makes a group as kernels had it before buffer rings: what is released can be chosen again", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 8, count: 2 });
    const buffers = await ring.provideBuffers(pool, 500);
    for (let i = 0; i < 10; i++) {
      pipe.write(`round ${i}`);
      using buffer = await ring.readSelect(pipe.readEnd, buffers);
      expect(text(buffer!.bytes)).toBe(`round ${i}`);
    }
    await ring.nop();
    expect(await ring.removeBuffers(10, buffers)).toBe(2);
    pipe.write("x");
    expect((await failure(ring.readSelect(pipe.readEnd, buffers), UringError)).code).toBe("ENOBUFS");
  });

  test("a buffer that comes back while a chain is built is no part of it", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 8, count: 1 });
    const buffers = await ring.provideBuffers(pool, 500);
    pipe.write("x");
    const buffer = (await ring.readSelect(pipe.readEnd, buffers))!;
    const failing = ring.link((ring) => {
      const failing = failure(ring.closeFd(1_000_000), UringError);
      buffer.release();
      return failing;
    });
    expect((await failing).code).toBe("EBADF");
    await ring.nop();
    expect(await ring.removeBuffers(1, buffers)).toBe(1);
  });

  test("a buffer may come back although a chain that was built meanwhile is given up", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 8, count: 1 });
    const buffers = await ring.provideBuffers(pool, 500);
    pipe.write("x");
    const buffer = (await ring.readSelect(pipe.readEnd, buffers))!;
    const build = () =>
      ring.link((ring) => {
        void ring.nop();
        buffer.release();
        throw new Error("no chain");
      });
    expect(thrown(build, Error).message).toBe("no chain");
    await ring.nop();
    expect(await ring.removeBuffers(1, buffers)).toBe(1);
  });

  test("a buffer may come back after the ring was closed", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 8, count: 2 });
    const buffers = await ring.provideBuffers(pool, 500);
    pipe.write("lent");
    const buffer = (await ring.readSelect(pipe.readEnd, buffers))!;
    await ring.close();
    buffer.release();
    expect(buffer.released).toBe(true);
    expect(text(buffer.bytes)).toBe("lent");
  });

  test.skipIf(!hasOp("READ_MULTISHOT"))("a stream is left after the ring was closed, with values waiting", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 8, count: 4 });
    const pieces = ring.readMultishot(pipe.readEnd, await ring.provideBuffers(pool, 500));
    for (let i = 1; i <= 2; i++) {
      pipe.write("x");
      while (pieces.waiting < i) await ring.timeout(1);
    }
    await ring.close();
    expect(await pieces.return()).toEqual({ value: undefined, done: true });
  });

  describe("has its number to itself:", () => {
    const TAKEN = /^group 5 has buffers already: give another number, or remove all of those first/;

    test("other buffers get it when all of the first were removed, and those are refused then", async () => {
      await using ring = new Ring();
      using pipe = new Pipe();
      using one = new BufferPool({ size: 8, count: 2 });
      using two = new BufferPool({ size: 8, count: 1 });
      const first = await ring.provideBuffers(one, 5);
      pipe.write("x");
      const lent = (await ring.readSelect(pipe.readEnd, first))!;
      expect(await ring.removeBuffers(2, 5)).toBe(1);
      expect(thrown(() => ring.provideBuffers(two, 5), TypeError).message).toMatch(TAKEN);
      lent.release();
      await ring.nop();
      expect(await ring.removeBuffers(2, first)).toBe(1);
      const waiting = ring.readSelect(pipe.readEnd, first).catch(({ code }) => code);
      expect(thrown(() => ring.provideBuffers(two, 5), TypeError).message).toMatch(TAKEN);
      expect(await waiting).toBe("ENOBUFS");
      const second = await ring.provideBuffers(two, 5);
      expect(thrown(() => ring.readSelect(pipe.readEnd, first), TypeError).message).toMatch(/^buffers is group 5, but/);
      pipe.write("y");
      using buffer = await ring.readSelect(pipe.readEnd, second);
      expect(text(buffer!.bytes)).toBe("y");
    });

    test.skipIf(!hasOp("READ_MULTISHOT"))("a stream that sleeps for want of one ends as others get it", async () => {
      await using ring = new Ring();
      using pipe = new Pipe();
      using one = new BufferPool({ size: 8, count: 1 });
      using two = new BufferPool({ size: 8, count: 1 });
      const first = await ring.provideBuffers(one, 5);
      expect(await ring.removeBuffers(1, first)).toBe(1);
      pipe.write("x");
      const next = failure(ring.readMultishot(pipe.readEnd, first).next(), TypeError);
      while (first.exhausted === 0) await ring.timeout(1);
      await ring.provideBuffers(two, 5);
      expect((await next).message).toMatch(/^buffers is group 5, but all of it was removed/);
    });

    test("it has none where the kernel did not take its buffers", async () => {
      await using ring = new Ring();
      using pool = new BufferPool({ size: 8, count: 2 });
      const codes = ring.link((ring) =>
        [ring.closeFd(1_000_000), ring.provideBuffers(pool, 5)].map((promise) => promise.catch(({ code }) => code))
      );
      expect((await Promise.all(codes))[1]).toBe("ECANCELED");
      expect((await ring.provideBuffers(pool, 5)).group).toBe(5);
    });

    test.skipIf(!hasBufferRings)("a BufferRing takes no other's, nor has its own taken", async () => {
      await using ring = new Ring();
      using pipe = new Pipe();
      using pool = new BufferPool({ size: 8, count: 1 });
      const first = await ring.provideBuffers(pool, 0);
      using own = new BufferRing({ ring, size: 8, count: 1 });
      expect(own.group).toBe(1);
      pipe.write("x");
      // With all of them lent, the kernel would not refuse.
      using lent = await ring.readSelect(pipe.readEnd, first);
      expect(thrown(() => new BufferRing({ ring, size: 8, count: 1, group: 0 }), UringError).code).toBe("EEXIST");
      using other = new BufferRing({ ring, size: 8, count: 1, group: 5 });
      expect(thrown(() => ring.provideBuffers(pool, 5), TypeError).message).toMatch(TAKEN);
      expect([text(lent!.bytes), other.available]).toEqual(["x", 1]);
    });
  });

  test("refuses what can't be", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 4096, count: 1 });
    expect(thrown(() => ring.provideBuffers({} as never, 1), TypeError).message).toContain("pool");
    expect(thrown(() => ring.provideBuffers(pool, 65536), RangeError).message).toContain("group");
    expect(thrown(() => ring.removeBuffers(0, 1), RangeError).message).toContain("count");
    expect((await failure(ring.removeBuffers(1, 77), UringError)).code).toBe("ENOENT");
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe("recvZc()", () => {
  test.skipIf(!hasBufferRings)("needs completions of 32 bytes, and a queue of a network device", async () => {
    await using plain = new Ring();
    using folder = new TempFolder();
    await using pair = await connection(plain, folder);
    if (!plain.probe().op("RECV_ZC").supported) {
      expect(thrown(() => plain.recvZc(pair.fd, 0), UnsupportedError).message).toContain("6.15");
      return;
    }
    expect(thrown(() => plain.recvZc(pair.fd, 0), TypeError).message).toContain("cqe32");
    await using ring = new Ring({ cqe32: true });
    expect(thrown(() => ring.recvZc(pair.fd, -1), RangeError).message).toContain("queue");
    expect(await failure(ring.recvZc(pair.fd, 0).next(), UringError)).toMatchObject({ syscall: "recv_zc" });
    using raw = new RawRing({ cqe32: true });
    raw.prepRecvZc(1, pair.fd, 0, 0);
    raw.submitAndWait(1);
    const results: number[] = [];
    raw.forEachCqe((_, res) => results.push(res));
    expect(results).toHaveLength(1);
    expect(results[0]).toBeLessThan(0);
  });
});

describe("readMultishot()", () => {
  test.skipIf(!hasOp("READ_MULTISHOT"))(
    "reads a stream to its end, though there are fewer buffers than come",
    async () => {
      await using ring = new Ring();
      using folder = new TempFolder();
      using buffers = new BufferRing({ ring, size: 32, count: 4 });
      await using pair = await connection(ring, folder);
      pair.peer.end("a".repeat(1000));
      let all = "";
      for await (using piece of ring.readMultishot(pair.fd, buffers)) all += text(piece.bytes);
      expect(all).toBe("a".repeat(1000));
      expect(buffers.exhausted).toBeGreaterThan(0);
      expect(buffers.available).toBe(4);
    },
  );

  /** A stream that has taken all buffers of a group, and waits for one. */
  async function exhausted(ring: Ring, pipe: Pipe, count: number): Promise<[BufferRing, Multishot<BorrowedBuffer>]> {
    const buffers = new BufferRing({ ring, size: 1, count });
    const stream = ring.readMultishot(pipe.readEnd, buffers);
    pipe.write("x".repeat(count + 1));
    await waitFor(ring, () => buffers.exhausted > 0 && ring.stats.inFlight === 0);
    return [buffers, stream];
  }

  test.skipIf(!hasOp("READ_MULTISHOT"))(
    "goes on within submitAndWait(), with a buffer that came back before",
    async () => {
      await using ring = new Ring();
      using pipe = new Pipe();
      const [, stream] = await exhausted(ring, pipe, 1);
      (await stream.next()).value!.release();
      expect(ring.submitAndWait(1)).toBeGreaterThanOrEqual(1);
      expect(stream.waiting).toBe(1);
      await stream.return();
    },
  );

  test.skipIf(!hasOp("READ_MULTISHOT"))("is not begun anew as it is consumed, but as buffers come back", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [, stream] = await exhausted(ring, pipe, 8);
    const { arms } = stream;
    const pieces = await take(stream, 8);
    await ring.nop();
    expect(stream.arms).toBe(arms);
    for (const piece of pieces) piece.release();
    expect(text((await stream.next()).value!.bytes)).toBe("x");
    await stream.return();
  });

  test.skipIf(!hasOp("READ_MULTISHOT"))("does not wait behind those that have ended", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [buffers, first] = await exhausted(ring, pipe, 1);
    const COUNT = 200;
    for (let i = 0; i < COUNT; i++) {
      const before = buffers.exhausted;
      const other = ring.readMultishot(pipe.readEnd, buffers);
      await waitFor(ring, () => buffers.exhausted > before && ring.stats.inFlight === 0);
      await other.return();
    }
    const last = ring.readMultishot(pipe.readEnd, buffers);
    await waitFor(ring, () => ring.stats.inFlight === 0);
    const { value } = await first.next();
    await first.return();
    const { turns } = ring.stats;
    value!.release();
    (await last.next()).value!.release();
    expect(ring.stats.turns - turns).toBeLessThan(COUNT / 4);
    await last.return();
  });

  test.skipIf(!hasOp("READ_MULTISHOT"))("refuses a regular file with the kernel's word for it", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 32, count: 4 });
    folder.write("file", "content");
    const error = await failure(ring.readMultishot(folder.open("file"), buffers).next(), UringError);
    expect(error.code).toBe("EBADFD");
  });
});

test.skipIf(!hasOp("SOCKET"))("a closed group's number is nobody's while operations in flight name it", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  const first = new BufferRing({ ring, size: 64, count: 2, group: 100 });
  const read = failure(ring.readSelect(pipe.readEnd, first), UringError);
  first.close();
  using second = new BufferRing({ ring, size: 64, count: 2 });
  expect(second.group).not.toBe(first.group);
  const again = () => new BufferRing({ ring, size: 64, count: 2, group: first.group });
  expect(thrown(again, TypeError).message).toMatch(/was closed, but operations in flight still name it/);
  pipe.write("not for the second");
  expect((await read).code).toBe("ENOBUFS");
  expect(second.available).toBe(2);
  using third = again();
  expect(third.group).toBe(first.group);
});

describe("sendBundle()", () => {
  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))(
    "sends what was provided, in order, and the buffers are idle again",
    async () => {
      await using ring = new Ring();
      using folder = new TempFolder();
      using buffers = new BufferRing({ ring, size: 64, count: 4, manual: true });
      await using pair = await connection(ring, folder);
      let got = "";
      pair.peer.setEncoding("utf8").on("data", (data) => got += data);
      for (let round = 0; round < 10; round++) {
        const parts = ["one ", "two ", "three "].map((part) => new TextEncoder().encode(part));
        for (const part of parts) {
          const bytes = buffers.acquire()!;
          bytes.set(part);
          buffers.provide(bytes.subarray(0, part.length));
        }
        expect(buffers.available).toBe(3);
        expect(await ring.sendBundle(pair.fd, buffers)).toBe(14);
        expect(buffers.available).toBe(0);
      }
      while (got.length < 140) await ring.timeout(1);
      expect(got).toBe("one two three ".repeat(10));
      const all = Array.from({ length: 5 }, () => buffers.acquire());
      expect(all.map((bytes) => bytes === undefined)).toEqual([false, false, false, false, true]);
      expect(thrown(() => buffers.provide(new Uint8Array(3)), TypeError).message).toContain("acquire()");
      buffers.provide(all[0]!.subarray(0, 1));
      expect(thrown(() => buffers.provide(all[0]!), TypeError).message).toContain("kernel");
    },
  );

  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))(
    "has each buffer idle once, though it ends after others that have its places",
    async () => {
      await using net = new Net();
      const { ring } = net;
      const [slow, slowPeer] = await net.pair("unix");
      const [fast] = await net.pair("unix");
      while (await ring.send(slow, new Uint8Array(4096), MSG.DONTWAIT).catch(() => 0) > 0);
      using buffers = new BufferRing({ ring, size: 16, count: 4, manual: true });
      const sendTwo = (fd: number) => {
        for (let i = 0; i < 2; i++) buffers.provide(buffers.acquire()!);
        return ring.sendBundle(fd, buffers);
      };
      // The kernel has chosen its two, and goes on to the next places, as it waits.
      const waiting = watch(sendTwo(slow));
      await waitFor(ring, () => buffers.head() === 2);
      for (let i = 0; i < 2; i++) expect(await sendTwo(fast)).toBe(32);
      while (waiting.state === "pending") await ring.recv(slowPeer, new Uint8Array(65_536));
      expect(waiting.value).toBe(32);
      const idle: number[] = [];
      for (let bytes = buffers.acquire(); bytes !== undefined; bytes = buffers.acquire()) idle.push(bytes.byteOffset);
      expect(idle.sort((a, b) => a - b)).toEqual([0, 16, 32, 48]);
    },
  );

  test.skipIf(!hasBufferRings)("provide() takes no buffer that an operation has lent, or that is idle", async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 16, count: 1, manual: true });
    const [client, server] = await net.pair();
    const first = buffers.acquire()!;
    buffers.provide(first);
    await ring.send(client, new TextEncoder().encode("received"));
    const piece = (await ring.recvSelect(server, buffers))!;
    for (const bytes of [piece.bytes, first]) {
      expect(thrown(() => buffers.provide(bytes), TypeError).message).toMatch(/^this buffer is not acquired/);
    }
    piece.release();
    expect(thrown(() => buffers.provide(first), TypeError).message).toMatch(/^this buffer is not acquired/);
    expect(buffers.acquire()).toMatchObject({ byteOffset: 0, byteLength: 16 });
    expect(buffers.acquire()).toBeUndefined();
  });

  // The kernel sends 256 buffers at a time (6.18), and tells of each time.
  test.skipIf(!hasFeature("RECVSEND_BUNDLE"))("counts all of a bundle that goes in pieces", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 16, count: 512, manual: true });
    await using pair = await connection(ring, folder);
    let got = "";
    pair.peer.setEncoding("latin1").on("data", (data) => got += data);
    const sent = Array.from({ length: 400 }, (_, i) => String.fromCharCode(i % 256));
    for (const character of sent) {
      const buffer = buffers.acquire()!;
      buffer[0] = character.charCodeAt(0);
      buffers.provide(buffer.subarray(0, 1));
    }
    expect(await ring.sendBundle(pair.fd, buffers)).toBe(400);
    while (got.length < 400) await ring.timeout(1);
    expect(got).toBe(sent.join(""));
    let idle = 0;
    while (buffers.acquire() !== undefined) idle++;
    expect(idle).toBe(512);
  });
});

test.skipIf(!hasFeature("RECVSEND_BUNDLE")).each(["is cancelled", "finds its peer gone", "is cancelled beside a read"])(
  "sendBundle() loses no buffer as it %s while it waits with many",
  async (what) => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 65_536, count: 16, manual: true });
    const { fd, address } = await net.listener("unix");
    const sender = await net.socket(AF.UNIX, SOCK.STREAM);
    const accepted = ring.accept(fd);
    await ring.connect(sender, address);
    const peer = await accepted;
    using pipe = new Pipe();
    // What is to be sent next is read meanwhile.
    const reading = what.endsWith("a read") ? ring.read(pipe.readEnd, buffers.acquire()!) : undefined;
    for (let buffer = buffers.acquire(); buffer !== undefined; buffer = buffers.acquire()) buffers.provide(buffer);
    const sent = ring.sendBundle(sender, buffers);
    while (buffers.head() === 0) await ring.timeout(1);
    if (what !== "finds its peer gone") await ring.cancel(sent);
    await ring.closeFd(peer);
    // What has gone into the socket, before it was full.
    const length = await sent;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(16 * 65_536);
    const idle = [];
    for (let buffer = buffers.acquire(); buffer !== undefined; buffer = buffers.acquire()) idle.push(buffer.byteOffset);
    expect(new Set(idle).size).toBe(reading === undefined ? 16 : 15);
    // In the order in which they are provided, as before.
    expect([buffers.available, buffers.tail - buffers.head()]).toEqual([0, 0]);
    pipe.write("next");
    expect(await reading ?? 4).toBe(4);
  },
);

test.skipIf(!hasOp("READ_MULTISHOT", "FIXED_FD_INSTALL"))(
  "a close() that is refused leaves no stream waiting",
  async () => {
    await using ring = new Ring({ disabled: true });
    ring.restrict({ registerOps: ["PBUF_RING"] });
    ring.enable();
    using pipe = new Pipe();
    const buffers = new BufferRing({ ring, size: 4, count: 1 });
    const pieces = ring.readMultishot(pipe.readEnd, buffers);
    pipe.write("abcdefgh");
    using _ = (await pieces.next()).value!;
    while (buffers.exhausted === 0) await ring.timeout(1);
    const next = failure(pieces.next(), TypeError);
    expect(thrown(() => buffers.close(), UringError).code).toBe("EACCES");
    expect((await next).message).toMatch(/^buffers is closed/);
  },
);

describe.skipIf(!hasMultishotRecv)("recvmsgMultishot()", () => {
  test("gives each message with its sender, an empty one too", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using buffers = new BufferRing({ ring, size: 400, count: 4 });
    const paths = [folder.at("receiver"), folder.at("sender")];
    const [receiver, sender] = await Promise.all(paths.map(async (path) => {
      const fd = await ring.socket(AF.UNIX, SOCK.DGRAM);
      await ring.bind(fd, { path });
      return fd;
    }));
    await ring.connect(sender!, { path: paths[0]! });
    const messages = ring.recvmsgMultishot(receiver!, buffers, 0, { nameLength: 110 });
    const sent = ["one", "", "three".repeat(10), "x".repeat(1000)];
    for (const message of sent) {
      if (message === "") await ring.sendmsg(sender!, { buffers: [] });
      else await ring.send(sender!, new TextEncoder().encode(message));
    }
    const seen: string[] = [];
    for (let i = 0; i < sent.length; i++) {
      using message = (await messages.next()).value!;
      seen.push(text(message.bytes));
      expect(text(message.name.subarray(2)).replace(/\0.*$/, "")).toBe(paths[1]);
      expect((message.flags & MSG.TRUNC) !== 0).toBe(i === 3);
    }
    expect(seen.slice(0, 3)).toEqual(sent.slice(0, 3));
    expect(sent[3]!.startsWith(seen[3]!)).toBe(true);
    await messages.return();
    expect(buffers.available).toBe(4);
    expect(thrown(() => ring.recvmsgMultishot(receiver!, buffers, 0, { nameLength: 129 }), RangeError).message)
      .toContain("nameLength");
    expect(thrown(() => ring.recvmsgMultishot(receiver!, buffers, 0, { controlLength: 4000 }), RangeError).message)
      .toContain("no room");
    await Promise.all([receiver!, sender!].map((fd) => ring.closeFd(fd)));
  });

  const connected = [["a stream of TCP", "tcp", SOCK.STREAM], ["SEQPACKET", "unix", SOCK.SEQPACKET]] as const;

  test.each(connected)("of %s it ends when the other side has gone", async (_, kind, type) => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 400, count: 4 });
    const [client, server] = await net.pair(kind, type);
    await ring.send(client, new TextEncoder().encode("the last"));
    await net.close(client);
    const seen: string[] = [];
    for await (using message of ring.recvmsgMultishot(server, buffers)) {
      seen.push(text(message.bytes));
      if (seen.length > 3) break;
    }
    expect(seen).toEqual(["the last"]);
    expect(buffers.available).toBe(4);
  });

  test.each([[64, 0], [0, MSG.CTRUNC]])(
    "an empty message with a descriptor is no end, with room for that of %i bytes",
    async (controlLength, flag) => {
      await using net = new Net();
      const { ring } = net;
      using buffers = new BufferRing({ ring, size: 400, count: 4 });
      const [client, server] = await net.pair("unix", SOCK.SEQPACKET);
      await ring.sendmsg(client, { buffers: [], control: [scmRights([client])] });
      await ring.send(client, new TextEncoder().encode("the last"));
      await net.close(client);
      const messages = ring.recvmsgMultishot(server, buffers, 0, { controlLength });
      const { value: first } = await messages.next();
      expect(first).toMatchObject({ bytes: new Uint8Array(0) });
      expect(first!.flags & MSG.CTRUNC).toBe(flag);
      if (controlLength > 0) net.keep(new DataView(first!.control.slice().buffer).getInt32(16, true));
      const { value: second } = await messages.next();
      expect(text(second!.bytes)).toBe("the last");
      await messages.return();
    },
  );
});

test.skipIf(!hasFeature("MIN_TIMEOUT"))(
  "messages are not taken into incremental buffers, which would cut them",
  async () => {
    await using net = new Net();
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 64, count: 2, incremental: true });
    const { fd } = await net.udp();
    for (const call of [() => ring.recvMultishot(fd, buffers), () => ring.recvSelect(fd, buffers)]) {
      expect(thrown(call, TypeError).message).toMatch(/^buffers is incremental, and a message would be cut/);
    }
    expect(thrown(() => ring.recvmsgMultishot(fd, buffers), TypeError).message).toMatch(/^buffers is incremental/);
    expect(ring.stats.inFlight).toBe(0);
  },
);
