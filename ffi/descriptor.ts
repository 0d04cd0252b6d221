/**
 * The path of an open descriptor, as a loader of libraries is given it.
 *
 * @module
 */

const BITS = 64;

/**
 * A loader knows a library by the name it was loaded under, for as long as the process: of another version whose
 * descriptor has the same number it would give that one. So the name spells the file's hash, in dots that mean nothing.
 */
export function descriptorPath(fd: number, sha256: string): string {
  const bits = BigInt(`0x${sha256.slice(0, BITS / 4)}`).toString(2).padStart(BITS, "0");
  return `/proc/self${bits.replaceAll("0", "/").replaceAll("1", "/.")}/fd/${fd}`;
}
