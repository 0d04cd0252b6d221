import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { AbortError, BufferPool, IOSQE, Ring, type RingOptions } from "../../mod.ts";
import { failures } from "../support/failure.ts";
import { A_FEW, collectUntil } from "../support/garbage.ts";
import { hasOp } from "../support/kernel.ts";
import { NEVER } from "../support/operations.ts";
import { Pipe } from "../support/pipe.ts";
import { ringDescriptors, ringMaps } from "../support/process_state.ts";
import { RING_KINDS } from "../support/ring_kinds.ts";
import { TIME_SCALE } from "../support/time_scale.ts";

/** What a process has for its rings: descriptors, maps, locked and pinned kilobytes, the kernel's threads. */
interface Holdings {
  readonly descriptors: number;
  readonly maps: number;
  readonly lockedKb: number;
  readonly pinnedKb: number;
  readonly threads: number;
}

function holdings(): Holdings {
  const status = readFileSync("/proc/self/status", "utf8");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  return {
    descriptors: ringDescriptors(),
    maps: ringMaps(),
    lockedKb: kilobytes("VmLck"),
    pinnedKb: kilobytes("VmPin"),
    threads:
      readdirSync("/proc/self/task").filter((id) =>
        attempt(() => readFileSync(`/proc/self/task/${id}/comm`, "utf8")).startsWith("iou-sqp")
      ).length,
  };
}

/** Of what may be gone by now. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** Works for a while, and leaves as much in flight as this kind of ring can have. */
async function use(options: RingOptions, pipe: Pipe, pools: BufferPool[]): Promise<[Ring, Promise<unknown>]> {
  const ring = new Ring({ entries: 8, ...options });
  if (options.disabled) return [ring, Promise.resolve()];
  const pool = new BufferPool({ ring, size: 4096, count: 16 });
  pools.push(pool);
  // A ring that polls takes a NOP since 5.19.
  for (let i = 0; i < 10 && !(options.iopoll && !hasOp("SOCKET")); i++) await ring.nop();
  if (options.iopoll) return [ring, Promise.resolve()];
  await ring.timeout(0.1);
  const read = () => ring.read(pipe.readEnd, new Uint8Array(8));
  const pending = [
    ring.timeout(NEVER),
    read(),
    ring.read(pipe.readEnd, new Uint8Array(8), undefined, { flags: IOSQE.ASYNC }),
  ];
  return [ring, failures(pending, AbortError)];
}

// What other files have dropped would go meanwhile.
beforeAll(async () => void await collectUntil(() => false, A_FEW));

describe.each(RING_KINDS)("a ring %s, closed", (_, options) => {
  test.each([["in the end", (ring: Ring) => ring.close()], ["at once", (ring: Ring) => ring[Symbol.dispose]()]])(
    "%s, leaves nothing behind",
    async (_, close) => {
      using pipe = new Pipe();
      const pools: BufferPool[] = [];
      // What was closed before this may be on its way still.
      const before = await settled(({ pinnedKb, threads }) => pinnedKb + threads === 0);
      for (let i = 0; i < 5; i++) {
        const [ring, pending] = await use(options, pipe, pools);
        // Without a descriptor and maps of the kernel's only its pinned memory shows, and not on the newest kernels (7.3).
        const isSeen = !options.registeredFdOnly || !hasOp("NOP128");
        if (i === 0 && isSeen) expect(holdings(), "this is seen").not.toEqual(before);
        await close(ring);
        await pending;
      }
      // Less, where something that others had dropped went meanwhile.
      const excess = (now: Holdings) =>
        Object.entries(now).filter(([name, held]) => held > before[name as keyof Holdings]);
      expect(excess(await settled((now) => excess(now).length === 0))).toEqual([]);
      for (const pool of pools) pool.close();
    },
  );
});

/** What there is once it is as wanted, or the time is up: the kernel gives memory and threads back later. */
async function settled(isWanted: (now: Holdings) => boolean): Promise<Holdings> {
  const deadline = performance.now() + 5000 * TIME_SCALE;
  while (true) {
    const now = holdings();
    if (isWanted(now) || performance.now() > deadline) return now;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Kilobytes that a fork leaves out: rings in memory of their own are among them, without a name. */
function leftOutKb(): number {
  const entries = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const left = entries.filter((entry) => / dc( |$)/m.test(/^VmFlags:(.*)$/m.exec(entry)![1]!));
  return left.reduce((sum, entry) => sum + Number(/^Size:\s+(\d+)/m.exec(entry)![1]), 0);
}

describe.skipIf(!RING_KINDS.some(([, { noMmap }]) => noMmap))("rings in memory of their own", () => {
  /** Each has 256 KiB of SQEs; the runtime's own heap comes and goes in less than all of them. */
  const COUNT = 100;

  test("are left out of a fork while they are open, and unmapped when they are closed", async () => {
    // What other tests have dropped would go meanwhile.
    await collectUntil(() => false, A_FEW);
    const before = leftOutKb();
    const rings = Array.from({ length: COUNT }, () => new Ring({ entries: 4096, noMmap: true }));
    const open = leftOutKb();
    for (const ring of rings) await ring.close();
    const after = leftOutKb();
    expect(open - before).toBeGreaterThan(COUNT * 256);
    expect(open - after).toBeGreaterThan(COUNT * 256 * 0.7);
  });
});
