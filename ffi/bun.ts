/**
 * The core under Bun: the hottest calls through `bun:ffi`, the others, waking and lifetime through Node-API.
 *
 * @module
 */

import { nodeProcess } from "./host.ts";
import type { Libc } from "./memfd.ts";
import { napiDoor, withFastDoor } from "./node.ts";
import type { CoreSource, Native } from "./native.ts";

// deno-lint-ignore no-explicit-any
type Symbols = Record<string, (...args: any[]) => any>;

/** What is used of `bun:ffi`. Its own type package redeclares Node's globals and can't stand beside Deno's. */
interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { symbols: Symbols };
}

/** Bun unloads a library when the object that `dlopen` gave is collected. */
const kept: unknown[] = [];

function open(path: string, symbols: Parameters<BunFfi["dlopen"]>[1]): Symbols {
  // Not imported: no bundler or module graph of another runtime may look for it.
  const ffi = nodeProcess().getBuiltinModule("bun:ffi") as unknown as BunFfi;
  const library = ffi.dlopen(path, symbols);
  kept.push(library);
  return library.symbols;
}

/** Opens both doors of the core at `path`. */
export function openInBun(source: CoreSource, path: string): Native {
  return withFastDoor(napiDoor(path), { runtime: "bun", source }, () => {
    const symbols = open(path, {
      // int32_t uring_turn(uint32_t handle)
      uring_turn: { args: ["u32"], returns: "i32" },
      // uint64_t uring_address(void *memory): a number where it fits 53 bits, and it does
      uring_address: { args: ["ptr"], returns: "u64_fast" },
    });
    return { turn: symbols["uring_turn"] as Native["turn"], address: symbols["uring_address"] as Native["address"] };
  });
}

/** The host's own libc. */
export function libcInBun(): Libc {
  const symbols = openLibc();
  return {
    memfdCreate: symbols["memfd_create"] as Libc["memfdCreate"],
    write: (fd, bytes) => Number(symbols["write"]!(fd, bytes, bytes.length)),
    pread: (fd, into, offset) => Number(symbols["pread"]!(fd, into, into.length, offset)),
    close: symbols["close"] as Libc["close"],
    fcntl: symbols["fcntl"] as Libc["fcntl"],
    readlink: (path, target) => Number(symbols["readlink"]!(path, target, target.length)),
  };
}

function openLibc(): Symbols {
  const symbols = {
    // int memfd_create(const char *name, unsigned int flags)
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    // ssize_t write(int fd, const void *buf, size_t count)
    write: { args: ["i32", "ptr", "usize"], returns: "i64" },
    // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
    pread: { args: ["i32", "ptr", "usize", "i64"], returns: "i64" },
    // int close(int fd)
    close: { args: ["i32"], returns: "i32" },
    // int fcntl(int fd, int cmd, ...)
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    // ssize_t readlink(const char *path, char *buf, size_t size)
    readlink: { args: ["ptr", "ptr", "usize"], returns: "i64" },
  };
  try {
    return open("libc.so.6", symbols);
  } catch {
    return open("libc.so", symbols); // musl's name
  }
}
