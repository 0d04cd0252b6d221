import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AT,
  FileTable,
  IORING_REGISTER_FILES_SKIP,
  IORING_SETUP,
  O,
  Ring,
  RingClosedError,
  type RingOptions,
  UringError,
} from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { resultOf } from "../support/completions.ts";
import { failure, thrown } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { descriptors, fdInfo } from "../support/process_state.ts";
import { MOD, runScript } from "../support/script.ts";

const FIXED = { fixedFile: true };

/** How many file slots the kernel says the ring has. */
function userFiles(ring: { readonly fd: number }): number {
  return Number(/^UserFiles:\s*(\d+)/m.exec(fdInfo(ring.fd))![1]);
}

/** The ends of a FIFO, by which the kernel shows that it holds the file: a read ends once nobody can write any more. */
class HeldPipe extends Pipe {
  /** Puts the end for writing into a slot, and closes the descriptor: the slot alone holds it. */
  moveInto(files: FileTable, slot: number, released?: (slot: number) => void): void {
    files.set(slot, this.writeEnd, released && { released });
    this.closeWriteEnd();
  }
}

describe("FileTable", () => {
  test("registers empty slots, fills them, and operations use the files", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("one", "first");
    folder.write("two", "second");
    using files = new FileTable(ring, { size: 8 });
    expect(files.size).toBe(8);
    expect(userFiles(ring)).toBe(8);
    files.set(0, folder.open("one"));
    files.set(7, folder.open("two", "r+"));
    const buffer = new Uint8Array(16);
    expect(await ring.read(0, buffer, 0, FIXED)).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("first");
    expect(await ring.write(7, new TextEncoder().encode("changed"), 0, FIXED)).toBe(7);
    expect(folder.text("two")).toBe("changed");
    expect(await ring.fsync(7, 0, FIXED)).toBe(0);
  });

  test("holds the file, not the descriptor", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(100));
    using files = new FileTable(ring, { size: 1 });
    const fd = await ring.openat(AT.FDCWD, folder.at("data"), O.RDONLY);
    files.set(0, fd);
    await ring.closeFd(fd);
    const buffer = new Uint8Array(100);
    expect(await ring.read(0, buffer, 0, FIXED)).toBe(100);
    expect(buffer).toEqual(pattern(100));
    expect(descriptors()).not.toContain(folder.at("data"));
  });

  test("update() changes several slots, empties and skips", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    for (const name of ["a", "b", "c"]) folder.write(name, name);
    using files = new FileTable(ring, { size: 5 });
    const [a, b, c] = ["a", "b", "c"].map((name) => folder.open(name));
    files.update(1, [a!, b!, c!]);
    files.update(1, Int32Array.of(IORING_REGISTER_FILES_SKIP, -1, a!));
    const read = async (slot: number) => {
      const buffer = new Uint8Array(1);
      await ring.read(slot, buffer, 0, FIXED);
      return String.fromCharCode(buffer[0]!);
    };
    expect(await read(1)).toBe("a");
    expect(await read(3)).toBe("a");
    expect((await failure(read(2), UringError)).code).toBe("EBADF");
    expect(folder.text("c")).toBe("c");
  });

  test("update() stops at a descriptor that is none, says which, and keeps those before it", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    using files = new FileTable(ring, { size: 4 });
    const fd = folder.open("data");
    const released: number[] = [];
    files.set(2, fd, { released: (slot) => released.push(slot) });
    const error = thrown(() => files.update(0, [fd, fd, 99_999, fd]), UringError);
    expect(error).toMatchObject({ code: "EBADF", syscall: "io_uring_register" });
    expect(error.message).toMatch(/fd 99999 for slot 2 is not open.*slots 0 to 1 are set/);
    expect(await ring.read(0, new Uint8Array(1), 0, FIXED)).toBe(1);
    expect(await ring.read(1, new Uint8Array(1), 0, FIXED)).toBe(1);
    expect((await failure(ring.read(3, new Uint8Array(1), 0, FIXED), UringError)).code).toBe("EBADF");
    while (released.length < 1) await ring.timeout(1);
    expect(released, "the slot was emptied before its new file was refused").toEqual([2]);
    expect(ring.stats.inFlight).toBe(0);
  });

  test("one table a ring: a second is a decoded EBUSY, a third after close() works", async () => {
    await using ring = new Ring();
    const first = new FileTable(ring, { size: 2 });
    const error = thrown(() => new FileTable(ring, { size: 2 }), UringError);
    expect(error).toMatchObject({ code: "EBUSY", syscall: "io_uring_register" });
    expect(error.message).toMatch(/already.*close\(\)/);
    first.close();
    expect(userFiles(ring)).toBe(0);
    using third = new FileTable(ring, { size: 3 });
    expect(userFiles(ring)).toBe(3);
    expect(third.closed).toBe(false);
  });

  test("more slots than the process may have files is a decoded EMFILE", () => {
    const script = `
      const { FileTable, Ring } = await import(${JSON.stringify(MOD)});
      const ring = new Ring();
      try { new FileTable(ring, { size: 5000 }); } catch (error) { console.log(error.code, error.message); }`;
    expect(runScript(script, "ulimit -n 1000")).toMatch(/^EMFILE EMFILE.*5000 slots.*ulimit -n/);
  });

  test("clear() empties slots", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    using files = new FileTable(ring, { size: 4 });
    const fd = folder.open("data");
    files.update(0, [fd, fd, fd, fd]);
    files.clear(1, 2);
    const codes = await Promise.all(
      [0, 1, 2, 3].map((slot) => ring.read(slot, new Uint8Array(1), 0, FIXED).catch((error) => error.code)),
    );
    expect(codes).toEqual([1, "EBADF", "EBADF", 1]);
  });

  test("lets go of files when it is closed", async () => {
    await using ring = new Ring();
    const pipe = new HeldPipe();
    const files = new FileTable(ring, { size: 1 });
    pipe.moveInto(files, 0);
    const read = ring.read(pipe.readEnd, new Uint8Array(1));
    await ring.nop();
    expect(ring.stats.inFlight, "somebody can write still").toBe(1);
    files.close();
    expect(await read).toBe(0);
    pipe[Symbol.dispose]();
  });

  test("what was asked for in the turn still finds its file", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(8));
    using files = new FileTable(ring, { size: 1 });
    files.set(0, folder.open("data"));
    const read = ring.read(0, new Uint8Array(8), 0, FIXED);
    files.clear(0);
    expect(await read).toBe(8);
    files.set(0, folder.open("data"));
    const again = ring.read(0, new Uint8Array(8), 0, FIXED);
    files.close();
    expect(await again).toBe(8);
  });
});

