import { describe, expect, test } from "vitest";
import { AF, FileTable, IORING_ASYNC_CANCEL, IORING_CQE_F, IOSQE, POLL, SHUT, SOCK, UringError } from "../../mod.ts";
import { has, RawStage, sockaddrIn } from "../raw/stage.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { failure, watch } from "../support/failure.ts";
import { abstractAddress, doesNotBlock, Net, portOf } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ECANCELED = negative("ECANCELED");

/** A ring, with a TCP socket that listens. */
async function listening(net: Net, backlog?: number): Promise<{ fd: number; address: Uint8Array<ArrayBuffer> }> {
  const { fd } = await net.listener("tcp", backlog);
  return { fd, address: sockaddrIn(portOf(fd)) };
}

describe.skipIf(!has("SOCKET"))("accept", () => {
  test("that waits ends with its cancellation, by user data or by descriptor", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd } = await listening(net);
    stage.ring.prepAccept(1, fd, 0, 0, 0);
    stage.ring.prepAccept(2, fd, 0, 0, 0);
    stage.ring.prepAccept(3, fd, 0, 0, 0);
    stage.ring.submit();
    expect(completions(stage.ring)).toEqual([]);
    stage.ring.prepCancel(4, 2, 0);
    expect(resultsOf(stage.finals(2, 4))).toEqual({ 2: ECANCELED, 4: 0 });
    stage.ring.prepCancelFd(5, fd, IORING_ASYNC_CANCEL.ALL);
    expect(resultsOf(stage.finals(1, 3, 5))).toEqual({ 1: ECANCELED, 3: ECANCELED, 5: 2 });
  });

  test("goes on when its listener's descriptor is closed, and ends when the listener is shut down", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd, address } = await listening(net);
    const shut = await listening(net);
    stage.ring.prepAccept(1, fd, 0, 0, 0);
    stage.ring.prepAccept(2, shut.fd, 0, 0, 0);
    stage.ring.submit();
    const client = await net.socket(AF.INET, SOCK.STREAM);
    await net.close(fd);
    expect(stage.result((ring) => ring.prepAccept(3, fd, 0, 0, 0)), "a new one").toBe(negative("EBADF"));
    stage.ring.prepConnect(4, client, address, 16);
    const connected = resultsOf(stage.finals(1, 4));
    expect(connected[4]).toBe(0);
    expect(stage.own(connected[1]!)).toBeGreaterThan(2);
    stage.ring.prepShutdown(5, shut.fd, SHUT.RDWR);
    expect(resultsOf(stage.finals(2, 5))).toEqual({ 2: negative("EINVAL"), 5: 0 });
  });

  test("on what does not listen, or is no socket, fails", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const idle = await net.socket(AF.INET, SOCK.STREAM);
    const udp = await net.udp();
    expect(stage.result((ring) => ring.prepAccept(1, idle, 0, 0, 0))).toBe(negative("EINVAL"));
    expect(stage.result((ring) => ring.prepAccept(1, udp.fd, 0, 0, 0))).toBe(negative("EOPNOTSUPP"));
    expect(stage.result((ring) => ring.prepAccept(1, stage.ring.fd, 0, 0, 0))).toBe(negative("ENOTSOCK"));
  });

  test("on a listener that does not block waits, or is EAGAIN, by the kernel's age; none takes two connections", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const fd = await net.socket(AF.INET, SOCK.STREAM | SOCK.NONBLOCK);
    expect(doesNotBlock(fd)).toBe(true);
    await net.ring.bind(fd, { hostname: "127.0.0.1", port: 0 });
    await net.ring.listen(fd, 8);
    const address = sockaddrIn(portOf(fd));
    stage.ring.prepAccept(1, fd, 0, 0, 0);
    stage.ring.submit();
    const early = completions(stage.ring);
    const client = await net.socket(AF.INET, SOCK.STREAM);
    stage.ring.prepConnect(2, client, address, 16);
    if (early.length > 0) {
      expect(early).toMatchObject([{ userData: 1, res: negative("EAGAIN") }]);
      expect(resultsOf(stage.finals(2))).toEqual({ 2: 0 });
      expect(stage.open((ring) => ring.prepAccept(1, fd, 0, 0, 0))).toBeGreaterThan(2);
    } else {
      const visited = resultsOf(stage.finals(1, 2));
      expect([stage.own(visited[1]!) > 2, visited[2]]).toEqual([true, 0]);
    }
  });

  test("many at once get one connection each", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("tcp", 64);
    const accepts = Array.from({ length: 20 }, () => ring.accept(fd));
    await ring.nop();
    const clients = await Promise.all(accepts.map(() => net.socket(AF.INET, SOCK.STREAM)));
    await Promise.all(clients.map((client) => ring.connect(client, address)));
    const servers = (await Promise.all(accepts)).map((server) => net.keep(server));
    expect(new Set(servers).size).toBe(20);
    const ports = servers.map((server) => ring.send(server, Uint8Array.of(server & 0xff)));
    await Promise.all(ports);
    const got = await Promise.all(clients.map(async (client) => {
      const byte = new Uint8Array(1);
      await ring.recv(client, byte);
      return byte[0]!;
    }));
    expect(got.sort()).toEqual(servers.map((server) => server & 0xff).sort());
  });

  test("writes no more of the peer's address than there is room for, and tells how long it is", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd, address } = await listening(net);
    const client = await net.socket(AF.INET, SOCK.STREAM);
    const peer = new Uint8Array(128).fill(0xee);
    const length = new Uint32Array([6]);
    stage.ring.prepAccept(1, fd, peer, length, 0);
    stage.ring.prepConnect(2, client, address, 16);
    const visited = stage.finals(1, 2);
    stage.own(visited.find(({ userData }) => userData === 1)!.res);
    expect(length[0]).toBe(16);
    expect([...peer.subarray(0, 2)]).toEqual([AF.INET, 0]);
    expect(peer.subarray(6).every((byte) => byte === 0xee)).toBe(true);
  });
});

