/**
 * Sizes of the queues that the kernel and a process share.
 *
 * @module
 */

/** The smallest power of two that is not below `count`, which is at least 1. */
export function powerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}
