/**
 * Operations whose memory nobody mentions but the ring, in flight while garbage is collected and other things are put
 * where freed memory was. What the kernel then writes must be where it belongs, and nowhere else. Prints JSON.
 *
 * Arguments: how many rounds; the ring's kind, by name.
 */

import { readSync, rmSync, writeSync } from "node:fs";
import process from "node:process";
import { AF, AT, BufferPool, O, Ring, scmFds, scmRights, SOCK, STATX } from "../../mod.ts";
import { collectGarbage } from "../support/garbage.ts";
import { TempFolder } from "../support/folder.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { RING_KINDS } from "../support/ring_kinds.ts";
import { Net } from "../support/sockaddr.ts";
import { findNamespace } from "../support/xattr.ts";

const GUARD = 64;
const GUARD_BYTE = 0xa5;
const LITTER_BYTE = 0xee;
/** Sizes that runtimes keep in different places: inside small objects, in the heap, in pages of their own. */
const SIZES = [1, 16, 40, 700, 3000, 20_000];
const PIPE_ROOM = 65_536;

const [, , rounds, kind] = process.argv;
const folder = new TempFolder();
const ring = new Ring({ ...new Map(RING_KINDS).get(kind!), entries: 64 });

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

/** What completes by itself: its memory is to be there from its start on. */
function atOnce<T>(what: string, promise: Promise<T>, check: (result: T) => string | Promise<string>): Pending {
  return { what, complete: () => {}, verdict: promise.then(check) };
}

function different(what: string, got: Uint8Array, seed: number): string {
  const wrong = got.findIndex((byte, i) => byte !== byteAt(i, seed));
  return wrong < 0 ? "" : `byte ${wrong} that was ${what} is ${got[wrong]}`;
}

/** Their timespecs are the ring's. */
function timeouts(seed: number): Pending[] {
  const began = performance.now();
  const { readEnd, writeEnd } = limited;
  return [
    // A clock of a runtime's is a little coarser than the kernel's.
    atOnce("timeout", ring.timeout(5), () => performance.now() - began > 4 ? "" : "it ended before its time"),
    readInto("read with a limit", [50], seed, writeEnd, ([view]) => {
      return ring.read(readEnd, view!, undefined, { timeout: NEVER });
    }),
  ];
}

/** Names, and what is told of a file. */
function names(seed: number): Pending[] {
  const has = (op: "UNLINKAT" | "RENAMEAT") => ring.probe().op(op).supported;
  const renamed = folder.at(`renamed ${seed} ${"r".repeat(seed % 150)}`);
  const opened = ring.openat(AT.FDCWD, folder.write(`opened ${seed}`, ""), O.RDONLY);
  const told = ring.statx(AT.FDCWD, folder.write(`told ${seed}`, pattern(seed, 0)), 0, STATX.SIZE);
  return [
    atOnce("openat", opened, async (fd) => `${await sender.closeFd(fd) || ""}`),
    atOnce("statx", told, ({ size }) => size === seed ? "" : `the size is ${size}`),
    ...has("UNLINKAT")
      ? [atOnce("unlinkat", ring.unlinkat(AT.FDCWD, folder.write(`gone ${seed}`, "")), (result) => `${result || ""}`)]
      : [],
    ...has("RENAMEAT")
      ? [atOnce(
        "renameat",
        ring.renameat(AT.FDCWD, folder.write(`before ${seed}`, pattern(9, seed)), AT.FDCWD, renamed),
        () => different("renamed", folder.read(renamed.slice(folder.path.length + 1)), seed),
      )]
      : [],
  ];
}

/** A buffer of the pool, with guard bytes on both sides of its middle. */
function pooled(): Uint8Array<ArrayBuffer> {
  const all = pool.acquire().fill(GUARD_BYTE);
  return all.subarray(GUARD, all.length - GUARD);
}

/** Guards in a pool are within each buffer: its neighbours are other operations'. */
function poolVerdict(index: number, seed: number): string {
  const all = new Uint8Array(pool.region.buffer, index, pool.size);
  pool.release(all);
  const isGuard = (byte: number) => byte === GUARD_BYTE;
  if (!all.subarray(0, GUARD).every(isGuard) || !all.subarray(-GUARD).every(isGuard)) return "its guard bytes are gone";
  return different("in the pool", all.subarray(GUARD, -GUARD), seed);
}

function fixed(seed: number): Pending[] {
  const length = pool.size - 2 * GUARD;
  const [reading, writing] = [pooled(), pooled()];
  writing.set(pattern(length, seed));
  const [readAt, writtenAt] = [reading.byteOffset - GUARD, writing.byteOffset - GUARD];
  const read = ring.readFixed(fixedIn.readEnd, reading);
  return [
    {
      what: "readFixed",
      complete: () => writeSync(fixedIn.writeEnd, pattern(length, seed)),
      verdict: read.then((bytes) => bytes === length ? poolVerdict(readAt, seed) : `${bytes} bytes were read`),
    },
    atOnce("writeFixed", ring.writeFixed(fixedOut.writeEnd, writing), (bytes) => {
      const got = new Uint8Array(length);
      readSync(fixedOut.readEnd, got, 0, length, null);
      return bytes === length ? poolVerdict(writtenAt, seed) || different("written", got, seed) : `${bytes} bytes`;
    }),
  ];
}

