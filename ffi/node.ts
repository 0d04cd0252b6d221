/**
 * The core through Node-API: everything under Node, and on every runtime what needs an environment: waking, liveness,
 * the end of a thread, pages as ArrayBuffers.
 *
 * @module
 */

import { nodeProcess } from "./host.ts";
import type { CoreSource, NapiDoor, Native } from "./native.ts";

const FUNCTIONS = [
  "open",
  "attach",
  "turn",
  "arm",
  "disarm",
  "register",
  "resize",
  "address",
  "bind",
  "listen",
  "closeFd",
  "socketType",
  "adopt",
  "startWaker",
  "setRef",
  "close",
  "mapPages",
  "dropPages",
] as const satisfies readonly (keyof NapiDoor)[];

/** Loads the core at `path` as an addon. */
export function napiDoor(path: string): NapiDoor {
  const module = { exports: {} };
  nodeProcess().dlopen(module, path);
  return checkDoor(module.exports);
}

/** What a library exports, once it is known to be a core of this version. */
export function checkDoor(exports: unknown): NapiDoor {
  const found = exports as Record<string, unknown>;
  const lacking = FUNCTIONS.find((name) => typeof found?.[name] !== "function");
  if (lacking !== undefined) throw new Error(`it has no function ${lacking}: it is another version's core, or none`);
  return exports as NapiDoor;
}

/** Calls of the core that go through Node-API before a faster door is opened: that takes a millisecond. */
const CALLS_BEFORE = 200;

/**
 * A core that is entered through Node-API at first, and once it turns out to be called often, through a faster door.
 *
 * @param door the Node-API door
 * @param which what there is to say of it
 * @param openFast opens the faster door, for the calls that are worth it
 */
export function withFastDoor(
  door: NapiDoor,
  which: Pick<Native, "runtime" | "source">,
  openFast: () => Pick<Native, "turn" | "address">,
): Native {
  let left = CALLS_BEFORE;
  let fast: Pick<Native, "turn" | "address"> | undefined;
  const count = () => {
    if (left-- > 0) return;
    try {
      fast = openFast();
    } catch {
      fast = door; // slower, and right
    }
  };
  return {
    ...door,
    ...which,
    // A function exchanged in its place would make every call of it indirect: no engine inlines what it saw change.
    turn(handle) {
      if (fast !== undefined) return fast.turn(handle);
      count();
      return door.turn(handle);
    },
    address(view) {
      if (fast !== undefined) return fast.address(view);
      count();
      return door.address(view);
    },
  };
}

/** Opens the core at `path`. */
export function openInNode(source: CoreSource, path: string): Native {
  return { ...napiDoor(path), runtime: "node", source };
}
