/**
 * Connections that are open and say nothing, each with a receive pending, on one group of a few buffers; then each
 * gets one message. Prints JSON.
 *
 * Arguments: how many connections, and "multishot" or "once".
 */

import process from "node:process";
import { AF, BufferRing, FileTable, Ring, SOCK, type UringError } from "../../mod.ts";

const count = Number(process.argv[2]);
const multishot = process.argv[3] === "multishot";
const BATCH = 64;

const ring = new Ring({ entries: 1024 });
const buffers = new BufferRing({ ring, size: 64, count: 256 });
// One end of each in a slot: so that the limit of descriptors allows for twice as many.
const table = new FileTable(ring, { size: count });
const address = { path: `\0idle connections ${process.pid}` };
const listener = await ring.socket(AF.UNIX, SOCK.STREAM);
await ring.bind(listener, address);
await ring.listen(listener, 2 * BATCH);

const clients: number[] = [];
const servers: number[] = [];
while (clients.length < count) {
  const length = Math.min(BATCH, count - clients.length);
  const pairs = await Promise.all(Array.from({ length }, async () => {
    const client = await ring.socket(AF.UNIX, SOCK.STREAM);
    const [server] = await Promise.all([ring.accept(listener, { slot: "alloc" }), ring.connect(client, address)]);
    return [client, server] as const;
  }));
  for (const [client, server] of pairs) {
    clients.push(client);
    servers.push(server);
  }
}

// What was accepted need not belong to the client beside it: the first message tells who it is.
const got = new Uint8Array(count);
let wrong = 0;
let left = count;
let all!: () => void;
const done = new Promise<void>((resolve) => all = resolve);

function take(bytes: Uint8Array): void {
  const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (bytes.length !== 4 || index >= count || got[index] !== 0) wrong++;
  else got[index] = 1;
  if (--left === 0) all();
}

async function receiveOnce(fd: number): Promise<void> {
  while (true) {
    try {
      using piece = (await ring.recvSelect(fd, buffers, 0, { fixedFile: true }))!;
      return take(piece.bytes);
    } catch (error) {
      // A group of a few serves all: whoever finds it empty asks again.
      if ((error as UringError).code !== "ENOBUFS") throw error;
    }
  }
}

const rss = process.memoryUsage().rss;
const streams = multishot
  ? servers.map((fd) =>
    ring.recvMultishot(fd, buffers, 0, {
      fixedFile: true,
      each: (piece) => {
        take(piece.bytes);
        piece.release();
      },
    })
  )
  : [];
if (!multishot) { for (const fd of servers) void receiveOnce(fd); }
ring.submitAndWait(0);
await ring.nop();
const { inFlight } = ring.stats;
const bytesEach = Math.round((process.memoryUsage().rss - rss) / count);

// Nothing comes: nothing happens.
const { enters } = ring.stats;
await new Promise((resolve) => setTimeout(resolve, 50));
const idleEnters = ring.stats.enters - enters;

for (let i = 0; i < count; i += BATCH) {
  await Promise.all(
    clients.slice(i, i + BATCH).map((fd, j) => {
      const message = new Uint8Array(4);
      new DataView(message.buffer).setUint32(0, i + j);
      return ring.send(fd, message);
    }),
  );
}
await done;
const received = got.reduce((sum, each) => sum + each, 0);
const { available } = buffers;
await Promise.all(streams.map((stream) => stream.return()));
table.close();
await ring.close();
console.log(JSON.stringify({ inFlight, idleEnters, received, wrong, available, bytesEach }));
process.exit(0);
