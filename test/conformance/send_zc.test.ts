import { describe, expect, test } from "vitest";
import { BufferPool, IORING_CQE_F, IORING_NOTIF, IORING_REGISTER, IORING_SEND, IOSQE, MSG, SHUT } from "../../mod.ts";
import { has, RawStage } from "../raw/stage.ts";
import type { Completion } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { pattern } from "../support/folder.ts";
import { Net } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const { MORE, NOTIF } = IORING_CQE_F;
/** Bytes of a buffer that no socket takes at once. */
const LARGE = 8 << 20;

/** The result of a send without a copy, and its notification, where it has one. */
interface Told {
  readonly result: Completion;
  readonly notification: Completion | undefined;
}

/** Takes apart what came for some user data, and checks that it came in the only order there is. */
function toldOf(visited: readonly Completion[], userData: number): Told {
  const own = visited.filter((completion) => completion.userData === userData);
  expect(own.length).toBeLessThan(3);
  const [result, notification] = own;
  expect(result!.flags & NOTIF, "the result comes first").toBe(0);
  // MORE promises the notification, whatever the result is.
  expect(notification !== undefined).toBe((result!.flags & MORE) !== 0);
  if (notification !== undefined) expect(notification.flags & (NOTIF | MORE)).toBe(NOTIF);
  return { result: result!, notification };
}

/** Reads so much from a socket, in the event loop. */
async function drain(net: Net, fd: number, length: number): Promise<Uint8Array> {
  const received = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const bytes = await net.ring.recv(fd, received.subarray(at));
    if (bytes === 0) throw new Error(`the end after ${at} bytes`);
    at += bytes;
  }
  return received;
}

/**
 * Sends until the socket takes no more, nor will before somebody reads: its room grows while acknowledgements come,
 * which a receiver holds back for up to 200 ms (TCP_DELACK_MAX).
 */
async function fill(net: Net, fd: number): Promise<number> {
  const bytes = new Uint8Array(65_536);
  let sent = 0;
  let isFull = false;
  while (true) {
    const taken = await net.ring.send(fd, bytes, MSG.DONTWAIT).catch((error) => error.code as string);
    if (typeof taken === "number") {
      sent += taken;
      isFull = false;
      continue;
    }
    expect(taken).toBe("EAGAIN");
    if (isFull) return sent;
    isFull = true;
    await net.ring.timeout(300 * TIME_SCALE);
  }
}

