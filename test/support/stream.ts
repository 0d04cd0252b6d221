import type { Multishot } from "../../mod.ts";

/** So many values of a stream; fewer, where it ends before. */
export async function take<T>(stream: Multishot<T>, count: number): Promise<T[]> {
  const values: T[] = [];
  while (values.length < count) {
    const { value, done } = await stream.next();
    if (done) break;
    values.push(value);
  }
  return values;
}
