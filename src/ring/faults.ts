/**
 * Operations that fail, or fall short, on purpose: so that people can test their own recovery.
 *
 * A chosen operation does not run: in its place the kernel gets one that fails, so that a chain ends there as it would,
 * and the result that comes back is the chosen one. One that falls short does run, with a smaller length.
 *
 * @module
 */

import { IORING_CQE_F, IORING_OP, IOSQE, MSG } from "../abi/constants.ts";
import { ERRNO } from "../abi/errno.ts";
import { checkInteger, shown } from "./arguments.ts";
import { Random } from "./random.ts";

/** Which operations are to fail, and how. */
export interface FaultRule {
  /** The op's name, such as `"READ"`. Left out: every op but those that end others (ASYNC_CANCEL, LINK_TIMEOUT, ...). */
  readonly op?: string;
  /**
   * An errno's name (`"EIO"`) or number (−5): the operation does not run, and gives this. `"short"`: it moves fewer bytes
   * than it was asked for, at least one (READ, WRITE, RECV, SEND and their kin with one buffer); a chain ends there, as the
   * kernel ends it. With O_DIRECT the kernel refuses lengths that are not aligned: EINVAL.
   */
  readonly result: string | number;
  /** How likely, 0 to 1. Default 1. */
  readonly probability?: number;
  /** How many that match are left alone at first. Default 0. */
  readonly after?: number;
  /** How many are to fail at most. Default: no limit. */
  readonly count?: number;
}

/** Faults of a ring. The same seed and the same operations give the same faults. */
export interface FaultOptions {
  /** 0 to 2^32 − 1. Default 0. */
  readonly seed?: number;
  /** The first that matches and strikes decides. */
  readonly rules: readonly FaultRule[];
}

/** Ending others must work, or nothing ends. */
const SPARED: ReadonlySet<number> = new Set([
  IORING_OP.ASYNC_CANCEL,
  IORING_OP.LINK_TIMEOUT,
  IORING_OP.POLL_REMOVE,
  IORING_OP.TIMEOUT_REMOVE,
]);

/** Ops with one buffer, whose length is `len`. */
const SHORTENED: ReadonlySet<number> = new Set([
  IORING_OP.READ,
  IORING_OP.WRITE,
  IORING_OP.READ_FIXED,
  IORING_OP.WRITE_FIXED,
  IORING_OP.RECV,
  IORING_OP.SEND,
  IORING_OP.SEND_ZC,
  IORING_OP.SPLICE,
  IORING_OP.TEE,
]);

const OF_SOCKETS: ReadonlySet<number> = new Set([IORING_OP.RECV, IORING_OP.SEND, IORING_OP.SEND_ZC]);

/** What a substitute answers: its descriptor is none; a ring that is restricted forbids it; or its chain broke before. */
const EBADF = -9;
const EACCES = -13;
const ECANCELED = -125;
const KEPT_FLAGS = IOSQE.IO_DRAIN | IOSQE.IO_LINK | IOSQE.IO_HARDLINK | IOSQE.ASYNC | IOSQE.CQE_SKIP_SUCCESS;

interface Rule {
  readonly code: number | undefined;
  /** A negative errno; undefined: "short". */
  readonly result: number | undefined;
  readonly probability: number;
  spared: number;
  left: number;
}

/** The faults of one ring. */
export class Faults {
  readonly #rules: readonly Rule[];
  readonly #random: Random;
  /** user_data of substitutes in flight, and what they are to give. */
  readonly #pending = new Map<string, number[]>();
  /** How many operations were made to fail, or to fall short. */
  count = 0;
  /** The operation before fell short, which ends the chain that goes on here. */
  #isCut = false;

  /**
   * Checks options.
   *
   * @throws {TypeError} {RangeError} for what can't be
   */
  constructor(options: FaultOptions) {
    if (options === null || typeof options !== "object" || !Array.isArray(options.rules)) {
      throw new TypeError(`faults must be { seed, rules: [...] }, not ${shown(options)}`);
    }
    const { seed = 0 } = options;
    checkInteger(seed, "faults.seed", 0, 0xffffffff);
    this.#random = new Random(seed);
    this.#rules = options.rules.map(toRule);
  }

