import { describe, expect, test } from "vitest";
import { IORING_ASYNC_CANCEL, IORING_LINK_TIMEOUT, IORING_TIMEOUT, IOSQE, POLL } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, chainsGoOnAfterTimeouts, hasFeature, hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { byPlace, failing, flagged, hardlinked, linked, nop, run, short, type Step, visit } from "../support/steps.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ENOENT = -2;
const EBADF = -9;
const EINVAL = -22;
const ETIME = -62;
const EALREADY = -114;
const ECANCELED = -125;
const SOON = 3;
const OFF = 8;

/** Limits the step before. */
function limit(ms: number, flags = 0): Step {
  return (ring, userData) => ring.prepLinkTimeout(userData, { ms }, flags);
}

/** Cancels a step by its place. */
function cancel(place: number): Step {
  return (ring, userData) => ring.prepCancel(userData, place, 0);
}

/** What waits until it is ended: for bytes, for an event, for a time. */
const WAITING: [name: string, wait: (pipe: Pipe) => Step][] = [
  ["a read", ({ readEnd }) => (ring, userData) => ring.prepRead(userData, readEnd, new Uint8Array(8), 8, -1)],
  ["a poll", ({ readEnd }) => (ring, userData) => ring.prepPollAdd(userData, readEnd, POLL.IN)],
  ["a timeout", () => (ring, userData) => ring.prepTimeout(userData, { ms: NEVER }, 0, 0)],
];

describe("the time limit of an operation", () => {
  test("is cancelled when that completes before it", () => {
    using ring = new RawRing({ entries: 8 });
    using folder = new TempFolder();
    folder.write("file", "four");
    const fd = folder.open("file");
    const read: Step = (ring, userData) => ring.prepRead(userData, fd, new Uint8Array(4), 4, 0);
    expect(byPlace(ring, [linked(nop), limit(NEVER)])).toEqual([0, ECANCELED]);
    expect(byPlace(ring, [linked(read), limit(NEVER)])).toEqual([4, ECANCELED]);
    expect(byPlace(ring, [flagged(IOSQE.IO_LINK | IOSQE.ASYNC, read), limit(NEVER)])).toEqual([4, ECANCELED]);
  });

  test("is cancelled when that completes after waiting", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const read: Step = (ring, userData) => ring.prepRead(userData, pipe.readEnd, new Uint8Array(8), 8, -1);
    expect(byPlace(ring, [linked(read), limit(NEVER)], () => {
      expect(completions(ring)).toEqual([]);
      pipe.write("12345678");
    })).toEqual([8, ECANCELED]);
  });

  test("is cancelled when that fails", () => {
    using ring = new RawRing({ entries: 8 });
    expect(byPlace(ring, [linked(failing), limit(NEVER)])).toEqual([EBADF, ECANCELED]);
    expect(byPlace(ring, [hardlinked(failing), limit(NEVER)])).toEqual([EBADF, ECANCELED]);
  });

  test.each(WAITING)("ends it when it comes first: %s", (_, wait) => {
    for (const link of [linked, hardlinked]) {
      using ring = new RawRing({ entries: 8 });
      using pipe = new Pipe();
      const start = performance.now();
      expect(byPlace(ring, [link(wait(pipe)), limit(SOON)])).toEqual([ECANCELED, ETIME]);
      expect(performance.now() - start).toBeGreaterThanOrEqual(SOON);
      // The kernel has let go of it: nobody takes what comes now.
      pipe.write("mine");
      expect(pipe.read()).toBe("mine");
    }
  });

  test.each(WAITING)("of no time ends it at once: %s", (_, wait) => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    expect(byPlace(ring, [linked(wait(pipe)), limit(0)])).toEqual([ECANCELED, ETIME]);
  });

  test.each(WAITING)("is cancelled with it: %s", (_, wait) => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    expect(byPlace(ring, [linked(wait(pipe)), limit(NEVER), cancel(0)])).toEqual([ECANCELED, ECANCELED, 0]);
  });

  test("can't be cancelled or removed by itself: it is not found, and stays", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const poll = WAITING[1]![1](pipe);
    const remove: Step = (ring, userData) => ring.prepTimeoutRemove(userData, 1, 0);
    expect(byPlace(ring, [linked(poll), limit(SOON), cancel(1), remove]))
      .toEqual([ECANCELED, ETIME, ENOENT, ENOENT]);
  });

  test.skipIf(!hasOp("SOCKET"))("goes with everything that is cancelled at once", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const all: Step = (ring, userData) => {
      // ANY: since Linux 5.19.
      return ring.prepCancel(userData, 0, IORING_ASYNC_CANCEL.ANY | IORING_ASYNC_CANCEL.ALL);
    };
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), limit(NEVER), all])).toEqual([ECANCELED, ECANCELED, 1]);
  });

  test("takes a moment of the clock, past or to come, with ABS", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const poll = WAITING[1]![1](pipe);
    expect(byPlace(ring, [linked(poll), limit(1, IORING_TIMEOUT.ABS)])).toEqual([ECANCELED, ETIME]);
    const inTheFuture = limit(Date.now() + 5, IORING_TIMEOUT.ABS | IORING_TIMEOUT.REALTIME);
    expect(byPlace(ring, [linked(poll), inTheFuture])).toEqual([ECANCELED, ETIME]);
    const farAway = limit(Date.now(), IORING_TIMEOUT.ABS);
    const soon: Step = (ring, userData) => ring.prepTimeout(userData, { ms: SOON }, 0, 0);
    expect(byPlace(ring, [linked(soon), farAway]), "a date is far in the monotonic clock's future")
      .toEqual([ETIME, ECANCELED]);
  });

  test.skipIf(!hasFeature("CQE_SKIP"))("with CQE_SKIP_SUCCESS is silent, whatever comes of it", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const silent = (ms: number) => flagged(IOSQE.CQE_SKIP_SUCCESS, limit(ms));
    expect(run(ring, [linked(nop), silent(NEVER)], 1)).toEqual([[0, 0]]);
    expect(run(ring, [linked(WAITING[1]![1](pipe)), silent(SOON)], 1)).toEqual([[0, ECANCELED]]);
  });
});

