import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { load } from "../../ffi/load.ts";
import { POLL, Ring } from "../../mod.ts";
import { watch } from "../support/failure.ts";
import { spin } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import { ringAndEventfd } from "../support/ring_eventfd.ts";
import { CAN_RESIZE, RESIZABLE } from "../support/ring_kinds.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const TIMES = 20;
const LIMIT_MS = 10_000 * TIME_SCALE;
const WAITS = Math.ceil(300 / TIME_SCALE);

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

// The kernel can leave TASKRUN set after a wait, with nothing to run: once in some hundred times here.
test("a ring that waited synchronously sleeps afterwards, and can be resized", async () => {
  await using ring = new Ring(CAN_RESIZE ? RESIZABLE : {});
  using pipe = new Pipe();
  const never = watch(ring.pollAdd(pipe.readEnd, POLL.IN));
  let turns = 0;
  for (let i = 0; i < WAITS; i++) {
    const timeouts = Array.from({ length: 30 }, (_, j) => ring.timeout(0.05 + j * 0.003));
    ring.submitAndWait(timeouts.length);
    await Promise.all(timeouts);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const before = ring.stats.turns;
    await new Promise((resolve) => setTimeout(resolve, 1));
    turns += ring.stats.turns - before;
    if (CAN_RESIZE) ring.resize({ entries: 32 << i % 2 });
  }
  expect(turns).toBeLessThan(WAITS);
  expect(never.state).toBe("pending");
  pipe.write("x");
});

// A notification may come while a microtask for a turn waits: it makes that turn. Should the next one be left to the event
// loop, the microtask takes its place, and the ring sleeps before the event loop has come to it.
test("a ring that sleeps again while a turn is still left to the event loop wakes up", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  const native = load();
  const { startWaker } = native;
  let notified = () => {};
  native.startWaker = (handle, notify) => startWaker(handle, notified = notify);
  try {
    await ring.timeout(1);
  } finally {
    native.startWaker = startWaker;
  }
  /** Notifications that find nothing: as many as make the ring look at the clock. */
  const notifyOften = () => {
    for (let i = 0; i < 64; i++) notified();
  };
  for (let i = 0; i < TIMES; i++) {
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    notifyOften();
    const first = ring.nop();
    spin(3000);
    notifyOften();
    const second = ring.nop();
    for (let microtasks = 0; microtasks < 20; microtasks++) await Promise.resolve();
    pipe.write("x");
    spin(3000);
    expect(await Promise.race([read, new Promise((resolve) => setTimeout(resolve, LIMIT_MS, "never"))])).toBe(1);
    await Promise.all([first, second]);
  }
});
