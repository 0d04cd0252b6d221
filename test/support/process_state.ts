import "./own_descriptors.ts";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Descriptors of io_uring rings, and the eventfds beside them, that this process has open. */
export function ringDescriptors(): number {
  return descriptors().filter((target) => target.includes("[io_uring]")).length;
}

/** What every open descriptor is. */
export function descriptors(): string[] {
  return numberedDescriptors().map(([, target]) => target);
}

/** Every open descriptor, and what it is. */
export function numberedDescriptors(): [fd: string, target: string][] {
  return readdirSync("/proc/self/fd").flatMap((fd): [string, string][] => {
    try {
      return [[fd, readlinkSync(`/proc/self/fd/${fd}`)]];
    } catch {
      return []; // the one that the listing itself used
    }
  });
}

/** Gives, each time, what was opened since this call and is open, as number and target. */
export function openedSince(): () => string[] {
  const before = new Set(numberedDescriptors().map(String));
  return () => numberedDescriptors().map(String).filter((each) => !before.has(each));
}

/** What the kernel's tables tell of the sockets among descriptors: addresses, states. */
export function aboutSockets(targets: readonly string[]): string {
  const inodes = targets.flatMap((target) => /socket:\[(\d+)\]/.exec(target)?.[1] ?? []);
  if (inodes.length === 0) return "";
  return ["unix", "tcp", "udp", "netlink"].flatMap((table) =>
    readFileSync(`/proc/self/net/${table}`, "utf8").split("\n")
      .filter((line) => line.split(/\s+/).some((word) => inodes.includes(word)))
      .map((line) => `${table}: ${line.trim()}`)
  ).join("\n");
}

/** Maps of rings in this process. */
export function ringMaps(): number {
  return readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => line.includes("[io_uring]")).length;
}

/** Threads of this process, without the kernel's own that work for rings. */
export function threads(): number {
  return readdirSync("/proc/self/task").filter((id) => {
    try {
      return !readFileSync(`/proc/self/task/${id}/comm`, "utf8").startsWith("iou-");
    } catch {
      return false;
    }
  }).length;
}

/** Lines of /proc/self/fdinfo/FD as they are. */
export function fdInfo(fd: number): string {
  return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
}

/** The file's position. */
export function position(fd: number): number {
  return Number(/^pos:\s*(\d+)/m.exec(fdInfo(fd))![1]);
}

/** The flags it was opened with. */
export function openFlags(fd: number): number {
  return parseInt(/^flags:\s*(\d+)/m.exec(fdInfo(fd))![1]!, 8);
}
