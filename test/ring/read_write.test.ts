import { constants, readSync, statSync, writeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, BufferPool, O, Ring, RWF, UringError } from "../../mod.ts";
import { failure, failures } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { position } from "../support/process_state.ts";

const SIZE = 10_000;
/** A flag that no kernel has given a meaning to. */
const RWF_UNKNOWN = 0x4000_0000;
const IOPRIO_BEST_EFFORT_4 = 2 << 13 | 4;
const IOPRIO_NO_CLASS = 7 << 13;

function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

describe("read()", () => {
  test("fills the buffer with what stands at the offset", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    for (const offset of [0, 1, 4095, 4096, SIZE - 100, 0n, 4097n]) {
      const buffer = new Uint8Array(100);
      expect(await ring.read(fd, buffer, offset)).toBe(100);
      expect(buffer).toEqual(pattern(100, Number(offset)));
    }
    expect(position(fd), "an offset leaves the position").toBe(0);
  });

  test("gives fewer bytes at the end of the file, and 0 beyond it", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    const buffer = new Uint8Array(100).fill(0xee);
    expect(await ring.read(fd, buffer, SIZE - 30)).toBe(30);
    expect(buffer.subarray(0, 30)).toEqual(pattern(30, SIZE - 30));
    expect(buffer.subarray(30).every((byte) => byte === 0xee), "the rest of the buffer is untouched").toBe(true);
    expect(await ring.read(fd, buffer, SIZE)).toBe(0);
    expect(await ring.read(fd, buffer, 2 ** 52)).toBe(0);
  });

  test.each([["left out", undefined], ["current", "current"]] as const)(
    "moves the file's position when the offset is %s",
    async (_, offset) => {
      await using ring = new Ring();
      using folder = new TempFolder();
      folder.write("data", pattern(SIZE));
      const fd = folder.open("data");
      const buffer = new Uint8Array(6000);
      expect(await ring.read(fd, buffer, offset)).toBe(6000);
      expect(position(fd)).toBe(6000);
      expect(await ring.read(fd, buffer, offset)).toBe(4000);
      expect(buffer.subarray(0, 4000)).toEqual(pattern(4000, 6000));
      expect(await ring.read(fd, buffer, offset)).toBe(0);
      expect(position(fd)).toBe(SIZE);
    },
  );

  test("takes every kind of view and of buffer, and writes to its bytes alone", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    const whole = new ArrayBuffer(256);
    const shared = new SharedArrayBuffer(256);
    const views = [
      new Uint8Array(whole, 64, 128),
      new DataView(whole, 64, 128),
      new Float64Array(whole, 64, 16),
      new BigInt64Array(whole, 64, 16),
      Buffer.from(whole, 64, 128),
      new Uint8Array(whole).subarray(60).subarray(4, 132),
      new Uint8Array(shared, 64, 128),
    ];
    for (const [index, view] of views.entries()) {
      const bytes = new Uint8Array(view.buffer).fill(0xee);
      expect(await ring.read(fd, view, index)).toBe(128);
      expect(bytes.slice(64, 192)).toEqual(pattern(128, index));
      expect([...bytes.subarray(0, 64), ...bytes.subarray(192)].every((byte) => byte === 0xee)).toBe(true);
    }
    expect(await ring.read(fd, whole, 7)).toBe(256);
    expect(new Uint8Array(whole)).toEqual(pattern(256, 7));
    expect(await ring.read(fd, shared, 9)).toBe(256);
    expect(new Uint8Array(shared).slice()).toEqual(pattern(256, 9));
  });

  test("takes offsets beyond 2^32, as numbers and as bigints", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("sparse", "w+");
    for (const offset of [2 ** 32 - 2, 2 ** 32 + 5, 2 ** 40 + 1]) {
      const content = text(`at ${offset}`);
      writeSync(fd, content, 0, content.length, offset);
      for (const given of [offset, BigInt(offset)]) {
        const buffer = new Uint8Array(32);
        const expected = `at ${offset}`;
        expect(await ring.read(fd, buffer.subarray(0, expected.length), given)).toBe(expected.length);
        expect(new TextDecoder().decode(buffer.subarray(0, expected.length))).toBe(expected);
      }
    }
  });

  test("reads several mebibytes at once", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const size = 3 * 2 ** 20 + 17;
    folder.write("large", pattern(size));
    const buffer = new Uint8Array(size + 100);
    expect(await ring.read(folder.open("large"), buffer, 0)).toBe(size);
    expect(Buffer.compare(buffer.subarray(0, size), pattern(size))).toBe(0);
  });

  test("waits for a pipe, and takes what there is", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffer = new Uint8Array(100);
    const read = ring.read(pipe.readEnd, buffer);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(1);
    pipe.write("hello");
    expect(await read).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("hello");
    pipe.closeWriteEnd();
    expect(await ring.read(pipe.readEnd, buffer), "at its end").toBe(0);
  });

  test("keeps many reads in flight at once, each with its own buffer", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    const buffers = Array.from({ length: 1000 }, (_, i) => new Uint8Array(1 + i % 97));
    const results = await Promise.all(buffers.map((buffer, i) => ring.read(fd, buffer, i * 7)));
    expect(results).toEqual(buffers.map(({ length }) => length));
    expect(buffers.every((buffer, i) => Buffer.compare(buffer, pattern(buffer.length, i * 7)) === 0)).toBe(true);
  });

  test("rejects when the fd is write-only", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w");
    const error = await failure(ring.read(fd, new Uint8Array(1), 0), UringError);
    expect(error).toMatchObject({ code: "EBADF", errno: -9, syscall: "read", fd });
    expect(error.message).toMatch(`fd ${fd} is not open, or not for reading`);
  });

  test("rejects for a directory, and with an offset for a pipe", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    const fd = folder.open(".");
    expect(await failure(ring.read(fd, new Uint8Array(1), 0), UringError)).toMatchObject({ code: "EISDIR", fd });
    pipe.write("x");
    // The kernel ignores the offset of a stream.
    expect(await ring.read(pipe.readEnd, new Uint8Array(1), 0)).toBe(1);
  });

  test("takes rwFlags: NOWAIT refuses to wait", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const error = await failure(
      ring.read(pipe.readEnd, new Uint8Array(4), undefined, { rwFlags: RWF.NOWAIT }),
      UringError,
    );
    expect(["EAGAIN", "EOPNOTSUPP"], "EOPNOTSUPP where pipes can't do without waiting").toContain(error.code);
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const buffer = new Uint8Array(16);
    const answer = await ring.read(folder.open("data"), buffer, 5, { rwFlags: RWF.NOWAIT }).catch((error) => error);
    if (answer instanceof UringError) return expect(answer.code, "a file system without NOWAIT").toBe("EOPNOTSUPP");
    expect(answer).toBe(16);
    expect(buffer).toEqual(pattern(16, 5));
  });

  test("hands rwFlags that the kernel does not know to the kernel, which refuses them", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data", "r+");
    const o = { rwFlags: RWF_UNKNOWN };
    const errors = await failures([
      ring.read(fd, new Uint8Array(4), 0, o),
      ring.write(fd, new Uint8Array(4), 0, o),
      ring.readv(fd, [new Uint8Array(4)], 0, o),
      ring.writev(fd, [new Uint8Array(4)], 0, o),
    ], UringError);
    for (const error of errors) expect(error).toMatchObject({ code: "EOPNOTSUPP", fd });
    expect(folder.read("data")).toEqual(pattern(SIZE));
  });

  test("takes an ioprio; the kernel refuses one without a class of its own", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data", "r+");
    const buffer = new Uint8Array(4);
    expect(await ring.read(fd, buffer, 0, { ioprio: IOPRIO_BEST_EFFORT_4 })).toBe(4);
    expect(await ring.writev(fd, [buffer], 0, { ioprio: IOPRIO_BEST_EFFORT_4 })).toBe(4);
    expect(await failure(ring.read(fd, buffer, 0, { ioprio: IOPRIO_NO_CLASS }), UringError))
      .toMatchObject({ code: "EINVAL" });
    expect(await failure(ring.writev(fd, [buffer], 0, { ioprio: IOPRIO_NO_CLASS }), UringError))
      .toMatchObject({ code: "EINVAL" });
  });

  test("rejects for a personality that was never registered", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(SIZE));
    const fd = folder.open("data");
    expect(await failure(ring.read(fd, new Uint8Array(4), 0, { personality: 7 }), UringError))
      .toMatchObject({ code: "EINVAL", syscall: "read" });
    expect(await ring.read(fd, new Uint8Array(4), 0, { personality: 0 })).toBe(4);
  });
});

