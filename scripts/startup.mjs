// npm run bench:start: what `import { Ring } from "uring"` and the first ring take, beyond an empty program, in each
// runtime; the package as it is installed, and, for Deno, as its registry has it. Each runs beside an empty one.
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
const installed = program("installed.mjs", 'import { Ring } from "uring"; new Ring();');
const registry = program("registry.mjs", `import { Ring } from ${JSON.stringify(join(jsr, "mod.js"))}; new Ring();`);

/** @typedef {{ wall: number, cpu: number }} Took milliseconds */

/** @param {string[]} command @returns {Took} */
function took(command) {
  const begun = performance.now();
  // The shell tells the processor time of what it ran.
  const { status, stderr } = spawnSync("bash", ["-c", 'TIMEFORMAT="%U %S"; time "$@" 2>/dev/null', "-", ...command], {
    encoding: "utf8",
    // What Node takes for these certificates moves by more than what is measured.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
  });
  const wall = performance.now() - begun;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}`);
  const [user = 0, system = 0] = stderr.trim().split(" ").map(Number);
  return { wall, cpu: (user + system) * 1000 };
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
  const forms = runtime === "deno" ? { installed, registry } : { installed };
  for (const [form, file] of Object.entries(forms)) {
    /** @type {Took[]} */
    const beyond = [];
    for (let round = -2; round < rounds; round++) {
      const [alone, loaded] = [took([...before, empty]), took([...before, file])];
      if (round >= 0) beyond.push({ wall: loaded.wall - alone.wall, cpu: loaded.cpu - alone.cpu });
    }
    results.push({
      runtime,
      form,
      wall: summary(beyond.map(({ wall }) => wall)),
      cpu: summary(beyond.map(({ cpu }) => cpu)),
    });
  }
}
rmSync(folder, { recursive: true });

if (values.json) {
  console.log(JSON.stringify({ rounds, unit: "ms", results }, null, 2));
} else {
  console.log(`import and first ring, ms beyond an empty program: min / median / max of ${rounds}`);
  for (const { runtime, form, wall, cpu } of results) {
    const [time, processor] = [wall, cpu].map(({ min, median, max }) => `${min} / ${median} / ${max}`);
    console.log(`${runtime.padEnd(5)} ${form.padEnd(10)} time ${time}   CPU ${processor}`);
  }
}
