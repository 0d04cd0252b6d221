/**
 * Whether a ring keeps its process, or its worker, alive. Prints "done"; ends by itself, or is found hanging.
 *
 * Argument: a case, as below; a worker's is its workerData.
 */

import process from "node:process";
import { isMainThread, workerData } from "node:worker_threads";
import { Ring } from "../../mod.ts";

const which = isMainThread ? process.argv[2] : workerData;
const ring = new Ring();

switch (which) {
  case "pending":
    // Nothing but this operation is alive: the process must wait for it.
    ring.timeout(100).then(() => console.log("done"));
    break;
  case "top-level-await":
    await ring.timeout(100);
    console.log("done");
    break;
  case "idle":
    await ring.nop();
    await ring.timeout(1);
    console.log("done");
    break;
  case "never-used":
    console.log("done");
    break;
  case "default-idle":
    await Ring.default().timeout(1);
    console.log("done");
    break;
  case "unref":
    await ring.timeout(1);
    ring.unref();
    ring.timeout(60_000);
    console.log("done");
    break;
  case "ref-again":
    ring.unref();
    await ring.nop();
    ring.timeout(100).then(() => console.log("done"));
    setTimeout(() => ring.ref(), 10);
    break;
  case "closing":
    // close() is waited for, also by nobody.
    ring.timeout(60_000).catch(() => console.log("done"));
    ring.close();
    break;
  case "closed":
    ring.timeout(60_000).catch(() => {});
    await ring.timeout(1);
    await ring.close();
    console.log("done");
    break;
  default:
    throw new Error(`unknown case ${which}`);
}
