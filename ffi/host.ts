/**
 * The host: which runtime this is, and what it tells of the machine.
 *
 * No question here prompts for a permission, and none loads what it need not: under Deno the first look at Node's
 * `process` brings all of Node's compatibility layer with it, which takes longer than everything else together.
 *
 * @module
 */

import type { Native } from "./native.ts";

/** The runtimes that there is a door for. */
export type Runtime = Native["runtime"];

/** Which runtime this is. */
export const runtime: Runtime = typeof Deno !== "undefined" && typeof Deno.dlopen === "function"
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/**
 * Node's `process`: of Node, of Bun, and of Deno's compatibility layer.
 *
 * @internal
 */
export function nodeProcess(): NodeJS.Process {
  return globalThis.process;
}

/** The operating system, such as `"linux"`. */
export function platform(): string {
  return runtime === "deno" ? Deno.build.os : nodeProcess().platform;
}

/** The architecture as the core's files name it: `"x86_64"`, `"aarch64"`, or another. */
export function architecture(): string {
  if (runtime === "deno") return Deno.build.arch;
  const { arch } = nodeProcess();
  return arch === "x64" ? "x86_64" : arch === "arm64" ? "aarch64" : arch;
}

/**
 * Whether Deno has granted a permission, or this is another runtime.
 *
 * @internal
 */
export function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return runtime !== "deno" || Deno.permissions.querySync(descriptor).state === "granted";
}

/** A variable of the environment; undefined also where it may not be read. */
export function environment(name: string): string | undefined {
  if (runtime !== "deno") return nodeProcess().env[name];
  return granted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

/**
 * The path of a file beside a module. Undefined where the module is no file, or does not know (a bundle of CommonJS).
 * (Node takes 0.3 ms for its first URL.)
 *
 * @internal
 */
export function pathBeside(moduleUrl: string | undefined, name: string): string | undefined {
  const [, folder] = /^file:\/\/(\/(?:[^?#]*\/)?)/.exec(moduleUrl ?? "") ?? [];
  return folder === undefined ? undefined : decodeURIComponent(folder) + name;
}

/** The size of a file in bytes; undefined where there is none, or it may not be looked at. */
export function fileSize(path: string): number | undefined {
  if (!granted({ name: "read", path })) return undefined;
  try {
    if (runtime === "deno") return Deno.statSync(path).size;
    // Bun's node:fs takes 2 ms to load.
    if (runtime === "bun") return bun().file(path).size || undefined;
    return nodeProcess().getBuiltinModule("node:fs").statSync(path).size;
  } catch {
    return undefined;
  }
}

interface Bun {
  file(path: string): { readonly size: number };
}

function bun(): Bun {
  return (globalThis as unknown as { Bun: Bun }).Bun;
}

/** A file's bytes; undefined where there is none, or it may not be read. */
export function fileBytes(path: string): Uint8Array | undefined {
  if (!granted({ name: "read", path })) return undefined;
  try {
    if (runtime === "deno") return Deno.readFileSync(path);
    return nodeProcess().getBuiltinModule("node:fs").readFileSync(path);
  } catch {
    return undefined;
  }
}

/** A small file's text, such as one of /proc; undefined where there is none, or it may not be read. */
export function fileText(path: string): string | undefined {
  const bytes = fileBytes(path);
  return bytes && new TextDecoder().decode(bytes).trimEnd();
}

/** The kernel's release, such as `"6.18.44"`; `"(unknown)"` where it may not be asked for. */
export function kernelRelease(): string {
  if (runtime !== "deno") return nodeProcess().getBuiltinModule("node:os").release();
  if (granted({ name: "sys", kind: "osRelease" })) return Deno.osRelease();
  return fileText("/proc/sys/kernel/osrelease") ?? "(unknown)";
}

/**
 * Writes to the standard error, at once: nothing is lost should the process end in the next moment.
 *
 * @internal
 */
export function writeError(text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(
        runtime === "deno"
          ? Deno.stderr.writeSync(bytes)
          : nodeProcess().getBuiltinModule("node:fs").writeSync(2, bytes),
      );
    } catch (error) {
      // A pipe that does not block, and whose reader is behind. Everything else: nobody listens.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Tells the user of something that went wrong where no caller can be told. */
export function warn(message: string, code: string): void {
  nodeProcess().emitWarning(message, { type: "UringWarning", code });
}
