/**
 * Holds `src/abi/` against what it describes, and prints every difference:
 *
 * - the header that the pinned Zig bundles, both ways: constants by reading the text, structs and the constants of
 *   other headers by assertions that Zig compiles, for x86_64 and for aarch64;
 * - the golden data in `test/abi/golden/`: constants, structs, and the bytes of every SQE that liburing writes.
 *
 *     deno run -A scripts/abi_check.ts [a Zig lib directory, or a directory that holds linux/io_uring.h]
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as posix from "../src/abi/posix.ts";
import * as groups from "../src/abi/constants.ts";
import { ERRNO } from "../src/abi/errno.ts";
import { FLAGS } from "../src/abi/flags.ts";
import { constants } from "../src/abi/flat.ts";
import { type Op, OPS } from "../src/abi/ops.ts";
import { type Prep, PREPS } from "../src/abi/preps.ts";
import { REGISTERS } from "../src/abi/registers.ts";
import { type Struct, structs } from "../src/abi/structs.ts";
import { ZIG_VERSION } from "./zig.mjs";

const { IORING_OP, IORING_REGISTER } = groups;

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const GOLDEN = join(ROOT, "test", "abi", "golden");
const HEADERS = ["io_uring.h", "io_uring/zcrx.h", "io_uring/query.h", "io_uring/bpf_filter.h", "io_uring/mock_file.h"];

/** What is checked: tests plant errors here. */
export interface Description {
  readonly constants: Readonly<Record<string, number | bigint>>;
  readonly structs: Readonly<Record<string, Struct>>;
  readonly preps: Readonly<Record<string, Prep>>;
}

/** The description as it is shipped. */
export const SHIPPED: Description = {
  constants: constants as unknown as Readonly<Record<string, number | bigint>>,
  structs,
  preps: PREPS,
};

/** Names of the header that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  IORING_OP_LAST: "marks the end of an enum, another one with every kernel",
  IORING_REGISTER_LAST: "marks the end of an enum, another one with every kernel",
  IORING_RESTRICTION_LAST: "marks the end of an enum, another one with every kernel",
  __IO_URING_QUERY_MAX: "marks the end of an enum, another one with every kernel",
  __ZCRX_CTRL_LAST: "marks the end of an enum, another one with every kernel",
  __ZCRX_EVENT_TYPE_LAST: "marks the end of an enum, another one with every kernel",
  IORING_MOCK_FEAT_END: "marks the end of an enum, another one with every kernel",
};

/** Names of ours that the headers above lack, and where they come from. */
const FROM_ELSEWHERE: Readonly<Record<string, string>> = {
  BLOCK_URING_CMD_DISCARD: "linux/blkdev.h",
  BLOCK_URING_CMD_ZONE_RESET_ALL: "linux/blkdev.h, newer than the one that Zig bundles",
};

/** Where the golden data, from liburing's copy of the header, is behind the kernel's. */
const GOLDEN_IS_OLDER: Readonly<Record<string, string>> = {
  IORING_URING_CMD_MASK: "without IORING_URING_CMD_MULTISHOT",
  "io_uring_napi.pad": "one byte became opcode",
  "io_uring_napi.resv": "half of it became op_param",
  "io_uring_zcrx_ifq_reg.__resv": "its first word became event_desc",
  "io_uring_napi": "the alignment went with the 64-bit resv",
  "io_uring_sqe.rw_flags": "the type is spelled __kernel_rwf_t there",
};

// ---------------------------------------------------------------------------------------------------------------------
// Reading C headers: as much of the language as these headers use.

/** What a header declares. */
export interface Header {
  /** Constants of #define and enum. */
  readonly constants: Map<string, bigint>;
  /** Structs with the names of their fields, those of anonymous members included. */
  readonly structs: Map<string, string[]>;
}

interface Value {
  readonly value: bigint;
  readonly bits: 32 | 64;
  readonly signed: boolean;
}

const INT_TYPES: Readonly<Record<string, [32 | 64, boolean]>> = {
  __u32: [32, false],
  __s32: [32, true],
  __u64: [64, false],
  __s64: [64, true],
};

