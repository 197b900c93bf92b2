/**
 * What the clone transport posts of a buffer whose first `lengthBytes` are a message.
 *
 *   buffer   ├──────── message ────────┼──── rest ────┤
 *   whole    ├──────── message ────────┼──── rest ────┤   cloned: copied into postMessage's own memory, and out of it again
 *   cut      ├──────── message ────────┤                  copied once more before: slice()
 *
 * Structured cloning copies all of a view's buffer. So a message that leaves much of it empty is cut out first, and one that
 * all but fills it, as a block of whole lines does, is not: whichever copies less.
 */

/** Bytes are copied into the message, and out of it. */
const COPIES_OF_CLONING = 2

export interface Posted {
  readonly message: Uint8Array<ArrayBuffer>
  /** In all, until the consumer has it. */
  readonly copiedBytes: number
}

export function posted(buffer: ArrayBuffer, lengthBytes: number): Posted {
  const whole = COPIES_OF_CLONING * buffer.byteLength
  const cut = (1 + COPIES_OF_CLONING) * lengthBytes
  if (whole <= cut) return { message: new Uint8Array(buffer, 0, lengthBytes), copiedBytes: whole }
  return { message: new Uint8Array(buffer.slice(0, lengthBytes)), copiedBytes: cut }
}
