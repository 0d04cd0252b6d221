/**
 * Operations that complete again and again, and those that choose their buffer from a group.
 *
 * @module
 */

import {
  IORING_ACCEPT,
  IORING_CQE_F,
  IORING_FEAT,
  IORING_OP,
  IORING_RECVSEND,
  IORING_SETUP,
  IORING_TIMEOUT,
  IOSQE,
  MSG,
  SOCK,
} from "../abi/constants.ts";
import {
  prepMultishotAccept,
  prepMultishotAcceptDirect,
  prepPollMultishot,
  prepReadMultishot,
  prepRecvmsgMultishot,
  prepRecvMultishot,
  prepRecvZc,
  prepRw,
  prepSendBundle,
  prepTimeout,
  sqeSetBufGroup,
} from "../abi/encode.ts";
import { load } from "../../ffi/load.ts";
import { type BorrowedBuffer, type BufferGroup, BufferRing } from "../memory/buffer_ring.ts";
import { MSGHDR_SIZE, parseControl, scmFds, writeMsghdr } from "../memory/msghdr.ts";
import { takeScratch } from "../memory/scratch.ts";
import {
  checkFd,
  checkFlags,
  checkInteger,
  checkMilliseconds,
  checkSendFlags,
  checkU32,
  type Offset,
  shown,
  toOffset,
} from "./arguments.ts";
import { type CheckedOptions, checkOptions, type OpOptions, writeTimespec } from "./base.ts";
import { BufferGroups, closedMeanwhile } from "./buffer_groups.ts";
import type { Engine, Paused } from "./engine.ts";
import type { Extra } from "./pending.ts";
import { UnsupportedError } from "./errors.ts";
import { cloexec } from "./net_connect.ts";
import { Multishot, type MultishotOptions, type Shots } from "./multishot.ts";
import { SystemOps } from "./ops_system.ts";
import { type CancelOptions, type CancelTarget, clockFlag, type TimeoutOptions } from "./ops_time.ts";
import { kernelRelease } from "./probe.ts";

/** Options of {@linkcode StreamOps.acceptMultishot}. */
export interface AcceptMultishotOptions extends MultishotOptions<number> {
  /** SOCK flags of each socket; SOCK_CLOEXEC is added. */
  readonly acceptFlags?: number;
  /** `"alloc"`: sockets go into free slots of the registered files; values are slots then (5.19). */
  readonly slot?: "alloc";
  /** Does not try at first, as no connection is expected to wait (6.10). */
  readonly pollFirst?: boolean;
}

/** Options of operations that receive into a buffer of a group, again and again. */
export interface RecvMultishotOptions extends MultishotOptions<BorrowedBuffer> {
  /** One completion may fill several buffers; each is a value of its own, in order (6.10). */
  readonly bundle?: boolean;
  /** Does not try at first, as nothing is expected to have come. */
  readonly pollFirst?: boolean;
}

/** Options of {@linkcode StreamOps.recvmsgMultishot}. */
export interface RecvmsgMultishotOptions extends MultishotOptions<ReceivedMessage> {
  /** Room for the sender's address, in bytes, 0 to 128. Default 28: an IPv6 address. */
  readonly nameLength?: number;
  /** Room for control messages, in bytes. Default 0. */
  readonly controlLength?: number;
  /** Does not try at first, as nothing is expected to have come. */
  readonly pollFirst?: boolean;
}

/** A message that has come, in a borrowed buffer. */
export interface ReceivedMessage extends Disposable {
  /** The buffer's number in its group. */
  readonly id: number;
  /** What was sent; cut off where the buffer ended. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The sender's `struct sockaddr`; empty where it has none. */
  readonly name: Uint8Array<ArrayBuffer>;
  /** Control messages: `struct cmsghdr`, each followed by its data. */
  readonly control: Uint8Array<ArrayBuffer>;
  /** MSG flags: TRUNC, CTRUNC, ... */
  readonly flags: number;
  /** Gives the buffer back to the kernel. Once more does nothing. */
  release(): void;
}

