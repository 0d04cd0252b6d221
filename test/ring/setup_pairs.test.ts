import { describe, expect, test } from "vitest";
import { IORING_SETUP, Ring } from "../../mod.ts";
import { load } from "../../ffi/load.ts";
import { SETUP } from "../../ffi/native.ts";
import { type SetupRequest, toRequest } from "../../src/ring/options.ts";

const F = IORING_SETUP;
type FlagName = keyof typeof F;
const NAMES = Object.keys(F) as FlagName[];

/** What a flag can't be without. Of two that would do, one. */
const COMPANIONS: Partial<Record<FlagName, number>> = {
  SQ_AFF: F.SQPOLL,
  TASKRUN_FLAG: F.COOP_TASKRUN,
  DEFER_TASKRUN: F.SINGLE_ISSUER,
  REGISTERED_FD_ONLY: F.NO_MMAP,
  HYBRID_IOPOLL: F.IOPOLL,
  SQ_REWIND: F.NO_SQARRAY,
};

const EINVAL = -22;

/** The rings whose workers, and whose thread, are shared. */
const shared = new Ring({ entries: 2 });
const sharedSqpoll = new Ring({ entries: 2, sqpoll: { idle: 1 } });

/** What must go with flags that are more than a bit: a size, a ring. */
function besides(flags: number): { cqEntries?: number; attachTo?: Ring } {
  return {
    ...(flags & F.CQSIZE && { cqEntries: 8 }),
    ...(flags & F.ATTACH_WQ && { attachTo: flags & F.SQPOLL ? sharedSqpoll : shared }),
  };
}

/** The kernel's own answer: whether it sets up a ring with these flags, and no others. */
function kernelTakes(flags: number): boolean {
  const { cqEntries = 0, attachTo } = besides(flags);
  const setup = new Uint32Array(new ArrayBuffer(SETUP.WORDS * 4));
  setup[SETUP.ENTRIES] = 4;
  setup[SETUP.CQ_ENTRIES] = cqEntries;
  setup[SETUP.FLAGS] = flags;
  setup[SETUP.SQ_THREAD_IDLE_MS] = 1;
  setup[SETUP.WQ_FD] = attachTo?.fd ?? 0;
  const native = load();
  const handle = native.open(setup);
  if (handle >= 0) {
    expect(setup[SETUP.GOT_FLAGS], "no flag is lost").toBe(flags);
    expect(native.close(handle, 0)).toBe(0);
    return true;
  }
  expect(handle, NAMES.filter((name) => flags & F[name]).join(" ")).toBe(EINVAL);
  return false;
}

/** Ours: what is asked of the kernel, or why nothing is. */
function ours(flags: number): SetupRequest | Error {
  try {
    return toRequest({ entries: 4, flags, ...besides(flags) });
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return error as Error;
  }
}

function withCompanion(name: FlagName): number {
  return F[name] | (COMPANIONS[name] ?? 0);
}

/** A flag that the kernel refuses with all that it needs is one that it does not know. */
const KNOWN = NAMES.filter((name) => kernelTakes(withCompanion(name)));

function expectAgreement(flags: number): void {
  const verdict = ours(flags);
  const refused = verdict instanceof Error;
  const what = NAMES.filter((name) => flags & F[name]).join(" | ");
  expect(refused ? `refused: ${verdict.message}` : "taken", what).toMatch(kernelTakes(flags) ? /^taken/ : /^refused/);
  if (refused) {
    expect(verdict.message, what).toMatch(/^\w+ (needs \w+( or \w+)?|and \w+ exclude each other): .{15}/);
  } else {
    expect(verdict.required, what).toBe(flags);
    expect(verdict.optional & flags, what).toBe(0);
  }
}

describe("setup flags", () => {
  test("of old are known to this kernel", () => {
    expect(KNOWN).toEqual(expect.arrayContaining(["IOPOLL", "SQPOLL", "SQ_AFF", "CQSIZE", "CLAMP", "ATTACH_WQ"]));
    const { setupFlags } = shared.probe();
    if (setupFlags.length > 0) expect([...KNOWN].sort()).toEqual([...setupFlags].sort());
  });

  test.each(NAMES)("%s alone: is refused where the kernel refuses it, with a reason", (name) => {
    if (!KNOWN.includes(name)) return;
    expectAgreement(F[name]);
    expectAgreement(withCompanion(name));
  });

  const PAIRS = NAMES.flatMap((a, i) => NAMES.slice(i + 1).map((b) => [a, b] as const));
  test("make 210 pairs", () => expect(PAIRS.length).toBe(NAMES.length * (NAMES.length - 1) / 2));

  test.each(PAIRS)("%s and %s: are refused where the kernel refuses them, with a reason", (a, b) => {
    if (!KNOWN.includes(a) || !KNOWN.includes(b)) return;
    expectAgreement(F[a] | F[b]);
    expectAgreement(withCompanion(a) | withCompanion(b));
  });
});
