import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";

test.each([["with", "1"], ["without", ""]])(
  "programs that a process starts inherit no ring, no waker and no core; %s guard pages",
  async (_, guard) => {
    const { code, stdout, stderr } = await runChild("spawns", [], { env: { URING_GUARD: guard } });
    expect(code, stderr).toBe(0);
    const { inherited, maps, forked, alive } = JSON.parse(stdout);
    expect(Object.keys(inherited).length).toBeGreaterThanOrEqual("Deno" in globalThis || "Bun" in globalThis ? 3 : 2);
    for (const [how, lines] of Object.entries(inherited)) expect(lines, how).toEqual([]);
    // A fork alone, as a native addon may do: what a child has not got, it can't submit into.
    expect(maps).toBeGreaterThan(0);
    expect(forked, "mapped rings that a fork would copy").toBe(0);
    expect(alive).toBe(0);
  },
);
