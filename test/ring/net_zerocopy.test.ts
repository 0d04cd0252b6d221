import { describe, expect, test } from "vitest";
import {
  BufferPool,
  IOSQE,
  MSG,
  type Ring,
  SO,
  SOL,
  UnsupportedError,
  UringError,
  type ZeroCopyUsage,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { catchUncaught, failure, thrown, watch } from "../support/failure.ts";
import { pattern } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { bytesOf, Net, textOf } from "../support/sockaddr.ts";

const SIZE = 65_536;
/** More bytes than a receiver's window and a sender's buffer hold. */
const LARGE = 8 << 20;

/** Whether the kernel can say what became of a send: since 6.2; the feature is of 6.3. */
function reports(ring: Ring): boolean {
  return ring.probe().features.includes("REG_REG_RING");
}

/** Receives so many bytes. */
async function receive(ring: Ring, fd: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  expect(await ring.recv(fd, bytes, MSG.WAITALL)).toBe(length);
  return bytes;
}

/** Sends until nothing more fits. */
async function fill(ring: Ring, fd: number): Promise<void> {
  const bytes = new Uint8Array(SIZE);
  try {
    while (true) await ring.send(fd, bytes, MSG.DONTWAIT);
  } catch (error) {
    expect(error).toMatchObject({ code: "EAGAIN" });
  }
}

/** Every way to send without a copy, from a pool that is registered with the ring. */
const WAYS: [name: string, op: string, since: "SEND_ZC" | "SENDMSG_ZC" | "READV_FIXED", send: Send][] = [
  ["sendZc", "send_zc", "SEND_ZC", (ring, fd, buffer, o) => ring.sendZc(fd, buffer, MSG.WAITALL, o)],
  ["sendZcFixed", "send_zc", "SEND_ZC", (ring, fd, buffer, o) => ring.sendZcFixed(fd, buffer, MSG.WAITALL, o)],
  [
    "sendmsgZc",
    "sendmsg_zc",
    "SENDMSG_ZC",
    (ring, fd, buffer, o) => ring.sendmsgZc(fd, { buffers: halves(buffer) }, MSG.WAITALL, o),
  ],
  [
    "sendmsgZcFixed",
    "sendmsg_zc",
    "READV_FIXED",
    (ring, fd, buffer, o) => ring.sendmsgZcFixed(fd, { buffers: halves(buffer) }, MSG.WAITALL, o),
  ],
];
type Send = (ring: Ring, fd: number, buffer: Uint8Array, o?: Parameters<Ring["sendZc"]>[3]) => Promise<number>;

function halves(buffer: Uint8Array): Uint8Array[] {
  const middle = buffer.length >> 1;
  return [buffer.subarray(0, middle), buffer.subarray(middle)];
}

describe.skipIf(!hasOp("SOCKET")).each(WAYS)("%s()", (_, op, since, send) => {
  /** A connection, and a buffer of a registered pool; nothing where the kernel has no such op. */
  async function open(net: Net): Promise<{ client: number; server: number; pool: BufferPool } | undefined> {
    const { ring } = net;
    const pool = new BufferPool({ ring, size: SIZE, count: 2 });
    const [client, server] = await net.pair();
    if (ring.probe().op(since).supported) return { client, server, pool };
    expect(thrown(() => send(ring, client, pool.acquire()), UnsupportedError).needs).toMatch(/^Linux 6\./);
    return undefined;
  }

  test("sends all, tells first how much, then whether it was copied, and resolves then", async () => {
    await using net = new Net();
    const { ring } = net;
    const opened = await open(net);
    if (opened === undefined) return;
    const { client, server, pool } = opened;
    const buffer = pool.acquire();
    buffer.set(pattern(SIZE));
    const order: unknown[] = [];
    const sent = send(ring, client, buffer, {
      onSent: (bytes) => order.push(bytes),
      ...(reports(ring) ? { reportUsage: (usage: ZeroCopyUsage) => order.push(usage) } : {}),
    });
    sent.then(() => order.push("resolved"));
    const received = await receive(ring, server, SIZE);
    expect(await sent).toBe(SIZE);
    // Over loopback the receiver's copy is the kernel's.
    expect(order).toEqual(reports(ring) ? [SIZE, { copied: true }, "resolved"] : [SIZE, "resolved"]);
    expect(received.every((byte, i) => byte === buffer[i])).toBe(true);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("works without options, and many at once", async () => {
    await using net = new Net();
    const opened = await open(net);
    if (opened === undefined) return;
    const { client, server, pool } = opened;
    const buffer = pool.acquire().subarray(0, 1000).fill(7);
    const sent = Promise.all(Array.from({ length: 50 }, () => send(net.ring, client, buffer)));
    const received = await receive(net.ring, server, 50_000);
    expect(await sent).toEqual(new Array(50).fill(1000));
    expect(received.every((byte) => byte === 7)).toBe(true);
    expect(net.ring.stats.inFlight).toBe(0);
  });

  test("that fails has no second completion, and nothing is told", async () => {
    await using net = new Net();
    const { ring } = net;
    const opened = await open(net);
    if (opened === undefined) return;
    const told: unknown[] = [];
    const o = { onSent: (bytes: number) => told.push(bytes) };
    const buffer = opened.pool.acquire();
    for (const [code, fd] of [["EBADF", 99_999], ["EBADF", -1]] as const) {
      expect(await failure(send(ring, fd, buffer, o), UringError)).toMatchObject({ code, fd, syscall: op });
    }
    await net.close(opened.server);
    const codes = new Set<string>();
    for (let i = 0; i < 20 && !codes.has("EPIPE"); i++) {
      await send(ring, opened.client, buffer.subarray(0, 2)).catch(({ code }) => codes.add(code));
      await ring.timeout(1);
    }
    expect(codes).toContain("EPIPE");
    const unix = await net.pair("unix");
    expect(await failure(send(ring, unix[0], buffer, o), UringError))
      .toMatchObject({ code: "EOPNOTSUPP", syscall: op, fd: unix[0] });
    expect(told).toEqual([]);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("resolves only when the peer has taken what was sent; onSent tells before", async () => {
    await using net = new Net();
    const { ring } = net;
    const opened = await open(net);
    if (opened === undefined) return;
    const { client, server, pool } = opened;
    const buffer = pool.acquire().fill(5);
    let taken = 0;
    let resolved = 0;
    const sends: Promise<number>[] = [];
    // More than a receiver's window and a sender's buffer hold: what is beyond that can't have been acknowledged.
    while (sends.length < 4096 && sends.length - taken < 8) {
      const sent = send(ring, client, buffer, { onSent: () => taken++ });
      sent.then(() => resolved++);
      sends.push(sent);
      if (sends.length % 8 === 0) await ring.timeout(5);
    }
    expect(taken, "some were taken").toBeGreaterThan(0);
    expect(resolved, "but not all of those are free").toBeLessThan(taken);
    const reading = receive(ring, server, SIZE * sends.length);
    expect(await Promise.all(sends)).toEqual(sends.map(() => SIZE));
    await reading;
    expect([taken, ring.stats.inFlight]).toEqual([sends.length, 0]);
  });

  test("ends with its signal while it waits for room", async () => {
    await using net = new Net();
    const { ring } = net;
    const opened = await open(net);
    if (opened === undefined) return;
    const { client, pool } = opened;
    await fill(ring, client);
    // Now and then a little room appears, but not as much as makes the socket writable: nothing is sent in part.
    const pollFirst = true;
    const controller = new AbortController();
    const sent = send(ring, client, pool.acquire(), { pollFirst, signal: controller.signal });
    const outcome = watch(sent);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(sent).rejects.toBe("enough");
    expect(await failure(send(ring, client, pool.acquire(), { pollFirst, timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: op });
    expect(ring.stats.inFlight).toBe(0);
  });
});

describe.skipIf(!hasOp("SOCKET"))("sending without a copy", () => {
  test("to an address, by sendZc(), sendZcFixed() and sendmsgZc()", async () => {
    await using net = new Net();
    const { ring } = net;
    using pool = new BufferPool({ ring, size: 4096, count: 1 });
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    const buffer = pool.acquire();
    buffer.set(bytesOf("datagram"));
    const datagram = buffer.subarray(0, 8);
    const sends = [
      () => ring.sendZc(sender.fd, datagram, 0, { to: address }),
      () => ring.sendZcFixed(sender.fd, datagram, 0, { to: address }),
      () => ring.sendmsgZc(sender.fd, { buffers: [datagram], name: address }),
    ];
    for (const send of sends) {
      const target = new Uint8Array(16);
      const received = ring.recvmsg(fd, { buffers: [target] });
      expect(await send()).toBe(8);
      expect(await received).toMatchObject({ bytes: 8, address: sender.address });
      expect(textOf(target, 8)).toBe("datagram");
    }
  });

  test("sends several buffers as one, where the kernel can", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const parts = ["several ", "", "buffers"].map(bytesOf);
    if (!ring.probe().op("READV_FIXED").supported) {
      thrown(() => ring.sendZc(client, parts), UnsupportedError);
      return;
    }
    const sent = ring.sendZc(client, parts);
    if (ring.probe().registers < 0) {
      return void await sent.catch((error) => expect(error).toBeInstanceOf(UnsupportedError));
    }
    expect(textOf(await receive(ring, server, 15))).toBe("several buffers");
    expect(await sent).toBe(15);
  });

  test("with reportUsage needs Linux 6.2", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client] = await net.pair();
    const usages: ZeroCopyUsage[] = [];
    const sent = ring.sendZc(client, new Uint8Array(64), 0, { reportUsage: (usage) => usages.push(usage) });
    const error = await sent.then(() => undefined, (error) => error);
    if (error === undefined) return void expect(usages).toEqual([{ copied: true }]);
    expect(reports(ring)).toBe(false);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ feature: "IORING_SEND_ZC_REPORT_USAGE", needs: "Linux 6.2" });
  });

  test("takes a buffer by its index, and refuses one that lies elsewhere", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    using pool = new BufferPool({ ring, size: 4096, count: 1 });
    const buffer = pool.acquire().fill(3);
    expect(await ring.sendZcFixed(client, buffer, 0, { bufIndex: 0 })).toBe(4096);
    expect((await receive(ring, server, 4096)).every((byte) => byte === 3)).toBe(true);
    const error = await failure(ring.sendZcFixed(client, new Uint8Array(64), 0, { bufIndex: 0 }), UringError);
    expect(error).toMatchObject({ code: "EFAULT", syscall: "send_zc", fd: client });
    expect(error.message).toMatch(/not wholly, in the registered buffer/);
    expect(await failure(ring.sendZcFixed(client, buffer, 0, { bufIndex: 1023 }), UringError))
      .toMatchObject({ code: "EFAULT" });
    expect(thrown(() => ring.sendZcFixed(client, new Uint8Array(64)), TypeError).message)
      .toMatch(/not registered with this ring/);
    if (!ring.probe().op("READV_FIXED").supported) return;
    using other = new BufferPool({ ring, size: 4096, count: 1 });
    expect(thrown(() => ring.sendmsgZcFixed(client, { buffers: [buffer, other.acquire()] }), TypeError).message)
      .toMatch(/several registered buffers: take all of them from one BufferPool/);
    expect(thrown(() => ring.sendmsgZcFixed(client, { buffers: [] }), RangeError).message)
      .toMatch(/^msg.buffers has length 0/);
  });

  test("lets go of its buffers when the connection is reset, though the peer has taken nothing", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("FUTEX_WAIT").supported) return; // no setsockopt() before 6.7
    const [client] = await net.pair();
    let taken = 0;
    const sends = Array.from(
      { length: 200 },
      () => ring.sendZc(client, new Uint8Array(SIZE), 0, { onSent: () => taken++ }),
    );
    const ends = Promise.allSettled(sends);
    await ring.timeout(20);
    expect(ring.stats.inFlight).toBeGreaterThan(0);
    await ring.cancel({ fd: client }); // those that wait for room
    expect(await ring.setsockopt(client, SOL.SOCKET, SO.LINGER, Int32Array.of(1, 0))).toBe(0);
    await net.close(client);
    expect((await ends).filter(({ status }) => status === "fulfilled")).toHaveLength(taken);
    expect(taken).toBeGreaterThan(0);
    // A cancellation of one of them may still be under way.
    while (ring.stats.inFlight > 0) await ring.timeout(1);
    expect(ring.stats.completed).toBe(ring.stats.submitted);
  });

  test("goes in a chain: the next starts when it is sent, not when its buffer is free", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const answer = new Uint8Array(16);
    const [sent, received] = ring.link((ring) => [ring.sendZc(client, bytesOf("request")), ring.recv(client, answer)]);
    expect(textOf(await receive(ring, server, 7))).toBe("request");
    await ring.send(server, bytesOf("answer"));
    expect([await sent, await received]).toEqual([7, 6]);
  });

  test("a callback that throws disturbs nothing of the ring", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client] = await net.pair();
    const thrownErrors = catchUncaught();
    const sent = ring.sendZc(client, new Uint8Array(64), 0, {
      onSent() {
        throw new Error("the callback's own");
      },
    });
    expect(await sent).toBe(64);
    expect(await ring.nop()).toBe(0);
    expect((await thrownErrors).message).toBe("the callback's own");
  });

  test("holds its buffer until the notification, though nobody else mentions it", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    let taken = 0;
    // In a chain, for their order: the last one waits behind a full connection.
    const refs = ring.link((ring) => {
      const buffers = Array.from({ length: 200 }, (_, i) => new Uint8Array(SIZE).fill(i));
      for (const buffer of buffers) ring.sendZc(client, buffer, MSG.WAITALL, { onSent: () => taken++ }).catch(() => {});
      return buffers.map(({ buffer }) => new WeakRef(buffer));
    }, { hard: true });
    await ring.nop();
    expect(await collectUntil(() => refs.at(-1)!.deref() === undefined, A_FEW)).toBe(false);
    const received = await receive(ring, server, SIZE * refs.length);
    for (let i = 0; i < refs.length; i++) {
      expect(received.subarray(i * SIZE, (i + 1) * SIZE).every((byte) => byte === (i & 0xff)), `${i}`).toBe(true);
    }
    expect(taken).toBe(refs.length);
    expect(await collectUntil(() => refs.every((ref) => ref.deref() === undefined))).toBe(true);
  });
});

