import { createServer, type Server, type Socket } from "node:net";
import { IORING_OP } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const OPCODE = 0;
const LEN = 24;

/** Runs one SQE on a ring of its own, and gives its result. */
function runOnce(prepare: (ring: RawRing) => void): number {
  using ring = new RawRing({ entries: 1 });
  prepare(ring);
  ring.submitAndWait(1);
  let result = 0;
  ring.forEachCqe((_, res) => result = res);
  return result;
}

/** A new stream socket that is connected to nothing; a negative errno where the kernel has no such op. */
export function newSocket(): number {
  return runOnce((ring) => {
    ring.prepRead(1, AF_UNIX, 0, 0, SOCK_STREAM);
    ring.sqe().setUint8(OPCODE, IORING_OP.SOCKET);
  });
}

/** Connects a socket to a path, without blocking this thread for the server's sake: it is listening already. */
export function connect(fd: number, path: string): number {
  const address = new Uint8Array(110);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(new TextEncoder().encode(path), 2);
  return runOnce((ring) => {
    ring.prepWrite(1, fd, address, 1, address.length);
    ring.sqe().setUint8(OPCODE, IORING_OP.CONNECT);
    ring.sqe().setUint32(LEN, 0);
  });
}

/** A server on a path; gives it, and the first connection that comes. */
export async function listen(path: string): Promise<{ server: Server; connection: Promise<Socket> }> {
  const server = createServer();
  const connection = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { server, connection };
}
