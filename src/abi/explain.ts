/**
 * Puts SQEs, CQEs and errors into words.
 *
 * @module
 */
import * as groups from "./constants.ts";
import { ERRNO, type ErrnoName, errnoName, errnoText } from "./errno.ts";
import { ANY_OP, type Cause, type Causes, type Circumstance, type Op, opOf, OPS, type SqeField } from "./ops.ts";

/** What the caller knows beyond the SQE: it makes causes precise. */
export interface ExplainContext {
  /** The file descriptor, or slot. */
  readonly fd?: number;
  /** The path that was given. */
  readonly path?: string;
  /** The file is known to be open: then EBADF means that it is not open for this. */
  readonly open?: boolean;
  /** The buffer group. */
  readonly group?: number;
  /** The buffer group is known to exist: then ENOBUFS means that it is exhausted. */
  readonly groupKnown?: boolean;
  /** The registered buffer. */
  readonly bufferIndex?: number;
  /** IOSQE bits. */
  readonly flags?: number;
  /** The length. */
  readonly len?: number;
  /** The offset. */
  readonly offset?: number | bigint;
}

/** An SQE in memory that holds SQEs as 32-bit words. */
export interface SqeWords {
  /** The memory. */
  readonly words: Int32Array;
  /** The index of the SQE's first word. */
  readonly at: number;
}

/** A CQE. */
export interface CqeFields {
  /** Its user data. */
  readonly userData: number | bigint;
  /** Its result. */
  readonly res: number;
  /** Its flags. */
  readonly flags: number;
}

const SKIP_AND_DRAIN = groups.IOSQE.CQE_SKIP_SUCCESS | groups.IOSQE.IO_DRAIN;

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
  addr3: [12, 64],
  __pad2: [14, 64],
  optval: [12, 64],
};

/** Word 7 has a name for each op. */
const OP_FLAGS: readonly [number, 32] = [7, 32];

function member({ words, at }: SqeWords, name: string): bigint {
  const [word, bits, shift = 0] = MEMBERS[name] ?? OP_FLAGS;
  const low = BigInt((words[at + word] ?? 0) >>> 0);
  const high = bits === 64 ? BigInt((words[at + word + 1] ?? 0) >>> 0) << 32n : 0n;
  return BigInt.asUintN(bits, (low | high) >> BigInt(shift));
}

