import process from "node:process";

/** Runs a full garbage collection, on whichever runtime this is. */
export const collectGarbage: () => void = collector();

function collector(): () => void {
  const host = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  if (host.Bun !== undefined) return () => host.Bun!.gc(true);
  if (host.gc !== undefined) return host.gc;
  // Node and Deno were not started with --expose-gc; V8 gives it to contexts made after its flag is set.
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  return process.getBuiltinModule("node:vm").runInNewContext("gc") as () => void;
}

/** Collects until `done`, giving finalizers their turns of the event loop. False when it did not come to that. */
export async function collectUntil(done: () => boolean, rounds = 50): Promise<boolean> {
  for (let round = 0; round < rounds; round++) {
    collectGarbage();
    await nextTask();
    if (done()) return true;
    // What a WeakRef gave is kept until this task ends.
    await nextTask();
  }
  return false;
}

/** Collects until at most one of so many is left: a collector that searches the stack may find one there still. */
export async function collectMost(left: () => number): Promise<boolean> {
  const isDone = await collectUntil(() => left() <= 1);
  await collectUntil(() => left() === 0, A_FEW);
  return isDone;
}

/** A few collections with tasks in between: what can go has gone then. */
export const A_FEW = 4;

function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
