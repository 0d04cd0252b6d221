import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

test("everything at once under forced collections: every byte right, nothing lost, nothing left", async () => {
  const { code, signal, stdout, stderr } = await runChild("mixed", ["7", String(2500 * Math.sqrt(TIME_SCALE))], {
    exposeGc: true,
    limitMs: 60_000,
  });
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  const counts = JSON.parse(stdout) as Record<string, number>;
  expect(counts["submitted"]).toBe(counts["completed"]);
  for (const what of ["files", "sockets", "timers", "waits", "rings", "collections"]) {
    expect(counts[what], what).toBeGreaterThan(3);
  }
}, 120_000 * TIME_SCALE);
