/**
 * Invalid input: all 64 rows of the list, by number. Of each: the error's class and code, that its message names the
 * argument, the limit and the fix; that nothing of a refused call reaches the kernel; and that what is in flight, and
 * what is asked for next, go on.
 */

import { afterAll, describe, expect, test } from "vitest";
import { endShared, type Row } from "./row.ts";
import { ARGUMENTS } from "./arguments.ts";
import { BUFFERS } from "./buffers.ts";
import { LIFE } from "./life.ts";
import { LIMITS } from "./limits.ts";
import { OPERATIONS } from "./operations.ts";
import { REGISTRATION } from "./registration.ts";
import { REST } from "./rest.ts";
import { SETUP } from "./setup.ts";

const LIST: readonly Row[] = [
  ...SETUP,
  ...LIFE,
  ...LIMITS,
  ...ARGUMENTS,
  ...BUFFERS,
  ...OPERATIONS,
  ...REGISTRATION,
  ...REST,
];

afterAll(endShared);

test("the list has 64 rows, in order, each with a test", () => {
  expect(LIST.map(({ number }) => number)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  expect(LIST.filter(({ cases }) => Object.keys(cases).length === 0)).toEqual([]);
});

for (const { number, words, cases } of LIST) {
  describe(`${number} ${words}`, () => {
    for (const [name, run] of Object.entries(cases)) test(name, run);
  });
}
