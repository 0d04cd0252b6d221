import { describe, expect, test } from "vitest";
import {
  AF,
  BufferRing,
  IORING_FEAT,
  IOSQE,
  MSG,
  type Ring,
  SHUT,
  SOCK,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { pattern } from "../support/folder.ts";
import { A_FEW, collectGarbage, collectUntil } from "../support/garbage.ts";
import { hasOp, hasSyncCancel } from "../support/kernel.ts";
import { abstractAddress, bytesOf, HAS_IPV6, Net, STREAMS, textOf } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const KINDS = STREAMS.filter((kind) => kind !== "tcp6" || HAS_IPV6);

/** Sends until nothing more fits. */
async function fill(ring: Ring, fd: number): Promise<number> {
  let sent = 0;
  const bytes = new Uint8Array(1 << 16);
  while (true) {
    try {
      sent += await ring.send(fd, bytes, MSG.DONTWAIT);
    } catch (error) {
      if ((error as UringError).code === "EAGAIN") return sent;
      throw error;
    }
  }
}

/** Receives so many bytes, and none that come behind them. */
async function drain(ring: Ring, fd: number, length: number): Promise<void> {
  const bytes = new Uint8Array(1 << 16);
  while (length > 0) length -= await ring.recv(fd, bytes.subarray(0, length));
}

describe.skipIf(!hasOp("SOCKET"))("send() and recv()", () => {
  test.each(KINDS)("carry megabytes unchanged, all of them with MSG.WAITALL: %s", async (kind) => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    const content = pattern(3_000_000);
    const received = new Uint8Array(content.length);
    const [sent, got] = await Promise.all([
      ring.send(client, content, MSG.WAITALL),
      ring.recv(server, received, MSG.WAITALL),
    ]);
    expect([sent, got]).toEqual([content.length, content.length]);
    expect(received.every((byte, i) => byte === content[i])).toBe(true);
  });

  test("MSG.ZEROCOPY is refused where the bytes are let go of before the network has done with them", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const bytes = bytesOf("x");
    const message = { buffers: [bytes] };
    expect(thrown(() => ring.send(client, bytes, MSG.ZEROCOPY), TypeError).message).toMatch(/ZEROCOPY.*use sendZc\(\)/);
    expect(thrown(() => ring.sendmsg(client, message, MSG.ZEROCOPY), TypeError).message).toMatch(/use sendmsgZc\(\)/);
    if ((ring.features & IORING_FEAT.RECVSEND_BUNDLE) !== 0) {
      using buffers = new BufferRing({ ring, size: 16, count: 1, manual: true });
      expect(thrown(() => ring.sendBundle(client, buffers, MSG.ZEROCOPY), TypeError).message).toMatch(/use sendZc\(\)/);
    }
    if (hasOp("SENDMSG_ZC")) {
      expect(await ring.sendZc(client, bytes, MSG.ZEROCOPY), "which it says anyhow").toBe(1);
      expect(await ring.recv(server, new Uint8Array(8))).toBe(1);
    }
  });

  test("take any view, and touch nothing beside it", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const source = bytesOf("..content..");
    expect(await ring.send(client, new DataView(source.buffer, 2, 7))).toBe(7);
    const target = new Uint8Array(32).fill(0xee);
    expect(await ring.recv(server, target.subarray(8, 24))).toBe(7);
    expect(textOf(target.subarray(8, 15))).toBe("content");
    expect(target.every((byte, i) => (i >= 8 && i < 15) || byte === 0xee), "guard bytes").toBe(true);
    const whole = new ArrayBuffer(4);
    expect(await ring.send(client, bytesOf("1234").buffer)).toBe(4);
    expect(await ring.recv(server, whole)).toBe(4);
    expect(textOf(new Uint8Array(whole))).toBe("1234");
  });

  test("obey MSG flags: PEEK leaves what it shows, TRUNC tells a datagram's length, DONTWAIT does not wait", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await ring.connect(sender.fd, address);
    await ring.send(sender.fd, bytesOf("datagram"));
    const buffer = new Uint8Array(4);
    expect(await ring.recv(fd, buffer, MSG.PEEK)).toBe(4);
    expect(await ring.recv(fd, buffer, MSG.PEEK | MSG.TRUNC)).toBe(8);
    expect(await ring.recv(fd, buffer)).toBe(4);
    expect(textOf(buffer)).toBe("data");
    expect(await failure(ring.recv(fd, buffer, MSG.DONTWAIT), UringError))
      .toMatchObject({ code: "EAGAIN", syscall: "recv", fd });
  });

  test("carry empty datagrams", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await ring.connect(sender.fd, address);
    expect(await ring.send(sender.fd, new Uint8Array(0))).toBe(0);
    expect(await ring.send(sender.fd, new ArrayBuffer(0))).toBe(0);
    const [{ bytes, address: from }, second] = [
      await ring.recvmsg(fd, { buffers: [new Uint8Array(4)] }),
      await ring.recv(fd, new Uint8Array(4)),
    ];
    expect([bytes, from, second]).toEqual([0, sender.address, 0]);
  });

  test.each(["127.0.0.1", "::1"])("send to an address from a socket that is not connected: %s", async (hostname) => {
    if (hostname === "::1" && !HAS_IPV6) return;
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.udp(hostname);
    const sender = await net.udp(hostname);
    expect(await ring.send(sender.fd, bytesOf("to you"), 0, { to: address })).toBe(6);
    const buffer = new Uint8Array(16);
    expect(textOf(buffer, await ring.recv(fd, buffer))).toBe("to you");
    expect(await failure(ring.send(sender.fd, bytesOf("to nobody")), UringError)).toMatchObject({
      code: "EDESTADDRREQ",
    });
  });

  test("send to a unix socket by its name, and say where nobody is", async () => {
    await using net = new Net();
    const { ring } = net;
    const name = abstractAddress();
    const [fd, sender] = [await net.socket(AF.UNIX, SOCK.DGRAM), await net.socket(AF.UNIX, SOCK.DGRAM)];
    await ring.bind(fd, name);
    expect(await ring.send(sender, bytesOf("by name"), 0, { to: name })).toBe(7);
    const buffer = new Uint8Array(16);
    expect(textOf(buffer, await ring.recv(fd, buffer))).toBe("by name");
    const error = await failure(ring.send(sender, bytesOf("x"), 0, { to: { path: "\0no such name" } }), UringError);
    expect(error).toMatchObject({ code: "ECONNREFUSED", syscall: "send", fd: sender });
    expect(error.message).toMatch("@no such name");
  });

  test("send several buffers as one, where the kernel can", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const parts = ["several ", "", "buffers"].map(bytesOf);
    if (!ring.probe().op("READV_FIXED").supported) {
      expect(thrown(() => ring.send(client, parts), UnsupportedError))
        .toMatchObject({ feature: "IORING_SEND_VECTORIZED", needs: "Linux 6.17" });
      return;
    }
    const sent = ring.send(client, parts);
    if (ring.probe().registers < 0) {
      return void await sent.catch((error) => expect(error).toBeInstanceOf(UnsupportedError));
    }
    expect(await sent).toBe(15);
    const buffer = new Uint8Array(32);
    expect(textOf(buffer, await ring.recv(server, buffer, MSG.WAITALL, { timeout: 50 * TIME_SCALE }))).toBe(
      "several buffers",
    );
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    expect(await ring.send(sender.fd, parts, 0, { to: address })).toBe(15);
    expect(textOf(buffer, await ring.recv(fd, buffer))).toBe("several buffers");
  });

  test("with pollFirst wait for readiness, and lose nothing that was there before", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    await ring.send(client, bytesOf("early"), 0, { pollFirst: true });
    const buffer = new Uint8Array(16);
    expect(textOf(buffer, await ring.recv(server, buffer, 0, { pollFirst: true }))).toBe("early");
    const late = ring.recv(server, buffer, 0, { pollFirst: true });
    await ring.nop();
    await ring.send(client, bytesOf("late"));
    expect(textOf(buffer, await late)).toBe("late");
  });

  test("go in a chain: a request, then its answer", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    const answer = new Uint8Array(16);
    const chain = ring.link((ring) => [ring.send(client, bytesOf("request")), ring.recv(client, answer)]);
    await ring.recv(server, new Uint8Array(16));
    await ring.send(server, bytesOf("answer"));
    expect(await Promise.all(chain)).toEqual([7, 6]);
  });
});

