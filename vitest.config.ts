import process from "node:process";
import { defineConfig } from "vitest/config";

/** How much slower than usual this machine is: an emulated one sets it. */
const TIME_SCALE = Number(process.env["URING_TIME_SCALE"] ?? 1);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: [
      "test/support/own_descriptors.ts",
      ...process.env["URING_COVERAGE_DIR"] ? ["test/support/coverage.ts"] : [],
    ],
    // A process a file: a crash in native code takes one file down, and is seen.
    pool: "forks",
    isolate: true,
    // One at a time: tests measure time, and count file descriptors and system calls.
    fileParallelism: false,
    testTimeout: 30_000 * TIME_SCALE,
    hookTimeout: 30_000 * TIME_SCALE,
  },
});
