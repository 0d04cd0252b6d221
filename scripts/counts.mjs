// Counts of tests, as every runner here reports them.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @param {Partial<Counts>} [some] @returns {Counts} */
export function counts(some = {}) {
  return { passed: 0, failed: 0, skipped: 0, ...some };
}

/** @param {Counts[]} all @returns {Counts} */
export function sum(all) {
  const total = counts();
  for (const { passed, failed, skipped } of all) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}

/** @param {Counts} all @returns {string} */
export function countsLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
