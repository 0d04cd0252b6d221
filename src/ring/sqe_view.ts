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

  getUint8(at: number): number {
    return this.#view.getUint8(at);
  }
  setUint8(at: number, value: number): void {
    this.#view.setUint8(at, value);
  }
  getUint16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  setUint16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
  getInt32(at: number): number {
    return this.#view.getInt32(at, true);
  }
  setInt32(at: number, value: number): void {
    this.#view.setInt32(at, value, true);
  }
  getUint32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  setUint32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
  getBigUint64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }
  setBigUint64(at: number, value: bigint): void {
    this.#view.setBigUint64(at, value, true);
  }
}
