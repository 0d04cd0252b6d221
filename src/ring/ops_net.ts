/**
 * Sockets.
 *
 * @module
 */

import { TimeOps } from "./ops_time.ts";

/** Sockets. */
export class NetOps extends TimeOps {}
