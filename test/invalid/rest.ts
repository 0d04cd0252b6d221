/** 60 to 64: targets, paths and user data. */

import { expect } from "vitest";
import { AT, type IORING_OP, O, Ring, RingClosedError, UringError } from "../../mod.ts";
import { completions } from "../support/completions.ts";
import { type ErrorClass, failure } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import {
  type Any,
  beside,
  besideRaw,
  cases,
  onlyIf,
  rawAnswered,
  rawRefused,
  refused,
  rejected,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const { FDCWD } = AT;

/** Every method that takes a path; where it is not one of old, its op. */
const TAKES_PATH: [
  string,
  (ring: Any, path: unknown) => unknown,
  argument: string,
  op?: keyof typeof IORING_OP,
][] = [
  ["openat()", (ring, path) => ring.openat(FDCWD, path, O.RDONLY), "path"],
  ["openat2()", (ring, path) => ring.openat2(FDCWD, path, {}), "path"],
  ["statx()", (ring, path) => ring.statx(FDCWD, path, 0, 0), "path"],
  ["unlinkat()", (ring, path) => ring.unlinkat(FDCWD, path), "path"],
  ["mkdirat()", (ring, path) => ring.mkdirat(FDCWD, path), "path", "MKDIRAT"],
  ["symlinkat() target", (ring, path) => ring.symlinkat(path, FDCWD, "x"), "target", "SYMLINKAT"],
  ["symlinkat() linkpath", (ring, path) => ring.symlinkat("x", FDCWD, path), "linkpath", "SYMLINKAT"],
  ["renameat() from", (ring, path) => ring.renameat(FDCWD, path, FDCWD, "x"), "oldpath"],
  ["renameat() to", (ring, path) => ring.renameat(FDCWD, "x", FDCWD, path), "newpath"],
  ["linkat() from", (ring, path) => ring.linkat(FDCWD, path, FDCWD, "x"), "oldpath", "LINKAT"],
  ["linkat() to", (ring, path) => ring.linkat(FDCWD, "x", FDCWD, path), "newpath", "LINKAT"],
];

const NO_PATH = "must be a string, a Uint8Array or a file: URL";

const NO_PATHS: [string, unknown, string, type?: ErrorClass<Error>][] = [
  ["an empty one", "", "is empty.*AT_EMPTY_PATH"],
  ["empty bytes", new Uint8Array(0), "is empty"],
  ["one with a NUL", "a\0b", "contains a NUL byte"],
  ["one with a NUL, not ASCII", "é\0", "contains a NUL byte"],
  ["bytes with a NUL", new Uint8Array([97, 0]), "contains a NUL byte"],
  ["a URL with a NUL", new URL("file:///a%00b"), "contains a NUL byte"],
  ["one of 4096 bytes", "x".repeat(4096), "is 4096 bytes long; the kernel takes at most 4095", RangeError],
  ["one of 4096 bytes in fewer letters", "é".repeat(2048), "is 4096 bytes long", RangeError],
  ["an http: URL", new URL("http://localhost/x"), NO_PATH],
  ["a number", 3, NO_PATH],
  ["null", null, NO_PATH],
  ["undefined", undefined, NO_PATH],
  ["an ArrayBuffer", new ArrayBuffer(4), NO_PATH],
];

const RAW_PATHS: [string, (ring: Any) => unknown, RegExp][] = [
  ["a NUL", (ring) => ring.prepOpenat(3, FDCWD, "a\0", 0, 0), /^path contains a NUL byte/],
  ["an empty one", (ring) => ring.prepUnlinkat(3, FDCWD, "", 0), /^path is empty/],
  ["a second path", (ring) => ring.prepLinkat(3, FDCWD, "x", FDCWD, "", 0), /^newpath is empty/],
  ["none", (ring) => ring.prepMkdirat(3, FDCWD, undefined, 0), /^path must be a string/],
];

const RAW_USER_DATA: [string, (ring: Any) => unknown, ErrorClass<Error>, RegExp][] = [
  ["-1", (ring) => ring.prepNop(-1), RangeError, /^userData must be from 0 to 2\^53 - 1, not -1/],
  ["2^53", (ring) => ring.prepNop(2 ** 53), RangeError, /^userData must be from 0 to 2\^53 - 1, not 9007199254740992/],
  ["0.5", (ring) => ring.prepNop(0.5), TypeError, /^userData must be an integer, not 0.5/],
  ["NaN", (ring) => ring.prepNop(NaN), TypeError, /^userData must be an integer, not NaN/],
  ["a bigint", (ring) => ring.prepNop(1n), TypeError, /^userData must be an integer, not 1n/],
  ["none", (ring) => ring.prepNop(), TypeError, /^userData must be an integer, not undefined/],
  [
    "-1, of an operation that holds memory",
    (ring) => ring.prepRead(-1, 0, new Uint8Array(8), 8, 0),
    RangeError,
    /^userData must be from 0 to 2\^53 - 1, not -1/,
  ],
  ["-1 as target", (ring) => ring.prepCancel(3, -1, 0), RangeError, /^userData must be from 0 to 2\^53 - 1, not -1/],
  ["-1 set later", (ring) => ring.sqeSetData(-1), RangeError, /^userData must be from 0 to 2\^53 - 1, not -1/],
];

const MESSAGES: [string, unknown, ErrorClass<Error>, RegExp][] = [
  ["-1", -1, RangeError, /^data must be from 0 to 2\^62 - 1, not -1/],
  ["2^53 as number", 2 ** 53, RangeError, /^data 9007199254740992 is beyond 2\^53 - 1.*give a bigint/],
  ["2^62", 2n ** 62n, RangeError, /^data must be from 0 to 2\^62 - 1, not 4611686018427387904/],
  ["0.5", 0.5, TypeError, /^data must be an integer, not 0.5/],
];

const hasMessages = () => hasOp("MSG_RING");
const MESSAGES_SINCE = "messages between rings came with Linux 5.18";

export const REST: readonly Row[] = [
  row(60, "cancel what is unknown", {
    "resolves to 0: settled, another ring's, no promise of a ring": () =>
      beside(sharedStage(), async ({ ring }) => {
        await using other = new Ring();
        const settled = ring.nop();
        await settled;
        const elsewhere = other.timeout(NEVER);
        const refused = failure(elsewhere, UringError);
        const { submitted } = ring.stats;
        const targets = [settled, elsewhere, Promise.resolve(1)];
        expect(await Promise.all(targets.map((target) => ring.cancel(target)))).toEqual([0, 0, 0]);
        expect(ring.stats.submitted, "nobody needs to ask the kernel").toBe(submitted);
        expect(await other.cancel("all")).toBe(1);
        await refused;
      }),
    "resolves to 0 where nothing matches": async () => {
      await using ring = new Ring();
      const { fd } = sharedStage();
      expect(await ring.cancel({ fd })).toBe(0);
      expect(await ring.cancel({ fd }, { all: false })).toBe(0);
      expect(await ring.cancel({ op: "READ" })).toBe(0);
      expect(await ring.cancel("all")).toBe(0);
    },
    "RawRing: ENOENT": rawAnswered(
      (ring) => ring.prepCancel(3, 4242, 0),
      "ENOENT",
      /ENOENT: no such request: it completed already, or never was/,
    ),
  }),

  row(61, "LINK_TIMEOUT alone", {
    "RawRing: EINVAL, which says what it needs": rawAnswered(
      (ring) => ring.prepLinkTimeout(3, { ms: 1 }, 0),
      "EINVAL",
      /EINVAL: no request is linked to it; set IOSQE_IO_LINK on the request before it/,
    ),
    "a Ring's timeout option brings its own": () =>
      beside(sharedStage(), async ({ ring, pipe }) => {
        const read = failure(ring.read(pipe.readEnd, new Uint8Array(8), "current", { timeout: 1 }), UringError);
        expect((await read).code).toBe("ETIME");
      }),
  }),

  row(62, "a NUL in a path, an empty path", {
    ...cases(
      TAKES_PATH.flatMap((method) => NO_PATHS.map((path) => [method, path] as const)),
      ([[method, call, argument, op = "READ"], [what, path, message, type = TypeError]]) => [
        `${method} refuses ${what}`,
        onlyIf(
          () => hasOp(op),
          `this kernel has no ${op}`,
          refused(({ ring }) => call(ring, path), type, new RegExp(`^${argument} ${message}`)),
        ),
      ],
    ),
    ...cases(RAW_PATHS, ([name, call, message]) => [`RawRing: ${name}`, rawRefused(call, TypeError, message)]),
  }),

  row(63, "user data below 0, or of 2^53", {
    ...cases(RAW_USER_DATA, ([name, call, type, message]) => [`RawRing: ${name}`, rawRefused(call, type, message)]),
    "RawRing: from 0 to 2^53 - 1 they come back as they were": () =>
      besideRaw({}, (ring) => {
        for (const userData of [0, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
          ring.prepNop(userData);
          expect(ring.submitAndWait(1)).toBe(1);
          expect(completions(ring)).toMatchObject([{ userData, res: 0 }]);
        }
      }),
    ...cases(MESSAGES, ([name, data, type, message]) => [
      `of a message: ${name}`,
      onlyIf(hasMessages, MESSAGES_SINCE, refused(({ ring }) => ring.msgRing(ring, 0, data), type, message)),
    ]),
  }),

  row(64, "a message to what is no ring", {
    "a file: EBADFD, not a ring": onlyIf(
      hasMessages,
      MESSAGES_SINCE,
      rejected(
        ({ ring, fd }) => ring.msgRing(fd, 0, 0),
        "EBADFD",
        /^EBADFD: fd \d+ is not a ring, or that ring is disabled, msg_ring.*; send to an enabled ring/,
      ),
    ),
    "nothing that is open": onlyIf(
      hasMessages,
      MESSAGES_SINCE,
      rejected(({ ring }) => ring.msgRing(9999, 0, 0), "EBADF", /^EBADF: .*9999/),
    ),
    "a ring that was closed": onlyIf(hasMessages, MESSAGES_SINCE, async (context) => {
      const closed = new Ring();
      await closed.close();
      await refused(
        ({ ring }) => ring.msgRing(closed, 0, 0),
        RingClosedError,
        /^msg_ring to target: this ring is closed/,
      )(
        context,
      );
    }),
    "an object": onlyIf(
      hasMessages,
      MESSAGES_SINCE,
      refused(
        ({ ring }) => ring.msgRing({}, 0, 0),
        TypeError,
        /^target must be a Ring or its descriptor, not a object/,
      ),
    ),
    "RawRing": onlyIf(
      hasMessages,
      MESSAGES_SINCE,
      rawAnswered(
        (ring) => ring.prepMsgRing(3, sharedStage().fd, 1, 1, 0),
        "EBADFD",
        /EBADFD: fd \d+ is not a ring, or that ring is disabled; send to an enabled ring/,
      ),
    ),
  }),
];