function signed(value: bigint): number {
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

function flagsText(sets: string, value: number): string {
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
  return `${value}`;
}

/** `lenOf(addr)` → `lenOf`, `addr`. */
function parseKind(field: SqeField): { kind: string; of: string; label: string | undefined } {
  const [spelled = "", label] = field.split(" ");
  const open = spelled.indexOf("(");
  return open < 0
    ? { kind: spelled, of: "", label }
    : { kind: spelled.slice(0, open), of: spelled.slice(open + 1, -1), label };
}

/** One member in words; undefined where it says nothing. */
function memberText(sqe: SqeWords, name: string, field: SqeField, flags: number): string | undefined {
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
      return `${label}=${value === CURRENT_POSITION ? "current" : value}`;
    case "lenOf":
      return of.startsWith("addr2") && value === 0n ? undefined : `${label}=${value}`;
    case "flags":
      return value === 0n ? undefined : `${label}=${flagsText(of, Number(value))}`;
    case "enum":
      return `${label}=${enumText(of, signed(value))}`;
    case "targetUserData":
      // Matched by file or op, not by user data.
      if (value === 0n && opIn(sqe)?.code === groups.IORING_OP.ASYNC_CANCEL && sqe.words[sqe.at + 7] !== 0) {
        return undefined;
      }
      return `${label}=${value}`;
    case "bufIndex":
      return value === 0n && !opIn(sqe)?.needs.some((name) => name.includes("BUFFERS"))
        ? undefined
        : `${label}=${value}`;
    case "bufGroup":
      return label !== name || (flags & groups.IOSQE.BUFFER_SELECT) !== 0 ? `group=${value}` : undefined;
    case "fileSlot":
      if (value === 0n) return undefined;
      return `${label}=${value === 0xffffffffn ? "any" : value - 1n}`;
    case "i32":
      // -1 stands for "no file" where a file may be left out.
      return value === 0n || (label === "fd" && signed(value) === -1) ? undefined : `${label}=${signed(value)}`;
    case "u32":
      if (label === "mode") return `mode=0o${value.toString(8)}`;
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

function opIn({ words, at }: SqeWords): Op | undefined {
  return opOf((words[at] ?? 0) & 0xff);
}

function kindOf(sqe: SqeWords, name: string): string {
  const field = opIn(sqe)?.fields[name];
  return field === undefined ? "" : parseKind(field).kind;
}

function explainSqe(sqe: SqeWords, path?: string): string {
  const head = sqe.words[sqe.at] ?? 0;
  const op = opIn(sqe);
  const flags = (head >>> 8) & 0xff;
  const ioprio = head >>> 16;
  if (op === undefined) return `opcode ${head & 0xff}`;
  const parts: string[] = [op.name];
  for (const [name, field] of Object.entries(op.fields)) {
    const text = memberText(sqe, name, field, flags);
    if (text !== undefined) parts.push(text);
    if (path !== undefined && parseKind(field).kind === "path" && (parseKind(field).label ?? "path") === "path") {
      parts.push(`path=${JSON.stringify(path)}`);
    }
  }
  if (ioprio !== 0) {
    parts.push(`ioprio=${op.ioprio.startsWith("flags(") ? flagsText(op.ioprio.slice(6, -1), ioprio) : ioprio}`);
  }
  if (flags !== 0) parts.push(`sqe_flags=${flagsText("IOSQE", flags)}`);
  return parts.join(" ");
}

function explainCqe({ userData, res, flags }: CqeFields): string {
  const parts = [`user_data=${userData}`, `res=${res}`];
  let rest = flags & 0xffff;
  if ((flags & groups.IORING_CQE_F.BUFFER) !== 0) {
    parts.push(`buffer=${flags >>> groups.IORING_CQE_BUFFER_SHIFT}`);
    rest &= ~groups.IORING_CQE_F.BUFFER;
  }
  if (rest !== 0) parts.push(`flags=${flagsText("IORING_CQE_F", rest)}`);
  const text = parts.join(" ");
  return res < 0 ? `${text} → ${explainErrno(res)}` : text;
}

function explainErrno(errno: number): string {
  return errno === 0 ? "no error" : `${errnoName(errno)}: ${errnoText(errno)}`;
}

/** Values that a cause may speak of, by the names of an SQE's members. */
type Values = Partial<Record<string, string>>;

/** Fills `[fd {fd}|the file]` and `{op}`; doubled blanks from empty alternatives go. */
function fill(template: string, values: Values): string {
  return template
    .replace(/\[([^|\]]*)\|([^\]]*)\]/g, (_, known: string, unknown: string) => {
      const needed = known.match(/\{\w+\}/g) ?? [];
      return needed.every((name) => values[name.slice(1, -1)] !== undefined) ? known : unknown;
    })
    .replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "?")
    .replace(/ {2,}/g, " ").replace(/ ([,;]|$)/g, "$1");
}

function causeOf(errno: number, op: Op, context: ExplainContext, sqe?: SqeWords): { cause: Cause; values: Values } {
  const name = errnoName(errno) as ErrnoName;
  const flags = sqe === undefined ? context.flags ?? 0 : ((sqe.words[sqe.at] ?? 0) >>> 8) & 0xff;
  const here = new Set<Circumstance>();
  if ((flags & groups.IOSQE.FIXED_FILE) !== 0) here.add("fixedFile");
  if ((flags & groups.IOSQE.BUFFER_SELECT) !== 0) {
    here.add(op.flags.includes("BUFFER_SELECT") ? "bufferSelect" : "noSelect");
  }
  if ((flags & SKIP_AND_DRAIN) === SKIP_AND_DRAIN) here.add("skipAndDrain");
  if ((flags & ~0x7f) !== 0) here.add("unknownFlag");
  if (context.open === true) here.add("open");
  if (context.groupKnown === true) here.add("groupKnown");
  const values: Values = { op: op.name, since: op.since };
  const put = (key: string, value: number | bigint | string | undefined) => {
    if (value !== undefined) values[key] = `${value}`;
  };
  if (sqe !== undefined) {
    const isFd = "fd" in op.fields && !kindOf(sqe, "fd").startsWith("flags");
    if (isFd) put("fd", signed(member(sqe, "fd")));
    if ("len" in op.fields) put("len", member(sqe, "len"));
    if (kindOf(sqe, "off") === "fileOffset") put("off", member(sqe, "off"));
    put("buf_group", member(sqe, "buf_group"));
    put("buf_index", member(sqe, "buf_index"));
  }
  put("fd", context.fd);
  put("path", context.path);
  put("len", context.len);
  put("off", context.offset);
  put("buf_group", context.group);
  put("buf_index", context.bufferIndex);
  const special = (causes: Causes | undefined) => causes?.or?.find(({ when }) => here.has(when));
  const own = op.errno[name];
  const any = ANY_OP[name];
  return { cause: special(own) ?? special(any) ?? own ?? any ?? { cause: errnoText(errno), fix: "" }, values };
}