describe("write()", () => {
  test("writes the buffer's bytes at the offset", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", new Uint8Array(300));
    const fd = folder.open("data", "r+");
    const whole = pattern(256);
    expect(await ring.write(fd, whole.subarray(10, 20), 0)).toBe(10);
    expect(await ring.write(fd, new DataView(whole.buffer, 100, 50), 100n)).toBe(50);
    expect(await ring.write(fd, whole.buffer.slice(250), 294)).toBe(6);
    const expected = new Uint8Array(300);
    expected.set(whole.subarray(10, 20), 0);
    expected.set(whole.subarray(100, 150), 100);
    expected.set(whole.subarray(250), 294);
    expect(folder.read("data")).toEqual(expected);
    expect(position(fd), "an offset leaves the position").toBe(0);
  });

  test.each([["left out", undefined], ["current", "current"]] as const)(
    "moves the file's position when the offset is %s",
    async (_, offset) => {
      await using ring = new Ring();
      using folder = new TempFolder();
      const fd = folder.open("data", "w");
      expect(await ring.write(fd, text("first "), offset)).toBe(6);
      expect(await ring.write(fd, text("second"), offset)).toBe(6);
      expect(position(fd)).toBe(12);
      expect(folder.text("data")).toBe("first second");
    },
  );

  test("writes beyond 2^32, as number and as bigint, and leaves a hole", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("sparse", "w+");
    expect(await ring.write(fd, text("number"), 2 ** 33 + 3)).toBe(6);
    expect(await ring.write(fd, text("bigint"), 2n ** 40n + 3n)).toBe(6);
    const buffer = new Uint8Array(6);
    readSync(fd, buffer, 0, 6, 2 ** 33 + 3);
    expect(new TextDecoder().decode(buffer)).toBe("number");
    readSync(fd, buffer, 0, 6, 2 ** 40 + 3);
    expect(new TextDecoder().decode(buffer)).toBe("bigint");
    expect(statSync(folder.at("sparse")).size).toBe(2 ** 40 + 9);
  });

  test("appends to a file opened with O_APPEND, whatever the offset", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("log", "one ");
    const fd = folder.open("log", "a");
    expect(await ring.write(fd, text("two"), 0)).toBe(3);
    expect(folder.text("log")).toBe("one two");
  });

  test("appends with RWF_APPEND to a file opened without O_APPEND", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("log", "one ");
    const fd = folder.open("log", "r+");
    expect(await ring.write(fd, text("two "), 0, { rwFlags: RWF.APPEND })).toBe(4);
    expect(await ring.writev(fd, [text("three"), text(" four")], 0, { rwFlags: RWF.APPEND })).toBe(10);
    expect(folder.text("log")).toBe("one two three four");
  });

  test("takes RWF_DSYNC and RWF_SYNC", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("log", "w");
    expect(await ring.write(fd, text("durable"), 0, { rwFlags: RWF.DSYNC })).toBe(7);
    expect(await ring.writev(fd, [text(" too")], 7, { rwFlags: RWF.SYNC })).toBe(4);
    expect(folder.text("log")).toBe("durable too");
  });

  test("rejects when the fd is read-only", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "as it was");
    const fd = folder.open("data");
    const error = await failure(ring.write(fd, text("x"), 0), UringError);
    expect(error).toMatchObject({ code: "EBADF", syscall: "write", fd });
    expect(error.message).toMatch(`fd ${fd} is not open, or not for writing`);
    expect(folder.text("data")).toBe("as it was");
  });

  test("rejects with EPIPE when nobody reads the pipe any more, and raises no signal", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    pipe.closeReadEnd();
    expect(await failure(ring.write(pipe.writeEnd, text("x")), UringError)).toMatchObject({ code: "EPIPE" });
  });

  test("rejects where the offset and length together pass 2^63", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w+");
    const last = 2n ** 63n - 1n;
    for (
      const { code } of await failures([ring.read(fd, text("xx"), last), ring.write(fd, text("xx"), last)], UringError)
    ) {
      expect(["EINVAL", "EFBIG", "EOVERFLOW"]).toContain(code);
    }
  });
});

