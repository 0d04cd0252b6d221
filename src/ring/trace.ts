/**
 * What a ring does, told line by line as it happens: for whoever looks for what goes wrong.
 *
 * A traced ring is a core of its own kind; one that is not traced knows nothing of it, and pays nothing.
 *
 * @module
 */

import { IORING_CQE_F, IORING_REGISTER, IORING_SETUP, IOSQE } from "../abi/constants.ts";
import { explain, type ExplainContext } from "../abi/explain.ts";
import { flagsText, opIn } from "../abi/explain_sqe.ts";
import { writeError } from "../../ffi/host.ts";
import { shown } from "./arguments.ts";
import { Core } from "./core.ts";
import { FaultyCore } from "./faulty_core.ts";
import type { RingOptions } from "./options.ts";
import { throwLater } from "./throw_later.ts";

/** What the ring knows of an operation that its SQE does not say. */
export interface TraceContext extends ExplainContext {
  /** What its caller knows it by. */
  readonly userData?: number | bigint | undefined;
}

/** Finds that by the two halves of an operation's user_data, as the kernel knows it. */
export type ContextOf = (low: number, high: number) => TraceContext | null | undefined;

/**
 * Opens a ring that is watched: traced, faulty, or both.
 *
 * @throws {TypeError} when `trace` is neither a boolean nor a function; and as Core does
 */
export function openWatched(
  options: RingOptions,
  trace: RingOptions["trace"],
  contextOf: ContextOf,
  sleeps: boolean,
): Core {
  const Base = options?.faults === undefined ? Core : FaultyCore;
  if (trace === false) return new Base(options, sleeps);
  if (trace !== true && typeof trace !== "function") {
    throw new TypeError(`trace must be true, false, or a function that takes a line, not ${shown(trace)}`);
  }
  const write = trace === true ? (line: string) => writeError(`${line}\n`) : trace;
  return traced(Base, options, contextOf, sleeps, write);
}

/** An operation in flight. */
interface Told {
  /** Counted from 1 on in the order of submission. */
  readonly number: number;
  /** Its SQE, copied: the staging memory is used again. */
  readonly words: Int32Array;
  readonly context: TraceContext;
}

