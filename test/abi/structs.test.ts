import { describe, expect, test } from "vitest";
import { checkGoldenStructs, checkLayouts, checkStructNames, findZig, readHeaders } from "../../scripts/abi_check.ts";
import { type Struct, structs } from "../../src/abi/structs.ts";

const zig = findZig();
const ours: Readonly<Record<string, Struct>> = structs;

/** The structs with one field of one of them changed. */
function withField(struct: string, field: string, change: Partial<Struct["fields"][string]>): Record<string, Struct> {
  const { fields, ...rest } = ours[struct]!;
  return { ...ours, [struct]: { ...rest, fields: { ...fields, [field]: { ...fields[field]!, ...change } } } };
}

describe("structs", () => {
  test("have the layouts of liburing's header", () => {
    expect(checkGoldenStructs(ours)).toEqual([]);
  });

  test.skipIf(zig === undefined)("cover every struct and field of the bundled header", () => {
    expect(checkStructNames(ours, readHeaders(zig!.include))).toEqual([]);
  });

  test.skipIf(zig === undefined)("are laid out as the compiler has it, on both architectures", () => {
    expect(checkLayouts(ours, zig!)).toEqual([]);
  });

  test("have the sizes that the kernel's interface is known by", () => {
    expect(structs.io_uring_params.size).toBe(120);
    expect(structs.io_uring_sqe.size).toBe(64);
    expect(structs.io_uring_cqe.size).toBe(16);
    expect(structs.statx.size).toBe(256);
    expect(structs.io_uring_params.fields.cq_off.offset).toBe(80);
  });

  test("have no field beyond their end", () => {
    for (const [name, { size, fields }] of Object.entries(ours)) {
      for (const [field, { offset, size: length }] of Object.entries(fields)) {
        expect(offset + length, `${name}.${field}`).toBeLessThanOrEqual(size);
      }
    }
  });
});

describe("the check of structs", () => {
  test("finds a wrong offset in the golden data", () => {
    expect(checkGoldenStructs(withField("io_uring_sqe", "user_data", { offset: 40 }))).toEqual([
      "io_uring_sqe.user_data: offset 40, golden 32",
    ]);
  });

  test("finds a missing struct and a missing field", () => {
    const { io_uring_buf: _, ...others } = ours;
    expect(checkGoldenStructs(others)).toEqual(["struct io_uring_buf is golden, not here"]);
    const { res: __, ...fields } = structs.io_uring_cqe.fields;
    const cut = { ...ours, io_uring_cqe: { ...structs.io_uring_cqe, fields } };
    expect(checkGoldenStructs(cut)).toEqual(["io_uring_cqe.res is golden, not here"]);
    const header = { constants: new Map(), structs: new Map([["io_uring_cqe", ["user_data", "res"]], ["new", []]]) };
    expect(checkStructNames(cut, header)).toEqual([
      "struct io_uring_cqe: no field res here",
      "struct new is in the header, not here",
    ]);
  });

  test.skipIf(zig === undefined)("lets the compiler find a wrong offset, size and type", () => {
    const found = (struct: string, field: string, change: Partial<Struct["fields"][string]>) =>
      checkLayouts(withField(struct, field, change), zig!);
    // One for each architecture.
    expect(found("statx", "stx_ino", { offset: 24 })).toHaveLength(2);
    expect(found("io_uring_cqe", "flags", { size: 8 })).toHaveLength(2);
    expect(found("io_uring_cqe", "res", { type: "__u32" })).toHaveLength(2);
  });

  test.skipIf(zig === undefined)("lets the compiler find a field and a struct that the header lacks", () => {
    const { fields, ...rest } = ours["io_uring_cqe"]!;
    const extra = { ...rest, fields: { ...fields, more: { offset: 0, size: 4, type: "__u32" } } };
    expect(checkLayouts({ ...ours, io_uring_cqe: extra }, zig!).length).toBeGreaterThan(0);
    expect(checkLayouts({ ...ours, io_uring_new: extra }, zig!).length).toBeGreaterThan(0);
  });
});
