/**
 * Finds the core and opens it in this runtime. The only file that knows which runtime this is.
 *
 * In this order: the path in `URING_CORE`; the file beside this module (npm, a git checkout); a memory file (where FFI
 * is not scoped to a path: no file is written, and a noexec /tmp does not matter); a file in the user's cache.
 *
 * @module
 */

import process from "node:process";
import { memfdInBun, openInBun } from "./bun.ts";
import { cachedCore } from "./cache.ts";
import * as aarch64 from "./core_aarch64.ts";
import * as x86_64 from "./core_x86_64.ts";
import { memfdInDeno, openInDeno } from "./deno.ts";
import type { CoreSource, Native } from "./native.ts";
import { openInNode } from "./node.ts";

/** Why the core can't be loaded here, and what to do about it. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  /** What to do about it. */
  readonly fix: string;

  /** @param reason why, as a sentence; @param fix what to do; @param cause the error behind it */
  constructor(reason: string, fix: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.fix = fix;
  }
}

let loaded: Native | undefined;
let failure: unknown;

/**
 * The core, opened at the first call and kept.
 *
 * @throws {LoadError} where there is none for this system, or it may not be loaded
 */
export function load(): Native {
  if (loaded !== undefined) return loaded;
  if (failure !== undefined) throw failure;
  try {
    loaded = openFirst();
  } catch (error) {
    failure = error;
    throw error;
  }
  return loaded;
}

type Runtime = Native["runtime"];

/** Which runtime this is. */
export function runtimeName(): Runtime {
  if (typeof Deno !== "undefined" && typeof Deno.dlopen === "function") return "deno";
  if ("bun" in process.versions) return "bun";
  return "node";
}

function coreForThisMachine(): { arch: string; core: { sha256: string; base64: string } } {
  if (process.platform !== "linux") {
    throw new LoadError(
      `io_uring is a facility of Linux; this is ${process.platform}`,
      "run on Linux 6.1 or newer: a server, a virtual machine, WSL 2, or a container with io_uring allowed",
    );
  }
  if (process.arch === "x64") return { arch: "x86_64", core: x86_64 };
  if (process.arch === "arm64") return { arch: "aarch64", core: aarch64 };
  throw new LoadError(
    `there is no core for ${process.arch}`,
    "run on x86_64 or aarch64, or build zig/ for this machine and name the file in URING_CORE",
  );
}

function openFirst(): Native {
  const runtime = runtimeName();
  const { arch, core } = coreForThisMachine();
  const named = environment(runtime, "URING_CORE");
  if (named) return openCore(runtime, { how: "env", path: named });

  const reasons: string[] = [];
  for (const find of [besideModule, memoryFile, cacheFile]) {
    try {
      const source = find(runtime, arch, core);
      if (source !== undefined) return openCore(runtime, source);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
      if (isPermissionError(error)) break;
    }
  }
  const fix = runtime === "deno"
    ? "run deno with --allow-ffi, or --allow-ffi=PATH and URING_CORE=PATH naming uring-linux-" + arch + ".so"
    : "set URING_CORE to the path of uring-linux-" + arch + ".so";
  throw new LoadError(`the core could not be loaded: ${reasons.join("; ")}`, fix);
}

function openCore(runtime: Runtime, source: CoreSource): Native {
  try {
    if (runtime === "deno") return openInDeno(source);
    if (runtime === "bun") return openInBun(source);
    return openInNode(source);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const fix = isPermissionError(error)
      ? `run deno with --allow-ffi, or with --allow-ffi=${source.path}`
      : "check that the file is the core of this version and of this machine's architecture";
    throw new LoadError(`${source.path} (${source.how}): ${message}`, fix, error);
  }
}

function isPermissionError(error: unknown): boolean {
  const cause = error instanceof LoadError ? error.cause : error;
  return cause instanceof Error && (cause.name === "NotCapable" || cause.name === "PermissionDenied");
}

function environment(runtime: Runtime, name: string): string | undefined {
  // Asking without permission would prompt on a terminal.
  if (runtime === "deno" && !granted({ name: "env", variable: name })) return undefined;
  return process.env[name];
}

function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

function besideModule(runtime: Runtime, arch: string): CoreSource | undefined {
  const url = new URL(`./uring-linux-${arch}.so`, import.meta.url);
  if (url.protocol !== "file:") return undefined;
  const path = decodeURIComponent(url.pathname);
  if (runtime === "deno" && !granted({ name: "read", path })) {
    // Whether it exists can't be asked; whether it may be loaded can.
    return granted({ name: "ffi", path }) && !granted({ name: "ffi" }) ? { how: "file", path } : undefined;
  }
  return process.getBuiltinModule("node:fs").existsSync(path) ? { how: "file", path } : undefined;
}

function memoryFile(runtime: Runtime, _arch: string, core: { base64: string }): CoreSource | undefined {
  if (runtime === "node") return undefined; // has no FFI to make one with
  if (runtime === "deno" && !granted({ name: "ffi" })) return undefined;
  const bytes = decode(core.base64);
  return { how: "memfd", path: runtime === "deno" ? memfdInDeno(bytes) : memfdInBun(bytes) };
}

function cacheFile(_runtime: Runtime, _arch: string, core: { base64: string; sha256: string }): CoreSource {
  return { how: "cache", path: cachedCore(decode(core.base64), core.sha256) };
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