/** A piece of what has come in the memory of a network queue. */
export interface ZeroCopyPiece {
  /** How many bytes. */
  readonly length: number;
  /** Where they begin: the area's token in the upper 16 bits, the offset in the area below. It goes back by the refill ring. */
  readonly offset: bigint;
}

/** Options of {@linkcode StreamOps.recvZc}. */
export interface RecvZcOptions extends MultishotOptions<ZeroCopyPiece> {
  /** At most so many bytes altogether; 0: no limit. Default 0. */
  readonly length?: number;
}

/** Options of {@linkcode StreamOps.timeoutMultishot}. */
export interface TicksOptions extends MultishotOptions<number> {
  /** How many ticks; 0: without end. Default 0. */
  readonly count?: number;
  /** Which clock. */
  readonly clock?: TimeoutOptions["clock"];
}

/** Options of operations that receive into a buffer of a group, once. */
export interface SelectOptions extends OpOptions {
  /** For a socket: does not try at first, as nothing is expected to have come. */
  readonly pollFirst?: boolean;
}

/** struct io_uring_recvmsg_out. */
const RECVMSG_OUT_SIZE = 16;

const ETIME = -62;
const EINVAL = -22;

/** The kernel's clocks count nanoseconds. */
const LEAST_TICK_MS = 1e-6;
/**
 * A timer that is due whenever the kernel looks for it can't be cancelled: one of less than this ends by itself after so
 * many ticks, and is begun anew.
 */
const SHORT_TICK_MS = 1;
const SHORT_TICKS = 100;

/** Operations that complete again and again, and those that choose their buffer from a group. */
export class StreamOps extends SystemOps {
  readonly #groups: BufferGroups = new BufferGroups(this.engine, () => !this.probe().op("FTRUNCATE").supported);

  /**
   * Waits until a descriptor is ready, as poll(2), again and again.
   *
   * @param mask POLL bits: IN, OUT, ... (ERR and HUP are always told)
   * @returns the POLL bits that are set, each time
   */
  pollMultishot(fd: number, mask: number, o?: MultishotOptions<number>): Multishot<number> {
    checkFd(fd);
    checkU32(mask, "mask");
    const start = (extra: Extra, o: CheckedOptions) =>
      this.start({ op: "poll_add", fd, extra }, o, (words, at) => prepPollMultishot(words, at, fd, mask));
    return new Multishot(this.engine, { op: "poll_add", fd, start, values: (res) => [res] }, o);
  }

  /**
   * Accepts every connection on a listening socket. What nobody took is closed at the end. What waits when the ring is
   * closed can still be taken; leaving the loop, or `return()`, closes it, and so does a collection of garbage.
   *
   * @param fd the listening socket
   * @returns the descriptor of each connection; its slot with `slot: "alloc"`
   *
   * @example
   * ```ts
   * import { AF, Ring, SOCK } from "@uring/uring";
   *
   * await using ring = new Ring();
   * const server = await ring.socket(AF.INET, SOCK.STREAM);
   * await ring.bind(server, { hostname: "127.0.0.1", port: 0 });
   * await ring.listen(server, 16);
   * await using connections = ring.acceptMultishot(server);
   * // for await (const fd of connections) { ... }
   * ```
   */
  acceptMultishot(fd: number, o?: AcceptMultishotOptions): Multishot<number> {
    checkFd(fd);
    const { acceptFlags = 0 } = o ?? {};
    checkFlags(acceptFlags, "acceptFlags");
    const slot = o?.slot;
    if (slot !== undefined && slot !== "alloc") {
      throw new TypeError(`slot must be "alloc": each connection needs a slot of its own; not ${shown(slot)}`);
    }
    const flags = cloexec(acceptFlags, slot);
    const pollFirst = o?.pollFirst;
    this.needFor("SOCKET", "acceptMultishot()", "5.19");
    const start = (extra: Extra, o: CheckedOptions) =>
      this.start({ op: "accept", fd, extra }, o, (words, at) => {
        const encode = slot === undefined ? prepMultishotAccept : prepMultishotAcceptDirect;
        encode(words, at, fd, 0, 0, flags);
        if (pollFirst) words[at]! |= IORING_ACCEPT.POLL_FIRST << 16;
      });
    const shots = { op: "accept", fd, start, values: (res: number) => [res] };
    // Not by an operation: the ring may be closed by now. The slots end with it, the descriptors would not.
    if (slot === undefined) {
      return new Multishot(this.engine, { ...shots, discard: closeFd, discardLater: closeLater }, o);
    }
    const discard = (accepted: number) => this.#discardSlot(accepted);
    const discardLater = StreamOps.#discardSlotLater(new WeakRef(this));
    return new Multishot(this.engine, { ...shots, discard, discardLater }, o);
  }

