import { describe, expect, test } from "vitest";
import { AF, AT, BufferPool, FileTable, type IORING_OP, O, P, Ring, SOCK, UnsupportedError } from "../../mod.ts";
import { thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";

const bytes = () => new Uint8Array(8);
const words = () => new Int32Array(new SharedArrayBuffer(8));

type Op = keyof typeof IORING_OP;
type Call = (ring: Ring) => unknown;

/** Each method whose op came after Linux 5.10: the op, the release that brought it, a call. */
const CALLS: readonly [op: Op, since: string, call: Call][] = [
  ["MKDIRAT", "5.15", (ring) => ring.mkdirat(AT.FDCWD, "/nowhere/new")],
  ["SYMLINKAT", "5.15", (ring) => ring.symlinkat("target", AT.FDCWD, "/nowhere/new")],
  ["LINKAT", "5.15", (ring) => ring.linkat(AT.FDCWD, "/nowhere/old", AT.FDCWD, "/nowhere/new")],
  ["MSG_RING", "5.18", (ring) => ring.msgRing(ring, 0, 1)],
  ["SOCKET", "5.19", (ring) => ring.socket(AF.INET, SOCK.STREAM)],
  ["GETXATTR", "5.19", (ring) => ring.getxattr("/nowhere", "user.name")],
  ["FGETXATTR", "5.19", (ring) => ring.fgetxattr(0, "user.name")],
  ["SETXATTR", "5.19", (ring) => ring.setxattr("/nowhere", "user.name", bytes())],
  ["FSETXATTR", "5.19", (ring) => ring.fsetxattr(0, "user.name", bytes())],
  ["URING_CMD", "5.19", (ring) => ring.uringCmd(0, 0)],
  ["SEND_ZC", "6.0", (ring) => ring.sendZc(0, bytes())],
  ["SENDMSG_ZC", "6.1", (ring) => ring.sendmsgZc(0, { buffers: [bytes()] })],
  ["WAITID", "6.7", (ring) => ring.waitid(P.ALL, 0)],
  ["FUTEX_WAIT", "6.7", (ring) => ring.futexWait(words(), 0, 0)],
  ["FUTEX_WAKE", "6.7", (ring) => ring.futexWake(words(), 0)],
  ["FUTEX_WAITV", "6.7", (ring) => ring.futexWaitv([{ memory: words(), index: 0, value: 0 }])],
  ["FIXED_FD_INSTALL", "6.8", (ring) => ring.fixedFdInstall(0)],
  ["FTRUNCATE", "6.9", (ring) => ring.ftruncate(0, 0)],
  ["EPOLL_WAIT", "6.15", (ring) => ring.epollWait(0, 1)],
  ["RECV_ZC", "6.15", (ring) => ring.recvZc(0, 0)],
  ["READV_FIXED", "6.15", (ring) => ring.readvFixed(0, [bytes()])],
  ["WRITEV_FIXED", "6.15", (ring) => ring.writevFixed(0, [bytes()])],
  ["PIPE", "6.16", (ring) => ring.pipe()],
];

describe("what this kernel lacks is refused by name, before anything is staged:", () => {
  const lacking = CALLS.filter(([op]) => !hasOp(op));

  test("ops", async () => {
    await using ring = new Ring();
    for (const [op, since, call] of lacking) {
      expect(thrown(() => call(ring), UnsupportedError)).toMatchObject({ feature: op, needs: `Linux ${since}` });
    }
    expect(await ring.nop()).toBe(0);
    expect(ring.stats.submitted).toBe(1);
  });

  test.skipIf(hasOp("SOCKET"))("slots and connections that the kernel is to choose", async () => {
    await using ring = new Ring();
    using _files = new FileTable(ring, { size: 4 });
    const alloc = { slot: "alloc" } as const;
    for (
      const [needs, call] of [
        ["Linux 5.19", () => ring.openat(AT.FDCWD, "/proc/self/stat", O.RDONLY, 0, alloc)],
        ["Linux 5.19", () => ring.openat2(AT.FDCWD, "/proc/self/stat", { flags: O.RDONLY }, alloc)],
        ["Linux 5.19", () => ring.accept(0, alloc)],
        ["Linux 5.19", () => ring.acceptMultishot(0)],
        ["Linux 6.0", () => ring.filesUpdate([0], "alloc")],
      ] as const
    ) expect(thrown(call, UnsupportedError)).toMatchObject({ needs });
    expect(ring.stats.submitted).toBe(0);
  });
});

test("a ring has tables of files and of buffers, whose places are empty at first, on every kernel", async () => {
  await using ring = new Ring();
  using files = new FileTable(ring, { size: 3 });
  using pool = new BufferPool({ ring, size: 64, count: 2 });
  const fd = await ring.openat(AT.FDCWD, "/proc/self/stat", O.RDONLY);
  files.set(2, fd);
  await ring.closeFd(fd);
  expect(await ring.readFixed(2, pool.acquire(), 0, { fixedFile: true })).toBe(64);
});
