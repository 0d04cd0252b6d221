import { describe, expect, test } from "vitest";
import { IORING_CQE_F, IORING_FEAT, IORING_TIMEOUT, IOSQE, POLL } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, chainsGoOnAfterTimeouts, hasFeature } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { submitsLater, TASK_KINDS } from "../support/ring_kinds.ts";
import {
  byPlace,
  failing,
  flagged,
  hardlinked,
  leftovers,
  linked,
  nop,
  prepare,
  run,
  short,
  type Step,
  visit,
} from "../support/steps.ts";

const EBADF = -9;
const ETIME = -62;
const EOPNOTSUPP = -95;
const ECANCELED = -125;
const { IO_LINK, IO_HARDLINK, IO_DRAIN, CQE_SKIP_SUCCESS, ASYNC } = IOSQE;
const LENGTH = 6;

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A chain of LENGTH with `odd` in one place. */
function chainWith(odd: Step, at: number, link: (step: Step) => Step, other: Step = nop): Step[] {
  return times(LENGTH, (i) => i === at ? odd : other).map((step, i) => i < LENGTH - 1 ? link(step) : step);
}

describe.each(TASK_KINDS)("IO_LINK; ring: %s", (_, options) => {
  test("runs one after the other, and completes in order", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    using folder = new TempFolder();
    const fd = folder.open("file", "w+");
    const bytes = times(4, (i) => Uint8Array.of(65 + i));
    const read = new Uint8Array(4);
    const steps: Step[] = [
      // At the file's position: another order would be other contents.
      ...bytes.map((byte): Step => linked((ring, userData) => ring.prepWrite(userData, fd, byte, 1, -1))),
      (ring, userData) => ring.prepRead(userData, fd, read, 4, 0),
    ];
    expect(run(ring, steps)).toEqual([[0, 1], [1, 1], [2, 1], [3, 1], [4, 4]]);
    expect(new TextDecoder().decode(read)).toBe("ABCD");
  });

  test.skipIf(!chainsEndAtBadFiles).each([["inline", nop, failing], [
    "in workers",
    flagged(ASYNC, nop),
    flagged(ASYNC, failing),
  ]])("cancels what follows a failure, at each place of the chain: %s", (name, good, bad) => {
    for (let at = 0; at < LENGTH; at++) {
      using ring = new RawRing({ ...options, entries: 16 });
      const link = (step: Step) => flagged(name === "inline" ? IO_LINK : IO_LINK | ASYNC, step);
      expect(run(ring, chainWith(bad, at, link, good)))
        .toEqual(times(LENGTH, (i) => [i, i < at ? 0 : i === at ? EBADF : ECANCELED]));
    }
  });

  test("holds back what follows, and leaves what stands beside the chain alone", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    using pipe = new Pipe();
    prepare(ring, [
      linked((ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, POLL.IN)),
      linked(nop),
      nop,
      nop,
    ]);
    expect(ring.submitAndWait(1)).toBe(4);
    expect(short(completions(ring)), "the fourth is not of the chain").toEqual([[3, 0]]);
    pipe.write("x");
    expect(short(visit(ring, 3))).toEqual([[0, POLL.IN], [1, 0], [2, 0]]);
  });

  test.skipIf(!chainsEndAtBadFiles)("keeps chains apart that follow each other", () => {
    using ring = new RawRing({ ...options, entries: 32 });
    const steps = times(9, (i) => chainWith(i % 2 === 0 ? failing : nop, 1, linked).slice(LENGTH - 3)).flat();
    expect(byPlace(ring, steps)).toEqual(steps.map(() => 0));
    const chains = times(5, (i): Step[] => [linked(nop), linked(i % 2 === 0 ? failing : nop), nop]);
    expect(byPlace(ring, chains.flat())).toEqual(
      times(5, (i) => i % 2 === 0 ? [0, EBADF, ECANCELED] : [0, 0, 0]).flat(),
    );
  });

  test.skipIf(!chainsEndAtBadFiles || submitsLater(options))(
    "on the last SQE of a submit links nothing: a chain ends there",
    () => {
      using ring = new RawRing({ ...options, entries: 8 });
      prepare(ring, [linked(nop), linked(failing)]);
      expect(ring.submit()).toBe(2);
      ring.prepNop(2);
      expect(short(visit(ring, 3)).sort()).toEqual([[0, 0], [1, EBADF], [2, 0]]);
    },
  );

  test.skipIf(!chainsEndAtBadFiles)("may tie a whole queue, and thousands of chains in turn", () => {
    using ring = new RawRing({ ...options, entries: 64 });
    for (let round = 0; round < 50; round++) {
      const steps = times(64, (i) => i < 63 ? linked(i === round ? failing : nop) : nop);
      expect(run(ring, steps)).toEqual(times(64, (i) => [i, i < round ? 0 : i === round ? EBADF : ECANCELED]));
    }
  });
});

