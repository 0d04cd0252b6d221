import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, BufferPool, IOSQE, O, Ring, UringError } from "../../mod.ts";
import { decoded, RawStage } from "../raw/stage.ts";
import { type Completion, completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { failure } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { position } from "../support/process_state.ts";

describe("a read at the end of a file", () => {
  test("gives what is there, then 0, and leaves the rest of the buffer alone", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    const SIZE = 10_001;
    folder.write("file", pattern(SIZE));
    const fd = folder.open("file");
    const buffer = new Uint8Array(8192);
    for (const offset of [0, 1, 4096, 8192, SIZE - 8192, SIZE - 1, SIZE, SIZE + 1, 2 ** 40]) {
      buffer.fill(0xee);
      const expected = Math.max(0, Math.min(8192, SIZE - offset));
      expect(stage.result((ring) => ring.prepRead(1, fd, buffer, 8192, offset)), `at ${offset}`).toBe(expected);
      expect(buffer.subarray(0, expected)).toEqual(pattern(expected, offset));
      expect(buffer.subarray(expected).every((byte) => byte === 0xee)).toBe(true);
    }
  });

  test("ends in the middle of a vector, and leaves the vectors behind it alone", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", "twelve bytes");
    const parts = [5, 5, 5, 5].map((length) => new Uint8Array(length).fill(0x2e));
    expect(stage.result((ring) => ring.prepReadv(1, folder.open("file"), parts, 4, 0))).toBe(12);
    expect(parts.map((part) => decoded(part))).toEqual(["twelv", "e byt", "es...", "....."]);
  });

  test("breaks a chain by falling short; exactly as much as was asked for does not", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    const { ring } = stage;
    folder.write("file", pattern(100));
    const fd = folder.open("file");
    const ECANCELED = negative("ECANCELED");
    for (const [length, offset, result] of [[100, 0, 100], [101, 0, 100], [50, 50, 50], [50, 60, 40], [1, 100, 0]]) {
      ring.prepRead(1, fd, new Uint8Array(length!), length!, offset!);
      ring.sqeSetFlags(IOSQE.IO_LINK);
      ring.prepNop(2);
      expect(resultsOf(stage.finals(1, 2))).toEqual({ 1: result, 2: result === length ? 0 : ECANCELED });
    }
  });

  test.skipIf(!hasOp("FTRUNCATE"))(
    "of a file that shrinks and grows meanwhile gives what is there when the kernel looks",
    async () => {
      await using ring = new Ring();
      using folder = new TempFolder();
      folder.write("file", pattern(5000));
      const fd = folder.open("file", "r+");
      const buffer = new Uint8Array(6000);
      const [, short] = await Promise.all(ring.link((ring) => [ring.ftruncate(fd, 1234), ring.read(fd, buffer, 0)]));
      expect(short).toBe(1234);
      const [, grown] = await Promise.all(ring.link((ring) => [ring.ftruncate(fd, 4000), ring.read(fd, buffer, 0)]));
      expect(grown).toBe(4000);
      expect(buffer.subarray(1234, 4000).every((byte) => byte === 0), "a hole").toBe(true);
    },
  );
});

describe("a read that gives less, though it is not the end,", () => {
  test("is what a pipe does: it takes what there is", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const buffer = new Uint8Array(64);
    stage.ring.prepRead(1, pipe.readEnd, buffer, 64, -1);
    stage.ring.submit();
    expect(completions(stage.ring)).toEqual([]);
    pipe.write("abc");
    expect(stage.finals(1)).toMatchObject([{ res: 3 }]);
    pipe.write("defghi");
    expect(stage.result((ring) => ring.prepRead(1, pipe.readEnd, buffer, 2, -1))).toBe(2);
    expect(stage.result((ring) => ring.prepRead(1, pipe.readEnd, buffer, 64, -1))).toBe(4);
    expect(decoded(buffer, 4)).toBe("fghi");
    pipe.closeWriteEnd();
    expect(stage.result((ring) => ring.prepRead(1, pipe.readEnd, buffer, 64, -1)), "the end").toBe(0);
  });

  test("is what /proc does: reading on to the 0 gives all of it", async () => {
    await using ring = new Ring();
    const fd = await ring.openat(AT.FDCWD, "/proc/self/smaps", O.RDONLY);
    const buffer = new Uint8Array(1 << 20);
    let length = 0;
    let reads = 0;
    while (true) {
      const bytes = await ring.read(fd, buffer.subarray(length), length);
      if (bytes === 0) break;
      length += bytes;
      reads++;
      if (length === buffer.length) break;
    }
    await ring.closeFd(fd);
    expect(reads).toBeGreaterThan(1);
    const text = decoded(buffer, length);
    expect(text).toMatch(/^[0-9a-f]+-[0-9a-f]+ /);
    expect(text.length).toBeGreaterThan(4096);
    expect(readFileSync("/proc/self/maps", "utf8")).toContain(text.slice(0, 12).split("-")[0]);
  });

  test("of two that wait on one pipe each takes a part, and none takes the same", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const buffers = [new Uint8Array(4), new Uint8Array(4), new Uint8Array(4)];
    buffers.forEach((buffer, i) => stage.ring.prepRead(i, pipe.readEnd, buffer, 4, -1));
    stage.ring.submit();
    pipe.write("aaaabbbbcc");
    const results = resultsOf(stage.finals(0, 1, 2));
    expect(Object.values(results).sort()).toEqual([2, 4, 4]);
    expect(buffers.map((buffer, i) => decoded(buffer, results[i])).sort()).toEqual(["aaaa", "bbbb", "cc"]);
  });
});

