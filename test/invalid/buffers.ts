/** 36 to 41: memory that the kernel can't have. */

import { expect } from "vitest";
import { BufferPool } from "../../mod.ts";
import { type ErrorClass, failure } from "../support/failure.ts";
import { NEVER } from "../support/operations.ts";
import {
  type Any,
  beside,
  type Case,
  cases,
  expectRefused,
  type Loose,
  rawRefused,
  refused,
  type Row,
  row,
  sharedStage,
} from "./row.ts";

const bytes = () => new Uint8Array(8);

function transfer(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

function detached(): Uint8Array<ArrayBuffer> {
  const view = new Uint8Array(64);
  transfer(view.buffer);
  return view;
}

function resizable(): Uint8Array<ArrayBuffer> {
  const Resizable = ArrayBuffer as unknown as new (length: number, o: { maxByteLength: number }) => ArrayBuffer;
  return new Uint8Array(new Resizable(64, { maxByteLength: 128 }));
}

function growable(): Uint8Array<SharedArrayBuffer> {
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    o: { maxByteLength: number },
  ) => SharedArrayBuffer;
  return new Uint8Array(new Growable(64, { maxByteLength: 128 }));
}

const TAKES_BUFFER: [string, (stage: Loose, buffer: unknown) => unknown, argument: string][] = [
  ["read()", ({ ring, fd }, buffer) => ring.read(fd, buffer, 0), "buffer"],
  ["read() with options", ({ ring, fd }, buffer) => ring.read(fd, buffer, 0, { timeout: NEVER }), "buffer"],
  ["write()", ({ ring, fd }, buffer) => ring.write(fd, buffer, 0), "buffer"],
  ["readv()", ({ ring, fd }, buffer) => ring.readv(fd, [bytes(), buffer], 0), "buffers\\[1\\]"],
  ["writev()", ({ ring, fd }, buffer) => ring.writev(fd, [buffer, bytes()], 0), "buffers\\[0\\]"],
  ["readFixed()", ({ ring, fd }, buffer) => ring.readFixed(fd, buffer, 0), "buffer"],
  ["readFixed() with bufIndex", ({ ring, fd }, buffer) => ring.readFixed(fd, buffer, 0, { bufIndex: 0 }), "buffer"],
  ["writeFixed()", ({ ring, fd }, buffer) => ring.writeFixed(fd, buffer, 0), "buffer"],
];

/** A buffer that can't be, made anew for each call; what is said of it. */
type Wrong = readonly [name: string, make: () => unknown, message: string, type?: ErrorClass<Error>];

/** Each method that takes a buffer, with each of these. */
function buffers(wrong: readonly Wrong[]): Record<string, Case> {
  return cases(
    TAKES_BUFFER.flatMap((method) => wrong.map((buffer) => [method, buffer] as const)),
    ([[method, call, argument], [what, make, message, type = TypeError]]) => [
      `${method} refuses ${what}`,
      refused((stage) => call(stage, make()), type, new RegExp(`^${argument} ${message}`)),
    ],
  );
}

const NO_BUFFER = "must be a typed array, DataView or ArrayBuffer, not ";

const NO_LISTS: [string, (stage: Loose) => unknown, ErrorClass<Error>, RegExp][] = [
  [
    "readv() of 1025",
    ({ ring, fd }) => ring.readv(fd, new Array(1025).fill(bytes()), 0),
    RangeError,
    /^buffers must hold 1 to 1024 buffers, not 1025: split the call/,
  ],
  [
    "writev() of 1025",
    ({ ring, fd }) => ring.writev(fd, new Array(1025).fill(bytes()), 0),
    RangeError,
    /^buffers must hold 1 to 1024 buffers, not 1025: split the call/,
  ],
  ["none", ({ ring, fd }) => ring.readv(fd, [], 0), RangeError, /^buffers must hold 1 to 1024 buffers, not 0/],
  ["holes", ({ ring, fd }) => ring.readv(fd, new Array(3), 0), TypeError, /^buffers\[0\] must be .*not undefined/],
  ["a buffer", ({ ring, fd }) => ring.readv(fd, bytes(), 0), TypeError, /^buffers must be an array of buffers/],
  ["undefined", ({ ring, fd }) => ring.readv(fd, undefined, 0), TypeError, /^buffers must be an array.*not undefined/],
  ["text", ({ ring, fd }) => ring.writev(fd, "text", 0), TypeError, /^buffers must be an array.*not "text"/],
];

const RAW_LENGTHS: [string, (ring: Any) => unknown, RegExp][] = [
  ["beyond the buffer", (ring) => ring.prepRead(3, 0, bytes(), 9, 0), /^length 9 is more than buffer has: 8 bytes/],
  [
    "beyond the view",
    (ring) => ring.prepWrite(3, 0, bytes().subarray(4), 5, 0),
    /^length 5 is more than buffer has: 4 bytes/,
  ],
];

const RAW_BUFFERS: [string, (ring: Any) => unknown, RegExp][] = [
  ["text", (ring) => ring.prepRead(3, 0, "text", 4, 0), /^buffer must be a typed array.*not string/],
  [
    "an object with a byteLength",
    (ring) => ring.prepRead(3, 0, { byteLength: 8 }, 8, 0),
    /^buffer must be a typed array.*not object/,
  ],
  ["null", (ring) => ring.prepWrite(3, 0, null, 4, 0), /^buffer must be a typed array.*not null/],
];

