import { readFileSync } from "node:fs";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BufferPool, type BufferPoolOptions, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { resultOf } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { A_FEW, collectGarbage, collectUntil } from "../support/garbage.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD, runScript } from "../support/script.ts";
import { transferAway } from "../support/transfer.ts";

const EFAULT = -14;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** The lines of /proc/self/maps around an address: what lies before, at, and behind it. */
function mapsAround(address: number, size: number): { before: string; at: string; behind: string } {
  const maps = readFileSync("/proc/self/maps", "utf8").trim().split("\n").map((line) => {
    const [range = "", permissions = ""] = line.split(" ");
    const [from = 0, to = 0] = range.split("-").map((text) => parseInt(text, 16));
    return { from, to, permissions };
  });
  const at = (place: number) => maps.find(({ from, to }) => from <= place && place < to)?.permissions ?? "none";
  return { before: at(address - 1), at: at(address), behind: at(address + size) };
}

function isMapped(address: number): boolean {
  return mapsAround(address, 1).at === "rw-p";
}

describe("BufferPool", () => {
  test("hands out buffers of the size asked for, page-aligned, zeroed, none twice", () => {
    using pool = new BufferPool({ size: 5000, count: 8 });
    expect(pool).toMatchObject({ size: 5000, count: 8, stride: 8192, available: 8 });
    const buffers = times(8, () => pool.acquire());
    expect(pool.available).toBe(0);
    expect(new Set(buffers.map(({ byteOffset }) => byteOffset)).size).toBe(8);
    for (const buffer of buffers) {
      expect(buffer.length).toBe(5000);
      expect((pool.region.address + buffer.byteOffset) % 4096).toBe(0);
      expect(buffer.every((byte) => byte === 0)).toBe(true);
      buffer.fill(7);
    }
  });

  test("keeps buffers apart: writing to all of one changes no other", () => {
    using pool = new BufferPool({ size: 4096, count: 4 });
    const buffers = times(4, () => pool.acquire());
    for (const [i, buffer] of buffers.entries()) buffer.fill(i + 1);
    for (const [i, buffer] of buffers.entries()) expect(buffer.every((byte) => byte === i + 1)).toBe(true);
  });

  test("gives released buffers to the next, whole or by any part of them", () => {
    using pool = new BufferPool({ size: 100, count: 2 });
    const [a, b] = [pool.acquire(), pool.acquire()];
    pool.release(a);
    expect(pool.available).toBe(1);
    expect(pool.acquire()).toBe(a);
    pool.release(b.subarray(50, 60));
    expect(pool.acquire()).toBe(b);
    pool.release(new Uint8Array(a.buffer, a.byteOffset + 99, 1));
    expect(pool.available).toBe(1);
  });

  test("throws when all are taken; tryAcquire() gives undefined", () => {
    using pool = new BufferPool({ size: 16, count: 3 });
    times(3, () => pool.acquire());
    expect(thrown(() => pool.acquire(), RangeError).message).toMatch(/all 3 buffers.*release one.*larger/);
    expect(pool.tryAcquire()).toBeUndefined();
  });

  test("refuses to take back what was released already", () => {
    using pool = new BufferPool({ size: 16, count: 3 });
    const buffer = pool.acquire();
    pool.release(buffer);
    expect(thrown(() => pool.release(buffer), TypeError).message).toMatch(/released already.*used twice/);
    expect(thrown(() => pool.release(buffer.subarray(3)), TypeError).message).toMatch(/released already/);
    expect(pool.available).toBe(3);
    expect(new Set(times(3, () => pool.acquire())).size).toBe(3);
  });

  test("refuses to take back what is not its own", () => {
    using pool = new BufferPool({ size: 16, count: 2 });
    using other = new BufferPool({ size: 16, count: 2 });
    const taken = pool.acquire();
    const NOT_ITS_OWN: unknown[] = [new Uint8Array(16), other.acquire(), null, undefined, "buffer", 5, {}];
    for (const buffer of NOT_ITS_OWN) {
      expect(thrown(() => pool.release(buffer as Uint8Array), TypeError).message).toMatch(/not one of the pool's/);
    }
    expect([pool.available, other.available]).toEqual([1, 1]);
    pool.release(taken);
  });

  test("refuses what is left of a buffer when nothing is: it may be the beginning of the next", () => {
    using pool = new BufferPool({ size: 4096, count: 3 });
    const [first, second] = [pool.acquire(), pool.acquire()];
    expect(thrown(() => pool.release(first.subarray(4096)), TypeError).message).toMatch(/no bytes/);
    expect(pool.acquire().byteOffset).not.toBe(second.byteOffset);
  });

  test("refuses a buffer of the pool that lies across two of its places", () => {
    using pool = new BufferPool({ size: 4096, count: 2 });
    const [a, b] = [pool.acquire(), pool.acquire()].sort((x, y) => x.byteOffset - y.byteOffset);
    const both = new Uint8Array(pool.region.buffer, 0, 8192);
    expect(thrown(() => pool.release(both), TypeError).message).toMatch(/not one of the pool's/);
    pool.release(a!);
    pool.release(b!);
  });

  test("is closed once: then it gives no buffers, and takes back what is out", () => {
    const pool = new BufferPool({ size: 16, count: 2 });
    const buffer = pool.acquire();
    buffer.fill(9);
    pool.close();
    pool.close();
    pool[Symbol.dispose]();
    expect(pool.available).toBe(0);
    expect(thrown(() => pool.acquire(), TypeError).message).toMatch(/closed/);
    expect(pool.tryAcquire()).toBeUndefined();
    expect(buffer.every((byte) => byte === 9), "what is out can be used still").toBe(true);
    pool.release(buffer);
    expect(pool.available).toBe(0);
  });

  test("takes a mebibyte a buffer, and a thousand buffers", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(2 ** 20));
    const fd = folder.open("data");
    using large = new BufferPool({ ring, size: 2 ** 20, count: 8 });
    using many = new BufferPool({ ring, size: 512, count: 1000 });
    expect(many.stride).toBe(4096);
    const [a, b] = [large.acquire(), many.acquire()];
    expect(await ring.readFixed(fd, a, 0)).toBe(2 ** 20);
    expect(Buffer.compare(a, pattern(2 ** 20))).toBe(0);
    expect(await ring.readFixed(fd, b, 5)).toBe(512);
    expect(b).toEqual(pattern(512, 5));
  });

  test.each([
    ["size 0", { size: 0, count: 1 }, RangeError, /size must be from 1 to \d+, not 0/],
    ["size -1", { size: -1, count: 1 }, RangeError, /size must be from 1/],
    ["size 1.5", { size: 1.5, count: 1 }, TypeError, /size must be an integer/],
    ["size NaN", { size: NaN, count: 1 }, TypeError, /size must be an integer/],
    ["size as text", { size: "4096", count: 1 }, TypeError, /size must be an integer/],
    ["size beyond 1 GiB", { size: 2 ** 30 + 1, count: 1 }, RangeError, /size must be from 1 to 1073741824/],
    ["count 0", { size: 1, count: 0 }, RangeError, /count must be from 1/],
    ["count 0.5", { size: 1, count: 0.5 }, TypeError, /count must be an integer/],
    ["count as bigint", { size: 1, count: 1n }, TypeError, /count must be an integer/],
    ["count beyond 2^24", { size: 1, count: 2 ** 24 + 1 }, RangeError, /count must be from 1 to 16777216/],
    ["no size", { count: 1 }, TypeError, /size must be an integer/],
    ["no options", undefined, TypeError, /options must be an object, not undefined/],
    ["options null", null, TypeError, /options must be an object, not null/],
    ["a ring that is none", { size: 1, count: 1, ring: {} }, TypeError, /ring must be a Ring/],
    ["a RawRing", { size: 1, count: 1, ring: 5 }, TypeError, /ring must be a Ring/],
    ["hugePages as text", { size: 1, count: 1, hugePages: "yes" }, TypeError, /hugePages must be true or false/],
  ])("refuses %s", (_, options, type, message) => {
    expect(thrown(() => new BufferPool(options as unknown as BufferPoolOptions), type).message).toMatch(message);
  });

  test("says so when the system has not that much memory to give", () => {
    const error = thrown(() => new BufferPool({ size: 2 ** 30, count: 2 ** 24 }), RangeError);
    expect(error.message).toMatch(/bytes could not be mapped.*smaller/);
  });
});

