import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AF,
  type decodeAddress,
  FileTable,
  IORING_FEAT,
  IPPROTO,
  type Ring,
  SHUT,
  SO,
  SOCK,
  SOL,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import {
  abstractAddress,
  bytesOf,
  closesOnExec,
  doesNotBlock,
  HAS_IPV6,
  Net,
  portOf,
  STREAMS,
  textOf,
} from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Kinds of sockets that this machine has. */
const KINDS = STREAMS.filter((kind) => kind !== "tcp6" || HAS_IPV6);

describe.skipIf(!hasOp("SOCKET"))("socket()", () => {
  test("resolves to a descriptor of the family, type and protocol, which closes on exec", async () => {
    await using net = new Net();
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect([closesOnExec(fd), doesNotBlock(fd)]).toEqual([true, false]);
    expect(portOf((await net.udp()).fd)).toBeGreaterThan(0);
    const udp = net.keep(await net.ring.socket(AF.INET, SOCK.DGRAM | SOCK.NONBLOCK | SOCK.CLOEXEC, IPPROTO.UDP));
    expect([closesOnExec(udp), doesNotBlock(udp)]).toEqual([true, true]);
  });

  test("rejects for families, types and protocols that do not go together", async () => {
    await using net = new Net();
    const { ring } = net;
    expect(await failure(ring.socket(9999, SOCK.STREAM), UringError))
      .toMatchObject({ code: "EAFNOSUPPORT", syscall: "socket" });
    expect(await failure(ring.socket(AF.INET, SOCK.STREAM, IPPROTO.UDP), UringError))
      .toMatchObject({ code: "EPROTONOSUPPORT" });
    expect(await failure(ring.socket(AF.INET, 0x7ff), UringError)).toMatchObject({ code: "EINVAL" });
  });

  test("puts sockets into slots of the registered files: one that was chosen, or any", async () => {
    await using net = new Net();
    const { ring } = net;
    using _files = new FileTable(ring, { size: 4 });
    expect(await ring.socket(AF.INET, SOCK.DGRAM, 0, { slot: 3 })).toBe(3);
    // A slot knows nothing of exec.
    expect([0, 1, 2]).toContain(await ring.socket(AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0, { slot: "alloc" }));
    const { fd, address } = await net.udp();
    expect(await ring.connect(3, address, { fixedFile: true })).toBe(0);
    expect(await ring.send(3, bytesOf("from a slot"), 0, { fixedFile: true })).toBe(11);
    const buffer = new Uint8Array(32);
    expect(textOf(buffer, await ring.recv(fd, buffer))).toBe("from a slot");
    await ring.closeDirect(3);
    expect(await failure(ring.send(3, bytesOf("x"), 0, { fixedFile: true }), UringError))
      .toMatchObject({ code: "EBADF", message: expect.stringMatching(/slot 3/) });
  });
});

