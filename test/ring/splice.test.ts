import { describe, expect, test } from "vitest";
import { AbortError, FileTable, Ring, SPLICE_F, UringError } from "../../mod.ts";
import { failure, failures, watch } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { position } from "../support/process_state.ts";

describe("splice()", () => {
  test("moves bytes from a file into a pipe and on into another file, at offsets", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("from", pattern(10_000));
    folder.write("to", "..");
    const [from, to] = [folder.open("from"), folder.open("to", "r+")];
    expect(await ring.splice(from, 1000, pipe.writeEnd, "current", 4000)).toBe(4000);
    expect(position(from), "an offset leaves the position alone").toBe(0);
    expect(await ring.splice(pipe.readEnd, "current", to, 2n, 5000), "no more than there is").toBe(4000);
    expect(folder.read("to")).toEqual(new Uint8Array([46, 46, ...pattern(4000, 1000)]));
  });

  test("takes the file's position, and moves it, without an offset", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("from", "abcdef");
    const from = folder.open("from");
    expect(await ring.splice(from, "current", pipe.writeEnd, undefined, 2)).toBe(2);
    expect(await ring.splice(from, undefined, pipe.writeEnd, "current", 3)).toBe(3);
    expect(position(from)).toBe(5);
    expect(pipe.read()).toBe("abcde");
    expect(await ring.splice(from, 6, pipe.writeEnd, "current", 3), "at the end").toBe(0);
  });

  test("waits for a pipe without bytes, and with SPLICE_F_NONBLOCK does not", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("to", "");
    const to = folder.open("to", "r+");
    expect(await failure(ring.splice(pipe.readEnd, "current", to, 0, 10, SPLICE_F.NONBLOCK), UringError))
      .toMatchObject({ code: "EAGAIN", syscall: "splice" });
    const waiting = ring.splice(pipe.readEnd, "current", to, 0, 10);
    const outcome = watch(waiting);
    await ring.timeout(10);
    expect(outcome.state).toBe("pending");
    pipe.write("later");
    expect(await waiting).toBe(5);
    expect(folder.text("to")).toBe("later");
  });

  test("takes slots of registered files on either side", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    using files = new FileTable(ring, { size: 8 });
    folder.write("from", "content");
    files.set(3, folder.open("from"));
    files.set(5, pipe.writeEnd);
    const move = (fdIn: number, fdOut: number, flags: number, o: object) =>
      ring.splice(fdIn, 0, fdOut, "current", 64, flags, o);
    expect(await move(3, 5, 0, { fixedFileIn: true, fixedFile: true })).toBe(7);
    expect(await move(3, pipe.writeEnd, 0, { fixedFileIn: true })).toBe(7);
    expect(await move(folder.open("from"), 5, 0, { fixedFile: true })).toBe(7);
    expect(await move(3, pipe.writeEnd, SPLICE_F.FD_IN_FIXED, {}), "the kernel's own flag").toBe(7);
    expect(pipe.read()).toBe("content".repeat(4));
    const errors = [move(4, 5, 0, { fixedFileIn: true, fixedFile: true }), move(3, 6, 0, { fixedFile: true })];
    expect((await failures(errors, UringError)).map(({ code }) => code)).toEqual(["EBADF", "EBADF"]);
  });

  test("rejects for two files, for an offset of a pipe, and for what is not open", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    const fd = folder.open("file", "r+");
    pipe.write("x");
    const rejected: [Promise<number>, string][] = [
      [ring.splice(fd, 0, fd, 10, 4), "EINVAL"],
      [ring.splice(pipe.readEnd, 0, fd, 0, 4), "ESPIPE"],
      [ring.splice(fd, 0, pipe.writeEnd, 3, 4), "ESPIPE"],
      [ring.splice(99_999, 0, pipe.writeEnd, "current", 4), "EBADF"],
      [ring.splice(fd, 0, 99_999, "current", 4), "EBADF"],
      [ring.splice(fd, 0, pipe.readEnd, "current", 4), "EBADF"],
      [ring.splice(fd, 0, pipe.writeEnd, "current", 4, 0x4000), "EINVAL"],
    ];
    const errors = await failures(rejected.map(([promise]) => promise), UringError);
    expect(errors.map(({ code }) => code)).toEqual(rejected.map(([, code]) => code));
    expect(errors[0]!.syscall).toBe("splice");
    expect(await ring.splice(fd, 0, pipe.writeEnd, "current", 0), "nothing is moved at once").toBe(0);
  });
});

