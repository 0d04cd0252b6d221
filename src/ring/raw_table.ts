/**
 * What a RawRing's operations hold until their final completion.
 *
 * The kernel sees a slot's number in place of the caller's user data, for those operations alone that hold memory; the
 * caller never does. The table outlives a RawRing that was dropped with operations in flight.
 *
 * @module
 */

import { IORING_CQE_F, IORING_SETUP, IOSQE } from "../abi/constants.ts";
import type { Home } from "../memory/address.ts";
import { giveScratch, type Scratch } from "../memory/scratch.ts";
import { type Core, isWide } from "./core.ts";
import { keepForGood, keptError } from "./kept.ts";
import { LINKS } from "./pending.ts";
import type { More } from "./raw_memory.ts";

/** user_data's high word of an operation that holds memory: the core counts these. */
const HELD = 0x80000000 | 0;
const GENERATION_MASK = 0x3fffffff;
const USER_DATA = 8;
/** In an SQE's first word. */
const SKIP = IOSQE.CQE_SKIP_SUCCESS << 8;
const LINKED = LINKS << 8;
const SELECT = IOSQE.BUFFER_SELECT << 8;

export class RawTable {
  readonly #core: Core;
  #userData: Float64Array = new Float64Array(256);
  #generations: Int32Array = new Int32Array(256).fill(HELD);
  /** 1 while in flight. */
  #taken: Uint8Array = new Uint8Array(256);
  #opcodes: Uint8Array = new Uint8Array(256);
  readonly #homes: (Home | null)[] = [];
  readonly #scratches: (Scratch | null)[] = [];
  /** Further homes and scratch memory, of the few that have them. */
  readonly #more = new Map<number, More>();
  readonly #free: number[] = [];
  #slots = 0;
  /** Prepared since the last submit: the SQE's word, and its slot. */
  #preparedAt: Int32Array;
  #preparedSlots: Int32Array;
  #prepared = 0;
  /** What the kernel may fill at any time: memory given to groups of provided buffers. */
  readonly #provided = new Set<Home>();
  /** Something that takes a provided buffer had CQE_SKIP_SUCCESS: nobody tells when the kernel is done with it. */
  #silentSelect = false;
  readonly #mixed: boolean;

  constructor(core: Core) {
    this.#core = core;
    this.#mixed = (core.setupFlags & IORING_SETUP.SQE_MIXED) !== 0;
    this.#preparedAt = new Int32Array(core.entries);
    this.#preparedSlots = new Int32Array(core.entries);
  }

