/**
 * The core under Bun: hot calls through `bun:ffi`, waking and lifetime through Node-API.
 *
 * @module
 */

import process from "node:process";
import { napiDoor } from "./node.ts";
import type { CoreSource, Native } from "./native.ts";

/** What is used of `bun:ffi`. Its own type package redeclares Node's globals and can't stand beside Deno's. */
interface BunFfi {
  dlopen(path: string, symbols: Record<string, { args: readonly string[]; returns: string }>): {
    // deno-lint-ignore no-explicit-any
    symbols: Record<string, (...args: any[]) => any>;
  };
}

function bunFfi(): BunFfi {
  const { createRequire } = process.getBuiltinModule("node:module");
  // Put together, so that no bundler or module graph of another runtime looks for it.
  return createRequire(import.meta.url)("bun:" + "ffi") as BunFfi;
}

/** Bun unloads a library when the object that `dlopen` gave is collected. */
const kept: unknown[] = [];

function open(path: string, symbols: Record<string, { args: readonly string[]; returns: string }>): Symbols {
  const library = bunFfi().dlopen(path, symbols);
  kept.push(library);
  return library.symbols;
}

// deno-lint-ignore no-explicit-any
type Symbols = Record<string, (...args: any[]) => any>;

/** Opens both doors of the core at `source.path`. */
export function openInBun(source: CoreSource): Native {
  const symbols = open(source.path, {
    uring_open: { args: ["ptr"], returns: "i32" },
    uring_attach: { args: ["u32", "ptr"], returns: "i32" },
    uring_turn: { args: ["u32"], returns: "i32" },
    uring_arm: { args: ["u32"], returns: "i32" },
    uring_disarm: { args: ["u32"], returns: "i32" },
    uring_register: { args: ["u32", "u32", "ptr", "u32"], returns: "i32" },
    uring_address: { args: ["ptr"], returns: "u64" },
  });
  const napi = napiDoor(source.path);
  const address = symbols["uring_address"]!;
  return {
    runtime: "bun",
    source,
    open: symbols["uring_open"] as Native["open"],
    attach: symbols["uring_attach"] as Native["attach"],
    turn: symbols["uring_turn"] as Native["turn"],
    arm: symbols["uring_arm"] as Native["arm"],
    disarm: symbols["uring_disarm"] as Native["disarm"],
    register: symbols["uring_register"] as Native["register"],
    address: (view) => Number(address(view)),
    adopt: napi.adopt,
    startWaker: napi.startWaker,
    setRef: napi.setRef,
    close: napi.close,
    mapPages: napi.mapPages,
    dropPages: napi.dropPages,
  };
}

/** Writes bytes into a memory file with the host's own libc, and gives its path. */
export function memfdInBun(bytes: Uint8Array): string {
  const symbols = openLibc();
  const fd = symbols["memfd_create"]!(new TextEncoder().encode("uring\0"), 1) as number;
  if (fd < 0) throw new Error("memfd_create failed");
  if (Number(symbols["write"]!(fd, bytes, bytes.length)) !== bytes.length) {
    throw new Error("the memory file could not be written");
  }
  return `/proc/self/fd/${fd}`;
}

function openLibc(): Symbols {
  const symbols = {
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    write: { args: ["i32", "ptr", "usize"], returns: "i64" },
  };
  try {
    return open("libc.so.6", symbols);
  } catch {
    return open("libc.so", symbols); // musl's name
  }
}
