import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { IOSQE, MSG, POLL, Ring, SHUT, UringError } from "../../mod.ts";
import { failure, watch } from "../support/failure.ts";
import { pattern } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { Net } from "../support/sockaddr.ts";

/** What a write of so much never leaves in two parts: PIPE_BUF. */
const BLOCK = 4096;
/** More than any pipe here holds: 64 KiB, or less where the user has many. */
const BLOCKS = 100;

describe("a full pipe", () => {
  test("holds writes back until somebody reads; each arrives once, in one piece", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let written = 0;
    const writes = Array.from(
      { length: BLOCKS },
      (_, i) =>
        ring.write(pipe.writeEnd, new Uint8Array(BLOCK).fill(i), "current", { flags: i % 10 === 9 ? IOSQE.ASYNC : 0 })
          .then((length) => {
            written++;
            return length;
          }),
    );
    await ring.timeout(10);
    expect(written).toBeLessThan(BLOCKS);
    const seen: number[] = [];
    for (let i = 0; i < BLOCKS; i++) {
      const block = new Uint8Array(BLOCK);
      for (let at = 0; at < BLOCK;) at += await ring.read(pipe.readEnd, block.subarray(at));
      expect(block.every((byte) => byte === block[0])).toBe(true);
      seen.push(block[0]!);
    }
    expect(await Promise.all(writes)).toEqual(new Array(BLOCKS).fill(BLOCK));
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: BLOCKS }, (_, i) => i));
    expect(ring.stats.inFlight).toBe(0);
  });

  test("lets writes be cancelled, which have written nothing then, or a part that they tell", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const bytes = pattern(1 << 20);
    const controller = new AbortController();
    const write = ring.write(pipe.writeEnd, bytes, "current", { signal: controller.signal });
    const outcome = write.catch((error: unknown) => error);
    await ring.timeout(5);
    controller.abort("enough");
    const result = await outcome;
    const there = new Uint8Array(1 << 20);
    pipe.closeWriteEnd();
    let at = 0;
    while (true) {
      const length = await ring.read(pipe.readEnd, there.subarray(at));
      if (length === 0) break;
      at += length;
    }
    expect(Buffer.compare(there.subarray(0, at), bytes.subarray(0, at))).toBe(0);
    if (typeof result === "number") expect(result).toBe(at);
    else expect(result).toBe("enough");
  });

  test("ends writes that wait with EPIPE when its reader goes", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const outcomes = Array.from(
      { length: BLOCKS },
      () => ring.write(pipe.writeEnd, new Uint8Array(BLOCK)).catch((error: UringError) => error.code),
    );
    await ring.timeout(5);
    pipe.closeReadEnd();
    const results = await Promise.all(outcomes);
    expect(new Set(results)).toEqual(new Set([BLOCK, "EPIPE"]));
  });
});

describe.skipIf(!hasOp("SOCKET")).each(["tcp", "unix"] as const)("a full socket (%s)", (kind) => {
  test("holds a chain of sends back, and sends all of it in order", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    const bytes = pattern(3_000_000);
    const size = 50_000;
    const sends = ring.link((ring) =>
      Array.from({ length: 60 }, (_, i) => ring.send(client, bytes.subarray(i * size, (i + 1) * size), MSG.WAITALL))
    );
    await ring.timeout(5);
    const received = new Uint8Array(bytes.length);
    for (let at = 0; at < bytes.length;) at += await ring.recv(server, received.subarray(at));
    expect(await Promise.all(sends)).toEqual(new Array(60).fill(size));
    expect(Buffer.compare(received, bytes)).toBe(0);
  });

  test("with DONTWAIT is EAGAIN; a poll tells when there is room, and nothing is lost", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    // More than sender and receiver may have on their way, though they raise their limits by themselves.
    const bytes = new Uint8Array(24_000_000);
    for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at / 1000;
    const received = new Uint8Array(bytes.length);
    const readAll = async () => {
      for (let at = 0; at < bytes.length;) at += await ring.recv(server, received.subarray(at));
    };
    let reading: Promise<void> | undefined;
    let full = 0;
    for (let at = 0; at < bytes.length;) {
      const sent = await ring.send(client, bytes.subarray(at, at + 100_000), MSG.DONTWAIT)
        .catch((error: UringError) => error.code);
      if (typeof sent === "number") at += sent;
      else {
        expect(sent).toBe("EAGAIN");
        full++;
        reading ??= readAll();
        expect(await ring.pollAdd(client, POLL.OUT) & POLL.OUT).toBe(POLL.OUT);
      }
    }
    expect(full).toBeGreaterThan(0);
    await reading;
    expect(Buffer.compare(received, bytes)).toBe(0);
  });

  test("lets go of sends that wait when it is shut down or the peer goes", async () => {
    await using net = new Net();
    const { ring } = net;
    for (const end of ["shutdown", "close"] as const) {
      const [client, server] = await net.pair(kind);
      const bytes = new Uint8Array(65_536);
      const outcomes: Promise<string>[] = [];
      let last;
      do {
        const send = ring.send(client, bytes, MSG.WAITALL);
        last = watch(send);
        outcomes.push(send.then(() => "sent", ({ code }) => code as string));
        await ring.timeout(1);
      } while (last.state !== "pending");
      if (end === "shutdown") await ring.shutdown(client, SHUT.WR);
      else await net.close(server);
      const results = await Promise.all(outcomes);
      // Part of the last may have gone: it is told as sent.
      for (const result of results) expect(["sent", "EPIPE", "ECONNRESET"]).toContain(result);
      const next = await failure(ring.send(client, bytes), UringError);
      expect(["EPIPE", "ECONNRESET"]).toContain(next.code);
    }
    expect(ring.stats.inFlight).toBe(0);
  });
});
