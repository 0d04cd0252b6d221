import { AT, BufferPool, IOSQE, O } from "../../mod.ts";
import type { Random } from "../support/random.ts";
import { Guarded, type Place, same, type Task } from "./place.ts";
import { readAll, writeAll } from "./recovery.ts";

const SIZE = 1 << 17;
const MOST = 8192;
const FDATASYNC = 1;

/** Writes and reads in a file at random, beside a model of it in memory. */
export async function files(place: Place): Promise<Task> {
  const { ring } = place;
  const model = new Uint8Array(SIZE);
  const path = `${place.folder}/${place.name}`;
  const fd = await place.again(() => ring.openat(AT.FDCWD, path, O.CREAT | O.RDWR, 0o600));
  await place.again(() => ring.fallocate(fd, 0, 0, SIZE));
  const pool = new BufferPool({ ring, size: MOST, count: 4 });

  const somewhere = (random: Random) => {
    const length = 1 + random.below(MOST);
    return { length, offset: random.below(SIZE - length) };
  };

  /** Reads into the middle of a guarded buffer, and compares. */
  async function compare(random: Random, options: Parameters<typeof ring.read>[3], what: string): Promise<void> {
    const { length, offset } = somewhere(random);
    const guarded = new Guarded(length, random);
    await readAll(place, fd, guarded.bytes, offset, options);
    place.check(guarded.intact(), `${what} wrote beside its buffer`);
    place.check(same(guarded.bytes, model.subarray(offset, offset + length)), `${what} of other bytes`);
  }

  async function write(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const guarded = new Guarded(length, random);
    guarded.bytes.set(random.bytes(length));
    await writeAll(place, fd, guarded.bytes, offset);
    model.set(guarded.bytes, offset);
  }

  async function writev(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const bytes = random.bytes(length);
    const cut = random.below(length + 1);
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((part) => part.length > 0);
    const written = await place.again(() => ring.writev(fd, parts, offset));
    place.check(written === length, `a writev of ${written} bytes instead of ${length}`);
    model.set(bytes, offset);
  }

  async function readv(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const parts = [new Guarded(length, random), new Guarded(length, random)];
    const bytes = await place.again(() => ring.readv(fd, parts.map(({ bytes }) => bytes), offset));
    place.check(bytes === Math.min(2 * length, SIZE - offset), `a readv of ${bytes} bytes`);
    place.check(parts.every((part) => part.intact()), "a readv beside its buffers");
    place.check(same(parts[0]!.bytes, model.subarray(offset, offset + length)), "a readv of other bytes");
  }

  /** A registered buffer, written and made durable by one chain. */
  async function durable(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const buffer = pool.acquire();
    const part = buffer.subarray(0, length);
    part.set(random.bytes(length));
    let done = 0;
    let synced = false;
    while (done < length || !synced) {
      const rest = part.subarray(done);
      const [write, sync] = await Promise.allSettled(ring.link((ring) => [
        ...rest.length > 0 ? [ring.writeFixed(fd, rest, offset + done)] : [ring.nop()],
        ring.fsync(fd, FDATASYNC),
      ]));
      if (write!.status === "rejected") {
        if (!place.struck(write!.reason)) throw write!.reason;
        place.check(
          sync!.status === "rejected" && sync!.reason.code === "ECANCELED",
          "a chain went on after its first operation had failed",
        );
        continue;
      }
      if (rest.length > 0) {
        const isShort = write!.value < rest.length;
        place.check(place.faulty || !isShort, "a short write in a chain");
        done += write!.value;
        if (isShort) {
          place.check(
            sync!.status === "rejected" && sync!.reason.code === "ECANCELED",
            "a chain went on after its first operation had fallen short",
          );
          continue;
        }
      }
      synced = sync!.status === "fulfilled";
      if (sync!.status === "rejected" && !place.struck(sync!.reason)) throw sync!.reason;
    }
    model.set(part, offset);
    pool.release(buffer);
  }

  async function readFixed(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const buffer = pool.acquire();
    const part = buffer.subarray(0, length).fill(0xcc);
    const bytes = await place.again(() => ring.readFixed(fd, part, offset));
    place.check(bytes === length || (place.faulty && bytes > 0), `a fixed read of ${bytes} bytes instead of ${length}`);
    const expected = model.subarray(offset, offset + bytes);
    place.check(same(part.subarray(0, bytes), expected), "a fixed read of other bytes");
    place.check(part.subarray(bytes).every((byte) => byte === 0xcc), "a fixed read beyond its result");
    pool.release(buffer);
  }

  /** Three writes side by side and a read of all three, in one chain. What of it ran, ran in order. */
  async function chain(random: Random): Promise<void> {
    const length = 1 + random.below(1000);
    const offset = random.below(SIZE - 3 * length);
    const parts = Array.from({ length: 3 }, () => random.bytes(length));
    const guarded = new Guarded(3 * length, random);
    const settled = await Promise.allSettled(ring.link((ring) => [
      ...parts.map((part, i) => ring.write(fd, part, offset + i * length)),
      ring.read(fd, guarded.bytes, offset),
    ], { hard: random.below(4) === 0 }));
    settled.forEach((outcome, i) => {
      if (outcome.status === "rejected") {
        const broken = outcome.reason.code === "ECANCELED" && place.faulty && i > 0;
        if (!broken && !place.struck(outcome.reason)) throw outcome.reason;
        return;
      }
      const bytes = outcome.value;
      place.check(place.faulty || bytes === (i < 3 ? length : 3 * length), `operation ${i} of a chain fell short`);
      if (i < 3) model.set(parts[i]!.subarray(0, bytes), offset + i * length);
      else {
        const expected = model.subarray(offset, offset + bytes);
        place.check(same(guarded.bytes.subarray(0, bytes), expected), "a chain's read of other bytes");
      }
    });
    place.check(guarded.intact(), "a chain's read beside its buffer");
  }

  /** Many at once. */
  async function burst(random: Random): Promise<void> {
    const forks = Array.from({ length: 16 }, () => random.fork());
    await Promise.all(forks.map((random) => compare(random, {}, "one read of many")));
  }

  async function aborted(random: Random): Promise<void> {
    const { length, offset } = somewhere(random);
    const abort = new AbortController();
    const guarded = new Guarded(length, random);
    const options = { signal: abort.signal, flags: IOSQE.ASYNC };
    const read = place.unless(ring.read(fd, guarded.bytes, offset, options), ["AbortError"]);
    if (random.below(2) === 0) await place.again(() => ring.nop());
    abort.abort();
    const bytes = await read;
    place.check(guarded.intact(), "an aborted read beside its buffer");
    if (bytes === undefined) return;
    const expected = model.subarray(offset, offset + bytes);
    place.check(same(guarded.bytes.subarray(0, bytes), expected), "an aborted read of other bytes");
  }

  return {
    actions: {
      write,
      writev,
      read: (random) => compare(random, random.below(2) === 0 ? {} : { flags: IOSQE.ASYNC }, "a read"),
      "read with a limit": (random) => compare(random, { timeout: 600_000 }, "a read with a limit"),
      readv,
      durable,
      readFixed,
      chain,
      burst,
      aborted,
    },
    end: async () => {
      const whole = new Uint8Array(SIZE);
      await readAll(place, fd, whole, 0);
      place.check(same(whole, model), "the file is not as its model");
      pool.close();
      await place.again(() => ring.closeFd(fd));
    },
  };
}

