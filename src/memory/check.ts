/**
 * check(): recounts a memory from the truth and says, in sentences, what does not add up.
 *
 * Meant for a memory at rest: what other threads are in the middle of may be counted as a problem. It changes nothing.
 *
 * After a death the supervisor checks by itself, but only where rest is certain: when the last thread that ran in a memory
 * is gone. While it looks nobody begins, since it lets them all begin, save one: the maker of a memory, so that slot is
 * looked at before and after.
 */

import { ASYNC, Bucket, UNUSED, WaitRecord } from '../sync/wait-record.ts'
import {
  CLAIMED,
  FREE,
  MAKER_SLOT,
  RUNNING,
  SLOT_COUNT,
  stateOf,
  SUPERVISOR_SLOT,
  ThreadSlot,
  tidOfState,
} from '../threads/slot.ts'
import type { Attachment } from './attachment.ts'
import { names } from './directory.ts'
import { knownKinds } from './kind.ts'

export interface CheckReport {
  readonly ok: boolean
  readonly problems: readonly string[]
}

export function checkMemory(attachment: Attachment): CheckReport {
  const problems = [
    ...attachment.frames.check(),
    ...bucketProblems(attachment),
    ...recordProblems(attachment),
    ...nameProblems(attachment),
    ...objectProblems(attachment),
  ]
  return { ok: problems.length === 0, problems }
}

/** The same for the supervisor, after a death; `more` is what else to ask. Nothing while somebody runs. */
export function problemsAtRest(attachment: Attachment, more: () => Iterable<string>): readonly string[] {
  const { cpu, map } = attachment
  const maker = map.slotsAt + MAKER_SLOT * ThreadSlot.sizeof + ThreadSlot.state
  const before = cpu.load(maker)
  if (!isAtRest(attachment)) return []
  const problems: string[] = []
  try {
    problems.push(...checkMemory(attachment).problems, ...more())
  } catch (error) {
    problems.push(`the check could not go on: ${String(error)}`)
  }
  return cpu.load(maker) === before ? problems : []
}

/** True if only the supervisor has anything in this memory: the others are gone, or wait to be let in. */
function isAtRest({ cpu, map }: Attachment): boolean {
  for (let index = 0; index < SLOT_COUNT; index++) {
    if (index === SUPERVISOR_SLOT) continue
    const state = stateOf(cpu.load(map.slotsAt + index * ThreadSlot.sizeof + ThreadSlot.state))
    if (state !== FREE && (state !== CLAIMED || index === MAKER_SLOT)) return false
  }
  return true
}

/** Ids of the threads that run in this memory now. */
export function runningThreads(attachment: Attachment): Set<number> {
  const { cpu, map } = attachment
  const running = new Set<number>()
  for (let index = 0; index < SLOT_COUNT; index++) {
    const word = cpu.load(map.slotsAt + index * ThreadSlot.sizeof + ThreadSlot.state)
    if (stateOf(word) === RUNNING) running.add(tidOfState(index, word))
  }
  return running
}

function* bucketProblems(attachment: Attachment): Generator<string> {
  const { cpu, map } = attachment
  const running = runningThreads(attachment)
  for (let i = 0; i < map.bucketCount; i++) {
    const bucket = map.bucketsAt + i * Bucket.sizeof
    const holder = cpu.load(bucket + Bucket.lock)
    if (holder !== 0 && !running.has(holder))
      yield `lot bucket ${i} is locked by a thread (${holder}) that does not run`
    let seen = 0
    let before = 0
    for (
      let record = cpu.load(bucket + Bucket.head);
      record !== 0;
      record = cpu.load(record + WaitRecord.next)
    ) {
      if (cpu.load(record + WaitRecord.prev) !== before)
        yield `lot bucket ${i}: the queue is torn at record ${record}`
      if (++seen > 1_000_000) {
        yield `lot bucket ${i}: the queue has a cycle`
        break
      }
      before = record
    }
    if (cpu.load(bucket + Bucket.tail) !== before) yield `lot bucket ${i}: tail is not the last record`
  }
}

function* recordProblems(attachment: Attachment): Generator<string> {
  const { cpu, map, lot } = attachment
  const running = runningThreads(attachment)
  for (let index = 0; index < SLOT_COUNT; index++) {
    const slot = map.slotsAt + index * ThreadSlot.sizeof
    if (stateOf(cpu.load(slot + ThreadSlot.state)) === FREE) continue
    for (const record of lot.recordsOf(slot)) {
      const owner = cpu.load(record + WaitRecord.tid)
      if (cpu.load(record + WaitRecord.state) === UNUSED || running.has(owner)) continue
      const kind = cpu.load(record + WaitRecord.kind) === ASYNC ? 'an asynchronous' : 'a blocked'
      yield `${kind} wait is left of a thread (${owner}) that does not run`
    }
  }
}

function* nameProblems(attachment: Attachment): Generator<string> {
  const running = runningThreads(attachment)
  for (const { name, object, maker } of names(attachment)) {
    if (maker !== 0) {
      if (!running.has(maker)) yield `the name '${name}' is reserved by a thread (${maker}) that does not run`
    } else if (!attachment.frames.isLiveCell(object)) {
      yield `the name '${name}' stands for an object that does not exist`
    }
  }
}

function* objectProblems(attachment: Attachment): Generator<string> {
  for (const kind of knownKinds()) {
    if (kind.check === undefined) continue
    for (const at of attachment.frames.cellsOf(kind.layout.signature)) yield* kind.check(attachment, at)
  }
}
