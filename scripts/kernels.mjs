// npm run test:kernels: the demo and the tests on other kernels and architectures, in virtual machines. The kit that
// makes them is no part of this package: URING_VMKIT names its folder.
//
//   node scripts/kernels.mjs [--kernel 5.10,6.1] [--arch x86_64,aarch64] [--only demo,node,deno,bun] [--timeout SECONDS]
//                            [--stall SECONDS] [FILTER...]
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { counts, countsLine, sum } from "./counts.mjs";
import { DEMO, RESULT_MARK } from "./kernel_guest.mjs";
import { complaint, run } from "./processes.mjs";
import { ROOT, RUNTIMES } from "./runtimes.mjs";

const KIT = resolve(process.env["URING_VMKIT"] ?? join(ROOT, "..", "shared", "vmkit"));

/** What of this checkout does not go into a machine. */
const LEFT_OUT = ["node_modules", ".git", ".venv", "npm", "zig/.zig-cache", "zig/zig-out", "bench/build"];
/** What the tests import from npm. The runtimes themselves are the machine's own. */
const TEST_PACKAGES = ["vite", "vitest"];
/** npm's names of the architectures. @type {Record<string, string>} */
const NPM_CPU = { x86_64: "x64", aarch64: "arm64" };
/** Emulated code runs about fifteen times slower, with two processors for everything. */
const GUEST_ENVIRONMENT = "URING_TIME_SCALE=8 URING_GUEST=1";

/** @typedef {import("./kernel_guest.mjs").GuestResult} GuestResult */
/** @typedef {{ kernel: string, arch: string }} Machine */

/** @param {string} message @returns {never} */
function cannotRun(message) {
  console.error(message);
  process.exit(2);
}

function prepareKit() {
  const setup = join(KIT, "setup.sh");
  if (!existsSync(setup)) {
    cannotRun(
      `${KIT} is no kit for virtual machines: setup.sh and vm.sh are missing there.\n` +
        "vm.sh --kernel VERSION --arch ARCH --dir DIR --cmd COMMAND boots a Linux kernel in QEMU and runs a command,\n" +
        "with Node, Deno and Bun inside. Set URING_VMKIT to its folder. The tests of npm test need none of this.",
    );
  }
  const { status } = spawnSync(setup, { stdio: "inherit" });
  if (status !== 0) cannotRun(`${setup} failed: it installs QEMU, which needs root on Debian or Ubuntu`);
}

/**
 * Installs the test packages for an architecture, in the versions of the lock file; once.
 * @param {string} arch
 * @returns {Promise<string>} the node_modules folder
 */
async function testPackages(arch) {
  const folder = join(ROOT, "node_modules", ".cache", `kernels-${arch}`);
  const lock = readFileSync(join(ROOT, "package-lock.json"));
  const copy = join(folder, "lock-of-last-time");
  if (existsSync(copy) && readFileSync(copy).equals(lock)) return join(folder, "node_modules");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const wanted = Object.fromEntries(TEST_PACKAGES.map((name) => [name, devDependencies[name]]));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, devDependencies: wanted }));
  writeFileSync(join(folder, "package-lock.json"), lock);
  const platform = ["--os", "linux", "--cpu", NPM_CPU[arch] ?? arch, "--libc", "glibc"];
  const outcome = await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...platform], {
    cwd: folder,
  });
  const problem = complaint(outcome);
  if (problem) throw new Error(`npm install for ${arch}: ${problem}\n${outcome.output}`);
  writeFileSync(copy, lock);
  return join(folder, "node_modules");
}

/** Puts together what goes into the machines of an architecture. @param {string} folder @param {string} arch */
async function assemble(folder, arch) {
  const leftOut = new Set(LEFT_OUT.map((path) => join(ROOT, path)));
  cpSync(ROOT, folder, { recursive: true, filter: (path) => !leftOut.has(path) });
  cpSync(await testPackages(arch), join(folder, "node_modules"), { recursive: true, verbatimSymlinks: true });
}

/**
 * Runs the kit, showing what the machine prints, but for the results, which it collects.
 * @param {string[]} args
 * @returns {Promise<{ code: number | null, results: GuestResult[] }>}
 */
function runMachine(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(KIT, "vm.sh"), args, { stdio: ["ignore", "pipe", "inherit"] });
    const stop = () => child.kill();
    process.once("exit", stop);
    /** @type {GuestResult[]} */
    const results = [];
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.startsWith(RESULT_MARK)) results.push(JSON.parse(line.slice(RESULT_MARK.length)));
        else console.log(line);
      }
    });
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("exit", stop);
      resolve({ code, results });
    });
  });
}

/** @param {number | null} code */
function meaning(code) {
  if (code === 124) return "the machine ran over the time limit";
  if (code === 125) return "the machine did not come up, or broke down";
  return `the machine's command ended with exit code ${code}`;
}

/**
 * @param {string} folder what goes into the machine
 * @param {Machine} machine @param {string[]} steps @param {string[]} filters
 * @param {{ timeout: string, stall: string }} limits in seconds: of the machine, and of a file that shows no life
 * @returns {Promise<GuestResult[]>} one for every step
 */
async function testOn(folder, { kernel, arch }, steps, filters, { timeout, stall }) {
  const environment = `${GUEST_ENVIRONMENT} URING_STALL_SECONDS=${stall}`;
  const command = `${environment} node scripts/kernel_guest.mjs ${steps.join(" ")} -- ${filters.join(" ")}`;
  const machine = ["--kernel", kernel, "--arch", arch, "--dir", folder, "--timeout", timeout, "--cmd", command];
  const { code, results } = await runMachine(machine);
  return steps.map((step) =>
    results.find((result) => result.step === step) ??
      { step, seconds: 0, ...counts({ failed: 1 }), problems: [`${step}: no result: ${meaning(code)}`] }
  );
}

/** @param {{ machine: Machine, results: GuestResult[] }[]} runs */
function printTable(runs) {
  console.log("\nkernel  arch     step   passed  failed  skipped  seconds");
  for (const { machine: { kernel, arch }, results } of runs) {
    for (const { step, passed, failed, skipped, seconds, problems } of results) {
      const name = `${basename(kernel).padEnd(7)} ${arch.padEnd(8)} ${step.padEnd(5)}`;
      const figures = [[passed, 7], [failed, 7], [skipped, 8], [seconds, 8]];
      console.log(name + figures.map(([figure, width]) => ` ${String(figure).padStart(width ?? 0)}`).join(""));
      for (const problem of problems) console.log(`        ${problem}`);
    }
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: "string", default: "5.10,6.1,6.12,7.3" },
      arch: { type: "string", default: "x86_64,aarch64" },
      only: { type: "string", default: [DEMO, ...RUNTIMES].join(",") },
      timeout: { type: "string", default: "7200" },
      stall: { type: "string", default: "900" },
    },
  });
  prepareKit();
  await build();
  const scratch = mkdtempSync(join(tmpdir(), "uring-kernels-"));
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  const runs = [];
  for (const arch of values.arch.split(",")) {
    const folder = join(scratch, arch);
    await assemble(folder, arch);
    for (const kernel of values.kernel.split(",")) {
      console.log(`\n=== Linux ${kernel} on ${arch}`);
      const results = await testOn(folder, { kernel, arch }, values.only.split(","), positionals, values);
      runs.push({ machine: { kernel, arch }, results });
    }
  }
  printTable(runs);
  const total = sum(runs.flatMap(({ results }) => results));
  process.exitCode = total.failed > 0 ? 1 : 0;
  console.log(countsLine(total));
}

await main();
