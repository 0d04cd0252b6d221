import process from "node:process";
import { expect, test } from "vitest";
import { aboutSockets, openedSince } from "./support/process_state.ts";

const RUNNING = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

test("these tests run in the runtime that was asked for", () => {
  expect(RUNNING).toBe(process.env["URING_EXPECT_RUNTIME"] ?? RUNNING);
});

test("the runtime opens nothing of its own while a test counts", async () => {
  const opened = openedSince();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const more = opened();
  expect(more, aboutSockets(more)).toEqual([]);
});
