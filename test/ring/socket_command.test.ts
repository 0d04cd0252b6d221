import { describe, expect, test } from "vitest";
import { AF, IPPROTO, type Ring, SO, SOCK, SOL, TCP, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { abstractAddress, bytesOf, HAS_IPV6, Net, portOf } from "../support/sockaddr.ts";

/** Whether the kernel has commands of sockets, and getsockname among them: as Ring itself finds out. */
function hasCommands(ring: Ring): boolean {
  return ring.probe().op("FUTEX_WAIT").supported;
}
function hasNames(ring: Ring): boolean {
  return ring.probe().setupFlags.includes("SQ_REWIND");
}

const CALLS: [command: string, call: (ring: Ring, fd: number) => Promise<unknown>][] = [
  ["GETSOCKOPT", (ring, fd) => ring.getsockopt(fd, SOL.SOCKET, SO.TYPE, new Int32Array(1))],
  ["SETSOCKOPT", (ring, fd) => ring.setsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, 1)],
  ["SIOCINQ", (ring, fd) => ring.siocinq(fd)],
  ["SIOCOUTQ", (ring, fd) => ring.siocoutq(fd)],
];

describe.skipIf(!hasOp("SOCKET"))("commands of sockets", () => {
  test.each(CALLS)("%s needs Linux 6.7", async (command, call) => {
    await using net = new Net();
    const [client] = await net.pair();
    if (hasCommands(net.ring)) return void expect(await call(net.ring, client)).toBeGreaterThanOrEqual(0);
    expect(await failure(call(net.ring, client), UnsupportedError))
      .toMatchObject({ feature: `SOCKET_URING_OP_${command}`, needs: "Linux 6.7" });
  });

  test.each(CALLS)("%s rejects for what is not open, and for what is no socket", async (command, call) => {
    await using net = new Net();
    if (!hasCommands(net.ring)) return;
    using folder = new TempFolder();
    folder.write("file", "");
    expect(await failure(call(net.ring, 99_999), UringError))
      .toMatchObject({ code: "EBADF", syscall: "uring_cmd", fd: 99_999 });
    const fd = folder.open("file");
    const error = await failure(call(net.ring, fd), UringError);
    expect(error).toMatchObject({ code: "EOPNOTSUPP", syscall: "uring_cmd", fd });
    expect(error.message).toMatch(`fd ${fd} is no socket, or its protocol has no ${command}`);
  });

  test.each(CALLS)("%s is not submitted once its signal is aborted", async (_, call) => {
    await using net = new Net();
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    const signal = AbortSignal.abort("enough");
    const calls: Record<string, () => Promise<unknown>> = {
      GETSOCKOPT: () => net.ring.getsockopt(fd, SOL.SOCKET, SO.TYPE, new Int32Array(1), { signal }),
      SETSOCKOPT: () => net.ring.setsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, 1, { signal }),
      SIOCINQ: () => net.ring.siocinq(fd, { signal }),
      SIOCOUTQ: () => net.ring.siocoutq(fd, { signal }),
    };
    expect(call).toBeDefined();
    for (const call of Object.values(calls)) await expect(call()).rejects.toBe("enough");
    expect(net.ring.stats.inFlight).toBe(0);
  });
});

describe.skipIf(!hasOp("SOCKET"))("setsockopt() and getsockopt()", () => {
  test("set and tell options of the socket itself", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    const value = new Int32Array(3).fill(-1);
    const target = value.subarray(1, 2);
    expect(await ring.getsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, target)).toBe(4);
    expect([...value]).toEqual([-1, 0, -1]);
    expect(await ring.setsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, 1)).toBe(0);
    expect(await ring.getsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, target)).toBe(4);
    expect([...value]).toEqual([-1, 1, -1]);
    for (
      const [name, expected] of [[SO.TYPE, SOCK.STREAM], [SO.DOMAIN, AF.INET], [SO.PROTOCOL, IPPROTO.TCP]] as const
    ) {
      await ring.getsockopt(fd, SOL.SOCKET, name, target);
      expect(value[1]).toBe(expected);
    }
  });

  test("take values of any kind, and tell how long the value is", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    // struct linger: on, seconds.
    expect(await ring.setsockopt(fd, SOL.SOCKET, SO.LINGER, Int32Array.of(1, 7))).toBe(0);
    const linger = new Int32Array(8);
    expect(await ring.getsockopt(fd, SOL.SOCKET, SO.LINGER, linger)).toBe(8);
    expect([...linger.subarray(0, 2)]).toEqual([1, 7]);
    const cookie = new BigUint64Array(1);
    expect(await ring.getsockopt(fd, SOL.SOCKET, SO.COOKIE, cookie)).toBe(8);
    expect(cookie[0]).toBeGreaterThan(0n);
  });

  test("set options of protocols; the kernel's rings tell none of those", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect(await ring.setsockopt(fd, IPPROTO.TCP, TCP.NODELAY, 1)).toBe(0);
    expect(await ring.setsockopt(fd, IPPROTO.TCP, TCP.CONGESTION, bytesOf("reno"))).toBe(0);
    const told = await ring.getsockopt(fd, IPPROTO.TCP, TCP.NODELAY, new Int32Array(1)).catch((error) => error);
    if (typeof told === "number") return; // a kernel that does
    expect(told).toBeInstanceOf(UringError);
    expect(told).toMatchObject({
      code: "EOPNOTSUPP",
      message: expect.stringMatching(/SOL_SOCKET \(1\) alone, not of level 6/),
    });
  });

  test("reject for options that are not there, and for values that can't be", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect(await failure(ring.getsockopt(fd, SOL.SOCKET, 9999, new Int32Array(1)), UringError))
      .toMatchObject({ code: "ENOPROTOOPT" });
    expect(await failure(ring.setsockopt(fd, SOL.SOCKET, 9999, 1), UringError)).toMatchObject({ code: "ENOPROTOOPT" });
    expect(await failure(ring.setsockopt(fd, SOL.SOCKET, SO.KEEPALIVE, new Uint8Array(1)), UringError))
      .toMatchObject({ code: "EINVAL" });
  });

  test("refuse wrong arguments at once", async () => {
    await using net = new Net();
    const { ring } = net;
    const name = SO.KEEPALIVE;
    expect(thrown(() => ring.getsockopt(0, SOL.SOCKET, name, new Uint8Array(0)), RangeError).message)
      .toMatch(/^buffer has length 0/);
    expect(thrown(() => ring.getsockopt(0, SOL.SOCKET, name, 4 as never), TypeError).message).toMatch(
      /^buffer must be/,
    );
    expect(thrown(() => ring.getsockopt(0, 0.5, name, new Uint8Array(4)), TypeError).message).toMatch(/^level must be/);
    expect(thrown(() => ring.getsockopt(0, 1, "x" as never, new Uint8Array(4)), TypeError).message).toMatch(/^name/);
    expect(thrown(() => ring.setsockopt(0, SOL.SOCKET, name, 2 ** 32), RangeError).message).toMatch(/^value must be/);
    expect(thrown(() => ring.setsockopt(0, SOL.SOCKET, name, 0.5), TypeError).message).toMatch(/^value must be/);
    expect(thrown(() => ring.setsockopt(0, SOL.SOCKET, name, true as never), TypeError).message).toMatch(
      /^value must be/,
    );
    expect(thrown(() => ring.setsockopt(1.5, SOL.SOCKET, name, 1), TypeError).message).toMatch(/^fd must be/);
    expect(thrown(() => ring.siocinq("3" as never), TypeError).message).toMatch(/^fd must be/);
    expect(thrown(() => ring.getsockname(null as never), TypeError).message).toMatch(/^fd must be/);
    expect(ring.stats.submitted).toBe(0);
  });
});

