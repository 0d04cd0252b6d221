import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, run, RUNTIME } from "../load/elsewhere.ts";

test.skipIf(RUNTIME !== "node")("the command line can be imported by a program without a file", async () => {
  const main = join(ROOT, "dist/src/cli/main.js");
  const program = `const { main } = await import(${JSON.stringify(main)}); process.exitCode = await main(["help"]);`;
  const { code, stdout, stderr } = await run(["node", "--input-type=module", "-e", program, "no-such-file"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("Usage: uring COMMAND");
});
