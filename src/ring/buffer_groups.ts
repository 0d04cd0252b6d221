/**
 * Which buffer groups are registered with a ring.
 *
 * @module
 */

import { IORING_REGISTER, IOU_PBUF_RING } from "../abi/constants.ts";
import type { Home } from "../memory/address.ts";
import type { BufferGroup, BufferRing } from "../memory/buffer_ring.ts";
import { shown } from "./arguments.ts";
import type { Engine } from "./engine.ts";
import { type ErrorContext, RingClosedError, UnsupportedError, UringError } from "./errors.ts";
import { kernelRelease } from "./probe.ts";
import { ProvidedBuffers } from "./provided_buffers.ts";
import { registerError } from "./register_call.ts";

const EEXIST = -17;
const EINVAL = -22;
const ENOMEM = -12;
const ENOBUFS = -105;

/** Groups below have a list of their own in kernels before 6.9, which keeps its place from one ring to the next. */
const LISTED = 64;

/** The buffer groups of one ring. */
export class BufferGroups {
  readonly #engine: Engine;
  /** By number: rings of buffers, which are registered, and groups that operations make. */
  readonly #groups = new Map<number, BufferGroup>();
  /** What operations in flight hold that name a group which has ended, as long as there are any. */
  readonly #left = new Map<number, WeakRef<Home>>();

  /** Numbers of rings that were taken back, where the kernel keeps their places. */
  readonly #spent = new Set<number>();
  readonly #keepsPlaces: () => boolean;

  /** @param keepsPlaces whether this kernel is one before 6.9 */
  constructor(engine: Engine, keepsPlaces: () => boolean) {
    this.#engine = engine;
    this.#keepsPlaces = keepsPlaces;
  }

