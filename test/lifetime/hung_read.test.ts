import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childCommand, runChild } from "../support/child.ts";
import { TempFolder } from "../support/folder.ts";
import { hasSyncCancel } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Mounting takes root, and a kernel with FUSE. */
const CAN_MOUNT = process.geteuid?.() === 0 && existsSync("/dev/fuse");

describe.skipIf(!CAN_MOUNT)("a read that hangs in a dead file system", () => {
  const folder = new TempFolder();
  let server: ReturnType<typeof spawn>;

  beforeAll(async () => {
    const [command, args] = childCommand("hung_filesystem");
    server = spawn(command, [...args, folder.path], { stdio: ["ignore", "pipe", "inherit"] });
    // Should it outlive this: killed, it answers everything with an error.
    setTimeout(() => server.kill("SIGKILL"), 60_000 * TIME_SCALE).unref();
    await new Promise<void>((resolve, reject) => {
      server.stdout!.once("data", () => resolve());
      server.once("exit", (code) => reject(new Error(`the file system ended with ${code}`)));
    });
  }, 60_000 * TIME_SCALE);

  afterAll(async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    spawnSync("umount", ["-l", folder.path]);
    await ended;
    folder[Symbol.dispose]();
  });

  async function told(which: string): Promise<Record<string, unknown>> {
    const ended = await runChild("hung_read", [which, folder.path], { exposeGc: true, limitMs: 15_000 });
    expect({ code: ended.code, signal: ended.signal }, ended.stderr).toEqual({ code: 0, signal: null });
    return JSON.parse(ended.stdout);
  }

  test("has one outcome, when it is answered, however often it was cancelled before", async () => {
    const { found, early, outcomes, alive, inFlight, lost } = await told("cancel");
    expect(found).toEqual([1, 4, 4, 4]);
    expect(early, "settled before the kernel had let go of their buffers").toEqual([]);
    expect(outcomes).toEqual([expect.anything(), expect.anything(), expect.anything(), expect.anything()]);
    const [plain, aborted, limited, cancelled] = outcomes as string[];
    expect(["4096 of 97", "ECANCELED", "EINTR"]).toContain(plain);
    expect(["4096 of 97", "ABORTED"]).toContain(aborted);
    expect(["4096 of 97", "ETIME"]).toContain(limited);
    expect(["4096 of", "ECANCELED", "EINTR"]).toContain(cancelled);
    expect({ alive, inFlight, lost }).toEqual({ alive: 0, inFlight: 0, lost: 0 });
  });

  test.skipIf(!hasSyncCancel)(
    "is not over for syncCancel() within its limit: it goes on, and keeps its buffer",
    async () => {
      const { code, early, pending, outcome, ...rest } = await told("sync");
      expect(code).toBe("ETIME");
      expect({ early, pending }).toEqual({ early: [], pending: 1 });
      expect([["4096 bytes", 97], ["ECANCELED", 0], ["EINTR", 0]]).toContainEqual(outcome);
      expect(rest).toEqual({ inFlight: 0, lost: 0, strays: 0 });
    },
  );

  test("makes close() reject after closeTimeout, and what it writes into later is kept", async () => {
    const { fd, code, message, outcome } = await told("close");
    expect(code).toBe("EBUSY");
    expect(message).toMatch(`read fd=${fd} could not be ended within 300 ms`);
    expect(outcome).toBe("ABORT_ERR");
  });
});
