import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { IORING_REGISTER, POLL, Ring, type RingOptions } from "../../mod.ts";
import { IORING_REGISTER_USE_REGISTERED_RING } from "../../src/abi/constants.ts";
import { Core } from "../../src/ring/core.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { thrown, watch } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasFeature } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { ringMaps } from "../support/process_state.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";

describe.skipIf(!CAN_RESIZE)("resize()", () => {
  const LAYOUTS: [string, RingOptions][] = [
    ["as it comes", {}],
    ["with an index array", { noSqarray: false }],
    ["with 128-byte SQEs and 32-byte CQEs", { sqe128: true, cqe32: true }],
    ["with both and an index array", { sqe128: true, cqe32: true, noSqarray: false }],
    ["in its own memory", { noMmap: true }],
    ["with a registered descriptor", { registerFd: true }],
    ["without a descriptor", { noMmap: true, registeredFdOnly: true }],
    ["with a wait region", { waitRegion: true }],
  ];
  test.each(LAYOUTS)("grows and shrinks a ring %s, with operations in flight", async (_, options) => {
    await using ring = new Ring({ ...RESIZABLE, entries: 4, ...options });
    using pipe = new Pipe();
    using folder = new TempFolder();
    folder.write("file", pattern(1000));
    const fd = folder.open("file");
    const poll = watch(ring.pollAdd(pipe.readEnd, POLL.IN));
    for (const [entries, cqEntries] of [[64, 64], [8, 16], [1024, 4096], [4, 8]] as const) {
      const nops = Array.from({ length: 10 }, () => ring.nop());
      ring.resize({ entries, cqEntries });
      expect([ring.entries, ring.cqEntries]).toEqual([entries, cqEntries]);
      expect(await Promise.all(nops)).toEqual(new Array(10).fill(0));
      const buffers = Array.from({ length: 100 }, () => new Uint8Array(1000));
      expect(await Promise.all(buffers.map((buffer) => ring.read(fd, buffer, 0)))).toEqual(new Array(100).fill(1000));
      expect(buffers.every((buffer) => Buffer.compare(buffer, pattern(1000)) === 0)).toBe(true);
      expect(await ring.timeout(1), "the waker hears the new rings").toBe(0);
      expect(poll.state).toBe("pending");
    }
    pipe.write("x");
    expect(ring.submitAndWait(1)).toBe(1);
    await Promise.resolve();
    expect(poll.state).toBe("resolved");
  });

  test("rounds up as opening does, and gives twice as many completions by itself", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 8 });
    ring.resize({ entries: 100 });
    expect([ring.entries, ring.cqEntries]).toEqual([128, 256]);
    ring.resize({ entries: 3, cqEntries: 33 });
    expect([ring.entries, ring.cqEntries]).toEqual([4, 64]);
    ring.resize({ entries: 32768 });
    expect([ring.entries, ring.cqEntries]).toEqual([32768, 65536]);
    expect(await Promise.all(Array.from({ length: 5000 }, () => ring.nop()))).toEqual(new Array(5000).fill(0));
  });

  test("leaves no map behind", async () => {
    const before = ringMaps();
    const ring = new Ring({ ...RESIZABLE, entries: 8 });
    const open = ringMaps();
    for (let i = 0; i < 50; i++) ring.resize({ entries: 8 << i % 5 });
    expect(ringMaps()).toBe(open);
    await ring.close();
    expect(ringMaps()).toBe(before);
  });

  test("lets counters go on", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 8 });
    await ring.nop();
    const before = ring.stats;
    ring.resize({ entries: 16 });
    await ring.nop();
    expect(ring.stats.submitted).toBe(before.submitted + 1);
    expect(ring.stats.enters).toBeGreaterThan(before.enters);
  });

  test("makes room for a longer chain", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 4 });
    const build = (ring: Ring) => Array.from({ length: 12 }, () => ring.nop());
    expect(() => ring.link(build)).toThrow(/chain of 5 operations does not fit a queue of 4/);
    ring.resize({ entries: 16 });
    expect(await Promise.all(ring.link(build))).toEqual(new Array(12).fill(0));
  });

  test("refuses what can't be, and changes nothing then", async () => {
    await using ring = new Ring({ ...RESIZABLE, entries: 8 });
    expect(thrown(() => ring.resize({ entries: 0 }), RangeError).message).toMatch(/entries must be from 1 to 32768/);
    expect(thrown(() => ring.resize({ entries: 65536 }), RangeError).message).toMatch(
      /entries must be from 1 to 32768/,
    );
    expect(thrown(() => ring.resize({ entries: 8, cqEntries: 4 }), RangeError).message).toMatch(/cqEntries \(4\)/);
    expect(thrown(() => ring.resize(8 as never), TypeError).message).toMatch(/options must be \{ entries/);
    expect(thrown(() => ring.link((ring) => ring.resize({ entries: 8 })), TypeError).message).toMatch(/inside link/);
    await using other = new Ring({ deferTaskrun: false });
    expect(thrown(() => other.resize({ entries: 16 }), TypeError).message).toMatch(/needs a ring with deferTaskrun/);
    expect([ring.entries, await ring.nop(), await other.nop()]).toEqual([8, 0, 0]);
  });

  test("of a disabled ring takes place before it is enabled", async () => {
    await using ring = new Ring({ ...RESIZABLE, disabled: true, entries: 4 });
    // Some kernels bind a resize to the thread that enabled the ring.
    ring.enable();
    ring.resize({ entries: 32 });
    expect(ring.entries).toBe(32);
    expect(await ring.nop()).toBe(0);
  });

  test("of a core keeps what is staged, and refuses while completions wait", () => {
    const core = new Core({ entries: 4 });
    const stage = (userData: number) => {
      const at = core.count++ * core.sqeWords;
      core.sqes.fill(0, at, at + core.sqeWords);
      core.sqes[at + 8] = userData;
    };
    const cqe = () => core.cqes[0];
    stage(7);
    core.resize(16);
    expect(core.turn(0, 1)).toBe(1);
    expect(cqe()).toBe(7);
    stage(8);
    stage(9);
    expect(thrown(() => core.resize(1), RangeError).message).toMatch(/less than the 2 that are staged/);
    expect(core.turn(2, /* NO_REAP */ 2)).toBe(0);
    expect(thrown(() => core.resize(4), Error)).toMatchObject({ code: "EBUSY" });
    expect(core.reap()).toBe(2);
    expect(cqe()).toBe(8);
    core.resize(4);
    expect(core.close(0)).toBe(true);
  });
});

test.each([
  ["by its descriptor", {}, 0],
  ["by its registered index", { registerFd: true }, IORING_REGISTER_USE_REGISTERED_RING],
])("register(RESIZE_RINGS) %s is refused: it would leave the ring with maps that nobody reads", (_, options, bit) => {
  if (bit !== 0 && !hasFeature("REG_REG_RING")) return; // before 6.3
  using ring = new RawRing({ entries: 4, ...options });
  const arg = new Uint32Array(30);
  arg.set([8, 16]);
  const opcode = IORING_REGISTER.RESIZE_RINGS + bit;
  expect(thrown(() => ring.register(opcode, arg, 1), TypeError).message).toMatch(/call resize\(\)/);
  expect(thrown(() => ring.register(opcode, new Uint8Array(119), 1), RangeError).message).toMatch(
    /120 is more than arg/,
  );
  ring.prepNop(1);
  expect(ring.submitAndWait(1, 10_000)).toBe(1);
  expect(ring.forEachCqe((userData) => expect(userData).toBe(1))).toBe(1);
});
