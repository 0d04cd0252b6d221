/** Workers, whichever way this runtime has them. Messages are what structuredClone() takes. */

import { parentPort, Worker as NodeWorker } from "node:worker_threads";

/** A worker, seen from who started it. */
export interface WorkerHandle {
  onMessage(handler: (message: unknown) => void): void;
  /** Told where the runtime tells of it: Deno does of an error alone, which it gives. */
  onEnd(handler: (error?: unknown) => void): void;
  post(message: unknown): void;
  terminate(): Promise<void>;
}

/** What started a worker, seen from it. */
export interface ParentPort {
  post(message: unknown, transfer?: ArrayBuffer[]): void;
  /** Hears the first message. */
  once(handler: (message: unknown) => void): void;
  /** The worker may end now: nobody listens any more. */
  end(): void;
}

/** What is used of Deno's Worker, whose type Node's own hides. */
interface DenoWorker {
  onmessage: (event: { data: unknown }) => void;
  onerror: (event: { preventDefault(): void; message: string }) => void;
  postMessage(message: unknown): void;
  terminate(): void;
}

/** Starts a worker. An error of its own ends it, not this thread. */
export function startWorker(script: URL): WorkerHandle {
  if (typeof Deno !== "undefined") {
    const { Worker: WebWorker } = globalThis as unknown as { Worker: new (url: URL, options: object) => DenoWorker };
    const worker = new WebWorker(script, { type: "module" });
    let ended: (error?: unknown) => void = () => {};
    worker.onerror = (event) => {
      event.preventDefault();
      ended(event.message);
    };
    return {
      onMessage: (handler) => worker.onmessage = ({ data }) => handler(data),
      onEnd: (handler) => ended = handler,
      post: (message) => worker.postMessage(message),
      terminate: () => Promise.resolve(worker.terminate()),
    };
  }
  const worker = new NodeWorker(script);
  let failure: unknown;
  worker.on("error", (error) => failure = error);
  return {
    onMessage: (handler) => worker.on("message", handler),
    onEnd: (handler) => worker.on("exit", () => handler(failure)),
    post: (message) => worker.postMessage(message),
    terminate: async () => void await worker.terminate(),
  };
}

/** In a worker: the way to who started it. */
export function portToParent(): ParentPort {
  if (typeof Deno === "undefined" && parentPort !== null) {
    const port = parentPort;
    return {
      post: (message, transfer = []) => port.postMessage(message, transfer),
      once: (handler) => port.once("message", handler),
      end: () => port.close(),
    };
  }
  const web = globalThis as unknown as {
    postMessage: (message: unknown, transfer?: ArrayBuffer[]) => void;
    onmessage: ((event: { data: unknown }) => void) | null;
    close: () => void;
  };
  return {
    post: (message, transfer) => web.postMessage(message, transfer),
    once: (handler) =>
      web.onmessage = ({ data }) => {
        web.onmessage = null;
        handler(data);
      },
    end: () => web.close(),
  };
}