/** What goes through sockets: the kernel reads headers, vectors, control messages and addresses. */
function transfers({ stream, datagrams }: Pairs, seed: number): Pending[] {
  const [near, far] = stream;
  const arrived = async (fd: number, sent: number, length: number, control = 0) => {
    const got = new Uint8Array(length);
    const { bytes, control: came } = await sender.recvmsg(fd, { buffers: [got], control });
    const fds = scmFds(came);
    await Promise.all(fds.map((fd) => sender.closeFd(fd)));
    if (sent !== length || bytes !== length) return `${sent} bytes were sent, ${bytes} came`;
    if (fds.length !== (control > 0 ? 1 : 0)) return `${fds.length} descriptors came`;
    return different("sent", got, seed);
  };
  const message = () => ({
    buffers: [pattern(200, seed), pattern(700, seed + 200 * 7)],
    control: [scmRights([near])],
  });
  const received = readInto("recv", [800], seed, -1, ([view]) => ring.recv(near, view!));
  return [
    { ...received, complete: () => sender.send(far, pattern(800, seed)) },
    atOnce("send", ring.send(stream[2], pattern(900, seed)), (sent) => arrived(stream[3], sent, 900)),
    atOnce("sendmsg", ring.sendmsg(stream[4], message()), (sent) => arrived(stream[5], sent, 900, 64)),
    ...datagrams === undefined ? [] : [
      atOnce("sendZc", ring.sendZc(datagrams[0], pattern(900, seed)), (sent) => arrived(datagrams[1], sent, 900)),
    ],
  ];
}

function attributes(namespace: string, seed: number): Pending[] {
  const [kept, put] = [`${namespace}.kept`, `${namespace}.put`];
  // It may be done before anybody looks for it: so its memory is held here, too, and its names are what is the ring's.
  const got = guarded(500);
  return [
    atOnce("getxattr", ring.getxattr(attributed, kept, got), (bytes) => {
      if (bytes !== 500) return `${bytes} bytes instead of 500`;
      return guardsAreWhole(got) ? different("got", got, KEPT_SEED) : "it wrote beyond its memory";
    }),
    atOnce("setxattr", ring.setxattr(attributed, put, pattern(600, seed)), async () => {
      return different("set", await sender.getxattr(attributed, put), seed);
    }),
  ];
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

interface Pairs {
  /** Three times both ends. */
  readonly stream: readonly [number, number, number, number, number, number];
  /** Where the kernel can send without a copy. */
  readonly datagrams: readonly [number, number] | undefined;
}

async function connectedPairs(): Promise<Pairs> {
  const [a, b] = await net.pair("unix");
  const [c, d] = await net.pair("unix");
  const [e, f] = await net.pair("unix");
  const stream = [a, b, c, d, e, f] as const;
  if (!ring.probe().op("SEND_ZC").supported) return { stream, datagrams: undefined };
  const [{ fd: client }, { fd: server, address }] = [await net.udp(), await net.udp()];
  await sender.connect(client, address);
  return { stream, datagrams: [client, server] };
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

const net = new Net({ entries: 8 });
const sender = net.ring;
/** A ring makes sockets since 5.19. */
const sockets = ring.probe().op("SOCKET").supported ? await connected() : undefined;
const pipes = SIZES.map(() => new Pipe());
const full = SIZES.map(() => new Pipe());
const vectored = new Pipe();
const limited = new Pipe();
const [fixedIn, fixedOut] = [new Pipe(), new Pipe()];
const pool = new BufferPool({ ring, size: 1000, count: 2 });
const pairs = sockets === undefined ? undefined : await connectedPairs();
const KEPT_SEED = 77;
const attributed = folder.write("attributed", "");
const namespace = await findNamespace();
if (namespace !== undefined) await sender.setxattr(attributed, `${namespace}.kept`, pattern(500, KEPT_SEED));

function begin(seed: number): Pending[] {
  return [
    ...SIZES.map((size, i) => {
      const { readEnd, writeEnd } = pipes[i]!;
      return readInto(`read of ${size}`, [size], seed, writeEnd, ([view]) => ring.read(readEnd, view!));
    }),
    readInto("readv", [5, 40, 1000], seed, vectored.writeEnd, (views) => ring.readv(vectored.readEnd, views)),
    ...SIZES.map((size, i) => writeFrom(size, seed, full[i]!, (view) => ring.write(full[i]!.writeEnd, view))),
    ...sockets === undefined ? [] : messages(sockets, seed),
    ...pairs === undefined ? [] : transfers(pairs, seed),
    ...timeouts(seed),
    ...names(seed),
    ...fixed(seed),
    ...namespace === undefined ? [] : attributes(namespace, seed),
  ];
}

let operations = 0;
const kinds = new Set<string>();
for (let round = 0; round < Number(rounds); round++) {
  const pending = begin(round);
  // Before the kernel has them, too.
  if (round % 2 === 1) collectGarbage();
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
    kinds.add(what);
    operations++;
  }
  const hit = put.findIndex((bytes) => bytes.some((byte) => byte !== LITTER_BYTE));
  if (hit >= 0) throw new Error(`round ${round}: somebody wrote into memory that was freed`);
}
for (const pipe of [...pipes, ...full, vectored, limited, fixedIn, fixedOut]) pipe[Symbol.dispose]();
if (sockets !== undefined) {
  const { near, far, listening } = sockets;
  await Promise.all([near, far, listening].map((fd) => ring.closeFd(fd)));
}
const { submitted, completed } = ring.stats;
await Promise.all([ring.close(), net[Symbol.asyncDispose]()]);
pool.close();
folder[Symbol.dispose]();
console.log(JSON.stringify({ operations, kinds: [...kinds], submitted, completed }));
