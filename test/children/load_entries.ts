/**
 * Imports every entry point on a system that can't have io_uring, and prints as JSON what they say there.
 *
 * Argument: what the host is made to say that it is, by Node's name.
 */

import process from "node:process";

const [, , platform = ""] = process.argv;
if (typeof Deno !== "undefined") {
  const os = platform === "win32" ? "windows" : platform;
  Object.defineProperty(Deno, "build", { value: { ...Deno.build, os } });
} else {
  Object.defineProperty(process, "platform", { value: platform });
}

const { BufferPool, Ring } = await import("../../mod.ts");
const { RawRing } = await import("../../src/ring/raw.ts");
const { OPS } = await import("../../src/abi/mod.ts");
const { main } = await import("../../src/cli/main.ts");

function refusal(call: () => unknown): { name: string; message: string; fix: string } | undefined {
  try {
    call();
  } catch (error) {
    const { name, message, fix } = error as Error & { fix: string };
    return { name, message, fix };
  }
}

const help = await main(["help"]);
const opening = [
  () => new Ring(),
  () => Ring.default(),
  () => new RawRing(),
  () => new BufferPool({ size: 1, count: 1 }),
];
const refusals = opening.map(refusal);
const ops = Object.keys(OPS).length;
console.log("\n" + JSON.stringify({ supported: Ring.supported(), refusals, ops, help }));
