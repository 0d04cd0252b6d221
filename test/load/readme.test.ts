/** The README's programs run, in every runtime, from a project that has installed the package. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, installInto, ROOT, run, runnable } from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const folder = new TempFolder();

/** The programs: what stands before them, their language, their text. */
const programs = [...README.matchAll(/^```(js|ts)\n(.*?)^```$/gms)].map(({ 1: language = "", 2: text = "", index }) => {
  const heading = README.slice(0, index).match(/^#+ (.*)$/gm)?.at(-1)?.replace(/^#+ /, "") ?? "";
  return { heading, language, text };
});

beforeAll(() => installInto(folder));

afterAll(() => folder[Symbol.dispose]());

test("there are programs for each runtime and each door", () => {
  const headings = programs.map(({ heading }) => heading);
  expect(headings).toEqual(expect.arrayContaining(["Deno", "Bun", "Node", "Ring", "RawRing", "Errors"]));
});

const possible = programs.filter(({ text }) => hasOp("SOCKET") || !text.includes("BufferRing"));

test.each(possible)("$heading", async ({ language, text, heading }) => {
  const path = folder.write(`${heading.replaceAll(/\W+/g, "-")}.${language}`, text);
  const [program = path] = language === "ts" ? await runnable([path]) : [];
  const ended = await run(commandLine(program, []), { cwd: folder.path });
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
}, LIMIT);

test("names only files that exist, and only scripts that package.json has", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const named = [...README.matchAll(/`npm (?:run )?([\w:]+)/g)].map(({ 1: name = "" }) => name);
  expect(named.filter((name) => !(name in scripts) && !["ci", "install"].includes(name))).toEqual([]);
  const links = [...README.matchAll(/\]\((?!#)([^)]+)\)/g)].map(({ 1: path = "" }) => join(ROOT, path));
  for (const path of links) expect(() => readFileSync(path), path).not.toThrow(/ENOENT/);
});
