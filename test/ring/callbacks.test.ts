import { describe, expect, test } from "vitest";
import { AF, FileTable, IOSQE, type Multishot, POLL, Ring, type RingOptions, SOCK } from "../../mod.ts";
import { hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";
import { Net } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ENTRIES = 4;

/**
 * A ring whose queue is full, with a stream that calls back as soon as completions are looked at: the next operation needs
 * room.
 */
class FullQueue implements AsyncDisposable {
  readonly net: Net;
  readonly ring: Ring;
  readonly #pipe: Pipe = new Pipe();
  readonly #nops: Promise<number>[] = [];

  constructor(options: RingOptions = {}) {
    this.net = new Net({ entries: ENTRIES, ...options });
    this.ring = this.net.ring;
  }

  /** @param each is called once, as soon as completions are looked at after {@linkcode fill} */
  async calls(each: () => void): Promise<void> {
    let called = false;
    const polls = this.ring.pollMultishot(this.#pipe.readEnd, POLL.IN, {
      each: () => {
        if (!called) each();
        called = true;
      },
    });
    polls.ended.catch(() => {});
    await this.ring.nop();
  }

  /** What the stream calls back for. */
  write(): void {
    this.#pipe.write("x");
  }

  fill(): void {
    this.write();
    for (let i = 0; i < ENTRIES; i++) this.#nops.push(this.ring.nop());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    expect(await Promise.all(this.#nops)).toEqual(this.#nops.map(() => 0));
    await this.net[Symbol.asyncDispose]();
    this.#pipe[Symbol.dispose]();
  }
}

/** A stream of connections that is paused, as two of them wait to be taken. */
async function pausedAccept(net: Net): Promise<Multishot<number>> {
  const { ring } = net;
  const { fd, address } = await net.listener("unix");
  for (let i = 0; i < 2; i++) await ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
  const stream = ring.acceptMultishot(fd, { highWater: 2 });
  while (stream.waiting < 2 || ring.stats.inFlight > 1) await ring.timeout(1);
  return stream;
}

describe("no callback of a stream runs while an operation makes room for itself:", () => {
  test("a signal that it aborts is heard", async () => {
    await using queue = new FullQueue();
    using other = new Pipe();
    const controller = new AbortController();
    await queue.calls(() => controller.abort("enough"));
    const { signal } = controller;
    queue.fill();
    const read = queue.ring.read(other.readEnd, new Uint8Array(4), undefined, { signal });
    expect(signal.aborted).toBe(false);
    expect(await read.catch((error: unknown) => error)).toBe("enough");
  });

  test("what it stages is no part of the chain that is being built", async () => {
    await using queue = new FullQueue();
    const { ring } = queue;
    const inCallback: Promise<unknown>[] = [];
    await queue.calls(() => {
      inCallback.push(ring.read(-1, new Uint8Array(1)).catch(({ code }) => code), ring.nop());
      inCallback.push(...ring.link((ring) => [ring.nop(), ring.nop()]));
    });
    queue.fill();
    expect(await Promise.all(ring.link((ring) => [ring.nop(), ring.nop()]))).toEqual([0, 0]);
    await ring.nop();
    expect(await Promise.all(inCallback)).toEqual(["EBADF", 0, 0, 0]);
  });

  test.skipIf(!CAN_RESIZE)("a smaller queue that it asks for comes after the operation", async () => {
    await using queue = new FullQueue(RESIZABLE);
    const { ring } = queue;
    await queue.calls(() => ring.resize({ entries: 1 }));
    queue.fill();
    expect(await ring.timeout(1, { timeout: NEVER })).toBe(0);
    expect(ring.stats.inFlight).toBe(1);
  });

  describe.skipIf(!hasOp("SOCKET"))("a stream that is begun anew", () => {
    test("and ended by it, ends", async () => {
      await using queue = new FullQueue();
      const connections = await pausedAccept(queue.net);
      let ended: Promise<unknown> | undefined;
      await queue.calls(() => ended ??= connections.return());
      queue.fill();
      await connections.next();
      await queue.ring.nop();
      await ended;
      const before = queue.ring.stats.inFlight;
      await queue.ring.timeout(1);
      expect(queue.ring.stats.inFlight, "the polls alone").toBe(before);
      expect(before).toBe(1);
    });

    test("and asked for its next value by it, is begun once", async () => {
      await using queue = new FullQueue();
      const connections = await pausedAccept(queue.net);
      let next: Promise<unknown> | undefined;
      await queue.calls(() => next ??= connections.next());
      queue.fill();
      await connections.next();
      await queue.ring.nop();
      await next;
      expect(connections.arms).toBe(2);
      await connections.return();
      expect(queue.ring.stats.inFlight, "the polls alone").toBe(1);
    });
  });
});

