/**
 * `uring doctor`: what this machine offers, what is missing, and how to get it.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { IORING_FEAT, IORING_SETUP, Ring } from "../../mod.ts";
import { OPS } from "../abi/mod.ts";
import { core, denoPermissions, limits, security, sharedMemory, system } from "./doctor_system.ts";
import { paint, wrap } from "./terminal.ts";

const USAGE = `Usage: uring doctor [--json]

Says whether io_uring works here, what this kernel has of it, what is missing,
and how to get it. The exit code is 0 when it works, 1 when it does not.
`;

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `ok`; `note`: works, but worth knowing; `bad`: io_uring does not work because of this. */
  readonly state: "ok" | "note" | "bad";
  readonly value: string;
  /** What to do, where something is missing. */
  readonly fix?: string;
}

/** A heading and what belongs to it. */
export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** The whole examination. */
export interface Diagnosis {
  /** Whether io_uring works here. */
  readonly ok: boolean;
  readonly sections: readonly Section[];
}

/**
 * Runs the command with a command line's arguments.
 *
 * @returns The exit code.
 */
export async function doctor(args: readonly string[]): Promise<number> {
  let json: boolean;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    ({ json } = values);
  } catch (error) {
    process.stderr.write(`uring doctor: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  const diagnosis = await diagnose();
  process.stdout.write(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : render(diagnosis));
  return diagnosis.ok ? 0 : 1;
}

/** Looks at everything; never throws. */
export async function diagnose(): Promise<Diagnosis> {
  const support = Ring.supported();
  const works: Finding = support.ok
    ? { name: "io_uring", state: "ok", value: "works" }
    : { name: "io_uring", state: "bad", value: support.reason, fix: support.fix };
  const sections: Section[] = [
    { title: "System", findings: system() },
    { title: "io_uring", findings: [works, ...security(support.ok)] },
  ];
  if (support.ok) sections.push(...await kernel());
  sections.push({ title: "Limits", findings: [...limits(), ...sharedMemory()] });
  // After the ring was opened, so that the core is mapped.
  sections.push({ title: "Library", findings: [...core(), ...denoPermissions()] });
  const ok = sections.every(({ findings }) => findings.every(({ state }) => state !== "bad"));
  return { ok, sections };
}

/** Setup flags that a ring asks for by itself, and works without; with the Linux that brought them. */
const PREFERRED = {
  SUBMIT_ALL: "5.18",
  SINGLE_ISSUER: "6.0",
  DEFER_TASKRUN: "6.1",
  NO_SQARRAY: "6.6",
} as const;

/** Features, with the Linux that brought them. */
const FEATURES: Readonly<Record<keyof typeof IORING_FEAT, string>> = {
  SINGLE_MMAP: "5.4",
  NODROP: "5.5",
  SUBMIT_STABLE: "5.5",
  RW_CUR_POS: "5.6",
  CUR_PERSONALITY: "5.6",
  FAST_POLL: "5.7",
  POLL_32BITS: "5.9",
  SQPOLL_NONFIXED: "5.11",
  EXT_ARG: "5.11",
  NATIVE_WORKERS: "5.12",
  RSRC_TAGS: "5.13",
  CQE_SKIP: "5.17",
  LINKED_FILE: "5.17",
  REG_REG_RING: "6.3",
  RECVSEND_BUNDLE: "6.10",
  MIN_TIMEOUT: "6.12",
  RW_ATTR: "6.14",
  NO_IOWAIT: "6.15",
};

async function kernel(): Promise<Section[]> {
  let ring: Ring;
  try {
    ring = new Ring();
  } catch (error) {
    return [{ title: "Ring", findings: [{ name: "opening one", state: "bad", value: messageOf(error) }] }];
  }
  try {
    return [{ title: "Ring", findings: setup(ring) }, { title: "Operations", findings: operations(ring) }];
  } finally {
    await ring.close();
  }
}

function setup(ring: Ring): Finding[] {
  const flags = flagsIn(IORING_SETUP, ring.setupFlags);
  const features = flagsIn(IORING_FEAT, ring.features);
  return [
    { name: "size", state: "ok", value: `${ring.entries} submissions, ${ring.cqEntries} completions` },
    { name: "setup flags", state: "ok", value: flags.join(" ") },
    ...missing("flags missing", Object.entries(PREFERRED).filter(([name]) => !flags.includes(name))),
    { name: "features", state: "ok", value: features.join(" ") },
    ...missing("features missing", Object.entries(FEATURES).filter(([name]) => !features.includes(name))),
  ];
}

function operations(ring: Ring): Finding[] {
  const names = Object.keys(OPS) as (keyof typeof OPS)[];
  let absent: typeof names;
  try {
    const probe = ring.probe();
    absent = names.filter((name) => !probe.op(name).supported);
  } catch (error) {
    return [{ name: "supported", state: "note", value: messageOf(error) }];
  }
  const supported = names.filter((name) => !absent.includes(name));
  return [
    { name: "supported", state: "ok", value: `${supported.length} of ${names.length}: ${supported.join(" ")}` },
    ...missing("missing", absent.map((name) => [name, OPS[name].since])),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function missing(name: string, items: readonly (readonly [string, string])[]): Finding[] {
  if (items.length === 0) return [];
  const value = items.map(([what, since]) => `${what} (${since})`).join(" ");
  return [{ name, state: "note", value, fix: "Linux of the version in brackets, or newer" }];
}

function flagsIn(names: Readonly<Record<string, number>>, bits: number): string[] {
  return Object.keys(names).filter((name) => (bits & names[name]!) !== 0);
}

const MARKS = { ok: "✓", note: "!", bad: "✗" };
const NAME_WIDTH = 18;
const WIDTH = 80;

function render({ ok, sections }: Diagnosis): string {
  const lines: string[] = [];
  for (const { title, findings } of sections) {
    if (findings.length === 0) continue;
    lines.push("", paint.bold(title));
    for (const { name, state, value, fix } of findings) {
      const colour = state === "ok" ? paint.green : state === "note" ? paint.yellow : paint.red;
      const rows = wrap(value, WIDTH - NAME_WIDTH - 5);
      lines.push(`  ${colour(MARKS[state])} ${name.padEnd(NAME_WIDTH)} ${rows[0] ?? ""}`);
      for (const row of rows.slice(1)) lines.push(" ".repeat(NAME_WIDTH + 5) + row);
      for (const row of fix === undefined ? [] : wrap(`→ ${fix}`, WIDTH - NAME_WIDTH - 5)) {
        lines.push(" ".repeat(NAME_WIDTH + 5) + paint.dim(row));
      }
    }
  }
  const last = ok ? paint.green("io_uring works here.") : paint.red("io_uring does not work here: see ✗ above.");
  return `${lines.join("\n")}\n\n${last}\n`.slice(1);
}