describe.skipIf(!has("SOCKET"))("accept into slots", () => {
  test("ends with ENFILE when none is free, and goes on when begun again with one", async () => {
    await using net = new Net();
    const { ring } = net;
    using files = new FileTable(ring, { size: 2 });
    const { fd, address } = await net.listener("tcp", 8);
    const slots = ring.acceptMultishot(fd, { slot: "alloc" });
    const connect = async () => {
      const client = await net.socket(AF.INET, SOCK.STREAM);
      await ring.connect(client, address);
      return client;
    };
    await connect();
    await connect();
    expect([(await slots.next()).value, (await slots.next()).value]).toEqual([0, 1]);
    const lost = await connect();
    const error = await failure(slots.next(), UringError);
    expect(error.code).toBe("ENFILE");
    // The kernel had taken the connection before it looked for a slot, and dropped it.
    const end = await ring.recv(lost, new Uint8Array(1)).catch((error: UringError) => error.code);
    expect([0, "ECONNRESET"]).toContain(end);
    files.clear(1);
    const again = ring.acceptMultishot(fd, { slot: "alloc" });
    const client = await connect();
    expect((await again.next()).value).toBe(1);
    await ring.send(client, new TextEncoder().encode("slot"));
    expect(await ring.recv(1, new Uint8Array(8), 0, { fixedFile: true })).toBe(4);
    await again.return();
  });

  test("refuses a slot beyond the table, before or after a connection is there", async () => {
    await using net = new Net();
    const { ring } = net;
    using _files = new FileTable(ring, { size: 2 });
    const { fd, address } = await net.listener("tcp");
    const client = await net.socket(AF.INET, SOCK.STREAM);
    await ring.connect(client, address);
    const error = await failure(ring.accept(fd, { slot: 7 }), UringError);
    expect(["EINVAL", "ENXIO"]).toContain(error.code);
  });
});

describe.skipIf(!has("SOCKET"))("multishot accept", () => {
  test("gives connections that waited already, and those that come; its cancellation is its last completion", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { fd, address } = await listening(net, 32);
    const connect = async () => {
      const client = await net.socket(AF.INET, SOCK.STREAM);
      expect(stage.ring.prepConnect(900, client, address, 16)).toBe(true);
    };
    for (let i = 0; i < 5; i++) await connect();
    stage.finals(...new Array<number>(5).fill(900));
    stage.ring.prepMultishotAccept(1, fd, 0, 0, 0);
    const accepted = new Set<number>();
    const take = (visited: readonly { userData: number; res: number; flags: number }[]) => {
      for (const { userData, res, flags } of visited) {
        if (userData !== 1) continue;
        expect(flags & IORING_CQE_F.MORE).toBe(IORING_CQE_F.MORE);
        accepted.add(stage.own(res));
      }
    };
    while (accepted.size < 5) take(stage.completions(1));
    for (let i = 0; i < 5; i++) {
      await connect();
      while (accepted.size < 6 + i) take(stage.completions(1));
    }
    stage.ring.prepCancel(2, 1, 0);
    const ended = stage.finals(1, 2).filter(({ userData }) => userData === 1);
    expect(ended).toMatchObject([{ res: ECANCELED }]);
    expect(ended[0]!.flags & IORING_CQE_F.MORE).toBe(0);
  });

  test("that is ended leaves later connections to others", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.listener("tcp");
    const first = ring.acceptMultishot(fd);
    await ring.nop();
    await first.return();
    const client = await net.socket(AF.INET, SOCK.STREAM);
    await ring.connect(client, address);
    net.keep(await ring.accept(fd));
  });
});

