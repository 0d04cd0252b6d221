import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { AT, IORING_SETUP, O } from "../../mod.ts";
import { BufferPool } from "../../src/memory/pool.ts";
import { giveScratch, takeScratch } from "../../src/memory/scratch.ts";
// Not the bundles of these, which have scratch memory of their own.
import { RawRings } from "../../src/ring/raw_rings.ts";
import { Ring } from "../../src/ring/ring.ts";
import { thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasSetup } from "../support/kernel.ts";

/** The pieces, one of each size, that are taken next: those that were given back last. */
function next(): number[] {
  const pieces = [64, 512, 4352, 16384].map(takeScratch);
  pieces.forEach(giveScratch);
  return pieces.map(({ address }) => address);
}

/** A view that says, when it is asked where it lies, what can't be. */
function lying(): Uint8Array {
  return Object.defineProperty(new Uint8Array(8), "byteOffset", { get: () => 1_000_000 });
}

/** What gives one thing when it is read first, and another the next time. */
function changing<T>(first: T, then: () => T): () => T {
  let reads = 0;
  return () => ++reads === 1 ? first : then();
}

describe("scratch memory is given back by an operation that is refused once it was taken", () => {
  const OF_RING: [string, (ring: Ring) => unknown][] = [
    ["a list of buffers with one that lies", (ring) => ring.readv(0, [new Uint8Array(8), lying()])],
    ["control messages that grow", (ring) => {
      const data = changing(new Uint8Array(4), () => new Uint8Array(1 << 16));
      const control = [{
        level: 1,
        type: 1,
        get data() {
          return data();
        },
      }];
      return ring.sendmsg(0, { buffers: [], control });
    }],
    ["options that throw", (ring) => {
      const options = {
        get flags(): number {
          throw new Error("mine");
        },
      };
      return ring.sendmsg(0, { buffers: [] }, 0, options);
    }],
  ];
  test.each(OF_RING)("%s", async (_, call) => {
    await using ring = new Ring();
    const before = next();
    thrown(() => call(ring), Error);
    expect(next()).toEqual(before);
  });

  const OF_RAW_RING: [string, (ring: RawRings) => unknown][] = [
    ["a list of buffers with one that lies", (ring) => ring.prepReadv(1, 0, [new Uint8Array(8), lying()], 2, 0)],
    [
      "a message with a name that lies",
      (ring) => ring.prepSendmsg(1, 0, { name: lying(), iov: [new Uint8Array(8)] }, 0),
    ],
    ["a value that lies", (ring) => ring.prepGetxattr(1, "name", lying(), "path", 8)],
    ["a time that prepares", (ring) =>
      ring.prepTimeout(
        1,
        {
          get ms() {
            return ring.prepNop(2), 1;
          },
        },
        0,
        0,
      )],
    ["a path that prepares", (ring) => {
      const path = new Uint8Array(8).fill(97);
      Object.defineProperty(path, "length", { get: () => (ring.prepNop(2), 8) });
      return ring.prepRename(1, "from", path);
    }],
  ];
  test.each(OF_RAW_RING)("RawRing: %s", (_, call) => {
    using ring = new RawRings({ entries: 32 });
    const before = next();
    thrown(() => call(ring), Error);
    expect(next()).toEqual(before);
  });
});

test("a path whose text can't be had a second time is opened all the same", async () => {
  await using ring = new Ring();
  using folder = new TempFolder();
  folder.write("file", "content");
  const url = pathToFileURL(folder.at("file"));
  let reads = 0;
  const { pathname } = url;
  Object.defineProperty(url, "pathname", {
    get() {
      if (++reads > 2) throw new Error("mine");
      return pathname;
    },
  });
  await ring.closeFd(await ring.openat(AT.FDCWD, url, O.RDONLY));
});

const ZCRX = { singleIssuer: true, deferTaskrun: true, cqe32: true };
const CAN_ASK = hasSetup(IORING_SETUP.CQE32 | IORING_SETUP.SINGLE_ISSUER | IORING_SETUP.DEFER_TASKRUN);

test.skipIf(!CAN_ASK)("registerZcrxIfq() keeps no scratch memory, whatever the kernel says", async () => {
  await using ring = new Ring(ZCRX);
  using pool = new BufferPool({ size: 4096, count: 1 });
  const before = next();
  try {
    ring.registerZcrxIfq({ interfaceIndex: 1, queue: 0, entries: 1, area: pool.acquire() });
  } catch {
    // loopback has no such queue
  }
  expect(next()).toEqual(before);
});

test("flags are read once, and IO_DRAIN is looked for there", async () => {
  await using ring = new Ring();
  let reads = 0;
  const options = {
    get flags() {
      reads++;
      return 0;
    },
  };
  expect(await ring.nop(options)).toBe(0);
  expect(reads).toBe(1);
});
