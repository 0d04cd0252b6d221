import { describe, expect, test } from "vitest";
import { AF, encodeAddress, IOSQE, SOCK, UnsupportedError, UringError } from "../../mod.ts";
import { namingAddress } from "../../src/ring/socket_address.ts";
import { bindCall, listenCall } from "../../src/ring/socket_call.ts";
import type { OpOptions } from "../../src/ring/base.ts";
import { failure, thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import { Net, portOf } from "../support/sockaddr.ts";

/** What Ring.bind() calls where the kernel has no BIND. */
function bind(fd: number, port: number, o?: OpOptions, building = false): Promise<number> {
  const address = encodeAddress({ hostname: "127.0.0.1", port });
  return bindCall(fd, address, o, building, namingAddress("bind", fd, address));
}

/** What Ring.listen() calls where the kernel has no LISTEN. */
function listen(fd: number, o?: OpOptions, building = false): Promise<number> {
  return listenCall(fd, 16, o, building);
}

const CALLS: [string, (fd: number, o?: OpOptions, building?: boolean) => Promise<number>][] = [
  ["bind", (fd, o, building) => bind(fd, 0, o, building)],
  ["listen", listen],
];

describe.skipIf(!hasOp("SOCKET"))("bind() and listen() by system calls", () => {
  test("make a socket that takes connections", async () => {
    await using net = new Net();
    const { ring } = net;
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    expect(await bind(fd, 0)).toBe(0);
    expect(await listen(fd, { timeout: 1000, flags: IOSQE.ASYNC, signal: new AbortController().signal })).toBe(0);
    const client = await net.socket(AF.INET, SOCK.STREAM);
    expect(await ring.connect(client, { hostname: "127.0.0.1", port: portOf(fd) })).toBe(0);
    net.keep(await ring.accept(fd));
  });

  test("reject with the errors of the ops", async () => {
    await using net = new Net();
    const { fd } = await net.listener("tcp");
    const other = await net.socket(AF.INET, SOCK.STREAM);
    const port = portOf(fd);
    for (const bound of [bind(other, port), net.ring.bind(other, { hostname: "127.0.0.1", port })]) {
      const error = await failure(bound, UringError);
      expect(error).toMatchObject({ code: "EADDRINUSE", errno: -98, syscall: "bind", fd: other });
      expect(error.message).toBe(`EADDRINUSE: address already in use: 127.0.0.1:${port}, bind fd=${other}`);
    }
    const udp = await net.udp();
    for (const listening of [listen(udp.fd), net.ring.listen(udp.fd)]) {
      expect(await failure(listening, UringError)).toMatchObject({ code: "EOPNOTSUPP", syscall: "listen", fd: udp.fd });
    }
  });

  test.each(CALLS)("%s() rejects for a descriptor that is not open", async (syscall, call) => {
    for (const fd of [99_999, -1]) {
      const error = await failure(call(fd), UringError);
      expect(error).toMatchObject({ code: "EBADF", syscall, fd });
      expect(error.message).toMatch(`fd ${fd} is not open`);
    }
  });

  test.each(CALLS)("%s() keeps its place after what was asked for in the same turn", async (_, call) => {
    await using net = new Net();
    const order: string[] = [];
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    const before = net.ring.nop().then(() => order.push("before"));
    const called = call(fd).then(() => order.push("call"));
    expect(order).toEqual([]);
    await Promise.all([before, called]);
    expect(order).toEqual(["before", "call"]);
  });

  test.each(CALLS)("%s() makes no call once its signal is aborted", async (_, call) => {
    await using net = new Net();
    const fd = await net.socket(AF.INET, SOCK.STREAM);
    await expect(call(fd, { signal: AbortSignal.abort("before") })).rejects.toBe("before");
    const controller = new AbortController();
    const called = call(fd, { signal: controller.signal });
    controller.abort("in the same turn");
    await expect(called).rejects.toBe("in the same turn");
    expect(() => portOf(fd), "it does not listen").toThrow();
    expect(await bind(fd, 0), "it has no address yet").toBe(0);
  });

  test.each(CALLS)("%s() refuses what only a ring can do, and names the release that can", (op, call) => {
    const refused: [what: string, o: OpOptions | undefined, building: boolean][] = [
      ["in a chain", undefined, true],
      ["in a chain", { flags: IOSQE.IO_LINK }, false],
      ["in a chain", { flags: IOSQE.IO_HARDLINK }, false],
      ["of a registered file", { fixedFile: true }, false],
      ["with IO_DRAIN", { flags: IOSQE.IO_DRAIN }, false],
      ["with a personality", { personality: 1 }, false],
    ];
    for (const [what, o, building] of refused) {
      expect(thrown(() => call(0, o, building), UnsupportedError))
        .toMatchObject({ feature: `${op.toUpperCase()} ${what}`, needs: "Linux 6.11" });
    }
  });

  test.each(CALLS)("%s() refuses wrong options at once", (_, call) => {
    expect(thrown(() => call(0, { timeout: -1 }), RangeError).message).toMatch(/^timeout/);
    expect(thrown(() => call(0, { flags: 0x100 }), RangeError).message).toMatch(/^flags/);
    expect(thrown(() => call(0, { signal: {} as never }), TypeError).message).toMatch(/^signal/);
    expect(thrown(() => call(0, null as never), TypeError).message).toMatch(/^options/);
  });
});
