// The bundles of the package, in two forms. As a hundred files its modules take 30 ms to load, as one ten and more; most
// of that is spent looking through code that few programs run.
//
// - dist/mod.js and dist/src/ring/raw.js, for Node and Bun, are what a program needs to open a ring and to work with files.
//   The rest (sockets and all other layers of Ring, what errors say, the cores in base64) is ffi/later.cjs: a function
//   that is compiled, and called once, when something of it is first used.
// - dist/whole/ has it all in one piece. For bundlers, which know it by the condition "module" of the package's exports;
//   and for Deno, which keeps what V8 compiled, and takes 20 ms to load what could compile the second chunk.
//
// What the entry points of a form share is one file, beside the cores: buffers of one are known to the other.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { build as bundle } from "esbuild";
import { ROOT } from "./runtimes.mjs";

const DIST = join(ROOT, "dist");
/** The rest of the package's entry points, data and commands, reach rings through these alone. */
export const BUNDLED = ["mod.ts", "src/ring/raw.ts"];

/** Modules of functions alone: all that the first chunk has of each is a function that loads the second. */
const LATER = [
  "ffi/cache.ts",
  "ffi/elf.ts",
  "ffi/embedded.ts",
  "ffi/memfd.ts",
  "src/abi/errno.ts",
  "src/abi/explain.ts",
  "src/abi/ops/registers.ts",
  "src/memory/sockaddr.ts",
  "src/ring/registrations.ts",
  "src/ring/setup_errors.ts",
  "src/ring/setup_flags.ts",
  "src/ring/trace.ts",
];
/** Ring's layers from the first on that files don't need, to the last below Ring itself. */
const LAYERS = { top: "src/ring/ops_register.ts", below: "src/ring/ops_time.ts" };
/** The modules of Ring's layers, and those that hold the ones below. */
const LAYER = /^src\/ring\/(net|ops)_/;
const LOWER_LAYER = /_(nop|rw|files|time)\.ts$/;
/** Both chunks may have these: data and pure functions. */
const STATELESS = /^(src\/abi\/|src\/memory\/msghdr\.ts$|ffi\/core_)/;
/** As LATER, but only where mod.ts hands it out: RawRing, and what is below Ring, call their own. */
const HANDED_OUT = "src/memory/msghdr.ts";

/** Modules that are data, and the function that gives them. */
const DATA = {
  control: "controlOps",
  files: "fileOps",
  names: "nameOps",
  registers: "registerTable",
  rw: "rwOps",
  sockets: "socketOps",
};

/** @typedef {import("esbuild").Plugin} Plugin */
/** @typedef {import("esbuild").Metafile} Metafile */

/** @param {string} path of a source, relative to the root @returns {Promise<Record<string, unknown>>} */
function compiled(path) {
  return import(join(DIST, path.replace(/\.ts$/, ".js")));
}

/** @param {string} path @returns {string} */
function fromRoot(path) {
  return relative(ROOT, path);
}

/** @param {string[]} paths of sources, relative to the root */
function filterOf(paths) {
  const pattern = paths.map((path) => join(ROOT, path).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return new RegExp(`^(${pattern})$`);
}

/**
 * The tables of ops as text, which is parsed when they are first looked at. As code they are looked through each time
 * the library is loaded, though few programs ever want them.
 * @type {Plugin}
 */
const dataAsText = {
  name: "data-as-text",
  setup({ onLoad }) {
    const paths = Object.keys(DATA).map((name) => `src/abi/ops/${name}.ts`);
    onLoad({ filter: filterOf(paths) }, async ({ path }) => {
      const name = DATA[/** @type {keyof typeof DATA} */ (basename(path, ".ts"))];
      const table = /** @type {() => unknown} */ ((await compiled(fromRoot(path)))[name]);
      const text = JSON.stringify(JSON.stringify(table()));
      return { contents: `let table;\nexport const ${name} = () => table ??= JSON.parse(${text});\n` };
    });
  },
};

/** @type {import("esbuild").BuildOptions} */
const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  // Names stay: a stack trace should say where it is. Half of the rest is white space.
  minifyWhitespace: true,
  minifySyntax: true,
  // Runtimes show the line of an uncaught error.
  lineLimit: 120,
  format: "esm",
  platform: "node",
  target: "es2022",
  logLevel: "warning",
};

/** @type {import("esbuild").BuildOptions} */
const ENTRY_POINTS = {
  ...COMMON,
  entryPoints: BUNDLED.map((path) => join(ROOT, path)),
  outbase: ROOT,
  splitting: true,
};

