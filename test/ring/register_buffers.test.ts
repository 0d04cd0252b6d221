import { describe, expect, test } from "vitest";
import { BufferPool, IORING_SETUP, Ring, RingClosedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { fdInfo } from "../support/process_state.ts";
import { MOD, runScript } from "../support/script.ts";

/** How many places the ring's table of buffers has. */
function userBufs(ring: Ring): number {
  return Number(/^UserBufs:\s*(\d+)/m.exec(fdInfo(ring.fd))![1]);
}

/** Whether this kernel can clone buffers, and whether in parts. */
const CLONES = probeClone();

function probeClone(): { all: boolean; parts: boolean } {
  using one = new Ring({ entries: 2 });
  using other = new Ring({ entries: 2 });
  using _pool = new BufferPool({ ring: one, size: 1, count: 1 });
  const works = (call: () => void) => {
    try {
      call();
      return true;
    } catch {
      return false;
    }
  };
  const all = works(() => other.cloneBuffers(one));
  return { all, parts: works(() => other.cloneBuffers(one, { nr: 1, replace: true })) };
}

/** A file of a known pattern, open for reading. */
function patternFile(folder: TempFolder): number {
  folder.write("data", pattern(20_000));
  return folder.open("data");
}

describe("registerBuffers()", () => {
  test("registers buffers one by one, for bufIndex", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 6000, count: 3 });
    using folder = new TempFolder();
    const fd = patternFile(folder);
    const [a, b, c] = [pool.acquire(), pool.acquire(), pool.acquire()];
    const first = ring.registerBuffers([a, b]);
    const third = ring.registerBuffers([c.subarray(100, 200)]);
    expect([first, third]).toEqual([0, 2]);
    expect(await ring.readFixed(fd, b, 7, { bufIndex: 1 })).toBe(6000);
    expect(b).toEqual(pattern(6000, 7));
    expect(await ring.readFixed(fd, c.subarray(150, 200), 0, { bufIndex: 2 })).toBe(50);
    const outside = await failure(ring.readFixed(fd, c, 0, { bufIndex: 2 }), UringError);
    expect(outside.code, "only a part of it is registered").toBe("EFAULT");
  });

  test("at a place replaces what is there", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 100, count: 2 });
    using folder = new TempFolder();
    const fd = patternFile(folder);
    const [a, b] = [pool.acquire(), pool.acquire()];
    expect(ring.registerBuffers([a], { at: 5 })).toBe(5);
    expect(await ring.readFixed(fd, a, 0, { bufIndex: 5 })).toBe(100);
    expect(ring.registerBuffers([b], { at: 5 })).toBe(5);
    expect(await ring.readFixed(fd, b, 0, { bufIndex: 5 })).toBe(100);
    expect((await failure(ring.readFixed(fd, a, 0, { bufIndex: 5 }), UringError)).code).toBe("EFAULT");
  });

  test("goes together with pools, whose places it leaves alone", async () => {
    await using ring = new Ring();
    using registered = new BufferPool({ ring, size: 100, count: 2 });
    using pool = new BufferPool({ size: 100, count: 2 });
    using folder = new TempFolder();
    const fd = patternFile(folder);
    const buffer = pool.acquire();
    const bufIndex = ring.registerBuffers([buffer]);
    expect(bufIndex).toBe(1);
    expect(thrown(() => ring.registerBuffers([buffer], { at: 0 }), RangeError).message).toMatch(/place 0.*BufferPool/);
    expect(thrown(() => ring.unregisterBuffers(0), RangeError).message).toMatch("unregisterPool()");
    ring.unregisterBuffers(bufIndex);
    expect((await failure(ring.readFixed(fd, buffer, 0, { bufIndex }), UringError)).code).toBe("EFAULT");
    expect(await ring.readFixed(fd, registered.acquire(), 0)).toBe(100);
    expect(ring.registerBuffers([buffer]), "its place is free again").toBe(bufIndex);
  });

  test("refuses memory that is not a BufferPool's, and says why", async () => {
    await using ring = new Ring();
    for (const bytes of [new Uint8Array(100), new ArrayBuffer(8), new SharedArrayBuffer(8)]) {
      const error = thrown(() => ring.registerBuffers([bytes]), TypeError);
      expect(error.message).toMatch(/buffers\[0\] is not memory of a BufferPool.*move or free/);
    }
    expect(userBufs(ring), "nothing was registered").toBe(0);
  });

  test("0 and 20000 buffers are refused, and so is what has no room", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 16, count: 2 });
    const buffer = pool.acquire();
    for (const count of [0, 20_000]) {
      const many = new Array<Uint8Array>(count).fill(buffer);
      expect(thrown(() => ring.registerBuffers(many), RangeError).message).toMatch(`1 to 16384 buffers, not ${count}`);
    }
    const over = new Array<Uint8Array>(1025).fill(buffer);
    expect(thrown(() => ring.registerBuffers(over), RangeError).message).toMatch(/1025 places.*1024/);
    expect(thrown(() => ring.registerBuffers([buffer], { at: 1024 }), RangeError).message).toMatch(/0 to 1023/);
    thrown(() => ring.registerBuffers([buffer], { at: -1 }), RangeError);
    thrown(() => ring.registerBuffers("buffers" as never), TypeError);
    thrown(() => ring.registerBuffers([buffer], { released: 1 as never }), TypeError);
  });

  test("a table of another size is made beforehand; twice is a decoded EBUSY", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 16, count: 1 });
    const buffer = pool.acquire();
    ring.registerBuffersSparse(2000);
    expect(userBufs(ring)).toBe(2000);
    expect(ring.registerBuffers(new Array<Uint8Array>(1500).fill(buffer))).toBe(0);
    const error = thrown(() => ring.registerBuffersSparse(10), UringError);
    expect(error).toMatchObject({ code: "EBUSY", syscall: "io_uring_register" });
    expect(error.message).toMatch("unregister them first");
    for (const nr of [0, 16_385, 20_000]) {
      expect(thrown(() => ring.registerBuffersSparse(nr), RangeError).message).toMatch("1 to 16384");
    }
  });

  test("released is told when a buffer is unregistered, and not while an operation uses it", async () => {
    await using ring = new Ring();
    using pool = new BufferPool({ size: 16, count: 3 });
    using pipe = new Pipe();
    const [a, b] = [pool.acquire(), pool.acquire()];
    const released: number[] = [];
    const bufIndex = ring.registerBuffers([a, b], { released: (index) => released.push(index) });
    const read = ring.readFixed(pipe.readEnd, a, undefined, { bufIndex });
    await ring.nop();
    ring.unregisterBuffers(bufIndex, 2);
    for (let i = 0; i < 5; i++) await ring.timeout(1);
    expect(released).not.toContain(0);
    pipe.write("x");
    expect(await read).toBe(1);
    while (released.length < 2) await ring.timeout(1);
    expect(released.sort()).toEqual([0, 1]);
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe("unregisterBuffers()", () => {
  test("without arguments takes the table out, pools too; a second time is a decoded ENXIO", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = patternFile(folder);
    using pool = new BufferPool({ ring, size: 16, count: 2 });
    const buffer = pool.acquire();
    expect(userBufs(ring)).toBe(1024);
    ring.unregisterBuffers();
    expect(userBufs(ring)).toBe(0);
    thrown(() => ring.readFixed(fd, buffer, 0), TypeError);
    const error = thrown(() => ring.unregisterBuffers(), UringError);
    expect(error).toMatchObject({ code: "ENXIO", syscall: "io_uring_register" });
    expect(error.message).toMatch("no buffers are registered");
    ring.registerPool(pool);
    expect(await ring.readFixed(fd, buffer, 0)).toBe(16);
  });

  test("lets what is in flight finish", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ ring, size: 16, count: 1 });
    const buffer = pool.acquire();
    const read = ring.readFixed(pipe.readEnd, buffer);
    await ring.nop();
    ring.unregisterBuffers();
    pipe.write("still here");
    expect(await read).toBe(10);
    expect(new TextDecoder().decode(buffer.subarray(0, 10))).toBe("still here");
  });

  test("names the valid range", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.unregisterBuffers(0), RangeError).message).toMatch("no buffers are registered");
    using _pool = new BufferPool({ ring, size: 16, count: 1 });
    expect(thrown(() => ring.unregisterBuffers(1024), RangeError).message).toMatch("0 to 1023");
    thrown(() => ring.unregisterBuffers(1, 0), RangeError);
  });
});

