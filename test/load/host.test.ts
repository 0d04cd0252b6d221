import { release } from "node:os";
import process from "node:process";
import { expect, test } from "vitest";
import {
  architecture,
  environment,
  fileSize,
  fileText,
  granted,
  kernelRelease,
  platform,
  runtime,
} from "../../ffi/host.ts";
import { TempFolder } from "../support/folder.ts";
import { RUNTIME } from "./elsewhere.ts";

test("the host is known", () => {
  expect(runtime).toBe(RUNTIME);
  expect(platform()).toBe("linux");
  expect(architecture()).toBe({ x64: "x86_64", arm64: "aarch64" }[process.arch as string]);
  expect(kernelRelease()).toBe(release());
  expect(granted({ name: "ffi" })).toBe(true);
});

test("files and variables that are not there are undefined", () => {
  using folder = new TempFolder();
  const path = folder.write("file", "text\n");
  expect([fileSize(path), fileText(path)]).toEqual([5, "text"]);
  expect([fileSize(folder.at("nothing")), fileText(folder.at("nothing")), fileText(folder.path)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  process.env["URING_TEST_VARIABLE"] = "value";
  expect(environment("URING_TEST_VARIABLE")).toBe("value");
  delete process.env["URING_TEST_VARIABLE"];
  expect(environment("URING_TEST_VARIABLE")).toBe(undefined);
});