export async function bundleEntryPoints() {
  /** The second chunk. */
  let text = "";
  /** The modules of the first. @type {Set<string>} */
  const first = new Set();
  let outcome = await bundleFirst(text);
  for (;;) {
    const modules = modulesOf(outcome.metafile, BUNDLED[0]).filter((path) => !first.has(path));
    if (modules.length === 0) break;
    for (const path of modules) first.add(path);
    const second = await bundleSecond([...first].filter((path) => !STATELESS.test(path)));
    const twice = modulesOf(outcome.metafile, BUNDLED[1]).filter((path) => second.own.includes(path));
    refuseTwice(twice.filter((path) => !STATELESS.test(path)));
    text = second.text;
    outcome = await bundleFirst(text);
  }
  // A new inode: a program may have the old file mapped.
  rmSync(join(DIST, "ffi/later.cjs"), { force: true });
  writeFileSync(join(DIST, "ffi/later.cjs"), `"use strict";module.exports=${asFunction(text)};${markOf(text)}`);
  // The bundler would make something else of a require() that it saw.
  for (const { path, text } of outcome.outputFiles) {
    writeFileSync(path, text.replaceAll(/\brequireLater\(/g, "require("));
  }
  await bundleWhole(DIST, "whole/[name]");
}

/** How the second chunk ends: by that the first knows it for its own. @param {string} text */
function markOf(text) {
  return `//${createHash("sha256").update(text).digest("hex").slice(0, 16)}\n`;
}

/** The form in one piece. @param {string} folder @param {string} entryNames as the bundler's option */
export async function bundleWhole(folder, entryNames) {
  await bundle({
    ...ENTRY_POINTS,
    outdir: folder,
    entryNames,
    chunkNames: "ffi/whole-[hash]",
    plugins: [dataAsText],
  });
}

/**
 * @param {string} second chunk
 * @returns {Promise<{ outputFiles: import("esbuild").OutputFile[], metafile: Metafile }>}
 */
function bundleFirst(second) {
  return bundle({
    ...ENTRY_POINTS,
    outdir: DIST,
    chunkNames: "ffi/shared-[hash]",
    metafile: true,
    write: false,
    plugins: [laterPlugin(second)],
  });
}

/**
 * The modules that an entry point brings, itself or in a file that it imports.
 * @param {Metafile} metafile @param {string | undefined} source
 */
function modulesOf({ outputs }, source) {
  const entry = Object.values(outputs).find(({ entryPoint }) => entryPoint === source);
  if (entry === undefined) throw new Error(`no output has the entry point ${source}`);
  return [entry, ...entry.imports.map(({ path }) => outputs[path])]
    .flatMap((output) => Object.entries(output?.inputs ?? {}))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path)
    .filter((path) => !path.includes(":") && !LATER.includes(path) && (!LAYER.test(path) || LOWER_LAYER.test(path)));
}

/** @param {string} second chunk @returns {Plugin} */
function laterPlugin(second) {
  return {
    name: "later",
    setup({ onLoad, onResolve }) {
      onLoad({ filter: filterOf(LATER) }, async ({ path }) => ({
        contents: await stubOf(fromRoot(path)),
        resolveDir: ROOT,
      }));
      onLoad({ filter: filterOf([LAYERS.top]) }, async () => ({ contents: await stubOfLayers(), resolveDir: ROOT }));
      onResolve(
        { filter: /\/msghdr\.ts$/ },
        ({ importer }) => importer === join(ROOT, "mod.ts") ? { path: HANDED_OUT, namespace: "handed-out" } : undefined,
      );
      onLoad({ filter: /^/, namespace: "handed-out" }, async ({ path }) => ({
        contents: await stubOf(path),
        resolveDir: ROOT,
      }));
      onResolve({ filter: /^later$/ }, () => ({ path: "later", namespace: "uring" }));
      onLoad({ filter: /^later$/, namespace: "uring" }, () => ({ contents: loader(second), resolveDir: ROOT }));
    },
  };
}

/** A module whose functions load the second chunk; numbers and texts it has itself. @param {string} path */
async function stubOf(path) {
  const lines = Object.entries(await compiled(path)).map(([name, value]) => {
    if (typeof value === "function") {
      return `export function ${name}(...args) { return later("${path}").${name}(...args); }`;
    }
    return typeof value === "object" ? "" : `export const ${name} = ${JSON.stringify(value)};`;
  });
  return ['import { later } from "later";', ...lines].join("\n");
}

/** A public field would be missing from rings that are not of the later layers yet: it has to be an accessor. */
function refuseFields() {
  const folder = join(DIST, "src/ring");
  for (const name of readdirSync(folder)) {
    const source = `src/ring/${name.replace(/\.js$/, ".ts")}`;
    if (!name.endsWith(".js") || !LAYER.test(source) || LOWER_LAYER.test(source)) continue;
    const [field] = /^ {4}[a-z]\w* = .*;$/m.exec(readFileSync(join(folder, name), "utf8")) ?? [];
    if (field !== undefined) throw new Error(`${source} has a public field:${field}`);
  }
}

