import { describe, expect, test } from "vitest";
import {
  AbortError,
  AT,
  type ErrorContext,
  IORING_OP,
  IORING_SETUP,
  O,
  Ring,
  RingClosedError,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { ERRNO } from "../../src/abi/errno.ts";
import { MOD, runScript } from "../support/script.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasSetup } from "../support/kernel.ts";

describe("UringError", () => {
  test("is shaped as Node's system errors", async () => {
    await using ring = new Ring();
    const error = await failure(ring.openat(AT.FDCWD, "/nowhere/at all", O.RDONLY), UringError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "UringError",
      code: "ENOENT",
      errno: -2,
      syscall: "openat",
      path: "/nowhere/at all",
      message: "ENOENT: no such file or directory, openat '/nowhere/at all'",
    });
    expect("fd" in error && error.fd !== undefined).toBe(false);
    expect("dest" in error && error.dest !== undefined).toBe(false);
    expect(String(error)).toBe("UringError: ENOENT: no such file or directory, openat '/nowhere/at all'");
    expect(error.stack).toMatch("ENOENT");
  });

  test("names what was used: descriptor, path, second path", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const dirfd = folder.open(".");
    const byFd = await failure(ring.fsync(99_999), UringError);
    expect(byFd).toMatchObject({ fd: 99_999, syscall: "fsync" });
    expect(byFd.path).toBeUndefined();
    const byPath = await failure(ring.unlinkat(dirfd, "none"), UringError);
    expect(byPath).toMatchObject({ fd: dirfd, path: "none", syscall: "unlinkat" });
    const byTwo = await failure(ring.renameat(dirfd, "none", AT.FDCWD, "/other"), UringError);
    expect(byTwo).toMatchObject({ path: "none", dest: "/other" });
    expect(byTwo.message).toMatch("'none' -> '/other'");
  });

  test("takes an errno of either sign, one that has no name, and a text of its own", () => {
    expect(new UringError(2, "read")).toMatchObject({ errno: -2, code: "ENOENT" });
    expect(new UringError(-2, "read")).toMatchObject({ errno: -2, code: "ENOENT" });
    const unknown = new UringError(-4000, "read", { fd: 3 });
    expect(unknown.errno).toBe(-4000);
    expect(unknown.code).toMatch(/4000/);
    expect(unknown.message).toMatch(/read fd=3$/);
    expect(new UringError(-5, "read", { detail: "the disk is on fire" }).message).toBe(
      "EIO: the disk is on fire, read",
    );
  });

  const message = (errno: number, syscall: string, context: ErrorContext = {}) =>
    new UringError(errno, syscall, context).message;

  test("says which of several causes it was", () => {
    expect(message(-9, "read", { fd: 7 })).toMatch("fd 7 is not open, or not for reading");
    expect(message(-9, "writev", { fd: 7 })).toMatch("fd 7 is not open, or not for writing");
    expect(message(-9, "fsync", { fd: 7 })).toMatch("fd 7 is not open, fsync");
    expect(message(-14, "read_fixed", { fd: 7, bufferIndex: 3 })).toMatch("registered buffer 3 does not exist");
    expect(message(-14, "read", { fd: 7 })).toMatch("the buffer is not memory of this process");
    expect(message(-22, "write", { fd: 7 })).toMatch("O_DIRECT");
    expect(message(-22, "write", { fd: 7, iopoll: true })).toMatch("a ring with iopoll");
    expect(message(-95, "fallocate", { fd: 7 })).toMatch("the file system can't do this mode");
  });

  test("tells an exhausted buffer group from one that does not exist", () => {
    expect(message(-105, "recv", { fd: 7, group: 7, groupKnown: true })).toMatch(
      /^ENOBUFS: buffer group 7 is exhausted, recv fd=7; give buffers back sooner/,
    );
    expect(message(-105, "recv", { group: 7, groupKnown: false })).toMatch(
      /^ENOBUFS: there is no buffer group 7, recv; /,
    );
    expect(message(-105, "recv", { group: 7 })).toMatch("there is no buffer group 7, or it has no buffer left");
  });

  test("tells an empty slot of the registered files from an op that takes none", () => {
    expect(message(-9, "read", { fd: 3, fixedFile: true })).toMatch(
      /^EBADF: slot 3 of the registered files is empty or out of range, read slot=3; /,
    );
    expect(message(-9, "futex_wait", { fixedFile: true })).toMatch(
      "FUTEX_WAIT takes no registered file, futex_wait; leave fixedFile",
    );
  });

  test("ends with what to do, and has it as a property, unless the errno says it all", () => {
    const refused = new UringError(-111, "connect", { fd: 5 });
    expect(refused.message).toBe("ECONNREFUSED: nobody listens there, connect fd=5; check address and port");
    expect(refused.fix).toBe("check address and port");
    const absent = new UringError(-2, "openat", { path: "/nowhere" });
    expect(absent.message).toBe("ENOENT: no such file or directory, openat '/nowhere'");
    expect(absent.fix).toBeUndefined();
    expect(new UringError(-5, "read", { detail: "the disk is on fire" }).fix).toBeUndefined();
  });

  test("knows the causes of io_uring_register, too", () => {
    expect(message(-16, "io_uring_register", { register: "REGISTER_BUFFERS" })).toBe(
      "EBUSY: one is registered already, io_uring_register; unregister it first",
    );
    expect(message(-22, "io_uring_register", { register: "IORING_REGISTER_CLOCK" })).toMatch("no such clock");
    expect(message(-16, "io_uring_register")).toBe("EBUSY: device or resource busy, io_uring_register");
  });

  test("has a message for each op and errno, without a blank left unfilled", () => {
    for (const op of Object.keys(IORING_OP)) {
      for (const errno of Object.values(ERRNO)) {
        for (const context of [{}, { fd: 3, fixedFile: true, iopoll: true }, { fd: 3, path: "/x", dest: "/y" }]) {
          expect(message(-errno, op.toLowerCase(), context)).not.toMatch(/[[\]{}?|]|undefined| {2}/);
        }
      }
    }
  });
});

