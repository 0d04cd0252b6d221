/**
 * Everything at once, for a while: files against a model, sockets, timers, cancellations, rings that come and go, with
 * collections forced meanwhile. Ends with what was counted, as JSON; anything that is not as it must be, throws.
 *
 * Arguments: a seed, and how many milliseconds.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import {
  AF,
  AT,
  BufferPool,
  BufferRing,
  IOSQE,
  O,
  POLL,
  Ring,
  type RingOptions,
  SHUT,
  SOCK,
  UnsupportedError,
  type UringError,
} from "../../mod.ts";
import { collectGarbage } from "../support/garbage.ts";
import { descriptors, ringMaps } from "../support/process_state.ts";
import { Random } from "../support/random.ts";

const seed = Number(process.argv[2]);
const milliseconds = Number(process.argv[3]);
const folder = mkdtempSync(`${tmpdir()}/uring-mixed-`);
const counts: Record<string, number> = {};

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`seed ${seed}: ${what}`);
}

/** A view in the middle of bytes that nobody may touch. */
class Guarded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #whole: Uint8Array<ArrayBuffer>;
  readonly #margin: number;

  constructor(length: number, random: Random) {
    this.#margin = random.below(2) === 0 ? 8 : 64;
    this.#whole = new Uint8Array(length + 2 * this.#margin).fill(0xa5);
    this.bytes = this.#whole.subarray(this.#margin, this.#margin + length).fill(0);
  }

  intact(): boolean {
    const end = this.#whole.length - this.#margin;
    return this.#whole.every((byte, i) => byte === 0xa5 || (i >= this.#margin && i < end));
  }
}

/** What cancellation and time limits may make of an operation, besides its result. */
async function unless(promise: Promise<number>, codes: readonly string[]): Promise<number | undefined> {
  try {
    return await promise;
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    if (codes.includes(code ?? "") || codes.includes(name)) {
      count(`ended ${code ?? name}`);
      return undefined;
    }
    throw error;
  }
}

type Task = (ring: Ring, random: Random, goesOn: () => boolean, name: string) => Promise<void>;

/** Writes and reads in a file at random, beside a model of it in memory. */
const files: Task = async (ring, random, goesOn, name) => {
  const size = 1 << 17;
  const model = new Uint8Array(size);
  const fd = await ring.openat(AT.FDCWD, `${folder}/${name}`, O.CREAT | O.RDWR, 0o600);
  await ring.fallocate(fd, 0, 0, size);
  const pool = new BufferPool({ ring, size: 8192, count: 4 });
  while (goesOn()) {
    const length = 1 + random.below(8192);
    const offset = random.below(size - length);
    const expected = model.subarray(offset, offset + length);
    switch (random.below(6)) {
      case 0: {
        const guarded = new Guarded(length, random);
        guarded.bytes.set(random.bytes(length));
        check(await ring.write(fd, guarded.bytes, offset) === length, "a short write");
        model.set(guarded.bytes, offset);
        break;
      }
      case 1: {
        const guarded = new Guarded(length, random);
        const o = random.below(2) === 0 ? {} : { flags: IOSQE.ASYNC };
        const bytes = await ring.read(fd, guarded.bytes, offset, o);
        check(bytes === length && guarded.intact(), "a read beside its buffer");
        check(guarded.bytes.every((byte, i) => byte === expected[i]), "a read of other bytes");
        break;
      }
      case 2: {
        const buffer = pool.acquire();
        const part = buffer.subarray(0, length);
        part.set(random.bytes(length));
        const [written] = await Promise.all(
          ring.link((ring) => [ring.writeFixed(fd, part, offset), ring.fsync(fd, 1)]),
        );
        check(written === length, "a short write in a chain");
        model.set(part, offset);
        pool.release(buffer);
        break;
      }
      case 3: {
        const buffer = pool.acquire();
        const part = buffer.subarray(0, length);
        check(await ring.readFixed(fd, part, offset) === length, "a short fixed read");
        check(part.every((byte, i) => byte === expected[i]), "a fixed read of other bytes");
        pool.release(buffer);
        break;
      }
      case 4: {
        const parts = [new Guarded(length, random), new Guarded(length, random)];
        const bytes = await ring.readv(fd, parts.map(({ bytes }) => bytes), offset);
        check(bytes === Math.min(2 * length, size - offset) && parts.every((part) => part.intact()), "a readv");
        check(parts[0]!.bytes.every((byte, i) => byte === expected[i]), "a readv of other bytes");
        break;
      }
      default: {
        const abort = new AbortController();
        const guarded = new Guarded(length, random);
        const read = unless(ring.read(fd, guarded.bytes, offset, { signal: abort.signal, flags: IOSQE.ASYNC }), [
          "AbortError",
        ]);
        if (random.below(2) === 0) await ring.nop();
        abort.abort();
        const bytes = await read;
        check(guarded.intact(), "an aborted read beside its buffer");
        if (bytes !== undefined) check(guarded.bytes.every((byte, i) => byte === expected[i]), "an aborted read");
      }
    }
    count("files");
  }
  pool.close();
  await ring.closeFd(fd);
};