/** A core, plain or faulty, that tells. */
function traced(
  Base: typeof Core,
  options: RingOptions,
  contextOf: ContextOf,
  sleeps: boolean,
  write: (line: string) => void,
): Core {
  class TracedCore extends Base {
    /** By user_data. A RawRing's may be alike: then the oldest comes first. */
    readonly #inFlight = new Map<string, Told[]>();
    #number = 0;
    /** SQEs that the last turn left staged: they are told already. */
    #told = 0;
    /** The caller's function runs. */
    #telling = false;

    constructor() {
      super(options, sleeps);
      const flags = flagsText("IORING_SETUP", this.setupFlags);
      this.#tell(`open entries=${this.entries} cq_entries=${this.cqEntries} flags=${flags}`);
    }

    override turn(flags: number, wait: number): number {
      this.#refuseNested();
      this.#tellSubmissions();
      const reaped = super.turn(flags, wait);
      this.#told = this.count;
      this.#tellCompletions(this.brought(reaped));
      if (reaped < 0) this.#tell(`io_uring_enter → ${explain(reaped)}`);
      return reaped;
    }

    override reap(): number {
      this.#refuseNested();
      const reaped = super.reap();
      this.#tellCompletions(reaped);
      return reaped;
    }

    override register(opcode: number, arg: ArrayBufferView | null, count: number): number {
      const rc = super.register(opcode, arg, count);
      const name = REGISTERS.get(opcode);
      const text = rc < 0 ? explain(rc, `REGISTER_${name}`) : `${rc}`;
      this.#tell(`register ${name ?? `opcode ${opcode}`} count=${count} → ${text}`);
      return rc;
    }

    override resize(entries: number, cqEntries?: number): void {
      super.resize(entries, cqEntries);
      this.#tell(`resize entries=${this.entries} cq_entries=${this.cqEntries}`);
    }

    override close(limitMs: number): boolean {
      if (this.closed) return true;
      const left = [...this.#inFlight.values()].flat().map(({ number }) => `#${number}`);
      this.#tell(left.length === 0 ? "close" : `close, with ${left.join(" ")} in flight`);
      const closed = super.close(limitMs);
      if (!closed) this.#tell(`close: not all of it could be ended within ${limitMs} ms`);
      return closed;
    }

    /** Its descriptor; or its place among those that the thread registered, where it has none. */
    get #name(): string {
      return this.fd >= 0 ? `${this.fd}` : `registered ${this.registeredIndex}`;
    }

    /** The completions of the turn under way are in memory that another would overwrite. */
    #refuseNested(): void {
      if (this.#telling) {
        throw new TypeError("trace: its function must not wait for, or close, the ring that it traces");
      }
    }

    /** Before the kernel sees them: should it come to a crash, they have been told. */
    #tellSubmissions(): void {
      const { sqes, sqeWords } = this;
      for (let i = Math.min(this.#told, this.count); i < this.count; i++) {
        const at = i * sqeWords;
        const wide = opIn({ words: sqes, at })?.sqeSize === 128 && sqeWords === 16;
        const words = sqes.slice(at, at + (wide ? 2 : 1) * sqeWords);
        if (wide) i++;
        const low = words[8]!;
        const high = words[9]!;
        const context = contextOf(low, high) ?? {};
        const told: Told = { number: ++this.#number, words, context: { open: "unknown", ...context } };
        const key = `${high} ${low}`;
        // One that was to complete in silence has done so, or it would be the same operation twice.
        const others = (this.#inFlight.get(key) ?? []).filter(({ words }) => !isSilent(words));
        this.#inFlight.set(key, [...others, told]);
        this.#tell(`${nameOf(told)} ${explain({ words, at: 0 }, undefined, told.context)}`);
      }
    }

    #tellCompletions(count: number): void {
      if (count < 0) return this.#tell(`io_uring_enter → ${explain(count)}`);
      const { cqes, cqeWords } = this;
      const mixed = (this.setupFlags & IORING_SETUP.CQE_MIXED) !== 0;
      for (let i = 0; i < count; i++) {
        const at = i * cqeWords;
        const flags = cqes[at + 3]!;
        if (mixed && (flags & IORING_CQE_F.SKIP) !== 0) continue;
        if (mixed && (flags & IORING_CQE_F["32"]) !== 0) i++;
        this.#tellCompletion(cqes[at]!, cqes[at + 1]!, cqes[at + 2]!, flags);
      }
    }

    #tellCompletion(low: number, high: number, res: number, flags: number): void {
      const key = `${high} ${low}`;
      const queue = this.#inFlight.get(key);
      const told = queue?.[0];
      if (told === undefined) {
        // Another ring's message, or a poll update's.
        this.#tell(explain({ userData: BigInt(high >>> 0) << 32n | BigInt(low >>> 0), res, flags }));
        return;
      }
      if ((flags & IORING_CQE_F.MORE) === 0) {
        queue!.shift();
        if (queue!.length === 0) this.#inFlight.delete(key);
      }
      this.#tell(`${nameOf(told)} ${explain({ words: told.words, at: 0 }, { res, flags }, told.context)}`);
    }

    #tell(line: string): void {
      this.#telling = true;
      try {
        write(`uring ${this.#name}: ${line}`);
      } catch (error) {
        // Whoever submits, or waits, is not to blame.
        throwLater(error);
      } finally {
        this.#telling = false;
      }
    }
  }
  return new TracedCore();
}

const REGISTERS = new Map<number, string>(Object.entries(IORING_REGISTER).map(([name, code]) => [code, name]));

function isSilent(words: Int32Array): boolean {
  return ((words[0]! >>> 8) & IOSQE.CQE_SKIP_SUCCESS) !== 0;
}

function nameOf({ number, context: { userData } }: Told): string {
  return userData === undefined ? `#${number}` : `#${number} user_data=${userData}`;
}