describe.skipIf(!hasOp("SOCKET"))("a peer that has gone", () => {
  test.each(KINDS)("is the end for recv(), and EPIPE or ECONNRESET for send(), never a signal: %s", async (kind) => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    await net.close(server);
    expect(await ring.recv(client, new Uint8Array(4))).toBe(0);
    const codes = new Set<string>();
    // The first may still be taken: the peer's answer to it is a reset.
    for (let i = 0; i < 20 && !codes.has("EPIPE"); i++) {
      await ring.send(client, bytesOf("anybody?")).catch(({ code }) => codes.add(code));
      await ring.timeout(1);
    }
    expect(codes).toContain("EPIPE");
  });

  test("that never was is ENOTCONN", async () => {
    await using net = new Net();
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect(await failure(net.ring.recv(fd, new Uint8Array(4)), UringError))
      .toMatchObject({ code: "ENOTCONN", syscall: "recv", fd });
    const unix = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await failure(net.ring.send(unix, bytesOf("x")), UringError))
      .toMatchObject({ code: "ENOTCONN", syscall: "send", fd: unix });
  });

  test("of a datagram is told at the next send", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await ring.connect(sender.fd, address);
    await net.close(fd);
    await ring.send(sender.fd, bytesOf("x"));
    const error = await failure(ring.recv(sender.fd, new Uint8Array(4)), UringError);
    expect(error).toMatchObject({ code: "ECONNREFUSED", syscall: "recv" });
  });
});