function typed(value: bigint, bits: 32 | 64, signed: boolean): Value {
  return { value: signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value), bits, signed };
}

/** C's constant expressions, with the widths of their types: `~0U` has 32 bits, `~0ULL` has 64. */
function evaluate(expression: string, known: Map<string, Value>): Value | undefined {
  const tokens = expression.match(/0[xX][\da-fA-F]+[uUlL]*|\d+[uUlL]*|\w+|<<|[-+~|&()]/g) ?? [];
  let next = 0;

  function primary(): Value | undefined {
    const token = tokens[next++];
    if (token === undefined) return undefined;
    if (token === "(") {
      const type = INT_TYPES[tokens[next] ?? ""];
      if (type !== undefined && tokens[next + 1] === ")") {
        next += 2;
        const operand = primary();
        return operand && typed(operand.value, ...type);
      }
      const inner = or();
      return tokens[next++] === ")" ? inner : undefined;
    }
    if (token === "~" || token === "-") {
      const operand = primary();
      return operand && typed(token === "~" ? ~operand.value : -operand.value, operand.bits, operand.signed);
    }
    const literal = /^(0[xX][\da-fA-F]+|\d+)([uUlL]*)$/.exec(token);
    if (literal) {
      const value = BigInt(literal[1]!);
      const suffix = literal[2]!.toLowerCase();
      return typed(value, suffix.includes("l") || value > 0xffffffffn ? 64 : 32, !suffix.includes("u"));
    }
    return known.get(token);
  }

  function binary(operand: () => Value | undefined, ...operators: string[]): Value | undefined {
    let left = operand();
    while (left && operators.includes(tokens[next] ?? "")) {
      const operator = tokens[next++];
      const right = operand();
      if (!right) return undefined;
      if (operator === "<<") {
        left = typed(left.value << right.value, left.bits, left.signed);
        continue;
      }
      const bits = left.bits > right.bits ? left.bits : right.bits;
      const signed = left.signed && right.signed;
      const a: bigint = left.value;
      const b = right.value;
      left = typed(
        operator === "+" ? a + b : operator === "-" ? a - b : operator === "&" ? a & b : a | b,
        bits,
        signed,
      );
    }
    return left;
  }

  const sum = () => binary(primary, "+", "-");
  const shift = () => binary(sum, "<<");
  const and = () => binary(shift, "&");
  const or = () => binary(and, "|");
  const result = or();
  return next === tokens.length ? result : undefined;
}

/** The text between a brace and its partner, and where it ends. */
function braced(text: string, open: number): [string, number] {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return [text.slice(open + 1, i), i];
  }
  throw new Error("a brace that nothing closes");
}

function fieldNames(body: string): string[] {
  const names: string[] = [];
  let rest = body.trim();
  while (rest !== "") {
    const nested = /^(?:struct|union)\s*\w*\s*\{/.exec(rest);
    if (nested) {
      const [inner, end] = braced(rest, nested[0].length - 1);
      const tail = /^\s*(\w+)?\s*(?:__attribute__\(\([^;]*\)\))?\s*;/.exec(rest.slice(end + 1))!;
      const name = tail[1] === "__attribute__" ? undefined : tail[1];
      if (name !== undefined) names.push(name);
      for (const field of fieldNames(inner)) names.push(name === undefined ? field : `${name}.${field}`);
      rest = rest.slice(end + 1 + tail[0].length).trim();
      continue;
    }
    const end = rest.indexOf(";");
    const declaration = rest.slice(0, end).trim();
    const flexible = /^__DECLARE_FLEX_ARRAY\(.*,\s*(\w+)\)$/.exec(declaration);
    const plain = /(\w+)\s*(?:\[[^\]]*\])?$/.exec(declaration);
    names.push((flexible ?? plain)![1]!);
    rest = rest.slice(end + 1).trim();
  }
  return names;
}

/**
 * Reads a header's constants and structs.
 *
 * @param text the header
 * @returns its names
 */
