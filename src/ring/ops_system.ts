/**
 * Memory_waiting_pipes.
 *
 * @module
 */

import { NetOps } from "./ops_net.ts";

/** Memory_waiting_pipes. */
export class SystemOps extends NetOps {}
