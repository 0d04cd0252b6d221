/** The worker of `load_all`: opens a ring of its own and waits for it. */

import { parentPort } from "node:worker_threads";
import { Ring } from "../../mod.ts";

const ring = new Ring();
await ring.timeout(1);
await ring.close();
parentPort?.postMessage("woken");
