import { execFileSync } from "node:child_process";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { AT, IORING_REGISTER, O, POLL, Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { runChild } from "../support/child.ts";
import { thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";
import { MOD } from "../support/script.ts";

/** Options that collect lines, without the ring's name in front. */
function collecting(): { lines: string[]; trace: (line: string) => void } {
  const lines: string[] = [];
  return { lines, trace: (line) => lines.push(line.replace(/^uring \d+: /, "")) };
}

describe("trace: a function", () => {
  test("is told of each submission and completion in words, with one number for both", async () => {
    const { lines, trace } = collecting();
    const ring = new Ring({ trace });
    using folder = new TempFolder();
    const fd = folder.open("file", O.CREAT | O.RDWR);
    const done = Promise.all([ring.write(fd, new Uint8Array(100), 0), ring.nop()]);
    await done;
    await ring.read(9999, new Uint8Array(4096), 0).catch(() => {});
    await ring.openat(AT.FDCWD, "/nowhere", O.RDONLY).catch(() => {});
    await ring.close();
    expect(lines[0]).toMatch(/^open entries=256 cq_entries=512 flags=\S*CLAMP/);
    expect(lines.slice(1, 3)).toEqual([`#1 WRITE fd=${fd} len=100 offset=0`, "#2 NOP"]);
    expect(lines.slice(3, 5).sort()).toEqual([`#1 WRITE fd=${fd} len=100 offset=0 → 100`, "#2 NOP → 0"]);
    expect(lines.slice(5)).toEqual([
      "#3 READ fd=9999 len=4096 offset=0",
      "#3 READ fd=9999 len=4096 offset=0 → EBADF: fd 9999 is not open, or not for reading",
      '#4 OPENAT path="/nowhere" open_flags=CLOEXEC',
      '#4 OPENAT path="/nowhere" open_flags=CLOEXEC → ENOENT: no such file or directory: /nowhere',
      "close",
    ]);
  });

  test("names a RawRing's operations by their user data, with memory held or not", () => {
    const { lines, trace } = collecting();
    const ring = new RawRing({ trace, entries: 8 });
    ring.prepNop(42);
    ring.prepRead(2 ** 40, 9999, new Uint8Array(10), 10, 0);
    ring.prepNop(42);
    ring.submitAndWait(3);
    ring.forEachCqe(() => {});
    ring.close();
    const read = "user_data=1099511627776 READ fd=9999 len=10 offset=0";
    expect(lines.slice(1, 4)).toEqual(["#1 user_data=42 NOP", `#2 ${read}`, "#3 user_data=42 NOP"]);
    expect(lines.slice(4, 7).sort()).toEqual([
      "#1 user_data=42 NOP → 0",
      `#2 ${read} → EBADF: fd 9999 is not open, or not for reading`,
      "#3 user_data=42 NOP → 0",
    ]);
  });

  test("hears of every completion of an operation that has many", () => {
    const { lines, trace } = collecting();
    using pipe = new Pipe();
    using ring = new RawRing({ trace, entries: 8 });
    ring.prepPollMultishot(7, pipe.readEnd, POLL.IN);
    ring.submit();
    for (let i = 0; i < 2; i++) {
      pipe.write("x");
      ring.submitAndWait(1);
      ring.forEachCqe(() => {});
    }
    ring.prepPollRemove(8, 7);
    ring.submitAndWait(2);
    ring.forEachCqe(() => {});
    const poll = lines.filter((line) => line.includes("POLL_ADD") && line.includes("→"));
    expect(poll.length).toBe(3);
    for (const line of poll.slice(0, 2)) expect(line).toMatch(/^#1 user_data=7 POLL_ADD .* → IN flags=MORE$/);
    expect(poll[2]).toMatch(/^#1 user_data=7 POLL_ADD .* → ECANCELED/);
  });

  test("hears of register calls, and of what is in flight when the ring is closed", () => {
    const { lines, trace } = collecting();
    using pipe = new Pipe();
    const ring = new RawRing({ trace, entries: 8 });
    ring.prepRead(1, pipe.readEnd, new Uint8Array(1), 1, -1);
    ring.submit();
    expect(ring.register(IORING_REGISTER.UNREGISTER_FILES, null, 0)).toBe(-6);
    ring.close();
    expect(lines.slice(2)).toEqual([
      "register UNREGISTER_FILES count=0 → ENXIO: nothing is registered",
      "close, with #1 in flight",
    ]);
  });

  test("may stage operations, but not wait for the ring that it hears of", async () => {
    const errors: unknown[] = [];
    let staged: Promise<number> | undefined;
    const ring: Ring = new Ring({
      trace: (line) => {
        if (!line.includes("→")) return;
        staged ??= ring.nop();
        try {
          ring.submitAndWait(0);
        } catch (error) {
          errors.push(error);
        }
      },
    });
    expect(await ring.nop()).toBe(0);
    expect(await staged).toBe(0);
    await ring.close();
    expect(errors.length).toBeGreaterThanOrEqual(2);
    for (const error of errors) expect((error as Error).message).toMatch("must not wait for");
  });

  test("that is neither function nor boolean is refused, before a ring is opened", () => {
    for (const trace of ["1", 1, null, {}]) {
      for (const door of [Ring, RawRing]) {
        const error = thrown(() => new door({ trace } as unknown as RingOptions), TypeError);
        expect(error.message).toMatch(/^trace must be true, false, or a function that takes a line, not /);
      }
    }
  });

  test("keeps a chain in order, and tells what became of the rest", async () => {
    const { lines, trace } = collecting();
    const ring = new Ring({ trace });
    const results = await Promise.allSettled(ring.link((ring) => [ring.fsync(9999), ring.nop()]));
    await ring.close();
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(lines.slice(1, 3)).toEqual(["#1 FSYNC fd=9999 sqe_flags=IO_LINK", "#2 NOP"]);
    expect(lines[3]).toMatch(/^#1 FSYNC fd=9999 sqe_flags=IO_LINK → EBADF: fd 9999 is not open$/);
    expect(lines[4]).toMatch(/^#2 NOP → ECANCELED: .*a request before it in its chain failed$/);
  });
});

describe("on the standard error", () => {
  const READ = "READ fd=9999 len=4096 offset=0";
  const BOTH_DOORS = [
    /^uring \d+: open entries=256 /,
    /^uring \d+: #1 NOP$/,
    /^uring \d+: #1 NOP → 0$/,
    new RegExp(`^uring \\d+: #2 ${READ}$`),
    new RegExp(`^uring \\d+: #2 ${READ} → EBADF: fd 9999 is not open`),
    /^uring \d+: close$/,
    /^uring \d+: open entries=256 /,
    /^uring \d+: #1 user_data=42 NOP$/,
    new RegExp(`^uring \\d+: #2 user_data=1099511627776 ${READ}$`),
    /^uring \d+: #[12] .* → /,
    /^uring \d+: #[12] .* → /,
    /^uring \d+: close$/,
  ];

  function traceOf(stderr: string): string[] {
    return stderr.split("\n").filter((line) => line.startsWith("uring "));
  }

  function expectBothDoors(stderr: string): void {
    const lines = traceOf(stderr);
    expect(lines.length).toBe(BOTH_DOORS.length);
    for (const [i, line] of lines.entries()) expect(line).toMatch(BOTH_DOORS[i]!);
  }

  test("trace: true tells it", async () => {
    const { code, stderr } = await runChild("trace", ["on"]);
    expect(code).toBe(0);
    expectBothDoors(stderr);
  });

  test("URING_TRACE=1 turns it on for each ring that does not say otherwise", async () => {
    const traced = await runChild("trace", ["default"], { env: { URING_TRACE: "1" } });
    expect(traced.code).toBe(0);
    expectBothDoors(traced.stderr);
    const silent = await runChild("trace", ["off"], { env: { URING_TRACE: "1" } });
    expect({ code: silent.code, lines: traceOf(silent.stderr) }).toEqual({ code: 0, lines: [] });
  });

  test("nothing is told without being asked for", async () => {
    for (const env of [{}, { URING_TRACE: "0" }, { URING_TRACE: "" }]) {
      const { code, stderr } = await runChild("trace", ["default"], { env });
      expect({ code, lines: traceOf(stderr) }).toEqual({ code: 0, lines: [] });
    }
  });

  test("nothing is lost when the process is killed", async () => {
    const { signal, stderr } = await runChild("trace", ["killed"]);
    expect(signal).toBe("SIGKILL");
    expect(traceOf(stderr).at(-1)).toMatch(/#200 user_data=199 NOP( → 0)?$/);
  });

  test("what the function throws is an uncaught exception, and the operations go on", async () => {
    const { code, stdout } = await runChild("trace", ["throws"]);
    expect(code).toBe(0);
    // open, two submissions, two completions, close
    expect(stdout.trim()).toBe("6");
  });
});

describe.runIf(typeof Deno !== "undefined")("in Deno without the permission to read the environment", () => {
  test("URING_TRACE is not read, and nobody is asked", () => {
    const script = `import { Ring } from ${JSON.stringify(MOD)};
      const ring = new Ring(); await ring.nop(); await ring.close(); console.log("done");`;
    using folder = new TempFolder();
    folder.write("main.ts", script);
    const output = execFileSync(process.execPath, ["run", "--quiet", "--allow-ffi", folder.at("main.ts")], {
      encoding: "utf8",
      env: { ...process.env, URING_TRACE: "1", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(output.trim()).toBe("done");
  });
});
