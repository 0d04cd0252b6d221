/**
 * Child processes.
 *
 * @module
 */

import { P, W } from "../abi/constants.ts";
import { prepWaitid } from "../abi/encode.ts";
import { type Scratch, takeScratch } from "../memory/scratch.ts";
import { checkFd, checkFlags, checkInteger } from "./arguments.ts";
import type { OpOptions } from "./base.ts";
import { FutexOps } from "./ops_futex.ts";

/** What became of a child. */
export interface ChildState {
  /** The child; 0 when none has changed, with `W.NOHANG`. */
  readonly pid: number;
  /** The user that it runs as. */
  readonly uid: number;
  /** Its exit code, or the signal that killed, stopped or continued it. */
  readonly status: number;
  /** CLD values: EXITED, KILLED, DUMPED, STOPPED, CONTINUED, ... */
  readonly code: number;
  /** SIGCHLD, 17; 0 when no child has changed. */
  readonly signo: number;
}

/** sizeof(siginfo_t), and where the members for SIGCHLD are. */
const SIGINFO_SIZE = 128;
const SI_SIGNO = 0;
const SI_CODE = 8;
const SI_PID = 16;
const SI_UID = 20;
const SI_STATUS = 24;

/** Child processes. */
export class ProcessOps extends FutexOps {
  /**
   * Waits until a child changes its state, as waitid(2). Since Linux 6.7.
   *
   * A child that has exited is taken away by whoever waits for it first. Runtimes wait for the children that they have
   * started: for those add `W.NOWAIT`, and expect ECHILD when the runtime was quicker.
   *
   * @param idtype P.PID, P.PGID, P.PIDFD, or P.ALL
   * @param id the process, the process group, or the pidfd; of no meaning with P.ALL
   * @param options W bits: what to wait for, EXITED, STOPPED, CONTINUED; and how, NOHANG, NOWAIT
   * @returns which child it was, and what became of it
   * @throws {TypeError} {RangeError} for wrong arguments, at once
   * @throws {UnsupportedError} where the kernel has no such op
   * @throws {UringError} (rejects) ECHILD when there is no such child, or no more
   *
   * @example
   * ```ts
   * import { spawn } from "node:child_process";
   * import process from "node:process";
   * import { CLD, P, Ring, W } from "@uring/uring";
   *
   * await using ring = new Ring();
   * if (ring.probe().op("WAITID").supported) {
   *   const child = spawn("sleep", ["60"]);
   *   const stopped = ring.waitid(P.PID, child.pid!, W.STOPPED);
   *   process.kill(child.pid!, "SIGSTOP");
   *   console.assert((await stopped).code === CLD.STOPPED);
   *   child.kill("SIGKILL");
   * }
   * ```
   */
  waitid(idtype: number, id: number, options: number = W.EXITED, o?: OpOptions): Promise<ChildState> {
    this.need("WAITID", "6.7");
    checkInteger(idtype, "idtype", P.ALL, P.PIDFD);
    checkFd(id, "id");
    checkFlags(options, "options");
    const scratch = takeScratch(SIGINFO_SIZE);
    scratch.bytes.fill(0, 0, SIGINFO_SIZE);
    const extra = { decode: decode as (res: number, scratch: Scratch | null) => ChildState };
    return this.start<ChildState>({ op: "waitid", scratch, extra }, o, (words, at) => {
      prepWaitid(words, at, idtype, id, scratch.address, options, 0);
    });
  }
}

function decode(_: number, { view }: Scratch): ChildState {
  return {
    pid: view.getInt32(SI_PID, true),
    uid: view.getUint32(SI_UID, true),
    status: view.getInt32(SI_STATUS, true),
    code: view.getInt32(SI_CODE, true),
    signo: view.getInt32(SI_SIGNO, true),
  };
}