/** The class at the top and its own names, and those of the classes between it and the one below all of them. */
async function layers() {
  const [top] = Object.entries(await compiled(LAYERS.top)).filter(([, value]) => typeof value === "function");
  const [below] = Object.entries(await compiled(LAYERS.below)).filter(([name]) => name === "TimeOps");
  if (top === undefined || below === undefined) throw new Error("Ring's layers have other names");
  const Top = /** @type {{ prototype: object }} */ (top[1]);
  const Below = /** @type {{ prototype: object }} */ (below[1]);
  /** @type {Set<string>} */
  const names = new Set();
  let layer = Top.prototype;
  for (; layer !== Below.prototype && layer !== null; layer = Object.getPrototypeOf(layer)) {
    for (const key of Reflect.ownKeys(layer)) {
      if (typeof key !== "string") throw new Error(`a layer of Ring has a member named by a symbol: ${String(key)}`);
      // What the layers override does for those who came before them what it does below.
      if (!(key in Below.prototype)) names.add(key);
    }
  }
  if (layer === null) throw new Error(`${LAYERS.top} is not above ${LAYERS.below}`);
  refuseFields();
  const statics = Object.getOwnPropertyNames(Top).filter((name) => !["length", "name", "prototype"].includes(name));
  return { top: top[0], below: below[0], names: [...names], statics };
}

/**
 * Stands for Ring's later layers. The first use of one of their members puts the real ones below it, for good, and makes
 * every ring one of theirs: that gives it their private fields and methods.
 */
async function stubOfLayers() {
  const { top, below, names, statics } = await layers();
  return `
    import { later } from "later";
    import { ${below} } from ${JSON.stringify(join(ROOT, LAYERS.below))};

    let Real;
    let rings = new Set();
    let room = 64;

    export class ${top} extends ${below} {
      constructor(options) {
        super(options);
        if (Real !== undefined) new Real(this);
        else remember(this);
      }
      ${statics.map((name) => `static ${name}(...args) { return real().${name}(...args); }`).join("\n")}
    }

    // Not a prototype yet: to give one a hundred members costs Node 140 kB, and with that a collection.
    const members = Object.create(${below}.prototype);
    for (const name of ${JSON.stringify(names)}) {
      Object.defineProperty(members, name, {
        get() { return real(), Reflect.get(${top}.prototype, name, this); },
        set(value) { real(), Reflect.set(${top}.prototype, name, value, this); },
      });
    }
    Object.setPrototypeOf(${top}.prototype, members);

    function remember(ring) {
      rings.add(new WeakRef(ring));
      if (rings.size < room) return;
      for (const ring of rings) if (ring.deref() === undefined) rings.delete(ring);
      room = 64 + 2 * rings.size;
    }

    function real() {
      if (Real !== undefined) return Real;
      Real = later("${LAYERS.top}").${top};
      Object.setPrototypeOf(${top}.prototype, Real.prototype);
      for (const ring of rings) {
        const alive = ring.deref();
        if (alive !== undefined) new Real(alive);
      }
      rings = undefined;
      return Real;
    }`;
}

/**
 * Where the second chunk is a file. It is read with the first: there may be no descriptor left when it is needed, or the
 * process may have given up what it needs to read files. Only to compile it is put off. A bundler takes its require()
 * along, and leaves the file behind.
 */
const REQUIRED = `
  const path = pathBeside(import.meta.url, "later.cjs");
  let bytes = read();

  function read() {
    if (path === undefined) return undefined;
    try {
      // Bun takes 2 ms to load node:fs.
      return runtime === "bun"
        ? globalThis.Bun.mmap(path, { shared: false })
        : nodeProcess().getBuiltinModule("node:fs").readFileSync(path);
    } catch {
      return undefined;
    }
  }

  function chunk() {
    if (bytes === undefined) {
      try {
        return requireLater("./later.cjs");
      } catch (cause) {
        throw new Error("uring: later.cjs is missing beside " + import.meta.url + ": copy the package whole", { cause });
      }
    }
    const text = new TextDecoder().decode(bytes);
    if (!text.endsWith(MARK)) {
      throw new Error("uring: " + path + " is of another build than the rest: it was replaced while the program " +
        "ran, or the package is not whole");
    }
    bytes = undefined;
    const { compileFunction } = nodeProcess().getBuiltinModule("node:vm");
    const module = { exports: undefined };
    compileFunction(text, ["module"], { filename: path })(module);
    return module.exports;
  }`;

