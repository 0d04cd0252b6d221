/**
 * Starts workers with operations in flight, one after another, and ends each: by terminate(), by their own end, by an
 * error, by process.exit(). After each, what is written into the pipe must still be there: nobody may read it into memory
 * that is gone. After all, the process has what it had after the first.
 *
 * Arguments: how, how many.
 */

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import process from "node:process";
import { Worker as NodeWorker } from "node:worker_threads";
import { type Balance, excess, takeBalance } from "../soak/balance.ts";
import { ringDescriptors, threads } from "../support/process_state.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const how = process.argv[2] as "end" | "throw" | "terminate" | "close" | "exit";
const count = Number(process.argv[3]);
const folder = mkdtempSync(`${tmpdir()}/uring-worker-`);
writeFileSync(`${folder}/data`, new Uint8Array(65536).fill(7));
/** Of this thread: a worker that is ended closes nothing. */
const file = openSync(`${folder}/data`, "r");
const fifo = `${folder}/fifo`;
execFileSync("mkfifo", [fifo]);
const pipe = openSync(fifo, "r+");
const script = new URL(import.meta.url.replace("worker_ends", "worker_busy"));

interface Handle {
  onMessage(handler: (message: string) => void): void;
  /** With the exit code, where the runtime has one. */
  onEnd(handler: (code?: number) => void): void;
  post(message: unknown): void;
  terminate(): Promise<void>;
}

/** What is used of Deno's Worker, whose type Node's own hides. */
interface DenoWorker {
  onmessage: (event: { data: string }) => void;
  onerror: (event: { preventDefault(): void }) => void;
  postMessage(message: unknown): void;
  terminate(): void;
}

function start(): Handle {
  if (typeof Deno !== "undefined") {
    const { Worker: WebWorker } = globalThis as unknown as { Worker: new (url: URL, options: object) => DenoWorker };
    const worker = new WebWorker(script, { type: "module" });
    return {
      onMessage: (handler) => worker.onmessage = (event) => handler(event.data),
      onEnd: (handler) => {
        worker.onerror = (event) => {
          event.preventDefault();
          handler();
        };
      },
      post: (message) => worker.postMessage(message),
      terminate: () => Promise.resolve(worker.terminate()),
    };
  }
  const worker = new NodeWorker(script);
  let ended = (_code: number) => {};
  worker.on("error", () => {});
  worker.on("exit", (code) => ended(code));
  return {
    onMessage: (handler) => worker.on("message", handler),
    onEnd: (handler) => ended = handler,
    post: (message) => worker.postMessage(message),
    terminate: async () => void await worker.terminate(),
  };
}

/** Newer versions of Node have rings of their own. */
const ringsBefore = ringDescriptors();

async function one(): Promise<void> {
  const worker = start();
  let busy = () => {};
  const isBusy = new Promise<void>((resolve) => busy = resolve);
  const ended = new Promise<number | undefined>((resolve) => worker.onEnd(resolve));
  worker.onMessage((message) => {
    if (message === "ready") worker.post({ pipe, file, how });
    if (message === "busy") busy();
  });
  await isBusy;
  if (how === "terminate") await worker.terminate();
  else if (how === "throw" || typeof Deno === "undefined") {
    const code = await ended;
    if (how === "exit" && code !== 5) throw new Error(`the worker ended with ${code}`);
  }
  await gone();
  // Nobody reads the pipe any more: what goes in comes out here.
  writeSync(pipe, "0123456789");
  const back = new Uint8Array(16);
  const bytes = readSync(pipe, back, 0, 10, null);
  if (bytes !== 10) throw new Error(`the pipe gave ${bytes} bytes back`);
}

/** Deno tells nothing of a worker's end: its ring's descriptor does. */
async function gone(): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (ringDescriptors() > ringsBefore) {
    if (Date.now() > deadline) {
      throw new Error(`${ringDescriptors() - ringsBefore} rings are left, ${threads()} threads`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What is the runtime's: Deno leaves an event loop of each worker's behind; threads, and memory, may serve the next. */
const KEPT = {
  loops: typeof Deno === "undefined" ? 0 : count,
  threads: 4,
  guards: Infinity,
  residentMiB: Infinity,
};

/** Deno opens a pair of sockets of its own, sooner or later. */
async function balance(): Promise<Balance> {
  const all = await takeBalance();
  return { ...all, descriptors: all.descriptors.filter((target) => !target.startsWith("socket:")) };
}

/** Waits until there is no more than before: threads, and what the kernel gives back, take a moment. */
async function settled(before: Balance): Promise<void> {
  const deadline = Date.now() + 20_000 * TIME_SCALE;
  while (true) {
    const problems = excess(before, await balance(), KEPT);
    if (problems.length === 0) return;
    if (Date.now() > deadline) throw new Error(problems.join("; "));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Without the wait below, a read that was left behind would hang this: a hang is a failure, told by the parent.
await one();
const before = await balance();
for (let i = 1; i < count; i++) await one();
await settled(before);
closeSync(file);
closeSync(pipe);
rmSync(folder, { recursive: true });
console.log(`ok ${count} ${threads()}`);
process.exit(0);
