/**
 * Whether io_uring can be used here, and if not, why, and how to mend it.
 *
 * @module
 */

import { fileText } from "../../ffi/host.ts";
import { LoadError } from "../../ffi/load.ts";
import { Core } from "./core.ts";
import { UringError } from "./errors.ts";
import { kernelRelease } from "./probe.ts";

/** The answer of {@linkcode supported}. */
export type Supported = { ok: true } | { ok: false; reason: string; fix: string };

/** Opens a small ring and closes it again. Never throws. A yes is kept. */
export function supported(): Supported {
  if (known) return { ok: true };
  try {
    new Core({ entries: 2 }).close(0);
    known = true;
    return { ok: true };
  } catch (error) {
    return explainRefusal(error);
  }
}

let known = false;

function explainRefusal(error: unknown): Supported {
  if (error instanceof LoadError) return { ok: false, reason: error.message, fix: error.fix };
  if (error instanceof UringError) return explainErrno(error);
  return { ok: false, reason: String(error), fix: "report this: it should not happen" };
}

function explainErrno(error: UringError): Supported {
  switch (error.code) {
    case "EPERM":
      return forbidden("io_uring_setup answers EPERM");
    case "ENOSYS":
      return olderThanRings()
        ? {
          ok: false,
          reason: `Linux ${kernelRelease()} has no io_uring that this library can use`,
          fix: "use Linux 5.10 or newer; 6.1 or newer is best",
        }
        : forbidden("io_uring_setup answers ENOSYS");
    case "ENOMEM":
      return {
        ok: false,
        reason: "the kernel has no memory for a ring (ENOMEM)",
        fix: "raise the locked-memory limit (`ulimit -l`), or free memory",
      };
    case "EMFILE":
    case "ENFILE":
      return { ok: false, reason: `no descriptor is left (${error.code})`, fix: "raise `ulimit -n`, or close files" };
    default:
      return { ok: false, reason: error.message, fix: "run `uring doctor`" };
  }
}

function olderThanRings(): boolean {
  const [major = 0, minor = 0] = kernelRelease().split(".").map(Number);
  return major < 5 || (major === 5 && minor < 10);
}

function forbidden(what: string): Supported {
  const disabled = Number(fileText("/proc/sys/kernel/io_uring_disabled"));
  if (disabled === 2 || (disabled === 1 && !isExempt())) {
    return {
      ok: false,
      reason: `${what}: the sysctl kernel.io_uring_disabled is ${disabled}`,
      fix: disabled === 2
        ? "sysctl -w kernel.io_uring_disabled=0"
        : "sysctl -w kernel.io_uring_disabled=0, or put this user into the group of kernel.io_uring_group",
    };
  }
  return {
    ok: false,
    reason: `${what}: a seccomp filter or security module forbids it; Docker's default profile does`,
    fix: "run the container with a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register " +
      "(docker run --security-opt seccomp=profile.json)",
  };
}

const CAP_SYS_ADMIN = 21n;

/** Whether io_uring_disabled = 1 allows it to this process: by a capability, or a group, of the first user namespace. */
function isExempt(): boolean {
  if (!/^\s*0\s+0\s+4294967295$/.test(fileText("/proc/self/uid_map") ?? "")) return false;
  const status = fileText("/proc/self/status") ?? "";
  const [, capabilities = "0"] = /^CapEff:\s*(\w+)/m.exec(status) ?? [];
  if ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN & 1n) === 1n) return true;
  const groups = status.match(/^(Gid|Groups):.*$/gm)?.flatMap((line) => line.split(/\s+/).slice(1)) ?? [];
  return groups.includes(fileText("/proc/sys/kernel/io_uring_group") ?? "");
}
