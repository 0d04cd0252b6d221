import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import {
  AT,
  BLOCK_URING_CMD,
  BufferPool,
  FileTable,
  IORING_OP,
  IORING_URING_CMD,
  O,
  POLL,
  Ring,
  SOCKET_URING_OP,
  SOL,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Net } from "../support/sockaddr.ts";
import { connect, listen, newSocket } from "../support/socket.ts";

/** Of linux/net_tstamp.h. */
const SO_TIMESTAMPING = 37;
const SOFTWARE = 1 << 4;
const TX_SCHED = 1 << 8;
const OPT_TSONLY = 1 << 11;

function hasCommands(ring: Ring): boolean {
  if (ring.probe().op("URING_CMD").supported) return true;
  expect(thrown(() => ring.uringCmd(0, 0), UnsupportedError)).toMatchObject({ needs: "Linux 5.19" });
  return false;
}

/** The words of the SQE that was staged first in this turn, at what index they start, and the address of a buffer. */
function stagedWords(ring: Ring): Int32Array {
  const { core } = (ring as unknown as { engine: { core: { sqes: Int32Array; sqeWords: number } } }).engine;
  return core.sqes.slice(0, core.sqeWords);
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

const loops: string[] = [];

/** A block device made of a file; undefined where there are no loop devices. */
function loopDevice(path: string): string | undefined {
  try {
    const device = execFileSync("losetup", ["--find", "--show", path], { encoding: "utf8", stdio: "pipe" }).trim();
    loops.push(device);
    return device;
  } catch {
    return undefined;
  }
}

afterEach(() => {
  for (const device of loops.splice(0)) execFileSync("losetup", ["--detach", device]);
});

describe("uringCmd()", () => {
  test("runs a command of a socket, and gives its result", async () => {
    await using ring = new Ring();
    if (!hasCommands(ring)) return;
    using folder = new TempFolder();
    const fd = newSocket();
    const { server, connection } = await listen(folder.at("socket"));
    expect(connect(fd, folder.at("socket"))).toBe(0);
    const peer = await connection;
    const before = await ring.uringCmd(fd, SOCKET_URING_OP.SIOCINQ).catch(({ code }) => code);
    if (before !== "EOPNOTSUPP") { // commands of sockets came in Linux 6.7
      expect(before).toBe(0);
      peer.write("eleven more");
      await ring.pollAdd(fd, POLL.IN);
      expect(await ring.uringCmd(fd, SOCKET_URING_OP.SIOCINQ)).toBe(11);
      using files = new FileTable(ring, { size: 2 });
      files.set(1, fd);
      expect(await ring.uringCmd(1, SOCKET_URING_OP.SIOCINQ, { fixedFile: true })).toBe(11);
      expect(await failure(ring.uringCmd(fd, 99), UringError)).toMatchObject({ code: "EOPNOTSUPP", fd });
    }
    peer.destroy();
    await ring.closeFd(fd);
    await new Promise((resolve) => server.close(resolve));
  });

  test("rejects for files that take no commands, and that are not open", async () => {
    await using ring = new Ring();
    if (!hasCommands(ring)) return;
    using folder = new TempFolder();
    folder.write("file", "");
    const fd = folder.open("file");
    expect(await failure(ring.uringCmd(fd, 1), UringError)).toMatchObject({
      code: "EOPNOTSUPP",
      syscall: "uring_cmd",
      fd,
    });
    expect(await failure(ring.uringCmd(99_999, 1), UringError)).toMatchObject({ code: "EBADF" });
  });

  test.each(hasOp("URING_CMD") ? [false, true] : [])(
    "writes address, length and payload into the SQE; with sqe128: %s",
    async (sqe128) => {
      await using ring = new Ring({ sqe128 });
      if (!hasCommands(ring)) return;
      using pool = new BufferPool({ size: 64, count: 1 });
      const size = sqe128 ? 80 : 16;
      const addr = pool.acquire();
      const { address } = (pool as unknown as { region: { address: number } }).region;
      const full = ring.uringCmd(99_999, 0xfffffffe, {
        addr: addr.subarray(8, 24),
        payload: pattern(size),
        bufIndex: 9,
      });
      const fullError = failure(full, UringError);
      const words = stagedWords(ring);
      expect([...words.slice(0, 12)].map((word, i) => i === 8 || i === 9 ? 0 : word >>> 0)).toEqual([
        IORING_OP.URING_CMD,
        99_999,
        0xfffffffe,
        0,
        (address + 8) % 2 ** 32,
        Math.floor((address + 8) / 2 ** 32),
        16,
        IORING_URING_CMD.FIXED,
        0,
        0,
        9,
        0,
      ]);
      expect(new Uint8Array(words.slice(12).buffer)).toEqual(pattern(size));
      await fullError;
      // In the same place: nothing of the one before may remain.
      const small = failure(
        ring.uringCmd(99_999, 1, { addr: 2n ** 40n, len: 5, payload: Uint8Array.of(1, 2, 3) }),
        UringError,
      );
      const after = stagedWords(ring);
      expect([...after.slice(4, 8)]).toEqual([0, 256, 5, 0]);
      expect([...after.slice(10)]).toEqual([0, 0, 0x030201, ...new Array(after.length - 13).fill(0)]);
      expect((await small).code).toBe("EBADF");
    },
  );

  // Commands of sockets came with futexes in Linux 6.7, timestamps in 6.17: nothing tells of those but trying.
  test.skipIf(!hasOp("FUTEX_WAIT"))("waits for the last completion of a command that goes on", async () => {
    await using net = new Net({ cqe32: true });
    const { ring } = net;
    const { fd, address } = await net.udp();
    await ring.setsockopt(fd, SOL.SOCKET, SO_TIMESTAMPING, TX_SCHED | OPT_TSONLY | SOFTWARE);
    const command = ring.uringCmd(fd, SOCKET_URING_OP.TX_TIMESTAMP);
    const stamps = watch(command);
    await ring.nop();
    if (stamps.state === "rejected") return void expect(stamps.value).toMatchObject({ code: "EOPNOTSUPP" });
    for (let i = 0; i < 3; i++) {
      const sent = ring.send(fd, new Uint8Array(4), 0, { to: address });
      // With the packet's timestamp.
      expect(ring.submitAndWait(2)).toBe(2);
      expect(await sent).toBe(4);
      expect([stamps.state, ring.stats.inFlight]).toEqual(["pending", 1]);
    }
    await ring.cancel(command);
    expect((await failure(command, UringError)).code).toBe("ECANCELED");
    expect([ring.stats.inFlight, ring.stats.strays]).toEqual([0, 0]);
  });

  test("refuses a payload that has no room, and more than the memory that is given", async () => {
    await using ring = new Ring();
    if (!hasCommands(ring)) return;
    const call = (o: object, cmdOp = 1) => () => ring.uringCmd(0, cmdOp, o);
    expect(thrown(call({ payload: new Uint8Array(17) }), RangeError).message)
      .toBe("payload is 17 bytes long; this ring's SQEs have room for 16: open it with { sqe128: true } for 80");
    expect(thrown(call({ payload: [1] }), TypeError).message).toMatch(/^payload must be a Uint8Array, not a object/);
    expect(thrown(call({ addr: new Uint8Array(4), len: 5 }), RangeError).message).toMatch(/^len 5 is more than the 4/);
    expect(thrown(call({ addr: new Uint8Array(0) }), RangeError).message).toMatch(/^addr has length 0/);
    expect(thrown(call({ addr: -1 }), RangeError).message).toMatch(/^addr must not be/);
    expect(thrown(call({ addr: "4" }), TypeError).message).toMatch(/^addr must be/);
    expect(thrown(call({ bufIndex: 65536 }), RangeError).message).toMatch(/^bufIndex must be from 0 to 65535/);
    expect(thrown(call({}, -1), RangeError).message).toMatch(/^cmdOp must be from 0/);
    await using large = new Ring({ sqe128: true });
    expect(thrown(() => large.uringCmd(0, 1, { payload: new Uint8Array(81) }), RangeError).message)
      .toBe("payload is 81 bytes long; this ring's SQEs have room for 80");
    expect(ring.stats.submitted).toBe(0);
  });
});

describe("uringCmd128()", () => {
  test.skipIf(!hasOp("URING_CMD"))("runs a command with 80 bytes of payload, where the kernel has it", async () => {
    await using ring = new Ring({ sqe128: true });
    if (!ring.probe().op("URING_CMD128").supported) {
      expect(thrown(() => ring.uringCmd128(0, 0), UnsupportedError))
        .toMatchObject({ feature: "URING_CMD128", needs: "Linux 6.19" });
      return;
    }
    const fd = newSocket();
    expect((await failure(ring.uringCmd128(fd, 99, { payload: new Uint8Array(80) }), UringError)).syscall)
      .toBe("uring_cmd128");
    await ring.closeFd(fd);
    await using small = new Ring();
    expect(thrown(() => small.uringCmd128(0, 0), TypeError).message).toMatch(/open the ring with \{ sqe128: true \}/);
  });
});

describe("commands of block devices", () => {
  test("cmdDiscard() gives a range up: it reads as zeros then", async () => {
    await using ring = new Ring();
    if (!hasCommands(ring)) return;
    using folder = new TempFolder();
    const path = folder.write("image", pattern(1 << 20));
    const device = loopDevice(path);
    if (device === undefined) return; // no loop devices here: the test below has what is left
    const fd = await ring.openat(AT.FDCWD, device, O.RDWR);
    const discarded = await ring.cmdDiscard(fd, 8192, 16384n).catch((error) => error);
    // Discarding came in Linux 6.12; not every file system below can punch holes.
    if (discarded instanceof UringError) expect(discarded.code).toMatch(/EOPNOTSUPP|EINVAL|ENOTTY/);
    else {
      expect(discarded).toBe(0);
      expect(folder.read("image").subarray(8192, 24576)).toEqual(new Uint8Array(16384));
      expect(folder.read("image").subarray(0, 8192)).toEqual(pattern(8192));
      expect(folder.read("image").subarray(24576, 32768)).toEqual(pattern(8192, 24576));
      const generic = { addr: 40960, payload: u64(4096n) };
      expect(await ring.uringCmd(fd, BLOCK_URING_CMD.DISCARD, generic), "the same by hand").toBe(0);
      expect(folder.read("image").subarray(40960, 45056)).toEqual(new Uint8Array(4096));
      expect(await failure(ring.cmdDiscard(fd, 1, 512), UringError)).toMatchObject({ code: "EINVAL" });
      expect(await failure(ring.cmdDiscard(fd, 1 << 20, 4096), UringError)).toMatchObject({ code: "EINVAL" });
      const reading = await ring.openat(AT.FDCWD, device, O.RDONLY);
      expect((await failure(ring.cmdDiscard(reading, 0, 4096), UringError)).code).toMatch(/EBADF|EPERM/);
      await ring.closeFd(reading);
    }
    expect((await failure(ring.cmdZoneResetAll(fd), UringError)).code, "it has no zones")
      .toMatch(/EOPNOTSUPP|EINVAL|ENOTTY/);
    await ring.closeFd(fd);
  });

  test("reject for what is no block device", async () => {
    await using ring = new Ring();
    if (!hasCommands(ring)) return;
    using folder = new TempFolder();
    folder.write("file", pattern(8192));
    const fd = folder.open("file", "r+");
    expect(await failure(ring.cmdDiscard(fd, 0, 4096), UringError)).toMatchObject({ code: "EOPNOTSUPP", fd });
    expect(await failure(ring.cmdZoneResetAll(fd), UringError)).toMatchObject({ code: "EOPNOTSUPP", fd });
    expect(folder.read("file")).toEqual(pattern(8192));
    expect(thrown(() => ring.cmdDiscard(fd, -1, 1), RangeError).message).toMatch(/^offset must not be -1/);
    expect(thrown(() => ring.cmdDiscard(fd, 0, 0.5), TypeError).message).toMatch(/^nbytes must be an integer/);
  });
});