  /** As {@linkcode closeLater}, but for the private member; where the ring is gone, its slots are. */
  static #discardSlotLater(ring: WeakRef<StreamOps>): (slot: number) => () => void {
    return (slot) => () => {
      const stillThere = ring.deref();
      if (stillThere !== undefined) stillThere.#discardSlot(slot);
    };
  }

  #discardSlot(slot: number): void {
    if (!this.engine.closed) void this.#closeSlot(slot).catch(ignore);
  }

  #closeSlot(slot: number): Promise<number> {
    return this.startLater(() =>
      this.start({ op: "close", fd: slot }, undefined, (words, at) => {
        prepRw(words, at, IORING_OP.CLOSE, 0, 0, 0, 0);
        words[at + 11] = slot + 1;
      })
    );
  }

  /**
   * Receives everything that comes on a socket, into buffers of a group. Ends when the other side has ended its
   * sending.
   *
   * With all buffers lent it waits until one is given back. What nobody took goes back as the loop is left, or by
   * `return()`; of a stream that has ended, by a collection of garbage, too. Of datagrams an empty one is no value, and no end;
   * `recvmsgMultishot` gives those, too. (Of a socket among the registered files, with `fixedFile`, the kind is not known,
   * and it is an end.)
   *
   * @param fd a connected socket
   * @param buffers where to; each value must be released
   * @param flags MSG flags
   */
  recvMultishot(
    fd: number,
    buffers: BufferGroup,
    flags: number = 0,
    o?: RecvMultishotOptions,
  ): Multishot<BorrowedBuffer> {
    checkFd(fd);
    this.#groups.check(buffers);
    checkFlags(flags, "flags");
    this.needFor("SEND_ZC", "recvMultishot()", "6.0");
    const fixed = isFixed(o);
    refuseCuts(fd, buffers, fixed);
    const bundle = Boolean(o?.bundle);
    if (bundle) this.#needBundles();
    const ioprio = (o?.pollFirst ? IORING_RECVSEND.POLL_FIRST : 0) | (bundle ? IORING_RECVSEND.BUNDLE : 0);
    const start = (extra: Extra, o: CheckedOptions) =>
      this.start({ op: "recv", fd, home: buffers.home, extra }, o, (words, at) => {
        prepRecvMultishot(words, at, fd, 0, 0, flags);
        words[at]! |= ioprio << 16;
        select(words, at, buffers);
      });
    // Asked once: who hears of the end may have closed the descriptor by the next time.
    let ended = false;
    const isEnd = (res: number) => ended ||= res === 0 && !DATAGRAMS.includes(socketType(fd, fixed));
    return this.#buffered(buffers, {
      op: "recv",
      fd,
      start,
      values: (res, flags) => buffers.take(res, flags, bundle),
      isEnd,
    }, o);
  }

  /**
   * Reads everything that comes on a pipe, a terminal or another file without a position, into buffers of a group.
   *
   * Of a named pipe (a FIFO) the kernel does not tell the end (seen on Linux 6.18): it waits for another writer.
   *
   * @param buffers where to; each value must be released
   * @throws {UnsupportedError} before Linux 6.7
   * @throws {UringError} (at iteration) EBADFD for a regular file: it is always ready, and can't be waited for
   */
  readMultishot(fd: number, buffers: BufferGroup, o?: MultishotOptions<BorrowedBuffer>): Multishot<BorrowedBuffer> {
    this.need("READ_MULTISHOT", "6.7");
    checkFd(fd);
    this.#groups.check(buffers);
    const start = (extra: Extra, o: CheckedOptions) =>
      this.start({ op: "read_multishot", fd, home: buffers.home, extra }, o, (words, at) => {
        prepReadMultishot(words, at, fd, 0, -1, buffers.group);
      });
    return this.#buffered(buffers, {
      op: "read_multishot",
      fd,
      start,
      values: (res, flags) => buffers.take(res, flags),
    }, o);
  }

  /**
   * Receives every message on a socket with its sender, into buffers of a group: UDP.
   *
   * Of a socket with a connection (SOCK.SEQPACKET, SOCK.STREAM) an empty message is the end, as with recvmsg(2). Of one
   * among the registered files (`fixedFile`) the kind is not known: such a stream goes on with empty messages.
   *
   * File descriptors that come with a message are open, close on exec, and the consumer's to close: those of messages that
   * nobody took are closed.
   *
   * @param buffers where to; of each buffer 16 bytes, the name and the control messages come first
   * @param flags MSG flags; MSG_CMSG_CLOEXEC is always added
   */
  recvmsgMultishot(
    fd: number,
    buffers: BufferGroup,
    flags: number = 0,
    o?: RecvmsgMultishotOptions,
  ): Multishot<ReceivedMessage> {
    checkFd(fd);
    this.#groups.check(buffers);
    checkFlags(flags, "flags");
    if (isIncremental(buffers)) throw new TypeError(CUTS);
    const { nameLength = 28, controlLength = 0, pollFirst } = o ?? {};
    const fixed = isFixed(o);
    checkInteger(nameLength, "nameLength", 0, 128);
    checkInteger(controlLength, "controlLength", 0, 65536);
    const before = RECVMSG_OUT_SIZE + nameLength + controlLength;
    if (before >= buffers.size) {
      throw new RangeError(`buffers of ${buffers.size} bytes have no room: ${before} come before each message's own`);
    }
    this.needFor("SEND_ZC", "recvmsgMultishot()", "6.0");
    const start = (extra: Extra, o: CheckedOptions) => {
      // Without memory of its own: name and control messages go into the chosen buffer.
      const scratch = takeScratch(MSGHDR_SIZE);
      writeMsghdr(scratch.view, 0, { nameLength, controlLength });
      return this.start({ op: "recvmsg", fd, home: buffers.home, scratch, extra }, o, (words, at) => {
        prepRecvmsgMultishot(words, at, fd, scratch.address, flags | MSG.CMSG_CLOEXEC);
        if (pollFirst) words[at]! |= IORING_RECVSEND.POLL_FIRST << 16;
        select(words, at, buffers);
      });
    };
    let isEnd = false;
    const values = (res: number, flags: number) => {
      const messages = buffers.take(res, flags).map((buffer) => received(buffer, nameLength, controlLength));
      // At an end the kernel gives what looks like an empty message, and stops; so it does after each that is empty.
      const [last] = messages;
      if (last === undefined || (flags & IORING_CQE_F.MORE) !== 0 || !isNothing(last)) return messages;
      isEnd = CONNECTED.includes(socketType(fd, fixed));
      if (!isEnd) return messages;
      last.release();
      return [];
    };
    const discard = (message: ReceivedMessage) => {
      closeReceived(message.control);
      message.release();
    };
    const shots = { op: "recvmsg", fd, start, values, isEnd: () => isEnd, discard };
    return this.#buffered(buffers, { ...shots, discardLater: discardReceivedLater(buffers) }, o);
  }

  /**
   * Receives without a copy, again and again, into the memory of a network queue that `registerZcrxIfq()` made (6.15).
   *
   * The refill ring is the caller's, so nothing is given back to it here: what nobody took as the loop is left, and what
   * comes before the kernel has let go, is lost to the area until the ring is closed. `ring.cancel()` loses nothing: iterate
   * on, until it throws ECANCELED.
   *
   * @param fd a socket whose packets are steered into that queue
   * @param queue the queue's id
   * @throws {TypeError} on a ring without 32-byte CQEs, which tell where the bytes are
   * @throws {UnsupportedError} before Linux 6.15
   */
  recvZc(fd: number, queue: number, o?: RecvZcOptions): Multishot<ZeroCopyPiece> {
    this.need("RECV_ZC", "6.15");
    checkFd(fd);
    checkU32(queue, "queue");
    const length = o?.length ?? 0;
    checkU32(length, "length");
    const { engine } = this;
    if ((engine.core.setupFlags & (IORING_SETUP.CQE32 | IORING_SETUP.CQE_MIXED)) === 0) {
      throw new TypeError("recvZc() needs completions of 32 bytes: open the ring with cqe32 or cqeMixed");
    }
    let left = length;
    const start = (extra: Extra, o: CheckedOptions) => {
      // For the kernel 0 is no limit.
      if (length !== 0 && left === 0) return Promise.resolve(0);
      return this.start({ op: "recv_zc", fd, extra }, o, (words, at) => prepRecvZc(words, at, fd, left, queue));
    };
    const values = (res: number) => {
      left = Math.max(left - res, 0);
      const low = engine.cqe[engine.cqeAt + 4]! >>> 0;
      const high = engine.cqe[engine.cqeAt + 5]! >>> 0;
      return [{ length: res, offset: BigInt(high) << 32n | BigInt(low) }];
    };
    return new Multishot(engine, { op: "recv_zc", fd, start, values, isEnd: (res) => res === 0 }, o);
  }

  #buffered<T extends { readonly id: number; release(): void }>(
    buffers: BufferGroup,
    shots: Shots<T>,
    o: MultishotOptions<T> | undefined,
  ): Multishot<T> {
    let provisions = 0;
    return new Multishot(this.engine, {
      isEnd: (res) => res === 0,
      discard: (buffer) => buffer.release(),
      discardLater: giveBackLater(buffers),
      ...shots,
      start: (extra, o) => {
        this.#groups.check(buffers); // closed, perhaps, since the last time
        provisions = buffers.provisions;
        return shots.start({ ...extra, group: buffers.group }, o);
      },
      whenProvided: (callback) => {
        buffers.exhausted++;
        return buffers.whenProvided(callback, provisions);
      },
    }, o);
  }

  /**
   * Ticks: a timer that goes on (6.4). Where ticks are shorter than the ring's turns, each turn brings one.
   *
   * @param ms milliseconds between ticks, at least 0.000001: a nanosecond
   * @returns the number of each tick, from 1
   * @throws {RangeError} for less than a nanosecond
   * @throws {UnsupportedError} (at iteration) before Linux 6.4
   */
  timeoutMultishot(ms: number, o?: TicksOptions): Multishot<number> {
    checkMilliseconds(ms, "ms");
    if (ms < LEAST_TICK_MS) {
      throw new RangeError(`ms must be at least 0.000001, a nanosecond, not ${ms}: with less it would never wait`);
    }
    const count = o?.count ?? 0;
    checkU32(count, "count");
    const flags = IORING_TIMEOUT.MULTISHOT | clockFlag(o?.clock);
    let ticks = 0;
    const start = (extra: Extra, o: CheckedOptions) => {
      const scratch = writeTimespec(ms);
      // No probe tells of this one: the kernel refuses a flag that it does not know.
      const failed = (errno: number) =>
        errno === EINVAL ? new UnsupportedError("a timer that goes on", "Linux 6.4", kernelRelease()) : undefined;
      return this.start({ op: "timeout", scratch, extra: { ...extra, failed } }, o, (words, at) => {
        const left = count === 0 ? Infinity : count - ticks;
        const repeats = ms < SHORT_TICK_MS ? Math.min(left, SHORT_TICKS) : left;
        prepTimeout(words, at, scratch.address, repeats === Infinity ? 0 : repeats, flags);
      });
    };
    const isValue = (errno: number) => errno === ETIME;
    // It ends early as a short one, and where the kernel finds no place in the completion queue.
    const isEnd = () => count !== 0 && ticks >= count;
    return new Multishot(this.engine, { op: "timeout", start, values: () => [++ticks], isValue, isEnd }, o);
  }

  // Once, into a buffer that the kernel chooses

  /**
   * Receives once into a buffer of a group, chosen when something has come.
   *
   * @param flags MSG flags
   * @returns the buffer, to be released; undefined when the other side has ended its sending
   * @throws {UringError} (rejects) ENOBUFS when all buffers are lent
   */
  recvSelect(
    fd: number,
    buffers: BufferGroup,
    flags: number = 0,
    o?: SelectOptions,
  ): Promise<BorrowedBuffer | undefined> {
    checkFd(fd);
    this.#groups.check(buffers);
    refuseCuts(fd, buffers, isFixed(o));
    checkFlags(flags, "flags");
    return this.#chosen(IORING_OP.RECV, "recv", fd, buffers, 0, flags, o);
  }

  /**
   * Reads once into a buffer of a group, chosen when there is something to read.
   *
   * @param offset in bytes; left out or `"current"`: the file's position, which moves
   * @returns the buffer, to be released; undefined at the end of the file
   * @throws {UringError} (rejects) ENOBUFS when all buffers are lent
   */
  readSelect(fd: number, buffers: BufferGroup, offset?: Offset, o?: OpOptions): Promise<BorrowedBuffer | undefined> {
    checkFd(fd);
    this.#groups.check(buffers);
    return this.#chosen(IORING_OP.READ, "read", fd, buffers, toOffset(offset), 0, o);
  }

  #chosen(
    code: number,
    op: string,
    fd: number,
    buffers: BufferGroup,
    offset: number | bigint,
    opFlags: number,
    o: SelectOptions | undefined,
  ): Promise<BorrowedBuffer | undefined> {
    let flags = 0;
    const extra: Extra = {
      group: buffers.group,
      last: (res, cqeFlags) => {
        flags = cqeFlags;
        if (res < 0) buffers.take(0, flags);
        return res;
      },
      decode: (res) => buffers.take(res, flags)[0],
      failed: closedMeanwhile(op, { fd, fixedFile: o?.fixedFile }, buffers),
    };
    const pollFirst = o?.pollFirst;
    return this.start({ op, fd, home: buffers.home, extra }, o, (words, at) => {
      prepRw(words, at, code, fd, 0, buffers.size, offset);
      words[at + 7] = opFlags;
      if (pollFirst) words[at]! |= IORING_RECVSEND.POLL_FIRST << 16;
      select(words, at, buffers);
    });
  }

  /**
   * Sends what a manual BufferRing holds, buffer after buffer, in one operation (6.10).
   *
   * @param buffers a ring made with `manual: true`, with buffers that were provided
   * @param flags MSG flags; MSG_NOSIGNAL is the kernel's own here
   * @returns how many bytes were sent; the buffers that they came from are idle again, and so are others that the kernel had
   *   chosen, where it did not come to them: what a cancelled send leaves is to be provided anew
   */
  sendBundle(fd: number, buffers: BufferRing, flags: number = 0, o?: OpOptions): Promise<number> {
    this.#needBundles();
    checkFd(fd);
    this.#groups.check(buffers);
    checkSendFlags(flags, "sendZc(), which takes bytes of a BufferPool");
    if (!(buffers instanceof BufferRing && buffers.manual)) {
      throw new TypeError("buffers must be a BufferRing made with { manual: true }");
    }
    // The kernel sends so many buffers at a time, 256 in 6.18, and tells of each time.
    let before = 0;
    const extra: Extra = {
      group: buffers.group,
      more: (res, flags) => {
        buffers.sent(res, flags);
        before += Math.max(res, 0);
      },
      last: (res, flags) => {
        buffers.sent(res, flags);
        // As with write(2): what fails after something was sent is told the next time.
        return before > 0 ? before + Math.max(res, 0) : res;
      },
      ended: () => this.#groups.sent(buffers),
      failed: closedMeanwhile("send", { fd, fixedFile: o?.fixedFile }, buffers),
    };
    return this.start({ op: "send", fd, home: buffers.home, extra }, o, (words, at) => {
      prepSendBundle(words, at, fd, 0, flags);
      select(words, at, buffers);
    });
  }

  #needBundles(): void {
    if ((this.engine.core.features & IORING_FEAT.RECVSEND_BUNDLE) !== 0) return;
    throw new UnsupportedError("bundles of buffers", "Linux 6.10", kernelRelease());
  }

  /**
   * Cancels operations in flight, as before; a multishot operation, too, also while it waits for its consumer or for
   * buffers: its iteration then throws ECANCELED.
   *
   * @param target a promise of this ring's; what a multishot method gave; `{ fd }`; `{ op }`; or `"all"`
   * @returns how many operations were found
   */
  // deno-lint-ignore no-explicit-any -- whatever its values are
  override cancel(target: CancelTarget | Multishot<any>, o: CancelOptions = {}): Promise<number> {
    checkOptions(o);
    // It does not begin, whatever is meant.
    if (o.signal?.aborted) return super.cancel("all", o);
    const { engine } = this;
    if (target instanceof Multishot) {
      const ended = endStreams([target.waiter]);
      const { operation } = target;
      return engine.slotOf(operation) < 0 ? Promise.resolve(ended) : super.cancel(operation!, o);
    }
    const paused = engine.building ? [] : pausedOf(engine, target, o.fixedFile ?? false);
    // One of them ends without an operation of its own, or with one that is being taken back already.
    if (o.all === false && paused.some((stream) => stream.cancel())) return Promise.resolve(1);
    const found = super.cancel(target, o);
    if (paused.length === 0 || o.all === false) return found;
    const ended = endStreams(paused);
    // There may be no operation on that descriptor, and it may be closed.
    return found.then((count) => count + ended, (error) => {
      if (ended === 0) throw error;
      return ended;
    });
  }

  // What a BufferRing asks of its ring

  /** @internal */
  addBufferRing(
    buffers: BufferRing,
    address: number,
    entries: number,
    group: number | undefined,
    flags: number,
  ): number {
    return this.#groups.add(buffers, address, entries, group, flags);
  }

  /** @internal */
  removeBufferRing(buffers: BufferRing): void {
    this.#groups.remove(buffers);
  }

  /** @internal */
  protected get groups(): BufferGroups {
    return this.#groups;
  }

  /** @internal */
  bufferRingHead(group: number): number {
    return this.#groups.head(group);
  }

  /** @internal */
  afterTurn(callback: () => void): void {
    this.engine.afterTurn(callback);
  }
}

