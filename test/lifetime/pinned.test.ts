import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { hasOp } from "../support/kernel.ts";
import { TASK_KINDS } from "../support/ring_kinds.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { findNamespace } from "../support/xattr.ts";

const ROUNDS = TIME_SCALE > 1 ? 20 : 120;
/** What each round does, and more of it. */
const KINDS = [
  ...[
    "read of 16",
    "write of 700",
    "readv",
    "timeout",
    "read with a limit",
    "openat",
    "statx",
    "readFixed",
    "writeFixed",
  ],
  ...hasOp("UNLINKAT") ? ["unlinkat"] : [],
  ...hasOp("RENAMEAT") ? ["renameat"] : [],
  ...hasOp("SOCKET") ? ["recvmsg", "acceptFrom", "recv", "send", "sendmsg"] : [],
  ...hasOp("SEND_ZC") ? ["sendZc"] : [],
  ...await findNamespace() === undefined ? [] : ["getxattr", "setxattr"],
];

const STAYS =
  "memory that only operations know of stays theirs, thousands of times, under forced collections; ring: %s";
test.each(TASK_KINDS)(STAYS, async (kind) => {
  const options = { exposeGc: true, limitMs: 90_000 };
  const { code, signal, stdout, stderr } = await runChild("pinned", [`${ROUNDS}`, kind], options);
  expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  const { operations, kinds, submitted, completed } = JSON.parse(stdout);
  expect(kinds).toEqual(expect.arrayContaining(KINDS));
  expect(operations).toBe(ROUNDS * kinds.length);
  expect(completed).toBe(submitted);
}, 100_000 * TIME_SCALE);
