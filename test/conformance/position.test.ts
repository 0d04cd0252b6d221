import { readSync, writeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, IOSQE, O, Ring, UringError } from "../../mod.ts";
import { decoded, RawStage, text } from "../raw/stage.ts";
import { resultsOf } from "../support/completions.ts";
import { failure } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { position } from "../support/process_state.ts";
import { Net } from "../support/sockaddr.ts";

describe("offset -1", () => {
  test("reads and writes where the file stands, and moves it, for number and bigint", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", "0123456789");
    const fd = folder.open("file", "r+");
    const buffer = new Uint8Array(3);
    expect(stage.result((ring) => ring.prepRead(1, fd, buffer, 3, -1))).toBe(3);
    expect([decoded(buffer), position(fd)]).toEqual(["012", 3]);
    expect(stage.result((ring) => ring.prepWrite(1, fd, text("ab"), 2, -1n))).toBe(2);
    expect([folder.text("file"), position(fd)]).toEqual(["012ab56789", 5]);
    expect(stage.result((ring) => ring.prepReadv(1, fd, [buffer.subarray(0, 1), buffer.subarray(1)], 2, -1))).toBe(3);
    expect([decoded(buffer), position(fd)]).toEqual(["567", 8]);
    expect(stage.result((ring) => ring.prepWritev(1, fd, [text("x"), text("yz!")], 2, 2n ** 64n - 1n))).toBe(4);
    expect([folder.text("file"), position(fd)]).toEqual(["012ab567xyz!", 12]);
  });

  test("is one position with that of the system calls", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", pattern(1000));
    const fd = folder.open("file", "r+");
    const buffer = new Uint8Array(10);
    for (let at = 0; at < 1000; at += 20) {
      expect(await ring.read(fd, buffer)).toBe(10);
      expect(buffer).toEqual(pattern(10, at));
      readSync(fd, buffer);
      expect(buffer).toEqual(pattern(10, at + 10));
    }
    expect(await ring.write(fd, text("by the ring, "))).toBe(13);
    writeSync(fd, "by a call");
    expect(decoded(folder.read("file").slice(1000))).toBe("by the ring, by a call");
  });

  test("is not touched by operations with an offset of their own", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", pattern(100));
    const fd = folder.open("file", "r+");
    await ring.read(fd, new Uint8Array(10));
    await ring.read(fd, new Uint8Array(10), 50);
    await ring.write(fd, new Uint8Array(10), 70);
    await ring.readv(fd, [new Uint8Array(10)], 0);
    expect(position(fd)).toBe(10);
  });

  test("in a chain: each begins where the one before ended, by workers, too", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    for (const flags of [0, IOSQE.ASYNC]) {
      folder.write("file", pattern(100));
      const fd = folder.open("file", "r+");
      const buffers = Array.from({ length: 10 }, () => new Uint8Array(10));
      const reads = ring.link((ring) => buffers.map((buffer) => ring.read(fd, buffer, "current", { flags })));
      expect(await Promise.all(reads)).toEqual(new Array(10).fill(10));
      buffers.forEach((buffer, i) => expect(buffer).toEqual(pattern(10, 10 * i)));
      expect(position(fd)).toBe(100);
    }
  });

  test("of two descriptors of one open file is the same, of two opens it is not", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "abcdef");
    const [one, other] = [folder.open("file"), folder.open("file")];
    const buffer = new Uint8Array(2);
    await ring.read(one, buffer);
    await ring.read(other, buffer);
    expect([decoded(buffer), position(one), position(other)]).toEqual(["ab", 2, 2]);
    // Under /proc a file is opened anew, with a position of its own.
    const third = await ring.openat(AT.FDCWD, `/proc/self/fd/${one}`, O.RDONLY);
    await ring.read(third, buffer);
    expect([decoded(buffer), path.length > 0]).toEqual(["ab", true]);
    await ring.closeFd(third);
  });

  test.skipIf(!hasOp("SOCKET"))("stays at 0 on what has no position: pipes and sockets", async () => {
    await using net = new Net();
    const { ring } = net;
    using stage = new RawStage();
    using pipe = new Pipe();
    const [client, server] = await net.pair("unix");
    const buffer = new Uint8Array(4);
    for (const offset of [-1, 0]) {
      pipe.write("pipe");
      expect(stage.result((raw) => raw.prepRead(1, pipe.readEnd, buffer, 4, offset))).toBe(4);
      expect(decoded(buffer)).toBe("pipe");
      expect(stage.result((raw) => raw.prepWrite(1, client, text("sock"), 4, offset))).toBe(4);
      expect(stage.result((raw) => raw.prepRead(1, server, buffer, 4, offset))).toBe(4);
      expect(decoded(buffer)).toBe("sock");
    }
    expect(await ring.write(client, text("ring"))).toBe(4);
    expect(await ring.read(server, buffer)).toBe(4);
    expect([position(pipe.readEnd), position(client)]).toEqual([0, 0]);
  });

  test("of a directory, and of what is write-only, fails and moves nothing", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "abc");
    const fd = folder.open("file", "a");
    expect((await failure(ring.read(fd, new Uint8Array(2)), UringError)).code).toBe("EBADF");
    expect(position(fd)).toBe(0);
    const directory = await ring.openat(AT.FDCWD, folder.path, O.RDONLY);
    expect((await failure(ring.read(directory, new Uint8Array(2)), UringError)).code).toBe("EISDIR");
    await ring.closeFd(directory);
  });
});

