/**
 * A zero-copy send whose peer takes nothing: no cancellation ends it. What becomes of its ring, and of its process.
 *
 * Arguments: a case, as below. Prints JSON, or "unsupported" where the kernel has no such send.
 */

import process from "node:process";
import { AF, Ring, SOCK } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";
import { pattern } from "../support/folder.ts";
import { collectGarbage } from "../support/garbage.ts";
import { ringDescriptors } from "../support/process_state.ts";
import { portOf } from "../support/sockaddr.ts";
import { startWorker, type WorkerHandle } from "../support/worker.ts";

const which = process.argv[2];
/** Milliseconds that a ring waits for what can't be ended. */
const LIMIT = 300;
const SIZE = 8 << 20;

/** The ring of both sockets. It is unref'd, and left open: its end is that of the process. */
const net = new Ring().unref();
if (!net.probe().op("SEND_ZC").supported) {
  console.log("unsupported");
  process.exit();
}
const [client, server] = await pair();

async function pair(): Promise<[client: number, server: number]> {
  const listener = await net.socket(AF.INET, SOCK.STREAM);
  await net.bind(listener, { hostname: "127.0.0.1", port: 0 });
  await net.listen(listener);
  const client = await net.socket(AF.INET, SOCK.STREAM);
  const address = { hostname: "127.0.0.1", port: portOf(listener) };
  const [server] = await Promise.all([net.accept(listener), net.connect(client, address)]);
  return [client, server];
}

interface Sending {
  readonly ring: Ring;
  readonly result: Promise<unknown>;
  readonly taken: number;
}

/** Sends more than a socket takes; nobody else holds the buffer. */
async function send(): Promise<Sending> {
  const ring = new Ring({ closeTimeout: LIMIT });
  let result!: Promise<unknown>;
  const taken = await new Promise<number>((resolve) => {
    const buffer = pattern(SIZE);
    result = ring.sendZc(client, buffer, 0, { onSent: resolve }).catch((error) => error);
  });
  return { ring, result, taken };
}

/** Takes what was sent; gives how many bytes are not as they were. */
async function receive(length: number): Promise<number> {
  const buffer = new Uint8Array(65_536);
  const wanted = pattern(SIZE);
  net.ref();
  let wrong = 0;
  for (let at = 0; at < length;) {
    const bytes = await net.recv(server, buffer.subarray(0, Math.min(buffer.length, length - at)));
    for (let i = 0; i < bytes; i++) if (buffer[i] !== wanted[at + i]) wrong++;
    at += bytes;
  }
  return wrong;
}

function said(error: unknown): { name: string; code: unknown; message: string } {
  const { name, code, message } = error as Error & { code: unknown };
  return { name, code, message };
}

switch (which) {
  case "close":
  case "dispose": {
    const { ring, result, taken } = await send();
    const start = performance.now();
    let error: unknown;
    try {
      if (which === "close") await ring.close();
      else ring[Symbol.dispose]();
    } catch (caught) {
      error = caught;
    }
    const ms = performance.now() - start;
    const again = await ring.close().then(() => "closed", (reason) => reason === error ? "the same" : said(reason));
    const { closed, stats: { inFlight } } = ring;
    const rejected = said(await result);
    // What nobody but the kernel uses any more must not be freed: the rest of it is yet to be sent.
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      Array.from({ length: 8 }, () => new Uint8Array(SIZE).fill(0xee));
    }
    const wrong = await receive(taken);
    console.log(JSON.stringify({ error: said(error), again, rejected, ms, closed, inFlight, fd: client, wrong }));
    break;
  }
  case "raw": {
    const ring = new RawRing({ closeTimeout: LIMIT });
    ring.prepSendZc(1, client, new Uint8Array(SIZE), SIZE, 0, 0);
    ring.submitAndWait(1);
    let error: unknown;
    try {
      ring.close();
    } catch (caught) {
      error = caught;
    }
    ring.close();
    console.log(JSON.stringify({ error: said(error) }));
    break;
  }
  case "worker": {
    const before = ringDescriptors();
    const { worker, told, foreign } = await hungWorker(before);
    const terminated = worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const whileHung = ringDescriptors() - before - foreign;
    const wrong = await receive(told.taken);
    await terminated;
    while (ringDescriptors() > before) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(JSON.stringify({ code: told.code, whileHung, wrong }));
    break;
  }
  // How the process ends: its ring is kept; or open, and was never closed.
  case "end-kept":
    tellEnd();
    await (await send()).ring.close().catch(() => {});
    break;
  case "end-open":
    tellEnd();
    (await send()).ring.unref();
    break;
  case "end-open-raw": {
    tellEnd();
    const ring = new RawRing();
    ring.prepSendZc(1, client, new Uint8Array(SIZE), SIZE, 0, 0);
    ring.submitAndWait(1);
    break;
  }
  case "throw-kept": {
    await (await send()).ring.close().catch(() => {});
    throw new Error("thrown on purpose");
  }
  case "throw-open":
    (await send()).ring.unref();
    throw new Error("thrown on purpose");
  case "reject-kept": {
    await (await send()).ring.close().catch(() => {});
    setTimeout(() => Promise.reject(new Error("rejected on purpose")), 1);
    break;
  }
  // Where somebody handles it, the process goes on.
  case "handled-kept": {
    await (await send()).ring.close().catch(() => {});
    const told: string[] = [];
    const thrown = () =>
      setTimeout(() => {
        throw new Error("thrown");
      }, 1);
    const rejected = () => setTimeout(() => Promise.reject(new Error("rejected")), 1);
    const note = ({ message }: Error) => void told.push(message);
    for (const [event, fail] of [["unhandledRejection", rejected], ["uncaughtException", thrown]] as const) {
      process.on(event, note);
      fail();
      while (told.at(-1) !== (fail === thrown ? "thrown" : "rejected")) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      process.off(event, note);
    }
    console.log(told.join());
    break;
  }
  case "uncaught-close": {
    await using ring = (await send()).ring;
    ring.unref();
    break;
  }
  case "exit-open":
    await send();
    process.exit(7);
    break;
  case "exit-worker":
    await hungWorker();
    process.exit(7);
    break;
  case "throw-worker":
    await hungWorker();
    throw new Error("thrown on purpose");
  default:
    throw new Error(`unknown case ${which}`);
}

interface HungWorker {
  readonly worker: WorkerHandle;
  readonly told: { readonly taken: number; readonly code: string };
  /** Rings of its host's own: Node 24 opens some for a worker. */
  readonly foreign: number;
}

/** A worker whose ring can't be closed. `before`: rings that there were. */
async function hungWorker(before = ringDescriptors()): Promise<HungWorker> {
  const worker = startWorker(new URL(import.meta.url.replace("hung_send", "hung_worker")));
  let foreign = 0;
  const told = await new Promise<HungWorker["told"]>((resolve) => {
    worker.onMessage((message) => {
      if (message !== "ready") return resolve(message as never);
      foreign = ringDescriptors() - before;
      worker.post(client);
    });
  });
  return { worker, told, foreign };
}

/** Whoever listens for the end hears it, early or late. */
function tellEnd(): void {
  process.exitCode = 7;
  process.on("exit", (code) => console.log(`first ${code}`));
  process.on("beforeExit", () => {});
  setTimeout(() => process.on("exit", (code) => console.log(`last ${code}`)), 1);
}
