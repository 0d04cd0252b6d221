import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT, run, RUNTIME } from "../load/elsewhere.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const DEMO = ["node", join(ROOT, "dist/src/cli/main.js"), "demo", "--json"];
const LIMIT = 60_000 * TIME_SCALE;

describe("the demo", () => {
  test("reads every file of a folder, and tells of those that are left out", async () => {
    using folder = new TempFolder();
    for (let i = 0; i < 20; i++) folder.write(`file ${i}`, pattern(i * 5000));
    const { code, stdout, stderr } = await run([...DEMO, "--runtime", RUNTIME, folder.path]);
    expect(code, stderr).toBe(0);
    const [{ runtime, measured }] = JSON.parse(stdout);
    expect(runtime.name).toBe(RUNTIME);
    expect(measured).toMatchObject({ files: 20, bytes: 950_000, mismatches: [], failures: [], skipped: [] });
  }, LIMIT);

  test("fails where a runtime that was asked for is missing", async () => {
    using folder = new TempFolder();
    folder.write("file", "content");
    const env = { URING_BUN: "/nowhere" };
    const { code, stdout } = await run([...DEMO, "--runtime", "bun", "--runtime", RUNTIME, folder.path], { env });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)[0].runtime.reason).toContain("/nowhere");
  }, LIMIT);
});