export const BUFFERS: readonly Row[] = [
  row(36, "a length beyond the buffer", {
    ...cases(RAW_LENGTHS, ([name, call, message]) => [`RawRing: ${name}`, rawRefused(call, RangeError, message)]),
    "Ring takes it from the buffer: what lies beside a view is left alone": async () => {
      const { ring, fd } = sharedStage();
      const buffer = new Uint8Array(16);
      expect(await ring.read(fd, buffer.subarray(4, 8), 0)).toBe(4);
      expect([...buffer].map((byte) => byte !== 0)).toEqual([...buffer].map((_, i) => i >= 4 && i < 8));
    },
  }),

  row(37, "a length of 2^32", {
    "RawRing": rawRefused(
      (ring) => ring.prepRead(3, 0, 4096, 2 ** 32, 0),
      RangeError,
      /nbytes must be an integer from 0 to 4294967295, got 4294967296/,
    ),
    "splice()": refused(
      ({ ring, pipe, fd }) => ring.splice(pipe.readEnd, "current", fd, 0, 2 ** 32),
      RangeError,
      /^nbytes must be from 0 to 4294967295, not 4294967296/,
    ),
    "a buffer of that length": async (context) => {
      let huge: ArrayBuffer;
      try {
        huge = new ArrayBuffer(2 ** 32); // of no pages, before somebody writes to them
      } catch {
        return context.skip("this machine, or this runtime, has no buffers of 4 GiB");
      }
      const message = /^buffer is 4294967296 bytes long; one operation takes at most 2\^32 - 1: give a subarray/;
      await expectRefused(sharedStage(), ({ ring, fd }) => ring.read(fd, huge, 0), RangeError, message);
      await expectRefused(sharedStage(), ({ ring, fd }) => ring.write(fd, huge, 0), RangeError, message);
    },
  }),

  row(38, "a detached buffer", {
    ...buffers([
      ["a view of one", detached, "is detached: it was transferred elsewhere, and has no memory any more"],
      ["one", () => detached().buffer, "is detached: it was transferred elsewhere"],
    ]),
    "RawRing": rawRefused(
      (ring) => ring.prepRead(3, 0, detached(), 8, 0),
      TypeError,
      /^buffer is detached: it was transferred elsewhere/,
    ),
  }),

  row(39, "a resizable buffer, or one transferred in flight", {
    ...buffers([
      [
        "a view of a resizable one",
        resizable,
        "is resizable: its memory may go.*one of fixed length, or a BufferPool's",
      ],
      ["a resizable one", () => resizable().buffer, "is resizable: "],
      ["a growable shared one", growable, "is resizable: "],
    ]),
    "RawRing": rawRefused((ring) => ring.prepRead(3, 0, resizable(), 8, 0), TypeError, /^buffer is resizable: /),
    // Of writes, of failures, and what arrives where: test/memory/transferred.test.ts.
    "transferred in flight: it is told when the operation completes": () =>
      beside(sharedStage(), async ({ ring, readyPipe }) => {
        const buffer = new Uint8Array(64);
        const read = failure(ring.read(readyPipe.readEnd, buffer), TypeError);
        const moved = transfer(buffer.buffer); // before it is submitted, even
        expect((await read).message).toMatch(/^read \(result 1\): its buffer was transferred.*keep a buffer until/);
        expect(moved.byteLength).toBe(64);
        readyPipe.write("x");
      }),
    "a BufferPool's memory stays, wherever its buffer goes": () =>
      beside(sharedStage(), async ({ ring, readyPipe }) => {
        const buffer = new BufferPool({ size: 64, count: 1 }).acquire();
        const read = ring.read(readyPipe.readEnd, buffer);
        try {
          transfer(buffer.buffer);
        } catch {
          // this runtime refuses
        }
        expect(await read).toBe(1);
        readyPipe.write("x");
      }),
  }),

  row(40, "what is no buffer", {
    ...buffers([
      ["text", () => "12345678", `${NO_BUFFER}string`],
      ["an array", () => [1, 2, 3], `${NO_BUFFER}object`],
      ["an object with a byteLength", () => ({ byteLength: 8 }), `${NO_BUFFER}object`],
      ["null", () => null, `${NO_BUFFER}null`],
      ["undefined", () => undefined, `${NO_BUFFER}undefined`],
      ["a number", () => 8, `${NO_BUFFER}number`],
      ["an empty one", () => new Uint8Array(0), "has length 0: give it at least one byte", RangeError],
      ["an empty part of one", () => bytes().subarray(3, 3), "has length 0: give it at least one byte", RangeError],
      ["an empty ArrayBuffer", () => new ArrayBuffer(0), "has length 0: give it at least one byte", RangeError],
    ]),
    ...cases(RAW_BUFFERS, ([name, call, message]) => [`RawRing: ${name}`, rawRefused(call, TypeError, message)]),
  }),

  row(41, "1025 iovecs", {
    ...cases(NO_LISTS, ([name, call, type, message]) => [name, refused(call, type, message)]),
    "1024 are not too many": async () => {
      const { ring, fd } = sharedStage();
      expect(await ring.readv(fd, Array.from({ length: 1024 }, bytes), 0)).toBe(64);
    },
    "RawRing": rawRefused(
      (ring) => ring.prepReadv(3, 0, new Array(1025).fill(bytes()), 1025, 0),
      RangeError,
      /^nrVecs must be from 1 to 1024, not 1025/,
    ),
  }),
];
