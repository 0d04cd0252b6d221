/**
 * Finds the core and opens it in this runtime.
 *
 * In this order: the path in `URING_CORE`; the file beside this module (npm, a git checkout); a memory file (where FFI
 * is not scoped to a path: no file is written, and a noexec /tmp does not matter); a file in the user's cache.
 *
 * @module
 */

import { libcInBun, openInBun } from "./bun.ts";
import { cachedCore } from "./cache.ts";
import { sha256 as sha256Aarch64, size as sizeAarch64 } from "./core_aarch64.ts";
import { sha256 as sha256X86, size as sizeX86 } from "./core_x86_64.ts";
import { libcInDeno, openInDeno } from "./deno.ts";
import { elfFault } from "./elf.ts";
import { type Architecture, embeddedCore } from "./embedded.ts";
import { architecture, environment, fileBytes, fileSize, granted, pathBeside, platform, runtime } from "./host.ts";
import { memoryFile } from "./memfd.ts";
import type { CoreSource, Native } from "./native.ts";
import { openInNode } from "./node.ts";

/** Why the core can't be loaded here, and what to do about it. */
export class LoadError extends Error {
  /** `"LoadError"` */
  override readonly name = "LoadError";
  /** What to do about it. */
  readonly fix: string;

  /**
   * Says why, and what to do.
   *
   * @param reason why, as a sentence
   * @param fix what to do
   * @param cause the error behind it
   */
  constructor(reason: string, fix: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.fix = fix;
  }
}

let loaded: Native | undefined;

/**
 * The core, opened at the first call that can, and kept.
 *
 * @throws {LoadError} where there is none for this system, or it may not be loaded
 */
export function load(): Native {
  return loaded ??= openFirst(coreForThisMachine());
}

/** A core that was compiled into this package. */
interface Core {
  readonly name: string;
  readonly arch: Architecture;
  readonly sha256: string;
  readonly size: number;
}

/** Where a core may be loaded from. `path` is what the loader is given, which is not always what people are shown. */
interface Candidate {
  readonly source: CoreSource;
  readonly path: string;
}

const CORES: Record<string, Omit<Core, "name">> = {
  x86_64: { arch: "x86_64", sha256: sha256X86, size: sizeX86 },
  aarch64: { arch: "aarch64", sha256: sha256Aarch64, size: sizeAarch64 },
};

function coreForThisMachine(): Core {
  if (platform() !== "linux") {
    throw new LoadError(
      `io_uring is a facility of Linux; this is ${platform()}`,
      "run on Linux 6.1 or newer: a server, a virtual machine, WSL 2, or a container with io_uring allowed",
    );
  }
  const arch = architecture();
  const core = CORES[arch];
  if (core === undefined) {
    throw new LoadError(`there is no core for ${arch}`, "run on x86_64 or aarch64: the library has a core for these");
  }
  return { name: `uring-linux-${arch}.so`, ...core };
}

function openFirst(core: Core): Native {
  const named = environment("URING_CORE");
  if (named) return openNamed(named);

  const beside = pathBeside(import.meta.url, core.name);
  if (!mayLoad(beside)) throw notPermitted(core, beside);
  const reasons: string[] = [];
  for (const find of [() => checkSize(beside, core), () => inMemory(core), () => inCache(core)]) {
    try {
      const candidate = find();
      if (candidate !== undefined) return open(candidate);
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new LoadError(
    `the core could not be loaded: ${reasons.join("; ")}`,
    reasons.some((reason) => /EMFILE|ENFILE|too many open files/i.test(reason))
      ? "close files, or raise `ulimit -n`, and try again"
      : `set URING_CORE to the path of ${core.name}, on a file system that allows execution`,
  );
}

function open({ source, path }: Candidate): Native {
  try {
    if (runtime === "deno") return openInDeno(source, path);
    if (runtime === "bun") return openInBun(source, path);
    return openInNode(source, path);
  } catch (error) {
    const how = source.how === "env" ? "URING_CORE" : source.how;
    throw new Error(`${source.path} (${how}): ${messageOf(error)}`, { cause: error });
  }
}

// URING_CORE

/** What somebody has named is taken, or refused: nothing else is tried. */
function openNamed(path: string): Native {
  const absolute = "URING_CORE must be an absolute path, or one that begins with ./";
  if (!path.includes("/")) throw new LoadError(`URING_CORE is ${path}, which the loader would search for`, absolute);
  if (!granted({ name: "ffi", path })) {
    throw new LoadError(
      `Deno has not been allowed to load ${path}, which URING_CORE names`,
      `run deno with --allow-ffi=${path}`,
    );
  }
  const bytes = fileBytes(path);
  const fault = bytes === undefined ? undefined : elfFault(bytes, architecture());
  const fix = "set URING_CORE to a core of this version, built for this machine; or unset it";
  if (fault !== undefined) throw new LoadError(`${path} (URING_CORE) ${fault}`, fix);
  try {
    return open({ source: { how: "env", path }, path });
  } catch (error) {
    throw new LoadError(messageOf(error), fix, error);
  }
}

// The file beside this module

/** A file of another size is another version's, or was cut short: to map that would end the process with SIGBUS. */
function checkSize(path: string | undefined, core: Core): Candidate | undefined {
  if (path === undefined || !granted({ name: "ffi", path })) return undefined;
  const size = fileSize(path);
  if (size === undefined && granted({ name: "read", path })) return undefined;
  if (size !== undefined && size !== core.size) {
    throw new Error(`${path} is not this version's core: it has ${size} bytes, not ${core.size}`);
  }
  return { source: { how: "file", path }, path };
}

// From the base64 in this package

function inMemory(core: Core): Candidate | undefined {
  if (runtime === "node" || !granted({ name: "ffi" })) return undefined; // no FFI to make one with
  const libc = runtime === "deno" ? libcInDeno() : libcInBun();
  const path = memoryFile(libc, core, () => embeddedCore(core.arch));
  return { source: { how: "memfd", path }, path };
}

function inCache(core: Core): Candidate | undefined {
  if (!granted({ name: "ffi" })) return undefined; // whoever names paths names that in URING_CORE
  const { path, descriptorPath } = cachedCore(core, () => embeddedCore(core.arch));
  return { source: { how: "cache", path }, path: descriptorPath };
}

// Permissions, which only Deno has

function mayLoad(beside: string | undefined): boolean {
  return granted({ name: "ffi" }) || (beside !== undefined && granted({ name: "ffi", path: beside }));
}

function notPermitted(core: Core, beside: string | undefined): LoadError {
  const scoped = beside !== undefined
    ? `--allow-ffi=${beside}`
    : `a copy of ${core.name}, named twice: --allow-ffi=PATH --allow-env=URING_CORE, and URING_CORE=PATH`;
  return new LoadError(
    "Deno has not been allowed to load native code",
    `run deno with --allow-ffi, or for no more than this library with ${scoped}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
