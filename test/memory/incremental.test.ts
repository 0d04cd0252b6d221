import { describe, expect, test } from "vitest";
import { BufferRing, type BufferRingHost, IORING_CQE_F } from "../../mod.ts";

const SIZE = 16;
const COUNT = 2;

/** A kernel that says nothing of what an empty read leaves in a buffer, as some from 6.12 to 6.18 do. */
class SilentKernel {
  head = 0;
  readonly buffers: BufferRing;
  readonly #afterTurn: (() => void)[] = [];

  constructor(manual = false) {
    const ring: BufferRingHost = {
      addBufferRing: () => 0,
      removeBufferRing: () => {},
      bufferRingHead: () => this.head,
      afterTurn: (callback) => this.#afterTurn.push(callback),
    };
    this.buffers = new BufferRing({ ring, size: SIZE, count: COUNT, incremental: true, manual });
  }

  /** A completion of the first buffer. */
  complete(res: number, flags = 0): Uint8Array | undefined {
    const [piece] = this.buffers.take(res, flags | IORING_CQE_F.BUFFER);
    piece?.release();
    return piece?.bytes;
  }

  endTurn(): void {
    for (const callback of this.#afterTurn.splice(0)) callback();
  }
}

describe("a read that finds nothing in a buffer that is used up in pieces", () => {
  test("leaves it to the kernel, which takes it next", () => {
    const kernel = new SilentKernel();
    kernel.complete(0);
    kernel.endTurn();
    expect([kernel.buffers.available, kernel.buffers.tail]).toEqual([COUNT, COUNT]);
    expect(kernel.complete(8, IORING_CQE_F.BUF_MORE)!.byteOffset).toBe(0);
  });

  test("leaves it to one beside it, which uses it up", () => {
    const kernel = new SilentKernel();
    kernel.complete(8, IORING_CQE_F.BUF_MORE);
    kernel.head = 1;
    kernel.complete(0);
    expect(kernel.complete(8)).toMatchObject({ byteOffset: 8, byteLength: 8 });
    kernel.endTurn();
    expect([kernel.buffers.available, kernel.buffers.tail]).toEqual([COUNT, COUNT + 1]);
  });

  test("gives it anew after the turn, where the kernel has passed it", () => {
    const kernel = new SilentKernel();
    kernel.head = 1;
    for (let i = 0; i < 2; i++) kernel.complete(0);
    kernel.endTurn();
    expect([kernel.buffers.available, kernel.buffers.tail]).toEqual([COUNT, COUNT + 1]);
  });

  test("has it taken back once, where a send that ended with nothing had chosen it", () => {
    const kernel = new SilentKernel(true);
    const { buffers } = kernel;
    for (let i = 0; i < COUNT; i++) buffers.provide(buffers.acquire()!);
    kernel.head = COUNT;
    buffers.sent(0, IORING_CQE_F.BUFFER);
    buffers.takeBack(kernel.head);
    const idle = [buffers.acquire(), buffers.acquire()];
    buffers.provide(idle[0]!);
    kernel.endTurn();
    expect([buffers.available, buffers.acquire()]).toEqual([1, undefined]);
  });
});
