import { execFileSync } from "node:child_process";
import { closeSync, fstatSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AbortError,
  AT,
  BufferPool,
  BufferRing,
  FileTable,
  IOSQE,
  POLL,
  Ring,
  RingClosedError,
  STATX,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { failure, failures, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { collectUntil } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { BLOCKING, NEVER, OPERATIONS, Stage } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps, threads } from "../support/process_state.ts";
import { MOD, runScript } from "../support/script.ts";

/** Rings of this process, as the system sees them. */
function rings(): { descriptors: number; maps: number; threads: number } {
  return { descriptors: ringDescriptors(), maps: ringMaps(), threads: threads() };
}

describe("close()", () => {
  test("gives back the descriptor and the maps", async () => {
    const before = rings();
    const ring = new Ring();
    await ring.timeout(1); // now it has a waker
    expect(rings().descriptors).toBe(before.descriptors + 1);
    expect(rings().maps).toBe(before.maps + 2);
    expect(ring.closed).toBe(false);
    await ring.close();
    expect(ring.closed).toBe(true);
    expect(rings()).toMatchObject({ descriptors: before.descriptors, maps: before.maps });
  });

  test.each(BLOCKING)("ends $name, started in the same turn or before", async ({ start }) => {
    const stage = new Stage();
    const { ring } = stage;
    const early = failures(
      [start(stage), start(stage, { timeout: NEVER }), start(stage, { flags: IOSQE.ASYNC })],
      Error,
    );
    await ring.nop();
    const late = failures([start(stage), start(stage, { signal: new AbortController().signal })], Error);
    await ring.close();
    for (const error of [...await early, ...await late]) expect(error).toBeInstanceOf(AbortError);
    await stage[Symbol.asyncDispose]();
  });

  test.each(OPERATIONS)("lets $name, asked for in the same turn, complete or be cancelled", async ({ op, start }) => {
    const stage = await new Stage().open(1);
    if (stage.ring.probe().op(op).supported && !op.startsWith("OPENAT")) {
      const outcome = watch(start(stage));
      await stage.ring.close();
      await Promise.resolve();
      expect(outcome.state).not.toBe("pending");
      if (outcome.state === "rejected") expect(outcome.value).toBeInstanceOf(AbortError);
    }
    await stage[Symbol.asyncDispose]();
  });

  test("settles every promise before its own", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const outcomes = [ring.read(pipe.readEnd, new Uint8Array(4)), ring.timeout(NEVER), ring.nop()].map(watch);
    await ring.close();
    expect(outcomes.map(({ state }) => state)).toEqual(["rejected", "rejected", "resolved"]);
  });

  test("lets work that can't be cancelled end, and gives its result", async () => {
    const ring = new Ring();
    using folder = new TempFolder();
    const fd = folder.open("file", "w");
    const write = ring.write(fd, new Uint8Array(2 ** 20).fill(7), 0, { flags: IOSQE.ASYNC });
    const sync = ring.fsync(fd);
    await ring.nop();
    const settled = Promise.allSettled([write, sync]);
    await ring.close();
    for (const outcome of await settled) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(AbortError);
    }
  });

  test("ends chains, with what is staged of them", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const chain = ring.link((ring) => [
      ring.read(pipe.readEnd, new Uint8Array(4)),
      ring.write(pipe.writeEnd, new Uint8Array(4)),
      ring.nop(),
    ]);
    const byHand = [ring.pollAdd(pipe.readEnd, POLL.IN, { flags: IOSQE.IO_LINK })];
    const errors = failures([...chain, ...byHand], AbortError);
    await ring.close();
    expect((await errors).length).toBe(4);
  });

  test("ends operations by the thousand", async () => {
    const ring = new Ring({ entries: 8 });
    using pipe = new Pipe();
    const polls = Array.from({ length: 3000 }, () => ring.pollAdd(pipe.readEnd, POLL.IN));
    const errors = failures(polls, AbortError);
    await ring.close();
    expect((await errors).length).toBe(3000);
  });

  test("can be called in a continuation of its own operations", async () => {
    const ring = new Ring();
    const closed = ring.nop().then(() => ring.close());
    const other = ring.timeout(NEVER);
    await failure(other, AbortError);
    await closed;
    expect(ring.closed).toBe(true);
  });

  test("of one ring leaves others alone", async () => {
    const one = new Ring();
    await using other = new Ring();
    using pipe = new Pipe();
    const aborted = failure(one.read(pipe.readEnd, new Uint8Array(4)), AbortError);
    const spared = other.read(pipe.readEnd, new Uint8Array(4));
    await Promise.all([one.nop(), other.nop()]);
    await one.close();
    await aborted;
    pipe.write("four");
    expect(await spared).toBe(4);
  });

  test("leaves a ring that another has attached itself to", async () => {
    const one = new Ring();
    await using other = new Ring({ attachTo: one });
    await one.close();
    using folder = new TempFolder();
    folder.write("file", "content");
    expect((await other.statx(AT.FDCWD, folder.at("file"), 0, STATX.SIZE)).size).toBe(7);
  });
});

