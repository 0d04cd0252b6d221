import process from "node:process";
import { describe, expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Fewer where machines are emulated, and where the whole suite repeats. */
const WORKERS = TIME_SCALE > 1 ? 10 : Number(process.env["URING_WORKERS"] ?? 200);

describe("a worker with reads into its own heap in flight, and the waker awake", () => {
  test.each([
    ["is terminated", "terminate"],
    ["ends by itself", "end"],
    ["is thrown out of", "throw"],
    ["closes its ring and ends", "close"],
    ["calls process.exit()", "exit"],
  ])(`%s, ${WORKERS} times`, async (_, how) => {
    const { code, signal, stdout, stderr } = await runChild("worker_ends", [how, String(WORKERS)]);
    expect({ code, signal }, stderr.slice(-2000)).toEqual({ code: 0, signal: null });
    expect(stdout).toContain(`ok ${WORKERS}`);
  }, 90_000 * TIME_SCALE);
});
