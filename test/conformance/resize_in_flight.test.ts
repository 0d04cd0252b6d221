import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { BufferRing, POLL, Ring, UringError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { RawStage } from "../raw/stage.ts";
import { completions } from "../support/completions.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { Random } from "../support/random.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";
import { Net } from "../support/sockaddr.ts";

/** Sizes of all kinds: the smallest, odd ones, and ones that shrink what the last made large. */
function sizes(random: Random): { entries: number; cqEntries: number } {
  const entries = 1 + random.below(random.below(4) === 0 ? 1000 : 20);
  return { entries, cqEntries: entries + random.below(2 * entries) };
}

// Before it is refused, what is in the queues goes in: the ring has to go back to its sleep.
test.skipIf(!CAN_RESIZE)("a resize that the kernel refuses leaves a ring that sleeps able to wake", async () => {
  await using ring = new Ring({ ...RESIZABLE, entries: 8, disabled: true });
  ring.restrict({ sqeOps: ["READ", "TIMEOUT"], registerOps: [] });
  ring.enable();
  using pipe = new Pipe();
  const read = ring.read(pipe.readEnd, new Uint8Array(1));
  await ring.timeout(1);
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(thrown(() => ring.resize({ entries: 16 }), UringError).code).toBe("EACCES");
  await new Promise((resolve) => setTimeout(resolve, 1));
  pipe.write("x");
  expect(await read).toBe(1);
});

describe.skipIf(!CAN_RESIZE)("a ring that is resized again and again", () => {
  test("loses no operation of any kind that is in flight, and completes none twice", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 8 });
    using folder = new TempFolder();
    const content = pattern(10_000);
    folder.write("file", content);
    const fd = folder.open("file");
    const random = new Random(21);
    const pipes = Array.from({ length: 8 }, () => new Pipe());
    const settled: Promise<unknown>[] = [];
    let count = 0;
    let answered = 0;
    const follow = (promise: Promise<unknown>) => {
      count++;
      settled.push(promise.then(() => answered++));
    };
    try {
      for (let round = 0; round < 300; round++) {
        for (let i = random.below(20); i > 0; i--) {
          const kind = random.below(4);
          if (kind === 0) follow(ring.nop());
          else if (kind === 1) follow(ring.timeout(random.below(5)));
          else if (kind === 2) follow(ring.pollAdd(pipes[random.below(8)]!.readEnd, POLL.IN));
          else {
            const offset = random.below(9000);
            const buffer = new Uint8Array(1000);
            follow(
              ring.read(fd, buffer, offset).then((length) => {
                expect(length).toBe(1000);
                expect(Buffer.compare(buffer, content.subarray(offset, offset + 1000))).toBe(0);
              }),
            );
          }
        }
        if (random.below(3) === 0) ring.submitAndWait(0);
        ring.resize(sizes(random));
        const pipe = pipes[random.below(8)]!;
        if (random.below(4) === 0) pipe.write("x");
        else pipe.read();
        if (random.below(5) === 0) await ring.nop();
      }
      for (const pipe of pipes) pipe.write("x");
      await Promise.all(settled);
      expect(answered).toBe(count);
      expect(ring.stats.inFlight).toBe(0);
    } finally {
      pipes.forEach((pipe) => pipe[Symbol.dispose]());
    }
  });

  test("goes on with a stream, byte by byte", async () => {
    await using net = new Net({ ...RESIZABLE, entries: 8 });
    const { ring } = net;
    using buffers = new BufferRing({ ring, size: 700, count: 8 });
    const [client, server] = await net.pair();
    const sent = pattern(300_000);
    const random = new Random(22);
    const sending = (async () => {
      for (let at = 0; at < sent.length; at += 3000) await ring.send(client, sent.subarray(at, at + 3000));
      await ring.shutdown(client, 1);
    })();
    const received = new Uint8Array(sent.length);
    let at = 0;
    let resizes = 0;
    for await (using piece of ring.recvMultishot(server, buffers)) {
      received.set(piece.bytes, at);
      at += piece.bytes.length;
      if (random.below(4) > 0) continue;
      ring.resize(sizes(random));
      resizes++;
    }
    await sending;
    expect(resizes).toBeGreaterThan(50);
    expect([at, Buffer.compare(received, sent)]).toEqual([sent.length, 0]);
  });

  test("goes on with completions that found its queue full", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 4, cqEntries: 4 });
    using pipe = new Pipe();
    for (let round = 0; round < 20; round++) {
      const polls = Array.from({ length: 100 }, () => ring.pollAdd(pipe.readEnd, POLL.IN));
      ring.submitAndWait(0);
      pipe.write("x");
      ring.resize(round % 2 === 0 ? { entries: 64 } : { entries: 2, cqEntries: 2 });
      expect(await Promise.all(polls)).toEqual(new Array(100).fill(POLL.IN));
      pipe.read();
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("sleeps afterwards, and does not spin while it waits; another resize finds nothing to do", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 4 });
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    await ring.nop();
    for (const entries of [64, 8, 16]) {
      ring.resize({ entries });
      ring.resize({ entries: 2 * entries });
      await new Promise((resolve) => setTimeout(resolve, 5));
      const { enters, turns } = ring.stats;
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(ring.stats).toMatchObject({ enters, turns, inFlight: 1 });
    }
    pipe.write("x");
    expect(await poll).toBe(POLL.IN);
  });

  test("can be cancelled and closed in any size", async () => {
    const random = new Random(23);
    for (let round = 0; round < 20; round++) {
      const ring = new Ring({ ...RESIZABLE, entries: 4 });
      const timeouts = Array.from({ length: 50 }, () => ring.timeout(NEVER));
      const codes = timeouts.map((timeout) => timeout.then(() => "?", ({ code }) => code as string));
      ring.resize(sizes(random));
      expect(await ring.cancel(timeouts[random.below(50)]!)).toBe(1);
      ring.resize(sizes(random));
      await ring.close();
      const told = await Promise.all(codes);
      expect(told.filter((code) => code === "ECANCELED").length).toBe(1);
      expect(told.filter((code) => code === "ABORT_ERR").length).toBe(49);
    }
  });

  test("keeps messages of other rings, though they come as it moves", async () => {
    await using sender = new Ring();
    await using ring = new Ring({ ...RESIZABLE, entries: 2 });
    const random = new Random(24);
    const heard: number[] = [];
    let more = () => {};
    ring.onMessage = (data) => {
      heard.push(Number(data));
      more();
    };
    const sends: Promise<number>[] = [];
    for (let i = 0; i < 500; i++) {
      sends.push(sender.msgRing(ring, 0, i));
      if (random.below(3) === 0) sender.submitAndWait(0);
      if (random.below(3) === 0) ring.resize(sizes(random));
      if (random.below(20) === 0) await ring.nop();
    }
    await Promise.all(sends);
    while (heard.length < 500) await new Promise<void>((resolve) => more = resolve);
    expect(heard).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});