describe("allocation of slots", () => {
  test.skipIf(!hasOp("SEND_ZC"))("stays in the range that was given", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    using files = new FileTable(ring, { size: 8, alloc: [5, 2] });
    const open = () => ring.openat(AT.FDCWD, folder.at("data"), O.RDONLY, 0, { slot: "alloc" });
    expect([await open(), await open()].sort()).toEqual([5, 6]);
    expect((await failure(open(), UringError)).code).toBe("ENFILE");
    files.allocRange(0, 1);
    expect(await open()).toBe(0);
    expect(await ring.read(0, new Uint8Array(1), 0, FIXED)).toBe(1);
    files.clear(0);
    expect(await open()).toBe(0);
    expect(descriptors(), "no descriptor was made").not.toContain(folder.at("data"));
  });

  test("a direct open into a slot puts the file there", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", pattern(9));
    using _files = new FileTable(ring, { size: 4 });
    await ring.openat(AT.FDCWD, folder.at("data"), O.RDONLY, 0, { slot: 2 });
    expect(await ring.read(2, new Uint8Array(16), 0, FIXED)).toBe(9);
  });
});

describe("released", () => {
  test("is called when a slot is cleared, and the kernel holds the file no more", async () => {
    await using ring = new Ring();
    const pipe = new HeldPipe();
    using files = new FileTable(ring, { size: 4 });
    const released = new Promise<number>((resolve) => pipe.moveInto(files, 2, resolve));
    files.clear(2);
    expect(await released).toBe(2);
    expect(await ring.read(pipe.readEnd, new Uint8Array(1)), "nobody can write any more").toBe(0);
    expect(ring.stats.inFlight).toBe(0);
    pipe[Symbol.dispose]();
  });

  test("waits for operations that use the file", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    using files = new FileTable(ring, { size: 1 });
    const order: string[] = [];
    const released = new Promise<void>((resolve) => {
      files.set(0, pipe.readEnd, { released: () => resolve(void order.push("released")) });
    });
    const read = ring.read(0, new Uint8Array(8), undefined, FIXED).then(() => order.push("read"));
    await ring.nop();
    files.clear(0);
    for (let i = 0; i < 10; i++) await ring.timeout(1);
    expect(order).toEqual([]);
    pipe.write("now");
    await Promise.all([read, released]);
    expect(order.sort()).toEqual(["read", "released"]);
  });

  test("is called for each file that another takes the place of, in its own slot", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = folder.open("data");
    using files = new FileTable(ring, { size: 4 });
    const released: string[] = [];
    files.update(0, [fd, fd, -1, fd], { released: (slot) => released.push(`first ${slot}`) });
    files.set(1, fd, { released: (slot) => released.push(`second ${slot}`) });
    files.update(0, [fd, IORING_REGISTER_FILES_SKIP, fd, fd]);
    while (released.length < 3) await ring.timeout(1);
    expect(released.sort()).toEqual(["first 0", "first 1", "first 3"]);
    files.clear(1);
    while (released.length < 4) await ring.timeout(1);
    expect(released.at(-1)).toBe("second 1");
  });

  test("is called when the table is closed", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = folder.open("data");
    const files = new FileTable(ring, { size: 3 });
    const released: number[] = [];
    files.update(0, [fd, fd, fd], { released: (slot) => released.push(slot) });
    files.close();
    while (released.length < 3) await ring.timeout(1);
    expect(released.sort()).toEqual([0, 1, 2]);
    expect(userFiles(ring)).toBe(0);
  });

  test("is called when an operation closes the slot, or opens another file into it", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = folder.open("data");
    using files = new FileTable(ring, { size: 3 });
    const released: number[] = [];
    files.update(0, [fd, fd], { released: (slot) => released.push(slot) });
    await ring.openat(AT.FDCWD, folder.at("data"), O.RDONLY, 0, { slot: 0 });
    while (released.length < 1) await ring.timeout(1);
    expect(released).toEqual([0]);
    expect(ring.stats.inFlight).toBe(0);
    files.clear(0);
    files.clear(1);
    while (released.length < 2) await ring.timeout(1);
    await ring.timeout(1);
    expect(released).toEqual([0, 1]);
    expect(ring.stats.inFlight).toBe(0);
  });

  const KINDS: [string, RingOptions][] = [
    ["cqe32", { cqe32: true }],
    ["sqpoll", { sqpoll: { idle: 5 } }],
    ["coopTaskrun", { coopTaskrun: true, taskrunFlag: true }],
    ["no preference", { singleIssuer: false }],
    ["iopoll", { iopoll: true }],
    ["IORING_SETUP.CQE_MIXED", { flags: IORING_SETUP.CQE_MIXED }],
  ];
  test.each(KINDS)("is called on a ring of another kind: %s", async (_, options) => {
    let ring: Ring;
    try {
      ring = new Ring(options);
    } catch (error) {
      return expect(error, "this kernel has none").toMatchObject({ code: "EINVAL" });
    }
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = folder.open("data");
    const files = new FileTable(ring, { size: 2 });
    let left = 4;
    const released = new Promise<void>((resolve) => {
      const one = () => --left === 0 && resolve();
      files.update(0, [fd, fd], { released: one });
      files.update(0, [fd, fd], { released: one });
      files.clear(0, 2);
    });
    await released;
    expect(ring.stats.inFlight).toBe(0);
    await ring.close();
  });

  test("may do anything: what it throws is uncaught, what it asks for works", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    const fd = folder.open("data");
    using files = new FileTable(ring, { size: 1 });
    const rounds = await new Promise<number>((resolve, reject) => {
      let count = 0;
      const again = () => {
        if (++count === 3) return resolve(count);
        try {
          files.set(0, fd, { released: again });
          files.clear(0);
        } catch (error) {
          reject(error);
        }
      };
      again();
    });
    expect(rounds).toBe(3);
  });

  test("a file that was refused is never told of, and its tag is used again", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("data", "x");
    using files = new FileTable(ring, { size: 2 });
    let wrong = 0;
    for (let i = 0; i < 50; i++) thrown(() => files.set(0, 99_999, { released: () => wrong++ }), UringError);
    let right = 0;
    files.set(0, folder.open("data"), { released: () => right++ });
    files.clear(0);
    while (right === 0) await ring.timeout(1);
    expect(wrong).toBe(0);
  });

  test("a tagged file keeps neither a ring that closes nor a process that ends", () => {
    const script = `
      import { openSync } from "node:fs";
      const { FileTable, Ring } = await import(${JSON.stringify(MOD)});
      for (const close of [true, false]) {
        const ring = new Ring();
        const files = new FileTable(ring, { size: 2 });
        files.set(0, openSync("/dev/null", "r"), { released: () => console.log("released") });
        await ring.nop();
        if (close) await ring.close();
      }
      console.log("end");`;
    expect(runScript(script)).toBe("end");
  });

  test("a process with a file on its way out ends once it is told", () => {
    const script = `
      import { openSync } from "node:fs";
      const { FileTable, Ring } = await import(${JSON.stringify(MOD)});
      const ring = new Ring();
      const files = new FileTable(ring, { size: 2 });
      files.set(0, openSync("/dev/null", "r"), { released: (slot) => console.log("released", slot) });
      files.clear(0);`;
    expect(runScript(script)).toBe("released 0");
  });

  test("a ring that may not change its table has nothing on its way out, and closes at once", async () => {
    const ring = new Ring({ disabled: true, closeTimeout: 60_000 });
    using pipe = new Pipe();
    const files = new FileTable(ring, { size: 2 });
    files.set(0, pipe.readEnd, { released() {} });
    ring.restrict({ registerOps: [] });
    ring.enable();
    for (const change of [() => files.clear(0), () => files.set(0, pipe.readEnd), () => files.close()]) {
      expect(thrown(change, UringError).code).toBe("EACCES");
    }
    expect(thrown(() => files.close(), UringError).code, "it is registered still").toBe("EACCES");
    await ring.close();
    files.close();
  });

  test("close() of the ring waits for what is on its way out", async () => {
    const ring = new Ring();
    using pipe = new Pipe();
    const files = new FileTable(ring, { size: 1 });
    let released = false;
    files.set(0, pipe.readEnd, { released: () => released = true });
    const read = ring.read(0, new Uint8Array(8), undefined, FIXED);
    read.catch(() => {});
    await ring.nop();
    files.clear(0);
    await ring.close();
    expect((await failure(read, Error)).name).toBe("AbortError");
    await Promise.resolve();
    expect(released).toBe(true);
  });
});

