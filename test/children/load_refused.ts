/**
 * Imports the library where it can't work, and prints as JSON what `Ring.supported()` and `new Ring()` say.
 *
 * Argument: `platform=NAME` or `arch=NAME`, what the host is made to say that it is.
 */

import process from "node:process";

const [what = "", name = ""] = process.argv[2]?.split("=") ?? [];
if (what !== "") {
  if (typeof Deno !== "undefined") {
    const value = { ...Deno.build, ...what === "platform" ? { os: name } : { arch: name } };
    Object.defineProperty(Deno, "build", { value });
  } else {
    Object.defineProperty(process, what, { value: name });
  }
}

const { Ring } = await import("../../mod.ts");
const supported = Ring.supported();
const again = Ring.supported();
let thrown: unknown;
try {
  new Ring();
} catch (error) {
  const { name, message, fix } = error as Error & { fix?: string };
  thrown = { name, message, fix };
}
console.log(JSON.stringify({ supported, again, thrown }));
