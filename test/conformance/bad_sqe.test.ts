import { describe, expect, test } from "vitest";
import { IORING_FEAT, IORING_SETUP, IOSQE } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { chainsEndAtBadFiles, hasSetup } from "../support/kernel.ts";
import { failing, flagged, hardlinked, invalid, linked, nop, type Outcome, run, type Step } from "../support/steps.ts";

const EBADF = -9;
const EINVAL = -22;
const EOPNOTSUPP = -95;
const ECANCELED = -125;

/** What the kernel refuses before it runs anything, and how. */
const BAD: [name: string, step: Step, errno: number][] = [
  ["an opcode that there is not", invalid, EINVAL],
  ["a flag that there is not", flagged(0x80, nop), EINVAL],
  ["BUFFER_SELECT where nothing is received", flagged(IOSQE.BUFFER_SELECT, nop), EOPNOTSUPP],
  ["fields that the op leaves 0", (ring, userData) => {
    const prepared = ring.prepFsync(userData, 0, 0);
    ring.sqe().setUint32(44, 7); // splice_fd_in
    return prepared;
  }, EINVAL],
  ["a personality that nobody registered", (ring, userData) => {
    const prepared = ring.prepNop(userData);
    ring.sqe().setUint16(42, 77);
    return prepared;
  }, EINVAL],
  ["a link's time limit without a link", (ring, userData) => ring.prepLinkTimeout(userData, { ms: 1 }, 0), EINVAL],
];

/** By place: older kernels post successes after failures of the same batch. */
function sorted(outcomes: Outcome[]): Outcome[] {
  return [...outcomes].sort(([a], [b]) => a - b);
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

describe.each([
  [true, "goes in with one system call", 0],
  [false, "stops the kernel, and the rest goes in with another", 1],
])("with SUBMIT_ALL %s a bad SQE", (submitAll, _, entersMore) => {
  const lacks = submitAll && !hasSetup(IORING_SETUP.SUBMIT_ALL); // before 5.18

  test.skipIf(lacks).each(BAD)("fails alone: %s", (_, bad, errno) => {
    using ring = new RawRing({ entries: 16, submitAll });
    expect((ring.setupFlags & IORING_SETUP.SUBMIT_ALL) !== 0).toBe(submitAll);
    const steps = [nop, nop, bad, nop, nop];
    expect(sorted(run(ring, steps))).toEqual(steps.map((_, i) => [i, i === 2 ? errno : 0]));
  });

  test.skipIf(lacks)("is taken, and so is all that follows, wherever it stands", () => {
    for (let at = 0; at < 8; at++) {
      using ring = new RawRing({ entries: 8, submitAll });
      times(8, (i) => (i === at ? invalid : nop)(ring, i));
      expect(ring.submitAndWait(8)).toBe(8);
      // The last of a batch leaves nothing to go on with.
      expect(ring.enters, `at ${at}`).toBe(at === 7 ? 1 : 1 + entersMore);
      expect(ring.sqSpace).toBe(8);
      const visited: Outcome[] = [];
      ring.forEachCqe((userData, res) => void visited.push([userData, res]));
      expect(sorted(visited)).toEqual(times(8, (i) => [i, i === at ? EINVAL : 0]));
    }
  });

  test.skipIf(lacks)("may be each of them", () => {
    using ring = new RawRing({ entries: 8, submitAll });
    times(8, (i) => invalid(ring, i));
    expect(ring.submitAndWait(8)).toBe(8);
    expect(ring.enters).toBe(1 + entersMore * 7);
    const visited: Outcome[] = [];
    ring.forEachCqe((userData, res) => void visited.push([userData, res]));
    expect(visited).toEqual(times(8, (i) => [i, EINVAL]));
    expect(run(ring, [nop])).toEqual([[0, 0]]);
  });

  test.skipIf(lacks)("does not keep a wait from waiting", () => {
    using ring = new RawRing({ entries: 8, submitAll });
    nop(ring, 0);
    invalid(ring, 1);
    ring.prepTimeout(2, { ms: 5 }, 0, 0);
    expect(ring.submitAndWait(3)).toBe(3);
    const visited: Outcome[] = [];
    ring.forEachCqe((userData, res) => void visited.push([userData, res]));
    expect(sorted(visited)).toEqual([[0, 0], [1, EINVAL], [2, -62]]);
  });

  test.skipIf(lacks)("of a chain takes the whole chain with it, also what stands before it, and nothing else", () => {
    for (const link of [linked, hardlinked]) {
      for (let at = 0; at < 4; at++) {
        using ring = new RawRing({ entries: 16, submitAll });
        const chain = times(4, (i) => i === at ? invalid : nop).map((step, i) => i < 3 ? link(step) : step);
        const outcomes = run(ring, [nop, ...chain, nop]);
        expect(outcomes.filter(([place]) => place > 0 && place < 5), "the chain's completions keep its order")
          .toEqual(times(4, (i) => [i + 1, i === at ? EINVAL : ECANCELED]));
        expect(sorted(outcomes)).toEqual([[0, 0], ...times(4, (i) => [i + 1, i === at ? EINVAL : ECANCELED]), [5, 0]]);
      }
    }
  });

  test.skipIf(lacks)("of a chain keeps its own error beside another", () => {
    using ring = new RawRing({ entries: 16, submitAll });
    const alsoBad = flagged(IOSQE.BUFFER_SELECT | IOSQE.IO_LINK, nop);
    const steps = [linked(nop), linked(invalid), alsoBad, nop];
    expect(sorted(run(ring, steps))).toEqual([[0, ECANCELED], [1, EINVAL], [2, EOPNOTSUPP], [3, ECANCELED]]);
  });

  test.skipIf(lacks || !chainsEndAtBadFiles)("is not an operation that fails when it runs: that stops nothing", () => {
    using ring = new RawRing({ entries: 8, submitAll });
    times(6, (i) => (i % 2 === 0 ? failing : nop)(ring, i));
    expect(ring.submitAndWait(6)).toBe(6);
    expect(ring.enters).toBe(1);
    const visited: Outcome[] = [];
    ring.forEachCqe((userData, res) => void visited.push([userData, res]));
    expect(sorted(visited)).toEqual(times(6, (i) => [i, i % 2 === 0 ? EBADF : 0]));
  });
});

describe("a bad SQE with CQE_SKIP_SUCCESS", () => {
  test("is told of all the same", ({ skip }) => {
    using ring = new RawRing({ entries: 8 });
    if ((ring.features & IORING_FEAT.CQE_SKIP) === 0) return skip("since Linux 5.17");
    expect(run(ring, [flagged(IOSQE.CQE_SKIP_SUCCESS, invalid), nop])).toEqual([[0, EINVAL], [1, 0]]);
  });
});

test("a prep that throws leaves nothing in the queue", () => {
  using ring = new RawRing({ entries: 4 });
  ring.prepNop(1);
  const bytes = ring.sqe().bytes();
  expect(() => ring.prepRead(2, 0, new Uint8Array(4), 5, 0)).toThrow(RangeError);
  expect(() => ring.prepNop(-1)).toThrow(RangeError);
  expect(() => ring.prepTimeout(2, { ms: NaN }, 0, 0)).toThrow(RangeError);
  expect([ring.sqSpace, ring.sqe().bytes()]).toEqual([3, bytes]);
  expect(ring.submitAndWait(1)).toBe(1);
  const visited: Outcome[] = [];
  ring.forEachCqe((userData, res) => void visited.push([userData, res]));
  expect(visited).toEqual([[1, 0]]);
});
