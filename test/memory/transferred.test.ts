import { closeSync, openSync, readSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { BufferPool, Ring, scmFds, scmRights } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { bytesOf, Net, textOf } from "../support/sockaddr.ts";
import { transferAway } from "../support/transfer.ts";
import { findNamespace } from "../support/xattr.ts";

/** Takes a buffer's memory away, as postMessage() with a transfer list does. */
function transfer(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

/** What operations go between: pipes, sockets that are connected, a file. */
interface Place {
  readonly ring: Ring;
  readonly pipe: Pipe;
  readonly near: number;
  readonly far: number;
  readonly path: string;
}

const namespace = await findNamespace();
const ATTRIBUTE = `${namespace}.uring`;
const HAS_SOCKETS = hasOp("SOCKET");
const HAS_ATTRIBUTES = namespace !== undefined;
const feedPipe = ({ pipe }: Place) => pipe.write("12345678");
const feedSocket = ({ ring, far }: Place) => ring.send(far, bytesOf("12345678"));

type Buffers = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
/** Operations with a program's buffers: with what they complete, and what brings those that wait to that. */
const KINDS: [
  name: string,
  isHere: boolean,
  result: number,
  start: (place: Place, buffers: Buffers) => Promise<unknown>,
  feed?: (place: Place) => unknown,
][] = [
  ["read", true, 4, ({ ring, pipe }, [, buffer]) => ring.read(pipe.readEnd, buffer), feedPipe],
  ["readv", true, 8, ({ ring, pipe }, buffers) => ring.readv(pipe.readEnd, buffers), feedPipe],
  ["recv", HAS_SOCKETS, 4, ({ ring, near }, [, buffer]) => ring.recv(near, buffer), feedSocket],
  ["write", true, 4, ({ ring, pipe }, [, buffer]) => ring.write(pipe.writeEnd, buffer)],
  ["writev", true, 8, ({ ring, pipe }, buffers) => ring.writev(pipe.writeEnd, buffers)],
  ["send", HAS_SOCKETS, 4, ({ ring, near }, [, buffer]) => ring.send(near, buffer)],
  ["sendmsg", HAS_SOCKETS, 8, ({ ring, near }, buffers) => ring.sendmsg(near, { buffers })],
  ["getxattr", HAS_ATTRIBUTES, 4, ({ ring, path }, [, buffer]) => ring.getxattr(path, ATTRIBUTE, buffer)],
  ["setxattr", HAS_ATTRIBUTES, 0, ({ ring, path }, [, buffer]) => ring.setxattr(path, ATTRIBUTE, buffer)],
];

async function withPlace(body: (place: Place) => Promise<void>): Promise<void> {
  await using net = new Net();
  using pipe = new Pipe();
  using folder = new TempFolder();
  const { ring } = net;
  const path = folder.write("file", "");
  if (HAS_ATTRIBUTES) await ring.setxattr(path, ATTRIBUTE, "5678");
  const [near, far] = HAS_SOCKETS ? await net.pair("unix") : [-1, -1];
  await body({ ring, pipe, near, far, path });
}

describe("a buffer that is transferred while the kernel has it", () => {
  test.each(KINDS.filter(([, isHere]) => isHere))(
    "is found out as %s() completes",
    (name, _, result, start, feed) =>
      withPlace(async (place) => {
        const { ring } = place;
        const buffers = [new Uint8Array(4), new Uint8Array(4)] as const;
        const error = failure(start(place, buffers), TypeError);
        // What does not wait is the kernel's with the end of this turn.
        if (feed !== undefined) await ring.nop();
        const moved = transfer(buffers[1].buffer);
        await feed?.(place);
        expect((await error).message).toMatch(
          new RegExp(`^${name} \\(result ${result}\\): its buffer was transferred`),
        );
        if (feed !== undefined) expect(["1234", "5678"]).toContain(textOf(new Uint8Array(moved)));
        expect(ring.stats.inFlight).toBe(0);
      }),
  );

  test.skipIf(!HAS_SOCKETS)(
    "is not of a message: rejected, it would lose the descriptors that came with it",
    () =>
      withPlace(async ({ ring, near, far, pipe }) => {
        const buffer = new Uint8Array(4);
        const received = ring.recvmsg(near, { buffers: [buffer], control: 64 });
        await ring.nop();
        const moved = transfer(buffer.buffer);
        await ring.sendmsg(far, { buffers: [bytesOf("late")], control: [scmRights([pipe.writeEnd])] });
        const { bytes, control } = await received;
        expect(bytes).toBe(4);
        expect(textOf(new Uint8Array(moved))).toBe("late");
        const [fd] = scmFds(control);
        await ring.write(fd!, bytesOf("alive"));
        expect(pipe.read()).toBe("alive");
        await ring.closeFd(fd!);
      }),
  );

  test("is found out of one that fails, too", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const buffers = [new Uint8Array(64), new Uint8Array(64)];
    const abort = new AbortController();
    const reads = buffers.map((buffer) => ring.read(pipe.readEnd, buffer, undefined, { signal: abort.signal }));
    await ring.nop();
    const kept = buffers.map(({ buffer }) => transfer(buffer));
    abort.abort();
    for (const read of reads) expect((await failure(read, Error)).message).toContain("transferred");
    expect(kept.every(({ byteLength }) => byteLength === 64)).toBe(true);
  });

  /** Of a pool, those that know the buffer by its index as well as those that do not. */
  const POOLED: [name: string, read: (ring: Ring, fd: number, buffer: Uint8Array) => Promise<number>][] = [
    ["read", (ring, fd, buffer) => ring.read(fd, buffer)],
    ["readFixed", (ring, fd, buffer) => ring.readFixed(fd, buffer)],
    ["readv", (ring, fd, buffer) => ring.readv(fd, [buffer])],
  ];

  test.each(POOLED)("of a pool is none: the pages stay, and the bytes arrive with whoever has them now (%s)", async (
    _,
    start,
  ) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pool = new BufferPool({ ring, size: 4096, count: 1 });
    const buffer = pool.acquire();
    const read = start(ring, pipe.readEnd, buffer);
    await ring.nop();
    const { moved } = transferAway(buffer.buffer) ?? { moved: buffer.buffer }; // this runtime refuses
    pipe.write("late");
    expect(await read).toBe(4);
    expect(textOf(new Uint8Array(moved), 4)).toBe("late");
  });
});

