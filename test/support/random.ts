import { Random as Numbers } from "../../src/ring/random.ts";

/** Numbers from a seed, and what tests make of them. */
export class Random extends Numbers {
  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next();
    return bytes;
  }

  /** Another sequence, of this one's making. */
  fork(): Random {
    return new Random(this.next());
  }
}
