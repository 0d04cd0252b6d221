/**
 * A kernel that takes nothing for a while, and then goes on: the queue fills, and what needs a place waits for it. A real
 * filter refuses io_uring_enter for as long as a file exists.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { hasOp, hasSyncCancel } from "../support/kernel.ts";
import { buildRefuse } from "../support/refuse.ts";
import { MOD, runScript } from "../support/script.ts";

const EAGAIN = 11;
const EBADR = 53;

const folder = new TempFolder();
const refuse = folder.at("refuse_while");
const file = folder.at("busy");

beforeAll(() => {
  if (!IN_GUEST) buildRefuse(refuse, "while"); // no compiler there
});

/** What a script gives to `show`, which finds the module's names, and `busy()` and `free()`. */
function whereBusy(script: string, errno = EAGAIN): unknown {
  const whole = `import { rmSync, writeFileSync } from "node:fs";
  const { AF, BufferPool, BufferRing, FileTable, IOSQE, Ring, SOCK } = await import(${JSON.stringify(MOD)});
  const busy = () => writeFileSync(${JSON.stringify(file)}, "");
  const free = () => rmSync(${JSON.stringify(file)}, { force: true });
  /** The event loop does it: tells whether it has. */
  const freeLater = () => {
    let ticked = false;
    setTimeout(() => {
      ticked = true;
      free();
    }, 20);
    return () => ticked;
  };
  /** What a call gives, or the code that it throws. */
  const codeOf = (call) => {
    try {
      return call();
    } catch (error) {
      return error.code;
    }
  };
  const show = (value) => console.log(JSON.stringify(value));
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  /** Fills the kernel's queue of four, and the places before it but for so many. */
  const fill = async (ring, left) => {
    const all = [0, 1, 2, 3].map(() => ring.nop());
    await sleep(5);
    for (let i = left; i < 4; i++) all.push(ring.nop());
    for (const nop of all) nop.catch(() => {});
    return all;
  };
  let unhandled = 0;
  process.on("unhandledRejection", () => unhandled++);
  ${script}`;
  return JSON.parse(runScript(whole, `rm -f ${file}; set -- ${refuse} ${file} ${errno} "$@"`));
}

