/** The examples run, in every runtime: the programs of examples/, and those in the documentation of names. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { commandLine, installInto, ROOT, run, runnable, RUNTIME } from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const folder = new TempFolder();

beforeAll(() => installInto(folder));
afterAll(() => folder[Symbol.dispose]());

const programs = readdirSync(join(ROOT, "examples"));

test.each(programs)("examples/%s", async (name) => {
  const path = RUNTIME === "node"
    ? join(ROOT, "dist/examples", name.replace(/\.ts$/, ".js"))
    : join(ROOT, "examples", name);
  const { code, stderr } = await run(commandLine(path, []));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}, LIMIT);

/** The examples of a source's documentation. */
function examplesOf(source: string): string[] {
  const text = readFileSync(join(ROOT, source), "utf8");
  return [...text.matchAll(/^( *)\* @example\n\1\* ```ts\n(.*?)^\1\* ```$/gms)]
    .map(({ 2: lines = "" }) => lines.replaceAll(/^ *\* ?/gm, ""));
}

/**
 * Runs programs in turn, up to one that says by name what this kernel lacks (which from 6.1 on few do), and prints how many
 * that were. In Deno 2.9 no import() ends after two whose modules failed in their own time.
 */
const RUNNER = `
  console.assert = (holds) => {
    if (!holds) throw new Error("what it asserts does not hold");
  };
  let ran = 0;
  for (const path of process.argv.slice(2)) {
    ran++;
    const error = await import(path).then(() => undefined, (error) => error);
    if (error === undefined) continue;
    if (error.name !== "UnsupportedError") {
      console.log(path, error);
      process.exitCode = 1;
    }
    break;
  }
  console.log("ran", ran);
`;

test.skipIf(!hasOp("SENDMSG_ZC"))("those in the documentation", async () => {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts")).map((path) => `src/${path}`);
  const paths = [...sources, "mod.ts"].flatMap((source) =>
    examplesOf(source).map((text, i) => folder.write(`${source.replaceAll(/[/.]/g, "_")}_${i}.ts`, text))
  );
  expect(paths.length).toBeGreaterThan(40);
  const runner = folder.write("runner.js", RUNNER);
  let left = await runnable(paths);
  while (left.length > 0) {
    const { code, stdout, stderr } = await run(commandLine(runner, left), { cwd: folder.path });
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    left = left.slice(Number(/^ran (\d+)$/m.exec(stdout)![1]));
  }
}, LIMIT);
