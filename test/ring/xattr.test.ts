import { describe, expect, test } from "vitest";
import { IOSQE, Ring, UringError, XATTR } from "../../mod.ts";
import { failure, failures } from "../support/failure.ts";
import { pattern, TempFolder } from "../support/folder.ts";
import { collectGarbage } from "../support/garbage.ts";
import { findNamespace } from "../support/xattr.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

const namespace = await findNamespace();

function name(rest: string): string {
  return `${namespace}.${rest}`;
}

describe.skipIf(namespace === undefined)("setxattr() and getxattr()", () => {
  test("set an attribute, and give it: into a buffer, or as bytes of their own", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    expect(await ring.setxattr(path, name("one"), "Grüße")).toBe(0);
    const buffer = new Uint8Array(32);
    expect(await ring.getxattr(path, name("one"), buffer)).toBe(7);
    expect(buffer.subarray(0, 8)).toEqual(new Uint8Array([...bytesOf("Grüße"), 0]));
    expect(await ring.getxattr(path, name("one"))).toEqual(bytesOf("Grüße"));
    expect(await ring.getxattr(path, bytesOf(name("one")), buffer.subarray(8))).toBe(7);
    expect(buffer.subarray(8, 15)).toEqual(bytesOf("Grüße"));
  });

  test("take parts of buffers, and values that are empty", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    const value = pattern(64);
    await ring.setxattr(path, name("part"), value.subarray(10, 20));
    expect(await ring.getxattr(path, name("part"))).toEqual(pattern(10, 10));
    await ring.setxattr(path, name("whole"), value.buffer);
    expect(await ring.getxattr(path, name("whole"))).toEqual(value);
    for (const empty of ["", new Uint8Array(0)]) {
      await ring.setxattr(path, name("empty"), empty);
      expect(await ring.getxattr(path, name("empty"))).toEqual(new Uint8Array(0));
    }
  });

  test("give values of any length", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    for (const length of [511, 512, 513, 2000]) {
      await ring.setxattr(path, name("long"), pattern(length));
      expect(await ring.getxattr(path, name("long"))).toEqual(pattern(length));
      const chained = ring.link((ring) => [ring.getxattr(path, name("long")), ring.nop()]);
      expect(await Promise.all(chained), "a long one breaks no chain").toEqual([pattern(length), 0]);
    }
  });

  test("honour CREATE and REPLACE", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    expect(await failure(ring.setxattr(path, name("new"), "1", XATTR.REPLACE), UringError))
      .toMatchObject({ code: "ENODATA", syscall: "setxattr", path });
    expect(await ring.setxattr(path, name("new"), "1", XATTR.CREATE)).toBe(0);
    expect(await failure(ring.setxattr(path, name("new"), "2", XATTR.CREATE), UringError))
      .toMatchObject({ code: "EEXIST" });
    expect(await ring.setxattr(path, name("new"), "3", XATTR.REPLACE)).toBe(0);
    expect(await ring.getxattr(path, name("new"))).toEqual(bytesOf("3"));
  });

  test("reject for what is not there, and for a buffer that is too short", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    await ring.setxattr(path, name("long"), pattern(20));
    const rejected: [Promise<unknown>, string][] = [
      [ring.getxattr(path, name("none")), "ENODATA"],
      [ring.getxattr(path, name("none"), new Uint8Array(8)), "ENODATA"],
      [ring.getxattr(path, name("long"), new Uint8Array(19)), "ERANGE"],
      [ring.getxattr(path, "no-namespace"), "EOPNOTSUPP"],
      [ring.getxattr(folder.at("none"), name("one")), "ENOENT"],
      [ring.setxattr(folder.at("none"), name("one"), "1"), "ENOENT"],
      [ring.setxattr(path, name("one"), "1", 0x80), "EINVAL"],
    ];
    const errors = await failures(rejected.map(([promise]) => promise), UringError);
    expect(errors.map(({ code }) => code)).toEqual(rejected.map(([, code]) => code));
    const error = await failure(ring.getxattr(folder.at("none"), name("one")), UringError);
    expect(error).toMatchObject({ syscall: "getxattr", path: folder.at("none") });
  });

  test("keep hold of buffers that nobody else mentions", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const paths = Array.from({ length: 50 }, (_, i) => folder.write(`file ${i}`, ""));
    const set = paths.map((path, i) => ring.setxattr(path, name("one"), pattern(40 + i, i)));
    collectGarbage();
    await Promise.all(set);
    const got = paths.map((path, i) => {
      const buffer = new Uint8Array(40 + i);
      return ring.getxattr(path, name("one"), buffer).then(() => buffer);
    });
    collectGarbage();
    expect(await Promise.all(got)).toEqual(paths.map((_, i) => pattern(40 + i, i)));
  });
});