describe.skipIf(IN_GUEST)("while the kernel takes nothing", () => {
  test("operations that are aborted cost no turn each, and end once it does", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const controllers = Array.from({ length: 12 }, () => new AbortController());
      const timeouts = controllers.map(({ signal }) => ring.timeout(60_000, { signal }).catch((error) => error.name));
      await ring.nop();
      busy();
      const nops = await fill(ring, 0);
      const { turns } = ring.stats;
      for (const controller of controllers) controller.abort();
      const spent = ring.stats.turns - turns;
      free();
      const ended = await Promise.all(timeouts);
      await Promise.all(nops);
      await ring.close();
      show({ few: spent <= controllers.length || spent, ended: [...new Set(ended)] });`);
    expect(shown).toEqual({ few: true, ended: ["AbortError"] });
  });

  test("a ring is closed all the same, and the event loop goes on meanwhile", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4, closeTimeout: 1000 });
      const timeouts = [0, 1, 2].map(() => ring.timeout(60_000).catch((error) => error.name));
      await ring.nop();
      busy();
      await fill(ring, 0);
      let most = 0;
      let { turns } = ring.stats;
      let closed = false;
      const look = () => {
        most = Math.max(most, ring.stats.turns - turns);
        ({ turns } = ring.stats);
        if (!closed) setImmediate(look);
      };
      look();
      await ring.close().catch(() => {});
      closed = true;
      free();
      // Between two looks: each attempt to cancel doubled them.
      show({ few: most < 30 || most, ended: await Promise.all(timeouts) });`);
    expect(shown).toEqual({ few: true, ended: ["AbortError", "AbortError", "AbortError"] });
  });

  test("a chain that finds no room for its next operation stays as it is, and goes on", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const controllers = [0, 1, 2].map(() => new AbortController());
      const timeouts = controllers.map(({ signal }) => ring.timeout(60_000, { signal }).catch((error) => error.name));
      await ring.nop();
      busy();
      const nops = await fill(ring, 2);
      const chain = [0, 1].map(() => ring.nop({ flags: IOSQE.IO_LINK }));
      for (const controller of controllers) controller.abort(); // they wait for the chain
      const refused = codeOf(() => ring.nop());
      free();
      chain.push(ring.nop());
      const all = await Promise.all([...nops, ...chain, ...timeouts]);
      await ring.close();
      show({ refused, all });`);
    expect(shown).toEqual({ refused: "EAGAIN", all: [...new Array(9).fill(0), ...new Array(3).fill("AbortError")] });
  });

  test("what cancel() had asked for, before there was no room, is its promise's alone", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4, closeTimeout: 300 });
      for (let i = 0; i < 3; i++) ring.timeout(60_000).catch(() => {});
      await ring.nop();
      busy();
      await fill(ring, 1);
      const told = await codeOf(() => ring.cancel("all"));
      await ring.close().catch(() => {});
      await sleep(20);
      free();
      show({ told, unhandled });`);
    expect(shown).toEqual({ told: "EAGAIN", unhandled: 0 });
  });

  test("submitAndWait() keeps its limit, and without one says EAGAIN", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const timeout = ring.timeout(60_000).catch(() => {});
      await ring.nop();
      busy();
      const nop = ring.nop();
      const within = ring.submitAndWait(0, { timeout: 20 });
      const refused = [{}, { minWait: 1 }].map((limits) => codeOf(() => ring.submitAndWait(0, limits)));
      free();
      const done = ring.submitAndWait(1);
      await Promise.all([nop, ring.close(), timeout]);
      show({ within, refused, done });`);
    expect(shown).toEqual({ within: 0, refused: ["EAGAIN", "EAGAIN"], done: 1 });
  });

  test.skipIf(!hasOp("SOCKET"))("a BufferRing that can't be closed can be closed later", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const buffers = new BufferRing({ ring, size: 16, count: 1, group: 5 });
      await ring.nop();
      busy();
      const nop = ring.nop();
      const refused = codeOf(() => buffers.close());
      const { closed } = buffers;
      free();
      await nop;
      buffers.close();
      new BufferRing({ ring, size: 16, count: 1, group: 5 }).close();
      await ring.close();
      show({ refused, closed });`);
    expect(shown).toEqual({ refused: "EAGAIN", closed: true });
  });

  test("a FileTable and a BufferPool that can't be closed can be closed later", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const files = new FileTable(ring, { size: 1 });
      const pool = new BufferPool({ ring, size: 64, count: 1 });
      const buffer = pool.acquire();
      await ring.nop();
      busy();
      const nops = [ring.nop()];
      const refused = [codeOf(() => files.close())];
      nops.push(ring.nop());
      refused.push(codeOf(() => pool.close()));
      const left = [files.closed, pool.available];
      free();
      await Promise.all(nops);
      files.close();
      pool.close();
      const other = new FileTable(ring, { size: 2 });
      files.close();
      other.set(1, 0);
      const place = ring.registerBuffers([new BufferPool({ size: 64, count: 1 }).acquire()], { at: 0 });
      await ring.close();
      show({ refused, left, place });`);
    expect(shown).toEqual({ refused: ["EAGAIN", "EAGAIN"], left: [true, 0], place: 0 });
  });

  test("a buffer that comes back to its group is given once there is room, and nobody waits for that", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const buffers = await ring.provideBuffers(new BufferPool({ size: 64, count: 1 }), 1000);
      const { read, write } = await ring.pipe();
      await ring.write(write, Uint8Array.of(1));
      const first = await ring.readSelect(read, buffers);
      busy();
      const nops = await fill(ring, 0);
      const isFree = freeLater();
      first.release();
      const early = isFree();
      await Promise.all(nops);
      await ring.write(write, Uint8Array.of(2));
      let second;
      while (second === undefined) {
        await sleep(1);
        second = await ring.readSelect(read, buffers).catch(() => undefined);
      }
      await ring.close();
      show({ early, ticked: isFree(), byte: second.bytes[0] });`);
    expect(shown).toEqual({ early: false, ticked: true, byte: 2 });
  });

  test.skipIf(!hasOp("READ_MULTISHOT"))("streams that get their buffers back go on once there is room", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const COUNT = 4;
      const buffers = new BufferRing({ ring, size: 64, count: COUNT });
      const pipes = [];
      for (let i = 0; i < COUNT; i++) pipes.push(await ring.pipe());
      const streams = [ring.readMultishot(pipes[0].read, buffers)];
      const lent = [];
      for (let i = 0; i < COUNT; i++) {
        await ring.write(pipes[0].write, Uint8Array.of(i));
        lent.push((await streams[0].next()).value);
      }
      for (let i = 0; i < COUNT; i++) {
        if (i > 0) streams.push(ring.readMultishot(pipes[i].read, buffers));
        await ring.write(pipes[i].write, Uint8Array.of(10 + i));
      }
      while (buffers.exhausted < COUNT) await sleep(1);
      busy();
      const nops = await fill(ring, 0);
      for (const buffer of lent) buffer.release();
      await sleep(20);
      free();
      const values = [];
      for (const stream of streams) values.push((await stream.next()).value.bytes[0]);
      await Promise.all(nops);
      await ring.close();
      show(values);`);
    expect(shown).toEqual([10, 11, 12, 13]);
  });

  test.skipIf(!hasOp("READ_MULTISHOT"))(
    "a stream waits once for its place, however often it is asked for its next",
    () => {
      const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const COUNT = 64;
      const buffers = new BufferRing({ ring, size: 1, count: 2 * COUNT });
      const { read, write } = await ring.pipe();
      const stream = ring.readMultishot(read, buffers, { highWater: COUNT });
      await ring.write(write, new Uint8Array(2 * COUNT));
      while (stream.waiting < COUNT || ring.stats.inFlight > 0) await sleep(1);
      while (stream.waiting > COUNT / 2 + 1) (await stream.next()).value.release();
      busy();
      const nops = await fill(ring, 0);
      for (let left = stream.waiting; left > 0; left--) (await stream.next()).value.release();
      const { turns } = ring.stats;
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      const spent = ring.stats.turns - turns;
      free();
      await ring.write(write, new Uint8Array(1));
      (await stream.next()).value.release();
      await Promise.all([...nops, stream.return()]);
      await ring.close();
      show({ few: spent < 16 || spent });`);
      expect(shown).toEqual({ few: true });
    },
  );

  test.skipIf(!hasOp("SOCKET"))("connections in slots that nobody took are closed once there is room", () => {
    const shown = whereBusy(`import { connect } from "node:net";
      const path = ${JSON.stringify(folder.at("socket"))};
      rmSync(path, { force: true });
      const ring = new Ring({ entries: 4 });
      const files = new FileTable(ring, { size: 8 });
      const server = await ring.socket(AF.UNIX, SOCK.STREAM);
      await ring.bind(server, { path });
      await ring.listen(server, 16);
      const stream = ring.acceptMultishot(server, { slot: "alloc" });
      const ends = [0, 1, 2].map(() => new Promise((resolve) => connect(path).on("end", resolve).resume()));
      while (stream.waiting < 3) await sleep(1);
      busy();
      const nops = await fill(ring, 0);
      const isFree = freeLater();
      const left = stream.return();
      const early = isFree();
      await Promise.all([...nops, left, ...ends]);
      await ring.close();
      show({ early, ticked: isFree() });`);
    expect(shown).toEqual({ early: false, ticked: true });
  });

  test.skipIf(!hasSyncCancel)("syncCancel() keeps its limit, and without one says EAGAIN", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const timeout = ring.timeout(60_000).catch(() => {});
      await ring.nop();
      busy();
      const nop = ring.nop();
      const refused = [{ timeout: 10 }, {}].map((limits) => codeOf(() => ring.syncCancel("all", limits)));
      free();
      await nop;
      const found = ring.syncCancel("all");
      await Promise.all([timeout, ring.close()]);
      show({ refused, found });`);
    expect(shown).toEqual({ refused: ["ETIME", "EAGAIN"], found: 1 });
  });

  test("a ring that is unref'd does not hold the process by a buffer that is to go back", () => {
    const shown = whereBusy(`const ring = new Ring({ entries: 4 });
      const buffers = await ring.provideBuffers(new BufferPool({ size: 64, count: 1 }), 1000);
      const { read, write } = await ring.pipe();
      await ring.write(write, Uint8Array.of(1));
      const buffer = await ring.readSelect(read, buffers);
      ring.unref();
      busy();
      for (let i = 0; i < 8; i++) ring.nop().catch(() => {});
      buffer.release();
      show("it ends");`);
    expect(shown).toBe("it ends");
  });

  test("nor does a ring that is lost", () => {
    const shown = whereBusy(
      `const ring = new Ring({ entries: 4 });
      const buffers = await ring.provideBuffers(new BufferPool({ size: 64, count: 1 }), 1000);
      const { read, write } = await ring.pipe();
      await ring.write(write, Uint8Array.of(1));
      const buffer = await ring.readSelect(read, buffers);
      busy();
      const lost = await ring.nop().catch((error) => error.code);
      buffer.release();
      show(lost);`,
      EBADR,
    );
    expect(shown).toBe("EBADR");
  });
});