describe("a time limit begins", () => {
  test.skipIf(!chainsGoOnAfterTimeouts)("when its operation does, not when the chain does", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const wait: Step = (ring, userData) => ring.prepTimeout(userData, { ms: 20 }, 0, IORING_TIMEOUT.ETIME_SUCCESS);
    const start = performance.now();
    expect(byPlace(ring, [linked(wait), linked(WAITING[0]![1](pipe)), limit(10)])).toEqual([ETIME, ECANCELED, ETIME]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(30);
  });

  test("not at all when its operation never does", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    expect(byPlace(ring, [linked(failing), linked(WAITING[0]![1](pipe)), limit(SOON)]))
      .toEqual([EBADF, ECANCELED, ECANCELED]);
  });
});

describe("a time limit in the middle of a chain", () => {
  test("that is not reached lets the rest run", () => {
    using ring = new RawRing({ entries: 8 });
    for (const link of [linked, hardlinked]) {
      expect(byPlace(ring, [link(nop), link(limit(NEVER)), link(nop), link(limit(NEVER)), nop]))
        .toEqual([0, ECANCELED, 0, ECANCELED, 0]);
    }
  });

  test("that is reached cancels the rest; each operation may have its own", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const [, poll] = WAITING[1]!;
    expect(byPlace(ring, [
      linked(nop),
      linked(limit(NEVER)),
      linked(poll(pipe)),
      linked(limit(SOON)),
      linked(nop),
      limit(NEVER),
    ])).toEqual([0, ECANCELED, ECANCELED, ETIME, ECANCELED, ECANCELED]);
  });

  test("of a failed operation cancels the rest", () => {
    using ring = new RawRing({ entries: 8 });
    expect(byPlace(ring, [linked(failing), linked(limit(NEVER)), nop])).toEqual([EBADF, ECANCELED, ECANCELED]);
  });

  test.skipIf(!chainsEndAtBadFiles)("of a hardlinked operation lets the rest run, reached or failed", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const [, poll] = WAITING[1]!;
    expect(byPlace(ring, [hardlinked(poll(pipe)), hardlinked(limit(SOON)), nop])).toEqual([ECANCELED, ETIME, 0]);
    expect(byPlace(ring, [hardlinked(failing), hardlinked(limit(NEVER)), nop])).toEqual([EBADF, ECANCELED, 0]);
  });

  test("has no say of its own in what follows: its operation's link counts", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const [, poll] = WAITING[1]!;
    expect(byPlace(ring, [linked(poll(pipe)), hardlinked(limit(SOON)), nop])).toEqual([ECANCELED, ETIME, ECANCELED]);
    expect(byPlace(ring, [linked(failing), hardlinked(limit(NEVER)), nop])).toEqual([EBADF, ECANCELED, ECANCELED]);
  });
});

