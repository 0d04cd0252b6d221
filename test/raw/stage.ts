/** What tests of RawRing's preps need: one ring, what the kernel has, sockets. */

import { test } from "vitest";
import { AF, IORING_CQE_F, type IORING_OP, type RingOptions, SOCK } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { type Completion, completions, resultOf } from "../support/completions.ts";
import { hasOp } from "../support/kernel.ts";
import { portOf } from "../support/sockaddr.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

export { hasOp as has };

const LIMIT_MS = 10_000 * TIME_SCALE;

/** `test`, where this kernel has all these ops. */
export function testOf(...ops: (keyof typeof IORING_OP)[]): ReturnType<typeof test.skipIf> {
  return test.skipIf(!hasOp(...ops));
}

/** A ring, and descriptors that are closed with it. */
export class RawStage implements Disposable {
  readonly ring: RawRing;
  readonly #fds: number[] = [];

  constructor(options: RingOptions = {}) {
    this.ring = new RawRing({ entries: 32, ...options });
  }

  /** The result of one operation. */
  result(prepare: (ring: RawRing) => boolean): number {
    if (!prepare(this.ring)) throw new Error("the submission queue is full");
    return this.completions(1)[0]!.res;
  }

  /** The descriptor that one operation gives. */
  open(prepare: (ring: RawRing) => boolean): number {
    const fd = this.result(prepare);
    if (fd < 0) throw new Error(`errno ${-fd}`);
    this.#fds.push(fd);
    return fd;
  }

  /** A descriptor that somebody else opened, to be closed with the others. */
  own(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  /** Submits, and visits until there are `count` completions. */
  completions(count: number): Completion[] {
    return this.#until((visited) => visited.length >= count);
  }

  /** Submits, and visits until the operations with these user data have had their final completions. */
  finals(...userData: number[]): Completion[] {
    return this.#until((visited) =>
      userData.every((each) =>
        visited.some((completion) => completion.userData === each && (completion.flags & IORING_CQE_F.MORE) === 0)
      )
    );
  }

  #until(done: (visited: readonly Completion[]) => boolean): Completion[] {
    const visited: Completion[] = [];
    while (!done(visited)) {
      const submitted = this.ring.submitAndWait(1, LIMIT_MS);
      // A completion that never comes is a failure, not a hang.
      if (submitted < 0) throw new Error(`submitAndWait() gave ${submitted} after ${JSON.stringify(visited)}`);
      visited.push(...completions(this.ring));
    }
    return visited;
  }

  /** A TCP socket that listens on 127.0.0.1. */
  listener(): { fd: number; address: Uint8Array<ArrayBuffer> } {
    const fd = this.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    this.#zero((ring) => ring.prepBind(1, fd, sockaddrIn(0), 16));
    this.#zero((ring) => ring.prepListen(1, fd, 16));
    return { fd, address: sockaddrIn(portOf(fd)) };
  }

  /** Two TCP sockets, connected to each other. */
  pair(): { client: number; server: number } {
    const { fd, address } = this.listener();
    const client = this.open((ring) => ring.prepSocket(1, AF.INET, SOCK.STREAM, 0, 0));
    this.#zero((ring) => ring.prepConnect(1, client, address, 16));
    const server = this.open((ring) => ring.prepAccept(1, fd, 0, 0, 0));
    return { client, server };
  }

  /** A UDP socket on 127.0.0.1. */
  udp(): { fd: number; address: Uint8Array<ArrayBuffer> } {
    const fd = this.open((ring) => ring.prepSocket(1, AF.INET, SOCK.DGRAM, 0, 0));
    this.#zero((ring) => ring.prepBind(1, fd, sockaddrIn(0), 16));
    return { fd, address: sockaddrIn(portOf(fd)) };
  }

  #zero(prepare: (ring: RawRing) => boolean): void {
    const result = this.result(prepare);
    if (result !== 0) throw new Error(`errno ${-result}`);
  }

  [Symbol.dispose](): void {
    this.ring.close();
    using ring = new RawRing({ entries: 1 });
    for (const fd of this.#fds) resultOf(ring, (ring) => ring.prepClose(1, fd));
  }
}

/** A struct sockaddr_in of 127.0.0.1. */
export function sockaddrIn(port: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF.INET, true);
  view.setUint16(2, port);
  bytes.set([127, 0, 0, 1], 4);
  return bytes;
}

/** A struct sockaddr_un of a path. */
export function sockaddrUn(path: string): Uint8Array<ArrayBuffer> {
  const name = text(path);
  const bytes = new Uint8Array(2 + name.length + 1);
  bytes[0] = AF.UNIX;
  bytes.set(name, 2);
  return bytes;
}

export function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

export function decoded(bytes: Uint8Array, length: number = bytes.length): string {
  return new TextDecoder().decode(bytes.slice(0, length));
}
