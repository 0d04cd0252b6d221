import { describe, expect, test } from "vitest";
import { IORING_REGISTER } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles } from "../support/kernel.ts";
import { failing, invalid, nop, short, visit } from "../support/steps.ts";

const EBADF = -9;
const EINVAL = -22;
const ANY_OFFSET = 0xffffffff;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** `struct io_uring_rsrc_update`: a place among the thread's registered rings, and a ring's descriptor. */
function place(offset: number, fd = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, offset, true);
  view.setBigUint64(8, BigInt(fd), true);
  return bytes;
}

/**
 * A ring that is entered by its place among those of this thread, and which another ring can take out of that place
 * and put back: meanwhile every submit fails. Undefined where the kernel has no such places.
 */
class Unplugged implements Disposable {
  readonly ring: RawRing;
  readonly #other: RawRing = new RawRing({ entries: 2 });
  readonly #offset: number;

  private constructor(ring: RawRing, offset: number) {
    this.ring = ring;
    this.#offset = offset;
  }

  static open(entries: number): Unplugged | undefined {
    const probe = new RawRing({ entries: 2 });
    const free = place(ANY_OFFSET, probe.fd);
    const registered = probe.register(IORING_REGISTER.RING_FDS, free, 1);
    if (registered < 0) {
      expect(registered).toBe(EINVAL); // before 5.18
      probe.close();
      return undefined;
    }
    // The first free place: the next ring gets it.
    const offset = new DataView(free.buffer).getUint32(0, true);
    probe.register(IORING_REGISTER.UNREGISTER_RING_FDS, place(offset), 1);
    probe.close();
    return new Unplugged(new RawRing({ entries, registerFd: true }), offset);
  }

  unplug(): void {
    expect(this.#other.register(IORING_REGISTER.UNREGISTER_RING_FDS, place(this.#offset), 1)).toBe(1);
  }

  plug(): void {
    expect(this.#other.register(IORING_REGISTER.RING_FDS, place(this.#offset, this.ring.fd), 1)).toBe(1);
  }

  [Symbol.dispose](): void {
    this.ring.close();
    this.#other.close();
  }
}

describe("when the kernel can't be entered", () => {
  test("submit() says so, and what was prepared goes in with the next that succeeds, once and in order", ({ skip }) => {
    using unplugged = Unplugged.open(8);
    if (unplugged === undefined) return skip("registered rings: since Linux 5.18");
    const { ring } = unplugged;
    for (let round = 0; round < 20; round++) {
      const before = round % 8;
      times(before, (i) => ring.prepNop(i));
      unplugged.unplug();
      expect(ring.submit()).toBe(before === 0 ? 0 : EBADF);
      expect(completions(ring)).toEqual([]);
      unplugged.plug();
      times(8 - before, (i) => ring.prepNop(before + i));
      expect(ring.submitAndWait(8)).toBe(8);
      expect(short(completions(ring))).toEqual(times(8, (i) => [i, 0]));
      expect(ring.sqSpace).toBe(8);
    }
  });

  test("nothing is lost or overwritten, however much is prepared meanwhile", ({ skip }) => {
    using unplugged = Unplugged.open(4);
    if (unplugged === undefined) return skip("registered rings: since Linux 5.18");
    const { ring } = unplugged;
    unplugged.unplug();
    let prepared = 0;
    for (let round = 0; round < 6; round++) {
      while (ring.prepNop(prepared)) prepared++;
      expect(ring.submit()).toBe(EBADF);
    }
    // As many as the kernel's queue holds, and as many again that wait before it.
    expect([prepared, ring.sqSpace]).toEqual([8, 0]);
    unplugged.plug();
    let submitted = 0;
    while (submitted < prepared) {
      const taken = ring.submit();
      expect(taken).toBeGreaterThan(0);
      submitted += taken;
    }
    expect(submitted).toBe(8);
    expect(short(visit(ring, 8))).toEqual(times(8, (i) => [i, 0]));
    expect(ring.sqSpace).toBe(4);
  });

  test("memory stays held until the operation has had its completion", ({ skip }) => {
    using unplugged = Unplugged.open(4);
    if (unplugged === undefined) return skip("registered rings: since Linux 5.18");
    using folder = new TempFolder();
    folder.write("file", pattern(64));
    const fd = folder.open("file");
    const { ring } = unplugged;
    const buffer = new Uint8Array(64);
    unplugged.unplug();
    ring.prepRead(7, fd, buffer, 64, 0);
    expect(ring.submit()).toBe(EBADF);
    unplugged.plug();
    expect(short(visit(ring, 1))).toEqual([[7, 64]]);
    expect(buffer).toEqual(pattern(64));
  });
});

describe.each([true, false])("after a submit that met bad SQEs, with submitAll: %s", (submitAll) => {
  test.skipIf(!chainsEndAtBadFiles)("all the space is there again, from every place of the queue on", () => {
    using ring = new RawRing({ entries: 8, submitAll });
    for (let round = 0; round < 64; round++) {
      const count = round % 8 + 1;
      const bad = round % 3;
      times(count, (i) => (i % 3 === bad ? invalid : i % 3 === 2 ? failing : nop)(ring, i));
      expect(ring.sqSpace).toBe(8 - count);
      expect(ring.submit()).toBe(count);
      expect(ring.sqSpace).toBe(8);
      const expected = times(count, (i) => [i, i % 3 === bad ? EINVAL : i % 3 === 2 ? EBADF : 0]);
      expect(short(visit(ring, count)).sort()).toEqual(expected);
    }
  });
});
