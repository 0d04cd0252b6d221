/**
 * Descriptors that a runtime opens for itself, at a time of its own.
 *
 * Half a second after its start Deno begins to listen to SIGUSR1 (for its debugger), and the first signal that a process
 * listens to takes a pair of sockets and a thread: in the middle of a test that counts them, where starting took less.
 * Who imports this module has them from the start. vitest does so before each test file, and so does process_state.ts.
 */

/** Listens to a signal once. A process has this pair and this thread for as long as it lives. */
function openSignals(): void {
  const listener = () => {};
  Deno.addSignalListener("SIGUSR1", listener);
  Deno.removeSignalListener("SIGUSR1", listener);
}

if ("Deno" in globalThis) openSignals();
