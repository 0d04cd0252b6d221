/**
 * What somebody else's code throws, amid something that must go on.
 *
 * @module
 */

/** As an uncaught exception of its own. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Calls, and has what it throws thrown later: it must not keep others from being called, nor what is under way from its end. */
export function callBack(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    throwLater(error);
  }
}
