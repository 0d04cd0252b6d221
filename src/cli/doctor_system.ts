/**
 * What the doctor finds out from the system itself: no ring needed, and nothing asked of anybody (in Deno, what may not
 * be read without a question is not read).
 *
 * @module
 */

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { arch, release } from "node:os";
import process from "node:process";
import type { Finding } from "./doctor.ts";
import { thisRuntime } from "./runtimes.ts";
import { bytes } from "./terminal.ts";

const CAP_SYS_ADMIN = 21;
const CAP_IPC_LOCK = 14;

/** Below this a few registered pools may hit the limit. */
const MEMLOCK_BYTES = 64 * 1024 * 1024;
const OPEN_FILES = 4096;

/** Kernel and runtime. */
export function system(): Finding[] {
  const { title, version } = thisRuntime();
  const linux = process.platform === "linux";
  const known = process.arch === "x64" || process.arch === "arm64";
  const mayLook = mayRead("/proc/self/status");
  return [
    linux
      ? { name: "kernel", state: "ok", value: `Linux ${permitted(release) ?? "(Deno needs --allow-sys to say)"}` }
      : {
        name: "system",
        state: "bad",
        value: process.platform,
        fix: "io_uring is Linux's: use it there, or in WSL 2",
      },
    known
      ? { name: "machine", state: "ok", value: permitted(arch) ?? process.arch }
      : { name: "machine", state: "bad", value: process.arch, fix: "there are cores for x64 and arm64" },
    { name: "runtime", state: "ok", value: `${title} ${version}` },
    ...(mayLook ? [] : [
      {
        name: "this report",
        state: "note",
        value: "is not complete: Deno may not look at the system",
        fix: "deno run -A",
      } as const,
    ]),
  ];
}

/**
 * What may forbid io_uring: sysctls, seccomp, containers. Bad only where it is forbidden.
 *
 * @param works Whether a ring could be opened.
 * @param isForbidden Whether none could as it was forbidden, which is not the only reason.
 */
export function security(works: boolean, isForbidden: boolean): Finding[] {
  return [...sysctls(works, isForbidden), ...seccomp(works, isForbidden), ...containers()];
}

function sysctls(works: boolean, isForbidden: boolean): Finding[] {
  const blocked = isForbidden ? "bad" : "note";
  const disabled = readText("/proc/sys/kernel/io_uring_disabled")?.trim();
  const group = readText("/proc/sys/kernel/io_uring_group")?.trim();
  const name = "io_uring_disabled";
  const findings: Finding[] = [];
  if (!mayRead("/proc/sys/kernel")) return [];
  if (disabled === undefined) {
    // Linux 6.6 brought both.
    findings.push({ name, state: "ok", value: "no such sysctl to read: nothing is disabled by it" });
  } else if (disabled === "0") findings.push({ name, state: "ok", value: "0: everybody may use io_uring" });
  else if (disabled === "1") {
    // Both count in the first user namespace alone.
    const may = works || isFirstNamespace() && (hasCapability(CAP_SYS_ADMIN) || groups().includes(group ?? ""));
    findings.push({
      name,
      state: may ? "note" : blocked,
      value: `1: only CAP_SYS_ADMIN and members of the group kernel.io_uring_group; this process ${
        may ? "is one" : "is none"
      }`,
      ...(may
        ? {}
        : { fix: "sysctl kernel.io_uring_group=GID with a group of yours; or sysctl kernel.io_uring_disabled=0" }),
    });
  } else {
    findings.push({
      name,
      state: blocked,
      value: `${disabled}: nobody may open a ring`,
      fix: "sysctl kernel.io_uring_disabled=0; to keep it, a file in /etc/sysctl.d",
    });
  }
  if (group !== undefined) {
    findings.push({ name: "io_uring_group", state: "ok", value: group === "-1" ? "-1: none" : `gid ${group}` });
  }
  return findings;
}

function seccomp(works: boolean, isForbidden: boolean): Finding[] {
  const mode = status("Seccomp");
  if (mode === undefined) return [];
  if (mode === "0") return [{ name: "seccomp", state: "ok", value: "0: no filter" }];
  if (works) return [{ name: "seccomp", state: "ok", value: `${mode}: a filter, which lets io_uring through` }];
  if (!isForbidden) return [{ name: "seccomp", state: "note", value: `${mode}: a filter is active` }];
  return [{
    name: "seccomp",
    state: "bad",
    value: `${mode}: a filter is active; most container runtimes' default filters forbid io_uring`,
    fix: "docker or podman run --security-opt seccomp=PROFILE, with a profile that allows io_uring_setup, " +
      "io_uring_enter and io_uring_register; in Kubernetes securityContext.seccompProfile, type Localhost",
  }];
}

function containers(): Finding[] {
  if (!mayRead("/")) return [];
  const hints: string[] = [];
  for (const file of ["/.dockerenv", "/run/.containerenv"]) if (existsSync(file)) hints.push(file);
  const control = readText("/proc/self/cgroup") ?? "";
  const named = /docker|kubepods|libpod|containerd|lxc|crio/.exec(control)?.[0];
  if (named !== undefined) hints.push(`cgroup of ${named}`);
  const value = hints.length === 0 ? "no sign of one" : `probably: ${hints.join(", ")}`;
  return [{ name: "container", state: "ok", value }];
}

