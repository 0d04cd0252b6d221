import { describe, expect, test } from "vitest";
import {
  AT,
  FileTable,
  IORING_CQE_F,
  type MessageHandler,
  O,
  Ring,
  RingClosedError,
  UnsupportedError,
  UringError,
} from "../../mod.ts";
import { runChild } from "../support/child.ts";
import { failure, thrown } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp } from "../support/kernel.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

type Heard = [data: number | bigint, result: number, flags: number];

/** Two rings of this thread; what the second hears. */
class Pair implements AsyncDisposable {
  readonly sender: Ring = new Ring();
  readonly receiver: Ring = new Ring();
  readonly heard: Heard[] = [];
  #more = () => {};

  constructor() {
    this.receiver.onMessage = (...message) => {
      this.heard.push(message);
      this.#more();
    };
  }

  /** Waits until so many have been heard. */
  async until(count: number): Promise<Heard[]> {
    while (this.heard.length < count) await new Promise<void>((resolve) => this.#more = resolve);
    return this.heard;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender.close(), this.receiver.close()]);
  }
}

describe.skipIf(!hasOp("MSG_RING"))("msgRing()", () => {
  test("is heard by the other ring, with data and result as they were sent", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const messages: [number | bigint, number][] = [
      [0, 0],
      [42, 7],
      [0x7fffffff, 0x7fffffff],
      [0xffffffff, -1],
      [2 ** 32, -22],
      [Number.MAX_SAFE_INTEGER, 1],
      [2n ** 53n, 2],
      [2n ** 62n - 1n, 3],
    ];
    for (const [data, length] of messages) expect(await sender.msgRing(receiver, length, data)).toBe(0);
    await sender.msgRing(receiver.fd, 0xfffffffe, 5n);
    expect(await pair.until(9)).toEqual([...messages.map(([data, length]) => [data, length, 0]), [5, -2, 0]]);
  });

  test("wakes a ring that has nothing else to wait for", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    for (let i = 1; i <= 20; i++) {
      // The receiver has gone to sleep by then, or is about to.
      if (i % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await sender.msgRing(receiver, 0, i);
      await pair.until(i);
    }
    expect(receiver.stats).toMatchObject({ submitted: 0, inFlight: 0 });
  });

  test("goes to the ring that sends it, too", async () => {
    await using ring = new Ring();
    const heard = new Promise<Heard>((resolve) => ring.onMessage = (...message) => resolve(message));
    expect(await ring.msgRing(ring, 3, 4)).toBe(0);
    expect(await heard).toEqual([4, 3, 0]);
  });

  test("comes in order, thousands at once, beside the receiver's own operations", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const count = 3000;
    const own = Array.from({ length: count }, () => receiver.nop());
    await Promise.all(Array.from({ length: count }, (_, i) => sender.msgRing(receiver, i, i)));
    expect((await pair.until(count)).every(([data, result], i) => data === i && result === i)).toBe(true);
    expect(await Promise.all(own)).toEqual(new Array(count).fill(0));
    expect(receiver.stats.inFlight).toBe(0);
  });

  test("works in chains, and with options", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const chain = sender.link((ring) => [ring.nop(), ring.msgRing(receiver, 1, 1), ring.msgRing(receiver, 2, 2)]);
    expect(await Promise.all(chain)).toEqual([0, 0, 0]);
    await sender.msgRing(receiver, 3, 3, { signal: new AbortController().signal, timeout: 60_000 });
    expect((await pair.until(3)).map(([data]) => data)).toEqual([1, 2, 3]);
    await expect(sender.msgRing(receiver, 4, 4, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });

  test("between two workers: none is lost, none does not wake", async () => {
    const count = TIME_SCALE > 1 ? 200 : 2000;
    const ended = await runChild("messages", [String(count)], { limitMs: 60_000 });
    expect({ code: ended.code, signal: ended.signal }, ended.stderr).toEqual({ code: 0, signal: null });
    expect(JSON.parse(ended.stdout)).toEqual({ received: count, inOrder: true, wrong: 0, wakeups: true });
  }, 90_000 * TIME_SCALE);
});

describe.skipIf(!hasOp("MSG_RING"))("msgRingCqeFlags()", () => {
  test("gives the other ring's completion its flags", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const sent = await sender.msgRingCqeFlags(receiver, 1, 2, 0xabcd0000).catch((error) => error);
    if (sent instanceof UnsupportedError) return expect(sent.needs).toBe("Linux 6.3");
    expect(sent).toBe(0);
    // Of no meaning to it here: the receiver's operations are not mistaken for another's.
    await sender.msgRingCqeFlags(receiver, 3, 4, IORING_CQE_F.MORE | IORING_CQE_F.BUFFER);
    expect(await pair.until(2)).toEqual([[2, 1, 0xabcd0000], [4, 3, IORING_CQE_F.MORE | IORING_CQE_F.BUFFER]]);
  });

  test("refuses flags that tell how completions lie", async () => {
    await using pair = new Pair();
    for (const flags of [IORING_CQE_F.SKIP, IORING_CQE_F["32"], 0xffffffff]) {
      expect(thrown(() => pair.sender.msgRingCqeFlags(pair.receiver, 0, 0, flags), TypeError).message)
        .toMatch(/^cqeFlags must not have IORING_CQE_F.SKIP or 32/);
    }
    expect(pair.sender.stats.submitted).toBe(0);
  });
});