function ignore(): void {}

function closeFd(fd: number): void {
  load().closeFd(fd);
}

// What discards a value of a stream that was collected. Each is made by a function of the module: one made within a method
// would have what the method's other closures have, the ring.

function closeLater(fd: number): () => void {
  return () => closeFd(fd);
}

/** A buffer goes back to its group, which leads to the ring; where that is gone, there is nothing to do. */
function giveBackLater(buffers: BufferGroup): (buffer: { readonly id: number }) => () => void {
  const group = new WeakRef(buffers);
  return ({ id }) => () => group.deref()?.giveBack(id);
}

function discardReceivedLater(buffers: BufferGroup): (message: ReceivedMessage) => () => void {
  const later = giveBackLater(buffers);
  return (message) => {
    const { control } = message;
    const giveBack = later(message);
    return () => {
      closeReceived(control);
      giveBack();
    };
  };
}

/** Closes the descriptors that came with a message. */
function closeReceived(control: Uint8Array<ArrayBuffer>): void {
  for (const fd of scmFds(parseControl(control))) closeFd(fd);
}

/** Streams that wait, for their consumers or for buffers, or soon will: what is in flight of them does not tell of them. */
export function pausedOf(engine: Engine, target: CancelTarget, fixedFile: boolean): Paused[] {
  const { fd, op } = (target ?? {}) as { fd?: number; op?: string };
  return [...engine.paused].filter((stream) =>
    target === "all" || fd !== undefined && stream.fd === fd && stream.fixedFile === fixedFile ||
    op !== undefined && stream.op === String(op).toLowerCase()
  );
}

