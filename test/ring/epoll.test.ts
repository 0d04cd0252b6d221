import { describe, expect, test } from "vitest";
import { AbortError, EPOLL, EPOLL_CTL, Ring, UnsupportedError, UringError } from "../../mod.ts";
import { EpollSet } from "../support/epoll.ts";
import { failure, thrown, watch } from "../support/failure.ts";
import { TempFolder } from "../support/folder.ts";
import { Pipe } from "../support/pipe.ts";

const LARGE = 2n ** 64n - 5n;

function canWait(ring: Ring): boolean {
  if (ring.probe().op("EPOLL_WAIT").supported) return true;
  const error = thrown(() => ring.epollWait(0, 1), UnsupportedError);
  expect(error).toMatchObject({ feature: "EPOLL_WAIT", needs: "Linux 6.15" });
  return false;
}

describe("epollCtl() and epollWait()", () => {
  test("wait for a file, and tell what was given with it", async () => {
    await using ring = new Ring();
    if (!canWait(ring)) return;
    await using set = await EpollSet.open();
    using pipe = new Pipe();
    expect(await ring.epollCtl(set.fd, pipe.readEnd, EPOLL_CTL.ADD, { events: EPOLL.IN, data: LARGE })).toBe(0);
    const waiting = ring.epollWait(set.fd, 8);
    const outcome = watch(waiting);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    pipe.write("x");
    expect(await waiting).toEqual([{ events: EPOLL.IN, data: LARGE }]);
    expect(await ring.epollWait(set.fd, 8), "level-triggered: it is still ready").toHaveLength(1);
  });

  test("change what is waited for, and remove", async () => {
    await using ring = new Ring();
    if (!canWait(ring)) return;
    await using set = await EpollSet.open();
    using pipe = new Pipe();
    await ring.epollCtl(set.fd, pipe.writeEnd, EPOLL_CTL.ADD, { events: 0 });
    const waiting = ring.epollWait(set.fd, 1);
    const outcome = watch(waiting);
    await ring.nop();
    expect(outcome.state).toBe("pending");
    await ring.epollCtl(set.fd, pipe.writeEnd, EPOLL_CTL.MOD, { events: EPOLL.OUT | EPOLL.ONESHOT, data: 7 });
    expect(await waiting).toEqual([{ events: EPOLL.OUT, data: 7 }]);
    expect(await failure(ring.epollWait(set.fd, 1, { timeout: 5 }), UringError), "once").toMatchObject({
      code: "ETIME",
    });
    expect(await ring.epollCtl(set.fd, pipe.writeEnd, EPOLL_CTL.DEL)).toBe(0);
    expect(await failure(ring.epollCtl(set.fd, pipe.writeEnd, EPOLL_CTL.DEL), UringError))
      .toMatchObject({ code: "ENOENT", syscall: "epoll_ctl" });
  });

  test("give the descriptor where no data are given, and no more events than asked for", async () => {
    await using ring = new Ring();
    if (!canWait(ring)) return;
    await using set = await EpollSet.open();
    const pipes = Array.from({ length: 5 }, () => new Pipe());
    for (const { writeEnd } of pipes) {
      await ring.epollCtl(set.fd, writeEnd, EPOLL_CTL.ADD, { events: EPOLL.OUT | EPOLL.ET });
    }
    const [three, two] = [await ring.epollWait(set.fd, 3), await ring.epollWait(set.fd, 1024)];
    expect([three.length, two.length]).toEqual([3, 2]);
    expect([...three, ...two].map(({ data }) => data).sort()).toEqual(pipes.map(({ writeEnd }) => writeEnd).sort());
    for (const pipe of pipes) {
      await ring.epollCtl(set.fd, pipe.writeEnd, EPOLL_CTL.DEL);
      pipe[Symbol.dispose]();
    }
  });

  test("end by a signal, by cancel() and by close()", async () => {
    await using set = await EpollSet.open();
    const ring = new Ring();
    if (!canWait(ring)) return ring.close();
    const controller = new AbortController();
    const signalled = ring.epollWait(set.fd, 1, { signal: controller.signal });
    const cancelled = ring.epollWait(set.fd, 1);
    const closed = failure(ring.epollWait(set.fd, 1), AbortError);
    await ring.nop();
    controller.abort("enough");
    await expect(signalled).rejects.toBe("enough");
    const rejection = failure(cancelled, UringError);
    expect(await ring.cancel(cancelled)).toBe(1);
    expect(await rejection).toMatchObject({ code: "ECANCELED", syscall: "epoll_wait" });
    await ring.close();
    expect((await closed).message).toMatch("epoll_wait was cancelled");
  });

  test("reject for files that are no epoll set, and for files that can't be waited for", async () => {
    await using ring = new Ring();
    await using set = await EpollSet.open();
    using folder = new TempFolder();
    using pipe = new Pipe();
    folder.write("file", "");
    const add = (epfd: number, fd: number) => ring.epollCtl(epfd, fd, EPOLL_CTL.ADD, { events: EPOLL.IN });
    expect(await failure(add(pipe.readEnd, pipe.writeEnd), UringError)).toMatchObject({ code: "EINVAL" });
    expect(await failure(add(set.fd, folder.open("file")), UringError)).toMatchObject({ code: "EPERM" });
    expect(await failure(add(99_999, pipe.readEnd), UringError)).toMatchObject({ code: "EBADF", syscall: "epoll_ctl" });
    expect(await failure(add(set.fd, 99_999), UringError)).toMatchObject({ code: "EBADF" });
    if (!canWait(ring)) return;
    expect(await failure(ring.epollWait(pipe.readEnd, 1), UringError))
      .toMatchObject({ code: "EINVAL", syscall: "epoll_wait", fd: pipe.readEnd });
  });
});

test("epollCtl() takes no slot of the registered files, which the kernel would take for a descriptor", async () => {
  await using ring = new Ring();
  const call = () => ring.epollCtl(0, 0, EPOLL_CTL.DEL, undefined, { fixedFile: true });
  expect(thrown(call, TypeError).message).toMatch(/^epollCtl\(\) takes descriptors alone/);
  expect(ring.stats.inFlight).toBe(0);
});