export function readHeader(text: string): Header {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/.*/g, "").replace(/\\\n/g, " ");
  const known = new Map<string, Value>();
  const fields = new Map<string, string[]>();
  const statement = /^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\S.*)$|\benum\s*\w*\s*\{|^struct\s+(\w+)\s*\{/gm;
  for (let match = statement.exec(code); match; match = statement.exec(code)) {
    const [all, name, expression, struct] = match;
    if (name !== undefined) {
      const value = evaluate(expression!, known);
      if (value) known.set(name, value);
      else throw new Error(`#define ${name} ${expression}: not understood`);
      continue;
    }
    const [body, end] = braced(code, match.index + all.length - 1);
    statement.lastIndex = end;
    if (struct !== undefined) {
      fields.set(struct, fieldNames(body));
      continue;
    }
    let following: Value = typed(0n, 32, true);
    for (const item of body.split(",").map((item) => item.trim()).filter((item) => item !== "")) {
      const [key, ...given] = item.split("=");
      const value = given.length > 0 ? evaluate(given.join("="), known) : following;
      if (!value) throw new Error(`enumerator ${item}: not understood`);
      known.set(key!.trim(), value);
      following = typed(value.value + 1n, 64, true);
    }
  }
  return { constants: new Map([...known].map(([name, { value }]) => [name, value])), structs: fields };
}

// ---------------------------------------------------------------------------------------------------------------------
// The checks. Each gives the differences it found, in words.

/** Constants against the header, both ways. */
export function checkConstants(ours: Description["constants"], header: Header): string[] {
  const found: string[] = [];
  for (const [name, value] of header.constants) {
    const mine = ours[name];
    if (name in LEFT_OUT) {
      if (mine !== undefined) found.push(`${name} is exported, but ${LEFT_OUT[name]}`);
    } else if (mine === undefined) found.push(`${name} = ${value} is in the header, not here`);
    else if (BigInt(mine) !== value) found.push(`${name} is ${mine} here, ${value} in the header`);
    else if (typeof mine === "bigint" && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      found.push(`${name} is a bigint, but ${value} is exact as a number`);
    }
  }
  for (const name in ours) {
    if (!header.constants.has(name) && !(name in FROM_ELSEWHERE)) found.push(`${name} is here, not in the header`);
  }
  return found;
}

/** Structs of the header that are missing here, with their fields. The other direction is the compiler's. */
export function checkStructNames(ours: Description["structs"], header: Header): string[] {
  const found: string[] = [];
  for (const [name, fields] of header.structs) {
    const mine = ours[name];
    if (mine === undefined) found.push(`struct ${name} is in the header, not here`);
    else for (const field of fields) if (!(field in mine.fields)) found.push(`struct ${name}: no field ${field} here`);
  }
  return found;
}

function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(join(GOLDEN, name), "utf8")) as T;
}

interface GoldenSqe {
  readonly prep: string;
  readonly args: Readonly<Record<string, number | string>>;
  readonly sqe: string;
}

function readGoldenLines(name: string): GoldenSqe[] {
  return readFileSync(join(GOLDEN, name), "utf8").trim().split("\n").map((line) => JSON.parse(line) as GoldenSqe);
}

/** Constants against the golden ones. */
export function checkGoldenConstants(ours: Description["constants"]): string[] {
  const found: string[] = [];
  for (const file of ["constants.json", "constants-extra.json"]) {
    for (const [name, value] of Object.entries(readGolden<Record<string, string>>(file))) {
      if (name in LEFT_OUT || name in GOLDEN_IS_OLDER) continue;
      if (ours[name] === undefined) found.push(`${name} = ${value} is golden, not here`);
      else if (BigInt(ours[name]) !== BigInt(value)) found.push(`${name} is ${ours[name]} here, ${value} is golden`);
    }
  }
  return found;
}

interface GoldenStruct {
  readonly name: string;
  readonly size: number;
  readonly align: number;
  readonly fields: readonly {
    readonly name: string;
    readonly type: string;
    readonly offset: number;
    readonly size: number;
    readonly count?: number;
  }[];
}

