import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const deno = readJson("deno.json");
const npm = readJson("package.json");

function readJson(name: string): Record<string, unknown> & { exports: Record<string, unknown> } {
  return JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8"));
}

/** Entry points that open rings have a form in one piece: for Deno, and for bundlers. */
const WHOLE: Record<string, string> = { "./mod.ts": "./dist/whole/mod.js", "./src/ring/raw.ts": "./dist/whole/raw.js" };

function npmExport(source: string): Record<string, string> {
  const built = source.replace("./", "./dist/").replace(/\.ts$/, "");
  const whole = WHOLE[source];
  return {
    types: `${built}.d.ts`,
    bun: `${built}.js`,
    deno: whole ?? `${built}.js`,
    ...whole === undefined ? {} : { module: whole },
    node: `${built}.js`,
    default: `${built}.js`,
  };
}

test("package.json has deno.json's version and licence", () => {
  expect([npm["version"], npm["license"]]).toEqual([deno["version"], deno["license"]]);
});

test("package.json exports what deno.json exports", () => {
  const mirrored = Object.entries(deno.exports).map(([name, source]) => [name, npmExport(String(source))]);
  expect(npm.exports).toEqual(Object.fromEntries(mirrored));
});

test("package.json pins every development dependency to one version", () => {
  expect(Object.values(npm["devDependencies"] as Record<string, string>).filter((range) => !/^\d/.test(range))).toEqual(
    [],
  );
});

// npm writes no entry for an optional package that its registry lacks; with one missing, npm ci refuses elsewhere.
test("package-lock.json has an entry for every optional package of every platform", () => {
  const packages = readJson("package-lock.json")["packages"] as Record<string, { optionalDependencies?: object }>;
  const optional = Object.values(packages).flatMap(({ optionalDependencies }) =>
    Object.keys(optionalDependencies ?? {})
  );
  expect(optional.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`))))
    .toEqual(
      [],
    );
});

test("package-lock.json names no download addresses", () => {
  expect(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8")).not.toContain("resolved");
});
