/**
 * Registers.
 *
 * @module
 */

import { StreamOps } from "./ops_stream.ts";

/** Registers. */
export class RegisterOps extends StreamOps {}
