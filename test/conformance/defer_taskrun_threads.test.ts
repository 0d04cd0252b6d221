import { beforeAll, describe, expect, test } from "vitest";
import { IORING_SETUP, Ring } from "../../mod.ts";
import { runChild } from "../support/child.ts";

const EEXIST = -17;
const EBADFD = -77;

/** The rules are those of SINGLE_ISSUER (6.0) and DEFER_TASKRUN (6.1). */
const HAS_RULES = (() => {
  using ring = new Ring({ entries: 2 });
  const both = IORING_SETUP.SINGLE_ISSUER | IORING_SETUP.DEFER_TASKRUN;
  return (ring.setupFlags & both) === both;
})();

let answers: Record<string, unknown>;

beforeAll(async () => {
  const { code, stdout, stderr } = await runChild("foreign_thread", []);
  expect(code, stderr.slice(-2000)).toBe(0);
  answers = JSON.parse(stdout) as Record<string, unknown>;
});

describe.skipIf(!HAS_RULES)("a ring that belongs to one thread", () => {
  test.each(["submit", "wait", "register"])("refuses another one's %s: EEXIST", (deed) => {
    expect(answers[deed]).toBe(EEXIST);
  });

  test("does for its own thread what it was to do, all of it and once", () => {
    expect(answers["its own thread goes on"]).toEqual([1, 2]);
  });

  test("which was opened disabled belongs to the thread that enables it", () => {
    expect(answers["enabled elsewhere"]).toBe(0);
    expect(answers["enabled elsewhere: here"]).toBe(EEXIST);
  });
});

test("a ring without those rules does what any thread asks for", () => {
  expect(answers["shared"]).toBe(2);
  expect(answers["shared: completions"]).toEqual([1, 2]);
});

test("a disabled ring does nothing for anybody", () => {
  expect(answers["disabled"]).toBe(EBADFD);
});

test("a worker with a ring of its own is nobody's concern", () => {
  expect(answers["a ring each"]).toEqual([100, 100]);
});

test("a Ring can't be given to another thread, and says so at once", () => {
  expect(answers["given away"]).toEqual(["DataCloneError", "DataCloneError"]);
  expect(answers["given away: goes on"]).toBe(0);
});
