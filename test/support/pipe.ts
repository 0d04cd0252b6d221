import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** FIFOs are made a batch at a time: each batch takes a process. */
const BATCH = 16;
/** FIFOs without a name, each open for both reading and writing. */
const waiting: number[] = [];

function nextFifo(): number {
  if (waiting.length === 0) {
    const folder = mkdtempSync(join(tmpdir(), "uring-fifos-"));
    const paths = Array.from({ length: BATCH }, (_, i) => join(folder, `${i}`));
    execFileSync("mkfifo", paths);
    waiting.push(...paths.map((path) => openSync(path, constants.O_RDWR)));
    rmSync(folder, { recursive: true });
  }
  return waiting.pop()!;
}

/** A pipe: what is written to one end is read from the other. Blocking, so that io_uring waits rather than refuses. */
export class Pipe implements Disposable {
  readonly readEnd: number;
  readonly writeEnd: number;
  readonly #open: Set<number>;

  constructor() {
    const both = nextFifo(); // as long as it is open, an end can be opened without waiting for the other
    this.readEnd = openSync(`/proc/self/fd/${both}`, constants.O_RDONLY);
    this.writeEnd = openSync(`/proc/self/fd/${both}`, constants.O_WRONLY);
    closeSync(both);
    this.#open = new Set([this.readEnd, this.writeEnd]);
  }

  write(content: string | Uint8Array): void {
    writeSync(this.writeEnd, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** Takes what is in the pipe, up to `max` bytes; does not wait, but gives "" when nothing is. */
  read(max = 4096): string {
    const bytes = new Uint8Array(max);
    const fd = openSync(`/proc/self/fd/${this.readEnd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes)));
    } catch (error) {
      if ((error as { code?: string }).code === "EAGAIN") return "";
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Fills it: what is written to it now waits. */
  fill(): void {
    const fd = openSync(`/proc/self/fd/${this.writeEnd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      while (true) writeSync(fd, new Uint8Array(4096));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    } finally {
      closeSync(fd);
    }
  }

  closeReadEnd(): void {
    this.#close(this.readEnd);
  }

  closeWriteEnd(): void {
    this.#close(this.writeEnd);
  }

  #close(fd: number): void {
    if (this.#open.delete(fd)) closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.closeReadEnd();
    this.closeWriteEnd();
  }
}
