import { RawRing } from "../../src/ring/raw.ts";
import { load } from "../../ffi/load.ts";
import { IORING_OP } from "../../mod.ts";

const OPCODE = 0;

/** Runs one SQE on a ring of its own, and gives its result. */
function runOnce(prepare: (ring: RawRing) => void): number {
  using ring = new RawRing({ entries: 1 });
  prepare(ring);
  ring.submitAndWait(1);
  let result = 0;
  ring.forEachCqe((_, res) => result = res);
  if (result < 0) throw new Error(`errno ${-result}`);
  return result;
}

/** Closes a descriptor that node:fs did not open, which Deno's refuses to close. */
export function closeFd(fd: number): void {
  runOnce((ring) => void ring.prepClose(1, fd));
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
    address[0] = 1;
    address.set(new TextEncoder().encode(path), 2);
    return Promise.resolve(new Listener(listening(1, address), 0));
  }

  [Symbol.asyncDispose](): Promise<void> {
    closeFd(this.fd);
    return Promise.resolve();
  }
}

function listening(family: number, address: Uint8Array): number {
  const fd = runOnce((ring) => {
    ring.prepRead(1, family, 0, 0, 1);
    ring.sqe().setUint8(OPCODE, IORING_OP.SOCKET);
  });
  const native = load();
  for (const rc of [native.bind(fd, address, address.length), native.listen(fd, 128)]) {
    if (rc < 0) throw new Error(`errno ${-rc}`);
  }
  return fd;
}
