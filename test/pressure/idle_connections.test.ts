import { execFile } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { childCommand } from "../support/child.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const CONNECTIONS = Math.ceil(10_000 / TIME_SCALE);
const LIMIT_MS = 60_000 * TIME_SCALE;
/** What a connection may take of this process's memory: promises and table entries, and no buffer. */
const MOST_BYTES = 8192;

interface Told {
  readonly inFlight: number;
  readonly idleEnters: number;
  readonly received: number;
  readonly wrong: number;
  readonly available: number;
  readonly bytesEach: number;
}

/** Runs the child with as many descriptors as it needs; undefined where we may not have so many. */
function run(kind: "multishot" | "once"): Promise<Told | undefined> {
  const [command, args] = childCommand("idle_connections");
  const script = `ulimit -n ${CONNECTIONS + 200} || exit 99; exec "$@"`;
  const { NODE_OPTIONS: _, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(
      "sh",
      ["-c", script, "sh", command, ...args, `${CONNECTIONS}`, kind],
      { env: { ...env, NO_COLOR: "1" }, timeout: LIMIT_MS, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        if (error?.code === 99) resolve(undefined);
        else if (error) reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
        else resolve(JSON.parse(stdout) as Told);
      },
    );
  });
}

describe.skipIf(!hasOp("SOCKET"))("ten thousand idle connections", () => {
  test.each(["multishot", "once"] as const)(
    "with a pending receive each (%s) cost a few kilobytes each, and are all heard",
    async (kind) => {
      const told = await run(kind);
      expect(told, "needs a limit of descriptors that allows for it: ulimit -Hn").toBeDefined();
      const { bytesEach, ...counts } = told!;
      const pending = CONNECTIONS;
      expect(counts).toEqual({ inFlight: pending, idleEnters: 0, received: CONNECTIONS, wrong: 0, available: 256 });
      expect(bytesEach).toBeLessThan(MOST_BYTES);
    },
    LIMIT_MS,
  );
});