function bufferRing(ring: Ring, incremental: boolean): BufferRing {
  try {
    return new BufferRing({ ring, size: 512, count: 16, incremental });
  } catch (error) {
    if (!(error instanceof UnsupportedError && incremental)) throw error;
    return bufferRing(ring, false);
  }
}

/** An echo server on a path, and clients that check each byte. */
const sockets: Task = async (ring, random, goesOn, name) => {
  const path = `${folder}/${name}`;
  const listening = await ring.socket(AF.UNIX, SOCK.STREAM);
  await ring.bind(listening, { path });
  await ring.listen(listening, 64);
  const buffers = bufferRing(ring, random.below(2) === 0);
  const connections = ring.acceptMultishot(listening);
  const served: Promise<void>[] = [];
  const serving = (async () => {
    for await (const fd of connections) served.push(serve(fd));
  })();

  async function serve(fd: number): Promise<void> {
    try {
      for await (const piece of ring.recvMultishot(fd, buffers)) {
        const bytes = piece.bytes.slice();
        piece.release();
        for (let at = 0; at < bytes.length;) at += await ring.send(fd, bytes.subarray(at));
      }
    } catch (error) {
      const { code } = error as UringError;
      if (code !== "EPIPE" && code !== "ECONNRESET") throw error;
      count(`served ${code}`);
    }
    await ring.closeFd(fd);
  }

  while (goesOn()) {
    const fd = await ring.socket(AF.UNIX, SOCK.STREAM);
    await ring.connect(fd, { path });
    const sent = random.bytes(1 + random.below(20_000));
    const sending = (async () => {
      for (let at = 0; at < sent.length;) at += await ring.send(fd, sent.subarray(at));
      await ring.shutdown(fd, SHUT.WR);
    })();
    const abrupt = random.below(8) === 0;
    const guarded = new Guarded(4096, random);
    let at = 0;
    while (true) {
      const bytes = await ring.recv(fd, guarded.bytes);
      check(guarded.intact(), "a recv beside its buffer");
      if (bytes === 0) break;
      for (let i = 0; i < bytes; i++) check(guarded.bytes[i] === sent[at + i], "an echo of other bytes");
      at += bytes;
      if (abrupt) break;
    }
    if (abrupt) {
      await ring.shutdown(fd, SHUT.RDWR);
      await sending.catch((error) => check(error.code === "EPIPE", `a sender got ${error}`));
    } else {
      await sending;
      check(at === sent.length, "an echo cut short");
    }
    await ring.closeFd(fd);
    count("sockets");
  }
  await connections.return();
  await serving;
  await Promise.all(served);
  check(buffers.available >= 15, "a provided buffer was lost");
  buffers.close();
  await ring.closeFd(listening);
};

/** Whether this kernel has timers that go on. */
async function ticks(ring: Ring): Promise<boolean> {
  try {
    for await (const _ of ring.timeoutMultishot(1, { count: 1 })) return true;
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
  }
  return false;
}

/** Timers that end by themselves, early, or with their limit. */
const timers: Task = async (ring, random, goesOn) => {
  while (goesOn()) {
    switch (random.below(4)) {
      case 0:
        await ring.timeout(random.below(3));
        break;
      case 1: {
        const timer = unless(ring.timeout(10_000), ["ECANCELED"]);
        const target = ring.timeout(10_000);
        const ended = unless(target, ["ECANCELED"]);
        check(await ring.timeoutRemove(target) === 1, "a timeout that was not found");
        await ended;
        check(await ring.cancel({ op: "timeout" }) >= 1, "timeouts that were not found");
        await timer;
        break;
      }
      case 2: {
        if (!ticking) break;
        let ticks = 0;
        for await (const tick of ring.timeoutMultishot(1, { count: 3 })) check(tick === ++ticks, "a tick out of turn");
        break;
      }
      default:
        await Promise.all(Array.from({ length: 100 }, () => ring.nop()));
    }
    count("timers");
  }
};

