import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AF, BufferPool, Ring, scmRights, SHUT, SOCK } from "../../mod.ts";
import { type ErrorClass, thrown, watch } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import { Net } from "../support/sockaddr.ts";

/** The calls take anything, as they do from JavaScript. */
// deno-lint-ignore no-explicit-any -- the point of these tests
type Any = any;
type Call = (ring: Any, fd: number) => unknown;
type Row = [name: string, call: Call, type: ErrorClass<Error>, message: RegExp];

const bytes = () => new Uint8Array(8);
const address = { hostname: "127.0.0.1", port: 1 };

/** Whether the kernel sends messages from registered buffers: where it does not, nothing else of a call matters. */
const HAS_FIXED_MESSAGES: boolean = (() => {
  using ring = new Ring();
  return ring.probe().op("READV_FIXED").supported;
})();

/** One for all: a refused call leaves it as it was. */
let net: Net;
let client: number;
let server: number;

const hasSockets = hasOp("SOCKET");

beforeAll(async () => {
  net = new Net();
  if (!hasSockets) return;
  [client, server] = await net.pair("unix");
});
afterAll(() => net[Symbol.asyncDispose]());

/** Throws at once, names the argument, reaches no kernel, and disturbs nothing on the same ring. */
async function expectRefused(call: Call, type: ErrorClass<Error>, message: RegExp): Promise<void> {
  const { ring } = net;
  const waiting = ring.recv(server, bytes());
  const outcome = watch(waiting);
  try {
    await ring.nop();
    const staged = ring.nop();
    const { submitted, completed, inFlight, turns } = ring.stats;
    expect(thrown(() => call(ring, client), type).message).toMatch(message);
    expect(ring.stats).toMatchObject({ submitted, completed, inFlight, turns });
    expect(await staged, "what was asked for in the same turn goes on").toBe(0);
    expect(outcome.state, "what waits goes on waiting").toBe("pending");
  } finally {
    await ring.send(client, new Uint8Array(4));
    expect(await waiting).toBe(4);
  }
  expect(ring.stats.inFlight).toBe(0);
}

function table(title: string, rows: Row[]): void {
  describe.skipIf(!hasSockets)(title, () => {
    test.each(rows)("%s", (_, call, type, message) => expectRefused(call, type, message));
  });
}