/** Structs against the golden ones. */
export function checkGoldenStructs(ours: Description["structs"]): string[] {
  const found: string[] = [];
  for (const file of ["structs.json", "structs-extra.json"]) {
    for (const golden of readGolden<GoldenStruct[]>(file)) {
      const mine = ours[golden.name];
      if (mine === undefined) {
        found.push(`struct ${golden.name} is golden, not here`);
        continue;
      }
      if (mine.size !== golden.size) found.push(`struct ${golden.name}: size ${mine.size}, golden ${golden.size}`);
      if (mine.align !== golden.align && !(golden.name in GOLDEN_IS_OLDER)) {
        found.push(`struct ${golden.name}: align ${mine.align}, golden ${golden.align}`);
      }
      for (const field of golden.fields) {
        const path = `${golden.name}.${field.name}`;
        const own = mine.fields[field.name];
        if (path in GOLDEN_IS_OLDER) continue;
        if (own === undefined) found.push(`${path} is golden, not here`);
        else {
          for (const key of ["offset", "size", "type", "count"] as const) {
            if (own[key] !== field[key]) found.push(`${path}: ${key} ${own[key]}, golden ${field[key]}`);
          }
        }
      }
    }
  }
  return found;
}

function goldenArgs(prep: Prep, line: GoldenSqe): (number | bigint)[] {
  return prep.params.map((name) => {
    const value = line.args[name];
    if (value === undefined) throw new Error(`${line.prep} has no argument ${name} in the golden data`);
    return typeof value === "string" ? BigInt(value) : value;
  });
}

/** Every encoder against liburing's bytes, on memory that is not zero, and without a word beyond its SQE. */
export function checkGoldenSqes(preps: Description["preps"]): string[] {
  const found: string[] = [];
  const used = new Set<string>();
  for (const line of readGoldenLines("sqes.jsonl")) {
    used.add(line.prep);
    const prep = preps[line.prep];
    if (prep === undefined) {
      found.push(`${line.prep} is golden, not here`);
      continue;
    }
    const length = line.sqe.length / 8;
    // Setters and the like add to what is there; the golden ones started from zeros.
    const before = line.prep.includes("_set_") ? 0 : -1;
    for (const exact of [false, true]) {
      const words = new Int32Array(96).fill(before);
      const args = goldenArgs(prep, line).map((value) =>
        exact || value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER ? value : Number(value)
      );
      prep.encode(words, 32, ...args);
      const bytes = new Uint8Array(words.buffer, 128, length * 4);
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const where = `${line.prep}(${prep.params.map((name, i) => `${name} ${args[i]}`).join(", ")})`;
      if (hex !== line.sqe) found.push(`${where} writes\n  ${hex}, golden\n  ${line.sqe}`);
      const outside = words.subarray(0, 32).some((word) => word !== before) ||
        words.subarray(32 + length).some((word) => word !== before);
      if (outside) found.push(`${where} writes outside of its SQE`);
    }
  }
  for (const name in preps) if (!used.has(name)) found.push(`${name} is here, not golden`);
  return found;
}

/** What liburing cuts short without a word, the encoders must refuse. */
export function checkNarrowing(preps: Description["preps"]): string[] {
  const found: string[] = [];
  for (const line of readGoldenLines("sqes-narrowing.jsonl")) {
    const prep = preps[line.prep];
    const words = new Int32Array(32).fill(-1);
    try {
      if (prep) prep.encode(words, 0, ...goldenArgs(prep, line));
      found.push(`${line.prep} takes ${JSON.stringify(line.args)}, which does not fit`);
    } catch (error) {
      if (!(error instanceof RangeError)) found.push(`${line.prep} refuses with ${error}, not a RangeError`);
      if (words.some((word) => word !== -1)) found.push(`${line.prep} writes before it refuses`);
    }
  }
  return found;
}