describe.skipIf(!has("SEND_ZC"))("a send without a copy", () => {
  test("has its result, then its notification: one each, for many at once", async () => {
    await using net = new Net();
    using stage = new RawStage({ entries: 128 });
    const [client, server] = await net.pair();
    const COUNT = 100;
    const buffers = Array.from({ length: COUNT }, (_, i) => pattern(1000, i));
    buffers.forEach((buffer, i) => expect(stage.ring.prepSendZc(i, client, buffer, 1000, 0, 0)).toBe(true));
    const draining = drain(net, server, COUNT * 1000);
    stage.ring.submit();
    const received = await draining;
    const visited = stage.finals(...buffers.keys());
    for (const i of buffers.keys()) expect(toldOf(visited, i).result.res).toBe(1000);
    expect(visited.filter(({ flags }) => (flags & NOTIF) !== 0).length).toBe(COUNT);
    for (let i = 0; i < COUNT; i++) expect(received.subarray(i * 1000, (i + 1) * 1000)).toEqual(buffers[i]);
  });

  test("that is larger than the socket's room sends all with WAITALL, with one notification at the end", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    const bytes = pattern(LARGE);
    stage.ring.prepSendZc(1, client, bytes, LARGE, MSG.WAITALL, 0);
    stage.ring.submit();
    const received = new Uint8Array(LARGE);
    const visited: Completion[] = [];
    for (let at = 0; at < LARGE;) {
      at += await net.ring.recv(server, received.subarray(at));
      stage.ring.submitAndWait(0);
      stage.ring.forEachCqe((userData, res, flags) => void visited.push({ userData, res, flags }));
    }
    if (!visited.some(({ flags }) => (flags & NOTIF) !== 0)) visited.push(...stage.finals(1));
    expect(toldOf(visited, 1).result.res).toBe(LARGE);
    expect(received.every((byte, i) => byte === bytes[i])).toBe(true);
  });

  test("reports with ZC_REPORT_USAGE that loopback copies", async ({ skip }) => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    stage.ring.prepSendZc(1, client, pattern(5000), 5000, 0, IORING_SEND.ZC_REPORT_USAGE);
    stage.ring.submit();
    const early: Completion[] = [];
    stage.ring.forEachCqe((userData, res, flags) => void early.push({ userData, res, flags }));
    if (early[0]?.res === negative("EINVAL")) skip("needs Linux 6.2");
    await drain(net, server, 5000);
    const done = early.some(({ flags }) => (flags & NOTIF) !== 0);
    const { result, notification } = toldOf([...early, ...(done ? [] : stage.finals(1))], 1);
    expect([result.res, notification!.res >>> 0]).toEqual([5000, IORING_NOTIF.USAGE_ZC_COPIED]);
  });

  test("that waits for room is cancelled with what it had sent, or with nothing", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client] = await net.pair();
    await fill(net, client);
    stage.ring.prepSendZc(1, client, pattern(5000), 5000, 0, 0);
    stage.ring.submit();
    stage.ring.prepCancel(2, 1, 0);
    const { result } = toldOf(stage.finals(1, 2), 1);
    expect(result.res).toBe(negative("ECANCELED"));
  });

  test("that is cut short by a cancellation tells how much it sent, and its notification waits for the peer", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    const bytes = pattern(LARGE);
    stage.ring.prepSendZc(1, client, bytes, LARGE, MSG.WAITALL, 0);
    stage.ring.submit();
    stage.ring.prepCancel(2, 1, 0);
    const visited: Completion[] = [];
    while (!visited.some(({ userData }) => userData === 1)) visited.push(...stage.completions(1));
    const { res, flags } = visited.find(({ userData }) => userData === 1)!;
    expect(res).toBeGreaterThan(0);
    expect(res).toBeLessThan(LARGE);
    expect(flags & MORE).toBe(MORE);
    const received = await drain(net, server, res);
    expect(received.every((byte, i) => byte === bytes[i])).toBe(true);
    if (!visited.some(({ flags }) => (flags & NOTIF) !== 0)) visited.push(...stage.completions(1));
    toldOf(visited.filter(({ userData }) => userData === 1), 1);
  });

  test("that fails has its notification only if MORE promises it", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    const [local] = await net.pair("unix");
    const bytes = pattern(100);
    const cases: [errno: number, prepare: () => boolean][] = [
      [negative("EBADF"), () => stage.ring.prepSendZc(1, 99_999, bytes, 100, 0, 0)],
      [negative("EFAULT"), () => stage.ring.prepSendZc(1, client, 4096, 100, 0, 0)],
      [negative("EINVAL"), () => stage.ring.prepSendZc(1, client, bytes, 100, 0, 0x8000)],
      [negative("EOPNOTSUPP"), () => stage.ring.prepSendZc(1, local, bytes, 100, 0, 0)],
    ];
    for (const [errno, prepare] of cases) {
      prepare();
      const visited = stage.completions(1);
      while ((visited.at(-1)!.flags & MORE) !== 0) visited.push(...stage.completions(1));
      expect(toldOf(visited, 1).result.res).toBe(errno);
    }
    await net.ring.shutdown(client, SHUT.WR);
    stage.ring.prepSendZc(1, client, bytes, 100, 0, 0);
    const visited = stage.completions(1);
    while ((visited.at(-1)!.flags & MORE) !== 0) visited.push(...stage.completions(1));
    expect(toldOf(visited, 1).result.res).toBe(negative("EPIPE"));
    expect(await net.ring.recv(server, new Uint8Array(8)), "nothing was sent").toBe(0);
  });

  test("can't be silent, nor choose its buffer", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client] = await net.pair();
    stage.ring.prepSendZc(1, client, pattern(10), 10, 0, 0);
    stage.ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
    expect(stage.completions(1)).toMatchObject([{ res: negative("EINVAL"), flags: 0 }]);
    stage.ring.prepSendZc(1, client, pattern(10), 10, 0, 0);
    stage.ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
    expect(stage.completions(1)).toMatchObject([{ res: negative("EOPNOTSUPP"), flags: 0 }]);
  });

  test("starts the next of its chain by its result, and ends it by its failure", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const [client, server] = await net.pair();
    stage.ring.prepSendZc(1, client, pattern(10), 10, 0, 0);
    stage.ring.sqeSetFlags(IOSQE.IO_LINK);
    stage.ring.prepNop(2);
    stage.ring.prepSendZc(3, 99_999, pattern(10), 10, 0, 0);
    stage.ring.sqeSetFlags(IOSQE.IO_LINK);
    stage.ring.prepNop(4);
    const draining = drain(net, server, 10);
    stage.ring.submit();
    await draining;
    const visited = stage.finals(1, 2, 3, 4);
    expect([toldOf(visited, 1).result.res, toldOf(visited, 2).result.res]).toEqual([10, 0]);
    expect(toldOf(visited, 3).result.res).toBe(negative("EBADF"));
    expect(toldOf(visited, 4).result.res).toBe(negative("ECANCELED"));
  });

  test("from a registered buffer takes any part of it, and nothing beside it", async () => {
    await using net = new Net();
    using stage = new RawStage();
    using pool = new BufferPool({ size: 20_000, count: 1 });
    const [client, server] = await net.pair();
    const memory = pool.acquire();
    memory.set(pattern(20_000));
    const FROM = 101;
    const LENGTH = 15_000;
    const address = BigInt(pool.region.address + memory.byteOffset + FROM);
    expect(stage.ring.register(IORING_REGISTER.BUFFERS, new BigUint64Array([address, BigInt(LENGTH)]), 1)).toBe(0);
    const send = (from: number, length: number, bufIndex = 0): Completion[] => {
      stage.ring.prepSendZcFixed(1, client, memory.subarray(from), length, 0, 0, bufIndex);
      stage.ring.submit();
      return stage.completions(1);
    };
    for (const [from, length] of [[FROM, 1], [FROM + 4095, 4098], [FROM + 7, 9999], [FROM, LENGTH]] as const) {
      const visited = send(from, length);
      expect(await drain(net, server, length)).toEqual(memory.slice(from, from + length));
      if ((visited.at(-1)!.flags & NOTIF) === 0) visited.push(...stage.completions(1));
      expect(toldOf(visited, 1).result.res).toBe(length);
    }
    for (const [from, length, index] of [[FROM - 1, 10, 0], [FROM + LENGTH - 9, 10, 0], [FROM, 10, 1]] as const) {
      const visited = send(from, length, index);
      while ((visited.at(-1)!.flags & MORE) !== 0) visited.push(...stage.completions(1));
      expect(toldOf(visited, 1).result.res).toBe(negative("EFAULT"));
    }
  });
});
