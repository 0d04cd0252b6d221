import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  AbortError,
  AF,
  AT,
  BufferRing,
  IOSQE,
  type Multishot,
  type MultishotOptions,
  O,
  POLL,
  Ring,
  SOCK,
} from "../../mod.ts";
import { failure, failures, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp, hasStreams, hasTicks } from "../support/kernel.ts";
import { closeFd } from "../support/listener.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { aboutSockets, openedSince } from "../support/process_state.ts";
import { abstractAddress, Net } from "../support/sockaddr.ts";

/** Opens a ring, has it closed with operations in flight, and finds that no descriptor is left of these. */
async function leavesNoDescriptor(close: (ring: Ring) => Promise<void>): Promise<void> {
  const opened = openedSince();
  const ring = new Ring();
  await close(ring);
  expect(ring.closed).toBe(true);
  const left = opened();
  expect(left, aboutSockets(left)).toEqual([]);
}

describe("close() ends what nobody lets go on:", () => {
  const BYTES = new Uint8Array(4096);
  const FLAGS = [0, IOSQE.ASYNC];

  test("writes to a full pipe", async () => {
    using pipe = new Pipe();
    pipe.fill();
    await leavesNoDescriptor(async (ring) => {
      const errors = failures(
        FLAGS.map((flags) => ring.write(pipe.writeEnd, BYTES, "current", { flags })),
        AbortError,
      );
      await ring.timeout(5);
      expect(ring.stats.inFlight).toBe(2);
      await ring.close();
      await errors;
    });
  });

  test.skipIf(!hasOp("SOCKET"))("sends on a full socket", async () => {
    await using net = new Net();
    const [client] = await net.pair("unix");
    let last;
    do {
      const send = net.ring.send(client, new Uint8Array(65_536));
      last = watch(send);
      await net.ring.timeout(1);
    } while (last.state !== "pending");
    await leavesNoDescriptor(async (ring) => {
      const errors = failures(FLAGS.map((flags) => ring.send(client, BYTES, 0, { flags })), AbortError);
      await ring.timeout(5);
      expect(ring.stats.inFlight).toBe(2);
      await ring.close();
      await errors;
    });
    await net.ring.close();
    expect(last).toMatchObject({ state: "rejected", value: expect.any(AbortError) });
  });

  test("opens of a FIFO that nobody else opens", async () => {
    using folder = new TempFolder();
    const [one, other] = [folder.at("one"), folder.at("other")];
    execFileSync("mkfifo", [one, other]);
    await leavesNoDescriptor(async (ring) => {
      // The kernel tries it with O_NONBLOCK first, and such an open for reading does not wait.
      const atOnce = ring.openat(AT.FDCWD, one, O.RDONLY).then(
        closeFd,
        (error) => expect(error.name).toBe("AbortError"),
      );
      const open = (path: string, how: number) => ring.openat(AT.FDCWD, path, how, 0, { flags: IOSQE.ASYNC });
      const errors = failures([open(one, O.RDONLY), open(other, O.WRONLY)], AbortError);
      await ring.timeout(5);
      expect(ring.stats.inFlight).toBeGreaterThanOrEqual(2);
      await ring.close();
      await errors;
      await atOnce;
    });
  });
});

/** What is looked at of a stream, whatever its values. */
type Stream = Pick<Multishot<unknown>, "arms" | "ended" | "next" | "return">;

/** What a stream is begun on, and how. */
interface StreamKind {
  readonly name: string;
  readonly has: boolean;
  readonly fd: (net: Net, pipe: Pipe) => Promise<number>;
  readonly start: (ring: Ring, fd: number, o: MultishotOptions<unknown>) => Stream;
}

const pipeEnd = (_: Net, { readEnd }: Pipe) => Promise.resolve(readEnd);
const buffersOf = (ring: Ring) => new BufferRing({ ring, size: 256, count: 2 });

async function datagrams(net: Net): Promise<number> {
  const fd = await net.socket(AF.UNIX, SOCK.DGRAM);
  await net.ring.bind(fd, abstractAddress());
  return fd;
}

const STREAMS: readonly StreamKind[] = [
  { name: "pollMultishot", has: true, fd: pipeEnd, start: (ring, fd, o) => ring.pollMultishot(fd, POLL.IN, o) },
  {
    name: "acceptMultishot",
    has: hasOp("SOCKET"),
    fd: async (net) => (await net.listener("unix")).fd,
    start: (ring, fd, o) => ring.acceptMultishot(fd, o),
  },
  {
    name: "recvMultishot",
    has: hasStreams,
    fd: async (net) => (await net.pair("unix"))[0],
    start: (ring, fd, o) => ring.recvMultishot(fd, buffersOf(ring), 0, o),
  },
  {
    name: "recvmsgMultishot",
    has: hasStreams,
    fd: datagrams,
    start: (ring, fd, o) => ring.recvmsgMultishot(fd, buffersOf(ring), 0, o),
  },
  {
    name: "readMultishot",
    has: hasOp("READ_MULTISHOT"),
    fd: pipeEnd,
    start: (ring, fd, o) => ring.readMultishot(fd, buffersOf(ring), o),
  },
  { name: "timeoutMultishot", has: hasTicks, fd: pipeEnd, start: (ring, _, o) => ring.timeoutMultishot(NEVER, o) },
];

describe.each(STREAMS.filter(({ has }) => has))("close() ends a $name that nothing comes on", ({ fd, start }) => {
  /** Begins it, closes its ring, and then sees what became of it. */
  async function closed(o: MultishotOptions<unknown>, see: (stream: Stream) => () => Promise<void>) {
    await using net = new Net();
    using pipe = new Pipe();
    const on = await fd(net, pipe);
    await leavesNoDescriptor(async (ring) => {
      const stream = start(ring, on, o);
      const seen = see(stream);
      await ring.nop();
      expect([stream.arms, ring.stats.inFlight]).toEqual([1, 1]);
      await ring.close();
      // An unhandled rejection would be told now, and fail this run.
      await new Promise((resolve) => setTimeout(resolve, 1));
      await seen();
      expect(await stream.return()).toEqual({ value: undefined, done: true });
    });
  }

  test("with an AbortError for who waits, told once", async () => {
    await closed({}, (stream) => {
      const next = failure(stream.next(), AbortError);
      const other = stream.next();
      return async () => {
        await next;
        for (const end of [other, stream.next()]) expect(await end).toEqual({ value: undefined, done: true });
      };
    });
  });

  test("with an AbortError for who asks later, and for `ended`", async () => {
    await closed({}, (stream) => async () => {
      await failure(stream.ended, AbortError);
      await failure(stream.next(), AbortError);
    });
  });

  test("that has a callback, with an AbortError for `ended`", async () => {
    const each = (value: unknown) => expect.fail(`called back with ${value}`);
    await closed({ each }, (stream) => async () => void await failure(stream.ended, AbortError));
  });
});
