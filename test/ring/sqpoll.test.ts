import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AbortError, IOSQE, POLL, Ring, UringError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { results } from "../support/completions.ts";
import { failure } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, hasSyncCancel } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Closing takes a tenth of a second at most; in emulated machines longer. */
const CLOSE_MS = 2000 * TIME_SCALE;

/** The kernel's threads of this process whose names begin so: "iou-sqp" submit, "iou-wrk" work. */
function kernelThreads(name: string): string[] {
  return readdirSync("/proc/self/task").filter((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, "utf8").startsWith(name);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** The submission threads that began since then; those of rings that were closed before may end meanwhile. */
function newSubmitters(before: readonly string[]): string[] {
  return kernelThreads("iou-sqp").filter((id) => !before.includes(id));
}

/** Processors that a thread may run on, as `/proc` lists them. */
function cpusOf(task: string): string {
  return /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/self/task/${task}/status`, "utf8"))![1]!;
}

describe("the kernel's submission thread", () => {
  test("belongs to one ring, and ends with it", async () => {
    const before = kernelThreads("iou-sqp");
    const ring = new Ring({ sqpoll: { idle: 5 } });
    expect(await ring.nop()).toBe(0);
    expect(newSubmitters(before).length).toBe(1);
    await ring.close();
    // The kernel tears a ring down after its descriptor is closed.
    while (newSubmitters(before).length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  test("runs where sqpoll.cpu says", async () => {
    const before = kernelThreads("iou-sqp");
    await using ring = new Ring({ sqpoll: { idle: 5, cpu: 0 } });
    expect(await ring.nop()).toBe(0);
    const [own] = newSubmitters(before);
    expect(cpusOf(own!)).toBe("0");
  });

  test("is shared by rings that are attached, which all go on when one is closed", async () => {
    const before = kernelThreads("iou-sqp");
    const first = new Ring({ sqpoll: { idle: 5 } });
    await using second = new Ring({ sqpoll: { idle: 5 }, attachTo: first });
    await using third = new Ring({ sqpoll: { idle: 5 }, attachTo: first.fd });
    for (const ring of [first, second, third]) expect(await ring.nop()).toBe(0);
    expect(newSubmitters(before).length).toBe(1);
    await first.close();
    const nops = [second, third].flatMap((ring) => Array.from({ length: 50 }, () => ring.nop()));
    expect(await Promise.all(nops)).toEqual(new Array(100).fill(0));
  });

  test.skipIf(!chainsEndAtBadFiles)("takes a chain whole, though the queue is nearly full", async () => {
    await using ring = new Ring({ sqpoll: { idle: 5 }, entries: 4 });
    for (let round = 0; round < 200; round++) {
      const nops = Array.from({ length: round % 4 }, () => ring.nop());
      const chain = ring.link((ring) => [
        ring.nop(),
        failure(ring.read(99_999, new Uint8Array(1), 0), UringError),
        failure(ring.nop(), UringError),
      ]);
      const [, failed, next] = await Promise.all(chain);
      expect([(failed as UringError).code, (next as UringError).code]).toEqual(["EBADF", "ECANCELED"]);
      await Promise.all(nops);
    }
  });
});

describe("what a worker of the submission thread runs, behind what a worker ran before it,", () => {
  test("is cancelled, also behind an operation with IO_DRAIN", async () => {
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    for (const flags of hasSyncCancel ? [0, IOSQE.IO_DRAIN] : [0]) {
      await using ring = new Ring({ sqpoll: { idle: 5 } });
      await ring.nop({ flags });
      const controller = new AbortController();
      const { signal } = controller;
      const [synced, read] = ring.link((ring) => [
        ring.fsync(folder.open("file")),
        ring.read(pipe.readEnd, new Uint8Array(8), "current", { signal }),
      ]);
      expect(await synced).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort("enough");
      await expect(read).rejects.toBe("enough");
    }
  });

  test.each([
    ["close()", (ring: Ring) => ring.close()],
    ["dispose", (ring: Ring) => ring[Symbol.dispose]()],
  ])("is ended by a Ring's %s", async (_, close) => {
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    const ring = new Ring({ sqpoll: { idle: 5 }, closeTimeout: CLOSE_MS });
    const [synced, read] = ring.link((ring) => [
      ring.fsync(folder.open("file")),
      ring.read(pipe.readEnd, new Uint8Array(8)),
    ]);
    const outcome = failure(read!, AbortError);
    await synced;
    await close(ring);
    await outcome;
  });

  test("is ended by a RawRing's close()", () => {
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    const ring = new RawRing({ sqpoll: { idle: 5 }, closeTimeout: CLOSE_MS });
    ring.prepFsync(1, folder.open("file"), 0);
    ring.sqeSetFlags(IOSQE.IO_LINK);
    ring.prepRead(2, pipe.readEnd, new Uint8Array(8), 8, -1);
    expect(results(ring, 1)).toEqual(new Map([[1, 0]]));
    ring.close();
  });
});

describe("a RawRing with sqpoll", () => {
  test("submits through a small queue, in order, and counts what it gave", () => {
    using ring = new RawRing({ sqpoll: { idle: 5 }, entries: 4 });
    let submitted = 0;
    let next = 0;
    const seen: number[] = [];
    while (seen.length < 500) {
      while (next < 500 && ring.prepNop(next)) next++;
      const count = ring.submitAndWait(1);
      expect(count).toBeGreaterThanOrEqual(0);
      submitted += count;
      ring.forEachCqe((userData, res) => {
        expect(res).toBe(0);
        seen.push(userData);
      });
    }
    expect(submitted).toBe(500);
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test("reads files, and waits for what takes time", () => {
    using ring = new RawRing({ sqpoll: { idle: 5 } });
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", pattern(100));
    const buffer = new Uint8Array(100);
    ring.prepRead(1, folder.open("file"), buffer, 100, 0);
    ring.prepTimeout(2, { ms: 5 }, 0, 0);
    expect(Object.fromEntries(results(ring, 2))).toEqual({ 1: 100, 2: -62 });
    expect(buffer).toEqual(pattern(100));
    ring.prepPollAdd(3, pipe.readEnd, POLL.IN);
    expect(ring.submitAndWait(1, 5)).toBe(1);
    pipe.write("x");
    expect(results(ring, 1).get(3)).toBe(POLL.IN);
  });

  test("wakes its thread again and again after it has slept", async () => {
    using ring = new RawRing({ sqpoll: { idle: 1 } });
    for (let i = 0; i < 10; i++) {
      ring.prepNop(i);
      expect([...results(ring, 1)]).toEqual([[i, 0]]);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
});

describe("rings that share workers", () => {
  test("have the same number of them at most", async () => {
    await using first = new Ring();
    await using second = new Ring({ attachTo: first });
    using folder = new TempFolder();
    folder.write("file", pattern(100));
    const fd = folder.open("file");
    const reads = [first, second].flatMap((ring) =>
      Array.from({ length: 40 }, () => ring.read(fd, new Uint8Array(100), 0, { flags: IOSQE.ASYNC }))
    );
    expect(await Promise.all(reads)).toEqual(new Array(80).fill(100));
    // They are the thread's, whichever ring gives them work.
    expect(kernelThreads("iou-wrk").length).toBeGreaterThan(0);
  });
});

test("what finds the queue full is waited for only once it is in it, however slow the thread is", async () => {
  using ring = new RawRing({ entries: 8, sqpoll: { idle: 1 } });
  for (let round = 0; round < 20; round++) {
    await new Promise((resolve) => setTimeout(resolve, 5)); // the thread sleeps
    for (let i = 0; i < 8; i++) ring.prepNop(i);
    expect(ring.submit()).toBe(8);
    for (let i = 8; i < 16; i++) ring.prepNop(i);
    expect(ring.submitAndWait(16)).toBe(8);
    const seen: number[] = [];
    ring.forEachCqe((userData) => seen.push(userData));
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i));
  }
});