describe("wrong input to a FileTable throws at once", () => {
  test("of the constructor", async () => {
    await using ring = new Ring();
    for (const size of [0, -1, (1 << 20) + 1]) {
      expect(thrown(() => new FileTable(ring, { size }), RangeError).message).toMatch(/size.*1 to 1048576/);
    }
    thrown(() => new FileTable(ring, { size: 1.5 }), TypeError);
    thrown(() => new FileTable(ring, null as never), TypeError);
    expect(thrown(() => new FileTable({} as never, { size: 1 }), TypeError).message).toMatch("ring must be a Ring");
    expect(thrown(() => new FileTable(ring, { size: 4, alloc: [3, 2] }), RangeError).message).toMatch("0 to 3");
    thrown(() => new FileTable(ring, { size: 4, alloc: [5, 0] }), RangeError);
    thrown(() => new FileTable(ring, { size: 4, alloc: 3 as never }), TypeError);
    expect(userFiles(ring), "nothing was registered").toBe(0);
  });

  test("of its methods, naming the valid range", async () => {
    await using ring = new Ring();
    using files = new FileTable(ring, { size: 4 });
    expect(thrown(() => files.set(4, 0), RangeError).message).toMatch(/slot must be from 0 to 3, not 4/);
    expect(thrown(() => files.update(2, [0, 0, 0]), RangeError).message).toMatch(/slots 2 to 4.*0 to 3/);
    expect(thrown(() => files.clear(3, 2), RangeError).message).toMatch(/0 to 3/);
    thrown(() => files.set(-1, 0), RangeError);
    thrown(() => files.set(0, -1), RangeError);
    thrown(() => files.update(0, []), RangeError);
    thrown(() => files.update(0, [-3]), RangeError);
    thrown(() => files.update(0, "12" as never), TypeError);
    thrown(() => files.set(0, 0, { released: 1 as never }), TypeError);
    thrown(() => files.allocRange(0, 5), RangeError);
    expect(thrown(() => structuredClone(files), Error).name, "it belongs to its thread").toBe("DataCloneError");
  });

  test("after close() of the table, or of the ring", async () => {
    const ring = new Ring();
    const files = new FileTable(ring, { size: 4 });
    files.close();
    files.close();
    expect(files.closed).toBe(true);
    expect(thrown(() => files.set(0, 0), TypeError).message).toMatch("closed");
    const second = new FileTable(ring, { size: 4 });
    await ring.close();
    expect(second.closed).toBe(true);
    thrown(() => second.set(0, 0), RingClosedError);
    thrown(() => new FileTable(ring, { size: 4 }), RingClosedError);
    second.close();
  });
});

