/** 18 to 23: rings at the wrong time, or in the wrong thread. */

import { expect } from "vitest";
import { AbortError, AT, BufferRing, FileTable, IORING_SETUP, POLL, Ring, RingClosedError } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { runChild } from "../support/child.ts";
import { failure, failures, thrown } from "../support/failure.ts";
import { hasOp, hasSetup } from "../support/kernel.ts";
import { BLOCKING, NEVER, type Operation, OPERATIONS, Stage } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps } from "../support/process_state.ts";
import { beside, type Case, cases, onlyIf, type Row, row, sharedStage } from "./row.ts";

const bytes = () => new Uint8Array(8);

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

// 18: after close

const CLOSED = /: this ring is closed; open another with new Ring\(\), or use Ring.default\(\)$/;

function closedCase({ name, start }: Operation): readonly [string, Case] {
  return [`${name}()`, async () => {
    await using stage = new Stage();
    await stage.ring.close();
    // Those that start several operations, or wait for one, may reject instead.
    const error = await failure((async () => await start(stage))(), RingClosedError);
    expect(error.code).toBe("ERR_RING_CLOSED");
    expect(error.message).toMatch(CLOSED);
  }];
}

/** What a closed RawRing is asked for. */
const RAW_USES: [string, (ring: RawRing) => unknown][] = [
  ["prepNop", (ring) => ring.prepNop(1)],
  ["prepRead", (ring) => ring.prepRead(1, 0, bytes(), 8, 0)],
  ["prepOpenat", (ring) => ring.prepOpenat(1, AT.FDCWD, "x", 0, 0)],
  ["submit", (ring) => ring.submit()],
  ["submitAndWait", (ring) => ring.submitAndWait(0)],
  ["forEachCqe", (ring) => ring.forEachCqe(() => {})],
  ["register", (ring) => ring.register(0, null, 0)],
  ["enable", (ring) => ring.enable()],
  ["resize", (ring) => ring.resize({ entries: 4 })],
];

// 20: close with operations pending

/** Starts one of each that waits, and everything that may hang on one. */
function startAll(stage: Stage): Promise<unknown>[] {
  const { ring, pipe } = stage;
  return [
    ...BLOCKING.map(({ start }) => start(stage)),
    ...BLOCKING.map(({ start }) => start(stage, { timeout: NEVER, signal: new AbortController().signal })),
    ...ring.link((ring) => [ring.pollAdd(pipe.readEnd, POLL.IN), ring.nop()]),
  ];
}

// 21, 22: another thread

interface Told {
  readonly name: string;
  readonly code: string;
  readonly errno: number;
  readonly message: string;
}

let told: Promise<Record<string, Told | number[]>> | undefined;

/** What rings of another thread answer, by what they were asked for; one child tells all of it. */
function foreignRing(): Promise<Record<string, Told | number[]>> {
  return told ??= runChild("foreign_ring", []).then(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(stderr.slice(-2000));
    return JSON.parse(stdout);
  });
}

const BELONGS = { name: "UringError", code: "EEXIST", errno: -17 };

/** The call was refused, and a ring of the thread's own went on meanwhile. */
function foreign(call: string): Case {
  return onlyIf(
    () => hasSetup(IORING_SETUP.SINGLE_ISSUER | IORING_SETUP.DEFER_TASKRUN),
    "before Linux 6.1 a ring takes what comes from any thread",
    async () => {
      const answers = await foreignRing();
      expect(answers[call]).toMatchObject(BELONGS);
      expect((answers[call] as Told).message).toMatch(/this ring belongs to another thread: open one ring a worker/);
      expect(answers["a ring of its own"]).toEqual([0, 0]);
    },
  );
}

