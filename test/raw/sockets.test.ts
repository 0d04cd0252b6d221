import { describe, expect, test } from "vitest";
import {
  AF,
  BufferPool,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F,
  IORING_REGISTER,
  IOSQE,
  MSG,
  SHUT,
  SOCK,
  SOCKET_URING_OP,
} from "../../mod.ts";
import { type RawMsghdr, RawRing } from "../../src/ring/raw.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { catchUncaught, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { Pipe } from "../support/pipe.ts";
import { decoded, RawStage, sockaddrIn, sockaddrUn, testOf, text } from "./stage.ts";

const EAGAIN = -11;
const ECONNREFUSED = -111;
const ENOTCONN = -107;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_TYPE = 3;
const SO_KEEPALIVE = 9;

const withListeners = testOf("SOCKET", "BIND", "LISTEN");

/** Gives `count` buffers to a group, by the op of old. */
function provide(ring: RawStage, buffers: Uint8Array, size: number, group: number): void {
  const count = buffers.length / size;
  expect(ring.result((ring) => ring.prepProvideBuffers(1, buffers, size, count, group, 0))).toBeGreaterThanOrEqual(0);
}

function select(ring: RawRing, group: number): void {
  ring.sqeSetFlags(IOSQE.BUFFER_SELECT);
  ring.sqeSetBufGroup(group);
}

