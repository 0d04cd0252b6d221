import { spawn } from "node:child_process";
import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { AbortError, CLD, P, Ring, UnsupportedError, UringError, W } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { adopt, type Child, endChildren, startSleeper } from "../support/sleeper.ts";

const SIGKILL = 9;
const SIGCHLD = 17;
const SIGCONT = 18;
const SIGSTOP = 19;

/** A shell that does what it is told through its standard input, and ends with that. */
function startShell(): Child & { tell: (command: string) => void } {
  const child = spawn("sh", [], { stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", () => {});
  child.stdin!.on("error", () => {});
  return { ...adopt(child), tell: (command) => void child.stdin!.end(`${command}\n`) };
}

afterEach(endChildren);

function hasWaitid(ring: Ring): boolean {
  if (ring.probe().op("WAITID").supported) return true;
  expect(thrown(() => ring.waitid(P.PID, 1), UnsupportedError)).toMatchObject({
    feature: "WAITID",
    needs: "Linux 6.7",
  });
  return false;
}

describe("waitid()", () => {
  test("tells of a child that is killed, and leaves it to the runtime with NOWAIT", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const { pid, ended } = startSleeper();
    const waiting = ring.waitid(P.PID, pid, W.EXITED | W.NOWAIT);
    const outcome = watch(waiting);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    process.kill(pid, "SIGKILL");
    // This thread sleeps in the kernel: the runtime can't take the child away meanwhile.
    ring.submitAndWait(1);
    expect(await waiting).toEqual({ pid, uid: process.getuid!(), status: SIGKILL, code: CLD.KILLED, signo: SIGCHLD });
    expect(await ended, "the runtime hears of it all the same").toBe("SIGKILL");
  });

  test("gives the exit code", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const { pid, ended, tell } = startShell();
    // Either is quicker: the ring, or the runtime, which takes the child away.
    const waiting = ring.waitid(P.PID, pid, W.EXITED | W.NOWAIT).catch((error: UringError) => error.code);
    tell("exit 7");
    const result = await waiting;
    if (result !== "ECHILD") expect(result).toMatchObject({ pid, status: 7, code: CLD.EXITED, signo: SIGCHLD });
    expect(await ended).toBe(7);
  });

  test("tells of a child that is stopped and continued, each once", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const { pid } = startSleeper();
    const stopped = ring.waitid(P.PID, pid, W.STOPPED);
    process.kill(pid, "SIGSTOP");
    expect(await stopped).toMatchObject({ pid, status: SIGSTOP, code: CLD.STOPPED, signo: SIGCHLD });
    expect(await ring.waitid(P.PID, pid, W.STOPPED | W.NOHANG), "taken").toEqual({
      pid: 0,
      uid: 0,
      status: 0,
      code: 0,
      signo: 0,
    });
    const continued = ring.waitid(P.PID, pid, W.CONTINUED);
    process.kill(pid, "SIGCONT");
    expect(await continued).toMatchObject({ pid, status: SIGCONT, code: CLD.CONTINUED });
  });

  test("waits for any child, and for those of a process group", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const pids = [startSleeper().pid, startSleeper().pid];
    const anyOne = ring.waitid(P.ALL, 0, W.STOPPED);
    process.kill(pids[1]!, "SIGSTOP");
    expect(await anyOne).toMatchObject({ pid: pids[1], code: CLD.STOPPED });
    const ofGroup = ring.waitid(P.PGID, 0, W.STOPPED);
    process.kill(pids[0]!, "SIGSTOP");
    expect((await ofGroup).pid, "0: this process's own group").toBe(pids[0]);
  });

  test("rejects for what is no child, no pidfd, and no state", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    expect(await failure(ring.waitid(P.PID, process.pid), UringError)).toMatchObject({
      code: "ECHILD",
      syscall: "waitid",
    });
    expect(await failure(ring.waitid(P.PIDFD, 99_999), UringError)).toMatchObject({ code: "EBADF" });
    expect(await failure(ring.waitid(P.PID, startSleeper().pid, W.NOHANG), UringError)).toMatchObject({
      code: "EINVAL",
    });
  });

  test("ends by a signal, a time limit, cancel() and close(), and leaves the child alone", async () => {
    const ring = new Ring();
    if (!hasWaitid(ring)) return ring.close();
    const { pid } = startSleeper();
    const wait = (o?: object) => ring.waitid(P.PID, pid, W.EXITED, o);
    const controller = new AbortController();
    const signalled = wait({ signal: controller.signal });
    const limited = failure(wait({ timeout: 5 }), UringError);
    const cancelled = wait();
    const closed = failure(wait(), AbortError);
    await ring.nop();
    controller.abort("enough");
    await expect(signalled).rejects.toBe("enough");
    expect(await limited).toMatchObject({ code: "ETIME", syscall: "waitid" });
    const rejection = failure(cancelled, UringError);
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED" });
    await ring.close();
    await closed;
    process.kill(pid, 0);
  });

  test("goes on with many at once", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const pids = Array.from({ length: 8 }, () => startSleeper().pid);
    const waits = pids.map((pid) => ring.waitid(P.PID, pid, W.STOPPED));
    for (const pid of pids.toReversed()) process.kill(pid, "SIGSTOP");
    expect((await Promise.all(waits)).map(({ pid }) => pid)).toEqual(pids);
  });
});