/** Ops, registers and flag sets: an entry for each constant, with its value. */
export function checkEntries(): string[] {
  const found: string[] = [];
  const compare = (kind: string, codes: Record<string, number>, entries: Record<string, { code: number }>) => {
    for (const name in codes) {
      const entry = entries[name];
      if (entry === undefined) found.push(`${kind} ${name} has no entry`);
      else if (entry.code !== codes[name]) found.push(`${kind} ${name} has code ${entry.code}, not ${codes[name]}`);
    }
    for (const name in entries) if (!(name in codes)) found.push(`${kind} ${name} does not exist`);
  };
  compare("op", IORING_OP, OPS);
  compare("register op", IORING_REGISTER, REGISTERS);
  const all = constants as unknown as Record<string, number | bigint>;
  for (const [set, flags] of Object.entries(FLAGS)) {
    for (const [name, flag] of Object.entries(flags)) {
      const full = `${set}_${name}`;
      if (all[full] !== flag.bit) found.push(`flag ${full} is ${flag.bit}, not ${all[full]}`);
      for (const other of [...flag.requires, ...flag.conflicts].flatMap((names) => names.split("|"))) {
        if (!(other in flags) && !(other in all)) found.push(`flag ${full} names ${other}, which does not exist`);
      }
    }
  }
  for (const [name, op] of Object.entries(OPS)) found.push(...checkOp(name, op));
  for (const [name, { needs }] of Object.entries(REGISTERS)) {
    for (const need of needs.flatMap((names) => names.split("|"))) {
      if (!(need in all)) found.push(`register op ${name} needs ${need}, which does not exist`);
    }
  }
  return found;
}

/** C's own names, and structs that differ between architectures or are the C library's. */
const OTHER_STRUCTS = ["__s32", "__u32", "epoll_event", "siginfo_t"];

function checkOp(name: string, op: Op): string[] {
  const found: string[] = [];
  const sets = { ...groups, O: posix.O_x86_64 };
  const ioprio = op.ioprio.startsWith("flags(") ? [op.ioprio] : [];
  for (const field of [...Object.values(op.fields), ...ioprio]) {
    const [, kind, of] = /^(\w+)\(([^)]*)\)/.exec(field) ?? [];
    if (kind === "flags" || kind === "enum") {
      for (const set of of!.split(",")) if (!(set in sets)) found.push(`op ${name}: there is no set ${set}`);
    } else if (kind === "lenOf" && !(of! in op.fields)) found.push(`op ${name}: ${field} of what?`);
    else if (kind?.startsWith("struct") && !(of! in structs) && !OTHER_STRUCTS.includes(of!)) {
      found.push(`op ${name}: there is no struct ${of}`);
    }
  }
  for (const member of [...Object.keys(op.fields), ...op.holds.final, ...op.holds.stable]) {
    if (!(member.replace("*", "") in structs.io_uring_sqe.fields)) found.push(`op ${name}: no member ${member}`);
  }
  for (const need of op.needs.flatMap((names) => names.split("|"))) {
    if (!(need in constants)) found.push(`op ${name} needs ${need}, which does not exist`);
  }
  return found;
}

// ---------------------------------------------------------------------------------------------------------------------
// What only a compiler can tell.

/** The macros' prefixes of the groups in posix.ts; what is not here is the group's name and an underscore. */
const PREFIXES: Readonly<Record<string, string>> = {
  POLL: "POLL",
  EPOLL: "EPOLL",
  W: "W",
  O_x86_64: "O_",
  O_aarch64: "O_",
};

/** The C library's headers have these, the kernel's don't. */
const OF_LIBC = ["AF", "SOCK", "MSG", "SHUT", "SPLICE_F", "SOL", "SO", "SCM"];

const KERNEL_INCLUDES = [
  "io_uring",
  "io_uring/zcrx",
  "io_uring/query",
  "io_uring/bpf_filter",
  "io_uring/mock_file",
  "blkdev",
  "errno",
  "eventpoll",
  "fadvise",
  "falloc",
  "fcntl",
  "fs",
  "futex",
  "in",
  "in6",
  "mman",
  "openat2",
  "poll",
  "signal",
  "stat",
  "tcp",
  "time",
  "time_types",
  "udp",
  "uio",
  "un",
  "wait",
  "xattr",
].map((name) => `#include <linux/${name}.h>`);

/** Structs that the C library's headers have. */
const STRUCTS_OF_LIBC = ["msghdr", "cmsghdr"];

