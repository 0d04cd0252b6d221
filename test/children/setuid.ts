/** Changes its user with the waker asleep, as a server does that gives up its privileges. */

import process from "node:process";
import { Ring } from "../../mod.ts";

const ring = new Ring();
await ring.timeout(1);
const asleep = ring.timeout(50);
await new Promise((resolve) => setTimeout(resolve, 5));
process.seteuid?.(65534);
process.seteuid?.(0);
await asleep;
await ring.timeout(1);
await ring.close();
console.log("done");