describe("a read that is interrupted", () => {
  test("in a worker took nothing: what comes later is there for the next", () => {
    using stage = new RawStage();
    using pipe = new Pipe();
    const buffer = new Uint8Array(8);
    for (let i = 0; i < 50; i++) {
      stage.ring.prepRead(1, pipe.readEnd, buffer, 8, -1);
      stage.ring.sqeSetFlags(IOSQE.ASYNC);
      stage.ring.submit();
      const visited: Completion[] = [];
      // A worker that is told to stop (EALREADY) may leave the read to a poll just then: it must be told again.
      while (!visited.some(({ userData }) => userData === 1)) {
        stage.ring.prepCancel(2, 1, 0);
        visited.push(...stage.finals(2));
        stage.ring.submitAndWait(0);
        visited.push(...completions(stage.ring));
      }
      expect([negative("ECANCELED"), negative("EINTR")]).toContain(resultsOf(visited)[1]);
    }
    pipe.write("later");
    expect(stage.result((ring) => ring.prepRead(3, pipe.readEnd, buffer, 8, -1))).toBe(5);
  });

  test("as data comes takes all of it, or leaves all of it", async () => {
    await using ring = new Ring();
    for (let i = 0; i < 100; i++) {
      using pipe = new Pipe();
      const flags = i % 2 === 0 ? IOSQE.ASYNC : 0;
      const controller = new AbortController();
      const buffer = new Uint8Array(8);
      const read = ring.read(pipe.readEnd, buffer, "current", { signal: controller.signal, flags })
        .catch((error: unknown) => error);
      await ring.nop();
      pipe.write("12345");
      controller.abort("enough");
      const outcome = await read;
      const left = pipe.read();
      if (outcome === 5) expect([decoded(buffer, 5), left]).toEqual(["12345", ""]);
      else expect([outcome, left]).toEqual(["enough", "12345"]);
    }
  });
});

describe("a read with O_DIRECT", () => {
  const BLOCK = 4096;
  const SIZE = 2 * BLOCK + 100;

  test("falls short at the end of the file, and is refused at an offset within a block", async ({ skip }) => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 4 * BLOCK, count: 1 });
    const path = folder.write("file", pattern(SIZE));
    const fd = await ring.openat(AT.FDCWD, path, O.RDONLY | O.DIRECT).catch((error: UringError) => error.code);
    if (typeof fd === "string") return skip(`this file system has no O_DIRECT: ${fd}`);
    const buffer = pool.acquire();
    for (
      const [offset, length, expected] of [
        [0, 4 * BLOCK, SIZE],
        [0, 2 * BLOCK, 2 * BLOCK],
        [BLOCK, 2 * BLOCK, BLOCK + 100],
        [2 * BLOCK, BLOCK, 100],
        [3 * BLOCK, BLOCK, 0],
        [1000 * BLOCK, BLOCK, 0],
      ] as const
    ) {
      buffer.fill(0xee);
      expect(await ring.read(fd, buffer.subarray(0, length), offset), `${offset}`).toBe(expected);
      expect(buffer.subarray(0, expected)).toEqual(pattern(expected, offset));
    }
    const odd = await ring.read(fd, buffer.subarray(0, BLOCK), 100).catch((error: UringError) => error.code);
    expect(["EINVAL", BLOCK], "some file systems don't mind").toContain(odd);
    await ring.closeFd(fd);
  });
});

describe("a read at the current position", () => {
  test("moves it by what it gave, and not at all at the end or when it fails", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", pattern(100));
    const fd = folder.open("file");
    const buffer = new Uint8Array(64);
    expect([await ring.read(fd, buffer), position(fd)]).toEqual([64, 64]);
    expect([await ring.read(fd, buffer), position(fd)]).toEqual([36, 100]);
    expect([await ring.read(fd, buffer), position(fd)]).toEqual([0, 100]);
    const closed = await failure(ring.write(fd, buffer), UringError);
    expect([closed.code, position(fd)]).toEqual(["EBADF", 100]);
  });
});