describe("submitAndWait() in a callback", () => {
  test("does not wait for what has come with it", async () => {
    await using ring = new Ring();
    using first = new Pipe();
    using second = new Pipe();
    const waited: number[] = [];
    const polls = ring.pollMultishot(first.readEnd, POLL.IN, {
      each: () => waited.push(ring.submitAndWait(2, { timeout: NEVER })),
    });
    polls.ended.catch(() => {});
    const reads = [1, 2].map(() => ring.read(second.readEnd, new Uint8Array(4)));
    await ring.nop();
    first.write("x");
    second.write("in twos.");
    expect(await Promise.all(reads)).toEqual([4, 4]);
    expect(waited).toEqual([2]);
  });
});

describe("submitAndWait() waits for nothing that another turn has brought meanwhile:", () => {
  const WAIT = { timeout: 10_000 * TIME_SCALE };

  test("as a cancellation made room for itself, which had to wait for the end of a chain", async () => {
    await using ring = new Ring({ entries: ENTRIES });
    using pipe = new Pipe();
    const controller = new AbortController();
    const { signal } = controller;
    const read = ring.read(pipe.readEnd, new Uint8Array(4), undefined, { signal }).catch((error: unknown) => error);
    ring.submitAndWait(0);
    const nops = Array.from({ length: ENTRIES }, (_, i) => ring.nop({ flags: i === ENTRIES - 1 ? IOSQE.IO_LINK : 0 }));
    controller.abort("enough");
    expect(ring.submitAndWait(ENTRIES + 1, WAIT)).toBeGreaterThan(ENTRIES);
    expect(await read).toBe("enough");
    expect(await Promise.all(nops)).toEqual(Array(ENTRIES).fill(0));
  });

  describe.skipIf(!hasOp("MSG_RING"))("and counts no message:", () => {
    test("as an operation made room for itself", async () => {
      await using queue = new FullQueue();
      await using sender = new Ring();
      const { ring } = queue;
      const heard: unknown[] = [];
      ring.onMessage = (data) => heard.push(data);
      await queue.calls(() => {});
      await sender.msgRing(ring, 0, 7);
      const before = ring.stats.completed;
      const nops = Array.from({ length: 2 * ENTRIES + 1 }, () => ring.nop());
      expect(ring.submitAndWait(nops.length, WAIT)).toBe(nops.length);
      expect(ring.stats.completed - before).toBe(nops.length);
      await ring.nop();
      expect(heard).toEqual([7]);
    });

    test("as a callback asked for a registration", async () => {
      await using queue = new FullQueue();
      await using sender = new Ring();
      const { ring } = queue;
      using pipe = new Pipe();
      using files = new FileTable(ring, { size: 1 });
      ring.onMessage = () => {};
      const nops: Promise<number>[] = [];
      const read = ring.read(pipe.readEnd, new Uint8Array(4));
      await queue.calls(() => {
        pipe.write("x");
        nops.push(ring.nop());
        files.update(0, [pipe.readEnd]);
      });
      await sender.msgRing(ring, 0, 7);
      queue.write();
      // The stream's, the message; and in the callback the read and the NOP.
      expect(ring.submitAndWait(2, WAIT)).toBeGreaterThan(1);
      expect(await read).toBe(1);
      expect(await Promise.all(nops)).toEqual([0]);
    });
  });
});
