import { POLL } from "../../mod.ts";
import { hasTicks } from "../support/kernel.ts";
import type { Random } from "../support/random.ts";
import { closeAll, pair } from "./pairs.ts";
import { type Action, Guarded, type Place, type Task } from "./place.ts";

/** Long enough that it never comes by itself. */
const NEVER_MS = 600_000;

/** Timers that end by themselves, early, or with their limit. */
export function timers(place: Place): Promise<Task> {
  const { ring } = place;

  async function removed(): Promise<void> {
    const timer = place.unless(ring.timeout(NEVER_MS), ["ECANCELED"]);
    const target = ring.timeout(NEVER_MS);
    const ended = place.unless(target, ["ECANCELED"]);
    place.check(await ring.timeoutRemove(target) === 1 || place.faulty, "a timeout that was not found");
    await ended;
    place.check(await ring.cancel({ op: "timeout" }) >= 1 || place.faulty, "timeouts that were not found");
    await timer;
  }

  async function ticks(): Promise<void> {
    let ticks = 0;
    const counting = (async () => {
      for await (const tick of ring.timeoutMultishot(1, { count: 3 })) {
        place.check(tick === ++ticks, `tick ${tick} came as number ${ticks}`);
      }
      place.check(ticks === 3, `${ticks} ticks instead of 3`);
    })();
    await place.unless(counting, []);
  }

  async function nops(): Promise<void> {
    await Promise.all(Array.from({ length: 100 }, () => place.again(() => ring.nop())));
  }

  return Promise.resolve({
    actions: {
      pass: async (random) => void await place.unless(ring.timeout(random.below(3)), []),
      removed,
      ticks: hasTicks ? ticks : undefined,
      nops,
      "nop with a limit": async () => void await place.again(() => ring.nop({ timeout: NEVER_MS })),
    },
    end: () => Promise.resolve(),
  });
}

/** Waits for what does not come, and ends them in every way. */
export async function waits(place: Place): Promise<Task> {
  const { ring } = place;
  const [near, far] = await pair(place);

  /** With a buffer that nobody may have written to in the end. */
  function untouched(wait: (guarded: Guarded, random: Random) => Promise<void>): Action {
    return async (random) => {
      const guarded = new Guarded(64, random);
      await wait(guarded, random);
      place.check(guarded.intact() && guarded.bytes.every((byte) => byte === 0), "a wait wrote into its buffer");
    };
  }

  return {
    actions: {
      limited: untouched(async ({ bytes }, random) => {
        const recv = ring.recv(near, bytes, 0, { timeout: random.below(3) });
        place.check(await place.unless(recv, ["ETIME"]) === undefined, "a recv of nothing");
      }),
      "limited poll": untouched(async () => {
        const poll = ring.pollAdd(near, POLL.IN, { timeout: 1 });
        place.check(await place.unless(poll, ["ETIME"]) === undefined, "a poll of nothing");
      }),
      aborted: untouched(async ({ bytes }, random) => {
        const abort = new AbortController();
        const waiting = place.unless(ring.recv(near, bytes, 0, { signal: abort.signal }), ["AbortError"]);
        if (random.below(2) === 0) await place.again(() => ring.nop());
        abort.abort();
        place.check(await waiting === undefined, "an aborted recv of nothing");
      }),
      cancelled: untouched(async () => {
        const poll = ring.pollAdd(near, POLL.IN);
        const ended = place.unless(poll, ["ECANCELED"]);
        place.check(await ring.cancel(poll) === 1 || place.faulty, "a poll that was not found");
        await ended;
      }),
      "stream left": untouched(async () => {
        const polls = ring.pollMultishot(near, POLL.IN);
        await place.again(() => ring.nop());
        await polls.return();
      }),
      "cancelled by descriptor": untouched(async ({ bytes }) => {
        const waiting = place.unless(ring.recv(near, bytes), ["ECANCELED"]);
        await place.again(() => ring.nop());
        await ring.cancel({ fd: near });
        place.check(await waiting === undefined, "a cancelled recv of nothing");
      }),
      "chain with a limit": untouched(async ({ bytes }) => {
        const settled = await Promise.allSettled(ring.link((ring) => [
          ring.nop(),
          ring.recv(near, bytes, 0, { timeout: 1 }),
          ring.nop(),
        ]));
        const codes = settled.map((outcome) => outcome.status === "rejected" ? outcome.reason.code : "");
        const struck = settled.some((outcome) => outcome.status === "rejected" && place.struck(outcome.reason));
        place.check(struck || codes.join() === ",ETIME,ECANCELED", `a chain with a limit gave ${codes.join()}`);
      }),
    },
    end: () => closeAll(place, near, far),
  };
}