describe.skipIf(!hasOp("SOCKET"))("bind(), listen(), connect() and accept()", () => {
  test.each(KINDS)("make a connection that carries bytes both ways: %s", async (kind) => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair(kind);
    expect(closesOnExec(server)).toBe(true);
    const buffer = new Uint8Array(16);
    expect(await ring.send(client, bytesOf("ping"))).toBe(4);
    expect(textOf(buffer, await ring.recv(server, buffer))).toBe("ping");
    expect(await ring.send(server, bytesOf("answer"))).toBe(6);
    expect(textOf(buffer, await ring.recv(client, buffer))).toBe("answer");
  });

  test("take paths, which bind() makes", async () => {
    await using net = new Net();
    using folder = new TempFolder();
    const { ring } = net;
    const address = { path: folder.at("socket") };
    const fd = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await ring.bind(fd, address)).toBe(0);
    expect(existsSync(address.path)).toBe(true);
    expect(await ring.listen(fd, 5)).toBe(0);
    const client = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await ring.connect(client, address)).toBe(0);
    net.keep(await ring.accept(fd));
  });

  test("take the raw bytes of an address: here, those that let the kernel choose a name", async () => {
    await using net = new Net();
    const fd = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await net.ring.bind(fd, new Uint8Array([AF.UNIX, 0]))).toBe(0);
    await net.ring.listen(fd);
    const client = await net.socket(AF.UNIX, SOCK.STREAM);
    await net.ring.bind(client, new Uint8Array([AF.UNIX, 0]));
    expect(await failure(net.ring.bind(fd, abstractAddress()), UringError)).toMatchObject({ code: "EINVAL", fd });
  });

  test("name the address that is in use, refuses, or is not this machine's", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("tcp");
    const { port } = address as { port: number };
    const other = await net.socket(AF.INET, SOCK.STREAM);
    const inUse = await failure(ring.bind(other, address), UringError);
    expect(inUse).toMatchObject({ code: "EADDRINUSE", errno: -98, syscall: "bind", fd: other });
    expect(inUse.message).toBe(`EADDRINUSE: address already in use: 127.0.0.1:${port}, bind fd=${other}`);
    expect(await failure(ring.bind(other, { hostname: "192.0.2.1", port: 0 }), UringError))
      .toMatchObject({ code: "EADDRNOTAVAIL", message: expect.stringMatching("192.0.2.1:0") });
    await net.close(fd);
    const refused = await failure(ring.connect(other, address), UringError);
    expect(refused).toMatchObject({ code: "ECONNREFUSED", syscall: "connect", fd: other });
    expect(refused.message).toBe(`ECONNREFUSED: connection refused: 127.0.0.1:${port}, connect fd=${other}`);
    const unix = await net.socket(AF.UNIX, SOCK.STREAM);
    expect((await failure(ring.connect(unix, { path: "/nowhere/at all" }), UringError)).message)
      .toMatch(/^ENOENT: .*: \/nowhere\/at all, connect/);
    expect((await failure(ring.connect(unix, { path: "\0nobody" }), UringError)).message)
      .toMatch(/^ECONNREFUSED: .*: @nobody, connect/);
  });

  test("reject for addresses of another family, for a second connect, and for what does not listen", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const unix = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await failure(ring.bind(unix, { hostname: "127.0.0.1", port: 0 }), UringError))
      .toMatchObject({ syscall: "bind", fd: unix, code: expect.stringMatching(/EINVAL|EAFNOSUPPORT/) });
    expect(await failure(ring.connect(client, { hostname: "127.0.0.1", port: 1 }), UringError))
      .toMatchObject({ code: "EISCONN" });
    expect(await failure(ring.accept(server), UringError)).toMatchObject({ code: "EINVAL", syscall: "accept" });
    const udp = await net.udp();
    expect(await failure(ring.listen(udp.fd), UringError)).toMatchObject({ code: "EOPNOTSUPP", syscall: "listen" });
  });

  test.each(
    [
      ["bind", (ring, fd) => ring.bind(fd, { hostname: "127.0.0.1", port: 0 })],
      ["listen", (ring, fd) => ring.listen(fd)],
      ["accept", (ring, fd) => ring.accept(fd)],
      ["connect", (ring, fd) => ring.connect(fd, { hostname: "127.0.0.1", port: 1 })],
      ["shutdown", (ring, fd) => ring.shutdown(fd, SHUT.WR)],
    ] as [string, (ring: Ring, fd: number) => Promise<number>][],
  )("%s() rejects for what is not open, and for what is no socket", async (syscall, call) => {
    await using net = new Net();
    using folder = new TempFolder();
    folder.write("file", "");
    for (const [code, fd] of [["EBADF", 99_999], ["EBADF", -1], ["ENOTSOCK", folder.open("file")]] as const) {
      expect(await failure(call(net.ring, fd), UringError), `${fd}`).toMatchObject({ code, syscall, fd });
    }
  });

  test("let two sockets listen at one address with SO_REUSEPORT", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("FUTEX_WAIT").supported) return; // no setsockopt() before 6.7
    const fds = [await net.socket(AF.INET, SOCK.STREAM), await net.socket(AF.INET, SOCK.STREAM)] as const;
    for (const fd of fds) await ring.setsockopt(fd, SOL.SOCKET, SO.REUSEPORT, 1);
    await ring.bind(fds[0], { hostname: "127.0.0.1", port: 0 });
    await ring.listen(fds[0]);
    expect(await ring.bind(fds[1], { hostname: "127.0.0.1", port: portOf(fds[0]) })).toBe(0);
    expect(await ring.listen(fds[1])).toBe(0);
  });

  test("go in one chain: socket, bind, listen and connect, by slots", async () => {
    await using net = new Net();
    const { ring } = net;
    using _files = new FileTable(ring, { size: 2 });
    const address = abstractAddress();
    const build = () =>
      ring.link((ring) => [
        ring.socket(AF.UNIX, SOCK.STREAM, 0, { slot: 0 }),
        ring.bind(0, address, { fixedFile: true }),
        ring.listen(0, 8, { fixedFile: true }),
        ring.socket(AF.UNIX, SOCK.STREAM, 0, { slot: 1 }),
        ring.connect(1, address, { fixedFile: true }),
      ]);
    if (!ring.probe().op("BIND").supported) {
      expect(thrown(build, UnsupportedError)).toMatchObject({ feature: "BIND in a chain", needs: "Linux 6.11" });
      expect(ring.stats.inFlight).toBe(0);
      return;
    }
    expect(await Promise.all(build())).toEqual([0, 0, 0, 1, 0]);
    net.keep(await ring.accept(0, { fixedFile: true }));
  });
});

