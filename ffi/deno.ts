/**
 * The core under Deno: the hottest calls through `Deno.dlopen`, the others, waking and lifetime through Node-API.
 *
 * @module
 */

import type { Libc } from "./memfd.ts";
import { checkDoor, napiDoor, withFastDoor } from "./node.ts";
import type { CoreSource, NapiDoor, Native } from "./native.ts";

const SYMBOLS = {
  // int32_t uring_turn(uint32_t handle)
  uring_turn: { parameters: ["u32"], result: "i32" },
  // uint64_t uring_address(void *memory)
  uring_address: { parameters: ["buffer"], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** A global of Deno's; TypeScript's own library has it among the DOM alone. */
declare function reportError(error: unknown): void;

/** Opens both doors of the core at `path`. */
export function openInDeno(source: CoreSource, path: string): Native {
  return withFastDoor(denoDoor(path), { runtime: "deno", source }, () => {
    const { symbols } = Deno.dlopen(path, SYMBOLS);
    return {
      turn: symbols.uring_turn,
      address: (view) => Number(symbols.uring_address(view as ArrayBufferView<ArrayBuffer>)),
    };
  });
}

/** `op_napi_open(path, global, Buffer.from, reportError, ...hooks of async_hooks)`: what `process.dlopen` calls. */
type NapiOpen = (path: string, global: unknown, ...callbacks: ((...args: never) => unknown)[]) => unknown;

/**
 * The Node-API door. `process.dlopen` would open it, but any use of `process` first loads Deno's compatibility layer
 * for Node: 13 ms. The op below it needs none of that; it is not documented, so whatever is not as expected leads back
 * to `process.dlopen`. The core makes no Buffer and no async resource: their callbacks are never called.
 */
function denoDoor(path: string): NapiDoor {
  try {
    const internals = Deno as unknown as { internal: symbol } & Record<symbol, { core: { ops: object } }>;
    const { op_napi_open: open } = internals[internals.internal]!.core.ops as { op_napi_open: NapiOpen };
    const unused = () => {};
    return checkDoor(open(path, globalThis, unused, reportError, ...Array(7).fill(unused)));
  } catch {
    return napiDoor(path);
  }
}

const LIBC_SYMBOLS = {
  // int memfd_create(const char *name, unsigned int flags)
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  // int close(int fd)
  close: { parameters: ["i32"], result: "i32" },
  // int fcntl(int fd, int cmd, ...)
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // ssize_t readlink(const char *path, char *buf, size_t size)
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The host's own libc. Needs unscoped `--allow-ffi`. */
export function libcInDeno(): Libc {
  const { symbols } = openLibc();
  return {
    memfdCreate: symbols.memfd_create,
    write: (fd, bytes) => Number(symbols.write(fd, bytes, BigInt(bytes.length))),
    pread: (fd, into, offset) => Number(symbols.pread(fd, into, BigInt(into.length), BigInt(offset))),
    close: symbols.close,
    fcntl: symbols.fcntl,
    readlink: (path, target) => Number(symbols.readlink(path, target, BigInt(target.length))),
  };
}

function openLibc(): Deno.DynamicLibrary<typeof LIBC_SYMBOLS> {
  try {
    return Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
  } catch {
    return Deno.dlopen("libc.so", LIBC_SYMBOLS); // musl's name
  }
}
