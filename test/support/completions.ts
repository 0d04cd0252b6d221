import { RawRing } from "../../src/ring/raw.ts";
import { TIME_SCALE } from "./time_scale.ts";

/** A completion that never comes is a failure, not a hang. */
const LIMIT_MS = 20_000 * TIME_SCALE;

/** A completion as it was visited. */
export interface Completion {
  readonly userData: number;
  readonly res: number;
  readonly flags: number;
}

/** Visits every completion that is there. */
export function completions(ring: RawRing): Completion[] {
  const visited: Completion[] = [];
  ring.forEachCqe((userData, res, flags) => void visited.push({ userData, res, flags }));
  return visited;
}

/** Results by user data; of several with the same, the last. */
export function resultsOf(visited: readonly Completion[]): Record<number, number> {
  return Object.fromEntries(visited.map(({ userData, res }) => [userData, res]));
}

/** Submits what is prepared, waits for `count` completions, and gives results by user data. */
export function results(ring: RawRing, count: number): Map<number, number> {
  const byUserData = new Map<number, number>();
  while (byUserData.size < count) {
    const submitted = ring.submitAndWait(1, LIMIT_MS);
    if (submitted < 0) throw new Error(`submitAndWait() gave ${submitted} after ${JSON.stringify([...byUserData])}`);
    for (const { userData, res } of completions(ring)) byUserData.set(userData, res);
  }
  return byUserData;
}

/** Runs the one operation that `prepare` prepares, and gives its result. */
export function resultOf(ring: RawRing, prepare: (ring: RawRing) => boolean): number {
  if (!prepare(ring)) throw new Error("the submission queue is full");
  const [result] = results(ring, 1).values();
  return result!;
}

/** The same, on a ring of its own. */
export function runOnce(prepare: (ring: RawRing) => boolean): number {
  using ring = new RawRing({ entries: 1 });
  return resultOf(ring, prepare);
}
