import { release } from "node:os";
import { describe, expect, test } from "vitest";
import { IORING_OP, IORING_REGISTER, IORING_SETUP, IOSQE, Ring, UnsupportedError } from "../../mod.ts";
import { MOD, runScript } from "../support/script.ts";
import { thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { NEVER, OPERATIONS, Stage } from "../support/operations.ts";

describe("probe()", () => {
  test("tells which ops the kernel has, by name in any case", async () => {
    await using ring = new Ring();
    const probe = ring.probe();
    expect(probe.op("READ")).toEqual({ supported: true, code: IORING_OP.READ });
    expect(probe.op("read")).toEqual(probe.op("READ"));
    expect(probe.ops).toContain("NOP");
    for (const name of Object.keys(IORING_OP)) expect(probe.op(name).supported).toBe(probe.ops.includes(name));
    expect(ring.probe()).toBe(probe);
  });

  test("throws for a name that is no op's", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.probe().op("REED"), TypeError).message).toMatch(/no op "REED".*"READ"/);
    expect(thrown(() => ring.cancel({ op: "REED" }), TypeError).message).toMatch(/no op "REED"/);
  });

  test("tells features, setup flags, register ops and the release", async () => {
    await using ring = new Ring();
    const { features, setupFlags, registers, kernel } = ring.probe();
    expect(features).toContain("SINGLE_MMAP");
    expect(features).toContain("NODROP");
    expect(kernel).toBe(release());
    expect(registers === -1).toBe(setupFlags.length === 0);
    if (registers !== -1) {
      expect(registers).toBeGreaterThan(30);
      const got = Object.entries(IORING_SETUP).filter(([, flag]) => (ring.setupFlags & flag) !== 0);
      for (const [name] of got) expect(setupFlags).toContain(name);
    }
  });

  test("tells the register ops, by name in any case", async () => {
    await using ring = new Ring();
    const probe = ring.probe();
    const { CLONE_BUFFERS } = IORING_REGISTER;
    expect(probe.register("clone_buffers")).toEqual(probe.register("CLONE_BUFFERS"));
    expect(probe.register("CLONE_BUFFERS").code).toBe(CLONE_BUFFERS);
    for (const [name, code] of Object.entries(IORING_REGISTER)) {
      const { supported } = probe.register(name);
      if (probe.registers === -1) expect(supported, "it can't tell").toBe(undefined);
      else expect(supported).toBe(code < probe.registers);
      expect(supported === true).toBe(probe.registerOps.includes(name));
    }
    expect(thrown(() => probe.register("REGISTER"), TypeError).message).toMatch(/no register op "REGISTER".*"FILES"/);
    expect(thrown(() => probe.register("toString"), TypeError).message).toMatch("no register op");
    thrown(() => probe.op("toString"), TypeError);
  });

  test("tells the flags of enter and of SQEs, all or none of them", async () => {
    await using ring = new Ring();
    const { registers, enterFlags, sqeFlags } = ring.probe();
    if (registers === -1) return expect([enterFlags, sqeFlags]).toEqual([[], []]);
    expect(enterFlags).toContain("EXT_ARG");
    expect(sqeFlags).toEqual(Object.keys(IOSQE));
  });

  test("tells of zero-copy receive and of header sizes where the kernel can be asked (6.19)", async () => {
    await using ring = new Ring();
    const { zcrx, scq } = ring.probe();
    if (scq !== undefined) expect(scq.headerSize).toBeGreaterThan(0);
    if (zcrx !== undefined) expect(zcrx.headerAlignment).toBeGreaterThan(0);
    expect(scq === undefined, "both came with one kernel").toBe(!ring.probe().register("ZCRX_CTRL").supported);
  });

  test("agrees with what happens: ops that it denies are refused before they reach the kernel", async () => {
    await using stage = await new Stage().open(1);
    const { ring } = stage;
    const denied = OPERATIONS.filter(({ op }) => !ring.probe().op(op).supported);
    const { submitted } = ring.stats;
    for (const { op, start } of denied) {
      const error = thrown(() => start(stage), UnsupportedError);
      expect(error).toMatchObject({ feature: op, kernel: release() });
      expect(error.needs).toMatch(/^Linux \d+\.\d+$/);
    }
    expect(ring.stats.submitted).toBe(submitted);
  });
});