describe("connecting", () => {
  withListeners("prepSocket, prepBind, prepListen, prepConnect and prepAccept: a connection, and who it is", () => {
    using stage = new RawStage();
    const { fd, address } = stage.listener();
    const client = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0, 0));
    const peer = new Uint8Array(128);
    const length = new Uint32Array([128]);
    stage.ring.prepAccept(7, fd, peer, length, SOCK.CLOEXEC);
    stage.ring.prepConnect(8, client, address, 16);
    const byUserData = new Map(stage.completions(2).map(({ userData, res }) => [userData, res]));
    expect(byUserData.get(8)).toBe(0);
    const server = stage.own(byUserData.get(7)!);
    expect(server).toBeGreaterThan(2);
    expect([length[0], peer[0], ...peer.subarray(4, 8)]).toEqual([16, AF.INET, 127, 0, 0, 1]);

    const buffer = new Uint8Array(16);
    expect(stage.result((ring) => ring.prepSend(1, client, text("hello"), 5, MSG.NOSIGNAL))).toBe(5);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0))).toBe(5);
    expect(decoded(buffer, 5)).toBe("hello");
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, MSG.DONTWAIT))).toBe(EAGAIN);
    expect(stage.result((ring) => ring.prepShutdown(1, client, SHUT.WR))).toBe(0);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0)), "the end").toBe(0);
  });

  withListeners("prepConnect to nobody is refused; prepShutdown of what is not connected is ENOTCONN", () => {
    using stage = new RawStage();
    const { address } = (() => {
      using gone = new RawStage();
      return gone.listener();
    })();
    const client = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    expect(stage.result((ring) => ring.prepConnect(1, client, address, 16))).toBe(ECONNREFUSED);
    const other = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    expect(stage.result((ring) => ring.prepShutdown(1, other, SHUT.RDWR))).toBe(ENOTCONN);
  });

  withListeners("prepMultishotAccept completes for each connection, and holds its memory until it ends", async () => {
    using stage = new RawStage();
    const { fd, address } = stage.listener();
    const held = (() => {
      const [peer, length] = [new Uint8Array(128), new Uint32Array([128])];
      stage.ring.prepMultishotAccept(50, fd, peer, length, 0);
      return [peer, length].map(({ buffer }) => new WeakRef<ArrayBufferLike>(buffer));
    })();
    for (let i = 0; i < 3; i++) {
      const client = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
      stage.ring.prepConnect(2, client, address, 16);
      const visited = stage.completions(2);
      expect(visited.find(({ userData }) => userData === 2)!.res).toBe(0);
      const accepted = visited.find(({ userData }) => userData === 50)!;
      expect(stage.own(accepted.res)).toBeGreaterThan(2);
      expect(accepted.flags & IORING_CQE_F.MORE).toBe(IORING_CQE_F.MORE);
    }
    expect(await collectUntil(() => held.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    stage.ring.prepCancel(3, 50, 0);
    const ended = stage.completions(2).find(({ userData }) => userData === 50)!;
    expect([ended.res, ended.flags & IORING_CQE_F.MORE]).toEqual([-125, 0]);
    expect(await collectUntil(() => held.every((ref) => ref.deref() === undefined))).toBe(true);
  });

  withListeners(
    "prepSocketDirect, prepSocketDirectAlloc, prepAcceptDirect and prepMultishotAcceptDirect: file slots",
    () => {
      using stage = new RawStage();
      const { ring } = stage;
      expect(ring.register(IORING_REGISTER.FILES, new Int32Array(8).fill(-1), 8)).toBe(0);
      const { fd, address } = stage.listener();
      expect(stage.result((ring) => ring.prepSocketDirect(1, AF.INET, SOCK.STREAM, 0, 5, 0))).toBe(0);
      const slot = stage.result((ring) => ring.prepSocketDirectAlloc(1, AF.INET, SOCK.STREAM, 0, 0));
      expect([0, 1, 2, 4, 6, 7], "a free one").toContain(slot);
      const fixed = (prepare: () => boolean) => {
        prepare();
        ring.sqeSetFlags(IOSQE.FIXED_FILE);
      };
      ring.prepAcceptDirect(2, fd, 0, 0, 0, 3);
      fixed(() => ring.prepConnect(3, 5, address, 16));
      expect(new Map(stage.completions(2).map(({ userData, res }) => [userData, res]))).toEqual(
        new Map([[2, 0], [3, 0]]),
      );
      ring.prepMultishotAcceptDirect(4, fd, 0, 0, 0);
      fixed(() => ring.prepConnect(5, slot, address, 16));
      const visited = new Map(stage.completions(2).map(({ userData, res }) => [userData, res]));
      expect(visited.get(5)).toBe(0);
      const accepted = visited.get(4)!;
      expect([0, 1, 2, 4, 6, 7].filter((free) => free !== slot), "another free one").toContain(accepted);
      const buffer = new Uint8Array(8);
      fixed(() => ring.prepSend(6, slot, text("slots"), 5, 0));
      expect(stage.completions(1)[0]!.res).toBe(5);
      fixed(() => ring.prepRecv(7, accepted, buffer, 8, 0));
      expect(stage.completions(1)[0]!.res).toBe(5);
      expect(decoded(buffer, 5)).toBe("slots");
      for (const used of [slot, accepted, 3, 5]) {
        expect(stage.result((ring) => ring.prepCloseDirect(1, used))).toBe(0);
      }
    },
  );

  test("refuse memory for a sockaddr that the kernel could write beyond", () => {
    using stage = new RawStage();
    const { ring } = stage;
    const length = new Uint32Array([16]);
    const small = new Uint8Array(127);
    for (
      const prep of [
        () => ring.prepAccept(1, 0, small, length, 0),
        () => ring.prepAcceptDirect(1, 0, small, length, 0, 0),
        () => ring.prepMultishotAccept(1, 0, small, length, 0),
        () => ring.prepMultishotAcceptDirect(1, 0, small, length, 0),
        () => ring.prepCmdGetsockname(1, 0, small, length, 0),
      ]
    ) {
      expect(thrown(prep, RangeError).message).toMatch(/has 127 bytes, but the kernel may write any sockaddr.*128/);
    }
    const large = new Uint8Array(128);
    expect(thrown(() => ring.prepAccept(1, 0, large, new Uint8Array(3), 0), RangeError).message).toMatch(/addrlen/);
    expect(thrown(() => ring.prepConnect(1, 0, new Uint8Array(8), 16), RangeError).message).toMatch(
      /length 16.*8 bytes/,
    );
    expect(ring.sqSpace).toBe(32);
  });
});

