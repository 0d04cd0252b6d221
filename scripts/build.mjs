// Builds dist/: every source transpiled to a file of its own in the same layout, declarations for what the package
// exports, the compiled cores beside the JavaScript that loads them. Does nothing when nothing changed.
//
// The entry points that open rings are then bundled, in place (bundles.mjs). The package holds the bundles; the single
// files below them are for tests.
//
//   node scripts/build.mjs [--no-types] [--quiet]
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { bundleEntryPoints, nameLibraries } from "./bundles.mjs";
import { complaint, run } from "./processes.mjs";
import { ROOT } from "./runtimes.mjs";

const DIST = join(ROOT, "dist");
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const SHEBANG = "#!/usr/bin/env node\n";
/**
 * @typedef {object} Product one kind of output, made by one run of tsc
 * @property {string} config
 * @property {string} extension
 */
/** @type {Product} */
const SCRIPTS = { config: "tsconfig.build.json", extension: ".js" };
/** @type {Product} */
const DECLARATIONS = { config: "tsconfig.types.json", extension: ".d.ts" };

/** @param {string} config @returns {string[]} */
function includedBy(config) {
  const text = readFileSync(join(ROOT, config), "utf8").replace(/^\s*\/\/.*$/gm, "");
  return JSON.parse(text).include;
}

/** Every file at or below a path, relative to the root. @param {string} path @returns {string[]} */
function filesBelow(path) {
  const full = join(ROOT, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
}

/** @param {Product} product @returns {string[]} */
function sourcesOf(product) {
  return includedBy(product.config).flatMap(filesBelow).filter((path) => /(?<!\.d)\.ts$/.test(path));
}

/** What the outputs depend on: the sources' names, sizes and times, and how they are compiled. @param {string[]} paths */
function fingerprint(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { size, mtimeMs } = statSync(join(ROOT, path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/** @param {string} file @param {string} value */
function isStamped(file, value) {
  return existsSync(file) && readFileSync(file, "utf8") === value;
}

/**
 * Makes one product unless its inputs are those of the last time.
 * @param {Product} product
 * @returns {Promise<boolean>} whether there was work to do
 */
async function make(product) {
  const sources = sourcesOf(product);
  const stamp = join(DIST, `.stamp${product.extension.replaceAll(".", "-")}`);
  const value = fingerprint([
    ...sources,
    product.config,
    "tsconfig.json",
    "package.json",
    "scripts/build.mjs",
    "scripts/bundles.mjs",
  ]);
  if (isStamped(stamp, value)) return false;
  const outcome = await run(process.execPath, [TSC, "-p", join(ROOT, product.config)], { cwd: ROOT });
  const problem = complaint(outcome);
  if (problem) throw new Error(`tsc -p ${product.config}: ${problem}\n${outcome.output}`);
  removeStale(product, new Set(sources.map((path) => join(DIST, path.replace(/\.ts$/, product.extension)))));
  if (product === SCRIPTS) {
    await bundleEntryPoints();
    finishCommands();
  } else {
    nameLibraries();
  }
  writeFileSync(stamp, value);
  return true;
}

/** Removes what an earlier build left of sources that are gone. @param {Product} product @param {Set<string>} made */
function removeStale(product, made) {
  for (const path of filesBelow("dist")) {
    const full = join(ROOT, path);
    if (path.endsWith(product.extension) && !made.has(full)) rmSync(full);
  }
}

/** The package's commands start with Node's shebang and may be executed. */
function finishCommands() {
  /** @type {Record<string, string>} */
  const commands = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).bin;
  for (const path of Object.values(commands)) {
    const full = join(ROOT, path);
    if (!existsSync(full)) continue;
    const text = readFileSync(full, "utf8");
    if (!text.startsWith("#!")) writeFileSync(full, SHEBANG + text);
    chmodSync(full, 0o755);
  }
}

/** Copies the cores whose bytes differ. @returns {boolean} whether there was one */
function copyCores() {
  const cores = filesBelow("ffi").filter((path) => path.endsWith(".so"));
  const changed = cores.filter((path) => {
    const copy = join(DIST, path);
    return !existsSync(copy) || !readFileSync(copy).equals(readFileSync(join(ROOT, path)));
  });
  for (const path of changed) {
    const copy = join(DIST, path);
    mkdirSync(dirname(copy), { recursive: true });
    // A process may have the old file mapped: leave that its inode.
    rmSync(copy, { force: true });
    copyFileSync(join(ROOT, path), copy);
  }
  return changed.length > 0;
}

/**
 * @param {{ types?: boolean }} [options]
 * @returns {Promise<boolean>} whether anything had changed
 */
export async function build({ types = true } = {}) {
  mkdirSync(DIST, { recursive: true });
  const products = types ? [SCRIPTS, DECLARATIONS] : [SCRIPTS];
  const made = await Promise.all(products.map(make));
  const copied = copyCores();
  return copied || made.includes(true);
}

async function main() {
  const flags = process.argv.slice(2);
  const started = performance.now();
  const changed = await build({ types: !flags.includes("--no-types") });
  if (flags.includes("--quiet")) return;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(changed ? `dist/ built in ${seconds} s` : "dist/ is up to date");
}

if (process.argv[1] === import.meta.filename) await main();
