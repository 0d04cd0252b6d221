import { describe, expect, test } from "vitest";
import {
  checkConstants,
  checkGoldenConstants,
  findZig,
  type Header,
  readHeader,
  readHeaders,
  SHIPPED,
} from "../../scripts/abi_check.ts";
import { IORING_CQE_F, IORING_OP, IORING_REGISTER, IOSQE, O_aarch64, O_x86_64 } from "../../src/abi/constants.ts";
import { constants } from "../../src/abi/flat.ts";

const zig = findZig();

/** A header of three lines, for what needs no real one. */
const SMALL: Header = readHeader(`
  enum op { IORING_OP_NOP, IORING_OP_READV, IORING_OP_LAST, };
  #define IORING_SETUP_IOPOLL (1U << 0) /* polled */
`);
const OURS = { IORING_OP_NOP: 0, IORING_OP_READV: 1, IORING_SETUP_IOPOLL: 1 };

describe("constants", () => {
  test("have the values of liburing's header", () => {
    expect(checkGoldenConstants(constants as unknown as Record<string, number>)).toEqual([]);
  });

  test.skipIf(zig === undefined)("agree with the bundled header, both ways", () => {
    expect(checkConstants(SHIPPED.constants, readHeaders(zig!.include))).toEqual([]);
  });

  test("cover all 65 ops and 38 register ops, without a gap", () => {
    const numbers = (group: Record<string, number>) => Object.values(group).sort((a, b) => a - b);
    expect(numbers(IORING_OP)).toEqual(Array.from({ length: 65 }, (_, i) => i));
    expect(numbers(IORING_REGISTER)).toEqual(Array.from({ length: 38 }, (_, i) => i));
  });

  test("hold no name that marks the end of an enum", () => {
    expect(Object.keys(constants).filter((name) => /_(LAST|MAX|END)$/.test(name))).toEqual([]);
  });

  test("are the groups' own values under the header's names", () => {
    expect(constants.IORING_OP_READ).toBe(IORING_OP.READ);
    expect(constants.IOSQE_IO_LINK).toBe(IOSQE.IO_LINK);
    expect(constants.IOSQE_IO_LINK_BIT).toBe(2);
    expect(constants.IORING_UNREGISTER_BUFFERS).toBe(IORING_REGISTER.UNREGISTER_BUFFERS);
    expect(constants.IORING_CQE_F_32).toBe(IORING_CQE_F[32]);
    expect(constants.IORING_ZCRX_AREA_MASK).toBe(0xffff000000000000n);
  });

  test("for open differ between the architectures in five places", () => {
    const names = Object.keys(O_x86_64) as (keyof typeof O_x86_64)[];
    const different = names.filter((name) => Number(O_x86_64[name]) !== Number(O_aarch64[name]));
    expect(different).toEqual(["DIRECT", "LARGEFILE", "DIRECTORY", "NOFOLLOW", "TMPFILE"]);
  });
});

describe("the check of constants", () => {
  test("passes where both sides agree", () => {
    expect(checkConstants(OURS, SMALL)).toEqual([]);
  });

  test("finds a wrong value", () => {
    expect(checkConstants({ ...OURS, IORING_OP_READV: 2 }, SMALL)).toEqual([
      "IORING_OP_READV is 2 here, 1 in the header",
    ]);
    expect(checkGoldenConstants({ ...SHIPPED.constants, IORING_OP_READ: 23 })).toEqual([
      "IORING_OP_READ is 23 here, 22 is golden",
    ]);
  });

  test("finds a name that is missing here", () => {
    const { IORING_OP_READV: _, ...rest } = OURS;
    expect(checkConstants(rest, SMALL)).toEqual(["IORING_OP_READV = 1 is in the header, not here"]);
    const { IORING_OP_READ: __, ...others } = SHIPPED.constants;
    expect(checkGoldenConstants(others)).toEqual(["IORING_OP_READ = 22 is golden, not here"]);
  });

  test("finds a name that the header lacks", () => {
    expect(checkConstants({ ...OURS, IORING_OP_FLY: 99 }, SMALL)).toEqual(["IORING_OP_FLY is here, not in the header"]);
  });

  test("finds an end mark that is exported", () => {
    expect(checkConstants({ ...OURS, IORING_OP_LAST: 2 }, SMALL)).toHaveLength(1);
  });

  test("finds a bigint that could be a number", () => {
    expect(checkConstants({ ...OURS, IORING_OP_READV: 1n }, SMALL)).toHaveLength(1);
  });

  test.skipIf(zig === undefined)("finds all three in the bundled header, too", () => {
    const header = readHeaders(zig!.include);
    const { IORING_OP_READV: _, ...rest } = SHIPPED.constants;
    expect(checkConstants({ ...rest, IORING_OP_NOP: 7, IORING_OP_FLY: 99 }, header)).toHaveLength(3);
  });
});

describe("reading a header", () => {
  const read = (text: string, name: string) => readHeader(text).constants.get(name);

  test("knows the widths of C's types", () => {
    expect(read("#define A (~0U)", "A")).toBe(0xffffffffn);
    expect(read("#define A (1U << 31)", "A")).toBe(0x80000000n);
    expect(read("#define S 48\n#define A (~(((__u64)1 << S) - 1))", "A")).toBe(0xffff000000000000n);
    expect(read("#define A (-2)", "A")).toBe(-2n);
    expect(read("#define A 0x8000000ULL", "A")).toBe(0x8000000n);
  });

  test("counts enumerators on, and takes their values", () => {
    const { constants } = readHeader("enum { A, B = 5, C, D = 1U << 31 };");
    expect([...constants]).toEqual([["A", 0n], ["B", 5n], ["C", 6n], ["D", 0x80000000n]]);
  });

  test("leaves comments, guards and conditions alone", () => {
    expect(readHeader("#ifndef X\n#define X\n/* #define A 1 */\n#endif\n// #define B 2\n").constants.size).toBe(0);
  });

  test("names the fields of anonymous members beside the others, of named ones with a dot", () => {
    const text = `struct s {
      __u8 a; __u16 b[3];
      union { __u64 c; struct { __u32 d; __u32 e; }; } __attribute__((packed));
      struct { __u32 f; } g;
      __DECLARE_FLEX_ARRAY(struct t, h);
      __u64 i[];
    };`;
    expect(readHeader(text).structs.get("s")).toEqual(["a", "b", "c", "d", "e", "g", "g.f", "h", "i"]);
  });

  test("refuses what it does not understand", () => {
    expect(() => readHeader("#define A sizeof(int)")).toThrow("not understood");
  });
});
