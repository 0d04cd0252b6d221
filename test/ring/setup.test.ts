import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, BufferPool, IORING_SETUP, O, POLL, Ring, type RingOptions, UringError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Stage, supportedOperations } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps } from "../support/process_state.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const F = IORING_SETUP;

/** The flags that this kernel knows; all of them where it can't tell. */
function kernelFlags(): number {
  using ring = new Ring({ entries: 2 });
  const names = ring.probe().setupFlags;
  if (names.length > 0) return names.reduce((all, name) => all | F[name as keyof typeof F], 0);
  using raw = new RawRing({ entries: 2 });
  return raw.setupFlags; // it has what it could get
}
const KNOWN_HERE = kernelFlags();

/** Opens with options, or gives undefined where this kernel lacks them and says so. */
function open(options: RingOptions, needs: number): Ring | undefined {
  try {
    return new Ring(options);
  } catch (error) {
    if (!(error instanceof UringError) || (KNOWN_HERE & needs) === needs) throw error;
    expect(error).toMatchObject({ code: "EINVAL", syscall: "io_uring_setup" });
    return undefined;
  }
}

/** A ring must do the usual: complete at once, in a kernel thread, by poll, by time. */
async function expectToWork(ring: Ring): Promise<void> {
  using folder = new TempFolder();
  using pipe = new Pipe();
  folder.write("file", pattern(100));
  expect(await Promise.all(Array.from({ length: 20 }, () => ring.nop()))).toEqual(new Array(20).fill(0));
  const buffer = new Uint8Array(100);
  expect(await ring.read(folder.open("file"), buffer, 0)).toBe(100);
  expect(buffer).toEqual(pattern(100));
  expect((await ring.statx(AT.FDCWD, folder.at("file"), 0, 0xfff)).size).toBe(100);
  const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
  for (let i = 0; i < 5; i++) expect(await ring.timeout(0.1)).toBe(0);
  pipe.write("x");
  expect(await poll & POLL.IN).toBe(POLL.IN);
  expect(ring.stats.inFlight).toBe(0);
}

