import { describe, expect, test } from "vitest";
import { Ring, UringError } from "../../mod.ts";
import { Core } from "../../src/ring/core.ts";
import { thrown } from "../support/failure.ts";
import { hasOp } from "../support/kernel.ts";

const EBADFD = -77;

describe("a Ring opened with disabled", () => {
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

test.skipIf(!hasOp("MSG_RING"))("hears messages once it is enabled: to listen before does not end it", async () => {
  await using ring = new Ring({ disabled: true });
  await using sender = new Ring();
  const heard = new Promise((resolve) => ring.onMessage = resolve);
  for (let i = 0; i < 3; i++) await sender.nop();
  ring.enable();
  expect(await ring.nop()).toBe(0);
  await sender.msgRing(ring, 0, 7);
  expect(await heard).toBe(7);
});