describe("dispose", () => {
  test("await using closes as close() does", async () => {
    const before = ringDescriptors();
    using pipe = new Pipe();
    let read: Promise<Error> | undefined;
    {
      await using ring = new Ring();
      read = failure(ring.read(pipe.readEnd, new Uint8Array(4)), AbortError);
      await ring.nop();
    }
    await read;
    expect(ringDescriptors()).toBe(before);
  });

  test("using closes at once, with operations in flight", async () => {
    const before = ringDescriptors();
    using pipe = new Pipe();
    const buffer = new Uint8Array(8);
    const errors: Promise<Error>[] = [];
    {
      using ring = new Ring();
      errors.push(failure(ring.read(pipe.readEnd, buffer), AbortError));
      ring.submitAndWait(0);
      errors.push(failure(ring.timeout(NEVER, { timeout: NEVER }), AbortError));
      const byHand = ring.read(pipe.readEnd, buffer, undefined, { flags: IOSQE.IO_LINK });
      errors.push(failure(byHand, AbortError));
    }
    expect(ringDescriptors()).toBe(before);
    await Promise.all(errors);
    pipe.write("mine");
    expect(pipe.read()).toBe("mine");
    expect(buffer.every((byte) => byte === 0)).toBe(true);
  });

  test("using on an idle ring that has a waker closes it", async () => {
    const before = rings();
    {
      using ring = new Ring();
      await ring.timeout(1);
    }
    expect(rings()).toMatchObject({ descriptors: before.descriptors, maps: before.maps });
  });

  test("takes over from a close() that is under way", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const read = failure(ring.read(pipe.readEnd, new Uint8Array(4)), AbortError);
    ring.submitAndWait(0);
    const closing = ring.close();
    ring[Symbol.dispose]();
    expect(ring.closed).toBe(true);
    await closing;
    await read;
  });
});

describe("after close", () => {
  test("and while it is closing", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const read = failure(ring.read(pipe.readEnd, new Uint8Array(4)), AbortError);
    await ring.nop();
    const closing = ring.close();
    thrown(() => ring.nop(), RingClosedError);
    thrown(() => ring.submitAndWait(1), RingClosedError);
    await closing;
    await read;
  });

  test("a probe that was asked for before still answers; stats, ref() and unref() work", async () => {
    const ring = new Ring();
    const probe = ring.probe();
    await ring.nop();
    await ring.close();
    expect(ring.probe()).toBe(probe);
    expect(probe.op("NOP").supported).toBe(true);
    expect(ring.stats).toMatchObject({ submitted: 1, completed: 1, inFlight: 0 });
    expect(ring.ref().unref()).toBe(ring);
  });

  test("a signal that is aborted then does nothing", async () => {
    const ring = new Ring();
    const controller = new AbortController();
    const timeout = failure(ring.timeout(NEVER, { signal: controller.signal }), AbortError);
    await ring.close();
    await timeout;
    controller.abort();
  });
});

