/**
 * Streams.
 *
 * @module
 */

import { SystemOps } from "./ops_system.ts";

/** Streams. */
export class StreamOps extends SystemOps {}
