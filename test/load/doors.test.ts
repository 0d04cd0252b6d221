/** The two doors of the core: whichever is used, what comes back is the same. */

import { describe, expect, test } from "vitest";
import { load } from "../../ffi/load.ts";
import type { NapiDoor } from "../../ffi/native.ts";
import { checkDoor, withFastDoor } from "../../ffi/node.ts";
import { RUNTIME } from "./elsewhere.ts";

const CALLS_BEFORE = 200;
const EBADF = -9;
const NO_SUCH_RING = 0xfffffff;

/** A door that counts its calls. */
function fakeDoor() {
  const calls = { slow: 0, fast: 0, opened: 0 };
  const door = { turn: () => ++calls.slow, address: () => ++calls.slow } as unknown as NapiDoor;
  const fast = { turn: () => -(++calls.fast), address: () => -(++calls.fast) };
  return { calls, door, fast };
}

const WHICH = { runtime: RUNTIME, source: { how: "file", path: "/nowhere" } } as const;

describe("withFastDoor()", () => {
  test("opens the fast door when the core turns out to be called often, and uses it from then on", () => {
    const { calls, door, fast } = fakeDoor();
    const native = withFastDoor(door, WHICH, () => {
      calls.opened++;
      return fast;
    });
    for (let i = 0; i < CALLS_BEFORE / 2; i++) {
      expect(native.turn(0)).toBeGreaterThan(0);
      expect(native.address(new Uint8Array(1))).toBeGreaterThan(0);
    }
    expect(calls).toEqual({ slow: CALLS_BEFORE, fast: 0, opened: 0 });
    native.turn(0);
    for (let i = 0; i < 10; i++) expect([native.turn(0), native.address(new Uint8Array(1))]).not.toContain(0);
    expect(calls).toEqual({ slow: CALLS_BEFORE + 1, fast: 20, opened: 1 });
  });

  test("stays with the first door when the other can't be opened, and tries that once", () => {
    const { calls, door } = fakeDoor();
    const native = withFastDoor(door, WHICH, () => {
      calls.opened++;
      throw new Error("not permitted");
    });
    for (let i = 0; i < CALLS_BEFORE + 50; i++) expect(native.turn(0)).toBe(i + 1);
    expect(calls).toEqual({ slow: CALLS_BEFORE + 50, fast: 0, opened: 1 });
  });
});

test("checkDoor() names what a library lacks", () => {
  const { turn: _, ...without } = load();
  expect(() => checkDoor(without)).toThrow("it has no function turn: it is another version's core, or none");
  expect(() => checkDoor(undefined)).toThrow("it has no function open");
});

describe("the core's own doors", () => {
  const buffer = new ArrayBuffer(65536);
  const views = {
    whole: new Uint8Array(buffer),
    part: new Uint8Array(buffer, 100, 10),
    words: new Float64Array(buffer, 4096, 2),
    view: new DataView(buffer, 7, 3),
    shared: new Uint8Array(new SharedArrayBuffer(16), 8, 8),
  };
  const addresses = () => Object.values(views).map((view) => load().address(view));

  test("give the same addresses and the same errors", () => {
    const before = addresses();
    const [whole = 0] = before;
    expect(before.slice(0, 4).map((address) => address - whole)).toEqual([0, 100, 4096, 7]);
    expect(whole % 8).toBe(0);
    for (let i = 0; i <= CALLS_BEFORE; i++) expect(load().turn(NO_SUCH_RING)).toBe(EBADF);
    expect(addresses()).toEqual(before);
    expect(load().turn(NO_SUCH_RING)).toBe(EBADF);
  });

  test("give address 0 for what is detached", () => {
    const detached = new Uint8Array(new ArrayBuffer(64));
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(load().address(detached)).toBe(0);
  });
});
