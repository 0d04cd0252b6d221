import { readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { AF, type IpAddress, O, Ring, type RingOptions, SOCK, type SocketAddress } from "../../mod.ts";
import { closeFd } from "./listener.ts";

const LOCAL_ADDRESS = 1;
const INODE = 9;

/** The port that a socket of IP is bound to, as /proc tells it: of TCP, only where it listens or is connected. */
export function portOf(fd: number): number {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))![0];
  for (const protocol of ["tcp", "tcp6", "udp", "udp6"]) {
    for (const line of readTable(protocol)) {
      const fields = line.trim().split(/\s+/);
      if (fields[INODE] === inode) return parseInt(fields[LOCAL_ADDRESS]!.split(":")[1]!, 16);
    }
  }
  throw new Error(`no socket of IP has inode ${inode}`);
}

function readTable(protocol: string): string[] {
  try {
    return readFileSync(`/proc/self/net/${protocol}`, "utf8").split("\n").slice(1);
  } catch {
    return []; // without IPv6
  }
}

/** Whether this machine has ::1. */
export const HAS_IPV6: boolean = (() => {
  try {
    return readFileSync("/proc/self/net/if_inet6", "utf8").includes("00000000000000000000000000000001");
  } catch {
    return false;
  }
})();

/** Whether a descriptor closes on exec. */
export function closesOnExec(fd: number): boolean {
  return (flagsOf(fd) & O.CLOEXEC) !== 0;
}

/** Whether a file is one with O_NONBLOCK. */
export function doesNotBlock(fd: number): boolean {
  return (flagsOf(fd) & O.NONBLOCK) !== 0;
}

function flagsOf(fd: number): number {
  return parseInt(/^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!, 8);
}

let names = 0;

/** An address that no other socket has. */
export function abstractAddress(): { path: string } {
  return { path: `\0uring test ${process.pid} ${names++}` };
}

/** The kinds of stream sockets. */
export const STREAMS = ["tcp", "tcp6", "unix"] as const;
export type StreamKind = typeof STREAMS[number];

/** A ring, and sockets that are closed with it. */
export class Net implements AsyncDisposable {
  readonly ring: Ring;
  readonly #fds: Set<number> = new Set();

  constructor(options?: RingOptions) {
    this.ring = new Ring(options);
  }

  /** Closes a descriptor in the end. */
  keep(fd: number): number {
    this.#fds.add(fd);
    return fd;
  }

  /** Closes a descriptor now. */
  async close(fd: number): Promise<void> {
    this.#fds.delete(fd);
    await this.ring.closeFd(fd);
  }

  async socket(domain: number, type: number): Promise<number> {
    return this.keep(await this.ring.socket(domain, type));
  }

  /** A listening socket, and where. */
  async listener(
    kind: StreamKind,
    backlog?: number,
    type: number = SOCK.STREAM,
  ): Promise<{ fd: number; address: SocketAddress }> {
    const fd = await this.socket(familyOf(kind), type);
    const address = kind === "unix" ? abstractAddress() : { hostname: loopback(kind), port: 0 };
    await this.ring.bind(fd, address);
    await this.ring.listen(fd, backlog);
    return { fd, address: kind === "unix" ? address : { hostname: loopback(kind), port: portOf(fd) } };
  }

  /** Two sockets that are connected with each other. */
  async pair(
    kind: StreamKind = "tcp",
    type: number = SOCK.STREAM,
  ): Promise<[client: number, server: number]> {
    const { fd, address } = await this.listener(kind, undefined, type);
    const client = await this.socket(familyOf(kind), type);
    const [server] = await Promise.all([this.ring.accept(fd), this.ring.connect(client, address)]);
    return [client, this.keep(server)];
  }

  /** A UDP socket with an address. */
  async udp(hostname = "127.0.0.1"): Promise<{ fd: number; address: IpAddress }> {
    const fd = await this.socket(hostname.includes(":") ? AF.INET6 : AF.INET, SOCK.DGRAM);
    await this.ring.bind(fd, { hostname, port: 0 });
    return { fd, address: { hostname, port: portOf(fd) } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ring.close();
    for (const fd of this.#fds) closeFd(fd);
  }
}

function familyOf(kind: StreamKind): number {
  return kind === "unix" ? AF.UNIX : kind === "tcp" ? AF.INET : AF.INET6;
}

function loopback(kind: StreamKind): string {
  return kind === "tcp6" ? "::1" : "127.0.0.1";
}

/** Bytes of text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of bytes. */
export function textOf(bytes: Uint8Array, length: number = bytes.length): string {
  return new TextDecoder().decode(bytes.subarray(0, length));
}
