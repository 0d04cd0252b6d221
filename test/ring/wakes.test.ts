import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { POLL, Ring } from "../../mod.ts";
import { Pipe } from "../support/pipe.ts";
import { ringAndEventfd } from "../support/process_state.ts";

const TIMES = 20;

// The kernel signals differently for what this thread does, another process, and the clock.
test.each([
  ["this thread writes", (pipe: Pipe) => void setTimeout(() => pipe.write("x"), 5)],
  [
    "another process writes",
    (pipe: Pipe) => void spawn("sh", ["-c", "echo x >&3"], { stdio: ["ignore", "ignore", "ignore", pipe.writeEnd] }),
  ],
])("a ring that sleeps wakes up again and again: %s", async (_, write) => {
  await using ring = new Ring();
  using pipe = new Pipe();
  for (let i = 0; i < TIMES; i++) {
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    write(pipe);
    expect(await read).toBe(1);
    const rest = ring.read(pipe.readEnd, new Uint8Array(1), "current", { timeout: 20 });
    await rest.catch(() => {});
    await ring.timeout(1);
  }
  expect(ring.stats.inFlight).toBe(0);
});

// Linux puts off what it would signal from within a signal; from 6.11 on it did so once, and then no more.
test("a ring that sleeps wakes up again and again: for another's eventfd", async () => {
  await using ring = new Ring();
  const { ring: other, eventfd } = await ringAndEventfd();
  await using _other = other;
  for (let i = 0; i < TIMES; i++) {
    const signal = other.timeout(10);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const poll = ring.pollAdd(eventfd, POLL.IN);
    expect(await poll).toBe(POLL.IN);
    expect(await signal).toBe(0);
  }
});
