/**
 * The compiled cores as they come with the package, for where no file of theirs is.
 *
 * @module
 */

import { base64 as aarch64 } from "./core_aarch64.ts";
import { base64 as x86_64 } from "./core_x86_64.ts";

/** An architecture that there is a core for. */
export type Architecture = "x86_64" | "aarch64";

/** The bytes of a core. */
export function embeddedCore(arch: Architecture): Uint8Array<ArrayBuffer> {
  const text = arch === "x86_64" ? x86_64 : aarch64;
  // Node has it since 26. The other way takes 4 ms.
  const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  return fromBase64?.(text) ?? Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
