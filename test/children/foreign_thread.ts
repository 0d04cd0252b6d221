/**
 * What becomes of a ring that a thread enters which is not its own. Prints JSON: the core's answers, by situation.
 *
 * As a worker: workerData is [what to do, the handle of the main thread's ring].
 */

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { IORING_REGISTER, IORING_SETUP, Ring } from "../../mod.ts";
import { prepNop } from "../../src/abi/encode.ts";
import { Core } from "../../src/ring/core.ts";
import { CONTROL } from "../../ffi/native.ts";
import { load } from "../../ffi/load.ts";

/** A ring belongs to one thread (6.0, 6.1). */
const RULES = IORING_SETUP.SINGLE_ISSUER | IORING_SETUP.DEFER_TASKRUN;

type Deed = "turn" | "register" | "enable" | "own ring";

if (isMainThread) {
  const answers: Record<string, unknown> = {};

  /** Lets a worker do something, and gives what it says. */
  const inWorker = async (deed: Deed, handle: number): Promise<unknown> => {
    const worker = new Worker(new URL(import.meta.url), { workerData: [deed, handle] });
    const answer = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    await worker.terminate();
    return answer;
  };

  /** What the next turn is to do, whoever makes it: submit so many NOPs, wait for so many completions. */
  const order = (core: Core, nops: number, wait: number): void => {
    for (let i = 0; i < nops; i++) {
      prepNop(core.sqes, i * core.sqeWords);
      core.sqes[i * core.sqeWords + 8] = i + 1;
    }
    core.control[CONTROL.STAGED] = nops;
    core.control[CONTROL.WAIT_COUNT] = wait;
    core.control[CONTROL.FLAGS] = 0;
  };

  const userData = (core: Core, count: number) => Array.from({ length: count }, (_, i) => core.cqes[i * core.cqeWords]);

  {
    const core = new Core({ entries: 4 });
    // Another thread's wait would not be refused without these, and not end either.
    if ((core.setupFlags & RULES) === RULES) {
      order(core, 2, 2);
      answers["submit"] = await inWorker("turn", core.handle);
      order(core, 0, 1);
      answers["wait"] = await inWorker("turn", core.handle);
      answers["register"] = await inWorker("register", core.handle);
      const reaped = core.turn(0, 2);
      answers["its own thread goes on"] = userData(core, reaped);
    }
    core.close(0);
  }
  {
    const core = new Core({ entries: 4, singleIssuer: false, deferTaskrun: false, taskrunFlag: false });
    order(core, 2, 2);
    answers["shared"] = await inWorker("turn", core.handle);
    answers["shared: completions"] = userData(core, 2);
    core.close(0);
  }
  {
    const core = new Core({ entries: 4, disabled: true });
    answers["disabled"] = await inWorker("turn", core.handle);
    answers["enabled elsewhere"] = await inWorker("enable", core.handle);
    order(core, 1, 1);
    answers["enabled elsewhere: here"] = core.native.turn(core.handle);
    core.close(0);
  }
  {
    await using ring = new Ring();
    const worker = inWorker("own ring", 0);
    const here = await Promise.all(Array.from({ length: 100 }, (_, i) => ring.timeout(i / 50)));
    answers["a ring each"] = [here.length, await worker];
  }
  {
    await using ring = new Ring();
    const refusals: string[] = [];
    const { port1, port2 } = new MessageChannel();
    for (const give of [() => structuredClone(ring), () => port1.postMessage(ring)]) {
      try {
        give();
        refusals.push("none");
      } catch (error) {
        refusals.push((error as Error).name);
      }
    }
    port1.close();
    port2.close();
    answers["given away"] = refusals;
    answers["given away: goes on"] = await ring.nop();
  }
  console.log(JSON.stringify(answers));
} else {
  const [deed, handle] = workerData as [Deed, number];
  const native = load();
  let answer: unknown;
  switch (deed) {
    case "turn":
      answer = native.turn(handle);
      break;
    case "register":
      answer = native.register(handle, IORING_REGISTER.UNREGISTER_FILES, null, 0);
      break;
    case "enable":
      answer = native.register(handle, IORING_REGISTER.ENABLE_RINGS, null, 0);
      break;
    case "own ring": {
      const ring = new Ring();
      answer = (await Promise.all(Array.from({ length: 100 }, (_, i) => ring.timeout(i / 50)))).length;
      await ring.close();
    }
  }
  parentPort!.postMessage(answer);
}
