import { execFileSync } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import {
  AT,
  BufferPool,
  FileTable,
  IORING_REGISTER,
  IORING_SETUP,
  IOSQE,
  O,
  POLL,
  Ring,
  RingClosedError,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions, results } from "../support/completions.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasSetup, hasSyncCancel } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { fdInfo } from "../support/process_state.ts";
import { ringAndEventfd } from "../support/ring_eventfd.ts";
import { MOD, runScript } from "../support/script.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const IS_ROOT = process.getuid?.() === 0;

/** Whether this kernel has what `call` needs; any other error is one. */
function has(call: (ring: Ring) => unknown): boolean {
  using ring = new Ring({ entries: 2 });
  try {
    call(ring);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}

describe("registerPersonality()", () => {
  test.skipIf(!IS_ROOT)("keeps credentials: an operation with them opens what its process no longer may", () => {
    using folder = new TempFolder(); // a folder for root alone
    const path = folder.write("secret", "for root");
    const script = `
      import process from "node:process";
      const { AT, Ring } = await import(${JSON.stringify(MOD)});
      const ring = new Ring();
      const personality = ring.registerPersonality();
      process.seteuid(65534);
      const open = (o) => ring.openat(AT.FDCWD, ${JSON.stringify(path)}, 0, 0, o).catch((error) => error.code);
      const refused = await open();
      const fd = await open({ personality });
      const buffer = new Uint8Array(8);
      await ring.read(fd, buffer, 0);
      ring.unregisterPersonality(personality);
      const later = await open({ personality });
      console.log(refused, new TextDecoder().decode(buffer), later);`;
    expect(runScript(script)).toBe("EACCES for root EINVAL");
  });

  test("gives each its own id; one that is none is refused", async () => {
    await using ring = new Ring();
    const [one, other] = [ring.registerPersonality(), ring.registerPersonality()];
    expect(one).toBeGreaterThan(0);
    expect(other).not.toBe(one);
    expect(await ring.nop({ personality: one })).toBe(0);
    ring.unregisterPersonality(one);
    const error = thrown(() => ring.unregisterPersonality(one), UringError);
    expect(error).toMatchObject({ code: "EINVAL", syscall: "io_uring_register" });
    expect(error.message).toMatch(`no personality ${one}`);
    for (const id of [0, 65_536, -1]) thrown(() => ring.unregisterPersonality(id), RangeError);
  });

  test("what was asked for in the turn still has it", async () => {
    await using ring = new Ring();
    const personality = ring.registerPersonality();
    const nop = ring.nop({ personality });
    ring.unregisterPersonality(personality);
    expect(await nop).toBe(0);
  });
});

/**
 * For a process of its own, whose threads are its own: opens FIFOs that nobody writes to, which blocks a worker each,
 * waits for as many workers as are wanted, and a while longer.
 */
function workerScript(folder: TempFolder, fifos: number, wanted: number, before: string, after: string): string {
  const paths = Array.from({ length: fifos }, (_, i) => folder.at(`fifo${i}`));
  execFileSync("mkfifo", paths);
  return `
    import { openSync, readdirSync, readFileSync } from "node:fs";
    const { AT, IOSQE, O, Ring } = await import(${JSON.stringify(MOD)});
    const paths = ${JSON.stringify(paths)};
    const ring = new Ring();
    const workers = () => readdirSync("/proc/self/task").filter((id) => {
      try { return readFileSync("/proc/self/task/" + id + "/comm", "utf8").startsWith("iou-wrk"); } catch { return false; }
    });
    ${before}
    const opened = paths.map((path) => ring.openat(AT.FDCWD, path, O.RDONLY, 0, { flags: IOSQE.ASYNC }));
    while (workers().length < ${wanted}) await ring.timeout(1);
    await ring.timeout(${50 * TIME_SCALE});
    ${after}
    for (const path of paths) openSync(path, "r+");
    await Promise.all(opened);
    process.exit(0);`;
}

describe("setWorkerAffinity()", () => {
  test("binds the kernel's threads to CPUs", () => {
    using folder = new TempFolder();
    const script = workerScript(
      folder,
      1,
      1,
      `import process from "node:process"; ring.setWorkerAffinity([0]);`,
      `console.log(/Cpus_allowed_list:\\s*(.*)/.exec(readFileSync("/proc/self/task/" + workers()[0] + "/status", "utf8"))[1]);`,
    );
    expect(runScript(script)).toBe("0");
  });

  test("null lets them run anywhere again", async () => {
    await using ring = new Ring();
    ring.setWorkerAffinity([0]);
    ring.setWorkerAffinity(null);
  });

  test("refuses CPUs that are not there, which the kernel would leave out", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.setWorkerAffinity([0, 5000]), RangeError).message)
      .toMatch(/cpus\[1\] is 5000, but the CPUs online here are 0/);
    thrown(() => ring.setWorkerAffinity([]), RangeError);
    thrown(() => ring.setWorkerAffinity([-1]), RangeError);
    thrown(() => ring.setWorkerAffinity([0.5]), TypeError);
    thrown(() => ring.setWorkerAffinity(0 as never), TypeError);
  });
});

