/** Who runs, how many operations and beside whom; and the figures the project is judged by. */

import { RUNTIME_TITLES, type RuntimeName } from "../src/cli/runtimes.ts";

const NOP_BATCHES = [1, 8, 32, 128, 512];
const DEPTH = 128;
const CALLBACK_DEPTH = 32;
const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** Runs once a round; those of one group run one after another, so that they can be compared in pairs. */
export interface Contestant {
  /** `group/who/runtime`: what `--only` matches. */
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly runtime: RuntimeName | "c";
  /** The program's name below bench/cases. */
  readonly program: "workload" | "startup_empty" | "startup_ring";
  /** The workload, or the mode of bench/native/bench.c, and its arguments; `FILE` stands for the data file. */
  readonly args: readonly string[];
  /** The id whose run of the same round this one is compared with. */
  readonly beside?: string;
}

/** Contestants that are shown together. */
export interface Group {
  readonly id: string;
  readonly title: string;
  readonly unit: "ns" | "µs" | "ms";
}

/** A ratio the project is judged by, and the bar it has set itself. */
export interface Figure {
  readonly title: string;
  readonly of: string;
  readonly to: string;
  readonly what: "wall" | "cpu";
  readonly bar: number;
}

/** Everything that can be run. */
export interface Contest {
  readonly groups: readonly Group[];
  readonly contestants: readonly Contestant[];
  readonly figures: readonly Figure[];
}

/**
 * All groups, contestants and figures.
 *
 * @param quick Half of the operations.
 */
export function contest(quick: boolean): Contest {
  const groups = [
    ...NOP_BATCHES.map((batch): Group => ({ id: `nop/${batch}`, title: `NOP, batches of ${batch}`, unit: "ns" })),
    { id: "read", title: "Random 4 KiB reads, page cache", unit: "µs" } as const,
    { id: "startup", title: "A program from start to exit", unit: "ms" } as const,
  ];
  const ops = (full: number) => String(quick ? full / 2 : full);
  const contestants = [...NOP_BATCHES.flatMap((batch) => nops(batch, ops)), ...reads(ops), ...startups()];
  return { groups, contestants, figures: figures() };
}

/** The contestants whose id matches, and those they are compared with. */
export function only(all: Contest, pattern: RegExp): Contest {
  const kept = new Set(all.contestants.filter(({ id }) => pattern.test(id)).map(({ id }) => id));
  for (const { of, to } of all.figures) if (kept.has(of)) kept.add(to);
  for (const { id, beside } of all.contestants) if (beside !== undefined && kept.has(id)) kept.add(beside);
  const contestants = all.contestants.filter(({ id }) => kept.has(id));
  return {
    groups: all.groups.filter(({ id }) => contestants.some(({ group }) => group === id)),
    contestants,
    figures: all.figures.filter(({ of, to }) => kept.has(of) && kept.has(to)),
  };
}

function nops(batch: number, ops: (full: number) => string): Contestant[] {
  const group = `nop/${batch}`, c = `${group}/c`, single = batch === 1;
  const raw = ops(single ? 600_000 : 4_000_000), ring = ops(single ? 300_000 : 1_000_000);
  return [
    { id: c, group, title: "C, liburing", runtime: "c", program: "workload", args: ["nop", String(batch), raw] },
    ...RUNTIMES.map((runtime): Contestant => ({
      id: `${group}/raw/${runtime}`,
      group,
      title: `RawRing, ${RUNTIME_TITLES[runtime]}`,
      runtime,
      program: "workload",
      args: ["nop_raw", String(batch), raw],
      beside: c,
    })),
    ...RUNTIMES.map((runtime): Contestant => ({
      id: `${group}/ring/${runtime}`,
      group,
      title: `Ring, ${RUNTIME_TITLES[runtime]}`,
      runtime,
      program: "workload",
      args: ["nop_ring", String(batch), ring],
      beside: c,
    })),
  ];
}

function reads(ops: (full: number) => string): Contestant[] {
  const group = "read", c = "read/c", depth = String(DEPTH);
  const reader = (
    who: string,
    runtime: RuntimeName,
    title: string,
    workload: string,
    ...args: string[]
  ): Contestant => ({
    id: `${group}/${who}/${runtime}`,
    group,
    title: title.replace("*", RUNTIME_TITLES[runtime]),
    runtime,
    program: "workload",
    args: [workload, "FILE", ...args],
    beside: c,
  });
  return [
    {
      id: c,
      group,
      title: "C, liburing, ×128",
      runtime: "c",
      program: "workload",
      args: ["read", "FILE", depth, ops(400_000)],
    },
    ...RUNTIMES.map((runtime) => reader("raw", runtime, "RawRing, *, ×128", "read_raw", depth, ops(400_000))),
    ...RUNTIMES.map((runtime) => reader("ring", runtime, "Ring, *, ×128", "read_ring", depth, ops(300_000))),
    ...RUNTIMES.map((runtime) => {
      if (runtime === "deno") return reader("promises", runtime, "* FsFile.read, ×128", "own_deno", depth, ops(50_000));
      const calls = ops(runtime === "bun" ? 200_000 : 50_000);
      return reader("promises", runtime, "* FileHandle.read, ×128", "own_promises", depth, calls);
    }),
    reader("promises_node", "deno", "* node:fs async, ×128", "own_promises", depth, ops(20_000)),
    ...RUNTIMES.map((runtime) => {
      const calls = ops(runtime === "deno" ? 20_000 : 100_000);
      return reader("callback", runtime, "* fs.read callback, ×32", "own_callback", String(CALLBACK_DEPTH), calls);
    }),
    ...RUNTIMES.map((runtime) => reader("sync", runtime, "* fs.readSync", "own_sync", ops(200_000))),
  ];
}

function startups(): Contestant[] {
  return RUNTIMES.flatMap((runtime): Contestant[] => {
    const title = RUNTIME_TITLES[runtime], empty = `startup/empty/${runtime}`;
    const start = { group: "startup", runtime, args: [] };
    return [
      { ...start, id: empty, title: `${title}, empty program`, program: "startup_empty" },
      {
        ...start,
        id: `startup/ring/${runtime}`,
        title: `${title}, first ring`,
        program: "startup_ring",
        beside: empty,
      },
    ];
  });
}

function figures(): Figure[] {
  return [
    ...NOP_BATCHES.filter((batch) => batch >= 32).flatMap((batch) =>
      RUNTIMES.map((runtime): Figure => ({
        title: `RawRing NOP ×${batch}, ${RUNTIME_TITLES[runtime]}: wall to C`,
        of: `nop/${batch}/raw/${runtime}`,
        to: `nop/${batch}/c`,
        what: "wall",
        bar: runtime === "node" ? 1.3 : 1.15,
      }))
    ),
    ...RUNTIMES.map((runtime): Figure => ({
      title: `Ring reads, ${RUNTIME_TITLES[runtime]}: CPU to C`,
      of: `read/ring/${runtime}`,
      to: "read/c",
      what: "cpu",
      bar: runtime === "node" ? 1.5 : 1.3,
    })),
    ...RUNTIMES.map((runtime): Figure => ({
      title: `Ring reads, ${RUNTIME_TITLES[runtime]}: CPU to its own promises`,
      of: `read/ring/${runtime}`,
      to: `read/promises/${runtime}`,
      what: "cpu",
      bar: runtime === "bun" ? 0.4 : 0.2,
    })),
  ];
}