/** How a send is told to end. */
const ENDINGS: [
  name: string,
  limit: { timeout?: number },
  end: (ring: Ring, sent: Promise<number>, controller: AbortController) => unknown,
][] = [
  ["an abort", {}, (_, __, controller) => controller.abort(new Error("on purpose"))],
  ["cancel() of its promise", {}, (ring, sent) => ring.cancel(sent)],
  ["its time limit", { timeout: 1 }, () => {}],
];

/** Without WAITALL: as much is sent as there is room for. */
const SHORT_WAYS: typeof WAYS = [
  ["sendZc", "send_zc", "SEND_ZC", (ring, fd, buffer, o) => ring.sendZc(fd, buffer, 0, o)],
  ["sendmsgZc", "sendmsg_zc", "SENDMSG_ZC", (ring, fd, buffer, o) => ring.sendmsgZc(fd, { buffers: [buffer] }, 0, o)],
];

describe.each(SHORT_WAYS.filter(([, , since]) => hasOp(since)))("%s() whose bytes were taken", (_, __, ___, send) => {
  const KEEPS = "keeps its buffer after %s while its peer reads nothing, and resolves once that has read";
  test.each(ENDINGS)(KEEPS, async (_, limit, end) => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const controller = new AbortController();
    let taken = 0;
    const begin = () => {
      const buffer = pattern(LARGE);
      const options = { ...limit, signal: controller.signal, onSent: (bytes: number) => taken = bytes };
      return { sent: send(ring, client, buffer, options), ref: new WeakRef(buffer.buffer) };
    };
    const { sent, ref } = begin();
    const outcome = watch(sent);
    while (taken === 0) await ring.nop();
    const { submitted } = ring.stats;
    end(ring, sent, controller);
    // It is told again and again: each time is an operation of the ring's.
    while (ring.stats.submitted < submitted + 3) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(outcome.state).toBe("pending");
    expect(thrown(() => ring.syncCancel(sent, { timeout: 1 }), UringError)).toMatchObject({
      code: "ENOENT",
      message: expect.stringMatching(/a send without a copy, whose bytes were taken, ends as its peer reads them/),
    });
    expect(await collectUntil(() => ref.deref() === undefined, A_FEW)).toBe(false);
    const received = await receive(ring, server, taken);
    expect(await sent).toBe(taken);
    expect(Buffer.compare(received, pattern(taken))).toBe(0);
    // A cancellation of it may still be under way.
    while (ring.stats.inFlight > 0) await ring.timeout(1);
    expect([ring.stats.completed, ring.stats.strays]).toEqual([ring.stats.submitted, 0]);
    expect(await collectUntil(() => ref.deref() === undefined), "let go").toBe(true);
  });
});

