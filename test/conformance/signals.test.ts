import { expect, test } from "vitest";
import { runChild } from "../support/child.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

const ETIME = -62;

test(
  "a signal with a handler ends no wait: it goes on for its time, or to its completions, and loses none",
  async () => {
    const { code, signal, stdout, stderr } = await runChild("signals", []);
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    const { waitMs, kinds } = JSON.parse(stdout);
    expect(kinds.length).toBeGreaterThan(0);
    for (const { kind, raw, ring } of kinds) {
      expect(raw, kind).toMatchObject({ submitting: { gave: 1 }, waiting: { gave: ETIME }, unlimited: { gave: 8 } });
      expect(raw.early, kind).toEqual([]);
      expect(raw.came, kind).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(ring, kind).toMatchObject({ limited: { gave: 0 }, unlimited: { gave: 8 }, came: Array(8).fill(0) });
      for (const { lasted } of [raw.submitting, raw.waiting, raw.unlimited, ring.limited, ring.unlimited]) {
        expect(lasted, kind).toBeGreaterThanOrEqual(waitMs);
      }
    }
  },
  60_000 * TIME_SCALE,
);
