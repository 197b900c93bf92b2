/** What does not add up in a channel at rest: positions, records, counters, owners. For check(). */

import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import { largestRecordBytes, PAD, RawChannel, recordWords, SLEEPS } from './ring.ts'

const { data, capacity, tail, producer, committed, sent, head, consumer, released, readEnd, received } =
  RawChannel

/**
 * `at` is the RawChannel; `label` begins each sentence. `ownsRecords`: false when they lie in bytes that were given, whose
 * contents are their giver's.
 */
export function* channelProblems(
  attachment: Attachment,
  at: number,
  label: string,
  ownsRecords: boolean,
): Generator<string> {
  const { cpu } = attachment
  const size = cpu.load(at + capacity)
  const row = [
    ['head', cpu.load(at + head) & ~SLEEPS],
    ['released', cpu.load(at + released)],
    ['readEnd', cpu.load(at + readEnd)],
    ['tail', cpu.load(at + tail) & ~SLEEPS],
    ['committed', cpu.load(at + committed)],
    ['head + capacity', ((cpu.load(at + head) & ~SLEEPS) + size) | 0],
  ] as const
  let isSound = true
  for (let i = 1; i < row.length; i++) {
    const [before, left] = row[i - 1]
    const [name, right] = row[i]
    if (((right - left) | 0) >= 0) continue
    isSound = false
    yield `${label}: ${name} (${right}) lies behind ${before} (${left})`
  }

  const running = runningThreads(attachment)
  for (const [role, name] of [[producer, 'producer'], [consumer, 'consumer']] as const) {
    const tid = cpu.load(at + role)
    if (tid !== 0 && !running.has(tid)) yield `${label}: its ${name} is a thread (${tid}) that does not run`
  } // prettier-ignore
  if (isSound && ownsRecords) yield* recordProblems(attachment, at, label)
}

/** Walks from head to committed: the records' lengths and numbers. `received` counts to head, `sent` to tail. */
function* recordProblems({ cpu }: Attachment, at: number, label: string): Generator<string> {
  const start = cpu.load(at + data)
  const size = cpu.load(at + capacity)
  const end = cpu.load(at + committed)
  let number = cpu.load(at + received)
  let position = cpu.load(at + head) & ~SLEEPS
  const published = cpu.load(at + tail) & ~SLEEPS
  let publishedNumber = number
  while (((end - position) | 0) > 0) {
    const offset = position & (size - 1)
    const length = cpu.load(start + offset)
    if (length === PAD) {
      position = (position + size - offset) | 0
      continue
    }
    if (length < 0 || length > largestRecordBytes(size) || recordWords(length) > size - offset) {
      yield `${label}: the record at position ${position} cannot have ${length} bytes`
      return
    }
    if (cpu.load(start + offset + 1) !== number) {
      yield `${label}: the record at position ${position} has number ${cpu.load(start + offset + 1)}, not ${number}`
    }
    number = (number + 1) | 0
    position = (position + recordWords(length)) | 0
    if (position === published) publishedNumber = number
  }
  if (position !== end) yield `${label}: the last record ends at ${position}, behind committed (${end})`
  if (publishedNumber !== cpu.load(at + sent))
    yield `${label}: ${cpu.load(at + sent)} records are counted as sent, not ${publishedNumber}`
}