describe.each(TASK_KINDS)("a short transfer; ring: %s", (_, options) => {
  function open(folder: TempFolder): number {
    folder.write("file", "four");
    return folder.open("file", "r+");
  }

  test.each([0, ASYNC])("breaks an IO_LINK, though it is no error: flags %i", (flags) => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    const fd = open(folder);
    const read: Step = (ring, userData) => ring.prepRead(userData, fd, new Uint8Array(8), 8, 0);
    const readv: Step = (ring, userData) => ring.prepReadv(userData, fd, [new Uint8Array(2), new Uint8Array(3)], 2, 0);
    const atEnd: Step = (ring, userData) => ring.prepRead(userData, fd, new Uint8Array(8), 8, 4);
    expect(byPlace(ring, [flagged(IO_LINK | flags, read), nop])).toEqual([4, ECANCELED]);
    expect(byPlace(ring, [flagged(IO_LINK | flags, readv), nop])).toEqual([4, ECANCELED]);
    expect(byPlace(ring, [flagged(IO_LINK | flags, atEnd), nop])).toEqual([0, ECANCELED]);
  });

  test("does not break an IO_HARDLINK", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    const fd = open(folder);
    const read: Step = (ring, userData) => ring.prepRead(userData, fd, new Uint8Array(8), 8, 0);
    expect(byPlace(ring, [hardlinked(read), hardlinked(read), nop])).toEqual([4, 4, 0]);
  });

  test("a whole one breaks nothing", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    const fd = open(folder);
    const read: Step = (ring, userData) => ring.prepRead(userData, fd, new Uint8Array(4), 4, 0);
    expect(byPlace(ring, [linked(read), linked(read), nop])).toEqual([4, 4, 0]);
  });
});

describe.each(TASK_KINDS)("IO_HARDLINK; ring: %s", (_, options) => {
  test.skipIf(!chainsEndAtBadFiles)("goes on after a failure, at each place of the chain", () => {
    for (let at = 0; at < LENGTH; at++) {
      using ring = new RawRing({ ...options, entries: 16 });
      expect(run(ring, chainWith(failing, at, hardlinked))).toEqual(times(LENGTH, (i) => [i, i === at ? EBADF : 0]));
    }
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, times(LENGTH, (i) => i < LENGTH - 1 ? hardlinked(failing) : failing)))
      .toEqual(times(LENGTH, (i) => [i, EBADF]));
  });

  test("still waits for the one before", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    using pipe = new Pipe();
    const poll: Step = (ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, POLL.IN);
    expect(run(ring, [hardlinked(poll), nop], 2, () => {
      expect(completions(ring)).toEqual([]);
      pipe.write("x");
    })).toEqual([[0, POLL.IN], [1, 0]]);
  });

  test.skipIf(!chainsEndAtBadFiles)("in one chain with IO_LINK: each says what its own failure does", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [hardlinked(failing), linked(nop), linked(failing), hardlinked(nop), nop]))
      .toEqual([[0, EBADF], [1, 0], [2, EBADF], [3, ECANCELED], [4, ECANCELED]]);
    expect(run(ring, [linked(failing), hardlinked(nop), nop]), "cancelled is cancelled, hard or not")
      .toEqual([[0, EBADF], [1, ECANCELED], [2, ECANCELED]]);
  });
});

