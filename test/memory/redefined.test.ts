import { describe, expect, test } from "vitest";
import { BufferPool, BufferRing, FUTEX2, IORING_REGISTER, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { results } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";

const SIZE = 64;
const BEYOND = /^bytes .* are beyond their buffer, which has \d+: give a view that does not redefine byteOffset/;

/** What is wrong with a view that says that it is longer, or lies elsewhere, than its buffer. */
const LIES: readonly [string, PropertyDescriptorMap][] = [
  ["is longer", { byteLength: { value: SIZE + 1 } }],
  ["begins later", { byteOffset: { value: 1 } }],
  ["begins before", { byteOffset: { value: -8 } }],
  ["begins at no number", { byteOffset: { value: "0" } }],
];

test.each(LIES)("the kernel never touches what is beside a buffer whose view says that it %s", async (_, lies) => {
  await using ring = new Ring();
  using raw = new RawRing({ entries: 4 });
  using pipe = new Pipe();
  const bytes = Object.defineProperties(new Uint8Array(SIZE), lies);
  const { byteLength } = bytes;
  const { readEnd } = pipe;
  const calls: readonly (() => unknown)[] = [
    () => ring.read(readEnd, bytes),
    () => ring.read(readEnd, bytes, 0, {}),
    () => ring.write(readEnd, bytes),
    () => ring.readv(readEnd, [new Uint8Array(4), bytes]),
    () => ring.recv(readEnd, bytes),
    () => ring.send(readEnd, bytes),
    () => raw.prepRead(1, readEnd, bytes, byteLength, 0),
    () => raw.prepWrite(1, readEnd, bytes, byteLength, 0),
    () => raw.prepReadv(1, readEnd, [bytes], 1, 0),
    () => raw.prepRecv(1, readEnd, bytes, byteLength, 0),
    () => raw.prepRecvmsg(1, readEnd, { iov: [bytes] }, 0),
    () => raw.prepRecvmsg(1, readEnd, { iov: [new Uint8Array(4)], control: bytes }, 0),
  ];
  for (const call of calls) expect(thrown(call, RangeError).message, String(call)).toMatch(BEYOND);
  expect(ring.stats).toMatchObject({ inFlight: 0, submitted: 0 });
  expect(raw.sqSpace).toBe(4);
});

test("nor beside a pool's, a futex's, or what a registration is told in", () => {
  using ring = new Ring();
  using raw = new RawRing({ entries: 4 });
  using pool = new BufferPool({ size: 4096, count: 1, ring });
  const bytes = Object.defineProperty(pool.acquire(), "byteLength", { value: 1 << 20 });
  const word = Object.defineProperty(new Int32Array(new SharedArrayBuffer(4)), "length", { value: 100 });
  const probe = Object.defineProperty(new Uint8Array(16), "byteLength", { value: 16 + 256 * 8 });
  const calls: readonly (() => unknown)[] = [
    () => ring.readFixed(0, bytes),
    ...(hasOp("FUTEX_WAIT") ? [() => ring.futexWait(word, 50, 0)] : []),
    () => raw.register(IORING_REGISTER.PROBE, probe, 256),
  ];
  for (const call of calls) expect(thrown(call, RangeError).message, String(call)).toMatch(BEYOND);
  expect(ring.stats).toMatchObject({ inFlight: 0 });
});

test("an object with a byteLength is no sockaddr", async () => {
  await using ring = new Ring();
  const fake = { byteLength: 16 } as unknown as Uint8Array;
  expect(thrown(() => ring.connect(0, fake), TypeError).message).toMatch(/the bytes of a sockaddr, not another object/);
});

test("a length that is negative, or another at the second look, is none", async () => {
  await using ring = new Ring();
  using raw = new RawRing({ entries: 4 });
  using pipe = new Pipe();
  // Modulo 2^64 this is 2048.
  const negative = Object.defineProperty(new Uint8Array(16), "byteLength", { value: 2048 - 2 ** 64 });
  const { readEnd } = pipe;
  for (const call of [() => ring.readv(readEnd, [negative]), () => raw.prepReadv(1, readEnd, [negative], 1, 0)]) {
    expect(thrown(call, RangeError).message).toMatch(/has length 0/);
  }
  let looks = 0;
  const growing = { valueOf: () => ++looks > 4 ? 100_000 : 8 } as unknown as number;
  expect(thrown(() => raw.prepRecv(1, readEnd, new Uint8Array(8), growing, 0), RangeError).message).toMatch(/len/);
  expect([ring.stats.inFlight, raw.sqSpace]).toEqual([0, 4]);
});

test("a registration goes where it was checked", () => {
  using raw = new RawRing({ entries: 4 });
  const whole = new Uint8Array(8192);
  const probe = new Uint8Array(whole.buffer, 4096, 16);
  Object.defineProperties(probe, { byteOffset: { value: 0 }, byteLength: { value: 16 + 256 * 8 } });
  expect(raw.register(IORING_REGISTER.PROBE, probe, 256)).toBe(0);
  expect([whole.subarray(0, 4096).some(Boolean), whole.subarray(4096).some(Boolean)]).toEqual([true, false]);
});

describe("an array with holes", () => {
  test("of buffers is refused: nothing of an earlier call takes their place", () => {
    using folder = new TempFolder();
    folder.write("file", "A".repeat(64));
    const fd = folder.open("file");
    using raw = new RawRing({ entries: 4 });
    const before = new Uint8Array(16);
    raw.prepReadv(1, fd, [new Uint8Array(16), before], 2, 0);
    expect(results(raw, 1).get(1)).toBe(32);
    before.fill(0);
    const holed = new Array<Uint8Array>(2);
    holed[0] = new Uint8Array(16);
    expect(thrown(() => raw.prepReadv(2, fd, holed, 2, 0), TypeError).message).toMatch(/iovecs/);
    expect(raw.sqSpace).toBe(4);
  });

  test.skipIf(!hasOp("FUTEX_WAITV"))("of futexes, too", () => {
    using raw = new RawRing({ entries: 4 });
    const holed = new Array<{ futex: Int32Array; val: number; flags: number }>(2);
    holed[0] = { futex: new Int32Array(new SharedArrayBuffer(4)), val: 0, flags: FUTEX2.SIZE_U32 | FUTEX2.PRIVATE };
    expect(thrown(() => raw.prepFutexWaitv(1, holed, 2, 0), TypeError).message).toMatch(/^futex\[1\] must be/);
    expect(raw.sqSpace).toBe(4);
  });
});

test("what provide() is given is no longer than a buffer, and no shorter than a byte", async () => {
  if (!hasOp("SOCKET")) return;
  await using ring = new Ring();
  using buffers = new BufferRing({ ring, size: 16, count: 2, manual: true });
  for (const value of [-1, NaN, 17]) {
    const bytes = Object.defineProperty(buffers.acquire() ?? expect.fail("lost"), "byteLength", { value });
    expect(thrown(() => buffers.provide(bytes), RangeError).message).toMatch(/^bytes must be 1 to 16 bytes long, not/);
    buffers.provide(new Uint8Array(bytes.buffer, bytes.byteOffset, 1));
    if (buffers.available === 2) return;
  }
});
