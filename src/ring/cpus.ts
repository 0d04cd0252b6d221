/**
 * Sets of CPUs.
 *
 * @module
 */

import { fileText } from "../../ffi/host.ts";
import { checkInteger, shown } from "./arguments.ts";

/** The highest CPU number that Linux can be built for. */
const MAX_CPU = 8191;

/**
 * A cpu_set_t: an array of unsigned longs.
 *
 * @throws {TypeError} {RangeError} for what is no CPU of this machine: the kernel would leave it out without a word
 */
export function cpuMask(cpus: Iterable<number>): Uint8Array {
  if (typeof (cpus as Iterable<number> | undefined)?.[Symbol.iterator] !== "function" || typeof cpus === "string") {
    throw new TypeError(`cpus must be an array of CPU numbers, or null, not ${shown(cpus)}`);
  }
  const numbers = [...cpus];
  if (numbers.length === 0) {
    throw new RangeError("cpus is empty: give at least one, or null to let workers run anywhere");
  }
  const list = fileText("/sys/devices/system/cpu/online");
  const online = list === undefined ? undefined : parse(list);
  numbers.forEach((cpu, i) => {
    checkInteger(cpu, `cpus[${i}]`, 0, MAX_CPU);
    if (online?.has(cpu) === false) throw new RangeError(`cpus[${i}] is ${cpu}, but the CPUs online here are ${list}`);
  });
  const mask = new Uint8Array(new ArrayBuffer(Math.ceil((Math.max(...numbers) + 1) / 64) * 8));
  for (const cpu of numbers) mask[cpu >> 3]! |= 1 << (cpu & 7);
  return mask;
}

/** A list as the kernel writes it, such as `0-3,8`. */
function parse(list: string): Set<number> {
  const numbers = new Set<number>();
  for (const range of list.trim().split(",")) {
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let cpu = first; cpu <= last; cpu++) numbers.add(cpu);
  }
  return numbers;
}
