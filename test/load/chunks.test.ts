/** The package's two forms: in two chunks, the second of which is loaded when something of it is used; and whole. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, CORE, ROOT, run } from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const DIST = join(ROOT, "dist");
/** Whether this kernel has what the programs here use: that came until 6.0. */
const HERE = hasOp("SEND_ZC");
const folder = new TempFolder();

beforeAll(() => {
  const chunk = readdirSync(join(DIST, "ffi")).find((name) => /^shared-.*\.js$/.test(name))!;
  // The library in its two chunks, and without the second.
  for (const name of ["both", "gone", "first", "other"]) {
    mkdirSync(folder.at(name, "ffi"), { recursive: true });
    folder.write(`${name}/package.json`, '{ "type": "module" }');
    for (const file of ["mod.js", `ffi/${chunk}`, `ffi/${CORE}`]) copyFileSync(join(DIST, file), folder.at(name, file));
  }
  for (const name of ["both", "gone"]) copyFileSync(join(DIST, "ffi/later.cjs"), folder.at(name, "ffi/later.cjs"));
  const later = readFileSync(join(DIST, "ffi/later.cjs"), "utf8");
  folder.write("other/ffi/later.cjs", later.replace(/\/\/.*\n$/, "//0123456789abcdef\n"));
});
afterAll(() => folder[Symbol.dispose]());

/** Runs a program beside a form of the library, and gives what it printed as JSON. */
async function printed(place: string, program: string): Promise<unknown> {
  folder.write(`${place}/program.mjs`, program);
  const { code, stdout, stderr } = await run(commandLine(folder.at(place, "program.mjs"), []), { cwd: folder.path });
  expect(code, stderr + stdout).toBe(0);
  return JSON.parse(stdout.trim());
}

const READ = `
  import { AT, Ring } from "./mod.js";
  const ring = new Ring({ entries: 8, cqEntries: 32, singleIssuer: true });
  const fd = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
  const bytes = [await ring.read(fd, new Uint8Array(16), 0), await ring.readv(fd, [new Uint8Array(8)], 8)];
  await Promise.all([ring.link((ring) => { ring.nop(); return ring.fsync(fd); }), ring.timeout(1), ring.statx(fd, "", 0x1000, 0x7ff)]);
  await ring.closeFd(fd);
  bytes.push(ring.probe().op("READ").supported, Ring.supported().ok);
`;

test.skipIf(!HERE)("files need the first chunk alone", async () => {
  expect(await printed("first", `${READ} await ring.close(); console.log(JSON.stringify(bytes));`)).toEqual([
    16,
    8,
    true,
    true,
  ]);
}, LIMIT);

test("the second is read with the first: it may go afterwards, and no descriptor be left", async () => {
  const program = `
    import { closeSync, openSync, rmSync } from "node:fs";
    import { Ring, UringError } from "./mod.js";
    const ring = new Ring();
    rmSync(new URL("./ffi/later.cjs", import.meta.url));
    const fds = [];
    try { for (;;) fds.push(openSync("/dev/null")); } catch {}
    const codes = [await ring.openat(-100, "/dev/null", 0).catch((error) => error.code)];
    try { new Ring(); } catch (error) { codes.push(error instanceof UringError && error.code); }
    console.log(JSON.stringify(codes));
    await ring.close();
  `;
  folder.write("gone/program.mjs", program);
  const { code, stdout, stderr } = await run(commandLine(folder.at("gone/program.mjs"), []), {
    cwd: folder.path,
    through: ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"],
  });
  expect(code, stderr + stdout).toBe(0);
  expect(JSON.parse(stdout)).toEqual(["EMFILE", "EMFILE"]);
}, LIMIT);

test.skipIf(!HERE)("without the second, the error of what needs it names the file", async () => {
  const program =
    `${READ} try { ring.socket(1, 1); } catch (error) { console.log(JSON.stringify(String(error))); } ring.close();`;
  expect(await printed("first", program)).toMatch(/later\.cjs is missing/);
  expect(await printed("other", program)).toMatch(/later\.cjs is of another build/);
}, LIMIT);

