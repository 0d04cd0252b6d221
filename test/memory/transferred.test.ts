import { describe, expect, test } from "vitest";
import { BufferPool, Ring } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { Pipe } from "../support/pipe.ts";

/** Takes a buffer's memory away, as postMessage() with a transfer list does. */
function transfer(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

describe("a buffer that is transferred while the kernel has it", () => {
  test("is found out when the operation completes", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffer = new Uint8Array(64);
    const read = failure(ring.read(pipe.readEnd, buffer), TypeError);
    await ring.nop();
    const moved = transfer(buffer.buffer);
    pipe.write("late");
    const error = await read;
    expect(error.message).toContain("transferred");
    expect(error.message).toContain("read (result 4)");
    expect(new TextDecoder().decode(moved.slice(0, 4))).toBe("late");
    expect(ring.stats.inFlight).toBe(0);
  });

  test("of a write, too, and of one that fails", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffers = [new Uint8Array(64), new Uint8Array(64)];
    const abort = new AbortController();
    const reads = buffers.map((buffer) => ring.read(pipe.readEnd, buffer, undefined, { signal: abort.signal }));
    await ring.nop();
    const kept = buffers.map(({ buffer }) => transfer(buffer));
    abort.abort();
    for (const read of reads) expect((await failure(read, Error)).message).toContain("transferred");
    expect(kept.every(({ byteLength }) => byteLength === 64)).toBe(true);
    const content = new Uint8Array(8);
    const write = failure(ring.write(pipe.writeEnd, content), TypeError);
    const moved = transfer(content.buffer);
    expect((await write).message).toContain("write (result 8)");
    expect(moved.byteLength).toBe(8);
  });

  test("one of several is reported as well", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [first, second] = [new Uint8Array(4), new Uint8Array(4)];
    const read = failure(ring.readv(pipe.readEnd, [first, second]), TypeError);
    await ring.nop();
    const moved = transfer(first.buffer);
    pipe.write("12345678");
    expect((await read).message).toContain("readv (result 8): its buffer was transferred");
    expect(moved.byteLength).toBe(4);
  });

  test("of a pool is none: the pages stay, and the bytes arrive with whoever has them now", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pool = new BufferPool({ size: 4096, count: 1 });
    const buffer = pool.acquire();
    const read = ring.read(pipe.readEnd, buffer);
    await ring.nop();
    let moved: ArrayBuffer | undefined;
    try {
      moved = transfer(buffer.buffer);
    } catch {
      // this runtime refuses
    }
    pipe.write("late");
    expect(await read).toBe(4);
    const holder = moved !== undefined && buffer.byteLength === 0 ? moved : buffer.buffer;
    expect(new TextDecoder().decode(holder.slice(0, 4))).toBe("late");
  });
});
