/** An epoll instance of the test's own. */

import { createRequire } from "node:module";
import process from "node:process";

const EPOLL_CLOEXEC = 0o2000000;

/** Makes one through the C library; −1 where a runtime can't call that. */
export function epollDescriptor(): number {
  try {
    if (typeof Deno !== "undefined") {
      const library = Deno.dlopen("libc.so.6", { epoll_create1: { parameters: ["i32"], result: "i32" } });
      return library.symbols.epoll_create1(EPOLL_CLOEXEC);
    }
    if (!("bun" in process.versions)) return -1;
    const { dlopen } = createRequire(import.meta.url)("bun:" + "ffi");
    return dlopen("libc.so.6", { epoll_create1: { args: ["i32"], returns: "i32" } }).symbols.epoll_create1(
      EPOLL_CLOEXEC,
    );
  } catch {
    return -1; // no C library of that name
  }
}
