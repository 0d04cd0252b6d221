/**
 * Socket addresses, as people write them and as the kernel does (`struct sockaddr`).
 *
 * @module
 */

import { AF } from "../abi/constants.ts";
import { type Bytes, isBuffer, refuseBytes } from "./address.ts";
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "./ip.ts";

/** An address of IPv4 or IPv6. */
export interface IpAddress {
  /** A numeric address: `"127.0.0.1"`, `"::1"`. The kernel looks no names up: do so first. */
  readonly hostname: string;
  /** 0 to 65535. For `bind()`, 0 lets the kernel choose. */
  readonly port: number;
  /** IPv6: the number of the network device that a link-local address belongs to. Default 0: none. */
  readonly scopeId?: number;
  /** IPv6: traffic class and flow label, 28 bits. Default 0. */
  readonly flowInfo?: number;
}

/** An address of a local (unix) socket. */
export interface UnixAddress {
  /**
   * A path, of at most 107 bytes; or a NUL and a name that is in no folder (an abstract one), of at most 108 bytes
   * together. Empty, in an answer: the socket has no name.
   */
  readonly path: string;
}

/** A socket's address; of families other than IP and unix, the bytes of its `struct sockaddr`, 2 to 128. */
export type SocketAddress = IpAddress | UnixAddress | Uint8Array;

/** `sizeof(struct sockaddr_storage)`: no address is longer. */
export const SOCKADDR_ROOM = 128;

const IPV4_SIZE = 16;
const IPV6_SIZE = 28;
/** Where the path of a `struct sockaddr_un` begins, and how much room it has. */
const PATH_AT = 2;
const PATH_ROOM = 108;

const encoder = new TextEncoder();

/**
 * The bytes of an address's `struct sockaddr`.
 *
 * @param address what a caller gave
 * @param name what to call it in errors
 * @throws {TypeError} {RangeError} for anything that is no address
 */
export function encodeAddress(address: SocketAddress | Bytes, name: string = "address"): Uint8Array<ArrayBuffer> {
  if (address === null || typeof address !== "object") refuseAddress(address, name);
  const { hostname, path } = address as Partial<IpAddress & UnixAddress>;
  if (hostname !== undefined && path !== undefined) {
    throw new TypeError(`${name} has both hostname and path: an IP address has the one, a unix address the other`);
  }
  if (hostname !== undefined) return encodeIp(address as IpAddress, name);
  if (path !== undefined) return encodePath(path, name);
  return copyRaw(address as Bytes, name);
}

function refuseAddress(address: unknown, name: string): never {
  throw new TypeError(`${name} must be { hostname, port }, { path } or the bytes of a sockaddr, not ${shown(address)}`);
}

function encodeIp({ hostname, port, scopeId = 0, flowInfo = 0 }: IpAddress, name: string): Uint8Array<ArrayBuffer> {
  if (typeof hostname !== "string") throw new TypeError(`${name}.hostname must be a string, not ${shown(hostname)}`);
  checkField(port, `${name}.port`, 0xffff);
  const ipv4 = parseIpv4(hostname);
  const ipv6 = ipv4 === undefined ? parseIpv6(hostname) : undefined;
  if (ipv4 === undefined && ipv6 === undefined) refuseHostname(hostname, name);
  checkField(scopeId, `${name}.scopeId`, 0xffffffff);
  checkField(flowInfo, `${name}.flowInfo`, 0xfffffff);
  if (ipv4 !== undefined && (scopeId !== 0 || flowInfo !== 0)) {
    throw new TypeError(`${name} is one of IPv4, which has no scopeId and no flowInfo: leave them out`);
  }
  const bytes = new Uint8Array(ipv4 === undefined ? IPV6_SIZE : IPV4_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ipv4 === undefined ? AF.INET6 : AF.INET, true);
  view.setUint16(2, port); // in network order, as flowinfo
  if (ipv4 !== undefined) {
    bytes.set(ipv4, 4);
  } else {
    view.setUint32(4, flowInfo);
    bytes.set(ipv6!, 8);
    view.setUint32(24, scopeId, true);
  }
  return bytes;
}

function refuseHostname(hostname: string, name: string): never {
  const hint = hostname.startsWith("[")
    ? "leave the brackets out"
    : hostname.includes("%")
    ? "give the zone's number as scopeId"
    : "the kernel looks no names up, do so first (node:dns)";
  throw new TypeError(
    `${name}.hostname must be a numeric address such as "127.0.0.1" or "::1", not ${JSON.stringify(hostname)}: ${hint}`,
  );
}

