import { Ring } from "../../mod.ts";
import { fdInfo } from "./process_state.ts";

/** A ring, and the eventfd by which it is woken: no operation makes one. */
export async function ringAndEventfd(): Promise<{ ring: Ring; eventfd: number }> {
  const before = new Set(eventfds());
  const ring = new Ring();
  while (true) {
    await ring.timeout(1);
    const eventfd = eventfds().find((fd) => !before.has(fd));
    // It has not slept yet: the time was up before it came to that.
    if (eventfd !== undefined) return { ring, eventfd };
  }
}

function eventfds(): number[] {
  const fds: number[] = [];
  for (let fd = 0; fd < 200; fd++) {
    try {
      if (/eventfd-count/.test(fdInfo(fd))) fds.push(fd);
    } catch {
      // not open
    }
  }
  return fds;
}
