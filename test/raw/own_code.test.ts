import { describe, expect, test } from "vitest";
import { IORING_OP, RingClosedError } from "../../mod.ts";
import { PREPS } from "../../src/abi/mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { completions } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";
import { Pipe } from "../support/pipe.ts";

// deno-lint-ignore no-explicit-any -- as from JavaScript
type Any = any;

/** Parameters that take memory, or a path: reading them runs code that an object brings with it. */
const MEMORY: ReadonlySet<string> = new Set(
  ("addr buf dest_addr ev events fds futex infop iovecs linkpath msg name newpath oldpath optval path sockaddr " +
    "sockaddr_len statxbuf target ts value").split(" "),
);
const ACCEPTS = /accept/;

function takesMemory(prep: string, parameter: string): boolean {
  return MEMORY.has(parameter) || parameter === "how" && prep.includes("openat2") ||
    parameter === "addrlen" && ACCEPTS.test(prep);
}

/** What stands for the others: as little as a prep takes. */
const OTHERS: Readonly<Record<string, unknown>> = {
  op: IORING_OP.READ,
  nr_vecs: 1,
  nr_futex: 1,
  linkpath: "x",
  name: "x",
  newpath: "x",
  oldpath: "x",
  path: "x",
  target: "x",
};

const PROPERTIES = ["byteLength", "byteOffset", "buffer", "length", "valueOf", "toString", Symbol.toPrimitive] as const;

/** Memory of which one property runs code; and whether it has. */
function tampered(property: (typeof PROPERTIES)[number], code: () => void): { memory: Uint8Array; ran: () => boolean } {
  const memory = new Uint8Array(256).fill(97);
  const own = Reflect.get(memory, property);
  let ran = false;
  const get = () => {
    if (!ran) {
      ran = true;
      code();
    }
    return own;
  };
  return { memory: Object.defineProperty(memory, property, { get }), ran: () => ran };
}

function methodOf(prep: string): string {
  return prep.replace(/^io_uring_/, "").replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function call(ring: Any, prep: string, parameter: string, value: unknown): unknown {
  const { params } = PREPS[prep]!;
  const args = params.map((name) => name === parameter ? value : OTHERS[name] ?? 0);
  return prep.includes("_set_") ? ring[methodOf(prep)](...args) : ring[methodOf(prep)](9, ...args);
}

/** What an argument may do as it is read, and how many places are taken afterwards. */
const DOINGS: [string, (ring: RawRing) => void, number][] = [
  ["prepares", (ring) => void ring.prepNop(2), 2],
  ["submits", (ring) => void ring.submit(), 0],
  ["closes the ring", (ring) => ring.close(), 0],
];

describe.each(DOINGS)("an argument that %s as it is read is refused", (what, code, taken) => {
  test.each(Object.keys(PREPS))("%s", (prep) => {
    for (const parameter of PREPS[prep]!.params) {
      let times = 0;
      for (const property of PROPERTIES) {
        using ring = new RawRing({ entries: 4 });
        ring.prepNop(1);
        const { memory, ran } = tampered(property, () => code(ring));
        let outcome: unknown;
        try {
          outcome = call(ring, prep, parameter, memory);
        } catch (error) {
          outcome = error;
        }
        if (!ran()) continue;
        times++;
        expect(outcome, `${parameter}.${String(property)}`).toBeInstanceOf(Error);
        if (what === "closes the ring") continue;
        expect(ring.sqSpace).toBe(4 - taken);
        if (taken > 0) expect([ring.sqe().getUint8(0), ring.sqe().getUint8(32)]).toEqual([IORING_OP.NOP, taken]);
      }
      if (takesMemory(prep, parameter)) expect(times, parameter).toBeGreaterThan(0);
    }
  });

  /** Objects in place of memory. */
  const STRUCTS: [string, (ring: RawRing, ran: () => void) => unknown][] = [
    ["a time", (ring, ran) =>
      ring.prepTimeout(
        9,
        {
          get ms() {
            return ran(), 1;
          },
        },
        0,
        0,
      )],
    ["how to open", (ring, ran) =>
      ring.prepOpenat2(9, 0, "x", {
        get flags() {
          return ran(), 0;
        },
      })],
    ["a list of buffers", (ring, ran) => ring.prepReadv(9, 0, [tampered("byteOffset", ran).memory], 1, 0)],
    ["a message", (ring, ran) =>
      ring.prepRecvmsg(9, 0, {
        get namelen() {
          return ran(), 0;
        },
      }, 0)],
    ["a message's buffer", (ring, ran) => ring.prepSendmsg(9, 0, { iov: [tampered("byteLength", ran).memory] }, 0)],
    [
      "a list of futexes",
      (ring, ran) =>
        ring.prepFutexWaitv(
          9,
          [{
            futex: 0,
            flags: 2,
            get val() {
              return ran(), 0;
            },
          }],
          1,
          0,
        ),
    ],
  ];
  test.each(STRUCTS)("%s", (_, prepare) => {
    using ring = new RawRing({ entries: 4 });
    ring.prepNop(1);
    let ran = false;
    const error = thrown(() => prepare(ring, () => ran ||= (code(ring), true)), TypeError);
    expect(error.message).toMatch(/has prepared or submitted operations as it was read/);
    if (what !== "closes the ring") expect(ring.sqSpace).toBe(4 - taken);
  });
});

test("an argument that gives the queue fewer places as it is read is refused", () => {
  using ring = new RawRing({ entries: 4 });
  using pipe = new Pipe();
  try {
    ring.resize({ entries: 4 });
  } catch {
    return; // before Linux 6.13
  }
  ring.prepNop(1);
  const { memory } = tampered("byteOffset", () => ring.resize({ entries: 1 }));
  const { message } = thrown(() => ring.prepRead(2, pipe.readEnd, memory, 8, -1), TypeError);
  expect(message).toMatch(/as it was read/);
  ring.submitAndWait(1);
  expect(completions(ring).map(({ userData }) => userData)).toEqual([1]);
});

test("a view that prepares as it is read brings no earlier operation back", () => {
  using ring = new RawRing({ entries: 8 });
  using first = new Pipe();
  using second = new Pipe();
  const old = new Uint8Array(64);
  ring.prepNop(1);
  ring.prepRead(2, first.readEnd, old, 64, -1);
  first.write("x");
  ring.submitAndWait(2);
  completions(ring);
  const { memory } = tampered("byteLength", () => ring.prepNop(3));
  thrown(() => ring.prepRead(4, second.readEnd, memory, 8, -1), TypeError);
  first.write("not for `old`");
  ring.submitAndWait(1);
  expect(completions(ring).map(({ userData }) => userData)).toEqual([3]);
  expect(old[1]).toBe(0);
});

test("what sizes say is read before anything is looked at", () => {
  const ring = new RawRing({ entries: 4 });
  const sizes = {
    get entries() {
      ring.close();
      return 8;
    },
  };
  thrown(() => ring.resize(sizes), RingClosedError);
});