describe("readv() and writev()", () => {
  test("scatter and gather in order, by whole views only", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w+");
    const source = pattern(1000);
    const pieces = [source.subarray(0, 1), source.subarray(1, 700), new DataView(source.buffer, 700, 300)];
    expect(await ring.writev(fd, pieces, 5)).toBe(1000);
    expect(folder.read("data").subarray(5)).toEqual(source);
    const whole = new Uint8Array(2000).fill(0xee);
    const targets = [whole.subarray(10, 20), whole.buffer.slice(0), whole.subarray(1000, 1600)] as const;
    expect(await ring.readv(fd, [targets[0], targets[2]], 5n)).toBe(610);
    expect(whole.slice(10, 20)).toEqual(pattern(10));
    expect(whole.slice(1000, 1600)).toEqual(pattern(600, 10));
    expect([...whole.slice(0, 10), ...whole.slice(20, 1000), ...whole.slice(1600)].every((byte) => byte === 0xee))
      .toBe(true);
    expect(position(fd)).toBe(0);
  });

  test("stop where the file does, in the middle of a buffer", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(100));
    const buffers = [new Uint8Array(60), new Uint8Array(60).fill(0xee), new Uint8Array(60).fill(0xee)];
    expect(await ring.readv(folder.open("data"), buffers, 0)).toBe(100);
    expect(buffers[1]!.subarray(0, 40)).toEqual(pattern(40, 60));
    expect(buffers[1]!.subarray(40).every((byte) => byte === 0xee)).toBe(true);
    expect(buffers[2]!.every((byte) => byte === 0xee)).toBe(true);
  });

  test("move the position when no offset is given", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w+");
    expect(await ring.writev(fd, [text("ab"), text("cd")])).toBe(4);
    expect(await ring.writev(fd, [text("ef")], "current")).toBe(2);
    expect(position(fd)).toBe(6);
    expect(await ring.readv(fd, [new Uint8Array(3)], 0)).toBe(3);
    expect(position(fd)).toBe(6);
    expect(await ring.readv(fd, [new Uint8Array(3)], "current")).toBe(0);
    expect(folder.text("data")).toBe("abcdef");
  });

  test("take 1024 buffers", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w+");
    const source = pattern(3 * 1024);
    const pieces = Array.from({ length: 1024 }, (_, i) => source.subarray(i * 3, i * 3 + 3));
    expect(await ring.writev(fd, pieces, 0)).toBe(3 * 1024);
    const back = new Uint8Array(3 * 1024);
    expect(await ring.readv(fd, pieces.map((_, i) => back.subarray(i * 3, i * 3 + 3)), 0)).toBe(3 * 1024);
    expect(back).toEqual(source);
  });

  test("take the same options as read() and write()", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("data", pattern(100));
    const fd = folder.open("data");
    const buffer = new Uint8Array(10);
    const answer = await ring.readv(fd, [buffer], 1, { rwFlags: RWF.NOWAIT, timeout: 60_000 }).catch((error) => error);
    if (answer instanceof UringError) expect(answer.code, "a file system without NOWAIT").toBe("EOPNOTSUPP");
    else expect([answer, buffer]).toEqual([10, pattern(10, 1)]);
    expect(await failure(ring.readv(pipe.readEnd, [buffer], undefined, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "readv" });
  });

  test("reject as read() and write() do, under their own names", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("data", "w");
    expect(await failure(ring.readv(fd, [new Uint8Array(1)], 0), UringError))
      .toMatchObject({ code: "EBADF", syscall: "readv", fd });
    expect(await failure(ring.writev(-1, [new Uint8Array(1)], 0), UringError))
      .toMatchObject({ code: "EBADF", syscall: "writev", fd: -1 });
  });
});

