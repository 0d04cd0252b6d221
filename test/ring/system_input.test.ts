import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BufferPool, type IORING_OP, Ring } from "../../mod.ts";
import { type ErrorClass, thrown } from "../support/failure.ts";

/** The calls take anything, as they do from JavaScript. */
// deno-lint-ignore no-explicit-any -- the point of these tests
type Any = any;
type Row = [
  name: string,
  op: keyof typeof IORING_OP,
  call: (ring: Any) => unknown,
  type: ErrorClass<Error>,
  message: RegExp,
];

let ring: Ring;

beforeAll(() => void (ring = new Ring()));
afterAll(() => ring.close());

const bytes = () => new Uint8Array(8);
const words = () => new Int32Array(new SharedArrayBuffer(16));

function detached(): Int32Array {
  const view = new Int32Array(16);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function growable(): Int32Array {
  const Growable = SharedArrayBuffer as unknown as new (length: number, o: object) => SharedArrayBuffer;
  return new Int32Array(new Growable(64, { maxByteLength: 128 }));
}

function table(title: string, rows: Row[]): void {
  describe(title, () => {
    test.each(rows)("%s", async (_, op, call, type, message) => {
      if (!ring.probe().op(op).supported) return; // refused for that: see system_operations.test.ts
      const { submitted } = ring.stats;
      expect(thrown(() => call(ring), type).message).toMatch(message);
      expect(await ring.nop(), "what comes after goes on").toBe(0);
      expect(ring.stats).toMatchObject({ submitted: submitted + 1, inFlight: 0 });
    });
  });
}

table("splice(), tee(), pipe()", [
  ["fdIn", "SPLICE", (ring) => ring.splice(1.5, 0, 1, 0, 1), TypeError, /^fdIn must be an integer/],
  ["fdOut", "SPLICE", (ring) => ring.splice(1, 0, "1", 0, 1), TypeError, /^fdOut must be an integer/],
  ["offIn -1", "SPLICE", (ring) => ring.splice(1, -1, 1, 0, 1), RangeError, /^offIn must not be -1: .*"current"/],
  ["offOut text", "SPLICE", (ring) => ring.splice(1, 0, 1, "end", 1), TypeError, /^offOut must be a number or bigint/],
  ["nbytes 2^32", "SPLICE", (ring) => ring.splice(1, 0, 1, 0, 2 ** 32), RangeError, /^nbytes must be from 0/],
  ["nbytes left out", "SPLICE", (ring) => ring.splice(1, 0, 1, 0), TypeError, /^nbytes must be a number/],
  ["flags", "SPLICE", (ring) => ring.splice(1, 0, 1, 0, 1, 0.5), TypeError, /^flags must be an integer/],
  ["tee's fdIn", "TEE", (ring) => ring.tee(null, 1, 1), TypeError, /^fdIn must be an integer/],
  ["tee's nbytes", "TEE", (ring) => ring.tee(1, 1, -1), RangeError, /^nbytes must be from 0/],
  ["pipe's flags", "PIPE", (ring) => ring.pipe("x"), TypeError, /^flags must be a number/],
  ["pipe's slot", "PIPE", (ring) => ring.pipe(0, { slot: "any" }), TypeError, /^slot must be a number or "alloc"/],
  ["pipe's slot -1", "PIPE", (ring) => ring.pipe(0, { slot: -1 }), RangeError, /^slot must be from 0/],
]);

table("extended attributes", [
  ["a path that is a number", "GETXATTR", (ring) => ring.getxattr(3, "user.a"), TypeError, /^path must be a string/],
  ["no path", "GETXATTR", (ring) => ring.getxattr("", "user.a"), TypeError, /^path is empty/],
  ["no name", "GETXATTR", (ring) => ring.getxattr("/", ""), TypeError, /^name is empty/],
  ["a NUL in a name", "GETXATTR", (ring) => ring.getxattr("/", "user.\0"), TypeError, /^name contains a NUL/],
  ["a name of 256", "GETXATTR", (ring) => ring.getxattr("/", "n".repeat(256)), RangeError, /256 bytes long; .* 255/],
  ["a name that is none", "GETXATTR", (ring) => ring.getxattr("/", 5), TypeError, /^name must be a string/],
  [
    "a buffer that is empty",
    "GETXATTR",
    (ring) => ring.getxattr("/", "user.a", new Uint8Array(0)),
    RangeError,
    /length 0/,
  ],
  ["a buffer that is none", "FGETXATTR", (ring) => ring.fgetxattr(0, "user.a", "x"), TypeError, /^buffer must be/],
  ["a descriptor", "FGETXATTR", (ring) => ring.fgetxattr("/", "user.a"), TypeError, /^fd must be an integer/],
  ["no value", "SETXATTR", (ring) => ring.setxattr("/", "user.a"), TypeError, /^value must be/],
  ["a value that is a number", "SETXATTR", (ring) => ring.setxattr("/", "user.a", 5), TypeError, /^value must be/],
  [
    "a value that is detached",
    "SETXATTR",
    (ring) => ring.setxattr("/", "user.a", detached()),
    TypeError,
    /^value is detached/,
  ],
  [
    "a value of 65537 bytes",
    "SETXATTR",
    (ring) => ring.setxattr("/", "user.a", new Uint8Array(65537)),
    RangeError,
    /^value is 65537 bytes long; .* 65536/,
  ],
  ["flags", "FSETXATTR", (ring) => ring.fsetxattr(0, "user.a", "", -1), RangeError, /^flags must be from 0/],
]);

table("futexes", [
  [
    "memory that is bytes",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(bytes(), 0, 0),
    TypeError,
    /^memory must be an Int32Array/,
  ],
  [
    "memory of one thread",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(new Int32Array(4), 0, 0),
    TypeError,
    /^memory belongs to one thread alone, .* SharedArrayBuffer, or a BufferPool's$/,
  ],
  [
    "memory that is detached",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(detached(), 0, 0),
    RangeError,
    /^memory has length 0/,
  ],
  ["memory that may grow", "FUTEX_WAIT", (ring) => ring.futexWait(growable(), 0, 0), TypeError, /^memory is resizable/],
  ["an index beyond", "FUTEX_WAIT", (ring) => ring.futexWait(words(), 4, 0), RangeError, /^index must be from 0 to 3/],
  ["an index of -1", "FUTEX_WAKE", (ring) => ring.futexWake(words(), -1), RangeError, /^index must be from 0 to 3/],
  [
    "the last index with NUMA, which takes two words",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(words(), 3, 0, { futexFlags: 0x86 }),
    RangeError,
    /^index must be from 0 to 2/,
  ],
  ["a value beyond", "FUTEX_WAIT", (ring) => ring.futexWait(words(), 0, 2 ** 32), RangeError, /^value must be from/],
  [
    "a value that is a bigint",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(words(), 0, 0n),
    TypeError,
    /^value must be a number/,
  ],
  [
    "a mask of 0",
    "FUTEX_WAIT",
    (ring) => ring.futexWait(words(), 0, 0, { mask: 0 }),
    RangeError,
    /^mask must not be 0/,
  ],
  [
    "flags",
    "FUTEX_WAKE",
    (ring) => ring.futexWake(words(), 0, 1, { futexFlags: -1 }),
    RangeError,
    /^futexFlags must be/,
  ],
  ["a count of 2^31", "FUTEX_WAKE", (ring) => ring.futexWake(words(), 0, 2 ** 31), RangeError, /^count must be from 0/],
  ["a count without end", "FUTEX_WAKE", (ring) => ring.futexWake(words(), 0, Infinity), TypeError, /^count must be/],
  ["waiters that are none", "FUTEX_WAITV", (ring) => ring.futexWaitv({}), TypeError, /^waiters must be an array/],
  [
    "no waiters",
    "FUTEX_WAITV",
    (ring) => ring.futexWaitv([]),
    RangeError,
    /^waiters must hold 1 to 128 futexes, not 0/,
  ],
  ["129 waiters", "FUTEX_WAITV", (ring) => ring.futexWaitv(new Array(129)), RangeError, /not 129/],
  [
    "a hole among them",
    "FUTEX_WAITV",
    (ring) => ring.futexWaitv(new Array(2)),
    TypeError,
    /^waiters\[0\] must be an object/,
  ],
  [
    "a waiter without memory",
    "FUTEX_WAITV",
    (ring) => ring.futexWaitv([{ memory: words(), index: 0, value: 0 }, { index: 0, value: 0 }]),
    TypeError,
    /^waiters\[1\].memory must be an Int32Array/,
  ],
  [
    "a waiter's index",
    "FUTEX_WAITV",
    (ring) => ring.futexWaitv([{ memory: words(), index: 9, value: 0 }]),
    RangeError,
    /^waiters\[0\].index must be from 0 to 3/,
  ],
]);

table("waitid(), epoll sets, other rings", [
  ["an idtype of 4", "WAITID", (ring) => ring.waitid(4, 0), RangeError, /^idtype must be from 0 to 3/],
  ["an id of text", "WAITID", (ring) => ring.waitid(1, "1"), TypeError, /^id must be an integer/],
  ["options", "WAITID", (ring) => ring.waitid(1, 1, 0.5), TypeError, /^options must be an integer/],
  ["an epfd", "EPOLL_CTL", (ring) => ring.epollCtl(0.5, 0, 1, { events: 1 }), TypeError, /^epfd must be an integer/],
  [
    "a command of 4",
    "EPOLL_CTL",
    (ring) => ring.epollCtl(0, 0, 4, { events: 1 }),
    RangeError,
    /^op must be from 1 to 3/,
  ],
  ["no event", "EPOLL_CTL", (ring) => ring.epollCtl(0, 0, 1), TypeError, /^event must be given with ADD and MOD/],
  ["an event that is null", "EPOLL_CTL", (ring) => ring.epollCtl(0, 0, 1, null), TypeError, /^event must be an object/],
  ["events", "EPOLL_CTL", (ring) => ring.epollCtl(0, 0, 1, {}), TypeError, /^event.events must be a number/],
  [
    "data of 2^64",
    "EPOLL_CTL",
    (ring) => ring.epollCtl(0, 0, 1, { events: 1, data: 2n ** 64n }),
    RangeError,
    /^event.data must be from 0 to 2\^64 - 1/,
  ],
  [
    "data that are inexact",
    "EPOLL_CTL",
    (ring) => ring.epollCtl(0, 0, 1, { events: 1, data: 2 ** 53 }),
    RangeError,
    /give a bigint/,
  ],
  [
    "data of text",
    "EPOLL_CTL",
    (ring) => ring.epollCtl(0, 0, 1, { events: 1, data: "" }),
    TypeError,
    /^event.data must be/,
  ],
  [
    "no events asked for",
    "EPOLL_WAIT",
    (ring) => ring.epollWait(0, 0),
    RangeError,
    /^maxEvents must be from 1 to 1024/,
  ],
  ["1025 events", "EPOLL_WAIT", (ring) => ring.epollWait(0, 1025), RangeError, /not 1025/],
  ["a target that is none", "MSG_RING", (ring) => ring.msgRing({}, 0, 0), TypeError, /^target must be a Ring or its/],
  ["a target of null", "MSG_RING", (ring) => ring.msgRing(null, 0, 0), TypeError, /^target must be a Ring/],
  ["a target of 0.5", "MSG_RING", (ring) => ring.msgRing(0.5, 0, 0), TypeError, /^target must be an integer/],
  ["a result beyond", "MSG_RING", (ring) => ring.msgRing(0, 2 ** 32, 0), RangeError, /^length must be from/],
  ["data of -1", "MSG_RING", (ring) => ring.msgRing(0, 0, -1), RangeError, /^data must be from 0 to 2\^62 - 1, not -1/],
  [
    "data of 2^62",
    "MSG_RING",
    (ring) => ring.msgRing(0, 0, 2n ** 62n),
    RangeError,
    /^data must be from 0 to 2\^62 - 1/,
  ],
  ["inexact data", "MSG_RING", (ring) => ring.msgRing(0, 0, 2 ** 53), RangeError, /give a bigint/],
  ["data of 0.5", "MSG_RING", (ring) => ring.msgRing(0, 0, 0.5), TypeError, /^data must be an integer/],
  ["data of text", "MSG_RING", (ring) => ring.msgRing(0, 0, "1"), TypeError, /^data must be a number or bigint/],
  ["CQE flags", "MSG_RING", (ring) => ring.msgRingCqeFlags(0, 0, 0, -1), RangeError, /^cqeFlags must be from 0/],
  ["a source slot", "MSG_RING", (ring) => ring.msgRingFd(0, -1, 0, 0), RangeError, /^sourceSlot must be from 0/],
  ["a target slot", "MSG_RING", (ring) => ring.msgRingFd(0, 0, "any", 0), TypeError, /^targetSlot must be a number or/],
]);

table("registered files", [
  ["an empty slot's number", "CLOSE", (ring) => ring.closeDirect(-1), RangeError, /^slot must be from 0/],
  ["a slot of text", "CLOSE", (ring) => ring.closeDirect("alloc"), TypeError, /^slot must be a number/],
  ["fds that are none", "FILES_UPDATE", (ring) => ring.filesUpdate(3, 0), TypeError, /^fds must be an array/],
  ["no fds", "FILES_UPDATE", (ring) => ring.filesUpdate([], 0), RangeError, /^fds is empty/],
  [
    "an fd of -3",
    "FILES_UPDATE",
    (ring) => ring.filesUpdate([1, -3], 0),
    RangeError,
    /^fds\[1\] must be a descriptor, -1/,
  ],
  ["a hole", "FILES_UPDATE", (ring) => ring.filesUpdate(new Array(1), 0), TypeError, /^fds\[0\] must be an integer/],
  ["a first slot of -1", "FILES_UPDATE", (ring) => ring.filesUpdate([1], -1), RangeError, /^first must be from 0/],
  ["a slot to install", "FIXED_FD_INSTALL", (ring) => ring.fixedFdInstall(0.5), TypeError, /^slot must be an integer/],
  ["flags of it", "FIXED_FD_INSTALL", (ring) => ring.fixedFdInstall(0, -1), RangeError, /^flags must be from 0/],
  [
    "openat's slot",
    "OPENAT",
    (ring) => ring.openat(-100, "/", 0, 0, { slot: 0.5 }),
    TypeError,
    /^slot must be an integer/,
  ],
  [
    "openat2's slot",
    "OPENAT2",
    (ring) => ring.openat2(-100, "/", {}, { slot: "x" }),
    TypeError,
    /^slot must be a number/,
  ],
]);

test("a call that is refused takes no memory with it: the same call can be refused for ever", async () => {
  const calls = [
    () => ring.getxattr("a\0", "user.a"),
    () => ring.setxattr("/", "user.a", "", 0, { flags: 0x80 }),
    () => ring.getxattr("/", "user.a", undefined, { flags: 0x80 }),
    () => ring.futexWaitv([{ memory: words(), index: 9, value: 0 }]),
    () => ring.waitid(1, 1, 4, { flags: 0x80 }),
    () => ring.epollCtl(0, 0, 1, { events: 1 }, { flags: 0x80 }),
    () => ring.pipe(0, { flags: 0x80 }),
  ];
  const before = await ring.nop().then(() => ring.stats);
  for (let i = 0; i < 2000; i++) for (const call of calls) thrown(call, Error);
  expect(ring.stats).toMatchObject({ submitted: before.submitted, inFlight: 0 });
  using pool = new BufferPool({ size: 8, count: 1 });
  const fd = await ring.openat(-100, "/proc/self/stat", 0);
  expect(await ring.read(fd, pool.acquire(), 0)).toBe(8);
  await ring.closeFd(fd);
});
