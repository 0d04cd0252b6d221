/**
 * The end of a process by itself: its main thread has nothing left to do, or failed.
 *
 * Workers end as they do, whose heap goes before the process does.
 *
 * @module
 */

import { nodeProcess, runtime, writeError } from "./host.ts";

/**
 * Asks, after everybody else who listens for it, whether the end of this thread's environment would wait for ever. Then
 * that is left out, as `process.exit()` leaves it out: the process ends at once, with the code that it has.
 */
export function onMainEnd(wouldHang: () => boolean): void {
  if (runtime === "deno") {
    if (isDenoWorker()) return;
    const end = () => {
      if (wouldHang()) nodeProcess().exit();
    };
    // Through Deno's own events: any look at `process` would load all of Node's compatibility layer.
    events.addEventListener("beforeunload", () => {
      events.removeEventListener("unload", end);
      events.addEventListener("unload", end);
    });
    return;
  }
  const process = nodeProcess();
  const end = () => {
    // Asked for when it matters only: to load that module takes milliseconds.
    if (wouldHang() && process.getBuiltinModule("node:worker_threads").isMainThread) process.exit();
  };
  process.on("beforeExit", () => {
    process.off("exit", end);
    process.on("exit", end);
    // If it goes on after all, another end may come. Bun's after an unhandled rejection is not asked for: it leaves the
    // environment as it is, with a code that shows nowhere. (A rejection in the very last task it does not tell apart.)
    setTimeout(() => process.off("exit", end), 0).unref();
  });
}

/** Node alone waits for its workers before the process ends: here is told that it does so, and with which code. */
export function onProcessEnd(tell: (code: number) => void): void {
  // What somebody has made of `process.exitCode` may be text.
  if (runtime === "node") nodeProcess().on("exit", (code) => tell(Number(code)));
}

/**
 * From now on the end of this thread's environment waits for ever: what ends it without a word, an uncaught error in
 * Deno, ends the process here. Node and Bun leave the environment as it is then.
 */
export function endOnFailure(): void {
  if (runtime !== "deno" || isDenoWorker()) return;
  const end = ({ type, defaultPrevented, error, reason }: Failure) => {
    if (defaultPrevented || isHandled(type)) return;
    writeError(`error: Uncaught ${Deno.inspect(error ?? reason)}\n`);
    nodeProcess().exit(1);
  };
  events.addEventListener("error", end);
  events.addEventListener("unhandledrejection", end);
}

/** Whether somebody listens by Node's names: Deno asks those after its own listeners. */
function isHandled(type: string): boolean {
  const process = nodeProcess();
  return process.listenerCount("uncaughtException") > 0 || process.hasUncaughtExceptionCaptureCallback?.() ||
    type === "unhandledrejection" && process.listenerCount("unhandledRejection") > 0;
}

/** What is here of an error's event, and of a rejection's. */
interface Failure {
  readonly type: string;
  readonly defaultPrevented: boolean;
  readonly error?: unknown;
  readonly reason?: unknown;
}

/** Deno's events of its global scope. */
interface Events {
  addEventListener(type: string, listener: (event: Failure) => void): void;
  removeEventListener(type: string, listener: (event: Failure) => void): void;
}

const events = globalThis as unknown as Events;

function isDenoWorker(): boolean {
  return "DedicatedWorkerGlobalScope" in globalThis;
}
