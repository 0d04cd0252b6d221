/**
 * `uring doctor`: what this machine offers, what is missing, and how to get it.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { IORING_SETUP, Ring, type Supported } from "../../mod.ts";
import { FLAGS, OPS, REGISTERS } from "../abi/mod.ts";
import { core, denoPermissions, limits, security, system } from "./doctor_system.ts";
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

/** Something that this kernel lacks. */
export interface Missing {
  readonly name: string;
  /** The Linux that brought it; distributions backport. */
  readonly since: string;
}

/** What this kernel has of something, and what not. */
export interface Has {
  readonly supported: readonly string[];
  readonly missing: readonly Missing[];
}

/** What this kernel has of io_uring; null where it does not tell (before 6.18). */
export interface KernelHas {
  readonly ops: Has;
  readonly registers: Has | null;
  readonly setupFlags: Has | null;
  readonly features: Has;
}

/** The whole examination. */
export interface Diagnosis {
  /** Whether io_uring works here. */
  readonly ok: boolean;
  readonly sections: readonly Section[];
  /** The same by name, for programs; only where a ring could be opened. */
  readonly kernel?: KernelHas;
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
    { title: "io_uring", findings: [works, ...security(support.ok, isRefusal(support))] },
  ];
  const found = support.ok ? await kernel() : undefined;
  sections.push(...found?.sections ?? []);
  sections.push({ title: "Limits", findings: limits() });
  // After the ring was opened, so that the core is mapped.
  sections.push({ title: "Library", findings: [...core(), ...denoPermissions()] });
  const ok = sections.every(({ findings }) => findings.every(({ state }) => state !== "bad"));
  return { ok, sections, ...(found?.has && { kernel: found.has }) };
}

/** Whether it is forbidden, which looks the same as not to be there. */
function isRefusal(support: Supported): boolean {
  return !support.ok && /\b(EPERM|ENOSYS)\b/.test(support.reason);
}

/** Setup flags that a ring asks for by itself, and works without. */
const PREFERRED = ["SUBMIT_ALL", "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_SQARRAY"] as const;

/** What a description says of a name: the Linux that brought it. */
type Described = Readonly<Record<string, { readonly since: string }>>;

async function kernel(): Promise<{ sections: Section[]; has?: KernelHas }> {
  let ring: Ring;
  try {
    ring = new Ring({ trace: false });
  } catch (error) {
    return {
      sections: [{ title: "Ring", findings: [{ name: "opening one", state: "bad", value: messageOf(error) }] }],
    };
  }
  try {
    const has = kernelHas(ring);
    return {
      sections: [{ title: "Ring", findings: setup(ring, has.setupFlags?.supported ?? []) }, {
        title: "Kernel",
        findings: abilities(has),
      }],
      has,
    };
  } catch (error) {
    return { sections: [{ title: "Kernel", findings: [{ name: "probe", state: "note", value: messageOf(error) }] }] };
  } finally {
    await ring.close();
  }
}

/** What the kernel has, of all that there is. */
function kernelHas(ring: Ring): KernelHas {
  const probe = ring.probe();
  const known = probe.registers >= 0;
  return {
    ops: compare(OPS, probe.ops),
    registers: known ? compare(REGISTERS, probe.registerOps) : null,
    setupFlags: known ? compare(FLAGS["IORING_SETUP"]!, probe.setupFlags) : null,
    features: compare(FLAGS["IORING_FEAT"]!, probe.features),
  };
}

function compare(described: Described, names: readonly string[]): Has {
  const missing = Object.keys(described).filter((name) => !names.includes(name))
    .map((name) => ({ name, since: described[name]!.since }));
  return { supported: names, missing };
}

function setup(ring: Ring, known: readonly string[]): Finding[] {
  const flags = Object.entries(IORING_SETUP).filter(([, bit]) => (ring.setupFlags & bit) !== 0).map(([name]) => name);
  const without = PREFERRED.filter((name) => !flags.includes(name));
  const lacking = without.filter((name) => !known.includes(name))
    .map((name) => ({ name, since: FLAGS["IORING_SETUP"]![name]!.since }));
  // Tried, and found to tell of completions late.
  const leftOut = without.filter((name) => known.includes(name));
  return [
    { name: "size", state: "ok", value: `${ring.entries} submissions, ${ring.cqEntries} completions` },
    { name: "its setup flags", state: "ok", value: flags.join(" ") },
    ...missing("would be better", lacking),
    ...(leftOut.length === 0
      ? []
      : [{ name: "left out", state: "ok", value: `${leftOut.join(" ")}: this kernel is late with it` } as const]),
  ];
}

function abilities({ ops, registers, setupFlags, features }: KernelHas): Finding[] {
  return [
    ...has("operations", "operations missing", ops),
    ...has("register ops", "registers missing", registers),
    ...has("setup flags", "flags missing", setupFlags),
    ...has("features", "features missing", features),
  ];
}

function has(name: string, nameOfMissing: string, what: Has | null): Finding[] {
  if (what === null) return [{ name, state: "ok", value: "Linux before 6.18 does not tell" }];
  const { supported, missing: lacking } = what;
  const all = supported.length + lacking.length;
  return [
    { name, state: "ok", value: `${supported.length} of ${all}: ${supported.join(" ")}` },
    ...missing(nameOfMissing, lacking),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function missing(name: string, items: readonly Missing[]): Finding[] {
  if (items.length === 0) return [];
  const value = items.map(({ name, since }) => `${name} (${since})`).join(" ");
  return [{ name, state: "note", value, fix: "Linux of the version in brackets, or newer" }];
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
