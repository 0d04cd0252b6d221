import { describe, expect, test } from "vitest";
import { Ring, SYNC_FILE_RANGE, UringError } from "../../mod.ts";
import { failure, failures, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

const ALL = SYNC_FILE_RANGE.WAIT_BEFORE | SYNC_FILE_RANGE.WRITE | SYNC_FILE_RANGE.WAIT_AFTER;

describe("syncFileRange()", () => {
  test("writes a range, and waits for it, with every flag", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", pattern(100_000));
    const fd = folder.open("file", "r+");
    for (const flags of [0, SYNC_FILE_RANGE.WRITE, SYNC_FILE_RANGE.WAIT_BEFORE, ALL]) {
      expect(await ring.syncFileRange(fd, 4096, 8192, flags)).toBe(0);
    }
    expect(await ring.syncFileRange(fd, 0n, 0, ALL), "to the end").toBe(0);
    expect(folder.read("file")).toEqual(pattern(100_000));
  });

  test("rejects for pipes, for unknown flags, for what is not open", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "");
    const fd = folder.open("file", "r+");
    const errors = await failures([
      ring.syncFileRange(pipe.readEnd, 0, 1, ALL),
      ring.syncFileRange(fd, 0, 1, 8),
      ring.syncFileRange(99_999, 0, 1, ALL),
    ], UringError);
    expect(errors.map(({ code }) => code)).toEqual(["ESPIPE", "EINVAL", "EBADF"]);
    expect(await failure(ring.syncFileRange(fd, 2n ** 63n - 1n, 10, ALL), UringError)).toMatchObject({
      code: "EINVAL",
      syscall: "sync_file_range",
      fd,
    });
  });

  test("refuses a range that can't be", async () => {
    await using ring = new Ring();
    expect(thrown(() => ring.syncFileRange(0, -1, 1, 0), RangeError).message).toMatch(/^offset must not be -1/);
    expect(thrown(() => ring.syncFileRange(0, 0, 2 ** 32, 0), RangeError).message).toMatch(/^length must be from 0/);
    expect(thrown(() => ring.syncFileRange(0, 0, 1, 0.5), TypeError).message).toMatch(/^flags must be an integer/);
  });
});