describe("messages", () => {
  withListeners("prepSendto, prepSendSetAddr and prepRecvmsg: datagrams, and who sent them", () => {
    using stage = new RawStage();
    const [a, b] = [stage.udp(), stage.udp()];
    expect(stage.result((ring) => ring.prepSendto(1, a.fd, text("first"), 5, 0, b.address, 16))).toBe(5);
    stage.ring.prepSend(2, a.fd, text("second"), 6, 0);
    stage.ring.prepSendSetAddr(b.address, 16);
    expect(stage.completions(1)).toMatchObject([{ userData: 2, res: 6 }]);
    const [head, tail, name] = [new Uint8Array(3), new Uint8Array(100), new Uint8Array(64)];
    const message: RawMsghdr = { name, iov: [head, tail] };
    expect(stage.result((ring) => ring.prepRecvmsg(1, b.fd, message, 0))).toBe(5);
    expect(decoded(head) + decoded(tail, 2)).toBe("first");
    expect(message).toMatchObject({ namelen: 16, controllen: 0, flags: 0 });
    expect(name.slice(0, 16)).toEqual(a.address);
    const short: RawMsghdr = { iov: [head] };
    expect(stage.result((ring) => ring.prepRecvmsg(1, b.fd, short, 0))).toBe(3);
    expect(short).toMatchObject({ namelen: 0, flags: MSG.TRUNC });
  });

  test("MSG.ZEROCOPY is refused with bytes that are let go of before the network has done with them", () => {
    using ring = new RawRing({ entries: 8 });
    const bytes = text("x");
    const refused = [
      () => ring.prepSend(1, 0, bytes, 1, MSG.ZEROCOPY),
      () => ring.prepSendto(1, 0, bytes, 1, MSG.ZEROCOPY, 0, 0),
      () => ring.prepSendmsg(1, 0, { iov: [bytes] }, MSG.ZEROCOPY),
    ];
    for (const prepare of refused) {
      expect(thrown(prepare, TypeError).message).toMatch(/MSG\.ZEROCOPY.*use prepSend(msg)?Zc\(\), or/);
    }
    expect(ring.sqSpace).toBe(8);
    expect(ring.prepSend(1, 0, 4096, 1, MSG.ZEROCOPY), "an address is the caller's").toBe(true);
    expect(ring.prepSendto(1, 0, 4096, 1, MSG.ZEROCOPY, 0, 0)).toBe(true);
    expect(ring.prepSendmsg(1, 0, new Uint8Array(56), MSG.ZEROCOPY)).toBe(true);
    expect(ring.prepSendZc(1, 0, bytes, 1, MSG.ZEROCOPY, 0)).toBe(true);
    expect(ring.prepSendmsgZc(1, 0, { iov: [bytes] }, MSG.ZEROCOPY)).toBe(true);
  });

  withListeners("prepSendmsg gathers buffers, and takes memory with a msghdr as well", () => {
    using stage = new RawStage();
    using pool = new BufferPool({ size: 256, count: 1 });
    const [a, b] = [stage.udp(), stage.udp()];
    const iov = [text("one "), text("two "), text("three")];
    expect(stage.result((ring) => ring.prepSendmsg(1, a.fd, { name: b.address, iov }, 0))).toBe(13);
    const buffer = new Uint8Array(32);
    expect(stage.result((ring) => ring.prepRecv(1, b.fd, buffer, 32, 0))).toBe(13);
    expect(decoded(buffer, 13)).toBe("one two three");

    // As C lays it out: a header, one iovec, and the data, in memory whose address is known.
    const memory = pool.acquire();
    const base = BigInt(pool.region.address + memory.byteOffset);
    const view = new DataView(memory.buffer, memory.byteOffset, 256);
    memory.set(b.address, 128);
    memory.set(text("by hand"), 160);
    view.setBigUint64(0, base + 128n, true);
    view.setUint32(8, 16, true);
    view.setBigUint64(16, base + 64n, true);
    view.setBigUint64(24, 1n, true);
    view.setBigUint64(64, base + 160n, true);
    view.setBigUint64(72, 7n, true);
    expect(stage.result((ring) => ring.prepSendmsg(1, a.fd, memory, 0))).toBe(7);
    expect(stage.result((ring) => ring.prepRecv(1, b.fd, buffer, 32, 0))).toBe(7);
    expect(decoded(buffer, 7)).toBe("by hand");
  });

  withListeners("a setter that throws as a message tells what it got loses no completion", async () => {
    using stage = new RawStage();
    const { fd, address } = stage.udp();
    const msg = {
      iov: [new Uint8Array(8)],
      set flags(_: number) {
        throw new Error("the setter's own");
      },
    };
    const uncaught = catchUncaught();
    stage.ring.prepRecvmsg(5, fd, msg, 0);
    stage.ring.prepSendto(6, fd, text("hello"), 5, 0, address, 16);
    expect(resultsOf(stage.finals(5, 6))).toEqual({ 5: 5, 6: 5 });
    expect((await uncaught).message).toBe("the setter's own");
    expect(stage.result((ring) => ring.prepNop(7)), "the ring goes on").toBe(0);
  });

  withListeners("prepSendmsg and prepRecvmsg carry control messages: a descriptor", () => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using pipe = new Pipe();
    const address = sockaddrUn(folder.at("socket"));
    const [from, to] = [0, 0].map(() => stage.open((ring) => ring.prepSocket(1, AF.UNIX, SOCK.DGRAM, 0, 0)));
    expect(stage.result((ring) => ring.prepBind(1, to!, address, address.length))).toBe(0);
    const control = new Uint8Array(24);
    const sent = new DataView(control.buffer);
    sent.setBigUint64(0, 20n, true);
    sent.setInt32(8, SOL_SOCKET, true);
    sent.setInt32(12, SCM_RIGHTS, true);
    sent.setInt32(16, pipe.readEnd, true);
    const message = { name: address, iov: [text("take it")], control };
    expect(stage.result((ring) => ring.prepSendmsg(1, from!, message, 0))).toBe(7);
    const received = { iov: [new Uint8Array(16)], control: new Uint8Array(64) };
    expect(stage.result((ring) => ring.prepRecvmsg(1, to!, received, 0))).toBe(7);
    expect(received).toMatchObject({ controllen: 24, flags: 0 });
    const fd = stage.own(new DataView(received.control.buffer).getInt32(16, true));
    expect(fd).not.toBe(pipe.readEnd);
    pipe.write("through it");
    const buffer = new Uint8Array(16);
    expect(stage.result((ring) => ring.prepRead(1, fd, buffer, 16, -1))).toBe(10);
    expect(decoded(buffer, 10)).toBe("through it");
  });

  withListeners("a message's buffers are held until it completes", async () => {
    using stage = new RawStage();
    const { fd } = stage.udp();
    const held = (() => {
      const [name, control] = [new Uint8Array(128), new Uint8Array(64)];
      const iov = [new Uint8Array(8), new Uint8Array(8)];
      stage.ring.prepRecvmsg(5, fd, { name, iov, control }, 0);
      stage.ring.submit();
      return [name, ...iov, control].map(({ buffer }) => new WeakRef(buffer));
    })();
    const prepared = (() => {
      const [name, control] = [sockaddrIn(9), new Uint8Array(64)];
      const iov = [new Uint8Array(8), new Uint8Array(8)];
      stage.ring.prepSendmsg(7, fd, { name, iov, control }, 0);
      return [name, ...iov, control].map(({ buffer }) => new WeakRef(buffer));
    })();
    const all = [...held, ...prepared];
    expect(await collectUntil(() => all.some((ref) => ref.deref() === undefined), A_FEW)).toBe(false);
    stage.ring.prepCancel(6, 5, 0);
    stage.finals(5, 6, 7);
    expect(await collectUntil(() => all.every((ref) => ref.deref() === undefined))).toBe(true);
  });

  withListeners("prepRecvmsgMultishot lays header, name and data into provided buffers", () => {
    using stage = new RawStage();
    const [a, b] = [stage.udp(), stage.udp()];
    const buffers = new Uint8Array(4 * 128);
    provide(stage, buffers, 128, 3);
    stage.ring.prepRecvmsgMultishot(9, b.fd, { namelen: 16 }, 0);
    select(stage.ring, 3);
    stage.ring.submit();
    for (const content of ["first", "second!"]) {
      stage.ring.prepSendto(1, a.fd, text(content), content.length, 0, b.address, 16);
      const received = stage.completions(2).find(({ userData }) => userData === 9)!;
      expect(received.flags & IORING_CQE_F.MORE).toBe(IORING_CQE_F.MORE);
      expect(received.res).toBe(16 + 16 + content.length);
      const at = (received.flags >>> IORING_CQE_BUFFER_SHIFT) * 128;
      const out = new Uint32Array(buffers.slice(at, at + 16).buffer);
      expect([...out], "struct io_uring_recvmsg_out").toEqual([16, 0, content.length, 0]);
      expect(buffers.slice(at + 16, at + 32)).toEqual(a.address);
      expect(decoded(buffers.subarray(at + 32), content.length)).toBe(content);
    }
  });

  test("refuse what is no message", () => {
    using stage = new RawStage();
    const { ring } = stage;
    // deno-lint-ignore no-explicit-any -- as from JavaScript
    const send = (msg: any) => () => ring.prepSendmsg(1, 0, msg, 0);
    const bytes = new Uint8Array(8);
    expect(thrown(send(undefined), TypeError).message).toMatch(/msg must be \{ name, iov, control \} or memory/);
    expect(thrown(send({ iov: bytes }), TypeError).message).toMatch(/msg.iov must be an array/);
    expect(thrown(send({ iov: [4096] }), TypeError).message).toMatch(/msg.iov must be a typed array/);
    expect(thrown(send({ iov: [new Uint8Array(0)] }), RangeError).message).toMatch(/msg.iov has length 0/);
    expect(thrown(send({ iov: new Array(1025).fill(bytes) }), RangeError).message).toMatch(/from 0 to 1024/);
    expect(thrown(send({ name: bytes, namelen: 9 }), RangeError).message).toMatch(/msg.namelen must be from 0 to 8/);
    expect(thrown(send({ control: "x" }), TypeError).message).toMatch(/msg.control must be a typed array/);
    expect(thrown(send(new Uint8Array(55)), RangeError).message).toMatch(/length 56.*55 bytes/);
    expect(ring.sqSpace).toBe(32);
  });
});

