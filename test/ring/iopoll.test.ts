import { describe, expect, test } from "vitest";
import { AT, BufferPool, IORING_SETUP, IOSQE, O, Ring, type RingOptions, UringError } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp, hasSetup } from "../support/kernel.ts";

const BLOCK = 4096;
const BLOCKS = 64;
/** Whether rings with iopoll take NOPs: nothing tells of it, but an op that came with it. */
const hasNops = hasOp("SOCKET");

const WAYS: [string, RingOptions, needs: number][] = [
  ["iopoll", { iopoll: true }, 0],
  ["iopoll and a small queue", { iopoll: true, entries: 4 }, 0],
  ["iopoll and hybridIopoll", { iopoll: true, hybridIopoll: true }, IORING_SETUP.HYBRID_IOPOLL],
  ["iopoll and deferTaskrun", { iopoll: true, singleIssuer: true, deferTaskrun: true }, IORING_SETUP.DEFER_TASKRUN],
  ["iopoll and sqpoll", { iopoll: true, sqpoll: { idle: 5 } }, 0],
];

/** A file opened with O_DIRECT; undefined where the file system has no such thing. */
async function openDirect(ring: Ring, path: string): Promise<number | undefined> {
  try {
    return await ring.openat(AT.FDCWD, path, O.RDWR | O.DIRECT);
  } catch (error) {
    expect(error, "where the file system has no O_DIRECT").toMatchObject({ code: "EINVAL" });
    return undefined;
  }
}

describe.each(WAYS)("a ring with %s", (_, options, needs) => {
  test.skipIf(!hasSetup(needs))("reads and writes with O_DIRECT, or says that the device can't be polled", async () => {
    await using ring = new Ring(options);
    await using usual = new Ring();
    using folder = new TempFolder();
    using pool = new BufferPool({ size: BLOCK, count: BLOCKS });
    folder.write("file", pattern(BLOCK * BLOCKS));
    const fd = await openDirect(usual, folder.at("file"));
    if (fd === undefined) return;
    const buffers = Array.from({ length: BLOCKS }, () => pool.acquire());
    try {
      const reads = await Promise.allSettled(buffers.map((buffer, i) => ring.read(fd, buffer, i * BLOCK)));
      const refused = reads.filter((each) => each.status === "rejected");
      if (refused.length > 0) {
        expect(refused.length).toBe(BLOCKS);
        expect(refused[0]!.reason).toMatchObject({ code: "EOPNOTSUPP", syscall: "read" });
        expect(refused[0]!.reason.message).toMatch(/iopoll.*O_DIRECT.*can be polled/);
        return;
      }
      buffers.forEach((buffer, i) => expect(buffer).toEqual(pattern(BLOCK, i * BLOCK)));
      for (const buffer of buffers) buffer.reverse();
      expect(await Promise.all(buffers.map((buffer, i) => ring.write(fd, buffer, i * BLOCK)))).toEqual(
        new Array(BLOCKS).fill(BLOCK),
      );
      buffers.forEach((buffer, i) => {
        expect(folder.read("file").subarray(i * BLOCK, (i + 1) * BLOCK)).toEqual(new Uint8Array(buffer));
      });
      expect(ring.stats.inFlight).toBe(0);
    } finally {
      await usual.closeFd(fd);
    }
  });

  test.skipIf(!hasSetup(needs) || !hasNops)("lets timers and other rings have their turn meanwhile", async () => {
    await using ring = new Ring(options);
    await using usual = new Ring();
    const nops = Promise.all(Array.from({ length: 1000 }, () => ring.nop()));
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await usual.timeout(1)).toBe(0);
    expect(await nops).toEqual(new Array(1000).fill(0));
  });

  test.skipIf(!hasSetup(needs) || !hasNops)("refuses a buffered file with the reason, and goes on", async () => {
    await using ring = new Ring(options);
    using folder = new TempFolder();
    folder.write("file", "content");
    const error = await failure(ring.read(folder.open("file"), new Uint8Array(4), 0), UringError);
    expect(["EINVAL", "EOPNOTSUPP"]).toContain(error.code);
    expect(error.message).toMatch(/iopoll.*O_DIRECT/);
    expect(await ring.nop()).toBe(0);
  });
});

// A ring that polls takes a NOP since 5.19.
test.skipIf(!hasOp("SOCKET"))("time limits and signals that are aborted are no failures of their own", async () => {
  await using ring = new Ring({ iopoll: true });
  expect(await ring.nop({ timeout: 60_000 })).toBe(0);
  const nop = ring.nop({ flags: IOSQE.IO_LINK });
  const gone = ring.nop({ signal: AbortSignal.abort("enough") }).catch((error: unknown) => error);
  expect([await nop, await gone]).toEqual([0, "enough"]);
  expect(ring.stats.inFlight).toBe(0);
});
