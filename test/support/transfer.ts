/** Moves a buffer's memory away, as another owner of it would; undefined where this runtime refuses, or copies. */
export function transferAway(buffer: ArrayBuffer): { moved: ArrayBuffer } | undefined {
  const { transfer } = buffer as { transfer?: () => ArrayBuffer };
  try {
    if (transfer !== undefined) return { moved: transfer.call(buffer) };
    const moved = structuredClone(buffer, { transfer: [buffer] });
    return buffer.byteLength === 0 ? { moved } : undefined;
  } catch {
    return undefined;
  }
}
