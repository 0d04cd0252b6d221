/** 1 to 17: rings that can't be opened. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { expect } from "vitest";
import { IORING_SETUP, Ring, RingClosedError, UringError } from "../../mod.ts";
import { toRequest } from "../../src/ring/options.ts";
import { setupError } from "../../src/ring/setup_errors.ts";
import { negative } from "../support/errno.ts";
import { IN_GUEST } from "../support/guest.ts";
import { MOD, runScript } from "../support/script.ts";
import { beside, onlyIf, refused, type Row, row, sharedStage, unopened } from "./row.ts";

const F = IORING_SETUP;
const SYSCTL = "/proc/sys/kernel/io_uring_disabled";
/** Nobody, on any Linux. */
const NOBODY = 65534;

/** What a child says of io_uring, and of opening a ring all the same. */
interface Told {
  readonly supported: { readonly ok: boolean; readonly reason?: string; readonly fix?: string };
  readonly code?: string;
  readonly message?: string;
}

/** Asks a child while the sysctl has a value; as another user, where the runtime can become one. */
function askUnder(sysctl: string, user?: number): Told {
  const before = readFileSync(SYSCTL, "utf8").trim();
  writeFileSync(SYSCTL, sysctl);
  try {
    return JSON.parse(runScript(`
      import process from "node:process";
      const { Ring } = await import(${JSON.stringify(MOD)});
      const user = ${user ?? 0};
      if (user !== 0) (process.setgid(user), process.setuid(user));
      const told = { supported: Ring.supported() };
      try {
        await new Ring().close();
      } catch (error) {
        Object.assign(told, { code: error.code, message: error.message });
      }
      console.log(JSON.stringify(told));`));
  } finally {
    writeFileSync(SYSCTL, before);
  }
}

const hasSysctl = () => IN_GUEST && existsSync(SYSCTL);
const SYSCTL_REASON = "it changes the whole system: for a virtual machine of its own (URING_GUEST=1), with Linux 6.6";