function detached(): Uint8Array {
  const view = new Uint8Array(64);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function resizable(): Uint8Array {
  const Resizable = ArrayBuffer as unknown as new (length: number, o: { maxByteLength: number }) => ArrayBuffer;
  return new Uint8Array(new Resizable(64, { maxByteLength: 128 }));
}

const TAKES_FD: [string, (ring: Any, fd: unknown) => unknown][] = [
  ["bind", (ring, fd) => ring.bind(fd, address)],
  ["listen", (ring, fd) => ring.listen(fd)],
  ["accept", (ring, fd) => ring.accept(fd)],
  ["acceptFrom", (ring, fd) => ring.acceptFrom(fd)],
  ["connect", (ring, fd) => ring.connect(fd, address)],
  ["shutdown", (ring, fd) => ring.shutdown(fd, SHUT.WR)],
  ["send", (ring, fd) => ring.send(fd, bytes())],
  ["recv", (ring, fd) => ring.recv(fd, bytes())],
  ["sendmsg", (ring, fd) => ring.sendmsg(fd, { buffers: [bytes()] })],
  ["recvmsg", (ring, fd) => ring.recvmsg(fd, { buffers: [bytes()] })],
  ["sendZc", (ring, fd) => ring.sendZc(fd, bytes())],
  ["sendZcFixed", (ring, fd) => ring.sendZcFixed(fd, bytes(), 0, { bufIndex: 0 })],
  ["sendmsgZc", (ring, fd) => ring.sendmsgZc(fd, { buffers: [bytes()] })],
  ["sendmsgZcFixed", (ring, fd) => ring.sendmsgZcFixed(fd, { buffers: [bytes()] }, 0, { bufIndex: 0 })],
];

table(
  "a descriptor that is none",
  TAKES_FD.flatMap(([method, call]) =>
    ([["1.5", 1.5], ["2^31", 2 ** 31], ["text", "3"], ["null", null], ["an object", { fd: 3 }]] as const).map((
      [what, fd],
    ): Row => [`${method}() refuses ${what}`, (ring) => call(ring, fd), TypeError, /^fd must be/])
  ),
);

const TAKES_BUFFER: [string, (ring: Any, fd: number, buffer: unknown) => unknown, name: string, empty: boolean][] = [
  ["send()", (ring, fd, buffer) => ring.send(fd, buffer), "buffer", true],
  ["send() of several", (ring, fd, buffer) => ring.send(fd, [bytes(), buffer]), "buffer\\[1\\]", true],
  ["send() to", (ring, fd, buffer) => ring.send(fd, buffer, 0, { to: address }), "buffer", true],
  ["recv()", (ring, fd, buffer) => ring.recv(fd, buffer), "buffer", false],
  ["recv() with options", (ring, fd, buffer) => ring.recv(fd, buffer, 0, {}), "buffer", false],
  ["sendmsg()", (ring, fd, buffer) => ring.sendmsg(fd, { buffers: [buffer] }), "msg.buffers\\[0\\]", true],
  ["recvmsg()", (ring, fd, buffer) => ring.recvmsg(fd, { buffers: [bytes(), buffer] }), "msg.buffers\\[1\\]", true],
  ["sendZc()", (ring, fd, buffer) => ring.sendZc(fd, buffer), "buffer", true],
  ["sendZcFixed()", (ring, fd, buffer) => ring.sendZcFixed(fd, buffer), "buffer", false],
  ["sendmsgZc()", (ring, fd, buffer) => ring.sendmsgZc(fd, { buffers: [buffer] }), "msg.buffers\\[0\\]", true],
];

const NO_BUFFERS: [string, () => unknown, ErrorClass<Error>, RegExp][] = [
  ["a detached one", detached, TypeError, /is detached/],
  ["a detached ArrayBuffer", () => detached().buffer, TypeError, /is detached/],
  ["a resizable one", resizable, TypeError, /is resizable/],
  ["text", () => "12345678", TypeError, /must be a typed array/],
  ["an object with a byteLength", () => ({ byteLength: 8 }), TypeError, /must be a typed array/],
  ["null", () => null, TypeError, /must be a typed array.*not null/],
  ["undefined", () => undefined, TypeError, /must be a typed array.*not undefined/],
];

table(
  "a buffer that can't be",
  TAKES_BUFFER.flatMap(([method, call, name, empty]) =>
    [...NO_BUFFERS, ["an empty one", () => new Uint8Array(0), RangeError, /has length 0/] as const]
      .filter(([what]) => !(empty && what === "an empty one"))
      .map(([what, buffer, type, message]): Row => [
        `${method} refuses ${what}`,
        (ring, fd) => call(ring, fd, buffer()),
        type,
        new RegExp(`^${name} ${message.source}`),
      ])
  ),
);

const TAKES_FLAGS: [string, (ring: Any, fd: number, flags: unknown) => unknown][] = [
  ["send()", (ring, fd, flags) => ring.send(fd, bytes(), flags)],
  ["recv()", (ring, fd, flags) => ring.recv(fd, bytes(), flags)],
  ["sendmsg()", (ring, fd, flags) => ring.sendmsg(fd, { buffers: [] }, flags)],
  ["recvmsg()", (ring, fd, flags) => ring.recvmsg(fd, { buffers: [] }, flags)],
  ["sendZc()", (ring, fd, flags) => ring.sendZc(fd, bytes(), flags)],
  ["sendZcFixed()", (ring, fd, flags) => ring.sendZcFixed(fd, bytes(), flags)],
  ["sendmsgZc()", (ring, fd, flags) => ring.sendmsgZc(fd, { buffers: [] }, flags)],
  ["sendmsgZcFixed()", (ring, fd, flags) => ring.sendmsgZcFixed(fd, { buffers: [] }, flags)],
];

table(
  "flags that can't be",
  TAKES_FLAGS.flatMap(([method, call]): Row[] => [
    [`${method} refuses text`, (ring, fd) => call(ring, fd, "0"), TypeError, /^flags must be a number, not "0"/],
    [`${method} refuses 2^32`, (ring, fd) => call(ring, fd, 2 ** 32), RangeError, /^flags must be from/],
    [`${method} refuses 0.5`, (ring, fd) => call(ring, fd, 0.5), TypeError, /^flags must be an integer/],
  ]),
);

table("other arguments", [
  ["socket() refuses a negative domain", (ring) => ring.socket(-1, SOCK.STREAM), RangeError, /^domain must be from 0/],
  ["socket() refuses a type of text", (ring) => ring.socket(AF.INET, "stream"), TypeError, /^type must be a number/],
  ["socket() refuses a protocol of 0.5", (ring) => ring.socket(AF.INET, 1, 0.5), TypeError, /^protocol must be/],
  ["socket() refuses slot -1", (ring) => ring.socket(AF.INET, 1, 0, { slot: -1 }), RangeError, /^slot must be from 0/],
  [
    "socket() refuses a slot of text",
    (ring) => ring.socket(AF.INET, 1, 0, { slot: "any" }),
    TypeError,
    /^slot.*"alloc"/,
  ],
  [
    "bind() refuses a name",
    (ring, fd) => ring.bind(fd, { hostname: "localhost", port: 1 }),
    TypeError,
    /^address.host/,
  ],
  ["connect() refuses no address", (ring, fd) => ring.connect(fd), TypeError, /^address must be.*not undefined/],
  ["listen() refuses a negative backlog", (ring, fd) => ring.listen(fd, -1), RangeError, /^backlog must be from 0/],
  [
    "shutdown() refuses 3",
    (ring, fd) => ring.shutdown(fd, 3),
    RangeError,
    /^how must be SHUT.RD, SHUT.WR or SHUT.RDWR/,
  ],
  ["shutdown() refuses nothing", (ring, fd) => ring.shutdown(fd), TypeError, /^how must be a number, not undefined/],
  ["accept() refuses slot 2^32", (ring, fd) => ring.accept(fd, { slot: 2 ** 32 }), RangeError, /^slot must be from 0/],
  ["accept() refuses flags of text", (ring, fd) => ring.accept(fd, { acceptFlags: "x" }), TypeError, /^acceptFlags/],
  [
    "acceptFrom() refuses a slot of null",
    (ring, fd) => ring.acceptFrom(fd, { slot: null }),
    TypeError,
    /^slot must be/,
  ],
  [
    "send() refuses a wrong `to`",
    (ring, fd) => ring.send(fd, bytes(), 0, { to: { path: "" } }),
    TypeError,
    /^to.path is/,
  ],
  ["sendZc() refuses a wrong `to`", (ring, fd) => ring.sendZc(fd, bytes(), 0, { to: 3 }), TypeError, /^to must be/],
  [
    "sendZc() refuses onSent: 1",
    (ring, fd) => ring.sendZc(fd, bytes(), 0, { onSent: 1 }),
    TypeError,
    /^onSent must be a f/,
  ],
  [
    "sendmsgZc() refuses reportUsage: true",
    (ring, fd) => ring.sendmsgZc(fd, { buffers: [] }, 0, { reportUsage: true }),
    TypeError,
    /^reportUsage must be a function, not a boolean/,
  ],
  [
    "sendZcFixed() refuses bufIndex 65536",
    (ring, fd) => ring.sendZcFixed(fd, bytes(), 0, { bufIndex: 65536 }),
    RangeError,
    /^bufIndex must be from 0 to 65535/,
  ],
  [
    "sendZcFixed() refuses a buffer of another ring's pool",
    (ring, fd) => ring.sendZcFixed(fd, new BufferPool({ size: 8, count: 1 }).acquire()),
    TypeError,
    /^buffer is not registered with this ring/,
  ],
  ["sendmsg() refuses no message", (ring, fd) => ring.sendmsg(fd), TypeError, /^msg must be \{ buffers/],
  [
    "sendmsg() refuses a buffer alone",
    (ring, fd) => ring.sendmsg(fd, bytes()),
    TypeError,
    /^msg.buffers must be an array/,
  ],
  ["recvmsg() refuses null", (ring, fd) => ring.recvmsg(fd, null), TypeError, /^msg must be/],
  [
    "sendmsg() refuses 1025 buffers",
    (ring, fd) => ring.sendmsg(fd, { buffers: new Array(1025).fill(bytes()) }),
    RangeError,
    /^msg.buffers must hold at most 1024 buffers, not 1025: split/,
  ],
  [
    "recvmsg() refuses holes",
    (ring, fd) => ring.recvmsg(fd, { buffers: new Array(2) }),
    TypeError,
    /^msg.buffers\[0\] must be a typed array/,
  ],
  [
    "sendmsg() refuses a wrong name",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], name: { hostname: "x", port: 1 } }),
    TypeError,
    /^msg.name.hostname must be/,
  ],
  [
    "sendmsg() refuses control that is no array",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], control: scmRights([1]) }),
    TypeError,
    /^msg.control must be an array/,
  ],
  [
    "sendmsg() refuses control without data",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], control: [{ level: 1, type: 1 }] }),
    TypeError,
    /^msg.control\[0\].data must be a typed array/,
  ],
  [
    "sendmsg() refuses a level of text",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], control: [{ level: "1", type: 1, data: bytes() }] }),
    TypeError,
    /^msg.control\[0\].level must be an integer/,
  ],
  [
    "sendmsg() refuses null among control",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], control: [null] }),
    TypeError,
    /^msg.control\[0\] must be \{ level, type, data \}/,
  ],
  [
    "sendmsg() refuses 17 kB of control",
    (ring, fd) => ring.sendmsg(fd, { buffers: [], control: [{ level: 1, type: 1, data: new Uint8Array(17_000) }] }),
    RangeError,
    /^msg.control takes 17016 bytes; at most 16200/,
  ],
  [
    "recvmsg() refuses room beyond that",
    (ring, fd) => ring.recvmsg(fd, { buffers: [], control: 16_201 }),
    RangeError,
    /^msg.control must be from 0 to 16200, not 16201/,
  ],
]);