describe("setMaxWorkers()", () => {
  test("gives what was set before, and leaves 0 as it is", async () => {
    await using ring = new Ring();
    const before = ring.setMaxWorkers();
    expect(before.bounded).toBeGreaterThan(0);
    expect(ring.setMaxWorkers({ bounded: 3 })).toEqual(before);
    expect(ring.setMaxWorkers({ unbounded: 5 })).toEqual({ ...before, bounded: 3 });
    expect(ring.setMaxWorkers(before)).toEqual({ bounded: 3, unbounded: 5 });
    expect(ring.setMaxWorkers()).toEqual(before);
  });

  test("limits the kernel's threads", () => {
    using folder = new TempFolder();
    const script = workerScript(
      folder,
      8,
      2,
      `import process from "node:process"; ring.setMaxWorkers({ bounded: 2 });`,
      `console.log(workers().length);`,
    );
    expect(runScript(script)).toBe("2");
  });

  test("refuses what is no number of threads", async () => {
    await using ring = new Ring();
    thrown(() => ring.setMaxWorkers({ bounded: -1 }), RangeError);
    thrown(() => ring.setMaxWorkers({ unbounded: 2 ** 31 }), RangeError);
    thrown(() => ring.setMaxWorkers(null as never), TypeError);
  });
});