describe("O_DIRECT", () => {
  /** False where the file system can't: then opening says so. */
  async function openDirect(ring: Ring, folder: TempFolder): Promise<number | undefined> {
    const flags = O.RDWR | O.CREAT | constants.O_DIRECT;
    try {
      return await ring.openat(AT.FDCWD, folder.at("direct"), flags, 0o600);
    } catch (error) {
      expect(error).toMatchObject({ code: "EINVAL", syscall: "openat", path: folder.at("direct") });
      return undefined;
    }
  }

  test("reads and writes through a pool's buffers", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 8192, count: 2 });
    const fd = await openDirect(ring, folder);
    if (fd === undefined) return;
    const [source, target] = [pool.acquire(), pool.acquire()];
    source.set(pattern(8192));
    expect(await ring.write(fd, source, 4096)).toBe(8192);
    expect(await ring.read(fd, target, 4096)).toBe(8192);
    expect(target).toEqual(pattern(8192));
    expect(await ring.readv(fd, [target.subarray(0, 4096)], 8192)).toBe(4096);
    expect(target.subarray(0, 4096)).toEqual(pattern(4096, 4096));
    expect(await ring.read(fd, target, 8192), "up to the end").toBe(4096);
    await ring.closeFd(fd);
  });

  test("explains what must be aligned", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 8192, count: 1 });
    const fd = await openDirect(ring, folder);
    if (fd === undefined) return;
    const buffer = pool.acquire();
    await ring.write(fd, buffer, 0);
    for (const [bytes, offset] of [[buffer.subarray(0, 100), 0], [buffer.subarray(0, 4096), 3]] as const) {
      const error = await ring.read(fd, bytes, offset).catch((error: UringError) => error);
      if (typeof error === "number") continue; // newer kernels do without
      expect(error.code).toBe("EINVAL");
      expect(error.message).toMatch(/O_DIRECT.*address, length and offset.*BufferPool/);
    }
    await ring.closeFd(fd);
  });
});
