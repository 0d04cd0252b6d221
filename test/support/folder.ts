import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of a test's own, and files open in it; both end with their scope. */
export class TempFolder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "uring-test-"));
  readonly #fds: number[] = [];

  /** The path of a name in it. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes a file, and gives its path. */
  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.at(name), content);
    return this.at(name);
  }

  read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(this.at(name)));
  }

  text(name: string): string {
    return readFileSync(this.at(name), "utf8");
  }

  /** Opens a file through node:fs (Deno's refuses descriptors that others opened); it is closed with the folder. */
  open(name: string, flags: string | number = "r", mode = 0o644): number {
    const fd = openSync(this.at(name), flags, mode);
    this.#fds.push(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeSync(fd);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Bytes that differ from place to place: `length` of them, as they stand from `from` on. */
export function pattern(length: number, from = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = ((from + i) * 31 + ((from + i) >> 8)) & 0xff;
  return bytes;
}
