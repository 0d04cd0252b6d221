/**
 * A file system, over FUSE, with one file, whose reads are answered when somebody looks for "answer", and not before.
 * Nothing ends such a read: its thread waits without heeding signals.
 *
 * Arguments: the folder to mount it on. Prints "mounted", and ends when it is unmounted.
 */

import { spawnSync } from "node:child_process";
import { openSync, readSync, writeSync } from "node:fs";
import process from "node:process";

const folder = process.argv[2]!;

/** FUSE's opcodes, as linux/fuse.h has them. */
const LOOKUP = 1;
const FORGET = 2;
const GETATTR = 3;
const OPEN = 14;
const READ = 15;
const RELEASE = 18;
const FLUSH = 25;
const INIT = 26;
const OPENDIR = 27;
const RELEASEDIR = 29;
const INTERRUPT = 36;
const BATCH_FORGET = 42;

const ENOENT = 2;
const ENOSYS = 38;
const DIRECT_IO = 1;
const HEADER = 40;
const ROOT = 1;
const FILE = 2;
const SIZE = 4096;
/** Seconds that names and attributes hold. */
const VALID = 3600n;

const device = openSync("/dev/fuse", "r+");
const options = "fd=3,rootmode=40000,user_id=0,group_id=0";
const { status, stderr } = spawnSync("mount", ["-i", "-t", "fuse", "-o", options, "hung", folder], {
  stdio: ["ignore", "ignore", "pipe", device],
});
if (status !== 0) throw new Error(`mount: ${stderr}`);
console.log("mounted");

const bytes = new Uint8Array(1 << 17);
const request = new DataView(bytes.buffer);
/** Reads that wait for their answer. */
const held: bigint[] = [];

function reply(unique: bigint, body: Uint8Array, errno = 0): void {
  const message = new Uint8Array(16 + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setInt32(4, -errno, true);
  view.setBigUint64(8, unique, true);
  message.set(body, 16);
  writeSync(device, message);
}

/** `struct fuse_attr` of a node, behind `before` bytes. */
function attributes(node: number, before: number): DataView {
  const view = new DataView(new ArrayBuffer(before + 88));
  view.setBigUint64(before, BigInt(node), true);
  view.setBigUint64(before + 8, BigInt(node === FILE ? SIZE : 0), true);
  view.setUint32(before + 60, node === FILE ? 0o100644 : 0o40755, true);
  view.setUint32(before + 64, 1, true);
  view.setUint32(before + 80, 4096, true);
  return view;
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

function answer(opcode: number, unique: bigint, node: number, length: number): void {
  switch (opcode) {
    case INIT: {
      const view = new DataView(new ArrayBuffer(64));
      view.setUint32(0, 7, true);
      view.setUint32(4, 31, true);
      view.setUint32(8, 4096, true);
      view.setUint16(16, 12, true);
      view.setUint16(18, 10, true);
      view.setUint32(20, 65_536, true);
      view.setUint32(24, 1, true);
      return reply(unique, bytesOf(view));
    }
    case LOOKUP: {
      const name = new TextDecoder().decode(bytes.subarray(HEADER, length - 1));
      if (name === "answer") { for (const each of held.splice(0)) reply(each, new Uint8Array(SIZE).fill(0x61)); }
      if (name !== "file") return reply(unique, new Uint8Array(), ENOENT);
      const view = attributes(FILE, 40);
      view.setBigUint64(0, BigInt(FILE), true);
      view.setBigUint64(16, VALID, true);
      view.setBigUint64(24, VALID, true);
      return reply(unique, bytesOf(view));
    }
    case GETATTR: {
      const view = attributes(node, 16);
      view.setBigUint64(0, VALID, true);
      return reply(unique, bytesOf(view));
    }
    case OPEN:
    case OPENDIR: {
      const view = new DataView(new ArrayBuffer(16));
      view.setUint32(8, node === ROOT ? 0 : DIRECT_IO, true);
      return reply(unique, bytesOf(view));
    }
    case READ:
      held.push(unique);
      return;
    case RELEASE:
    case RELEASEDIR:
    case FLUSH:
      return reply(unique, new Uint8Array());
    case FORGET:
    case BATCH_FORGET:
    case INTERRUPT:
      return;
    default:
      return reply(unique, new Uint8Array(), ENOSYS);
  }
}

while (true) {
  let length: number;
  try {
    length = readSync(device, bytes);
  } catch (error) {
    if ((error as { code?: string }).code === "ENODEV") break; // unmounted
    throw error;
  }
  const node = Number(request.getBigUint64(16, true));
  answer(request.getUint32(4, true), request.getBigUint64(8, true), node, length);
}
