import { execFileSync } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { AT, FALLOC_FL, IOSQE, O, Ring, UringError } from "../../mod.ts";
import { failure } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { MOD, runScript } from "../support/script.ts";

const IS_ROOT = process.getuid?.() === 0;

/** Runs a script that prints JSON, with `ulimit` as it says. */
function limited(limits: string, script: string): unknown {
  const start = `
    import process from "node:process";
    const { AF, AT, BufferPool, O, Ring, SOCK } = await import(${JSON.stringify(MOD)});
    const codeOf = (promise) => promise.then(() => "ok", (error) => error.code);
    const until = async (done) => { for (let i = 0; i < 1000 && !done(); i++) await new Promise((r) => setTimeout(r, 5)); };
  `;
  return JSON.parse(runScript(start + script, limits));
}

describe("no descriptor left", () => {
  test("is EMFILE for opens, alone or in a chain; they go on once some are closed", () => {
    const result = limited(
      "ulimit -n 100",
      `
      const ring = new Ring();
      await ring.nop();
      const fds = [];
      const open = (o) => ring.openat(AT.FDCWD, "/proc/self/status", O.RDONLY, 0, o);
      let refused = [];
      for (let i = 0; i < 30; i++) {
        const opened = await Promise.allSettled(Array.from({ length: 10 }, () => open()));
        for (const { value, reason } of opened) value === undefined ? refused.push(reason.code) : fds.push(value);
      }
      const message = await open().catch((error) => error.message);
      const chain = await Promise.all(ring.link((ring) => [codeOf(open()), codeOf(ring.nop())]));
      const codes = [...new Set(refused)];
      const some = fds.splice(0, 20);
      await Promise.all(some.map((fd) => ring.closeFd(fd)));
      const again = await Promise.all(some.map(() => codeOf(open())));
      console.log(JSON.stringify([fds.length > 20, codes, /ulimit -n|open files/.test(message), chain, [...new Set(again)]]));
      process.exit(0);
      `,
    );
    expect(result).toEqual([true, ["EMFILE"], true, ["EMFILE", "ECANCELED"], ["ok"]]);
  });

  test.skipIf(!hasOp("SOCKET"))(
    "is EMFILE for accepts: a connection waits until there is one again, and is whole then",
    () => {
      const result = limited(
        "ulimit -n 100",
        `
      const ring = new Ring();
      const listener = await ring.socket(AF.UNIX, SOCK.STREAM);
      const address = { path: "\\0pressure " + process.pid };
      await ring.bind(listener, address);
      await ring.listen(listener, 16);
      const client = await ring.socket(AF.UNIX, SOCK.STREAM);
      await ring.connect(client, address);
      const fillers = [];
      while (true) {
        const fd = await ring.openat(AT.FDCWD, "/", O.RDONLY).catch(() => -1);
        if (fd < 0) break;
        fillers.push(fd);
      }
      const refused = [await codeOf(ring.accept(listener)), await codeOf(ring.acceptMultishot(listener).next())];
      await ring.closeFd(fillers.pop());
      const server = await ring.accept(listener);
      await ring.send(client, new TextEncoder().encode("whole"));
      const buffer = new Uint8Array(8);
      const length = await ring.recv(server, buffer);
      console.log(JSON.stringify([refused, new TextDecoder().decode(buffer.subarray(0, length))]));
      process.exit(0);
      `,
      );
      expect(result).toEqual([["EMFILE", "EMFILE"], "whole"]);
    },
  );

  test("is EMFILE for rings, which leave nothing behind; closing one makes room for another", () => {
    const result = limited(
      "ulimit -n 100",
      `
      const rings = [];
      let error;
      while (error === undefined) {
        try {
          rings.push(new Ring({ entries: 2 }));
        } catch (e) {
          error = e;
        }
      }
      const count = rings.length;
      for (let i = 0; i < 50; i++) {
        try {
          rings.push(new Ring({ entries: 2 }));
        } catch {}
      }
      const leaked = rings.length - count;
      for (const ring of rings.splice(0, 5)) await ring.close();
      let opened = 0;
      for (let i = 0; i < 100 && opened === 0; i++) {
        try {
          rings.push(new Ring({ entries: 2 }));
          opened++;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
      const works = await rings.at(-1).nop();
      console.log(JSON.stringify([error.code, /open files|ulimit/.test(error.message), count > 5, leaked, opened, works]));
      process.exit(0);
      `,
    );
    expect(result).toEqual(["EMFILE", true, true, 0, 1, 0]);
  });
});