describe("receiving again and again", () => {
  withListeners("prepRecvMultishot fills provided buffers until these are used up", () => {
    using stage = new RawStage();
    const { client, server } = stage.pair();
    const buffers = new Uint8Array(2 * 64);
    provide(stage, buffers, 64, 5);
    stage.ring.prepRecvMultishot(9, server, 0, 0, 0);
    select(stage.ring, 5);
    stage.ring.submit();
    for (const content of ["one", "four"]) {
      stage.ring.prepSend(1, client, text(content), content.length, 0);
      const received = stage.completions(2).find(({ userData }) => userData === 9)!;
      expect(received.res).toBe(content.length);
      expect(received.flags & (IORING_CQE_F.MORE | IORING_CQE_F.BUFFER)).toBe(3);
      const at = (received.flags >>> IORING_CQE_BUFFER_SHIFT) * 64;
      expect(decoded(buffers.subarray(at), content.length)).toBe(content);
    }
    stage.ring.prepSend(1, client, text("x"), 1, 0);
    const ended = stage.completions(2).find(({ userData }) => userData === 9)!;
    expect([ended.res, ended.flags & IORING_CQE_F.MORE], "ENOBUFS").toEqual([-105, 0]);
  });

  testOf("BIND", "READ_MULTISHOT")("prepReadMultishot does the same with reads", () => {
    using stage = new RawStage();
    const { client, server } = stage.pair();
    const buffers = new Uint8Array(2 * 64);
    provide(stage, buffers, 64, 5);
    stage.ring.prepReadMultishot(9, server, 0, -1, 5);
    stage.ring.submit();
    for (const content of ["one", "four"]) {
      stage.ring.prepSend(1, client, text(content), content.length, 0);
      const received = stage.completions(2).find(({ userData }) => userData === 9)!;
      expect([received.res, received.flags & 3]).toEqual([content.length, 3]);
    }
    stage.ring.prepCancel(2, 9, 0);
    expect(stage.completions(2).find(({ userData }) => userData === 9)).toMatchObject({ res: -125 });
  });

  testOf("BIND")("prepSendBundle sends from a group", () => {
    using stage = new RawStage();
    const { client, server } = stage.pair();
    provide(stage, text("bundled!"), 8, 6);
    stage.ring.prepSendBundle(1, client, 0, 0);
    select(stage.ring, 6);
    const { res, flags } = stage.completions(1)[0]!;
    expect([res, flags & IORING_CQE_F.BUFFER]).toEqual([8, 1]);
    const buffer = new Uint8Array(16);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 16, 0))).toBe(8);
    expect(decoded(buffer, 8)).toBe("bundled!");
  });
});