  /** The queue has another size; what is prepared is where it was. */
  resize(): void {
    const { entries } = this.#core;
    if (entries <= this.#preparedAt.length) return;
    this.#preparedAt = grown(this.#preparedAt, new Int32Array(entries));
    this.#preparedSlots = grown(this.#preparedSlots, new Int32Array(entries));
  }

  /** The SQE at `at` holds this. */
  hold(at: number, home: Home | null, scratch: Scratch | null): number {
    const slot = this.#free.length > 0 ? this.#free.pop()! : this.#grow();
    this.#homes[slot] = home;
    this.#scratches[slot] = scratch;
    this.#taken[slot] = 1;
    this.#preparedAt[this.#prepared] = at;
    this.#preparedSlots[this.#prepared++] = slot;
    return slot;
  }

  /** As {@linkcode hold}, and more than that. */
  holdMore(at: number, home: Home | null, scratch: Scratch | null, more: More): void {
    this.#more.set(this.hold(at, home, scratch), more);
  }

  /** The SQE at `at`, the last that was prepared, holds this, too. */
  holdAlso(at: number, home: Home): void {
    const last = this.#prepared - 1;
    if (last < 0 || this.#preparedAt[last] !== at) return void this.hold(at, home, null);
    const slot = this.#preparedSlots[last]!;
    const more = this.#more.get(slot);
    this.#more.set(slot, { ...more, homes: [...more?.homes ?? [], home] });
  }

  /** Holds memory until the ring is closed: the kernel fills provided buffers for whichever operation comes. */
  provide(home: Home): void {
    this.#provided.add(home);
  }

  /** Before a submit: puts slots in place of user data, as the caller left them in the SQEs. */
  commit(): void {
    const { sqes, sqeWords } = this.#core;
    for (let i = 0; i < this.#prepared; i++) {
      const first = this.#preparedAt[i]!;
      const head = sqes[first]!;
      const at = first + USER_DATA;
      const slot = this.#preparedSlots[i]!;
      const maybeLinked = first > 0 && ((sqes[first - sqeWords]! & LINKED) !== 0 || this.#mixed);
      if ((head & SKIP) !== 0 || maybeLinked && this.#followsSilent(first)) {
        if ((head & SELECT) !== 0) this.#silentSelect = true;
        this.#keepForGood(slot);
        continue;
      }
      const low = sqes[at]!;
      const high = sqes[at + 1]!;
      this.#userData[slot] = high === 0 && low >= 0 ? low : join(low, high);
      this.#opcodes[slot] = head;
      sqes[at] = slot;
      sqes[at + 1] = this.#generations[slot]!;
    }
    this.#prepared = 0;
  }

  /**
   * Whether an SQE is linked to one with CQE_SKIP_SUCCESS, near or far: where that fails, the kernel leaves out the
   * completions of what was to follow.
   */
  #followsSilent(at: number): boolean {
    const { sqes } = this.#core;
    for (let before = this.#before(at); before >= 0; before = this.#before(before)) {
      const head = sqes[before]!;
      if ((head & LINKED) === 0) return false;
      if ((head & SKIP) !== 0) return true;
    }
    return false;
  }

  /** Where the SQE before lies. */
  #before(at: number): number {
    const { sqes, sqeWords } = this.#core;
    const wide = at - 2 * sqeWords;
    return this.#mixed && wide >= 0 && isWide(sqes[wide]! & 0xff) ? wide : at - sqeWords;
  }

  /** The caller's user data for a completion; frees the slot on the final one. */
  take(low: number, high: number, flags: number): number {
    if (high >= 0 || low < 0 || low >= this.#slots || this.#generations[low] !== high) return join(low, high);
    const userData = this.#userData[low]!;
    if ((flags & IORING_CQE_F.MORE) === 0) this.#release(low);
    return userData;
  }

  /**
   * What the kernel knows operations by that have this user data, and are of one of these opcodes, or of any. A search:
   * cancelling is rare.
   */
  kernelUserData(userData: number | bigint, opcodes: readonly number[] | undefined): bigint[] {
    this.#readPrepared();
    const found: bigint[] = [];
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#taken[slot] !== 1 || this.#userData[slot] !== Number(userData)) continue;
      if (opcodes !== undefined && !opcodes.includes(this.#opcodes[slot]!)) continue;
      found.push(BigInt.asUintN(64, BigInt(this.#generations[slot]!) << 32n | BigInt(slot)));
    }
    return found;
  }

  /** User data of SQEs that are prepared but not submitted can be named, too. */
  #readPrepared(): void {
    const { sqes } = this.#core;
    for (let i = 0; i < this.#prepared; i++) {
      const first = this.#preparedAt[i]!;
      const at = first + USER_DATA;
      this.#opcodes[this.#preparedSlots[i]!] = sqes[first]!;
      // Its user data stay as they are: see keepForGood.
      const isSilent = (sqes[first]! & SKIP) !== 0 || this.#followsSilent(first);
      this.#userData[this.#preparedSlots[i]!] = isSilent ? NaN : join(sqes[at]!, sqes[at + 1]!);
    }
  }

  #release(slot: number): void {
    if (this.#more.size > 0) {
      const more = this.#more.get(slot);
      more?.ended?.();
      if (more?.scratch) giveScratch(more.scratch);
    }
    const scratch = this.#scratches[slot]!;
    if (scratch !== null) giveScratch(scratch);
    this.#empty(slot);
  }

  #empty(slot: number): void {
    this.#generations[slot] = HELD | ((this.#generations[slot]! + 1) & GENERATION_MASK);
    this.#taken[slot] = 0;
    this.#homes[slot] = null;
    this.#scratches[slot] = null;
    if (this.#more.size > 0) this.#more.delete(slot);
    this.#free.push(slot);
  }

  /**
   * With CQE_SKIP_SUCCESS nobody tells when the kernel is done with an operation's memory: it is never let go. The slot
   * is: the completion of a failure carries the caller's own user data. The end of the thread waits for the kernel.
   */
  #keepForGood(slot: number): void {
    this.#core.silent();
    keep(this.#homes[slot]!, this.#scratches[slot]!);
    const more = this.#more.get(slot);
    more?.homes?.forEach((home) => keep(home, null));
    keep(null, more?.scratch ?? null);
    this.#empty(slot);
  }

  #grow(): number {
    const slot = this.#slots++;
    if (slot >= this.#userData.length) {
      this.#userData = grown(this.#userData, new Float64Array(slot * 2));
      this.#generations = grown(this.#generations, new Int32Array(slot * 2).fill(HELD));
      this.#taken = grown(this.#taken, new Uint8Array(slot * 2));
      this.#opcodes = grown(this.#opcodes, new Uint8Array(slot * 2));
    }
    this.#homes.push(null);
    this.#scratches.push(null);
    this.#core.nameSlots(this.#generations, this.#slots);
    return slot;
  }

  /**
   * Drains and closes. What can't be drained keeps the table, and with it the memory, for good.
   *
   * @throws {UringError} EBUSY: that is how it was
   */
  close(): void {
    const { closed, closeTimeout } = this.#core;
    if (closed) return;
    if (!this.#core.close(closeTimeout)) {
      keepForGood(this);
      throw keptError(closeTimeout, []);
    }
    if (this.#silentSelect) this.#provided.forEach(keepForGood);
    // Whoever keeps the closed ring need not keep its memory.
    this.#provided.clear();
    this.#homes.fill(null);
    this.#more.clear();
  }
}

function keep(home: Home | null, scratch: Scratch | null): void {
  if (home !== null) keepForGood(home);
  if (scratch !== null) keepForGood(scratch.bytes.buffer);
}

function join(low: number, high: number): number {
  return (high >>> 0) * 4294967296 + (low >>> 0);
}

function grown<T extends Float64Array | Int32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