function explainFor(errno: number, op: Op, context: ExplainContext, sqe?: SqeWords): string {
  const { cause, values } = causeOf(errno, op, context, sqe);
  return `${errnoName(errno)}: ${fill(cause.cause, values)}`;
}

function opNamed(name: string): Op | undefined {
  return (OPS as Readonly<Record<string, Op>>)[name.toUpperCase()];
}

function sqeIn(bytes: Uint8Array): SqeWords {
  // The bytes may lie at any offset; words may not.
  return { words: new Int32Array(bytes.slice().buffer), at: 0 };
}

function cqeIn(bytes: Uint8Array): CqeFields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { userData: view.getBigUint64(0, true), res: view.getInt32(8, true), flags: view.getUint32(12, true) };
}

/**
 * What an error number means in general.
 *
 * @param errno negative or positive
 * @returns such as "EBADF: bad file descriptor"
 */
export function explain(errno: number): string;
/**
 * What an error means to an op.
 *
 * @param errno negative or positive
 * @param op the op's short name, such as "READ"
 * @param context what else is known
 * @returns such as "EBADF: fd 9999 is not open"
 *
 * @example
 * ```ts
 * import { explain } from "@uring/uring/abi";
 *
 * console.assert(explain(-9, "READ", { fd: 9999 }) === "EBADF: fd 9999 is not open");
 * console.assert(explain(-105, "RECV", { group: 7, groupKnown: true }) === "ENOBUFS: buffer group 7 is exhausted");
 * ```
 */
export function explain(errno: number, op: string, context?: ExplainContext): string;
/**
 * An SQE in words, and with a result what that result means.
 *
 * @param sqe its words, or its 64 (or 128) bytes
 * @param res the result of its completion
 * @param context what else is known
 * @returns such as "READ fd=9999 len=4096 offset=0 → EBADF: fd 9999 is not open"
 *
 * @example
 * ```ts
 * import { explain, prepRead } from "@uring/uring/abi";
 *
 * const words = new Int32Array(16);
 * prepRead(words, 0, 9999, 0, 4096, 0);
 * console.assert(explain({ words, at: 0 }) === "READ fd=9999 len=4096 offset=0");
 * ```
 */
export function explain(sqe: SqeWords | Uint8Array, res?: number, context?: ExplainContext): string;
/**
 * A CQE in words.
 *
 * @param cqe its fields; 16 or 32 bytes of it will do, too
 * @returns such as "user_data=7 res=512 buffer=3 flags=MORE"
 */
export function explain(cqe: CqeFields): string;
export function explain(
  what: number | SqeWords | Uint8Array | CqeFields,
  more?: string | number,
  context: ExplainContext = {},
): string {
  if (typeof what === "number") {
    const op = typeof more === "string" ? opNamed(more) : undefined;
    return op === undefined || what === 0 ? explainErrno(what) : explainFor(what, op, context);
  }
  if (what instanceof Uint8Array && what.length < 64) return explainCqe(cqeIn(what));
  if ("res" in what) return explainCqe(what);
  const sqe = what instanceof Uint8Array ? sqeIn(what) : what;
  const text = explainSqe(sqe, context.path);
  if (typeof more !== "number") return text;
  if (more >= 0) return `${text} → ${more}`;
  const op = opIn(sqe);
  if (op === undefined) return `${text} → ${explainErrno(more)}`;
  return `${text} → ${explainFor(more, op, context, sqe)}`;
}

/**
 * What to do about an error of an op.
 *
 * @param errno negative or positive
 * @param op the op's short name, or its SQE
 * @param context what else is known
 * @returns such as "open it with O_RDONLY or O_RDWR"; empty where there is nothing to say
 *
 * @example
 * ```ts
 * import { remedy } from "@uring/uring/abi";
 *
 * console.assert(remedy(-9, "READ", { fd: 3, open: true }) === "open it with O_RDONLY or O_RDWR");
 * ```
 */
export function remedy(errno: number, op: string | SqeWords, context: ExplainContext = {}): string {
  const sqe = typeof op === "string" ? undefined : op;
  const entry = typeof op === "string" ? opNamed(op) : opIn(op);
  if (entry === undefined || errno === 0) return "";
  const { cause, values } = causeOf(errno, entry, context, sqe);
  return fill(cause.fix, values);
}

/**
 * Whether an error is one that the description lists for an op, or that any op can give.
 *
 * @param errno negative or positive
 * @param op the op's short name
 * @returns false for an error that comes as a surprise
 */
export function isKnownError(errno: number, op: string): boolean {
  const name = errnoName(errno) as ErrnoName;
  return name in ERRNO && (name in (opNamed(op)?.errno ?? {}) || name in ANY_OP);
}