describe("new Ring()", () => {
  test("asks for the best that the kernel has", async () => {
    await using ring = new Ring();
    const wanted = F.CLAMP | F.SUBMIT_ALL | F.SINGLE_ISSUER | F.NO_SQARRAY;
    const deferred = F.DEFER_TASKRUN | F.TASKRUN_FLAG;
    expect(ring.setupFlags & wanted).toBe(wanted & KNOWN_HERE);
    expect(ring.setupFlags & ~(wanted | deferred)).toBe(0);
    expect([deferred & KNOWN_HERE, 0], "not where it wakes late").toContain(ring.setupFlags & deferred);
    using raw = new RawRing();
    expect(raw.setupFlags & deferred, "it does not sleep").toBe(deferred & KNOWN_HERE);
    expect(ring.entries).toBe(256);
    expect(ring.cqEntries).toBe(512);
    expect(ring.features & 1, "SINGLE_MMAP").toBe(1);
    expect(ring.fd).toBeGreaterThan(2);
    await expectToWork(ring);
  });

  test.each([
    [{ entries: 1 }, 1, 2],
    [{ entries: 3 }, 4, 8],
    [{ entries: 100, cqEntries: 100 }, 128, 128],
    [{ entries: 4, cqEntries: 33 }, 4, 64],
    [{ entries: 8, cqEntries: 65536 }, 8, 65536],
    [{ entries: 32768 }, 32768, 65536],
  ])("rounds %o up to powers of two", async (options, entries, cqEntries) => {
    await using ring = new Ring(options);
    expect([ring.entries, ring.cqEntries]).toEqual([entries, cqEntries]);
    expect(ring.setupFlags & F.CQSIZE).toBe("cqEntries" in options ? F.CQSIZE : 0);
    expect(await Promise.all(Array.from({ length: 300 }, () => ring.nop()))).toEqual(new Array(300).fill(0));
  });

  const NAMED: [string, RingOptions, needs: number][] = [
    ["singleIssuer", { singleIssuer: true }, F.SINGLE_ISSUER],
    ["deferTaskrun", { deferTaskrun: true, singleIssuer: true }, F.DEFER_TASKRUN | F.SINGLE_ISSUER],
    ["taskrunFlag", { taskrunFlag: true, deferTaskrun: true, singleIssuer: true }, F.TASKRUN_FLAG | F.DEFER_TASKRUN],
    ["submitAll", { submitAll: true }, F.SUBMIT_ALL],
    ["noSqarray", { noSqarray: true }, F.NO_SQARRAY],
    ["sqe128", { sqe128: true }, F.SQE128],
    ["cqe32", { cqe32: true }, F.CQE32],
    ["sqe128 and cqe32", { sqe128: true, cqe32: true, entries: 8 }, F.SQE128 | F.CQE32],
    ["flags", { flags: F.SUBMIT_ALL | F.CLAMP }, F.SUBMIT_ALL | F.CLAMP],
    ["clamp", { clamp: true }, F.CLAMP],
    ["cqeMixed", { cqeMixed: true }, F.CQE_MIXED],
    ["sqeMixed", { sqeMixed: true }, F.SQE_MIXED],
    ["sqeMixed and cqeMixed", { sqeMixed: true, cqeMixed: true, entries: 4 }, F.SQE_MIXED | F.CQE_MIXED],
    ["sqRewind", { sqRewind: true, noSqarray: true }, F.SQ_REWIND | F.NO_SQARRAY],
    ["noMmap", { noMmap: true }, F.NO_MMAP],
    ["noMmap on one page", { noMmap: true, entries: 8 }, F.NO_MMAP],
    ["registeredFdOnly", { noMmap: true, registeredFdOnly: true }, F.NO_MMAP | F.REGISTERED_FD_ONLY],
    ["sqpoll", { sqpoll: true }, F.SQPOLL],
    ["sqpoll with idle", { sqpoll: { idle: 5 } }, F.SQPOLL],
    ["sqpoll with cpu", { sqpoll: { idle: 5, cpu: 0 } }, F.SQPOLL | F.SQ_AFF],
  ];
  test.each(NAMED)("takes %s by name", async (_, options, needs) => {
    await using ring = open(options, needs);
    if (ring === undefined) return;
    expect(ring.setupFlags & needs).toBe(needs);
    await expectToWork(ring);
  });

  test("says which Linux a setup flag needs that this kernel lacks", () => {
    const lacking = Object.entries({ cqeMixed: "6.18", sqeMixed: "6.19", sqRewind: "7.0" }).find(([name]) => {
      const flag = { cqeMixed: F.CQE_MIXED, sqeMixed: F.SQE_MIXED, sqRewind: F.SQ_REWIND }[name]!;
      return (KNOWN_HERE & flag) === 0;
    });
    if (lacking === undefined) return;
    const [name, since] = lacking;
    const error = thrown(() => new Ring({ [name]: true, noSqarray: true }), UringError);
    expect(error).toMatchObject({ code: "EINVAL", syscall: "io_uring_setup" });
    expect(error.message).toMatch(`needs Linux ${since}`);
  });

  test("with clamp cuts sizes to what the kernel allows", async () => {
    await using ring = new Ring({ entries: 40_000, cqEntries: 100_000, clamp: true });
    expect([ring.entries, ring.cqEntries]).toEqual([32768, 65536]);
    expect(await ring.nop()).toBe(0);
  });

  const WITHOUT: [string, RingOptions, without: number][] = [
    ["singleIssuer", { singleIssuer: false }, F.SINGLE_ISSUER | F.DEFER_TASKRUN | F.TASKRUN_FLAG],
    ["deferTaskrun", { deferTaskrun: false }, F.DEFER_TASKRUN | F.TASKRUN_FLAG],
    ["taskrunFlag", { taskrunFlag: false }, F.TASKRUN_FLAG],
    ["submitAll", { submitAll: false }, F.SUBMIT_ALL],
    ["clamp", { clamp: false }, F.CLAMP],
    ["noSqarray", { noSqarray: false }, F.NO_SQARRAY],
  ];
  test.each(WITHOUT)(
    "leaves %s away when told to, and nothing else",
    { timeout: 5000 * TIME_SCALE },
    async (_, options, without) => {
      await using usual = new Ring();
      await using ring = new Ring(options);
      expect(ring.setupFlags).toBe(usual.setupFlags & ~without);
      await expectToWork(ring);
    },
  );

  test("runs every operation with 128-byte SQEs and 32-byte CQEs", async () => {
    const first = open({ sqe128: true, cqe32: true }, F.SQE128 | F.CQE32);
    if (first === undefined) return;
    await first.close();
    await using stage = await new Stage({ sqe128: true, cqe32: true, entries: 4 }).open(1);
    for (const { name, start, isRight } of supportedOperations(stage.ring)) {
      expect(await start(stage), name).toSatisfy(isRight);
    }
  });

  test("loses no wake-up without taskrunFlag", { timeout: 5000 * TIME_SCALE }, async () => {
    await using ring = new Ring({ taskrunFlag: false });
    using folder = new TempFolder();
    folder.write("file", "content");
    for (let i = 0; i < 200; i++) {
      await Promise.all([
        ring.timeout(0.01 * (i % 10)),
        ring.statx(AT.FDCWD, folder.at("file"), 0, 1),
        ring.statx(AT.FDCWD, folder.at("file"), 0, 1),
      ]);
    }
    expect(ring.stats.inFlight).toBe(0);
  });

  test("takes coopTaskrun: completions come when the ring is entered", async () => {
    await using ring = open({ coopTaskrun: true, taskrunFlag: true }, F.COOP_TASKRUN | F.TASKRUN_FLAG);
    if (ring === undefined) return;
    expect(ring.setupFlags & (F.COOP_TASKRUN | F.DEFER_TASKRUN)).toBe(F.COOP_TASKRUN);
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    const timeout = ring.timeout(1);
    expect(ring.submitAndWait(1)).toBe(1);
    pipe.write("x");
    expect(ring.submitAndWait(1)).toBe(1);
    expect(await timeout).toBe(0);
    expect(await poll & POLL.IN).toBe(POLL.IN);
  });
});

