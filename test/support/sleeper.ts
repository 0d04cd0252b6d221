/** Child processes to wait for, which end with the test that started them: `afterEach(endChildren)`. */

import { type ChildProcess, spawn } from "node:child_process";

/** A child process, and how it ends: its exit code, or the signal that killed it. */
export interface Child {
  readonly pid: number;
  readonly ended: Promise<number | string>;
}

const children: { process: ChildProcess; ended: Promise<unknown> }[] = [];

/** Has {@linkcode endChildren} end this process, too. */
export function adopt(process: ChildProcess): Child {
  const ended = new Promise<number | string>((resolve) => {
    process.once("exit", (code, signal) => resolve(code ?? signal!));
  });
  children.push({ process, ended });
  return { pid: process.pid!, ended };
}

/** A process that does nothing until it is killed. */
export function startSleeper(): Child {
  return adopt(spawn("sleep", ["3600"], { stdio: "ignore" }));
}

/** Kills those that live still, and waits for their ends. */
export async function endChildren(): Promise<void> {
  for (const { process, ended } of children.splice(0)) {
    if (process.exitCode === null && process.signalCode === null) process.kill("SIGKILL");
    await ended;
  }
}