describe("the other errors", () => {
  test("RingClosedError says what to do", async () => {
    const ring = new Ring();
    await ring.close();
    const error = thrown(() => ring.nop(), RingClosedError);
    expect(error).toMatchObject({ name: "RingClosedError", code: "ERR_RING_CLOSED" });
    expect(error.message).toBe("nop: this ring is closed; open another with new Ring(), or use Ring.default()");
  });

  test("AbortError has the name and code of Node's", () => {
    expect(new AbortError("read was cancelled")).toMatchObject({
      name: "AbortError",
      code: "ABORT_ERR",
      message: "read was cancelled",
    });
  });

  test("UnsupportedError names what is lacking, what it needs, and the kernel", () => {
    const error = new UnsupportedError("FTRUNCATE", "Linux 6.9", "6.1.0");
    expect(error).toMatchObject({
      name: "UnsupportedError",
      code: "ERR_UNSUPPORTED",
      feature: "FTRUNCATE",
      needs: "Linux 6.9",
      kernel: "6.1.0",
    });
    expect(error.message).toBe("FTRUNCATE is not available here: it needs Linux 6.9; this is Linux 6.1.0");
  });
});

describe("too many open files", () => {
  /** Takes every descriptor that is left, and a function that gives them back. */
  const EXHAUST = `
    import { openSync, closeSync } from "node:fs";
    function exhaust() {
      const taken = [];
      try { while (true) taken.push(openSync("/dev/null", "r")); } catch {}
      return () => taken.forEach((fd) => closeSync(fd));
    }`;

  // Older kernels' rings are ready to sleep when they are opened.
  test.skipIf(!hasSetup(IORING_SETUP.SUBMIT_ALL))(
    "when the ring first has to sleep: it looks from time to time instead, until there is one for its waker",
    () => {
      const script = `${EXHAUST}
      const { Ring } = await import(${JSON.stringify(MOD)});
      const ring = Ring.default();
      await ring.nop();
      const giveBack = exhaust();
      const outcomes = await Promise.all([ring.timeout(20), ring.timeout(30), ring.nop()]);
      const { wakeups } = ring.stats;
      giveBack();
      outcomes.push(await ring.timeout(20), await ring.timeout(20));
      console.log(JSON.stringify({ outcomes, wakeups, woken: ring.stats.wakeups > 0 }));`;
      expect(JSON.parse(runScript(script, "ulimit -n 100"))).toEqual({
        outcomes: [0, 0, 0, 0, 0],
        wakeups: 0,
        woken: true,
      });
    },
  );

  test("as the library is loaded: it says so, and loads when there are some", () => {
    const script = `${EXHAUST}
      const { Ring } = await import(${JSON.stringify(MOD)});
      const giveBack = exhaust();
      const { ok, fix } = Ring.supported();
      giveBack();
      const later = Ring.supported();
      const nop = await Ring.default().nop();
      console.log(JSON.stringify({ ok, fix, later: later.ok, nop }));`;
    expect(JSON.parse(runScript(script, "ulimit -n 100"))).toEqual({
      ok: false,
      fix: expect.stringContaining("ulimit -n"),
      later: true,
      nop: 0,
    });
  });
});