describe.skipIf(!has("SOCKET"))("connect", () => {
  test("is refused where nobody listens; what is linked to it does not run, and the socket can try again", async () => {
    await using net = new Net();
    const { ring } = net;
    const gone = await net.listener("tcp");
    await net.close(gone.fd);
    const client = await net.socket(AF.INET, SOCK.STREAM);
    const [refused, send] = ring.link((ring) => [
      failure(ring.connect(client, gone.address), UringError),
      failure(ring.send(client, new Uint8Array(4)), UringError),
    ]);
    expect([(await refused!).code, (await send!).code]).toEqual(["ECONNREFUSED", "ECANCELED"]);
    const { address } = await net.listener("tcp");
    await ring.connect(client, address);
    expect((await failure(ring.connect(client, address), UringError)).code).toBe("EISCONN");
  });

  test("of a socket that does not block is EINPROGRESS; a poll tells when it is done", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { address } = await listening(net);
    const client = await net.socket(AF.INET, SOCK.STREAM | SOCK.NONBLOCK);
    const result = stage.result((ring) => ring.prepConnect(1, client, address, 16));
    expect([0, negative("EINPROGRESS")]).toContain(result);
    expect(stage.result((ring) => ring.prepPollAdd(1, client, POLL.OUT))).toBe(POLL.OUT);
    const again = stage.result((ring) => ring.prepConnect(1, client, address, 16));
    expect([0, negative("EISCONN")]).toContain(again);
  });

  test("that waits in a full backlog ends with its cancellation, and can be made when there is room", async () => {
    await using net = new Net();
    const { ring } = net;
    const listener = await net.socket(AF.UNIX, SOCK.STREAM);
    const address = abstractAddress();
    await ring.bind(listener, address);
    await ring.listen(listener, 0);
    const waiting: Promise<unknown>[] = [];
    let client = -1;
    // The backlog takes one or two; then one has to wait.
    while (true) {
      client = await net.socket(AF.UNIX, SOCK.STREAM);
      const connecting = ring.connect(client, address);
      const outcome = watch(connecting);
      waiting.push(connecting);
      await ring.timeout(20 * TIME_SCALE);
      if (outcome.state === "pending") break;
      expect(outcome.state).toBe("resolved");
    }
    const last = waiting.at(-1)!;
    const outcome = failure(last, UringError);
    expect(await ring.cancel(last)).toBe(1);
    expect(["ECANCELED", "EINTR"]).toContain((await outcome).code);
    for (let i = 0; i < waiting.length - 1; i++) net.keep(await ring.accept(listener));
    await ring.connect(client, address);
    net.keep(await ring.accept(listener));
  });

  test("takes an address that ends early, or is of no family it knows, as the system call does", async () => {
    await using net = new Net();
    using stage = new RawStage();
    const { address } = await listening(net);
    const client = await net.socket(AF.INET, SOCK.STREAM);
    const EINVAL = negative("EINVAL");
    expect(stage.result((ring) => ring.prepConnect(1, client, address, 8))).toBe(EINVAL);
    expect(stage.result((ring) => ring.prepConnect(1, client, new Uint8Array(200), 200))).toBe(EINVAL);
    const other = Uint8Array.of(AF.INET6, ...address.subarray(1));
    expect(stage.result((ring) => ring.prepConnect(1, client, other, 16))).toBe(negative("EAFNOSUPPORT"));
    stage.ring.prepConnect(1, client, address, 16);
    stage.ring.sqeSetFlags(IOSQE.ASYNC);
    expect(stage.completions(1)[0]!.res, "by a worker").toBe(0);
  });
});
