import { describe, expect, test } from "vitest";
import { POLL, Ring, UringError } from "../../mod.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { hasOp, pollUpdatesTell } from "../support/kernel.ts";
import { Pipe } from "../support/pipe.ts";
import { connect, listen, newSocket } from "../support/socket.ts";

/** IN and RDNORM mean the same; so do OUT and WRNORM. */
const ASKED = POLL.IN | POLL.OUT | POLL.ERR | POLL.HUP | POLL.RDHUP;

describe("pollAdd()", () => {
  test("resolves at once to what is ready", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    expect(await ring.pollAdd(pipe.writeEnd, POLL.OUT) & ASKED).toBe(POLL.OUT);
    expect(await ring.pollAdd(pipe.writeEnd, POLL.IN | POLL.OUT) & ASKED).toBe(POLL.OUT);
    pipe.write("x");
    expect(await ring.pollAdd(pipe.readEnd, POLL.IN) & ASKED).toBe(POLL.IN);
  });

  test("waits until what was asked for is ready, and takes nothing from the pipe", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polled = watch(ring.pollAdd(pipe.readEnd, POLL.IN));
    await ring.nop();
    expect(polled.state).toBe("pending");
    pipe.write("here");
    expect(ring.submitAndWait(1)).toBe(1);
    await Promise.resolve();
    expect(Number(polled.value) & ASKED).toBe(POLL.IN);
    expect(pipe.read()).toBe("here");
  });

  test("tells once, and must be asked again", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    pipe.write("x");
    await ring.pollAdd(pipe.readEnd, POLL.IN);
    expect(ring.stats.inFlight).toBe(0);
    expect(await ring.pollAdd(pipe.readEnd, POLL.IN) & ASKED).toBe(POLL.IN);
  });

  test("always tells of errors and hang-ups, even when no event was asked for", async () => {
    await using ring = new Ring();
    using hungUp = new Pipe();
    using broken = new Pipe();
    const polls = [ring.pollAdd(hungUp.readEnd, 0), ring.pollAdd(broken.writeEnd, 0)];
    const outcomes = polls.map(watch);
    await ring.nop();
    hungUp.write("x");
    await ring.nop();
    expect(outcomes.map(({ state }) => state), "data is no event of these").toEqual(["pending", "pending"]);
    hungUp.closeWriteEnd();
    broken.closeReadEnd();
    expect(await polls[0]! & ASKED).toBe(POLL.HUP);
    expect(await polls[1]! & ASKED).toBe(POLL.ERR);
  });

  test("tells of a regular file at once: it is always ready", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    folder.write("file", "");
    expect(await ring.pollAdd(folder.open("file"), POLL.IN | POLL.OUT) & ASKED).toBe(POLL.IN | POLL.OUT);
  });

  test("works on sockets", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const fd = newSocket();
    if (fd === -22) return expect(ring.probe().op("SOCKET").supported, "since Linux 5.19").toBe(false);
    expect(await ring.pollAdd(fd, POLL.OUT) & ASKED, "connected to nothing").toBe(POLL.OUT | POLL.HUP);
    const { server, connection } = await listen(folder.at("socket"));
    expect(connect(fd, folder.at("socket"))).toBe(0);
    const peer = await connection;
    expect(await ring.pollAdd(fd, POLL.IN | POLL.OUT) & ASKED).toBe(POLL.OUT);
    const readable = ring.pollAdd(fd, POLL.IN | POLL.RDHUP);
    const outcome = watch(readable);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    peer.write("hello");
    expect(await readable & ASKED).toBe(POLL.IN);
    expect(await ring.read(fd, new Uint8Array(16))).toBe(5);
    peer.end();
    expect(await ring.pollAdd(fd, POLL.RDHUP) & ASKED & ~POLL.HUP).toBe(POLL.RDHUP);
    await ring.closeFd(fd);
    await new Promise((resolve) => server.close(resolve));
  });

  test("goes on with thousands at once", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = Array.from({ length: 3000 }, () => ring.pollAdd(pipe.readEnd, POLL.IN));
    await ring.nop();
    expect(ring.stats.inFlight).toBe(3000);
    pipe.write("x");
    expect((await Promise.all(polls)).every((events) => (events & ASKED) === POLL.IN)).toBe(true);
  });

  test("rejects for an fd that is not open", async () => {
    await using ring = new Ring();
    const error = await failure(ring.pollAdd(99_999, POLL.IN), UringError);
    expect(error).toMatchObject({ code: "EBADF", syscall: "poll_add", fd: 99_999 });
    expect(error.message).toMatch("EBADF: fd 99999 is not open, poll_add fd=99999; ");
  });

  test("ends with its time limit, and with its signal", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    expect(await failure(ring.pollAdd(pipe.readEnd, POLL.IN, { timeout: 1 }), UringError))
      .toMatchObject({ code: "ETIME", syscall: "poll_add" });
    const controller = new AbortController();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN, { signal: controller.signal });
    await ring.nop();
    controller.abort("enough");
    await expect(poll).rejects.toBe("enough");
  });
});

