/**
 * bind(2) and listen(2) themselves, for kernels whose rings have no ops for them (before 6.11).
 *
 * @module
 */

import { IOSQE } from "../abi/constants.ts";
import { load } from "../../ffi/load.ts";
import { checkOptions, type OpOptions } from "./base.ts";
import { UnsupportedError, UringError } from "./errors.ts";
import { LINKS } from "./pending.ts";
import { kernelRelease } from "./probe.ts";
import { reasonOf } from "./signals.ts";

/** What makes an error for an errno; undefined: the usual one. */
type Failed = (errno: number) => UringError | undefined;

/** What a system call of its own can't be part of. */
const NEEDS_RING = LINKS | IOSQE.IO_DRAIN | IOSQE.FIXED_FILE;

/**
 * Calls bind(2).
 *
 * @param address a `struct sockaddr`
 * @param building a chain is being built
 */
export function bindCall(
  fd: number,
  address: Uint8Array,
  o: OpOptions | undefined,
  building: boolean,
  failed: Failed,
): Promise<number> {
  return callLater("bind", fd, o, building, () => load().bind(fd, address, address.length), failed);
}

/**
 * Calls listen(2).
 *
 * @param building a chain is being built
 */
export function listenCall(fd: number, backlog: number, o: OpOptions | undefined, building: boolean): Promise<number> {
  return callLater("listen", fd, o, building, () => load().listen(fd, backlog), () => undefined);
}

/** Neither call waits for anything, so there is nothing for a time limit to end. */
async function runLater(signal: AbortSignal | undefined, call: () => number, error: Failed): Promise<number> {
  // In its turn: after what the same turn of the event loop asked the ring for before.
  await Promise.resolve();
  if (signal?.aborted) throw reasonOf(signal);
  const result = call();
  if (result < 0) throw error(result);
  return result;
}

function callLater(
  op: "bind" | "listen",
  fd: number,
  o: OpOptions | undefined,
  building: boolean,
  call: () => number,
  failed: Failed,
): Promise<number> {
  const flags = o === undefined ? 0 : checkOptions(o);
  if (building || (flags & NEEDS_RING) !== 0 || (o?.personality ?? 0) !== 0) {
    const what = building || (flags & LINKS) !== 0
      ? "in a chain"
      : (flags & IOSQE.FIXED_FILE) !== 0
      ? "of a registered file"
      : (flags & IOSQE.IO_DRAIN) !== 0
      ? "with IO_DRAIN"
      : "with a personality";
    throw new UnsupportedError(`${op.toUpperCase()} ${what}`, "Linux 6.11", kernelRelease());
  }
  if (o?.signal?.aborted) return Promise.reject(reasonOf(o.signal));
  return runLater(o?.signal, call, (errno) => failed(errno) ?? new UringError(errno, op, { fd }));
}
