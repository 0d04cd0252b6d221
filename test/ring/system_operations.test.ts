import { describe, expect, test } from "vitest";
import { AbortError, IORING_SETUP, IOSQE, Ring, RingClosedError, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { hasSetup, hasSyncCancel } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { SYSTEM_BLOCKING, SYSTEM_OPERATIONS, type SystemOperation, SystemStage } from "../support/system_operations.ts";

/** Whether this kernel has the op; refused with what is needed, if not. */
async function isHere(stage: SystemStage, { op, start }: SystemOperation): Promise<boolean> {
  if (stage.ring.probe().op(op).supported) return true;
  const { submitted } = stage.ring.stats;
  const error = await Promise.resolve().then(() => start(stage)).catch((error) => error);
  expect(error).toBeInstanceOf(UnsupportedError);
  expect(error).toMatchObject({ feature: op, needs: expect.stringMatching(/^Linux \d+\.\d+$/) });
  expect(stage.ring.stats.submitted, "nothing reached the kernel").toBe(submitted);
  return false;
}

describe("every option", () => {
  test.each(SYSTEM_OPERATIONS)("is taken by $name", async (operation) => {
    await using stage = new SystemStage();
    if (!await isHere(stage, operation)) return;
    const { signal } = new AbortController();
    for (
      const o of [
        undefined,
        {},
        { signal },
        { timeout: NEVER },
        { flags: IOSQE.ASYNC },
        ...hasSyncCancel ? [{ flags: IOSQE.IO_DRAIN }] : [],
        { signal, timeout: NEVER, flags: IOSQE.ASYNC, personality: 0, fixedFile: false },
      ]
    ) {
      // What waits for everything before it must not aim at something of that.
      if (operation.op === "POLL_REMOVE" && o?.flags === IOSQE.IO_DRAIN) continue;
      stage.files.set(1, stage.fd);
      const result = await operation.start(stage, o);
      expect(operation.isRight(result), `${JSON.stringify(o)} gave ${JSON.stringify(result)}`).toBe(true);
    }
    await stage.ring.cancel("all");
  });

  test.each(SYSTEM_OPERATIONS)("that is wrong is refused by $name, with nothing staged", async (operation) => {
    await using stage = new SystemStage();
    if (!await isHere(stage, operation)) return;
    const { inFlight } = stage.ring.stats;
    const wrong = async (o: unknown) =>
      await Promise.resolve().then(() => operation.start(stage, o as object)).catch((error) => error);
    expect(await wrong({ timeout: -1 })).toBeInstanceOf(RangeError);
    expect(await wrong({ flags: 0x80 })).toBeInstanceOf(RangeError);
    expect(await wrong({ signal: {} })).toBeInstanceOf(TypeError);
    await stage.ring.cancel("all"); // what pollRemove and pollUpdate aim at
    await stage.ring.nop();
    expect(stage.ring.stats.inFlight).toBe(inFlight);
  });
});

describe("a signal", () => {
  test.each(SYSTEM_OPERATIONS)("aborted before: $name rejects with its reason", async (operation) => {
    await using stage = new SystemStage();
    if (!await isHere(stage, operation)) return;
    await expect(operation.start(stage, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    await stage.ring.cancel("all");
  });

  test.each(SYSTEM_BLOCKING)(
    "aborted in the same turn, or while it waits: $name rejects with it",
    async (operation) => {
      await using stage = new SystemStage();
      if (!await isHere(stage, operation)) return;
      for (const turns of [0, 1, 5]) {
        const controller = new AbortController();
        const started = operation.start(stage, { signal: controller.signal });
        const outcome = watch(started);
        for (let i = 0; i < turns; i++) await stage.ring.nop();
        if (turns === 5) await stage.ring.timeout(5);
        expect(outcome.state).toBe("pending");
        controller.abort("enough");
        await expect(started).rejects.toBe("enough");
        await stage.ring.nop();
        expect(stage.ring.stats.inFlight).toBe(0);
      }
    },
  );
});

describe("a time limit", () => {
  test.each(SYSTEM_BLOCKING)("ends $name, which rejects with ETIME", async (operation) => {
    await using stage = new SystemStage();
    if (!await isHere(stage, operation)) return;
    for (const o of [{ timeout: 2 }, { timeout: 0.5 }, { timeout: 2, flags: IOSQE.ASYNC }]) {
      const error = await failure(operation.start(stage, o), UringError);
      expect(error).toMatchObject({ code: "ETIME", syscall: operation.op.toLowerCase() });
      expect(error.message).toMatch(`timed out after ${o.timeout} ms`);
    }
    await stage.ring.nop();
    expect(stage.ring.stats.inFlight).toBe(0);
  });
});

describe("cancel()", () => {
  test.each(SYSTEM_BLOCKING)("ends $name: by promise, by op, all", async (operation) => {
    await using stage = new SystemStage();
    if (!await isHere(stage, operation)) return;
    for (const how of ["promise", "op", "all"] as const) {
      const started = operation.start(stage);
      const rejection = failure(started, UringError);
      await stage.ring.timeout(2);
      const target = how === "promise" ? started : how === "op" ? { op: operation.op } : how;
      const found = await stage.ring.cancel(target);
      // The kernel counts none of those that run in its worker threads, when it is asked for all: it ends them.
      if (how !== "all") expect(found).toBe(1);
      expect((await rejection).code).toMatch(/ECANCELED|EINTR/);
    }
  });
});

describe("close()", () => {
  test.each(SYSTEM_BLOCKING)("ends $name, started in the same turn or before", async (operation) => {
    const stage = new SystemStage();
    if (await isHere(stage, operation)) {
      const { start } = operation;
      const started = [start(stage), start(stage, { timeout: NEVER }), start(stage, { flags: IOSQE.ASYNC })];
      const early = started.map((promise) => failure(promise, Error));
      await stage.ring.timeout(2);
      const late = [start(stage), start(stage, { signal: new AbortController().signal })]
        .map((promise) => failure(promise, Error));
      await stage.ring.close();
      for (const error of await Promise.all([...early, ...late])) expect(error).toBeInstanceOf(AbortError);
    }
    await stage[Symbol.asyncDispose]();
  });

  test.each(SYSTEM_OPERATIONS)(
    "lets $name, asked for in the same turn, complete or be cancelled",
    async (operation) => {
      const stage = new SystemStage();
      // Those that close what they made can't, any more.
      if (!["pipe", "fixedFdInstall"].includes(operation.name) && await isHere(stage, operation)) {
        const outcome = watch(operation.start(stage));
        await stage.ring.close();
        await new Promise((resolve) => setTimeout(resolve, 0));
        expect(outcome.state).not.toBe("pending");
        if (outcome.state === "rejected") expect(outcome.value).toBeInstanceOf(AbortError);
      }
      await stage[Symbol.asyncDispose]();
    },
  );

  test.each(SYSTEM_OPERATIONS)("makes $name throw RingClosedError", async ({ start }) => {
    const stage = new SystemStage();
    await stage.ring.close();
    const error = await Promise.resolve().then(() => start(stage)).catch((error) => error);
    expect(error).toBeInstanceOf(RingClosedError);
    await stage[Symbol.asyncDispose]();
  });
});

test.skipIf(!hasSetup(IORING_SETUP.SQE128))(
  "nop128() and uringCmd128() throw RingClosedError after close()",
  async () => {
    const ring = new Ring({ sqe128: true });
    await ring.close();
    for (const call of [() => ring.nop128(), () => ring.uringCmd128(0, 0)]) {
      expect(thrown(call, RingClosedError).message).toMatch(/this ring is closed/);
    }
  },
);