describe("many rings", () => {
  test("opening and closing 300 leaves descriptors, maps and threads as they were", async () => {
    const warm = new Ring();
    await warm.timeout(0.1);
    await warm.close();
    const before = rings();
    for (let i = 0; i < 300; i++) {
      const ring = new Ring({ entries: 8 });
      if (i % 10 === 0) await ring.timeout(0.1);
      else if (i % 10 === 1) failure(ring.timeout(NEVER), AbortError);
      else await ring.nop();
      if (i % 2 === 0) await ring.close();
      else ring[Symbol.dispose]();
    }
    const after = rings();
    expect(after.descriptors).toBe(before.descriptors);
    expect(after.maps).toBe(before.maps);
    // The runtime's own threads come and go; 30 wakers would show.
    expect(after.threads).toBeLessThan(before.threads + 10);
  });

  test("hundreds at once work side by side", async () => {
    const before = ringDescriptors();
    const open = Array.from({ length: 200 }, () => new Ring({ entries: 4 }));
    expect(new Set(open.map(({ fd }) => fd)).size).toBe(200);
    const results = await Promise.all(open.map((ring, i) => i % 4 === 0 ? ring.timeout(1) : ring.nop()));
    expect(results.every((result) => result === 0)).toBe(true);
    await Promise.all(open.map((ring) => ring.close()));
    expect(ringDescriptors()).toBe(before);
  });

  test("more than the process may have is an error that says so, and leaves nothing behind", async () => {
    const before = ringDescriptors();
    const open: Ring[] = [];
    const error = thrown(() => {
      while (true) open.push(new Ring({ entries: 1 }));
    }, UringError);
    expect(["EMFILE", "ENOMEM"]).toContain(error.code);
    expect(error.message).toMatch(/1024 rings|too many open files|ulimit/);
    expect(open.length).toBeGreaterThan(100);
    for (const ring of open) ring[Symbol.dispose]();
    expect(ringDescriptors()).toBe(before);
    await using ring = new Ring();
    expect(await ring.nop()).toBe(0);
  });

  test("one that is dropped without close is closed when it is collected, after its operations", async () => {
    const before = ringDescriptors();
    using folder = new TempFolder();
    folder.write("file", "content");
    await (async () => {
      const ring = new Ring();
      expect(await ring.nop()).toBe(0);
    })();
    (() => void new RawRing())();
    expect(await collectUntil(() => ringDescriptors() === before)).toBe(true);
  });
});

test("a synchronous close that throws before it has come to its end can be repeated", async () => {
  const before = ringDescriptors();
  let closes = false;
  let refused: Error | undefined;
  const ring = new Ring({
    trace: () => {
      if (!closes) return;
      closes = false;
      refused = thrown(() => ring[Symbol.dispose](), Error);
    },
  });
  closes = true;
  expect(await ring.nop(), "what its own turn told of").toBe(0);
  expect(refused?.message).toMatch(/trace/);
  expect(ring.closed).toBe(false);
  expect(await ring.nop(), "it is open").toBe(0);
  await ring.close();
  expect(ringDescriptors()).toBe(before);
});

describe("a ring that is dropped is closed when it is collected", () => {
  const leavings: [what: string, has: boolean, leave: (ring: Ring, pipe: Pipe) => Promise<void>][] = [
    ["a BufferRing", hasOp("SOCKET"), async (ring, pipe) => {
      const buffers = new BufferRing({ ring, size: 64, count: 2 });
      pipe.write("x");
      (await ring.readSelect(pipe.readEnd, buffers))!.release();
    }],
    ["a group of provideBuffers()", true, async (ring, pipe) => {
      const buffers = await ring.provideBuffers(new BufferPool({ size: 64, count: 2 }), 1);
      pipe.write("x");
      (await ring.readSelect(pipe.readEnd, buffers))!.release();
      await ring.nop();
    }],
    ["a stream that waits for its consumer", true, async (ring, pipe) => {
      const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, { highWater: 1 });
      pipe.write("x");
      while (polls.waiting < 1 || ring.stats.inFlight > 0) await ring.nop();
    }],
    ["a stream that waits for buffers", hasOp("READ_MULTISHOT"), async (ring, pipe) => {
      const pieces = ring.readMultishot(pipe.readEnd, new BufferRing({ ring, size: 1, count: 1 }));
      pipe.write("xy");
      while (pieces.waiting < 1 || ring.stats.inFlight > 0) await ring.timeout(1);
    }],
    ["a stream that ended, and what nobody took of it", hasOp("READ_MULTISHOT"), async (ring, pipe) => {
      const pieces = ring.readMultishot(pipe.readEnd, new BufferRing({ ring, size: 1, count: 1 }));
      pipe.write("xy");
      while (pieces.waiting < 1 || ring.stats.inFlight > 0) await ring.timeout(1);
      await Promise.all([ring.cancel(pieces), pieces.ended.catch(() => {})]);
    }],
    ["a close() that was refused, of an incomplete chain", true, async (ring) => {
      thrown(() => ring.link((ring) => void ring.close()), TypeError);
      expect(await ring.nop()).toBe(0);
    }],
    ["a synchronous close that was refused, of a callback", true, async (ring, pipe) => {
      const refused: TypeError[] = [];
      const polls = ring.pollMultishot(pipe.readEnd, POLL.IN, {
        each: () => void refused.push(thrown(() => ring[Symbol.dispose](), TypeError)),
      });
      pipe.write("x");
      while (refused.length === 0) await ring.nop();
      await Promise.all([ring.cancel(polls), polls.ended.catch(() => {})]);
    }],
  ];

  test.each(leavings.filter(([, has]) => has))("with %s", async (_, __, leave) => {
    const before = ringDescriptors();
    using pipe = new Pipe();
    await (() => leave(new Ring(), pipe))();
    expect(await collectUntil(() => ringDescriptors() === before)).toBe(true);
  });
});

