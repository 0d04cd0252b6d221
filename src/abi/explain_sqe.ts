/**
 * An SQE in words: the members that its op uses, by their kinds.
 *
 * @module
 */
import * as groups from "./constants.ts";
import type { Op, SqeField } from "./ops/op.ts";
import { opOf } from "./ops/table.ts";

/** An SQE in memory that holds SQEs as 32-bit words. */
export interface SqeWords {
  /** The memory. */
  readonly words: Int32Array;
  /** The index of the SQE's first word. */
  readonly at: number;
}

/** What an SQE does not say itself. */
export interface SqeContext {
  /** The path. */
  readonly path?: string | undefined;
  /** The second path. */
  readonly dest?: string | undefined;
}

const CURRENT_POSITION = 0xffffffffffffffffn;

/** Members of an SQE: word, and how many of its bits from which one on; 64 is two words. */
const MEMBERS: Readonly<Record<string, readonly [word: number, bits: 8 | 16 | 32 | 64, shift?: number]>> = {
  fd: [1, 32],
  off: [2, 64],
  addr2: [2, 64],
  cmd_op: [2, 32],
  __pad1: [3, 32],
  addr: [4, 64],
  splice_off_in: [4, 64],
  level: [4, 32],
  optname: [5, 32],
  len: [6, 32],
  buf_index: [10, 16],
  buf_group: [10, 16],
  personality: [10, 16, 16],
  file_index: [11, 32],
  splice_fd_in: [11, 32],
  zcrx_ifq_idx: [11, 32],
  optlen: [11, 32],
  addr_len: [11, 16],
  write_stream: [11, 8],
  addr3: [12, 64],
  __pad2: [14, 64],
  optval: [12, 64],
  attr_ptr: [12, 64],
  attr_type_mask: [14, 64],
};

/** Word 7 has a name for each op. */
const OP_FLAGS: readonly [number, 32] = [7, 32];

/** The value of a member, by its name in struct io_uring_sqe. */
export function member({ words, at }: SqeWords, name: string): bigint {
  const [word, bits, shift = 0] = MEMBERS[name] ?? OP_FLAGS;
  const low = BigInt((words[at + word] ?? 0) >>> 0);
  const high = bits === 64 ? BigInt((words[at + word + 1] ?? 0) >>> 0) << 32n : 0n;
  return BigInt.asUintN(bits, (low | high) >> BigInt(shift));
}

