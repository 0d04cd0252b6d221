/**
 * Operations whose memory nobody mentions but the ring, in flight while garbage is collected and other things are put
 * where freed memory was. What the kernel then writes must be where it belongs, and nowhere else. Prints JSON.
 *
 * Arguments: how many rounds.
 */

import { readSync, rmSync, writeSync } from "node:fs";
import process from "node:process";
import { AF, Ring, SOCK } from "../../mod.ts";
import { collectGarbage } from "../support/garbage.ts";
import { TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

const GUARD = 64;
const GUARD_BYTE = 0xa5;
const LITTER_BYTE = 0xee;
/** Sizes that runtimes keep in different places: inside small objects, in the heap, in pages of their own. */
const SIZES = [1, 16, 40, 700, 3000, 20_000];
const PIPE_ROOM = 65_536;

const rounds = Number(process.argv[2]);
const folder = new TempFolder();
const ring = new Ring({ entries: 32 });

/** An operation in flight: what makes it complete, and the promise of its verdict. */
interface Pending {
  readonly what: string;
  readonly complete: () => unknown;
  readonly verdict: Promise<string>;
}

function byteAt(index: number, seed: number): number {
  return (index * 7 + seed) & 0xff;
}

function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => byteAt(i, seed));
}

/** Memory with guard bytes on both sides of a view in its middle; small ones of a kind that moves have none. */
function guarded(size: number): Uint8Array<ArrayBuffer> {
  if (size <= 40) return new Uint8Array(size);
  const all = new Uint8Array(size + 2 * GUARD).fill(GUARD_BYTE);
  return all.subarray(GUARD, GUARD + size);
}

function guardsAreWhole(view: Uint8Array): boolean {
  const all = new Uint8Array(view.buffer);
  const before = all.subarray(0, view.byteOffset);
  const after = all.subarray(view.byteOffset + view.length);
  return before.every((byte) => byte === GUARD_BYTE) && after.every((byte) => byte === GUARD_BYTE);
}

/** Says what is wrong with memory that an operation filled, known only weakly from its start to its completion. */
function verdictOf(
  bytes: number,
  expected: number,
  seed: number,
  views: readonly WeakRef<ArrayBuffer>[],
  at: number[][],
): string {
  if (bytes !== expected) return `${bytes} bytes instead of ${expected}`;
  let place = 0;
  for (const [i, weak] of views.entries()) {
    const memory = weak.deref();
    if (memory === undefined) return "its memory was collected while it was in flight";
    const [offset = 0, length = 0] = at[i] ?? [];
    const view = new Uint8Array(memory, offset, length);
    for (let j = 0; j < length; j++) if (view[j] !== byteAt(place++, seed)) return `byte ${place - 1} is ${view[j]}`;
    if (!guardsAreWhole(view)) return "its guard bytes are gone";
  }
  return "";
}

/** Reads into views that are forgotten at once. */
function readInto(
  what: string,
  sizes: readonly number[],
  seed: number,
  fd: number,
  start: (views: Uint8Array<ArrayBuffer>[]) => Promise<number>,
): Pending {
  const views = sizes.map(guarded);
  const promise = start(views);
  const weak = views.map((view) => new WeakRef(view.buffer));
  const at = views.map((view) => [view.byteOffset, view.length]);
  const expected = sizes.reduce((sum, size) => sum + size, 0);
  return {
    what,
    complete: () => writeSync(fd, pattern(expected, seed)),
    verdict: promise.then((bytes) => verdictOf(bytes, expected, seed, weak, at)),
  };
}

/** Writes a view that is forgotten at once to a pipe that is full. */
function writeFrom(
  size: number,
  seed: number,
  pipe: Pipe,
  start: (view: Uint8Array<ArrayBuffer>) => Promise<number>,
): Pending {
  writeSync(pipe.writeEnd, new Uint8Array(PIPE_ROOM));
  const promise = start(pattern(size, seed));
  const room = new Uint8Array(PIPE_ROOM);
  return {
    what: `write of ${size}`,
    complete: () => {
      for (let left = PIPE_ROOM; left > 0;) left -= readSync(pipe.readEnd, room, 0, left, null);
    },
    verdict: promise.then((bytes) => {
      if (bytes !== size) return `${bytes} bytes were written`;
      const got = new Uint8Array(size);
      for (let place = 0; place < size;) place += readSync(pipe.readEnd, got, place, size - place, null);
      const wrong = got.findIndex((byte, i) => byte !== byteAt(i, seed));
      return wrong < 0 ? "" : `byte ${wrong} that was written is ${got[wrong]}`;
    }),
  };
}

