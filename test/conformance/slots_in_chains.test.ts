import { describe, expect, test } from "vitest";
import { AT, FileTable, IORING_REGISTER, IOSQE, O, POLL, Ring, UringError } from "../../mod.ts";
import type { RawRing } from "../../src/ring/raw.ts";
import { decoded, RawStage } from "../raw/stage.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { failure, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, hasCancelFlags } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";

const { IO_LINK, FIXED_FILE } = IOSQE;
const EBADF = negative("EBADF");
const ECANCELED = negative("ECANCELED");

/** A ring with a table of empty slots. */
function staged(slots: number): RawStage {
  const stage = new RawStage();
  expect(stage.ring.register(IORING_REGISTER.FILES, new Int32Array(slots).fill(-1), slots)).toBe(0);
  return stage;
}

/** Prepares a read from a slot. */
function readSlot(ring: RawRing, userData: number, slot: number, buffer: Uint8Array, flags = 0): void {
  expect(ring.prepRead(userData, slot, buffer, buffer.length, 0)).toBe(true);
  ring.sqeSetFlags(FIXED_FILE | flags);
}

function linked(ring: RawRing): void {
  ring.sqeSetFlags(IO_LINK);
}

describe.skipIf(!chainsEndAtBadFiles)("a chain", () => {
  test("opens into a slot, reads from it and empties it, in one go; and again, a hundred times", () => {
    using stage = staged(1);
    using folder = new TempFolder();
    const { ring } = stage;
    for (let i = 0; i < 100; i++) {
      const path = folder.write(`file ${i}`, `content ${i}`);
      const buffer = new Uint8Array(16);
      ring.prepOpenDirect(1, path, O.RDONLY, 0, 0);
      linked(ring);
      readSlot(ring, 2, 0, buffer.subarray(0, `content ${i}`.length), IO_LINK);
      ring.prepCloseDirect(3, 0);
      expect(ring.submit()).toBe(3);
      expect(resultsOf(stage.finals(1, 2, 3))).toEqual({ 1: 0, 2: `content ${i}`.length, 3: 0 });
      expect(decoded(buffer, `content ${i}`.length)).toBe(`content ${i}`);
      expect(stage.result((ring) => ring.prepCloseDirect(4, 0)), "it is empty").toBe(EBADF);
    }
  });

  test("whose slot gets another file on the way reads from whichever is there at that step", () => {
    using stage = staged(2);
    using folder = new TempFolder();
    const { ring } = stage;
    const [one, other] = ["one", "two"].map((content) => folder.write(content, content));
    const buffers = [new Uint8Array(3), new Uint8Array(3), new Uint8Array(3)];
    ring.prepOpenDirect(1, one!, O.RDONLY, 0, 1);
    linked(ring);
    readSlot(ring, 2, 1, buffers[0]!, IO_LINK);
    ring.prepOpenDirect(3, other!, O.RDONLY, 0, 1);
    linked(ring);
    readSlot(ring, 4, 1, buffers[1]!, IO_LINK);
    const third = folder.write("third", "333");
    const fds = Int32Array.of(folder.open("third"));
    expect(third).toContain("third");
    ring.prepFilesUpdate(5, fds, 1, 1);
    linked(ring);
    readSlot(ring, 6, 1, buffers[2]!);
    expect(resultsOf(stage.finals(1, 2, 3, 4, 5, 6))).toEqual({ 1: 0, 2: 3, 3: 0, 4: 3, 5: 1, 6: 3 });
    expect(buffers.map((buffer) => decoded(buffer))).toEqual(["one", "two", "333"]);
  });

  test("whose open fails runs nothing of the rest, and leaves the slot as it was", () => {
    using stage = staged(1);
    using folder = new TempFolder();
    const { ring } = stage;
    const kept = folder.write("kept", "kept");
    expect(stage.result((ring) => ring.prepOpenDirect(1, kept, O.RDONLY, 0, 0))).toBe(0);
    const buffer = new Uint8Array(4);
    ring.prepOpenDirect(1, folder.at("missing"), O.RDONLY, 0, 0);
    linked(ring);
    readSlot(ring, 2, 0, buffer, IO_LINK);
    ring.prepCloseDirect(3, 0);
    const ENOENT = negative("ENOENT");
    expect(resultsOf(stage.finals(1, 2, 3))).toEqual({ 1: ENOENT, 2: ECANCELED, 3: ECANCELED });
    readSlot(ring, 4, 0, buffer);
    expect(stage.finals(4)).toMatchObject([{ res: 4 }]);
    expect(decoded(buffer)).toBe("kept");
  });

  test("that uses a slot before it fills it finds it empty; what follows is cancelled", () => {
    using stage = staged(1);
    using folder = new TempFolder();
    const { ring } = stage;
    const path = folder.write("file", "content");
    readSlot(ring, 1, 0, new Uint8Array(4), IO_LINK);
    ring.prepOpenDirect(2, path, O.RDONLY, 0, 0);
    expect(resultsOf(stage.finals(1, 2))).toEqual({ 1: EBADF, 2: ECANCELED });
    expect(stage.result((ring) => ring.prepCloseDirect(3, 0))).toBe(EBADF);
  });

  test("closes its slot though a hard link's read before it fell short", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using _files = new FileTable(ring, { size: 1 });
    const path = folder.write("file", "short");
    const buffer = new Uint8Array(100);
    const results = await Promise.all(ring.link((ring) => [
      ring.openat(AT.FDCWD, path, O.RDONLY, 0, { slot: 0 }),
      ring.read(0, buffer, 0, { fixedFile: true }),
      ring.closeDirect(0),
    ], { hard: true }));
    expect(results).toEqual([0, 5, 0]);
    expect((await failure(ring.read(0, buffer, 0, { fixedFile: true }), UringError)).code).toBe("EBADF");
  });
});

