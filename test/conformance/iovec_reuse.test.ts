import { mkdirSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { AT, IORING_SETUP, IOSQE, O, STATX } from "../../mod.ts";
import { homeOf } from "../../src/memory/address.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { hasFeature, hasOp, hasSetup } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { onEachKind, submitsLater, TASK_KINDS } from "../support/ring_kinds.ts";
import { flagged, linked, prepare, short, type Step, visit } from "../support/steps.ts";

const ETIME = -62;
const ECANCELED = -125;
const { ASYNC, IO_DRAIN } = IOSQE;

/** Where an operation stands when its memory is used again: on its way at once, in a worker, or waiting its turn. */
const STANDS: [name: string, before: (poll: Step) => Step[], flags: number][] = [
  ["alone", () => [], 0],
  ["in a worker", () => [], ASYNC],
  ["behind a link", (poll) => [linked(poll)], 0],
  ["in a worker, behind a link", (poll) => [linked(poll)], ASYNC],
  ["behind all that came before", (poll) => [poll], IO_DRAIN],
];

/** A submission thread reads memory in its own time: it must stay until the completion. */
const KINDS = TASK_KINDS.filter(([, options]) => !submitsLater(options));
const ON_KINDS = onEachKind(STANDS).filter(([, , options]) => !submitsLater(options));

function address(bytes: Uint8Array): bigint {
  return BigInt(homeOf(bytes.buffer).address + bytes.byteOffset);
}

/** `struct iovec` of each buffer. */
function iovecs(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16 * buffers.length);
  const view = new DataView(bytes.buffer);
  buffers.forEach((buffer, i) => {
    view.setBigUint64(16 * i, address(buffer), true);
    view.setBigUint64(16 * i + 8, BigInt(buffer.length), true);
  });
  return bytes;
}