describe("sending without a copy", () => {
  /** Sends on a connection whose other end reads nothing, so that the kernel keeps the buffer. */
  async function expectHeldUntilNotified(
    prepare: (ring: RawRing, client: number, bytes: Uint8Array<ArrayBuffer>) => void,
  ): Promise<void> {
    using stage = new RawStage();
    const { client, server } = stage.pair();
    const SIZE = 1 << 20;
    const ref = (() => {
      const bytes = pattern(SIZE);
      prepare(stage.ring, client, bytes);
      return new WeakRef(bytes.buffer);
    })();
    const [sent] = stage.completions(1);
    expect(sent!.userData).toBe(7);
    expect(sent!.res).toBeGreaterThan(0);
    expect(sent!.flags & (IORING_CQE_F.MORE | IORING_CQE_F.NOTIF)).toBe(IORING_CQE_F.MORE);
    expect(completions(stage.ring), "nobody has read yet: no notification").toEqual([]);
    expect(await collectUntil(() => ref.deref() === undefined, A_FEW), "held until then").toBe(false);

    const received = new Uint8Array(SIZE);
    let length = 0;
    let notified = 0;
    while (length < sent!.res || notified === 0) {
      if (length < sent!.res) stage.ring.prepRecv(1, server, received.subarray(length), SIZE - length, 0);
      for (const { userData, res, flags } of stage.completions(1)) {
        if (userData === 1) length += res;
        else {
          expect([userData, flags & (IORING_CQE_F.MORE | IORING_CQE_F.NOTIF)]).toEqual([7, IORING_CQE_F.NOTIF]);
          notified++;
        }
      }
    }
    const expected = pattern(length);
    expect(received.subarray(0, length).every((byte, at) => byte === expected[at])).toBe(true);
    expect(await collectUntil(() => ref.deref() === undefined), "and no longer").toBe(true);
  }

  testOf("BIND", "SEND_ZC")("prepSendZc holds its buffer until the notification", async () => {
    await expectHeldUntilNotified((ring, client, bytes) => ring.prepSendZc(7, client, bytes, bytes.length, 0, 0));
  });

  testOf("BIND", "SENDMSG_ZC")("prepSendmsgZc holds its buffers until the notification", async () => {
    await expectHeldUntilNotified((ring, client, bytes) =>
      ring.prepSendmsgZc(7, client, { iov: [bytes.subarray(0, 1000), bytes.subarray(1000)] }, 0)
    );
  });

  testOf("BIND", "SEND_ZC")("a send that fails at once lets go at once", async () => {
    using stage = new RawStage();
    const socket = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    const ref = (() => {
      const bytes = new Uint8Array(100_000);
      stage.ring.prepSendZc(7, socket, bytes, bytes.length, MSG.NOSIGNAL, 0);
      return new WeakRef(bytes.buffer);
    })();
    expect(stage.finals(7)[0]!.res).toBeLessThan(0);
    expect(await collectUntil(() => ref.deref() === undefined)).toBe(true);
  });

  /** A buffer of a pool, filled, and registered as buffer 0. */
  function registered(stage: RawStage, pool: BufferPool): Uint8Array<ArrayBuffer> {
    const memory = pool.acquire();
    memory.set(pattern(4096));
    const iovec = new BigUint64Array([BigInt(pool.region.address + memory.byteOffset), 4096n]);
    expect(stage.ring.register(IORING_REGISTER.BUFFERS, iovec, 1)).toBe(0);
    return memory;
  }

  testOf("BIND", "SEND_ZC")("prepSendZcFixed sends from a registered buffer", () => {
    using stage = new RawStage();
    using pool = new BufferPool({ size: 4096, count: 1 });
    const { client, server } = stage.pair();
    const memory = registered(stage, pool);
    const buffer = new Uint8Array(1000);
    stage.ring.prepSendZcFixed(7, client, memory.subarray(5), 1000, 0, 0, 0);
    stage.ring.prepRecv(1, server, buffer, 1000, MSG.WAITALL);
    const sent = stage.finals(1, 7).filter(({ userData }) => userData === 7);
    expect(sent.map(({ res }) => res)[0]).toBe(1000);
    expect(sent.map(({ flags }) => flags)).toEqual([IORING_CQE_F.MORE, IORING_CQE_F.NOTIF]);
    expect(buffer).toEqual(pattern(1000, 5));
  });

  // It came with the vectored reads of registered buffers.
  testOf("BIND", "SENDMSG_ZC", "READV_FIXED")("prepSendmsgZcFixed sends from one, gathered", () => {
    using stage = new RawStage();
    using pool = new BufferPool({ size: 4096, count: 1 });
    const { client, server } = stage.pair();
    const memory = registered(stage, pool);
    const iov = [memory.subarray(9, 509), memory.subarray(509, 1009)];
    const buffer = new Uint8Array(1000);
    stage.ring.prepSendmsgZcFixed(8, client, { iov }, 0, 0);
    stage.ring.prepRecv(1, server, buffer, 1000, MSG.WAITALL);
    expect(stage.finals(1, 8).find(({ userData }) => userData === 8)!.res).toBe(1000);
    expect(buffer).toEqual(pattern(1000, 9));
  });
});

