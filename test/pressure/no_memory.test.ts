/** No memory left: for a ring, for its maps, for pages. Real filters and limits answer. */

import { beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { hasOp } from "../support/kernel.ts";
import { CAN_RESIZE } from "../support/ring_kinds.ts";
import { buildRefuse, type Refused, runRefused } from "../support/refuse.ts";
import { MOD, runScript } from "../support/script.ts";

const ENOMEM = 12;
const hasBufferRings = hasOp("SOCKET");
const SQE_SIZE = 64;
const folder = new TempFolder();
const refuse = folder.at("refuse");

beforeAll(() => {
  if (!IN_GUEST) buildRefuse(refuse); // no compiler there
});

describe.skipIf(IN_GUEST).each(
  [["a ring", "all"], ["a ring's maps", "maps"]] satisfies [string, Refused][],
)(
  "ENOMEM for %s",
  (_, refused) => {
    test("is what supported() and new Ring() say, every time, with the way out; nothing is left", () => {
      const script = `import { readdirSync, readFileSync, readlinkSync } from "node:fs";
      const { Ring, UringError } = await import(${JSON.stringify(MOD)});
      const errors = [];
      for (let i = 0; i < 20; i++) try { new Ring(); } catch (error) { errors.push(error); }
      const { ok, reason, fix } = Ring.supported();
      const isRing = (fd) => {
        try { return readlinkSync("/proc/self/fd/" + fd).includes("io_uring"); } catch { return false; }
      };
      const rings = readdirSync("/proc/self/fd").filter(isRing).length;
      const maps = readFileSync("/proc/self/maps", "utf8").split("io_uring]").length - 1;
      const { length, [0]: error } = errors;
      const ours = error instanceof UringError;
      console.log(JSON.stringify({ length, ours, code: error.code, text: error.message, ok, reason, fix, rings, maps }));`;
      expect(JSON.parse(runRefused(refuse, ENOMEM, refused, script))).toMatchObject({
        length: 20,
        ours: true,
        code: "ENOMEM",
        text: expect.stringMatching(/memory/),
        ok: false,
        reason: expect.stringContaining("no memory for a ring"),
        fix: expect.stringContaining("ulimit -l"),
        rings: 0,
        maps: 0,
      });
    });
  },
);

describe.skipIf(IN_GUEST || !CAN_RESIZE)("ENOMEM for the maps of a resized ring", () => {
  test("ends it: operations and calls say so, their memory is kept, other rings go on", () => {
    const script = `import { readFileSync } from "node:fs";
    import process from "node:process";
    const { Ring } = await import(${JSON.stringify(MOD)});
    const ring = new Ring({ singleIssuer: true, deferTaskrun: true, entries: 8, closeTimeout: 50 });
    const other = new Ring({ entries: 8 });
    const text = ({ code, message }) => code + " " + message;
    const told = async (make) => { try { return String(await make()); } catch (error) { return text(error); } };
    const { read: readEnd } = await ring.pipe();
    const read = told(() => ring.read(readEnd, new Uint8Array(65536)));
    await ring.nop();
    const maps = () => readFileSync("/proc/self/maps", "utf8").split("io_uring]").length - 1;
    const before = maps();
    const resize = await told(() => ring.resize({ entries: 4096 }));
    const shown = { resize, read: await read, nop: await told(() => ring.nop()), other: await other.nop() };
    console.log(JSON.stringify({ ...shown, maps: maps() - before, close: await told(() => ring.close()) }));
    process.exit(0);`;
    const lost = expect.stringMatching(/^ENOMEM .*resize\(\) has moved the ring/);
    expect(JSON.parse(runRefused(refuse, ENOMEM, `maps=${4096 * SQE_SIZE}`, script))).toEqual({
      resize: expect.stringMatching(/^ENOMEM .*can't be moved/),
      read: lost,
      nop: lost,
      other: 0,
      maps: 0,
      close: expect.stringMatching(/^EBUSY .*kept for as long as the process/),
    });
  });
});

describe.skipIf(IN_GUEST)("no address space left", () => {
  test("is a RangeError for a BufferPool and a BufferRing; smaller ones fit, and the ring goes on", () => {
    // What a runtime has reserved for itself is far more than these: the limit comes upon that, with room for its heap.
    const script = `import { execFileSync } from "node:child_process";
    import { readFileSync } from "node:fs";
    import process from "node:process";
    const { BufferPool, BufferRing, Ring } = await import(${JSON.stringify(MOD)});
    const ring = new Ring({ entries: 8 });
    await ring.nop();
    const used = 1024 * Number(/VmSize:[^0-9]*([0-9]+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + (used + (512 << 20))]);
    const opened = (make) => {
      try { make().close(); return "ok"; } catch (error) { return error.name + ": " + error.message; }
    };
    const both = (count) => [
      opened(() => new BufferPool({ size: 1 << 20, count })),
      opened(() => new BufferRing({ ring, size: 1 << 20, count })),
    ];
    console.log(JSON.stringify({ refused: both(1024), smaller: both(16), goesOn: await ring.nop() }));
    await ring.close();`;
    const refusal = "RangeError: size × count: 1073741824 bytes could not be mapped (ENOMEM): " +
      "make the pool smaller, or free memory";
    expect(JSON.parse(runScript(script))).toEqual({
      refused: [refusal, hasBufferRings ? refusal : expect.any(String)],
      smaller: ["ok", hasBufferRings ? "ok" : expect.any(String)],
      goesOn: 0,
    });
  });
});
