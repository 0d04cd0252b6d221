import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { EPOLL_CTL, Ring } from "../../mod.ts";

function epollDescriptors(): number[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventpoll]" ? [Number(fd)] : [];
    } catch {
      return []; // the one that the listing itself used
    }
  });
}

/** Says that it runs, and sleeps until it is woken: its event loop never looks at its epoll set meanwhile. */
const SLEEPER = `
  const { workerData } = require("node:worker_threads");
  Atomics.store(workerData, 0, 1);
  Atomics.wait(workerData, 1, 0);
`;

/** A file of an epoll set. */
interface Member {
  readonly fd: number;
  readonly events: number;
  readonly data: bigint;
}

function membersOf(epfd: number): Member[] {
  const lines = readFileSync(`/proc/self/fdinfo/${epfd}`, "utf8")
    .matchAll(/^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)/gm);
  return [...lines].map(([, fd, events, data]) => ({
    fd: Number(fd),
    events: parseInt(events!, 16),
    data: BigInt(`0x${data}`),
  }));
}

/**
 * An epoll set that is empty, and that nobody uses: that of a worker which sleeps, without its own files. No runtime
 * gives JavaScript one.
 */
export class EpollSet implements AsyncDisposable {
  readonly fd: number;
  readonly #ring: Ring = new Ring();
  readonly #members: readonly Member[];
  readonly #worker: Worker;
  readonly #words: Int32Array;

  private constructor(fd: number, worker: Worker, words: Int32Array) {
    this.fd = fd;
    this.#members = membersOf(fd);
    this.#worker = worker;
    this.#words = words;
  }

  static async open(): Promise<EpollSet> {
    const before = epollDescriptors();
    const words = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(SLEEPER, { eval: true, workerData: words });
    const failed = new Promise<never>((_, reject) => worker.once("error", reject));
    while (Atomics.load(words, 0) === 0) {
      await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 1))]);
    }
    const fd = epollDescriptors().find((fd) => !before.includes(fd));
    if (fd === undefined) throw new Error("the worker has no epoll set");
    const set = new EpollSet(fd, worker, words);
    for (const member of set.#members) await set.#ring.epollCtl(fd, member.fd, EPOLL_CTL.DEL);
    return set;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { fd, events, data } of this.#members) {
      await this.#ring.epollCtl(this.fd, fd, EPOLL_CTL.ADD, { events, data });
    }
    await this.#ring.close();
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    Atomics.store(this.#words, 1, 1);
    Atomics.notify(this.#words, 1);
    await ended;
    // Its thread may close it a little later; the next set, under the same number, would seem to be this one.
    for (let i = 0; i < 5000 && epollDescriptors().includes(this.fd); i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
