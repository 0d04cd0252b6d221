/** The npm package as people get it: packed, installed elsewhere, run, its types checked. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { IN_GUEST } from "../support/guest.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, ROOT, run } from "./elsewhere.ts";

const LIMIT = 120_000 * TIME_SCALE;
const folder = new TempFolder();

const PROGRAM = `
import { AT, BufferPool, LoadError, Ring, type RingOptions, type Supported, UringError } from "uring";
import { RawRing } from "uring/raw";
import { OPS, PREPS } from "uring/abi";

const supported: Supported = Ring.supported();
const options: RingOptions = { entries: 8 };
const ring = new Ring(options);
const fd: number = await ring.openat(AT.FDCWD, "/etc/passwd", 0);
const pool = new BufferPool({ ring, size: 4096, count: 1 });
const buffer: Uint8Array = pool.acquire();
const fixed: number = await ring.readFixed(fd, buffer, 0);

// A pool of one entry point is known to the other.
const raw = new RawRing({ entries: 2 });
raw.prepRead(7, fd, buffer, 16, 0);
raw.submitAndWait(1);
const seen: number[] = [];
raw.forEachCqe((userData: number, res: number) => seen.push(userData, res));
raw.close();

const error: unknown = await ring.openat(AT.FDCWD, "/nowhere", 0).catch((error: unknown) => error);
await ring.closeFd(fd);
await ring[Symbol.asyncDispose]();
console.log(JSON.stringify([
  supported.ok,
  fixed > 0,
  seen,
  error instanceof UringError && error.code,
  typeof LoadError,
  Object.keys(OPS).length > 50,
  typeof PREPS,
]));
`;
const PRINTED = [true, true, [7, 16], "ENOENT", "function", true, "object"];

const WRONG = `
import { Ring } from "uring";
void ((ring: Ring) => ring.read("fd", new Uint8Array(1)));
`;

async function succeed(command: string[], cwd = folder.path): Promise<string> {
  const { code, stdout, stderr } = await run(command, { cwd });
  expect(code, `${command.join(" ")}\n${stdout}\n${stderr}`).toBe(0);
  return stdout.trim();
}

beforeAll(async () => {
  if (IN_GUEST) return;
  await succeed(["npm", "pack", "--pack-destination", folder.path], ROOT);
  const packed = readdirSync(folder.path).find((name) => name.endsWith(".tgz"));
  const dependencies = { uring: `file:./${packed}` };
  folder.write("package.json", JSON.stringify({ name: "user", type: "module", dependencies }));
  await succeed(["npm", "install", "--no-audit", "--no-fund", "--offline"]);
  folder.write("program.ts", PROGRAM);
  folder.write("wrong.ts", WRONG);
  // As Node runs it: without its types.
  folder.write("program.js", PROGRAM.replace(/, type \w+/g, "").replace(/: [A-Z]?\w+(\[\])?(?= =|,? res|\))/g, ""));
}, LIMIT);

afterAll(() => folder[Symbol.dispose]());

test.skipIf(IN_GUEST)("holds what it exports, the cores, and no test", () => {
  const installed = join(folder.path, "node_modules/uring");
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  const exported = Object.values(exports).flatMap((entry) => Object.values(entry as Record<string, string>));
  expect(exported.filter((path) => !files.includes(path.replace("./", "")))).toEqual([]);
  expect(files.filter((path) => path.endsWith(".so")).sort()).toEqual([
    "dist/ffi/uring-linux-aarch64.so",
    "dist/ffi/uring-linux-x86_64.so",
  ]);
  expect(files.filter((path) => /(^|\/)(test|bench|examples|zig)\//.test(path))).toEqual([]);
  expect(files).toContain("LICENSE");
  expect(files).toContain("README.md");
});

test.skipIf(IN_GUEST)("runs from every entry point", async () => {
  const last = (await succeed(commandLine(join(folder.path, "program.js"), []))).split("\n").at(-1) ?? "";
  expect(JSON.parse(last)).toEqual(PRINTED);
}, LIMIT);

test.skipIf(IN_GUEST).each([
  ["nodenext", { module: "nodenext" }],
  ["bundler", { module: "esnext", moduleResolution: "bundler" }],
])("its types are checked by tsc, %s, with TypeScript's own libraries alone", async (name, options) => {
  const compilerOptions = { target: "es2022", strict: true, noEmit: true, skipLibCheck: false, types: [], ...options };
  const config = (file: string) =>
    folder.write(`tsconfig.${name}.${file}.json`, JSON.stringify({ compilerOptions, files: [file] }));
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  await succeed([tsc, "-p", config("program.ts")]);
  const { code, stdout } = await run([tsc, "-p", config("wrong.ts")], { cwd: folder.path });
  expect([code === 0, stdout]).toEqual([false, expect.stringContaining("'string' is not assignable to parameter")]);
}, LIMIT);

test.skipIf(IN_GUEST)("its command runs", async () => {
  expect(await succeed([join(folder.path, "node_modules/.bin/uring"), "help"])).toContain("Usage: uring COMMAND");
}, LIMIT);
