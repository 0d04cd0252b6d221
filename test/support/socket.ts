import { createServer, type Server, type Socket } from "node:net";
import { AF, SOCK } from "../../mod.ts";
import { runOnce } from "./completions.ts";

/** A new stream socket that is connected to nothing; a negative errno where the kernel has no such op. */
export function newSocket(): number {
  return runOnce((ring) => ring.prepSocket(1, AF.UNIX, SOCK.STREAM, 0, 0));
}

/** Connects a socket to a path, without blocking this thread for the server's sake: it is listening already. */
export function connect(fd: number, path: string): number {
  const address = new Uint8Array(110);
  new DataView(address.buffer).setUint16(0, AF.UNIX, true);
  address.set(new TextEncoder().encode(path), 2);
  return runOnce((ring) => ring.prepConnect(1, fd, address, address.length));
}

/** A server on a path; gives it, and the first connection that comes. */
export async function listen(path: string): Promise<{ server: Server; connection: Promise<Socket> }> {
  const server = createServer();
  const connection = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { server, connection };
}
