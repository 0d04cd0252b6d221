import { describe, expect, test } from "vitest";
import { IORING_REGISTER, IORING_SETUP, Ring, UringError } from "../../mod.ts";
import { Core } from "../../src/ring/core.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { results } from "../support/completions.ts";
import { thrown } from "../support/failure.ts";

const EBADFD = -77;

describe("a Ring opened with disabled", () => {
  test("refuses every operation by name until enable(), and works from then on", async () => {
    await using ring = new Ring({ disabled: true });
    expect(ring.setupFlags & IORING_SETUP.R_DISABLED).toBe(IORING_SETUP.R_DISABLED);
    for (const start of [() => ring.nop(), () => ring.timeout(1), () => ring.submitAndWait(0)]) {
      const error = thrown(start, UringError);
      expect(error).toMatchObject({ code: "EBADFD" });
      expect(error.message).toMatch(/the ring is disabled.*call enable\(\) first/);
    }
    expect(thrown(() => ring.link((ring) => ring.nop()), UringError)).toMatchObject({ code: "EBADFD" });
    expect(ring.stats.inFlight).toBe(0);
    ring.enable();
    expect(await Promise.all([ring.nop(), ring.timeout(1), ring.nop()])).toEqual([0, 0, 0]);
  });

  test("can't be enabled twice", async () => {
    await using ring = new Ring({ disabled: true });
    ring.enable();
    expect(thrown(() => ring.enable(), UringError)).toMatchObject({ code: "EBADFD" });
    expect(await ring.nop()).toBe(0);
  });

  test.each([{}, { sqpoll: { idle: 5 } }, { singleIssuer: false }])("closes without having been enabled: %o", (o) => {
    const ring = new Ring({ disabled: true, ...o });
    ring[Symbol.dispose]();
    expect(ring.closed).toBe(true);
  });

  test("with sqpoll submits once it is enabled", async () => {
    await using ring = new Ring({ disabled: true, sqpoll: { idle: 5 } });
    expect(thrown(() => ring.nop(), UringError)).toMatchObject({ code: "EBADFD" });
    ring.enable();
    expect(await Promise.all(Array.from({ length: 300 }, () => ring.nop()))).toEqual(new Array(300).fill(0));
  });
});

describe("a RawRing opened with disabled", () => {
  test("refuses to prepare and to submit, and works once it is enabled", () => {
    using ring = new RawRing({ disabled: true, entries: 4 });
    expect(thrown(() => ring.prepNop(1), UringError)).toMatchObject({ code: "EBADFD" });
    expect(ring.submitAndWait(1, 1)).toBe(EBADFD);
    expect(ring.register(IORING_REGISTER.ENABLE_RINGS, null, 0)).toBe(0);
    for (const userData of [1, 2, 3]) expect(ring.prepNop(userData)).toBe(true);
    expect([...results(ring, 3).keys()]).toEqual([1, 2, 3]);
  });
});

test("the core of a disabled ring keeps what is staged until it is enabled", () => {
  const core = new Core({ disabled: true, entries: 4 });
  core.sqes[8] = 7;
  core.count = 1;
  expect(core.turn(0, 1)).toBe(EBADFD);
  expect(core.count).toBe(1);
  core.enable();
  expect(core.turn(0, 1)).toBe(1);
  expect([core.count, core.cqes[0]]).toEqual([0, 7]);
  expect(thrown(() => core.enable(), UringError)).toMatchObject({ code: "EBADFD" });
  expect(core.close(0)).toBe(true);
});
