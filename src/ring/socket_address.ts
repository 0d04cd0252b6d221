/**
 * Errors of socket operations that have to do with an address, and name it.
 *
 * @module
 */

import { errnoText } from "../abi/errno.ts";
import { addressText } from "../memory/sockaddr.ts";
import { UringError } from "./errors.ts";

/**
 * ENOENT, EACCES, EPROTOTYPE, EAFNOSUPPORT, EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH, ECONNRESET, ETIMEDOUT,
 * ECONNREFUSED, EHOSTUNREACH.
 */
const OF_ADDRESS: readonly number[] = [-2, -13, -91, -97, -98, -99, -101, -104, -110, -111, -113];

/** Gives what makes the error of an operation with this address. */
export function namingAddress(op: string, fd: number, address: Uint8Array): (errno: number) => UringError | undefined {
  return (errno) => {
    if (!OF_ADDRESS.includes(errno)) return undefined;
    return new UringError(errno, op, { fd, detail: `${errnoText(errno)}: ${addressText(address)}` });
  };
}
