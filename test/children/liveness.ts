/**
 * Whether a ring keeps its process alive. Prints what it is about; ends by itself, or is found hanging.
 *
 * Cases: pending, idle, unref, ref-again, top-level-await, default-idle, closed, busy-neighbours.
 */

import { createServer } from "node:net";
import { spawn } from "node:child_process";
import process from "node:process";
import { Ring } from "../../mod.ts";

const which = process.argv[2];
const ring = new Ring();

switch (which) {
  case "pending":
    // Nothing but this operation is alive: the process must wait for it.
    ring.timeout(100).then(() => console.log("done"));
    break;
  case "top-level-await":
    await ring.timeout(100);
    console.log("done");
    break;
  case "idle":
    await ring.nop();
    await ring.timeout(1);
    console.log("done");
    break;
  case "never-used":
    console.log("done");
    break;
  case "default-idle":
    await Ring.default().timeout(1);
    console.log("done");
    break;
  case "unref":
    await ring.timeout(1);
    ring.unref();
    ring.timeout(60_000);
    console.log("done");
    break;
  case "ref-again":
    ring.unref();
    await ring.nop();
    ring.timeout(100).then(() => console.log("done"));
    setTimeout(() => ring.ref(), 10);
    break;
  case "closed":
    ring.timeout(60_000).catch(() => {});
    await ring.timeout(1);
    await ring.close();
    console.log("done");
    break;
  case "neighbours": {
    // Timers, sockets, child processes and signals go on beside a busy ring.
    let busy = true;
    const loop = (async () => {
      while (busy) await ring.nop();
    })();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise<void>((resolve, reject) => {
      const server = createServer((socket) => socket.end("hello"));
      server.listen(0, "127.0.0.1", async () => {
        const { port } = server.address() as { port: number };
        const { connect } = await import("node:net");
        const socket = connect(port, "127.0.0.1");
        let text = "";
        socket.on("data", (data) => text += data);
        socket.on("end", () => {
          server.close();
          text === "hello" ? resolve() : reject(new Error(text));
        });
      });
    });
    await new Promise<void>((resolve, reject) => {
      const child = spawn("sh", ["-c", "exit 7"]);
      child.on("exit", (code) => code === 7 ? resolve() : reject(new Error(`exit code ${code}`)));
    });
    await new Promise<void>((resolve) => {
      process.once("SIGUSR2", () => resolve());
      process.kill(process.pid, "SIGUSR2");
    });
    busy = false;
    await loop;
    console.log("done");
    break;
  }
  default:
    throw new Error(`unknown case ${which}`);
}
