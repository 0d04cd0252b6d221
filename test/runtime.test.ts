import process from "node:process";
import { expect, test } from "vitest";

const RUNNING = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

test("these tests run in the runtime that was asked for", () => {
  expect(RUNNING).toBe(process.env["URING_EXPECT_RUNTIME"] ?? RUNNING);
});
