import { AF, SOCK } from "../../mod.ts";
import type { Place } from "./place.ts";

let made = 0;

/** Two stream sockets that are connected to each other. */
export async function pair(place: Place): Promise<[near: number, far: number]> {
  const { ring } = place;
  const path = `${place.folder}/pair${made++}`;
  const listening = await listenOn(place, path);
  const near = await place.again(() => ring.socket(AF.UNIX, SOCK.STREAM));
  await place.again(() => ring.connect(near, { path }));
  const far = await place.again(() => ring.accept(listening));
  await place.again(() => ring.closeFd(listening));
  return [near, far];
}

/** A socket that listens on a path. */
export async function listenOn(place: Place, path: string): Promise<number> {
  const { ring } = place;
  const listening = await place.again(() => ring.socket(AF.UNIX, SOCK.STREAM));
  await place.again(() => ring.bind(listening, { path }));
  await place.again(() => ring.listen(listening, 64));
  return listening;
}

/** Closes descriptors. */
export async function closeAll(place: Place, ...fds: number[]): Promise<void> {
  await Promise.all(fds.map((fd) => place.again(() => place.ring.closeFd(fd))));
}
