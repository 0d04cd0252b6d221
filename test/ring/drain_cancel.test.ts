import { describe, expect, test } from "vitest";
import { IOSQE, Ring, UnsupportedError } from "../../mod.ts";
import { thrown } from "../support/failure.ts";
import { hasSyncCancel } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD, runScript } from "../support/script.ts";

const DRAIN = { flags: IOSQE.IO_DRAIN };

/** How promises ended: a value, or an error's name and message. */
async function ends(promises: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((end) => end.status === "fulfilled" ? end.value : end.reason.message);
}

test.skipIf(hasSyncCancel)("IO_DRAIN is refused where an abort would wait behind it", async () => {
  await using ring = new Ring();
  expect(thrown(() => ring.nop(DRAIN), UnsupportedError)).toMatchObject({
    feature: "IO_DRAIN on a Ring",
    needs: "Linux 6.0",
  });
});

// The core tries out how the kernel signals on the first ring that sleeps: that must leave no trace.
test.skipIf(!hasSyncCancel)("IO_DRAIN works on the first ring of a process, and on the next", () => {
  const script = `
    const { IOSQE, Ring } = await import(${JSON.stringify(MOD)});
    const rings = [Ring.default(), new Ring()];
    console.log(JSON.stringify(await Promise.all(rings.map((ring) => ring.nop({ flags: IOSQE.IO_DRAIN })))));`;
  expect(JSON.parse(runScript(script))).toEqual([0, 0]);
});

describe.skipIf(!hasSyncCancel)("behind an operation with IO_DRAIN, which waits for all before it", () => {
  test("an abort still gets through", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    const drain = ring.nop(DRAIN);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error("on purpose"));
    expect(await ends([read, drain])).toEqual(["on purpose", 0]);
  });

  test("an abort in the same turn gets through, too", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
    const drain = ring.nop(DRAIN);
    controller.abort(new Error("on purpose"));
    expect(await ends([read, drain])).toEqual(["on purpose", 0]);
  });

  test("close() ends what is pending", async () => {
    using pipe = new Pipe();
    const ring = new Ring();
    const pending = [
      ring.read(pipe.readEnd, new Uint8Array(8)),
      ring.nop(DRAIN),
      ring.read(pipe.readEnd, new Uint8Array(8)),
    ];
    const ended = ends(pending);
    await new Promise((resolve) => setImmediate(resolve));
    await ring.close();
    const [first, , third] = await ended;
    expect([first, third]).toEqual([expect.stringContaining("closed"), expect.stringContaining("closed")]);
  });

  test("a synchronous close ends what is pending", async () => {
    using pipe = new Pipe();
    const ring = new Ring();
    const ended = ends([ring.read(pipe.readEnd, new Uint8Array(8)), ring.nop(DRAIN)]);
    ring[Symbol.dispose]();
    expect((await ended)[0]).toContain("closed");
  });
});

describe("an abort while a chain is open does not become a part of it", () => {
  test("inside link()", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const chain = ring.link((ring) => {
      const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, { signal: controller.signal });
      controller.abort(new Error("on purpose"));
      return [read, ring.nop()];
    });
    expect(await ends(chain)).toEqual(["on purpose", expect.stringContaining("ECANCELED")]);
  });

  test("after an operation with IO_LINK in its flags", async () => {
    using pipe = new Pipe();
    await using ring = new Ring();
    const controller = new AbortController();
    const options = { signal: controller.signal, flags: IOSQE.IO_LINK };
    const read = ring.read(pipe.readEnd, new Uint8Array(8), undefined, options);
    controller.abort(new Error("on purpose"));
    const nop = ring.nop();
    expect(await ends([read, nop])).toEqual(["on purpose", expect.stringContaining("ECANCELED")]);
  });
});
