/**
 * The demo in one runtime, a program of its own: `demo_measure FOLDER IN_FLIGHT`. Reads the files below the folder
 * through a ring and compares every byte with node:fs; then times the ring and the runtime's own asynchronous reads in
 * turn. Prints a line of JSON, a {@link Measurement}.
 *
 * @module
 */

import { closeSync, lstatSync, openSync, readFileSync, readSync } from "node:fs";
import process from "node:process";
import { Ring } from "../../mod.ts";
import { codeOf, findFiles, type FoundFile } from "./demo_files.ts";
import { DenoReader, NodeReader, type Reader, RingReader, WHOLE } from "./demo_readers.ts";
import { thisRuntime } from "./runtimes.ts";
import { median, plural, Progress } from "./terminal.ts";

/** The most times each way is timed. */
const PASSES = 7;

/** No further pass begins after this. */
const PASSES_MS = 6000;

/** What one way took: medians of its passes. */
export interface Way {
  readonly ms: number;
  readonly cpuMs: number;
  /** For the ring, its calls of io_uring_enter and the reads the kernel counted; else undefined where unknown. */
  readonly systemCalls: number | undefined;
}

/** What the program prints. */
export type Measurement =
  | { readonly supported: false; readonly reason: string; readonly fix: string }
  | {
    readonly supported: true;
    readonly files: number;
    readonly bytes: number;
    readonly symlinks: number;
    readonly special: number;
    /** Files that could not be read, or were gone or changed before they could be compared. */
    readonly skipped: readonly { readonly path: string; readonly code: string }[];
    /** Files that node:fs reads, and the ring does not. */
    readonly failures: readonly { readonly path: string; readonly message: string }[];
    /** Files that went away while they were timed, at most in one pass. */
    readonly vanished: number;
    readonly mismatches: readonly { readonly path: string; readonly at: number }[];
    readonly passes: number;
    readonly ring: Way;
    readonly own: Way;
    readonly setupFlags: number;
  };

/** One pass of one way. */
interface Pass extends Way {
  readonly files: number;
}

async function main(folder: string, inFlight: number): Promise<Measurement> {
  const support = Ring.supported();
  if (!support.ok) return { supported: false, reason: support.reason, fix: support.fix };

  const { title } = thisRuntime();
  const progress = new Progress();
  const found = findFiles(folder, (files) => progress.label(`${title}: ${plural(files, "file")} found`));
  const skipped = [...found.unreadable];
  const mismatches: { path: string; at: number }[] = [];
  const failures: { path: string; message: string }[] = [];
  await using ring = new Ring({ entries: Math.max(64, inFlight) });

  const ringReaders = Array.from({ length: inFlight }, () => new RingReader(ring));
  const ownReaders = Array.from({ length: inFlight }, () => "Deno" in globalThis ? new DenoReader() : new NodeReader());

  const total = found.files.reduce((sum, { size }) => sum + size, 0);
  let compared = 0;
  const files: FoundFile[] = [];
  await inLoops(ringReaders, found.files, async (reader, file) => {
    const outcome = await compare(reader, file);
    if (outcome === "same") files.push(file);
    else if (typeof outcome === "number") mismatches.push({ path: file.path, at: outcome });
    else if ("message" in outcome) failures.push({ path: file.path, message: outcome.message });
    else skipped.push({ path: file.path, code: outcome.code });
    compared += file.size;
    progress.bar(`${title}: comparing every byte`, compared, total);
  });

  // The comparison warmed the page cache, and the ring's way up; this warms up the runtime's own.
  const expected = await readAll(ownReaders, files, progress, `${title}: warming up`);
  const passes: { ring: Pass; own: Pass }[] = [];
  const began = performance.now();
  do {
    progress.label(`${title}: timing, ${passes.length + 1} of up to ${PASSES}`);
    const timeRing = () => timed(ringReaders, files, () => ring.stats.enters);
    const timeOwn = () => timed(ownReaders, files);
    // Whoever goes second finds the processor's caches as the first left them: they take turns.
    if (passes.length % 2 === 0) passes.push({ ring: await timeRing(), own: await timeOwn() });
    else {
      const own = await timeOwn();
      passes.push({ ring: await timeRing(), own });
    }
  } while (passes.length < PASSES && performance.now() - began < PASSES_MS);
  progress.clear();

  return {
    supported: true,
    ...expected,
    symlinks: found.symlinks,
    special: found.special,
    skipped,
    failures,
    vanished: expected.files - Math.min(...passes.flatMap(({ ring, own }) => [ring.files, own.files])),
    mismatches,
    passes: passes.length,
    ring: middle(passes.map((pass) => pass.ring)),
    own: middle(passes.map((pass) => pass.own)),
    setupFlags: ring.setupFlags,
  };
}