  /** Refuses what is no open group of this ring's: the kernel knows a number alone, which each ring may have. */
  check(buffers: BufferGroup): void {
    if (typeof buffers?.whenProvided !== "function") {
      throw new TypeError(`buffers must be a BufferRing, not ${shown(buffers)}`);
    }
    if (buffers.closed) throw new TypeError("buffers is closed: make another BufferRing");
    const { group } = buffers;
    if (this.#groups.get(group) === buffers) return;
    if (buffers instanceof ProvidedBuffers && buffers.left === 0) {
      throw new TypeError(`buffers is group ${group}, but all of it was removed, and others have that number now`);
    }
    throw new TypeError(
      `buffers is group ${group} of another ring: make a BufferRing with { ring } for each ring that uses one`,
    );
  }

  /** The group of a number, if it is one that operations make. */
  provided(group: number): ProvidedBuffers | undefined {
    const buffers = this.#groups.get(group);
    return buffers instanceof ProvidedBuffers ? buffers : undefined;
  }

  /**
   * Makes a group known that operations make.
   *
   * @throws {TypeError} when its number is taken: the kernel would add these buffers to those
   */
  adopt(buffers: ProvidedBuffers): void {
    const { group } = buffers;
    if (this.#isTaken(group)) {
      throw new TypeError(`group ${group} has buffers already: give another number, or remove all of those first`);
    }
    this.#checkUnnamed(group);
    this.#own(group, buffers);
  }

  /** The kernel did not take the buffers of a group. */
  abandon(buffers: ProvidedBuffers): void {
    this.#groups.delete(buffers.group);
  }

  /** Registers places for buffers; gives the group's number. */
  add(buffers: BufferRing, address: number, entries: number, asked: number | undefined, flags: number): number {
    if (this.#engine.closed) throw new RingClosedError("BufferRing");
    if (asked !== undefined) this.#checkUnnamed(asked);
    // The kernel would not refuse that of provided buffers all of which are lent.
    if (asked !== undefined && this.#isTaken(asked)) throw refusal(EEXIST, asked, flags);
    if (asked !== undefined && this.#spent.has(asked)) {
      throw new TypeError(
        `group ${asked} had a BufferRing before, and before Linux 6.9 another of that number goes on at its place: ` +
          `give a number from ${LISTED} on, or none`,
      );
    }
    const group = asked ?? this.#firstFree();
    // struct io_uring_buf_reg: ring_addr, ring_entries, bgid, flags.
    const arg = new DataView(new ArrayBuffer(40));
    arg.setBigUint64(0, BigInt(address), true);
    arg.setUint32(8, entries, true);
    arg.setUint16(12, group, true);
    arg.setUint16(14, flags, true);
    const rc = this.#engine.core.register(IORING_REGISTER.PBUF_RING, arg, 1);
    if (rc < 0) throw refusal(rc, group, flags);
    this.#own(group, buffers);
    // Its pages must outlive a Ring that was dropped with operations in flight; itself would keep that Ring for good.
    this.#engine.holds.add(buffers.pages);
    return group;
  }

  /** Takes a registration back. Operations in flight hold the pages themselves. */
  remove(buffers: BufferRing): void {
    if (this.#groups.get(buffers.group) !== buffers) return;
    // What was asked for before is to find no buffers, not another's that get the number.
    if (!this.#engine.ended) this.#engine.submitStaged();
    if (!this.#engine.core.closed) {
      const arg = new DataView(new ArrayBuffer(40));
      arg.setUint16(12, buffers.group, true);
      const rc = this.#engine.core.register(IORING_REGISTER.UNREGISTER_PBUF_RING, arg, 1);
      if (rc < 0) throw new UringError(rc, "io_uring_register", { detail: `group ${buffers.group} stays registered` });
      this.#engine.holds.delete(buffers.pages);
      if (buffers.group < LISTED && !this.#engine.closed && this.#keepsPlaces()) this.#spent.add(buffers.group);
    }
    this.#groups.delete(buffers.group);
    this.#left.set(buffers.group, new WeakRef(buffers.home));
  }

  #own(group: number, buffers: BufferGroup): void {
    const before = this.#groups.get(group);
    this.#groups.set(group, buffers);
    if (before instanceof ProvidedBuffers) before.replaced();
  }

  /** Whether somebody has a number: with a group that operations make, until all of its buffers were removed. */
  #isTaken(group: number): boolean {
    const buffers = this.#groups.get(group);
    if (!(buffers instanceof ProvidedBuffers)) return buffers !== undefined;
    return buffers.left > 0 || this.#engine.usesHome(buffers.home);
  }

  #checkUnnamed(group: number): void {
    if (!this.#isNamed(group)) return;
    throw new TypeError(
      `group ${group} was closed, but operations in flight still name it: wait for them, or give another number`,
    );
  }

  /** Whether operations in flight name a group that has ended. */
  #isNamed(group: number): boolean {
    const home = this.#left.get(group)?.deref();
    if (home !== undefined && this.#engine.usesHome(home)) return true;
    this.#left.delete(group);
    return false;
  }

  /** The kernel's place in a group. */
  head(group: number): number {
    if (this.#engine.core.closed) throw new RingClosedError("head");
    const head = this.#headOf(group);
    if (head === EINVAL) throw new UnsupportedError("the head of a buffer ring", "Linux 6.8", kernelRelease());
    if (head < 0) throw new UringError(head, "io_uring_register");
    return head;
  }

  /** A send of many buffers has ended. */
  sent(buffers: BufferRing): void {
    if (!buffers.isGiven || this.#engine.core.closed || this.#engine.choosesFrom(buffers.home)) return;
    const head = this.#headOf(buffers.group);
    if (head >= 0) buffers.takeBack(head);
  }

  /** −errno, where the kernel does not tell. */
  #headOf(group: number): number {
    // struct io_uring_buf_status: buf_group, head.
    const arg = new DataView(new ArrayBuffer(40));
    arg.setUint32(0, group, true);
    const rc = this.#engine.core.register(IORING_REGISTER.PBUF_STATUS, arg, 1);
    return rc < 0 ? rc : arg.getUint32(4, true);
  }

  #firstFree(): number {
    for (let group = 0; group <= 0xffff; group++) {
      if (!this.#isTaken(group) && !this.#isNamed(group) && !this.#spent.has(group)) return group;
    }
    throw new RangeError("all 65536 groups of the ring are in use: close a BufferRing");
  }
}

/** For an operation's `failed`: a group that was closed under it is not exhausted. */
export function closedMeanwhile(
  op: string,
  context: ErrorContext,
  buffers: BufferGroup,
): (errno: number) => UringError | undefined {
  const detail = `buffer group ${buffers.group} was closed meanwhile: close it when nothing chooses from it any more`;
  return (errno) => errno === ENOBUFS && buffers.closed ? new UringError(errno, op, { ...context, detail }) : undefined;
}

function refusal(errno: number, group: number, flags: number): Error {
  if (errno === EINVAL && (flags & IOU_PBUF_RING.INC) !== 0) {
    return new UnsupportedError("incremental consumption of buffers", "Linux 6.12", kernelRelease());
  }
  if (errno === EINVAL) return registerError(errno, "PBUF_RING");
  const detail = errno === EEXIST
    ? `group ${group} is registered already: give another number, or none`
    : errno === ENOMEM
    ? "no memory for it, or beyond `ulimit -l`: fewer or smaller buffers"
    : undefined;
  return new UringError(errno, "io_uring_register", { detail });
}