describe.skipIf(!hasOp("SOCKET"))("siocinq() and siocoutq()", () => {
  test("tell what waits to be received, and that all is acknowledged", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const [client, server] = await net.pair();
    expect([await ring.siocinq(server), await ring.siocoutq(client)]).toEqual([0, 0]);
    await ring.send(client, bytesOf("eleven here"));
    await ring.recv(server, new Uint8Array(1));
    expect(await ring.siocinq(server)).toBe(10);
    expect(await ring.siocoutq(client)).toBe(0);
  });

  test("tell the length of the next datagram alone", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    for (const text of ["first", "second one"]) await ring.send(sender.fd, bytesOf(text), 0, { to: address });
    expect(await ring.siocinq(fd)).toBe(5);
    await ring.recv(fd, new Uint8Array(16));
    expect(await ring.siocinq(fd)).toBe(10);
  });

  test("reject for a socket that listens, and for one of another family", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasCommands(ring)) return;
    const { fd } = await net.listener("tcp");
    for (const asked of [ring.siocinq(fd), ring.siocoutq(fd)]) {
      expect((await failure(asked, UringError)).message).toMatch(`EINVAL: fd ${fd} listens`);
    }
    const [unix] = await net.pair("unix");
    expect(await failure(ring.siocinq(unix), UringError)).toMatchObject({ code: "EOPNOTSUPP" });
  });
});

describe.skipIf(!hasOp("SOCKET"))("getsockname() and getpeername()", () => {
  test("tell both ends of a connection", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair("tcp");
    if (!hasNames(ring)) {
      for (const asked of [ring.getsockname(client), ring.getpeername(client)]) {
        expect(await failure(asked, UnsupportedError)).toMatchObject({
          feature: "SOCKET_URING_OP_GETSOCKNAME",
          needs: hasCommands(ring) ? "Linux 7.0" : expect.stringMatching(/^Linux/),
        });
      }
      return;
    }
    const address = (fd: number) => ({ hostname: "127.0.0.1", port: portOf(fd) });
    expect(await ring.getsockname(client)).toEqual(address(client));
    expect(await ring.getpeername(client)).toEqual(address(server));
    expect(await ring.getsockname(server)).toEqual(address(server));
    expect(await ring.getpeername(server)).toEqual(address(client));
  });

  test("tell the port and the name that the kernel chose", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasNames(ring)) return;
    const { fd, address } = await net.udp(HAS_IPV6 ? "::1" : "127.0.0.1");
    expect(await ring.getsockname(fd)).toEqual(address);
    const unix = await net.socket(AF.UNIX, SOCK.DGRAM);
    expect(await ring.getsockname(unix)).toEqual({ path: "" });
    await ring.bind(unix, new Uint8Array([AF.UNIX, 0]));
    expect((await ring.getsockname(unix) as { path: string }).path).toMatch(/^\0[0-9a-f]{5}$/);
    const named = await net.socket(AF.UNIX, SOCK.DGRAM);
    const name = abstractAddress();
    await ring.bind(named, name);
    expect(await ring.getsockname(named)).toEqual(name);
  });

  test("reject without a peer, and for what is no socket", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!hasNames(ring)) return;
    using folder = new TempFolder();
    folder.write("file", "");
    expect(await failure(ring.getpeername(await net.socket(AF.INET, SOCK.STREAM)), UringError))
      .toMatchObject({ code: "ENOTCONN" });
    expect(await failure(ring.getsockname(folder.open("file")), UringError)).toMatchObject({ code: "EOPNOTSUPP" });
  });
});
