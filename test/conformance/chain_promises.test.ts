import { describe, expect, test } from "vitest";
import { POLL, Ring } from "../../mod.ts";
import { watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { chainsEndAtBadFiles, chainsGoOnAfterTimeouts } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { moment, outcome, outcomes } from "../support/outcomes.ts";
import { Pipe } from "../support/pipe.ts";
import { Random } from "../support/random.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** Fewer where machines are emulated. */
const ROUNDS = TIME_SCALE > 1 ? 40 : 300;

interface World {
  readonly ring: Ring;
  /** A file of four bytes. */
  readonly fd: number;
  /** A pipe that nothing comes from. */
  readonly pipe: Pipe;
}

/** An operation in a chain, what it comes to when it runs, and whether an IO_LINK goes on after it. */
interface Kind {
  readonly name: string;
  readonly start: (world: World) => Promise<unknown>;
  readonly expected: unknown;
  readonly goesOn: boolean;
}

function kind(name: string, expected: unknown, goesOn: boolean, start: Kind["start"]): Kind {
  return { name, start, expected, goesOn };
}

const ALL_KINDS: readonly Kind[] = [
  kind("nop", 0, true, ({ ring }) => ring.nop()),
  kind("nop with a limit", 0, true, ({ ring }) => ring.nop({ timeout: NEVER })),
  kind("whole read", 4, true, ({ ring, fd }) => ring.read(fd, new Uint8Array(4), 0)),
  kind("whole read with a limit", 4, true, ({ ring, fd }) => ring.read(fd, new Uint8Array(4), 0, { timeout: NEVER })),
  kind("timeout", 0, true, ({ ring }) => ring.timeout(0.1)),
  kind("fsync", 0, true, ({ ring, fd }) => ring.fsync(fd)),
  kind("short read", 4, false, ({ ring, fd }) => ring.read(fd, new Uint8Array(8), 0)),
  kind("no descriptor", "EBADF", false, ({ ring }) => ring.read(99_999, new Uint8Array(8), 0)),
  kind("no descriptor, with a limit", "EBADF", false, ({ ring }) => ring.fsync(99_999, 0, { timeout: NEVER })),
  kind(
    "read that is timed out",
    "ETIME",
    false,
    ({ ring, pipe }) => ring.read(pipe.readEnd, new Uint8Array(8), undefined, { timeout: 0.2 }),
  ),
  kind(
    "poll that is timed out",
    "ETIME",
    false,
    ({ ring, pipe }) => ring.pollAdd(pipe.readEnd, POLL.IN, { timeout: 0 }),
  ),
];
/** Those that this kernel has in chains. */
const KINDS = ALL_KINDS.filter(({ name }) =>
  (name !== "timeout" || chainsGoOnAfterTimeouts) && (!name.startsWith("no descriptor") || chainsEndAtBadFiles)
);
/** Those that let a chain go on. */
const GOOD = KINDS.filter(({ goesOn }) => goesOn);

/** What a chain's promises must come to. */
function expectedOf(chain: readonly Kind[], hard: boolean): unknown[] {
  let broken = false;
  return chain.map(({ expected, goesOn }) => {
    if (broken) return "ECANCELED";
    broken = !goesOn && !hard;
    return expected;
  });
}

/** A chain that has not ended by then never will, in milliseconds. */
const LIMIT_MS = 10_000 * TIME_SCALE;

async function start(world: World, chain: readonly Kind[], hard: boolean): Promise<unknown[]> {
  const promises = world.ring.link(() => chain.map(({ start }) => start(world)), { hard });
  const watched = promises.map(watch);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const states = chain.map(({ name }, i) => `${name}: ${watched[i]!.state}`);
      reject(new Error(`a chain that does not end: ${states.join(", ")}`));
    }, LIMIT_MS);
  });
  try {
    return await Promise.race([outcomes(promises), hang]);
  } finally {
    clearTimeout(timer);
  }
}

async function inWorld(run: (world: World) => Promise<void>, entries = 64): Promise<void> {
  await using ring = new Ring({ entries });
  using folder = new TempFolder();
  using pipe = new Pipe();
  folder.write("file", "four");
  await run({ ring, fd: folder.open("file", "r+"), pipe });
  // A time limit's own completion may come after that of its operation. One that never comes is over the test's limit.
  while (ring.stats.completed < ring.stats.submitted) await new Promise((resolve) => setTimeout(resolve, 1));
  expect([ring.stats.completed, ring.stats.inFlight]).toEqual([ring.stats.submitted, 0]);
}

