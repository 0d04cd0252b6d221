import { copyFileSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import {
  type All,
  commandLine,
  copyLibrary,
  CORE,
  CORE_PATH,
  makeFolder,
  run,
  runCopied,
  RUNTIME,
} from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const TEXT = "what is in the file";

/** A place with the library, a file to read, and a cache of its own. */
function place(folder: TempFolder, { core }: { core: boolean }) {
  const library = makeFolder(folder.at("library"));
  copyLibrary(library, { core });
  return {
    library,
    cache: folder.at("cache"),
    file: folder.write("file", TEXT),
    all(workers: number, env: Record<string, string> = {}, through: string[] = [], root = library): Promise<All> {
      const options = { env: { XDG_CACHE_HOME: folder.at("cache"), ...env }, through, cwd: folder.path };
      return runCopied<All>(root, "load_all", [folder.at("file"), String(workers)], options);
    },
  };
}

function expectWhole(all: All, workers: number): void {
  expect(all).toMatchObject({ supported: { ok: true }, text: TEXT, woken: true, fixed: TEXT });
  expect(all.messages).toEqual(Array(workers).fill("woken"));
}

/** Whether this user may do what the command does: namespaces are not everybody's. */
async function may(...command: string[]): Promise<boolean> {
  const ended = await run(command).catch(() => ({ code: 1 }));
  return ended.code === 0;
}

describe("where the core comes from", () => {
  test("URING_CORE comes first", async () => {
    using folder = new TempFolder();
    const { all } = place(folder, { core: true });
    const core = folder.at("core.so");
    copyFileSync(CORE_PATH, core);
    const result = await all(1, { URING_CORE: core });
    expectWhole(result, 1);
    expect(result.cores).toEqual([core]);
  }, LIMIT);

  test("then the file beside the module, one copy for all threads", async () => {
    using folder = new TempFolder();
    const { all, library } = place(folder, { core: true });
    const result = await all(3);
    expectWhole(result, 3);
    expect(result.cores).toEqual([`${library}/ffi/${CORE}`]);
  }, LIMIT);

  test.skipIf(RUNTIME === "node")("then a memory file, one for all threads, and no cache is made", async () => {
    using folder = new TempFolder();
    const { all, cache } = place(folder, { core: false });
    const result = await all(3);
    expectWhole(result, 3);
    expect(result.cores).toEqual([expect.stringMatching(/^\/memfd:uring-[0-9a-f]{16} \(deleted\)$/)]);
    expect(existsSync(`${cache}/uring`)).toBe(false);
  }, LIMIT);

  test.skipIf(RUNTIME !== "node")("then a file in the cache, written once, one copy for all threads", async () => {
    using folder = new TempFolder();
    const { all, cache } = place(folder, { core: false });
    const result = await all(3);
    expectWhole(result, 3);
    const [name = "", ...others] = readdirSync(`${cache}/uring`);
    expect(others).toEqual([]);
    expect(result.cores).toEqual([`${cache}/uring/${name}`]);
    expect([statSync(cache).mode & 0o777, statSync(`${cache}/uring/${name}`).mode & 0o777]).toEqual([0o700, 0o600]);

    const { ino } = statSync(`${cache}/uring/${name}`);
    expectWhole(await all(0), 0);
    expect(statSync(`${cache}/uring/${name}`).ino).toBe(ino);
  }, LIMIT);

  test("a file of another size beside the module is passed by", async () => {
    using folder = new TempFolder();
    const { all, library } = place(folder, { core: true });
    writeFileSync(`${library}/ffi/${CORE}`, new Uint8Array(9000));
    const result = await all(0);
    expectWhole(result, 0);
    expect(result.cores).toEqual([expect.stringMatching(RUNTIME === "node" ? /\/cache\/uring\// : /^\/memfd:/)]);
  }, LIMIT);

  test("without a home and a cache, Node says what it lacks", async () => {
    using folder = new TempFolder();
    const { all } = place(folder, { core: false });
    const { supported } = await all(0, { XDG_CACHE_HOME: "", HOME: "" });
    if (RUNTIME !== "node") return expect(supported.ok).toBe(true);
    expect(supported.reason).toContain("neither XDG_CACHE_HOME nor HOME is set");
    expect(supported.fix).toContain(`set URING_CORE to the path of ${CORE}`);
  }, LIMIT);
});

describe("where files may not be executed", () => {
  const inNamespace = (flags: string, before: string) => ["unshare", flags, "sh", "-c", `${before} && "$@"`, "sh"];
  const mountNoexec = (path: string) => `mount -t tmpfs -o noexec none ${path}`;

  test("the library's own folder: from memory, or from the cache", async ({ skip }) => {
    using folder = new TempFolder();
    const { library, all } = place(folder, { core: true });
    const mounted = makeFolder(folder.at("mounted"));
    const through = inNamespace("-m", `${mountNoexec(mounted)} && cp -r ${library}/. ${mounted}`);
    if (!await may(...through, "true")) return skip();
    const result = await all(0, {}, through, mounted);
    expectWhole(result, 0);
    expect(result.cores).toEqual([expect.stringMatching(RUNTIME === "node" ? /\/cache\/uring\// : /^\/memfd:/)]);
  }, LIMIT);

  test.skipIf(RUNTIME !== "node")("the cache: that is the reason given", async ({ skip }) => {
    using folder = new TempFolder();
    const { all, cache } = place(folder, { core: false });
    makeFolder(cache);
    const through = inNamespace("-m", mountNoexec(cache));
    if (!await may(...through, "true")) return skip();
    const { supported } = await all(0, {}, through);
    expect(supported.reason).toMatch(/\/cache\/uring\/[0-9a-f]{64}\.so \(cache\): .*failed to map/);
    expect(supported.fix).toContain("on a file system that allows execution");
  }, LIMIT);

  test.skipIf(RUNTIME === "node")("memory files, because of vm.memfd_noexec", async ({ skip }) => {
    using folder = new TempFolder();
    const { all } = place(folder, { core: false });
    const through = inNamespace("-mpf", "mount -t proc none /proc && echo 2 > /proc/sys/vm/memfd_noexec");
    if (!await may(...through, "true")) return skip();
    const result = await all(0, {}, through);
    expectWhole(result, 0);
    expect(result.cores).toEqual([expect.stringMatching(/^\/memfd:/)]);
  }, LIMIT);
});

test("importing the library opens no ring and loads no core", async () => {
  using folder = new TempFolder();
  const { library } = place(folder, { core: true });
  const program = `${library}/import.${RUNTIME === "node" ? "mjs" : "ts"}`;
  writeFileSync(
    program,
    `import "./mod.${RUNTIME === "node" ? "js" : "ts"}"; import { readFileSync } from "node:fs";
     console.log(readFileSync("/proc/self/maps", "utf8").includes("uring-linux"));`,
  );
  expect((await run(commandLine(program, []), { cwd: library })).stdout.trim()).toBe("false");
}, LIMIT);
