/** The library in a place of its own, and programs run there in the runtime that runs the test. */

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Ended } from "../support/child.ts";
import type { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** The runtime that runs the test. */
export const RUNTIME: "deno" | "bun" | "node" = typeof Deno !== "undefined"
  ? "deno"
  : "bun" in process.versions
  ? "bun"
  : "node";

/** The project's folder. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The name of this machine's core. */
export const CORE = `uring-linux-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so`;
/** The name of the other machine's. */
export const FOREIGN_CORE = `uring-linux-${process.arch === "arm64" ? "x86_64" : "aarch64"}.so`;

/** This machine's core in the checkout. */
export const CORE_PATH: string = join(ROOT, "ffi", CORE);

const CHILDREN = ["load_all", "load_worker", "load_refused"];

/** Copies what a program needs of the library into a folder: the package's files in Node, the sources elsewhere. */
export function copyLibrary(folder: string, { core }: { core: boolean }): void {
  const from = RUNTIME === "node" ? join(ROOT, "dist") : ROOT;
  const extension = RUNTIME === "node" ? ".js" : ".ts";
  const files = [
    `mod${extension}`,
    ...readdirSync(join(from, "ffi")).map((name) => `ffi/${name}`).filter((path) => isCode(path, extension)),
    ...CHILDREN.map((name) => `test/children/${name}${extension}`),
    ...core ? [`ffi/${CORE}`] : [],
    ...RUNTIME === "node" ? [] : ["src"],
  ];
  for (const file of files) cpSync(join(from, file), join(folder, file), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}

function isCode(path: string, extension: string): boolean {
  return RUNTIME === "node" ? /\/(shared-.*\.js|later\.cjs)$/.test(path) : path.endsWith(extension);
}

/** Makes a folder a project that has installed the package, by both of its names. */
export function installInto(folder: TempFolder): void {
  const dependencies = { uring: "*", "@uring/uring": "*" };
  folder.write("package.json", JSON.stringify({ name: "user", type: "module", dependencies }));
  mkdirSync(folder.at("node_modules", "@uring"), { recursive: true });
  for (const name of Object.keys(dependencies)) symlinkSync(ROOT, folder.at("node_modules", name));
}

/** TypeScript programs as the runtime takes them: Node 20 knows neither types nor `using`. */
export async function runnable(paths: readonly string[]): Promise<string[]> {
  if (RUNTIME !== "node") return [...paths];
  const esbuild = join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`);
  const lowered = join(dirname(paths[0]!), "lowered");
  const { code, stderr } = await run([esbuild, ...paths, "--target=node20", `--outdir=${lowered}`]);
  if (code !== 0) throw new Error(stderr);
  return paths.map((path) => join(lowered, basename(path).replace(/\.ts$/, ".js")));
}

/** How a program is run. */
export interface RunOptions {
  /** The runtime's own flags; Deno's default is every permission. */
  readonly flags?: readonly string[];
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  /** What runs the runtime: a command line that the runtime's is added to. */
  readonly through?: readonly string[];
}

/** The command line of a program in this runtime. */
export function commandLine(path: string, args: readonly string[], options: RunOptions = {}): string[] {
  const { flags, through = [] } = options;
  const runtime = typeof Deno !== "undefined"
    ? [Deno.execPath(), "run", "--quiet", ...flags ?? ["-A"]]
    : [process.execPath, ...flags ?? []];
  return [...through, ...runtime, path, ...args];
}

/** Runs a command to its end. Nobody answers what it asks. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env = {}, cwd = ROOT } = options;
  const { NODE_OPTIONS: _, URING_CORE: __, ...inherited } = process.env;
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => stdout += data);
  child.stderr.on("data", (data) => stderr += data);
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => child.kill("SIGKILL"), 60_000 * TIME_SCALE);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs one of the copied children, and gives what it printed last, as JSON. */
export async function runCopied<T>(
  folder: string,
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<T> {
  const path = join(folder, "test/children", `${name}${RUNTIME === "node" ? ".js" : ".ts"}`);
  const ended = await run(commandLine(path, args, options), { cwd: folder, ...options });
  const last = ended.stdout.trimEnd().split("\n").at(-1) ?? "";
  if (ended.code !== 0 || !last.startsWith("{")) {
    throw new Error(`${name} ended with ${ended.code ?? ended.signal}:\n${ended.stdout}\n${ended.stderr}`);
  }
  return JSON.parse(last);
}

/** What `load_all` prints. */
export interface All {
  readonly supported: { ok: boolean; reason?: string; fix?: string };
  readonly text?: string;
  readonly woken?: boolean;
  readonly fixed?: string;
  readonly messages?: string[];
  readonly cores?: string[];
}

/** What `load_refused` prints. */
export interface Refused {
  readonly supported: { ok: boolean; reason: string; fix: string };
  readonly again: { ok: boolean; reason: string; fix: string };
  readonly thrown?: { name: string; message: string; fix: string };
}

/** A folder that is there, with those above it. */
export function makeFolder(...parts: string[]): string {
  const path = join(...parts);
  mkdirSync(path, { recursive: true });
  return path;
}

/** The folder above a path. */
export const folderOf = dirname;
