import { Random } from "../support/random.ts";

/**
 * What a task's turn draws from. It depends on nothing but these three, so that the same seed gives the same plan
 * whatever the time, the kernel and the runtime make of it.
 */
function turnRandom(seed: number, task: number, turn: number): Random {
  const mixed = Math.imul(seed, 0x9e3779b1) ^ Math.imul(task + 1, 0x85ebca6b) ^ Math.imul(turn + 1, 0xc2b2ae35);
  return new Random(mixed).fork();
}

/** The action of a turn: one of a task's names, and what it draws from. */
export function nextAction(
  seed: number,
  task: number,
  turn: number,
  names: readonly string[],
): { name: string; random: Random } {
  const random = turnRandom(seed, task, turn);
  return { name: names[random.below(names.length)]!, random };
}
