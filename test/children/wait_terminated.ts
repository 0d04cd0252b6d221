/** Terminates a worker that blocks in submitAndWait() for what does not come, and ends. */

import process from "node:process";
import { startWorker } from "../support/worker.ts";

const worker = startWorker(new URL(import.meta.url.replace("wait_terminated", "wait_worker")));
await new Promise<unknown>((resolve) => worker.onMessage(resolve));
// It is in the kernel by then, or will be.
await new Promise((resolve) => setTimeout(resolve, 20));
await worker.terminate();
console.log("terminated");
process.exit(0);