describe.skipIf(!hasOp("SOCKET"))("accept()", () => {
  test("waits for a connection", async () => {
    await using net = new Net();
    const { fd, address } = await net.listener("unix");
    const accepted = net.ring.accept(fd);
    const outcome = watch(accepted);
    await net.ring.nop();
    expect(outcome.state).toBe("pending");
    await net.ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
    expect(net.keep(await accepted)).toBeGreaterThan(2);
  });

  test("gives the connection SOCK.NONBLOCK, and refuses other flags", async () => {
    await using net = new Net();
    const { fd, address } = await net.listener("tcp");
    await net.ring.connect(await net.socket(AF.INET, SOCK.STREAM), address);
    const connection = net.keep(await net.ring.accept(fd, { acceptFlags: SOCK.NONBLOCK }));
    expect([closesOnExec(connection), doesNotBlock(connection)]).toEqual([true, true]);
    expect(await failure(net.ring.accept(fd, { acceptFlags: 1 }), UringError)).toMatchObject({ code: "EINVAL" });
  });

  test("with dontWait rejects when no connection waits, and with pollFirst waits for one", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("unix");
    if ((ring.features & IORING_FEAT.RECVSEND_BUNDLE) === 0) {
      expect(thrown(() => ring.accept(fd, { dontWait: true }), UnsupportedError))
        .toMatchObject({ feature: "IORING_ACCEPT_DONTWAIT", needs: "Linux 6.10" });
      expect(thrown(() => ring.acceptFrom(fd, { pollFirst: true }), UnsupportedError))
        .toMatchObject({ feature: "IORING_ACCEPT_POLL_FIRST" });
      return;
    }
    expect(await failure(ring.accept(fd, { dontWait: true }), UringError)).toMatchObject({ code: "EAGAIN" });
    const accepted = ring.accept(fd, { pollFirst: true });
    await ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
    net.keep(await accepted);
    await ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
    net.keep(await ring.accept(fd, { dontWait: true }));
  });

  test("puts connections into slots: one that was chosen, or any", async () => {
    await using net = new Net();
    const { ring } = net;
    using _files = new FileTable(ring, { size: 4 });
    const { fd, address } = await net.listener("tcp");
    const clients: number[] = [];
    for (let i = 0; i < 3; i++) {
      clients.push(await net.socket(AF.INET, SOCK.STREAM));
      await ring.connect(clients[i]!, address);
    }
    expect(await ring.accept(fd, { slot: 2 })).toBe(2);
    expect([0, 1, 3]).toContain(await ring.accept(fd, { slot: "alloc" }));
    expect(await ring.acceptFrom(fd, { slot: 2 }))
      .toMatchObject({ fd: 2, address: { hostname: "127.0.0.1", port: portOf(clients[2]!) } });
    await ring.send(clients[2]!, bytesOf("third"));
    const buffer = new Uint8Array(8);
    expect(textOf(buffer, await ring.recv(2, buffer, 0, { fixedFile: true }))).toBe("third");
  });
});

describe.skipIf(!hasOp("SOCKET"))("acceptFrom()", () => {
  test.each(KINDS.filter((kind) => kind !== "unix"))("tells the peer's address: %s", async (kind) => {
    await using net = new Net();
    const { fd, address } = await net.listener(kind);
    const client = await net.socket(kind === "tcp" ? AF.INET : AF.INET6, SOCK.STREAM);
    const [accepted] = await Promise.all([net.ring.acceptFrom(fd), net.ring.connect(client, address)]);
    expect(closesOnExec(net.keep(accepted.fd))).toBe(true);
    expect(accepted.address).toEqual({ ...address, port: portOf(client) });
    expect(accepted.nonEmpty).toBe(false);
  });

  test("tells a unix peer's name, and that it has none", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("unix");
    const [named, unnamed] = [await net.socket(AF.UNIX, SOCK.STREAM), await net.socket(AF.UNIX, SOCK.STREAM)];
    const name = abstractAddress();
    await ring.bind(named, name);
    await ring.connect(named, address);
    await ring.connect(unnamed, address);
    const first = await ring.acceptFrom(fd);
    const second = await ring.acceptFrom(fd);
    expect([net.keep(first.fd), net.keep(second.fd)].every((fd) => fd > 2)).toBe(true);
    expect(first.address).toEqual(name);
    expect(second.address).toEqual({ path: "" });
  });

  test("keeps the addresses of many apart", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("unix");
    const pending = Array.from({ length: 40 }, () => ring.acceptFrom(fd));
    const names = Array.from({ length: 40 }, abstractAddress);
    for (const name of names) {
      const client = await net.socket(AF.UNIX, SOCK.STREAM);
      await ring.bind(client, name);
      await ring.connect(client, address);
    }
    const accepted = await Promise.all(pending);
    accepted.forEach(({ fd }) => net.keep(fd));
    const paths = accepted.map(({ address }) => (address as { path: string }).path);
    expect(paths.sort()).toEqual(names.map(({ path }) => path).sort());
  });
});

