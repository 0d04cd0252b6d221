/** A worker that waits for ever. Says "waits" before. */

import { Ring } from "../../mod.ts";
import { NEVER } from "../support/operations.ts";
import { portToParent } from "../support/worker.ts";

const port = portToParent();
const ring = new Ring();
ring.timeout(NEVER).catch(() => {});
port.post("waits");
ring.submitAndWait(1);