describe("commands of sockets", () => {
  testOf("SOCKET", "URING_CMD")("prepCmdSock gets and sets options, and refuses a length beyond its memory", () => {
    using stage = new RawStage();
    const socket = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.DGRAM, 0, 0));
    const value = new Int32Array(1);
    const { GETSOCKOPT, SETSOCKOPT, SIOCINQ } = SOCKET_URING_OP;
    const command = (op: number, option: number) =>
      stage.result((ring) => ring.prepCmdSock(1, op, socket, SOL_SOCKET, option, value, 4));
    const got = command(GETSOCKOPT, SO_TYPE);
    if (got < 0) return expect(got, "EOPNOTSUPP before 6.7").toBe(-95);
    expect([got, value[0]]).toEqual([4, SOCK.DGRAM]);
    value[0] = 1;
    expect(command(SETSOCKOPT, SO_KEEPALIVE)).toBe(0);
    value[0] = 7;
    expect(command(GETSOCKOPT, SO_KEEPALIVE)).toBe(4);
    expect(value[0]).toBe(1);
    expect(stage.result((ring) => ring.prepUringCmd(1, SIOCINQ, socket))).toBe(0);
    expect(thrown(() => stage.ring.prepCmdSock(1, GETSOCKOPT, socket, 1, 3, value, 5), RangeError).message)
      .toMatch(/length 5.*4 bytes/);
  });

  withListeners("prepUringCmd asks a socket how much there is to read", () => {
    using stage = new RawStage();
    const { client, server } = stage.pair();
    expect(stage.result((ring) => ring.prepSend(1, client, text("seven b"), 7, 0))).toBe(7);
    const ready = new Uint8Array(1);
    expect(stage.result((ring) => ring.prepRecv(1, server, ready, 1, MSG.PEEK)), "it has arrived").toBe(1);
    expect(stage.result((ring) => ring.prepUringCmd(1, SOCKET_URING_OP.SIOCINQ, server))).toBe(7);
  });

  withListeners("prepCmdGetsockname gives a socket's address, where the kernel has it", () => {
    using stage = new RawStage();
    const { fd, address } = stage.listener();
    const [name, length] = [new Uint8Array(128), new Uint32Array([128])];
    const result = stage.result((ring) => ring.prepCmdGetsockname(1, fd, name, length, 0));
    if (result < 0) return expect(result, "EOPNOTSUPP before 6.19").toBe(-95);
    expect([length[0], name.slice(0, 16)]).toEqual([16, address]);
  });
});

