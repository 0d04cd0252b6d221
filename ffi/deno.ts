/**
 * The core under Deno: hot calls through `Deno.dlopen`, waking and lifetime through Node-API.
 *
 * @module
 */

import { napiDoor } from "./node.ts";
import type { CoreSource, Native } from "./native.ts";

const SYMBOLS = {
  uring_open: { parameters: ["buffer"], result: "i32" },
  uring_attach: { parameters: ["u32", "buffer"], result: "i32" },
  uring_turn: { parameters: ["u32"], result: "i32" },
  uring_arm: { parameters: ["u32"], result: "i32" },
  uring_disarm: { parameters: ["u32"], result: "i32" },
  uring_register: { parameters: ["u32", "u32", "buffer", "u32"], result: "i32" },
  uring_address: { parameters: ["buffer"], result: "u64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Opens both doors of the core at `source.path`. */
export function openInDeno(source: CoreSource): Native {
  const { symbols } = Deno.dlopen(source.path, SYMBOLS);
  const napi = napiDoor(source.path);
  return {
    runtime: "deno",
    source,
    open: (setup) => symbols.uring_open(setup as Uint32Array<ArrayBuffer>),
    attach: (handle, memory) => symbols.uring_attach(handle, memory as Uint8Array<ArrayBuffer>),
    turn: symbols.uring_turn,
    arm: symbols.uring_arm,
    disarm: symbols.uring_disarm,
    register: (handle, opcode, arg, count) =>
      symbols.uring_register(handle, opcode, arg as ArrayBufferView<ArrayBuffer> | null, count),
    address: (view) => Number(symbols.uring_address(view as ArrayBufferView<ArrayBuffer>)),
    adopt: napi.adopt,
    startWaker: napi.startWaker,
    setRef: napi.setRef,
    close: napi.close,
    mapPages: napi.mapPages,
    dropPages: napi.dropPages,
  };
}

/** Writes bytes into a memory file with the host's own libc, and gives its path. Needs unscoped `--allow-ffi`. */
export function memfdInDeno(bytes: Uint8Array): string {
  const libc = openLibc();
  const fd = libc.symbols.memfd_create(new TextEncoder().encode("uring\0"), 1);
  if (fd < 0) throw new Error("memfd_create failed");
  const written = libc.symbols.write(fd, bytes as Uint8Array<ArrayBuffer>, BigInt(bytes.length));
  if (Number(written) !== bytes.length) throw new Error("the memory file could not be written");
  return `/proc/self/fd/${fd}`;
}

const LIBC_SYMBOLS = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

function openLibc(): Deno.DynamicLibrary<typeof LIBC_SYMBOLS> {
  try {
    return Deno.dlopen("libc.so.6", LIBC_SYMBOLS);
  } catch {
    return Deno.dlopen("libc.so", LIBC_SYMBOLS); // musl's name
  }
}
