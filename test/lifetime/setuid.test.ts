import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";

// The C library sends every thread a signal for it, the waker too, and waits for its answer.
test("setuid() returns though the waker sleeps, and the ring goes on", async () => {
  const { code, signal, stdout, stderr } = await runChild("setuid", [], { limitMs: 10_000 });
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  expect(stdout).toBe("done\n");
});