/** How many are open at once, and how many one action opens. */
const OPEN_AT_ONCE = 50;
const OPENED = 100;

/** Files opened and closed by the thousand. */
export function openings(place: Place): Promise<Task> {
  const { ring } = place;
  let made = 0;

  async function one(random: Random): Promise<void> {
    const path = `${place.folder}/${place.name}-${made++}`;
    const content = random.bytes(1 + random.below(64));
    const flags = O.CREAT | O.EXCL | O.RDWR;
    const fd = await place.again(() => ring.openat(AT.FDCWD, path, flags, 0o600));
    await writeAll(place, fd, content, 0);
    await place.again(() => ring.closeFd(fd));
    const back = new Uint8Array(content.length);
    const again = await place.again(() => ring.openat(AT.FDCWD, path, O.RDONLY));
    await readAll(place, again, back, 0);
    place.check(same(back, content), "a file of other bytes");
    await Promise.all([
      place.again(() => ring.closeFd(again)),
      place.again(() => ring.unlinkat(AT.FDCWD, path)),
    ]);
    place.count("opened", 2);
  }

  async function many(random: Random): Promise<void> {
    for (let i = 0; i < OPENED; i += OPEN_AT_ONCE) {
      const forks = Array.from({ length: OPEN_AT_ONCE }, () => random.fork());
      await Promise.all(forks.map(one));
    }
  }

  async function missing(): Promise<void> {
    const path = `${place.folder}/there is none`;
    const fd = await place.unless(place.again(() => ring.openat(AT.FDCWD, path, O.RDONLY)), ["ENOENT"]);
    place.check(fd === undefined, "a file that there is none of was opened");
  }

  return Promise.resolve({ actions: { many, missing }, end: () => Promise.resolve() });
}
