import { describe, expect, test } from "vitest";
import { checkGoldenSqes, checkNarrowing } from "../../scripts/abi_check.ts";
import { IORING_FILE_INDEX_ALLOC, IORING_OP } from "../../src/abi/constants.ts";
import * as encode from "../../src/abi/encode.ts";
import { type Prep, PREPS } from "../../src/abi/preps.ts";

/** 64 bits of an SQE as an unsigned number. */
function u64(words: Int32Array, word: number): bigint {
  return BigInt.asUintN(64, (BigInt(words[word + 1]!) << 32n) | BigInt(words[word]! >>> 0));
}

function sqe(write: (words: Int32Array) => void): Int32Array {
  const words = new Int32Array(32).fill(-1);
  write(words);
  return words;
}

describe("encoders", () => {
  test("write the bytes that liburing's preps write, and no other", () => {
    expect(checkGoldenSqes(PREPS)).toEqual([]);
  });

  test("refuse what liburing would cut short", () => {
    expect(checkNarrowing(PREPS)).toEqual([]);
  });

  test("name the prep, the parameter and the limit when they refuse", () => {
    expect(() => encode.prepReadFixed(new Int32Array(16), 0, 3, 0, 1, 0, 65536)).toThrow(
      "prepReadFixed: bufIndex must be an integer from 0 to 65535, got 65536",
    );
    expect(() => encode.prepSend(new Int32Array(16), 0, 3, 0, 2n ** 32n, 0)).toThrow(
      "prepSend: len must be an integer from 0 to 4294967295, got 4294967296",
    );
    expect(() => encode.prepFadvise64(new Int32Array(16), 0, 3, 0, -2, 0)).toThrow("len must be");
  });

  test("refuse lengths that do not fit 32 bits, are negative or no integers", () => {
    for (const length of [2 ** 32, -1, 1.5, NaN]) {
      expect(() => encode.prepRead(new Int32Array(16), 0, 3, 0, length, 0)).toThrow(RangeError);
      expect(() => encode.prepWrite(new Int32Array(16), 0, 3, 0, length, 0)).toThrow(RangeError);
      expect(() => encode.prepRecv(new Int32Array(16), 0, 3, 0, length, 0)).toThrow(RangeError);
    }
  });

  test("take 64-bit values as numbers and as bigints alike", () => {
    for (const value of [0, 1, -1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 31), -(2 ** 53) + 1]) {
      const asNumber = sqe((words) => encode.prepRead(words, 0, 3, value, 1, value));
      const asBigint = sqe((words) => encode.prepRead(words, 0, 3, BigInt(value), 1, BigInt(value)));
      expect(asNumber).toEqual(asBigint);
      expect(u64(asNumber, 2)).toBe(BigInt.asUintN(64, BigInt(value)));
      expect(u64(asNumber, 4)).toBe(BigInt.asUintN(64, BigInt(value)));
    }
    const large = sqe((words) => encode.prepRead(words, 0, 3, 0xfedcba9876543210n, 1, 2n ** 64n - 1n));
    expect([u64(large, 4), u64(large, 2)]).toEqual([0xfedcba9876543210n, 2n ** 64n - 1n]);
  });

  test("leave nothing of the SQE that was there before", () => {
    for (const [name, { params, encode }] of Object.entries(PREPS)) {
      if (name.includes("_set_")) continue;
      const args = params.map(() => 0);
      const [dirty, clean] = [new Int32Array(32).fill(-1), new Int32Array(32)];
      encode(dirty, 0, ...args);
      encode(clean, 0, ...args);
      const used = name.endsWith("128") ? 32 : 16;
      expect(dirty.subarray(0, used), name).toEqual(clean.subarray(0, used));
      expect(dirty[8], name).toBe(0);
      expect(dirty[9], name).toBe(0);
    }
  });

  test("write at the place they are told", () => {
    const words = new Int32Array(64);
    encode.prepWrite(words, 32, 7, 4096, 512, 0);
    expect(words[32]).toBe(IORING_OP.WRITE);
    expect(words.subarray(0, 32).every((word) => word === 0)).toBe(true);
    expect(words.subarray(48).every((word) => word === 0)).toBe(true);
  });

  test("store slots plus one, and keep the wish for any slot, however it is spelled", () => {
    for (const any of [IORING_FILE_INDEX_ALLOC, -1]) {
      expect(sqe((words) => encode.prepOpenDirect(words, 0, 0, 0, 0, any))[11]).toBe(-1);
      expect(sqe((words) => encode.prepMsgRingFd(words, 0, 3, 1, any, 0, 0))[11]).toBe(-1);
      expect(u64(sqe((words) => encode.prepFilesUpdate(words, 0, 0, 1, any)), 2)).toBe(2n ** 64n - 1n);
    }
    expect(sqe((words) => encode.prepOpenDirect(words, 0, 0, 0, 0, 0))[11]).toBe(1);
    expect(sqe((words) => encode.prepCloseDirect(words, 0, 9))[11]).toBe(10);
  });
});

