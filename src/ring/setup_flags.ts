/**
 * Which setup flags exclude or need each other, in words.
 *
 * @module
 */

import { IORING_SETUP } from "../abi/constants.ts";
import { checkFlags, type FlagProblem } from "../abi/flags.ts";
import { EXTRA } from "../../ffi/native.ts";
import type { RingOptions } from "./options.ts";

const F = IORING_SETUP;

/**
 * Checks what only makes sense together, or not together.
 *
 * @param flags IORING_SETUP bits that were asked for
 * @param extras EXTRA bits
 * @param named the option that sets a flag, by its name
 * @throws {TypeError} naming both
 */
export function checkTogether(
  flags: number,
  extras: number,
  options: RingOptions,
  named: Readonly<Record<string, number>>,
): void {
  const optionOf = (flag: string) => optionThatSets(flag, named);
  const has = (flag: number) => (flags & flag) !== 0;
  const problem = checkFlags("IORING_SETUP", flags);
  if (problem?.conflicts !== undefined) {
    throw new TypeError(
      `${optionOf(problem.flag)} and ${optionOf(problem.conflicts)} exclude each other${whyNot(problem)}`,
    );
  }
  if (problem?.requires !== undefined) {
    const needed = problem.requires.split("|").map(optionOf).join(" or ");
    throw new TypeError(`${optionOf(problem.flag)} needs ${needed}: ${FIXES[problem.flag] ?? "set both, or neither"}`);
  }
  if (has(F.CQSIZE) && options.cqEntries === undefined) throw new TypeError("CQSIZE needs cqEntries: say how many");
  if (has(F.ATTACH_WQ) && options.attachTo === undefined) {
    throw new TypeError("ATTACH_WQ needs attachTo: say which ring's workers to share");
  }
  if (has(F.CQE_MIXED) && options.cqEntries === 1) {
    throw new RangeError("cqEntries must be at least 2 with cqeMixed: a CQE of 32 bytes takes two places");
  }
  if (has(F.SQE_MIXED) && options.entries === 1) {
    throw new RangeError("entries must be at least 2 with sqeMixed: an SQE of 128 bytes takes two places");
  }
  if (has(F.IOPOLL) && (extras & EXTRA.WAIT_REGION) !== 0) {
    throw new TypeError("iopoll and waitRegion exclude each other: who polls does not wait");
  }
}

/** What is said of a flag: the option that sets it, where there is one. */
function optionThatSets(flag: string, named: Readonly<Record<string, number>>): string {
  if (flag === "SQPOLL") return "sqpoll";
  const bit = F[flag as keyof typeof F];
  return Object.keys(named).find((name) => named[name] === bit) ?? flag;
}

function whyNot({ flag, conflicts }: FlagProblem): string {
  const reason = REASONS[flag]?.[conflicts!] ?? REASONS[conflicts!]?.[flag];
  return reason === undefined ? "" : `: ${reason}`;
}

const NOT_INTERRUPTED = "the kernel's thread submits, and this one is not interrupted anyway";

const REASONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  SQPOLL: {
    COOP_TASKRUN: NOT_INTERRUPTED,
    TASKRUN_FLAG: NOT_INTERRUPTED,
    DEFER_TASKRUN: NOT_INTERRUPTED,
    SQ_REWIND: "the kernel's thread finds what is new by the queue's tail, which then stays where it is",
  },
  SQE128: { SQE_MIXED: "either every SQE has 128 bytes, or some" },
  CQE32: { CQE_MIXED: "either every CQE has 32 bytes, or some" },
};

const FIXES: Readonly<Record<string, string>> = {
  SQ_AFF: "say sqpoll: { cpu }",
  REGISTERED_FD_ONLY: "without a descriptor there is nothing to map; set both, or neither",
  SQ_REWIND: "its index array would be read from the queue's head; set both, or neither",
};
