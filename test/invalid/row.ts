/** What a row of the list is made of: calls that can't be, each beside a ring at work, which must not notice. */

import { expect, type TestContext } from "vitest";
import { explain, type ExplainContext, Ring, type RingOptions, UringError } from "../../mod.ts";
import type { ErrnoName } from "../../src/abi/errno.ts";
import { remedy } from "../../src/abi/explain.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { type ErrorClass, failure, thrown, watch } from "../support/failure.ts";
import { Stage } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { numberedDescriptors, ringMaps } from "../support/process_state.ts";

/** The calls take anything, as they do from JavaScript. */
// deno-lint-ignore no-explicit-any -- the point of these tests
export type Any = any;
/** A stage whose ring takes anything. */
export type Loose = Stage & { readonly ring: Any };
/** Does something wrong. */
export type Call = (stage: Loose) => unknown;
/** One test. */
export type Case = (context: TestContext) => unknown;

/** One of the 64. */
export interface Row {
  readonly number: number;
  readonly words: string;
  readonly cases: Readonly<Record<string, Case>>;
}

/** One of the 64, and how it is done wrong. */
export function row(number: number, words: string, cases: Readonly<Record<string, Case>>): Row {
  return { number, words, cases };
}

/** Cases by their names, made from a table. */
export function cases<T>(
  table: Iterable<T>,
  make: (entry: T) => readonly [name: string, run: Case],
): Record<string, Case> {
  const made: Record<string, Case> = {};
  for (const entry of table) {
    const [name, run] = make(entry);
    if (name in made) throw new Error(`two cases are called ${name}`);
    made[name] = run;
  }
  return made;
}

/** A case for some kernels or machines only. */
export function onlyIf(condition: () => boolean, reason: string, run: Case): Case {
  return (context) => {
    if (!condition()) context.skip(reason);
    return run(context);
  };
}

/** The last is what cases share; those before it were left in disorder by one that failed. */
const stages: Stage[] = [];
let isInOrder = false;

/** One for all: whatever is refused leaves it as it was. */
export function sharedStage(): Stage {
  if (!isInOrder) stages.push(new Stage());
  isInOrder = true;
  return stages.at(-1)!;
}

/** Ends what all cases shared. */
export async function endShared(): Promise<void> {
  for (const stage of stages.splice(0)) await stage[Symbol.asyncDispose]();
  isInOrder = false;
}

async function onStage(options: RingOptions | undefined, use: (stage: Stage) => Promise<void>): Promise<void> {
  if (options === undefined) return await use(sharedStage());
  await using stage = new Stage(options);
  await use(stage);
}

/** Runs something beside a read that waits. Afterwards the ring works, and the read gets what comes. */
export async function beside(stage: Stage, wrong: (stage: Loose) => unknown): Promise<void> {
  try {
    await besideRead(stage, wrong);
  } catch (error) {
    isInOrder &&= stage !== stages.at(-1);
    throw error;
  }
}

async function besideRead(stage: Stage, wrong: (stage: Loose) => unknown): Promise<void> {
  const { ring, pipe } = stage;
  const waiting = ring.read(pipe.readEnd, new Uint8Array(8));
  const outcome = watch(waiting);
  try {
    await ring.nop();
    await wrong(stage);
    expect(await ring.nop(), "what is asked for next goes on").toBe(0);
    expect(outcome.state, "what waits goes on waiting").toBe("pending");
  } finally {
    pipe.write("four");
    expect(await waiting).toBe(4);
  }
  const { submitted, completed, inFlight } = ring.stats;
  expect({ inFlight, unaccounted: submitted - completed }).toEqual({ inFlight: 0, unaccounted: 0 });
}

/** Throws at once, says why, and nothing of it is staged or reaches the kernel. */
export async function expectRefused(
  stage: Stage,
  call: Call,
  type: ErrorClass<Error>,
  message: RegExp,
): Promise<void> {
  await beside(stage, async ({ ring }) => {
    const staged = ring.nop();
    const before = ring.stats;
    expect(thrown(() => call(stage), type).message).toMatch(message);
    expect(ring.stats, "no turn, no system call, nothing in flight").toEqual(before);
    expect(await staged, "what was asked for in the same turn goes on").toBe(0);
    expect(ring.stats.submitted, "and it alone reached the kernel").toBe(before.submitted + 1);
  });
}

/** A call that a `Ring` refuses: on the shared stage, or on one of its own with options. */
export function refused(call: Call, type: ErrorClass<Error>, message: RegExp, options?: RingOptions): Case {
  return () => onStage(options, (stage) => expectRefused(stage, call, type, message));
}

/** An operation that the kernel refuses: its promise rejects. */
export function rejected(call: Call, code: ErrnoName, message: RegExp, options?: RingOptions): Case {
  return () =>
    onStage(options, (stage) =>
      beside(stage, async (loose) => {
        const error = await failure(call(loose) as Promise<unknown>, UringError);
        expect(error).toMatchObject({ code, errno: negative(code) });
        expect(error.message).toMatch(message);
      }));
}

