/** A container's seccomp profile that forbids io_uring: a real filter, in a process of its own. */

import { beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { buildRefuse, runRefused } from "../support/refuse.ts";
import { MOD } from "../support/script.ts";

const EPERM = 1;
const ENOSYS = 38;
const folder = new TempFolder();
const refuse = folder.at("refuse");

beforeAll(() => {
  if (!IN_GUEST) buildRefuse(refuse); // no compiler there
});

/** What a script prints for which io_uring_setup, _enter and _register give an errno. */
function underFilter(errno: number, script: string): string {
  return runRefused(refuse, errno, "all", script);
}

describe.skipIf(IN_GUEST).each([["EPERM", EPERM], ["ENOSYS", ENOSYS]])(
  "a seccomp filter that answers %s",
  (code, errno) => {
    test("lets the import work; supported() names the filter and the way out", () => {
      const script = `const { Ring } = await import(${JSON.stringify(MOD)});
      console.log(JSON.stringify(Ring.supported()));`;
      const answer = JSON.parse(underFilter(errno, script));
      expect(answer.ok).toBe(false);
      expect(answer.reason).toContain(code);
      expect(answer.reason).toContain("seccomp");
      expect(answer.fix).toContain("io_uring_setup");
    });

    test("is what new Ring() throws, every time", () => {
      const script = `const { Ring, UringError } = await import(${JSON.stringify(MOD)});
      const errors = [];
      for (let i = 0; i < 20; i++) try { new Ring(); } catch (error) { errors.push(error); }
      console.log(JSON.stringify([errors.length, errors[0] instanceof UringError, errors[0].code, errors[0].message]));`;
      const [count, isOurs, gotCode, message] = JSON.parse(underFilter(errno, script));
      expect([count, isOurs, gotCode]).toEqual([20, true, code]);
      expect(message).toContain("uring doctor");
    });
  },
);