test.each(["read", "readFixed"] as const)(
  "a buffer of a pool that is copied while %s() has it stays the pool's: the bytes arrive there alone",
  async (how) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using pool = new BufferPool({ ring, size: 4096, count: 1 });
    const buffer = pool.acquire();
    const read = ring[how](pipe.readEnd, buffer);
    await ring.nop();
    const copies = [structuredClone(buffer), new Uint8Array(structuredClone(buffer.buffer))];
    pipe.write("late");
    expect(await read).toBe(4);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("late\0");
    for (const copy of copies) expect(copy.every((byte) => byte === 0)).toBe(true);
    pool.release(buffer);
    expect(pool.available).toBe(1);
  },
);

const CAN_RESIZE = "transfer" in ArrayBuffer.prototype;

test.skipIf(!CAN_RESIZE).each([0, 64, 8192])(
  "a pool's memory stays when it is transferred to %i bytes, which copies it",
  async (length) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const pool = new BufferPool({ size: 4096, count: 1 });
    const buffer = pool.acquire();
    const { address } = pool.region;
    const read = ring.read(pipe.readEnd, buffer);
    await ring.nop();
    const copy = (buffer.buffer as ArrayBuffer & { transfer(length: number): ArrayBuffer }).transfer(length);
    expect(buffer.length).toBe(0);
    // What the runtime lets go of.
    await collectUntil(() => false, A_FEW);
    pipe.write("late");
    await read;
    expect(new Uint8Array(copy).every((byte) => byte === 0), "nothing arrives in the copy").toBe(true);
    expect(bytesAt(address, 4)).toBe("late");
  },
);

/** What this process has there, as text. */
function bytesAt(address: number, length: number): string {
  const bytes = new Uint8Array(length);
  const fd = openSync("/proc/self/mem", "r");
  expect(readSync(fd, bytes, 0, length, address)).toBe(length);
  closeSync(fd);
  return textOf(bytes);
}

/** What is used of WebAssembly, whose types not every runtime's bring. */
const { Memory } = (globalThis as unknown as {
  WebAssembly: { Memory: new (pages: object) => { buffer: ArrayBuffer; grow(pages: number): number } };
}).WebAssembly;

describe("a WebAssembly.Memory that grows while the kernel has it", () => {
  const ENDS = [["is cancelled", -125], ["completes", 4]] as const;
  // Bun moves it and frees what it was: nothing may arrive there.
  const ends = "Bun" in globalThis ? ENDS.slice(0, 1) : ENDS;

  test.each(ends)("is found out when the operation %s, and disturbs no other", async (how, result) => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using other = new Pipe();
    const memory = new Memory({ initial: 1, maximum: 4 });
    const abort = new AbortController();
    const { signal } = abort;
    const lost = failure(ring.read(pipe.readEnd, new Uint8Array(memory.buffer), undefined, { signal }), TypeError);
    const bytes = new Uint8Array(4);
    const beside = ring.read(other.readEnd, bytes);
    await ring.nop();
    memory.grow(1);
    if (how === "completes") pipe.write("lost");
    else abort.abort();
    expect((await lost).message).toContain(`read (result ${result}): its buffer was transferred`);
    expect(ring.stats.inFlight).toBe(1);
    other.write("kept");
    expect(await beside).toBe(4);
    expect(new TextDecoder().decode(bytes)).toBe("kept");
    // As it is now it can be used.
    const grown = new Uint8Array(memory.buffer, 65_536, 4);
    pipe.write("here");
    expect(await ring.read(pipe.readEnd, grown)).toBe(4);
    expect(new TextDecoder().decode(grown)).toBe("here");
  });
});