describe.skipIf(!hasSyncCancel)("syncCancel()", () => {
  test("ends one operation, by its promise", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [one, other] = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.read(pipe.readEnd, new Uint8Array(1))];
    expect(ring.syncCancel(one)).toBe(1);
    expect((await failure(one, UringError)).code).toBe("ECANCELED");
    expect(ring.stats.inFlight).toBe(1);
    expect(ring.syncCancel(one), "it is gone").toBe(0);
    pipe.write("x");
    expect(await other).toBe(1);
  });

  test("ends a timeout, by the promise that timeout() gave", async () => {
    await using ring = new Ring();
    const timeout = ring.timeout(1e9);
    expect(ring.syncCancel(timeout)).toBe(1);
    expect((await failure(timeout, UringError)).code).toBe("ECANCELED");
  });

  test("ends all on a descriptor", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const reads = [1, 2, 3].map(() => ring.read(pipe.readEnd, new Uint8Array(1)));
    const spared = ring.read(other.readEnd, new Uint8Array(1));
    expect(ring.syncCancel({ fd: pipe.readEnd })).toBe(3);
    for (const read of reads) expect((await failure(read, UringError)).code).toBe("ECANCELED");
    expect(ring.syncCancel({ fd: pipe.readEnd })).toBe(0);
    other.write("x");
    expect(await spared).toBe(1);
  });

  test("ends all on a registered file", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using files = new FileTable(ring, { size: 2 });
    files.set(1, pipe.readEnd);
    const read = ring.read(1, new Uint8Array(1), undefined, { fixedFile: true });
    expect(ring.syncCancel({ fd: 1 }, { fixedFile: true })).toBe(1);
    expect((await failure(read, UringError)).code).toBe("ECANCELED");
  });

  test("ends all of an op", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = [1, 2].map(() => ring.pollAdd(pipe.readEnd, POLL.IN));
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    expect(ring.syncCancel({ op: "POLL_ADD" })).toBe(2);
    for (const poll of polls) expect((await failure(poll, UringError)).code).toBe("ECANCELED");
    pipe.write("x");
    expect(await read).toBe(1);
  });

  test("ends everything, in worker threads, too, and leaves nothing in the kernel's hands", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using folder = new TempFolder();
    execFileSync("mkfifo", [folder.at("fifo")]);
    const all = [
      ring.read(pipe.readEnd, new Uint8Array(1)),
      ring.timeout(1e9),
      ring.openat(AT.FDCWD, folder.at("fifo"), O.RDONLY, 0, { flags: IOSQE.ASYNC }),
    ];
    const settled = Promise.allSettled(all);
    expect(ring.syncCancel("all")).toBe(3);
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
    for (const { status } of await settled) expect(status).toBe("rejected");
    expect(ring.syncCancel("all")).toBe(0);
  });

  test("throws ETIME when a worker is not done in time, whose operation goes on", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const SIZE = 1 << 25;
    folder.write("large", new Uint8Array(SIZE));
    const fd = folder.open("large");
    const buffer = new Uint8Array(SIZE);
    let error: unknown;
    // A read from the page cache can't be stopped half-way; when it has begun is for the kernel to say.
    for (let attempt = 0; attempt < 200 && error === undefined; attempt++) {
      const read = ring.read(fd, buffer, 0, { flags: IOSQE.ASYNC });
      const outcome = read.catch((error: UringError) => error.errno);
      ring.submitAndWait(0);
      const start = performance.now();
      while (performance.now() - start < attempt % 20 / 10);
      try {
        ring.syncCancel(read, { timeout: 0 });
      } catch (thrown) {
        error = thrown;
        expect(await outcome).toBe(SIZE);
      }
      await outcome;
    }
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({ code: "ETIME", syscall: "io_uring_register" });
    expect((error as UringError).message).toMatch("still in use");
  });

  test("refuses wrong targets", async () => {
    await using ring = new Ring();
    for (const target of [null, undefined, 5, "some", {}]) thrown(() => ring.syncCancel(target as never), TypeError);
    thrown(() => ring.syncCancel({ op: "REED" }), TypeError);
    thrown(() => ring.syncCancel({ fd: 1.5 }), TypeError);
    thrown(() => ring.syncCancel("all", { timeout: -1 }), RangeError);
    expect(ring.syncCancel({ fd: 99_999 }), "nothing uses it").toBe(0);
    expect(thrown(() => ring.link(() => ring.syncCancel("all")), TypeError).message).toMatch("link()");
  });
});

const HAS_NAPI = has((ring) => ring.registerNapi());

describe("registerNapi()", () => {
  test.skipIf(!HAS_NAPI)("gives what was set before", async () => {
    await using ring = new Ring();
    expect(ring.registerNapi({ busyPollUs: 50, preferBusyPoll: true })).toMatchObject({ busyPollUs: 0 });
    expect(ring.registerNapi({ busyPollUs: 70 })).toEqual({
      busyPollUs: 50,
      preferBusyPoll: true,
      tracking: "dynamic",
    });
    expect(ring.unregisterNapi()).toEqual({ busyPollUs: 70, preferBusyPoll: false });
    expect(ring.unregisterNapi()).toEqual({ busyPollUs: 0, preferBusyPoll: false });
  });

  test.skipIf(!HAS_NAPI || !has((ring) => ring.registerNapi({ tracking: "static" })))(
    "polls a list of ids with static tracking",
    async () => {
      await using ring = new Ring();
      ring.registerNapi({ busyPollUs: 10, tracking: "static" });
      if (ring.registerNapi({ busyPollUs: 10, tracking: "static" }).tracking !== "static") return; // before 6.13
      expect(fdInfo(ring.fd)).toMatch(/NAPI:\s*enabled\s+napi tracking:\s*static/);
      const id = 100_000; // ids begin above the number of CPUs
      ring.addNapiId(id);
      expect(thrown(() => ring.addNapiId(id), UringError)).toMatchObject({ code: "EEXIST" });
      ring.removeNapiId(id);
      expect(thrown(() => ring.removeNapiId(id), UringError).message).toMatch("not in the list");
      expect(thrown(() => ring.addNapiId(1), UringError).message).toMatch("SO_INCOMING_NAPI_ID");
    },
  );

  test("refuses wrong input, and says how to end it", async () => {
    await using ring = new Ring();
    thrown(() => ring.registerNapi({ busyPollUs: -1 }), RangeError);
    thrown(() => ring.registerNapi({ preferBusyPoll: 1 as never }), TypeError);
    expect(thrown(() => ring.registerNapi({ tracking: "inactive" as never }), TypeError).message)
      .toMatch("unregisterNapi()");
    thrown(() => ring.addNapiId(0), RangeError);
  });
});

