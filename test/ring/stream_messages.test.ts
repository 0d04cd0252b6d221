import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AF,
  BufferPool,
  BufferRing,
  controlRoom,
  MSG,
  parseControl,
  type Ring,
  scmFds,
  scmRights,
  SOCK,
} from "../../mod.ts";
import { collectMost } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { closeFd } from "../support/listener.ts";
import { abstractAddress, Net } from "../support/sockaddr.ts";

const CLOEXEC = 0o2000000;

/** Two sockets for datagrams, one connected to the other. */
async function datagrams(net: Net): Promise<[receiver: number, sender: number]> {
  const { ring } = net;
  const [receiver, sender] = [await net.socket(AF.UNIX, SOCK.DGRAM), await net.socket(AF.UNIX, SOCK.DGRAM)];
  const name = abstractAddress();
  await ring.bind(receiver, name);
  await ring.connect(sender, name);
  return [receiver, sender];
}

describe.skipIf(!hasOp("SEND_ZC"))("a message that is longer than its buffer, whose length is asked for", () => {
  test.each([100, 400])("takes one buffer of a BufferRing: %i bytes into 64", async (length) => {
    await using net = new Net();
    const { ring } = net;
    const [receiver, sender] = await datagrams(net);
    using buffers = new BufferRing({ ring, size: 64, count: 4 });
    for (let i = 0; i < 3; i++) {
      await ring.send(sender, new Uint8Array(length).fill(i));
      using piece = (await ring.recvSelect(receiver, buffers, MSG.TRUNC))!;
      expect([...new Set(piece.bytes)]).toEqual([i]);
      expect(piece.bytes.length).toBe(64);
      expect(buffers.available).toBe(3);
    }
    expect(buffers.available).toBe(4);
  });

  test("takes one buffer of provideBuffers(), and no more than that has", async () => {
    await using net = new Net();
    const { ring } = net;
    const [receiver, sender] = await datagrams(net);
    using pool = new BufferPool({ size: 4096, count: 2 });
    const buffers = await ring.provideBuffers(pool, 500);
    for (let i = 0; i < 2; i++) {
      await ring.send(sender, new Uint8Array(6000));
      const piece = (await ring.recvSelect(receiver, buffers, MSG.TRUNC))!;
      expect(piece.bytes.length).toBe(4096);
    }
  });
});

describe.skipIf(!hasOp("SEND_ZC"))("descriptors that recvmsgMultishot() receives", () => {
  /** Descriptors of the same file: the runtime has others come and go. */
  function open(like: number): number {
    const fileOf = (fd: number | string) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ""; // the folder's own
      }
    };
    return readdirSync("/proc/self/fd").filter((fd) => fileOf(fd) === fileOf(like)).length;
  }

  async function send(ring: Ring, sender: number, count: number): Promise<void> {
    const control = [scmRights([sender])];
    for (let i = 0; i < count; i++) await ring.sendmsg(sender, { buffers: [new Uint8Array(1)], control });
  }

  test("are closed on exec, and the consumer's", async () => {
    await using net = new Net();
    const { ring } = net;
    const [receiver, sender] = await datagrams(net);
    using buffers = new BufferRing({ ring, size: 256, count: 4 });
    await using messages = ring.recvmsgMultishot(receiver, buffers, 0, {
      nameLength: 0,
      controlLength: controlRoom(4),
    });
    await send(ring, sender, 1);
    const message = (await messages.next()).value!;
    const [fd] = scmFds(parseControl(message.control));
    const [, flags = ""] = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))!;
    expect(parseInt(flags, 8) & CLOEXEC).toBe(CLOEXEC);
    expect(message.flags & MSG.CMSG_CLOEXEC).toBe(0);
    message.release();
    closeFd(fd!);
  });

  test("are closed where nobody took the message", async () => {
    await using net = new Net();
    const { ring } = net;
    const [receiver, sender] = await datagrams(net);
    using buffers = new BufferRing({ ring, size: 256, count: 4 });
    const messages = ring.recvmsgMultishot(receiver, buffers, 0, { nameLength: 0, controlLength: controlRoom(4) });
    await ring.nop();
    const before = open(sender);
    await send(ring, sender, 3);
    while (messages.waiting < 3) await ring.timeout(1);
    expect(open(sender)).toBe(before + 3);
    await messages.return();
    expect(open(sender)).toBe(before);
  });

  test("are closed where nobody took the message of a stream that ended, and was forgotten", async () => {
    await using net = new Net();
    const { ring } = net;
    const [receiver, sender] = await datagrams(net);
    using buffers = new BufferRing({ ring, size: 256, count: 8 });
    const leave = async () => {
      const controller = new AbortController();
      const room = { nameLength: 0, controlLength: controlRoom(4), signal: controller.signal };
      const messages = ring.recvmsgMultishot(receiver, buffers, 0, room);
      await ring.nop();
      await send(ring, sender, 1);
      while (messages.waiting < 1) await ring.timeout(1);
      controller.abort();
      await messages.ended.catch(() => {});
    };
    const before = open(sender);
    const COUNT = 8;
    for (let i = 0; i < COUNT; i++) await leave();
    expect(await collectMost(() => open(sender) - before)).toBe(true);
    expect(buffers.available).toBeGreaterThanOrEqual(COUNT - 1);
  });
});
