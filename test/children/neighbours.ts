/**
 * A part of the runtime beside a ring that never rests. Prints "done", or hangs.
 *
 * Arguments: the part, as below; what the ring is busy with: nops, sleeps, reads or sockets.
 */

import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { IOSQE, MSG } from "../../mod.ts";
import { Net } from "../support/sockaddr.ts";

const [, , part, work] = process.argv;
const net = new Net();
const { ring } = net;
const file = openSync(fileURLToPath(import.meta.url), "r");
const [client, server] = work === "sockets" ? await net.pair("unix") : [-1, -1];
let busy = true;

/** Each completion asks for the next operation. */
const WORK: Record<string, (buffer: Uint8Array) => Promise<unknown>> = {
  nops: () => ring.nop(),
  sleeps: () => ring.timeout(0.01),
  // In worker threads, and on their way back.
  reads: (buffer) => ring.read(file, buffer, 0, { flags: IOSQE.ASYNC }),
  sockets: (buffer) => Promise.all([ring.send(client, buffer), ring.recv(server, buffer, MSG.WAITALL)]),
};
const loops = Array.from({ length: work === "nops" ? 1 : 32 }, async () => {
  const buffer = new Uint8Array(100);
  while (busy) await WORK[work!]!(buffer);
});

const CHILD = "read line; echo got $line; exit 7";

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function expectEqual(got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`);
}

async function fetched(port: number): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/${i}`);
    expectEqual(await response.text(), `hello /${i}`);
  }
}

interface Bun {
  serve(options: object): { port: number; stop(now: boolean): Promise<void> };
  spawn(command: string[], options: object): { stdout: ReadableStream; exited: Promise<number> };
}

const { Bun } = globalThis as unknown as { Bun?: Bun };

/** Runs a command by the runtime's own means, which Bun and Deno have beside node:child_process. */
async function runOwn(command: string[], input: string): Promise<{ code: number | null; text: string }> {
  if (Bun !== undefined) {
    const { stdout, exited } = Bun.spawn(command, { stdin: new Blob([input]), stdout: "pipe" });
    const text = await new Response(stdout).text();
    return { code: await exited, text };
  }
  if (typeof Deno !== "undefined") {
    const child = new Deno.Command(command[0]!, { args: command.slice(1), stdin: "piped", stdout: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { code, stdout } = await child.output();
    return { code, text: new TextDecoder().decode(stdout) };
  }
  const { status, stdout } = spawnSync(command[0]!, command.slice(1), { input, encoding: "utf8" });
  return { code: status, text: stdout };
}

interface Serving {
  readonly port: number;
  stop(): unknown;
}

/** The server that the runtime is known for: Deno.serve, Bun.serve, or node:http. */
async function serve(handle: (path: string) => string): Promise<Serving> {
  const respond = (request: Request) => new Response(handle(new URL(request.url).pathname));
  if (typeof Deno !== "undefined") {
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, respond);
    return { port: server.addr.port, stop: () => server.shutdown() };
  }
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: respond });
    return { port: server.port, stop: () => server.stop(true) };
  }
  return await serveHttp(handle);
}

function serveHttp(handle: (path: string) => string): Promise<Serving> {
  const server = createHttpServer((request, response) => response.end(handle(request.url!)));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      const stop = () => {
        server.close();
        server.closeAllConnections();
      };
      resolve({ port, stop });
    });
  });
}

switch (part) {
  case "timers": {
    const order: string[] = [];
    const interval = setInterval(() => order.push("interval"), 2);
    await Promise.all([
      sleep(10).then(() => order.push("early")),
      sleep(30).then(() => order.push("late")),
      new Promise((resolve) => setImmediate(resolve)).then(() => order.push("immediate")),
    ]);
    clearInterval(interval);
    expectEqual(order.filter((each) => each === "early" || each === "late").join(), "early,late");
    for (const each of ["interval", "immediate"]) if (!order.includes(each)) throw new Error(`no ${each}`);
    break;
  }
  case "signals":
    for (const name of ["SIGUSR1", "SIGUSR2", "SIGHUP"] as const) {
      const heard = new Promise<void>((resolve) => process.once(name, () => resolve()));
      process.kill(process.pid, name);
      await heard;
    }
    break;
  case "stdin": {
    // Whoever started this writes lines, and each after the first is an answer.
    let text = "";
    process.stdin.setEncoding("utf8");
    console.log("1");
    for await (const data of process.stdin) {
      text += data;
      console.log(text.split("\n").length);
    }
    expectEqual(text, "one\ntwo\nthree\n");
    break;
  }
  case "children": {
    const child = spawn("sh", ["-c", CHILD]);
    let text = "";
    child.stdout.on("data", (data) => text += data);
    child.stdin.end("this\n");
    expectEqual(await new Promise((resolve) => child.on("close", resolve)), 7);
    expectEqual(text, "got this\n");
    break;
  }
  case "own children":
    for (let i = 0; i < 5; i++) {
      const { code, text } = await runOwn(["sh", "-c", CHILD], "this\n");
      expectEqual(code, 7);
      expectEqual(text, "got this\n");
    }
    break;
  case "files":
    for (let i = 0; i < 5; i++) expectEqual((await readFile(fileURLToPath(import.meta.url))).length > 1000, true);
    break;
  case "sockets": {
    const server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const { port } = server.address() as { port: number };
    const socket = connect(port, "127.0.0.1");
    for (let i = 0; i < 10; i++) {
      const echoed = new Promise((resolve) => socket.once("data", (data) => resolve(String(data))));
      socket.write(`message ${i}`);
      expectEqual(await echoed, `message ${i}`);
    }
    socket.destroy();
    server.close();
    break;
  }
  case "http": {
    const server = await serveHttp((path) => `hello ${path}`);
    await fetched(server.port);
    server.stop();
    break;
  }
  case "server": {
    const server = await serve((path) => `hello ${path}`);
    await fetched(server.port);
    await server.stop();
    break;
  }
  default:
    throw new Error(`unknown part ${part}`);
}
busy = false;
await Promise.all(loops);
await net[Symbol.asyncDispose]();
closeSync(file);
console.log("done");