withListeners("close() waits for what takes provided buffers: nothing comes after it", () => {
  using stage = new RawStage();
  const { client, server } = stage.pair();
  for (let round = 0; round < 10; round++) {
    const buffers = new Uint8Array(64);
    using inner = new RawStage();
    provide(inner, buffers, 64, 1);
    if (round % 2 === 0) inner.ring.prepRecv(1, server, 0, 64, 0);
    else inner.ring.prepRecvMultishot(1, server, 0, 0, 0);
    select(inner.ring, 1);
    inner.ring.submit();
    inner.ring.close();
    expect(stage.result((ring) => ring.prepSend(1, client, text("late"), 4, 0))).toBe(4);
    const buffer = new Uint8Array(8);
    expect(stage.result((ring) => ring.prepRecv(1, server, buffer, 8, 0))).toBe(4);
    expect(buffers.every((byte) => byte === 0)).toBe(true);
  }
});

withListeners("close() waits for accepts: no connection is taken after it", () => {
  using stage = new RawStage();
  const { fd, address } = stage.listener();
  for (let round = 0; round < 10; round++) {
    using inner = new RawStage();
    if (round % 2 === 0) inner.ring.prepAccept(1, fd, 0, 0, 0);
    else inner.ring.prepMultishotAccept(1, fd, 0, 0, 0);
    inner.ring.submit();
    inner.ring.close();
    const client = stage.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    expect(stage.result((ring) => ring.prepConnect(1, client, address, 16))).toBe(0);
    expect(stage.open((ring) => ring.prepAccept(1, fd, 0, 0, 0))).toBeGreaterThan(2);
  }
});