describe.each(TASK_KINDS)("a timeout in a chain; ring: %s", (_, options) => {
  const timeout = (flags: number): Step => (ring, userData) => ring.prepTimeout(userData, { ms: 2 }, 0, flags);

  test("breaks an IO_LINK when its time comes, without ETIME_SUCCESS", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    expect(run(ring, [linked(timeout(0)), nop])).toEqual([[0, ETIME], [1, ECANCELED]]);
    expect(run(ring, [hardlinked(timeout(0)), nop])).toEqual([[0, ETIME], [1, 0]]);
  });

  test.skipIf(!chainsGoOnAfterTimeouts)("delays what follows with ETIME_SUCCESS", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    const start = performance.now();
    // Since Linux 5.16; before, the flag is refused, and with it the chain.
    expect(run(ring, [linked(timeout(IORING_TIMEOUT.ETIME_SUCCESS)), nop])).toEqual([[0, ETIME], [1, 0]]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(2);
  });
});

describe.each(TASK_KINDS)("IO_DRAIN; ring: %s", (_, options) => {
  const drained = (step: Step, flags = 0) => flagged(IO_DRAIN | flags, step);

  test.skipIf(submitsLater(options))("waits for all that came before, and all that comes after waits for it", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    using pipe = new Pipe();
    const poll: Step = (ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, POLL.IN);
    const [first, ...rest] = run(ring, [nop, poll, drained(nop), nop], 3, () => {
      expect(short(completions(ring))).toEqual([[0, 0]]);
      pipe.write("x");
    });
    expect(first).toEqual([1, POLL.IN]);
    // Older kernels let what comes after go with it.
    expect(rest.sort()).toEqual([[2, 0], [3, 0]]);
  });

  test("on the first of a chain, or inside it, holds the whole chain back", () => {
    for (const at of [0, 1, 2]) {
      using ring = new RawRing({ ...options, entries: 16 });
      using pipe = new Pipe();
      const poll: Step = (ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, POLL.IN);
      const chain = times(3, (i) => flagged((i < 2 ? IO_LINK : 0) | (i === at ? IO_DRAIN : 0), nop));
      expect(run(ring, [poll, ...chain], 4, () => {
        expect(short(completions(ring)), `at ${at}`).toEqual([]);
        pipe.write("x");
      })).toEqual([[0, POLL.IN], [1, 0], [2, 0], [3, 0]]);
    }
  });

  test.skipIf(!chainsEndAtBadFiles)("waits for the end of a chain that came before, failed or not", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [linked(nop), linked(failing), nop, drained(nop)]))
      .toEqual([[0, 0], [1, EBADF], [2, ECANCELED], [3, 0]]);
  });

  test("does not keep a failure from its chain: what follows it there is cancelled", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [drained(failing, IO_LINK), nop, nop])).toContainEqual([1, ECANCELED]);
  });

  test("waits for a multishot operation's last completion", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    using pipe = new Pipe();
    ring.prepPollMultishot(0, pipe.readEnd, POLL.IN);
    drained(nop)(ring, 1);
    ring.submit();
    for (let i = 0; i < 3; i++) {
      pipe.write("x");
      expect(visit(ring, 1)).toEqual([{ userData: 0, res: POLL.IN, flags: IORING_CQE_F.MORE }]);
    }
    // A cancellation would wait behind the drain: it is the end of the pipe that ends the poll.
    pipe.closeWriteEnd();
    const last = visit(ring, 1);
    expect(last[0]!.userData).toBe(0);
    expect(last[0]!.res & POLL.HUP).toBe(POLL.HUP);
  });
});