/** Waits for what does not come, and ends them in every way. */
const waits: Task = async (ring, random, goesOn) => {
  const [near, far] = await pair(ring);
  while (goesOn()) {
    const guarded = new Guarded(64, random);
    switch (random.below(5)) {
      case 0:
        await unless(ring.recv(near, guarded.bytes, 0, { timeout: 1 }), ["ETIME"]);
        break;
      case 1: {
        const abort = new AbortController();
        const waiting = unless(ring.recv(near, guarded.bytes, 0, { signal: abort.signal }), ["AbortError"]);
        if (random.below(2) === 0) await ring.nop();
        abort.abort();
        check(await waiting === undefined, "a recv of nothing");
        break;
      }
      case 2: {
        const poll = ring.pollAdd(near, POLL.IN);
        const ended = unless(poll, ["ECANCELED"]);
        check(await ring.cancel(poll) === 1, "a poll that was not found");
        await ended;
        break;
      }
      case 3: {
        const polls = ring.pollMultishot(near, POLL.IN);
        await ring.nop();
        await polls.return();
        break;
      }
      default: {
        const waiting = unless(ring.recv(near, guarded.bytes), ["ECANCELED"]);
        await ring.nop();
        await ring.cancel({ fd: near });
        await waiting;
      }
    }
    check(guarded.intact(), "a wait beside its buffer");
    count("waits");
  }
  await ring.closeFd(near);
  await ring.closeFd(far);
};

let pairs = 0;
async function pair(ring: Ring): Promise<[number, number]> {
  const path = `${folder}/pair${pairs++}`;
  const listening = await ring.socket(AF.UNIX, SOCK.STREAM);
  await ring.bind(listening, { path });
  await ring.listen(listening, 1);
  const near = await ring.socket(AF.UNIX, SOCK.STREAM);
  const [far] = await Promise.all([ring.accept(listening), ring.connect(near, { path })]);
  await ring.closeFd(listening);
  return [near, far];
}

const OPTIONS: RingOptions[] = [{}, { entries: 4 }, { entries: 8, deferTaskrun: false }, { sqpoll: { idle: 10 } }];

/** Rings that come, and go with work in flight. */
const rings: Task = async (_, random, goesOn) => {
  while (goesOn()) {
    const ring = new Ring(OPTIONS[random.below(OPTIONS.length)]);
    const [near, far] = await pair(ring);
    const buffer = new Guarded(1000, random);
    const pending = [
      unless(ring.recv(near, buffer.bytes), ["AbortError"]),
      unless(ring.timeout(10_000), ["AbortError"]),
      unless(ring.pollAdd(far, POLL.IN), ["AbortError"]),
      unless(ring.nop(), ["AbortError"]),
    ];
    if (random.below(2) === 0) await ring.nop();
    const how = random.below(3);
    if (how === 0) await ring.close();
    else if (how === 1) ring[Symbol.dispose]();
    else void ring.close();
    await Promise.all(pending);
    check(ring.stats.inFlight === 0 && buffer.intact(), "a closed ring with work in flight");
    await Promise.all([near, far].map((fd) => main.closeFd(fd)));
    count("rings");
  }
};

/** What is left of a list without those of another. */
function without(list: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return list.filter((item) => {
    const at = rest.indexOf(item);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

let collecting = true;
async function collect(): Promise<void> {
  while (collecting) {
    collectGarbage();
    count("collections");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One ring for all, so that they meet in its queues. */
const main = new Ring({ entries: 32 });
const ticking = await ticks(main);
await main.timeout(1); // its waker, too, is part of the beginning
// Deno opens a pair of sockets for itself after some collections.
for (let i = 0; i < 60; i++) {
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 2));
}
const before = { descriptors: descriptors(), maps: ringMaps() };
const end = performance.now() + milliseconds;
const random = new Random(seed);
const collector = collect();
const tasks = [files, files, sockets, sockets, timers, waits, rings];
await Promise.all(tasks.map((task, i) => task(main, random.fork(), () => performance.now() < end, `${task.name}${i}`)));
collecting = false;
await collector;

const { submitted, completed, inFlight } = main.stats;
check(inFlight === 0, `${inFlight} operations have not ended`);
const after = { descriptors: descriptors(), maps: ringMaps() };
check(
  after.descriptors.length <= before.descriptors.length,
  `descriptors are left: ${without(after.descriptors, before.descriptors)}`,
);
check(after.maps <= before.maps, `maps of rings: ${before.maps}, then ${after.maps}`);
await main.close();
check(ringMaps() === 0, "maps of rings are left");
rmSync(folder, { recursive: true });
const locked = /VmLck:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1];
console.log(JSON.stringify({ seed, submitted, completed, locked, ...counts }));
