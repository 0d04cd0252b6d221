/** What a process has of the system, before and after. */

import { readdirSync, readFileSync } from "node:fs";
import { A_FEW, collectGarbage } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { descriptors, ringMaps, threads } from "../support/process_state.ts";

/** What must be as it was. */
export interface Balance {
  readonly descriptors: readonly string[];
  /** Of rings; each has one or more. */
  readonly ringMaps: number;
  /** Pages that nobody may touch: two around each pool, among those of others. */
  readonly guards: number;
  readonly threads: number;
  /** The kernel's own, that work for rings. */
  readonly ringThreads: number;
  readonly lockedKiB: number;
  readonly pinnedKiB: number;
  readonly residentMiB: number;
}

/** How much more there may be: what the runtime itself opens and keeps. */
export interface Allowance {
  /** Pairs of an epoll and an eventfd that the runtime leaves behind. */
  readonly loops: number;
  readonly residentMiB: number;
  readonly guards: number;
  readonly threads: number;
}

const PAGE = 4096;
/** The last worker of either kind stays for the thread's next ring on older kernels (6.1, 6.12; not 6.18, 7.3). */
const KEPT_WORKERS = hasOp("PIPE") ? 0 : 2;
const MOST_GUARDS = 8;
const EPOLL = "anon_inode:[eventpoll]";
const EVENTFD = "anon_inode:[eventfd]";

/** Collects garbage, and counts. */
export async function takeBalance(): Promise<Balance> {
  for (let i = 0; i < A_FEW; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const status = readFileSync("/proc/self/status", "utf8");
  const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
  const own = threads();
  return {
    descriptors: descriptors(),
    ringMaps: ringMaps(),
    guards: guards(),
    threads: own,
    ringThreads: readdirSync("/proc/self/task").length - own,
    lockedKiB: kibibytes("VmLck"),
    pinnedKiB: kibibytes("VmPin"),
    residentMiB: Math.round(kibibytes("VmRSS") / 1024),
  };
}

/** What there is more of than before, in words. */
export function excess(before: Balance, after: Balance, allowance: Allowance): string[] {
  const problems: string[] = [];
  const more = without(after.descriptors, before.descriptors);
  const loops = more.filter((what) => what === EPOLL).length;
  const allowed = Array.from({ length: Math.min(loops, allowance.loops) }, () => [EPOLL, EVENTFD]).flat();
  const left = without(more, allowed);
  // A runtime opens some of its own anew: their number counts.
  if (after.descriptors.length - allowed.length > before.descriptors.length) {
    problems.push(`descriptors are left: ${left.join(", ")}`);
  }
  const compare = (what: keyof Balance & keyof typeof UNITS, allowed: number) => {
    const [was, is] = [before[what], after[what]] as [number, number];
    if (is > was + allowed) problems.push(`${UNITS[what]}: ${was} before, ${is} after`);
  };
  compare("ringMaps", 0);
  compare("guards", allowance.guards);
  compare("threads", allowance.threads);
  compare("ringThreads", Math.max(0, KEPT_WORKERS - before.ringThreads));
  compare("lockedKiB", 0);
  compare("pinnedKiB", 0);
  compare("residentMiB", allowance.residentMiB);
  return problems;
}

const UNITS = {
  ringMaps: "maps of rings",
  guards: "guard pages of pools",
  threads: "threads",
  ringThreads: "threads of the kernel's for rings",
  lockedKiB: "KiB locked",
  pinnedKiB: "KiB registered with rings",
  residentMiB: "MiB resident",
} as const;

/** Pages without any permission, in ranges as small as a pool's guards and what of others lies beside them. */
function guards(): number {
  const sizes = readFileSync("/proc/self/maps", "utf8").split("\n").map((line) => {
    const [range = "", permissions] = line.split(" ");
    const [from = 0, to = 0] = range.split("-").map((text) => parseInt(text, 16));
    return permissions === "---p" ? (to - from) / PAGE : 0;
  });
  return sizes.filter((pages) => pages <= MOST_GUARDS).reduce((sum, pages) => sum + pages, 0);
}

/** What is left of a list without those of another. */
function without(list: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return list.filter((item) => {
    const at = rest.indexOf(item);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}
