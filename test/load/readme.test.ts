/** The README's programs run, in every runtime, from a project that has installed the package. */

import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, ROOT, run, RUNTIME } from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const folder = new TempFolder();

/** The programs: what stands before them, their language, their text. */
const programs = [...README.matchAll(/^```(js|ts)\n(.*?)^```$/gms)].map(({ 1: language = "", 2: text = "", index }) => {
  const heading = README.slice(0, index).match(/^#+ (.*)$/gm)?.at(-1)?.replace(/^#+ /, "") ?? "";
  return { heading, language, text };
});

beforeAll(() => {
  const dependencies = { uring: "*", "@uring/uring": "*" };
  folder.write("package.json", JSON.stringify({ name: "user", type: "module", dependencies }));
  mkdirSync(folder.at("node_modules", "@uring"), { recursive: true });
  for (const name of Object.keys(dependencies)) symlinkSync(ROOT, folder.at("node_modules", name));
});

afterAll(() => folder[Symbol.dispose]());

test("there are programs for each runtime and each door", () => {
  const headings = programs.map(({ heading }) => heading);
  expect(headings).toEqual(expect.arrayContaining(["Deno", "Bun", "Node", "Ring", "RawRing", "Errors"]));
});

const runnable = programs.filter(({ text }) => hasOp("SOCKET") || !text.includes("BufferRing"));

test.each(runnable)("$heading", async ({ language, text, heading }) => {
  const name = `${heading.replaceAll(/\W+/g, "-")}.${language}`;
  let path = folder.write(name, text);
  if (RUNTIME === "node" && language === "ts") {
    // Node 20 knows neither types nor `using`.
    const esbuild = join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`);
    const lowered = folder.at(`${name}.js`);
    const { code, stderr } = await run([esbuild, path, "--target=node20", `--outfile=${lowered}`]);
    expect(code, stderr).toBe(0);
    path = lowered;
  }
  const ended = await run(commandLine(path, []), { cwd: folder.path });
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
}, LIMIT);

test("names only files that exist, and only scripts that package.json has", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const named = [...README.matchAll(/`npm (?:run )?([\w:]+)/g)].map(({ 1: name = "" }) => name);
  expect(named.filter((name) => !(name in scripts) && !["ci", "install"].includes(name))).toEqual([]);
  const links = [...README.matchAll(/\]\((?!#)([^)]+)\)/g)].map(({ 1: path = "" }) => join(ROOT, path));
  for (const path of links) expect(() => readFileSync(path), path).not.toThrow(/ENOENT/);
});
