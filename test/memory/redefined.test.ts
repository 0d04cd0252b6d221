import { expect, test } from "vitest";
import { BufferPool, IORING_REGISTER, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { thrown } from "../support/failure.ts";
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
