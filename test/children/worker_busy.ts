/**
 * A worker with reads into its own heap in flight, and the waker awake. How it ends is its parent's choice.
 *
 * Told by message: { pipe: a pipe's read end, file: a descriptor, how: "end" | "throw" | "terminate" | "close" | "exit" }.
 */

import process from "node:process";
import { IORING_FEAT, IOSQE, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";

interface Order {
  pipe: number;
  file: number;
  how: "end" | "throw" | "terminate" | "close" | "exit";
}

interface Port {
  post(message: unknown): void;
  listen(handler: (message: Order) => void): void;
  end(): void;
}

async function portOf(): Promise<Port> {
  const web = globalThis as unknown as {
    postMessage?: (message: unknown) => void;
    onmessage?: (event: { data: Order }) => void;
    close?: () => void;
    WorkerGlobalScope?: unknown;
  };
  const { parentPort } = await import("node:worker_threads");
  if (parentPort !== null && parentPort !== undefined && typeof Deno === "undefined") {
    return {
      post: (message) => parentPort.postMessage(message),
      listen: (handler) => parentPort.once("message", handler),
      end: () => parentPort.close(),
    };
  }
  return {
    post: (message) => web.postMessage!(message),
    listen: (handler) => web.onmessage = (event) => handler(event.data),
    end: () => web.close!(),
  };
}

let raw: RawRing;

/** Nobody hears of these, but that they end with the worker, and what is linked to them. */
function readInSilence(pipe: number): void {
  raw = new RawRing({ entries: 8 });
  if ((raw.features & IORING_FEAT.CQE_SKIP) === 0) return;
  for (const flags of [0, IOSQE.IO_LINK]) {
    raw.prepRead(1, pipe, new Uint8Array(65536), 65536, -1);
    raw.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS | flags);
  }
  raw.prepRead(2, pipe, new Uint8Array(48), 48, -1);
  raw.submit();
}

const port = await portOf();
port.listen(({ pipe, file, how }) => {
  const ring = new Ring({ entries: 64 });
  // Never ready: these wait in the kernel until the end. Small views and large ones live in different heaps.
  for (let i = 0; i < 8; i++) ring.read(pipe, new Uint8Array(i % 2 === 0 ? 48 : 65536)).catch(() => {});
  ring.pollAdd(pipe, 1).catch(() => {});
  readInSilence(pipe);
  // Always under way: the worker threads of the kernel write into these.
  for (let i = 0; i < 8; i++) {
    (async () => {
      const buffer = new Uint8Array(65536);
      while (true) await ring.read(file, buffer, 0, { flags: 16 /* IOSQE_ASYNC */ });
    })().catch(() => {});
  }
  let ticks = 0;
  (async () => {
    while (true) {
      await ring.timeout(0.05);
      if (++ticks === 5) {
        port.post("busy");
        if (how === "end") {
          port.end();
          ring.unref();
        }
        if (how === "close") {
          await ring.close();
          port.end();
        }
        if (how === "exit") {
          // What it says as it exits may be lost.
          await ring.timeout(1);
          process.exit(5);
        }
        if (how === "throw") throw new Error("thrown on purpose");
      }
    }
  })().catch((error) => {
    if (how === "throw") setTimeout(() => Promise.reject(error), 0);
  });
});
port.post("ready");
