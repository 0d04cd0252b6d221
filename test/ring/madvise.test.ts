import { describe, expect, test } from "vitest";
import { BufferPool, MADV, Ring, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern } from "../support/folder.ts";

describe("madvise()", () => {
  test("throws pages of a pool away with DONTNEED, and none beside them", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 8192, count: 3 });
    const buffers = [pool.acquire(), pool.acquire(), pool.acquire()];
    for (const buffer of buffers) buffer.set(pattern(8192));
    expect(await ring.madvise(buffers[1]!, MADV.DONTNEED)).toBe(0);
    expect(await ring.madvise(buffers[2]!.subarray(0, 4096), MADV.DONTNEED)).toBe(0);
    expect(buffers[0]).toEqual(pattern(8192));
    expect(buffers[1]).toEqual(new Uint8Array(8192));
    expect(buffers[2]).toEqual(new Uint8Array([...new Uint8Array(4096), ...pattern(4096, 4096)]));
    buffers[1]!.set(pattern(8192));
    expect(buffers[1], "they can be used again").toEqual(pattern(8192));
  });

  test("takes other advice, which leaves the content alone", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 4096, count: 1 });
    const buffer = pool.acquire();
    buffer.set(pattern(4096));
    for (const advice of [MADV.NORMAL, MADV.RANDOM, MADV.SEQUENTIAL, MADV.WILLNEED, MADV.DONTDUMP, MADV.DODUMP]) {
      expect(await ring.madvise(buffer, advice)).toBe(0);
    }
    expect(buffer).toEqual(pattern(4096));
    expect(await failure(ring.madvise(buffer, MADV.REMOVE), UringError), "no file is below")
      .toMatchObject({ code: "EINVAL", syscall: "madvise" });
  });

  test("refuses memory whose pages belong to others, too", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 8192, count: 1 });
    const buffer = pool.acquire();
    const advise = (bytes: Uint8Array, advice: number = MADV.DONTNEED) => () => ring.madvise(bytes, advice);
    expect(thrown(advise(new Uint8Array(8192)), TypeError).message).toMatch(/^buffer must be a BufferPool's: other/);
    expect(thrown(advise(new Uint8Array(new SharedArrayBuffer(4096))), TypeError).message).toMatch(/BufferPool's/);
    expect(thrown(advise(buffer.subarray(1, 4097)), TypeError).message).toMatch(/^buffer must be whole pages of 4096/);
    expect(thrown(advise(buffer.subarray(0, 4095)), TypeError).message).toMatch(/whole pages/);
    expect(thrown(advise(buffer.subarray(0, 0)), RangeError).message).toMatch(/^buffer has length 0/);
    for (const advice of [100, 101, 102, 26, -1]) {
      expect(thrown(advise(buffer, advice), RangeError).message, "poisons, or makes it crash").toMatch(/^advice/);
    }
    expect(ring.stats.submitted).toBe(0);
  });
});