test.skipIf(!HERE)(
  "both forms export the same, and their rings have the same members, before the second is loaded and after",
  async () => {
    const program = (path: string, use: string) => `
    import * as library from ${JSON.stringify(path)};
    ${use}
    const members = new Set();
    for (let layer = library.Ring.prototype; layer !== Object.prototype; layer = Object.getPrototypeOf(layer)) {
      for (const key of Reflect.ownKeys(layer)) members.add(String(key));
    }
    console.log(JSON.stringify([Object.keys(library).sort(), [...members].sort(), Object.keys(library.IORING_OP)]));
  `;
    const whole = await printed("both", program(join(DIST, "whole/mod.js"), ""));
    expect(await printed("both", program("./mod.js", ""))).toEqual(whole);
    expect(await printed("both", program("./mod.js", 'library.explain(-2, "READ")'))).toEqual(whole);
    expect(await printed("both", program("./mod.js", "new library.Ring().socket(1, 1)"))).toEqual(whole);
  },
  LIMIT,
);

test.skipIf(!HERE)("rings from before and after have the private state of their later layers", async () => {
  const result = await printed(
    "both",
    `
    import { AF, Ring, SOCK } from "./mod.js";
    class Mine extends Ring { more = 1; socket(...args) { return super.socket(...args); } }
    const rings = [new Ring(), new Mine()];
    for (let i = 0; i < 200; i++) await new Ring({ entries: 2 }).close();
    const had = "onMessage" in Ring.prototype;
    rings[0].onMessage = () => {};
    rings.push(new Ring(), new Mine());
    const results = [had, rings.map((ring) => ring.onMessage === null), rings.map((ring) => ring instanceof Ring)];
    for (const ring of rings) {
      const error = await ring.getxattr("/etc/passwd", "user.none").catch((error) => error.syscall);
      const fd = await ring.socket(AF.UNIX, SOCK.STREAM);
      results.push([error, fd > 2, await ring.read(fd, new Uint8Array(1)).catch((error) => error.code)]);
      await ring.closeFd(fd);
      await ring.close();
    }
    console.log(JSON.stringify(results));
  `,
  );
  const used = ["getxattr", true, "EINVAL"];
  expect(result).toEqual([true, [false, true, true, true], [true, true, true, true], used, used, used, used]);
}, LIMIT);

describe.skipIf(!HERE)("a bundle of a program that uses the package, run where nothing else is", () => {
  const PROGRAM = `
    import { AF, Ring, SOCK } from "uring";
    import { RawRing } from "uring/raw";
    const ring = new Ring();
    ring.socket(AF.UNIX, SOCK.STREAM).then((fd) => ring.closeFd(fd)).then((rc) => {
      console.log(JSON.stringify([rc, typeof new RawRing({ entries: 2 }).submit()]));
      return ring.close();
    });
  `;
  const esbuild = join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`);
  const ESBUILD = [esbuild, "--bundle", "--platform=node", "--format=esm", "--log-level=error"];
  const BUN = [process.execPath, "build"];
  const ways: [string, (out: string) => string[]][] = [
    ["esbuild", (out) => [...ESBUILD, `--outfile=${out}`]],
    ["esbuild with the conditions of Node alone", (out) => [...ESBUILD, "--conditions=node", `--outfile=${out}`]],
    ..."bun" in process.versions
      ? ["bun", "node"].map((target): [string, (out: string) => string[]] => [
        `bun build --target=${target}`,
        (out) => [...BUN, `--target=${target}`, `--outfile=${out}`],
      ])
      : [],
  ];

  beforeAll(() => {
    mkdirSync(folder.at("user/node_modules"), { recursive: true });
    symlinkSync(ROOT, folder.at("user/node_modules/uring"));
    folder.write("user/program.js", PROGRAM);
  });

  test.each(ways)("%s", async (name, command) => {
    const bundle = folder.at("user", `${name.replaceAll(/\W/g, "")}.mjs`);
    const [program = "", ...flags] = command(bundle);
    const built = await run([program, ...flags, folder.at("user/program.js")], { cwd: folder.at("user") });
    expect(built.code, built.stderr + built.stdout).toBe(0);
    const env = { XDG_CACHE_HOME: folder.at("cache") };
    const { code, stdout, stderr } = await run(commandLine(bundle, []), { cwd: folder.path, env });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual([0, "number"]);
  }, LIMIT);
});