describe.skipIf(!hasOp("MSG_RING"))("msgRingFd()", () => {
  test("sends a registered file, into a slot that is named or chosen", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    using folder = new TempFolder();
    using _sent = new FileTable(sender, { size: 4 });
    using _received = new FileTable(receiver, { size: 8 });
    await sender.openat(AT.FDCWD, folder.write("file", "content"), O.RDONLY, 0, { slot: 1 });
    expect(await sender.msgRingFd(receiver, 1, 5, 50)).toBe(5);
    const chosen = await sender.msgRingFd(receiver, 1, "alloc", 51);
    expect(chosen).not.toBe(5);
    expect(await pair.until(2)).toEqual([[50, 0, 0], [51, chosen, 0]]);
    await sender.closeDirect(1);
    for (const slot of [5, chosen]) {
      expect(await receiver.read(slot, new Uint8Array(16), 0, { fixedFile: true })).toBe(7);
    }
  });

  test("says nothing to the other ring with skipCqe", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    using folder = new TempFolder();
    using sent = new FileTable(sender, { size: 4 });
    using _received = new FileTable(receiver, { size: 8 });
    folder.write("file", "content");
    sent.set(0, folder.open("file"));
    expect(await sender.msgRingFd(receiver, 0, 2, 50, { skipCqe: true })).toBe(2);
    expect(await receiver.read(2, new Uint8Array(16), 0, { fixedFile: true })).toBe(7);
    await sender.msgRing(receiver, 0, 51);
    expect(await pair.until(1)).toEqual([[51, 0, 0]]);
  });

  test("rejects for an empty slot, for rings without registered files, and for the ring itself", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    expect(await failure(sender.msgRingFd(receiver, 0, 0, 0), UringError)).toMatchObject({ syscall: "msg_ring" });
    using folder = new TempFolder();
    using sent = new FileTable(sender, { size: 4 });
    folder.write("file", "content");
    sent.set(0, folder.open("file"));
    expect(await failure(sender.msgRingFd(receiver, 0, 0, 0), UringError)).toMatchObject({ code: "ENXIO" });
    using _received = new FileTable(receiver, { size: 1 });
    expect(await failure(sender.msgRingFd(receiver, 1, 0, 0), UringError)).toMatchObject({ code: "EBADF" });
    expect(await failure(sender.msgRingFd(receiver, 0, 1, 0), UringError)).toMatchObject({ code: "EINVAL" });
    expect(await sender.msgRingFd(receiver, 0, "alloc", 0)).toBe(0);
    expect(await failure(sender.msgRingFd(receiver, 0, "alloc", 0), UringError)).toMatchObject({ code: "ENFILE" });
    expect(await failure(sender.msgRingFd(sender, 0, 1, 0), UringError)).toMatchObject({ code: "EINVAL" });
    expect((await pair.until(1)).length).toBe(1);
  });
});

describe.skipIf(!hasOp("MSG_RING"))("onMessage", () => {
  test("may do anything: ask for operations, wait for them, close the ring", async () => {
    await using sender = new Ring();
    const receiver = new Ring();
    const done = new Promise<string>((resolve) => {
      receiver.onMessage = async (data) => {
        if (data === 1) {
          const nop = receiver.nop();
          expect(receiver.submitAndWait(1)).toBe(1);
          expect(await nop).toBe(0);
          await sender.msgRing(receiver, 0, 2);
        } else {
          receiver[Symbol.dispose]();
          resolve("closed");
        }
      };
    });
    await sender.msgRing(receiver, 0, 1);
    expect(await done).toBe("closed");
    expect(receiver.closed).toBe(true);
  });

  test("can be changed and taken away; what nobody hears is dropped", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const before = receiver.onMessage;
    expect(before).toBeTypeOf("function");
    receiver.onMessage = null;
    expect(receiver.onMessage).toBeNull();
    await sender.msgRing(receiver, 0, 1);
    await receiver.nop();
    const other: number[] = [];
    const handler: MessageHandler = (data) => void other.push(Number(data));
    receiver.onMessage = handler;
    await sender.msgRing(receiver, 0, 2);
    while (other.length === 0) await receiver.nop();
    receiver.onMessage = before;
    await sender.msgRing(receiver, 0, 3);
    expect(await pair.until(1)).toEqual([[3, 0, 0]]);
    expect(other).toEqual([2]);
  });

  test("is not counted by submitAndWait(): it waits for operations", async () => {
    await using pair = new Pair();
    const { sender, receiver } = pair;
    const timeout = receiver.timeout(20);
    await receiver.nop();
    const sent = Promise.all([sender.msgRing(receiver, 0, 1), sender.msgRing(receiver, 0, 2)]);
    sender.submitAndWait(0);
    expect(receiver.submitAndWait(1)).toBe(1);
    expect(receiver.stats.inFlight).toBe(0);
    expect(await timeout).toBe(0);
    await sent;
    expect(await pair.until(2)).toHaveLength(2);
  });

  test("refuses what can't hear, and a ring that is closed", async () => {
    const ring = new Ring();
    const set = (handler: unknown) => () => void (ring.onMessage = handler as MessageHandler);
    expect(thrown(set("text"), TypeError).message).toBe('onMessage must be a function or null, not "text"');
    expect(thrown(set(undefined), TypeError).message).toMatch(/not undefined/);
    await ring.close();
    expect(thrown(set(() => {}), RingClosedError).message).toMatch(/^onMessage: this ring is closed/);
    set(null)();
  });

  test.each([
    ["keeps the process alive", "listening"],
    ["does not, when the ring is unref'd", "unref"],
    ["does not, when the ring is unref'd later", "unref-later"],
    ["does not, when it is taken away", "removed"],
    ["does not, when the ring is closed", "closed"],
    ["keeps the ring, which nobody else mentions", "forgotten"],
  ])("%s", async (_, which) => {
    const { code, signal, stdout, stderr } = await runChild("listening", [which], { limitMs: 15_000, exposeGc: true });
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
    expect(stdout).toBe("done\n");
  });
});