/** A call that the kernel refuses: it throws, once the kernel has said so. */
export function refusedByKernel(call: Call, code: ErrnoName, message: RegExp, options: RingOptions = {}): Case {
  return () =>
    onStage(options, (stage) =>
      beside(stage, (loose) => {
        const error = thrown(() => call(loose), UringError);
        expect(error).toMatchObject({ code, errno: negative(code) });
        expect(error.message).toMatch(message);
      }));
}

/** Options that neither a `Ring` nor a `RawRing` can be opened with. */
export function unopened(options: unknown, type: ErrorClass<Error>, message: RegExp): Case {
  return () =>
    beside(sharedStage(), () => {
      // What other tests have left to the garbage collector may go meanwhile: nothing comes.
      const state = () => numberedDescriptors().map(([fd, target]) => `${fd}: ${target}`);
      const [before, maps] = [state(), ringMaps()];
      for (const Kind of [Ring, RawRing]) {
        expect(thrown(() => new Kind(options as RingOptions), type).message).toMatch(message);
        expect(state().filter((descriptor) => !before.includes(descriptor))).toEqual([]);
        expect(ringMaps()).toBeLessThanOrEqual(maps);
      }
    });
}

// RawRing

const WAITING = 1;
const NEIGHBOUR = 2;

/** As {@linkcode beside}, on a `RawRing`: beside a read that was submitted. */
export function besideRaw(options: RingOptions, wrong: (ring: RawRing) => void): void {
  using pipe = new Pipe();
  using ring = new RawRing({ entries: 8, ...options });
  ring.prepRead(WAITING, pipe.readEnd, new Uint8Array(8), 8, -1);
  expect(ring.submit()).toBe(1);
  wrong(ring);
  expect(completions(ring), "what waits goes on waiting, and nothing else came").toEqual([]);
  pipe.write("four");
  ring.submitAndWait(1);
  expect(completions(ring)).toMatchObject([{ userData: WAITING, res: 4 }]);
}

/** A prep, or another call, that a `RawRing` refuses. */
export function rawRefused(
  call: (ring: Any) => unknown,
  type: ErrorClass<Error>,
  message: RegExp,
  options: RingOptions = {},
): Case {
  return () =>
    besideRaw(options, (ring) => {
      ring.prepRead(NEIGHBOUR, sharedStage().fd, new Uint8Array(8), 8, 0);
      const state = () => ({ space: ring.sqSpace, enters: ring.enters, sqe: ring.sqe().bytes() });
      const before = state();
      expect(thrown(() => call(ring), type).message).toMatch(message);
      expect(state(), "it takes no place").toEqual(before);
      expect(ring.submitAndWait(1), "what was prepared before goes on alone").toBe(1);
      expect(completions(ring)).toMatchObject([{ userData: NEIGHBOUR, res: 8 }]);
    });
}

/** What is known of an SQE, and of the ring that it is for. */
export interface RawContext {
  readonly options?: RingOptions;
  readonly explain?: ExplainContext;
}

/** An SQE that the kernel refuses: its completion tells, and `explain()` and `remedy()` say why and what to do. */
export function rawAnswered(
  prepare: (ring: RawRing) => unknown,
  code: ErrnoName,
  words: RegExp,
  context: RawContext = {},
): Case {
  return () =>
    besideRaw(context.options ?? {}, (ring) => {
      prepare(ring);
      const sqe = ring.sqe().bytes();
      expect(ring.submitAndWait(1)).toBe(1);
      expect(completions(ring).map(({ res }) => res)).toEqual([negative(code)]);
      expect(inWords(sqe, negative(code), context.explain)).toMatch(words);
      ring.prepNop(NEIGHBOUR);
      expect(ring.submitAndWait(1)).toBe(1);
      expect(completions(ring)).toMatchObject([{ userData: NEIGHBOUR, res: 0 }]);
    });
}

function inWords(sqe: Uint8Array, res: number, context?: ExplainContext): string {
  const fix = remedy(res, { words: new Int32Array(sqe.slice().buffer), at: 0 }, context);
  return `${explain(sqe, res, context)}; ${fix}`;
}

/** A register call of a `RawRing` that the kernel refuses: a negative errno, and `explain()` and `remedy()` have words. */
export function rawRegisterRefused(
  register: (ring: RawRing) => number,
  code: ErrnoName,
  op: string,
  words: RegExp,
  options: RingOptions = {},
): Case {
  return () =>
    besideRaw(options, (ring) => {
      expect(register(ring)).toBe(negative(code));
      expect(`${explain(negative(code), op)}; ${remedy(negative(code), op)}`).toMatch(words);
      ring.prepNop(NEIGHBOUR);
      expect(ring.submitAndWait(1)).toBe(1);
      expect(completions(ring)).toMatchObject([{ userData: NEIGHBOUR, res: 0 }]);
    });
}
