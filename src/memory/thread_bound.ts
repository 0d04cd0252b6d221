/**
 * What must not go to another thread.
 *
 * @module
 */

/**
 * Held as a property by what belongs to one thread: a function can't be cloned, so `structuredClone` and `postMessage`
 * refuse its holder with a DataCloneError, where they would else give a copy that is empty.
 */
export function threadBound(): void {}
