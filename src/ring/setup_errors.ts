/**
 * Why a ring could not be set up, or resized: what is known beyond the errno.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { FLAGS } from "../abi/flags.ts";
import { kernelRelease } from "../../ffi/host.ts";
import { EXTRA } from "../../ffi/native.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import type { SetupRequest } from "./options.ts";
import { queryOpcodes } from "./query.ts";
import { olderThan } from "./register_call.ts";

/** The error for a setup that the kernel refused. */
export function setupError(errno: number, request: SetupRequest): UringError {
  return new UringError(errno, "io_uring_setup", { detail: setupDetail(-errno, request) });
}

function setupDetail(errno: number, request: SetupRequest): string | undefined {
  const flags = Object.entries(IORING_SETUP).filter(([, flag]) => (request.required & flag) !== 0).map(([name]) =>
    name
  );
  switch (errno) {
    case 1:
    case 38:
      return "io_uring is forbidden here: see `uring doctor` (kernel.io_uring_disabled, or a container's seccomp profile)";
    case 12:
      return "no memory for the rings: fewer entries, or a higher `ulimit -l`";
    case 16:
      return "a thread has 16 places for registered rings, and they are taken: close one, or leave registeredFdOnly out";
    case 22:
      return invalidDetail(flags, request);
    case 9:
    case 6:
      return (request.required & IORING_SETUP.ATTACH_WQ) !== 0
        ? `attachTo ${request.wqFd} is not an open ring`
        : undefined;
    case 24:
      return "too many open files, or 1024 rings in this process: close some, or raise `ulimit -n`";
    default:
      return undefined;
  }
}

function invalidDetail(flags: string[], request: SetupRequest): string {
  const has = (flag: number) => (request.required & flag) !== 0;
  const lacking = flags.filter((flag) => !isKnown(flag));
  if (lacking.length > 0) {
    const needs = lacking.map((flag) => `${flag} needs Linux ${FLAGS["IORING_SETUP"]![flag]!.since}`).join(", ");
    return `${needs}; this is Linux ${kernelRelease()}`;
  }
  const list = flags.join(", ");
  if (has(IORING_SETUP.ATTACH_WQ)) {
    const sqpoll = has(IORING_SETUP.SQPOLL) ? " with sqpoll" : "";
    return `attachTo ${request.wqFd} is not an open ring${sqpoll}, or this kernel lacks one of ${list}`;
  }
  if (has(IORING_SETUP.SQ_AFF)) {
    return `sqpoll.cpu ${request.sqThreadCpu} is not online, or this kernel lacks one of ${list}`;
  }
  return `this kernel refuses the setup flags ${list || "(none)"} with ${request.entries} entries`;
}

/** Whether the kernel knows a setup flag: it tells (6.18), or its release does. */
function isKnown(flag: string): boolean {
  const known = queryOpcodes()?.setupFlags;
  if (known !== undefined) return (known & BigInt(IORING_SETUP[flag as keyof typeof IORING_SETUP])) !== 0n;
  return !olderThan(FLAGS["IORING_SETUP"]![flag]!.since);
}

const EINVAL = -22;
const EBUSY = -16;

/** The error for what the core could not add to a ring. */
export function extraError(errno: number, extra: number): Error {
  if (extra === EXTRA.WAIT_REGION) {
    if (errno === EINVAL) return new UnsupportedError("waitRegion", "Linux 6.13", kernelRelease());
    return new UringError(errno, "io_uring_register", { detail: "MEM_REGION: the wait region can't be registered" });
  }
  if (errno === EINVAL) return new UnsupportedError("registerFd", "Linux 5.18", kernelRelease());
  return new UringError(errno, "io_uring_register", {
    detail: errno === EBUSY
      ? "RING_FDS: a thread has 16 places for registered rings, and they are taken: leave registerFd out, or close one"
      : "RING_FDS: the ring's descriptor can't be registered",
  });
}

/** The error for a resize that was refused. */
export function resizeError(errno: number): Error {
  if (errno === EINVAL) return new UnsupportedError("resize()", "Linux 6.13", kernelRelease());
  return new UringError(errno, "io_uring_register", {
    detail: errno === EBUSY
      ? "RESIZE_RINGS: something waits in the queues: submit, and look at all completions first"
      : "RESIZE_RINGS: the rings can't be moved",
  });
}
