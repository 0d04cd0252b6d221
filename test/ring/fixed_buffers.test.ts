import { describe, expect, test } from "vitest";
import { BufferPool, Ring, RingClosedError, RWF, UringError } from "../../mod.ts";
import { failure, failures, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { position } from "../support/process_state.ts";

const SIZE = 20_000;

describe("readFixed() and writeFixed()", () => {
  test("read and write whole buffers of a registered pool", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 4096, count: 4 });
    using folder = new TempFolder();
    const fd = folder.open("data", "w+");
    const buffers = [pool.acquire(), pool.acquire(), pool.acquire(), pool.acquire()];
    for (const [i, buffer] of buffers.entries()) buffer.set(pattern(4096, i * 4096));
    const written = await Promise.all(buffers.map((buffer, i) => ring.writeFixed(fd, buffer, i * 4096)));
    expect(written).toEqual([4096, 4096, 4096, 4096]);
    expect(folder.read("data")).toEqual(pattern(4 * 4096));
    for (const buffer of buffers) buffer.fill(0);
    expect(await Promise.all(buffers.map((buffer, i) => ring.readFixed(fd, buffer, BigInt(i * 4096))))).toEqual(
      written,
    );
    for (const [i, buffer] of buffers.entries()) expect(buffer).toEqual(pattern(4096, i * 4096));
  });

  test("take any part of a buffer, at odd places and of odd lengths", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 5000, count: 3 });
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data", "r+");
    pool.acquire();
    const buffer = pool.acquire();
    for (const [from, to] of [[0, 1], [1, 2], [4999, 5000], [3, 4099], [4095, 4098], [0, 5000]] as const) {
      buffer.fill(0xee);
      expect(await ring.readFixed(fd, buffer.subarray(from, to), from)).toBe(to - from);
      expect(buffer.slice(from, to)).toEqual(pattern(to - from, from));
      expect([...buffer.subarray(0, from), ...buffer.subarray(to)].every((byte) => byte === 0xee)).toBe(true);
    }
    const view = new DataView(buffer.buffer, buffer.byteOffset + 7, 11);
    buffer.fill(0xaa);
    expect(await ring.writeFixed(fd, view, 1)).toBe(11);
    const expected = pattern(SIZE);
    expected.fill(0xaa, 1, 12);
    expect(folder.read("data")).toEqual(expected);
  });

  test("move the position when no offset is given, and stop at the end of the file", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 64, count: 1 });
    using folder = new TempFolder();
    folder.write("data", pattern(100));
    const fd = folder.open("data", "r+");
    const buffer = pool.acquire();
    expect(await ring.readFixed(fd, buffer)).toBe(64);
    expect(await ring.readFixed(fd, buffer, "current")).toBe(36);
    expect(buffer.subarray(0, 36)).toEqual(pattern(36, 64));
    expect(await ring.readFixed(fd, buffer, 1000)).toBe(0);
    expect(await ring.writeFixed(fd, buffer.subarray(0, 4))).toBe(4);
    expect(position(fd)).toBe(104);
  });

  test("work with buffers of several pools, and with buffers of a pool on several rings", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    using small = new BufferPool({ ring: one, size: 100, count: 2 });
    using large = new BufferPool({ ring: one, size: 10_000, count: 2 });
    other.registerPool(large);
    for (const [ring, pool] of [[one, small], [one, large], [other, large]] as const) {
      const buffer = pool.acquire();
      expect(await ring.readFixed(fd, buffer, 9)).toBe(pool.size);
      expect(buffer).toEqual(pattern(pool.size, 9));
      pool.release(buffer);
    }
    thrown(() => other.readFixed(fd, small.acquire(), 0), TypeError);
    other.unregisterPool(large);
    thrown(() => other.readFixed(fd, large.acquire(), 0), TypeError);
    expect(await one.readFixed(fd, large.acquire(), 0), "the other registration stays").toBe(10_000);
  });

  test("registering twice is registering once", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 16, count: 1 });
    using folder = new TempFolder();
    folder.write("data", pattern(16));
    const fd = folder.open("data");
    const buffer = pool.acquire();
    ring.registerPool(pool);
    expect(await ring.readFixed(fd, buffer, 0)).toBe(16);
    ring.unregisterPool(pool);
    ring.unregisterPool(pool);
    thrown(() => ring.readFixed(fd, buffer, 0), TypeError);
    ring.registerPool(pool);
    expect(await ring.readFixed(fd, buffer, 0)).toBe(16);
  });

  test("take a buffer's index where it is given", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    using first = new BufferPool({ ring, size: 100, count: 1 });
    using second = new BufferPool({ ring, size: 100, count: 1 });
    const [a, b] = [first.acquire(), second.acquire()];
    expect(await ring.readFixed(fd, a, 1, { bufIndex: 0 })).toBe(100);
    expect(await ring.readFixed(fd, b, 2, { bufIndex: 1 })).toBe(100);
    expect([a, b]).toEqual([pattern(100, 1), pattern(100, 2)]);
  });

  test("reject when the index is not the buffer's, and say what to do", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data", "r+");
    using first = new BufferPool({ ring, size: 100, count: 1 });
    using second = new BufferPool({ ring, size: 100, count: 1 });
    const [a] = [first.acquire(), second.acquire()];
    for (const bufIndex of [1, 2, 65535]) {
      const errors = await failures([
        ring.readFixed(fd, a, 0, { bufIndex }),
        ring.writeFixed(fd, a, 0, { bufIndex }),
      ], UringError);
      for (const error of errors) {
        expect(error).toMatchObject({ code: "EFAULT", errno: -14, fd });
        expect(error.message).toMatch(/registered with this ring.*BufferPool/);
      }
      expect(errors.map(({ syscall }) => syscall)).toEqual(["read_fixed", "write_fixed"]);
    }
    expect(folder.read("data")).toEqual(pattern(SIZE));
  });

  test("take the same options as read() and write()", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 8, count: 2 });
    using pipe = new Pipe();
    using folder = new TempFolder();
    folder.write("log", "one ");
    const fd = folder.open("log", "r+");
    const buffer = pool.acquire();
    buffer.set(new TextEncoder().encode("two"));
    expect(await ring.writeFixed(fd, buffer.subarray(0, 3), 0, { rwFlags: RWF.APPEND })).toBe(3);
    expect(folder.text("log")).toBe("one two");
    const controller = new AbortController();
    const read = ring.readFixed(pipe.readEnd, buffer, undefined, { signal: controller.signal });
    controller.abort("enough");
    await expect(read).rejects.toBe("enough");
    expect(await failure(ring.readFixed(pipe.readEnd, buffer, undefined, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "read_fixed" });
  });

  test("reject by the descriptor as read() and write() do", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 8, count: 2 });
    using folder = new TempFolder();
    const fd = folder.open("data", "w");
    expect((await failure(ring.readFixed(fd, pool.acquire(), 0), UringError)).message).toMatch("not for reading");
    expect((await failure(ring.writeFixed(99_999, pool.acquire(), 0), UringError)).message)
      .toMatch("fd 99999 is not open");
  });

  test("finish what is in flight when the pool is unregistered meanwhile", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pool = new BufferPool({ ring, size: 16, count: 1 });
    const buffer = pool.acquire();
    const read = ring.readFixed(pipe.readEnd, buffer);
    await ring.nop();
    pool.close();
    pipe.write("still here");
    expect(await read).toBe(10);
    expect(new TextDecoder().decode(buffer.subarray(0, 10))).toBe("still here");
  });

  test("finish what was asked for in the turn in which the pool is closed", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(16));
    const pool = new BufferPool({ ring, size: 16, count: 1 });
    const buffer = pool.acquire();
    const read = ring.readFixed(folder.open("data"), buffer, 0);
    pool.close();
    expect(await read).toBe(16);
    expect(buffer).toEqual(pattern(16));
  });

  test("refuse a buffer whose pool is closed, or is registered with no ring", async () => {
    await using ring = new Ring();
    const pool = new BufferPool({ ring, size: 16, count: 2 });
    const buffer = pool.acquire();
    pool.close();
    for (const bytes of [buffer, new BufferPool({ size: 16, count: 1 }).acquire(), new Uint8Array(16)]) {
      const error = thrown(() => ring.readFixed(0, bytes, 0), TypeError);
      expect(error.message).toMatch(/not registered with this ring.*BufferPool.*bufIndex/);
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("give the places of closed pools to later ones", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(32));
    const fd = folder.open("data");
    for (let i = 0; i < 1030; i++) {
      using pool = new BufferPool({ ring, size: 32, count: 1 });
      if (i % 100 === 0) {
        const buffer = pool.acquire();
        expect(await ring.readFixed(fd, buffer, 0)).toBe(32);
      }
    }
  });

  test("registering with a closed ring throws RingClosedError", async () => {
    const ring = new Ring();
    using pool = new BufferPool({ size: 16, count: 1 });
    await ring.close();
    expect(thrown(() => ring.registerPool(pool), RingClosedError).message).toMatch("registerPool");
    thrown(() => new BufferPool({ ring, size: 16, count: 1 }), RingClosedError);
    ring.unregisterPool(pool);
  });
});
