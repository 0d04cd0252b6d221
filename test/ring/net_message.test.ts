import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AF,
  controlRoom,
  IP,
  IPPROTO,
  MSG,
  parseControl,
  type RecvmsgResult,
  type Ring,
  SCM,
  scmFds,
  scmRights,
  SO,
  SOCK,
  SOL,
  UringError,
} from "../../mod.ts";
import { controlLengthOf, writeControl } from "../../src/memory/msghdr.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { abstractAddress, bytesOf, closesOnExec, Net, textOf } from "../support/sockaddr.ts";

/** Two connected unix sockets. */
function unixPair(net: Net): Promise<[number, number]> {
  return net.pair("unix");
}

describe.skipIf(!hasOp("SOCKET"))("sendmsg() and recvmsg()", () => {
  test("gather and scatter, in order; empty buffers do no harm", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await net.pair();
    const buffers = ["one ", "", "two ", "three"].map(bytesOf);
    expect(await ring.sendmsg(client, { buffers })).toBe(13);
    const parts = [new Uint8Array(3), new Uint8Array(0), new Uint8Array(4), new Uint8Array(16).fill(0xee)];
    const message = await ring.recvmsg(server, { buffers: parts });
    expect(message).toEqual({ bytes: 13, flags: 0, address: undefined, control: [], nonEmpty: false });
    expect(parts.map((part) => textOf(part)).join("|").slice(0, 16)).toBe("one|| two| three");
    expect(parts[3]!.subarray(6).every((byte) => byte === 0xee), "what was not received").toBe(true);
  });

  test("take 1024 buffers", async () => {
    await using net = new Net();
    const [client, server] = await net.pair("unix");
    const buffers = Array.from({ length: 1024 }, (_, i) => new Uint8Array(3).fill(i));
    const parts = Array.from({ length: 1024 }, () => new Uint8Array(3));
    expect(await net.ring.sendmsg(client, { buffers })).toBe(3072);
    expect((await net.ring.recvmsg(server, { buffers: parts }, MSG.WAITALL)).bytes).toBe(3072);
    expect(parts.every((part, i) => part.every((byte) => byte === (i & 0xff)))).toBe(true);
  });

  test("tell of a datagram's sender, and of what was cut off", async () => {
    await using net = new Net();
    const { ring } = net;
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    expect(await ring.sendmsg(sender.fd, { buffers: [bytesOf("datagram")], name: address })).toBe(8);
    expect(await ring.recvmsg(fd, { buffers: [new Uint8Array(4)] }))
      .toMatchObject({ bytes: 4, flags: MSG.TRUNC, address: sender.address });
    await ring.send(sender.fd, bytesOf("datagram"), 0, { to: address });
    expect(await ring.recvmsg(fd, { buffers: [new Uint8Array(4)] }, MSG.TRUNC))
      .toMatchObject({ bytes: 8, flags: MSG.TRUNC, address: sender.address });
    await ring.sendmsg(sender.fd, { buffers: [], name: address });
    expect(await ring.recvmsg(fd, { buffers: [] })).toMatchObject({ bytes: 0, flags: 0, address: sender.address });
  });

  test("tell a unix sender's name, and that it has none", async () => {
    await using net = new Net();
    const { ring } = net;
    const [receiverName, senderName] = [abstractAddress(), abstractAddress()];
    const receiver = await net.socket(AF.UNIX, SOCK.DGRAM);
    await ring.bind(receiver, receiverName);
    const [named, unnamed] = [await net.socket(AF.UNIX, SOCK.DGRAM), await net.socket(AF.UNIX, SOCK.DGRAM)];
    await ring.bind(named, senderName);
    await ring.sendmsg(named, { buffers: [bytesOf("n")], name: receiverName });
    await ring.sendmsg(unnamed, { buffers: [bytesOf("u")], name: receiverName });
    expect((await ring.recvmsg(receiver, { buffers: [new Uint8Array(4)] })).address).toEqual(senderName);
    expect((await ring.recvmsg(receiver, { buffers: [new Uint8Array(4)] })).address).toBeUndefined();
    const error = await failure(ring.sendmsg(named, { buffers: [bytesOf("x")], name: { path: "\0none" } }), UringError);
    expect(error).toMatchObject({ code: "ECONNREFUSED", syscall: "sendmsg" });
    expect(error.message).toMatch("@none");
  });

  test("hand file descriptors over, which close on exec and are the receiver's own", async () => {
    await using net = new Net();
    using folder = new TempFolder();
    const { ring } = net;
    const [client, server] = await unixPair(net);
    folder.write("file", "content");
    const file = folder.open("file");
    expect(await ring.sendmsg(client, { buffers: [bytesOf("two files")], control: [scmRights([file, client])] })).toBe(
      9,
    );
    const buffer = new Uint8Array(16);
    const { control, flags } = await ring.recvmsg(server, { buffers: [buffer], control: controlRoom(8) });
    expect(flags).toBe(0);
    expect(control).toMatchObject([{ level: SOL.SOCKET, type: SCM.RIGHTS }]);
    const fds = scmFds(control).map((fd) => net.keep(fd));
    expect(fds).toHaveLength(2);
    expect(fds.map(closesOnExec)).toEqual([true, true]);
    expect(fds[0]).not.toBe(file);
    expect(readlinkSync(`/proc/self/fd/${fds[0]!}`)).toBe(folder.at("file"));
    const content = new Uint8Array(16);
    expect(textOf(content, await ring.read(fds[0]!, content, 0))).toBe("content");
    await ring.send(fds[1]!, bytesOf("by the copy"));
    expect(textOf(content, await ring.recv(server, content))).toBe("by the copy");
  });

  test("drop descriptors that there is no room for, and say so", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await unixPair(net);
    const message = { buffers: [bytesOf("x")], control: [scmRights([client, server, client])] };
    await ring.sendmsg(client, message);
    const none = await ring.recvmsg(server, { buffers: [new Uint8Array(4)] });
    expect(none).toMatchObject({ bytes: 1, flags: MSG.CTRUNC, control: [] });
    await ring.sendmsg(client, message);
    const some = await ring.recvmsg(server, { buffers: [new Uint8Array(4)], control: controlRoom(4) });
    expect(some.flags).toBe(MSG.CTRUNC);
    const fds = scmFds(some.control);
    fds.forEach((fd) => net.keep(fd));
    expect(fds.length).toBeGreaterThan(0);
    expect(fds.length).toBeLessThan(3);
    expect(await failure(ring.sendmsg(client, { ...message, control: [scmRights([99_999])] }), UringError))
      .toMatchObject({ code: "EBADF" });
  });

  test("carry several control messages: the sender's credentials, and a descriptor", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("FUTEX_WAIT").supported) return; // no setsockopt() before 6.7
    const [client, server] = await unixPair(net);
    await ring.setsockopt(server, SOL.SOCKET, SO.PASSCRED, 1);
    await ring.sendmsg(client, { buffers: [bytesOf("x")], control: [scmRights([client])] });
    const { control } = await ring.recvmsg(server, { buffers: [new Uint8Array(4)], control: controlRoom(12, 4) });
    expect(control.map(({ type }) => type).sort()).toEqual([SCM.RIGHTS, SCM.CREDENTIALS]);
    const credentials = control.find(({ type }) => type === SCM.CREDENTIALS)!.data;
    expect(new DataView(credentials.buffer).getInt32(0, true)).toBe(globalThis.process.pid);
    scmFds(control).forEach((fd) => net.keep(fd));
  });

  test("carry control messages of IP: a datagram's time to live, both ways", async () => {
    await using net = new Net();
    const { ring } = net;
    if (!ring.probe().op("FUTEX_WAIT").supported) return; // no setsockopt() before 6.7
    const { fd, address } = await net.udp();
    const sender = await net.udp();
    await ring.setsockopt(fd, IPPROTO.IP, IP.RECVTTL, 1);
    const ttl = { level: IPPROTO.IP, type: IP.TTL, data: Int32Array.of(17) };
    await ring.sendmsg(sender.fd, { buffers: [bytesOf("x")], control: [ttl], name: address });
    const { control } = await ring.recvmsg(fd, { buffers: [new Uint8Array(4)], control: controlRoom(4) });
    expect(control).toEqual([{ level: IPPROTO.IP, type: IP.TTL, data: new Uint8Array([17, 0, 0, 0]) }]);
  });

  test("reject for what is not open, is no socket, and has no peer", async () => {
    await using net = new Net();
    using folder = new TempFolder();
    folder.write("file", "");
    const file = folder.open("file");
    const calls: ((fd: number) => Promise<unknown>)[] = [
      (fd) => net.ring.sendmsg(fd, { buffers: [bytesOf("x")] }),
      (fd) => net.ring.recvmsg(fd, { buffers: [new Uint8Array(1)] }),
    ];
    for (const call of calls) {
      for (const [code, fd] of [["EBADF", 99_999], ["EBADF", -1], ["ENOTSOCK", file]] as const) {
        expect(await failure(call(fd), UringError), `${fd}`).toMatchObject({ code, fd });
      }
    }
    const fd = await net.socket(AF.UNIX, SOCK.STREAM);
    expect(await failure(calls[0]!(fd), UringError)).toMatchObject({ code: "ENOTCONN", syscall: "sendmsg" });
  });

  test("sendmsg() to a peer that has gone is an EPIPE, no signal", async () => {
    await using net = new Net();
    const [client, server] = await unixPair(net);
    await net.close(server);
    expect(await failure(net.ring.sendmsg(client, { buffers: [bytesOf("x")] }), UringError))
      .toMatchObject({ code: "EPIPE", syscall: "sendmsg" });
    expect(await net.ring.recvmsg(client, { buffers: [new Uint8Array(1)] })).toMatchObject({ bytes: 0 });
  });
});

