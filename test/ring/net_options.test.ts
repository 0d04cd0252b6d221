import { describe, expect, test } from "vitest";
import { AbortError, AF, IOSQE, type OpOptions, RingClosedError, SHUT, SO, SOCK, SOL } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { abstractAddress, bytesOf, Net } from "../support/sockaddr.ts";

/** Sockets of every kind that the operations below need. */
interface Sockets {
  readonly net: Net;
  readonly client: number;
  readonly server: number;
  readonly listener: number;
  readonly address: { path: string };
  readonly udp: number;
}

async function open(net: Net): Promise<Sockets> {
  const [client, server] = await net.pair();
  const { fd, address } = await net.listener("unix", 64);
  return { net, client, server, listener: fd, address: address as { path: string }, udp: (await net.udp()).fd };
}

/** Connects another socket, for somebody to accept. */
async function visit({ net, address }: Sockets): Promise<void> {
  await net.ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
}

/** Sends something to be received. */
function fill({ net, client }: Sockets): Promise<number> {
  return net.ring.send(client, bytesOf("filled"));
}

interface Row {
  readonly name: string;
  readonly op: string;
  readonly prepare?: (sockets: Sockets) => Promise<unknown>;
  readonly start: (sockets: Sockets, o?: OpOptions) => Promise<unknown>;
  readonly result: (result: unknown) => boolean;
}

const message = () => ({ buffers: [bytesOf("four")] });
const isFd = (result: unknown) => typeof result === "number" && result > 2;
const is = (expected: number) => (result: unknown) => result === expected;

/** Every operation on sockets, in a way that completes at once. */
const ROWS: Row[] = [
  {
    name: "socket",
    op: "SOCKET",
    start: ({ net }, o) => net.ring.socket(AF.INET, SOCK.STREAM, 0, o).then((fd) => net.keep(fd)),
    result: isFd,
  },
  {
    name: "bind",
    op: "NOP",
    start: async ({ net }, o) => {
      const fd = await net.socket(AF.UNIX, SOCK.STREAM);
      return net.ring.bind(fd, abstractAddress(), o);
    },
    result: is(0),
  },
  { name: "listen", op: "NOP", start: ({ net, listener }, o) => net.ring.listen(listener, 64, o), result: is(0) },
  {
    name: "accept",
    op: "ACCEPT",
    prepare: visit,
    start: ({ net, listener }, o) => net.ring.accept(listener, o).then((fd) => net.keep(fd)),
    result: isFd,
  },
  {
    name: "acceptFrom",
    op: "ACCEPT",
    prepare: visit,
    start: ({ net, listener }, o) => net.ring.acceptFrom(listener, o).then(({ fd }) => net.keep(fd)),
    result: isFd,
  },
  {
    name: "connect",
    op: "CONNECT",
    start: ({ net, udp }, o) => net.ring.connect(udp, { hostname: "127.0.0.1", port: 9 }, o),
    result: is(0),
  },
  {
    name: "shutdown",
    op: "SHUTDOWN",
    start: ({ net, server }, o) => net.ring.shutdown(server, SHUT.RD, o),
    result: is(0),
  },
  {
    name: "send",
    op: "SEND",
    start: ({ net, client }, o) => net.ring.send(client, bytesOf("four"), 0, o),
    result: is(4),
  },
  {
    name: "recv",
    op: "RECV",
    prepare: fill,
    start: ({ net, server }, o) => net.ring.recv(server, new Uint8Array(6), 0, o),
    result: is(6),
  },
  {
    name: "sendmsg",
    op: "SENDMSG",
    start: ({ net, client }, o) => net.ring.sendmsg(client, message(), 0, o),
    result: is(4),
  },
  {
    name: "recvmsg",
    op: "RECVMSG",
    prepare: fill,
    start: ({ net, server }, o) => net.ring.recvmsg(server, { buffers: [new Uint8Array(6)] }, 0, o),
    result: (result) => (result as { bytes: number }).bytes === 6,
  },
  {
    name: "sendZc",
    op: "SEND_ZC",
    start: ({ net, client }, o) => net.ring.sendZc(client, bytesOf("four"), 0, o),
    result: is(4),
  },
  {
    name: "sendmsgZc",
    op: "SENDMSG_ZC",
    start: ({ net, client }, o) => net.ring.sendmsgZc(client, message(), 0, o),
    result: is(4),
  },
  {
    name: "setsockopt",
    op: "FUTEX_WAIT", // which came with it
    start: ({ net, client }, o) => net.ring.setsockopt(client, SOL.SOCKET, SO.KEEPALIVE, 1, o),
    result: is(0),
  },
];

describe.skipIf(!hasOp("SOCKET"))("options that do not come to bear change nothing", () => {
  test.each(ROWS)("$name", async ({ op, prepare, start, result }) => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op(op).supported) return;
    const sockets = await open(net);
    const { signal } = new AbortController();
    const all: OpOptions[] = [
      {},
      { signal },
      { timeout: NEVER },
      { signal, timeout: NEVER },
      { flags: IOSQE.ASYNC },
      { signal, timeout: NEVER, flags: IOSQE.ASYNC, personality: 0, fixedFile: false },
    ];
    // A call of its own can't wait for what came before; and sends without a copy refuse to.
    if (!op.endsWith("_ZC") && (op !== "NOP" || ring.probe().op("BIND").supported)) all.push({ flags: IOSQE.IO_DRAIN });
    for (const o of all) {
      await prepare?.(sockets);
      expect(await start(sockets, o), JSON.stringify(o)).toSatisfy(result);
    }
    await ring.nop();
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe.skipIf(!hasOp("SOCKET"))("a signal that is aborted before", () => {
  test.each(ROWS)("$name rejects with its reason, and does nothing", async ({ op, prepare, start }) => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op(op).supported) return;
    const sockets = await open(net);
    await prepare?.(sockets);
    const reason = new Error("enough");
    await expect(start(sockets, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(ring.stats.inFlight).toBe(0);
    expect(
      thrown(
        () => ring.link((ring) => ring.recv(1, new Uint8Array(1), 0, { signal: AbortSignal.abort(reason) })),
        Error,
      ),
    )
      .toBe(reason);
  });
});

describe.skipIf(!hasOp("SOCKET"))("a chain", () => {
  test.each(ROWS.filter(({ op }) => op !== "NOP"))("$name ends one, after what came before it", async (row) => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op(row.op).supported) return;
    const sockets = await open(net);
    await row.prepare?.(sockets);
    const [first, second] = ring.link((ring) => [ring.nop(), row.start(sockets)]);
    expect(await first).toBe(0);
    expect(await second).toSatisfy(row.result);
  });
});

describe.skipIf(!hasOp("SOCKET"))("a ring that is closed", () => {
  test.each(ROWS)("$name throws RingClosedError", async ({ op, start }) => {
    await using net = new Net();
    if (!net.ring.probe().op(op).supported) return;
    const sockets = await open(net);
    await net.ring.close();
    let error: unknown;
    try {
      await start(sockets);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RingClosedError);
  });

  test("has ended what waited, with an AbortError", async () => {
    await using net = new Net();
    const { server, listener } = await open(net);
    const { ring } = net;
    const waiting = [
      ring.accept(listener),
      ring.acceptFrom(listener),
      ring.recv(server, new Uint8Array(4)),
      ring.recvmsg(server, { buffers: [new Uint8Array(4)] }),
    ].map((promise) => failure(promise, AbortError));
    await ring.nop();
    await ring.close();
    await Promise.all(waiting);
  });
});
