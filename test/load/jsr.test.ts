/** What is published for Deno: made from the sources, accepted by `deno publish`, checked and run by a program. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { ROOT, run, RUNTIME } from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const JSR = join(ROOT, "jsr");
const folder = new TempFolder();

const PROGRAM = `
import { AF, AT, Ring, type RingOptions, SOCK } from "${join(JSR, "mod.js")}";
import { RawRing } from "${join(JSR, "src/ring/raw.js")}";
import { OPS } from "${join(JSR, "src/abi/mod.js")}";

const options: RingOptions = { entries: 8 };
await using ring = new Ring(options);
const fd: number = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
const bytes: number = await ring.read(fd, new Uint8Array(16), 0);
await ring.closeFd(await ring.socket(AF.UNIX, SOCK.STREAM));
const raw = new RawRing({ entries: 2 });
raw.prepNop(7);
raw.submitAndWait(1);
const seen: number[] = [];
raw.forEachCqe((userData: number) => seen.push(userData));
raw.close();
console.log(JSON.stringify([bytes, seen, Object.keys(OPS).length > 50]));
`;

describe.skipIf(IN_GUEST || RUNTIME !== "deno")("the package of Deno's registry", () => {
  const deno = typeof Deno === "undefined" ? "" : Deno.execPath();

  async function succeed(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(command, { cwd: JSR });
    expect(code, `${command.join(" ")}\n${stdout}\n${stderr}`).toBe(0);
    return stdout.trim();
  }

  beforeAll(async () => {
    const { code, stdout, stderr } = await run(["node", join(ROOT, "scripts/jsr.mjs"), "--quiet"], { cwd: ROOT });
    expect(code, stdout + stderr).toBe(0);
    folder.write("program.ts", PROGRAM);
    folder.write("wrong.ts", PROGRAM.replace("new Uint8Array(16)", '"text"'));
  }, LIMIT);
  afterAll(() => folder[Symbol.dispose]());

  test("can be published: no slow types, nothing missing", async () => {
    await succeed(deno, "publish", "--dry-run", "--allow-dirty");
  }, LIMIT);

  test("has types", async () => {
    await succeed(deno, "check", "--quiet", folder.at("program.ts"));
    const { code, stdout, stderr } = await run([deno, "check", "--quiet", folder.at("wrong.ts")], { cwd: JSR });
    expect([code, stdout + stderr]).toEqual([1, expect.stringContaining("not assignable")]);
  }, LIMIT);

  test("runs, allowed FFI alone", async () => {
    const { length } = await succeed(deno, "run", "--no-check", "--allow-ffi", folder.at("program.ts"));
    expect(length).toBeGreaterThan(0);
    expect(JSON.parse(await succeed(deno, "run", "-A", folder.at("program.ts")))).toEqual([16, [7], true]);
  }, LIMIT);

  test("its commands run", async () => {
    const main = [deno, "run", "-A", join(JSR, "src/cli/main.js")] as const;
    expect(await succeed(...main, "help")).toContain("Usage: uring COMMAND");
    folder.write("read", "all of it");
    const shown = await succeed(...main, "demo", "--runtime", "deno", "--json", folder.path);
    expect(JSON.parse(shown)[0].measured).toMatchObject({ supported: true, mismatches: [], skipped: [] });
    const { code, stderr } = await run([...main, "bench", "nothing"], { cwd: JSR });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^uring bench: no name begins with nothing: there are "nop/),
    ]);
  }, LIMIT);
});
