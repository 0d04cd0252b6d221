// npm run bench:start: what `import { Ring } from "uring"` and the first ring take, in each runtime; the package as it is
// installed, and, for Deno, as its registry has it. Told twice: by the program itself, from before the import to the ring;
// and by its whole process, beside an empty one: that has the ring's end, and the runtime's, too.
//
//   node scripts/startup.mjs [--rounds 25] [--json] [runtime...]
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildJsr } from "./jsr.mjs";
import { ROOT, runtimePath, RUNTIMES } from "./runtimes.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "25" }, json: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
const jsr = await buildJsr();
const folder = mkdtempSync(join(tmpdir(), "uring-start-"));
const installation = join(folder, "node_modules", "uring");
const unpacked = /^(mod\.js|src\/ring\/raw\.js|whole\/.*|ffi\/(shared|whole|later|uring).*\.(js|cjs|so))$/;
for (const path of readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" })) {
  if (unpacked.test(path)) cpSync(join(ROOT, "dist", path), join(installation, "dist", path));
}
cpSync(join(ROOT, "package.json"), join(installation, "package.json"));

program("package.json", JSON.stringify({ type: "module", dependencies: { uring: "*" } }));

/** @param {string} name @param {string} text */
function program(name, text) {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const empty = program("empty.mjs", "");
const forms = { installed: "uring", registry: join(jsr, "mod.js") };

/** The program whose process is measured, and the one that measures itself: `performance` is loaded before. */
const programs = Object.fromEntries(
  Object.entries(forms).map(([form, from]) => {
    const name = JSON.stringify(from);
    const timed = `performance.now();
      const begun = performance.now();
      const { Ring } = await import(${name});
      const ring = new Ring();
      console.log(performance.now() - begun);
      await ring.close();`;
    return [form, {
      file: program(`${form}.mjs`, `import { Ring } from ${name}; new Ring();`),
      timed: program(`${form}_timed.mjs`, timed),
    }];
  }),
);

/** @typedef {{ wall: number, cpu: number, said: number }} Took milliseconds */

/** @param {string[]} command @returns {Took} */
function took(command) {
  const begun = performance.now();
  // The shell tells the processor time of what it ran.
  const { status, stdout, stderr } = spawnSync("bash", [
    "-c",
    'TIMEFORMAT="%U %S"; time "$@" 2>/dev/null',
    "-",
    ...command,
  ], {
    encoding: "utf8",
    // What Node takes for these certificates moves by more than what is measured.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
  });
  const wall = performance.now() - begun;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}`);
  const [user = 0, system = 0] = stderr.trim().split(" ").map(Number);
  return { wall, cpu: (user + system) * 1000, said: Number(stdout) };
}

/** @param {number[]} figures */
function summary(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => Number((sorted[Math.floor((sorted.length - 1) * part)] ?? NaN).toFixed(1));
  return { min: at(0), median: at(0.5), max: at(1) };
}

const results = [];
for (const runtime of RUNTIMES.filter((name) => positionals.length === 0 || positionals.includes(name))) {
  const path = runtimePath(/** @type {"node"} */ (runtime));
  if (path === undefined) throw new Error(`${runtime} is neither in node_modules nor on PATH: run npm ci`);
  const before = runtime === "deno" ? [path, "run", "-A"] : [path];
  for (const [form, { file, timed }] of Object.entries(programs)) {
    if (form === "registry" && runtime !== "deno") continue;
    /** @type {Took[]} */
    const beyond = [];
    for (let round = -2; round < rounds; round++) {
      const alone = took([...before, empty]);
      const loaded = took([...before, file]);
      const itself = took([...before, timed]);
      if (round < 0) continue;
      beyond.push({ wall: loaded.wall - alone.wall, cpu: loaded.cpu - alone.cpu, said: itself.said });
    }
    results.push({
      runtime,
      form,
      itself: summary(beyond.map(({ said }) => said)),
      wall: summary(beyond.map(({ wall }) => wall)),
      cpu: summary(beyond.map(({ cpu }) => cpu)),
    });
  }
}
rmSync(folder, { recursive: true });

if (values.json) {
  console.log(JSON.stringify({ rounds, unit: "ms", results }, null, 2));
} else {
  console.log(`import and first ring, ms: min / median / max of ${rounds}`);
  for (const { runtime, form, itself, wall, cpu } of results) {
    const [told, time, processor] = [itself, wall, cpu].map(({ min, median, max }) => `${min} / ${median} / ${max}`);
    console.log(
      `${runtime.padEnd(5)} ${form.padEnd(10)} ${told}   process beyond an empty one ${time}   CPU ${processor}`,
    );
  }
}
