/**
 * Starts `liveness.ts` as a worker, and nothing else: this ends when that does.
 *
 * Argument: its case.
 */

import process from "node:process";
import { Worker } from "node:worker_threads";

const script = new URL(import.meta.url.replace("liveness_of_worker", "liveness"));
new Worker(script, { workerData: process.argv[2] }).once("error", (error) => {
  throw error;
});
