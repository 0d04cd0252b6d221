import { Ring } from "../../mod.ts";
import { TempFolder } from "./folder.ts";

/**
 * A namespace of extended attributes that the file system of temporary files has: tmpfs took user attributes in Linux 6.6,
 * ramfs has none.
 */
export async function findNamespace(): Promise<string | undefined> {
  await using ring = new Ring();
  using folder = new TempFolder();
  const path = folder.write("file", "");
  if (!ring.probe().op("SETXATTR").supported) return undefined; // since Linux 5.19
  for (const namespace of ["user", "trusted"]) {
    const set = await ring.setxattr(path, `${namespace}.uring`, "").catch(({ code }) => code);
    if (set === 0) return namespace;
    if (!/EOPNOTSUPP|EPERM/.test(set)) throw new Error(`setxattr() of ${namespace}: ${set}`);
  }
  return undefined;
}
