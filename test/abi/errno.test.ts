import { describe, expect, test } from "vitest";
import { ERRNO, type ErrnoName, errnoName, errnoText } from "../../src/abi/errno.ts";

describe("errno", () => {
  test("has all 131 of Linux, each number once", () => {
    const numbers = Object.values(ERRNO);
    expect(numbers).toHaveLength(131);
    expect(new Set(numbers).size).toBe(131);
    expect(Math.max(...numbers)).toBe(133);
  });

  test("errnoName() takes either sign, and makes up a name for what Linux does not have", () => {
    expect(errnoName(-9)).toBe("EBADF");
    expect(errnoName(9)).toBe("EBADF");
    expect(errnoName(-133)).toBe("EHWPOISON");
    expect(errnoName(-41)).toBe("E41");
    expect(errnoName(-4095)).toBe("E4095");
  });

  test("errnoText() has plain words for each", () => {
    expect(errnoText(-2)).toBe("no such file or directory");
    expect(errnoText(105)).toBe("no buffer space available");
    expect(errnoText(-41)).toBe("unknown error");
    for (const name in ERRNO) expect(errnoText(ERRNO[name as ErrnoName])).not.toBe("unknown error");
  });
});
