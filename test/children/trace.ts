/** What a traced ring says on the standard error: `trace MODE`. */

import process from "node:process";
import { Ring } from "../../mod.ts";
import { RawRing } from "../../src/ring/raw.ts";

const mode = process.argv[2];

/** One that succeeds, one that fails. */
async function useRing(ring: Ring): Promise<void> {
  await ring.nop();
  await ring.read(9999, new Uint8Array(4096), 0).catch(() => {});
  await ring.close();
}

function useRawRing(ring: RawRing): void {
  ring.prepNop(42);
  ring.prepRead(2 ** 40, 9999, new Uint8Array(4096), 4096, 0);
  ring.submitAndWait(2);
  ring.forEachCqe(() => {});
  ring.close();
}

switch (mode) {
  case "default":
    await useRing(new Ring());
    useRawRing(new RawRing());
    break;
  case "off":
    await useRing(new Ring({ trace: false }));
    useRawRing(new RawRing({ trace: false }));
    break;
  case "on":
    await useRing(new Ring({ trace: true }));
    useRawRing(new RawRing({ trace: true }));
    break;
  case "killed": {
    const ring = new RawRing({ trace: true });
    for (let i = 0; i < 200; i++) {
      ring.prepNop(i);
      ring.submit();
    }
    process.kill(process.pid, "SIGKILL");
    break;
  }
  case "throws": {
    let caught = 0;
    process.on("uncaughtException", () => caught++);
    const ring = new Ring({
      trace: () => {
        throw new Error("the trace function's own");
      },
    });
    await useRing(ring);
    await new Promise((resolve) => setTimeout(resolve, 1));
    console.log(caught);
    break;
  }
  default:
    throw new Error(`there is no mode ${mode}`);
}
