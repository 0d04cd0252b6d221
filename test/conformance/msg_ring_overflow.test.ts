import { describe, expect, test } from "vitest";
import { IORING_MSG_RING, IORING_REGISTER, IOSQE, Ring, type RingOptions } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { has, RawStage } from "../raw/stage.ts";
import { completions, resultsOf } from "../support/completions.ts";
import { negative } from "../support/errno.ts";
import { TempFolder } from "../support/folder.ts";

const TARGETS: [string, RingOptions][] = [
  ["as it comes", {}],
  ["without DEFER_TASKRUN", { deferTaskrun: false }],
  ["of many issuers", { singleIssuer: false, deferTaskrun: false }],
];

/** Takes what has come and what still comes, until it is so many. */
function take(ring: RawRing, count: number): number[] {
  const heard: number[] = [];
  while (heard.length < count) {
    if (ring.submitAndWait(1, 10_000) < 0) throw new Error(`only ${heard.length} of ${count} came`);
    heard.push(...completions(ring).map(({ userData }) => userData));
  }
  return heard;
}

describe.skipIf(!has("MSG_RING")).each(TARGETS)("messages to a full completion queue, of a ring %s,", (_, options) => {
  test("are all there in the end, in order, if they were taken", () => {
    using stage = new RawStage();
    using target = new RawRing({ entries: 2, cqEntries: 2, ...options });
    const sent: number[] = [];
    for (let i = 0; i < 200; i++) {
      const result = stage.result((ring) => ring.prepMsgRing(1, target.fd, 0, i, 0));
      // What is refused is told to the sender, and never comes.
      if (result === 0) sent.push(i);
      else expect(result).toBe(negative("EOVERFLOW"));
    }
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(take(target, sent.length)).toEqual(sent);
    target.submitAndWait(0);
    expect(completions(target)).toEqual([]);
    expect(stage.result((ring) => ring.prepMsgRing(1, target.fd, 7, 7, 0)), "it takes more now").toBe(0);
    expect(take(target, 1)).toEqual([7]);
  });

  test("of two senders each keep their order, beside the ring's own completions", () => {
    using one = new RawStage();
    using other = new RawStage();
    using target = new RawRing({ entries: 4, cqEntries: 4, ...options });
    const own: number[] = [];
    for (let i = 0; i < 50; i++) {
      for (const [stage, base] of [[one, 1000], [other, 2000]] as const) {
        expect(stage.result((ring) => ring.prepMsgRing(1, target.fd, 0, base + i, 0))).toBe(0);
      }
      if (!target.prepNop(i)) continue;
      target.submit();
      own.push(i);
    }
    const heard = take(target, 100 + own.length);
    for (const [from, to] of [[1000, 2000], [2000, 3000]] as const) {
      const of = heard.filter((userData) => userData >= from && userData < to);
      expect(of).toEqual(Array.from({ length: 50 }, (_, i) => from + i));
    }
    expect(heard.filter((userData) => userData < 1000).sort((a, b) => a - b)).toEqual(own);
  });
});

describe.skipIf(!has("MSG_RING"))("a message", () => {
  test("to a ring that is closed, disabled or none fails, and breaks its chain", () => {
    using stage = new RawStage();
    using disabled = new RawRing({ entries: 2, disabled: true });
    const closed = new RawRing({ entries: 2 });
    const { fd } = closed;
    closed.close();
    const send = (target: number) => {
      stage.ring.prepMsgRing(1, target, 0, 0, 0);
      stage.ring.sqeSetFlags(IOSQE.IO_LINK);
      stage.ring.prepNop(2);
      return resultsOf(stage.finals(1, 2));
    };
    const ECANCELED = negative("ECANCELED");
    expect(send(fd)).toEqual({ 1: negative("EBADF"), 2: ECANCELED });
    expect(send(disabled.fd)).toEqual({ 1: negative("EBADFD"), 2: ECANCELED });
    using folder = new TempFolder();
    folder.write("file", "");
    expect(send(folder.open("file"))).toEqual({ 1: negative("EBADFD"), 2: ECANCELED });
    disabled.enable();
    expect(send(disabled.fd)).toEqual({ 1: 0, 2: 0 });
  });

  test("to the ring itself is one more completion there, even when its queue is full", () => {
    using stage = new RawStage({ entries: 4, cqEntries: 4 });
    const { ring } = stage;
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 2; j++) {
        expect(ring.prepMsgRing(1000 + 2 * i + j, ring.fd, 0, 2 * i + j, 0)).toBe(true);
      }
      ring.submit();
    }
    while (seen.length < 80) {
      if (ring.submitAndWait(1, 10_000) < 0) throw new Error(`only ${seen.length} came`);
      seen.push(...completions(ring).map(({ userData, res }) => res === 0 ? userData : -1));
    }
    expect(seen.filter((userData) => userData < 1000)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(seen.filter((userData) => userData >= 1000)).toEqual(Array.from({ length: 40 }, (_, i) => 1000 + i));
  });

  test("with flags that there are not, or that it can't have, is refused", () => {
    using stage = new RawStage();
    using target = new RawRing({ entries: 2 });
    const EINVAL = negative("EINVAL");
    expect(stage.result((ring) => ring.prepMsgRing(1, target.fd, 0, 0, 0x100))).toBe(EINVAL);
    expect(stage.result((ring) => ring.prepMsgRing(1, target.fd, 0, 0, IORING_MSG_RING.CQE_SKIP))).toBe(EINVAL);
    target.submitAndWait(0);
    expect(completions(target)).toEqual([]);
  });

  test("with a file puts it there though the completion has to wait for room", ({ skip }) => {
    using stage = new RawStage();
    using folder = new TempFolder();
    using target = new RawRing({ entries: 2, cqEntries: 2 });
    folder.write("file", "content");
    expect(stage.ring.register(IORING_REGISTER.FILES, Int32Array.of(folder.open("file")), 1)).toBe(0);
    expect(target.register(IORING_REGISTER.FILES, new Int32Array(8).fill(-1), 8)).toBe(0);
    for (let slot = 0; slot < 8; slot++) {
      const result = stage.result((ring) => ring.prepMsgRingFd(1, target.fd, 0, slot, slot, 0));
      if (result === negative("EINVAL")) skip("needs Linux 6.0");
      expect(result).toBeGreaterThanOrEqual(0);
    }
    expect(take(target, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const buffer = new Uint8Array(8);
    for (let slot = 0; slot < 8; slot++) {
      target.prepRead(1, slot, buffer, 8, 0);
      target.sqeSetFlags(IOSQE.FIXED_FILE);
      target.submitAndWait(1);
      expect(completions(target)).toMatchObject([{ res: 7 }]);
    }
  });

  test("of thousands, to a Ring with four places, is heard: each once, in order", async () => {
    await using sender = new Ring();
    await using receiver = new Ring({ entries: 4, cqEntries: 4 });
    const COUNT = 5000;
    const heard: number[] = [];
    const all = new Promise<void>((resolve) => {
      receiver.onMessage = (data) => {
        if (heard.push(Number(data)) === COUNT) resolve();
      };
    });
    const sends = Array.from({ length: COUNT }, (_, i) => sender.msgRing(receiver, 0, i));
    expect((await Promise.all(sends)).every((result) => result === 0)).toBe(true);
    await all;
    expect(heard.every((data, i) => data === i)).toBe(true);
  });
});
