import { describe, expect, test } from "vitest";
import { BufferPool, Ring, RWF, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

function hasVectored(ring: Ring): boolean {
  if (ring.probe().op("READV_FIXED").supported) return true;
  const buffers = [new Uint8Array(1)];
  expect(thrown(() => ring.readvFixed(0, buffers), UnsupportedError)).toMatchObject({ feature: "READV_FIXED" });
  expect(thrown(() => ring.writevFixed(0, buffers), UnsupportedError)).toMatchObject({ needs: "Linux 6.15" });
  return false;
}

describe("readvFixed() and writevFixed()", () => {
  test("move bytes through parts of a registered buffer, in their order", async () => {
    await using ring = new Ring();
    if (!hasVectored(ring)) return;
    using folder = new TempFolder();
    using pool = new BufferPool({ ring, size: 4096, count: 4 });
    folder.write("file", pattern(300));
    const fd = folder.open("file", "r+");
    const [a, b, c] = [pool.acquire(), pool.acquire(), pool.acquire()];
    const parts = [b.subarray(0, 100), a.subarray(10, 60), c.subarray(0, 100)];
    expect(await ring.readvFixed(fd, parts, 20)).toBe(250);
    expect(parts).toEqual([pattern(100, 20), pattern(50, 120), pattern(100, 170)]);
    expect(a.subarray(0, 10)).toEqual(new Uint8Array(10));
    expect(await ring.writevFixed(fd, [parts[1]!, parts[0]!], 0, { rwFlags: RWF.DSYNC })).toBe(150);
    expect(folder.read("file")).toEqual(
      new Uint8Array([...pattern(50, 120), ...pattern(100, 20), ...pattern(150, 150)]),
    );
    expect(await ring.readvFixed(fd, parts, 400), "at the end").toBe(0);
  });

  test("read from the file's position, and wait for a pipe", async () => {
    await using ring = new Ring();
    if (!hasVectored(ring)) return;
    using pool = new BufferPool({ ring, size: 16, count: 2 });
    using pipe = new Pipe();
    const buffers = [pool.acquire().subarray(0, 4), pool.acquire()];
    const reading = ring.readvFixed(pipe.readEnd, buffers);
    await ring.nop();
    pipe.write("four and more");
    expect(await reading).toBe(13);
    expect(buffers.map((buffer) => new TextDecoder().decode(buffer))).toEqual(["four", " and more\0\0\0\0\0\0\0"]);
    expect(await failure(ring.readvFixed(pipe.readEnd, buffers, undefined, { timeout: 2 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "readv_fixed" });
  });

  test("refuse buffers that are not registered, that lie apart, and too many", async () => {
    await using ring = new Ring();
    if (!hasVectored(ring)) return;
    using pool = new BufferPool({ ring, size: 16, count: 1 });
    using other = new BufferPool({ ring, size: 16, count: 1 });
    const [mine, apart] = [pool.acquire(), other.acquire()];
    const read = (buffers: Uint8Array[], o?: object) => () => ring.readvFixed(0, buffers, 0, o);
    expect(thrown(read([mine, new Uint8Array(4)]), TypeError).message).toMatch(/not registered with this ring/);
    expect(thrown(read([mine, mine, apart]), TypeError).message).toMatch(
      /^buffers\[2\] lies in another registered buffer/,
    );
    expect(thrown(read([]), RangeError).message).toMatch(/^buffers must hold 1 to 1024/);
    expect(thrown(read(new Array(1025).fill(mine)), RangeError).message).toMatch(/not 1025/);
    expect(thrown(read([mine, mine.subarray(0, 0)]), RangeError).message).toMatch(/^buffers\[1\] has length 0/);
    expect(thrown(read([mine], { bufIndex: -1 }), RangeError).message).toMatch(/^bufIndex must be from 0/);
    expect(ring.stats.submitted).toBe(0);
    expect((await failure(read([mine], { bufIndex: 1000 })(), UringError)).code).toMatch(/EFAULT|EBADF/);
  });
});
