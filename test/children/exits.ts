/**
 * Ends its process in the way that its argument says, with operations in flight and the waker awake.
 *
 * Ways: return, exit, worker (exits while a worker's ring is busy, too), throw, reject, sigterm.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { AT, Ring } from "../../mod.ts";
import { startWorker } from "../support/worker.ts";

const how = process.argv[2];
const folder = mkdtempSync(`${tmpdir()}/uring-exit-`);
const file = `${folder}/data`;
writeFileSync(file, new Uint8Array(65536).fill(7));
const fifo = `${folder}/fifo`;
execFileSync("mkfifo", [fifo]);
const pipe = openSync(fifo, "r+");

const ring = new Ring({ entries: 64 });
const fd = await ring.openat(AT.FDCWD, file, 0);
if (how === "worker") await startBusyWorker();
rmSync(folder, { recursive: true });
for (let i = 0; i < 8; i++) ring.read(pipe, new Uint8Array(i % 2 === 0 ? 48 : 65536)).catch(() => {});
for (let i = 0; i < 8; i++) {
  (async () => {
    const buffer = new Uint8Array(65536);
    while (true) await ring.read(fd, buffer, 0, { flags: 16 /* IOSQE_ASYNC */ });
  })().catch(() => {});
}
for (let i = 0; i < 5; i++) await ring.timeout(0.05);
console.log("busy");
switch (how) {
  case "return":
    ring.unref();
    break;
  case "exit":
  case "worker":
    process.exit(3);
    break;
  case "throw":
    throw new Error("thrown on purpose");
  case "reject":
    Promise.reject(new Error("rejected on purpose"));
    break;
  case "sigterm":
    process.kill(process.pid, "SIGTERM");
    await ring.timeout(60_000);
    break;
  default:
    throw new Error(`unknown way ${how}`);
}

function startBusyWorker(): Promise<void> {
  const worker = startWorker(new URL(import.meta.url.replace("exits", "worker_busy")));
  return new Promise((resolve, reject) => {
    worker.onEnd((error) => reject(new Error("the worker ended before it was busy", { cause: error })));
    worker.onMessage((message) => {
      if (message === "ready") worker.post({ pipe, file: fd, how: "terminate" });
      if (message === "busy") resolve();
    });
  });
}