describe.skipIf(!CAN_RESIZE)("a RawRing that is resized", () => {
  test("a thousand times keeps what is in flight and what is prepared", () => {
    using stage = new RawStage({ entries: 4 });
    using pipe = new Pipe();
    const { ring } = stage;
    const random = new Random(25);
    const waiting = new Uint8Array(8);
    ring.prepRead(1, pipe.readEnd, waiting, 8, -1);
    ring.prepTimeout(2, { ms: NEVER }, 0, 0);
    ring.submit();
    let next = 10;
    const expected: number[] = [];
    const seen: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const { entries, cqEntries } = sizes(random);
      // What is prepared must fit the queue that it moves to.
      const staged = ring.entries - ring.sqSpace;
      const prepared = Math.max(0, Math.min(entries - staged, ring.sqSpace, random.below(3)));
      if (staged > entries) {
        ring.submit();
        seen.push(...completions(ring).map(({ userData }) => userData));
      }
      for (let j = 0; j < prepared; j++) {
        expect(ring.prepNop(next)).toBe(true);
        expected.push(next++);
      }
      ring.resize({ entries, cqEntries });
      if (random.below(2) === 0) continue;
      ring.submit();
      seen.push(...completions(ring).map(({ userData }) => userData));
    }
    ring.submit();
    seen.push(...completions(ring).map(({ userData }) => userData));
    expect(seen).toEqual(expected);
    pipe.write("awaited!");
    expect(stage.completions(1)).toMatchObject([{ userData: 1, res: 8 }]);
    expect(new TextDecoder().decode(waiting)).toBe("awaited!");
    ring.prepTimeoutRemove(3, 2, 0);
    stage.finals(2, 3);
  });

  test("to fewer places than it has completions for says so, and is as it was", async () => {
    using ring = new RawRing({ entries: 64, cqEntries: 64 });
    for (let i = 0; i < 40; i++) ring.prepNop(i);
    ring.submit();
    const error = await failure(Promise.resolve().then(() => ring.resize({ entries: 8, cqEntries: 8 })), Error);
    expect(error.message).toMatch(/visited|look at all completions/);
    expect([ring.entries, ring.cqEntries]).toEqual([64, 64]);
    expect(completions(ring).map(({ userData }) => userData)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    ring.resize({ entries: 8, cqEntries: 8 });
    expect([ring.entries, ring.cqEntries]).toEqual([8, 8]);
  });
});