describe.skipIf(!hasOp("SOCKET"))("recvmsg() that waits", () => {
  test("ends with its signal, with its time limit, and when something comes", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await unixPair(net);
    const buffer = new Uint8Array(8);
    const controller = new AbortController();
    const aborted = ring.recvmsg(server, { buffers: [buffer] }, 0, { signal: controller.signal });
    const outcome = watch(aborted);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    expect(await failure(ring.recvmsg(server, { buffers: [buffer] }, 0, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "recvmsg" });
    const received = ring.recvmsg(server, { buffers: [buffer] }, 0, { pollFirst: true });
    await ring.nop();
    await ring.sendmsg(client, { buffers: [bytesOf("late")] }, 0, { pollFirst: true });
    expect((await received).bytes).toBe(4);
  });

  test("keeps its memory to itself, whatever is asked for and collected meanwhile", async () => {
    await using net = new Net();
    const { ring } = net;
    const [client, server] = await unixPair(net);
    const { fd: udp, address } = await net.udp();
    const sender = await net.udp();
    const { received, refs } = startReceiving(ring, udp);
    await ring.nop();
    expect(await collectUntil(() => refs.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    // Headers, names and control data of these come and go in memory of the same kind.
    for (let i = 0; i < 100; i++) {
      await ring.sendmsg(client, { buffers: [new Uint8Array(8).fill(0xff)], control: [scmRights([client])] });
      const { control } = await ring.recvmsg(server, { buffers: [new Uint8Array(8)], control: controlRoom(4) });
      await Promise.all(scmFds(control).map((fd) => ring.closeFd(fd)));
    }
    for (let i = 0; i < received.length; i++) {
      await ring.sendmsg(sender.fd, { buffers: [bytesOf(`message ${i}`)], name: address });
    }
    const messages = await Promise.all(received);
    expect(messages.every((message) => message.bytes === 9)).toBe(true);
    expect(messages.map((message) => message.address)).toEqual(received.map(() => sender.address));
    const texts = refs.map((ref) => new Uint8Array(ref.deref()!)).map((bytes) => {
      expect([bytes[0], bytes[15]], "guard bytes").toEqual([0xee, 0xee]);
      return textOf(bytes.subarray(1, 10));
    });
    expect(texts.sort()).toEqual(received.map((_, i) => `message ${i}`));
  });

  /** Starts to receive into two parts of buffers that nobody mentions again. */
  function startReceiving(
    ring: Ring,
    fd: number,
  ): { received: Promise<RecvmsgResult>[]; refs: WeakRef<ArrayBuffer>[] } {
    const buffers = Array.from({ length: 8 }, () => new Uint8Array(16).fill(0xee));
    const received = buffers.map((bytes) =>
      ring.recvmsg(fd, { buffers: [bytes.subarray(1, 5), bytes.subarray(5, 15)], control: 64 })
    );
    return { received, refs: buffers.map(({ buffer }) => new WeakRef(buffer)) };
  }
});

describe.skipIf(!hasOp("SOCKET"))("control messages", () => {
  test("are laid out as CMSG_SPACE has it, and read back", () => {
    const messages = [
      { level: 1, type: 2, data: new Uint8Array([1, 2, 3]) },
      { level: -1, type: 0x7fffffff, data: new Uint8Array(0) },
      { level: 41, type: 50, data: new DataView(new Uint8Array([9, 8, 7, 6, 5, 4, 3, 2, 1]).buffer, 1) },
    ];
    const length = controlLengthOf(messages, "control");
    expect(length).toBe(24 + 16 + 24);
    expect(controlRoom(3, 0, 8)).toBe(length);
    const bytes = new Uint8Array(length + 8).fill(0xee);
    writeControl(bytes, 4, messages);
    expect([...bytes.subarray(0, 4), ...bytes.subarray(length + 4)]).toEqual(new Array(8).fill(0xee));
    expect([...bytes.subarray(4, 28)]).toEqual([
      ...[19, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
      ...[1, 2, 3, 0, 0, 0, 0, 0],
    ]);
    expect(parseControl(bytes.subarray(4, length + 4))).toEqual([
      { level: 1, type: 2, data: new Uint8Array([1, 2, 3]) },
      { level: -1, type: 0x7fffffff, data: new Uint8Array(0) },
      { level: 41, type: 50, data: new Uint8Array([8, 7, 6, 5, 4, 3, 2, 1]) },
    ]);
  });

  test("that are cut off or make no sense end the reading", () => {
    expect(parseControl(new Uint8Array(0))).toEqual([]);
    expect(parseControl(new Uint8Array(15))).toEqual([]);
    expect(parseControl(new Uint8Array(64))).toEqual([]);
    const cut = new Uint8Array(18);
    cut[0] = 24;
    expect(parseControl(cut)).toEqual([{ level: 0, type: 0, data: new Uint8Array(2) }]);
    const huge = new Uint8Array(24).fill(0xff);
    expect(parseControl(huge)).toEqual([{ level: -1, type: -1, data: new Uint8Array(8).fill(0xff) }]);
  });

  test("of descriptors take 1 to 253", () => {
    expect(scmFds(parseRights(scmRights([3, 4])))).toEqual([3, 4]);
    expect(scmFds(parseRights(scmRights(new Array(253).fill(1))))).toHaveLength(253);
    expect(thrown(() => scmRights([]), RangeError).message).toMatch(/1 to 253 descriptors, not 0/);
    expect(thrown(() => scmRights(new Array(254).fill(1)), RangeError).message).toMatch(/not 254: send several/);
    expect(thrown(() => scmRights([1.5]), TypeError).message).toMatch(/integers, not 1.5/);
    expect(thrown(() => scmRights(3 as never), TypeError).message).toMatch(/must be an array/);
  });

  function parseRights(message: ReturnType<typeof scmRights>) {
    const bytes = new Uint8Array(controlLengthOf([message], "control"));
    writeControl(bytes, 0, [message]);
    return parseControl(bytes);
  }
});
