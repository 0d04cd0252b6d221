/**
 * Takes over the memory of workers' pools while reads into it are in flight, terminates the workers, and uses it. Prints
 * JSON: how many there were, how many gave their memory itself, and how much of it is mapped still once nobody has it.
 *
 * Argument: how many workers.
 */

import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { TempFolder } from "../support/folder.ts";
import { collectGarbage, collectUntil } from "../support/garbage.ts";
import { ringDescriptors } from "../support/process_state.ts";
import { startWorker } from "../support/worker.ts";

const BYTE = 7;
const script = new URL(import.meta.url.replace("moved_pool", "moved_pool_worker"));
const folder = new TempFolder();
const file = folder.write("file", new Uint8Array(65_536).fill(BYTE));
execFileSync("mkfifo", [folder.at("fifo")]);
const pipe = openSync(folder.at("fifo"), "r+");
const addresses: number[] = [];
let given = 0;

function isMapped(address: number): boolean {
  return readFileSync("/proc/self/maps", "utf8").split("\n").some((line) => {
    const [from = 0, to = 0] = line.split(" ")[0]!.split("-").map((text) => parseInt(text, 16));
    return from <= address && address < to && line.includes("rw-p");
  });
}

async function one(): Promise<void> {
  const before = ringDescriptors();
  const worker = startWorker(script);
  let buffer: ArrayBuffer | undefined;
  const { address, moved } = await new Promise<{ address: number; moved: boolean }>((resolve) => {
    worker.onMessage((message) => {
      if (message === "ready") worker.post({ pipe, file });
      else if (message instanceof ArrayBuffer) buffer = message;
      else resolve(message as { address: number; moved: boolean });
    });
  });
  addresses.push(address);
  await worker.terminate();
  while (ringDescriptors() > before) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let i = 0; i < 3; i++) collectGarbage();
  // Nobody reads the pipe any more: what goes in comes out here.
  writeSync(pipe, "0123456789");
  if (readSync(pipe, new Uint8Array(16), 0, 10, null) !== 10) throw new Error("somebody reads the pipe still");
  if (buffer === undefined) return;
  if (moved) given++;
  const bytes = new Uint8Array(buffer);
  if (moved && !isMapped(address)) throw new Error("memory that is in use was unmapped");
  if (bytes.some((byte) => byte !== 0 && byte !== BYTE) || !bytes.includes(BYTE)) {
    throw new Error("it holds something else");
  }
  bytes.fill(1);
  if (bytes.some((byte) => byte !== 1)) throw new Error("somebody writes to it still");
}

const count = Number(process.argv[2]);
for (let i = 0; i < count; i++) await one();
const left = () => addresses.filter(isMapped).length;
await collectUntil(() => left() === 0);
console.log(JSON.stringify({ count, given, left: left() }));
closeSync(pipe);
folder[Symbol.dispose]();
process.exit(0);