/** Ends streams as a cancellation would; how many of them have no operation for one to find. */
export function endStreams(streams: readonly Paused[]): number {
  return streams.filter((stream) => stream.cancel() && stream.slot() < 0).length;
}

/** The kernel chooses a buffer of this group. */
function select(words: Int32Array, at: number, buffers: BufferGroup): void {
  words[at]! |= IOSQE.BUFFER_SELECT << 8;
  sqeSetBufGroup(words, at, buffers.group);
}

const CUTS = "buffers is incremental, and a message would be cut where a buffer ends: make a BufferRing without that";

function isIncremental(buffers: BufferGroup): boolean {
  return buffers instanceof BufferRing && buffers.incremental;
}

/** Refuses messages into what is left of buffers. Of slots the kind is not known. */
function refuseCuts(fd: number, buffers: BufferGroup, fixed: boolean): void {
  if (!isIncremental(buffers)) return;
  const type = socketType(fd, fixed);
  if (DATAGRAMS.includes(type) || type === SOCK.SEQPACKET) throw new TypeError(CUTS);
}

/** Kinds of sockets whose messages may be empty, and kinds whose other side may have gone. */
const DATAGRAMS: readonly number[] = [SOCK.DGRAM, SOCK.RAW, SOCK.RDM];
const CONNECTED: readonly number[] = [SOCK.STREAM, SOCK.SEQPACKET];