describe.skipIf(namespace === undefined)("fsetxattr() and fgetxattr()", () => {
  test("set and give an attribute of an open file", async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    const fd = folder.open("file");
    expect(await ring.fsetxattr(fd, name("one"), pattern(600))).toBe(0);
    expect(await ring.fgetxattr(fd, name("one"))).toEqual(pattern(600));
    expect(await ring.fgetxattr(fd, name("one"), new Uint8Array(700))).toBe(600);
    expect(await ring.getxattr(path, name("one"))).toEqual(pattern(600));
    expect(await failure(ring.fgetxattr(99_999, name("one")), UringError))
      .toMatchObject({ code: "EBADF", syscall: "fgetxattr", fd: 99_999 });
    expect(await failure(ring.fsetxattr(99_999, name("one"), ""), UringError))
      .toMatchObject({ code: "EBADF", syscall: "fsetxattr", fd: 99_999 });
  });
});

test.skipIf(namespace === undefined)(
  "getxattr() and setxattr() end by a signal and by cancel(), or have completed",
  async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "content");
    const value = pattern(1000);
    await ring.setxattr(path, name("long"), value);
    for (let round = 0; round < 50; round++) {
      const controller = new AbortController();
      const signalled = ring.getxattr(path, name("long"), undefined, { signal: controller.signal });
      const cancelled = ring.getxattr(path, name("long"));
      const set = ring.setxattr(path, name("long"), value, 0, { signal: controller.signal });
      const outcomes = [signalled, cancelled, set].map((promise) => promise.catch((error) => error));
      for (let i = 0; i < round % 5; i++) await ring.nop();
      controller.abort("enough");
      const found = await ring.cancel(cancelled);
      const [first, second, third] = await Promise.all(outcomes);
      expect([value, "enough"]).toContainEqual(first);
      if (second instanceof UringError) expect(second.code).toMatch(/ECANCELED|EINTR/);
      else expect(second).toEqual(value);
      expect([0, 1]).toContain(found);
      expect([0, "enough"]).toContain(third);
    }
    expect(ring.stats.inFlight).toBe(0);
  },
);

test.skipIf(namespace === undefined)(
  "a long value in a chain made by flags is right at once: nothing else gets into the chain",
  async () => {
    await using ring = new Ring();
    using folder = new TempFolder();
    const path = folder.write("file", "");
    await ring.setxattr(path, name("long"), new Uint8Array(600).fill(65));
    const value = ring.getxattr(path, name("long"), undefined, { flags: IOSQE.IO_LINK });
    const nop = ring.nop();
    expect((await value).length).toBe(600);
    expect(await nop).toBe(0);
    expect(ring.stats.completed).toBe(3);
  },
);

test.skipIf(namespace === undefined)("a name that is changed meanwhile is what it was", async () => {
  await using ring = new Ring();
  using folder = new TempFolder();
  const path = folder.write("file", "");
  await ring.setxattr(path, name("a"), new Uint8Array(600).fill(65));
  const bytes = bytesOf(name("a"));
  const value = ring.getxattr(path, bytes);
  bytes[bytes.length - 1] = 66;
  expect((await value).length).toBe(600);
});
