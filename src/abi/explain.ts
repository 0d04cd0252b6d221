/**
 * Puts SQEs, CQEs and errors into words.
 *
 * @module
 */
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F, IOSQE } from "./constants.ts";
import { ERRNO, type ErrnoName, errnoName, errnoText } from "./errno.ts";
import { flagsText, kindOf, member, opIn, signed, sqeText, type SqeWords } from "./explain_sqe.ts";
import { ANY_OP } from "./ops/causes.ts";
import type { Cause, Causes, Circumstance, Op } from "./ops/op.ts";
import { type Register, registerTable } from "./ops/registers.ts";
import { opNamed } from "./ops/table.ts";

export type { SqeWords };

/** What the caller knows beyond the SQE: it makes causes precise. */
export interface ExplainContext {
  /** The file descriptor, or slot. */
  readonly fd?: number | undefined;
  /** The path that was given. */
  readonly path?: string | undefined;
  /** The second path, of an op that takes two. */
  readonly dest?: string | undefined;
  /**
   * The file is known to be open: then EBADF means that it is not open for this. `"unknown"`: nobody has looked, and
   * both are to be named. Left out: it is taken for not open.
   */
  readonly open?: boolean | "unknown" | undefined;
  /** The buffer group. */
  readonly group?: number | undefined;
  /** The buffer group is known to exist: then ENOBUFS means that it is exhausted; false: that there is none. */
  readonly groupKnown?: boolean | undefined;
  /** The registered buffer. */
  readonly bufferIndex?: number | undefined;
  /** The ring polls for completions (IORING_SETUP_IOPOLL). */
  readonly iopoll?: boolean | undefined;
  /** IOSQE bits. */
  readonly flags?: number | undefined;
  /** The length. */
  readonly len?: number | undefined;
  /** The offset. */
  readonly offset?: number | bigint | undefined;
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

const SKIP_AND_DRAIN = IOSQE.CQE_SKIP_SUCCESS | IOSQE.IO_DRAIN;

/** The flags of a CQE, with a blank before each; the high half is the buffer's number. */
function cqeFlagsText(flags: number): string {
  const rest = flags & 0xffff & ~IORING_CQE_F.BUFFER;
  const buffer = (flags & IORING_CQE_F.BUFFER) === 0 ? "" : ` buffer=${flags >>> IORING_CQE_BUFFER_SHIFT}`;
  return rest === 0 ? buffer : `${buffer} flags=${flagsText("IORING_CQE_F", rest)}`;
}

function explainCqe({ userData, res, flags }: CqeFields): string {
  const text = `user_data=${userData} res=${res}${cqeFlagsText(flags)}`;
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

function circumstances(op: Op, flags: number, context: ExplainContext): Set<Circumstance> {
  const here = new Set<Circumstance>();
  if ((flags & IOSQE.FIXED_FILE) !== 0) here.add(op.flags.includes("FIXED_FILE") ? "fixedFile" : "noFixedFile");
  if ((flags & IOSQE.BUFFER_SELECT) !== 0) here.add(op.flags.includes("BUFFER_SELECT") ? "bufferSelect" : "noSelect");
  if ((flags & SKIP_AND_DRAIN) === SKIP_AND_DRAIN) here.add("skipAndDrain");
  if ((flags & ~0x7f) !== 0) here.add("unknownFlag");
  if (context.open === true) here.add("open");
  if (context.open === "unknown") here.add("perhapsOpen");
  if (context.groupKnown !== undefined) here.add(context.groupKnown ? "groupKnown" : "noGroup");
  if (context.iopoll === true) here.add("iopoll");
  return here;
}

function valuesOf(op: Op, context: ExplainContext, sqe: SqeWords | undefined): Values {
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
  return values;
}

function causeIn(errno: number, op: Op, context: ExplainContext, sqe?: SqeWords): Cause {
  const name = errnoName(errno) as ErrnoName;
  const flags = sqe === undefined ? context.flags ?? 0 : ((sqe.words[sqe.at] ?? 0) >>> 8) & 0xff;
  const here = circumstances(op, flags, context);
  const special = (causes: Causes | undefined) => causes?.or?.find(({ when }) => here.has(when));
  const own = op.errno[name];
  const any = ANY_OP[name];
  const { cause, fix } = special(own) ?? special(any) ?? own ?? any ?? { cause: errnoText(errno), fix: "" };
  const values = valuesOf(op, context, sqe);
  return { cause: fill(cause, values), fix: fill(fix, values) };
}

/** `REGISTER_BUFFERS`, with or without the kernel's prefix. */
function registerNamed(name: string): Register | undefined {
  const [, short] = /^(?:IORING_)?REGISTER_(\w+)$/i.exec(name) ?? [];
  const table: Readonly<Record<string, Register>> = registerTable();
  return short !== undefined && Object.hasOwn(table, short.toUpperCase()) ? table[short.toUpperCase()] : undefined;
}

/** Errors that any op of io_uring_register(2) can give. */
const ANY_REGISTER: Readonly<Partial<Record<ErrnoName, Cause>>> = {
  EACCES: { cause: "forbidden by the ring's restrictions", fix: "allow it before the ring is enabled" },
  EBADF: { cause: "the ring is not open", fix: "open one, and close it last" },
  EEXIST: { cause: "the ring belongs to another thread", fix: "call from the thread that opened it" },
  EFAULT: { cause: "the argument is not memory of this process", fix: "check its address and size" },
  EINVAL: { cause: "this kernel does not have it, or does not take these arguments", fix: "it needs Linux {since}" },
};

function causeOfRegister(errno: number, register: Register): Cause {
  const name = errnoName(errno) as ErrnoName;
  const { cause, fix } = register.errno[name] ?? ANY_REGISTER[name] ?? { cause: errnoText(errno), fix: "" };
  return { cause, fix: fill(fix, { since: register.since }) };
}

/**
 * Why an op gave an error, and what to do about it.
 *
 * @param errno negative or positive
 * @param op the op's short name, such as `"READ"`; `"REGISTER_BUFFERS"` for one of io_uring_register(2); or an SQE
 * @param context what else is known
 * @returns cause and fix, half a sentence each; the fix is empty where there is nothing to say. Of an op that does not
 * exist the errno's general text
 *
 * @example
 * ```ts
 * import { causeOf } from "@uring/uring/abi";
 *
 * const { cause, fix } = causeOf(-9, "READ", { fd: 3, open: true });
 * console.assert(cause === "fd 3 is not open for reading" && fix === "open it with O_RDONLY or O_RDWR");
 * ```
 */
export function causeOf(errno: number, op: string | SqeWords, context: ExplainContext = {}): Cause {
  if (errno === 0) return { cause: "no error", fix: "" };
  if (typeof op !== "string") {
    const entry = opIn(op);
    return entry === undefined ? { cause: errnoText(errno), fix: "" } : causeIn(errno, entry, context, op);
  }
  const entry = opNamed(op);
  if (entry !== undefined) return causeIn(errno, entry, context);
  const register = registerNamed(op);
  return register === undefined ? { cause: errnoText(errno), fix: "" } : causeOfRegister(errno, register);
}

function resultText(sqe: SqeWords, res: number, context: ExplainContext): string {
  if (res < 0) return `${errnoName(res)}: ${causeOf(res, sqe, context).cause}`;
  return opIn(sqe)?.result === "events" && res !== 0 ? flagsText("POLL", res) : `${res}`;
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
 * @param op the op's short name, such as `"READ"`; `"REGISTER_BUFFERS"` for one of io_uring_register(2)
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
 * @param result the result of its completion, or the completion
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
 * console.assert(explain({ words, at: 0 }, -9) === "READ fd=9999 len=4096 offset=0 → EBADF: fd 9999 is not open");
 * ```
 */
export function explain(
  sqe: SqeWords | Uint8Array,
  result?: number | Pick<CqeFields, "res" | "flags">,
  context?: ExplainContext,
): string;
/**
 * A CQE in words.
 *
 * @param cqe its fields; 16 or 32 bytes of it will do, too
 * @returns such as "user_data=7 res=512 buffer=3 flags=MORE"
 */
export function explain(cqe: CqeFields): string;
export function explain(
  what: number | SqeWords | Uint8Array | CqeFields,
  more?: string | number | Pick<CqeFields, "res" | "flags">,
  context: ExplainContext = {},
): string {
  if (typeof what === "number") {
    if (typeof more !== "string" || what === 0) return explainErrno(what);
    return `${errnoName(what)}: ${causeOf(what, more, context).cause}`;
  }
  if (what instanceof Uint8Array && what.length < 64) return explainCqe(cqeIn(what));
  if ("res" in what) return explainCqe(what);
  const sqe = what instanceof Uint8Array ? sqeIn(what) : what;
  const text = sqeText(sqe, context);
  if (typeof more === "number") return `${text} → ${resultText(sqe, more, context)}`;
  if (typeof more !== "object") return text;
  return `${text} → ${resultText(sqe, more.res, context)}${cqeFlagsText(more.flags)}`;
}

/**
 * What to do about an error of an op: {@linkcode causeOf}'s second half.
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
  return causeOf(errno, op, context).fix;
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
