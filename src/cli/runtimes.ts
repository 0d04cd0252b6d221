/**
 * The three runtimes: which one this is, where the others are, and the command line that runs a module of this package
 * in each. Deno and Bun run the TypeScript sources; Node runs what the build made of them in `dist/`. What is published
 * to Deno's registry has the built modules in their place.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime's short name. */
export type RuntimeName = "deno" | "bun" | "node";

/** A runtime that can be started, or why not. */
export type Runtime =
  | { readonly name: RuntimeName; readonly title: string; readonly path: string; readonly version: string }
  | { readonly name: RuntimeName; readonly title: string; readonly path?: never; readonly reason: string };

/** As their makers write them. */
export const RUNTIME_TITLES: Readonly<Record<RuntimeName, string>> = { deno: "Deno", bun: "Bun", node: "Node" };

/** Deno's and Bun's npm packages are shells around one package a platform; their own launcher may not be installed. */
const PLATFORM_BINARIES: Readonly<Record<"deno" | "bun", Readonly<Record<string, string>>>> = {
  deno: { x64: "@deno/linux-x64-glibc/deno", arm64: "@deno/linux-arm64-glibc/deno" },
  bun: { x64: "@oven/bun-linux-x64/bin/bun", arm64: "@oven/bun-linux-aarch64/bin/bun" },
};

/** The folder of the package, or of the checkout, that this module is in; undefined when it came over the network. */
export function packageRoot(): string | undefined {
  if (!import.meta.url.startsWith("file:")) return undefined;
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) || existsSync(join(folder, "deno.json"))) return folder;
  }
  return here;
}

/** The runtime this program runs in, and its version. */
export function thisRuntime(): { readonly name: RuntimeName; readonly title: string; readonly version: string } {
  const { deno, bun, node } = process.versions as Readonly<Record<string, string | undefined>>;
  const name = deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node";
  return { name, title: RUNTIME_TITLES[name], version: (name === "deno" ? deno : name === "bun" ? bun : node) ?? "" };
}

/**
 * Finds a runtime: `URING_DENO`, `URING_BUN` or `URING_NODE`, else the running one, else the one that npm installed
 * here or above, else PATH's.
 */
export function findRuntime(name: RuntimeName): Runtime {
  const title = RUNTIME_TITLES[name];
  const variable = `URING_${name.toUpperCase()}`;
  const running = thisRuntime();
  const path = process.env[variable] || (running.name === name ? process.execPath : installed(name) ?? onPath(name));
  if (path === undefined) return { name, title, reason: `not found; install it or set ${variable}` };
  if (running.name === name && path === process.execPath) return { name, title, path, version: running.version };
  const { status, stdout, error } = spawnSync(path, ["--version"], { encoding: "utf8" });
  const version = /\d+\.\d+\.\d+\S*/.exec(stdout ?? "")?.[0];
  if (status !== 0 || version === undefined) {
    return { name, title, reason: `${path} --version failed${error ? `: ${error.message}` : ""}` };
  }
  return { name, title, path, version };
}

/**
 * The command line that runs a module of this package in a runtime.
 *
 * @param name The runtime.
 * @param path Where it is.
 * @param module The module's path below the package's root, without extension: `src/cli/main`.
 * @param args The program's arguments.
 */
export function commandFor(name: RuntimeName, path: string, module: string, args: readonly string[]): string[] {
  const root = packageRoot();
  // Only Deno runs what came over the network.
  if (root === undefined) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    return [path, "run", "-A", "--no-prompt", new URL(`../../${module}.${extension}`, import.meta.url).href, ...args];
  }
  const source = join(root, `${module}.ts`), built = join(root, "dist", `${module}.js`);
  const forms = [...name === "node" ? [] : [source], built, join(root, `${module}.js`)];
  const file = forms.find((form) => existsSync(form)) ?? built;
  return name === "deno" ? [path, "run", "-A", "--no-prompt", file, ...args] : [path, file, ...args];
}

function installed(name: RuntimeName): string | undefined {
  if (name === "node") return undefined;
  const binary = PLATFORM_BINARIES[name][process.arch];
  if (binary === undefined) return undefined;
  for (const start of [packageRoot() ?? process.cwd(), process.cwd()]) {
    for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
      const candidate = join(folder, "node_modules", binary);
      if (isExecutable(candidate)) return candidate;
    }
  }
  return undefined;
}

function onPath(name: string): string | undefined {
  return (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