describe("Ring.supported()", () => {
  test("says yes here, opens no ring that stays, and may be asked again", () => {
    expect(Ring.supported()).toEqual({ ok: true });
    expect(Ring.supported()).toEqual({ ok: true });
  });

  test("says why not, and what to do, when the core can't be loaded", () => {
    const script = `
      const { Ring } = await import(${JSON.stringify(MOD)});
      const first = Ring.supported();
      let error;
      try { new Ring(); } catch (caught) { error = caught; }
      console.log(JSON.stringify({ ...first, again: Ring.supported().ok, name: error.name, message: error.message }));`;
    const answer = JSON.parse(runScript(script, "URING_CORE=/nowhere/core.so; export URING_CORE"));
    expect(answer).toMatchObject({ ok: false, again: false, name: "LoadError" });
    expect(answer.reason).toMatch("/nowhere/core.so");
    expect(answer.fix.length).toBeGreaterThan(10);
    expect(answer.message).toBe(answer.reason);
  });

  test("says why not when no descriptor is left", () => {
    const script = `
      import { closeSync, openSync } from "node:fs";
      const { BufferPool, Ring } = await import(${JSON.stringify(MOD)});
      new BufferPool({ size: 1, count: 1 }); // loads the core
      const taken = [];
      try { while (true) taken.push(openSync("/dev/null", "r")); } catch {}
      const full = Ring.supported();
      taken.forEach((fd) => closeSync(fd));
      console.log(JSON.stringify({ full, later: Ring.supported() }));`;
    const { full, later } = JSON.parse(runScript(script, "ulimit -n 100"));
    expect(full).toEqual({
      ok: false,
      reason: "no descriptor is left (EMFILE)",
      fix: "raise `ulimit -n`, or close files",
    });
    expect(later, "a no is not kept").toEqual({ ok: true });
  });
});

describe("Ring.default()", () => {
  test("is one ring for the thread, opened on first use", async () => {
    const ring = Ring.default();
    expect(Ring.default()).toBe(ring);
    expect(await Ring.default().nop()).toBe(0);
    using folder = new TempFolder();
    folder.write("file", "content");
    expect(await ring.read(folder.open("file"), new Uint8Array(16), 0)).toBe(7);
  });

  test("is another one after somebody closed it", async () => {
    const ring = Ring.default();
    await ring.close();
    expect(Ring.default()).not.toBe(ring);
    expect(await Ring.default().nop()).toBe(0);
  });

  test("does not keep the process alive when it is idle", () => {
    const script = `
      const { Ring } = await import(${JSON.stringify(MOD)});
      await Ring.default().timeout(1);
      console.log("done");`;
    expect(runScript(script)).toBe("done");
  });

  test("is not opened by importing the module", () => {
    const script = `
      import { readdirSync, readlinkSync } from "node:fs";
      const rings = () => readdirSync("/proc/self/fd").filter((fd) => {
        try { return readlinkSync("/proc/self/fd/" + fd).includes("[io_uring]"); } catch { return false; }
      }).length;
      const before = rings(); // newer versions of Node have some
      await import(${JSON.stringify(MOD)});
      console.log(rings() - before);`;
    expect(runScript(script)).toBe("0");
  });
});

test("ref() and unref() give the ring, and what is in flight completes either way", async () => {
  await using ring = new Ring();
  expect(ring.unref()).toBe(ring);
  const timeout = ring.timeout(2);
  expect(ring.ref()).toBe(ring);
  expect(await timeout).toBe(0);
  ring.unref();
  const never = ring.timeout(NEVER).catch(() => "closed");
  expect(await ring.timeout(1)).toBe(0);
  await ring.close();
  expect(await never).toBe("closed");
});
