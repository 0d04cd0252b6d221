import { describe, expect, test } from "vitest";
import { IORING_FEAT, IORING_OP, IORING_REGISTER, IORING_SETUP, Ring } from "../../mod.ts";
import { diagnose, type Has } from "../../src/cli/doctor.ts";

function all({ supported, missing }: Has): string[] {
  return [...supported, ...missing.map(({ name }) => name)].sort();
}

describe("uring doctor", () => {
  test("names what this kernel has and lacks, as the probe does, with the Linux that brings it", async () => {
    const { ok, kernel } = await diagnose();
    expect(ok).toBe(true);
    await using ring = new Ring();
    const probe = ring.probe();
    expect(kernel!.ops.supported).toEqual(probe.ops);
    expect(all(kernel!.ops)).toEqual(Object.keys(IORING_OP).sort());
    expect(kernel!.features.supported).toEqual(probe.features);
    expect(all(kernel!.features)).toEqual(Object.keys(IORING_FEAT).sort());
    const groups = [kernel!.ops, kernel!.registers, kernel!.setupFlags, kernel!.features];
    for (const { since } of groups.flatMap((group) => group?.missing ?? [])) expect(since).toMatch(/^[5-9]\.\d+$/);
  });

  test("knows register ops and setup flags where the kernel tells, and says where it does not", async () => {
    const { kernel, sections } = await diagnose();
    await using ring = new Ring();
    const shown = sections.find(({ title }) => title === "Kernel")!.findings;
    if (ring.probe().registers < 0) {
      expect(kernel).toMatchObject({ registers: null, setupFlags: null });
      expect(shown.find(({ name }) => name === "register ops")?.value).toMatch("does not tell");
      return;
    }
    expect(all(kernel!.registers!)).toEqual(Object.keys(IORING_REGISTER).sort());
    expect(all(kernel!.setupFlags!)).toEqual(Object.keys(IORING_SETUP).sort());
    expect(kernel!.registers!.supported).toContain("QUERY");
    for (const { name, since } of kernel!.registers!.missing) {
      expect(shown.find((finding) => finding.name === "registers missing")?.value).toMatch(`${name} (${since})`);
    }
  });
});
