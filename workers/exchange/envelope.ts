/**
 * The envelope: what travels with every block, in every transport.
 *
 *   0               8                16
 *   ├───────────────┼────────────────┼──────────────── ─ ─
 *   │ sealed at, ms │ position       │ block of whole lines
 *   └───────────────┴────────────────┴──────────────── ─ ─
 *
 * A block is sealed when its bytes are read, and opened by the consumer that has it in hand: the latency is the time between.
 * In bytes rather than in fields of a message, so that each transport carries the same thing.
 */

import { hrtime } from 'node:process'

export const ENVELOPE_BYTES = 16

/** Milliseconds on a clock that all threads share; performance.now() counts from each thread's own start. */
export function sharedNow(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

export function seal(envelope: Uint8Array, position: number): void {
  const fields = fieldsOf(envelope)
  fields.setFloat64(8, position)
  fields.setFloat64(0, sharedNow())
}

/** What the envelope says, now that it is in hand. */
export function unseal(envelope: Uint8Array): { latencyMs: number; position: number } {
  const now = sharedNow()
  const fields = fieldsOf(envelope)
  return { latencyMs: now - fields.getFloat64(0), position: fields.getFloat64(8) }
}

function fieldsOf(envelope: Uint8Array): DataView {
  return new DataView(envelope.buffer, envelope.byteOffset, ENVELOPE_BYTES)
}
