import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { AbortError, CLD, P, Ring, UnsupportedError, UringError, W } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";

const SIGKILL = 9;
const SIGCHLD = 17;
const SIGCONT = 18;
const SIGSTOP = 19;

const children: ChildProcess[] = [];

/** A shell that does what it is told through its standard input, and ends with that. */
function startShell(): { pid: number; tell: (command: string) => void } {
  const child = spawn("sh", [], { stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", () => {});
  child.stdin!.on("error", () => {});
  children.push(child);
  return { pid: child.pid!, tell: (command) => void child.stdin!.end(`${command}\n`) };
}

/** A process that does nothing until it is killed. */
function startSleeper(): number {
  const child = spawn("sleep", ["3600"], { stdio: "ignore" });
  children.push(child);
  return child.pid!;
}

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
});

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
    const pid = startSleeper();
    const exited = new Promise((resolve) => children[0]!.once("exit", (_, signal) => resolve(signal)));
    const waiting = ring.waitid(P.PID, pid, W.EXITED | W.NOWAIT);
    const outcome = watch(waiting);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    process.kill(pid, "SIGKILL");
    // This thread sleeps in the kernel: the runtime can't take the child away meanwhile.
    ring.submitAndWait(1);
    expect(await waiting).toEqual({ pid, uid: process.getuid!(), status: SIGKILL, code: CLD.KILLED, signo: SIGCHLD });
    expect(await exited, "the runtime hears of it all the same").toBe("SIGKILL");
  });

  test("gives the exit code", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const { pid, tell } = startShell();
    // Either is quicker: the ring, or the runtime, which takes the child away.
    const waiting = ring.waitid(P.PID, pid, W.EXITED | W.NOWAIT).catch((error: UringError) => error.code);
    tell("exit 7");
    const exited = new Promise((resolve) => children[0]!.once("exit", resolve));
    const result = await waiting;
    if (result !== "ECHILD") expect(result).toMatchObject({ pid, status: 7, code: CLD.EXITED, signo: SIGCHLD });
    expect(await exited).toBe(7);
  });

  test("tells of a child that is stopped and continued, each once", async () => {
    await using ring = new Ring();
    if (!hasWaitid(ring)) return;
    const pid = startSleeper();
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
    const pids = [startSleeper(), startSleeper()];
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
    expect(await failure(ring.waitid(P.PID, startSleeper(), W.NOHANG), UringError)).toMatchObject({ code: "EINVAL" });
  });

  test("ends by a signal, a time limit, cancel() and close(), and leaves the child alone", async () => {
    const ring = new Ring();
    if (!hasWaitid(ring)) return ring.close();
    const pid = startSleeper();
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
    const pids = Array.from({ length: 8 }, startSleeper);
    const waits = pids.map((pid) => ring.waitid(P.PID, pid, W.STOPPED));
    for (const pid of pids.toReversed()) process.kill(pid, "SIGSTOP");
    expect((await Promise.all(waits)).map(({ pid }) => pid)).toEqual(pids);
  });
});
