import process from "node:process";
import { describe, expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const TIMES = TIME_SCALE > 1 ? 2 : Number(process.env["URING_EXITS"] ?? 15);

describe("the main thread ends with work in flight", () => {
  test.each([
    ["by return", "return", { code: 0, signal: null }],
    ["by process.exit", "exit", { code: 3, signal: null }],
    ["by process.exit, a worker's ring at work, too", "worker", { code: 3, signal: null }],
    ["by an uncaught error", "throw", { code: 1, signal: null }],
    ["by an unhandled rejection", "reject", { code: 1, signal: null }],
    ["by SIGTERM", "sigterm", { code: null, signal: "SIGTERM" }],
  ])("%s", async (_, how, end) => {
    for (let i = 0; i < TIMES; i++) {
      const { code, signal, stdout, stderr } = await runChild("exits", [how], { limitMs: 20_000 });
      expect({ code, signal, stdout }, stderr).toEqual({ ...end, stdout: "busy\n" });
    }
  }, 60_000 * TIME_SCALE);
});
