/**
 * Starts programs while rings of every kind are open, with their wakers, pools and buffer rings, and finds what of these
 * got into the programs. Prints JSON.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { BufferPool, BufferRing, Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { hasOp } from "../support/kernel.ts";
import { RING_KINDS } from "../support/ring_kinds.ts";

/** A region of memory, and whether a fork leaves it out (VM_DONTCOPY). */
interface Region {
  readonly name: string;
  readonly isLeftOut: boolean;
}

function regions(): Region[] {
  const entries = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return entries.map((entry) => ({
    name: /^\S+ \S+ \S+ \S+ \S+ *(.*)$/m.exec(entry)![1]!,
    isLeftOut: / dc( |$)/m.test(/^VmFlags:(.*)$/m.exec(entry)![1]!),
  }));
}

/** Prints what its descriptors are, and its maps. */
const LISTING = ["-c", "for fd in /proc/self/fd/*; do readlink $fd; done; cat /proc/self/maps"];

async function listings(): Promise<Record<string, string>> {
  const listings: Record<string, string> = {
    execFileSync: execFileSync("sh", LISTING, { encoding: "utf8" }),
    spawnSync: spawnSync("sh", LISTING, { encoding: "utf8" }).stdout,
  };
  if (typeof Deno !== "undefined") {
    const { stdout } = await new Deno.Command("sh", { args: LISTING }).output();
    listings["Deno.Command"] = new TextDecoder().decode(stdout);
  }
  const { Bun } = globalThis as { Bun?: { spawn(command: string[]): { stdout: ReadableStream } } };
  if (Bun !== undefined) listings["Bun.spawn"] = await new Response(Bun.spawn(["sh", ...LISTING]).stdout).text();
  return listings;
}

/** Node 24 has rings of its own, which a fork copies. */
const foreign = copied();

function copied(): number {
  return regions().filter(({ name, isLeftOut }) => name.includes("[io_uring]") && !isLeftOut).length;
}

const rings = RING_KINDS.map(([, options]) => new Ring({ entries: 8, ...options }));
for (const [i, [, { iopoll, disabled }]] of RING_KINDS.entries()) {
  if (!iopoll && !disabled) await rings[i]!.timeout(0.1); // now it has a waker
}
const ring = rings[0]!;
const raw = new RawRing({ entries: 8 });
const pool = new BufferPool({ size: 4096, count: 4, ring });
// Buffer rings came in 5.19, and this op with the next.
const group = hasOp("SEND_ZC") ? new BufferRing({ ring, count: 4, size: 4096 }) : undefined;
const pending = ring.timeout(60_000).catch(() => {});

const all = await listings();
const inherited = Object.entries(all).map(([how, text]) => {
  if (!/^(pipe|socket):/m.test(text) || !text.includes("[stack]")) throw new Error(`${how} listed nothing: ${text}`);
  return [how, text.split("\n").filter((line) => /io_uring|eventfd|uring-linux|memfd/.test(line))];
});
const forked = copied() - foreign;
const maps = regions().filter(({ name }) => name.includes("[io_uring]")).length;

// Whoever started programs goes on.
const alive = await ring.nop();
group?.close();
pool.close();
raw.close();
for (const each of rings) await each.close();
await pending;
console.log(JSON.stringify({ inherited: Object.fromEntries(inherited), maps, forked, alive }));