function assertion(condition: string, message: string): string {
  return `_Static_assert(${condition}, ${JSON.stringify(message)});`;
}

function structAssertions(name: string, { size, align, fields }: Struct): string[] {
  const type = `struct ${name}`;
  const lines = [
    assertion(`sizeof(${type}) == ${size}`, `${type}: size ${size}`),
    assertion(`_Alignof(${type}) == ${align}`, `${type}: align ${align}`),
  ];
  for (const [field, { offset, size, type: fieldType, count }] of Object.entries(fields)) {
    const member = `((${type} *)0)->${field}`;
    lines.push(assertion(`offsetof(${type}, ${field}) == ${offset}`, `${name}.${field}: offset ${offset}`));
    if (size > 0) lines.push(assertion(`sizeof(${member}) == ${size}`, `${name}.${field}: size ${size}`));
    if (size > 0 && fieldType !== "struct") {
      const spelled = count === undefined ? fieldType : `${fieldType}[${count}]`;
      lines.push(
        assertion(`__builtin_types_compatible_p(__typeof__(${member}), ${spelled})`, `${name}.${field}: ${spelled}`),
      );
    }
  }
  return lines;
}

function groupAssertions(group: string, values: Readonly<Record<string, number>>): string[] {
  const prefix = PREFIXES[group] ?? `${group}_`;
  return Object.entries(values).map(([key, value]) => {
    const name = prefix + key;
    // The kernel's own name of it; O_ASYNC is the C library's.
    const macro = name === "O_ASYNC" ? "FASYNC" : name;
    const type = value < 0 ? "int" : "unsigned";
    return assertion(`(${type})(${macro}) == (${type})(${value})`, `${name} is not ${value}`);
  });
}

/** The program whose compilation is the check: one for kernel headers, one for the C library's. */
export function assertions(ours: Description["structs"], architecture: "x86_64" | "aarch64"): [string, string] {
  const kernel = ["#include <stddef.h>", ...KERNEL_INCLUDES];
  const libc = ["#define _GNU_SOURCE", "#include <stddef.h>", "#include <fcntl.h>", "#include <sys/socket.h>"];
  for (const [name, struct] of Object.entries(ours)) {
    (STRUCTS_OF_LIBC.includes(name) ? libc : kernel).push(...structAssertions(name, struct));
  }
  for (const [group, values] of Object.entries(posix) as [string, Record<string, number>][]) {
    if (group.startsWith("O_") && group !== `O_${architecture}`) continue;
    const theirs = OF_LIBC.includes(group);
    // io_uring's own addition, in the kernel's header, which does not go with the C library's.
    const { FD_IN_FIXED, ...plain } = values;
    (theirs ? libc : kernel).push(...groupAssertions(group, theirs ? plain : values));
    if (FD_IN_FIXED !== undefined) kernel.push(...groupAssertions(group, { FD_IN_FIXED }));
  }
  for (const [name, value] of Object.entries(ERRNO)) kernel.push(assertion(`${name} == ${value}`, `${name}: ${value}`));
  return [kernel.join("\n") + "\n", libc.join("\n") + "\n"];
}

/** Where Zig and its library are. */
export interface Zig {
  /** The command that runs it. */
  readonly command: readonly string[];
  /** The directory that holds linux/io_uring.h. */
  readonly include: string;
}

function includeOf(path: string): string | undefined {
  const choices = [path, join(path, "libc", "include", "any-linux-any"), dirname(dirname(path))];
  return choices.find((choice) => existsSync(join(choice, "linux", "io_uring.h")));
}

/** Another version bundles another header. */
function isPinned(command: readonly string[]): boolean {
  const { status, stdout } = spawnSync(command[0]!, [...command.slice(1), "version"], { encoding: "utf8" });
  return status === 0 && stdout.trim() === ZIG_VERSION;
}

/**
 * Finds the pinned Zig: beside the library that is named, on PATH, or in .venv. Installs nothing.
 *
 * @param path its lib directory, or any that holds the header; without it ZIG_LIB_DIR, and else Zig is asked
 * @returns undefined when there is none
 */
