import { describe, expect, test } from "vitest";
import { Ring, UnsupportedError } from "../../mod.ts";
import { duration, LONG } from "../support/duration.ts";
import { failure, thrown } from "../support/failure.ts";
import { hasFeature } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

describe("a least wait", () => {
  test.skipIf(hasFeature("MIN_TIMEOUT"))("is refused where the kernel has none", async () => {
    await using ring = new Ring();
    const nop = ring.nop();
    const error = thrown(() => ring.submitAndWait(1, { minWait: 1 }), UnsupportedError);
    expect(error.message).toMatch(/minWait.*6\.12/);
    expect(await nop).toBe(0);
  });

  describe.skipIf(!hasFeature("MIN_TIMEOUT"))("where the kernel has it", () => {
    test("gathers for its time; then one is enough", async () => {
      await using ring = new Ring();
      const forever = ring.timeout(NEVER);
      const soon = [ring.timeout(1), ring.timeout(2)];
      let came = 0;
      const lasted = duration(() => came = ring.submitAndWait(3, { minWait: 20 * TIME_SCALE, timeout: LONG * 10 }));
      expect(came).toBe(2);
      expect(lasted).toBeGreaterThanOrEqual(20 * TIME_SCALE);
      expect(lasted).toBeLessThan(LONG * 10);
      expect(await Promise.all(soon)).toEqual([0, 0]);
      const refused = failure(forever, Error);
      await ring.cancel(forever);
      await refused;
    });

    test("ends early when all came that were asked for", async () => {
      await using ring = new Ring();
      const soon = [ring.timeout(1), ring.timeout(2)];
      let came = 0;
      expect(duration(() => came = ring.submitAndWait(2, { minWait: NEVER, timeout: NEVER }))).toBeLessThan(LONG);
      expect(came).toBe(2);
      expect(await Promise.all(soon)).toEqual([0, 0]);
    });

    test("without anything by then goes on to the first that comes, or to its time", async () => {
      await using ring = new Ring();
      const first = ring.timeout(30 * TIME_SCALE);
      const forever = ring.timeout(NEVER);
      expect(ring.submitAndWait(2, { minWait: 1, timeout: NEVER })).toBe(1);
      expect(await first).toBe(0);
      const lasted = duration(() => expect(ring.submitAndWait(1, { minWait: 1, timeout: 10 })).toBe(0));
      expect(lasted).toBeGreaterThanOrEqual(10);
      const refused = failure(forever, Error);
      await ring.cancel(forever);
      await refused;
    });

    test("is over at a deadline that comes before it", async () => {
      await using ring = new Ring();
      const forever = ring.timeout(NEVER);
      const deadline = performance.now() + 10;
      expect(duration(() => expect(ring.submitAndWait(1, { minWait: 20 * LONG, deadline })).toBe(0)))
        .toBeLessThan(20 * LONG);
      expect(performance.now()).toBeGreaterThanOrEqual(deadline);
      const refused = failure(forever, Error);
      await ring.cancel(forever);
      await refused;
    });
  });
});
