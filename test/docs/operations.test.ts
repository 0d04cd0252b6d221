import { describe, expect, test } from "vitest";
import { RawRing } from "../../src/ring/raw.ts";
import { Ring } from "../../mod.ts";
import {
  methodsOf,
  NO_OPS,
  operationsTable,
  opRows,
  rawName,
  rawPreps,
  readRecord,
  readTable,
  registerRows,
} from "../../scripts/op_table.ts";
import { PREPS } from "../../src/abi/preps.ts";

describe("docs/operations.md", () => {
  const record = readRecord();

  test("is what the generator makes of the record: run npm run docs:table", () => {
    expect(readTable()).toBe(operationsTable(record));
  });

  test("has a prep and a method for every op, and a test in each runtime where the kernel of the record has it", () => {
    const lacking = opRows(record).flatMap(({ name, raw, ring, tested, available }) => {
      const untested = available ? Object.entries(tested).filter(([, cell]) => cell === "") : [];
      return [
        ...(raw.length > 0 ? [] : [`${name}: RawRing`]),
        ...(ring.length > 0 ? [] : [`${name}: Ring`]),
        ...untested.map(([runtime]) => `${name}: ${runtime}`),
      ];
    });
    expect(lacking).toEqual([]);
  });

  test("counts as tested what has worked through both doors, but for what no machine without such a device can do", () => {
    const NEEDS_DEVICE = ["RECV_ZC"];
    const halves = opRows(record).filter(({ name, available }) => available && !NEEDS_DEVICE.includes(name))
      .flatMap(({ name, tested }) =>
        Object.entries(tested).filter(([, cell]) => cell !== "both").map(([runtime, cell]) =>
          `${name}: ${runtime}: ${cell}`
        )
      );
    expect(halves).toEqual([]);
  });

  test("has every method of Ring, but for those that stand for no op", () => {
    const shown = new Set([...opRows(record), ...registerRows(record)].flatMap(({ ring }) => ring));
    const INTERNAL = [
      "adoptGroup",
      "afterTurn",
      "need",
      "needAlloc",
      "needFor",
      "outgoing",
      "refuseDrain",
      "start",
      "startLater",
      "transferFlags",
    ];
    const lacking = methodsOf(Ring.prototype).filter((name) =>
      !shown.has(name) && !NO_OPS.has(name) && !INTERNAL.includes(name)
    );
    expect(lacking).toEqual([]);
  });

  test("has every prep of RawRing", () => {
    const known = new Set([...Object.keys(PREPS).map(rawName), ...[...rawPreps().values()].flat()]);
    const lacking = methodsOf(RawRing.prototype).filter((name) => name.startsWith("prep") && !known.has(name));
    expect(lacking).toEqual([]);
  });
});