/** A NUL-terminated path in memory of the test's own. */
function cPath(path: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${path}\0`);
}

/** What nothing may be made of. */
function spoil(bytes: Uint8Array): void {
  bytes.fill(0xff);
}

describe.skipIf(!hasFeature("SUBMIT_STABLE")).each(ON_KINDS)("right after submit(), %s, ring: %s,", (...row) => {
  const [, , options, before, flags] = row;
  /** Submits `step` where it is to stand, spoils its memory, lets it go, and gives its result. */
  function resultOf(ring: RawRing, step: Step, memory: Uint8Array, between?: () => void): number {
    using pipe = new Pipe();
    const steps = [...before((ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, 1)), flagged(flags, step)];
    prepare(ring, steps);
    expect(ring.submit()).toBe(steps.length);
    spoil(memory);
    between?.();
    pipe.write("x");
    const visited = short(visit(ring, steps.length));
    return visited.find(([userData]) => userData === steps.length - 1)![1];
  }

  test("iovecs of a read and of a write may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    folder.write("file", pattern(64));
    const fd = folder.open("file", "r+");
    for (const count of [1, 2, 20]) { // more than eight: beyond what the kernel keeps without allocating
      const buffers = Array.from({ length: count }, () => new Uint8Array(3));
      const reading = iovecs(buffers);
      expect(resultOf(ring, (ring, userData) => ring.prepReadv(userData, fd, reading, count, 0), reading))
        .toBe(3 * count);
      expect(Uint8Array.from(buffers.flatMap((buffer) => [...buffer]))).toEqual(pattern(3 * count));
      const writing = iovecs(buffers);
      expect(resultOf(ring, (ring, userData) => ring.prepWritev(userData, fd, writing, count, 1000), writing))
        .toBe(3 * count);
      expect(folder.read("file").subarray(1000)).toEqual(pattern(3 * count));
    }
  });

  test("iovecs of a read that waits for its data may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using pipe = new Pipe();
    const buffers = [new Uint8Array(2), new Uint8Array(6)];
    const memory = iovecs(buffers);
    const step: Step = (ring, userData) => ring.prepReadv(userData, pipe.readEnd, memory, 2, -1);
    expect(resultOf(ring, step, memory, () => pipe.write("waited!!"))).toBe(8);
    expect(buffers.map((buffer) => new TextDecoder().decode(buffer))).toEqual(["wa", "ited!!"]);
  });

  test("a path may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    folder.write("file", pattern(64));
    const opening = cPath(folder.at("file"));
    const fd = resultOf(
      ring,
      (ring, userData) => ring.prepOpenat(userData, AT.FDCWD, address(opening), O.RDONLY, 0),
      opening,
    );
    expect(fd).toBeGreaterThan(2);
    prepare(ring, [(ring, userData) => ring.prepClose(userData, fd)]);
    visit(ring, 1);
    if (hasSetup(IORING_SETUP.SUBMIT_ALL)) { // statx copies its path since the same release, 5.18
      const asking = cPath(folder.at("file"));
      const statx = new Uint8Array(256);
      expect(resultOf(
        ring,
        (ring, userData) => ring.prepStatx(userData, AT.FDCWD, address(asking), 0, STATX.SIZE, statx),
        asking,
      )).toBe(0);
      expect(new DataView(statx.buffer).getBigUint64(40, true), "its size").toBe(64n);
    }
    if (hasOp("MKDIRAT")) {
      const making = cPath(folder.at("folder"));
      expect(resultOf(ring, (ring, userData) => ring.prepMkdirat(userData, AT.FDCWD, address(making), 0o700), making))
        .toBe(0);
    }
    const removing = cPath(folder.at("file"));
    expect(resultOf(ring, (ring, userData) => ring.prepUnlinkat(userData, AT.FDCWD, address(removing), 0), removing))
      .toBe(0);
    expect(readdirSync(folder.path)).toEqual(hasOp("MKDIRAT") ? ["folder"] : []);
  });

  test("two paths may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using folder = new TempFolder();
    mkdirSync(folder.at("old"));
    const both = cPath(`${folder.at("old")}\0${folder.at("new")}`);
    const second = address(both) + BigInt(folder.at("old").length + 1);
    const step: Step = (ring, userData) => ring.prepRenameat(userData, AT.FDCWD, address(both), AT.FDCWD, second, 0);
    expect(resultOf(ring, step, both)).toBe(0);
    expect(readdirSync(folder.path)).toEqual(["new"]);
  });

  test("a timespec may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    const memory = new Uint8Array(16);
    new DataView(memory.buffer).setBigInt64(8, 5_000_000n, true);
    const start = performance.now();
    // A worker has nothing to do with timers: it hands them back.
    expect(resultOf(ring, (ring, userData) => ring.prepTimeout(userData, memory, 0, 0), memory)).toBe(ETIME);
    expect(performance.now() - start).toBeGreaterThanOrEqual(5);
  });
});

describe.skipIf(!hasFeature("SUBMIT_STABLE")).each(KINDS)("right after submit(), ring: %s,", (_, options) => {
  test("a time limit's timespec may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    using pipe = new Pipe();
    const memory = new Uint8Array(16);
    new DataView(memory.buffer).setBigInt64(8, 5_000_000n, true);
    prepare(ring, [
      linked((ring, userData) => ring.prepPollAdd(userData, pipe.readEnd, 1)),
      (ring, userData) => ring.prepLinkTimeout(userData, memory, 0),
    ]);
    const start = performance.now();
    expect(ring.submit()).toBe(2);
    spoil(memory);
    expect(new Map(short(visit(ring, 2)))).toEqual(new Map([[0, ECANCELED], [1, ETIME]]));
    expect(performance.now() - start).toBeGreaterThanOrEqual(5);
  });

  test("a timespec of an update may be used again", () => {
    using ring = new RawRing({ ...options, entries: 8 });
    const memory = new Uint8Array(16);
    new DataView(memory.buffer).setBigInt64(8, 1_000_000n, true);
    ring.prepTimeout(0, { ms: NEVER }, 0, 0);
    ring.prepTimeoutUpdate(1, memory, 0, 0);
    expect(ring.submit()).toBe(2);
    spoil(memory);
    expect(new Map(short(visit(ring, 2)))).toEqual(new Map([[0, ETIME], [1, 0]]));
  });

  test("the SQE itself is the next one's", () => {
    using ring = new RawRing({ ...options, entries: 2 });
    using folder = new TempFolder();
    folder.write("file", pattern(64));
    const fd = folder.open("file");
    const buffers = Array.from({ length: 200 }, () => new Uint8Array(64));
    for (const [i, buffer] of buffers.entries()) {
      while (
        !flagged(i % 2 === 0 ? ASYNC : 0, (ring, userData) => ring.prepRead(userData, fd, buffer, 64, 0))(ring, i)
      ) {
        expect(ring.submit()).toBeGreaterThan(0);
      }
      if (i % 3 === 0) ring.submit();
    }
    const visited = visit(ring, 200);
    expect(visited.every(({ res }) => res === 64)).toBe(true);
    expect(buffers.every((buffer) => buffer.every((byte, i) => byte === pattern(64)[i]))).toBe(true);
  });
});
