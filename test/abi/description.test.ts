import { describe, expect, test } from "vitest";
import { checkEntries, checkGolden } from "../../scripts/abi_check.ts";
import { IORING_OP, IORING_SETUP } from "../../src/abi/constants.ts";
import { checkFlags, FLAGS } from "../../src/abi/flags.ts";
import { LIMITS, REGIONS } from "../../src/abi/limits.ts";
import * as abi from "../../src/abi/mod.ts";
import { opOf, OPS } from "../../src/abi/ops.ts";
import { REGISTERS } from "../../src/abi/registers.ts";

describe("the description", () => {
  test("has an entry for each op, register op and flag, and names nothing that does not exist", () => {
    expect(checkEntries()).toEqual([]);
  });

  test("agrees with the golden data as a whole", () => {
    expect(checkGolden()).toEqual([]);
  });

  test("is exported from one place", () => {
    for (const name of ["OPS", "REGISTERS", "FLAGS", "LIMITS", "PREPS", "constants", "structs", "explain"]) {
      expect(abi).toHaveProperty(name);
    }
    expect(REGIONS.SQES.offset).toBe(0x10000000);
    expect(LIMITS.SQ_ENTRIES).toEqual([1, 32768]);
  });
});

describe("OPS", () => {
  test("finds an op by its number", () => {
    for (const [name, code] of Object.entries(IORING_OP)) expect(opOf(code)?.name).toBe(name);
    expect(opOf(65)).toBeUndefined();
  });

  test("marks the ops with 128-byte SQEs", () => {
    const large = Object.values(OPS).filter(({ sqeSize }) => sqeSize === 128).map(({ name }) => name);
    expect(large.sort()).toEqual(["NOP128", "URING_CMD128"]);
  });

  test("holds buffers to the end, paths only until submit returned", () => {
    expect(OPS.READ.holds).toEqual({ final: ["addr"], stable: [] });
    expect(OPS.OPENAT.holds).toEqual({ final: [], stable: ["addr"] });
    expect(OPS.STATX.holds).toEqual({ final: ["off"], stable: ["addr"] });
  });

  test("has a sentence on each op, and half sentences on errors", () => {
    for (const { name, doc, errno } of Object.values(OPS)) {
      expect(doc, name).toMatch(/^[A-Z].*\.$/);
      for (const { cause, fix } of Object.values(errno)) {
        expect(cause, name).toMatch(/[^.]$/);
        expect(fix, name).toMatch(/[^.]$/);
      }
    }
  });

  test("counts bytes where a length is given", () => {
    for (const { name, result, fields } of Object.values(OPS)) {
      const moves = Object.values(fields).some((field) => /^(bufOut|bufIn|iovec|msghdr)/.test(field));
      if (result === "bytes" && !["SPLICE", "TEE", "READ_MULTISHOT", "RECV_ZC"].includes(name)) {
        expect(moves, name).toBe(true);
      }
    }
  });
});

describe("REGISTERS", () => {
  test("names what undoes what", () => {
    expect(REGISTERS.BUFFERS2.undo).toBe("UNREGISTER_BUFFERS");
    for (const { name, undo } of Object.values(REGISTERS)) if (undo) expect(REGISTERS, name).toHaveProperty(undo);
  });

  test("has four that work without a ring", () => {
    const ringless = Object.values(REGISTERS).filter((register) => register.ringless).map(({ name }) => name);
    expect(ringless).toEqual(["RESTRICTIONS", "SEND_MSG_RING", "QUERY", "BPF_FILTER"]);
  });
});

describe("checkFlags()", () => {
  const { DEFER_TASKRUN, SINGLE_ISSUER, SQPOLL, COOP_TASKRUN, TASKRUN_FLAG, SQ_AFF, CQE32, CQE_MIXED } = IORING_SETUP;

  test("passes what goes together", () => {
    expect(checkFlags("IORING_SETUP", 0)).toBeUndefined();
    expect(checkFlags("IORING_SETUP", DEFER_TASKRUN | SINGLE_ISSUER | TASKRUN_FLAG)).toBeUndefined();
    expect(checkFlags("IORING_SETUP", COOP_TASKRUN | TASKRUN_FLAG)).toBeUndefined();
  });

  test("names what is lacking", () => {
    expect(checkFlags("IORING_SETUP", DEFER_TASKRUN)).toEqual({ flag: "DEFER_TASKRUN", requires: "SINGLE_ISSUER" });
    expect(checkFlags("IORING_SETUP", SQ_AFF)).toEqual({ flag: "SQ_AFF", requires: "SQPOLL" });
    expect(checkFlags("IORING_SETUP", TASKRUN_FLAG)).toEqual({
      flag: "TASKRUN_FLAG",
      requires: "COOP_TASKRUN|DEFER_TASKRUN",
    });
  });

  test("names what does not go together", () => {
    expect(checkFlags("IORING_SETUP", SQPOLL | COOP_TASKRUN)).toEqual({ flag: "SQPOLL", conflicts: "COOP_TASKRUN" });
    expect(checkFlags("IORING_SETUP", CQE32 | CQE_MIXED)).toEqual({ flag: "CQE32", conflicts: "CQE_MIXED" });
  });

  test("looks at its own set only", () => {
    expect(checkFlags("IORING_RECV", FLAGS["IORING_RECV"]!["MULTISHOT"]!.bit)).toBeUndefined();
    expect(checkFlags("NO_SUCH_SET", 1)).toBeUndefined();
  });
});
