/** Medians, ratios in pairs, and how busy the rest of the machine was. */

import { readFileSync } from "node:fs";

/** Of the values of all rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Values by round; a round without one is undefined. */
export type Rounds = readonly (number | undefined)[];

/** Undefined when there is no value. */
export function spread(values: Rounds): Spread | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [min, max, upper, lower] = [sorted[0], sorted.at(-1), sorted[middle], sorted[middle - 1]];
  if (min === undefined || max === undefined || upper === undefined) return undefined;
  return { min, median: sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2, max };
}

/** Ratios of runs that stood beside each other in the same round: what slows a round slows both. */
export function pairedRatio(values: Rounds, beside: Rounds): Spread | undefined {
  return spread(values.map((value, round) => {
    const reference = beside[round];
    return value === undefined || reference === undefined ? undefined : value / reference;
  }));
}

/** Clock ticks since boot: of all CPUs, of those that did anything, and of this process and the children it waited for. */
interface Ticks {
  readonly total: number;
  readonly busy: number;
  readonly ours: number;
}

/** Measures the CPU time that was neither ours nor our children's. */
export class OtherWork {
  readonly #start: Ticks | undefined = ticks();

  /** The share of all CPUs that others took since the start; undefined where /proc doesn't tell. */
  share(): number | undefined {
    const start = this.#start, end = ticks();
    if (start === undefined || end === undefined || end.total <= start.total) return undefined;
    const others = end.busy - start.busy - (end.ours - start.ours);
    return Math.max(0, others / (end.total - start.total));
  }
}

function ticks(): Ticks | undefined {
  try {
    // cpu user nice system idle iowait irq softirq steal
    const all = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
    const total = all.reduce((sum, part) => sum + part, 0);
    // utime stime cutime cstime are fields 14 to 17; the name, field 2, may hold spaces.
    const self = readFileSync("/proc/self/stat", "utf8");
    const ours = self.slice(self.lastIndexOf(")") + 2).split(" ").slice(11, 15);
    return { total, busy: total - all[3]! - all[4]!, ours: ours.reduce((sum, part) => sum + Number(part), 0) };
  } catch {
    return undefined;
  }
}
