import { describe, expect, test } from "vitest";
import { FileTable, O, Ring, UnsupportedError, UringError } from "../../mod.ts";
import { failure, thrown } from "../support/failure.ts";
import { descriptors, openFlags } from "../support/process_state.ts";

const text = (content: string) => new TextEncoder().encode(content);

function hasPipe(ring: Ring): boolean {
  if (ring.probe().op("PIPE").supported) return true;
  expect(thrown(() => ring.pipe(), UnsupportedError)).toMatchObject({ feature: "PIPE", needs: "Linux 6.16" });
  return false;
}

describe("pipe()", () => {
  test("makes a pipe whose ends close on exec", async () => {
    await using ring = new Ring();
    if (!hasPipe(ring)) return;
    const { read, write } = await ring.pipe();
    expect(await ring.write(write, text("through"))).toBe(7);
    const buffer = new Uint8Array(16);
    expect(await ring.read(read, buffer)).toBe(7);
    expect(buffer.subarray(0, 7)).toEqual(text("through"));
    expect(openFlags(read)).toBe(O.RDONLY | O.CLOEXEC);
    expect(openFlags(write)).toBe(O.WRONLY | O.CLOEXEC);
    await ring.closeFd(write);
    expect(await ring.read(read, buffer), "at the end").toBe(0);
    await ring.closeFd(read);
  });

  test("takes flags: NONBLOCK, and packets", async () => {
    await using ring = new Ring();
    if (!hasPipe(ring)) return;
    const { read, write } = await ring.pipe(O.NONBLOCK | O.DIRECT);
    expect(openFlags(read)).toBe(O.RDONLY | O.CLOEXEC | O.NONBLOCK);
    expect(openFlags(write)).toBe(O.WRONLY | O.CLOEXEC | O.NONBLOCK | O.DIRECT);
    const buffer = new Uint8Array(16);
    await ring.write(write, text("one"));
    await ring.write(write, text("three"));
    expect([await ring.read(read, buffer), await ring.read(read, buffer)]).toEqual([3, 5]);
    expect(await failure(ring.pipe(O.APPEND), UringError)).toMatchObject({ code: "EINVAL", syscall: "pipe" });
    await Promise.all([ring.closeFd(read), ring.closeFd(write)]);
  });

  test("goes into two slots of the registered files, and is no descriptor then", async () => {
    await using ring = new Ring();
    if (!hasPipe(ring)) return;
    using _files = new FileTable(ring, { size: 8 });
    const before = descriptors().length;
    expect(await ring.pipe(0, { slot: 4 })).toEqual({ read: 4, write: 5 });
    const chosen = await ring.pipe(O.CLOEXEC, { slot: "alloc" });
    expect(new Set([4, 5, chosen.read, chosen.write]).size, "free ones").toBe(4);
    expect(descriptors().length).toBe(before);
    const o = { fixedFile: true };
    for (const { read, write } of [{ read: 4, write: 5 }, chosen]) {
      expect(await ring.write(write, text("slots"), undefined, o)).toBe(5);
      expect(await ring.read(read, new Uint8Array(16), undefined, o)).toBe(5);
      expect(await failure(ring.write(read, text("x"), undefined, o), UringError)).toMatchObject({ code: "EBADF" });
    }
  });

  test("rejects without registered files, and takes no descriptor", async () => {
    await using ring = new Ring();
    if (!hasPipe(ring)) return;
    const before = descriptors().length;
    expect(await failure(ring.pipe(0, { slot: 0 }), UringError)).toMatchObject({ code: "ENXIO", syscall: "pipe" });
    expect(descriptors().length).toBe(before);
  });

  test("makes many at once", async () => {
    await using ring = new Ring();
    if (!hasPipe(ring)) return;
    const pipes = await Promise.all(Array.from({ length: 100 }, () => ring.pipe()));
    const fds = pipes.flatMap(({ read, write }) => [read, write]);
    expect(new Set(fds).size).toBe(200);
    await Promise.all(pipes.map(({ write }, i) => ring.write(write, text(`pipe ${i}`))));
    const buffers = pipes.map(() => new Uint8Array(16));
    const lengths = await Promise.all(pipes.map(({ read }, i) => ring.read(read, buffers[i]!)));
    expect(buffers.map((buffer, i) => new TextDecoder().decode(buffer.subarray(0, lengths[i]))))
      .toEqual(pipes.map((_, i) => `pipe ${i}`));
    await Promise.all(fds.map((fd) => ring.closeFd(fd)));
  });
});