  /** Decides on the SQE at `words[at]`, which is on its way in. */
  strike(words: Int32Array, at: number): void {
    const code = words[at]! & 0xff;
    if (this.#isCut) {
      const limits = code === IORING_OP.LINK_TIMEOUT;
      this.#isCut = limits && isLinked(words, at);
      if (!limits) this.#substitute(words, at, ECANCELED);
      return;
    }
    for (const rule of this.#rules) {
      if (rule.left === 0 || !matches(rule, code, words, at)) continue;
      if (rule.spared > 0) {
        rule.spared--;
        continue;
      }
      if (rule.probability < 1 && this.#fraction() >= rule.probability) continue;
      rule.left--;
      this.count++;
      if (rule.result === undefined) this.#shorten(words, at);
      else this.#substitute(words, at, rule.result);
      return;
    }
  }

  #shorten(words: Int32Array, at: number): void {
    const length = words[at + 6]! >>> 0;
    words[at + 6] = 1 + Math.floor(this.#fraction() * (length - 1));
    this.#isCut = isLinked(words, at) && mustBeWhole(words, at);
  }

  #substitute(words: Int32Array, at: number, result: number): void {
    const key = `${words[at + 8]} ${words[at + 9]}`;
    const flags = words[at]! >>> 8 & KEPT_FLAGS;
    const low = words[at + 8]!;
    const high = words[at + 9]!;
    words.fill(0, at, at + 16);
    words[at] = IORING_OP.READ | flags << 8;
    words[at + 1] = -1;
    words[at + 8] = low;
    words[at + 9] = high;
    this.#pending.set(key, [...this.#pending.get(key) ?? [], result]);
  }

  /** Puts the chosen results in place of those that substitutes gave. */
  rewrite(cqes: Int32Array, count: number, cqeWords: number, mixed: boolean): void {
    if (this.#pending.size === 0) return;
    for (let i = 0; i < count; i++) {
      const at = i * cqeWords;
      if (mixed && (cqes[at + 3]! & IORING_CQE_F["32"]) !== 0) i++;
      const key = `${cqes[at]} ${cqes[at + 1]}`;
      const results = this.#pending.get(key);
      if (results === undefined) continue;
      const res = cqes[at + 2]!;
      // Another's with the same user data, which a RawRing may have.
      if (res !== EBADF && res !== EACCES && res !== ECANCELED) continue;
      const result = results.shift()!;
      // In a chain that broke before, it was cancelled as any other would have been.
      if (res !== ECANCELED) cqes[at + 2] = result;
      if (results.length === 0) this.#pending.delete(key);
    }
  }

  /** From 0 on, less than 1. */
  #fraction(): number {
    return this.#random.next() / 2 ** 32;
  }
}

/** Whether what follows is to begin only after a success. */
function isLinked(words: Int32Array, at: number): boolean {
  return (words[at]! >>> 8 & IOSQE.IO_LINK) !== 0;
}

/** Whether the kernel ends a chain where this moves less than it was asked for: of a socket, where MSG_WAITALL says so. */
function mustBeWhole(words: Int32Array, at: number): boolean {
  return !OF_SOCKETS.has(words[at]! & 0xff) || (words[at + 7]! & MSG.WAITALL) !== 0;
}

function matches({ code, result }: Rule, op: number, words: Int32Array, at: number): boolean {
  if (code !== undefined && code !== op) return false;
  if (result === undefined) return SHORTENED.has(op) && words[at + 6]! >>> 0 > 1;
  return !SPARED.has(op);
}

function toRule(rule: FaultRule, index: number): Rule {
  const name = `faults.rules[${index}]`;
  if (rule === null || typeof rule !== "object") throw new TypeError(`${name} must be an object, not ${shown(rule)}`);
  const { op, result, probability = 1, after = 0, count } = rule;
  let code: number | undefined;
  if (op !== undefined) {
    code = typeof op === "string" ? (IORING_OP as Record<string, number>)[op.toUpperCase()] : undefined;
    if (code === undefined) throw new TypeError(`${name}.op ${shown(op)} is no op: give a name such as "READ"`);
    if (SPARED.has(code)) throw new TypeError(`${name}.op ${op} ends other operations: it is not made to fail`);
  }
  if (typeof probability !== "number" || !(probability >= 0 && probability <= 1)) {
    throw new RangeError(`${name}.probability must be from 0 to 1, not ${shown(probability)}`);
  }
  checkInteger(after, `${name}.after`, 0, Number.MAX_SAFE_INTEGER);
  if (count !== undefined) checkInteger(count, `${name}.count`, 0, Number.MAX_SAFE_INTEGER);
  return {
    code,
    result: toResult(result, `${name}.result`, code),
    probability,
    spared: after,
    left: count ?? Infinity,
  };
}

function toResult(result: unknown, name: string, code: number | undefined): number | undefined {
  if (result === "short") {
    if (code === undefined || SHORTENED.has(code)) return undefined;
    throw new TypeError(`${name} "short" is for ops that move bytes of one buffer`);
  }
  if (typeof result === "number") {
    checkInteger(result, name, -4095, -1);
    return result;
  }
  const errno = typeof result === "string" ? (ERRNO as Record<string, number>)[result] : undefined;
  if (errno === undefined) {
    throw new TypeError(`${name} must be an errno such as "EIO", or "short", not ${shown(result)}`);
  }
  return -Math.abs(errno);
}