describe("a file opened to append", () => {
  test("is written at its end whatever the offset; its position is there afterwards only without one", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", "start");
    const fd = folder.open("file", "a+");
    expect(stage.result((ring) => ring.prepWrite(1, fd, text(" one"), 4, 0))).toBe(4);
    expect(position(fd)).toBe(0);
    expect(stage.result((ring) => ring.prepWrite(1, fd, text(" two"), 4, -1))).toBe(4);
    expect([folder.text("file"), position(fd)]).toEqual(["start one two", 13]);
    const buffer = new Uint8Array(5);
    expect(stage.result((ring) => ring.prepRead(1, fd, buffer, 5, 0))).toBe(5);
    expect([decoded(buffer), position(fd)]).toEqual(["start", 13]);
  });

  test("takes many writes at once, each whole and each once", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    const fd = folder.open("file", "a");
    const lines = Array.from({ length: 500 }, (_, i) => `line ${i} ${"x".repeat(i % 50)}\n`);
    const writes = lines.map((line, i) =>
      ring.write(fd, text(line), i % 2 === 0 ? "current" : 0, { flags: i % 5 === 0 ? IOSQE.ASYNC : 0 })
    );
    expect(await Promise.all(writes)).toEqual(lines.map(({ length }) => length));
    const written = folder.text("file").split("\n").slice(0, -1).map((line) => `${line}\n`);
    expect(written.sort()).toEqual([...lines].sort());
  });
});

describe("several operations at the current position at once", () => {
  test("that need not wait are done in the order in which they were queued", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    folder.write("file", pattern(32 * 7));
    const fd = folder.open("file");
    const buffers = Array.from({ length: 32 }, () => new Uint8Array(7));
    // The first touch brings the file into the cache.
    stage.result((ring) => ring.prepRead(1, fd, new Uint8Array(7), 7, 0));
    buffers.forEach((buffer, i) => expect(stage.ring.prepRead(i, fd, buffer, 7, -1)).toBe(true));
    const results = resultsOf(stage.finals(...buffers.keys()));
    expect(Object.values(results)).toEqual(new Array(32).fill(7));
    buffers.forEach((buffer, i) => expect(buffer).toEqual(pattern(7, 7 * i)));
    expect(position(fd)).toBe(32 * 7);
  });
});
