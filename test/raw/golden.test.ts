import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { IORING_SETUP } from "../../mod.ts";
import { PREPS } from "../../src/abi/mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { thrown } from "../support/failure.ts";
import { hasSetup } from "../support/kernel.ts";

const HAS_SQE128 = hasSetup(IORING_SETUP.SQE128);

type Value = number | bigint;

interface Golden {
  readonly prep: string;
  readonly args: Readonly<Record<string, number | string>>;
  readonly sqe: string;
}

// Node runs this from dist, where the data are not.
const PATH = join(process.cwd(), "test", "abi", "golden", "sqes.jsonl");
const LINES = readFileSync(PATH, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Golden);

/** What RawRing has that liburing has no prep for. */
const OURS_ALONE = ["prepRecvZc"];

const USER_DATA = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
const USER_DATA_AT = 32;

/** User data that RawRing gives out are numbers; in another ring they must not look like what it holds there. */
const MOST: Readonly<Record<string, readonly [parameter: string, most: bigint]>> = {
  io_uring_sqe_set_data: ["data", 2n ** 53n - 1n],
  io_uring_sqe_set_data64: ["data", 2n ** 53n - 1n],
  io_uring_prep_poll_update: ["new_user_data", 2n ** 53n - 1n],
  io_uring_prep_msg_ring: ["data", 2n ** 63n - 1n],
  io_uring_prep_msg_ring_cqe_flags: ["data", 2n ** 63n - 1n],
  io_uring_prep_msg_ring_fd: ["data", 2n ** 63n - 1n],
  io_uring_prep_msg_ring_fd_alloc: ["data", 2n ** 63n - 1n],
};

function camelCase(name: string): string {
  return name.replace(/^io_uring_/, "").replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isNumber(prep: string, parameter: string, value: bigint): boolean {
  // As TypeScript has it: user data and C's size_t of 32 bits.
  return MOST[prep]?.[0] === parameter && value <= Number.MAX_SAFE_INTEGER || parameter === "len" && value < 2n ** 32n;
}

/** Arguments in order: 64-bit ones as bigints, or as numbers where these are exact. */
function argsOf({ prep, args }: Golden, exact: boolean): Value[] {
  return PREPS[prep]!.params.map((parameter) => {
    const value = args[parameter]!;
    if (typeof value === "number") return value;
    const whole = BigInt(value);
    const safe = whole >= Number.MIN_SAFE_INTEGER && whole <= Number.MAX_SAFE_INTEGER;
    return safe && (!exact || isNumber(prep, parameter, whole)) ? Number(whole) : whole;
  });
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function call(ring: RawRing, prep: string, userData: number, args: readonly Value[]): unknown {
  const method = ring[camelCase(prep) as keyof RawRing] as (...args: Value[]) => unknown;
  return prep.includes("_prep_") && !prep.includes("_set_")
    ? method.call(ring, userData, ...args)
    : method.call(ring, ...args);
}

describe("every prep of liburing is a method, and writes liburing's bytes and its user data", () => {
  test.for(Object.keys(PREPS))("%s", (prep, { skip }) => {
    if (prep.endsWith("128") && !HAS_SQE128) return skip("since Linux 5.19");
    const lines = LINES.filter((line) => line.prep === prep);
    expect(lines.length, "golden lines").toBeGreaterThan(0);
    expect(RawRing.prototype, "the method").toHaveProperty(camelCase(prep));
    const isSetter = prep.includes("_set_");
    let turn = 0;
    for (const line of lines) {
      for (const exact of [false, true]) {
        using ring = new RawRing({ entries: 4, sqe128: prep.endsWith("128") });
        const userData = USER_DATA[turn++ % USER_DATA.length]!;
        const args = argsOf(line, exact);
        let golden = line.sqe;
        if (isSetter) ring.prepRw(userData, 0, 0, 0, 0, 0); // all zeros, which golden setters begin with

        const [parameter, most] = MOST[prep] ?? [];
        const place = parameter === undefined ? -1 : PREPS[prep]!.params.indexOf(parameter);
        if (most !== undefined && BigInt(args[place]!) > most) {
          const before = ring.sqSpace;
          expect(thrown(() => call(ring, prep, userData, args), Error).message).toMatch(/must be|integer/);
          expect(ring.sqSpace).toBe(before);
          const cut = BigInt(args[place]!) & most;
          args[place] = cut <= Number.MAX_SAFE_INTEGER ? Number(cut) : cut;
          const words = new Int32Array(16);
          PREPS[prep]!.encode(words, 0, ...args);
          golden = hex(new Uint8Array(words.buffer));
        }

        expect(call(ring, prep, userData, args)).toBe(isSetter ? undefined : true);
        const sqe = ring.sqe();
        expect(sqe.byteLength * 2).toBe(golden.length);
        if (!prep.startsWith("io_uring_sqe_set_data")) {
          expect(sqe.getBigUint64(USER_DATA_AT)).toBe(BigInt(userData));
          sqe.setBigUint64(USER_DATA_AT, 0n);
        }
        expect(hex(sqe.bytes()), JSON.stringify(line.args)).toBe(golden);
      }
    }
  });

  test("and there is no other", () => {
    const methods: string[] = [];
    for (let of = RawRing.prototype; of !== Object.prototype; of = Object.getPrototypeOf(of)) {
      methods.push(...Object.getOwnPropertyNames(of).filter((name) => /^(prep|sqeSet)/.test(name)));
    }
    expect(methods.sort()).toEqual([...Object.keys(PREPS).map(camelCase), ...OURS_ALONE].sort());
  });

  test("prepRecvZc writes what its encoder writes", () => {
    using ring = new RawRing({ entries: 4 });
    expect(ring.prepRecvZc(0, 7, 4096, 3)).toBe(true);
    const words = new Int32Array(16);
    words.set([0x2003a, 7]);
    words[6] = 4096;
    words[11] = 3;
    expect(ring.sqe().bytes()).toEqual(new Uint8Array(words.buffer));
  });
});

describe("an SQE of 128 bytes", () => {
  test("is refused on a ring whose SQEs have 64, which is told how to get them", () => {
    using ring = new RawRing({ entries: 4 });
    for (const prep of [() => ring.prepNop128(1), () => ring.prepUringCmd128(1, 0, 0)]) {
      const { message } = thrown(prep, TypeError);
      expect(message).toMatch(/needs SQEs of 128 bytes: open the ring with sqe128 or sqeMixed/);
    }
    expect(ring.sqSpace).toBe(4);
  });

  test.skipIf(!HAS_SQE128)("keeps nothing in its second half of the SQE that was there before", () => {
    using ring = new RawRing({ entries: 4, sqe128: true });
    expect(ring.setupFlags & IORING_SETUP.SQE128).toBe(IORING_SETUP.SQE128);
    const secondHalf = () => ring.sqe().bytes().slice(64);
    const DIRTY = new Uint8Array(64).fill(0xee);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) {
        ring.prepNop(i);
        expect(secondHalf(), `round ${round}`).toEqual(new Uint8Array(64));
        for (let at = 64; at < 128; at++) ring.sqe().setUint8(at, 0xee);
        expect(secondHalf()).toEqual(DIRTY);
      }
      expect(ring.submitAndWait(4)).toBe(4);
      expect(ring.forEachCqe((_, res) => expect(res).toBe(0))).toBe(4);
      ring.prepUringCmd128(9, 5, 0);
      expect(secondHalf(), "of a command").toEqual(new Uint8Array(64));
      ring.submitAndWait(1);
      ring.forEachCqe(() => {});
    }
  });
});