export function findZig(path: string | undefined = process.env["ZIG_LIB_DIR"]): Zig | undefined {
  const candidates = [["zig"], [join(ROOT, ".venv", "bin", "python"), "-m", "ziglang"]];
  const include = path === undefined ? undefined : includeOf(path);
  if (path !== undefined && include === undefined) throw new Error(`${path}: no linux/io_uring.h there`);
  // Beside its library, in a release as in a wheel.
  if (include !== undefined) candidates.unshift([join(include, "..", "..", "..", "..", "zig")]);
  const command = candidates.find(isPinned);
  if (command === undefined) return undefined;
  if (include !== undefined) return { command, include };
  const { stdout } = spawnSync(command[0]!, [...command.slice(1), "env"], { encoding: "utf8" });
  // ZON since 0.15, JSON before.
  const lib = /"?\.?lib_dir"?\s*[=:]\s*"([^"]+)"/.exec(stdout)?.[1];
  const found = lib === undefined ? undefined : includeOf(lib);
  return found === undefined ? undefined : { command, include: resolve(found) };
}

/** Compiles the assertions; gives those that fail. */
export function checkLayouts(ours: Description["structs"], zig: Zig): string[] {
  const found: string[] = [];
  const directory = mkdtempSync(join(tmpdir(), "uring-abi-"));
  try {
    for (const architecture of ["x86_64", "aarch64"] as const) {
      for (const [index, source] of assertions(ours, architecture).entries()) {
        const file = join(directory, `${architecture}-${index}.c`);
        writeFileSync(file, source);
        // glibc's headers know all of the flags, the kernel's come with every target.
        const target = ["-target", `${architecture}-linux-gnu`, "-ferror-limit=0", "-Wno-ignored-attributes"];
        const args = [...zig.command.slice(1), "cc", ...target, "-c", "-o", `${file}.o`, file];
        const { status, stderr, error } = spawnSync(zig.command[0]!, args, { encoding: "utf8" });
        if (error) throw error;
        const errors = stderr.split("\n").filter((line) => line.includes("error:"));
        for (const line of errors) found.push(`${architecture}: ${line.replace(/^.*error: /, "")}`);
        if (status !== 0 && errors.length === 0) found.push(`${architecture}: ${stderr}`);
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return found;
}

/** Reads the headers that Zig bundles. */
export function readHeaders(include: string): Header {
  const own = new Map<string, bigint>();
  const fields = new Map<string, string[]>();
  for (const name of HEADERS) {
    const text = readFileSync(join(include, "linux", name), "utf8");
    const header = readHeader(text);
    for (const [key, value] of header.constants) own.set(key, value);
    for (const [key, names] of header.structs) fields.set(key, names);
  }
  return { constants: own, structs: fields };
}

/** What needs no header and no compiler. */
export function checkGolden(ours: Description = SHIPPED): string[] {
  return [
    ...checkGoldenConstants(ours.constants),
    ...checkGoldenStructs(ours.structs),
    ...checkGoldenSqes(ours.preps),
    ...checkNarrowing(ours.preps),
    ...checkEntries(),
  ];
}

/** What the bundled header and its compiler say. */
export function checkHeader(zig: Zig, ours: Description = SHIPPED): string[] {
  const header = readHeaders(zig.include);
  return [
    ...checkConstants(ours.constants, header),
    ...checkStructNames(ours.structs, header),
    ...checkLayouts(ours.structs, zig),
  ];
}

function main(): void {
  const zig = findZig(process.argv[2]);
  if (zig === undefined) {
    throw new Error(`no Zig ${ZIG_VERSION}: give its lib directory, set ZIG_LIB_DIR, or put it on PATH`);
  }
  const found = [...checkGolden(), ...checkHeader(zig)];
  for (const difference of found) console.error(difference);
  if (found.length > 0) {
    console.error(`${found.length} differences`);
    process.exitCode = 1;
  } else {
    console.log(
      `src/abi agrees with ${join(zig.include, "linux", "io_uring.h")} and with the golden data: ` +
        `${Object.keys(constants).length} constants, ${Object.keys(structs).length} structs, ` +
        `${Object.keys(PREPS).length} encoders`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
