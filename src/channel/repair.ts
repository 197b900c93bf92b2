/**
 * After a death: what the reaper does about a channel.
 *
 *   the dead thread was   published for it        the other side is told       until
 *   the producer          tail = committed        reads, when drained:         a new producer joins
 *                                                 -EOWNERDEAD
 *   the consumer          head = released         sends: -EPIPE                a new consumer joins
 *
 * The steps stand in an order in which each may be the last, and the whole may be repeated: the counter before the word it
 * is derived from, the word before the bit that makes the others look at it, the role after all of them (invariant 4), the
 * wake-ups last. They are always given: the dead thread may have been about to, as an owner or by close().
 */

import type { Lot } from '../sync/lot.ts'
import {
  CONSUMER_DIED,
  largestRecordBytes,
  noteState,
  PAD,
  PRODUCER_DIED,
  RawChannel,
  recordWords,
  SLEEPS,
  wakeBoth,
} from './ring.ts'

const { data, capacity, tail, producer, committed, sent, head, consumer, released, received } = RawChannel

/** Repairs the channel at `at` after the death of a thread, whose slot is REAPING. To be called for every channel. */
export function repairChannel(lot: Lot, at: number, dead: number): void {
  takeRoleFrom(lot, at, dead, producer, tail, committed, sent, PRODUCER_DIED)
  takeRoleFrom(lot, at, dead, consumer, head, released, received, CONSUMER_DIED)
  wakeBoth(lot, at)
}

function takeRoleFrom(
  lot: Lot,
  at: number,
  dead: number,
  role: number,
  published: number,
  reached: number,
  counter: number,
  died: number,
): void {
  const { cpu } = lot
  if (cpu.load(at + role) !== dead) return
  const from = cpu.load(at + published) & ~SLEEPS
  const to = cpu.plainLoad(at + reached)
  const last = lastNumber(lot, at, from, to)
  if (last !== undefined) cpu.store(at + counter, (last + 1) | 0)
  // Release: as in publish(), for the thread that cannot any more. SLEEPS is lost here: wakeBoth() comes in any case.
  cpu.exchange(at + published, to)
  // The others load the word again after they have seen the bit.
  noteState(cpu, at, died)
  // From here on the role may be taken. Pairs with the compareExchange in joinRole().
  cpu.compareExchange(at + role, dead, 0)
}

/**
 * The number of the last record in [from, to): the dead thread counted when it published.
 * Nobody overwrites these records: they are unpublished, or the producer has not got the room yet. Only in bytes that were
 * given (ring-bytes.ts) may their giver have done so: the walk ends at the first length that cannot be.
 */
function lastNumber(lot: Lot, at: number, from: number, to: number): number | undefined {
  const { cpu } = lot
  const start = cpu.load(at + data)
  const size = cpu.load(at + capacity)
  let last: number | undefined
  for (let position = from; ((to - position) | 0) > 0;) {
    const offset = position & (size - 1)
    const length = cpu.plainLoad(start + offset)
    if (length === PAD) {
      position = (position + size - offset) | 0
    } else if (length < 0 || length > largestRecordBytes(size)) {
      return last
    } else {
      last = cpu.plainLoad(start + offset + 1)
      position = (position + recordWords(length)) | 0
    }
  }
  return last
}
