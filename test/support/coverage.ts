/**
 * Records which ops a run of the tests has really used: through which door, by which methods, and how they completed.
 * vitest loads it before each test file when URING_COVERAGE_DIR names a folder; scripts/op_table.ts makes the table of
 * operations of it.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterAll } from "vitest";
import { runtime } from "../../ffi/host.ts";
import { type Native, NO_RING } from "../../ffi/native.ts";
import * as mod from "../../mod.ts";
import { errnoName } from "../../src/abi/errno.ts";
import { opOf } from "../../src/abi/ops.ts";
import { IORING_CQE_F, IORING_OP, IORING_REGISTER, IORING_SETUP, IOSQE } from "../../src/abi/constants.ts";
import { Core } from "../../src/ring/core.ts";
import { Engine } from "../../src/ring/engine.ts";

/** What one op has come to in one test file. */
export interface Used {
  /** Methods of `Ring` and of the classes beside it that asked for it. */
  methods: string[];
  /** Door → `"ok"`, and the names of errors. */
  raw: string[];
  ring: string[];
}

/** What one test file has used. */
export interface Coverage {
  readonly runtime: string;
  /** The kernel's release. */
  readonly kernel: string;
  /** Ops that the kernel has. */
  readonly available: readonly string[];
  readonly ops: Record<string, Used>;
  readonly registers: Record<string, Used>;
}

/** Errors that are how the op usually ends. */
const NORMAL: Readonly<Record<number, readonly number[]>> = {
  [IORING_OP.TIMEOUT]: [-62],
  [IORING_OP.LINK_TIMEOUT]: [-62, -125],
};

const ops: Record<string, Used> = {};
const registers: Record<string, Used> = {};
const registerNames = new Map<number, string>(Object.entries(IORING_REGISTER).map(([name, code]) => [code, name]));

function usedIn(table: Record<string, Used>, name: string): Used {
  return table[name] ??= { methods: [], raw: [], ring: [] };
}

function add(list: string[], item: string): void {
  if (!list.includes(item)) list.push(item);
}

// Methods

/** Public methods under way, the outermost first; callbacks that they run are none of theirs. */
let stack: string[] = [];

/** Of `Ring`: they run what others pass to them, or end what others began. */
const NOT_WATCHED = ["link", "submitAndWait", "close", "start", "need", "ref", "unref"];

/** A method that the kernel lacks its op for stands for that op all the same. */
function noteLacking(error: unknown, method: string): void {
  if (!(error instanceof mod.UnsupportedError)) return;
  const { feature } = error;
  const register = feature.replace("IORING_REGISTER_", "");
  if (feature in IORING_OP) add(usedIn(ops, feature).methods, method);
  else if (register !== feature && register in IORING_REGISTER) add(usedIn(registers, register).methods, method);
}

function watchMethods(prototype: object, prefix: string, except: readonly string[]): void {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const method = descriptor.value as unknown;
    if (typeof method !== "function" || name === "constructor" || except.includes(name)) continue;
    const watched = {
      [name](this: unknown, ...args: unknown[]): unknown {
        const outer = stack;
        stack = [...outer, prefix + name];
        try {
          return method.apply(this, args);
        } catch (error) {
          noteLacking(error, prefix + name);
          throw error;
        } finally {
          stack = outer;
        }
      },
    }[name]!;
    Object.defineProperty(prototype, name, { ...descriptor, value: watched });
  }
}

for (let at: object = mod.Ring.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
  watchMethods(at, "", NOT_WATCHED);
}
for (const [name, value] of Object.entries(mod)) {
  if (typeof value !== "function" || value === mod.Ring || !/^[A-Z]/.test(name) || name.endsWith("Error")) continue;
  watchMethods(value.prototype, `${name}.`, []);
}

// Operations

/** Cores of `Ring`s; the others are RawRings'. */
const ofRings = new WeakSet<Core>();
const inFlight = new WeakMap<Core, Map<string, number[]>>();
/** SQEs that a turn left staged. */
const left = new WeakMap<Core, number>();

const { stage } = Engine.prototype;
Engine.prototype.stage = function (at, slot, flags, personality): void {
  ofRings.add(this.core);
  const op = opOf(this.core.sqes[at]! & 0xff);
  // Any operation may have a time limit: that is an option's doing.
  if (op !== undefined && op.code !== IORING_OP.LINK_TIMEOUT) {
    for (const method of stack) add(usedIn(ops, op.name).methods, method);
  }
  stage.call(this, at, slot, flags, personality);
};

