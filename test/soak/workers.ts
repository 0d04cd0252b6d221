import { writeFileSync } from "node:fs";
import type { Random } from "../support/random.ts";
import { TIME_SCALE } from "../support/time_scale.ts";
import { startWorker } from "../support/worker.ts";
import { closeAll, listenOn, pair } from "./pairs.ts";
import { type Place, same, type Task } from "./place.ts";
import { recvAll, sendAll } from "./recovery.ts";

/** How a worker ends: by its parent, by itself with work in flight, by an error, by itself after its ring's close. */
export type WorkerEnd = "terminate" | "end" | "throw" | "close";

/** What a worker is told. */
export interface WorkerOrder {
  /** A socket on which nothing comes: it reads there into its own heap. */
  readonly quiet: number;
  /** A file of 64 KiB. */
  readonly file: string;
  /** Where its ring, and nothing else, is to hold a connection. */
  readonly witness: string;
  readonly how: WorkerEnd;
  readonly seed: number;
  readonly faulty: boolean;
}

const ENDS: readonly WorkerEnd[] = ["terminate", "end", "throw", "close"];

/** Far more than the end of a worker takes. */
const GONE_MS = 30_000;
const FILE_SIZE = 65_536;

/** Workers with rings of their own, which end with work in flight. */
export async function workers(place: Place): Promise<Task> {
  const { ring } = place;
  // Built and unbuilt, the file has this one's extension.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const script = new URL(`../children/mixed_worker${extension}`, import.meta.url);
  const file = `${place.folder}/${place.name}-file`;
  writeFileSync(file, new Uint8Array(FILE_SIZE).fill(7));
  const witness = `${place.folder}/${place.name}-witness`;
  const listening = await listenOn(place, witness);

  async function one(random: Random, how: WorkerEnd): Promise<void> {
    const [near, far] = await pair(place);
    const worker = startWorker(script);
    const order: WorkerOrder = {
      quiet: near,
      file,
      witness,
      how,
      seed: random.next(),
      faulty: place.faulty,
    };
    const busy = new Promise<void>((resolve, reject) => {
      worker.onMessage((message) => {
        if (message === "ready") worker.post(order);
        else if (message === "busy") resolve();
        else reject(new Error(`a worker says: ${message}`));
      });
    });
    const connection = place.again(() => ring.accept(listening));
    const [held] = await Promise.all([connection, busy]);
    if (how === "terminate") await worker.terminate();
    // Only the worker's ring holds the other end: when nothing more can come, the ring has gone.
    const nothing = place.again(() => ring.recv(held, new Uint8Array(1), 0, { timeout: GONE_MS * TIME_SCALE }));
    const gone = await place.unless(nothing, ["ETIME"]);
    place.check(gone === 0, `the ring of a worker is there ${GONE_MS / 1000} s after its end (${how})`);
    // Nobody reads the socket any more: all that goes in comes out here.
    const sent = random.bytes(100);
    const back = new Uint8Array(sent.length);
    const [bytes] = await Promise.all([recvAll(place, near, back), sendAll(place, far, sent)]);
    place.check(bytes === sent.length && same(back, sent), `a worker that has ended (${how}) read what came later`);
    await closeAll(place, near, far, held);
  }

  return {
    actions: Object.fromEntries(ENDS.map((how) => [how, (random: Random) => one(random, how)])),
    end: () => closeAll(place, listening),
  };
}