table(
  "options that can't be",
  TAKES_FD.filter(([method]) => HAS_FIXED_MESSAGES || method !== "sendmsgZcFixed").flatMap(([method]) => {
    const args: Record<string, unknown[]> = {
      bind: [address],
      listen: [5],
      accept: [],
      acceptFrom: [],
      connect: [address],
      shutdown: [SHUT.WR],
      send: [bytes(), 0],
      recv: [bytes(), 0],
      sendmsg: [{ buffers: [] }, 0],
      recvmsg: [{ buffers: [] }, 0],
      sendZc: [bytes(), 0],
      sendZcFixed: [bytes(), 0],
      sendmsgZc: [{ buffers: [] }, 0],
      sendmsgZcFixed: [{ buffers: [] }, 0],
    };
    const call = (o: object): Call => (ring, fd) => ring[method](fd, ...args[method]!, { bufIndex: 0, ...o });
    return [
      [`${method}() refuses a negative timeout`, call({ timeout: -1 }), RangeError, /^timeout must be from 0/],
      [`${method}() refuses a signal that is none`, call({ signal: {} }), TypeError, /^signal must be an AbortSignal/],
      [`${method}() refuses flags 0x80`, call({ flags: 0x80 }), RangeError, /^flags 0x80 is no IOSQE flag/],
    ] as Row[];
  }),
);