/** Every reader takes the next file until there is none. */
async function inLoops<R>(
  readers: readonly R[],
  files: readonly FoundFile[],
  each: (reader: R, file: FoundFile) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(readers.map(async (reader) => {
    for (let file = files[next++]; file !== undefined; file = files[next++]) await each(reader, file);
  }));
}

/** Reads every file; one that is gone meanwhile doesn't count. */
async function readAll(
  readers: readonly Reader[],
  files: readonly FoundFile[],
  progress?: Progress,
  label = "",
): Promise<{ files: number; bytes: number }> {
  const counts = { files: 0, bytes: 0 };
  await inLoops(readers, files, async (reader, file) => {
    let bytes = 0;
    try {
      await reader.read(file, (piece) => bytes += piece.length);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      throw error;
    }
    counts.files++;
    counts.bytes += bytes;
    progress?.bar(label, counts.files, files.length);
  });
  return counts;
}

async function timed(
  readers: readonly Reader[],
  files: readonly FoundFile[],
  enters?: () => number,
): Promise<Pass> {
  const callsBefore = readsCounted(), entersBefore = enters?.() ?? 0;
  const cpuBefore = process.cpuUsage(), before = performance.now();
  const counts = await readAll(readers, files);
  const ms = performance.now() - before;
  const { user, system } = process.cpuUsage(cpuBefore);
  const calls = readsCounted();
  let systemCalls = calls === undefined || callsBefore === undefined ? undefined : calls - callsBefore;
  if (enters !== undefined) systemCalls = (systemCalls ?? 0) + enters() - entersBefore;
  // Besides what the kernel counted, no file is read without being opened and closed.
  else if (systemCalls !== undefined) systemCalls += 2 * counts.files;
  return { ms, cpuMs: (user + system) / 1000, systemCalls, files: counts.files };
}

function middle(ways: readonly Way[]): Way {
  const calls = ways.map((way) => way.systemCalls).filter((count) => count !== undefined);
  return {
    ms: median(ways.map((way) => way.ms)),
    cpuMs: median(ways.map((way) => way.cpuMs)),
    systemCalls: calls.length === 0 ? undefined : median(calls),
  };
}

/** The read system calls of this process so far, as the kernel counts them; reads through a ring are none. */
function readsCounted(): number | undefined {
  try {
    const count = /^syscr: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1];
    return count === undefined ? undefined : Number(count);
  } catch {
    return undefined;
  }
}

/** What came of comparing a file: where it differs first, what the ring said of it, or why it can't be compared. */
type Outcome = "same" | number | { readonly message: string } | { readonly code: string };

/** Compares what the ring reads with what node:fs reads. */
async function compare(reader: RingReader, file: FoundFile): Promise<Outcome> {
  let before, difference: number | undefined, length = 0, fd: number | undefined;
  try {
    before = version(file.path);
    await reader.read(file, (piece, at) => {
      let reference: Uint8Array;
      if (file.size <= WHOLE) reference = readFileSync(file.path);
      else {
        reference = new Uint8Array(piece.length);
        readFully(fd ??= openSync(file.path, "r"), reference, at);
      }
      difference ??= firstDifference(piece, reference, at);
      length = at + piece.length;
    });
    const after = version(file.path);
    if (after.key !== before.key) return { code: "changed meanwhile" };
    // Files of /proc and the like say 0 and hold more.
    if (length < after.size) difference ??= length;
  } catch (error) {
    return isReadable(file) ? { message: `${error}` } : { code: codeOf(error) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return difference ?? "same";
}

/** Whether node:fs can read a file to its end. */
function isReadable({ path }: FoundFile): boolean {
  try {
    const fd = openSync(path, "r");
    try {
      const buffer = new Uint8Array(WHOLE);
      while (readSync(fd, buffer) > 0);
      return true;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

function version(path: string): { size: number; key: string } {
  const { size, mtimeMs, ctimeMs, ino } = lstatSync(path);
  return { size, key: `${size} ${mtimeMs} ${ctimeMs} ${ino}` };
}

function readFully(fd: number, buffer: Uint8Array, offset: number): void {
  for (let filled = 0; filled < buffer.length;) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, offset + filled);
    if (count === 0) return;
    filled += count;
  }
}

function firstDifference(one: Uint8Array, other: Uint8Array, at: number): number | undefined {
  const shorter = Math.min(one.length, other.length);
  if (one.length === other.length && Buffer.compare(one, other) === 0) return undefined;
  for (let i = 0; i < shorter; i++) if (one[i] !== other[i]) return at + i;
  return at + shorter;
}

const [folder = ".", inFlight = "64"] = process.argv.slice(2);
console.log(JSON.stringify(await main(folder, Number(inFlight))));