describe.skipIf(!hasOp("SOCKET"))("shutdown()", () => {
  test("of writing is the end for the peer, which may go on sending", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    await ring.send(client, bytesOf("last words"));
    expect(await ring.shutdown(client, SHUT.WR)).toBe(0);
    const buffer = new Uint8Array(32);
    expect(textOf(buffer, await ring.recv(server, buffer))).toBe("last words");
    expect(await ring.recv(server, buffer)).toBe(0);
    expect(await failure(ring.send(client, bytesOf("more")), UringError)).toMatchObject({ code: "EPIPE" });
    await ring.send(server, bytesOf("answer"));
    expect(textOf(buffer, await ring.recv(client, buffer))).toBe("answer");
  });

  test("of both ends a recv() that waits", async () => {
    await using net = new Net();
    const [client] = await net.pair("unix");
    const received = net.ring.recv(client, new Uint8Array(4));
    await net.ring.nop();
    expect(await net.ring.shutdown(client, SHUT.RDWR)).toBe(0);
    expect(await received).toBe(0);
  });

  test("rejects without a connection", async () => {
    await using net = new Net();
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect(await failure(net.ring.shutdown(fd, SHUT.WR), UringError))
      .toMatchObject({ code: "ENOTCONN", syscall: "shutdown", fd });
  });
});

describe.skipIf(!hasOp("SOCKET"))("what waits for a peer", () => {
  /** A server whose backlog is full: another connect() waits. */
  async function fullServer(net: Net): Promise<{ client: number; address: ReturnType<typeof decodeAddress> & object }> {
    const { address } = await net.listener("tcp", 0);
    await net.ring.connect(await net.socket(AF.INET, SOCK.STREAM), address);
    return { client: await net.socket(AF.INET, SOCK.STREAM), address };
  }

  test("accept() ends with its signal, and with its time limit", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("unix");
    const controller = new AbortController();
    const aborted = ring.accept(fd, { signal: controller.signal });
    const outcome = watch(aborted);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    expect(await failure(ring.acceptFrom(fd, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "accept" });
    // The next connection is nobody's but the next accept()'s.
    await ring.connect(await net.socket(AF.UNIX, SOCK.STREAM), address);
    net.keep(await ring.accept(fd, { timeout: 60_000 }));
  });

  test("connect() ends with its signal, with its time limit, and by cancel()", async () => {
    await using net = new Net();
    const { ring } = net;
    const { client, address } = await fullServer(net);
    const controller = new AbortController();
    const aborted = ring.connect(client, address, { signal: controller.signal });
    const outcome = watch(aborted);
    await ring.timeout(20 * TIME_SCALE);
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    const late = await net.socket(AF.INET, SOCK.STREAM);
    expect(await failure(ring.connect(late, address, { timeout: 20 * TIME_SCALE }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "connect" });
    const cancelled = ring.connect(await net.socket(AF.INET, SOCK.STREAM), address);
    const rejected = failure(cancelled, UringError);
    await ring.nop();
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejected).toMatchObject({ code: "ECANCELED" });
    expect(ring.stats.inFlight).toBe(0);
  });

  test("accept() and connect() are ended by the ring's close()", async () => {
    await using net = new Net();
    const { client, address } = await fullServer(net);
    const { fd } = await net.listener("unix");
    const waiting = [net.ring.accept(fd), net.ring.acceptFrom(fd), net.ring.connect(client, address)];
    const errors = waiting.map((promise) => failure(promise, Error));
    await net.ring.nop();
    await net.ring.close();
    for (const error of errors) expect((await error).name).toBe("AbortError");
  });
});