describe.each([[false, "a chain"], [true, "a hard chain"]] as const)("{ hard: %s }: %s", (hard, _) => {
  test.each(KINDS.map((each) => [each.name, each] as const))(
    "with one in each place: %s",
    (_, odd) =>
      inWorld(async (world) => {
        for (let at = 0; at < 5; at++) {
          const chain = Array.from({ length: 5 }, (_, i) => i === at ? odd : KINDS[0]!);
          expect(await start(world, chain, hard), `at ${at}`).toEqual(expectedOf(chain, hard));
        }
      }),
  );

  test(`of any operations comes to what each place says, ${ROUNDS} times, many at once`, () =>
    inWorld(async (world) => {
      const random = new Random(hard ? 11 : 12);
      for (let round = 0; round < ROUNDS; round += 5) {
        const chains = Array.from({ length: 5 }, () =>
          Array.from({ length: 1 + random.below(8) }, () => {
            const from = random.below(3) === 0 ? KINDS : GOOD;
            return from[random.below(from.length)]!;
          }));
        const running = [];
        for (const chain of chains) {
          running.push(start(world, chain, hard));
          await moment(world.ring, random);
        }
        for (const [i, ended] of (await Promise.all(running)).entries()) {
          expect(ended, chains[i]!.map(({ name }) => name).join(", ")).toEqual(expectedOf(chains[i]!, hard));
        }
      }
    }));

  test("settles in its own order", () =>
    inWorld(async (world) => {
      for (const odd of KINDS) {
        const order: number[] = [];
        const chain = [GOOD[2]!, GOOD.at(-1)!, odd, GOOD.at(-1)!, GOOD[0]!];
        const promises = world.ring.link(() => chain.map(({ start }) => start(world)), { hard });
        // A promise with a limit is told by two completions: it may come a little later.
        promises.forEach((promise, i) => promise.then(() => order.push(i), () => order.push(i)));
        await outcomes(promises);
        if (/limit|time/.test(odd.name)) order.sort();
        expect(order, odd.name).toEqual([0, 1, 2, 3, 4]);
      }
    }));
});

describe("a chain whose head waits", () => {
  const reason = new Error("on purpose");

  /** What comes of a chain of reads when one of them is ended by `end`. */
  async function ended(
    { ring, pipe }: World,
    hard: boolean,
    at: number,
    end: (promise: Promise<unknown>, controller: AbortController) => unknown,
    before: () => Promise<void>,
  ): Promise<unknown[]> {
    const controllers = [0, 1, 2].map(() => new AbortController());
    const promises = ring.link(
      (ring) => controllers.map(({ signal }) => ring.read(pipe.readEnd, new Uint8Array(1), undefined, { signal })),
      { hard },
    );
    const all = promises.map(outcome);
    await before();
    end(promises[at]!, controllers[at]!);
    await before();
    pipe.write("abc".slice(0, at)); // those before it
    await all[at];
    if (hard) pipe.write("abc".slice(at + 1));
    const result = await Promise.all(all);
    expect(pipe.read(), "nobody took more, or less").toBe("");
    return result;
  }

  test.each([[false, "the rest goes with it"], [true, "the rest goes on"]] as const)(
    "{ hard: %s }: is aborted at its head, in its middle, at its tail: %s",
    (hard, _) =>
      inWorld(async (world) => {
        const random = new Random(7);
        for (let round = 0; round < ROUNDS / 3; round++) {
          const at = round % 3;
          const result = await ended(
            world,
            hard,
            at,
            (_, controller) => controller.abort(reason),
            () => moment(world.ring, random),
          );
          // A read of 1 byte is whole, and of what comes after the one that is aborted none runs, or all.
          expect(result).toEqual([0, 1, 2].map((i) => i === at ? reason : i < at || hard ? 1 : "ECANCELED"));
        }
      }),
  );

  test("is cancelled at its head: promise by promise, each has one outcome", () =>
    inWorld(async (world) => {
      const random = new Random(8);
      for (let round = 0; round < ROUNDS / 3; round++) {
        let found: Promise<number> | undefined;
        const result = await ended(
          world,
          false,
          0,
          (promise) => found = world.ring.cancel(promise),
          () => moment(world.ring, random),
        );
        expect([await found, ...result]).toEqual([1, "ECANCELED", "ECANCELED", "ECANCELED"]);
      }
    }));

  test("goes as a whole when everything is cancelled", () =>
    inWorld(async ({ ring, pipe }) => {
      for (let round = 0; round < ROUNDS / 3; round++) {
        const chain = outcomes(ring.link((ring) => [
          ring.read(pipe.readEnd, new Uint8Array(1), undefined, round % 2 === 0 ? {} : { timeout: NEVER }),
          ring.nop(),
          ring.pollAdd(pipe.readEnd, POLL.IN),
        ]));
        if (round % 3 === 0) await ring.nop();
        expect(await ring.cancel("all")).toBe(3);
        expect(await chain).toEqual(["ECANCELED", "ECANCELED", "ECANCELED"]);
      }
    }));
});

test("a limit that ends as its operation does: one outcome, which fits what became of the data", () =>
  inWorld(async ({ ring, pipe }) => {
    const random = new Random(9);
    const seen = new Set<unknown>();
    for (let round = 0; round < ROUNDS; round++) {
      const buffer = new Uint8Array(4);
      const ms = random.below(40) / 100 * TIME_SCALE;
      const result = outcomes(
        ring.link((ring) => [ring.read(pipe.readEnd, buffer, undefined, { timeout: ms }), ring.nop()]),
      );
      await moment(ring, random);
      ring.submitAndWait(0);
      const until = performance.now() + random.below(50) / 100;
      while (performance.now() < until) ring.submitAndWait(0);
      pipe.write("data");
      const [read, nop] = await result;
      seen.add(read);
      if (read === "ETIME") {
        expect(nop).toBe("ECANCELED");
        expect([pipe.read(), ...buffer]).toEqual(["data", 0, 0, 0, 0]);
      } else {
        expect([read, nop]).toEqual([4, 0]);
        expect([new TextDecoder().decode(buffer), pipe.read()]).toEqual(["data", ""]);
      }
    }
    expect([...seen].sort(), "both happened").toEqual([4, "ETIME"]);
  }));
