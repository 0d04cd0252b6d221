import process from "node:process";
import { expect, test } from "vitest";
import { aboutSockets, numberedDescriptors } from "./support/process_state.ts";

const RUNNING = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

test("these tests run in the runtime that was asked for", () => {
  expect(RUNNING).toBe(process.env["URING_EXPECT_RUNTIME"] ?? RUNNING);
});

test("the runtime opens nothing of its own while a test counts", async () => {
  const before = new Set(numberedDescriptors().map(String));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const more = numberedDescriptors().map(String).filter((each) => !before.has(each));
  expect(more, aboutSockets(more)).toEqual([]);
});
