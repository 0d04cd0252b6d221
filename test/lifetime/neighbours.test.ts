import { spawn } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { childCommand, runChild } from "../support/child.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const LIMIT_MS = 15_000;

const WORK = ["nops", "sleeps", "reads", ...hasOp("SOCKET") ? ["sockets"] : []];

describe.each(WORK)("beside a ring that is busy with %s", (work) => {
  test.each([
    ["timers, intervals and immediates fire", "timers"],
    ["handlers of SIGUSR1, SIGUSR2 and SIGHUP are called", "signals"],
    ["child processes talk and end", "children"],
    ["child processes of the runtime's own talk and end", "own children"],
    ["files of node:fs are read", "files"],
    ["sockets of node:net echo", "sockets"],
    ["node:http serves fetch()", "http"],
    ["the runtime's own server serves fetch()", "server"],
  ])("%s", async (_, part) => {
    const { code, signal, stdout, stderr } = await runChild("neighbours", [part, work], { limitMs: LIMIT_MS });
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    expect(stdout).toBe("done\n");
  }, 30_000 * TIME_SCALE);

  test("stdin is heard, line by line, to its end", async () => {
    const [command, args] = childCommand("neighbours");
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(command, [...args, "stdin", work], { stdio: ["pipe", "pipe", "inherit"], env });
    const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS * TIME_SCALE);
    const lines = ["one", "two", "three"];
    let heard = "";
    child.stdout.on("data", (data) => {
      heard += data;
      // Each answer asks for the next line.
      const line = lines.shift();
      if (line !== undefined) child.stdin.write(`${line}\n`);
      else if (!child.stdin.writableEnded) child.stdin.end();
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    clearTimeout(limit);
    expect({ code, heard }).toEqual({ code: 0, heard: "1\n2\n3\n4\ndone\n" });
  }, 30_000 * TIME_SCALE);
});
