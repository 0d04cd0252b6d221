/**
 * A look at one SQE.
 *
 * @module
 */

/**
 * A prepared SQE's bytes, read and written as a DataView's; little-endian throughout. It does not give the buffer
 * itself: whoever transferred that would leave the core with memory that is gone.
 */
export class SqeView {
  readonly #view: DataView;
  /** 64, or 128 with SQE128. */
  readonly byteLength: number;

  /** @internal */
  constructor(buffer: ArrayBufferLike, offset: number, length: number) {
    this.#view = new DataView(buffer, offset, length);
    this.byteLength = length;
  }

  /** A copy of the bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset, this.byteLength).slice();
  }

  /** The byte at a byte offset. */
  getUint8(at: number): number {
    return this.#view.getUint8(at);
  }
  /** Writes the byte at a byte offset. */
  setUint8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }
  /** The 16-bit number at a byte offset. */
  getUint16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  /** Writes the 16-bit number at a byte offset. */
  setUint16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
  /** The signed 32-bit number at a byte offset. */
  getInt32(at: number): number {
    return this.#view.getInt32(at, true);
  }
  /** Writes the signed 32-bit number at a byte offset. */
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value, true);
  }
  /** The 32-bit number at a byte offset. */
  getUint32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  /** Writes the 32-bit number at a byte offset. */
  setUint32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
  /** The 64-bit number at a byte offset. */
  getBigUint64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }
  /** Writes the 64-bit number at a byte offset. */
  setBigUint64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }
}
