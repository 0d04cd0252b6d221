/** Where the threads of a process are that does not end. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A debugger that hangs itself is not waited for. */
const DEBUGGER_LIMIT_MS = 30_000;

/** A paragraph about each thread: its state, the system call it is in, and, where gdb is at hand, its stack. */
export function whereItHangs(pid: number): string {
  return [...threadIds(pid).map((id) => aboutThread(pid, id)), stacks(pid)].join("\n");
}

function threadIds(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it ended at the last moment
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
