/** An error's class. */
// deno-lint-ignore no-explicit-any -- constructors differ
export type ErrorClass<E> = new (...args: any[]) => E;

/** The error that a promise rejects with, which must be one of `type`. */
export async function failure<E extends Error>(promise: Promise<unknown>, type: ErrorClass<E>): Promise<E> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof type) return error;
    throw new Error(`rejected with another error than a ${type.name}: ${error}`, { cause: error });
  }
  throw new Error(`resolved to ${String(value)}, but had to reject with a ${type.name}`);
}

/** The errors that promises reject with, all of them. */
export function failures<E extends Error>(promises: Promise<unknown>[], type: ErrorClass<E>): Promise<E[]> {
  return Promise.all(promises.map((promise) => failure(promise, type)));
}

/** The error that a call throws, which must be one of `type`. */
export function thrown<E extends Error>(call: () => unknown, type: ErrorClass<E>): E {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    if (error instanceof type) return error;
    throw new Error(`threw another error than a ${type.name}: ${error}`, { cause: error });
  }
  throw new Error(`gave ${String(value)}, but had to throw a ${type.name}`);
}

/** The next error that nobody catches, caught. */
export function catchUncaught(): Promise<Error> {
  const { process } = globalThis;
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      for (const other of others) process.on("uncaughtException", other);
      resolve(error as Error);
    });
  });
}

/** What a promise has come to by now. */
export interface Outcome {
  state: "pending" | "resolved" | "rejected";
  value?: unknown;
}

/** Watches a promise without waiting for it. */
export function watch(promise: Promise<unknown>): Outcome {
  const outcome: Outcome = { state: "pending" };
  promise.then(
    (value) => Object.assign(outcome, { state: "resolved", value }),
    (value) => Object.assign(outcome, { state: "rejected", value }),
  );
  return outcome;
}