describe.skipIf(!hasOp("SOCKET"))("what waits", () => {
  test("recv() ends with its signal, its time limit and by cancel(), and takes nothing that comes later", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const buffer = new Uint8Array(8);
    const controller = new AbortController();
    const aborted = ring.recv(server, buffer, 0, { signal: controller.signal });
    const outcome = watch(aborted);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    expect(await failure(ring.recv(server, buffer, 0, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "recv" });
    const cancelled = ring.recv(server, buffer);
    const rejected = failure(cancelled, UringError);
    await ring.nop();
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejected).toMatchObject({ code: "ECANCELED" });
    await ring.send(client, bytesOf("later"));
    await ring.timeout(2);
    expect(buffer.every((byte) => byte === 0), "the kernel has let go of it").toBe(true);
    expect(textOf(buffer, await ring.recv(server, buffer))).toBe("later");
  });

  test("send() waits for room; it ends with its signal, its time limit, and when there is room", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    const filled = await fill(ring, client);
    const controller = new AbortController();
    const aborted = ring.send(client, bytesOf("aborted"), 0, { signal: controller.signal });
    const outcome = watch(aborted);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    expect(await failure(ring.send(client, bytesOf("late"), 0, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "send" });
    const sent = ring.send(client, bytesOf("at last"));
    await ring.nop();
    await drain(ring, server, filled);
    expect(await sent).toBe(7);
    const buffer = new Uint8Array(32);
    expect(textOf(buffer, await ring.recv(server, buffer))).toBe("at last");
  });

  test("recv() is found by its descriptor and its op", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    const first = failure(ring.recv(server, new Uint8Array(4)), UringError);
    await ring.nop();
    expect(await ring.cancel({ op: "RECV" })).toBe(1);
    expect(await first).toMatchObject({ code: "ECANCELED" });
    const second = failure(ring.recv(client, new Uint8Array(4)), UringError);
    await ring.nop();
    expect(await ring.cancel({ fd: client })).toBe(1);
    expect(await second).toMatchObject({ code: "ECANCELED" });
  });

  test("recv() ends with its ring, and the buffer is nobody's then", async () => {
    await using net = new Net();
    await using other = new Net();
    const [client, server] = await other.pair("unix");
    const buffer = new Uint8Array(8);
    const received = failure(net.ring.recv(server, buffer), Error);
    await net.ring.nop();
    await net.ring.close();
    expect((await received).name).toBe("AbortError");
    await other.ring.send(client, bytesOf("mine"));
    const mine = new Uint8Array(8);
    expect(textOf(mine, await other.ring.recv(server, mine))).toBe("mine");
    expect(buffer.every((byte) => byte === 0)).toBe(true);
  });
});

describe.skipIf(!hasOp("SOCKET"))("memory", () => {
  const SIZE = 64;

  /** Receives into the middle of a buffer that nobody mentions again. */
  function startRecv(ring: Ring, fd: number): WeakRef<ArrayBuffer> {
    const buffer = new ArrayBuffer(SIZE * 3);
    new Uint8Array(buffer).fill(0xee);
    ring.recv(fd, new Uint8Array(buffer, SIZE, SIZE), MSG.WAITALL).catch(() => {});
    return new WeakRef(buffer);
  }

  test("that recv() writes to stays until it is written, and goes then", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    const refs = Array.from({ length: 6 }, () => startRecv(ring, server));
    await ring.nop();
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    for (let round = 0; round < 5; round++) {
      Array.from({ length: 200 }, () => new Uint8Array(SIZE * 3).fill(1));
      collectGarbage();
      await ring.timeout(1);
    }
    const buffers = refs.map((ref) => new Uint8Array(ref.deref()!));
    for (let i = 0; i < refs.length; i++) await ring.send(client, new Uint8Array(SIZE).fill(i + 1), MSG.WAITALL);
    await ring.shutdown(client, SHUT.WR);
    await ring.nop();
    const contents = buffers.map((bytes) => {
      expect(bytes.subarray(0, SIZE).every((byte) => byte === 0xee), "guard before").toBe(true);
      expect(bytes.subarray(SIZE * 2).every((byte) => byte === 0xee), "guard behind").toBe(true);
      expect(new Set(bytes.subarray(SIZE, SIZE * 2)).size).toBe(1);
      return bytes[SIZE]!;
    });
    expect(contents.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    buffers.length = 0;
    expect(await collectUntil(() => refs.every((ref) => ref.deref() === undefined))).toBe(true);
  });

  test.skipIf(!hasSyncCancel)("that send() reads from stays until it is read", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("unix");
    const filled = await fill(ring, client);
    const refs = (() => {
      const buffers = Array.from({ length: 4 }, (_, i) => new Uint8Array(SIZE).fill(i + 1));
      for (const buffer of buffers) ring.send(client, buffer, 0, { flags: IOSQE.IO_DRAIN }).catch(() => {});
      return buffers.map(({ buffer }) => new WeakRef(buffer));
    })();
    await Promise.resolve();
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    await using reader = new Net();
    await drain(reader.ring, server, filled);
    const received = new Uint8Array(SIZE * 4);
    expect(await reader.ring.recv(server, received, MSG.WAITALL)).toBe(SIZE * 4);
    expect([0, 1, 2, 3].map((i) => received[i * SIZE])).toEqual([1, 2, 3, 4]);
    await ring.nop();
    expect(await collectUntil(() => refs.every((ref) => ref.deref() === undefined))).toBe(true);
  });
});
