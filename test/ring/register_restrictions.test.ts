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
  UringError,
} from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp, hasSyncCancel } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD, runScript } from "../support/script.ts";
import { Net } from "../support/sockaddr.ts";

/** A ring that is restricted, and enabled. */
function restricted(restrictions: Parameters<Ring["restrict"]>[0]): Ring {
  const ring = new Ring({ disabled: true });
  ring.restrict(restrictions);
  ring.enable();
  return ring;
}

describe("enable()", () => {
  test("starts a ring that was opened disabled; until then it refuses, and stays whole", async () => {
    await using ring = new Ring({ disabled: true });
    expect(ring.setupFlags & IORING_SETUP.R_DISABLED).toBe(IORING_SETUP.R_DISABLED);
    expect(thrown(() => ring.nop(), UringError).message).toMatch("call enable() first");
    ring.enable();
    expect(await ring.nop()).toBe(0);
    expect(await ring.timeout(1), "its waker works").toBe(0);
  });

  test("of a ring that is enabled is a decoded EBADFD", async () => {
    await using ring = new Ring();
    const error = thrown(() => ring.enable(), UringError);
    expect(error).toMatchObject({ code: "EBADFD", syscall: "io_uring_register" });
    expect(error.message).toMatch("enabled already");
  });

  test("files and buffers can be registered before, and taken out again", async () => {
    const ring = new Ring({ disabled: true });
    using folder = new TempFolder();
    folder.write("data", "x");
    const files = new FileTable(ring, { size: 2 });
    using pool = new BufferPool({ ring, size: 16, count: 1 });
    const released: number[] = [];
    const fd = folder.open("data");
    files.update(0, [fd, fd], { released: (slot) => released.push(slot) });
    files.clear(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    ring.enable();
    expect(await ring.readFixed(0, pool.acquire(), 0, { fixedFile: true })).toBe(1);
    while (released.length < 1) await ring.timeout(1);
    expect(released).toEqual([1]);
    expect(ring.stats.inFlight).toBe(0);
    await ring.close();

    await using never = new Ring({ disabled: true });
    const other = new FileTable(never, { size: 1 });
    other.set(0, fd, { released: (slot) => released.push(slot) });
    other.clear(0);
  });

  test("a ring that is never enabled can be closed", async () => {
    const ring = new Ring({ disabled: true });
    await ring.close();
    using another = new Ring({ disabled: true });
    expect(another.closed).toBe(false);
  });
});

describe("restrict()", () => {
  test("allows the ops that are named, and no others: those reject with EACCES that says so", async () => {
    await using ring = restricted({ sqeOps: ["READ", "OPENAT", "CLOSE"] });
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = await ring.openat(AT.FDCWD, folder.at("data"), O.RDWR);
    expect(await ring.read(fd, new Uint8Array(1), 0)).toBe(1);
    const error = await failure(ring.write(fd, new Uint8Array(1), 0), UringError);
    expect(error).toMatchObject({ code: "EACCES", syscall: "write" });
    expect(error.message).toMatch(/restrictions forbid WRITE.*sqeOps/);
    expect((await failure(ring.nop(), UringError)).message).toMatch("restrictions forbid NOP");
    expect(folder.text("data")).toBe("x");
    await ring.closeFd(fd);
  });

  test.skipIf(process.getuid?.() !== 0)("a file's own EACCES is not blamed on the ring", () => {
    using folder = new TempFolder(); // a folder for root alone
    const script = `
      import process from "node:process";
      const { AT, Ring } = await import(${JSON.stringify(MOD)});
      const ring = new Ring({ disabled: true });
      ring.restrict({ sqeOps: ["OPENAT"] });
      ring.enable();
      process.seteuid(65534);
      const error = await ring.openat(AT.FDCWD, ${JSON.stringify(folder.at("x"))}, 0).catch((error) => error);
      console.log(error.code, error.message.includes("restrictions"));`;
    expect(runScript(script)).toBe("EACCES false");
  });

  test("allows the register ops that are named, and no others: those throw EACCES that says so", async () => {
    await using ring = restricted({ registerOps: ["PERSONALITY"] });
    const id = ring.registerPersonality();
    expect(id).toBeGreaterThan(0);
    const error = thrown(() => ring.unregisterPersonality(id), UringError);
    expect(error).toMatchObject({ code: "EACCES", syscall: "io_uring_register" });
    expect(error.message).toMatch(/restrictions forbid it.*registerOps/);
    expect(await ring.nop(), "ops are not restricted").toBe(0);
  });

  test("a ring with nothing but NOP allowed is woken, cancels, and closes", async () => {
    const ring = restricted({ sqeOps: ["NOP", "READ"], registerOps: [] });
    using pipe = new Pipe();
    const buffer = new Uint8Array(4);
    const read = ring.read(pipe.readEnd, buffer);
    await new Promise((resolve) => setTimeout(resolve, 5));
    pipe.write("wake");
    expect(await read).toBe(4);
    const controller = new AbortController();
    const aborted = ring.read(pipe.readEnd, buffer, undefined, { signal: controller.signal });
    const closed = ring.read(pipe.readEnd, buffer);
    closed.catch(() => {});
    await ring.nop();
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await ring.close();
    expect((await failure(closed, Error)).name).toBe("AbortError");
  });

  test("allows and demands flags", async () => {
    await using allowed = restricted({ sqeFlagsAllowed: IOSQE.ASYNC });
    expect(await allowed.nop({ flags: IOSQE.ASYNC })).toBe(0);
    if (hasSyncCancel) {
      const error = await failure(allowed.nop({ flags: IOSQE.IO_DRAIN }), UringError);
      expect(error.message).toMatch(/EACCES.*allowed 0x10/);
    }

    await using required = restricted({ sqeFlagsRequired: IOSQE.ASYNC });
    expect(await required.nop({ flags: IOSQE.ASYNC })).toBe(0);
    expect((await failure(required.nop(), UringError)).message).toMatch(/EACCES.*required 0x10/);
  });

  test("demanded flags do not keep a ring with operations in flight from closing", async () => {
    const ring = restricted({ sqeFlagsRequired: IOSQE.ASYNC });
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN, { flags: IOSQE.ASYNC });
    poll.catch(() => {});
    await ring.nop({ flags: IOSQE.ASYNC });
    await ring.close();
    expect((await failure(poll, Error)).name).toBe("AbortError");
  });

  test("empty restrictions forbid nothing", async () => {
    await using ring = restricted({});
    using pipe = new Pipe();
    expect(await Promise.all(ring.link((ring) => [ring.nop(), ring.nop()]))).toEqual([0, 0]);
    expect(ring.setMaxWorkers().bounded).toBeGreaterThan(0);
    pipe.write("x");
    expect(await ring.read(pipe.readEnd, new Uint8Array(1), undefined, { timeout: 1000 })).toBe(1);
  });

  test("twice is a decoded EBUSY, on an enabled ring EBADFD", async () => {
    await using ring = new Ring({ disabled: true });
    ring.restrict({ sqeOps: ["NOP"] });
    const twice = thrown(() => ring.restrict({ sqeOps: ["READ"] }), UringError);
    expect(twice).toMatchObject({ code: "EBUSY" });
    expect(twice.message).toMatch("all restrictions at once");
    ring.enable();
    await using enabled = new Ring();
    const late = thrown(() => enabled.restrict({}), UringError);
    expect(late).toMatchObject({ code: "EBADFD" });
    expect(late.message).toMatch("enabled already");
    expect(await enabled.nop()).toBe(0);
  });

  test("refuses names and bits that there are not", async () => {
    await using ring = new Ring({ disabled: true });
    expect(thrown(() => ring.restrict({ sqeOps: ["NOP", "REED"] }), TypeError).message).toMatch(/sqeOps\[1\].*"REED"/);
    expect(thrown(() => ring.restrict({ registerOps: ["toString"] }), TypeError).message).toMatch("registerOps[0]");
    thrown(() => ring.restrict({ sqeOps: "NOP" as never }), TypeError);
    thrown(() => ring.restrict({ sqeFlagsAllowed: 0x80 }), RangeError);
    thrown(() => ring.restrict({ sqeFlagsRequired: -1 }), RangeError);
    thrown(() => ring.restrict(null as never), TypeError);
    ring.restrict({ registerOps: Object.keys(IORING_REGISTER).slice(0, 20) });
    ring.enable();
    expect(await ring.nop(), "nothing was restricted before").toBe(0);
  });
});

test.skipIf(!hasOp("SEND_ZC"))(
  "where LINK_TIMEOUT is forbidden, the timeout option says so, and not that time ran out",
  async () => {
    using folder = new TempFolder();
    folder.write("file", "content");
    await using ring = new Ring({ disabled: true });
    ring.restrict({ sqeOps: ["READ"] });
    ring.enable();
    const error = await failure(ring.read(folder.open("file"), new Uint8Array(8), 0, { timeout: 60_000 }), UringError);
    expect(error).toMatchObject({ code: "EACCES" });
    expect(error.message).toMatch(/forbid LINK_TIMEOUT/);
  },
);

test.skipIf(!hasOp("SEND_ZC"))("sends without a copy go where nothing had IO_DRAIN", async () => {
  await using net = new Net({ disabled: true });
  const { ring } = net;
  ring.restrict({ registerOps: [] });
  ring.enable();
  const { fd, address } = await net.udp();
  const sender = await net.udp();
  expect(await ring.sendZc(sender.fd, new Uint8Array(16), 0, { to: address })).toBe(16);
  expect(await ring.recv(fd, new Uint8Array(32))).toBe(16);
});
