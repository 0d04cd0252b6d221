// Reads what the checks need of a 64-bit little-endian ELF shared library.
import { Buffer } from "node:buffer";

const SHT_SYMTAB = 2, SHT_DYNAMIC = 6, SHT_DYNSYM = 11;
const DT_NULL = 0n, DT_NEEDED = 1n, DT_SONAME = 14n, DT_FLAGS_1 = 0x6ffffffbn;
const DF_1_NODELETE = 0x8n;
const SHN_UNDEF = 0;
const STB_LOCAL = 0;
const MACHINES = new Map([[62, "x86_64"], [183, "aarch64"]]);

/**
 * @typedef {object} Section
 * @property {string} name
 * @property {number} type
 * @property {number} link
 * @property {Buffer} bytes
 */

/**
 * @typedef {object} Library
 * @property {string | undefined} machine
 * @property {string[]} needed libraries it wants loaded with it
 * @property {string | undefined} soname
 * @property {boolean} noDelete marked never to be unloaded
 * @property {boolean} stripped no symbol table but the dynamic one, no debug information
 * @property {string[]} exports
 * @property {string[]} imports
 */

/** @param {Buffer} strings @param {number} at */
function stringAt(strings, at) {
  return strings.toString("latin1", at, strings.indexOf(0, at));
}

/** @param {Buffer} file @returns {Section[]} */
function readSections(file) {
  const offset = Number(file.readBigUInt64LE(40));
  const entrySize = file.readUInt16LE(58), count = file.readUInt16LE(60), namesIndex = file.readUInt16LE(62);
  const headers = Array.from({ length: count }, (_, i) => file.subarray(offset + i * entrySize));
  const bytesOf = (/** @type {Buffer} */ header) => {
    const start = Number(header.readBigUInt64LE(24));
    return file.subarray(start, start + Number(header.readBigUInt64LE(32)));
  };
  const namesHeader = headers[namesIndex];
  if (!namesHeader) throw new Error("no section headers");
  const names = bytesOf(namesHeader);
  return headers.map((header) => ({
    name: stringAt(names, header.readUInt32LE(0)),
    type: header.readUInt32LE(4),
    link: header.readUInt32LE(40),
    bytes: bytesOf(header),
  }));
}

/** @param {Section[]} sections @param {Section} section */
function stringsOf(sections, section) {
  return sections[section.link]?.bytes ?? Buffer.alloc(1);
}

/** @param {Section[]} sections */
function readDynamic(sections) {
  const section = sections.find(({ type }) => type === SHT_DYNAMIC);
  if (!section) throw new Error("no dynamic section");
  const strings = stringsOf(sections, section);
  const found = {
    needed: /** @type {string[]} */ ([]),
    soname: /** @type {string | undefined} */ (undefined),
    flags1: 0n,
  };
  for (let at = 0; at + 16 <= section.bytes.length; at += 16) {
    const tag = section.bytes.readBigUInt64LE(at), value = section.bytes.readBigUInt64LE(at + 8);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) found.needed.push(stringAt(strings, Number(value)));
    if (tag === DT_SONAME) found.soname = stringAt(strings, Number(value));
    if (tag === DT_FLAGS_1) found.flags1 = value;
  }
  return found;
}

/** @param {Section[]} sections */
function readDynamicSymbols(sections) {
  /** @type {string[]} */
  const exports = [];
  /** @type {string[]} */
  const imports = [];
  const section = sections.find(({ type }) => type === SHT_DYNSYM);
  if (section) {
    const strings = stringsOf(sections, section);
    for (let at = 24; at + 24 <= section.bytes.length; at += 24) {
      if (section.bytes.readUInt8(at + 4) >> 4 === STB_LOCAL) continue;
      const name = stringAt(strings, section.bytes.readUInt32LE(at));
      (section.bytes.readUInt16LE(at + 6) === SHN_UNDEF ? imports : exports).push(name);
    }
  }
  return { exports: exports.sort(), imports: imports.sort() };
}

/**
 * @param {Buffer} file
 * @returns {Library}
 */
export function readLibrary(file) {
  if (file.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") throw new Error("not a 64-bit little-endian ELF file");
  const sections = readSections(file);
  const { needed, soname, flags1 } = readDynamic(sections);
  return {
    machine: MACHINES.get(file.readUInt16LE(18)),
    needed,
    soname,
    noDelete: (flags1 & DF_1_NODELETE) !== 0n,
    stripped: !sections.some(({ name, type }) => type === SHT_SYMTAB || name.startsWith(".debug")),
    ...readDynamicSymbols(sections),
  };
}

/**
 * The file without what only tools read: its section headers, and the sections behind the last that is loaded. A loader
 * goes by the program headers.
 * @param {Buffer} file
 * @returns {Buffer}
 */
export function withoutSections(file) {
  const first = Number(file.readBigUInt64LE(32)), size = file.readUInt16LE(54), count = file.readUInt16LE(56);
  const ends = Array.from({ length: count }, (_, i) => file.subarray(first + i * size)).map((header) =>
    Number(header.readBigUInt64LE(8)) + Number(header.readBigUInt64LE(32))
  );
  const cut = Buffer.from(file.subarray(0, Math.max(first + count * size, ...ends)));
  cut.fill(0, 40, 48); // where the section headers are
  cut.fill(0, 58, 64); // the size of one, how many there are, and which has their names
  return cut;
}