describe("a ring with sqpoll", () => {
  /** Nanoseconds; clock ticks where the kernel keeps no finer account. */
  function timeOf(task: string): number {
    try {
      return Number(readFileSync(`${task}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      const fields = readFileSync(`${task}/stat`, "utf8").split(") ")[1]!.split(" ");
      return Number(fields[11]) + Number(fields[12]); // utime, stime
    }
  }

  /** What the submission threads of this process have run. */
  function threadTime(): number {
    let total = 0;
    for (const id of readdirSync("/proc/self/task")) {
      const task = `/proc/self/task/${id}`;
      try {
        if (readFileSync(`${task}/comm`, "utf8").startsWith("iou-sqp")) total += timeOf(task);
      } catch {
        // It ended meanwhile.
      }
    }
    return total;
  }

  test("reads and writes, counts what it submitted, and runs many operations through a small queue", async () => {
    await using ring = new Ring({ sqpoll: { idle: 5 }, entries: 8 });
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    expect(await ring.write(fd, pattern(1000), 0)).toBe(1000);
    const buffer = new Uint8Array(1000);
    expect(await ring.read(fd, buffer, 0)).toBe(1000);
    expect(buffer).toEqual(pattern(1000));
    expect(await Promise.all(Array.from({ length: 500 }, () => ring.nop()))).toEqual(new Array(500).fill(0));
    expect(ring.stats).toMatchObject({ completed: 502, submitted: 502, inFlight: 0 });
  });

  test("sleeps when it is idle, and wakes up for the next operation", async () => {
    await using ring = new Ring({ sqpoll: { idle: 1 } });
    await ring.nop();
    for (let round = 0; round < 3; round++) {
      let before = -1;
      // It has gone to sleep when it no longer takes time.
      while (before !== threadTime()) {
        before = threadTime();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(await ring.nop()).toBe(0);
    }
  });

  test("waits with submitAndWait(), and ends at its timeout", async () => {
    await using ring = new Ring({ sqpoll: { idle: 5 } });
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    expect(ring.submitAndWait(1, { timeout: 5 })).toBe(0);
    const nop = ring.nop();
    expect(ring.submitAndWait(1)).toBe(1);
    expect(await nop).toBe(0);
    pipe.write("x");
    expect(await poll & POLL.IN).toBe(POLL.IN);
  });

  test("closes with operations in flight", async () => {
    const ring = new Ring({ sqpoll: { idle: 5 } });
    using pipe = new Pipe();
    const read = failure(ring.read(pipe.readEnd, new Uint8Array(4)), Error);
    await ring.nop();
    await ring.close();
    expect(await read).toMatchObject({ name: "AbortError" });
  });
});

describe("a ring with iopoll", () => {
  test("reads files opened with O_DIRECT, or says that the device can't be polled", async () => {
    await using ring = new Ring({ iopoll: true });
    await using usual = new Ring();
    expect(ring.setupFlags & F.IOPOLL).toBe(F.IOPOLL);
    using folder = new TempFolder();
    using pool = new BufferPool({ size: 4096, count: 1 });
    folder.write("file", pattern(4096));
    const opening = usual.openat(AT.FDCWD, folder.at("file"), O.RDONLY | O.DIRECT);
    const fd = await opening.catch((error: UringError) => error.code);
    if (typeof fd === "string") return expect(fd, "where the file system has no O_DIRECT").toBe("EINVAL");
    const buffer = pool.acquire();
    try {
      expect(await ring.read(fd, buffer, 0)).toBe(4096);
      expect(buffer).toEqual(pattern(4096));
    } catch (error) {
      expect(error).toMatchObject({ code: "EOPNOTSUPP", syscall: "read" });
      expect((error as Error).message).toMatch(/iopoll.*O_DIRECT.*can be polled/);
    }
    await usual.closeFd(fd);
  });

  test("explains why other files and operations are refused", async () => {
    await using ring = new Ring({ iopoll: true });
    using folder = new TempFolder();
    folder.write("file", "content");
    for (
      const refused of [
        () => ring.read(folder.open("file"), new Uint8Array(4), 0),
        () => ring.openat(AT.FDCWD, folder.at("file"), O.RDONLY),
        () => ring.pollAdd(folder.open("file"), POLL.IN),
      ]
    ) {
      const error = await failure(refused(), UringError);
      expect(["EINVAL", "EOPNOTSUPP"]).toContain(error.code);
      expect(error.message).toMatch(/iopoll.*O_DIRECT.*another ring/);
    }
    if (hasOp("SOCKET")) expect(await ring.nop(), "taken since 5.19").toBe(0);
  });

  test("takes hybridIopoll besides", async () => {
    await using ring = open({ iopoll: true, hybridIopoll: true }, F.IOPOLL | F.HYBRID_IOPOLL);
    if (ring !== undefined) expect(await ring.nop()).toBe(0);
  });
});

describe("attachTo", () => {
  test("takes a ring or its descriptor; both rings go on after the other is closed", async () => {
    const first = new Ring();
    const second = new Ring({ attachTo: first });
    const third = new Ring({ attachTo: second.fd });
    expect([second, third].map((ring) => ring.setupFlags & F.ATTACH_WQ)).toEqual([F.ATTACH_WQ, F.ATTACH_WQ]);
    await Promise.all([first, second, third].map(expectToWork));
    await first.close();
    await Promise.all([second, third].map(expectToWork));
    await second.close();
    await expectToWork(third);
    await third.close();
  });
});

test("a ring for whose queues JavaScript has no memory leaves nothing behind", () => {
  const before = [ringDescriptors(), ringMaps()];
  const { ArrayBuffer } = globalThis;
  const scarce = new Proxy(ArrayBuffer, {
    construct(target, args: [number]) {
      if (args[0] > 1 << 20) throw new RangeError("Array buffer allocation failed");
      return new target(...args);
    },
  });
  globalThis.ArrayBuffer = scarce;
  try {
    expect(thrown(() => new Ring({ entries: 32768 }), RangeError).message).toMatch(/allocation failed/);
  } finally {
    globalThis.ArrayBuffer = ArrayBuffer;
  }
  expect([ringDescriptors(), ringMaps()]).toEqual(before);
});

describe("setup options that can't be", () => {
  // The numbers are those of the list of invalid input in the design.
  const REFUSED: [string, unknown, typeof TypeError | typeof RangeError, RegExp][] = [
    ["SQE128 with SQE_MIXED", { sqe128: true, sqeMixed: true }, TypeError, /sqe128 and sqeMixed exclude.*or some/],
    ["sqRewind alone", { sqRewind: true }, TypeError, /sqRewind needs noSqarray/],
    [
      "sqRewind with sqpoll",
      { sqRewind: true, noSqarray: true, sqpoll: true },
      TypeError,
      /sqpoll and sqRewind exclude.*queue's tail/,
    ],
    ["registeredFdOnly alone", { registeredFdOnly: true }, TypeError, /registeredFdOnly needs noMmap.*descriptor/],
    ["CQSIZE without a size", { flags: F.CQSIZE }, TypeError, /CQSIZE needs cqEntries/],
    ["cqeMixed with one place", { cqeMixed: true, entries: 1, cqEntries: 1 }, RangeError, /cqEntries.*at least 2/],
    ["sqeMixed with one place", { sqeMixed: true, entries: 1 }, RangeError, /entries.*at least 2.*128 bytes/],
    ["waitRegion with iopoll", { waitRegion: true, iopoll: true }, TypeError, /iopoll and waitRegion exclude/],
    ["flags as text", { flags: "1" }, TypeError, /flags must be a number/],
    ["flags 0.5", { flags: 0.5 }, TypeError, /flags must be an integer/],
    ["sqpoll as text", { sqpoll: "yes" }, TypeError, /sqpoll must be true, false or \{ idle, cpu \}, not "yes"/],
    ["sqpoll as number", { sqpoll: 1 }, TypeError, /sqpoll must be true, false/],
    ["sqpoll.idle -1", { sqpoll: { idle: -1 } }, RangeError, /sqpoll.idle must be from 0/],
    ["sqpoll.idle 0.5", { sqpoll: { idle: 0.5 } }, TypeError, /sqpoll.idle must be an integer/],
    ["attachTo as text", { attachTo: "ring" }, TypeError, /attachTo must be a ring or its descriptor, not "ring"/],
    ["attachTo null", { attachTo: null }, TypeError, /attachTo must be a ring or its descriptor, not null/],
    ["attachTo -1", { attachTo: -1 }, RangeError, /attachTo must be from 0/],
    ...[
      ...["clamp", "disabled", "iopoll", "hybridIopoll", "singleIssuer", "deferTaskrun", "coopTaskrun", "taskrunFlag"],
      ...["submitAll", "noSqarray", "sqRewind", "sqe128", "sqeMixed", "cqe32", "cqeMixed", "noMmap"],
      ...["registeredFdOnly", "registerFd", "waitRegion"],
    ].map(
      (name): [string, unknown, typeof TypeError, RegExp] => [
        `${name} that is no boolean`,
        { [name]: 1 },
        TypeError,
        new RegExp(`${name} must be true or false, not 1`),
      ],
    ),
    ["options null", null, TypeError, /options must be an object, not null/],
    ["options as number", 8, TypeError, /options must be an object, not 8/],
  ];
  test.each(REFUSED)("%s", (_, options, type, message) => {
    const before = readdirSync("/proc/self/fd").length;
    expect(thrown(() => new Ring(options as RingOptions), type).message).toMatch(message);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  test("attachTo with sqpoll a ring that has no such thread, or a descriptor at all", async () => {
    await using usual = new Ring();
    expect(thrown(() => new Ring({ attachTo: usual, sqpoll: true }), TypeError).message).toMatch(/it has none/);
    const error = thrown(() => new Ring({ attachTo: usual.fd, sqpoll: true }), UringError);
    expect(error.message).toMatch(`attachTo ${usual.fd} is not an open ring with sqpoll`);
    const options = { noMmap: true, registeredFdOnly: true };
    await using bare = open(options, F.NO_MMAP | F.REGISTERED_FD_ONLY);
    if (bare === undefined) return;
    expect(thrown(() => new Ring({ attachTo: bare }), TypeError).message).toMatch(/must have a descriptor/);
  });
});