/** A message of two parts, and an accepted connection: the kernel writes headers and addresses, too. */
function messages({ path, listening, near, far }: Sockets, seed: number): Pending[] {
  const sizes = [30, 900];
  const views = sizes.map(guarded);
  const weak = views.map((view) => new WeakRef(view.buffer));
  const at = views.map((view) => [view.byteOffset, view.length]);
  const received = ring.recvmsg(near, { buffers: views, control: 64 });
  const name = folder.at(`peer${seed}`);
  const connecting: number[] = [];
  return [
    {
      what: "recvmsg",
      complete: () => sender.send(far, pattern(930, seed)),
      verdict: received.then(({ bytes }) => verdictOf(bytes, 930, seed, weak, at)),
    },
    {
      what: "acceptFrom",
      complete: async () => {
        const fd = await sender.socket(AF.UNIX, SOCK.STREAM);
        connecting.push(fd);
        await sender.bind(fd, { path: name });
        await sender.connect(fd, { path });
      },
      verdict: ring.acceptFrom(listening).then(async ({ fd, address }) => {
        await Promise.all([fd, ...connecting].map((fd) => sender.closeFd(fd)));
        rmSync(name);
        const from = (address as { path?: string } | undefined)?.path;
        return from === name ? "" : `the peer's address is ${from}`;
      }),
    },
  ];
}

/** What is put where freed memory was: whoever writes there is seen. */
function litter(): Uint8Array[] {
  return Array.from(
    { length: 240 },
    (_, i) => new Uint8Array(SIZES[i % SIZES.length]! + (i % 2) * 2 * GUARD).fill(LITTER_BYTE),
  );
}

interface Sockets {
  readonly path: string;
  readonly listening: number;
  readonly near: number;
  readonly far: number;
}

async function connected(): Promise<Sockets> {
  const path = folder.at("listening");
  const listening = await ring.socket(AF.UNIX, SOCK.STREAM);
  await ring.bind(listening, { path });
  await ring.listen(listening, 16);
  const near = await ring.socket(AF.UNIX, SOCK.STREAM);
  await ring.connect(near, { path });
  return { path, listening, near, far: await ring.accept(listening) };
}

const sender = new Ring({ entries: 8 });
/** A ring makes sockets since 5.19. */
const sockets = ring.probe().op("SOCKET").supported ? await connected() : undefined;
const pipes = SIZES.map(() => new Pipe());
const full = SIZES.map(() => new Pipe());
const vectored = new Pipe();

function begin(seed: number): Pending[] {
  return [
    ...SIZES.map((size, i) => {
      const { readEnd, writeEnd } = pipes[i]!;
      return readInto(`read of ${size}`, [size], seed, writeEnd, ([view]) => ring.read(readEnd, view!));
    }),
    readInto("readv", [5, 40, 1000], seed, vectored.writeEnd, (views) => ring.readv(vectored.readEnd, views)),
    ...SIZES.map((size, i) => writeFrom(size, seed, full[i]!, (view) => ring.write(full[i]!.writeEnd, view))),
    ...sockets === undefined ? [] : messages(sockets, seed),
  ];
}

let operations = 0;
for (let round = 0; round < rounds; round++) {
  const pending = begin(round);
  // They are the kernel's from here on.
  await ring.nop();
  collectGarbage();
  const put = litter();
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (round % 2 === 0) collectGarbage();
  for (const { complete } of pending) await complete();
  for (const { what, verdict } of pending) {
    const wrong = await verdict;
    if (wrong !== "") throw new Error(`round ${round}, ${what}: ${wrong}`);
    operations++;
  }
  const hit = put.findIndex((bytes) => bytes.some((byte) => byte !== LITTER_BYTE));
  if (hit >= 0) throw new Error(`round ${round}: somebody wrote into memory that was freed`);
}
for (const pipe of [...pipes, ...full, vectored]) pipe[Symbol.dispose]();
if (sockets !== undefined) {
  const { near, far, listening } = sockets;
  await Promise.all([near, far, listening].map((fd) => ring.closeFd(fd)));
}
const { submitted, completed } = ring.stats;
await Promise.all([ring.close(), sender.close()]);
folder[Symbol.dispose]();
console.log(JSON.stringify({ operations, submitted, completed }));