describe("registerPool()", () => {
  test("tells when the kernel has let go of the pool's memory", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ size: 16, count: 2 });
    let released = 0;
    ring.registerPool(pool, { released: () => released++ });
    const read = ring.readFixed(pipe.readEnd, pool.acquire());
    await ring.nop();
    thrown(() => ring.registerPool(new BufferPool({ size: 1, count: 1 }), { released: 1 as never }), TypeError);
    ring.unregisterPool(pool);
    for (let i = 0; i < 5; i++) await ring.timeout(1);
    expect(released).toBe(0);
    pipe.write("x");
    await read;
    while (released < 1) await ring.timeout(1);
    expect(released).toBe(1);
  });

  test("beyond the limit of locked memory throws ENOMEM that says so, and leaves nothing behind", () => {
    const script = `
      import process from "node:process";
      const { BufferPool, Ring } = await import(${JSON.stringify(MOD)});
      new BufferPool({ size: 1, count: 1 }); // loads the core
      process.seteuid?.(65534);
      const ring = new Ring();
      const small = new BufferPool({ ring, size: 4096, count: 4 });
      try {
        new BufferPool({ ring, size: 1 << 20, count: 16 });
      } catch (error) {
        console.log(error.code, error.message);
      }
      ring.unregisterPool(small);
      const later = new BufferPool({ ring, size: 4096, count: 4 });
      console.log(ring.registerBuffers([later.acquire()]));`;
    // A ring that root opened may lock as much as it likes.
    const [error, place] = runScript(script, "ulimit -l 1024").split("\n");
    expect(error).toMatch(/^ENOMEM ENOMEM.*ulimit -l/);
    expect(place).toBe("1");
  });
});

