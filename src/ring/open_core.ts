/**
 * Opens the core of a ring: an ordinary one, or one that is watched.
 *
 * @module
 */

import { environment } from "../../ffi/host.ts";
import { Core } from "./core.ts";
import type { RingOptions } from "./options.ts";
import { type ContextOf, openWatched } from "./trace.ts";

/**
 * Opens a ring for `Ring` or `RawRing`; a traced one where `options.trace` or the environment's URING_TRACE asks for it.
 *
 * @param sleeps its thread sleeps elsewhere, and has to be woken
 * @throws {TypeError} when `trace` is neither a boolean nor a function; and as Core does
 */
export function openCore(options: RingOptions, contextOf: ContextOf, sleeps = false): Core {
  const trace = options?.trace === undefined ? wanted() : options.trace;
  if (trace === false && options?.faults === undefined) return new Core(options, sleeps);
  return openWatched(options, trace, contextOf, sleeps);
}

function wanted(): boolean {
  const value = environment("URING_TRACE") ?? "";
  return value !== "" && value !== "0";
}
