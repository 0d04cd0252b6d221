import { ERRNO, type ErrnoName } from "../../src/abi/errno.ts";

/** An error as the kernel gives it in a completion: negative. */
export function negative(name: ErrnoName): number {
  return -ERRNO[name];
}
