/** Where the threads of a process are that does not end. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A debugger that hangs itself is not waited for. */
const DEBUGGER_LIMIT_MS = 30_000;

/**
 * A paragraph about each thread: its state, the system call it is in, and, where gdb is at hand, its stack. Then what
 * the kernel tells of each ring and eventfd: queues' heads and tails, what is in flight, what was counted.
 */
export function whereItHangs(pid: number): string {
  return [...threads(pid), ...rings(pid), stacks(pid)].join("\n");
}

function threads(pid: number): string[] {
  return entries(`/proc/${pid}/task`).map((id) => aboutThread(pid, id));
}

function rings(pid: number): string[] {
  return entries(`/proc/${pid}/fd`).map((fd) => [fd, target(`/proc/${pid}/fd/${fd}`)] as const)
    .filter(([, what]) => /^anon_inode:\[(io_uring|eventfd)\]$/.test(what))
    .map(([fd, what]) => `descriptor ${fd}, ${what}\n${contents(`/proc/${pid}/fdinfo/${fd}`)}`);
}

/** None where the process ended at the last moment. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

function aboutThread(pid: number, id: string): string {
  const folder = `/proc/${pid}/task/${id}`;
  const state = /^State:\s*(.*)$/m.exec(contents(`${folder}/status`))?.[1] ?? "?";
  const [name, place, call] = ["comm", "wchan", "syscall"].map((file) => contents(`${folder}/${file}`).trim());
  return `thread ${id} ${name}: ${state}, in ${place || "?"}, system call ${call || "?"}\n${
    contents(`${folder}/stack`)
  }`;
}

function contents(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function stacks(pid: number): string {
  const args = ["-p", String(pid), "-batch", "-nx", "-ex", "set pagination off", "-ex", "thread apply all bt 30"];
  const { stdout } = spawnSync("gdb", args, { encoding: "utf8", timeout: DEBUGGER_LIMIT_MS, killSignal: "SIGKILL" });
  return stdout ?? "";
}
