import { statSync } from "node:fs";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { AT, IORING_REGISTER, IOSQE, O, Ring, UringError } from "../../mod.ts";
import { RawStage } from "../raw/stage.ts";
import { resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { failure } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasSyncCancel } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD, runScript } from "../support/script.ts";

const IS_ROOT = process.getuid?.() === 0;
const EINVAL = negative("EINVAL");
const ECANCELED = negative("ECANCELED");
/** Where an SQE has its personality. */
const PERSONALITY = 42;

describe("a personality", () => {
  test("belongs to its ring: another's is unknown, and breaks the chain in which it is used", () => {
    using stage = new RawStage();
    using other = new RawStage();
    const id = stage.ring.register(IORING_REGISTER.PERSONALITY, null, 0);
    expect(id).toBeGreaterThan(0);
    const chain = ({ ring }: RawStage) => {
      ring.prepNop(1);
      ring.sqeSetFlags(IOSQE.IO_LINK);
      ring.prepNop(2);
      ring.sqe().setUint16(PERSONALITY, id);
      ring.sqeSetFlags(IOSQE.IO_LINK);
      ring.prepNop(3);
    };
    chain(stage);
    expect(resultsOf(stage.finals(1, 2, 3))).toEqual({ 1: 0, 2: 0, 3: 0 });
    chain(other);
    // What can't be taken makes the whole chain fail, as it is before any of it runs.
    expect(resultsOf(other.finals(1, 2, 3))).toEqual({ 1: ECANCELED, 2: EINVAL, 3: ECANCELED });
  });

  test("that is unregistered stays with what is in flight", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const personality = ring.registerPersonality();
    const buffer = new Uint8Array(8);
    const read = ring.read(pipe.readEnd, buffer, "current", { personality });
    const worker = ring.read(pipe.readEnd, new Uint8Array(8), "current", { personality, flags: IOSQE.ASYNC });
    await ring.nop();
    ring.unregisterPersonality(personality);
    expect((await failure(ring.nop({ personality }), UringError)).code).toBe("EINVAL");
    await ring.write(pipe.writeEnd, new Uint8Array(16));
    expect([await read, await worker]).toEqual([8, 8]);
  });

  test("may be had thousands of times, each with an id of its own, and all can be given back", () => {
    using stage = new RawStage();
    const ids = Array.from({ length: 2000 }, () => stage.ring.register(IORING_REGISTER.PERSONALITY, null, 0));
    expect(ids.every((id) => id > 0)).toBe(true);
    expect(new Set(ids).size).toBe(2000);
    for (const id of ids) expect(stage.ring.register(IORING_REGISTER.UNREGISTER_PERSONALITY, null, id)).toBe(0);
    expect(stage.ring.register(IORING_REGISTER.UNREGISTER_PERSONALITY, null, ids[0]!)).toBe(EINVAL);
    expect(stage.ring.register(IORING_REGISTER.PERSONALITY, null, 0)).toBeGreaterThan(0);
  });

  test.skipIf(!IS_ROOT)("is whose files are made: by this thread or a worker, with others beside it", () => {
    using folder = new TempFolder();
    const script = `
      import process from "node:process";
      const { AT, IOSQE, O, Ring } = await import(${JSON.stringify(MOD)});
      const ring = new Ring();
      const root = ring.registerPersonality();
      process.seteuid(65534);
      const nobody = ring.registerPersonality();
      process.seteuid(0);
      const make = (name, personality, flags) =>
        ring.openat(AT.FDCWD, ${
      JSON.stringify(folder.path)
    } + "/" + name, O.CREAT | O.WRONLY, 0o600, { personality, flags })
          .then((fd) => ring.closeFd(fd), (error) => error.code);
      const refused = await make("refused", nobody, 0);
      await Promise.all(Array.from({ length: 30 }, (_, i) => make("root" + i, root, i % 2 ? IOSQE.ASYNC : 0)));
      await ring.close();
      console.log(refused);`;
    expect(runScript(script)).toBe("EACCES");
    for (let i = 0; i < 30; i++) expect(statSync(folder.at(`root${i}`)).uid).toBe(0);
  });
});

describe("what a ring's restrictions forbid", () => {
  /** A ring that may do these alone. */
  function restricted(restrictions: Parameters<Ring["restrict"]>[0]): Ring {
    const ring = new Ring({ disabled: true });
    ring.restrict(restrictions);
    ring.enable();
    return ring;
  }

  test("breaks the chain that it is in: nothing before it runs, and nothing behind it", async () => {
    await using ring = restricted({ sqeOps: ["NOP", "WRITE", "OPENAT"] });
    using folder = new TempFolder();
    folder.write("file", "as it was");
    const fd = await ring.openat(AT.FDCWD, folder.at("file"), O.RDWR);
    const outcome = (promise: Promise<unknown>) => promise.catch((error: UringError) => error.code);
    const codes = await Promise.all(ring.link((ring) => [
      outcome(ring.write(fd, new Uint8Array(3), 0)),
      outcome(ring.read(fd, new Uint8Array(3), 0)),
      outcome(ring.write(fd, new Uint8Array(3), 3)),
    ]));
    expect(codes).toEqual(["ECANCELED", "EACCES", "ECANCELED"]);
    expect(folder.text("file")).toBe("as it was");
    expect(await ring.nop(), "it goes on").toBe(0);
    await using other = new Ring();
    await other.closeFd(fd);
  });

  test("among many that are allowed, fails alone", async () => {
    await using ring = restricted({ sqeOps: ["NOP"] });
    const results = await Promise.all(Array.from({ length: 400 }, (_, i) => {
      const asked: Promise<unknown> = i % 7 === 3 ? ring.fsync(1) : ring.nop();
      return asked.catch((error: UringError) => error.code);
    }));
    results.forEach((result, i) => expect(result).toBe(i % 7 === 3 ? "EACCES" : 0));
    expect(ring.stats.inFlight).toBe(0);
  });

  test("is not had by another name: by a worker, with a hard link, or with a file slot", async () => {
    await using ring = restricted({ sqeOps: ["NOP"], sqeFlagsAllowed: IOSQE.ASYNC | IOSQE.IO_HARDLINK });
    const flags = [IOSQE.ASYNC, IOSQE.FIXED_FILE, IOSQE.IO_HARDLINK];
    for (const each of flags) {
      const read = failure(ring.read(0, new Uint8Array(1), 0, { flags: each }), UringError);
      const next = (each & IOSQE.IO_HARDLINK) !== 0 ? ring.nop().catch((error: UringError) => error.code) : undefined;
      expect((await read).code).toBe("EACCES");
      await next;
    }
    expect(await ring.nop({ flags: IOSQE.ASYNC })).toBe(0);
    if (hasSyncCancel) expect((await failure(ring.nop({ flags: IOSQE.IO_DRAIN }), UringError)).code).toBe("EACCES");
  });
});