describe("a ring that is dropped with operations in flight", () => {
  test("goes on with them until they complete, and is closed then", async () => {
    const before = ringDescriptors();
    using pipe = new Pipe();
    const buffer = new Uint8Array(8);
    const read = watch((() => new Ring().read(pipe.readEnd, buffer))());
    await collectUntil(() => read.state !== "pending", 10);
    expect(read.state).toBe("pending");
    pipe.write("still");
    expect(await collectUntil(() => read.state === "resolved")).toBe(true);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("still");
    expect(await collectUntil(() => ringDescriptors() === before)).toBe(true);
  });

  test.each([
    ["a Ring", "await new Ring().nop()"],
    ["a RawRing", "{ const ring = new RawRing({ entries: 8 }); ring.prepNop(1); ring.submitAndWait(1); }"],
  ])("warns, once: %s", (_, use) => {
    const raw = MOD.replace(/mod(?=\.[jt]s$)/, "src/ring/raw");
    const script = `const { Ring } = await import(${JSON.stringify(MOD)});
      const { RawRing } = await import(${JSON.stringify(raw)});
      const { readdirSync, readlinkSync } = await import("node:fs");
      const rings = () => readdirSync("/proc/self/fd").filter((fd) => {
        try { return readlinkSync("/proc/self/fd/" + fd).includes("[io_uring]"); } catch { return false; }
      }).length;
      const before = rings();
      for (let i = 0; i < 3; i++) await (async () => { ${use}; })();
      const collect = globalThis.Bun ? () => Bun.gc(true) : globalThis.gc ?? await (async () => {
        process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
        return process.getBuiltinModule("node:vm").runInNewContext("gc");
      })();
      for (let i = 0; i < 100 && rings() > before; i++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      console.log(rings() - before);`;
    const printed = runScript(script, "exec 2>&1; unset NODE_NO_WARNINGS");
    expect(printed.split("dropped without close").length, printed).toBe(2);
    expect(printed.split("\n")).toContain("0");
  });
});

