import { describe, expect, test } from "vitest";
import { type Ended, runChild } from "../support/child.ts";
import { hasOp } from "../support/kernel.ts";

const HAS_IT = hasOp("SEND_ZC");

function run(which: string): Promise<Ended> {
  return runChild("hung_send", [which], { exposeGc: true, limitMs: 15_000 });
}

async function told(which: string): Promise<Record<string, unknown>> {
  const { code, signal, stdout, stderr } = await run(which);
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  return JSON.parse(stdout);
}

describe.skipIf(!HAS_IT)("a ring with a zero-copy send that nothing ends", () => {
  test.each([["close() rejects", "close"], ["dispose throws", "dispose"]])(
    "%s after closeTimeout, names it, and keeps its memory",
    async (_, which) => {
      const { error, again, rejected, ms, closed, inFlight, fd, wrong } = await told(which);
      expect(error).toMatchObject({ name: "UringError", code: "EBUSY" });
      const { message } = error as { message: string };
      expect(message).toMatch(`send_zc fd=${fd} could not be ended within 300 ms`);
      expect(message).toMatch("kept for as long as the process");
      expect(again).toBe("the same");
      expect(rejected).toMatchObject({ name: "AbortError", message: expect.stringContaining("must not be used") });
      expect({ closed, inFlight }).toEqual({ closed: true, inFlight: 1 });
      expect(ms).toBeGreaterThanOrEqual(290);
      expect(wrong, "bytes that the kernel read from memory that was somebody else's").toBe(0);
    },
  );

  test("RawRing's close() throws", async () => {
    const { error } = await told("raw");
    expect(error).toMatchObject({ name: "UringError", code: "EBUSY" });
    expect((error as { message: string }).message).toMatch("could not be ended within 300 ms");
  });
});

describe.skipIf(!HAS_IT)("a worker whose ring could not be closed", () => {
  test("keeps its heap, when it is terminated, until the kernel is done with it", async () => {
    expect(await told("worker")).toEqual({ code: "EBUSY", whileHung: 1, wrong: 0 });
  });
});

describe.skipIf(!HAS_IT)("a process with a send that nothing ends", () => {
  test.each([
    ["whose ring is kept", "end-kept"],
    ["whose ring is open, and unref'd", "end-open"],
    ["whose RawRing is open", "end-open-raw"],
  ])("%s, ends by itself, with its exit code, and all who listen hear it", async (_, which) => {
    const { code, signal, stdout, stderr } = await run(which);
    expect({ code, signal }, stderr).toEqual({ code: 7, signal: null });
    expect(stdout).toBe("first 7\nlast 7\n");
  });

  test.each([
    ["by process.exit()", "exit-open", 7, ""],
    ["by process.exit(), the send a worker's", "exit-worker", 7, ""],
    ["by an uncaught error, the send a worker's", "throw-worker", 1, "thrown on purpose"],
    ["by an uncaught error, its ring kept", "throw-kept", 1, "thrown on purpose"],
    // Deno says it once its isolate is gone, which waits for the ring.
    [
      "by an uncaught error, its ring open",
      "throw-open",
      1,
      "Deno" in globalThis ? "ends with them" : "thrown on purpose",
    ],
    ["by an unhandled rejection, its ring kept", "reject-kept", 1, "rejected on purpose"],
    ["by a close() that nobody catches", "uncaught-close", 1, "could not be ended"],
  ])("ends %s", async (_, which, exitCode, message) => {
    const { code, signal, stderr } = await run(which);
    // Bun tells nobody that a rejection in the last task of all was not handled.
    const isUntold = "Bun" in globalThis && which === "reject-kept";
    expect({ code, signal }, stderr).toEqual({ code: isUntold ? 0 : exitCode, signal: null });
    expect(stderr).toContain(message);
  });

  test("goes on where somebody handles what nobody caught, its ring kept", async () => {
    const { code, stdout, stderr } = await run("handled-kept");
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: "rejected,thrown\n" });
  });
});
