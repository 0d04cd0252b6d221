/** `startup_ring`: imports the library, opens a ring and closes it: bench/run.ts times it beside `startup_empty`. */

import { Ring } from "../../mod.ts";

const ring = new Ring();
await ring.close();