describe("an update of a time limit", () => {
  const update = (ms: number, flags: number): Step => (ring, userData) =>
    ring.prepTimeoutUpdate(userData, { ms }, 1, flags);

  test("brings its end nearer, with LINK_TIMEOUT's own flag", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), limit(NEVER), update(1, IORING_LINK_TIMEOUT.UPDATE)]))
      .toEqual([ECANCELED, ETIME, 0]);
  });

  test("puts its end off, counted from now", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const start = performance.now();
    const later = update(100 * TIME_SCALE, IORING_LINK_TIMEOUT.UPDATE);
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), limit(30 * TIME_SCALE), later])).toEqual([ECANCELED, ETIME, 0]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(100 * TIME_SCALE);
  });

  test("without that flag finds none", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), limit(SOON), update(NEVER, 0)]))
      .toEqual([ECANCELED, ETIME, ENOENT]);
  });

  test("finds none whose operation has completed", () => {
    using ring = new RawRing({ entries: 8 });
    expect(byPlace(ring, [linked(nop), limit(NEVER)])).toEqual([0, ECANCELED]);
    ring.prepTimeoutUpdate(1, { ms: 1 }, 1, IORING_LINK_TIMEOUT.UPDATE);
    expect(short(visit(ring, 1))).toEqual([[1, ENOENT]]);
  });
});

describe("a time limit is refused", () => {
  test("where there is nothing to limit: first of all, or after what is not linked", () => {
    using ring = new RawRing({ entries: 8 });
    expect(byPlace(ring, [limit(SOON), nop])).toEqual([EINVAL, 0]);
    expect(byPlace(ring, [linked(limit(SOON)), nop])).toEqual([EINVAL, ECANCELED]);
    expect(byPlace(ring, [nop, limit(SOON)])).toEqual([0, EINVAL]);
  });

  test("after another time limit, and the chain with it", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const poll = WAITING[1]![1](pipe);
    expect(byPlace(ring, [linked(poll), linked(limit(SOON)), limit(SOON), nop]))
      .toEqual([ECANCELED, ECANCELED, EINVAL, 0]);
  });

  test("with a count: it is not for others to end", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const counting: Step = (ring, userData) => {
      const prepared = limit(SOON)(ring, userData);
      ring.sqe().setBigUint64(OFF, 1n);
      return prepared;
    };
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), counting, nop])).toEqual([ECANCELED, EINVAL, 0]);
  });

  test("with two clocks", () => {
    using ring = new RawRing({ entries: 8 });
    using pipe = new Pipe();
    const clocks = IORING_TIMEOUT.BOOTTIME | IORING_TIMEOUT.REALTIME;
    expect(byPlace(ring, [linked(WAITING[1]![1](pipe)), limit(SOON, clocks)])).toEqual([ECANCELED, EINVAL]);
  });
});

test("an operation and its limit that end together have one outcome each, and they agree", () => {
  using ring = new RawRing({ entries: 8 });
  const seen = new Set<number>();
  for (let round = 0; round < 300; round++) {
    const ms = 0.05 + (round % 20) * 0.01 * TIME_SCALE;
    const wait: Step = (ring, userData) => ring.prepTimeout(userData, { ms }, 0, 0);
    const [ended, limited] = byPlace(ring, [linked(wait), limit(0.1)]);
    // Either's time came first; then the other is cancelled, or ends in vain: it found nothing, or, EALREADY, an end
    // that was under way on the other core (io_timeout_extract() of io_uring/timeout.c).
    expect(ended === ECANCELED ? [ETIME] : [ECANCELED, ENOENT, EALREADY, ETIME]).toContain(limited);
    expect([ETIME, ECANCELED]).toContain(ended);
    seen.add(ended!);
  }
  expect(seen.size, "both happened").toBe(2);
});