describe("the memory of a pool", () => {
  test("goes when nobody holds a buffer of it any more, and not before", async () => {
    const COUNT = 8;
    const held = new Map<number, Uint8Array>();
    for (let i = 0; i < COUNT; i++) {
      const pool = new BufferPool({ size: 2 ** 20, count: 4 });
      held.set(pool.region.address, pool.acquire().fill(i));
      pool.close();
    }
    const addresses = [...held.keys()];
    const mapped = () => addresses.filter(isMapped).length;
    expect(await collectUntil(() => mapped() < COUNT, A_FEW)).toBe(false);
    expect([...held.values()].every((buffer, i) => buffer.every((byte) => byte === i))).toBe(true);
    held.clear();
    // A collector that searches the stack may find one there still.
    expect(await collectUntil(() => mapped() <= 1)).toBe(true);
  });

  test("stays while an operation uses it, though nobody else holds it", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let address = 0;
    const read = (() => {
      const pool = new BufferPool({ size: 2 ** 16, count: 1 });
      address = pool.region.address;
      return ring.read(pipe.readEnd, pool.acquire());
    })();
    await ring.nop();
    expect(await collectUntil(() => !isMapped(address), A_FEW)).toBe(false);
    pipe.write("written");
    expect(await read).toBe(7);
    expect(await collectUntil(() => !isMapped(address))).toBe(true);
  });

  test("stays while an operation uses it, though its ArrayBuffer was transferred and dropped", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    let address = 0;
    let transferred = false;
    const read = (() => {
      const pool = new BufferPool({ ring, size: 2 ** 16, count: 1 });
      address = pool.region.address;
      const read = ring.readFixed(pipe.readEnd, pool.acquire());
      transferred = transferAway(pool.region.buffer) !== undefined;
      pool.close();
      return read;
    })();
    await ring.nop();
    expect(await collectUntil(() => !isMapped(address), A_FEW)).toBe(false);
    pipe.write("into memory that is still there");
    expect(await read).toBe(31);
    for (let i = 0; i < 3; i++) collectGarbage();
    if (transferred) expect(await ring.nop()).toBe(0);
  });

  test("moves with its ArrayBuffer, and what was in flight arrives there", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pool = new BufferPool({ size: 64, count: 1 });
    const buffer = pool.acquire();
    const read = ring.read(pipe.readEnd, buffer);
    await ring.nop();
    const away = transferAway(pool.region.buffer);
    pipe.write("hello");
    expect(await read).toBe(5);
    if (away === undefined) {
      // This runtime moves no such memory; then it stays where it was.
      expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("hello");
      return;
    }
    expect(buffer.length).toBe(0);
    expect(new TextDecoder().decode(new Uint8Array(away.moved, 0, 5))).toBe("hello");
    expect(thrown(() => ring.read(pipe.readEnd, buffer), TypeError).message).toMatch(/detached/);
    expect(thrown(() => pool.release(buffer), TypeError).message).toMatch(/not one of the pool's|transferred/);
    expect(thrown(() => pool.acquire(), Error).message).toMatch(/transferred|taken/);
    expect(await ring.nop()).toBe(0);
  });

  test("is no pool's any more once it was transferred: the pool gives no buffers without memory", () => {
    const pool = new BufferPool({ size: 64, count: 2 });
    if (transferAway(pool.region.buffer) === undefined) return;
    expect(thrown(() => pool.acquire(), TypeError).message).toMatch(/transferred/);
    expect(pool.tryAcquire()).toBeUndefined();
    expect(pool.available).toBe(0);
    pool.close();
  });
});

