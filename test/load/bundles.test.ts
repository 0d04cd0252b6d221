/** Programs that carry the library within them, and ways to reach it that are not an import of its files. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, ROOT, run, RUNTIME } from "./elsewhere.ts";

const LIMIT = 120_000 * TIME_SCALE;
const TEXT = "what is in the file";
const folder = new TempFolder();
const source = folder.at("program.ts");

/** Reads a file, and waits for the waker. */
const PROGRAM = `
  const ring = new Ring();
  const fd = await ring.openat(AT.FDCWD, ${JSON.stringify(folder.at("file"))}, 0);
  const buffer = new Uint8Array(4096);
  const bytes = await ring.read(fd, buffer, 0);
  await ring.timeout(5);
  await ring.close();
  console.log(new TextDecoder().decode(buffer.subarray(0, bytes)));
`;

beforeAll(() => {
  folder.write("file", TEXT);
  const library = JSON.stringify(join(ROOT, "mod.ts"));
  folder.write("program.ts", `import { AT, Ring } from ${library};\n(async () => {${PROGRAM}})();\n`);
});
afterAll(() => folder[Symbol.dispose]());

/** Runs a command in the test's folder, and gives what it printed. */
async function output(...command: string[]): Promise<string> {
  const env = {
    XDG_CACHE_HOME: folder.at("cache"),
    DENO_DIR: process.env["DENO_DIR"] ?? join(homedir(), ".cache/deno"),
  };
  const { code, signal, stdout, stderr } = await run(command, { cwd: folder.path, env });
  expect({ code, signal }, stderr + stdout).toEqual({ code: 0, signal: null });
  return stdout.trim();
}

test.each(["esm", "cjs"])("a bundle in one file, made by esbuild as %s", async (format) => {
  const bundle = folder.at(`bundle.${format === "esm" ? "mjs" : "cjs"}`);
  const esbuild = join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`);
  const flags = ["--bundle", "--platform=node", `--format=${format}`, "--log-level=error"];
  await output(esbuild, source, ...flags, `--outfile=${bundle}`);
  expect(await output(...commandLine(bundle, []))).toBe(TEXT);
  // Node has nothing to make a memory file with.
  expect(existsSync(folder.at("cache", "uring"))).toBe(RUNTIME === "node");
}, LIMIT);

describe.skipIf(RUNTIME !== "node")("in Node", () => {
  test("require() of the package's files: no module of it awaits", async () => {
    for (const entry of ["mod.js", "src/ring/raw.js", "src/abi/mod.js"]) {
      const script = `console.log(Object.keys(require(${JSON.stringify(join(ROOT, "dist", entry))})).length > 0)`;
      expect(await output(process.execPath, "-e", script), entry).toBe("true");
    }
    const path = JSON.stringify(join(ROOT, "dist/mod.js"));
    const script = `const { AT, Ring } = require(${path}); (async () => {${PROGRAM}})()`;
    expect(await output(process.execPath, "-e", script)).toBe(TEXT);
  }, LIMIT);
});

describe.skipIf(RUNTIME !== "bun")("in Bun", () => {
  test("bun build --compile: the program needs no file beside it", async () => {
    await output(process.execPath, "build", "--compile", source, "--outfile", folder.at("compiled"));
    expect(await output(folder.at("compiled"))).toBe(TEXT);
  }, LIMIT);

  test("bun build, with every target", async () => {
    for (const target of ["bun", "node"]) {
      const bundle = folder.at(`${target}.mjs`);
      await output(process.execPath, "build", `--target=${target}`, source, "--outfile", bundle);
      expect(await output(process.execPath, bundle), target).toBe(TEXT);
    }
  }, LIMIT);
});

/** `deno compile` puts programs behind a slim runtime, which it downloads once. */
function hasDenort(): boolean {
  if (typeof Deno === "undefined") return false;
  const { deno: version } = Deno.version;
  const cache = process.env["DENO_DIR"] ?? join(homedir(), ".cache/deno");
  const name = `denort-${Deno.build.target}.zip`;
  return process.env["DENORT_BIN"] !== undefined || existsSync(join(cache, "dl/release", `v${version}`, name));
}

describe.skipIf(RUNTIME !== "deno")("in Deno", () => {
  test.skipIf(!hasDenort())("deno compile: the program needs no file beside it", async () => {
    const deno = Deno.execPath();
    await output(deno, "compile", "--quiet", "--no-check", "--allow-ffi", "--output", folder.at("compiled"), source);
    expect(await output(folder.at("compiled"))).toBe(TEXT);
  }, LIMIT);
});