describe("the ring's descriptor", () => {
  /** Closes it behind the ring's back; false in Deno, whose node:fs closes only what it opened itself. */
  function closeBehind(ring: { readonly fd: number }): boolean {
    try {
      closeSync(ring.fd);
      return true;
    } catch {
      expect("Deno" in globalThis).toBe(true);
      return false;
    }
  }

  test("can't be closed by an operation of another ring", async () => {
    await using ring = new Ring();
    await using other = new Ring();
    expect(await failure(other.closeFd(ring.fd), UringError)).toMatchObject({ code: "EBADF" });
    expect(await ring.nop()).toBe(0);
  });

  test("closed by somebody else ends the ring with an error that says so", async () => {
    const ring = new Ring();
    const pending = failure(ring.timeout(NEVER), Error);
    await ring.nop();
    if (!closeBehind(ring)) return void await Promise.all([ring.close(), pending]);
    for (const error of [await failure(ring.nop(), UringError), await pending as UringError]) {
      expect(error.syscall).toBe("io_uring_enter");
      expect(error.message).toMatch(/descriptor was closed by somebody else/);
    }
    expect(thrown(() => ring.nop(), UringError).message).toMatch(/closed by somebody else/);
    expect(thrown(() => ring.submitAndWait(0), UringError).message).toMatch(/closed by somebody else/);
  });

  test("closed by somebody else tells of what had ended before", async () => {
    using pipe = new Pipe();
    const ring = new Ring({ deferTaskrun: false });
    const polled = ring.pollAdd(pipe.readEnd, POLL.IN);
    ring.submitAndWait(0);
    pipe.write("x"); // the kernel posts the completion as this call returns
    if (!closeBehind(ring)) return void await Promise.all([ring.close(), polled]);
    const nop = failure(ring.nop(), UringError);
    expect(await polled).toBe(POLL.IN);
    expect((await nop).message).toMatch(/closed by somebody else/);
  });

  test("closed by somebody else is not closed once more, when its number is another file's", async () => {
    using folder = new TempFolder();
    folder.write("file", "");
    const ring = new Ring();
    await ring.nop();
    if (!closeBehind(ring)) return void ring.close();
    const opened: number[] = [];
    while (!opened.includes(ring.fd)) opened.push(folder.open("file"));
    const error = await failure(ring.nop(), UringError);
    expect(error.message).toMatch(/closed by somebody else/);
    await ring.close();
    expect(fstatSync(ring.fd).isFile(), "still open").toBe(true);
  });

  test.skipIf(!hasOp("SOCKET")).each([["knows of it", true], ["does not", false]])(
    "closed by somebody else leaves another ring alone that has its number, where it %s",
    async (_, knows) => {
      const ring = new Ring({ closeTimeout: 50 });
      const lost = failure(ring.timeout(NEVER), Error);
      await ring.nop();
      if (!closeBehind(ring)) return void await Promise.all([ring.close(), lost]);
      if (knows) await failure(ring.nop(), UringError);
      const others: Ring[] = [];
      while (!others.some(({ fd }) => fd === ring.fd)) others.push(new Ring());
      const other = others.find(({ fd }) => fd === ring.fd)!;
      const pending = failure(other.timeout(NEVER), Error);
      await other.nop();
      expect((await failure(ring.close(), UringError)).code).toBe("EBUSY");
      await lost;
      expect(await other.timeout(1)).toBe(0);
      expect(other.stats.inFlight).toBe(1);
      await Promise.all(others.map((ring) => ring.close()));
      expect((await pending).name).toBe("AbortError");
    },
  );

  test.skipIf(!hasOp("SOCKET"))(
    "closed by somebody else: another ring that has its number keeps what it registered",
    async () => {
      using pipe = new Pipe();
      const { readEnd } = pipe;
      pipe.write("hello");
      const ring = new Ring();
      const raw = new RawRing({ entries: 4 });
      const groups = new BufferRing({ ring, size: 64, count: 1 });
      const files = new FileTable(ring, { size: 1 });
      raw.prepRead(1, readEnd, new Uint8Array(1), 0, -1);
      raw.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
      raw.submit();
      if (!closeBehind(ring) || !closeBehind(raw)) {
        groups.close();
        files.close();
        raw.close();
        return void await ring.close();
      }
      const others: Ring[] = [];
      while (![ring, raw].every((lost) => others.some(({ fd }) => fd === lost.fd))) others.push(new Ring());
      const heirs = [ring, raw].map((lost) => others.find(({ fd }) => fd === lost.fd)!);
      const pending = heirs.map((heir) => failure(heir.timeout(NEVER), Error));
      const theirs = heirs.map((heir) => {
        new FileTable(heir, { size: 1 }).set(0, readEnd);
        return { heir, buffers: new BufferRing({ ring: heir, size: 4, count: 1 }) };
      });
      await Promise.all(heirs.map((heir) => heir.nop()));
      thrown(() => groups.close(), UringError);
      thrown(() => files.close(), UringError);
      raw.close();
      await ring.close();
      for (const { heir, buffers } of theirs) {
        pipe.write("hello");
        using buffer = await heir.readSelect(0, buffers, undefined, { fixedFile: true });
        expect(buffer!.bytes.length).toBe(4);
        expect(heir.stats.inFlight).toBe(1);
      }
      await Promise.all(others.map((other) => other.close()));
      for (const error of await Promise.all(pending)) expect(error.name).toBe("AbortError");
    },
  );

  test("is not inherited by programs that the process starts", async () => {
    await using ring = new Ring();
    await ring.timeout(0.1);
    const inherited = execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
    expect(inherited).not.toMatch(/io_uring|eventfd/);
    expect(ring.closed).toBe(false);
  });
});
