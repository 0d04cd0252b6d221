/**
 * The check of sizes and counts.
 *
 * @module
 */

/**
 * An integer between limits.
 *
 * @throws {TypeError} for what is no integer
 * @throws {RangeError} beyond the limits
 */
export function checkRange(value: number, name: string, min: number, max: number): void {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer from ${min} to ${max}`);
  }
  if (value < min || value > max) throw new RangeError(`${name} must be from ${min} to ${max}, not ${value}`);
}
