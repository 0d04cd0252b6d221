// The pinned Zig compiler: PATH's when it is exactly that version, else one from PyPI in .venv, made when missing.
//
//   node scripts/zig.mjs build ...    runs it
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./runtimes.mjs";

export const ZIG_VERSION = "0.17.1";

const VENV = join(ROOT, ".venv");
const PYTHON = join(VENV, "bin", "python");
const ZIGLANG = [PYTHON, "-m", "ziglang"];

/** @param {string[]} command */
function isPinned([program = "", ...args]) {
  const { status, stdout } = spawnSync(program, [...args, "version"], { encoding: "utf8" });
  return status === 0 && stdout.trim() === ZIG_VERSION;
}

/** @param {string} program @param {string[]} args */
function mustRun(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", 2, 2] });
  if (error || status !== 0) {
    throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `exit code ${status}`}`);
  }
}

function installZiglang() {
  if (!existsSync(PYTHON)) mustRun("python3", ["-m", "venv", VENV]);
  mustRun(PYTHON, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", `ziglang==${ZIG_VERSION}`]);
}

/** @type {string[] | undefined} */
let found;

/**
 * The command that starts Zig: its first word and the arguments that come before Zig's own.
 * @returns {string[]}
 */
export function zigCommand() {
  if (found) return found;
  if (isPinned(["zig"])) return found = ["zig"];
  if (!isPinned(ZIGLANG)) installZiglang();
  if (!isPinned(ZIGLANG)) throw new Error(`${VENV} holds no Zig ${ZIG_VERSION}: remove it and try again`);
  return found = ZIGLANG;
}

function main() {
  const [program = "", ...before] = zigCommand();
  const { status, error } = spawnSync(program, [...before, ...process.argv.slice(2)], { stdio: "inherit" });
  if (error) throw error;
  process.exitCode = status ?? 1;
}

if (process.argv[1] === import.meta.filename) main();
