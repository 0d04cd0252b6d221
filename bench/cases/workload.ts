/**
 * One workload in a process of its own, as `bench` is in C:
 *
 *     workload nop_raw|nop_ring BATCH OPS
 *     workload read_raw|read_ring|own_callback|own_promises|own_deno FILE DEPTH OPS
 *     workload own_sync FILE OPS
 *
 * Prints a line of JSON: operations, wall time, and CPU time of the whole process during the timed part. A fifth of the
 * operations, untimed, goes before as a warm-up.
 */

import process from "node:process";
import * as workloads from "../../src/cli/workloads.ts";

const WARM_UP = 5;

const [name = "", ...args] = process.argv.slice(2);
const ops = count(args.length - 1);
const workload = await make();
await workload.run(Math.ceil(ops / WARM_UP));
console.log(JSON.stringify(await workloads.time(workload, ops)));
await workload.close();

function make(): workloads.Workload | Promise<workloads.Workload> {
  switch (name) {
    case "nop_raw":
      return workloads.nopRaw(count(0));
    case "nop_ring":
      return workloads.nopRing(count(0));
    case "read_raw":
      return workloads.readRaw(path(), count(1));
    case "read_ring":
      return workloads.readRing(path(), count(1));
    case "own_sync":
      return workloads.ownSync(path());
    case "own_callback":
      return workloads.ownCallback(path(), count(1));
    case "own_promises":
      return workloads.ownPromises(path(), count(1));
    case "own_deno":
      return workloads.ownDeno(path(), count(1));
    default:
      throw new TypeError(`there is no workload ${JSON.stringify(name)}`);
  }
}

function count(at: number): number {
  const value = Number(args[at]);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`argument ${at + 2} must be a positive integer`);
  return value;
}

function path(): string {
  const value = args[0];
  if (value === undefined) throw new TypeError("argument 2 must be a path");
  return value;
}
