/**
 * Whether a ring that listens for messages keeps its process alive. Prints "done"; ends by itself, or is found hanging.
 *
 * Cases: listening, unref, removed, closed, forgotten.
 */

import process from "node:process";
import { Ring } from "../../mod.ts";
import { collectGarbage } from "../support/garbage.ts";

const which = process.argv[2];

switch (which) {
  case "listening": {
    // The message comes from a ring that does not keep the process alive.
    const ring = new Ring();
    const sender = new Ring().unref();
    ring.onMessage = (data) => {
      console.log(data === 5 ? "done" : `data ${data}`);
      ring.onMessage = null;
    };
    setTimeout(() => sender.msgRing(ring, 0, 5), 50).unref();
    break;
  }
  case "unref": {
    const ring = new Ring().unref();
    ring.onMessage = () => {};
    console.log("done");
    break;
  }
  case "unref-later": {
    const ring = new Ring();
    ring.onMessage = () => {};
    setTimeout(() => ring.unref(), 20);
    console.log("done");
    break;
  }
  case "removed": {
    const ring = new Ring();
    ring.onMessage = () => {};
    await ring.nop();
    ring.onMessage = null;
    console.log("done");
    break;
  }
  case "closed": {
    const ring = new Ring();
    ring.onMessage = () => {};
    await ring.nop();
    await ring.close();
    console.log("done");
    break;
  }
  case "forgotten": {
    // Nobody mentions the ring any more but its handler: it hears messages all the same.
    const sender = new Ring();
    const fd = listen();
    for (let i = 0; i < 10; i++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await sender.msgRing(fd, 0, 1);
    break;
  }
  default:
    throw new Error(`unknown case ${which}`);
}

function listen(): number {
  const ring = new Ring();
  ring.onMessage = () => {
    console.log("done");
    process.exit(0);
  };
  return ring.fd;
}
