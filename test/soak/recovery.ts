/** Faults that a ring is given, and what a program does about them: goes on where it fell short, tries again. */

import type { FaultOptions, Ring } from "../../mod.ts";
import type { Place } from "./place.ts";

/** Errors that faults alone bring: nothing in the workload gives them otherwise. */
const INJECTED: ReadonlySet<string> = new Set(["EIO", "ENFILE", "ENOMEM"]);

const TRANSFERS = ["READ", "WRITE", "READ_FIXED", "WRITE_FIXED", "RECV", "SEND", "SEND_ZC"];

/** Everything may fall short or fail now and then. */
export function faultsOf(seed: number): FaultOptions {
  return {
    seed: seed >>> 0,
    rules: [
      ...TRANSFERS.map((op) => ({ op, result: "short", probability: 0.1 })),
      ...["READ", "WRITE", "FSYNC"].map((op) => ({ op, result: "EIO", probability: 0.03 })),
      ...["OPENAT", "SOCKET", "ACCEPT"].map((op) => ({ op, result: "ENFILE", probability: 0.03 })),
      { result: "ENOMEM", probability: 0.01 },
    ],
  };
}

/** Whether an error is one that faults bring. */
export function isInjected(error: unknown): boolean {
  return INJECTED.has((error as { code?: string } | null)?.code ?? "");
}

type Transfer = (bytes: Uint8Array, done: number) => Promise<number>;

/**
 * Moves all of `bytes`: again where a fault struck, on where it fell short. Nothing falls short without faults, unless
 * `mayFallShort`: a stream takes what it has room for.
 */
async function moveAll(place: Place, bytes: Uint8Array, mayFallShort: boolean, transfer: Transfer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const moved = await place.again(() => transfer(bytes.subarray(done), done));
    place.check(moved > 0 && moved <= bytes.length - done, `${moved} of ${bytes.length - done} bytes were moved`);
    place.check(mayFallShort || place.faulty || moved === bytes.length, `only ${moved} of ${bytes.length} bytes`);
    done += moved;
  }
}

/** Writes all of it into a file. */
export function writeAll(place: Place, fd: number, bytes: Uint8Array, offset: number): Promise<void> {
  return moveAll(place, bytes, false, (rest, done) => place.ring.write(fd, rest, offset + done));
}

/** Fills all of it from a file. */
export function readAll(
  place: Place,
  fd: number,
  bytes: Uint8Array,
  offset: number,
  options: Parameters<Ring["read"]>[3] = {},
): Promise<void> {
  return moveAll(place, bytes, false, (rest, done) => place.ring.read(fd, rest, offset + done, options));
}

/** Sends all of it. */
export function sendAll(place: Place, fd: number, bytes: Uint8Array): Promise<void> {
  return moveAll(place, bytes, true, (rest) => place.ring.send(fd, rest));
}

/** Sends all of it without a copy; each piece is overwritten as soon as the kernel says that it has let go of it. */
export function sendAllZc(place: Place, fd: number, bytes: Uint8Array, fixed: boolean): Promise<void> {
  return moveAll(place, bytes, true, async (rest) => {
    const sent = await (fixed ? place.ring.sendZcFixed(fd, rest) : place.ring.sendZc(fd, rest));
    rest.subarray(0, sent).fill(0xee);
    return sent;
  });
}

/** Receives until `bytes` is full or the other side has ended its sending; gives how many came. */
export async function recvAll(place: Place, fd: number, bytes: Uint8Array): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const received = await place.again(() => place.ring.recv(fd, bytes.subarray(done)));
    if (received === 0) break;
    done += received;
  }
  return done;
}
