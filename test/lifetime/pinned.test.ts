import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ROUNDS = TIME_SCALE > 1 ? 20 : 150;
/** Operations of a round: two of them of sockets. */
const EACH = hasOp("SOCKET") ? 15 : 13;

test("memory that only operations know of stays theirs, thousands of times, under forced collections", async () => {
  const { code, signal, stdout, stderr } = await runChild("pinned", [`${ROUNDS}`], { exposeGc: true, limitMs: 90_000 });
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  const { operations, submitted, completed } = JSON.parse(stdout);
  expect(operations).toBe(ROUNDS * EACH);
  expect(completed).toBe(submitted);
}, 100_000 * TIME_SCALE);