describe("a slot that changes while an operation waits on its file", () => {
  test("leaves that operation its file; the next takes the new one", () => {
    using stage = staged(1);
    using old = new Pipe();
    using next = new Pipe();
    const { ring } = stage;
    const update = (fd: number) => stage.result((ring) => ring.prepFilesUpdate(9, Int32Array.of(fd), 1, 0));
    expect(update(old.readEnd)).toBe(1);
    const buffers = [new Uint8Array(8), new Uint8Array(8)];
    ring.prepRead(1, 0, buffers[0]!, 8, -1);
    ring.sqeSetFlags(FIXED_FILE);
    ring.submit();
    expect(update(next.readEnd)).toBe(1);
    ring.prepRead(2, 0, buffers[1]!, 8, -1);
    ring.sqeSetFlags(FIXED_FILE);
    ring.submit();
    expect(completions(ring)).toEqual([]);
    next.write("next");
    expect(stage.completions(1)).toMatchObject([{ userData: 2, res: 4 }]);
    old.write("old");
    expect(stage.completions(1)).toMatchObject([{ userData: 1, res: 3 }]);
    expect(buffers.map((buffer) => decoded(buffer, 4))).toEqual(["old\0", "next"]);
  });

  test("keeps the old file open until then, and lets it go afterwards", async () => {
    await using ring = new Ring();
    using files = new FileTable(ring, { size: 2 });
    using pipe = new Pipe();
    const released: number[] = [];
    files.set(1, pipe.readEnd, { released: (slot) => released.push(slot) });
    const reading = ring.read(1, new Uint8Array(8), "current", { fixedFile: true });
    const outcome = watch(reading);
    await ring.nop();
    pipe.closeReadEnd();
    files.clear(1);
    await ring.timeout(5);
    expect([outcome.state, released.length], "the read holds it").toEqual(["pending", 0]);
    expect(await ring.write(pipe.writeEnd, Uint8Array.of(1, 2, 3))).toBe(3);
    expect(await reading).toBe(3);
    while (released.length === 0) await ring.timeout(1);
    expect(released).toEqual([1]);
    // The file goes a little later than its slot's tag tells.
    expect(await ring.pollAdd(pipe.writeEnd, 0)).toBe(POLL.ERR);
    expect((await failure(ring.write(pipe.writeEnd, Uint8Array.of(1)), UringError)).code, "no reader").toBe("EPIPE");
  });

  test.skipIf(!hasCancelFlags)("is found by a cancellation of what it holds now, not of what it held", () => {
    using stage = staged(1);
    using old = new Pipe();
    using next = new Pipe();
    const { ring } = stage;
    const update = (fd: number) => stage.result((ring) => ring.prepFilesUpdate(9, Int32Array.of(fd), 1, 0));
    expect(update(old.readEnd)).toBe(1);
    ring.prepRead(1, 0, new Uint8Array(8), 8, -1);
    ring.sqeSetFlags(FIXED_FILE);
    ring.submit();
    expect(update(next.readEnd)).toBe(1);
    ring.prepCancelFd(2, 0, /* ALL | FD_FIXED */ 1 | 8);
    const found = stage.finals(2)[0]!.res;
    expect([0, negative("ENOENT")]).toContain(found);
    expect(completions(ring)).toEqual([]);
    ring.prepCancelFd(3, old.readEnd, 1);
    expect(resultsOf(stage.finals(1, 3))).toEqual({ 1: ECANCELED, 3: 1 });
  });

  test("many times over: each read has the file of its moment, and one by a worker that of the worker's", async () => {
    await using ring = new Ring();
    using files = new FileTable(ring, { size: 1 });
    using folder = new TempFolder();
    const fds = Array.from({ length: 10 }, (_, i) => {
      folder.write(`${i}`, `${i}`);
      return folder.open(`${i}`);
    });
    const reads: Promise<void>[] = [];
    for (let i = 0; i < 1000; i++) {
      files.set(0, fds[i % 10]!);
      const byte = new Uint8Array(1);
      const inWorker = i % 3 === 0;
      const read = ring.read(0, byte, 0, { fixedFile: true, flags: inWorker ? IOSQE.ASYNC : 0 });
      ring.submitAndWait(0);
      reads.push(read.then((length) => {
        expect(length).toBe(1);
        if (inWorker) expect(byte[0]! - 48).toBeLessThan(10);
        else expect(byte[0]).toBe(48 + i % 10);
      }));
    }
    await Promise.all(reads);
    expect(ring.stats.inFlight).toBe(0);
  });
});