function encodePath(path: string, name: string): Uint8Array<ArrayBuffer> {
  if (typeof path !== "string") throw new TypeError(`${name}.path must be a string, not ${shown(path)}`);
  const text = encoder.encode(path);
  if (text.length === 0) {
    throw new TypeError(
      `${name}.path is empty: give a path; to let bind() choose a name, give new Uint8Array([${AF.UNIX}, 0])`,
    );
  }
  const abstract = text[0] === 0;
  if (!abstract && text.includes(0)) throw new TypeError(`${name}.path contains a NUL, which ends a path`);
  // A path is followed by a NUL, of an abstract name every byte counts.
  const length = abstract ? text.length : text.length + 1;
  if (length > PATH_ROOM) {
    const most = abstract ? "108, its NUL among them" : "107: use a shorter one, or a relative one";
    throw new RangeError(`${name}.path is ${text.length} bytes long; the kernel takes at most ${most}`);
  }
  const bytes = new Uint8Array(PATH_AT + length);
  bytes[0] = AF.UNIX;
  bytes.set(text, PATH_AT);
  return bytes;
}

function copyRaw(bytes: Bytes, name: string): Uint8Array<ArrayBuffer> {
  const isView = ArrayBuffer.isView(bytes);
  if (!isView && !isBuffer(bytes)) refuseAddress(bytes, name);
  if (bytes.byteLength === 0) refuseBytes(bytes, name);
  const source = isView
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes as ArrayBufferLike);
  if (source.length < 2 || source.length > SOCKADDR_ROOM) {
    throw new RangeError(`${name} must be a sockaddr of 2 to ${SOCKADDR_ROOM} bytes, not of ${source.length}`);
  }
  return new Uint8Array(source);
}

function checkField(value: number, name: string, max: number): void {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer from 0 to ${max}, not ${shown(value)}`);
  }
  if (value < 0 || value > max) throw new RangeError(`${name} must be from 0 to ${max}, not ${value}`);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "another object" : String(value);
}

/**
 * Reads a `struct sockaddr`.
 *
 * @param bytes where it begins; what the kernel gave for a name
 * @param length how many bytes count; default: all of them
 * @returns the address: `{ hostname, port }` for IP, `{ path }` for unix sockets, a copy of the bytes for any other
 *   family and for a unix path that is not UTF-8; undefined when there is none
 */
export function decodeAddress(bytes: Uint8Array, length: number = bytes.length): SocketAddress | undefined {
  const given = bytes.subarray(0, Math.min(length, bytes.length));
  if (given.length < 2) return undefined;
  const view = new DataView(given.buffer, given.byteOffset, given.length);
  const family = view.getUint16(0, true);
  if (family === AF.INET && given.length >= IPV4_SIZE) {
    return { hostname: formatIpv4(given.subarray(4)), port: view.getUint16(2) };
  }
  if (family === AF.INET6 && given.length >= IPV6_SIZE) {
    const scopeId = view.getUint32(24, true);
    const flowInfo = view.getUint32(4);
    return {
      hostname: formatIpv6(given.subarray(8, 24)),
      port: view.getUint16(2),
      ...(scopeId === 0 ? {} : { scopeId }),
      ...(flowInfo === 0 ? {} : { flowInfo }),
    };
  }
  if (family === AF.UNIX) {
    const path = decodePath(given.subarray(PATH_AT));
    if (path !== undefined) return { path };
  }
  return given.slice();
}

function decodePath(bytes: Uint8Array): string | undefined {
  const end = bytes[0] === 0 ? -1 : bytes.indexOf(0);
  try {
    // A name may begin with what would be taken for a byte order mark.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(end < 0 ? bytes : bytes.subarray(0, end));
  } catch {
    return undefined;
  }
}

/** An address for a message: `127.0.0.1:80`, `[::1]:80`, `/path`, `@abstract`. */
export function addressText(bytes: Uint8Array): string {
  const address = decodeAddress(bytes);
  if (address === undefined || address instanceof Uint8Array) {
    return `a sockaddr of family ${bytes[0]! | bytes[1]! << 8}`;
  }
  if ("path" in address) return address.path.startsWith("\0") ? `@${address.path.slice(1)}` : address.path;
  return address.hostname.includes(":")
    ? `[${address.hostname}]:${address.port}`
    : `${address.hostname}:${address.port}`;
}
