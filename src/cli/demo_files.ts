/**
 * The files of the demo: every regular file below a folder.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A regular file, and how long it was when it was found. */
export interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** What was found, and what was left out. */
export interface Found {
  readonly files: FoundFile[];
  /** Symbolic links are not followed. */
  symlinks: number;
  /** Sockets, pipes and devices. */
  special: number;
  /** Folders that could not be listed, files that are gone again, names that are not UTF-8. */
  readonly unreadable: { readonly path: string; readonly code: string }[];
}

/**
 * Lists every regular file below a folder.
 *
 * @param folder Where to begin.
 * @param onFound Called with the number of files so far.
 */
export function findFiles(folder: string, onFound: (files: number) => void = () => {}): Found {
  const found: Found = { files: [], symlinks: 0, special: 0, unreadable: [] };
  const folders = [folder];
  for (let current = folders.pop(); current !== undefined; current = folders.pop()) {
    let entries;
    try {
      entries = readdirSync(current, { withFileTypes: true });
    } catch (error) {
      if (current === folder) throw error;
      found.unreadable.push({ path: current, code: codeOf(error) });
      continue;
    }
    for (const entry of entries) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isSymbolicLink()) found.symlinks++;
      else if (!entry.isFile()) found.special++;
      else {
        try {
          found.files.push({ path, size: lstatSync(path).size });
        } catch (error) {
          found.unreadable.push({ path, code: entry.name.includes("\ufffd") ? "name not UTF-8" : codeOf(error) });
        }
      }
    }
    onFound(found.files.length);
  }
  return found;
}

/** `ENOENT` and the like of an error from node:fs, from Deno or from the ring. */
export function codeOf(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  return typeof code === "string" ? code : message ?? name ?? String(error);
}
