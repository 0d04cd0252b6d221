import { closeSync, existsSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { AT, IORING_FEAT, IORING_REGISTER, IOSQE } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions, resultOf } from "../support/completions.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { Pipe } from "../support/pipe.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ECANCELED = -125;
const ENOENT = -2;
const EBADF = -9;
const ADDR = 16;
const LIMIT_MS = 10_000 * TIME_SCALE;

const hasSkip = (() => {
  using ring = new RawRing({ entries: 1 });
  return (ring.features & IORING_FEAT.CQE_SKIP) !== 0;
})();
// Since Linux 5.17.
const silent = test.skipIf(!hasSkip);

/** Runs what was prepared last without a completion, and waits until it is done. */
function runSilently(ring: RawRing): void {
  ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_LINK);
  ring.prepNop(999);
  ring.submitAndWait(1, LIMIT_MS);
  expect(completions(ring).map(({ userData, res }) => [userData, res])).toEqual([[999, 0]]);
}

silent("memory stays for good, though the operation is done and the ring closed", async () => {
  using folder = new TempFolder();
  folder.write("file", pattern(16));
  const fd = folder.open("file");
  const collected = new Set<string>();
  const registry = new FinalizationRegistry<string>((name) => collected.add(name));
  (() => {
    using ring = new RawRing({ entries: 8 });
    for (const [name, flags] of [["silent", IOSQE.CQE_SKIP_SUCCESS], ["told", 0]] as const) {
      const buffer = new Uint8Array(100_000);
      registry.register(buffer.buffer, name);
      ring.prepRead(1, fd, buffer, 16, 0);
      ring.sqeSetFlags(flags);
    }
    const [one, two] = [new Uint8Array(100_000), new Uint8Array(100_000)];
    registry.register(one.buffer, "first of several");
    registry.register(two.buffer, "second of several");
    // A transfer that falls short is a failure here, and completes.
    ring.prepReadv(2, fd, [one.subarray(0, 8), two.subarray(0, 8)], 2, 0);
    ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
    ring.submitAndWait(1, LIMIT_MS);
    expect(completions(ring).map(({ userData, res }) => [userData, res])).toEqual([[1, 16]]);
  })();
  expect(await collectUntil(() => collected.has("told"))).toBe(true);
  expect(await collectUntil(() => collected.size > 1, A_FEW)).toBe(false);
});

silent("a path's copy is never used again, whereas that of an operation with a completion is", () => {
  using ring = new RawRing({ entries: 8 });
  using folder = new TempFolder();
  const address = () => ring.sqe().getBigUint64(ADDR);
  const used = new Set<bigint>();
  for (let i = 0; i < 20; i++) {
    folder.write(`${i}`, "");
    ring.prepUnlinkat(1, AT.FDCWD, folder.at(`${i}`), 0);
    expect(used.has(address()), `piece ${i}`).toBe(false);
    used.add(address());
    runSilently(ring);
    expect(existsSync(folder.at(`${i}`))).toBe(false);
  }
  let told = 0n;
  for (let i = 0; i < 200; i++) {
    let here = 0n;
    const result = resultOf(ring, (ring) => {
      const prepared = ring.prepUnlinkat(1, AT.FDCWD, folder.at("none"), 0);
      here = address();
      return prepared;
    });
    expect([result, used.has(here)]).toEqual([ENOENT, false]);
    if (i > 0) expect(here).toBe(told);
    told = here;
  }
});

silent("a failure completes with the caller's user data, small and large", () => {
  using ring = new RawRing({ entries: 8 });
  const NUMBERS = [0, 5, 2 ** 31, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER];
  for (const userData of NUMBERS) {
    ring.prepRead(userData, 99_999, new Uint8Array(8), 8, 0);
    ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
  }
  ring.submitAndWait(NUMBERS.length, LIMIT_MS);
  expect(completions(ring).map(({ userData, res }) => [userData, res])).toEqual(NUMBERS.map((each) => [each, EBADF]));
});

silent("one that is still going on is cancelled by its user data, whether it was submitted or not", () => {
  using ring = new RawRing({ entries: 8 });
  using pipe = new Pipe();
  for (const submitFirst of [true, false]) {
    ring.prepRead(5, pipe.readEnd, new Uint8Array(8), 8, -1);
    ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
    if (submitFirst) ring.submit();
    ring.prepCancel(6, 5, 0);
    ring.submitAndWait(2, LIMIT_MS);
    const results = completions(ring).map(({ userData, res }) => [userData, res]);
    expect(results.sort()).toEqual([[5, ECANCELED], [6, 0]]);
  }
});

silent.each([["fails", 99_999], ["is pending as the ring is closed", undefined]])(
  "what is linked to one that %s is not waited for: it may never be told of",
  (_, fd) => {
    using pipe = new Pipe();
    using into = new Pipe();
    const ring = new RawRing({ entries: 8 });
    const buffer = new Uint8Array(8);
    ring.prepRead(1, fd ?? pipe.readEnd, buffer, 8, -1);
    ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_LINK);
    for (const flags of [IOSQE.IO_LINK, 0]) {
      ring.prepWrite(2, into.writeEnd, buffer, 8, -1);
      ring.sqeSetFlags(flags);
    }
    expect(ring.submit()).toBe(3);
    ring.close(); // EBUSY, where it waits
    expect(into.read()).toBe("");
  },
);

silent("close() returns when the kernel has let go of it", () => {
  const ring = new RawRing({ entries: 8 });
  using pipe = new Pipe();
  const fd = openSync(`/proc/self/fd/${pipe.readEnd}`, "r");
  ring.prepRead(1, fd, new Uint8Array(8), 8, -1);
  ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS);
  expect(ring.submit()).toBe(1);
  closeSync(fd);
  pipe.closeReadEnd();
  pipe.write("x"); // the operation's is one more reader
  ring.close();
  expect(() => pipe.write("y")).toThrow(/EPIPE|Broken pipe/);
});

silent("one that is done does not stand in the way of another with the same user data", () => {
  using ring = new RawRing({ entries: 8 });
  using folder = new TempFolder();
  using pipe = new Pipe();
  folder.write("file", pattern(8));
  ring.prepRead(5, folder.open("file"), new Uint8Array(8), 8, 0);
  runSilently(ring);
  ring.prepRead(5, pipe.readEnd, new Uint8Array(8), 8, -1);
  ring.submit();
  ring.prepCancel(6, 5, 0);
  ring.submitAndWait(2, LIMIT_MS);
  const results = completions(ring).map(({ userData, res }) => [userData, res]);
  expect(results.sort()).toEqual([[5, ECANCELED], [6, 0]]);
});

silent("close() ends one that waits at a registered file", () => {
  const ring = new RawRing({ entries: 8 });
  using pipe = new Pipe();
  expect(ring.register(IORING_REGISTER.FILES, new Int32Array([pipe.readEnd]), 1)).toBe(0);
  ring.prepRead(1, 0, new Uint8Array(8), 8, -1);
  ring.sqeSetFlags(IOSQE.CQE_SKIP_SUCCESS | IOSQE.FIXED_FILE);
  expect(ring.submit()).toBe(1);
  pipe.closeReadEnd();
  ring.close();
  expect(() => pipe.write("y")).toThrow(/EPIPE|Broken pipe/);
});