describe("tee()", () => {
  test("copies, and leaves the bytes where they were", async () => {
    await using ring = new Ring();
    using from = new Pipe();
    using to = new Pipe();
    from.write("shared bytes");
    expect(await ring.tee(from.readEnd, to.writeEnd, 6)).toBe(6);
    expect(to.read()).toBe("shared");
    expect(from.read()).toBe("shared bytes");
    from.closeWriteEnd();
    expect(await ring.tee(from.readEnd, to.writeEnd, 6), "nobody writes any more").toBe(0);
  });

  test("takes slots of registered files", async () => {
    await using ring = new Ring();
    using from = new Pipe();
    using to = new Pipe();
    using files = new FileTable(ring, { size: 2 });
    files.update(0, [from.readEnd, to.writeEnd]);
    from.write("x");
    expect(await ring.tee(0, 1, 6, 0, { fixedFileIn: true, fixedFile: true })).toBe(1);
    expect(to.read()).toBe("x");
  });

  test("rejects for files, and for one pipe twice", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "content");
    pipe.write("x");
    const started = [ring.tee(folder.open("file"), pipe.writeEnd, 4), ring.tee(pipe.readEnd, pipe.writeEnd, 4)];
    for (const error of await failures(started, UringError)) {
      expect(error).toMatchObject({ code: "EINVAL", syscall: "tee" });
    }
    expect(await failure(ring.tee(pipe.readEnd, 99_999, 4), UringError)).toMatchObject({ code: "EBADF" });
  });
});

test("splice() and tee() that wait end by a signal, a time limit, cancel() and close()", async () => {
  const ring = new Ring();
  using folder = new TempFolder();
  using empty = new Pipe();
  using other = new Pipe();
  folder.write("to", "");
  const to = folder.open("to", "r+");
  for (
    const start of [
      (o?: object) => ring.splice(empty.readEnd, "current", to, 0, 10, 0, o),
      (o?: object) => ring.tee(empty.readEnd, other.writeEnd, 10, 0, o),
    ]
  ) {
    const controller = new AbortController();
    const signalled = start({ signal: controller.signal });
    const limited = failure(start({ timeout: 5 }), UringError);
    const cancelled = start();
    await ring.timeout(5);
    controller.abort("enough");
    await expect(signalled).rejects.toBe("enough");
    expect(await limited).toMatchObject({ code: "ETIME" });
    const rejection = failure(cancelled, UringError);
    expect(await ring.cancel(cancelled)).toBe(1);
    expect((await rejection).code).toMatch(/ECANCELED|EINTR/);
    expect(ring.stats.inFlight).toBe(0);
  }
  const closed = failure(ring.splice(empty.readEnd, "current", to, 0, 10), AbortError);
  await ring.timeout(5);
  await ring.close();
  await closed;
  empty.write("mine");
  expect(empty.read(), "nobody took it").toBe("mine");
});

test.each(["from", "to"])("cancel() finds it by the descriptor that it moves %s", async (end) => {
  await using ring = new Ring();
  using from = new Pipe();
  using to = new Pipe();
  const moved = failure(ring.splice(from.readEnd, "current", to.writeEnd, "current", 8), UringError);
  await ring.nop();
  expect(await ring.cancel({ fd: end === "from" ? from.readEnd : to.writeEnd })).toBe(1);
  expect(["ECANCELED", "EINTR"]).toContain((await moved).code);
});