/** Limits of the process that rings meet. */
export function limits(): Finding[] {
  const text = readText("/proc/self/limits");
  if (text === undefined) return [];
  const locked = limit(text, "Max locked memory"), files = limit(text, "Max open files");
  const free = hasCapability(CAP_IPC_LOCK);
  return [
    {
      name: "RLIMIT_MEMLOCK",
      state: free || locked.soft >= MEMLOCK_BYTES ? "ok" : "note",
      value: free
        ? `${shown(locked.soft, bytes)}, which does not bind this process (CAP_IPC_LOCK)`
        : `${shown(locked.soft, bytes)} (at most ${shown(locked.hard, bytes)}): registered buffers count against it`,
      ...(free || locked.soft >= MEMLOCK_BYTES
        ? {}
        : { fix: "ulimit -l, /etc/security/limits.conf or LimitMEMLOCK= of the systemd unit raise it" }),
    },
    {
      name: "RLIMIT_NOFILE",
      state: files.soft >= OPEN_FILES ? "ok" : "note",
      value: `${shown(files.soft, String)} (at most ${shown(files.hard, String)})`,
      ...(files.soft >= OPEN_FILES ? {} : { fix: "ulimit -n raises it, for many files or sockets at a time" }),
    },
  ];
}

/** How the native core came into this process: what is mapped tells. */
export function core(): Finding[] {
  const maps = readText("/proc/self/maps");
  const name = "native core";
  if (maps === undefined) return [];
  const paths = new Set(maps.split("\n").map((line) => line.slice(73).trim()));
  const named = readVariable("URING_CORE");
  for (const path of paths) {
    if (named) {
      if (path === realPath(named)) return [{ name, state: "ok", value: `${path}, named by URING_CORE` }];
      continue;
    }
    if (path.startsWith("/memfd:uring")) {
      return [{ name, state: "ok", value: "from a memory file: no file was written" }];
    }
    if (/\/uring-linux-\w+\.so$/.test(path)) return [{ name, state: "ok", value: `${path}, the package's file` }];
    if (/\/uring\/[0-9a-f]{64}\.so$/.test(path)) return [{ name, state: "ok", value: `${path}, verified by its hash` }];
  }
  return [{ name, state: "note", value: "is not loaded" }];
}

/** Which permissions Deno was given; nothing elsewhere. */
export function denoPermissions(): Finding[] {
  if (!("Deno" in globalThis)) return [];
  const state = (name: Deno.PermissionDescriptor["name"]) => Deno.permissions.querySync({ name }).state;
  const findings: Finding[] = [
    state("ffi") === "granted" ? { name: "--allow-ffi", state: "ok", value: "granted" } : {
      name: "--allow-ffi",
      state: "note",
      value: `${state("ffi")}, or granted for some paths alone`,
      fix: "--allow-ffi; or --allow-ffi=FILE, with FILE the package's uring-linux-*.so; of a copy elsewhere " +
        "URING_CORE=FILE has to tell, with --allow-env=URING_CORE",
    },
  ];
  const others = (["read", "write", "net", "env", "sys"] as const).filter((name) => state(name) !== "granted");
  findings.push(
    others.length === 0
      ? { name: "other permissions", state: "ok", value: "read, write, net, env and sys are granted" }
      : {
        name: "other permissions",
        state: "note",
        value: `not granted: ${others.join(", ")}`,
        fix: "rings need none of them; env and sys, and all of them for /proc, are for this report",
      },
  );
  return findings;
}

/** Not a container's whose users are others' outside. */
function isFirstNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readText("/proc/self/uid_map") ?? "");
}

function groups(): string[] {
  return [status("Gid") ?? "", status("Groups") ?? ""].join(" ").split(/\s+/).filter(Boolean);
}

function hasCapability(bit: number): boolean {
  const effective = status("CapEff");
  return effective !== undefined && (BigInt(`0x${effective}`) >> BigInt(bit) & 1n) === 1n;
}

function status(field: string): string | undefined {
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readText("/proc/self/status") ?? "")?.[1]?.trim();
}

function limit(text: string, name: string): { soft: number; hard: number } {
  const [, soft, hard] = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(text) ?? [];
  const value = (word: string | undefined) => word === undefined ? NaN : word === "unlimited" ? Infinity : Number(word);
  return { soft: value(soft), hard: value(hard) };
}

function shown(value: number, show: (value: number) => string): string {
  return value === Infinity ? "unlimited" : Number.isNaN(value) ? "unknown" : show(value);
}

/** Deno guards /proc, /dev and /sys with more than --allow-read: with everything. */
function mayRead(path: string): boolean {
  if (!("Deno" in globalThis)) return true;
  const permissions = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;
  const all = permissions.every((name) => Deno.permissions.querySync({ name }).state === "granted");
  return all ||
    (!/^\/(proc|dev|sys)\//.test(path) && Deno.permissions.querySync({ name: "read", path }).state === "granted");
}

function readText(path: string): string | undefined {
  if (!mayRead(path)) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function readVariable(variable: string): string | undefined {
  if ("Deno" in globalThis && Deno.permissions.querySync({ name: "env", variable }).state !== "granted") {
    return undefined;
  }
  return process.env[variable];
}

/** What Deno may refuse. */
function permitted(ask: () => string): string | undefined {
  if ("Deno" in globalThis && Deno.permissions.querySync({ name: "sys", kind: "osRelease" }).state !== "granted") {
    return undefined;
  }
  try {
    return ask();
  } catch {
    return undefined;
  }
}