describe("setters", () => {
  test("change their own field and nothing else", () => {
    const before = sqe((words) => encode.prepSend(words, 0, 7, 0x1000, 5, 0x4000));
    const change = (set: (words: Int32Array) => void) => {
      const words = before.slice();
      set(words);
      return [...words.keys()].filter((i) => words[i] !== before[i]);
    };
    expect(change((words) => encode.sqeSetData(words, 0, 2 ** 40 + 1))).toEqual([8, 9]);
    expect(change((words) => encode.sqeSetData64(words, 0, 2n ** 63n + 1n))).toEqual([8, 9]);
    expect(change((words) => encode.sqeSetFlags(words, 0, 4))).toEqual([0]);
    expect(change((words) => encode.sqeSetBufGroup(words, 0, 5))).toEqual([10]);
    expect(change((words) => encode.prepSendSetAddr(words, 0, 0x2000, 16))).toEqual([2, 11]);
  });

  test("keep the neighbours within their word", () => {
    const words = sqe((words) => encode.prepSendZc(words, 0, 7, 0, 0, 0, 0x8008));
    encode.sqeSetFlags(words, 0, 0xff);
    expect(words[0]! >>> 0).toBe(0x8008ff2f);
    encode.sqeSetFlags(words, 0, 0);
    expect(words[0]! >>> 0).toBe(0x8008002f);
    words[10] = 0x12340000;
    encode.sqeSetBufGroup(words, 0, 0xffff);
    expect(words[10]).toBe(0x1234ffff);
  });
});

test("RECV_ZC, which liburing has no prep for, asks for a multishot on a queue", () => {
  const words = sqe((words) => encode.prepRecvZc(words, 0, 7, 4096, 3));
  expect([...words.subarray(0, 16)]).toEqual([0x2003a, 7, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 3, 0, 0, 0, 0]);
});

describe("the check of encoders", () => {
  const planted = (name: string, encode: Prep["encode"]): Record<string, Prep> => ({
    ...PREPS,
    [name]: { params: PREPS[name]!.params, encode },
  });

  test("finds one wrong byte", () => {
    const wrong = planted("io_uring_prep_fsync", (words, at, fd, flags) => encode.prepFsync(words, at, fd, flags + 1));
    expect(checkGoldenSqes(wrong).length).toBeGreaterThan(0);
  });

  test("finds a word left as it was", () => {
    const wrong = planted("io_uring_prep_nop", (words, at) => {
      const last = words[at + 15]!;
      encode.prepNop(words, at);
      words[at + 15] = last;
    });
    expect(checkGoldenSqes(wrong)).toHaveLength(2);
  });

  test("finds a write beyond the SQE", () => {
    const wrong = planted("io_uring_prep_nop", (words, at) => {
      encode.prepNop(words, at);
      words[at + 16] = 0;
    });
    expect(checkGoldenSqes(wrong)).toHaveLength(2);
  });

  test("finds a prep that is missing and one that is not golden", () => {
    const { io_uring_prep_nop: nop, ...rest } = PREPS;
    expect(checkGoldenSqes({ ...rest, io_uring_prep_fly: nop! })).toEqual([
      "io_uring_prep_nop is golden, not here",
      "io_uring_prep_fly is here, not golden",
    ]);
  });

  test("finds an encoder that cuts a value short", () => {
    const wrong = planted(
      "io_uring_sqe_set_buf_group",
      (words, at, group) => encode.sqeSetBufGroup(words, at, group & 0xffff),
    );
    expect(checkNarrowing(wrong)).toHaveLength(1);
  });
});