export const SETUP: readonly Row[] = [
  row(1, "entries 0", {
    "is a RangeError that names the range": unopened(
      { entries: 0 },
      RangeError,
      /^entries must be from 1 to 32768, not 0/,
    ),
    "-1 is one, too": unopened({ entries: -1 }, RangeError, /^entries must be from 1 to 32768, not -1/),
    "resize() to none": refused(
      ({ ring }) => ring.resize({ entries: 0 }),
      RangeError,
      /^entries must be from 1 to 32768, not 0/,
    ),
  }),

  row(2, "entries 32769", {
    "is a RangeError that suggests clamp": unopened(
      { entries: 32769 },
      RangeError,
      /^entries must be from 1 to 32768, not 32769; clamp: true cuts it to that/,
    ),
    "which helps": async () => {
      await using ring = new Ring({ entries: 32769, clamp: true });
      expect(ring.entries).toBe(32768);
      expect(await ring.nop()).toBe(0);
    },
  }),

  row(3, "entries 3.5, NaN, text", {
    "3.5": unopened({ entries: 3.5 }, TypeError, /^entries must be an integer from 1 to 32768, not 3.5/),
    "NaN": unopened({ entries: NaN }, TypeError, /^entries must be an integer from 1 to 32768, not NaN/),
    "text": unopened({ entries: "8" }, TypeError, /^entries must be an integer from 1 to 32768, not "8"/),
    "a bigint": unopened({ entries: 8n }, TypeError, /^entries must be an integer from 1 to 32768, not 8n/),
  }),

  row(4, "cqEntries 0", {
    "is a RangeError that names the range": unopened(
      { cqEntries: 0 },
      RangeError,
      /^cqEntries must be from 1 to 65536, not 0/,
    ),
    "1.5 is a TypeError": unopened({ entries: 1, cqEntries: 1.5 }, TypeError, /^cqEntries must be an integer.*not 1.5/),
  }),

  row(5, "cqEntries less than entries", {
    "is a RangeError with both numbers": unopened(
      { entries: 64, cqEntries: 32 },
      RangeError,
      /^cqEntries \(32\) must not be less than entries \(64\)/,
    ),
  }),

  row(6, "cqEntries 65537", {
    "is a RangeError that names the most, and suggests clamp": unopened(
      { cqEntries: 65537 },
      RangeError,
      /^cqEntries must be from 1 to 65536, not 65537; clamp: true cuts it to that/,
    ),
    "which helps": async () => {
      await using ring = new Ring({ entries: 8, cqEntries: 65537, clamp: true });
      expect(ring.cqEntries).toBe(65536);
      expect(await ring.nop()).toBe(0);
    },
  }),

  row(7, "SQ_AFF alone", {
    "needs sqpoll, and says how to give the processor": unopened(
      { flags: F.SQ_AFF },
      TypeError,
      /^SQ_AFF needs sqpoll: say sqpoll: \{ cpu \}/,
    ),
  }),

  row(8, "a processor that is not there", {
    "is the kernel's EINVAL, in words": unopened(
      { sqpoll: { cpu: 9999 } },
      UringError,
      /^EINVAL: sqpoll.cpu 9999 is not online.*io_uring_setup/,
    ),
    "-1 is a RangeError": unopened({ sqpoll: { cpu: -1 } }, RangeError, /^sqpoll.cpu must be from 0/),
  }),

  row(9, "DEFER_TASKRUN alone", {
    "by name": unopened({ deferTaskrun: true }, TypeError, /^deferTaskrun needs singleIssuer: set both, or neither/),
    "by flag": unopened({ flags: F.DEFER_TASKRUN }, TypeError, /^deferTaskrun needs singleIssuer: set both/),
    "with singleIssuer: false": unopened(
      { deferTaskrun: true, singleIssuer: false },
      TypeError,
      /^deferTaskrun needs singleIssuer/,
    ),
  }),

  row(10, "DEFER_TASKRUN or COOP_TASKRUN with SQPOLL", {
    "deferTaskrun": unopened(
      { deferTaskrun: true, singleIssuer: true, sqpoll: true },
      TypeError,
      /^sqpoll and deferTaskrun exclude each other: the kernel's thread submits/,
    ),
    "coopTaskrun": unopened(
      { coopTaskrun: true, sqpoll: true },
      TypeError,
      /^sqpoll and coopTaskrun exclude each other: the kernel's thread submits/,
    ),
    "taskrunFlag": unopened(
      { taskrunFlag: true, sqpoll: true },
      TypeError,
      /^sqpoll and taskrunFlag exclude each other: the kernel's thread submits/,
    ),
  }),

  row(11, "TASKRUN_FLAG alone", {
    "needs one of two": unopened(
      { taskrunFlag: true },
      TypeError,
      /^taskrunFlag needs coopTaskrun or deferTaskrun: set both, or neither/,
    ),
    "by flag": unopened({ flags: F.TASKRUN_FLAG }, TypeError, /^taskrunFlag needs coopTaskrun or deferTaskrun/),
  }),

  row(12, "HYBRID_IOPOLL without IOPOLL", {
    "needs iopoll": unopened({ hybridIopoll: true }, TypeError, /^hybridIopoll needs iopoll: set both, or neither/),
  }),

  row(13, "CQE32 with CQE_MIXED", {
    "exclude each other": unopened(
      { cqe32: true, cqeMixed: true },
      TypeError,
      /^cqe32 and cqeMixed exclude each other: either every CQE has 32 bytes, or some/,
    ),
    "by flag": unopened({ cqe32: true, flags: F.CQE_MIXED }, TypeError, /^cqe32 and cqeMixed exclude each other/),
  }),

  row(14, "an unknown flag", {
    "is named, with all that there are": unopened(
      { flags: 1 << 25 },
      RangeError,
      /^flags has bits that are no IORING_SETUP flag: 0x2000000; all there are: 0x1fffff/,
    ),
    "the highest bit": unopened({ flags: 0x80000000 }, RangeError, /no IORING_SETUP flag: 0x80000000/),
    "beside known ones": unopened(
      { flags: (F.SUBMIT_ALL | 1 << 30) >>> 0 },
      RangeError,
      /no IORING_SETUP flag: 0x40000000;/,
    ),
  }),

  row(15, "ATTACH_WQ to what is no ring", {
    "a descriptor that is not open": unopened({ attachTo: 999 }, UringError, /attachTo 999 is not an open ring/),
    "a file's descriptor": async (context) => {
      const { fd } = sharedStage();
      await unopened({ attachTo: fd }, UringError, new RegExp(`attachTo ${fd} is not an open ring`))(context);
    },
    "a ring that was closed": async (context) => {
      const ring = new Ring();
      await ring.close();
      await unopened({ attachTo: ring }, RingClosedError, /^attachTo: this ring is closed/)(context);
    },
    "no ring at all": unopened({ attachTo: {} }, TypeError, /^attachTo must be a ring or its descriptor, not a object/),
    "the flag alone": unopened({ flags: F.ATTACH_WQ }, TypeError, /^ATTACH_WQ needs attachTo/),
  }),

  row(16, "no descriptor left", {
    "is EMFILE, and names the limit; what is in flight, and the next ring, are well": () => {
      const script = `
        import { closeSync, openSync } from "node:fs";
        const { Ring } = await import(${JSON.stringify(MOD)});
        Ring.supported();
        const other = new Ring();
        await other.timeout(1);
        const waiting = other.timeout(30);
        const taken = [];
        try { while (true) taken.push(openSync("/dev/null", "r")); } catch {}
        let error;
        try { new Ring(); } catch (caught) { error = caught; }
        taken.forEach((fd) => closeSync(fd));
        const { code, syscall, message } = error;
        const works = [await waiting, await other.nop()];
        await other.close();
        const next = new Ring();
        works.push(await next.nop());
        await next.close();
        console.log(JSON.stringify({ code, syscall, message, works }));`;
      const { code, syscall, message, works } = JSON.parse(runScript(script, "ulimit -n 100"));
      expect({ code, syscall, works }).toEqual({ code: "EMFILE", syscall: "io_uring_setup", works: [0, 0, 0] });
      expect(message).toMatch(/too many open files.*close some, or raise `ulimit -n`/);
    },
  }),

  // A real seccomp filter, and what supported() says under it: test/load/seccomp.test.ts.
  row(17, "forbidden by sysctl or seccomp", {
    "the error names both, and the doctor": () => {
      for (const errno of [negative("EPERM"), negative("ENOSYS")]) {
        const { message } = setupError(errno, toRequest({}));
        expect(message).toMatch(/io_uring is forbidden here: see `uring doctor`.*io_uring_disabled.*seccomp/);
      }
    },
    "by sysctl, for all": onlyIf(hasSysctl, SYSCTL_REASON, () =>
      beside(sharedStage(), () => {
        const { supported, code, message } = askUnder("2");
        expect(supported).toMatchObject({ ok: false, fix: "sysctl -w kernel.io_uring_disabled=0" });
        expect(supported.reason).toMatch("the sysctl kernel.io_uring_disabled is 2");
        expect(code).toBe("EPERM");
        expect(message).toMatch(/io_uring is forbidden here: see `uring doctor`.*io_uring_disabled/);
        expect(askUnder("0").supported.ok, "nothing else forbade it").toBe(true);
      })),
    "by sysctl, for who is not root": onlyIf(
      () => hasSysctl() && "setuid" in process && !("Deno" in globalThis),
      `${SYSCTL_REASON}, and a runtime that can become another user`,
      () =>
        beside(sharedStage(), () => {
          const { supported, code } = askUnder("1", NOBODY);
          expect(supported.reason).toMatch("the sysctl kernel.io_uring_disabled is 1");
          expect(supported.fix).toMatch(/io_uring_disabled=0, or put this user into the group of.*io_uring_group/);
          expect(code).toBe("EPERM");
          expect(askUnder("1").supported.ok, "root may go on").toBe(true);
        }),
    ),
  }),
];
