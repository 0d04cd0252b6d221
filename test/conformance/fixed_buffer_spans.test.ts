import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { BufferPool, IORING_REGISTER, Ring, UringError } from "../../mod.ts";
import { RawStage } from "../raw/stage.ts";
import { negative } from "../support/errno.ts";
import { failure } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Random } from "../support/random.ts";

const EFAULT = negative("EFAULT");

/** Two buffers, one right behind the other, both at odd addresses and of odd lengths; and memory on both sides. */
class Spans implements Disposable {
  readonly stage: RawStage = new RawStage();
  readonly pool: BufferPool = new BufferPool({ size: 300_000, count: 1 });
  readonly folder: TempFolder = new TempFolder();
  readonly memory: Uint8Array<ArrayBuffer> = this.pool.acquire();
  readonly content: Uint8Array<ArrayBuffer> = pattern(400_000);
  readonly fd: number;
  readonly first: readonly [from: number, length: number] = [1013, 150_001];
  readonly second: readonly [from: number, length: number] = [1013 + 150_001, 100_003];

  constructor() {
    this.folder.write("file", this.content);
    this.fd = this.folder.open("file", "r+");
    const base = this.pool.region.address + this.memory.byteOffset;
    const iovecs = [this.first, this.second].flatMap(([from, length]) => [BigInt(base + from), BigInt(length)]);
    const registered = this.stage.ring.register(IORING_REGISTER.BUFFERS, new BigUint64Array(iovecs), 2);
    if (registered !== 0) throw new Error(`errno ${-registered}`);
  }

  read(from: number, length: number, index: number, offset = 0): number {
    return this.stage.result((ring) =>
      ring.prepReadFixed(1, this.fd, this.memory.subarray(from), length, offset, index)
    );
  }

  write(from: number, length: number, index: number, offset = 0): number {
    return this.stage.result((ring) =>
      ring.prepWriteFixed(1, this.fd, this.memory.subarray(from), length, offset, index)
    );
  }

  [Symbol.dispose](): void {
    this.stage[Symbol.dispose]();
    this.pool.close();
    this.folder[Symbol.dispose]();
  }
}

describe("a span of a registered buffer", () => {
  test("may begin and end anywhere in it, and nothing beside it is touched", () => {
    using spans = new Spans();
    const { memory, content } = spans;
    const random = new Random(7);
    const expected = new Uint8Array(memory.length);
    for (let i = 0; i < 300; i++) {
      const index = random.below(2);
      const [start, size] = index === 0 ? spans.first : spans.second;
      const at = random.below(size);
      const length = Math.min(1 + random.below(i % 10 === 0 ? size : 9000), size - at);
      const offset = random.below(content.length - length);
      memory.fill(0xee);
      expected.fill(0xee);
      expected.set(content.subarray(offset, offset + length), start + at);
      expect(spans.read(start + at, length, index, offset)).toBe(length);
      expect(Buffer.compare(memory, expected), `${length} bytes at ${start + at}`).toBe(0);
    }
  });

  test("at the edges of pages gives the file what it holds, exactly", () => {
    using spans = new Spans();
    const { memory, folder } = spans;
    memory.set(pattern(300_000, 5));
    const [start, size] = spans.first;
    const page = 4096 - (spans.pool.region.address + memory.byteOffset + start) % 4096;
    const edges = [0, 1, page - 1, page, page + 1, page + 4095, page + 4096, size - 4097, size - 4096, size - 1];
    let round = 0;
    for (const from of edges) {
      for (const to of edges) {
        if (to <= from) continue;
        const offset = round++ % 3;
        expect(spans.write(start + from, to - from, 0, offset)).toBe(to - from);
        const written = folder.read("file").subarray(offset, offset + to - from);
        expect(Buffer.compare(written, memory.subarray(start + from, start + to)), `${from} to ${to}`).toBe(0);
      }
    }
  });

  test("of the whole buffer, and of nothing, is taken", () => {
    using spans = new Spans();
    const [start, size] = spans.first;
    expect(spans.read(start, size, 0)).toBe(size);
    expect(Buffer.compare(spans.memory.subarray(start, start + size), spans.content.subarray(0, size))).toBe(0);
    expect(spans.read(start, 0, 0)).toBe(0);
    expect(spans.write(start + size - 1, 1, 0)).toBe(1);
  });
});

describe("a span that is not wholly in its buffer", () => {
  test("is EFAULT, by one byte at either end, and nothing is moved", () => {
    using spans = new Spans();
    const { memory, folder, content } = spans;
    const [start, size] = spans.first;
    memory.fill(0xee);
    const outside: [from: number, length: number][] = [
      [start - 1, 1],
      [start - 1, 2],
      [start - 1, size + 2],
      [start + size, 1],
      [start + size - 1, 2],
      [start, size + 1],
      [0, 10],
      [start + size + 10, 5],
    ];
    for (const [from, length] of outside) {
      expect(spans.read(from, length, 0), `read ${from} ${length}`).toBe(EFAULT);
      expect(spans.write(from, length, 0), `write ${from} ${length}`).toBe(EFAULT);
    }
    expect(memory.every((byte) => byte === 0xee)).toBe(true);
    expect(Buffer.compare(folder.read("file"), content)).toBe(0);
  });

  test("is EFAULT across two buffers, though they lie side by side, with either's index", () => {
    using spans = new Spans();
    const [start] = spans.second;
    for (const index of [0, 1]) {
      expect(spans.read(start - 100, 200, index)).toBe(EFAULT);
      expect(spans.write(start - 1, 2, index)).toBe(EFAULT);
    }
    expect([spans.read(start - 100, 100, 0), spans.read(start, 100, 1)]).toEqual([100, 100]);
    expect([spans.read(start - 100, 100, 1), spans.read(start, 100, 0)]).toEqual([EFAULT, EFAULT]);
  });

  test("is EFAULT with an index that is none, and breaks its chain", () => {
    using spans = new Spans();
    const [start] = spans.first;
    for (const index of [2, 100, 65_535]) expect(spans.read(start, 10, index)).toBe(EFAULT);
    expect(spans.stage.ring.register(IORING_REGISTER.UNREGISTER_BUFFERS, null, 0)).toBe(0);
    expect(spans.read(start, 10, 0), "none is registered").toBe(EFAULT);
  });

  test("may be of any length that wraps round the end of memory: still EFAULT", () => {
    using spans = new Spans();
    const { stage, fd } = spans;
    const top = 2n ** 64n - 4096n;
    expect(stage.result((ring) => ring.prepReadFixed(1, fd, top, 8192, 0, 0))).toBe(EFAULT);
    expect(stage.result((ring) => ring.prepReadFixed(1, fd, 0, 0x7fffffff, 0, 0))).toBe(EFAULT);
  });

  test("rejects in Ring with words for it", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ ring, size: 5000, count: 2 });
    using folder = new TempFolder();
    folder.write("file", pattern(5000));
    const fd = folder.open("file");
    const [one, other] = [pool.acquire(), pool.acquire()];
    const mine = new Uint8Array(one.buffer, one.byteOffset + 4999, 1);
    expect(await ring.readFixed(fd, mine, 0)).toBe(1);
    for (const bufIndex of [0, 1, 900]) {
      const error = await failure(ring.readFixed(fd, new Uint8Array(10), 0, { bufIndex }), UringError);
      expect(error).toMatchObject({ code: "EFAULT", syscall: "read_fixed" });
      expect(error.message).toMatch(/registered with this ring/);
    }
    expect(await ring.readFixed(fd, other, 0)).toBe(5000);
  });
});
