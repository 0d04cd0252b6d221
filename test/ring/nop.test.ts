import { describe, expect, test } from "vitest";
import { AT, BufferPool, FileTable, IORING_FEAT, Ring, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";

/** Whether NOP's flags are there at all: they came together with this feature. */
function hasFlags(ring: Ring): boolean {
  return (ring.features & IORING_FEAT.RECVSEND_BUNDLE) !== 0;
}

/** Whether this kernel knows a flag that came later. */
async function knows(started: Promise<unknown>): Promise<boolean> {
  const error = await started.catch((error) => error);
  if (!(error instanceof UnsupportedError)) return true;
  expect(error.message).toMatch(/^nop with [A-Z0-9_ |]+ is not available here: it needs Linux 6\.\d+; this is Linux /);
  return false;
}

describe("nop()", () => {
  test("gives any result that is asked for", async () => {
    await using ring = new Ring();
    if (!hasFlags(ring)) {
      expect(thrown(() => ring.nop({ injectResult: 1 }), UnsupportedError)).toMatchObject({ needs: "Linux 6.10" });
      expect(ring.stats.submitted).toBe(0);
      return;
    }
    expect(await Promise.all([0, 1, 4096, 0x7fffffff].map((injectResult) => ring.nop({ injectResult }))))
      .toEqual([0, 1, 4096, 0x7fffffff]);
    for (const [errno, code] of [[-5, "EIO"], [-22, "EINVAL"], [-125, "ECANCELED"], [-4000, "4000"]] as const) {
      const error = await failure(ring.nop({ injectResult: errno }), UringError);
      expect(error).toMatchObject({ errno, syscall: "nop" });
      expect(error.code).toMatch(code);
    }
  });

  test("ends a chain with a result that is an error", async () => {
    await using ring = new Ring();
    if (!hasFlags(ring)) return expect(ring.probe().features).not.toContain("RECVSEND_BUNDLE");
    const [failed, after] = ring.link((ring) => [ring.nop({ injectResult: -5 }), ring.nop()]);
    const errors = [failure(failed!, UringError), failure(after!, UringError)];
    expect((await Promise.all(errors)).map(({ code }) => code)).toEqual(["EIO", "ECANCELED"]);
  });

  test("looks a descriptor up, or a slot", async () => {
    await using ring = new Ring();
    const fd = await ring.openat(AT.FDCWD, "/proc/self/stat", 0);
    if (hasFlags(ring) && await knows(ring.nop({ file: fd }))) {
      expect(await ring.nop({ file: fd })).toBe(0);
      expect(await ring.nop({ file: fd, injectResult: 9 })).toBe(9);
      expect(await failure(ring.nop({ file: 99_999 }), UringError)).toMatchObject({ code: "EBADF", fd: 99_999 });
      using files = new FileTable(ring, { size: 4 });
      files.set(2, fd);
      expect(await ring.nop({ file: 2, fixedFile: true })).toBe(0);
      expect(await failure(ring.nop({ file: 1, fixedFile: true }), UringError)).toMatchObject({ code: "EBADF", fd: 1 });
    }
    await ring.closeFd(fd);
  });

  test("looks a registered buffer up", async () => {
    await using ring = new Ring();
    if (!hasFlags(ring)) return expect(ring.probe().features).not.toContain("RECVSEND_BUNDLE");
    using pool = new BufferPool({ ring, size: 8, count: 1 });
    if (!await knows(ring.nop({ bufIndex: 0 }))) return;
    expect(await ring.nop({ bufIndex: 0 })).toBe(0);
    expect(await failure(ring.nop({ bufIndex: 1000 }), UringError)).toMatchObject({ code: "EFAULT" });
    pool.close();
  });

  test("completes in a second step", async () => {
    await using ring = new Ring();
    if (!hasFlags(ring)) return expect(ring.probe().features).not.toContain("RECVSEND_BUNDLE");
    if (await knows(ring.nop({ taskWork: true }))) {
      expect(await ring.nop({ taskWork: true, injectResult: 3 })).toBe(3);
    }
  });

  test.skipIf(!hasOp("URING_CMD"))(
    "completes with 32 bytes on a ring that has such completions, and nowhere else",
    async () => {
      await using plain = new Ring();
      expect(thrown(() => plain.nop({ cqe32: true }), TypeError).message).toMatch(
        /^cqe32 needs a ring with CQEs of 32/,
      );
      await using ring = new Ring({ cqe32: true });
      if (!hasFlags(ring) || !await knows(ring.nop({ cqe32: true }))) return;
      expect(await ring.nop({ cqe32: true, injectResult: 5 })).toBe(5);
    },
  );

  test("refuses orders that can't be", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.nop({ injectResult: 2 ** 31 }), RangeError).message).toMatch(/^injectResult must be from/);
    expect(thrown(() => ring.nop({ injectResult: 0.5 }), TypeError).message).toMatch(
      /^injectResult must be an integer/,
    );
    expect(thrown(() => ring.nop({ file: 1.5 }), TypeError).message).toMatch(/^file must be an integer/);
    expect(thrown(() => ring.nop({ bufIndex: -1 }), RangeError).message).toMatch(/^bufIndex must be from 0 to 65535/);
    expect(ring.stats.submitted).toBe(0);
  });
});

describe("nop128()", () => {
  test.skipIf(!hasOp("URING_CMD"))("is a nop on a ring with SQEs of 128 bytes", async () => {
    await using ring = new Ring({ sqe128: true });
    if (!ring.probe().op("NOP128").supported) {
      expect(thrown(() => ring.nop128(), UnsupportedError)).toMatchObject({ feature: "NOP128", needs: "Linux 6.19" });
      return;
    }
    expect(await ring.nop128()).toBe(0);
    expect(await ring.nop128({ injectResult: 7 })).toBe(7);
    await using small = new Ring();
    expect(thrown(() => small.nop128(), TypeError).message).toMatch(/open the ring with \{ sqe128: true \}/);
  });
});