/** Loads the second chunk, and hands it what it wants of the first. @param {string} second */
function loader(second) {
  /** @type {string[]} */
  const imports = [];
  /** @type {string[]} */
  const entries = [];
  for (const [path, names] of importsOf(second)) {
    const local = [...names].map((name) => [name, `m${imports.length}_${name}`]);
    imports.push(
      `import { ${local.map(([name, as]) => `${name} as ${as}`).join(", ")} } from ${
        JSON.stringify(join(ROOT, path))
      };`,
    );
    // The lowest of the later layers is not built on a ring of its own, but on one that is there.
    const values = local.map(([name, as]) =>
      path === LAYERS.below && name === "TimeOps" ? `${name}: adopting(${as})` : `${name}: ${as}`
    );
    entries.push(`"${path}": { ${values.join(", ")} }`);
  }
  return `
    ${imports.join("\n")}

    import { nodeProcess, pathBeside, runtime } from ${JSON.stringify(join(ROOT, "ffi/host.ts"))};

    const MARK = ${JSON.stringify(markOf(second))};
    let modules;

    export function later(path) {
      return (modules ??= chunk()({ ${entries.join(", ")} }))[path];
    }

    function adopting(Below) {
      function Adopted(ring) {
        return ring;
      }
      Adopted.prototype = Below.prototype;
      return Adopted;
    }
    ${REQUIRED}`;
}

/**
 * @param {string[]} shared modules of the first chunk
 * @returns {Promise<{ text: string, own: string[] }>} the second, and its modules
 */
async function bundleSecond(shared) {
  const modules = [...LATER, HANDED_OUT, LAYERS.top];
  const imports = modules.map((path, i) => `import * as m${i} from ${JSON.stringify(join(ROOT, path))};`);
  const { metafile, outputFiles } = await bundle({
    ...COMMON,
    stdin: {
      contents: `${imports.join("\n")}\nprovide({ ${modules.map((path, i) => `"${path}": m${i}`).join(", ")} });`,
      resolveDir: ROOT,
    },
    metafile: true,
    write: false,
    plugins: [dataAsText, {
      name: "of-the-first",
      setup({ onResolve }) {
        onResolve({ filter: /^\.\.?\// }, ({ path, importer }) => {
          const target = fromRoot(resolve(dirname(importer), path));
          return shared.includes(target) ? { path: `first:${target}`, external: true } : undefined;
        });
      },
    }],
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("the second chunk has no output");
  return { text: file.text, own: Object.keys(metafile.inputs) };
}

/**
 * Refuses modules that RawRing's file and the second chunk have both, where that makes a difference: they have state, or
 * classes.
 * @param {string[]} paths
 */
function refuseTwice(paths) {
  for (const path of paths) {
    const text = readFileSync(join(ROOT, path), "utf8");
    const kept = /^(export )?((abstract )?class|let|const .*= new (Weak)?(Map|Set)) .*/m.exec(text);
    if (kept) throw new Error(`${path} would be loaded twice, with ${kept[0]}`);
  }
}

const IMPORT = /import\s*\{([^}]*)\}\s*from\s*"first:([^"]+)";/g;

/** @param {string} text @returns {Map<string, Set<string>>} */
function importsOf(text) {
  /** @type {Map<string, Set<string>>} */
  const found = new Map();
  for (const [, names = "", path = ""] of text.matchAll(IMPORT)) {
    const ofPath = found.get(path) ?? new Set();
    for (const name of names.split(",")) ofPath.add((name.split(/\sas\s/)[0] ?? "").trim());
    found.set(path, ofPath);
  }
  return found;
}

/** @param {string} text a module @returns {string} a function that takes what it imports, and gives what it provides */
function asFunction(text) {
  const body = text.replaceAll(IMPORT, (_, names, path) => {
    const pattern = names.replaceAll(/\s+as\s+/g, ":").replaceAll(/\s+/g, "");
    return `const{${pattern}}=first["${path}"];`;
  });
  const left = /^(import|export)\b.*$|[^\0-\x7f]/m.exec(body);
  if (left !== null) throw new Error(`the second chunk is not closed: ${left[0].slice(0, 100)}`);
  return `first=>{let provided;const provide=modules=>{provided=modules};\n${body}\nreturn provided}`;
}

/** `using` needs declarations that not every project's target includes; the registry of Deno refuses this in sources. */
export function nameLibraries() {
  for (const path of BUNDLED) {
    const full = join(DIST, path.replace(/\.ts$/, ".d.ts"));
    writeFileSync(full, `/// <reference lib="esnext.disposable" />\n${readFileSync(full, "utf8")}`);
  }
}