export const LIFE: readonly Row[] = [
  row(18, "use after close", {
    ...cases(OPERATIONS, closedCase),
    "link(), submitAndWait(), cancel(), probe(), resize()": async () => {
      const ring = new Ring();
      const pending = failure(ring.timeout(NEVER), AbortError);
      await ring.close();
      await pending;
      const uses: [string, () => unknown][] = [
        ["nop", () => ring.link((ring) => ring.nop())],
        ["submitAndWait", () => ring.submitAndWait(0)],
        ["cancel", () => ring.cancel("all")],
        ["cancel", () => ring.cancel({ fd: 0 })],
        ["probe", () => ring.probe()],
        ["onMessage", () => void (ring.onMessage = () => {})],
        ["registerPersonality", () => ring.registerPersonality()],
      ];
      for (const [name, use] of uses) {
        const { message } = thrown(use, RingClosedError);
        expect(message).toMatch(CLOSED);
        expect(message).toMatch(name);
      }
      if ((ring.setupFlags & IORING_SETUP.DEFER_TASKRUN) === 0) return;
      expect(thrown(() => ring.resize({ entries: 4 }), Error).message).toMatch(/closed|needs Linux/);
    },
    "RawRing": () => {
      const ring = new RawRing({ entries: 8 });
      ring.prepNop(1);
      ring.submit();
      ring.close();
      for (const [name, use] of RAW_USES) {
        const error = thrown(use.bind(null, ring), Error);
        expect(error, name).toBeInstanceOf(RingClosedError);
        expect(error.message).toMatch(CLOSED);
      }
      thrown(() => ring.sqe(), TypeError);
    },
    "of one ring, another does not notice": () =>
      beside(sharedStage(), async () => {
        const closed = new Ring();
        await closed.close();
        thrown(() => closed.nop(), RingClosedError);
      }),
  }),

  row(19, "close twice", {
    "is once: the same promise, also through dispose": async () => {
      const ring = new Ring();
      using pipe = new Pipe();
      const read = failure(ring.read(pipe.readEnd, bytes()), AbortError);
      const first = ring.close();
      expect(ring.close()).toBe(first);
      await first;
      await read;
      await ring.close();
      await ring[Symbol.asyncDispose]();
      ring[Symbol.dispose]();
      expect(ring.closed).toBe(true);
    },
    "RawRing": () => {
      const before = ringDescriptors();
      const ring = new RawRing({ entries: 8 });
      ring.prepNop(1);
      ring.submit();
      ring.close();
      ring.close();
      ring[Symbol.dispose]();
      expect(ringDescriptors()).toBe(before);
    },
    "closes no other ring, which may have the same descriptor by now": async () => {
      const first = new Ring();
      const { fd } = first;
      await first.close();
      await using second = new Ring();
      expect(second.fd).toBe(fd);
      await first.close();
      first[Symbol.dispose]();
      expect(await second.timeout(1)).toBe(0);
    },
  }),

  row(20, "close with operations pending", {
    "each rejects with an AbortError before close() resolves, and then all is unmapped": async () => {
      const before = { descriptors: ringDescriptors(), maps: ringMaps() };
      const stage = new Stage();
      const pending = startAll(stage);
      await stage.ring.nop();
      pending.push(...startAll(stage)); // and as many in this turn
      let rejected = 0;
      for (const promise of pending) promise.catch(() => rejected++);
      const errors = failures(pending, Error);
      await stage.ring.close();
      expect(rejected).toBe(pending.length);
      expect({ descriptors: ringDescriptors(), maps: ringMaps() }).toEqual(before);
      // What follows in a chain is cancelled with what it waits for.
      for (const error of await errors) expect(error).toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
      expect(stage.ring.stats.inFlight).toBe(0);
      await stage[Symbol.asyncDispose]();
    },
    "says so, and never writes into a buffer afterwards": async () => {
      const ring = new Ring();
      using pipe = new Pipe();
      const buffers = times(20, () => new Uint8Array(16));
      const reads = failures(buffers.map((buffer) => ring.read(pipe.readEnd, buffer)), AbortError);
      await ring.nop();
      await ring.close();
      for (const { message } of await reads) expect(message).toMatch("read was cancelled: its ring was closed");
      pipe.write("mine");
      expect(pipe.read(), "nobody took it").toBe("mine");
      expect(buffers.every((buffer) => buffer.every((byte) => byte === 0))).toBe(true);
    },
    "RawRing ends them, and unmaps": () => {
      const before = { descriptors: ringDescriptors(), maps: ringMaps() };
      using pipe = new Pipe();
      const buffers = times(8, () => new Uint8Array(16));
      const ring = new RawRing({ entries: 8 });
      for (const [i, buffer] of buffers.entries()) ring.prepRead(i, pipe.readEnd, buffer, 16, -1);
      ring.submit();
      ring.prepRead(99, pipe.readEnd, buffers[0]!, 16, -1);
      ring.close();
      expect({ descriptors: ringDescriptors(), maps: ringMaps() }).toEqual(before);
      pipe.write("mine");
      expect(pipe.read()).toBe("mine");
      expect(buffers.every((buffer) => buffer.every((byte) => byte === 0))).toBe(true);
    },
  }),

  // What the core answers to each system call from another thread: test/conformance/defer_taskrun_threads.test.ts.
  row(21, "submit from another thread", {
    "rejects with EEXIST: one ring a worker": foreign("submit"),
    "and so does the next": foreign("submit again"),
  }),

  row(22, "wait from another thread", {
    "throws EEXIST: one ring a worker": foreign("wait"),
    "and what it waited for rejects": foreign("wait: what was asked for"),
    "registering does, too": foreign("register"),
  }),

  row(23, "postMessage(ring)", {
    "is a DataCloneError, and so it is for whatever belongs to a ring's thread": () =>
      beside(sharedStage(), ({ ring, pool }) => {
        using raw = new RawRing({ entries: 8 });
        using files = new FileTable(ring, { size: 1 });
        using buffers = hasOp("SOCKET") ? new BufferRing({ ring, size: 8, count: 1 }) : undefined;
        const { port1, port2 } = new MessageChannel();
        for (const [name, thing] of Object.entries({ ring, raw, pool, files, buffers })) {
          if (thing === undefined) continue; // before 5.19
          for (const message of [thing, { thing }, [thing]]) {
            expect(thrown(() => structuredClone(message), Error).name, name).toBe("DataCloneError");
            expect(thrown(() => port1.postMessage(message), Error).name, name).toBe("DataCloneError");
          }
        }
        port1.close();
        port2.close();
      }),
    "with options that come along": async () => {
      await using ring = new Ring({ entries: 8, trace: () => {}, faults: { seed: 1, rules: [] } });
      expect(thrown(() => structuredClone(ring), Error).name).toBe("DataCloneError");
      expect(await ring.nop()).toBe(0);
    },
  }),
];
