/** Bytes and text of shared memory, by the host's fastest means. */

/** The global: importing node:buffer costs a worker a third of a millisecond. */
const { Buffer } = globalThis

/** A view of shared bytes that the host's file, net and crypto calls take: a Buffer. */
export function bytesView(
  buffer: SharedArrayBuffer,
  offset: number,
  lengthBytes: number,
): Uint8Array<SharedArrayBuffer> {
  return Buffer.from(
    buffer as unknown as ArrayBuffer,
    offset,
    lengthBytes,
  ) as unknown as Uint8Array<SharedArrayBuffer>
}

/** Bytes of a text in UTF-8. */
export function textLength(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

const encoder = new TextEncoder()

/** Writes a text in UTF-8 and returns how many bytes it took. The view must be large enough. */
export function writeUtf8(into: Uint8Array, text: string): number {
  return encoder.encodeInto(text, into).written
}

/** The text that some bytes in UTF-8 stand for. */
export function readUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