describe("hugePages", () => {
  test("lie on 2 MiB boundaries, and work as others do", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(10_000));
    using pool = new BufferPool({ ring, size: 100_000, count: 3, hugePages: true });
    expect(pool.region.address % 2 ** 21).toBe(0);
    expect(pool.region.size % 2 ** 21).toBe(0);
    expect(pool.available).toBe(3);
    const buffer = pool.acquire();
    expect(await ring.readFixed(folder.open("data"), buffer, 0)).toBe(10_000);
    expect(buffer.slice(0, 10_000)).toEqual(pattern(10_000));
  });
});

describe("URING_GUARD=1", () => {
  const before = process.env["URING_GUARD"];

  beforeEach(() => {
    process.env["URING_GUARD"] = "1";
  });

  afterEach(() => {
    if (before === undefined) delete process.env["URING_GUARD"];
    else process.env["URING_GUARD"] = before;
  });

  test.runIf(process.env["URING_EXPECT_RUNTIME"])("is on in these tests, and in the programs that they start", () => {
    expect(before).toBe("1");
    const script = "console.log(globalThis.process?.env.URING_GUARD ?? Deno.env.get('URING_GUARD'))";
    expect(runScript(script)).toBe("1");
  });

  test.each([false, true])("puts pages around a pool that nobody may touch (hugePages: %s)", (hugePages) => {
    using pool = new BufferPool({ size: 4096, count: 2, hugePages });
    const { address, size } = pool.region;
    expect(mapsAround(address, size)).toEqual({ before: "---p", at: "rw-p", behind: "---p" });
    pool.acquire().fill(1);
    pool.acquire().fill(2);
  });

  test("stops the kernel at the pool's end", () => {
    using ring = new RawRing({ entries: 2 });
    using folder = new TempFolder();
    folder.write("data", pattern(10_000));
    const fd = folder.open("data");
    using pool = new BufferPool({ size: 4096, count: 1 });
    const buffer = pool.acquire();
    const end = pool.region.address + pool.region.size;
    const read = (address: number) => resultOf(ring, (ring) => ring.prepRead(1, fd, address, 100, 0));
    expect(read(end - 100)).toBe(100);
    expect([...Array(11).keys(), EFAULT], "it may have written what still fits").toContain(read(end - 10));
    expect(read(end)).toBe(EFAULT);
    expect([...Array(101).keys(), EFAULT]).toContain(read(pool.region.address - 10));
    expect(buffer.subarray(4096 - 100, 4096 - 10)).toEqual(pattern(90));
  });

  test("changes nothing else: registered reads, where pages begin, transfer", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(4096));
    using pool = new BufferPool({ ring, size: 4096, count: 2 });
    const buffer = pool.acquire();
    expect(await ring.readFixed(folder.open("data"), buffer, 0)).toBe(4096);
    expect(buffer).toEqual(pattern(4096));
    expect(pool.region.address % 4096).toBe(0);
    const away = transferAway(pool.region.buffer);
    if (away !== undefined) expect(new Uint8Array(away.moved, 0, 4096)).toEqual(pattern(4096));
  });
});

describe("a limit on locked memory", () => {
  test("is told of where it applies: registering is refused with the reason", () => {
    // Root has no such limit: the child gives that up.
    const script = `
      const { BufferPool, Ring } = await import(${JSON.stringify(MOD)});
      const { default: process } = await import("node:process");
      Ring.supported();
      new BufferPool({ size: 1, count: 1 });
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const ring = new Ring({ entries: 2 });
      let answer = "registered";
      try { new BufferPool({ ring, size: 2 ** 20, count: 1 }); } catch ({ code, syscall, message }) { answer = { code, syscall, message }; }
      const unlocked = new BufferPool({ size: 2 ** 20, count: 1 });
      await ring.nop();
      console.log(JSON.stringify(answer));
      process.exit(0);`;
    const answer = JSON.parse(runScript(script, "ulimit -l 64"));
    expect(answer).toMatchObject({ code: "ENOMEM", syscall: "io_uring_register" });
    expect(answer.message).toMatch(/locked in memory.*ulimit -l/);
  });
});