const { turn, reap, register, resize } = Core.prototype;
Core.prototype.turn = function (flags, wait): number {
  noteSubmissions(this);
  const reaped = turn.call(this, flags, wait);
  left.set(this, this.count);
  noteCompletions(this, reaped);
  return reaped;
};
Core.prototype.reap = function (): number {
  const reaped = reap.call(this);
  noteCompletions(this, reaped);
  return reaped;
};
Core.prototype.register = function (opcode, arg, count): number {
  watchRingless(this.native);
  const rc = register.call(this, opcode, arg, count);
  noteRegister(this, opcode, rc);
  return rc;
};
Core.prototype.resize = function (entries, cqEntries): void {
  resize.call(this, entries, cqEntries);
  noteRegister(this, IORING_REGISTER.RESIZE_RINGS, 0);
};

const watchedNatives = new WeakSet<Native>();

/** Calls without a ring go past the cores. */
function watchRingless(native: Native): void {
  if (watchedNatives.has(native)) return;
  watchedNatives.add(native);
  const call = native.register.bind(native);
  const register: Native["register"] = (handle, opcode, arg, count) => {
    const rc = call(handle, opcode, arg, count);
    if (handle === NO_RING) noteRegister(undefined, opcode, rc);
    return rc;
  };
  Object.assign(native, { register });
}

/** Only the method that makes the call: others merely need its answer. */
function noteRegister(core: Core | undefined, opcode: number, rc: number): void {
  const name = registerNames.get(opcode);
  if (name === undefined) return;
  const used = usedIn(registers, name);
  const method = stack.at(-1);
  if (method !== undefined) add(used.methods, method);
  add(
    method !== undefined || (core !== undefined && ofRings.has(core)) ? used.ring : used.raw,
    rc < 0 ? errnoName(rc) : "ok",
  );
}

function noteSubmissions(core: Core): void {
  let map = inFlight.get(core);
  if (map === undefined) inFlight.set(core, map = new Map());
  const { sqes, sqeWords } = core;
  for (let i = left.get(core) ?? 0; i < core.count; i++) {
    const at = i * sqeWords;
    const head = sqes[at]!;
    const op = opOf(head & 0xff);
    if (op === undefined) continue;
    if (op.sqeSize === 128 && sqeWords === 16) i++;
    // What may complete in silence can't be told apart from what comes after it.
    const silent = (head >>> 8 & IOSQE.CQE_SKIP_SUCCESS) !== 0;
    const key = `${sqes[at + 9]} ${sqes[at + 8]}`;
    map.set(key, [...map.get(key) ?? [], silent ? -1 : op.code]);
  }
}

function noteCompletions(core: Core, count: number): void {
  const { cqes, cqeWords, setupFlags } = core;
  const mixed = (setupFlags & IORING_SETUP.CQE_MIXED) !== 0;
  for (let i = 0; i < count; i++) {
    const at = i * cqeWords;
    const flags = cqes[at + 3]!;
    if (mixed && (flags & IORING_CQE_F.SKIP) !== 0) continue;
    if (mixed && (flags & IORING_CQE_F["32"]) !== 0) i++;
    const map = inFlight.get(core);
    const key = `${cqes[at + 1]} ${cqes[at]}`;
    const codes = map?.get(key);
    if (codes === undefined) continue;
    const code = codes[0]!;
    // Alike in user data, but not in op: nobody knows whose completion it is.
    const known = code >= 0 && codes.every((each) => each === code);
    if ((flags & IORING_CQE_F.MORE) === 0) {
      codes.shift();
      if (codes.length === 0) map!.delete(key);
    }
    if (known) noteResult(core, code, cqes[at + 2]!);
  }
}

function noteResult(core: Core, code: number, res: number): void {
  const used = usedIn(ops, opOf(code)!.name);
  const fine = res >= 0 || NORMAL[code]?.includes(res);
  add(ofRings.has(core) ? used.ring : used.raw, fine ? "ok" : errnoName(res));
}

afterAll(() => {
  const folder = process.env["URING_COVERAGE_DIR"]!;
  using ring = new mod.Ring({ entries: 1, trace: false });
  const { ops: available, kernel } = ring.probe();
  const coverage: Coverage = { runtime, kernel, available, ops, registers };
  writeFileSync(join(folder, `${process.pid}-${Date.now()}.json`), JSON.stringify(coverage));
});