test("a table that is closed while an operation uses it does not hold the thread up", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  const files = new FileTable(ring, { size: 2 });
  files.set(1, pipe.readEnd);
  const read = ring.read(1, new Uint8Array(8), undefined, FIXED);
  await ring.nop();
  files.close();
  pipe.write("after all");
  expect(await read).toBe(8);
  using again = new FileTable(ring, { size: 4 });
  again.set(3, pipe.readEnd);
  expect(await ring.read(3, new Uint8Array(8), undefined, FIXED)).toBe(1);
});

test("RawRing registers files through register(), and opens into a slot", () => {
  const ring = new RawRing();
  using folder = new TempFolder();
  folder.write("data", pattern(5));
  const slots = Int32Array.of(-1, -1);
  expect(ring.register(2, slots, 2), "IORING_REGISTER_FILES").toBe(0);
  expect(resultOf(ring, (ring) => ring.prepOpenatDirect(1, AT.FDCWD, folder.at("data"), O.RDONLY, 0, 1))).toBe(0);
  const buffer = new Uint8Array(8);
  const read = resultOf(ring, (ring) => {
    const prepared = ring.prepRead(2, 1, buffer, 8, 0);
    ring.sqe().setUint8(1, 1); // IOSQE_FIXED_FILE
    return prepared;
  });
  expect(read).toBe(5);
  expect(readFileSync(`/proc/self/fdinfo/${ring.fd}`, "utf8")).toMatch(/UserFiles:\s*2/);
  ring.close();
});

test("a file on its way out is no operation that submitAndWait() waits for", async () => {
  await using ring = new Ring();
  using pipe = new Pipe();
  using files = new FileTable(ring, { size: 1 });
  const released = new Promise<number>((resolve) => files.set(0, pipe.readEnd, { released: resolve }));
  files.clear(0);
  const read = ring.read(pipe.readEnd, new Uint8Array(4));
  expect(ring.stats.inFlight).toBe(1);
  expect(thrown(() => ring.submitAndWait(2), RangeError).message).toMatch(/^count 2 is more than the 1 operations/);
  pipe.write("x");
  expect(ring.submitAndWait(1)).toBe(1);
  expect(await read).toBe(1);
  expect(await released).toBe(0);
});
