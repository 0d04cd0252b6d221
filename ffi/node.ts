/**
 * The core through Node-API: everything under Node, and on every runtime what needs an environment: waking, liveness,
 * the end of a thread, pages as ArrayBuffers.
 *
 * @module
 */

import process from "node:process";
import type { CoreSource, NapiDoor, Native } from "./native.ts";

/** Loads the core at `path` as an addon. */
export function napiDoor(path: string): NapiDoor {
  const module = { exports: {} as NapiDoor };
  process.dlopen(module, path);
  return module.exports;
}

/** Opens the core at `source.path`. */
export function openInNode(source: CoreSource): Native {
  const { open, attach, turn, arm, disarm, register, address, adopt, startWaker, setRef, close, mapPages, dropPages } =
    napiDoor(source.path);
  return {
    runtime: "node",
    source,
    open,
    attach,
    turn,
    arm,
    disarm,
    register,
    address,
    adopt,
    startWaker,
    setRef,
    close,
    mapPages,
    dropPages,
  };
}
