import { describe, expect, test } from "vitest";
import { runChild } from "../support/child.ts";

describe.each([
  ["the process", "liveness"],
  ["a worker", "liveness_of_worker"],
])("%s", (_, script) => {
  test.each([
    ["waits for a pending operation", "pending"],
    ["waits for one that is awaited at top level", "top-level-await"],
    ["ends when the ring is idle", "idle"],
    ["ends when the ring was never used", "never-used"],
    ["ends when the default ring is idle", "default-idle"],
    ["does not wait for a ring that is unref'd", "unref"],
    ["waits again after ref()", "ref-again"],
    ["ends when the ring is closed", "closed"],
    ["waits for a close() that nobody awaits", "closing"],
  ])("%s", async (_, which) => {
    const { code, signal, stdout, stderr } = await runChild(script, [which], { limitMs: 15_000 });
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    expect(stdout).toBe("done\n");
  });
});