/** The low half of a member's value, signed. */
export function signed(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The flags of open that are the same on both architectures: this module knows neither. */
function openFlags(): [string, number][] {
  return Object.entries(groups.O_x86_64).filter(([name, bit]) =>
    groups.O_aarch64[name as keyof typeof groups.O_aarch64] === bit
  );
}

/**
 * The constants that `flags(X)` or `enum(X)` names. Several sets are joined by commas; the first one's names are
 * short, the others' say which set they are of.
 */
function namesOf(sets: string): [string, number][] {
  return sets.split(",").flatMap((set, index): [string, number][] => {
    if (set === "O") return openFlags();
    const values = Object.entries((groups as unknown as Record<string, Record<string, number>>)[set] ?? {});
    return index === 0 ? values : values.map(([name, bit]) => [`${set.replace("IORING_", "")}_${name}`, bit]);
  });
}

/** The names of the flags that are set, and in hexadecimal what has no name. */
export function flagsText(sets: string, value: number): string {
  const found: string[] = [];
  let rest = value >>> 0;
  for (const [name, bit] of namesOf(sets)) {
    // Masks and combinations of several bits would hide what they are made of.
    if (bit > 0 && (bit & (bit - 1)) === 0 && (rest & bit) !== 0) {
      found.push(name);
      rest = (rest & ~bit) >>> 0;
    }
  }
  if (rest !== 0 || found.length === 0) found.push(`0x${rest.toString(16)}`);
  return found.join("|");
}

function enumText(set: string, value: number): string {
  for (const [name, number] of namesOf(set)) if (number === value) return name;
  // A type of socket carries flags above its four bits.
  if (set === "SOCK" && value > 15) return `${enumText(set, value & 15)}|${flagsText(set, value & ~15)}`;
  return `${value}`;
}

/** `lenOf(addr)` → `lenOf`, `addr`. */
export function parseKind(field: SqeField): { kind: string; of: string; label: string | undefined } {
  const [spelled = "", label] = field.split(" ");
  const open = spelled.indexOf("(");
  return open < 0
    ? { kind: spelled, of: "", label }
    : { kind: spelled.slice(0, open), of: spelled.slice(open + 1, -1), label };
}

/** One member in words; undefined where it says nothing. */
function memberText(sqe: SqeWords, op: Op, name: string, field: SqeField, flags: number): string | undefined {
  const { kind, of, label = name } = parseKind(field);
  const value = member(sqe, name);
  switch (kind) {
    case "fd":
      // A slot of its own is what is opened or closed there; then there is no file descriptor.
      if (name === "fd" && value === 0n && sqe.words[sqe.at + 11] !== 0 && kindOf(sqe, "file_index") === "fileSlot") {
        return undefined;
      }
      return name === "fd" && (flags & groups.IOSQE.FIXED_FILE) !== 0
        ? `slot=${signed(value)}`
        : `${label}=${signed(value)}`;
    case "ringFd":
      return `${label}=${signed(value)}`;
    case "dirfd":
      return signed(value) === groups.AT.FDCWD ? undefined : `${label}=${signed(value)}`;
    case "fileOffset":
      // Only what moves bytes moves the file's position.
      return `${label}=${value === CURRENT_POSITION && op.result === "bytes" ? "current" : value}`;
    case "lenOf":
      return of.startsWith("addr2") && value === 0n ? undefined : `${label}=${value}`;
    case "flags":
      return value === 0n ? undefined : `${label}=${flagsText(of, Number(value))}`;
    case "enum":
      return `${label}=${enumText(of, signed(value))}`;
    case "targetUserData":
      // Matched by file or op, not by user data.
      if (value === 0n && op.code === groups.IORING_OP.ASYNC_CANCEL && sqe.words[sqe.at + 7] !== 0) return undefined;
      return `${label}=${value}`;
    case "bufIndex":
      return value === 0n && !op.needs.some((name) => name.includes("BUFFERS")) ? undefined : `${label}=${value}`;
    case "bufGroup":
      return label !== name || (flags & groups.IOSQE.BUFFER_SELECT) !== 0 ? `group=${value}` : undefined;
    case "fileSlot":
      if (value === 0n) return undefined;
      return `${label}=${value === 0xffffffffn ? "any" : value - 1n}`;
    case "i32":
      // -1 stands for "no file" where a file may be left out.
      return value === 0n || (label === "fd" && signed(value) === -1) ? undefined : `${label}=${signed(value)}`;
    case "u32":
      if (label === "mode" && (value !== 0n || op.code === groups.IORING_OP.MKDIRAT)) {
        return `mode=0o${value.toString(8)}`;
      }
      return value === 0n ? undefined : `${label}=${value}`;
    case "u64":
      return value === 0n ? undefined : `${label}=${value}`;
    case "one":
      return value === 1n ? undefined : `${name}=${value}(not 1)`;
    case "zero":
      // The kernel will refuse it: worth seeing.
      return value === 0n ? undefined : `${name}=${value}(not 0)`;
    default:
      // Addresses tell a reader nothing.
      return undefined;
  }
}

/** The op of an SQE. */
export function opIn({ words, at }: SqeWords): Op | undefined {
  return opOf((words[at] ?? 0) & 0xff);
}

/** The kind of one of its members. */
export function kindOf(sqe: SqeWords, name: string): string {
  const field = opIn(sqe)?.fields[name];
  return field === undefined ? "" : parseKind(field).kind;
}

const { SOCKET_URING_OP: SOCKET, BLOCK_URING_CMD: BLOCK } = groups;

/**
 * The members that count, where that depends on a command in the SQE. Commands of sockets are small numbers, and so are
 * those of some drivers: the number is shown with them.
 */
function fieldsOf(sqe: SqeWords, op: Op): Readonly<Record<string, SqeField>> {
  if (op.code === groups.IORING_OP.MSG_RING && member(sqe, "addr") === BigInt(groups.IORING_MSG.SEND_FD)) {
    return { ...op.fields, file_index: "fileSlot slot" };
  }
  if (op.code !== groups.IORING_OP.URING_CMD) return op.fields;
  const { fd, uring_cmd_flags, buf_index } = op.fields as Readonly<Record<string, SqeField>>;
  const base = { fd: fd!, uring_cmd_flags: uring_cmd_flags!, buf_index: buf_index! };
  switch (signed(member(sqe, "cmd_op"))) {
    case BLOCK.DISCARD:
      return { ...base, addr: "fileOffset offset", addr3: "u64 len" };
    case BLOCK.ZONE_RESET_ALL:
    case SOCKET.SIOCINQ:
    case SOCKET.SIOCOUTQ:
      return base;
    case SOCKET.GETSOCKOPT:
    case SOCKET.SETSOCKOPT:
      return { ...base, level: "enum(SOL)", optname: "u32 optname", optlen: "u32 optlen" };
    case SOCKET.GETSOCKNAME:
      return { ...base, optlen: "u32 peer" };
    default:
      return op.fields;
  }
}

/** The command of URING_CMD, named where its number tells. */
function commandText(sqe: SqeWords): string {
  const number = signed(member(sqe, "cmd_op"));
  for (const [name, value] of Object.entries(BLOCK)) if (value === number) return `command=${name}`;
  for (const [name, value] of Object.entries(SOCKET)) if (value === number) return `command=${number}/${name}`;
  return `command=0x${(number >>> 0).toString(16)}`;
}

/**
 * An SQE in words.
 *
 * @param sqe its words
 * @param context what is known besides
 * @returns such as "READ fd=9999 len=4096 offset=0"
 */
export function sqeText(sqe: SqeWords, context: SqeContext = {}): string {
  const head = sqe.words[sqe.at] ?? 0;
  const op = opIn(sqe);
  const flags = (head >>> 8) & 0xff;
  const ioprio = head >>> 16;
  if (op === undefined) return `opcode ${head & 0xff}`;
  const parts: string[] = [op.name];
  let paths = 0;
  for (const [name, field] of Object.entries(fieldsOf(sqe, op))) {
    const { kind, label = "path" } = parseKind(field);
    if (name === "cmd_op") continue;
    if (kind === "path" && label !== "name") {
      const path = paths++ === 0 ? context.path : context.dest;
      if (path !== undefined) parts.push(`${label}=${JSON.stringify(path)}`);
      continue;
    }
    const text = memberText(sqe, op, name, field, flags);
    if (text !== undefined) parts.push(text);
  }
  if ("cmd_op" in op.fields) parts.splice(2, 0, commandText(sqe));
  if (ioprio !== 0) {
    parts.push(`ioprio=${op.ioprio.startsWith("flags(") ? flagsText(op.ioprio.slice(6, -1), ioprio) : ioprio}`);
  }
  const personality = member(sqe, "personality");
  if (personality !== 0n && op.fields["personality"] === undefined) parts.push(`personality=${personality}`);
  if (flags !== 0) parts.push(`sqe_flags=${flagsText("IOSQE", flags)}`);
  return parts.join(" ");
}
