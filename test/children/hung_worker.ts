/**
 * A worker whose ring can't be closed: a zero-copy send holds it. Told by message: the socket. Tells how many bytes were
 * taken, and the code of the error.
 */

import { Ring, type UringError } from "../../mod.ts";
import { pattern } from "../support/folder.ts";
import { portToParent } from "../support/worker.ts";

const port = portToParent();
port.once(async (socket) => {
  const ring = new Ring({ closeTimeout: 200 });
  const taken = await new Promise<number>((resolve) => {
    const buffer = pattern(8 << 20);
    ring.sendZc(socket as number, buffer, 0, { onSent: resolve }).catch(() => {});
  });
  const code = await ring.close().then(() => "closed", (error: UringError) => error.code);
  port.post({ taken, code });
});
port.post("ready");