describe.skipIf(!hasFeature("CQE_SKIP")).each(TASK_KINDS)("CQE_SKIP_SUCCESS; ring: %s", (_, options) => {
  const silent = (step: Step, flags = 0) => flagged(CQE_SKIP_SUCCESS | flags, step);

  test("leaves out successes alone: of a chain, wherever it stands", () => {
    for (let mask = 0; mask < 8; mask++) {
      using ring = new RawRing({ ...options, entries: 16 });
      const steps = times(
        3,
        (i) => flagged((i < 2 ? IO_LINK : 0) | ((mask & 1 << i) !== 0 ? CQE_SKIP_SUCCESS : 0), nop),
      );
      const told = [0, 1, 2].filter((i) => (mask & 1 << i) === 0);
      expect(run(ring, steps, told.length), `mask ${mask}`).toEqual(told.map((i) => [i, 0]));
    }
  });

  test("tells of the failure itself, always", () => {
    for (let at = 0; at < 3; at++) {
      using ring = new RawRing({ ...options, entries: 16 });
      const steps = times(3, (i) => silent(i === at ? failing : nop, i < 2 ? IO_LINK : 0));
      expect(run(ring, steps, 1)).toEqual([[at, EBADF]]);
    }
  });

  test("on what fails leaves out the cancellations behind it; without it there they are all told", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [silent(failing, IO_LINK), linked(nop), nop], 1)).toEqual([[0, EBADF]]);
    expect(run(ring, [linked(failing), silent(nop, IO_LINK), silent(nop)], 3))
      .toEqual([[0, EBADF], [1, ECANCELED], [2, ECANCELED]]);
  });

  test("in a hard chain leaves out successes, and goes on after the failure that it tells of", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [silent(nop, IO_HARDLINK), silent(failing, IO_HARDLINK), silent(nop, IO_HARDLINK), nop], 2))
      .toEqual([[1, EBADF], [3, 0]]);
  });

  test("does not count where completions are waited for", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    times(4, (i) => silent(nop)(ring, i));
    expect(ring.submitAndWait(1, 20)).toBe(4);
    expect(completions(ring)).toEqual([]);
  });

  test("excludes IO_DRAIN: on one operation, and on any that comes later in the ring", () => {
    using ring = new RawRing({ ...options, entries: 16 });
    expect(run(ring, [silent(nop, IO_DRAIN), nop])).toEqual([[0, EOPNOTSUPP], [1, 0]]);
    expect(run(ring, [silent(nop), nop], 1)).toEqual([[1, 0]]);
    expect(run(ring, [flagged(IO_DRAIN, nop)])).toEqual([[0, EOPNOTSUPP]]);
  });
});

test.each(TASK_KINDS)("a chain that is cancelled at its head goes as a whole; ring: %s", (_, options) => {
  using ring = new RawRing({ ...options, entries: 16 });
  using pipe = new Pipe();
  const read: Step = (ring, userData) => ring.prepRead(userData, pipe.readEnd, new Uint8Array(8), 8, -1);
  const steps = [linked(read), linked(nop), nop, ((ring, userData) => ring.prepCancel(userData, 0, 0)) as Step];
  expect(byPlace(ring, steps)).toEqual([ECANCELED, ECANCELED, ECANCELED, 0]);
});

test.each(TASK_KINDS)("what waits behind a link can't be cancelled: it is not found; ring: %s", (_, options) => {
  using ring = new RawRing({ ...options, entries: 16 });
  using pipe = new Pipe();
  const poll: Step = (ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, POLL.IN);
  prepare(ring, [linked(poll), (ring, userData) => ring.prepTimeout(userData, { ms: NEVER }, 0, 0)]);
  ring.prepCancel(2, 1, 0);
  expect(short(visit(ring, 1))).toEqual([[2, -2]]);
  expect(leftovers(ring)).toEqual([]);
  ring.prepCancel(3, 0, 0);
  expect(short(visit(ring, 3)).sort()).toEqual([[0, ECANCELED], [1, ECANCELED], [3, 0]]);
});

test("the kernel says whether it can leave completions out", () => {
  using ring = new RawRing({ entries: 2 });
  expect((ring.features & IORING_FEAT.CQE_SKIP) !== 0).toBe(hasFeature("CQE_SKIP"));
});
