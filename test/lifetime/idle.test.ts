import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";

test("an idle ring does not wake up, enter the kernel, or run its waker", async () => {
  const { code, stdout, stderr } = await runChild("idle", []);
  expect(code, stderr).toBe(0);
  const { wakeups, enters, switches } = JSON.parse(stdout);
  expect({ wakeups, enters, switches }).toEqual({ wakeups: 0, enters: 0, switches: 0 });
});
