import process from "node:process";
import { AF, BufferPool, BufferRing, type Ring, SHUT, SOCK, UnsupportedError, type UringError } from "../../mod.ts";
import type { Random } from "../support/random.ts";
import { closeAll, listenOn } from "./pairs.ts";
import { Guarded, type Place, same, type Task } from "./place.ts";
import { recvAll, sendAll, sendAllZc } from "./recovery.ts";

const BUFFERS = 16;

function bufferRing(ring: Ring, incremental: boolean): BufferRing {
  try {
    return new BufferRing({ ring, size: 512, count: BUFFERS, incremental });
  } catch (error) {
    if (!(error instanceof UnsupportedError && incremental)) throw error;
    return bufferRing(ring, false);
  }
}

/** Buffers that nobody holds once all operations are done: of incremental ones the last is used in part. */
const AT_LEAST = BUFFERS - 1;

/** An echo server on provided buffers, and clients that check each byte. */
export async function sockets(place: Place): Promise<Task> {
  const { ring } = place;
  const path = `${place.folder}/${place.name}`;
  const listening = await listenOn(place, path);
  const groups = [bufferRing(ring, false), bufferRing(ring, true)];
  const served: Promise<void>[] = [];
  let over = false;
  let connections = ring.acceptMultishot(listening);
  let turn = 0;

  const serving = (async () => {
    while (!over) {
      try {
        for await (const fd of connections) served.push(serve(fd, groups[turn++ % 2]!));
        return;
      } catch (error) {
        if (!place.struck(error)) throw error;
        connections = ring.acceptMultishot(listening);
      }
    }
  })();
  serving.catch(() => {}); // told at the end

  async function serve(fd: number, buffers: BufferRing): Promise<void> {
    try {
      while (true) {
        try {
          for await (const piece of ring.recvMultishot(fd, buffers)) {
            const bytes = piece.bytes.slice();
            piece.release();
            await sendAll(place, fd, bytes);
          }
          break;
        } catch (error) {
          if (!place.struck(error)) throw error;
        }
      }
    } catch (error) {
      const { code } = error as UringError;
      if (code !== "EPIPE" && code !== "ECONNRESET") throw error;
      place.count(`served ${code}`);
    }
    await closeAll(place, fd);
  }

  async function connect(): Promise<number> {
    const fd = await place.again(() => ring.socket(AF.UNIX, SOCK.STREAM));
    await place.again(() => ring.connect(fd, { path }));
    return fd;
  }

  async function echo(random: Random): Promise<void> {
    const fd = await connect();
    const sent = random.bytes(1 + random.below(20_000));
    const sending = sendAll(place, fd, sent).then(() => place.again(() => ring.shutdown(fd, SHUT.WR)));
    const received = new Guarded(sent.length + 1, random);
    const [bytes] = await Promise.all([recvAll(place, fd, received.bytes), sending]);
    place.check(bytes === sent.length, `an echo of ${bytes} bytes instead of ${sent.length}`);
    place.check(received.intact(), "a recv beside its buffer");
    place.check(same(received.bytes.subarray(0, bytes), sent), "an echo of other bytes");
    await closeAll(place, fd);
  }

  /** A client that goes before all of its echo has come. */
  async function abrupt(random: Random): Promise<void> {
    const fd = await connect();
    const sent = random.bytes(1 + random.below(20_000));
    const sending = place.unless(sendAll(place, fd, sent), ["EPIPE"]);
    const guarded = new Guarded(4096, random);
    const bytes = await place.again(() => ring.recv(fd, guarded.bytes));
    place.check(guarded.intact(), "a recv beside its buffer");
    place.check(same(guarded.bytes.subarray(0, bytes), sent.subarray(0, bytes)), "an echo of other bytes");
    await place.again(() => ring.shutdown(fd, SHUT.RDWR));
    await sending;
    await closeAll(place, fd);
  }

  /** Several clients at once. */
  async function crowd(random: Random): Promise<void> {
    const forks = Array.from({ length: 8 }, () => random.fork());
    await Promise.all(forks.map((random) => random.below(4) === 0 ? abrupt(random) : echo(random)));
  }

  return {
    actions: { echo, "echo again": echo, abrupt, crowd },
    end: async () => {
      over = true;
      await connections.return();
      await serving;
      await Promise.all(served);
      for (const buffers of groups) {
        place.check(buffers.available >= AT_LEAST, `${BUFFERS - buffers.available} provided buffers were lost`);
        buffers.close();
      }
      await closeAll(place, listening);
    },
  };
}

/** Below where the kernel chooses ports from. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;
const HERE = "127.0.0.1";

/** Sends without a copy over TCP, from buffers that are overwritten as soon as they are free. */
export async function zeroCopy(place: Place): Promise<Task> {
  const { ring } = place;
  if (!ring.probe().op("SEND_ZC").supported) {
    return { actions: { heap: undefined, registered: undefined }, end: () => Promise.resolve() };
  }
  const listening = await place.again(() => ring.socket(AF.INET, SOCK.STREAM));
  const port = await bindSomewhere(place, listening);
  await place.again(() => ring.listen(listening, 16));
  const pool = new BufferPool({ ring, size: 1 << 16, count: 2 });

  async function through(random: Random, buffer: Uint8Array, fixed: boolean): Promise<void> {
    const client = await place.again(() => ring.socket(AF.INET, SOCK.STREAM));
    await place.again(() => ring.connect(client, { hostname: HERE, port }));
    const server = await place.again(() => ring.accept(listening));
    const sent: Uint8Array[] = [];
    const rounds = 1 + random.below(4);
    const receiving = (async () => {
      const received = new Guarded(rounds * buffer.length + 1, random);
      const bytes = await recvAll(place, server, received.bytes);
      place.check(received.intact(), "a recv beside its buffer");
      return received.bytes.subarray(0, bytes);
    })();
    for (let i = 0; i < rounds; i++) {
      const bytes = random.bytes(1 + random.below(buffer.length));
      buffer.set(bytes);
      sent.push(bytes);
      await sendAllZc(place, client, buffer.subarray(0, bytes.length), fixed);
    }
    await place.again(() => ring.shutdown(client, SHUT.WR));
    const received = await receiving;
    let at = 0;
    for (const bytes of sent) {
      place.check(same(received.subarray(at, at + bytes.length), bytes), "sent without a copy: other bytes came");
      at += bytes.length;
    }
    place.check(at === received.length, `sent without a copy: ${received.length} of ${at} bytes came`);
    await closeAll(place, client, server);
  }

  return {
    actions: {
      heap: (random) => through(random, new Uint8Array(1 + random.below(1 << 16)), false),
      registered: async (random) => {
        const buffer = pool.acquire();
        await through(random, buffer, true);
        pool.release(buffer);
      },
    },
    end: async () => {
      pool.close();
      await closeAll(place, listening);
    },
  };
}

async function bindSomewhere(place: Place, fd: number): Promise<number> {
  for (let i = 0; i < PORTS; i++) {
    const port = FIRST_PORT + (process.pid * 7 + i) % PORTS;
    const bound = place.again(() => place.ring.bind(fd, { hostname: HERE, port }));
    if (await place.unless(bound, ["EADDRINUSE"]) !== undefined) return port;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is free`);
}