/** The kind of a socket; −1: not known. */
function socketType(fd: number, fixed: boolean): number {
  return fixed ? -1 : load().socketType(fd);
}

/** Whether an operation's descriptor is a slot. */
function isFixed(options: OpOptions | undefined): boolean {
  return Boolean(options?.fixedFile) || ((options?.flags ?? 0) & IOSQE.FIXED_FILE) !== 0;
}

/** A message may be empty, and bring a descriptor, an error or a timestamp. */
function isNothing({ bytes, control, flags }: ReceivedMessage): boolean {
  return bytes.length === 0 && control.length === 0 && (flags & (MSG.CTRUNC | MSG.ERRQUEUE)) === 0;
}

/** Takes a buffer apart: struct io_uring_recvmsg_out, name, control messages, what was sent. */
function received(buffer: BorrowedBuffer, nameLength: number, controlLength: number): ReceivedMessage {
  const { bytes } = buffer;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const control = RECVMSG_OUT_SIZE + nameLength;
  const payload = control + controlLength;
  const release = () => buffer.release();
  return {
    id: buffer.id,
    bytes: bytes.subarray(payload, payload + view.getUint32(8, true)),
    name: bytes.subarray(RECVMSG_OUT_SIZE, RECVMSG_OUT_SIZE + Math.min(nameLength, view.getUint32(0, true))),
    control: bytes.subarray(control, control + Math.min(controlLength, view.getUint32(4, true))),
    flags: view.getUint32(12, true) & ~MSG.CMSG_CLOEXEC, // the kernel gives back what was added
    release,
    [Symbol.dispose]: release,
  };
}
