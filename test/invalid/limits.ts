/** 24 to 28: queues, chains and waits, asked for more than they can hold. */

import { expect } from "vitest";
import { AT, IOSQE, POLL, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { Stage } from "../support/operations.ts";
import { outcomes } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import {
  type Any,
  beside,
  type Case,
  cases,
  type Loose,
  rawRefused,
  refused,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const bytes = () => new Uint8Array(8);

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** Starts something in a chain, and then does what can't be done there: the chain is given up as a whole. */
function insideLink(misuse: (ring: Any) => unknown, message: RegExp): Case {
  return () => {
    const stage = sharedStage();
    let first: Promise<number> | undefined;
    return beside(stage, async ({ ring }) => {
      await expectGivenUp(stage, (ring) => {
        first = ring.pollAdd(stage.pipe.readEnd, POLL.IN);
        return misuse(ring);
      }, message);
      expect(await outcomes([first!])).toEqual(["ECANCELED"]);
      expect(ring.closed).toBe(false);
    });
  };
}

async function expectGivenUp({ ring }: Stage, build: (ring: Ring) => unknown, message: RegExp): Promise<void> {
  const { submitted } = ring.stats;
  expect(thrown(() => ring.link(build), TypeError).message).toMatch(message);
  expect(await ring.nop()).toBe(0);
  expect(ring.stats.submitted, "the NOP alone").toBe(submitted + 1);
}

// 28: times

const TAKES_MS: [string, (stage: Loose, ms: unknown) => unknown, argument: string][] = [
  ["timeout()", ({ ring }, ms) => ring.timeout(ms), "ms"],
  ["timeoutUpdate()", ({ ring }, ms) => ring.timeoutUpdate(Promise.resolve(), ms), "ms"],
  ["the timeout option", ({ ring, fd }, timeout) => ring.read(fd, bytes(), 0, { timeout }), "timeout"],
  ["the timeout option of nop()", ({ ring }, timeout) => ring.nop({ timeout }), "timeout"],
  ["submitAndWait()", ({ ring }, timeout) => ring.submitAndWait(1, { timeout }), "timeout"],
];

const NO_TIMES: [string, unknown, typeof TypeError | typeof RangeError, string][] = [
  ["-1", -1, RangeError, "must be from 0 to 2\\^53 - 1 milliseconds, not -1"],
  ["NaN", NaN, RangeError, "must be from 0 .* not NaN"],
  ["Infinity", Infinity, RangeError, "must be from 0 .* not Infinity"],
  ["text", "5", TypeError, 'must be a number of milliseconds, not "5"'],
  ["a bigint", 5n, TypeError, "must be a number of milliseconds, not 5n"],
  ["null", null, TypeError, "must be a number of milliseconds, not null"],
];

const RAW_TIMES: [string, (ring: Any) => unknown, typeof TypeError | typeof RangeError, RegExp][] = [
  ["prepTimeout", (ring) => ring.prepTimeout(3, { ms: -1 }, 0, 0), RangeError, /^ms must be from 0 .* not -1/],
  ["prepLinkTimeout", (ring) => ring.prepLinkTimeout(3, { ms: NaN }, 0), RangeError, /^ms must be from 0 .* not NaN/],
  ["submitAndWait", (ring) => ring.submitAndWait(1, -1), RangeError, /^timeout must be from 0 .* not -1/],
  ["submitAndWait, as text", (ring) => ring.submitAndWait(1, "5"), TypeError, /^timeout must be a number .* not "5"/],
];

async function expectRefusedChain(stage: Stage, call: (stage: Loose) => unknown): Promise<void> {
  const message = /^a chain of 9 operations does not fit a queue of 8: open the ring with more entries/;
  await beside(stage, async ({ ring }) => {
    const before = ring.stats.submitted;
    expect(thrown(() => call(stage), RangeError).message).toMatch(message);
    expect(await ring.nop()).toBe(0);
    expect(ring.stats.submitted, "the NOP alone").toBe(before + 1);
  });
}

export const LIMITS: readonly Row[] = [
  row(24, "the submission queue is full", {
    "Ring submits what is there, and goes on: nothing is overwritten": () =>
      beside(sharedStage(), async (stage) => {
        await using ring = new Ring({ entries: 4 });
        const buffers = times(50, (i) => new Uint8Array(1 + i % 8));
        expect(await Promise.all(buffers.map((buffer) => ring.read(stage.fd, buffer, 0))))
          .toEqual(buffers.map(({ length }) => length));
      }),
    "with something in flight": async () => {
      await using stage = new Stage({ entries: 4 });
      await beside(stage, async ({ ring }) => {
        expect(await Promise.all(times(100, () => ring.nop()))).toEqual(times(100, () => 0));
      });
    },
    "RawRing gives false: nothing is lost or overwritten": () => {
      using ring = new RawRing({ entries: 4 });
      using pipe = new Pipe();
      expect(ring.sqSpace).toBe(4);
      expect(times(4, (i) => ring.prepNop(i))).toEqual([true, true, true, true]);
      expect(ring.sqSpace).toBe(0);
      const before = ring.sqe().bytes();
      expect(ring.prepNop(99)).toBe(false);
      expect(ring.prepRead(99, pipe.readEnd, bytes(), 8, -1)).toBe(false);
      expect(ring.prepOpenat(99, AT.FDCWD, "/", 0, 0)).toBe(false);
      expect(ring.prepTimeout(99, { ms: 1 }, 0, 0)).toBe(false);
      expect(ring.sqe().bytes()).toEqual(before);
      expect(ring.submitAndWait(4)).toBe(4);
      expect(ring.sqSpace).toBe(4);
      expect(completions(ring).map(({ userData }) => userData)).toEqual([0, 1, 2, 3]);
      expect(ring.prepNop(5)).toBe(true);
    },
  }),

  row(25, "a chain longer than the queue", {
    "is a RangeError with both numbers; nothing of it is submitted, and its promises settle": async () => {
      await using stage = new Stage({ entries: 8 });
      const fd = stage.folder.open("chain", "w+");
      const promises: Promise<number>[] = [];
      const text = new TextEncoder().encode("x");
      await expectRefusedChain(stage, ({ ring }) =>
        ring.link((ring: Ring) => {
          for (let i = 0; i < 9; i++) promises.push(ring.write(fd, text, i));
        }));
      expect(promises.length).toBe(8);
      expect(await outcomes(promises)).toEqual(times(8, () => "ECANCELED"));
      expect(stage.folder.text("chain")).toBe("");
    },
    "an operation with a limit takes two places": refused(
      ({ ring }) => ring.nop({ timeout: 5 }),
      RangeError,
      /chain of 2 operations does not fit a queue of 1: open the ring with more entries/,
      { entries: 1 },
    ),
  }),

  row(26, "a chain left open", {
    "link() after an operation with IO_LINK": () =>
      beside(sharedStage(), async ({ ring }) => {
        const byHand = ring.nop({ flags: IOSQE.IO_LINK });
        const before = ring.stats;
        const build = () => expect.unreachable("it must not be called");
        expect(thrown(() => ring.link(build), TypeError).message)
          .toMatch(/^link\(\) after an operation with IO_LINK in its flags: that chain is still open/);
        expect(ring.stats).toEqual(before);
        expect(await byHand).toBe(0);
        expect(await ring.link((ring: Ring) => ring.nop())).toBe(0);
      }),
    "link() inside link()": insideLink(
      (ring) => ring.link((ring: Ring) => ring.nop()),
      /^link\(\) inside link\(\): one chain at a time/,
    ),
    "close() inside link()": insideLink((ring) => ring.close(), /^close\(\) inside link\(\): .* not complete yet/),
    "asyncDispose inside link()": insideLink(
      (ring) => ring[Symbol.asyncDispose](),
      /inside link\(\).*not complete yet/,
    ),
    "dispose inside link()": insideLink((ring) => ring[Symbol.dispose](), /inside link\(\).*not complete yet/),
    "submitAndWait() inside link()": insideLink(
      (ring) => ring.submitAndWait(1),
      /^submitAndWait\(\) inside link\(\): .* not complete yet/,
    ),
    "syncCancel() inside link()": insideLink(
      (ring) => ring.syncCancel("all"),
      /^syncCancel\(\) inside link\(\): .* not complete yet/,
    ),
    "a multishot operation inside link(), which has no single end": insideLink(
      (ring) => ring.timeoutMultishot(1),
      /multishot operation can't be part of a chain: it has no single end|needs Linux/,
    ),
  }),

  row(27, "waiting for more than is in flight", {
    "is a RangeError with both numbers": refused(
      ({ ring }) => ring.submitAndWait(1_000_000),
      RangeError,
      /^count 1000000 is more than the 2 operations that are in flight: it would wait for ever/,
    ),
    "by one": refused(({ ring }) => ring.submitAndWait(3), RangeError, /^count 3 is more than the 2 operations/),
    "-1": refused(({ ring }) => ring.submitAndWait(-1), RangeError, /^count must be from 0/),
    "0.5": refused(({ ring }) => ring.submitAndWait(0.5), TypeError, /^count must be an integer/),
    "as text": refused(({ ring }) => ring.submitAndWait("1"), TypeError, /^count must be a number, not "1"/),
    "left out": refused(({ ring }) => ring.submitAndWait(), TypeError, /^count must be a number, not undefined/),
    "RawRing: more than the completion queue holds": rawRefused(
      (ring) => ring.submitAndWait(17),
      RangeError,
      /^n must be from 0 to 16, not 17/,
    ),
  }),

  row(28, "a time of -1", {
    ...cases(
      TAKES_MS.flatMap((method) => NO_TIMES.map((time) => [method, time] as const)),
      ([[method, call, argument], [what, ms, type, message]]) => [
        `${method} refuses ${what}`,
        refused((stage) => call(stage, ms), type, new RegExp(`^${argument} ${message}`)),
      ],
    ),
    ...cases(RAW_TIMES, ([name, call, type, message]) => [`RawRing: ${name}`, rawRefused(call, type, message)]),
  }),
];