describe.skipIf(!hasOp("SOCKET"))("IO_DRAIN, behind which a send without a copy would never start,", () => {
  const refused = /may never start behind it, and the ring with it; use send\(\)/;
  const drain = { flags: IOSQE.IO_DRAIN };

  test("is refused with it, and in its chain, before or after it", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client] = await net.pair();
    const four = bytesOf("four");
    const message = { buffers: [four] };
    const before = ring.stats.submitted;
    expect(thrown(() => ring.sendZc(client, four, 0, drain), TypeError).message).toMatch(refused);
    expect(thrown(() => ring.sendmsgZc(client, message, 0, drain), TypeError).message).toMatch(/^flags has IO_DRAIN/);
    const chains: (() => unknown)[] = [
      () => ring.link((ring) => [ring.sendZc(client, four), ring.nop(drain)]),
      () => ring.link((ring) => [ring.sendmsgZc(client, message), ring.nop(), ring.sendmsg(client, message, 0, drain)]),
      () => ring.link((ring) => [ring.nop(drain), ring.sendZc(client, four)]),
    ];
    for (const chain of chains) expect(thrown(chain, TypeError).message).toMatch(refused);
    expect(await ring.nop()).toBe(0);
    expect(ring.stats).toMatchObject({ submitted: before + 1, inFlight: 0 });
  });

  test("refuses all further ones on its ring, even when it has completed", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client] = await net.pair();
    expect(await ring.nop(drain)).toBe(0);
    expect(thrown(() => ring.sendZc(client, bytesOf("four")), TypeError).message)
      .toMatch(/^this ring has used IO_DRAIN: .* or another ring/);
    expect(await ring.send(client, bytesOf("four"))).toBe(4);
    await using other = new Net();
    expect(await other.ring.sendZc(client, bytesOf("four"))).toBe(4);
  });

  test("is taken after it", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client] = await net.pair();
    const sent = ring.sendZc(client, bytesOf("four"));
    expect(await Promise.all([sent, ring.nop(drain)])).toEqual([4, 0]);
  });
});

test.skipIf(!hasOp("SEND_ZC"))("a message that looks like a notification lets nothing go", async () => {
  await using net = new Net();
  const [client] = await net.pair();
  const raw = new RawRing({ entries: 8, closeTimeout: 50 });
  using sender = new RawRing({ entries: 8 });
  // More than the peer takes, which reads nothing.
  raw.prepSendZc(1, client, new Uint8Array(8 << 20), 8 << 20, 0, 0);
  raw.submitAndWait(1);
  sender.prepMsgRing(1, raw.fd, 0, 0, 0);
  sender.sqe().setBigUint64(8, 1n << 63n | 12_345n);
  expect(sender.submitAndWait(1)).toBe(1);
  raw.submitAndWait(1);
  expect(thrown(() => raw.close(), UringError).code).toBe("EBUSY");
});
