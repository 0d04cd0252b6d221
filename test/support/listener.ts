import { load } from "../../ffi/load.ts";
import { AF } from "../../mod.ts";
import { runOnce } from "./completions.ts";
import { newSocket } from "./socket.ts";

function succeeded(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`);
  return result;
}

/** Closes a descriptor that node:fs did not open, which Deno's refuses to close. */
export function closeFd(fd: number): void {
  succeeded(runOnce((ring) => ring.prepClose(1, fd)));
}

/** A listening socket of the test's own, made by system calls. */
export class Listener implements AsyncDisposable {
  readonly fd: number;
  readonly port: number;

  constructor(fd: number, port: number) {
    this.fd = fd;
    this.port = port;
  }

  /** On a path. */
  static unix(path: string): Promise<Listener> {
    const address = new Uint8Array(2 + path.length + 1);
    address[0] = AF.UNIX;
    address.set(new TextEncoder().encode(path), 2);
    return Promise.resolve(new Listener(listening(address), 0));
  }

  [Symbol.asyncDispose](): Promise<void> {
    closeFd(this.fd);
    return Promise.resolve();
  }
}

function listening(address: Uint8Array): number {
  const fd = succeeded(newSocket());
  const native = load();
  for (const rc of [native.bind(fd, address, address.length), native.listen(fd, 128)]) succeeded(rc);
  return fd;
}