describe.skipIf(!CLONES.all)("cloneBuffers()", () => {
  test("lets a pool of one ring be used with another", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using pool = new BufferPool({ ring: one, size: 5000, count: 4 });
    using folder = new TempFolder();
    const fd = patternFile(folder);
    const buffer = pool.acquire();
    thrown(() => other.readFixed(fd, buffer, 0), TypeError);
    other.cloneBuffers(one);
    expect(userBufs(other)).toBe(1024);
    expect(await other.readFixed(fd, buffer, 3)).toBe(5000);
    expect(buffer).toEqual(pattern(5000, 3));
  });

  test("each ring keeps its own: closing one, or unregistering there, leaves the other", async () => {
    const one = new Ring();
    await using other = new Ring();
    using pool = new BufferPool({ ring: one, size: 5000, count: 4 });
    using folder = new TempFolder();
    const fd = patternFile(folder);
    const buffer = pool.acquire();
    other.cloneBuffers(one);
    one.unregisterPool(pool);
    thrown(() => one.readFixed(fd, buffer, 0), TypeError);
    await one.close();
    expect(await other.readFixed(fd, buffer, 0)).toBe(5000);
    other.unregisterPool(pool);
    thrown(() => other.readFixed(fd, buffer, 0), TypeError);
    other.registerPool(pool);
    expect(await other.readFixed(fd, buffer, 0)).toBe(5000);
  });

  test("into a ring with a table is a decoded EBUSY; from one without, ENXIO", async () => {
    await using one = new Ring();
    await using other = new Ring();
    await using empty = new Ring();
    using pool = new BufferPool({ ring: one, size: 16, count: 1 });
    other.registerPool(pool);
    const busy = thrown(() => other.cloneBuffers(one), UringError);
    expect(busy).toMatchObject({ code: "EBUSY" });
    expect(busy.message).toMatch("replace: true");
    await using fresh = new Ring();
    const targets = [() => fresh.cloneBuffers(empty)];
    if (CLONES.parts) targets.push(() => one.cloneBuffers(empty, { replace: true }));
    for (const clone of targets) {
      const nothing = thrown(clone, UringError);
      expect(nothing).toMatchObject({ code: "ENXIO" });
      expect(nothing.message).toMatch("register them there first");
    }
    thrown(() => empty.cloneBuffers(empty), TypeError);
    thrown(() => empty.cloneBuffers({} as never), TypeError);
    await other.close();
    thrown(() => empty.cloneBuffers(other), RingClosedError);
  });

  test.skipIf(!CLONES.parts)("takes a part, to another place, beside what is there", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using folder = new TempFolder();
    const fd = patternFile(folder);
    using first = new BufferPool({ ring: one, size: 100, count: 1 });
    using second = new BufferPool({ ring: one, size: 100, count: 1 });
    using own = new BufferPool({ ring: other, size: 100, count: 1 });
    other.cloneBuffers(one, { srcOff: 1, dstOff: 7, nr: 1, replace: true });
    const [a, b, c] = [first.acquire(), second.acquire(), own.acquire()];
    expect(await other.readFixed(fd, b, 5, { bufIndex: 7 })).toBe(100);
    expect(b).toEqual(pattern(100, 5));
    expect(await other.readFixed(fd, b, 6), "its place is known").toBe(100);
    expect(await other.readFixed(fd, c, 0), "what was there stays").toBe(100);
    thrown(() => other.readFixed(fd, a, 0), TypeError);
    using later = new BufferPool({ ring: other, size: 100, count: 1 });
    expect(await other.readFixed(fd, later.acquire(), 0)).toBe(100);
  });

  test.skipIf(!CLONES.parts)("replaces what is there, which is told of", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using folder = new TempFolder();
    const fd = patternFile(folder);
    using source = new BufferPool({ ring: one, size: 100, count: 1 });
    using replaced = new BufferPool({ size: 100, count: 1 });
    let released = false;
    other.registerPool(replaced, { released: () => released = true });
    other.cloneBuffers(one, { nr: 1, replace: true });
    thrown(() => other.readFixed(fd, replaced.acquire(), 0), TypeError);
    expect(await other.readFixed(fd, source.acquire(), 0)).toBe(100);
    while (!released) await other.timeout(1);
    expect(other.stats.inFlight).toBe(0);
  });

  test.skipIf(!CLONES.parts)("a part into a ring without a table leaves room for more", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using folder = new TempFolder();
    const fd = patternFile(folder);
    using pool = new BufferPool({ ring: one, size: 100, count: 1 });
    other.cloneBuffers(one, { nr: 1 });
    using own = new BufferPool({ ring: other, size: 100, count: 1 });
    expect(await other.readFixed(fd, pool.acquire(), 0)).toBe(100);
    expect(await other.readFixed(fd, own.acquire(), 0)).toBe(100);
  });

  test("from a ring that has no descriptor, but a place among the registered ones", async () => {
    const { REGISTERED_FD_ONLY, NO_MMAP } = IORING_SETUP;
    await using other = new Ring();
    let one: Ring;
    try {
      one = new Ring({ entries: 8, flags: REGISTERED_FD_ONLY | NO_MMAP });
    } catch (error) {
      return expect(error, "this kernel has none of those").toMatchObject({ code: "EINVAL" });
    }
    using folder = new TempFolder();
    const fd = patternFile(folder);
    using pool = new BufferPool({ ring: one, size: 100, count: 1 });
    expect(one.fd).toBe(-1);
    other.cloneBuffers(one);
    expect(await other.readFixed(fd, pool.acquire(), 0)).toBe(100);
    expect(thrown(() => Ring.sendMessage(one, 0, 0), TypeError).message).toMatch("no descriptor");
    await one.close();
  });

  test("names the valid range", async () => {
    await using one = new Ring();
    await using other = new Ring();
    using _pool = new BufferPool({ ring: one, size: 100, count: 1 });
    expect(thrown(() => other.cloneBuffers(one, { srcOff: 1024 }), RangeError).message).toMatch("0 to 1023");
    expect(thrown(() => other.cloneBuffers(one, { srcOff: 1000, nr: 25 }), RangeError).message).toMatch("1 to 24");
    thrown(() => other.cloneBuffers(one, { dstOff: 16_384 }), RangeError);
    thrown(() => other.cloneBuffers(one, { replace: 1 as never }), TypeError);
    expect(userBufs(other)).toBe(0);
  });
});

test("register calls on a closed ring throw RingClosedError", async () => {
  const ring = new Ring();
  using pool = new BufferPool({ size: 16, count: 1 });
  await ring.close();
  thrown(() => ring.registerBuffersSparse(4), RingClosedError);
  thrown(() => ring.registerBuffers([pool.acquire()]), RingClosedError);
  thrown(() => ring.unregisterBuffers(), RingClosedError);
});