describe("setClock()", () => {
  test.skipIf(!has((ring) => ring.setClock("monotonic")))("timed waits work by either clock", async () => {
    await using ring = new Ring();
    for (const clock of ["boottime", "monotonic"] as const) {
      ring.setClock(clock);
      const pending = ring.timeout(1e9);
      const start = performance.now();
      expect(ring.submitAndWait(1, { timeout: 20 })).toBe(0);
      expect(performance.now() - start).toBeGreaterThan(15);
      await ring.timeoutRemove(pending);
      await failure(pending, UringError);
    }
  });

  test("refuses other clocks", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.setClock("realtime" as never), TypeError).message).toMatch(/"monotonic" or "boottime"/);
  });
});

const SENDS = has(() => {
  using target = new RawRing({ entries: 2 });
  Ring.sendMessage(target, 0, 0);
});

describe("Ring.sendMessage()", () => {
  test.skipIf(!SENDS)("posts a completion to a ring, without having one", () => {
    using target = new RawRing();
    Ring.sendMessage(target, 0xffff_fffe, 77);
    Ring.sendMessage(target.fd, 5, 2n ** 52n);
    Ring.sendMessage(target, 6, 1, { cqeFlags: 0x30000 });
    expect(completions(target)).toEqual([
      { userData: 77, res: -2, flags: 0 },
      { userData: 2 ** 52, res: 5, flags: 0 },
      { userData: 1, res: 6, flags: 0x30000 },
    ]);
  });

  test.skipIf(!SENDS)("wakes a Ring that listens", async () => {
    await using target = new Ring();
    const messages: unknown[] = [];
    const heard = new Promise<void>((resolve) => {
      target.onMessage = (...message) => {
        if (messages.push(message) === 3) resolve();
      };
    });
    for (const data of [1, 2, 3]) {
      Ring.sendMessage(target, data * 10, data);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await heard;
    expect(messages.map((message) => (message as unknown[]).slice(0, 2).map(Number))).toEqual([[1, 10], [2, 20], [
      3,
      30,
    ]]);
    target.onMessage = null;
  });

  test.skipIf(!SENDS)("says what is no ring", async () => {
    using pipe = new Pipe();
    const error = thrown(() => Ring.sendMessage(pipe.readEnd, 0, 0), UringError);
    expect(error).toMatchObject({ code: "EBADFD" });
    expect(error.message).toMatch("is not a ring");
    expect(thrown(() => Ring.sendMessage(99_999, 0, 0), UringError).message).toMatch("fd 99999 is not open");
    const closed = new Ring();
    await closed.close();
    thrown(() => Ring.sendMessage(closed, 0, 0), RingClosedError);
  });

  test("refuses what is no message", () => {
    thrown(() => Ring.sendMessage("ring" as never, 0, 0), TypeError);
    thrown(() => Ring.sendMessage(0, -1, 0), RangeError);
    thrown(() => Ring.sendMessage(0, 2 ** 32, 0), RangeError);
    thrown(() => Ring.sendMessage(0, 0, -1n), RangeError);
    expect(thrown(() => Ring.sendMessage(0, 0, 2n ** 62n), RangeError).message).toMatch("2^62 - 1");
    thrown(() => Ring.sendMessage(0, 0, "data" as never), TypeError);
    for (const cqeFlags of [0x20, 0x8000]) {
      expect(thrown(() => Ring.sendMessage(0, 0, 0, { cqeFlags }), RangeError).message).toMatch("laid out");
    }
  });
});

describe("zero-copy receive", () => {
  const AREA = { size: 8192, count: 4 };

  test("refuses, naming what is missing: the ring, the device, the driver", async () => {
    using pool = new BufferPool(AREA);
    const area = pool.acquire();
    await using plain = new Ring();
    const options = { interfaceIndex: 1, queue: 0, entries: 16, area };
    const refusal = thrown(() => plain.registerZcrxIfq(options), UnsupportedError);
    expect(refusal.needs).toMatch(plain.probe().register("ZCRX_IFQ").supported ? "cqe32" : /Linux 6.15|cqe32/);
    if (plain.probe().register("ZCRX_IFQ").supported !== true) return;
    await using ring = new Ring({ cqe32: true, singleIssuer: true, deferTaskrun: true });
    expect(thrown(() => ring.registerZcrxIfq({ ...options, interfaceIndex: 0x7fffffff }), UnsupportedError).needs)
      .toMatch(IS_ROOT ? /network device with index 2147483647|CONFIG_IO_URING_ZCRX/ : "CAP_NET_ADMIN");
    const driver = thrown(() => ring.registerZcrxIfq(options), UnsupportedError);
    expect(driver.needs).toMatch(IS_ROOT ? /driver hands out queues/ : "CAP_NET_ADMIN");
  });

  test.skipIf(!hasSetup(IORING_SETUP.CQE32))("refuses wrong input", async () => {
    await using ring = new Ring({ cqe32: true });
    using pool = new BufferPool(AREA);
    const area = pool.acquire();
    const options = { interfaceIndex: 1, queue: 0, entries: 16, area };
    expect(thrown(() => ring.registerZcrxIfq({ ...options, area: new Uint8Array(8192) }), TypeError).message)
      .toMatch("BufferPool");
    expect(thrown(() => ring.registerZcrxIfq({ ...options, area: area.subarray(1) }), RangeError).message)
      .toMatch("whole pages");
    thrown(() => ring.registerZcrxIfq({ ...options, entries: 0 }), RangeError);
    thrown(() => ring.registerZcrxIfq({ ...options, interfaceIndex: 0 }), RangeError);
    thrown(() => ring.registerZcrxIfq({ ...options, bufferSize: 5000 }), RangeError);
    thrown(() => ring.zcrxControl(0, "drain" as never), TypeError);
  });

  test("zcrxControl() says what it needs, or that there is no such queue", async () => {
    await using ring = new Ring();
    const error = thrown(() => ring.zcrxControl(3, "flush"), Error);
    expect(error.message).toMatch(/Linux 6\.19|no queue 3/);
  });
});

describe("eventfds", () => {
  test("RawRing.register() takes one, and it counts completions", async () => {
    const { EVENTFD, EVENTFD_ASYNC, UNREGISTER_EVENTFD } = IORING_REGISTER;
    // No operation makes an eventfd: this is the one by which a Ring is woken, which does not mind.
    const { ring: owner, eventfd: fd } = await ringAndEventfd();
    await using _owner = owner;
    const arg = Int32Array.of(fd);
    using ring = new RawRing();
    const started = count(fd);
    expect(ring.register(EVENTFD, arg, 1)).toBe(0);
    expect(ring.register(EVENTFD, arg, 1), "EBUSY").toBe(-16);
    ring.prepNop(1);
    results(ring, 1);
    expect(count(fd)).toBe(started + 1);
    expect(ring.register(UNREGISTER_EVENTFD, null, 0)).toBe(0);
    expect(ring.register(UNREGISTER_EVENTFD, null, 0), "ENXIO").toBe(-6);
    expect(ring.register(EVENTFD_ASYNC, arg, 1)).toBe(0);
    ring.prepNop(2);
    results(ring, 1);
    expect(count(fd), "it completed in the call").toBe(started + 1);
    expect(ring.register(UNREGISTER_EVENTFD, null, 0)).toBe(0);
    using pipe = new Pipe();
    expect(ring.register(EVENTFD, Int32Array.of(pipe.readEnd), 1), "EINVAL: no eventfd").toBe(-22);
  });
});

function count(eventfd: number): number {
  return parseInt(/eventfd-count:\s*(\S+)/.exec(fdInfo(eventfd))![1]!, 16);
}

test("filters by BPF are for RawRing, and the error says so", async () => {
  await using ring = new Ring();
  expect(thrown(() => ring.registerBpfFilter(), UnsupportedError).needs).toMatch(/Linux 7\.0.*RawRing.*restrict\(\)/);
});

test("a register op that the kernel lacks throws UnsupportedError that names its Linux", async () => {
  await using ring = new Ring();
  const { supported } = ring.probe().register("ZCRX_CTRL");
  if (supported === true) return;
  const error = thrown(() => ring.zcrxControl(0, "flush"), UnsupportedError);
  expect(error).toMatchObject({ feature: "IORING_REGISTER_ZCRX_CTRL", needs: "Linux 6.19" });
});

test("register calls on a closed ring throw RingClosedError", async () => {
  const ring = new Ring();
  await ring.close();
  const calls: (() => unknown)[] = [
    () => ring.registerPersonality(),
    () => ring.unregisterPersonality(1),
    () => ring.setWorkerAffinity([0]),
    () => ring.setMaxWorkers(),
    () => ring.syncCancel("all"),
    () => ring.registerNapi(),
    () => ring.unregisterNapi(),
    () => ring.setClock("monotonic"),
    () => ring.zcrxControl(0, "flush"),
    () => ring.enable(),
  ];
  for (const call of calls) thrown(call, RingClosedError);
});

describe.skipIf(!hasSyncCancel)("syncCancel() never says that there is nothing where it goes on:", () => {
  test("what waits in a chain for its start is told of; with what it follows it ends", async () => {
    await using ring = new Ring();
    using one = new Pipe();
    using two = new Pipe();
    const chain = () =>
      ring.link((ring) => [one, two].map(({ readEnd }) => failure(ring.read(readEnd, new Uint8Array(4)), UringError)));
    const first = chain();
    ring.submitAndWait(0);
    for (const target of [{ fd: two.readEnd }] as const) {
      expect(thrown(() => ring.syncCancel(target), UringError).message).toMatch(
        /it waits in a chain for what it follows/,
      );
    }
    expect(ring.syncCancel({ fd: one.readEnd })).toBe(1);
    expect((await Promise.all(first)).map(({ code }) => code)).toEqual(["ECANCELED", "ECANCELED"]);
    const second = chain();
    expect(ring.syncCancel("all")).toBeGreaterThan(0);
    expect((await Promise.all(second)).map(({ code }) => code)).toEqual(["ECANCELED", "ECANCELED"]);
  });

  test("what waits in a chain costs no waiting, and no limit: alone, and before what it follows", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    // Slots are taken again in the order in which they came free, the last first: what follows gets the lower ones.
    await Promise.all(ring.link((ring) => Array.from({ length: 8 }, () => ring.nop())));
    const chain = ring.link((ring) => [
      failure(ring.read(pipe.readEnd, new Uint8Array(4)), UringError),
      ...Array.from({ length: 5 }, () => failure(ring.nop(), UringError)),
    ]);
    const source = ring.link((ring) => [ring.read(pipe.readEnd, new Uint8Array(4)), ring.nop()]);
    for (const promise of source) promise.catch(() => {});
    ring.submitAndWait(0);
    const { turns } = ring.stats;
    expect(thrown(() => ring.syncCancel(source[1]!, { timeout: 10 }), UringError).code).toBe("ENOENT");
    expect(ring.stats.turns - turns).toBeLessThan(5);
    expect(ring.syncCancel("all", { timeout: 5000 * TIME_SCALE })).toBeGreaterThanOrEqual(2);
    expect((await Promise.all(chain)).map(({ code }) => code)).toEqual(new Array(6).fill("ECANCELED"));
    expect(ring.stats.turns - turns).toBeLessThan(50);
  });

  test("in a callback it is refused, as what it ends is told after that", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const timeout = failure(ring.timeout(60_000), UringError);
    const errors: TypeError[] = [];
    const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, {
      each: () => void errors.push(thrown(() => ring.syncCancel("all"), TypeError)),
    });
    pipe.write("x");
    while (errors.length === 0) await ring.nop();
    expect(errors[0]!.message).toMatch(/^syncCancel\(\) in a callback of the ring: .* Call cancel\(\) instead$/);
    await polls.return();
    expect(ring.syncCancel("all")).toBe(1);
    expect((await timeout).code).toBe("ECANCELED");
  });

  test("with a submission thread it reaches what that one's workers run", async () => {
    await using ring = new Ring({ sqpoll: true });
    using one = new Pipe();
    using two = new Pipe();
    const moved = failure(ring.splice(one.readEnd, "current", two.writeEnd, "current", 8), UringError);
    await ring.nop();
    expect(ring.syncCancel({ fd: two.writeEnd }, { timeout: 20_000 * TIME_SCALE })).toBe(1);
    expect(["ECANCELED", "EINTR"]).toContain((await moved).code);
  });
});