describe.skipIf(!IS_ROOT)("no memory left to lock", () => {
  test("is ENOMEM for registered buffers that says so; smaller ones fit, and again after they were closed", () => {
    const result = limited(
      "ulimit -l 256",
      `
      // Without root's privileges: they lift the limit.
      process.seteuid(65534);
      const ring = new Ring({ entries: 8 });
      let error;
      try {
        new BufferPool({ ring, size: 1 << 20, count: 4 });
      } catch (e) {
        error = e;
      }
      const tries = [];
      for (let i = 0; i < 5; i++) {
        let pool;
        // The kernel gives locked pages back a little later.
        await until(() => {
          try {
            pool = new BufferPool({ ring, size: 40960, count: 4 });
          } catch {}
          return pool !== undefined;
        });
        const file = await ring.openat(AT.FDCWD, "/tmp", O.TMPFILE | O.RDWR, 0o600);
        await ring.writeFixed(file, pool.acquire().fill(i).subarray(0, 100), 0);
        const buffer = new Uint8Array(200);
        tries.push([await ring.read(file, buffer, 0), buffer[99]]);
        pool.close();
        await ring.closeFd(file);
      }
      console.log(JSON.stringify([error?.code, /ulimit -l|locked/.test(error?.message ?? ""), tries]));
      process.exit(0);
      `,
    );
    expect(result).toEqual(["ENOMEM", true, [0, 1, 2, 3, 4].map((i) => [100, i])]);
  });
});

/** A file system of a megabyte, as long as the test takes; undefined where nobody lets us mount one. */
function smallFileSystem(folder: TempFolder): ({ path: string } & Disposable) | undefined {
  const path = folder.path;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { path, [Symbol.dispose]: () => void execFileSync("umount", [path]) };
}

describe.skipIf(!IS_ROOT)("a file system that is full", () => {
  test("is ENOSPC, after a write that falls short; what is freed can be written", async ({ skip }) => {
    using folder = new TempFolder();
    using small = smallFileSystem(folder);
    if (small === undefined) return skip("may not mount here");
    await using ring = new Ring();
    const fd = await ring.openat(AT.FDCWD, `${small.path}/file`, O.RDWR | O.CREAT, 0o600);
    const chunk = new Uint8Array(100_000).fill(7);
    let written = 0;
    const lengths: number[] = [];
    let error: UringError | undefined;
    while (error === undefined) {
      const result = await ring.write(fd, chunk, written).catch((error: UringError) => error);
      if (typeof result === "number") {
        written += result;
        lengths.push(result);
      } else error = result;
    }
    expect(error.code).toBe("ENOSPC");
    expect(written).toBeGreaterThan(900_000);
    expect(written).toBeLessThanOrEqual(1 << 20);
    expect(lengths.slice(0, -1).every((length) => length === chunk.length)).toBe(true);
    expect(lengths.at(-1), "the last one fell short").toBeLessThan(chunk.length);
    expect((await failure(ring.fallocate(fd, 0, written, 1 << 20), UringError)).code).toBe("ENOSPC");
    expect((await failure(ring.write(fd, chunk, written, { flags: IOSQE.ASYNC }), UringError)).code).toBe("ENOSPC");
    const names = await ring.openat(AT.FDCWD, `${small.path}/other`, O.WRONLY | O.CREAT, 0o600);
    expect((await failure(ring.writev(names, [chunk, chunk], 0), UringError)).code).toBe("ENOSPC");
    await ring.closeFd(names);

    // A chain ends there: what comes after durable data must not be done without them.
    const [short, synced] = ring.link((ring) => [
      ring.write(fd, chunk, written).catch((error: UringError) => error.code),
      ring.fsync(fd).catch((error: UringError) => error.code),
    ]);
    expect([await short, await synced]).toEqual(["ENOSPC", "ECANCELED"]);

    await ring.fallocate(fd, FALLOC_FL.PUNCH_HOLE | FALLOC_FL.KEEP_SIZE, 0, 200_704);
    expect(await ring.write(fd, chunk, 0)).toBe(chunk.length);
    const all = new Uint8Array(written);
    expect(await ring.read(fd, all, 0)).toBe(written);
    expect(all.subarray(0, chunk.length).every((byte) => byte === 7)).toBe(true);
    expect(all.subarray(200_704).every((byte) => byte === 7)).toBe(true);
    await ring.closeFd(fd);
  });

  test("lets many writes at once fail or succeed each for itself", async ({ skip }) => {
    using folder = new TempFolder();
    using small = smallFileSystem(folder);
    if (small === undefined) return skip("may not mount here");
    await using ring = new Ring();
    const block = new Uint8Array(8192).fill(1);
    const fd = await ring.openat(AT.FDCWD, `${small.path}/file`, O.RDWR | O.CREAT, 0o600);
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => ring.write(fd, block, i * 8192).catch((error: UringError) => error.code)),
    );
    const whole = results.filter((result) => result === 8192).length;
    expect(whole).toBeGreaterThan(100);
    expect(whole).toBeLessThanOrEqual(128);
    expect(results.filter((result) => result === "ENOSPC").length).toBeGreaterThan(150);
    for (const [i, result] of results.entries()) {
      if (result !== 8192) continue;
      const buffer = new Uint8Array(8192);
      expect(await ring.read(fd, buffer, i * 8192)).toBe(8192);
      expect(buffer.every((byte) => byte === 1)).toBe(true);
    }
    await ring.closeFd(fd);
  });
});
