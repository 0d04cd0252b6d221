import { Ring, type RingOptions, UnsupportedError } from "../../mod.ts";

const ALL: readonly [name: string, options: RingOptions][] = [
  ["ordinary", {}],
  ["without deferTaskrun", { deferTaskrun: false, singleIssuer: false }],
  ["with a submission thread", { sqpoll: { idle: 5 } }],
  ["that polls", { iopoll: true }],
  ["with a registered descriptor", { registerFd: true }],
  ["in memory of its own", { noMmap: true }],
  ["without a descriptor", { noMmap: true, registeredFdOnly: true }],
  ["with SQEs of 128 bytes", { sqe128: true }],
  ["with SQEs of both sizes", { sqeMixed: true }],
  ["with CQEs of 32 bytes", { cqe32: true }],
  ["with CQEs of both sizes", { cqeMixed: true }],
  ["with a wait region", { waitRegion: true }],
  ["that is disabled", { disabled: true }],
];

function canOpen(options: RingOptions): boolean {
  try {
    new Ring({ entries: 2, ...options })[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

/** The kinds of rings that this kernel has, by name. */
export const RING_KINDS: readonly (readonly [name: string, options: RingOptions])[] = ALL.filter(([, options]) =>
  canOpen(options)
);

/**
 * Those of them that differ in who runs an operation, and when: this thread where it asks for completions, this thread
 * wherever it is, or one of the kernel's.
 */
export const TASK_KINDS: typeof RING_KINDS = RING_KINDS.filter(([name]) =>
  ["ordinary", "without deferTaskrun", "with a submission thread"].includes(name)
);

/** Whether a kernel's thread submits, in its own time: what submit() gave may not have begun then. */
export function submitsLater(options: RingOptions): boolean {
  return options.sqpoll !== undefined;
}

/** Rows of a table whose first is a name, on a ring of each of those kinds: its name and options come second. */
export function onEachKind<T extends unknown[]>(
  rows: readonly [string, ...T][],
): [name: string, kind: string, options: RingOptions, ...rest: T][] {
  return TASK_KINDS.flatMap(([kind, options]) =>
    rows.map(([name, ...rest]): [string, string, RingOptions, ...T] => [name, kind, options, ...rest])
  );
}

/** What resize() needs: not every kernel gives a ring that by itself. */
export const RESIZABLE = { singleIssuer: true, deferTaskrun: true } as const;

/** Whether this kernel can resize rings (6.13). */
export const CAN_RESIZE: boolean = canOpen(RESIZABLE) && canResize();

function canResize(): boolean {
  using ring = new Ring({ ...RESIZABLE, entries: 2 });
  try {
    ring.resize({ entries: 2 });
    return true;
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}
