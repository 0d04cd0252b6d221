/** Deno's permissions: what the library needs, what it says without, and that it never asks. */

import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { IN_GUEST } from "../support/guest.ts";
import { TempFolder } from "../support/folder.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import {
  type All,
  commandLine,
  copyLibrary,
  CORE,
  CORE_PATH,
  makeFolder,
  type Refused,
  run,
  runCopied,
  type RunOptions,
  RUNTIME,
} from "./elsewhere.ts";

const LIMIT = 60_000 * TIME_SCALE;
const TEXT = "what is in the file";

/** Serves the files of a folder. */
async function serve(folder: string) {
  const server = createServer((request, response) => {
    const path = `${folder}${request.url}`;
    if (existsSync(path)) response.setHeader("content-type", "text/typescript").end(readFileSync(path));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

describe.skipIf(RUNTIME !== "deno")("Deno's permissions", () => {
  const folder = new TempFolder();
  const library = makeFolder(folder.at("library"));
  const core = `${library}/ffi/${CORE}`;

  beforeAll(() => {
    copyLibrary(library, { core: true });
    folder.write("file", TEXT);
    return () => folder[Symbol.dispose]();
  });

  function all(flags: string[], workers = 0, options: RunOptions = {}): Promise<All> {
    const args = [folder.at("file"), String(workers)];
    return runCopied<All>(library, "load_all", args, { flags: ["--no-prompt", ...flags], ...options });
  }

  /** Runs where a question would be asked: on a terminal. */
  async function onTerminal(flags: string[]): Promise<{ stdout: string; supported: Refused["supported"] }> {
    const program = folder.write(
      "terminal.ts",
      `import { Ring } from ${
        JSON.stringify(`file://${library}/mod.ts`)
      }; console.log(JSON.stringify(Ring.supported()));`,
    );
    const line = commandLine(program, [], { flags }).join(" ");
    const { stdout } = await run(["script", "-qec", line, "/dev/null"], { cwd: folder.path });
    const last = stdout.trimEnd().split("\n").at(-1) ?? "";
    return { stdout, supported: last.startsWith("{") ? JSON.parse(last) : undefined };
  }

  const WHOLE = { supported: { ok: true }, text: TEXT, woken: true, fixed: TEXT };

  test("--allow-ffi=PATH of the core is all that a program needs", async () => {
    expect(await all([`--allow-ffi=${core}`])).toEqual({ ...WHOLE, messages: [], cores: [core] });
  }, LIMIT);

  test("--allow-ffi=FOLDER of the core will do, too", async () => {
    expect(await all([`--allow-ffi=${library}/ffi`])).toMatchObject(WHOLE);
  }, LIMIT);

  test("workers need --allow-read of their own source, as Deno asks of every worker", async () => {
    const flags = [`--allow-ffi=${core}`, `--allow-read=${library}`];
    expect(await all(flags, 2)).toEqual({ ...WHOLE, messages: ["woken", "woken"], cores: [core] });
  }, LIMIT);

  test("--allow-ffi without a path loads the file beside the module, with --allow-read and without", async () => {
    expect(await all(["--allow-ffi"])).toMatchObject({ ...WHOLE, cores: [core] });
    expect(await all(["--allow-ffi", "--allow-read"])).toMatchObject({ ...WHOLE, cores: [core] });
  }, LIMIT);

  test("--allow-ffi without a path and without that file uses a memory file", async () => {
    const bare = makeFolder(folder.at("bare"));
    copyLibrary(bare, { core: false });
    const flags = ["--no-prompt", "--allow-ffi"];
    const result = await runCopied<All>(bare, "load_all", [folder.at("file"), "0"], { flags });
    expect(result).toMatchObject({ ...WHOLE, cores: [expect.stringMatching(/^\/memfd:uring-/)] });
  }, LIMIT);

  test("URING_CORE is heeded where it may be read, and its path loaded", async () => {
    const other = folder.at("core.so");
    copyFileSync(CORE_PATH, other);
    const env = { URING_CORE: other };
    const flags = [`--allow-ffi=${other}`, "--allow-env=URING_CORE"];
    expect(await all(flags, 0, { env })).toMatchObject({ ...WHOLE, cores: [other] });
    const { supported } = await all(["--allow-env=URING_CORE"], 0, { env });
    expect(supported).toEqual({
      ok: false,
      reason: `Deno has not been allowed to load ${other}, which URING_CORE names`,
      fix: `run deno with --allow-ffi=${other}`,
    });
  }, LIMIT);

  test("without permission the import works, supported() says how to give it, and new Ring() throws that", async () => {
    // One that says nothing: node:child_process gives Deno every permission where none is named.
    const flags = ["--no-prompt", "--allow-env=URING_CORE"];
    const refused = await runCopied<Refused>(library, "load_refused", [], { flags });
    const reason = "Deno has not been allowed to load native code";
    const fix = `run deno with --allow-ffi, or for no more than this library with --allow-ffi=${core}`;
    expect(refused).toEqual({
      supported: { ok: false, reason, fix },
      again: { ok: false, reason, fix },
      thrown: { name: "LoadError", message: reason, fix },
    });
  }, LIMIT);

  test("permission for another library, and a denied one, are none", async () => {
    for (const flags of [["--allow-ffi=/usr/lib/other.so"], ["--deny-ffi"]]) {
      const { supported } = await all(flags);
      expect(supported.reason).toBe("Deno has not been allowed to load native code");
    }
  }, LIMIT);

  test.skipIf(IN_GUEST)("nothing is asked on a terminal, with permission or without", async () => {
    const refused = await onTerminal([]);
    expect(refused.stdout).not.toMatch(/allow\?|Deno requests/i);
    expect(refused.supported).toMatchObject({ ok: false });
    const scoped = await onTerminal([`--allow-ffi=${core}`]);
    expect(scoped.stdout).not.toMatch(/allow\?|Deno requests/i);
    expect(scoped.supported).toEqual({ ok: true });
  }, LIMIT);

  test("opening a ring does not load Deno's compatibility layer for Node", async () => {
    const use = `import { Ring } from ${JSON.stringify(`file://${library}/mod.ts`)};
      const ring = new Ring();
      await ring.timeout(1);
      await ring.close();`;
    const loaded = async (source: string) => {
      const program = folder.write("lazy.ts", source);
      const { code, stdout, stderr } = await run(commandLine(program, []), { env: { DENO_LOG_LAZY_LOAD: "1" } });
      expect(code, stderr).toBe(0);
      return `${stdout}${stderr}`.split("\n").filter((line) => line.includes("ext:deno_node"));
    };
    expect(await loaded(use)).toEqual([]);
    expect(await loaded(`${use}\nglobalThis.process.pid;`)).not.toEqual([]);
  }, LIMIT);

  test(
    "modules from a server, as the registry's are: from memory, or from the file that URING_CORE names",
    async () => {
      await using server = await serve(library);
      const program = folder.write(
        "remote.ts",
        `import { Ring } from "${server.url}/mod.ts"; console.log(JSON.stringify(Ring.supported()));`,
      );
      const supported = async (flags: string[], env: Record<string, string> = {}) => {
        const line = commandLine(program, [], { flags: ["--no-prompt", `--allow-import=${server.host}`, ...flags] });
        const { stdout, stderr } = await run(line, { env: { DENO_DIR: folder.at("deno"), ...env } });
        return JSON.parse(stdout.trim() || JSON.stringify(stderr));
      };
      expect(await supported(["--allow-ffi"])).toEqual({ ok: true });
      const scoped = [`--allow-ffi=${core}`];
      expect(await supported([...scoped, "--allow-env=URING_CORE"], { URING_CORE: core })).toEqual({ ok: true });
      expect(await supported(scoped)).toMatchObject({
        ok: false,
        fix: expect.stringContaining(
          `a copy of ${CORE}, named twice: --allow-ffi=PATH --allow-env=URING_CORE, and URING_CORE=PATH`,
        ),
      });
    },
    LIMIT,
  );
});