describe("pollUpdate()", () => {
  test.skipIf(!pollUpdatesTell())("changes what a poll waits for; its own promise goes on", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.PRI);
    const outcome = watch(poll);
    pipe.write("x");
    await ring.nop();
    expect(outcome.state).toBe("pending");
    expect(await ring.pollUpdate(poll, POLL.IN)).toBe(1);
    expect(await poll & ASKED).toBe(POLL.IN);
    expect(await ring.pollUpdate(poll, POLL.IN), "it has ended").toBe(0);
  });

  test("leaves others alone, and can be cancelled as before", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const polls = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.pollAdd(pipe.readEnd, POLL.IN, { timeout: 60_000 })];
    const outcomes = polls.map(watch);
    await ring.nop();
    expect(await ring.pollUpdate(polls[1]!, POLL.PRI)).toBe(1);
    pipe.write("x");
    expect(await polls[0]! & ASKED).toBe(POLL.IN);
    await ring.nop();
    expect(outcomes.map(({ state }) => state)).toEqual(["resolved", "pending"]);
    const rejection = failure(polls[1]!, UringError);
    expect(await ring.cancel(polls[1]!)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED", syscall: "poll_add" });
  });
});

describe("pollRemove()", () => {
  test("ends a poll, which rejects with ECANCELED", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const [poll, other] = [ring.pollAdd(pipe.readEnd, POLL.IN), ring.pollAdd(pipe.readEnd, POLL.IN)];
    const rejection = failure(poll, UringError);
    await ring.nop();
    expect(await ring.pollRemove(poll)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED", syscall: "poll_add", fd: pipe.readEnd });
    expect(await ring.pollRemove(poll), "it has ended").toBe(0);
    pipe.write("x");
    expect(await other & ASKED).toBe(POLL.IN);
  });

  test("finds one that was asked for in the same turn", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    const rejection = failure(poll, UringError);
    expect(await ring.pollRemove(poll)).toBe(1);
    expect((await rejection).code).toBe("ECANCELED");
  });

  test("finds nothing that is no poll, and refuses what is no promise", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const read = ring.read(pipe.readEnd, new Uint8Array(4));
    await ring.nop();
    expect(await ring.pollRemove(read)).toBe(0);
    expect(await ring.pollUpdate(read, POLL.OUT)).toBe(0);
    expect(await ring.pollRemove(Promise.resolve())).toBe(0);
    pipe.write("four");
    expect(await read, "it goes on").toBe(4);
    const target = 3 as unknown as Promise<unknown>;
    const message = "target must be the promise that pollAdd() gave, not 3";
    expect(thrown(() => ring.pollRemove(target), TypeError).message).toBe(message);
    expect(thrown(() => ring.pollUpdate(target, POLL.IN), TypeError).message).toBe(message);
    expect(thrown(() => ring.pollUpdate(Promise.resolve(), -1), RangeError).message).toMatch(/^mask must be from 0/);
  });
});

describe("a poll that is looked at just now, and goes on,", () => {
  test("is removed all the same", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.readEnd, POLL.IN);
    const ended = poll.catch(({ code }: UringError) => code);
    await ring.nop();
    pipe.write("x");
    expect(pipe.read()).toBe("x");
    const removed = await ring.pollRemove(poll);
    // Older kernels do not look once more: it has ended.
    expect([removed, await ended]).toEqual(removed === 1 ? [1, "ECANCELED"] : [0, POLL.IN]);
  });

  test.skipIf(!hasOp("SETXATTR"))("is updated all the same", async () => {
    await using ring = new Ring();
    using pipe = new Pipe();
    const poll = ring.pollAdd(pipe.writeEnd, POLL.ERR);
    const idle = ring.pollAdd(pipe.readEnd, POLL.IN);
    await ring.nop();
    pipe.write("x");
    expect(pipe.read()).toBe("x");
    const updated = await ring.pollUpdate(idle, POLL.IN | POLL.RDNORM);
    expect(await ring.pollUpdate(poll, POLL.OUT)).toBe(1);
    expect(await poll).toBe(POLL.OUT);
    if (updated === 1) pipe.write("y");
    // Older kernels do not look once more: it has ended.
    expect(await idle).toBe(updated === 1 ? POLL.IN | POLL.RDNORM : POLL.IN);
  });
});
