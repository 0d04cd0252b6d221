/**
 * What is wrong with a file that was given as a core: the loaders' own words mislead (another machine's library is
 * "No such file"), and a file cut short would end the process with SIGBUS.
 *
 * @module
 */

const MACHINES: Record<number, string> = { 62: "x86_64", 183: "aarch64", 3: "i386", 40: "arm", 243: "riscv64" };
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const MAGIC = 0x464c457f;
const CLASS_64_LITTLE_ENDIAN = 0x0102;
const SHARED_LIBRARY = 3;
const PT_LOAD = 1;

/** Says why these bytes are no shared library for this architecture; undefined when nothing speaks against it. */
export function elfFault(bytes: Uint8Array, architecture: string): string | undefined {
  if (bytes.length < HEADER_SIZE) return `is no library: it has ${bytes.length} bytes`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return "is no library: it does not begin as an ELF file";
  const machine = view.getUint16(18, true);
  if (MACHINES[machine] !== architecture) {
    return `is built for ${MACHINES[machine] ?? `machine ${machine}`}; this is ${architecture}`;
  }
  if (view.getUint16(4, true) !== CLASS_64_LITTLE_ENDIAN || view.getUint16(16, true) !== SHARED_LIBRARY) {
    return "is no 64-bit shared library";
  }
  const needed = lengthOf(view);
  return needed > bytes.length ? `is cut short: it has ${bytes.length} of at least ${needed} bytes` : undefined;
}

/** How far the segments reach that are loaded. */
function lengthOf(view: DataView): number {
  const at = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  const end = at + count * PROGRAM_HEADER_SIZE;
  if (end > view.byteLength) return end;
  let needed = end;
  for (let header = at; header < end; header += PROGRAM_HEADER_SIZE) {
    if (view.getUint32(header, true) !== PT_LOAD) continue;
    needed = Math.max(needed, Number(view.getBigUint64(header + 8, true) + view.getBigUint64(header + 32, true)));
  }
  return needed;
}
